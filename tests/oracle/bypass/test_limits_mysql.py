"""What MySQL and MariaDB let a session do, and what is made of it."""

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import Policy, RowLevelSecurity, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

SCHEMA = (
    "CREATE TABLE docs (id int PRIMARY KEY, tenant_id int, code int, KEY (code))",
    "INSERT INTO docs VALUES (1, 7, 5), (2, 8, 9041), (3, 7, 6)",
    "CREATE TABLE grants (doc int)",
    "INSERT INTO grants VALUES (1)",
    "CREATE TABLE flat (id int PRIMARY KEY, tenant_id int) ENGINE = MyISAM",
    "INSERT INTO flat VALUES (1, 7), (2, 8), (3, 7)",
)


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    run(mysql_url, SCHEMA)
    with closing(pymysql.connect(**arguments(mysql_url))) as made:
        yield made


def wrapped(raw: Any, *policies: Any, mode: Any = "normal", **options: Any) -> Any:
    plugins = [RowLevelSecurity(*policies, **options)]
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
    made.context = {"tenant_id": 7}
    return made


GRANTED = Policy("docs", using="id IN (SELECT doc FROM grants)")
TENANTS = tenant_isolation("tenant_id", ["docs"])
#: Each makes a temporary table that stands in the place of grants.
SHADOWS = (
    ("CREATE TEMPORARY TABLE grants SELECT 2 AS doc",),
    ("CREATE TEMPORARY TABLE `grants` (doc int)",),
    ("CREATE TEMPORARY TABLE IF NOT EXISTS {db}.grants (doc int)",),
    ("CREATE TEMPORARY TABLE other SELECT 2 AS doc", "ALTER TABLE other RENAME grants"),
    (
        "CREATE TEMPORARY TABLE other SELECT 2 AS doc",
        "ALTER TABLE other ADD x int, RENAME TO {db}.`grants`",
    ),
)


@pytest.mark.parametrize("texts", SHADOWS)
def test_a_policy_reads_no_table_of_the_callers_making(
    raw: Any, texts: tuple[str, ...]
) -> None:
    connection = wrapped(raw, GRANTED)
    texts = tuple(text.replace("{db}", raw.db.decode()) for text in texts)
    for text in texts[:-1]:
        rows(connection, text)
    with pytest.raises(UnsupportedStatement) as caught:
        rows(connection, texts[-1])
    assert caught.value.code == "protected-ddl"
    assert rows(connection, "SELECT id FROM docs") == [(1,)]
    rows(raw, texts[-1])  # and this is why
    rows(raw, "DELETE FROM grants")
    rows(raw, "INSERT INTO grants (doc) VALUES (2)")
    assert rows(connection, "SELECT id FROM docs") == [(2,)]


@pytest.mark.parametrize("name", ["grants", "docs"])
def test_a_temporary_table_that_is_there_already(raw: Any, name: str) -> None:
    """It is in no catalogue, and stands for the name with its database, too."""
    rows(raw, f"CREATE TEMPORARY TABLE {name} SELECT 2 AS id, 2 AS doc, 7 AS tenant_id")
    with pytest.raises(ConfigurationError, match=f"place of {name}"):
        wrapped(raw, GRANTED)
    rows(raw, f"DROP TEMPORARY TABLE {name}")
    assert rows(wrapped(raw, GRANTED), "SELECT id FROM docs") == [(1,)]


def test_one_that_was_made_under_a_bypass(raw: Any) -> None:
    connection = wrapped(raw, GRANTED)
    with kysera_dbapi.bypass("rls", reason="a test"), suppress(ConfigurationError):
        rows(connection, "CREATE TEMPORARY TABLE grants SELECT 2 AS doc")
    with pytest.raises(ConfigurationError, match="place of grants"):
        rows(connection, "SELECT id FROM docs")


