"""install("psycopg"): every constructor gives wrapped connections, until uninstall."""

import asyncio
import copy
import gc
import importlib
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from time import monotonic, sleep
from typing import Any, cast

import psycopg
import psycopg.crdb
import pytest
from psycopg import Connection as EarlyConnection
from psycopg import connect as early_connect
from psycopg import pq
from psycopg._connection_base import BaseConnection
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, NullConnectionPool

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.psycopg import Connection
from tests.databases import RAW
from tests.dbapi.notes import OURS, QUERY, plugins

driver: Any = psycopg


@contextmanager
def installed(**options: Any) -> Iterator[None]:
    """Within the block the driver's connections hide the notes of others."""
    options.setdefault("plugins", plugins())
    with RAW:
        kysera_dbapi.install("psycopg", **options)
        try:
            with kysera_dbapi.context(tenant_id=7):
                yield
        finally:
            kysera_dbapi.uninstall("psycopg")


@pytest.fixture
def url(raw_notes: Any, postgresql_url: str) -> str:
    return postgresql_url


def libpq(url: str) -> Any:
    made = pq.PGconn.connect(url.encode())
    made.nonblocking = 1
    return made


class Plain(psycopg.Connection[Any]):
    """A class that was there first."""

    def ids(self) -> Any:
        """What it sees."""
        return self.execute(QUERY).fetchall()


class Below(Plain):
    """One below it, that connects in its own way."""

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> Any:
        """With more than was asked for."""
        return super().connect(*arguments, autocommit=True, **options)


#: Each class of the driver's that is a connection, and whether it is wrapped.
CLASSES = {
    "psycopg.Connection": True,
    "psycopg.AsyncConnection": False,
    "psycopg.crdb.CrdbConnection": True,
    "psycopg.crdb.AsyncCrdbConnection": False,
}
CONSTRUCTORS: dict[str, Callable[[str], Any]] = {
    "psycopg.connect": lambda u: psycopg.connect(u),
    "with options": lambda u: psycopg.connect(
        u, autocommit=True, prepare_threshold=None
    ),
    "Connection.connect": lambda u: psycopg.Connection.connect(u),
    "Connection": lambda u: driver.Connection(libpq(u)),
    "Connection by name": lambda u: driver.Connection(pgconn=libpq(u)),
    "its module": lambda u: importlib.import_module(
        "psycopg.connection"
    ).Connection.connect(u),
    "crdb": lambda u: psycopg.crdb.connect(u),
    "CrdbConnection": lambda u: psycopg.crdb.CrdbConnection.connect(u),
    "early connect": lambda u: early_connect(u),
    "early Connection": lambda u: EarlyConnection.connect(u),
    "a class": lambda u: Plain.connect(u),
    "a class below": lambda u: Below.connect(u),
    "a class, called": lambda u: Plain(libpq(u)),
}


def driver_classes() -> set[str]:
    """The names of all connection classes, once all of psycopg was imported."""
    for module in pkgutil.walk_packages(psycopg.__path__, "psycopg."):
        if not module.name.endswith(("_asyncio", "_win32", "__main__")):
            try:
                importlib.import_module(module.name)
            except ImportError:  # of what is not there
                continue

    def below(cls: Any) -> Iterator[Any]:
        for found in cls.__subclasses__():
            yield found
            yield from below(found)

    found = {f"{c.__module__}.{c.__qualname__}" for c in below(BaseConnection)}
    return {name for name in found if name.startswith("psycopg")}


def test_every_class_of_the_driver_is_decided() -> None:
    assert driver_classes() == CLASSES.keys()


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_gives_a_wrapped_connection(name: str, url: str) -> None:
    make = CONSTRUCTORS[name]
    with installed(), closing(make(url)) as connection:
        assert isinstance(connection, Connection)
        assert isinstance(connection, psycopg.Connection)
        assert connection.execute(QUERY).fetchall() == OURS
        assert len(connection.unwrap().execute(QUERY).fetchall()) == 5
    with closing(make(url)) as raw:
        assert not isinstance(raw, Connection)
        assert len(raw.execute(QUERY).fetchall()) == 5


