"""Views that plugins are configured for, on all databases."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, UnsupportedStatement
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    filter_,
    tenant_isolation,
)
from tests import servers
from tests.dialects.mysql_server import arguments

SCHEMA = """
CREATE TABLE notes (
    id integer PRIMARY KEY, tenant_id integer, body text, deleted_at text);
CREATE TABLE tags (
    id integer PRIMARY KEY, note integer, tenant_id integer, deleted_at text);
CREATE TABLE log (id integer PRIMARY KEY, note integer, line text);
INSERT INTO notes VALUES (1, 7, 'ours', NULL), (2, 8, 'theirs', NULL),
    (3, 7, 'gone', 'x'), (4, 7, 'more', NULL), (5, 8, 'ours', NULL);
INSERT INTO tags VALUES (1, 1, 7, NULL), (2, 2, 8, NULL), (3, 1, 8, NULL);
INSERT INTO log VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three');
"""
#: What shows of each row whose it is.
FIT = {
    "star": "SELECT * FROM notes",
    "some": "SELECT body, tenant_id, deleted_at FROM notes",
    "alias": "SELECT n.body AS text, n.tenant_id, n.deleted_at FROM notes AS n",
    "where": "SELECT * FROM notes WHERE id > 1 OR body = 'ours'",
    "joined": "SELECT n.*, l.line FROM notes n JOIN log l ON l.note = n.id",
    "left": "SELECT l.line, n.body, n.tenant_id, n.deleted_at "
    "FROM notes n LEFT JOIN log l ON l.note = n.id",
    "second": "SELECT l.line, n.tenant_id, n.deleted_at "
    "FROM log l JOIN notes n ON l.note = n.id",
    "comma": "SELECT l.line, n.tenant_id, n.deleted_at FROM log l, notes n "
    "WHERE l.note = n.id",
    "inner select": "SELECT n.tenant_id, n.deleted_at, "
    "(SELECT count(*) FROM log l WHERE l.note = n.id) AS n_lines FROM notes n",
    "distinct": "SELECT DISTINCT body, tenant_id, deleted_at FROM notes",
    "grouped": "SELECT tenant_id, deleted_at, count(*) AS n, max(body) AS b "
    "FROM notes GROUP BY tenant_id, deleted_at HAVING count(*) > 0",
    "computed": "SELECT id + 1 AS id, lower(body) AS body, tenant_id, deleted_at "
    "FROM notes",
}
#: What puts rows together within a sub-select, of which SQLite makes one of the view's.
TOGETHER = {
    "its own": "SELECT tenant_id, deleted_at, (SELECT count(n.id)) AS x FROM notes n",
    "beside another": "SELECT tenant_id, deleted_at, "
    "(SELECT max(n.id) FROM log l WHERE l.note = n.id) AS x FROM notes n",
    "without an alias": "SELECT tenant_id, deleted_at, "
    "(SELECT group_concat(body) FROM log) AS x FROM notes",
    "by a name of both": "SELECT tenant_id, deleted_at, "
    "(SELECT sum(n.tenant_id) FROM log n) AS x FROM notes n",
    "deeper": "SELECT tenant_id, deleted_at, (SELECT l.id FROM log l WHERE EXISTS "
    "(SELECT json_group_array(n.id))) AS x FROM notes n",
    "of both": "SELECT tenant_id, deleted_at, "
    "(SELECT max(l.id) + total(n.id) FROM log l) AS x FROM notes n",
}
#: What does not, or shows something of rows that are hidden besides.
UNFIT = {
    "left out": "SELECT id, deleted_at FROM notes",
    "computed": "SELECT id, tenant_id + 0 AS tenant_id, deleted_at FROM notes",
    "constant": "SELECT id, 7 AS tenant_id, deleted_at FROM notes",
    "swapped": "SELECT id AS tenant_id, tenant_id AS id, deleted_at FROM notes",
    "of another": "SELECT n.id, l.id AS tenant_id, n.deleted_at "
    "FROM notes n JOIN log l ON l.note = n.id",
    "two": "SELECT n.tenant_id, n.deleted_at, t.note FROM notes n, tags t",
    "sub-select": "SELECT n.tenant_id, n.deleted_at, "
    "(SELECT count(*) FROM notes m) AS n FROM notes n",
    "where exists": "SELECT n.* FROM notes n WHERE EXISTS "
    "(SELECT 1 FROM tags t WHERE t.note = n.id)",
    "derived": "SELECT d.* FROM (SELECT * FROM notes) d",
    "union": "SELECT * FROM notes UNION ALL SELECT * FROM notes",
    "with": "WITH c AS (SELECT * FROM notes) SELECT * FROM c",
    "limit": "SELECT * FROM notes ORDER BY id LIMIT 1",
    "offset": "SELECT * FROM notes ORDER BY id LIMIT 9 OFFSET 1",
    "window": "SELECT tenant_id, deleted_at, count(*) OVER () AS n FROM notes",
    "grouped": "SELECT max(tenant_id) AS tenant_id, max(deleted_at) AS deleted_at "
    "FROM notes GROUP BY body",
    "half grouped": "SELECT tenant_id, max(deleted_at) AS deleted_at FROM notes "
    "GROUP BY tenant_id",
    "null supplied": "SELECT l.line, n.tenant_id, n.deleted_at "
    "FROM log l LEFT JOIN notes n ON l.note = n.id",
    "right": "SELECT l.line, n.tenant_id, n.deleted_at "
    "FROM notes n RIGHT JOIN log l ON l.note = n.id",
    "full": "SELECT l.line, n.tenant_id, n.deleted_at "
    "FROM notes n FULL JOIN log l ON l.note = n.id",
    "using": "SELECT n.tenant_id, n.deleted_at FROM notes n JOIN log USING (id)",
    "undeclared": "SELECT t.* FROM told t",
    "in parentheses": "SELECT n.tenant_id, n.deleted_at, l.id "
    "FROM log l LEFT JOIN (notes n JOIN log m ON m.note = n.id) ON l.id = n.id",
}
QUERIES = (
    "SELECT * FROM v",
    "SELECT count(*) FROM v",
    "SELECT a.tenant_id FROM v a LEFT JOIN v b ON a.tenant_id = b.tenant_id",
    "SELECT l.id, v.tenant_id FROM log l LEFT JOIN v ON v.tenant_id = l.id + 5",
    "WITH c AS (SELECT * FROM v) SELECT count(*) FROM c JOIN v ON true",
    "SELECT id FROM log WHERE EXISTS (SELECT 1 FROM v WHERE v.tenant_id > log.id)",
)


class Database:
    """The tables, and a copy that holds the visible rows alone."""

    def __init__(self, kind: str, open_: Callable[[str], Any]) -> None:
        self.kind = kind
        self.raw, self.copy = open_("a"), open_("b")
        for one in (self.raw, self.copy):
            self.run(one, SCHEMA)
        self.run(
            self.copy,
            "DELETE FROM notes WHERE tenant_id <> 7 OR deleted_at IS NOT NULL; "
            "DELETE FROM tags WHERE tenant_id <> 7",
        )

    @property
    def is_sqlite(self) -> bool:
        return self.kind == "sqlite"

    @property
    def is_mysql(self) -> bool:
        return self.kind in ("mysql", "mariadb")

    def run(self, one: Any, script: str) -> None:
        if not self.is_mysql:
            (one.executescript if self.is_sqlite else one.execute)(script)
            return
        for statement in script.split(";"):
            if statement.strip():
                execute(one, statement)

    def make(self, *statements: str) -> None:
        for statement in statements:
            for one in (self.raw, self.copy):
                self.run(one, statement)

    def wrap(self, *plugins: Any, mode: Any = "normal") -> Any:
        made: Any = kysera_dbapi.wrap(self.raw, plugins=plugins, mode=mode)
        made.context = {"tenant_id": 7}
        return made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        name = metafunc.function.__name__
        here: list[Any] = [] if name.endswith(("_postgresql", "_mysql")) else ["sqlite"]
        for family in servers.FAMILIES:
            others = servers.FAMILIES.keys() - {family}
            if not name.endswith(tuple(f"_{one}" for one in others)):
                here += servers.parameters(family)
        metafunc.parametrize("database", here, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Database]:
    if request.param == "sqlite":
        own = Database(
            "sqlite",
            lambda name: sqlite3.connect(str(tmp_path / name), isolation_level=None),
        )
        with closing(own.raw), closing(own.copy):
            yield own
        return
    if request.param.family == "mysql":
        with ExitStack() as stack:
            urls = [stack.enter_context(servers.database(request.param)) for _ in "ab"]
            pair = [pymysql.connect(**arguments(url)) for url in urls]
            for one in pair:
                stack.enter_context(closing(one))
            made = dict(zip("ab", pair, strict=True))
            yield Database(request.param.kind, made.__getitem__)
        return
    with servers.database(request.param) as url, ExitStack() as stack:
        raw = stack.enter_context(psycopg.connect(url, autocommit=True))
        raw.execute("CREATE SCHEMA copy")
        options = "-c search_path=copy"
        copy = psycopg.connect(url, autocommit=True, options=options)
        stack.enter_context(copy)
        yield Database("postgresql", {"a": raw, "b": copy}.__getitem__)


def both(*tables: str) -> list[Any]:
    return [RowLevelSecurity(tenant_isolation("tenant_id", tables)), SoftDelete(tables)]


def execute(connection: Any, sql: str) -> Any:
    """A cursor that has executed it."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor


