"""What a server sets for the sessions of ordinary users is in force with us, too."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.dialects import mysql_server
from tests.mysql_cluster import mariadbd, mysql_cluster, mysqld
from tests.servers import Server, database

pytestmark = pytest.mark.slow
_PROGRAMS: dict[str, Callable[[], str | None]] = {
    "mariadb": mariadbd,
    "mysql": mysqld,
}
#: Root passes by init_connect.
USER = "plain"


@pytest.fixture(scope="module", params=_PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the tests' own, as they set what is global."""
    kind = cast("str", request.param)
    if _PROGRAMS[kind]() is None:
        pytest.skip(f"no program of {kind} to start a server of the test's own")
    with mysql_cluster(kind, {}) as url:
        yield Server("mysql", kind, kind, lambda: url)


@pytest.fixture
def own(server: Server) -> Iterator[mysql_server.Server]:
    with ExitStack() as stack:
        url = stack.enter_context(database(server))
        made = mysql_server.Server(url, stack)
        exact = "utf8mb4_nopad_bin" if made.mariadb else "utf8mb4_0900_bin"
        made.run(
            "CREATE TABLE notes (id int, tenant_id int, body varchar(9))",
            r"INSERT INTO notes VALUES (1, 7, 'a\\'), (2, 8, 'b')",
            f"CREATE TABLE texts (id int, tenant_id varchar(9) COLLATE {exact})",
            "INSERT INTO texts VALUES (1, 'a'), (2, 'A'), (3, 'a ')",
            f"CREATE USER {USER}@'%'",
            f"GRANT ALL ON {{db}}.* TO {USER}@'%'",
        )
        stack.callback(made.run, f"DROP USER {USER}@'%'")
        yield made


def every(own: mysql_server.Server, name: str, value: str) -> None:
    """Set what new sessions begin with; the server ends with the tests."""
    own.rows(f"SET GLOBAL {name} = %s", (value,))


def wrapped(own: mysql_server.Server, **options: Any) -> Any:
    raw = own.connect(user=USER, **options)
    isolated = RowLevelSecurity(tenant_isolation("tenant_id", ["notes"]))
    made: Any = kysera_dbapi.wrap(raw, plugins=[isolated])
    made.context = {"tenant_id": 7}
    return made


