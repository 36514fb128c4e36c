"""A drop-in for the standard ``sqlite3``: ``from kysera_dbapi import sqlite3``.

Cursors are subclasses of the driver's, so that fetching costs nothing; the connection
is a proxy. https://docs.python.org/3/library/sqlite3.html
"""

import sqlite3 as _driver
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache, wraps
from typing import Any, NoReturn, TypeGuard

from kysera_dbapi.authorizer import Authorizer
from kysera_dbapi.catalogue import Table
from kysera_dbapi.connection import Connection as _Connection
from kysera_dbapi.cursor import ABSENT, Planned, Translating
from kysera_dbapi.dialect import get_dialect
from kysera_dbapi.dump import Reader, violations
from kysera_dbapi.errors import (
    ConfigurationError,
    UnsupportedStatement,
)
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Mode, Plugin, ordered
from kysera_dbapi.session import Session

__all__ = [
    "CONNECTION_MEMBERS",
    "CURSOR_MEMBERS",
    "Connection",
    "adopt",
    "connect",
    "cursor_class",
    "wrap",
]

_PASSED = """
DataError DatabaseError Error IntegrityError InterfaceError InternalError
NotSupportedError OperationalError ProgrammingError Warning autocommit
create_aggregate create_collation create_function create_window_function
enable_load_extension getconfig getlimit in_transaction interrupt isolation_level
load_extension row_factory set_progress_handler setconfig setlimit
text_factory total_changes
"""
#: What becomes of each public member of ``sqlite3.Connection``.
CONNECTION_MEMBERS: dict[str, str] = {
    **dict.fromkeys(_PASSED.split(), "passed"),
    "backup": "refused",
    "serialize": "refused",
    "deserialize": "refused",
    "blobopen": "planned",
    "close": "passed",
    "commit": "passed",
    "rollback": "passed",
    "set_authorizer": "passed",
    "set_trace_callback": "passed",
    "cursor": "twin",
    "execute": "planned",
    "executemany": "planned",
    "executescript": "planned",
    "iterdump": "planned",
}
#: What becomes of each public member of ``sqlite3.Cursor``.
CURSOR_MEMBERS: dict[str, str] = {
    **dict.fromkeys(
        "arraysize close description fetchone lastrowid row_factory rowcount "
        "setinputsizes setoutputsize".split(),
        "passed",
    ),
    "connection": "twin",
    "execute": "planned",
    "executemany": "planned",
    "executescript": "planned",
    "fetchall": "passed",
    "fetchmany": "passed",
}


class _Scripting(Planned):
    """What SQLite's cursors have besides."""

    def executescript(self, script: Any, /) -> Any:
        """Commit, then plan and execute the script's statements one by one."""
        session = self._session
        try:
            if not session.plugins or not isinstance(script, str) or "\0" in script:
                # what is no text of C is an error of the driver's
                return self._raw_class.executescript(self, script)
            _check_size(script, session.raw)
            driver: Any = _driver.Cursor
            driver.executescript(self, "")  # the driver's checks and its commit
            _run_script(self._proxy, session, script)
        except Exception as error:
            self._raise(error, None)
        return self


def _check_size(script: str, raw: _driver.Connection) -> None:
    if len(script.encode()) > raw.getlimit(_driver.SQLITE_LIMIT_SQL_LENGTH):
        raise _driver.DataError("query string is too large")


@cache
def cursor_class(raw: Any) -> type[_driver.Cursor]:
    """The planned twin of a cursor class; a caller's own class stays beneath it."""
    if not _is_cursor_class(raw):
        raise ConfigurationError(
            f"the cursor factory must be a subclass of sqlite3.Cursor, got {raw!r}",
            code="configuration",
        )
    own = raw.execute is not _driver.Cursor.execute
    bases = (_Scripting, Translating, raw) if own else (_Scripting, raw)
    members = {
        "_raw_class": raw,
        "_raw_execute": raw.execute,
        "_raw_executemany": raw.executemany,
        "__module__": raw.__module__,
    }
    return type(raw.__name__, bases, members)


