"""A drop-in for the standard ``sqlite3``: ``from kysera_dbapi import sqlite3``.

Cursors are subclasses of the driver's, so that fetching costs nothing; the connection
is a proxy. https://docs.python.org/3/library/sqlite3.html
"""

import os
import sqlite3 as _driver
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial, wraps
from sqlite3 import Connection as RawConnection
from sqlite3 import Cursor as RawCursor
from typing import Any, cast
from weakref import ref

from kysera_dbapi import errors
from kysera_dbapi.catalogue import parts_of
from kysera_dbapi.connection import Connection as _Connection
from kysera_dbapi.connection import check_raw, passed, reading_tables
from kysera_dbapi.cursor import ABSENT, Planned
from kysera_dbapi.dump import Reader, violations
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, reraise
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.physical import Physical
from kysera_dbapi.plugin import Plugin, ordered
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.sqlite3_cursor import (
    CURSOR_MEMBERS,
    PLAIN,
    cursor_class,
    is_raw_cursor,
)
from kysera_dbapi.sqlite3_session import SQLite3Session, is_opened
from kysera_dbapi.subclasses import (
    BeneathConnection,
    BeneathCursor,
    classes_of,
    opening,
)

__all__ = [
    "CONNECTION_MEMBERS",
    "CURSOR_MEMBERS",
    "Connection",
    "connect",
    "cursor_class",
    "opened",
    "opener",
    "threadsafety",
    "wrap",
]

_PASSED = """
DataError DatabaseError Error IntegrityError InterfaceError InternalError
NotSupportedError OperationalError ProgrammingError Warning autocommit commit
create_aggregate create_collation create_function create_window_function
enable_load_extension getconfig getlimit in_transaction interrupt isolation_level
load_extension rollback row_factory setlimit set_progress_handler text_factory
total_changes __call__
"""
#: Threads may share the module, not connections: some statements become several.
threadsafety = 1

#: What becomes of each public member of ``sqlite3.Connection``.
CONNECTION_MEMBERS: dict[str, str] = {
    **dict.fromkeys(_PASSED.split(), "passed"),
    # refused while tables are protected, by what they would do
    **dict.fromkeys(("backup", "serialize", "deserialize", "setconfig"), "refused"),
    "blobopen": "planned",
    "close": "passed",
    "set_authorizer": "passed",
    "set_trace_callback": "passed",
    **dict.fromkeys(("cursor", "__enter__", "__exit__"), "twin"),
    "execute": "planned",
    "executemany": "planned",
    "executescript": "planned",
    "iterdump": "planned",
}
#: Where ``connect`` has the connection class among the arguments after the database.
_FACTORY = 4


