"""A drop-in for the standard ``sqlite3``: ``from kysera_dbapi import sqlite3``.

Cursors are subclasses of the driver's, so that fetching costs nothing; the connection
is a proxy. https://docs.python.org/3/library/sqlite3.html
"""

import sqlite3 as _driver
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache, wraps
from sqlite3 import Connection as RawConnection
from sqlite3 import Cursor as RawCursor
from typing import Any, ClassVar, cast

from kysera_dbapi import errors
from kysera_dbapi._context import scope
from kysera_dbapi.connection import Connection as _Connection
from kysera_dbapi.connection import passed
from kysera_dbapi.dialect import get_dialect
from kysera_dbapi.dump import Reader, violations
from kysera_dbapi.errors import (
    ConfigurationError,
    reraise,
)
from kysera_dbapi.physical import Physical
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Mode, Plugin, ordered
from kysera_dbapi.session import check_mode, steps
from kysera_dbapi.sqlite3_session import SQLite3Session, is_opened
from kysera_dbapi.subclasses import (
    AboveCursor,
    BeneathCursor,
    classes_of,
    opening,
    translated,
)

__all__ = [
    "CONNECTION_MEMBERS",
    "CURSOR_MEMBERS",
    "Connection",
    "connect",
    "cursor_class",
    "opened",
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
#: What becomes of each public member of ``sqlite3.Cursor``.
CURSOR_MEMBERS: dict[str, str] = {
    **dict.fromkeys(
        "arraysize close description fetchone lastrowid row_factory rowcount "
        "setinputsizes setoutputsize __iter__ __next__".split(),
        "passed",
    ),
    "connection": "twin",
    "execute": "planned",
    "executemany": "planned",
    "executescript": "planned",
    "fetchall": "passed",
    "fetchmany": "passed",
}

_ABSENT: Any = object()
#: Where ``connect`` has the connection class among the arguments after the database.
_FACTORY = 4


class _Planned:
    """What a cursor class adds to the driver's: plans before it executes."""

    _raw_class: ClassVar[Any]
    rowcount: int
    arraysize: int
    _translates: ClassVar[bool]
    _sent: str | None = None
    _proxy: "Connection"
    _session: SQLite3Session

    @property
    def connection(self) -> "Connection":
        """The connection, as it was asked for the cursor."""
        return self._proxy

    def execute(self, sql: str, parameters: Any = _ABSENT, /) -> Any:
        """Plan the statement and execute it; returns the cursor."""
        session = self._session
        style = self._translates and parameters not in (_ABSENT, None)
        plan = session.plans.get((sql, scope(), style))
        try:
            if plan is None:
                plan = self._planned(sql, style)
            if plan.direct and not session.hooked:
                if parameters is _ABSENT:
                    return self._raw_class.execute(self, plan.sql)
                return self._raw_class.execute(self, plan.sql, parameters)
            self._run(sql, plan, parameters)
        except (_driver.Error, _driver.Warning, errors.Error) as error:
            twin = self._failed(error, plan)
            raise twin from twin.__cause__
        return self

    def _planned(self, sql: str, style: bool) -> Plan:
        _check_text(sql)
        return self._session.plan(sql, format_style=style)

    def _failed(self, error: BaseException, plan: Plan | None) -> BaseException:
        session = self._session
        twin = session.error(error)
        for plugin in session.plugins:
            explain = getattr(plugin, "explain_error", None)
            if explain is not None and plan is not None:
                twin = explain(twin, plan, session)
        session.failed_statement()
        if str(error).startswith("no such "):
            session.invalidate()
        return twin

    def _run(self, sql: str, plan: Plan, parameters: Any) -> None:
        session = self._session

        def run() -> int:
            with self._atomic(plan):
                self._send(plan, parameters)
            return int(self.rowcount)

        if session.hooked:
            session.watched(session.event(sql, plan, parameters), run)
        else:
            run()
        if plan.effect:
            session.done(plan)

    def _send(self, plan: Plan, parameters: Any) -> None:
        execute: Any = self._raw_class.execute
        adds = plan.program is not None and plan.program.binding.adds
        if not adds and not plan.companions:
            given = () if parameters is _ABSENT else (parameters,)
            execute(self, plan.sql, *given)
            return
        given = () if parameters in (_ABSENT, None) else parameters
        execute(self, plan.sql, self._prepared(plan, given))

    def _prepared(self, plan: Plan, parameters: Any) -> Any:
        """Run what comes before the plan's statement; returns its parameters."""
        todo = steps(plan, parameters)
        rows: Any = None
        try:
            while True:
                sql, values = todo.send(rows)
                if self._translates and sql is plan.image_sql:
                    sql = translated(sql, self._session.pipeline.lexers[1])
                rows = self._session.execute(sql, values)
        except StopIteration as done:
            return done.value[1]

    def _atomic(
        self, plan: Plan, *, stepped: bool = False
    ) -> AbstractContextManager[None]:
        if not plan.companions:
            return nullcontext()
        return self._session.atomic(plan, stepped=stepped)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """Plan the statement once and execute it for each of ``rows``."""
        session = self._session
        plan = None
        try:
            plan = session.plans.get((sql, scope(), self._translates))
            if plan is None:
                plan = self._planned(sql, self._translates)
            if session.hooked:
                event = session.event(sql, plan, rows)
                session.watched(event, lambda: self._send_many(plan, rows))
            else:
                self._send_many(plan, rows)
            if plan.effect:
                session.done(plan)
        except (_driver.Error, _driver.Warning, errors.Error) as error:
            twin = self._failed(error, plan)
            raise twin from twin.__cause__
        return self

    def _send_many(self, plan: Plan, rows: Iterable[Any]) -> int:
        if plan.companions:
            # the driver asks for a row when it has done with the one before
            rows = (self._prepared(plan, row) for row in rows)
        elif plan.program is not None:
            values = tuple(bind.source() for bind in plan.binds)
            rows = plan.program.binding.bind_many(rows, values)
        with self._atomic(plan, stepped=True):
            self._raw_class.executemany(self, plan.sql, rows)
        return int(self.rowcount)

    def executescript(self, script: str, /) -> Any:
        """Commit, then plan and execute the script's statements one by one."""
        session = self._session
        try:
            text: object = script
            if not session.plugins or not isinstance(text, str) or "\0" in script:
                # what is no text of C is an error of the driver's
                return self._raw_class.executescript(self, script)
            _check_size(script, session.raw)
            own: Any = self
            RawCursor.executescript(own, "")  # the driver's checks and its commit
            session.ended(undone=False)
            session.run_script(script, self._proxy.cursor)
        except (_driver.Error, _driver.Warning, errors.Error) as error:
            twin = self._failed(error, None)
            raise twin from twin.__cause__
        return self

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        try:
            return list(self._raw_class.fetchall(self))
        except (_driver.Error, _driver.Warning) as error:
            reraise(error, _driver)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next ``size`` rows, by default ``arraysize``."""
        count = self.arraysize if size is None else size
        try:
            return list(self._raw_class.fetchmany(self, count))
        except (_driver.Error, _driver.Warning) as error:
            reraise(error, _driver)


def _check_text(sql: Any) -> None:
    """What has no UTF-8 raises ``UnicodeEncodeError``, as with the driver."""
    if isinstance(sql, str):
        sql.encode()


def _check_size(script: str, raw: RawConnection) -> None:
    if len(script.encode()) > raw.getlimit(_driver.SQLITE_LIMIT_SQL_LENGTH):
        raise _driver.DataError("query string is too large")


@cache
def cursor_class(theirs: Any) -> type[Any]:
    """The planned class of the driver's cursor class, or of a program's own.

    A program's class lies between two of ours: what is called on the cursor is
    planned, and so is what the class itself sends by ``super()``.
    """
    members: dict[str, Any] = {"__module__": theirs.__module__}
    members["_planner"] = _Planned
    if theirs is RawCursor or "_kysera_original" in vars(theirs):
        members |= {"_raw_class": RawCursor, "_translates": False}
        return type("Cursor", (_Planned, RawCursor), members)
    own = theirs.execute not in (RawCursor.execute, BeneathCursor.execute)
    members |= {"_raw_class": AboveCursor(theirs), "_translates": own}
    return type(theirs.__name__, (_Planned, theirs, BeneathCursor), members)


_PLAIN = cursor_class(RawCursor)


class Connection(Physical, _Connection):
    """A wrapped ``sqlite3.Connection``."""

    members = CONNECTION_MEMBERS
    _self_session: SQLite3Session  # pyright: ignore[reportIncompatibleVariableOverride]

    settable = frozenset(
        ("autocommit", "isolation_level", "row_factory", "text_factory")
    )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("autocommit", "isolation_level"):
            session = self._self_session
            # they may have committed
            if not session.closed and not session.raw.in_transaction:
                session.ended(undone=False)

    def _is_raw(self, found: Any) -> bool:
        return _is_raw_cursor(found)

    def __enter__(self) -> Any:
        session = self._self_session
        try:
            RawConnection.__enter__(session.raw)
        except _driver.Error as error:
            reraise(error, _driver)
        return self

    def __exit__(self, *exception: Any) -> Any:
        """As the driver: commit, or roll back after an error or a failed commit."""
        session = self._self_session
        undone = True
        try:
            answer = RawConnection.__exit__(session.raw, *exception)
            undone = exception[:1] != (None,)
            return answer
        except _driver.Error as error:
            reraise(error, _driver)
        finally:
            session.ended(undone=undone)

    def commit(self) -> None:
        """Commit the open transaction."""
        session = self._self_session
        try:
            RawConnection.commit(session.raw)
        except _driver.Error as error:
            reraise(error, _driver)
        session.ended(undone=False)

    def rollback(self) -> None:
        """Undo the open transaction."""
        session = self._self_session
        try:
            RawConnection.rollback(session.raw)
        except _driver.Error as error:
            reraise(error, _driver)
        session.ended(undone=True)

    def cursor(self, factory: Any = _ABSENT) -> Any:
        """A cursor whose statements are planned; ``factory`` makes the driver's.

        A callable that is no class is given this connection, not the raw one. Raises
        ``ConfigurationError`` if what it makes is a cursor past the plugins.
        """
        session = self._self_session
        make = _PLAIN if factory is _ABSENT else self._maker(factory)
        try:
            made = RawConnection.cursor(session.raw, make)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)
        made._proxy, made._session = self, session
        return made

    def _maker(self, factory: Any) -> Any:
        """What the driver's ``cursor()`` is to call, with the raw connection."""
        theirs: Any = factory
        if isinstance(factory, type) and issubclass(factory, RawCursor):
            planned: Any = factory
            if not issubclass(factory, _Planned):
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
            if _is_raw_cursor(made):
                raise ConfigurationError(
                    f"the cursor factory {factory!r} made a cursor past the plugins; "
                    "pass a cursor class, or let it call cursor() of its argument",
                    code="configuration",
                )
            return made

        return make

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
        self._set_callback("set_authorizer", args, options, _driver.SQLITE_OK)

    def set_trace_callback(self, *args: Any, **options: Any) -> None:
        """Show a callable each statement that is run, but not what we read."""
        self._set_callback("set_trace_callback", args, options, None)

    def set_progress_handler(self, *args: Any, **options: Any) -> None:
        """Call a callable as statements go on, but not while we read."""
        self._set_callback("set_progress_handler", args, options, 0)

    def _set_callback(
        self, member: str, args: Any, options: Any, meanwhile: int | None
    ) -> None:
        session = self._self_session

        def quiet(callback: Any) -> Any:
            @wraps(callback)
            def called(*values: Any) -> Any:
                return meanwhile if session.reading else callback(*values)

            return called if callable(callback) else callback

        named = {name: quiet(value) for name, value in options.items()}
        try:
            getattr(RawConnection, member)(session.raw, *map(quiet, args), **named)
        except _driver.Error as error:
            reraise(error, _driver)

    def close(self) -> None:
        """Let the plugins go and close the raw connection."""
        session = self._self_session
        try:
            session.close()
        finally:
            RawConnection.close(session.raw)

    def iterdump(self, **options: Any) -> Iterator[str]:
        """The SQL of what the caller may see: it runs on the proxy."""
        from sqlite3.dump import _iterdump  # type: ignore[attr-defined]

        session = self._self_session
        try:
            if not session.plugins:
                yield from RawConnection.iterdump(session.raw, **options)
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


def _is_raw_cursor(found: Any) -> bool:
    return issubclass(type(found), RawCursor) and not isinstance(found, _Planned)


def wrap(
    raw: RawConnection, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> Connection:
    """Wrap an open connection. Raises ``ConfigurationError`` if it is wrapped."""
    made = _wrapped(raw, ordered(plugins), mode)
    _start(made)
    return made


def _wrapped(raw: Any, plugins: Sequence[Plugin], mode: Mode) -> Connection:
    if isinstance(raw, Connection):
        raise ConfigurationError(
            "the connection is wrapped already; wrap the raw one",
            code="already-wrapped",
        )
    if not issubclass(type(raw), RawConnection):
        raise ConfigurationError(
            f"cannot wrap {type(raw).__qualname__}; pass a connection of sqlite3",
            code="driver-mismatch",
        )
    try:
        session = SQLite3Session(
            raw,
            _driver,
            get_dialect("sqlite"),
            plugins=plugins,
            mode=mode,
            opened=is_opened(raw),
        )
    except _driver.Error as error:
        error.add_note("raised while the tables of the database were read")
        reraise(error, _driver)
    class_, planned = classes_of(cast("Any", type(raw)), Connection)
    return cast("Connection", planned(raw, session, class_))


def _start(made: Connection) -> None:
    session = made._self_session
    if is_opened(session.raw):
        session.start()


def connect(
    database: Any,
    *args: Any,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    opener: Callable[..., RawConnection] = _driver.connect,
    **kwargs: Any,
) -> Connection:
    """``sqlite3.connect`` with plugins; other arguments are the driver's own."""
    checked = ordered(plugins)
    check_mode(mode)
    factory = args[_FACTORY] if len(args) > _FACTORY else kwargs.get("factory")
    if isinstance(factory, type) and issubclass(factory, RawConnection):
        beneath, _ = classes_of(cast("Any", factory), Connection)
        if len(args) > _FACTORY:
            args = (*args[:_FACTORY], beneath, *args[_FACTORY + 1 :])
        else:
            kwargs["factory"] = beneath
    return opened(lambda: opener(database, *args, **kwargs), plugins=checked, mode=mode)


def opened(
    make: Callable[[], Any], *, plugins: Sequence[Plugin], mode: Mode
) -> Connection:
    """Make a connection and wrap it; it is closed if that fails.

    What is wrapped already, with the same plugins, comes back: a connection factory
    may call an installed constructor.
    """
    with opening(lambda raw: _wrapped(raw, plugins, mode)) as made:
        raw = make()
    if isinstance(raw, Connection):
        session = raw._self_session
        if (session.plugins, session.mode) == (tuple(plugins), mode):
            return raw
    try:
        found: Connection = made.get(id(raw)) or _wrapped(raw, plugins, mode)
        _start(found)
    except BaseException:
        closing: Any = Connection if isinstance(raw, Connection) else RawConnection
        with suppress(TypeError):  # a factory may make anything
            closing.close(raw)
        raise
    return found


#: The rest of the driver's module: its exceptions, types and constants.
globals().update(
    (name, value)
    for name, value in vars(_driver).items()
    if not name.startswith("_") and name not in globals()
)
