"""Every public member of sqlite3's connection and cursor does what was decided."""

import copy
import gc
import inspect
import pickle
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

import kysera_dbapi
import kysera_dbapi.sqlite3 as shim
from kysera_dbapi import errors
from kysera_dbapi.connection import Connection
from kysera_dbapi.sqlite3 import CONNECTION_MEMBERS, CURSOR_MEMBERS
from tests.dbapi.letters import HIDDEN, IDS, LIVE, SCHEMA, SECRET, letters, plugin

SPECIAL = ("__call__", "__enter__", "__exit__", "__iter__", "__next__")
DECISIONS = {"planned", "passed", "refused", "twin"}


def members(cls: type) -> list[str]:
    """The public members of a class of the running interpreter's."""
    special = [name for name in SPECIAL if any(name in vars(c) for c in cls.__mro__)]
    return [name for name in dir(cls) if not name.startswith("_")] + special


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(letters()) as made:
        yield made


def leads_to(value: Any, raw: Any) -> bool:
    """Whether the raw connection, or a raw cursor, can be had from a value."""
    seen = [value]
    for name in ("__self__", "__wrapped__", "__func__", "connection", "args"):
        with suppress(Exception):
            seen.append(getattr(value, name))
    if isinstance(value, (tuple, list)):
        seen += value
    plain = (sqlite3.Connection, sqlite3.Cursor)
    return any(x is raw or type(x) in plain for x in seen)


def ids(rows: Any) -> list[Any]:
    """The rows of a cursor, in a list."""
    return list(rows)


# -- what each member of a connection does ------------------------------------------

Behaviour = Callable[[Any], None]
CONNECTION: dict[str, Behaviour] = {}
CURSOR: dict[str, Behaviour] = {}


def decided(
    table: dict[str, Behaviour], *names: str
) -> Callable[[Behaviour], Behaviour]:
    """Say that a function shows the behaviour of these members."""

    def note(function: Behaviour) -> Behaviour:
        table.update(dict.fromkeys(names, function))
        return function

    return note


@decided(CONNECTION, "execute", "cursor")
def executes(connection: Any) -> None:
    """What is executed is planned, by either way."""
    assert ids(connection.execute(IDS)) == LIVE
    assert ids(connection.cursor().execute(IDS)) == LIVE
    assert ids(connection.execute(IDS).execute(IDS)) == LIVE
    assert connection.cursor().connection is connection


@decided(CONNECTION, "executemany")
def executes_many(connection: Any) -> None:
    """A DELETE of many marks the rows."""
    cursor = connection.executemany("DELETE FROM letters WHERE id = ?", [(1,), (2,)])
    assert cursor.rowcount == 1
    assert ids(connection.execute(IDS)) == [(3,)]
    assert len(ids(connection.unwrap().execute(IDS))) == 3


@decided(CONNECTION, "executescript")
def executes_scripts(connection: Any) -> None:
    """Its statements are planned one by one."""
    connection.executescript(
        "CREATE TABLE copy AS SELECT * FROM letters; DELETE FROM letters WHERE id = 1"
    )
    assert ids(connection.execute("SELECT id FROM copy")) == LIVE
    assert len(ids(connection.unwrap().execute(IDS))) == 3


@decided(CONNECTION, "iterdump")
def dumps(connection: Any) -> None:
    """A dump holds what the caller may see, and can be loaded."""
    text = "\n".join(connection.iterdump())
    assert SECRET not in text
    with closing(sqlite3.connect(":memory:")) as copy_:
        copy_.executescript(text)
        assert copy_.execute(IDS).fetchall() == LIVE
        assert copy_.execute("SELECT * FROM log").fetchall() == [(1, "open")]
    with kysera_dbapi.including_deleted():
        assert SECRET in "\n".join(connection.iterdump())


@decided(CONNECTION, "blobopen")
def opens_blobs(connection: Any) -> None:
    """A visible row's value, to read."""
    with connection.blobopen("letters", "body", 1, readonly=True) as blob:
        assert blob.read() == b"one"
    with pytest.raises(sqlite3.OperationalError, match=f"^no such rowid: {HIDDEN}$"):
        connection.blobopen("letters", "body", HIDDEN, readonly=True)