class Connection(Physical, _Connection):
    """A wrapped ``sqlite3.Connection``."""

    members = CONNECTION_MEMBERS
    _self_session: SQLite3Session  # pyright: ignore[reportIncompatibleVariableOverride]

    settable = frozenset(
        ("autocommit", "isolation_level", "row_factory", "text_factory")
    )

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("autocommit", "isolation_level"):
            super().__setattr__(name, value)
            return
        session = self._self_session
        try:
            with session.turn:
                super().__setattr__(name, value)
                # they may have committed
                if not session.closed and not session._raw.in_transaction:
                    session.ended(undone=False)
        except errors.Error as error:
            reraise(error, _driver)

    def _is_raw(self, found: Any) -> bool:
        return is_raw_cursor(found)

    def unwrap(self) -> Any:
        """The raw connection, past every plugin."""
        raw = super().unwrap()
        if isinstance(raw, BeneathConnection):
            raw._kysera_proxy = None
        return raw

    def __enter__(self) -> Any:
        session = self._self_session
        try:
            RawConnection.__enter__(session._raw)
        except _driver.Error as error:
            reraise(error, _driver)
        return self

    def __exit__(self, *exception: Any) -> Any:
        """As the driver: commit, or roll back after an error or a failed commit."""
        session = self._self_session
        undone = True
        try:
            with session.turn:
                try:
                    answer = RawConnection.__exit__(session._raw, *exception)
                    undone = exception[:1] != (None,)
                    return answer
                finally:
                    session.ended(undone=undone)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    def commit(self) -> None:
        """Commit the open transaction."""
        session = self._self_session
        try:
            with session.turn:
                RawConnection.commit(session._raw)
                session.ended(undone=False)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    def rollback(self) -> None:
        """Undo the open transaction."""
        session = self._self_session
        try:
            with session.turn:
                RawConnection.rollback(session._raw)
                session.ended(undone=True)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    def cursor(self, factory: Any = ABSENT) -> Any:
        """A cursor whose statements are planned; ``factory`` makes the driver's.

        A callable that is no class is given this connection, not the raw one. Raises
        ``ConfigurationError`` if what it makes is a cursor past the plugins.
        """
        session = self._self_session
        make = PLAIN if factory is ABSENT else self._maker(factory)
        try:
            made = RawConnection.cursor(session._raw, make)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)
        made._proxy, made._session = self, session
        return made

    def _maker(self, factory: Any) -> Any:
        """What the driver's ``cursor()`` is to call, with the raw connection."""
        theirs: Any = factory
        if isinstance(factory, type) and issubclass(factory, RawCursor):
            planned: Any = factory
            if not issubclass(factory, Planned):
                planned = cursor_class(factory)
            if not issubclass(planned, BeneathCursor):
                return planned

            def make_planned(_: Any) -> Any:
                return type.__call__(planned, self)

            return make_planned
        if not callable(theirs):
            return theirs

        def make(_: Any) -> Any:
            made = theirs(self)
            if is_raw_cursor(made):
                raise ConfigurationError(
                    f"the cursor factory {factory!r} made a cursor past the plugins; "
                    "pass a cursor class, or let it call cursor() of its argument",
                    code="configuration",
                )
            return made

        return make

    def execute(self, sql: str, parameters: Any = ABSENT, /) -> Any:
        """A new cursor, having executed the statement."""
        # its type is asked, as a proxy's attributes take long
        cursor = type(self).cursor(self)
        if parameters is ABSENT:
            return cursor.execute(sql)
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """A new cursor, having executed the statement for each of ``rows``."""
        return self.cursor().executemany(sql, rows)

    def executescript(self, script: str, /) -> Any:
        """A new cursor, having executed the script."""
        return self.cursor().executescript(script)

    def set_authorizer(self, *args: Any, **options: Any) -> None:
        """Let a callable decide on what a statement does; not on what we read.

        It may deny the columns of a protected table, but not have them read as NULL:
        that would show deleted rows as live ones.
        """
        session = self._self_session
        there = ref(session)  # the raw connection holds the callback: no cycle

        def strict(callback: Any) -> Any:
            @wraps(callback)
            def called(*values: Any) -> Any:
                answer, own = callback(*values), there()
                if own and answer == _driver.SQLITE_IGNORE and _reads(values, own):
                    return _driver.SQLITE_DENY
                return answer

            return called if callable(callback) else callback

        args = tuple(map(strict, args))
        options = {name: strict(value) for name, value in options.items()}
        called = self._set_callback("set_authorizer", args, options, _driver.SQLITE_OK)
        if session.authorizer is not None:  # ours is asked first, and stays
            session.authorizer.theirs = called
            session.authorizer.install()

    def set_trace_callback(self, *args: Any, **options: Any) -> None:
        """Show a callable each statement that is run, but not what we read."""
        self._set_callback("set_trace_callback", args, options, None)

    def set_progress_handler(self, *args: Any, **options: Any) -> None:
        """Call a callable as statements go on, but not while we read."""
        self._set_callback("set_progress_handler", args, options, 0)

    def _set_callback(
        self, member: str, args: Any, options: Any, meanwhile: int | None
    ) -> Any:
        """Set a callback that is not called for what we read; returns that."""
        session = self._self_session
        there = ref(session)

        def quiet(callback: Any) -> Any:
            @wraps(callback)
            def called(*values: Any) -> Any:
                own = there()
                return meanwhile if own and own.reading else callback(*values)

            return called if callable(callback) else callback

        given = [*map(quiet, args)]
        named = {name: quiet(value) for name, value in options.items()}
        try:
            getattr(RawConnection, member)(session._raw, *given, **named)
        except _driver.Error as error:
            reraise(error, _driver)
        return next(iter((*given, *named.values())))

    def create_function(self, *args: Any, **options: Any) -> None:
        """Create a function, as the driver does; strict mode knows it from now on."""
        self._create("create_function", args, options)

    def create_aggregate(self, *args: Any, **options: Any) -> None:
        """Create an aggregate, as the driver does; strict mode knows it from now on."""
        self._create("create_aggregate", args, options)

    def create_window_function(self, *args: Any, **options: Any) -> None:
        """Create a window function; strict mode knows it from now on."""
        self._create("create_window_function", args, options)

    def _create(self, member: str, args: Any, options: Any) -> None:
        session = self._self_session
        name = str(options.get("name", args[0] if args else ""))
        folded = session.dialect.fold(name, quoted=True)
        if session.plugins and folded.startswith("_k"):
            raise session.error(
                UnsupportedStatement(
                    f"{member}: names that begin with _k are reserved; choose another",
                    code="reserved-name",
                )
            )
        passed(getattr(RawConnection, member))(self, *args, **options)
        session.declare(name)

    def close(self) -> None:
        """Let the plugins go and close the raw connection."""
        session = self._self_session
        try:
            session.close(partial(RawConnection.close, session._raw))
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    def iterdump(self, **options: Any) -> Iterator[str]:
        """The SQL of what the caller may see: it runs on the proxy."""
        from sqlite3.dump import _iterdump  # type: ignore[attr-defined]

        session = self._self_session
        try:
            if not session.plugins:
                yield from RawConnection.iterdump(session._raw, **options)
                return
            check = violations(session.catalogue, session.dialect)
            yield from _iterdump(Reader(self.cursor(), check), **options)
        except _driver.Error as error:
            reraise(error, _driver)


