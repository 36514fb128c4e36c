"""Statements of PostgreSQL through psycopg: what each gives, and what is refused."""

import sys
from contextlib import closing
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.notes import OURS, QUERY, plugins

SCS = "standard_conforming_strings"


@pytest.fixture
def connection(notes: Any) -> Any:
    return notes


@pytest.fixture
def raw(raw_notes: Any) -> Any:
    return raw_notes


def test_writes_in_with(connection: Any, raw: Any) -> None:
    text = (
        "WITH gone AS (DELETE FROM notes WHERE id < 9 RETURNING *), "
        "made AS (INSERT INTO notes (id, body) SELECT id + 70, body FROM gone) "
        "UPDATE log SET line = (SELECT string_agg(body, ',' ORDER BY id) FROM gone) "
        "RETURNING line"
    )
    assert connection.execute(text).fetchall() == [("ours,ours too",)]
    text = "SELECT id, tenant_id, body, deleted_at IS NULL FROM notes ORDER BY id"
    assert raw.execute(text).fetchall() == [
        (1, 7, "ours", False),
        (2, 7, "ours too", False),
        (3, 7, "gone", False),
        (4, 8, "GHOST", True),
        (5, 8, "GHOST 50%", False),
        (71, 7, "ours", True),
        (72, 7, "ours too", True),
    ]
    with pytest.raises(kysera_dbapi.PolicyViolation):
        connection.execute(
            "WITH made AS (INSERT INTO notes (id, tenant_id) VALUES (80, 8)) SELECT 1"
        )
    upsert = (
        "WITH made AS (INSERT INTO notes (id, body) VALUES (4, 'x') ON CONFLICT (id) "
        "DO UPDATE SET body = excluded.body RETURNING id) SELECT id FROM made"
    )
    with pytest.raises(kysera_dbapi.PolicyViolation):
        connection.execute(upsert)
    assert connection.execute(upsert.replace("4", "71")).fetchall() == [(71,)]


@pytest.mark.parametrize(
    ("statement", "params", "lines"),
    [
        ("COPY notes (id, body) TO STDOUT", None, b"1\tours\n2\tours too\n"),
        ("COPY public.notes (body) TO STDOUT (FORMAT csv)", None, b"ours\nours too\n"),
        (
            "COPY (SELECT id, body FROM notes WHERE id %% 2 = %s) "
            "TO STDOUT WITH (DELIMITER '%%')",
            (1,),
            b"1%ours\n",
        ),
        (
            "COPY (SELECT id FROM notes WHERE id % 2 = 1) TO STDOUT WITH CSV HEADER",
            None,
            b"id\n1\n",
        ),
        ("COPY log TO STDOUT", None, b"1\tone\n"),
    ],
)
def test_copy_to(connection: Any, statement: str, params: Any, lines: bytes) -> None:
    with connection.cursor().copy(statement, params) as copy:
        assert b"".join(copy) == lines


def test_copy_of_a_whole_table(connection: Any) -> None:
    with connection.cursor().copy("COPY notes TO STDOUT") as copy:
        rows = [bytes(row).split(b"\t") for row in copy]
    assert [row[:3] for row in rows] == [
        [b"1", b"7", b"ours"],
        [b"2", b"7", b"ours too"],
    ]
    assert {len(row) for row in rows} == {6}


@pytest.mark.parametrize(
    "statement",
    [
        "COPY notes FROM STDIN",
        "COPY notes TO PROGRAM 'cat'",
        "COPY (DELETE FROM notes RETURNING id) TO STDOUT",
        "COPY (SELECT * FROM notes) TO '/tmp/x'",
    ],
)
def test_copy_is_refused(connection: Any, raw: Any, statement: str) -> None:
    with (
        pytest.raises(kysera_dbapi.UnsupportedStatement),
        connection.cursor().copy(statement),
    ):
        pass
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_copy_from_into_another_table(connection: Any, raw: Any) -> None:
    cursor = connection.cursor()
    with cursor.copy("COPY log (id, line) FROM STDIN") as copy:
        copy.write_row((2, "two"))
    assert cursor.rowcount == 1
    assert raw.execute("SELECT count(*) FROM log").fetchone() == (2,)