def rows(connection: Any, sql: str) -> list[Any]:
    return sorted(execute(connection, sql).fetchall(), key=repr)


@pytest.mark.parametrize("mode", ["normal", "strict"])
@pytest.mark.parametrize("name", FIT)
def test_a_declared_view_is_filtered(database: Database, name: str, mode: str) -> None:
    database.make(f"CREATE VIEW v AS {FIT[name]}")
    connection = database.wrap(*both("notes", "v", "tags"), mode=mode)
    for query in QUERIES:
        assert rows(connection, query) == rows(database.copy, query), query
    assert rows(database.raw, QUERIES[1]) != rows(database.copy, QUERIES[1])


@pytest.mark.parametrize("name", UNFIT)
def test_a_view_that_does_not_tell_is_refused(database: Database, name: str) -> None:
    if (
        database.is_sqlite
        and name in ("right", "full")
        and (sqlite3.sqlite_version_info < (3, 39))
    ):
        pytest.skip("this SQLite has no such join")
    if database.is_mysql and name in ("full", "using"):
        pytest.skip("there is no such join, or it is stored as one by ON")
    database.make("CREATE VIEW told AS SELECT * FROM notes")
    database.make(f"CREATE VIEW v AS {UNFIT[name]}")
    isolated, soft = both("notes", "tags", "v")
    with pytest.raises(ConfigurationError) as caught:
        database.wrap(isolated, soft)
    assert caught.value.code in ("declared-view", "policy", "missing-column")
    if name in ("left out", "computed", "constant", "swapped", "of another"):
        return  # it tells which are deleted
    with pytest.raises(ConfigurationError) as caught:
        database.wrap(soft)
    assert caught.value.code == "declared-view"