class Aside(psycopg.Connection[Any]):
    """One that is made past everything that makes connections."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return object.__new__(cls)


def initialised(kind: Any, url: str) -> Any:
    made = object.__new__(kind)
    made.__init__(libpq(url))
    return made


def end(made: Any) -> None:
    """Close a connection of any kind, the asynchronous too."""
    made.pgconn.finish()
    made._closed = True


ASIDE: dict[str, Callable[[str], Any]] = {
    "Connection": lambda u: initialised(psycopg.Connection, u),
    "a class": lambda u: initialised(Plain, u),
    "crdb": lambda u: initialised(psycopg.crdb.CrdbConnection, u),
    "asynchronous": lambda u: initialised(psycopg.AsyncConnection, u),
    "the base": lambda u: initialised(BaseConnection, u),
    "a class's own": lambda u: Aside.connect(u),
    "a class's own, called": lambda u: Aside(libpq(u)),
}


@pytest.mark.parametrize("name", ASIDE)
def test_no_connection_is_made_aside(name: str, url: str, raw_notes: Any) -> None:
    make = ASIDE[name]
    raw = make(url)
    with installed():
        with pytest.raises(errors.ConfigurationError) as caught:
            make(url)
        assert caught.value.code == "unwrapped-class"
        with installed_elsewhere():
            end(make(url))
        if name not in ("asynchronous", "the base"):  # one that was there first
            assert len(raw.execute(QUERY).fetchall()) == 5
    end(raw)
    end(make(url))
    text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    deadline = monotonic() + 20
    while raw_notes.execute(text).fetchone() != (1,):
        assert monotonic() < deadline, "what was refused is open still"
        sleep(0.05)


@contextmanager
def installed_elsewhere() -> Iterator[None]:
    """Within the block other databases alone are wrapped."""
    kysera_dbapi.uninstall("psycopg")
    kysera_dbapi.install("psycopg", plugins=plugins(), only=lambda dsn: False)
    try:
        yield
    finally:
        kysera_dbapi.uninstall("psycopg")
        kysera_dbapi.install("psycopg", plugins=plugins())


def test_a_wrapped_connection_is_neither_copied_nor_pickled(url: str) -> None:
    with installed(), closing(psycopg.connect(url)) as connection:
        for again in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                again(connection)


def test_the_options_of_connect_hold(url: str) -> None:
    with (
        installed(),
        closing(
            psycopg.connect(
                url,
                autocommit=True,
                prepare_threshold=None,
                row_factory=cast("Any", dict_row),
                cursor_factory=psycopg.ClientCursor,
            )
        ) as connection,
    ):
        assert connection.autocommit
        assert connection.prepare_threshold is None
        cursor = connection.cursor()
        assert isinstance(cursor, psycopg.ClientCursor)
        assert cursor.execute(QUERY).fetchone() == {"id": 1, "body": "ours"}
        status = connection.info.transaction_status
        assert status == pq.TransactionStatus.IDLE


def test_connecting_leaves_no_transaction_open(url: str) -> None:
    with installed(), closing(psycopg.connect(url)) as connection:
        status = connection.info.transaction_status
        assert status == pq.TransactionStatus.IDLE


ASYNCHRONOUS: list[Callable[[str], Any]] = [
    lambda u: asyncio.run(psycopg.AsyncConnection.connect(u)),
    lambda u: asyncio.run(psycopg.crdb.AsyncCrdbConnection.connect(u)),
    lambda u: driver.AsyncConnection(libpq(u)),
]


@pytest.mark.parametrize("make", ASYNCHRONOUS)
def test_asynchronous_connections_are_refused(
    make: Any, url: str, raw_notes: Any
) -> None:
    with installed(), pytest.raises(errors.ConfigurationError) as caught:
        make(url)
    assert caught.value.code == "unwrapped-class"
    assert others(raw_notes) == 0

    async def rows() -> Any:
        connection = await psycopg.AsyncConnection.connect(url)
        async with connection:
            return await (await connection.execute(QUERY)).fetchall()

    assert len(asyncio.run(rows())) == 5


def others(raw: Any) -> int:
    """How many others are connected to the database; one that goes takes a moment."""
    text = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND backend_type = 'client backend'
    """
    deadline = monotonic() + 5
    while (found := int(raw.execute(text).fetchone()[0])) and monotonic() < deadline:
        sleep(0.05)
    return found