@decided(CONNECTION, "backup", "serialize", "deserialize", "setconfig")
def copies_are_refused(connection: Any) -> None:
    """What would copy, replace or open the database past a filter."""
    with closing(sqlite3.connect(":memory:")) as target:
        calls: list[Callable[[], Any]] = [
            lambda: connection.backup(target),
            lambda: connection.serialize(),
            lambda: connection.deserialize(b""),
        ]
        if hasattr(sqlite3.Connection, "setconfig"):
            opening = vars(sqlite3)["SQLITE_DBCONFIG_WRITABLE_SCHEMA"]
            calls.append(lambda: connection.setconfig(opening))
        for call in calls:
            with pytest.raises(errors.UnsupportedStatement) as caught:
                call()
            assert caught.value.code == "unsupported-member"
            assert isinstance(caught.value, sqlite3.NotSupportedError)
        assert target.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@decided(CONNECTION, "__enter__", "__exit__")
def is_its_own_context(connection: Any) -> None:
    """``with`` gives the wrapped connection; it commits, or rolls back."""
    with connection as inner:
        assert inner is connection
        inner.execute("DELETE FROM letters WHERE id = 1")
    assert not connection.in_transaction
    with pytest.raises(sqlite3.OperationalError), connection:
        connection.executescript("BEGIN; DELETE FROM letters; SELECT * FROM nowhere")
    assert ids(connection.execute(IDS)) == [(3,)]


@decided(CONNECTION, "commit", "rollback", "in_transaction", "total_changes")
def ends_transactions(connection: Any) -> None:
    """As the driver's."""
    before = connection.total_changes
    connection.execute("UPDATE log SET body = 'shut'")
    assert connection.in_transaction
    assert connection.total_changes == before + 1
    connection.rollback()
    assert ids(connection.execute("SELECT body FROM log")) == [("open",)]
    connection.execute("UPDATE log SET body = 'shut'")
    connection.commit()
    assert not connection.in_transaction


@decided(CONNECTION, "close")
def closes(connection: Any) -> None:
    """The plugins are let go, and the raw connection is closed."""
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.unwrap().execute("SELECT 1")


@decided(CONNECTION, "row_factory", "text_factory")
def factories_see_planned_cursors(connection: Any) -> None:
    """A row factory is given the planned cursor, a text factory bytes."""
    seen: list[Any] = []

    def keep(cursor: Any, row: Any) -> Any:
        seen.append(cursor)
        return row

    connection.row_factory = keep
    assert connection.row_factory is keep
    assert ids(connection.execute(IDS)) == LIVE
    assert {id(cursor.connection) for cursor in seen} == {id(connection)}
    assert not any(leads_to(cursor, connection.unwrap()) for cursor in seen)
    connection.row_factory = None
    connection.text_factory = bytes
    assert ids(connection.execute("SELECT body FROM letters WHERE id = 1")) == [
        (b"one",)
    ]


@decided(CONNECTION, "isolation_level", "autocommit")
def attributes_are_the_driver_s(connection: Any) -> None:
    """They are read and set."""
    connection.isolation_level = "IMMEDIATE"
    assert connection.unwrap().isolation_level == "IMMEDIATE"
    if hasattr(sqlite3.Connection, "autocommit"):
        connection.autocommit = True
        assert connection.unwrap().autocommit is True
        connection.execute("DELETE FROM letters WHERE id = 1")
        assert not connection.in_transaction
    with pytest.raises(TypeError):
        connection.isolation_level = 3


def backwards(one: str, other: str) -> int:
    """Order the other way."""
    return (one < other) - (one > other)


