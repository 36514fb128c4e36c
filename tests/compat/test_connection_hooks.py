"""What a program hangs on a connection neither goes round nor misleads the plugins."""

import abc
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi import sqlite3 as shim_module
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.plugins.soft_delete import OnDelete
from tests.compat.shop import PROTECTED, Driver, create

IDS = "SELECT id FROM orders ORDER BY id"
LIVE = [(1,), (3,), (4,), (7,), (8,), (9,)]


class Cursor(sqlite3.Cursor):
    """A program's own cursor class."""


class Rigid(sqlite3.Cursor):
    """One whose instances cannot change their class."""

    __slots__ = ()


class Overriding(sqlite3.Connection):
    """Makes cursors its own way."""

    def cursor(self) -> Any:  # type: ignore[override]
        """One of its own class."""
        return super().cursor(Cursor)


class OverridingWithFactory(sqlite3.Connection):
    """Makes cursors its own way, whatever was asked for."""

    def cursor(self, factory: Any = None) -> Any:
        """One of its own class."""
        return super().cursor(Cursor)


class Plain(sqlite3.Connection):
    """Makes the driver's own cursors."""

    def cursor(self) -> Any:  # type: ignore[override]
        """One of the driver's class."""
        return super().cursor()


class Unfinished(sqlite3.Connection):
    """Forgets to open the database."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


def backwards(text: bytes) -> str:
    """A text factory and a converter that are easily noticed."""
    return text.decode()[::-1]


def shop(folder: Path) -> Path:
    """A shop with deleted rows."""
    folder.mkdir(exist_ok=True)
    return create(folder, "shop", filtered=False)


def connected(folder: Path, **options: Any) -> Any:
    """A wrapped connection to a new shop."""
    plugins = [SoftDelete(tables=PROTECTED)]
    return shim_module.connect(str(shop(folder)), plugins=plugins, **options)


@pytest.mark.parametrize("factory", [Overriding, OverridingWithFactory, Plain])
def test_cursors_of_a_connection_class_are_planned(
    factory: type[sqlite3.Connection], tmp_path: Path
) -> None:
    with closing(connected(tmp_path, factory=factory)) as connection:
        assert connection.cursor().execute(IDS).fetchall() == LIVE
        assert connection.execute(IDS).fetchall() == LIVE
        assert isinstance(connection.cursor(), sqlite3.Cursor)


@pytest.mark.parametrize("factory", [Cursor, sqlite3.Cursor])
def test_cursors_of_a_callable_are_planned(
    factory: type[sqlite3.Cursor], tmp_path: Path
) -> None:
    with closing(connected(tmp_path)) as connection:

        def make(wrapped: Any) -> Any:
            return wrapped.cursor(factory)

        cursor = connection.cursor(make)
        assert isinstance(cursor, factory)
        assert cursor.execute(IDS).fetchall() == LIVE
        assert cursor.connection is connection


def _rigid(wrapped: Any) -> Rigid:
    return Rigid(wrapped)


def test_a_cursor_that_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    class NoCursor(sqlite3.Connection):
        def cursor(self) -> Any:  # type: ignore[override]
            return object()

    with (
        closing(connected(tmp_path, factory=NoCursor)) as connection,
        pytest.raises(AttributeError, match="no attribute 'execute'"),
    ):
        connection.execute(IDS)
    with closing(connected(tmp_path / "rigid")) as connection:
        with pytest.raises(TypeError, match=r"must be sqlite3\.Connection"):
            connection.cursor(_rigid)
        assert connection.cursor(Rigid).execute(IDS).fetchall() == LIVE


def test_row_factories_see_the_rows_alone(tmp_path: Path) -> None:
    seen: list[Any] = []

    def make(_: sqlite3.Cursor, row: tuple[Any, ...]) -> None:
        seen.append(row)

    with closing(connected(tmp_path)) as connection:
        connection.row_factory = make
        change_the_schema(connection)
        connection.execute(IDS).fetchall()
    assert seen == LIVE


@pytest.mark.parametrize("factory", [bytes, backwards])
def test_a_text_factory_does_not_change_what_is_read_of_the_schema(
    factory: Callable[[bytes], Any], tmp_path: Path
) -> None:
    with closing(connected(tmp_path)) as connection:
        connection.text_factory = factory
        change_the_schema(connection)
        assert connection.execute(IDS).fetchall() == LIVE
        assert connection.text_factory is factory
        connection.executescript("DELETE FROM orders WHERE id = 1; SELECT * FROM notes")
        assert connection.text_factory is factory


def test_a_text_factory_does_not_change_the_keys_of_a_cascade(tmp_path: Path) -> None:
    path = tmp_path / "cascade.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(
            "CREATE TABLE a (id TEXT PRIMARY KEY, deleted_at TEXT);"
            "CREATE TABLE b (id INTEGER, a TEXT REFERENCES a, deleted_at TEXT);"
            "INSERT INTO a VALUES ('x', NULL); INSERT INTO b VALUES (1, 'x', NULL);"
        )
    plugin = SoftDelete(tables=["a", "b"], foreign_keys={"b.a": "cascade"})
    opened: Any = shim_module.connect(path, plugins=[plugin])
    with closing(opened) as connection:
        connection.text_factory = bytes
        connection.execute("DELETE FROM a")
        assert connection.execute("SELECT * FROM b").fetchall() == []
        assert connection.text_factory is bytes


def test_converters_do_not_change_what_is_read_of_the_schema(tmp_path: Path) -> None:
    sqlite3.register_converter("TEXT", backwards)
    try:
        types = sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES
        with closing(connected(tmp_path, detect_types=types)) as connection:
            assert connection.execute(IDS).fetchall() == LIVE
            names = connection.execute("SELECT name FROM customers WHERE id = 1")
            assert names.fetchall() == [("adA",)]
    finally:
        sqlite3.converters.pop("TEXT")


def test_converters_do_not_change_the_keys_of_a_cascade(tmp_path: Path) -> None:
    path = tmp_path / "cascade.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(
            "CREATE TABLE a (id CODE PRIMARY KEY, deleted_at TEXT);"
            "CREATE TABLE b (id CODE PRIMARY KEY, a CODE REFERENCES a, deleted_at);"
            "CREATE TABLE c (id INTEGER PRIMARY KEY, b CODE REFERENCES b, deleted_at);"
            "INSERT INTO a VALUES ('xy', NULL);"
            "INSERT INTO b VALUES ('uv', 'xy', NULL);"
            "INSERT INTO c VALUES (1, 'uv', NULL);"
        )
    keys: dict[str, OnDelete] = {"b.a": "cascade", "c.b": "cascade"}
    plugin = SoftDelete(tables=["a", "b", "c"], foreign_keys=keys)
    sqlite3.register_converter("CODE", backwards)
    types = sqlite3.PARSE_DECLTYPES
    try:
        opened: Any = shim_module.connect(path, plugins=[plugin], detect_types=types)
        with closing(opened) as connection:
            assert connection.execute("SELECT id FROM a").fetchall() == [("yx",)]
            connection.execute("DELETE FROM a")
            for table in "abc":
                rows = connection.execute(f"SELECT * FROM {table}").fetchall()
                assert rows == []
    finally:
        sqlite3.converters.pop("CODE")


@pytest.mark.parametrize("answer", [sqlite3.SQLITE_DENY, sqlite3.SQLITE_IGNORE])
def test_an_authorizer_is_not_asked_about_what_is_read_of_the_schema(
    answer: int, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def authorize(action: int, name: str | None, *_: Any) -> int:
        asked.append(name)
        reads = action in (sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA)
        hidden = str(name).startswith(("sqlite_", "table_", "index_"))
        return answer if reads and hidden else sqlite3.SQLITE_OK

    with closing(connected(tmp_path)) as connection:
        connection.set_authorizer(authorize)
        connection.refresh()
        assert asked == []
        assert connection.execute(IDS).fetchall() == LIVE
        assert "orders" in asked


def test_a_trace_shows_the_statements_alone(tmp_path: Path) -> None:
    traced: list[str] = []
    with closing(connected(tmp_path)) as connection:
        connection.set_trace_callback(traced.append)
        change_the_schema(connection)
        connection.execute("DELETE FROM notes")
        connection.set_trace_callback(None)
        connection.rollback()
    assert traced == [
        "BEGIN",
        "CREATE TABLE more (id)",
        "COMMIT",
        "BEGIN ",
        "DELETE FROM notes",
    ]


def test_a_script_runs_each_statement_to_its_end(tmp_path: Path) -> None:
    seen: list[int] = []
    with closing(connected(tmp_path)) as connection:
        connection.create_function("see", 1, seen.append)
        connection.executescript("SELECT see(id) FROM orders ORDER BY id; SELECT 1")
    assert [(row,) for row in seen] == LIVE


def test_an_unopened_connection_gives_the_driver_s_error(tmp_path: Path) -> None:
    connection = connected(tmp_path, factory=Unfinished)
    with pytest.raises(sqlite3.ProgrammingError, match="not called"):
        connection.execute(IDS)
    assert "IS NULL" in str(connection.explain(IDS))


@pytest.mark.parametrize("plugins", [[], [SoftDelete(tables=PROTECTED)]])
def test_several_statements_give_the_driver_s_error(
    plugins: list[SoftDelete], tmp_path: Path
) -> None:
    with (
        closing(shim_module.connect(shop(tmp_path), plugins=plugins)) as connection,
        pytest.raises(sqlite3.ProgrammingError, match="You can only execute one"),
    ):
        connection.execute("SELECT 1; SELECT id FROM orders")


def test_subclasses_of_an_installed_connection_are_wrapped(
    shim_installed: Driver, tmp_path: Path
) -> None:
    path = str(shop(tmp_path))
    with shim_installed.installed():

        class Shop(sqlite3.Connection, abc.ABC):
            """Opens the shop, as code of old does."""

            def __init__(self, database: str = path, **options: Any) -> None:
                sqlite3.Connection.__init__(self, database, **options)

        def opened(database: str, **options: Any) -> Any:
            return Shop(database, **options)

        factory: Any = opened
        makers: list[Callable[[], Any]] = [
            Shop,
            lambda: sqlite3.Connection(path),
            lambda: sqlite3.connect(path),
            lambda: sqlite3.connect(path, factory=Shop),
            lambda: sqlite3.connect(path, factory=sqlite3.Connection),
            lambda: sqlite3.connect(path, factory=factory),
        ]
        for made in makers:
            with closing(made()) as connection:
                assert connection.execute(IDS).fetchall() == LIVE
                assert isinstance(connection, sqlite3.Connection)
                assert isinstance(connection, shim_module.Connection)
        assert issubclass(Shop, sqlite3.Connection)
        assert not isinstance(3, sqlite3.Connection)
    with closing(Shop()) as raw:
        assert len(raw.execute(IDS).fetchall()) == 9


def test_install_can_leave_other_databases_alone(tmp_path: Path) -> None:
    path = shop(tmp_path)
    asked: list[str] = []

    def is_shop(file: str) -> bool:
        asked.append(file)
        return file == str(path.resolve())

    with closing(sqlite3.connect(path)) as before:
        plugins = [SoftDelete(tables=PROTECTED)]
        kysera_dbapi.install("sqlite3", plugins=plugins, only=is_shop)
        try:
            opened = [sqlite3.connect(n) for n in (path, ":memory:", tmp_path / "new")]
            opened += [sqlite3.Connection(f"file:{path}?mode=ro", uri=True)]
        finally:
            kysera_dbapi.uninstall("sqlite3")
        assert asked == [str(path), "", str(tmp_path / "new"), str(path)]
        wrapped = [isinstance(c, shim_module.Connection) for c in opened]
        assert wrapped == [True, False, False, True]
        assert opened[3].execute(IDS).fetchall() == LIVE
        assert len(before.execute(IDS).fetchall()) == 9
    for connection in opened:
        connection.close()


def test_a_database_without_the_tables_is_refused_unless_left_out(
    shim_installed: Driver, tmp_path: Path
) -> None:
    with (
        shim_installed.installed(),
        pytest.raises(errors.ConfigurationError, match="there is no table"),
    ):
        sqlite3.connect(tmp_path / "new.db")


def change_the_schema(connection: Any) -> None:
    """Have the catalogue read once more."""
    connection.execute("CREATE TABLE more (id)")