def test_copy_from_that_sets_off_a_trigger(connection: Any, raw: Any) -> None:
    raw.execute(
        "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN DELETE FROM notes; RETURN NEW; END'"
    )
    raw.execute(
        "CREATE TRIGGER t BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION wipe()"
    )
    with (
        pytest.raises(kysera_dbapi.UnsupportedStatement),
        connection.cursor().copy("COPY log FROM STDIN") as copy,
    ):
        copy.write_row((2, "two"))
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_declare_and_fetch(connection: Any) -> None:
    with connection.transaction():
        connection.execute("DECLARE c CURSOR FOR " + QUERY)
        with kysera_dbapi.context(tenant_id=8):
            assert connection.execute("FETCH 1 FROM c").fetchall() == OURS[:1]
        connection.execute("MOVE 0 FROM c")
        assert connection.execute("FETCH ALL FROM c").fetchall() == OURS[1:]
        connection.execute("CLOSE c")


def test_a_table_made_later_takes_no_protection_away(connection: Any, raw: Any) -> None:
    raw.execute('CREATE TABLE "public.notes" (LIKE notes)')
    assert connection.execute("SELECT count(*) FROM public.notes").fetchone() == (2,)
    made = kysera_dbapi.wrap(raw, plugins=[SoftDelete(["notes"])])
    raw.execute('CREATE TABLE "Notes" (LIKE notes)')
    assert made.execute("SELECT count(*), 1 FROM notes").fetchone() == (3, 1)
    with pytest.raises(kysera_dbapi.ConfigurationError):
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(["Notes"])])


def test_a_path_does_not_move_the_protection(connection: Any, raw: Any) -> None:
    raw.execute("CREATE SCHEMA other")
    raw.execute("CREATE TABLE other.notes AS SELECT * FROM notes")
    connection.execute("SET search_path TO other, public")
    assert connection.execute("SELECT count(*) FROM notes").fetchone() == (5,)
    assert connection.execute("SELECT count(*) FROM public.notes").fetchone() == (2,)
    connection.execute("RESET search_path")
    assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO notes VALUES (90), (91)",
        "INSERT INTO notes AS n VALUES (90), (91) RETURNING n.id",
        "INSERT INTO notes SELECT 90 UNION ALL SELECT 91 ORDER BY 1",
        "INSERT INTO notes VALUES (90, 7, 'a'), (91, 7, 'b')",
        "INSERT INTO notes VALUES (90, 7), (91, DEFAULT) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO notes TABLE two",
        "INSERT INTO notes VALUES (90) UNION SELECT 91",
        "INSERT INTO notes WITH w AS (SELECT 90 id) SELECT id FROM w UNION SELECT 91",
    ],
)
def test_rows_that_end_early(connection: Any, raw: Any, text: str) -> None:
    raw.execute("CREATE TABLE two AS SELECT 90 AS id UNION SELECT 91")
    raw.execute("ALTER TABLE notes ALTER tenant_id SET DEFAULT 7")
    try:
        connection.execute(text)
    except kysera_dbapi.UnsupportedStatement:
        assert "TABLE two" in text
        return
    found = raw.execute(
        "SELECT tenant_id, created_at IS NULL FROM notes WHERE id >= 90 ORDER BY id"
    )
    assert found.fetchall() == [(7, False), (7, False)]


def test_explain_reads_placeholders(connection: Any) -> None:
    shown = connection.explain(
        "SELECT id FROM notes WHERE body LIKE %s AND id %% 2 = 1"
    )
    assert "LIKE %s" in shown.sql
    assert "id %% 2" in shown.sql
    assert "id % 2" in connection.explain("SELECT id FROM log WHERE id % 2 = 1").sql