class Looking(psycopg.Connection[Any]):
    """A class that looks at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.found = self.execute(QUERY).fetchall()


class Noted(psycopg.Connection[Any]):
    """One that makes its objects in its own way."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        return super().__new__(cls)


class Changed(psycopg.Connection[Any]):
    """One that has its own way with cursors."""

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Of the class that it wants."""
        return psycopg.ClientCursor(self)


class BelowChanged(Changed):
    """One below it."""


@pytest.mark.parametrize("cls", [Looking, Noted, Changed, BelowChanged])
def test_a_class_that_changes_what_a_connection_does_is_refused(
    cls: Any, url: str, raw_notes: Any
) -> None:
    with installed():
        makers: list[Callable[[], Any]] = [
            lambda: cls.connect(url),
            lambda: cls(libpq(url)),
        ]
        for make in makers:
            with pytest.raises(errors.ConfigurationError) as caught:
                make()
            assert caught.value.code == "unwrapped-class"
            del caught  # its traceback holds what was made
    gc.collect()
    assert others(raw_notes) == 0
    with closing(cls.connect(url)) as raw:
        assert len(raw.execute(QUERY).fetchall()) == 5


def test_what_a_class_has_beside_is_not_offered(url: str) -> None:
    with installed(), closing(Plain.connect(url)) as connection:
        with pytest.raises(errors.UnsupportedStatement) as caught:
            connection.ids()
        assert caught.value.code == "unsupported-member"


class Keeping(psycopg.Cursor[Any]):
    """A cursor class that keeps the connection it is made with."""

    def __init__(self, connection: Any, **options: Any) -> None:
        self.kept = connection
        super().__init__(connection, **options)


class KeepingServer(psycopg.ServerCursor[Any]):
    """The same, of the server's cursors."""

    def __init__(self, connection: Any, name: str, **options: Any) -> None:
        self.kept = connection
        super().__init__(connection, name, **options)


class BelowKeeping(Keeping):
    """One below it."""


@pytest.mark.parametrize("cls", [Keeping, BelowKeeping])
def test_a_cursor_class_is_made_with_the_wrapped_connection(cls: Any, url: str) -> None:
    with installed(), closing(psycopg.connect(url, cursor_factory=cls)) as connection:
        cursor: Any = connection.cursor()
        assert type(cursor).__name__ == cls.__name__
        assert cursor.kept is connection is cursor.connection
        for _ in range(2):
            assert cursor.execute(QUERY).fetchall() == OURS
            assert connection.execute(QUERY).fetchall() == OURS
        assert cursor.kept.execute(QUERY).fetchall() == OURS
        connection.server_cursor_factory = KeepingServer
        with connection.cursor("named") as named:
            assert cast("Any", named).kept is connection
            assert named.execute(QUERY).fetchall() == OURS


def test_a_connection_that_a_plugin_refuses_is_closed(url: str, raw_notes: Any) -> None:
    raw_notes.execute("DROP TABLE notes")
    with installed():
        for make in CONSTRUCTORS.values():
            with pytest.raises(errors.ConfigurationError) as caught:
                make(url)
            assert caught.value.code in ("policy", "missing-table")
    assert others(raw_notes) == 0


