"""Where the shim differs from PostgreSQL's own row security: see docs/guarantees.md.

Each runs through the shim, and as a role that is under policies of the same meaning.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.servers import unique

SCHEMA = """
CREATE TABLE parents (id integer PRIMARY KEY, tenant_id integer);
CREATE TABLE kids (
    id integer PRIMARY KEY, tenant_id integer, email text UNIQUE,
    parent integer REFERENCES parents ON DELETE CASCADE
);
INSERT INTO parents VALUES (1, 7), (2, 8);
INSERT INTO kids VALUES (1, 7, 'mine', 1), (41, 8, 'ghost', 2), (42, 8, 'other', 1);
CREATE FUNCTION spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
    'BEGIN RAISE NOTICE ''%', $1; RETURN true; END';
CREATE VIEW seen AS SELECT * FROM kids;
""".replace("''%'", "''%''")
NATIVE = """
CREATE ROLE {role};
GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
ALTER TABLE kids ENABLE ROW LEVEL SECURITY;
ALTER TABLE parents ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON kids USING (tenant_id = 7);
CREATE POLICY p ON parents USING (tenant_id = 7);
"""


class Sides:
    """The same tenant through the shim, and under native policies."""

    def __init__(self, raw: Any, role: str) -> None:
        self.raw, self._role = raw, role
        policies = tenant_isolation("tenant_id", ["kids", "parents"])
        self.shim: Any = self.wrap(policies)
        raw.execute(NATIVE.format(role=role))

    def wrap(self, policies: Any, **options: Any) -> Any:
        made: Any = kysera_dbapi.wrap(
            self.raw, plugins=[RowLevelSecurity(policies, **options)]
        )
        made.context = {"tenant_id": 7}
        return made

    def native(self, sql: str) -> list[Any]:
        """The rows, or what is left of them; nothing is kept."""
        with self.raw.transaction(force_rollback=True):
            self.raw.execute(cast("Any", f"SET LOCAL ROLE {self._role}"))
            cursor = self.raw.execute(cast("Any", sql))
            return list(cursor.fetchall()) if cursor.description else []

    def shimmed(self, sql: str) -> list[Any]:
        with self.shim.transaction(force_rollback=True):
            cursor = self.shim.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def sides(postgresql_url: str) -> Iterator[Sides]:
    role = f"kysera_{unique()}"
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as raw:
        raw.execute(cast("Any", SCHEMA))
        yield Sides(raw, role)
        raw.execute(cast("Any", f"DROP OWNED BY {role}; DROP ROLE {role}"))


def test_do_nothing_that_meets_a_hidden_row_raises(sides: Sides) -> None:
    sql = (
        "INSERT INTO kids (id, tenant_id) VALUES (41, 7) "
        "ON CONFLICT (id) DO NOTHING RETURNING id"
    )
    assert sides.native(sql) == []  # it is skipped: so it is there
    with pytest.raises(PolicyViolation):
        sides.shimmed(sql)


def test_a_tenant_that_is_left_out_is_supplied(sides: Sides) -> None:
    sql = "INSERT INTO kids (id) VALUES (9) RETURNING tenant_id"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sides.native(sql)
    assert sides.shimmed(sql) == [(7,)]


def noticed(sides: Sides, connection: Any, sql: str) -> set[str]:
    said: list[str] = []

    def handler(diag: Any) -> None:
        said.append(diag.message_primary)

    sides.raw.add_notice_handler(handler)
    try:
        connection(sql)
    finally:
        sides.raw.remove_notice_handler(handler)
    return set(said)


def test_a_function_meets_hidden_rows_without_the_barrier(sides: Sides) -> None:
    sql = "SELECT id FROM kids WHERE spy(email)"
    assert noticed(sides, sides.native, sql) == {"mine"}
    assert "ghost" in noticed(sides, sides.shimmed, sql)
    sides.shim = sides.wrap(tenant_isolation("tenant_id", ["kids"]), barrier=True)
    assert noticed(sides, sides.shimmed, sql) == {"mine"}


def test_an_error_shows_a_hidden_value_without_the_barrier(sides: Sides) -> None:
    sides.raw.execute(
        "CREATE FUNCTION judged(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
        "'BEGIN RETURN CASE WHEN $1 <> ''mine'' THEN $1::integer = 1 END; END'"
    )
    sides.shim.refresh()
    sql = "SELECT id FROM kids WHERE judged(email)"
    assert sides.native(sql) == []
    with pytest.raises(psycopg.DataError, match="ghost"):
        sides.shimmed(sql)
    sides.shim = sides.wrap(tenant_isolation("tenant_id", ["kids"]), barrier=True)
    assert sides.shimmed(sql) == []


def test_a_cascade_does_not_reach_hidden_rows(sides: Sides) -> None:
    sql = "DELETE FROM parents WHERE id = 1 RETURNING id"
    assert sides.native(sql) == [(1,)]  # with the kid of another tenant
    with pytest.raises(UnsupportedStatement) as caught:
        sides.shimmed(sql)
    assert caught.value.code == "foreign-key-action"


@pytest.mark.parametrize(
    "sql", ["TRUNCATE kids", "TRUNCATE parents, kids", "DROP TABLE kids"]
)
def test_what_empties_a_table_is_refused(sides: Sides, sql: str) -> None:
    if sql.startswith("TRUNCATE"):
        assert sides.native(sql) == []  # the privilege is all that it takes
    with pytest.raises(UnsupportedStatement):
        sides.shimmed(sql)


def test_copy_from_is_refused_by_both(sides: Sides) -> None:
    sql = "COPY kids FROM STDIN"
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        sides.native(sql)
    with pytest.raises(UnsupportedStatement), sides.shim.cursor().copy(sql):
        pass


def test_a_view_is_refused_where_its_owner_would_see_all(sides: Sides) -> None:
    assert len(sides.native("SELECT id FROM seen")) == 3
    with pytest.raises(UnsupportedStatement):
        sides.shimmed("SELECT id FROM seen")


def test_an_owner_is_filtered_all_the_same(sides: Sides) -> None:
    assert len(sides.raw.execute("SELECT id FROM kids").fetchall()) == 3
    assert sides.shimmed("SELECT id FROM kids") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (
            "INSERT INTO kids (id, tenant_id, email) VALUES (9, 7, 'ghost')",
            "kids_email",
        ),
        ("INSERT INTO kids (id, tenant_id, parent) VALUES (9, 7, 3)", "kids_parent"),
    ],
)
def test_a_key_tells_both_of_hidden_rows(sides: Sides, sql: str, error: str) -> None:
    for side in (sides.native, sides.shimmed):
        with pytest.raises(psycopg.IntegrityError, match=error):
            side(sql)
        # a hidden parent can be referred to
        side(sql.replace("'ghost'", "'new'").replace("7, 3)", "7, 2)"))


def test_statistics_are_left_to_strict_mode(sides: Sides) -> None:
    sides.raw.execute("ANALYZE kids")
    sql = "SELECT reltuples FROM pg_class WHERE relname = 'kids'"
    assert sides.native(sql) == sides.shimmed(sql) == [(3.0,)]
    strict: Any = kysera_dbapi.wrap(
        sides.raw, plugins=sides.shim.plugin_host.plugins, mode="strict"
    )
    for query in ("SELECT * FROM pg_stat_user_tables", "SELECT * FROM pg_stats"):
        with pytest.raises(UnsupportedStatement):
            strict.execute(query)