def _maker(factory: Any, raw: _driver.Connection) -> tuple[object, ...]:
    """What the driver's ``cursor()`` is given, if anything.

    It calls a callable and checks the result, and a connection's own class may have
    its own ``cursor()``: their cursors become twins afterwards.
    """
    if factory is ABSENT:
        theirs = type(raw).cursor is not _driver.Connection.cursor
        return () if theirs else (cursor_class(_driver.Cursor),)
    return (cursor_class(factory) if _is_cursor_class(factory) else factory,)


def _is_cursor_class(value: object) -> TypeGuard[type[_driver.Cursor]]:
    return isinstance(value, type) and issubclass(value, _driver.Cursor)


def _twin_of(made: Any) -> Any:
    """A cursor that a callable or a connection's own class made, but planned."""
    if isinstance(made, Planned):
        return made
    twin = cursor_class(made.__class__)
    if type(made) is _driver.Cursor:  # it has nothing that a new one has not
        return _driver.Connection.cursor(made.connection, twin)
    try:
        made.__class__ = twin
    except TypeError as error:
        raise ConfigurationError(
            f"cannot plan the statements of {type(made).__name__}: {error}; pass the "
            "class itself as the cursor factory",
            code="configuration",
        ) from error
    return made


class _Session(Session):
    """Reads its own rows as text, whatever the caller's connection makes of text."""

    #: In strict mode.
    authorizer: Authorizer | None = None

    def authorize(self) -> None:
        """Let SQLite use what the plans hold, and nothing else."""
        self.authorizer = Authorizer(self)
        self.authorizer.install()

    def holding(self, plan: Plan | None) -> AbstractContextManager[None]:
        """A block in which SQLite may use what the plan holds; without one, all."""
        if self.authorizer is None:
            return nullcontext()
        return self.authorizer.holding(plan)

    def execute(self, sql: str, parameters: Any = (), /) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        theirs, self.raw.text_factory = self.raw.text_factory, _decode
        try:
            with self.holding(None):
                return super().execute(sql, parameters)
        finally:
            self.raw.text_factory = theirs

    def _begin(self) -> str | None:
        level = _implicit_level(self.raw)
        # an image must be read under the lock of the write that follows it
        return (
            "BEGIN IMMEDIATE"
            if level in {"", "DEFERRED"}
            else level and f"BEGIN {level}"
        )


