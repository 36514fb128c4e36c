"""install("pymysql"): every constructor gives wrapped connections, until uninstall."""

import copy
import gc
import importlib
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from time import monotonic, sleep
from typing import Any

import pymysql
import pytest
import sqlalchemy
from pymysql.cursors import Cursor, DictCursor

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.pymysql import Connection
from tests.databases import RAW
from tests.dbapi.notes import OURS, QUERY, plugins, rows
from tests.dialects.mysql_server import arguments

driver: Any = pymysql
raw_class: Any = pymysql.connections.Connection
#: As ``from pymysql import ...`` has them.
early_connect: Any = driver.connect
EarlyConnect: Any = driver.Connect
EarlyClass: Any = driver.Connection
EarlyConnection: Any = driver.connections.Connection


@contextmanager
def installed(**options: Any) -> Iterator[None]:
    """Within the block the driver's connections hide the notes of others."""
    options.setdefault("plugins", plugins())
    with RAW:
        kysera_dbapi.install("pymysql", **options)
        try:
            with kysera_dbapi.context(tenant_id=7):
                yield
        finally:
            kysera_dbapi.uninstall("pymysql")


@pytest.fixture
def given(raw_mysql_notes: Any, mysql_url: str) -> dict[str, Any]:
    """What the driver connects with."""
    return arguments(mysql_url)


class Plain(raw_class):  # type: ignore[misc]
    """A class that was there first."""

    def ids(self) -> Any:
        """What it sees."""
        return rows(self, QUERY)


class Below(Plain):
    """One below it."""

    shown = "more"


def as_mysqldb(**given: Any) -> Any:
    """By the name that programs for another driver import."""
    before = sys.modules.get("MySQLdb")
    pymysql.install_as_MySQLdb()
    try:
        return importlib.import_module("MySQLdb").connect(**given)
    finally:
        del sys.modules["MySQLdb"]
        if before is not None:
            sys.modules["MySQLdb"] = before


def deferred(**given: Any) -> Any:
    """A connection that is opened later."""
    made = driver.connect(defer_connect=True, **given)
    assert not made.open
    made.connect()
    return made


def by_old_names(database: str, password: str, **given: Any) -> Any:
    """With arguments that the driver warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return driver.connect(db=database, passwd=password, **given)


#: All names of the driver's connection class, in all of its modules.
NAMES = {
    "pymysql.Connect",
    "pymysql.Connection",
    "pymysql.connect",
    "pymysql.connections.Connection",
}
CONSTRUCTORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pymysql.connect": lambda g: driver.connect(**g),
    "pymysql.Connect": lambda g: driver.Connect(**g),
    "pymysql.Connection": lambda g: driver.Connection(**g),
    "pymysql.connections.Connection": lambda g: driver.connections.Connection(**g),
    "early connect": lambda g: early_connect(**g),
    "early Connect": lambda g: EarlyConnect(**g),
    "early Connection": lambda g: EarlyClass(**g),
    "early class": lambda g: EarlyConnection(**g),
    "MySQLdb": lambda g: as_mysqldb(**g),
    "deferred": lambda g: deferred(**g),
    "old names": lambda g: by_old_names(**g),
    "a class": lambda g: Plain(**g),
    "a class below": lambda g: Below(**g),
    "type.__call__": lambda g: type.__call__(driver.Connection, **g),
}


def test_every_name_of_the_driver_s_class_is_known() -> None:
    found: set[str] = set()
    for one in pkgutil.walk_packages(pymysql.__path__, "pymysql."):
        if not one.name.startswith("pymysql.tests"):
            importlib.import_module(one.name)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "pymysql":
            found |= {f"{name}.{n}" for n, v in vars(module).items() if v is raw_class}
    assert found == NAMES
    assert found <= CONSTRUCTORS.keys()
    below = [c for c in raw_class.__subclasses__() if c.__module__[:7] == "pymysql"]
    assert not below


def test_no_other_function_of_the_driver_s_makes_connections() -> None:
    """Nor is there a second way to the server than ``connect``."""
    source = inspect.getsource(driver.connections)
    assert source.count("self._request_authentication()") == 1
    assert source.count("socket.create_connection(") == 1
    assert "self._request_authentication()" in inspect.getsource(raw_class.connect)
    for name in ("cursors", "converters", "err", "protocol", "_auth", "optionfile"):
        module = importlib.import_module(f"pymysql.{name}")
        assert "Connection(" not in inspect.getsource(module)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_gives_a_wrapped_connection(
    name: str, given: dict[str, Any]
) -> None:
    make = CONSTRUCTORS[name]
    connect = raw_class.connect
    with installed(), closing(make(given)) as connection:
        assert isinstance(connection, Connection)
        assert isinstance(connection, raw_class)
        assert rows(connection, QUERY) == OURS
        assert len(rows(connection.unwrap(), QUERY)) == 5
    assert raw_class.connect is connect
    with closing(make(given)) as raw:
        assert not isinstance(raw, Connection)
        assert len(rows(raw, QUERY)) == 5


def test_the_options_of_connect_hold(given: dict[str, Any]) -> None:
    options = {**given, "autocommit": False, "cursorclass": DictCursor}
    with installed(), closing(driver.connect(**options)) as connection:
        assert not connection.get_autocommit()
        assert connection.cursorclass is DictCursor
        assert rows(connection, QUERY)[0] == {"id": 1, "body": "ours"}
        with pytest.raises(TypeError):
            driver.connect(novelty=1)
        with pytest.raises(TypeError):
            driver.connect("127.0.0.1")
        with pytest.raises(pymysql.err.OperationalError) as caught:
            driver.connect(host="127.0.0.1", port=1, connect_timeout=1)
        assert caught.value.args[0] == 2003


def test_connecting_leaves_no_transaction_open(given: dict[str, Any]) -> None:
    options = {**given, "autocommit": False}
    with installed(), closing(driver.connect(**options)) as connection:
        connection.ping()
        assert not connection.server_status & 1


# -- what is not made by calling the class --------------------------------------------


def by_hand(**given: Any) -> Any:
    """Past ``__new__``."""
    made: Any = object.__new__(raw_class)
    made.__init__(**given)
    return made


def by_hand_of_a_class(**given: Any) -> Any:
    """The same, of a program's class."""
    made: Any = object.__new__(Plain)
    made.__init__(**given)
    return made