@decided(
    CONNECTION,
    "create_aggregate",
    "create_collation",
    "create_function",
    "create_window_function",
)
def functions_see_visible_rows(connection: Any) -> None:
    """What is computed is computed of what the caller sees."""

    class Joined:
        def __init__(self) -> None:
            self.found: list[str] = []

        def step(self, value: str) -> None:
            self.found.append(value)

        def value(self) -> str:
            return ",".join(self.found)

        def inverse(self, value: str) -> None:
            self.found.remove(value)

        finalize = value

    connection.create_function("loud", 1, str.upper)
    connection.create_collation("back", backwards)
    connection.create_aggregate("joined", 1, Joined)
    rows = connection.execute(
        "SELECT loud(body) FROM letters ORDER BY body COLLATE back"
    )
    assert ids(rows) == [("THREE",), ("ONE",)]
    assert ids(connection.execute("SELECT joined(body) FROM letters")) == [
        ("one,three",)
    ]
    connection.create_window_function("joined", 1, Joined)
    rows = connection.execute("SELECT joined(body) OVER (ORDER BY id) FROM letters")
    assert ids(rows) == [("one",), ("one,three",)]


@decided(CONNECTION, "set_authorizer", "set_trace_callback", "set_progress_handler")
def callbacks_are_called(connection: Any) -> None:
    """They see what is executed, and not what the shim reads for itself."""
    called: list[Any] = []

    def call(*values: Any) -> int:
        called.append(values)
        return 0

    for member, arguments in (
        ("set_authorizer", ()),
        ("set_trace_callback", ()),
        ("set_progress_handler", (1,)),
    ):
        getattr(connection, member)(call, *arguments)
        connection.refresh()
        assert called == []
        assert ids(connection.execute(IDS)) == LIVE
        assert called
        assert not any(leads_to(values, connection.unwrap()) for values in called)
        getattr(connection, member)(None, *arguments)
        called.clear()


@decided(CONNECTION, "getlimit", "setlimit", "getconfig", "interrupt")
def settings_are_the_driver_s(connection: Any) -> None:
    """They are read and set."""
    limit = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER
    connection.setlimit(limit, 10)
    assert connection.getlimit(limit) == connection.unwrap().getlimit(limit) == 10
    assert connection.interrupt() is None
    if hasattr(sqlite3.Connection, "getconfig"):
        allowed = vars(sqlite3)["SQLITE_DBCONFIG_ENABLE_FKEY"]
        connection.setconfig(allowed, True)
        assert connection.getconfig(allowed) is True


@decided(CONNECTION, "enable_load_extension", "load_extension")
def extensions_are_the_driver_s(connection: Any) -> None:
    """Where the interpreter was built with them."""
    connection.enable_load_extension(True)
    with pytest.raises(sqlite3.OperationalError):
        connection.load_extension("/nowhere/at/all")


@decided(CONNECTION, "__call__")
def compiles(connection: Any) -> None:
    """A compiled statement shows nothing, and cannot be executed."""
    found = connection("SELECT * FROM letters")
    kind = found.__class__
    assert kind.__name__ == "Statement"
    assert members(kind) == []


@decided(
    CONNECTION,
    "Warning",
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
)
def exceptions_are_the_driver_s(connection: Any) -> None:
    """So that ``except connection.Error`` goes on working (PEP 249)."""
    assert connection.Error is sqlite3.Error
    with pytest.raises(connection.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM nowhere")
    with pytest.raises(connection.NotSupportedError):
        connection.execute("DROP TABLE letters")


# -- what each member of a cursor does ----------------------------------------------


@decided(CURSOR, "execute", "fetchone", "fetchmany", "fetchall", "__iter__", "__next__")
def fetches(connection: Any) -> None:
    """By every way the rows that the caller sees."""
    cursor = connection.cursor()
    assert cursor.execute(IDS) is cursor
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(3,)]
    assert cursor.execute(IDS).fetchall() == LIVE
    assert iter(cursor.execute(IDS)) is cursor
    assert next(cursor) == (1,)
    assert [*cursor] == [(3,)]


@decided(CURSOR, "executemany")
def cursors_execute_many(connection: Any) -> None:
    """A DELETE of many marks the rows; the cursor comes back."""
    cursor = connection.cursor()
    given = iter([(1,), (HIDDEN,), (3,)])
    assert cursor.executemany("DELETE FROM letters WHERE id = ?", given) is cursor
    assert cursor.rowcount == 2
    assert len(ids(connection.unwrap().execute(IDS))) == 3


