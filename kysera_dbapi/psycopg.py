"""A drop-in for psycopg 3: ``from kysera_dbapi import psycopg``.

Cursors are subclasses of the driver's, so that fetching costs nothing; the connection
is a proxy. https://www.psycopg.org/psycopg3/docs/api/connections.html
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from operator import methodcaller
from types import FrameType, SimpleNamespace
from typing import Any

import psycopg as _driver
from psycopg import Connection as RawConnection
from psycopg import ConnectionInfo, Pipeline, Transaction
from psycopg._cursor_base import BaseCursor

from kysera_dbapi import errors
from kysera_dbapi.connection import Connection as _Connection
from kysera_dbapi.connection import check_raw, passed, reading_tables
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, reraise
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.plugin import Plugin, ordered
from kysera_dbapi.psycopg_cursor import (
    CURSOR_MEMBERS,
    adopt,
    cursor_class,
    is_raw_cursor,
    keeps_to_itself,
)
from kysera_dbapi.psycopg_session import PsycopgSession
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.transaction import Control

__all__ = [
    "CONNECTION_MEMBERS",
    "CURSOR_MEMBERS",
    "Connection",
    "connect",
    "makes_raw",
    "making_raw",
    "wrap",
]

_PASSED = """
DataError DatabaseError Error IntegrityError InterfaceError InternalError
NotSupportedError OperationalError ProgrammingError Warning adapters add_notice_handler
add_notify_handler autocommit broken cancel cancel_safe closed cursor_factory deferrable
fileno isolation_level lock notifies prepare_threshold prepared_max read_only
remove_notice_handler remove_notify_handler row_factory server_cursor_factory
set_autocommit set_deferrable set_isolation_level set_read_only tpc_recover wait xid
"""
#: What becomes of each public member of ``psycopg.Connection``.
CONNECTION_MEMBERS: dict[str, str] = {
    **dict.fromkeys(_PASSED.split(), "passed"),
    **dict.fromkeys(("connect", "pgconn"), "refused"),
    **dict.fromkeys(
        "close commit rollback tpc_begin tpc_commit tpc_prepare tpc_rollback".split(),
        "passed",
    ),
    **dict.fromkeys(
        "connection cursor info pipeline transaction __enter__ __exit__".split(), "twin"
    ),
    "execute": "planned",
}
_SETTABLE = """
autocommit cursor_factory deferrable isolation_level prepare_threshold prepared_max
read_only row_factory server_cursor_factory
"""
#: What the session is told of a transaction that has ended.
_COMMITTED = methodcaller("ended", undone=False)
_UNDONE = methodcaller("ended", undone=True)


class Connection(_Connection):
    """A wrapped ``psycopg.Connection``."""

    members = CONNECTION_MEMBERS
    settable = frozenset(_SETTABLE.split())
    _self_session: PsycopgSession  # pyright: ignore[reportIncompatibleVariableOverride]

    def _is_raw(self, found: Any) -> bool:
        return is_raw_cursor(found)

    def __repr__(self) -> str:
        return RawConnection.__repr__(self._self_session._raw)

    @property
    def connection(self) -> "Connection":
        """The connection itself, as for whatever has a connection."""
        return self

    @property
    def pgconn(self) -> Any:
        """libpq's connection, for the driver's own modules alone: it runs any SQL.

        Raises ``UnsupportedStatement`` (unsupported-member) for others, while there are
        plugins.
        """
        session, frame = self._self_session, sys._getframe(1)
        if session.plugins and not _is_driver(frame):
            self._refuse("pgconn runs SQL past every plugin")
        made: Any = frame.f_locals.get("self")
        of_us = getattr(made, "_conn", None) is self
        if of_us and issubclass(type(made), BaseCursor):
            # one that is made by hand asks for it first: ServerCursor(connection, ..)
            adopt(made, self, session)
        return session._raw.pgconn

    @property
    def connect(self) -> Any:
        """Refused while there are plugins: what it opens would have none."""
        session = self._self_session
        if session.plugins:
            self._refuse("connect() opens a connection without plugins")
        return session._raw.connect

    #: What the driver's ``Copy`` calls of its cursor's connection.
    _try_cancel = passed(
        RawConnection._try_cancel  # pyright: ignore[reportPrivateUsage]
    )

    def _refuse(self, why: str) -> None:
        raise self._self_session.error(
            UnsupportedStatement(
                f"{why}; reach it through unwrap()", code="unsupported-member"
            )
        )

    @property
    def info(self) -> Any:
        """What there is to know of the connection."""
        session = self._self_session
        kind = _Info if session.plugins else ConnectionInfo
        return kind(session._raw.pgconn)

    # -- cursors ------------------------------------------------------------------

    def cursor(self, name: str = "", **options: Any) -> Any:
        """A cursor whose statements are planned; one with a name is the server's."""
        raw = self._self_session._raw
        stand_in = SimpleNamespace(
            _check_connection_ok=raw._check_connection_ok,
            row_factory=raw.row_factory,
            cursor_factory=partial(self._made, raw.cursor_factory),
            server_cursor_factory=partial(self._made, raw.server_cursor_factory),
        )
        driver: Any = RawConnection
        try:
            return driver.cursor(stand_in, name, **options)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    def _made(self, factory: Any, _: Any, **options: Any) -> Any:
        """What a cursor factory makes, planned."""
        session = self._self_session
        if isinstance(factory, type):
            planned: Any = cursor_class(factory)
            made = planned.__new__(planned)
            made._proxy, made._session = self, session
            # a program's own is shown the proxy, and its cursor adopted
            made.__init__(session._raw if keeps_to_itself(factory) else self, **options)
            return made
        made = factory(self, **options)
        if is_raw_cursor(made):
            raise ConfigurationError(
                f"the cursor factory {factory!r} made a cursor past the plugins; "
                "use a cursor class",
                code="configuration",
            )
        return made

    def execute(
        self, query: Any, params: Any = None, *, binary: bool = False, **options: Any
    ) -> Any:
        """A new cursor, having executed the statement."""
        cursor = type(self).cursor(self, binary=binary)
        return cursor.execute(query, params, **options)

    # -- transactions -------------------------------------------------------------

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: Any) -> Any:
        """As the driver: commit, or roll back after an error, and close."""
        session = self._self_session
        try:
            RawConnection.__exit__(session._raw, *exception)
            session.ended(undone=exception[0] is not None)
            if session._raw.closed:
                session.close(lambda: None)
        except (_driver.Error, errors.Error) as error:
            session.failed_statement()
            reraise(session.error(error), _driver)

    def close(self) -> None:
        """Let the plugins go and close the raw connection, or give it to its pool."""
        session = self._self_session
        pool: Any = getattr(session._raw, "_pool", None)
        if not session.closed and getattr(pool, "close_returns", False):
            pool.putconn(self)
            return
        try:
            session.close(partial(RawConnection.close, session._raw))
        except (_driver.Error, errors.Error) as error:
            reraise(session.error(error), _driver)

    def commit(self) -> None:
        """Commit the open transaction."""
        self._end(RawConnection.commit, _COMMITTED)

    def rollback(self) -> None:
        """Undo the open transaction."""
        self._end(RawConnection.rollback, _UNDONE)

    def tpc_begin(self, xid: Any) -> None:
        """Begin a two-phase transaction."""
        passed(RawConnection.tpc_begin)(self, xid)

    def tpc_prepare(self) -> None:
        """Perform the first phase: the transaction is no longer this connection's."""
        self._end(RawConnection.tpc_prepare, PsycopgSession.prepared)

    def tpc_commit(self, *xid: Any, **options: Any) -> None:
        """Commit a two-phase transaction; the schema may be another one now."""
        end = RawConnection.tpc_commit
        self._end(end, PsycopgSession.overtaken, *xid, **options)

    def tpc_rollback(self, *xid: Any, **options: Any) -> None:
        """Undo a two-phase transaction."""
        self._end(RawConnection.tpc_rollback, _UNDONE, *xid, **options)

    def _end(self, end: Any, followed: Any, *args: Any, **options: Any) -> None:
        session = self._self_session
        try:
            with session.turn:
                end(session._raw, *args, **options)
                followed(session)
        except (_driver.Error, errors.Error) as error:
            session.failed_statement()  # a constraint that was deferred
            reraise(session.error(error), _driver)

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[Transaction]:
        """A block that is a transaction, or a part of the open one."""
        session = self._self_session
        made = _Transaction(session._raw, savepoint_name, force_rollback)
        made._proxy = self
        try:
            if session._raw.pgconn.pipeline_status:
                with self.pipeline(), made, self.pipeline():
                    yield made
            else:
                with made:
                    yield made
        except (_driver.Error, errors.Error) as error:
            reraise(session.error(error), _driver)

    @contextmanager
    def pipeline(self) -> Iterator[Any]:
        """A block in which statements are sent before the last one's answer is here."""
        session = self._self_session
        try:
            with RawConnection.pipeline(session._raw) as pipeline:
                if session.plugins:
                    pipeline.__class__ = _Pipeline
                yield pipeline
        except (_driver.Error, errors.Error) as error:
            reraise(session.error(error), _driver)