def by_hand_later(**given: Any) -> Any:
    """Past ``__new__``, and opened later."""
    made: Any = object.__new__(raw_class)
    made.__init__(defer_connect=True, **given)
    made.ping(reconnect=True)
    return made


class Looking(raw_class):  # type: ignore[misc]
    """A class that looks at once."""

    def __init__(self, **options: Any) -> None:
        raw_class.__init__(self, **options)
        self.found = rows(self, QUERY)


class Noted(raw_class):  # type: ignore[misc]
    """One that makes its objects in its own way."""

    def __new__(cls, **options: Any) -> Any:
        made: Any = raw_class.__new__(cls)
        return made


class Asking(raw_class):  # type: ignore[misc]
    """One that sends in its own way."""

    def query(self, sql: Any, unbuffered: bool = False) -> Any:
        """Whatever it is asked."""
        found: Any = raw_class.query(self, "SELECT * FROM notes", unbuffered)
        return found


class BelowAsking(Asking):
    """One below it."""


class Opening(raw_class):  # type: ignore[misc]
    """One that opens in its own way."""

    def connect(self, sock: Any = None) -> Any:
        """And looks."""
        raw_class.connect(self, sock)
        self.found = rows(self, QUERY)


REFUSED = [
    *(by_hand, by_hand_of_a_class, by_hand_later),
    *(Looking, Noted, Asking, BelowAsking, Opening),
]


@pytest.mark.parametrize("make", REFUSED)
@pytest.mark.filterwarnings("ignore:The 'reconnect'")
def test_what_cannot_be_wrapped_is_refused(
    make: Any, given: dict[str, Any], raw_mysql_notes: Any
) -> None:
    with installed():
        with pytest.raises(errors.ConfigurationError) as caught:
            make(**given)
        assert caught.value.code == "unwrapped-class"
        del caught  # its traceback holds what was made
    gc.collect()
    assert others(raw_mysql_notes) == 0
    with closing(make(**given)) as raw:
        assert len(rows(raw, "SELECT * FROM notes")) == 5


def others(raw: Any) -> int:
    """How many others are connected to the database; one that goes takes a moment."""
    text = """
        SELECT count(*) FROM information_schema.processlist
        WHERE db = database() AND id <> connection_id()
    """
    deadline = monotonic() + 5
    while (found := int(rows(raw, text)[0][0])) and monotonic() < deadline:
        sleep(0.05)
    return found


