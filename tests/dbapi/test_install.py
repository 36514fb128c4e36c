"""install: every constructor gives wrapped connections, until uninstall."""

import importlib
import importlib.util
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection as EarlyConnection
from sqlite3 import connect as early_connect
from typing import Any, cast

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.sqlite3 import Connection
from tests.dbapi.letters import IDS, LIVE, SCHEMA, plugin, plugin_before

#: The driver's module for calls that its types do not foresee.
driver: Any = sqlite3

MODULES = [
    name
    for name in ("sqlite3", "sqlite3.dbapi2", "sqlite3.dump", "_sqlite3")
    if name in sys.modules or importlib.util.find_spec(name)
]


@contextmanager
def installed(**options: Any) -> Iterator[None]:
    """Within the block the driver's connections hide deleted letters."""
    options.setdefault("plugins", [plugin()])
    kysera_dbapi.install("sqlite3", **options)
    try:
        yield
    finally:
        kysera_dbapi.uninstall("sqlite3")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database file."""
    found = str(tmp_path / "letters.db")
    with closing(early_connect(found)) as raw:
        raw.executescript(SCHEMA)
    return found


class Before(sqlite3.Connection):
    """A class that was there first, and looks at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.found = self.execute(IDS).fetchall()

    def ids(self) -> list[Any]:
        """What it sees."""
        return self.execute(IDS).fetchall()


class Below(Before):
    """A class below one that was there first."""


class Made(sqlite3.Connection):
    """One that makes its objects in its own way."""

    note: str

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        made = super().__new__(cls)
        made.note = "x"
        return made


class MadeBelow(Below):
    """And one of both."""

    note: str

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        made = super().__new__(cls, *arguments, **options)
        made.note = "x"
        return made