@pytest.mark.parametrize("name", TOGETHER)
def test_an_aggregate_in_a_sub_select_may_be_the_view_s_own(
    name: str, tmp_path: Any
) -> None:
    raw = sqlite3.connect(str(tmp_path / "a"), isolation_level=None)
    with closing(raw):
        raw.executescript(SCHEMA)
        raw.execute(f"CREATE VIEW v AS {TOGETHER[name]}")
        assert len(raw.execute("SELECT * FROM v").fetchall()) == 1
        with pytest.raises(ConfigurationError) as caught:
            kysera_dbapi.wrap(raw, plugins=both("notes", "tags", "v"))
        assert caught.value.code == "declared-view"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT n.id, n.tenant_id, n.deleted_at "
        "FROM notes n(tenant_id, id, body, deleted_at)",
        "SELECT n.tenant_id, n.deleted_at, n.id "
        "FROM notes n(id, tenant_id, deleted_at, x)",
        "SELECT l.id, n.tenant_id, n.deleted_at "
        "FROM log l JOIN notes n(tenant_id, note) ON n.note = l.id",
    ],
)
def test_a_view_that_renames_columns_in_from_is_refused_on_postgresql(
    database: Database, query: str
) -> None:
    database.make(f"CREATE VIEW v AS {query}")
    with pytest.raises(ConfigurationError) as caught:
        database.wrap(*both("notes", "v"))
    assert caught.value.code == "declared-view"