@pytest.mark.filterwarnings("ignore:The 'reconnect'")
def test_a_raw_connection_of_before_is_not_opened_again(given: dict[str, Any]) -> None:
    before = driver.connect(**given)
    with installed():
        assert len(rows(before, QUERY)) == 5
        before.ping(reconnect=True)
        before._force_close()
        for opens in (before.connect, lambda: before.ping(reconnect=True)):
            with pytest.raises(errors.ConfigurationError) as caught:
                opens()
            assert caught.value.code == "unwrapped-class"
            assert not before.open
    before.ping(reconnect=True)
    assert len(rows(before, QUERY)) == 5
    before.close()


@pytest.mark.filterwarnings("ignore:The 'reconnect'")
def test_a_wrapped_connection_is_opened_again(given: dict[str, Any]) -> None:
    with installed(), closing(driver.connect(**given)) as connection:
        for opens in (connection.connect, lambda: connection.ping(reconnect=True)):
            connection.unwrap()._force_close()
            opens()
            assert rows(connection, QUERY) == OURS


def test_a_connection_is_not_copied(given: dict[str, Any]) -> None:
    with installed(), closing(driver.connect(**given)) as connection:
        for copied in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                copied(connection)


def test_what_a_class_has_beside_is_not_offered(given: dict[str, Any]) -> None:
    with installed(), closing(Plain(**given)) as connection:
        with pytest.raises(errors.UnsupportedStatement) as caught:
            connection.ids()
        assert caught.value.code == "unsupported-member"


# -- what is run as it connects -------------------------------------------------------


class Keeping(Cursor):
    """A cursor class that keeps the connection it is made with."""

    seen: tuple[Any, ...] = ()

    def __init__(self, connection: Any) -> None:
        Keeping.seen += (connection,)
        super().__init__(connection)


def test_a_cursor_class_is_made_with_the_wrapped_connection(
    given: dict[str, Any],
) -> None:
    options = {"cursorclass": Keeping, "init_command": "SET @a = 1", "sql_mode": "ANSI"}
    with installed(), closing(driver.connect(**given, **options)) as connection:
        assert rows(connection, QUERY) == OURS
        assert rows(connection, "SELECT @a") == [(1,)]
        assert connection.cursorclass is Keeping
        assert {id(one) for one in Keeping.seen} == {id(connection)}
    Keeping.seen = ()


BEFORE = "INSERT INTO log SELECT id, body FROM notes"


@pytest.mark.parametrize("autocommit", [True, False, None])
@pytest.mark.filterwarnings("ignore:The 'reconnect'")
def test_a_first_command_is_planned(
    autocommit: Any, given: dict[str, Any], raw_mysql_notes: Any
) -> None:
    raw, options = raw_mysql_notes, {**given, "autocommit": autocommit}
    rows(raw, "DELETE FROM log")
    with installed():
        made = driver.connect(**options, init_command=BEFORE)
        with closing(made) as connection:
            assert rows(raw, "SELECT * FROM log ORDER BY id") == OURS
            assert connection.init_command == BEFORE
            assert connection.autocommit_mode is autocommit
            assert connection.get_autocommit() is (autocommit is not False)
            connection.unwrap()._force_close()
            connection.ping(reconnect=True)
            assert len(rows(raw, "SELECT * FROM log")) == 4
            assert rows(connection, QUERY) == OURS
        for wrong in ("DROP TABLE notes", "SET @x = (SELECT max(body) FROM notes)"):
            with pytest.raises(errors.UnsupportedStatement):
                driver.connect(**given, init_command=wrong)
    with suppress(errors.Error), kysera_dbapi.context(tenant_id=7):
        kysera_dbapi.connect(
            pymysql, plugins=plugins(), **given, init_command="DELETE FROM notes"
        ).close()
    assert len(rows(raw, "SELECT * FROM notes WHERE deleted_at IS NULL")) == 1
    assert others(raw) == 0


@pytest.mark.parametrize(
    "command",
    ["USE `{0}`", "SET sql_mode = 'ANSI_QUOTES'", "set names utf8mb4", "SET @a = 1"],
)
def test_settings_are_there_before_the_tables_are_read(
    command: str, given: dict[str, Any]
) -> None:
    options = {k: v for k, v in given.items() if k != "database"}
    text = command.format(given["database"])
    if not text.startswith("USE"):
        options["database"] = given["database"]
    with installed(), closing(driver.connect(**options, init_command=text)) as made:
        assert rows(made, QUERY) == OURS