def test_raw_cursors_are_planned_apart(connection: Any, raw: Any) -> None:
    for _ in range(2):
        assert connection.execute(QUERY, ()).fetchall() == OURS
        assert psycopg.RawCursor(connection).execute(QUERY, ()).fetchall() == OURS
    text = "SELECT body FROM notes WHERE id = $1 AND tenant_id = $2 AND id = $1"
    cursor = psycopg.RawCursor(connection)
    assert cursor.execute(text, (1, 7)).fetchall() == [("ours",)]
    assert cursor.execute(text, (4, 8)).fetchall() == []


def test_a_commit_that_is_a_rollback(raw: Any, postgresql_url: str) -> None:
    made = kysera_dbapi.connect(postgresql_url, plugins=plugins())
    with closing(made), kysera_dbapi.context(tenant_id=7):
        made.execute("CREATE TABLE later AS SELECT id FROM notes")
        assert made.execute("SELECT id FROM later").fetchall() == [(1,), (2,)]
        with pytest.raises(psycopg.errors.DivisionByZero):
            made.execute("SELECT 1 / 0")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            made.execute("SELECT id FROM later")
        made.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            made.execute("SELECT id FROM later")


@pytest.mark.parametrize("setting", ["client_encoding=SJIS", SCS + "=off"])
def test_settings_in_which_texts_are_not_what_they_seem(
    raw: Any, postgresql_url: str, setting: str
) -> None:
    with pytest.raises(kysera_dbapi.ConfigurationError):
        kysera_dbapi.connect(postgresql_url, plugins=plugins(), options=f"-c {setting}")
    made = kysera_dbapi.connect(postgresql_url, plugins=plugins())
    with closing(made), kysera_dbapi.context(tenant_id=7):
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            made.execute(f"SET {setting}")
        made.rollback()
        made.unwrap().execute(f"SET {setting}")
        with pytest.raises(kysera_dbapi.ConfigurationError):
            made.execute("SELECT id, 'a new shape' FROM notes")


def test_returning_a_star_beside_other_relations(connection: Any) -> None:
    text = "UPDATE notes SET tenant_id = 7 FROM log WHERE log.id = notes.id RETURNING *"
    cursor = connection.execute(text)
    names = [column.name for column in cursor.description]
    assert names[:3] == ["id", "tenant_id", "body"]
    assert names[-3:] == ["deleted_at", "id", "line"]
    assert cursor.fetchone()[-2:] == (1, "one")


@pytest.mark.parametrize("shown", ["id + 1", "1", "'x'", "body || 'x'", "id > 1"])
def test_what_has_no_name_gets_none(connection: Any, shown: str) -> None:
    """What is shown of a checked row is wrapped."""
    text = "UPDATE notes SET tenant_id = 7 RETURNING "
    names = [c.name for c in connection.execute(text + shown).description]
    assert names == ["?column?"]
    cursor = connection.execute(text + f"lower(body), {shown}")
    assert [column.name for column in cursor.description] == ["lower", "?column?"]
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="an alias"):
        connection.execute(text + "lower(body)")


def test_default_values(connection: Any, raw: Any) -> None:
    connection.execute("INSERT INTO notes DEFAULT VALUES")
    text = "SELECT tenant_id, created_at IS NULL FROM notes WHERE id = 100"
    assert raw.execute(text).fetchone() == (7, False)


#: What the server runs in no transaction; all of them work for the raw driver.
OUTSIDE = (
    "CREATE INDEX CONCURRENTLY i ON notes (body)",
    "CREATE UNIQUE INDEX CONCURRENTLY ON log (id)",
    "REINDEX INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY log",
    "DROP INDEX CONCURRENTLY i",
    "DROP INDEX CONCURRENTLY IF EXISTS i",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY lines",
    "VACUUM",
    "VACUUM (FULL, ANALYZE) notes",
    "CLUSTER",
    "CHECKPOINT",
    "DISCARD ALL",
    "DROP DATABASE IF EXISTS kysera_none",
    "ALTER TYPE mood ADD VALUE 'new'",
)
OUTSIDE_SINCE_14 = (
    "REINDEX (CONCURRENTLY) TABLE notes",
    "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
)