@decided(CURSOR, "executescript")
def cursors_execute_scripts(connection: Any) -> None:
    """Planned one by one; the cursor comes back."""
    cursor = connection.cursor()
    assert cursor.executescript("DELETE FROM letters; SELECT * FROM letters") is cursor
    assert len(ids(connection.unwrap().execute(IDS))) == 3


@decided(CURSOR, "connection")
def cursors_know_the_wrapped_connection(connection: Any) -> None:
    """And cannot be given another."""
    cursor = connection.execute(IDS)
    assert cursor.connection is connection
    with pytest.raises(AttributeError):
        cursor.connection = connection.unwrap()


@decided(CURSOR, "rowcount", "lastrowid", "description", "arraysize", "row_factory")
def results_are_told(connection: Any) -> None:
    """As of the statement that the caller wrote."""
    cursor = connection.execute("SELECT id AS n, body FROM letters")
    assert [column[0] for column in cursor.description] == ["n", "body"]
    assert connection.execute("DELETE FROM letters").rowcount == 2
    assert connection.execute("INSERT INTO letters (body) VALUES ('x')").lastrowid == 4
    assert cursor.arraysize == 1

    def told(cursor: Any, row: Any) -> bool:
        return leads_to(cursor, connection.unwrap())

    cursor.row_factory = told
    assert ids(cursor.execute(IDS)) == [False]


@decided(CURSOR, "setinputsizes", "setoutputsize", "close")
def cursors_close(connection: Any) -> None:
    """As the driver's."""
    cursor = connection.execute(IDS)
    assert cursor.setinputsizes([3]) is None
    assert cursor.setoutputsize(3) is None
    cursor.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
        cursor.execute(IDS)


# -- and nothing else -----------------------------------------------------------------


@pytest.mark.parametrize("name", members(sqlite3.Connection))
def test_a_member_of_a_connection_behaves_as_decided(
    name: str, connection: Any
) -> None:
    assert CONNECTION_MEMBERS[name] in DECISIONS, f"nobody decided on {name}"
    CONNECTION[name](connection)


@pytest.mark.parametrize("name", members(sqlite3.Cursor))
def test_a_member_of_a_cursor_behaves_as_decided(name: str, connection: Any) -> None:
    assert CURSOR_MEMBERS[name] in DECISIONS, f"nobody decided on {name}"
    CURSOR[name](connection)


def test_a_member_that_nobody_decided_on_is_not_offered(connection: Any) -> None:
    class Undecided(Connection):
        """Of a driver with members that are new."""

        members = {"commit": "passed"}  # noqa: RUF012

    undecided: Any = Undecided(connection.unwrap(), connection._self_session)
    undecided.commit()
    for name in ("execute", "interrupt", "in_transaction"):
        with pytest.raises(
            errors.UnsupportedStatement, match="nobody decided"
        ) as error:
            getattr(undecided, name)
        assert error.value.code == "unsupported-member"
    for name in ("novelty", "_private", "__novelty__"):
        with pytest.raises(AttributeError):
            getattr(connection, name)


@pytest.mark.parametrize("cls", [sqlite3.Connection, sqlite3.Cursor])
def test_no_decision_is_about_a_member_that_never_was(cls: type) -> None:
    table = CONNECTION_MEMBERS if cls is sqlite3.Connection else CURSOR_MEMBERS
    newer = (
        {"autocommit", "getconfig", "setconfig"} if sys.version_info < (3, 12) else {}
    )
    optional = {"enable_load_extension", "load_extension", "serialize", "deserialize"}
    assert table.keys() - set(members(cls)) <= set(newer) | optional


@pytest.mark.parametrize("name", members(sqlite3.Connection))
def test_no_member_leads_to_the_raw_connection(name: str, connection: Any) -> None:
    assert not leads_to(getattr(connection, name), connection.unwrap())


