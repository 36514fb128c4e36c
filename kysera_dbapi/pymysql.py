"""A drop-in for PyMySQL: ``from kysera_dbapi import pymysql``.

Cursors are subclasses of the driver's, so that fetching costs nothing; the connection
is a proxy. https://pymysql.readthedocs.io/en/latest/modules/connections.html
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pymysql as _driver
from pymysql import connections as _connections
from pymysql import cursors as _cursors

from kysera_dbapi import errors
from kysera_dbapi.connection import Connection as _Connection
from kysera_dbapi.connection import check_raw, passed, reading_tables
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, reraise
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.plugin import Plugin, ordered
from kysera_dbapi.pymysql_cursor import CURSOR_MEMBERS, PlannedCursor, cursor_class
from kysera_dbapi.pymysql_session import PyMySQLSession, check_charset, is_setting

__all__ = [
    "CONNECTION_MEMBERS",
    "CURSOR_MEMBERS",
    "Connect",
    "Connection",
    "connect",
    "makes_raw",
    "wrap",
]

# the driver says little of its types
_Raw: Any = _connections.Connection
_RawCursor: Any = _cursors.Cursor

_PASSED = """
DataError DatabaseError Error IntegrityError InterfaceError InternalError
NotSupportedError OperationalError ProgrammingError Warning affected_rows autocommit
autocommit_mode begin bind_address character_set_name charset client_flag close
collation commit connect connect_timeout ctx cursorclass db decoders encoders encoding
escape escape_string get_autocommit get_host_info get_proto_info get_server_info host
host_info init_command insert_id kill literal max_allowed_packet next_result open
password ping port protocol_version rollback salt select_db server_capabilities
server_charset server_language server_public_key server_status server_thread_id
server_version set_character_set set_charset show_warnings sql_mode ssl thread_id
unix_socket use_unicode user
"""
#: What becomes of each public member of ``pymysql.connections.Connection``.
CONNECTION_MEMBERS: dict[str, str] = {
    **dict.fromkeys(_PASSED.split(), "passed"),
    **dict.fromkeys("cursor __enter__ __exit__".split(), "twin"),
    "query": "planned",
    "write_packet": "refused",
}


class Connection(_Connection):
    """A wrapped ``pymysql.connections.Connection``."""

    members = CONNECTION_MEMBERS
    settable = frozenset(("autocommit_mode", "cursorclass", "decoders", "encoders"))
    _self_session: PyMySQLSession  # pyright: ignore[reportIncompatibleVariableOverride]

    def _is_raw(self, found: Any) -> bool:
        return _is_raw_cursor(found)

    def _own_attribute(self, name: str) -> Any:
        if name == "_result":
            # what a cursor made by hand reads; one that is not read leads to the socket
            found = self._self_session._raw._result
            if found is None or found.connection is None:
                return found
        if name in _PRIVATE:
            found = getattr(self._self_session._raw, name)
            if self._self_session.plugins and not isinstance(found, _VALUES):
                raise self._refusal(f"{name} leads past every plugin")
            return found
        return super()._own_attribute(name)

    def _refusal(self, why: str) -> BaseException:
        return self._self_session.error(
            UnsupportedStatement(
                f"{why}; reach it through unwrap()", code="unsupported-member"
            )
        )

    # -- statements ---------------------------------------------------------------

    def cursor(self, cursor: Any = None) -> Any:
        """A cursor whose statements are planned."""
        session = self._self_session
        factory = cursor or session._raw.cursorclass
        if not isinstance(factory, type) or not issubclass(factory, _RawCursor):
            made = factory(self)
            if _is_raw_cursor(made):
                raise ConfigurationError(
                    f"the cursor factory {factory!r} made a cursor past the plugins; "
                    "use a cursor class",
                    code="configuration",
                )
            return made
        planned: Any = cursor_class(factory)
        made = planned.__new__(planned)
        made._proxy, made._session = self, session
        made.__init__(self)
        return made

    def query(self, sql: Any, unbuffered: bool = False) -> Any:
        """Plan a statement and execute it; returns the number of rows."""
        if unbuffered and self._self_session.plugins:
            raise self._refusal("query() of unbuffered rows has no way to fetch them")
        self.cursor(_RawCursor).execute(sql)
        return _Raw.affected_rows(self._self_session._raw)

    @property
    def write_packet(self) -> Any:
        """Refused while there are plugins: it sends anything to the server."""
        session = self._self_session
        if session.plugins:
            raise self._refusal("write_packet() sends anything to the server")
        return session._raw.write_packet

    # -- transactions ---------------------------------------------------------------

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: Any) -> None:
        """As the driver: close."""
        self.close()

    def close(self) -> None:
        """Let the plugins go and close the raw connection."""
        session = self._self_session
        self._do(lambda raw: session.close(lambda: _Raw.close(raw)))

    def begin(self) -> None:
        """Begin a transaction; the open one is committed."""
        self._end(_Raw.begin, undone=False)

    def commit(self) -> None:
        """Commit the open transaction."""
        self._end(_Raw.commit, undone=False)

    def rollback(self) -> None:
        """Undo the open transaction."""
        self._end(_Raw.rollback, undone=True)

    def autocommit(self, value: Any) -> None:
        """Whether each statement is a transaction; if so, the open one is committed."""
        self._end(lambda raw: _Raw.autocommit(raw, value), undone=False)

    def _end(self, end: Callable[[Any], Any], *, undone: bool) -> None:
        session = self._self_session

        def run(raw: Any) -> None:
            with session.turn:
                end(raw)
                session.ended(undone=undone)

        self._do(run)

    def _do(self, work: Callable[[Any], Any]) -> Any:
        try:
            return work(self._self_session._raw)
        except (_driver.Error, errors.Error) as error:
            reraise(error, _driver)

    # -- what changes the meaning of statements ---------------------------------------

    def select_db(self, db: Any) -> None:
        """Have bare names mean the tables of another database."""

        def run(raw: Any) -> None:
            _Raw.select_db(raw, db)
            self._self_session.invalidate()

        self._do(run)

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """Have texts sent in another encoding.

        Raises ``ConfigurationError`` (configuration), while there are plugins, for one
        in which they are not what they seem.
        """
        self._set_charset(_Raw.set_character_set, charset, charset, collation)

    def set_charset(self, charset: str) -> None:
        """As ``set_character_set``; the driver warns that it is deprecated."""
        self._set_charset(_Raw.set_charset, charset, charset)

    def _set_charset(self, setter: Any, charset: str, *args: Any) -> None:
        session = self._self_session

        def run(raw: Any) -> None:
            if session.plugins:
                check_charset(charset)
            setter(raw, *args)
            session.invalidate()

        self._do(run)

    def connect(self, sock: Any = None) -> None:
        """Open the connection, perhaps once more."""
        self._open(lambda raw: _Raw.connect(raw, sock))

    def ping(self, reconnect: bool = False) -> None:
        """Ask whether the server is there; ``reconnect`` may open another session."""
        self._open(lambda raw: _Raw.ping(raw, reconnect))

    def _open(self, opens: Callable[[Any], None]) -> None:
        """Do what may open another session of the server's, and follow it."""

        def run(raw: Any) -> None:
            before = raw._sock
            with self._self_session.opening(), self._opening(raw) as later:
                opens(raw)
                if raw._sock is before:
                    return
                try:
                    with reading_tables(_driver):
                        self._self_session.reopened()
                    if later:
                        self._initialise(raw, *later)
                except BaseException:
                    raw._force_close()
                    raise

        self._do(run)

    def _initialise(self, raw: Any, command: str, autocommit: bool | None) -> None:
        """Plan what the program has the session begin with."""
        self.cursor(_RawCursor).execute(command)
        if autocommit is not None:
            _Raw.autocommit(raw, autocommit)

    @contextmanager
    def _opening(self, raw: Any) -> Iterator[tuple[Any, ...]]:
        """A block that opens the raw connection; what is to be done after it.

        The driver has cursors of the program's class run ``init_command``, unplanned.
        It is left to us, but for a setting: that has to be there when tables are read.
        """
        if not raw.open and raw._result is not None:
            # rows that are left would be read of the new session
            raw._result.unbuffered_active, raw._result = False, None
        kept = raw.cursorclass, raw.init_command, raw.autocommit_mode
        raw.cursorclass, command = _RawCursor, raw.init_command
        later: tuple[Any, ...] = ()
        if self._self_session.plugins and command and not is_setting(command):
            later = command, raw.autocommit_mode
            raw.init_command = raw.autocommit_mode = None
        try:
            with _raw_connections():
                yield later
        finally:
            raw.cursorclass, raw.init_command, raw.autocommit_mode = kept


