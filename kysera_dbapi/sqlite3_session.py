"""The session of a sqlite3 connection: our own SQL, transactions, scripts."""

import sqlite3 as _driver
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from sqlite3 import Connection as RawConnection
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Plan
from kysera_dbapi.script import nulls, split
from kysera_dbapi.session import Session
from kysera_dbapi.transaction import Begin
from kysera_dbapi.violation import Violations

if TYPE_CHECKING:
    from kysera_dbapi.authorizer import Authorizer

__all__ = ["SQLite3Session", "is_opened"]


class SQLite3Session(Session):
    """Reads its own rows as text, whatever the caller's connection makes of text."""

    raw_class = RawConnection

    #: In strict mode.
    authorizer: "Authorizer | None" = None

    def __init__(self, raw: RawConnection, *args: Any, **options: Any) -> None:
        self._decoding = _Decoding(raw)
        super().__init__(raw, *args, **options)

    def start(self) -> None:
        """Let checks fail statements, and the plugins check their configuration."""
        if self.plugins:
            self.violations = _VIOLATIONS.setdefault(id(self._raw), self.violations)
            create: Any = RawConnection.create_function
            create(self._raw, "_k_check", 2, self.violations)
            create(self._raw, "_k_row", 1, self.violations.tell)
        super().start()

    def authorize(self) -> None:
        """Let SQLite use what the plans hold, and nothing else."""
        from kysera_dbapi.authorizer import Authorizer  # it brings the parser

        self.authorizer = Authorizer(self)
        self.authorizer.install()

    def holding(self, plan: Plan | None) -> AbstractContextManager[None]:
        """A block in which SQLite may use what the plan holds; without one, all."""
        if self.authorizer is None:
            return nullcontext()
        return self.authorizer.holding(plan)

    def execute(self, sql: str, parameters: Any = (), /) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        with self._decoding, self.holding(None):
            return super().execute(sql, parameters)

    def binds(self, value: object) -> bool:
        """What SQLite stores, and what the program has adapters for."""
        if isinstance(value, int):
            return -_BOUND <= value < _BOUND
        try:
            if isinstance(value, str):
                value.encode()
                return True
        except UnicodeEncodeError:
            return False
        if isinstance(value, (bytes, float)):
            return True
        adapted: object = _driver.adapt(value, _driver.PrepareProtocol, None)
        return adapted is not None

    def atomic(self, *, returns: bool = False) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        Rows that are still to be read (``returns``) need a transaction that stays open
        after it. Raises ``UnsupportedStatement`` where there is none.
        """
        level = _implicit_level(self._raw)
        begin = Begin("BEGIN IMMEDIATE", kept=level is not None, tried=True)
        if level not in {None, "", "DEFERRED"}:
            begin = Begin(f"BEGIN {level}", kept=True)
        if returns and not (begin.kept or self._raw.in_transaction):
            raise UnsupportedStatement(
                "a DELETE with RETURNING and declared children needs an open "
                "transaction; begin one first",
                code="unsupported-construct",
            )
        return self._together(begin, release=not returns)

    def new_copy(self) -> RawConnection:
        """A connection to an empty database in memory."""
        return _driver.connect(":memory:")

    def copy_into(self, copy: RawConnection) -> None:
        """The pages as they are now, what is not committed too; of main alone."""
        with self.holding(None):
            image = bytearray(RawConnection.serialize(self._raw))
        if image:
            image[18:20] = b"\1\1"  # in memory there is no WAL
            RawConnection.deserialize(copy, bytes(image))

    def run_script(self, script: str, new_cursor: Callable[[], Any]) -> None:
        """Plan and run the statements of a script one by one, none in a transaction.

        That is the script's own affair, as with the driver's ``executescript``.
        """
        level = _implicit_level(self._raw)
        try:
            if level is not None:
                self._raw.isolation_level = None
            lexer = self.pipeline.lexers[0]
            for statement in split(script, lexer, self.dialect):
                with closing(new_cursor()) as cursor:
                    cursor.execute(statement, nulls(statement, lexer))
                    cursor.row_factory = None
                    with self._decoding:  # to the end; nobody sees the rows
                        deque(cursor, maxlen=0)
        finally:
            if level is not None:
                self._raw.isolation_level = level


#: Integers have 64 bits.
_BOUND = 1 << 63
#: Of each raw connection, which holds them, however often it is wrapped.
_VIOLATIONS: WeakValueDictionary[int, Violations] = WeakValueDictionary()


class _Decoding:
    """A block in which a connection's texts are read as they are stored.

    The connection has one text factory: of threads that share it, the last one to leave
    gives the caller's back.
    """

    def __init__(self, raw: RawConnection) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self._blocks = 0
        self._theirs: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._theirs = self._raw.text_factory
                self._raw.text_factory = _decode
            self._blocks += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._raw.text_factory = self._theirs


def _decode(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def _implicit_level(raw: RawConnection) -> str | None:
    """How the driver begins a transaction before DML; None if it leaves that alone.

    With the ``autocommit`` of Python 3.12 set, ``isolation_level`` has no effect.
    """
    legacy = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL
    return raw.isolation_level if getattr(raw, "autocommit", legacy) == legacy else None


def is_opened(raw: RawConnection) -> bool:
    """Whether the driver's ``__init__`` ran: a factory's may leave it out.

    Such a connection can do nothing; its plugins do not start, and protect by name.
    """
    try:
        raw.in_transaction  # noqa: B018
    except _driver.ProgrammingError as error:
        return "not called" not in str(error)
    return True