Connection.planned = Connection
for _name, _what in CONNECTION_MEMBERS.items():
    _theirs = getattr(RawConnection, _name, None)
    if _what == "passed" and callable(_theirs) and _name not in vars(Connection):
        setattr(Connection, _name, passed(_theirs))


def _reads(values: tuple[Any, ...], session: SQLite3Session) -> bool:
    """Whether an authorizer was asked about a column of a protected table."""
    names = {parts_of(key)[1] for key in session.protected()}
    fold = session.dialect.fold
    return values[0] == _driver.SQLITE_READ and fold(values[1], quoted=True) in names


def wrap(
    raw: RawConnection, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> Connection:
    """Wrap an open connection. Raises ``ConfigurationError`` if it is wrapped."""
    made = _wrapped(raw, ordered(plugins), mode)
    _start(made)
    return made


def _wrapped(raw: Any, plugins: Sequence[Plugin], mode: Mode) -> Connection:
    check_raw(raw, RawConnection, "a connection of sqlite3")
    with reading_tables(_driver):
        session = SQLite3Session(
            raw,
            _driver,
            get_dialect("sqlite"),
            plugins=plugins,
            mode=mode,
            opened=is_opened(raw),
        )
    class_, planned = classes_of(cast("Any", type(raw)), Connection)
    return cast("Connection", planned(raw, session, class_))


def _start(made: Connection) -> None:
    session = made._self_session
    if not is_opened(session._raw):
        return
    session.start()
    if session.plugins and session.mode == "strict":
        session.authorize()


def connect(
    database: Any,
    *args: Any,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    **kwargs: Any,
) -> Connection:
    """``sqlite3.connect`` with plugins; other arguments are the driver's own."""
    checked = ordered(plugins)
    check_mode(mode)
    open_ = opener(_connect, database, *args, **kwargs)
    try:
        made: Connection = opened(open_, plugins=checked, mode=mode)
    except _driver.Error as error:
        reraise(error, _driver)
    return made


def opener(theirs: Any, database: Any, *args: Any, **kwargs: Any) -> Callable[[], Any]:
    """A call of ``theirs``, which is the driver's ``connect``.

    Where a program's own connection class is among the arguments, ours is beneath it.
    """
    at = len(args) > _FACTORY
    factory = args[_FACTORY] if at else kwargs.get("factory")
    if _is_connection_class(factory):
        beneath, _ = classes_of(factory, Connection)
        if at:
            args = (*args[:_FACTORY], beneath, *args[_FACTORY + 1 :])
        else:
            kwargs["factory"] = beneath
    return lambda: theirs(database, *args, **kwargs)


_connect = _driver.connect  # install() puts another in its place


def _is_connection_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, RawConnection)


def opened(
    make: Callable[[], Any],
    *,
    plugins: Sequence[Plugin],
    mode: Mode,
    only: Callable[[str], bool] | None = None,
) -> Any:
    """Make a connection and wrap it; it is closed if that fails.

    It stays raw if ``only`` is false for its file. What is wrapped already, with the
    same plugins, comes back: a connection factory may call an installed constructor.
    """

    def wanted(raw: Any) -> bool:
        return only is None or not is_opened(raw) or only(_file(raw))

    def wrapped(raw: Any) -> Connection | None:
        return _wrapped(raw, plugins, mode) if wanted(raw) else None

    with opening(wrapped) as made:
        raw = make()
    if isinstance(raw, Connection):
        session = raw._self_session
        if (session.plugins, session.mode) == (tuple(plugins), mode):
            return raw
    try:
        found = made[id(raw)] if id(raw) in made else wrapped(raw)
        if found is None:
            return raw
        _start(found)
    except BaseException:
        closing: Any = Connection if isinstance(raw, Connection) else RawConnection
        with suppress(TypeError):  # a factory may make anything
            closing.close(raw)
        raise
    return found


def _file(raw: RawConnection) -> str:
    """The path as SQLite has it: absolute, empty for a database in memory."""
    cursor = RawConnection.cursor(raw)
    cursor.row_factory = None
    theirs, raw.text_factory = raw.text_factory, bytes
    try:
        return os.fsdecode(cursor.execute("PRAGMA database_list").fetchall()[0][2])
    finally:
        raw.text_factory = theirs


#: The rest of the driver's module: its exceptions, types and constants.
globals().update(
    (name, value)
    for name, value in vars(_driver).items()
    if not name.startswith("_") and name not in globals()
)