def rows(connection: Any, sql: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


@pytest.fixture(params=["init_connect", "sql_mode"])
def in_mode(
    request: pytest.FixtureRequest, own: mysql_server.Server
) -> Iterator[Callable[[str], None]]:
    """How the sessions of ordinary users come to a mode."""
    name = cast("str", request.param)

    def put(mode: str) -> None:
        said = f"SET sql_mode = '{mode}'" if name == "init_connect" else mode
        every(own, name, said)

    yield put
    every(own, name, "")


def test_quotes_are_those_of_the_session(
    own: mysql_server.Server, in_mode: Callable[[str], None]
) -> None:
    in_mode("ANSI_QUOTES")
    connection = wrapped(own)
    assert rows(connection, 'SELECT "id" FROM "notes"') == [(1,)]
    assert rows(connection, 'SELECT "id" FROM "notes" WHERE "id" <> %s', 9) == [(1,)]
    for mode, expected in (("", "id"), ("ANSI_QUOTES", 1)):
        in_mode(mode)
        connection.close()
        connection.connect()
        assert rows(connection, 'SELECT "id" FROM notes') == [(expected,)]
        assert rows(connection, "SELECT id FROM notes") == [(1,)]


def test_backslashes_are_those_of_the_session(
    own: mysql_server.Server, in_mode: Callable[[str], None]
) -> None:
    # of one text two statements: what follows the string, and what is in it
    text = r"SELECT id, 'x\' AS x FROM notes -- ' AS x"
    in_mode("NO_BACKSLASH_ESCAPES")
    assert rows(wrapped(own), text) == [(1, "x\\")]
    in_mode("")
    other = text + " FROM notes"
    assert rows(wrapped(own), other) == [(1, "x' AS x FROM notes -- ")]


SETTINGS = (
    "SET sql_select_limit = 1",
    "CREATE TEMPORARY TABLE {db}.notes (id int, tenant_id int)",
)


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_cannot_be_read_is_refused(own: mysql_server.Server, setting: str) -> None:
    connection = wrapped(own)
    every(own, "init_connect", setting.format(db=own.database))
    try:
        with pytest.raises(ConfigurationError):
            wrapped(own)
        connection.close()
        with pytest.raises(ConfigurationError):  # it is opened once more
            connection.connect()
        with pytest.raises(kysera_dbapi.Error):
            rows(connection, "SELECT * FROM notes")
    finally:
        every(own, "init_connect", "")


@pytest.mark.parametrize(
    "setting",
    [
        "SET NAMES gbk",
        "SET character_set_client = big5",
        "SET character_set_results = latin1",
    ],
)
def test_the_driver_s_charset_is_set_after_it(
    own: mysql_server.Server, setting: str
) -> None:
    """A byte that is half a letter in these would take the quote after it."""
    every(own, "init_connect", setting)
    try:
        connection = wrapped(own)
        for text in ("\u7e97' OR 1 -- ", "\u00bf'", "\u00e9"):
            told = rows(connection, "SELECT %s, id FROM notes", text)
            assert told == [(text, 1)]
            assert rows(connection, "SELECT id FROM notes WHERE body = %s", text) == []
    finally:
        every(own, "init_connect", "")


def test_another_database_is_the_session_s(own: mysql_server.Server) -> None:
    other = own.other("b")
    own.run(f"CREATE TABLE {other}.notes (id int, tenant_id int)")
    own.run(f"GRANT ALL ON {other}.* TO {USER}@'%'")
    every(own, "init_connect", f"USE {other}")
    try:
        raw = own.connect(user=USER)
        ((home,),) = rows(raw, "SELECT DATABASE()")
        security = RowLevelSecurity(
            tenant_isolation("tenant_id", [f"{own.database}.notes"])
        )
        made: Any = kysera_dbapi.wrap(raw, plugins=[security])
        made.context = {"tenant_id": 7}
        expected = [] if home == other else [(1,)]
        assert rows(made, "SELECT id FROM notes") == expected
        assert rows(made, f"SELECT id FROM {own.database}.notes") == [(1,)]
    finally:
        every(own, "init_connect", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_collation_for_utf8mb4", "utf8mb4_general_ci"),
        ("collation_connection", "utf8mb4_general_ci"),
        ("collation_server", "utf8mb4_general_ci"),
    ],
)
def test_tenants_are_told_apart_by_their_column(
    own: mysql_server.Server, name: str, value: str
) -> None:
    known = own.rows("SHOW GLOBAL VARIABLES LIKE %s", (name,))
    if not known:
        pytest.skip("it has no such")
    every(own, name, value)
    try:
        security = RowLevelSecurity(tenant_isolation("tenant_id", ["texts"], "who"))
        made: Any = kysera_dbapi.wrap(own.connect(user=USER), plugins=[security])
        for number, tenant in enumerate(("a", "A", "a "), 1):
            with kysera_dbapi.context(who=tenant):
                assert rows(made, "SELECT id FROM texts") == [(number,)]
                rows(made, "INSERT INTO texts (id) VALUES (9)")
                told = rows(made, "SELECT hex(tenant_id) FROM texts WHERE id = 9")
                assert told == [(tenant.encode().hex().upper(),)]
    finally:
        every(own, name, known[0][1])


@pytest.mark.parametrize("charset", ["gbk", "latin1", "sjis"])
def test_a_charset_of_the_driver_s(own: mysql_server.Server, charset: str) -> None:
    with pytest.raises(ConfigurationError):
        wrapped(own, charset=charset)
    place = f"127.0.0.1:{own.raw.port}/{own.database}?charset={charset}"
    isolated = RowLevelSecurity(tenant_isolation("tenant_id", ["notes"]))
    with pytest.raises(ConfigurationError):
        kysera_dbapi.connect(f"mysql://{USER}@{place}", plugins=[isolated])