def test_what_runs_in_no_transaction(postgresql_url: str, raw: Any) -> None:
    raw.execute(
        "CREATE TABLE parts (id int) PARTITION BY LIST (id);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);"
        "CREATE MATERIALIZED VIEW lines AS SELECT id, line FROM log;"
        "CREATE UNIQUE INDEX ON lines (id); CREATE TYPE mood AS ENUM ('good');"
    )
    made = kysera_dbapi.connect(postgresql_url, plugins=plugins(), autocommit=True)
    with closing(made) as connection, kysera_dbapi.context(tenant_id=7):
        connection.execute("CREATE TEMP TABLE notes (id int, body text)")
        assert connection.execute(QUERY).fetchall() == []
        newer = OUTSIDE_SINCE_14 if raw.info.server_version >= 140000 else ()
        for statement in (*newer, *OUTSIDE):
            connection.execute(statement)
        assert connection.execute(QUERY).fetchall() == OURS
        assert connection.execute("SELECT count(*) FROM part").fetchone() == (0,)
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY ON notes (body)")
        for refused in ("CREATE DATABASE kysera_none", "ALTER SYSTEM RESET work_mem"):
            with pytest.raises(kysera_dbapi.UnsupportedStatement):
                connection.execute(refused)


def test_what_runs_in_no_transaction_does_not_in_one(connection: Any) -> None:
    connection.autocommit = False
    for statement in ("DISCARD ALL", "CREATE INDEX CONCURRENTLY i ON notes (body)"):
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            connection.execute(statement)
        connection.rollback()
    assert connection.execute(QUERY).fetchall() == OURS


@pytest.mark.parametrize("text", ["EXPLAIN {}", "EXPLAIN (ANALYZE) {}"])
def test_explain_of_writes(connection: Any, raw: Any, text: str) -> None:
    def rows() -> list[Any]:
        shown = "SELECT id, body, deleted_at IS NULL FROM notes ORDER BY id"
        return list(raw.execute(shown).fetchall())

    before, runs = rows(), "ANALYZE" in text
    for statement, params in (
        ("INSERT INTO notes (id, body) VALUES (10, 'new') RETURNING id", None),
        ("INSERT INTO notes (id, body, tenant_id) VALUES (%s, 'new', 7)", (11,)),
        ("UPDATE notes SET body = 'x'", None),
        ("DELETE FROM notes WHERE id = %s", (1,)),
        ("CREATE TABLE copy AS TABLE notes", None),
    ):
        cursor = connection.execute(text.format(statement), params)
        shown = str(cursor.fetchall())
        assert cursor.description[0].name == "QUERY PLAN"
        assert ("actual" in shown) is runs, statement
    hidden = [row for row in before if row[0] in (3, 4, 5)]
    done = [(1, "x", False), (2, "x", True), *hidden, (10, "x", True), (11, "x", True)]
    assert rows() == (done if runs else before)
    if runs:
        copied = connection.execute("SELECT id FROM copy ORDER BY 1").fetchall()
        assert copied == [(2,), (10,), (11,)]
    others = "INSERT INTO notes (id, tenant_id) VALUES (12, 8)"
    if runs:
        with pytest.raises(kysera_dbapi.PolicyViolation):
            connection.execute(text.format(others))
    else:
        connection.execute(text.format(others))
    assert rows() == (done if runs else before)


class Template:
    """What psycopg on Python 3.14 takes for a query."""

    interpolations = ()

    def __iter__(self) -> Any:
        return iter(["SELECT body FROM notes"])