def _decode(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


class Connection(_Connection):
    """A wrapped ``sqlite3.Connection``."""

    members = CONNECTION_MEMBERS
    _self_session: _Session

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Compile a statement, as the driver does; it cannot be executed."""
        return self._self_session.raw(*args, **options)

    def __enter__(self) -> "Connection":
        with self._translated():
            self._self_session.raw.__enter__()
        return self

    def __exit__(self, *exception: Any) -> Any:
        try:
            with self._translated():
                return self._self_session.raw.__exit__(*exception)
        finally:
            self._self_session.rolled_back()

    def cursor(self, factory: Any = ABSENT) -> Any:
        """A cursor whose statements are planned; ``factory`` makes the driver's.

        Raises ``ConfigurationError`` if the cursor that was made cannot be planned.
        """
        session = self._self_session
        with self._translated():
            made = _twin_of(session.raw.cursor(*_maker(factory, session.raw)))
        made._proxy, made._session = self, session
        return made

    def execute(self, sql: str, *parameters: Any) -> Any:
        """A new cursor, having executed the statement."""
        return self.cursor().execute(sql, *parameters)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """A new cursor, having executed the statement for each of ``rows``."""
        return self.cursor().executemany(sql, rows)

    def executescript(self, script: str, /) -> Any:
        """A new cursor, having executed the script."""
        return self.cursor().executescript(script)

    def set_authorizer(self, *args: Any, **options: Any) -> None:
        """Let a callable decide on what a statement does; not on what we read."""
        called = self._set_callback("set_authorizer", args, options, _driver.SQLITE_OK)
        authorizer = self._self_session.authorizer
        if authorizer is not None:  # ours is asked first, and stays
            authorizer.theirs = called
            authorizer.install()

    def set_trace_callback(self, *args: Any, **options: Any) -> None:
        """Show a callable each statement that is run, but not what we read."""
        self._set_callback("set_trace_callback", args, options, None)

    def _set_callback(
        self, member: str, args: Any, options: Any, meanwhile: int | None
    ) -> Any:
        """Set a callback that is not called for what we read; returns that."""
        session = self._self_session

        def quiet(callback: Any) -> Any:
            @wraps(callback)
            def called(*values: Any) -> Any:
                return meanwhile if session.reading else callback(*values)

            return called if callable(callback) else callback

        given = [*map(quiet, args)]
        named = {k: quiet(v) for k, v in options.items()}
        getattr(session.raw, member)(*given, **named)
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
        self._passed(member)(*args, **options)
        name = options.get("name", args[0] if args else "")
        self._self_session.declare(str(name))

    def close(self) -> None:
        """Let the plugins go and close the raw connection."""
        session = self._self_session
        try:
            session.close()
        finally:
            session.raw.close()

    def iterdump(self, **options: Any) -> Iterator[str]:
        """The SQL of what the caller may see: it runs on the proxy."""
        from sqlite3.dump import _iterdump  # type: ignore[attr-defined]

        session = self._self_session
        if not session.plugins:
            return session.raw.iterdump(**options)  # type: ignore[no-any-return]
        check = violations(session.catalogue, session.dialect)
        reader = Reader(self.cursor(), check)
        return _iterdump(reader, **options)  # type: ignore[no-any-return]

    def backup(self, target: Any, **options: Any) -> None:
        """Copy the database; refused while a plugin protects tables of either."""
        self._refuse_whole("backup")
        if not isinstance(target, Connection):
            self._self_session.raw.backup(target, **options)
            return
        target._refuse_whole("backup")
        with self._translated():
            self._self_session.raw.backup(target.unwrap(), **options)
        target.refresh()

    def serialize(self, **options: Any) -> bytes:
        """The database as bytes; refused while a plugin protects tables."""
        self._refuse_whole("serialize")
        with self._translated():
            return bytes(self._self_session.raw.serialize(**options))

    def deserialize(self, data: Any, /, **options: Any) -> None:
        """Replace the database; refused while a plugin protects tables."""
        self._refuse_whole("deserialize")
        with self._translated():
            self._self_session.raw.deserialize(data, **options)
        self.refresh()

    def blobopen(
        self,
        table: str,
        column: str,
        row: int,
        /,
        *,
        readonly: bool = False,
        name: str = "main",
    ) -> Any:
        """Open a value of a row that the caller sees; of a protected one to read only.

        A hidden row is one that is not there: the driver's ``OperationalError``.
        """
        session = self._self_session
        found = session.catalogue.resolve([_folded(name), _folded(table)])
        if found is not None and found.key in session.protected():
            if not readonly:
                self._refuse("blobopen", "pass readonly=True, or use UPDATE")
            quoted = ".".join(map(session.dialect.quote, (found.schema, found.name)))
            sql = f"SELECT 1 FROM {quoted} WHERE {_rowid(found)} = ?"
            if not self.execute(sql, (row,)).fetchone():
                raise session.error(_driver.OperationalError(f"no such rowid: {row}"))
        with self._translated():
            return session.raw.blobopen(
                table, column, row, readonly=readonly, name=name
            )

    def _refuse_whole(self, member: str) -> None:
        if self._self_session.protected():
            self._refuse(member, "run it under bypass()")

    def _refuse(self, member: str, cure: str) -> NoReturn:
        raise self._self_session.error(
            UnsupportedStatement(
                f"{member} could show or change hidden rows; {cure}",
                code="unsupported-member",
            )
        )


def _folded(name: str) -> str:
    return get_dialect("sqlite").fold(name, quoted=True)


def _rowid(table: Table) -> str:
    """A name of the rowid that no column has; without one SQLite opens no value."""
    names = ("rowid", "_rowid_", "oid")
    return next((name for name in names if table.column(name) is None), "NULL")


def _run_script(connection: _Connection, session: Session, script: str) -> None:
    raw = session.raw
    level = _implicit_level(raw)
    try:
        if level is not None:
            _set_level(raw, None)
        for statement in _split(script, session):
            cursor: Any = connection.cursor()
            with closing(cursor):
                _step_through(cursor.execute(statement), raw)
    finally:
        if level is not None:
            _set_level(raw, level)


def _implicit_level(raw: _driver.Connection) -> str | None:
    """How the driver begins a transaction before DML; None if it leaves that alone.

    With the ``autocommit`` of Python 3.12 set, ``isolation_level`` has no effect.
    """
    legacy = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL
    return raw.isolation_level if getattr(raw, "autocommit", legacy) == legacy else None


def _step_through(cursor: _driver.Cursor, raw: _driver.Connection) -> None:
    """Run to the end, as ``executescript`` does; nobody sees the rows."""
    cursor.row_factory = None
    theirs, raw.text_factory = raw.text_factory, _decode
    try:
        deque(cursor, maxlen=0)
    finally:
        raw.text_factory = theirs


def _set_level(raw: _driver.Connection, level: str | None) -> None:
    raw.isolation_level = level  # type: ignore[assignment]


def _split(script: str, session: Session) -> Iterator[str]:
    """The statements of a script, by the dialect's own lexing."""
    lexer = session.pipeline.lexers[0]
    lexemes = [t for t in lexer.lex(script) if t.kind not in ("blank", "comment")]
    ends = session.dialect.statement_ends([t.text.upper() for t in lexemes])
    at = first = 0
    for end in [*ends, len(lexemes)]:
        if end > first:
            stop = lexemes[end].start if end < len(lexemes) else len(script)
            yield script[at:stop].strip()
        if end < len(lexemes):
            at = lexemes[end].end
        first = end + 1


def wrap(
    raw: _driver.Connection, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> Connection:
    """Wrap an open connection. Raises ``ConfigurationError`` if it is wrapped."""
    if isinstance(raw, Connection):
        raise ConfigurationError(
            "the connection is wrapped already; wrap the raw one",
            code="already-wrapped",
        )
    opened = _is_opened(raw)
    session = _Session(
        raw,
        _driver,
        get_dialect("sqlite"),
        plugins=ordered(plugins),
        mode=mode,
        opened=opened,
    )
    if session.plugins and mode == "strict" and opened:
        session.authorize()
    return Connection(raw, session)


def _is_opened(raw: _driver.Connection) -> bool:
    """Whether the driver's ``__init__`` ran: a factory's may leave it out.

    Such a connection can do nothing; its plugins do not start, and protect by name.
    """
    try:
        raw.in_transaction  # noqa: B018
    except _driver.ProgrammingError as error:
        return "not called" not in str(error)
    return True


_connect = _driver.connect  # install() puts another in its place


def connect(
    database: Any,
    *args: Any,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    **kwargs: Any,
) -> Connection:
    """``sqlite3.connect`` with plugins; other arguments are the driver's own."""
    checked = ordered(plugins)
    raw = _connect(database, *args, **kwargs)
    adopted: Connection = adopt(raw, plugins=checked, mode=mode)
    return adopted


def adopt(
    raw: Any,
    *,
    plugins: Sequence[Plugin],
    mode: Mode,
    only: Callable[[str], bool] | None = None,
) -> Any:
    """Wrap a connection that was just made; it is closed if that fails.

    It stays raw if ``only`` is false for its file. What is wrapped already, with the
    same plugins, comes back: a connection factory may call an installed constructor.
    """
    wrapped: object = raw
    if isinstance(wrapped, Connection):
        session = wrapped._self_session
        if (session.plugins, session.mode) == (tuple(plugins), mode):
            return wrapped
    try:
        if only is not None and _is_opened(raw) and not only(_file(raw)):
            return raw
        return wrap(raw, plugins=plugins, mode=mode)
    except BaseException:
        raw.close()
        raise


def _file(raw: _driver.Connection) -> str:
    """The path as SQLite has it: absolute, empty for a database in memory."""
    cursor = _driver.Connection.cursor(raw)
    cursor.row_factory = None
    theirs, raw.text_factory = raw.text_factory, _decode
    try:
        return cursor.execute("PRAGMA database_list").fetchall()[0][2] or ""
    finally:
        raw.text_factory = theirs


#: The rest of the driver's module: its exceptions, types and constants.
globals().update(
    (name, value)
    for name, value in vars(_driver).items()
    if not name.startswith("_") and name not in globals()
)