def test_other_temporary_tables_are_the_callers(raw: Any) -> None:
    connection = wrapped(raw, GRANTED)
    rows(connection, "CREATE TEMPORARY TABLE copied SELECT * FROM docs")
    rows(connection, "ALTER TABLE copied RENAME TO copies")
    assert rows(connection, "SELECT id FROM copies") == [(1,)]
    rows(connection, "RENAME TABLE grants TO was, was TO grants")
    rows(connection, "DROP TEMPORARY TABLE copies")


#: A condition that an index covers is tried before the row is read.
KEPT = (
    (
        "SELECT id FROM docs FORCE INDEX (code) WHERE code > 0 "
        "AND (@x := concat(coalesce(@x, ''), '/', code)) IS NOT NULL",
        "SELECT @x",
    ),
    (
        "SELECT id FROM docs FORCE INDEX (code) WHERE code > 0 "
        "AND LAST_INSERT_ID(code) > 0 ORDER BY code",
        "SELECT LAST_INSERT_ID()",
    ),
)


@pytest.mark.parametrize(("text", "query"), KEPT)
def test_strict_mode_keeps_no_value_of_a_hidden_row(
    raw: Any, text: str, query: str
) -> None:
    normal = wrapped(raw, TENANTS)
    rows(normal, text)
    assert "9041" in str(rows(normal, query))  # docs/guarantees.md says so
    raw.close()
    raw.connect()
    strict = wrapped(raw, TENANTS, mode="strict")
    with pytest.raises(UnsupportedStatement):
        rows(strict, text)
    assert "9041" not in str(rows(strict, query))


@pytest.mark.parametrize(("text", "query"), KEPT)
def test_the_barrier_keeps_none(raw: Any, text: str, query: str) -> None:
    connection = wrapped(raw, TENANTS, barrier=True)
    rows(connection, text.replace("FORCE INDEX (code)", ""))
    assert "9041" not in str(rows(connection, query))


def test_the_text_of_an_error(raw: Any) -> None:
    """It may show a hidden value without the barrier, as on other databases."""
    if "MariaDB" in raw.get_server_info():
        pytest.skip("its errors show no values of a condition on an index")
    sql = (
        "SELECT id FROM docs FORCE INDEX (code) WHERE code > 9000 AND uuid_to_bin(code)"
    )
    for mode in ("normal", "strict"):
        with pytest.raises(pymysql.Error, match="9041"):
            rows(wrapped(raw, TENANTS, mode=mode), sql)
    barred = wrapped(raw, TENANTS, barrier=True)
    assert rows(barred, sql.replace("FORCE INDEX (code)", "")) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE flat SET tenant_id = 6 + id",
        "INSERT INTO flat VALUES (4, 7), (5, 8)",
        "DELETE FROM flat",
        "UPDATE docs JOIN flat USING (id) SET flat.id = flat.id + 90",
        "UPDATE flat f JOIN docs d USING (id) SET f.id = f.id + 90, d.code = 1",
        "DELETE f FROM docs d JOIN flat f USING (id)",
        "INSERT INTO flat SELECT id + 90, tenant_id FROM docs",
    ],
)
def test_an_engine_without_transactions_is_not_written_to(raw: Any, sql: str) -> None:
    """What a check refuses amid a statement would be half done."""
    before = rows(raw, "SELECT * FROM flat")
    connection = wrapped(raw, tenant_isolation("tenant_id", ["flat"]))
    with pytest.raises(UnsupportedStatement, match="no transactions"):
        rows(connection, sql)
    assert rows(raw, "SELECT * FROM flat") == before
    assert rows(connection, "SELECT id FROM flat ORDER BY id") == [(1,), (3,)]


def test_a_unique_key_tells_of_hidden_rows(raw: Any) -> None:
    connection = wrapped(raw, TENANTS)
    with pytest.raises(pymysql.IntegrityError, match="'2'") as caught:
        rows(connection, "INSERT INTO docs (id) VALUES (2)")
    assert not isinstance(caught.value, PolicyViolation)
    assert "9041" not in str(caught.value)