for _name, _what in CONNECTION_MEMBERS.items():
    _theirs = getattr(RawConnection, _name, None)
    _is_type = isinstance(_theirs, type)
    if _what == "passed" and callable(_theirs) and not _is_type:
        _own = vars(Connection).get(_name, passed(_theirs))
        setattr(Connection, _name, _own)


class _Guarded:
    """Leads to libpq, and the raw connection, the driver's own modules alone."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("pgconn", "_conn") and not _is_driver(sys._getframe(1)):
            kind = type(self).__name__.strip("_").lower()
            raise AttributeError(
                f"{kind} has no {name} here; reach it through unwrap()"
            )
        return super().__getattribute__(name)


class _Transaction(_Guarded, Transaction):
    """The driver's, which knows the wrapped connection and tells it of its end."""

    __module__ = "psycopg"
    _proxy: Connection

    @property
    def connection(self) -> Any:
        """The connection that the block was made by."""
        return self._proxy

    def __enter__(self) -> Any:
        session = self._proxy._self_session
        with session.turn:
            super().__enter__()
            if not self._outer_transaction:
                session.transaction.after(Control("savepoint", self._savepoint_name))
        return self

    def __exit__(self, *exception: Any) -> bool:
        session = self._proxy._self_session
        with session.turn:
            try:
                return super().__exit__(*exception)
            finally:
                undone = self.status != self.Status.COMMITTED
                if self._outer_transaction:
                    session.ended(undone=undone)
                else:
                    session.left(self._savepoint_name, undone=undone)