def test_other_databases_can_be_left_alone(url: str) -> None:
    asked: list[str] = []

    def only(dsn: str) -> bool:
        asked.append(dsn)
        return "application_name=shop" in dsn

    with installed(only=only):
        with closing(psycopg.connect(url)) as other:
            assert type(other) is psycopg.Connection
        with closing(psycopg.connect(url, application_name="shop")) as connection:
            assert connection.execute(QUERY).fetchall() == OURS

        async def look() -> Any:
            connection = await psycopg.AsyncConnection.connect(url)
            async with connection:
                return await (await connection.execute(QUERY)).fetchall()

        assert len(asyncio.run(look())) == 5
    assert len(asked) == 3


def test_an_own_connection_has_its_own_plugins(url: str) -> None:
    with installed(plugins=[]):
        for made in (
            kysera_dbapi.connect(url, plugins=plugins()),
            kysera_dbapi.connect(psycopg, url, plugins=plugins()),
        ):
            with closing(made) as connection:
                assert connection.execute(QUERY).fetchall() == OURS
        with closing(psycopg.connect(url)) as bare:
            assert len(bare.execute(QUERY).fetchall()) == 5
            with pytest.raises(errors.ConfigurationError) as caught:
                kysera_dbapi.wrap(bare, plugins=plugins())
            assert caught.value.code == "already-wrapped"


def test_it_comes_and_goes(url: str) -> None:
    with installed():
        with pytest.raises(errors.ConfigurationError) as caught:
            kysera_dbapi.install("psycopg")
        assert caught.value.code == "already-installed"
        opened = psycopg.connect(url)
    with closing(opened), kysera_dbapi.context(tenant_id=7):
        assert opened.execute(QUERY).fetchall() == OURS
    with pytest.raises(errors.ConfigurationError) as caught:
        kysera_dbapi.uninstall("psycopg")
    assert caught.value.code == "not-installed"


def test_both_drivers_can_be_installed(url: str) -> None:
    import sqlite3

    kysera_dbapi.install("sqlite3")
    try:
        with installed(), closing(psycopg.connect(url)) as connection:
            assert connection.execute(QUERY).fetchall() == OURS
            with closing(sqlite3.connect(":memory:")) as other:
                assert isinstance(other, sqlite3.Connection)
    finally:
        kysera_dbapi.uninstall("sqlite3")


# -- pools ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool_class", "close_returns"),
    [(ConnectionPool, False), (ConnectionPool, True), (NullConnectionPool, False)],
)
def test_a_pool_has_wrapped_connections(
    pool_class: Any, close_returns: bool, url: str
) -> None:
    kind: dict[str, Any] = {"close_returns": True} if close_returns else {}
    size = 0 if pool_class is NullConnectionPool else 1
    with (
        installed(),
        pool_class(url, min_size=size, max_size=1, open=True, **kind) as pool,
    ):
        for _ in range(3):
            with pool.connection() as connection:
                assert isinstance(connection, Connection)
                assert connection.execute(QUERY).fetchall() == OURS
        for _ in range(3):
            taken: Any = pool.getconn()
            assert isinstance(taken, Connection)
            assert taken.execute(QUERY).fetchall() == OURS
            if close_returns:
                taken.close()
            else:
                pool.putconn(cast("Any", taken))
        with suppress(ZeroDivisionError), pool.connection() as connection:
            connection.execute("DELETE FROM notes")
            raise ZeroDivisionError
        with pool.connection() as connection:
            assert connection.execute(QUERY).fetchall() == OURS
        pool.check()


def test_a_pool_that_was_there_first_wraps_what_it_opens_next(url: str) -> None:
    with ConnectionPool(url, min_size=1, max_size=1, open=True) as pool:
        with pool.connection() as raw:
            assert len(raw.execute(QUERY).fetchall()) == 5
        with installed():
            pool.drain()
            with pool.connection() as connection:
                assert connection.execute(QUERY).fetchall() == OURS