#: What finds the hidden row of docs by its key.
BY_KEY = "SELECT * FROM docs WHERE id = 2"
#: What shows that row: the last result holds it.
SHOWING = {
    "mysql": (
        (f"EXPLAIN FORMAT=JSON {BY_KEY}",),
        (f"EXPLAIN FORMAT=TRADITIONAL {BY_KEY}", "SHOW WARNINGS"),
        (
            "EXPLAIN FORMAT=TREE SELECT max(code) FROM docs WHERE id = 2 "
            "HAVING max(code) > 1",
        ),
        (f"EXPLAIN FORMAT=JSON INTO @plan {BY_KEY}", "SELECT @plan"),
    ),
    "mariadb": (
        (f"EXPLAIN EXTENDED {BY_KEY}", "SHOW WARNINGS"),
        (
            f"EXPLAIN FORMAT=JSON {BY_KEY} "
            "AND EXISTS (SELECT 1 FROM grants WHERE doc < code)",
        ),
    ),
}


def kind_of(raw: Any) -> str:
    return "mariadb" if "MariaDB" in raw.get_server_info() else "mysql"


@pytest.mark.parametrize("options", [{}, {"mode": "strict"}, {"barrier": True}])
def test_explain_shows_no_row_that_it_reads(raw: Any, options: dict[str, Any]) -> None:
    """One that is found by its key is read before the plan is made."""
    connection = wrapped(raw, TENANTS, **options)
    for first, *rest in SHOWING[kind_of(raw)]:
        with pytest.raises(UnsupportedStatement, match="EXPLAIN"):
            rows(connection, first)
        shown = rows(raw, first.replace("id = 2", "tenant_id = 7 AND id = 2"))
        for text in rest:
            shown = rows(raw, text)
        assert "9041" in str(shown)  # and this is why


def test_the_explain_that_shows_names_alone(raw: Any) -> None:
    connection = wrapped(raw, TENANTS)
    assert rows(connection, "EXPLAIN SELECT * FROM grants")
    if kind_of(raw) == "mysql":
        with pytest.raises(UnsupportedStatement):
            rows(connection, f"EXPLAIN {BY_KEY}")
        return
    for verb in ("EXPLAIN", "EXPLAIN PARTITIONS", "ANALYZE"):
        shown = rows(connection, f"{verb} {BY_KEY}")
        assert shown
        assert "9041" not in str([shown, rows(connection, "SHOW WARNINGS")])


def test_no_file_of_the_server_is_read(raw: Any) -> None:
    """It may be one that keeps tables, or the log of what was written to them."""
    for mode in ("normal", "strict"):
        connection = wrapped(raw, TENANTS, mode=mode)
        for text in (
            "LOAD DATA INFILE '/etc/hostname' INTO TABLE grants",
            "LOAD XML CONCURRENT INFILE 'ib_logfile0' INTO TABLE grants",
        ):
            with pytest.raises(UnsupportedStatement, match="LOCAL"):
                rows(connection, text)


def test_no_engine_by_default_shows_rows_of_others(raw: Any) -> None:
    """A temporary MERGE table is in no catalogue."""
    merged = (
        "CREATE TEMPORARY TABLE kept (id int NOT NULL PRIMARY KEY, tenant_id int) "
        "UNION = (flat)"
    )
    connection = wrapped(raw, tenant_isolation("tenant_id", ["flat"]))
    for name in ("default_tmp_storage_engine", "default_storage_engine"):
        with pytest.raises(UnsupportedStatement):
            rows(connection, f"SET {name} = MRG_MyISAM")
        with suppress(pymysql.OperationalError):  # MariaDB has one of them
            rows(raw, f"SET {name} = MRG_MyISAM")
    rows(raw, merged)
    assert (2, 8) in rows(raw, "SELECT * FROM kept")  # and this is why
    rows(connection, "SET default_storage_engine = InnoDB")


#: A DEFAULT that is computed is tried on every row there is.
COMPUTED = "ALTER TABLE docs ADD COLUMN seen tinyint DEFAULT (code)"


