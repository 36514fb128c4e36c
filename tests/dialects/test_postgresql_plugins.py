"""What plugins make of a PostgreSQL database at connect, and what verify() finds."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, UnsupportedStatement
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

SCHEMA = """
CREATE TABLE notes (
    id integer PRIMARY KEY,
    tenant_id integer,
    slug text UNIQUE,
    kind text,
    number integer,
    done boolean,
    code uuid,
    at_noon timestamp,
    day date,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
CREATE VIEW seen AS SELECT * FROM notes;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM notes;
CREATE SEQUENCE numbers;
CREATE TABLE kids (id integer PRIMARY KEY, note integer REFERENCES notes);
CREATE FUNCTION said() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END';
CREATE TABLE fired (id integer PRIMARY KEY, deleted_at timestamptz);
CREATE TRIGGER bye BEFORE DELETE ON fired FOR EACH ROW EXECUTE FUNCTION said();
CREATE TABLE ruled (id integer PRIMARY KEY, deleted_at timestamptz);
CREATE RULE never AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE FOREIGN DATA WRAPPER none;
CREATE SERVER nowhere FOREIGN DATA WRAPPER none;
CREATE FOREIGN TABLE distant (tenant_id integer, deleted_at timestamptz) SERVER nowhere;
CREATE TABLE whole (id integer, created_at timestamptz, updated_at timestamptz)
    PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF whole DEFAULT;
CREATE VIEW of_whole AS SELECT id FROM whole;
"""


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


def isolation(column: str, *tables: str) -> RowLevelSecurity:
    return RowLevelSecurity(tenant_isolation(column, tables))


def marked(column: str, *, flag: bool = False) -> SoftDelete:
    return SoftDelete(
        {"notes": {"column": column, "flag": flag}},
        foreign_keys={"kids.note": "ignore"},
    )


def stamped(column: str) -> Timestamps:
    return Timestamps({"notes": {"created_at": column}})


@pytest.mark.parametrize(
    ("plugin", "code", "said"),
    [
        (isolation("tenant_id", "nowhere"), "policy", "no table"),
        (isolation("tenant", "notes"), "policy", "no column"),
        (isolation("tenant_id", "notes", "of_whole"), "policy", "no column"),
        (isolation("tenant_id", "distant"), "policy", "foreign table"),
        (isolation("oid", "pg_catalog.pg_class"), "policy", "system"),
        (SoftDelete(["nowhere"]), "missing-table", "no table"),
        (SoftDelete(["kids"]), "missing-column", "no column"),
        (SoftDelete(["of_whole"]), "missing-column", "no column"),
        (SoftDelete(["distant"]), "configuration", "foreign table"),
        (SoftDelete(["fired"]), "delete-trigger", "bye"),
        (SoftDelete(["ruled"]), "delete-trigger", "never"),
        (SoftDelete(["notes"]), "undeclared-foreign-key", "kids.note"),
        (marked("number"), "configuration", "integer"),
        (marked("done"), "configuration", "boolean"),
        (marked("code"), "configuration", "uuid"),
        (marked("deleted_at", flag=True), "configuration", "timestamp"),
        (marked("kind", flag=True), "configuration", "text"),
        (Timestamps(["nowhere"]), "missing-table", "no table"),
        (Timestamps(["kids"]), "missing-column", "created_at"),
        (Timestamps(["kept"]), "configuration", "materialized view"),
        (Timestamps(["numbers"]), "configuration", "sequence"),
        (stamped("number"), "configuration", "integer"),
        (stamped("done"), "configuration", "boolean"),
    ],
)
def test_a_configuration_that_does_not_fit(
    raw: Any, plugin: Any, code: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kysera_dbapi.wrap(raw, plugins=[plugin])
    assert caught.value.code == code
    assert said in str(caught.value)


@pytest.mark.parametrize("column", ["deleted_at", "at_noon", "day", "kind"])
def test_columns_that_hold_the_time_of_a_deletion(raw: Any, column: str) -> None:
    raw.execute("INSERT INTO notes (id) VALUES (1), (2)")
    connection: Any = kysera_dbapi.wrap(raw, plugins=[marked(column)])
    assert connection.execute("DELETE FROM notes WHERE id = 1").rowcount == 1
    assert connection.execute("SELECT id FROM notes").fetchall() == [(2,)]
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (2,)


def test_numbers_as_flags(raw: Any) -> None:
    raw.execute("INSERT INTO notes (id) VALUES (1), (2)")
    connection: Any = kysera_dbapi.wrap(raw, plugins=[marked("number", flag=True)])
    connection.execute("DELETE FROM notes WHERE id = 1")
    assert connection.execute("SELECT id FROM notes").fetchall() == [(2,)]


@pytest.mark.parametrize("clock", ["application", "database"])
@pytest.mark.parametrize("column", ["created_at", "at_noon", "day", "kind"])
def test_columns_that_hold_the_time_of_an_insertion(
    raw: Any, column: str, clock: Any
) -> None:
    plugin = Timestamps({"notes": {"created_at": column}}, clock=clock)
    connection: Any = kysera_dbapi.wrap(raw, plugins=[plugin])
    connection.execute("INSERT INTO notes (id) VALUES (1)")
    query = f"SELECT abs(extract(epoch FROM now() - {column}::timestamptz)) < 90000"
    (stored,) = connection.execute(f"{query} FROM notes").fetchall()
    assert stored == (True,)


def test_rows_are_not_written_past_their_stamps(raw: Any) -> None:
    connection: Any = kysera_dbapi.wrap(raw, plugins=[Timestamps(["whole"])])
    for sql in (
        "INSERT INTO part VALUES (1)",
        "INSERT INTO of_whole VALUES (1)",
        "UPDATE of_whole SET id = 2",
    ):
        with pytest.raises(UnsupportedStatement):
            connection.execute(sql)
    connection.execute("INSERT INTO whole (id) VALUES (1)")
    found = connection.execute("SELECT created_at IS NOT NULL FROM part").fetchall()
    assert found == [(True,)]
    assert connection.execute("SELECT id FROM of_whole").fetchall() == [(1,)]


BROKEN = """
CREATE UNIQUE INDEX plain ON notes (kind, number);
CREATE UNIQUE INDEX few ON notes (kind DESC NULLS LAST) WHERE kind <> 'x' OR slug = '';
CREATE UNIQUE INDEX computed ON notes (md5(slug || '(' || kind));
CREATE UNIQUE INDEX collated ON notes (slug COLLATE "C", kind text_pattern_ops);
CREATE TABLE shop (id integer, tenant_id integer, code text) PARTITION BY LIST (id);
CREATE TABLE shop_1 PARTITION OF shop DEFAULT;
CREATE UNIQUE INDEX of_shop ON shop (id);
CREATE TABLE forgotten (tenant_id integer);
CREATE FUNCTION shows() RETURNS text LANGUAGE sql AS 'SELECT max(slug) FROM notes';
CREATE FUNCTION writes() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE notes SET kind = 1; RETURN new; END';
CREATE TRIGGER writes AFTER INSERT ON kids EXECUTE FUNCTION writes();
"""


def findings(raw: Any, plugin: Any) -> list[Any]:
    return list(kysera_dbapi.wrap(raw, plugins=[plugin]).verify())


@pytest.mark.parametrize(
    ("plugin", "mended"),
    [
        (isolation("tenant_id", "notes", "shop"), "tenant-index"),
        (isolation("tenant_id", "notes", "shop"), "unique-ignores-tenant"),
        (marked("deleted_at"), "unique-ignores-deletion"),
    ],
)
def test_what_mends_a_finding_mends_it(raw: Any, plugin: Any, mended: str) -> None:
    raw.execute(BROKEN)
    before = [one for one in findings(raw, plugin) if one.code == mended and one.ddl]
    assert len(before) > 1
    indexes = (
        "SELECT indexname FROM pg_indexes WHERE indexname NOT LIKE 'shop_1%' ORDER BY 1"
    )
    names = raw.execute(indexes).fetchall()
    for one in before:
        raw.execute(one.ddl)
    after = [one for one in findings(raw, plugin) if one.code == mended and one.ddl]
    assert after == []
    now = raw.execute(indexes).fetchall()
    assert now == names or mended == "tenant-index"
    texts = str(raw.execute("SELECT indexdef FROM pg_indexes").fetchall())
    for kept in ("DESC NULLS LAST", 'COLLATE "C"', "text_pattern_ops"):
        assert kept in texts


def test_what_goes_past_the_plugins_is_found(raw: Any) -> None:
    raw.execute(BROKEN)
    found = findings(raw, isolation("tenant_id", "notes", "shop"))
    listed = {(one.table, one.code) for one in found}
    assert {
        ("public.seen", "view-unfiltered"),
        ("public.kept", "view-unfiltered"),
        ("public.shows", "function-unfiltered"),
        ("public.kids", "trigger-unfiltered"),
        ("public.forgotten", "table-without-policy"),
        ("public.kids", "foreign-key-crosses-tenants"),
    } <= listed
    unlisted = {table for table, code in listed if code == "table-without-policy"}
    assert unlisted == {"public.forgotten"}
    assert ("public.writes", "function-unfiltered") not in listed
