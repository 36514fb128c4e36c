"""Tenants on servers that take names of tables in any case (lower_case_table_names)."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import pytest

import kysera_dbapi
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from kysera_dbapi.shape import Lexer
from tests.dialects import mysql_server
from tests.mysql_cluster import mariadbd, mysql_cluster, mysqld
from tests.oracle import generator
from tests.oracle.compare import Connection, Outcome
from tests.oracle.draft import Statement
from tests.oracle.mysql_world import MySQLTenants
from tests.oracle.tally import check, tallied
from tests.oracle.tenants import as_tenant
from tests.servers import Server, database

pytestmark = pytest.mark.slow
SEED = 20_260_711
QUERIES = 300
WRITES = 100
_KEPT = re.compile(r"`?kysera_test_|%s|%\(\w+\)s")
_PROGRAMS: dict[str, Callable[[], str | None]] = {
    "mariadb": mariadbd,
    "mysql": mysqld,
}


@pytest.fixture(scope="module", params=_PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the tests' own: a running one has the names of tables as it is."""
    kind = cast("str", request.param)
    if _PROGRAMS[kind]() is None:
        pytest.skip(f"no program of {kind} to start a server of the test's own")
    with mysql_cluster(kind, {"lower_case_table_names": "1"}) as url:
        yield Server("mysql", kind, kind, lambda: url)


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[MySQLTenants]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(server)) for _ in range(3)]
        made = MySQLTenants(urls)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def shim(world: MySQLTenants) -> Connection:
    return as_tenant(world.full)


def in_any_case(rng: random.Random, dialect: Dialect, text: str) -> str:
    """The same, whose words and names are written as chance has it.

    But for placeholders, and the database's, in whose place there is another one where
    it is compared.
    """
    kept = {at for found in _KEPT.finditer(text) for at in range(*found.span())}
    return "".join(
        "".join(rng.choice((str.upper, str.lower))(letter) for letter in one.text)
        if one.kind in ("word", "quoted") and one.start not in kept
        else one.text
        for one in Lexer(dialect.lexical).lex(text)
    )


def _swapped(shim: Connection, statements: Iterable[Statement]) -> Iterator[Statement]:
    rng, dialect = random.Random(SEED), cast("Any", shim).plugin_host.dialect
    for one in statements:
        yield replace(one, sql=in_any_case(rng, dialect, one.sql))


def test_queries(world: MySQLTenants, shim: Connection) -> None:
    statements = _swapped(shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tallied(world, shim, statements), seed=SEED)


def test_writes(world: MySQLTenants, shim: Connection) -> None:
    # what RETURNING calls columns is of another test
    drafts = generator.writes(SEED, WRITES, world)
    plain = (one for one in drafts if "RETURNING" not in one.sql)
    tally = tallied(world, shim, _swapped(shim, plain))
    assert not tally.failures
    assert tally.counts[Outcome.EQUAL] >= WRITES * 0.8


# -- by hand --------------------------------------------------------------------------

SCHEMA = (
    "CREATE TABLE Notes (id int PRIMARY KEY, tenant_id int, deleted_at datetime, "
    "n int, KEY (tenant_id))",
    "CREATE TABLE `ÄPFEL` (id int PRIMARY KEY, tenant_id int, deleted_at datetime, "
    "n int, KEY (tenant_id))",
    "CREATE TABLE Marks (id int PRIMARY KEY, note int, deleted_at datetime, "
    "FOREIGN KEY (note) REFERENCES NOTES (id))",
    "CREATE TABLE Log (id int)",
    "CREATE VIEW Seen AS SELECT N.id, n.tenant_id, NOTES.deleted_at "
    "FROM nOTES JOIN Notes AS N USING (id)",
    "CREATE VIEW Shown AS SELECT N.id, n.tenant_id, N.deleted_at FROM NOTES AS N",
    "CREATE FUNCTION Counted() RETURNS int READS SQL DATA "
    "RETURN (SELECT count(*) FROM nOtEs)",
    "CREATE TRIGGER Fired AFTER INSERT ON Log FOR EACH ROW DELETE FROM nOtEs",
    "INSERT INTO NOTES (id, tenant_id, deleted_at) VALUES (1, 7, NULL), (2, 8, NULL), "
    "(3, 7, now())",
    "INSERT INTO äpfel (id, tenant_id, deleted_at) VALUES (1, 7, NULL), (2, 8, NULL), "
    "(3, 7, now())",
    "INSERT INTO marks VALUES (1, 1, NULL), (2, 2, NULL)",
)


@pytest.fixture
def own(server: Server) -> Iterator[mysql_server.Server]:
    """A database, and what is in it."""
    with ExitStack() as stack:
        url = stack.enter_context(database(server))
        made = mysql_server.Server(url, stack)
        made.run(*SCHEMA)
        yield made


def wrapped(own: mysql_server.Server, *tables: str, **options: Any) -> Any:
    isolated = RowLevelSecurity(tenant_isolation("tenant_id", tables))
    soft = SoftDelete([*tables, "MARKS"], foreign_keys={"MARKS.NOTE": "cascade"})
    made: Any = kysera_dbapi.wrap(own.connect(**options), plugins=[isolated, soft])
    made.context = {"tenant_id": 7}
    return made