def test_a_view_is_declared_for_each_plugin(database: Database) -> None:
    database.make("CREATE VIEW v AS SELECT * FROM notes")
    isolated, soft = both("notes", "v")
    (only_tables, soft_tables) = both("notes")
    for plugins in ((isolated, soft_tables), (only_tables, soft)):
        connection = database.wrap(*plugins)
        with pytest.raises(UnsupportedStatement) as caught:
            execute(connection, "SELECT * FROM v")
        assert caught.value.code == "undeclared-view"
        # what does not hide the rows of the one is not asked
        with kysera_dbapi.bypass(
            "soft_delete" if plugins[0] is isolated else "rls", reason="test"
        ):
            assert execute(connection, "SELECT * FROM v").fetchall() != []


def test_views_of_views(database: Database) -> None:
    database.make(
        "CREATE VIEW one AS SELECT * FROM notes",
        "CREATE VIEW two AS SELECT tenant_id, deleted_at, body FROM one",
    )
    connection = database.wrap(*both("notes", "one", "two"))
    for name in ("one", "two"):
        assert rows(connection, f"SELECT body FROM {name}") == [("more",), ("ours",)]
    with pytest.raises(ConfigurationError, match="not declared"):
        database.wrap(*both("notes", "two"))
    upper = database.wrap(*both("notes", "one"))
    with pytest.raises(UnsupportedStatement):
        execute(upper, "SELECT * FROM two")


def test_no_write_goes_through_a_declared_view(database: Database) -> None:
    database.make("CREATE VIEW v AS SELECT * FROM notes")
    if database.is_sqlite:
        database.make(
            "CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN "
            "DELETE FROM log WHERE id = old.id; END"
        )
    isolated, _ = both("notes", "v")
    soft = SoftDelete(["notes", "v"], accept_triggers=["t"] * database.is_sqlite)
    connection = database.wrap(isolated, soft)
    before = rows(database.raw, "SELECT * FROM notes")
    for sql in (
        "INSERT INTO v VALUES (9, 7, 'x', NULL)",
        "INSERT INTO v VALUES (9, 8, 'x', NULL)",
        "UPDATE v SET body = 'x'",
        "DELETE FROM v WHERE id = 1",
        "WITH c AS (SELECT 1) DELETE FROM v",
    ):
        with pytest.raises(kysera_dbapi.Error):
            execute(connection, sql)
    assert rows(database.raw, "SELECT * FROM notes") == before
    deleting = "DELETE FROM notes WHERE id IN (SELECT id FROM v)"
    if database.kind == "mysql":  # nor does it without us
        with pytest.raises(pymysql.OperationalError, match="prevents operation"):
            execute(connection, deleting)
        deleting = "DELETE FROM notes"
    execute(connection, deleting)
    assert rows(connection, "SELECT * FROM v") == []
    with pytest.raises(ConfigurationError, match="view"):
        connection.plugin_host.plugins[1].restore(connection, "v", 1)


def test_a_view_has_the_policies_of_its_table(database: Database) -> None:
    database.make("CREATE VIEW v AS SELECT * FROM notes")
    weaker = [
        *tenant_isolation("tenant_id", ["notes", "v"]),
        Policy("notes", using="body <> 'ours'", restrictive=True),
    ]
    with pytest.raises(ConfigurationError, match="not those of"):
        database.wrap(RowLevelSecurity(weaker))
    reading = "id IN (SELECT t.note FROM tags t)"
    for policy in (
        [Policy(name, using=reading) for name in ("notes", "v")],
        [filter_(name, lambda context: {"id": 1}) for name in ("notes", "v")],
    ):
        with pytest.raises(ConfigurationError, match="cannot be that of a view"):
            database.wrap(RowLevelSecurity(policy))
    equal = [Policy(name, using="id = :tenant_id - 6") for name in ("notes", "v")]
    connection = database.wrap(RowLevelSecurity(equal))
    assert rows(connection, "SELECT id FROM v") == [(1,)]