# -- plugins, other databases, other drivers ------------------------------------------


def test_a_connection_that_a_plugin_refuses_is_closed(
    given: dict[str, Any], raw_mysql_notes: Any
) -> None:
    rows(raw_mysql_notes, "DROP TABLE notes")
    with installed():
        for make in CONSTRUCTORS.values():
            with pytest.raises(errors.ConfigurationError) as caught:
                make(given)
            assert caught.value.code in ("policy", "missing-table")
    assert others(raw_mysql_notes) == 0


def test_other_databases_can_be_left_alone(given: dict[str, Any]) -> None:
    asked: list[str] = []

    def only(url: str) -> bool:
        asked.append(url)
        return "information_schema" not in url

    other = {**given, "database": "information_schema", "password": "", "user": "root"}
    with installed(only=only):
        for make in (driver.connect, by_hand, Plain, Looking, Noted, Opening):
            # a class that changes what a connection does is no matter there
            apart: Any = {**other, "init_command": None}
            with suppress(pymysql.err.OperationalError), closing(make(**apart)) as raw:
                assert not isinstance(raw, Connection)
                assert rows(raw, "SELECT 1") == [(1,)]
        with closing(driver.connect(**given)) as connection:
            assert rows(connection, QUERY) == OURS
    url = f"mysql://root@{given['host']}:{given['port']}"
    assert set(asked) == {f"{url}/information_schema", f"{url}/{given['database']}"}


def test_only_is_shown_no_password() -> None:
    asked: list[str] = []
    place = {"host": "::1", "port": 1, "user": "a b@c", "password": "secret"}

    def only(url: str) -> bool:
        asked.append(url)
        return False

    with installed(only=only):
        made = driver.connect(
            **place, database="x/y", unix_socket="/no such", defer_connect=True
        )
    assert type(made) is raw_class
    assert asked == ["mysql://a%20b%40c@[::1]:1/x%2Fy?unix_socket=%2Fno+such"]


def test_an_own_connection_has_its_own_plugins(
    given: dict[str, Any], mysql_url: str
) -> None:
    with installed(plugins=[]):
        for made in (
            kysera_dbapi.connect(mysql_url, plugins=plugins()),
            kysera_dbapi.connect(pymysql, plugins=plugins(), **given),
        ):
            with closing(made) as connection:
                assert rows(connection, QUERY) == OURS
        with closing(driver.connect(**given)) as bare:
            assert len(rows(bare, QUERY)) == 5
            with pytest.raises(errors.ConfigurationError) as caught:
                kysera_dbapi.wrap(bare, plugins=plugins())
            assert caught.value.code == "already-wrapped"


def test_it_comes_and_goes(given: dict[str, Any]) -> None:
    with installed():
        with pytest.raises(errors.ConfigurationError) as caught:
            kysera_dbapi.install("pymysql")
        assert caught.value.code == "already-installed"
        opened = driver.connect(**given)
    with closing(opened), kysera_dbapi.context(tenant_id=7):
        assert rows(opened, QUERY) == OURS
    with pytest.raises(errors.ConfigurationError) as caught:
        kysera_dbapi.uninstall("pymysql")
    assert caught.value.code == "not-installed"


def test_all_drivers_can_be_installed(given: dict[str, Any]) -> None:
    import sqlite3

    kysera_dbapi.install("sqlite3")
    kysera_dbapi.install("psycopg")
    try:
        with installed(), closing(driver.connect(**given)) as connection:
            assert rows(connection, QUERY) == OURS
            with closing(sqlite3.connect(":memory:")) as other:
                assert isinstance(other, sqlite3.Connection)
    finally:
        kysera_dbapi.uninstall("psycopg")
        kysera_dbapi.uninstall("sqlite3")


def test_a_pool_has_wrapped_connections(given: dict[str, Any]) -> None:
    url = sqlalchemy.URL.create(
        "mysql+pymysql", given["user"], given["password"], given["host"],
        given["port"], given["database"],
    )  # fmt: skip
    text = sqlalchemy.text(QUERY)
    early = sqlalchemy.create_engine(url)
    with early.connect() as connection:
        assert len(connection.execute(text).all()) == 5
    with installed():
        later = sqlalchemy.create_engine(url, pool_pre_ping=True)
        for engine in (early, later):
            engine.dispose()
            for _ in range(3):
                with engine.begin() as connection:
                    assert connection.execute(text).all() == OURS
            engine.dispose()