class OldStyle(sqlite3.Connection):
    """As it was written before there was ``super()``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        EarlyConnection.__init__(self, *arguments, **options)


# -- every constructor ----------------------------------------------------------------

CONSTRUCTORS: dict[str, Callable[[str], Any]] = {
    "sqlite3.connect": lambda p: sqlite3.connect(p),
    "sqlite3.Connection": lambda p: sqlite3.Connection(p),
    "dbapi2.connect": lambda p: _module("sqlite3.dbapi2").connect(p),
    "dbapi2.Connection": lambda p: _module("sqlite3.dbapi2").Connection(p),
    "_sqlite3.connect": lambda p: _module("_sqlite3").connect(p),
    "_sqlite3.Connection": lambda p: _module("_sqlite3").Connection(p),
    "a factory": lambda p: sqlite3.connect(p, factory=sqlite3.Connection),
    "an earlier factory": lambda p: sqlite3.connect(p, factory=EarlyConnection),
    "a class as factory": lambda p: sqlite3.connect(p, factory=Before),
    "a callable": lambda p: driver.connect(p, factory=before),
    "a class": lambda p: Before(p),
    "a class below": lambda p: Below(p),
    "a class with __new__": lambda p: Made(p),
    "a class with __new__ below": lambda p: MadeBelow(p),
    "a class of the old style": lambda p: OldStyle(p),
    "a URI": lambda p: sqlite3.connect(f"file:{p}?mode=rw", uri=True, timeout=1),
}


def before(database: str, **_: Any) -> Any:
    """A callable that makes a connection."""
    return Before(database)


def names(module: str) -> dict[str, Any]:
    """What a module has."""
    found: Any = _module(module)
    return cast("dict[str, Any]", found.__dict__)


def _module(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_gives_a_wrapped_connection(name: str, path: str) -> None:
    make = CONSTRUCTORS[name]
    with installed(), closing(make(path)) as connection:
        assert isinstance(connection, Connection)
        assert isinstance(connection, sqlite3.Connection)
        assert isinstance(connection, EarlyConnection)
        assert connection.execute(IDS).fetchall() == LIVE
        assert len(connection.unwrap().execute(IDS).fetchall()) == 3
    with closing(make(path)) as raw:
        assert not isinstance(raw, Connection)
        assert len(raw.execute(IDS).fetchall()) == 3


@pytest.mark.parametrize("cls", [Before, Below, MadeBelow])
def test_a_class_that_was_there_first_sees_what_it_may(cls: Any, path: str) -> None:
    for _ in range(2):
        with installed(), closing(cls(path)) as connection:
            assert connection.found == LIVE
            assert connection.ids() == LIVE
            assert isinstance(connection, cls)
            assert getattr(connection, "note", "x") == "x"
        with closing(cls(path)) as raw:
            assert type(raw) is cls
            assert len(raw.found) == len(raw.ids()) == 3


def test_a_class_may_open_another_connection_of_its_own(path: str) -> None:
    class Twin(sqlite3.Connection):
        def __init__(self, database: str, *, first: bool = True) -> None:
            super().__init__(database)
            self.other: Any = Twin(database, first=False) if first else None

    with (
        installed(),
        closing(Twin(path)) as connection,
        closing(connection.other) as other,
    ):
        assert isinstance(other, Connection)
        assert other.execute(IDS).fetchall() == LIVE


@pytest.mark.parametrize("module", MODULES)
def test_nothing_else_in_the_modules_opens_a_connection(module: str) -> None:
    with installed(plugins=[plugin_before()]):
        for name, value in list(names(module).items()):
            if not callable(value) or name == "enable_callback_tracebacks":
                continue
            with suppress(Exception):
                made = value(":memory:")
                if isinstance(made, EarlyConnection):
                    assert isinstance(made, Connection), f"{name} gives a raw one"
                    made.close()


@pytest.mark.parametrize("module", MODULES)
def test_no_class_or_function_of_the_driver_is_left(module: str) -> None:
    opening = {
        name
        for name, value in names(module).items()
        if value is early_connect
        or (isinstance(value, type) and issubclass(value, EarlyConnection))
    }
    with installed():
        for name in opening:
            value = getattr(_module(module), name)
            assert value is not early_connect
            assert value is not EarlyConnection
    assert all(
        getattr(_module(module), name) in (early_connect, EarlyConnection)
        for name in opening
    )


def test_what_was_imported_by_name_before_stays_raw(path: str) -> None:
    # the one gap, which install() names: nobody is asked for these two any more
    with installed():
        for made in (early_connect(path), EarlyConnection(path)):
            with closing(made) as raw:
                assert type(raw) is EarlyConnection


# -- classes of a program's own while it is installed ---------------------------------


def test_classes_that_are_made_meanwhile_are_wrapped(path: str) -> None:
    with installed():

        class Old(sqlite3.Connection):
            def __init__(self, database: str) -> None:
                sqlite3.Connection.__init__(self, database)
                self.found = sqlite3.Connection.execute(self, IDS).fetchall()

            def ids(self) -> list[Any]:
                return sqlite3.Connection.execute(self, IDS).fetchall()

        class Mine(sqlite3.Cursor):
            def __init__(self, connection: Any) -> None:
                sqlite3.Cursor.__init__(self, connection)

            def rows(self, sql: str) -> list[Any]:
                sqlite3.Cursor.execute(self, sql)
                return self.fetchall()

        assert issubclass(Old, sqlite3.Connection)
        assert issubclass(Mine, sqlite3.Cursor)
        with closing(Old(path)) as connection:
            assert connection.found == connection.ids() == LIVE
            assert connection.cursor(Mine).rows(IDS) == LIVE
            assert Mine(connection).rows(IDS) == LIVE
            cursor = sqlite3.Cursor(connection).execute(IDS)
            assert cursor.fetchall() == LIVE
            assert cursor.connection is connection
            assert sqlite3.Cursor.execute(cursor, IDS).fetchall() == LIVE
            assert isinstance(cursor, sqlite3.Cursor)
    with closing(Old(path)) as raw:
        assert type(raw) is Old
        assert len(raw.found) == len(raw.ids()) == 3
        assert len(Mine(raw).rows(IDS)) == 3
    with installed(), closing(Old(path)) as connection:
        assert connection.ids() == LIVE


def test_an_abstract_class_can_be_mixed_in(path: str) -> None:
    import abc

    with installed():

        class Shop(sqlite3.Connection, abc.ABC):
            @abc.abstractmethod
            def ids(self) -> list[Any]: ...

        class Open(Shop):
            def ids(self) -> list[Any]:
                return self.execute(IDS).fetchall()

        shop: Any = Shop
        with pytest.raises(TypeError, match="abstract"):
            shop(path)
        with closing(Open(path)) as connection:
            assert connection.ids() == LIVE


# -- on and off -----------------------------------------------------------------------


def namespace() -> dict[tuple[str, str], Any]:
    """All names of the driver's modules; importing one may name it in another."""
    found = [(module, names(module)) for module in MODULES]
    return {(m, name): value for m, named in found for name, value in named.items()}


def test_uninstall_puts_all_names_back() -> None:
    before = namespace()
    with installed():
        changed = {
            key for key, value in namespace().items() if value is not before[key]
        }
    assert {name for _, name in changed} == {"connect", "Connection", "Cursor"}
    after = namespace()
    assert before.keys() == after.keys()
    assert all(after[key] is value for key, value in before.items())


def test_a_second_installation_is_an_error() -> None:
    with installed():
        with pytest.raises(errors.ConfigurationError) as caught:
            kysera_dbapi.install("sqlite3")
        assert caught.value.code == "already-installed"
    with pytest.raises(errors.ConfigurationError) as caught:
        kysera_dbapi.uninstall("sqlite3")
    assert caught.value.code == "not-installed"


@pytest.mark.parametrize("driver", ["mysqldb", "nowhere", "", None])
def test_an_unknown_driver_cannot_be_installed(driver: Any) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        kysera_dbapi.install(driver)
    assert caught.value.code == "missing-driver"


