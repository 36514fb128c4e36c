"""connect and wrap: URLs, the driver's own arguments, and what is wrong with them."""

import importlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
import kysera_dbapi.sqlite3 as shim
from kysera_dbapi import errors
from tests.dbapi.letters import HIDDEN, IDS, LIVE, SCHEMA, letters, plugin, stored


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a database in it."""
    monkeypatch.chdir(tmp_path)
    fill("letters.db")
    return tmp_path


def fill(name: Any) -> None:
    """Make a database file."""
    with closing(sqlite3.connect(name)) as raw:
        raw.executescript(SCHEMA)


def refusal(call: Callable[[], Any]) -> errors.ConfigurationError:
    """The error of a call that cannot work."""
    with pytest.raises(errors.ConfigurationError) as caught:
        call()
    text = str(caught.value)
    assert text[:1].islower()
    assert not text.endswith(".")
    return caught.value


# -- URLs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///letters.db", "letters.db"),
        ("SQLite:///letters.db", "letters.db"),
        ("sqlite:///./letters.db", "letters.db"),
        ("sqlite:////{folder}/letters.db", "letters.db"),
        ("sqlite:///my%20letters.db", "my letters.db"),
        ("sqlite:///my letters.db", "my letters.db"),
        ("sqlite:///a%3Fb%23c%25.db", "a?b#c%.db"),
        ("sqlite:///a+b.db", "a+b.db"),
        ("sqlite:///%C3%A9.db", "é.db"),
        ("sqlite:///é.db", "é.db"),
        ("sqlite:///a%0Ab.db", "a\nb.db"),
        ("sqlite:///a\tb.db", "a\tb.db"),
        ("sqlite:///%FF.db", os.fsdecode(b"\xff.db")),
        ("sqlite:///sub/letters.db", "sub/letters.db"),
        ("sqlite:///[x].db", "[x].db"),
        ("sqlite:///a:b@c.db", "a:b@c.db"),
    ],
)
def test_a_url_names_a_file(url: str, file: str, folder: Path) -> None:
    (folder / "sub").mkdir()
    if file != "letters.db":
        fill(file)
    before = sorted(folder.rglob("*"))
    url = url.replace("/{folder}", str(folder))
    with closing(kysera_dbapi.connect(url, plugins=[plugin()])) as connection:
        assert connection.execute(IDS).fetchall() == LIVE
        connection.execute("INSERT INTO log VALUES (5, 'by url')")
        connection.commit()
    assert sorted(folder.rglob("*")) == before
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT 1 FROM log WHERE id = 5").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite://?timeout=1"]
)
def test_a_url_without_a_file_is_a_database_in_memory(url: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with closing(kysera_dbapi.connect(url)) as connection:
        connection.executescript(SCHEMA)
        databases = connection.execute("PRAGMA database_list").fetchall()
        assert databases[0] == (0, "main", "")
    assert sorted(folder.iterdir()) == before


def test_the_query_holds_the_driver_s_arguments(folder: Path) -> None:
    url = "sqlite:///file:letters.db%3Fmode=ro?uri=true&isolation_level=IMMEDIATE"
    with closing(kysera_dbapi.connect(url)) as connection:
        assert connection.isolation_level == "IMMEDIATE"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM log")
    for text, level in (("none", None), ("", ""), ("EXCLUSIVE", "EXCLUSIVE")):
        url = f"sqlite://?isolation_level={text}&detect_types=1&cached_statements=7"
        with closing(kysera_dbapi.connect(url)) as connection:
            assert connection.isolation_level == level
    with closing(
        kysera_dbapi.connect(
            "sqlite://?isolation_level=EXCLUSIVE", isolation_level=None
        )
    ) as connection:
        assert connection.isolation_level is None
    url = "sqlite://?check_same_thread=0&timeout=0.5"
    with closing(kysera_dbapi.connect(url)) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit came with 3.12")
def test_the_query_may_set_autocommit() -> None:
    with closing(kysera_dbapi.connect("sqlite://?autocommit=true")) as connection:
        assert connection.autocommit is True


@pytest.mark.parametrize(
    "url",
    [
        "",
        "letters.db",
        "/letters.db",
        "sqlite",
        "sqlite:letters.db",
        "sqlite:/letters.db",
        "sqlite://letters.db",
        "sqlite://user:secret@host/letters.db",
        "sqlite:///",
        "sqlite:///?timeout=1",
        "sqlite:///letters.db#part",
        "sqlite:///letters.db?timeout=1#part",
        "sqlite:///letters.db?mode=ro",
        "sqlite:///letters.db?plugins=x",
        "sqlite:///letters.db?factory=x",
        "sqlite:///letters.db?database=x",
        "sqlite:///letters.db?timeout",
        "sqlite:///letters.db?timeout=",
        "sqlite:///letters.db?timeout=secret",
        "sqlite:///letters.db?uri=perhaps",
        "sqlite:///letters.db?timeout=1&timeout=2",
        "sqlite:///letters.db?timeout=1&&uri=true",
    ],
)
def test_a_bad_url_is_an_error_and_opens_nothing(url: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    error = refusal(lambda: kysera_dbapi.connect(url))
    assert error.code == "bad-url"
    assert "secret" not in str(error)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("scheme", ["oracle", "sqlite3", "sqlite+pysqlite", "http", ""])
def test_an_unknown_scheme_is_named(scheme: str) -> None:
    error = refusal(lambda: kysera_dbapi.connect(f"{scheme}://user:secret@host/x"))
    assert error.code == "unknown-scheme"
    assert repr(scheme) in str(error)
    assert "postgresql" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("scheme", "module", "extra"),
    [
        ("postgresql", "psycopg", "postgresql"),
        ("postgresql+psycopg", "psycopg", "postgresql"),
        ("postgres", "psycopg", "postgresql"),
        ("mysql", "pymysql", "mysql"),
        ("mysql+pymysql", "pymysql", "mysql"),
        ("mariadb", "pymysql", "mysql"),
    ],
)
def test_a_missing_driver_says_what_to_install(
    scheme: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    error = refusal(lambda: kysera_dbapi.connect(f"{scheme}://user:secret@host/x"))
    assert error.code == "missing-driver"
    assert f"kysera[{extra}]" in str(error)
    assert "secret" not in str(error)


# -- the driver's own arguments -------------------------------------------------------


def test_the_driver_s_own_arguments_are_passed_on(folder: Path) -> None:
    dbapi2 = importlib.import_module("sqlite3.dbapi2")
    for module in (sqlite3, dbapi2):
        with closing(
            kysera_dbapi.connect(
                module,
                "file:letters.db?mode=ro",
                uri=True,
                isolation_level=None,
                plugins=[plugin()],
                mode="strict",
            )
        ) as connection:
            assert connection.isolation_level is None
            assert connection.execute(IDS).fetchall() == LIVE
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("DELETE FROM letters WHERE id = 1")
    with closing(kysera_dbapi.connect(sqlite3, database=folder / "letters.db")) as c:
        assert len(c.execute(IDS).fetchall()) == 3


@pytest.mark.parametrize(
    "driver", [None, 3, object, Path("letters.db"), b"sqlite://", os, kysera_dbapi]
)
def test_what_is_no_driver_is_refused(driver: Any) -> None:
    assert refusal(lambda: kysera_dbapi.connect(driver)).code == "missing-driver"


def test_wrong_arguments_give_the_driver_s_error() -> None:
    calls: list[Callable[[], Any]] = [
        lambda: kysera_dbapi.connect(sqlite3),
        lambda: kysera_dbapi.connect(sqlite3, ":memory:", novelty=1),
        lambda: kysera_dbapi.connect(sqlite3, 3.5),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        kysera_dbapi.connect("sqlite:////nowhere/at/all.db")


# -- modes ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["normal", "strict", "report"])
def test_a_mode_is_known_everywhere(mode: Any, folder: Path) -> None:
    options: dict[str, Any] = {"plugins": [plugin()], "mode": mode}
    with closing(sqlite3.connect("letters.db")) as raw:
        assert kysera_dbapi.wrap(raw, **options).execute(IDS).fetchall() == LIVE
    with closing(kysera_dbapi.connect("sqlite:///letters.db", **options)) as connection:
        assert connection.execute(IDS).fetchall() == LIVE
        if mode == "report":
            assert connection.execute("SELECT 1 FROM letters, dbstat LIMIT 0")
    kysera_dbapi.install("sqlite3", **options)
    try:
        with closing(sqlite3.connect("letters.db")) as connection:
            assert connection.execute(IDS).fetchall() == LIVE
    finally:
        kysera_dbapi.uninstall("sqlite3")


@pytest.mark.parametrize("mode", ["", "loose", "STRICT", None, 3, []])
def test_an_unknown_mode_is_an_error_and_opens_nothing(mode: Any, folder: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        calls = [
            lambda: kysera_dbapi.connect("sqlite:///new.db", mode=mode),
            lambda: kysera_dbapi.connect(sqlite3, "new.db", mode=mode),
            lambda: shim.connect("new.db", mode=mode),
            lambda: kysera_dbapi.wrap(raw, mode=mode),
            lambda: kysera_dbapi.install("sqlite3", mode=mode),
        ]
        for call in calls:
            assert refusal(call).code == "unknown-mode"
    assert not (folder / "new.db").exists()


# -- wrap -----------------------------------------------------------------------------


def test_a_connection_is_wrapped_once() -> None:
    with closing(letters()) as connection:
        for call in (
            lambda: kysera_dbapi.wrap(connection),
            lambda: kysera_dbapi.wrap(connection, plugins=[plugin()]),
            lambda: shim.wrap(connection),
        ):
            assert refusal(call).code == "already-wrapped"
        assert connection.execute(IDS).fetchall() == LIVE


@pytest.mark.parametrize(
    "wrong", [None, "sqlite://", object(), sqlite3, sqlite3.Connection]
)
def test_what_is_no_connection_cannot_be_wrapped(wrong: Any) -> None:
    assert refusal(lambda: kysera_dbapi.wrap(wrong)).code == "driver-mismatch"


def number(*_: Any, **__: Any) -> int:
    """Makes no connection."""
    return 3


def test_a_factory_has_to_make_a_connection() -> None:
    error = refusal(lambda: kysera_dbapi.connect(sqlite3, ":memory:", factory=number))
    assert error.code == "driver-mismatch"


# -- what cannot be read --------------------------------------------------------------


class Noted(sqlite3.Connection):
    """Remembers its objects, to see whether they were closed."""

    made: "list[Noted]" = []  # noqa: RUF012

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.made.append(self)
        super().__init__(*arguments, **options)


@pytest.fixture
def noted() -> Iterator[list[Noted]]:
    Noted.made.clear()
    yield Noted.made
    for raw in Noted.made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            raw.execute("SELECT 1")


@pytest.mark.parametrize("database", ["no/such/folder/letters.db", "."])
def test_what_cannot_be_opened_is_an_error_of_both(database: str, folder: Path) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: kysera_dbapi.connect(f"sqlite:///{database}"),
        lambda: kysera_dbapi.connect(sqlite3, database),
        lambda: shim.connect(database),
    ]
    for call in calls:
        with pytest.raises(errors.OperationalError, match="unable to open") as caught:
            call()
        assert isinstance(caught.value, sqlite3.OperationalError)


def test_a_file_that_is_no_database_is_an_error(
    noted: list[Noted], folder: Path
) -> None:
    (folder / "not.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(errors.DatabaseError, match="not a database") as caught:
        kysera_dbapi.connect(sqlite3, "not.db", factory=Noted, plugins=[plugin()])
    assert isinstance(caught.value, sqlite3.DatabaseError)
    assert "tables of the database were read" in "".join(caught.value.__notes__)
    assert len(noted) == 1


def test_a_damaged_database_is_an_error(noted: list[Noted], folder: Path) -> None:
    data = bytearray((folder / "letters.db").read_bytes())
    data[100:200] = b"\xff" * 100
    (folder / "letters.db").write_bytes(data)
    with pytest.raises(errors.DatabaseError, match=r"malformed|not a database"):
        kysera_dbapi.connect(sqlite3, "letters.db", factory=Noted, plugins=[plugin()])
    assert len(noted) == 1


def test_a_locked_database_is_an_error(noted: list[Noted], folder: Path) -> None:
    with closing(sqlite3.connect("letters.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(errors.OperationalError, match="locked") as caught:
            kysera_dbapi.connect(
                sqlite3, "letters.db", timeout=0, factory=Noted, plugins=[plugin()]
            )
        assert isinstance(caught.value, sqlite3.OperationalError)
    assert len(noted) == 1


def test_a_closed_connection_cannot_be_wrapped() -> None:
    raw = sqlite3.connect(":memory:")
    raw.close()
    with pytest.raises(errors.ProgrammingError, match="closed") as caught:
        kysera_dbapi.wrap(raw, plugins=[plugin()])
    assert isinstance(caught.value, sqlite3.ProgrammingError)


def test_what_a_plugin_finds_wrong_closes_the_connection(noted: list[Noted]) -> None:
    error = refusal(
        lambda: kysera_dbapi.connect(
            sqlite3, ":memory:", factory=Noted, plugins=[plugin()]
        )
    )
    assert error.code == "missing-table"
    assert len(noted) == 1


def test_a_wrapped_connection_that_failed_stays_the_caller_s() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        assert refusal(lambda: kysera_dbapi.wrap(raw, plugins=[plugin()])).code
        assert raw.execute("SELECT 1").fetchall() == [(1,)]


# -- closed connections ---------------------------------------------------------------

CLOSED: dict[str, Callable[[Any], Any]] = {
    "execute": lambda c: c.execute(IDS),
    "executemany": lambda c: c.executemany("DELETE FROM letters WHERE id = ?", [(1,)]),
    "executescript": lambda c: c.executescript("SELECT 1"),
    "cursor": lambda c: c.cursor(),
    "commit": lambda c: c.commit(),
    "rollback": lambda c: c.rollback(),
    "enter": lambda c: c.__enter__(),
    "exit": lambda c: c.__exit__(None, None, None),
    "call": lambda c: c("SELECT 1"),
    "blobopen": lambda c: c.blobopen("letters", "body", HIDDEN, readonly=True),
    "serialize": lambda c: c.serialize(),
    "deserialize": lambda c: c.deserialize(b""),
    "backup": lambda c: c.backup(c),
    "iterdump": lambda c: list(c.iterdump()),
    "in_transaction": lambda c: c.in_transaction,
    "total_changes": lambda c: c.total_changes,
    "isolation_level": lambda c: setattr(c, "isolation_level", "IMMEDIATE"),
    "create_function": lambda c: c.create_function("f", 0, int),
    "set_authorizer": lambda c: c.set_authorizer(None),
    "interrupt": lambda c: c.interrupt(),
    "getlimit": lambda c: c.getlimit(0),
}
OWN: dict[str, Callable[[Any], Any]] = {
    "explain": lambda c: c.explain(IDS),
    "refresh": lambda c: c.refresh(),
}


@pytest.mark.parametrize("name", [*CLOSED, *OWN])
def test_a_closed_connection_gives_the_driver_s_error_and_ours(name: str) -> None:
    raw, connection = sqlite3.connect(":memory:"), letters()
    raw.close()
    connection.execute(IDS)
    connection.close()
    text = "Cannot operate on a closed database."
    if name in CLOSED:
        try:
            CLOSED[name](raw)
        except sqlite3.ProgrammingError as error:
            text = str(error)
        else:
            CLOSED[name](connection)
            return
    with pytest.raises(errors.ProgrammingError) as caught:
        (CLOSED | OWN)[name](connection)
    assert isinstance(caught.value, sqlite3.ProgrammingError)
    assert str(caught.value) == text


def test_cursors_of_a_closed_connection_give_the_driver_s_error() -> None:
    connection = letters()
    cursor = connection.execute(IDS)
    connection.close()
    for call in (
        lambda: cursor.execute(IDS),
        lambda: cursor.executemany("DELETE FROM log WHERE id = ?", []),
        lambda: cursor.executescript(""),
        cursor.fetchall,
        cursor.fetchmany,
    ):
        with pytest.raises(errors.ProgrammingError, match="closed") as caught:
            call()
        assert isinstance(caught.value, sqlite3.ProgrammingError)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        cursor.fetchone()


def test_closing_twice_is_no_error() -> None:
    connection = letters()
    connection.close()
    connection.close()
    with suppress(sqlite3.Error):
        connection.unwrap().execute("SELECT 1")
        pytest.fail("the raw connection is open")


def test_the_raw_connection_is_closed_even_if_a_plugin_is_not() -> None:
    class Stubborn(kysera_dbapi.Plugin):
        name = "stubborn"

        def on_destroy(self, host: Any) -> None:
            """Fail."""
            raise ZeroDivisionError

    connection = kysera_dbapi.connect("sqlite://", plugins=[Stubborn()])
    with pytest.raises(errors.PluginError) as caught:
        connection.close()
    assert isinstance(caught.value, sqlite3.ProgrammingError)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.unwrap().execute("SELECT 1")


def test_what_could_not_be_closed_stays_protected() -> None:
    with closing(letters()) as connection, ThreadPoolExecutor(1) as other:
        error = other.submit(connection.close).exception()
        assert isinstance(error, errors.ProgrammingError)
        assert isinstance(error, sqlite3.ProgrammingError)
        connection.executescript("DELETE FROM letters")
        with pytest.raises(errors.UnsupportedStatement):
            connection.serialize()
        assert stored(connection) == [(1, False), (HIDDEN, False), (3, False)]


def test_a_connection_is_a_wrapped_one_in_every_way() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        makers: list[Callable[[], Any]] = [
            lambda: kysera_dbapi.connect("sqlite://"),
            lambda: kysera_dbapi.connect(sqlite3, ":memory:"),
            lambda: shim.connect(":memory:"),
            lambda: kysera_dbapi.wrap(raw),
        ]
        for make in makers:
            with closing(make()) as connection:
                assert isinstance(connection, shim.Connection)