def test_a_template_string_is_refused(connection: Any) -> None:
    def many() -> None:
        connection.cursor().executemany(Template(), [()])

    def copied() -> None:
        with connection.cursor().copy(Template()):
            pass

    def named() -> None:
        with connection.cursor("named") as cursor:
            cursor.execute(Template())

    for call in (
        lambda: connection.execute(Template()),
        lambda: connection.cursor().execute(Template()),
        lambda: list(connection.cursor().stream(Template())),
        many,
        copied,
        named,
    ):
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="template string"):
            call()
    if sys.version_info >= (3, 14):
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="template string"):
            connection.execute(eval('t"SELECT body FROM notes"'))


THREE_PARTS = (
    ("SELECT id, body FROM {}.public.notes ORDER BY 1", OURS),
    ("TABLE {}.public.notes", 2),
    (
        "SELECT {0}.public.notes.id, body FROM log FULL JOIN {0}.public.notes "
        "ON log.id = {0}.public.notes.id ORDER BY 1",
        OURS,
    ),
    ("UPDATE {0}.public.notes SET body = 'x' RETURNING {0}.public.notes.id", 2),
    ("INSERT INTO {}.public.notes (body) VALUES ('new') RETURNING tenant_id", [(7,)]),
    ("DELETE FROM {}.public.notes RETURNING id", 3),
)


def test_names_of_three_parts(connection: Any, raw: Any) -> None:
    for text, due in THREE_PARTS:
        found = connection.execute(text.format(raw.info.dbname)).fetchall()
        assert (len(found) if isinstance(due, int) else found) == due, text
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (6,)
    for text, _ in THREE_PARTS:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute(text.format("postgres"))


@pytest.mark.parametrize("text", ["TABLE notes", "TABLE ONLY (notes) ORDER BY 1"])
def test_copy_of_table(connection: Any, text: str) -> None:
    with connection.cursor().copy(f"COPY ({text}) TO STDOUT") as copy:
        rows = [bytes(row).split(b"\t")[2] for row in copy]
    assert rows == [b"ours", b"ours too"]


def test_explain_of_a_cursor_is_of_what_it_would_show(connection: Any) -> None:
    for sql in ("EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN (ANALYZE, VERBOSE)"):
        for how in ("CURSOR", "BINARY NO SCROLL CURSOR WITH HOLD"):
            plan = connection.execute(f"{sql} DECLARE c {how} FOR SELECT * FROM notes")
            assert "tenant_id" in str(plan.fetchall())


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM notes WHERE id = 4",
        "DELETE FROM notes WHERE id = %s",
        "UPDATE notes SET body = 'x'",
        "SELECT * FROM notes",
        "SET search_path = pg_catalog",
        "BEGIN",
        "CREATE TABLE more (id integer)",
        "COPY (WITH d AS (DELETE FROM notes RETURNING *) TABLE d) TO STDOUT",
    ],
)
def test_copy_runs_nothing_but_a_copy(text: str, notes: Any, raw_notes: Any) -> None:
    before = raw_notes.execute("SELECT * FROM notes ORDER BY id").fetchall()
    given = (4,) if "%s" in text else None
    with (
        pytest.raises(kysera_dbapi.UnsupportedStatement),
        notes.cursor().copy(text, given),
    ):
        pass
    assert raw_notes.execute("SELECT * FROM notes ORDER BY id").fetchall() == before
    assert not notes.info.transaction_status
    assert notes.execute("SELECT count(*) FROM notes").fetchone() == (2,)
    with (
        pytest.raises(psycopg.ProgrammingError, match="should be used only with COPY"),
        notes.cursor().copy("SELECT 1"),
    ):
        pass