def test_a_view_that_is_changed_is_looked_at_again(database: Database) -> None:
    database.make("CREATE VIEW v AS SELECT id, tenant_id, deleted_at FROM notes")
    connection = database.wrap(*both("notes", "v"))
    assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    database.make(
        "DROP VIEW v",
        "CREATE VIEW v AS SELECT id, 7 AS tenant_id, NULL AS deleted_at FROM notes",
    )
    with pytest.raises(kysera_dbapi.Error):
        execute(connection, "SELECT id + 0 FROM v")
    with pytest.raises(kysera_dbapi.Error):
        database.wrap(*both("notes", "v"))


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "CREATE OR REPLACE VIEW v AS SELECT id, 7 AS tenant_id, deleted_at FROM notes",
        'CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO v DO INSTEAD '
        "SELECT id, 7 AS tenant_id, deleted_at FROM notes",
        "CREATE OR REPLACE VIEW v AS SELECT max(id) AS id, tenant_id, "
        "max(deleted_at) AS deleted_at FROM notes GROUP BY tenant_id",
    ],
)
def test_a_view_that_is_replaced_is_looked_at_again_on_postgresql(
    database: Database, change: str, within: bool
) -> None:
    database.make("CREATE VIEW v AS SELECT id, tenant_id, deleted_at FROM notes")
    connection = database.wrap(*both("notes", "v"))
    assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    if within:
        with ExitStack() as stack:
            for name in ("rls", "soft_delete"):
                stack.enter_context(kysera_dbapi.bypass(name, reason="test"))
            execute(connection, change)
    else:
        database.run(database.raw, change)
    with pytest.raises(ConfigurationError) as caught:
        execute(connection, "SELECT id + 0 FROM v")
    assert caught.value.code == "declared-view"
    with pytest.raises(kysera_dbapi.Error):
        execute(connection, "SELECT count(*) FROM v")


def test_a_view_that_a_bypass_has_let_in_is_looked_at_later(
    database: Database,
) -> None:
    database.make("CREATE VIEW v AS SELECT id, 7 AS tenant_id, deleted_at FROM notes")
    with kysera_dbapi.bypass("rls", reason="test"):
        connection = database.wrap(both("notes", "v")[0])
    assert connection.explain("SELECT id FROM v").code == "unchecked-view"
    with pytest.raises(ConfigurationError) as caught:
        execute(connection, "SELECT id FROM v")
    assert caught.value.code == "declared-view"
    if not database.is_mysql:  # there a change in any database has it looked at
        assert rows(connection, "SELECT id FROM notes") == [(1,), (3,), (4,)]
    with kysera_dbapi.bypass("rls", reason="test"):
        execute(connection, "DROP VIEW v")
        execute(connection, "CREATE VIEW v AS SELECT id, tenant_id FROM notes")
    assert rows(connection, "SELECT id FROM v") == [(1,), (3,), (4,)]


def test_verify_says_nothing_of_a_declared_view(database: Database) -> None:
    database.make("CREATE VIEW v AS SELECT * FROM notes")
    said = {(f.table, f.code) for f in database.wrap(*both("notes", "v")).verify()}
    assert not [one for one in said if one[0].endswith(".v")]
    undeclared = database.wrap(*both("notes")).verify()
    assert "view-unfiltered" in {one.code for one in undeclared}


def test_a_materialised_view_is_filtered_as_it_was_made_on_postgresql(
    database: Database,
) -> None:
    database.make("CREATE MATERIALIZED VIEW v AS SELECT * FROM notes")
    connection = database.wrap(*both("notes", "v"))
    assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    execute(connection, "DELETE FROM notes WHERE id = 1")
    # as if the row had been removed: the view does not know yet
    assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    with pytest.raises(UnsupportedStatement):
        execute(connection, "REFRESH MATERIALIZED VIEW v")
    with (
        kysera_dbapi.bypass("rls", reason="x"),
        kysera_dbapi.bypass("soft_delete", reason="x"),
    ):
        execute(connection, "REFRESH MATERIALIZED VIEW v")
    assert rows(connection, "SELECT id FROM v") == [(4,)]
    with connection.cursor().copy("COPY (SELECT id FROM v) TO STDOUT") as copy:
        assert list(copy.rows()) == [("4",)]


def test_functions_beneath_a_declared_view_on_postgresql(database: Database) -> None:
    database.make(
        "CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS "
        "'SELECT count(*) FROM notes'",
        "CREATE VIEW v AS SELECT *, counted() FROM notes",
    )
    with pytest.raises(ConfigurationError, match="counted"):
        database.wrap(*both("notes", "v"))