class _Pipeline(_Guarded, Pipeline):
    __module__, __qualname__ = "psycopg", "Pipeline"


class _Info(_Guarded, ConnectionInfo):
    __module__ = "psycopg"


def _is_driver(frame: FrameType) -> bool:
    """Whether it is the driver's own code that runs there."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("psycopg", "psycopg_pool")


def wrap(
    raw: Any, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> Connection:
    """Wrap an open connection. Raises ``ConfigurationError`` if it is wrapped."""
    checked = ordered(plugins)
    check_mode(mode)
    check_raw(raw, RawConnection, "a psycopg.Connection, not an asynchronous one")
    with reading_tables(_driver):
        dialect = get_dialect("postgresql")
        session = PsycopgSession(raw, _driver, dialect, plugins=checked, mode=mode)
        session.start()
    return Connection(raw, session)


def connect(
    conninfo: str = "",
    *,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    **options: Any,
) -> Connection:
    """``psycopg.connect`` with plugins; other arguments are the driver's own."""
    ordered(plugins)
    check_mode(mode)
    try:
        with making_raw():
            raw = RawConnection.connect(conninfo, **options)
    except _driver.Error as error:
        reraise(error, _driver)
    try:
        return wrap(raw, plugins=plugins, mode=mode)
    except BaseException:
        with suppress(_driver.Error):
            RawConnection.close(raw)
        raise


#: Whether the driver is to make a raw connection, whatever is installed.
_raw: ContextVar[bool] = ContextVar("kysera_dbapi.raw", default=False)


@contextmanager
def making_raw() -> Iterator[None]:
    """A block in which connections are made that are wrapped then."""
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)


def makes_raw() -> bool:
    """Whether a connection that is made now is for ``connect`` to wrap."""
    return _raw.get()


#: The rest of the driver's module: its exceptions, types and constants.
globals().update(
    (name, value)
    for name, value in vars(_driver).items()
    if not name.startswith("_") and name not in globals()
)