def rows(connection: Any, sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(cursor.fetchall(), key=repr)


NAMES = ("notes", "NOTES", "Notes", "`nOtEs`")


@pytest.mark.parametrize("name", [*NAMES, "äpfel", "ÄPFEL", "`Äpfel`"])
def test_a_table_is_found_by_any_case(own: mysql_server.Server, name: str) -> None:
    connection = wrapped(own, "notes", "äpfel")
    for home in ("", f"{own.database}.", f"{own.database.upper()}.", "`{}`."):
        of = home.format(own.database.title()) + name
        assert rows(connection, f"SELECT id FROM {of}") == [(1,)]
        assert rows(connection, f"SELECT X.id FROM {of} AS x") == [(1,)]
        assert rows(connection, f"SELECT {of}.id FROM {of}") == [(1,)]
        joined = f"SELECT l.id FROM (SELECT 2 AS id) l LEFT JOIN {of} X USING (id)"
        assert rows(connection, f"{joined} WHERE x.id IS NOT NULL") == []
    with connection.cursor() as cursor:
        assert cursor.execute(f"UPDATE {name} SET N = 1") == 1
        assert cursor.execute(f"UPDATE {name} AS N SET n.n = N.N + 1") == 1
        assert cursor.execute(f"DELETE FROM {name}") == 1
        cursor.execute(f"INSERT INTO {name} (id) VALUES (4)")
        assert cursor.execute(f"DELETE n FROM {name} AS N") == 1
    told = f"SELECT id, tenant_id, n, deleted_at IS NULL FROM {name} ORDER BY id"
    assert own.rows(told) == [
        (1, 7, 2, 0),
        (2, 8, None, 1),
        (3, 7, None, 0),
        (4, 7, None, 0),
    ]


@pytest.mark.parametrize("name", ["NOTES", "notes", "{db}.Notes", "{DB}.NOTES"])
def test_a_configuration_in_any_case(own: mysql_server.Server, name: str) -> None:
    said = name.format(db=own.database, DB=own.database.upper())
    connection = wrapped(own, said)
    assert rows(connection, "SELECT id FROM nOtEs") == [(1,)]
    assert rows(connection, "DELETE FROM nOtEs") == []
    assert own.rows("SELECT id FROM Marks WHERE deleted_at IS NULL") == [(2,)]


def test_a_common_table_expression_in_any_case(own: mysql_server.Server) -> None:
    connection = wrapped(own, "notes")
    for one, two in (("notes", "NOTES"), ("C", "c"), ("c", "Notes")):
        text = f"WITH {one} AS (SELECT id FROM nOtEs) SELECT count(*) FROM {two}"
        assert rows(connection, text) == [(1,)], text
    text = (
        "WITH RECURSIVE C AS (SELECT id FROM NOTES UNION SELECT N.id FROM c "
        "JOIN notes n ON n.id = C.id + 1) SELECT id FROM c"
    )
    assert rows(connection, text) == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM SEEN",
        "SELECT COUNTED()",
        "INSERT INTO LOG VALUES (1)",
        "TRUNCATE TABLE NOTES",
        "CREATE TEMPORARY TABLE NOTES (id int)",
        "CREATE TEMPORARY TABLE new LIKE NOTES",
        "CREATE VIEW new AS SELECT * FROM NOTES",
        "CREATE TABLE new LIKE NOTES; INSERT INTO new TABLE NOTES; TABLE X.NOTES",
        "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE NOTES",
        "HANDLER NOTES OPEN",
        "PREPARE p FROM 'SELECT * FROM NOTES'",
        "SELECT * FROM INFORMATION_SCHEMA.processlist",
        "SELECT * FROM MYSQL.General_Log",
        "CHECKSUM TABLE NOTES",
    ],
)
def test_what_is_refused_is_so_in_any_case(own: mysql_server.Server, sql: str) -> None:
    connection = wrapped(own, "notes")
    for text in (sql, sql.lower(), sql.swapcase()):
        with pytest.raises(kysera_dbapi.Error) as caught:
            rows(connection, text)
        assert caught.value.code, text  # it is ours
    assert len(own.rows("SELECT * FROM notes")) == 3


def test_databases_in_any_case(own: mysql_server.Server) -> None:
    other = own.other("other")
    own.run(f"CREATE TABLE {other}.Notes (id int, tenant_id int)")
    connection = wrapped(own, "notes")
    for change in (f"USE {other}", f"USE {other.upper()}"):
        rows(connection, change)
        assert rows(connection, "SELECT * FROM NOTES") == []
        rows(connection, f"USE {own.database.upper()}")
        assert rows(connection, "SELECT id FROM NOTES") == [(1,)]
    connection.select_db(other.upper())
    assert rows(connection, "SELECT * FROM NOTES") == []
    connection.select_db(own.database.title())
    assert rows(connection, "SELECT id FROM NOTES") == [(1,)]
    upper = wrapped(own, "notes", database=own.database.upper())
    assert rows(upper, "SELECT id FROM NOTES") == [(1,)]


def test_declared_views_in_any_case(own: mysql_server.Server) -> None:
    connection = wrapped(own, "notes", "SHOWN")
    for name in ("shown", "SHOWN", "`Shown`"):
        assert rows(connection, f"SELECT id FROM {name}") == [(1,)]
    with pytest.raises(kysera_dbapi.ConfigurationError):
        wrapped(own, "notes", "SEEN")


def test_verify_names_each_once(own: mysql_server.Server) -> None:
    found = wrapped(own, "NOTES").verify()
    named = (one.table.partition(".") for one in found)
    codes = [one.code for one in found]
    pairs = zip(named, codes, strict=True)
    assert {(t, code) for (db, _, t), code in pairs if db == own.database} == {
        ("counted", "function-unfiltered"),
        ("log", "trigger-unfiltered"),
        ("marks", "foreign-key-crosses-tenants"),
        ("notes", "unique-ignores-tenant"),
        ("seen", "view-unfiltered"),
        ("shown", "view-unfiltered"),
        ("äpfel", "table-without-policy"),
    }