def test_what_cannot_be_installed_changes_nothing() -> None:
    before = namespace()
    same = plugin()
    with pytest.raises(errors.PluginError):
        kysera_dbapi.install("sqlite3", plugins=[same, same])
    wrong: Any = "loose"
    with pytest.raises(errors.ConfigurationError) as caught:
        kysera_dbapi.install("sqlite3", mode=wrong)
    assert caught.value.code == "unknown-mode"
    with pytest.raises(errors.ConfigurationError, match="must be a function"):
        kysera_dbapi.install("sqlite3", only=wrong)
    assert all(namespace()[key] is value for key, value in before.items())


def test_what_a_program_has_kept_is_raw_again(path: str) -> None:
    with installed():
        connect, connection_class = sqlite3.connect, sqlite3.Connection
        opened = connect(path)
    for make in (connect, connection_class):
        with closing(make(path)) as raw:
            assert not isinstance(raw, Connection)
    with closing(opened):
        assert opened.execute(IDS).fetchall() == LIVE


def test_connect_is_no_method_of_a_class_that_has_it(path: str) -> None:
    with installed():

        class Pool:
            connect: Any = driver.connect

        with closing(Pool().connect(path)) as connection:
            assert connection.execute(IDS).fetchall() == LIVE
        assert sqlite3.connect is _module("sqlite3.dbapi2").connect
        assert sqlite3.connect.__name__ == "connect"
        assert sqlite3.connect.__doc__ == early_connect.__doc__


def test_a_connection_that_a_plugin_refuses_is_closed(tmp_path: Path) -> None:
    made: list[Any] = []

    class Noted(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    with installed():
        makers: list[Callable[[str], Any]] = [
            Noted,
            lambda p: sqlite3.connect(p, factory=Noted),
        ]
        for make in makers:
            with pytest.raises(errors.ConfigurationError) as caught:
                make(str(tmp_path / "empty.db"))
            assert caught.value.code == "missing-table"
    for raw in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            raw.in_transaction  # noqa: B018


def test_an_own_connection_has_its_own_plugins(path: str) -> None:
    with installed(plugins=[]):
        with closing(
            kysera_dbapi.connect(f"sqlite:///{path}", plugins=[plugin()])
        ) as connection:
            assert connection.execute(IDS).fetchall() == LIVE
        with closing(sqlite3.connect(path)) as bare:
            assert len(bare.execute(IDS).fetchall()) == 3
            with pytest.raises(errors.ConfigurationError) as caught:
                kysera_dbapi.wrap(bare, plugins=[plugin()])
            assert caught.value.code == "already-wrapped"
        with pytest.raises(errors.ConfigurationError) as caught:
            kysera_dbapi.connect(sqlite3, path, factory=Before, plugins=[plugin()])
        assert caught.value.code == "already-wrapped"


def test_a_bypass_holds_for_installed_connections(path: str) -> None:
    with installed(), closing(sqlite3.connect(path)) as connection:
        with kysera_dbapi.bypass("soft_delete", reason="test"):
            assert len(connection.execute(IDS).fetchall()) == 3
            with kysera_dbapi.including_deleted():
                assert len(connection.execute(IDS).fetchall()) == 3
        assert connection.execute(IDS).fetchall() == LIVE


# -- threads --------------------------------------------------------------------------


def test_threads_open_connections_of_their_own(path: str) -> None:
    def look(number: int) -> list[Any]:
        make = list(CONSTRUCTORS.values())[number % len(CONSTRUCTORS)]
        with closing(make(path)) as connection:
            assert isinstance(connection, Connection)
            rows: list[Any] = connection.execute(IDS).fetchall()
            return rows

    with installed(), ThreadPoolExecutor(16) as pool:
        assert list(pool.map(look, range(160))) == [LIVE] * 160


def test_one_of_many_threads_installs() -> None:
    barrier = threading.Barrier(12)

    def try_it(_: int) -> bool:
        barrier.wait()
        try:
            kysera_dbapi.install("sqlite3")
        except errors.ConfigurationError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(try_it, range(12))) == 1
    kysera_dbapi.uninstall("sqlite3")
    assert sqlite3.connect is early_connect


def test_threads_that_connect_while_it_comes_and_goes_get_one_or_the_other(
    path: str,
) -> None:
    stop = threading.Event()

    def look(_: int) -> set[int]:
        seen: set[int] = set()
        while not stop.is_set():
            with closing(Before(path)) as connection:
                rows = len(connection.execute(IDS).fetchall())
                opened: Any = connection
                assert rows == (2 if isinstance(opened, Connection) else 3)
                seen.add(rows)
        return seen

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(look, n) for n in range(4)]
        for _ in range(20):
            with installed():
                sqlite3.connect(path).close()
        stop.set()
        assert all(job.result() <= {2, 3} for job in running)