def test_the_barrier_tries_no_default_on_hidden_rows(raw: Any) -> None:
    barred = wrapped(raw, TENANTS, barrier=True)
    with pytest.raises(UnsupportedStatement, match="hidden rows"):
        rows(barred, COMPUTED)
    rows(barred, "ALTER TABLE docs ADD COLUMN later int DEFAULT 5")
    with pytest.raises(pymysql.Error, match="Out of range"):  # for the hidden 9041
        rows(wrapped(raw, TENANTS), COMPUTED)


#: Each with what FOUND_ROWS() tells afterwards, of two visible rows of three.
FOUND = (
    ("SELECT id FROM docs", 2),
    ("SELECT SQL_CALC_FOUND_ROWS id FROM docs LIMIT 1", 2),
    ("SELECT SQL_CALC_FOUND_ROWS id FROM docs ORDER BY code DESC LIMIT 1, 1", 2),
    ("SELECT SQL_CALC_FOUND_ROWS a.id FROM docs a JOIN docs b LIMIT 1", 4),
    ("SELECT DISTINCT SQL_CALC_FOUND_ROWS tenant_id FROM docs LIMIT 1", 1),
    ("SELECT SQL_CALC_FOUND_ROWS id FROM docs WHERE code > 9000 LIMIT 1", 0),
    ("SELECT SQL_CALC_FOUND_ROWS count(*) FROM docs GROUP BY id LIMIT 1", 2),
    ("SELECT SQL_CALC_FOUND_ROWS doc FROM grants LEFT JOIN docs ON 1 LIMIT 1", 2),
)


@pytest.mark.parametrize("options", [{}, {"mode": "strict"}, {"barrier": True}])
def test_found_rows_tells_of_visible_rows(raw: Any, options: dict[str, Any]) -> None:
    connection = wrapped(raw, TENANTS, **options)
    for text, count in FOUND:
        for _ in range(2):  # what is planned, and what is known
            rows(connection, text)
            assert rows(connection, "SELECT FOUND_ROWS()") == [(count,)], text
    rows(connection, "UPDATE docs SET code = code + 1 WHERE code > 0")
    assert rows(connection, "SELECT ROW_COUNT()") == [(2,)]


@pytest.mark.parametrize("options", [{}, {"mode": "strict"}, {"barrier": True}])
def test_row_ids_and_lists_are_of_visible_rows(
    raw: Any, options: dict[str, Any]
) -> None:
    connection = wrapped(raw, TENANTS, **options)
    query = "SELECT json_arrayagg(code), json_objectagg(id, code) FROM docs"
    ((listed, pairs),) = rows(connection, query)
    assert sorted(json.loads(listed)) == [5, 6]
    assert json.loads(pairs) == {"1": 5, "3": 6}
    # the barrier's derived table has no _rowid
    known = (UnsupportedStatement,) if options.get("barrier") else ()
    with suppress(*known):
        query = "SELECT _rowid FROM docs WHERE _rowid > 0 ORDER BY _rowid"
        assert rows(connection, query) == [(1,), (3,)]
        assert rows(connection, "SELECT max(_rowid), min(_rowid) FROM docs") == [(3, 1)]


#: It is tried by the index before the filter, and warns of what it meets.
WARNED = (
    "SELECT id FROM docs FORCE INDEX (code) WHERE code > 9000 "
    "AND cast(code AS date) IS NULL"
)


def test_the_text_of_a_warning(raw: Any) -> None:
    """As that of an error: docs/guarantees.md says so."""
    for mode in ("normal", "strict"):
        connection = wrapped(raw, TENANTS, mode=mode)
        assert rows(connection, WARNED) == []
        assert "9041" in str(rows(connection, "SHOW WARNINGS"))
    barred = wrapped(raw, TENANTS, barrier=True)
    assert rows(barred, WARNED.replace("FORCE INDEX (code)", "")) == []
    assert "9041" not in str(rows(barred, "SHOW WARNINGS"))