for _name, _what in CONNECTION_MEMBERS.items():
    _theirs = getattr(_Raw, _name, None)
    _is_method = callable(_theirs) and not isinstance(_theirs, type)
    if _what == "passed" and _is_method and _name not in vars(Connection):
        setattr(Connection, _name, passed(_theirs))

#: What leads nowhere.
_VALUES = (str, bytes, int, float, type(None))
_OPENED = ("_sock", "_rfile", "_current_timeout", "_next_seq_id")
#: What the driver keeps in a connection for itself.
_PRIVATE = frozenset(
    name
    for name in (*dir(_Raw(defer_connect=True)), *_OPENED)
    if name[:1] == "_" and name[:2] != "__"
)


def _is_raw_cursor(found: Any) -> bool:
    """Whether it is a cursor past the plugins."""
    return issubclass(type(found), _RawCursor) and not isinstance(found, PlannedCursor)


def wrap(
    raw: Any, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> Connection:
    """Wrap a connection. Raises ``ConfigurationError`` if it is wrapped."""
    checked = ordered(plugins)
    check_mode(mode)
    check_raw(raw, _Raw, "a connection of pymysql")
    with reading_tables(_driver):
        session = PyMySQLSession(raw, _driver, plugins=tuple(checked), mode=mode)
        session.start()
    return Connection(raw, session)


def connect(
    *, plugins: Sequence[Plugin] = (), mode: Mode = "normal", **options: Any
) -> Connection:
    """``pymysql.connect`` with plugins; other arguments are the driver's own."""
    ordered(plugins)
    check_mode(mode)
    with _raw_connections():
        raw = _Raw(**{**options, "defer_connect": True})
    made = wrap(raw, plugins=plugins, mode=mode)
    if not options.get("defer_connect"):
        made.connect()
    return made


#: Whether the driver is to make a raw connection, whatever is installed.
_raw: ContextVar[bool] = ContextVar("kysera_dbapi.raw_pymysql", default=False)


def makes_raw() -> bool:
    """Whether a connection that is made, or opened, now is for us to wrap."""
    return _raw.get()


@contextmanager
def _raw_connections() -> Iterator[None]:
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)


Connect = connect

#: The rest of the driver's module: its exceptions, types and constants.
globals().update(
    (name, value)
    for name, value in vars(_driver).items()
    if not name.startswith("_") and name not in globals()
)