def test_several_statements_with_values_are_told_what_to_do(notes: Any) -> None:
    text = "SELECT id FROM notes WHERE id = %s; SELECT 1"
    calls: list[Any] = [
        lambda: notes.execute(text, (1,)),
        lambda: notes.cursor().executemany(text, [(1,)]),
        lambda: list(notes.cursor().stream("SELECT 1; DELETE FROM notes")),
        lambda: notes.cursor().copy("COPY log TO STDOUT; TABLE notes").__enter__(),
    ]
    for call in calls:
        with pytest.raises(psycopg.ProgrammingError) as caught:
            call()
        assert str(caught.value) == (
            "cannot insert multiple commands into a prepared statement; execute() each "
            "of them, or all of them in one text without values"
        )
    assert notes.execute(text.replace("%s", "1")).fetchall() == [(1,)]


SOURCES = [
    "(SELECT 1, 'x') UNION ALL (VALUES (2, 'y'))",
    "(SELECT 1, 'x' UNION ALL SELECT 2, 'y')",
    "((SELECT 1, 'x')) UNION (SELECT 2, 'y' ORDER BY 1 LIMIT 1)",
    "(VALUES (1, 'x'), (2, 'y'))",
    "SELECT 1, (SELECT 'x') UNION ALL (SELECT 2, (VALUES ('y')))",
    "(SELECT id, (SELECT body) FROM (VALUES (1, 'x'), (2, 'y')) v(id, body))",
    "((SELECT 1, 'x') UNION (SELECT 3, 'z')) EXCEPT (VALUES (3, 'z')) "
    "UNION SELECT 2, 'y'",
    "(TABLE pairs)",
    "WITH p AS (SELECT * FROM pairs) (SELECT * FROM p)",
    "(WITH p AS (SELECT * FROM pairs) SELECT * FROM p)",
    "(SELECT * FROM pairs) ORDER BY 1 LIMIT 2",
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("listed", ["(id, body)", "AS n (id, body)"])
def test_parentheses_round_what_is_inserted(
    notes: Any, raw_notes: Any, source: str, listed: str
) -> None:
    """Each row gets the tenant; what is not planned is refused."""
    raw_notes.execute("CREATE TABLE pairs (i, b) AS VALUES (1, 'x'), (2, 'y')")
    raw_notes.execute("DELETE FROM notes")
    refused = "WITH" in source or "TABLE" in source or "*" in source
    try:
        notes.execute(f"INSERT INTO notes {listed} {source}")
    except kysera_dbapi.UnsupportedStatement:
        assert refused
        return
    shown = "SELECT id, body, tenant_id, created_at IS NOT NULL FROM notes ORDER BY id"
    expected = [(1, "x", 7, True), (2, "y", 7, True)]
    assert raw_notes.execute(shown).fetchall() == expected


@pytest.mark.parametrize(
    ("sql", "known"),
    [
        ("SELECT * FROM (VALUES (1)) v(k)", True),
        ("SELECT * FROM (SELECT 1) pg_sleep (k)", True),
        ("SELECT * FROM generate_series(1, 1) g(k)", True),
        ("SELECT * FROM log CROSS JOIN LATERAL (SELECT 1) l(k)", True),
        ("SELECT DISTINCT ON (1) own(1) FROM log", False),
        ("SELECT DISTINCT ON ((1), (line)) own(1) FROM log", False),
        ("SELECT (1), own(1)", False),
        ("SELECT own(1) FROM (VALUES (1)) own(k)", False),
    ],
)
def test_an_alias_with_columns_is_no_call(
    raw_notes: Any, postgresql_url: str, sql: str, known: bool
) -> None:
    raw_notes.execute(
        "CREATE FUNCTION own(integer) RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT count(*) FROM notes); END'"
    )
    connection = kysera_dbapi.connect(
        postgresql_url, plugins=plugins(), mode="strict", autocommit=True
    )
    with closing(connection), kysera_dbapi.context(tenant_id=7):
        if known:
            assert len(connection.execute(sql).fetchall()) == 1
        else:
            with pytest.raises(kysera_dbapi.UnsupportedStatement):
                connection.execute(sql)