@pytest.mark.parametrize("name", members(sqlite3.Cursor))
def test_no_member_of_a_cursor_leads_to_the_raw_one(name: str, connection: Any) -> None:
    cursor = connection.execute(IDS)
    assert not leads_to(getattr(cursor, name), connection.unwrap())


@pytest.mark.parametrize("name", members(sqlite3.Connection))
def test_members_cannot_be_replaced(name: str, connection: Any) -> None:
    if name in ("row_factory", "text_factory", "isolation_level", "autocommit"):
        return
    with pytest.raises((AttributeError, TypeError)):
        setattr(connection, name, None)
    with pytest.raises((AttributeError, TypeError)):
        delattr(connection, name)


# -- the proxy as an object -----------------------------------------------------------


def test_the_proxy_gives_the_raw_connection_by_unwrap_alone(connection: Any) -> None:
    raw = connection.unwrap()
    assert type(raw) is sqlite3.Connection
    found = [connection.__wrapped__, inspect.unwrap(connection)]
    found += [getattr(connection, n, None) for n in dir(connection) if _readable(n)]
    host = connection.plugin_host
    for held in (host, host.transaction, host.turn):
        found += [getattr(held, n) for n in dir(held) if not n.startswith("_")]
    assert not any(leads_to(value, raw) for value in found)
    for held in found[:2]:
        assert not hasattr(held, "execute")
        assert not hasattr(held, "unwrap")


def _readable(name: str) -> bool:
    return name not in ("unwrap", "load_extension", "enable_load_extension")


def test_the_proxy_is_not_copied(connection: Any) -> None:
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            call(connection)
        with pytest.raises(TypeError):
            call(connection.cursor())


def test_the_proxy_looks_like_the_driver_s_connection(connection: Any) -> None:
    classes = (sqlite3.Connection, shim.Connection)
    assert [isinstance(connection, cls) for cls in classes] == [True, True]
    assert {*dir(sqlite3.Connection), "unwrap"} <= {*dir(connection)}
    assert "sqlite3.Connection" in repr(connection)
    assert str(connection) == repr(connection)
    assert connection in [connection]
    with closing(letters()) as other:
        assert connection != other
    assert len({connection, connection}) == 1
    assert connection
    with pytest.raises(TypeError):
        vars(connection)
    with pytest.raises(TypeError):
        iter(connection)
    with pytest.raises(AttributeError):
        connection.novelty = 1


def fails(call: Callable[[], object]) -> None:
    """Not by ``pytest.raises``, which keeps the traceback."""
    with suppress(kysera_dbapi.Error):
        call()
        raise AssertionError("it did not fail")


def allow(*_: object) -> int:
    """An authorizer of a program's."""
    return sqlite3.SQLITE_OK


HELD: dict[str, Callable[[Any], object]] = {
    "authorizer": lambda c: c.set_authorizer(allow),
    "trace": lambda c: c.set_trace_callback(print),
    "progress": lambda c: c.set_progress_handler(int, 1),
    "function": lambda c: c.create_function("f", 0, int),
    "refused": lambda c: fails(lambda: c.execute("DROP TABLE letters")),
    "restore": lambda c: fails(
        lambda: c.plugin_host.plugins[0].restore(c, "letters", 99)
    ),
}


@pytest.mark.parametrize("use", HELD.values(), ids=HELD)
@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_a_connection_goes_with_its_last_reference(use: Any, mode: Any) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SCHEMA)
    connection: Any = kysera_dbapi.wrap(raw, plugins=[plugin()], mode=mode)
    connection.execute(IDS)
    gc.disable()
    try:
        use(connection)
        gone = weakref.ref(connection._self_session)
        del connection
        assert gone() is None
        assert raw.execute("SELECT 1").fetchall() == [(1,)]
    finally:
        gc.enable()
        raw.close()


def test_the_stand_in_cannot_be_exchanged_for_another(connection: Any) -> None:
    with (
        closing(sqlite3.connect(":memory:")) as other,
        suppress(AttributeError, TypeError),
    ):
        connection.__wrapped__ = other
    assert connection.execute(IDS).fetchall() == LIVE
