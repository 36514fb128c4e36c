"""The session of a psycopg connection: our own SQL, transactions, what checks say."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

from psycopg import Connection as RawConnection
from psycopg import Cursor as RawCursor
from psycopg import Error as DriverError
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.postgres import register_default_adapters, types
from psycopg.pq import TransactionStatus

from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.errors import (
    ConfigurationError,
    PolicyViolation,
    UnsupportedStatement,
)
from kysera_dbapi.plan import Plan
from kysera_dbapi.session import Session
from kysera_dbapi.transaction import (
    Begin,
    Control,
    Transactional,
    Verb,
    savepoint_of,
)
from kysera_dbapi.violation import violation

__all__ = ["PsycopgSession"]

#: In the message of the cast that fails: see the dialect's ``check``.
_VIOLATED = re.compile(r'"_k_check:(.*)"', re.DOTALL)
#: Where a byte of a character may be a backslash or a quote, to one lexer or the other.
#: https://www.postgresql.org/docs/current/multibyte.html
_UNSAFE = frozenset("BIG5 GB18030 GBK JOHAB SHIFT_JIS_2004 SJIS UHC".split())
#: Of an exclusion constraint: exclusion_violation.
_EXCLUDED = "23P01"
_IDLE, _FAILED = TransactionStatus.IDLE, TransactionStatus.INERROR
_UNKNOWN = TransactionStatus.UNKNOWN
#: Those of the driver, whatever a program has registered.
_ADAPTERS = SimpleNamespace(adapters=AdaptersMap(types=types))
register_default_adapters(cast("Any", _ADAPTERS))


class _Transactional:
    """Whether a transaction of a connection is open."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; none is of a connection that is lost."""
        return self._raw.pgconn.transaction_status not in (_IDLE, _UNKNOWN)


class PsycopgSession(Session):
    """Reads the catalogue in a transaction of its own, where none is open."""

    raw_class = RawConnection

    @property
    def _loading(self) -> Any:
        """How values are read; texts are in the encoding of the connection."""
        return SimpleNamespace(adapters=_ADAPTERS.adapters, connection=self._raw)

    @classmethod
    def transactional(cls, raw: Any) -> Transactional:
        """libpq knows it; a transaction that has failed is open still."""
        return _Transactional(raw)

    @property
    def lost(self) -> bool:
        """The server has closed it."""
        return bool(self._raw.broken)

    @property
    def goes_on(self) -> bool:
        """Not in a transaction that has failed."""
        return bool(self._raw.pgconn.transaction_status != _FAILED)

    def start(self) -> None:
        """Let the plugins check their configuration.

        Raises ``ConfigurationError`` for settings in which texts are not what they
        seem.
        """
        if self.plugins:
            self._check_settings()
        super().start()

    def _check_settings(self) -> None:
        status = self._raw.info.parameter_status
        if status("standard_conforming_strings") != "on":
            raise ConfigurationError(
                "standard_conforming_strings is off: a backslash would end no string; "
                "set it on",
                code="configuration",
            )
        encoding = status("client_encoding")
        if status("server_encoding") != "UTF8":
            raise ConfigurationError(
                f"the encoding of the database is {status('server_encoding')}, in "
                "which names are folded in another way; use a database in UTF8",
                code="configuration",
            )
        if encoding in _UNSAFE:
            raise ConfigurationError(
                f"client_encoding is {encoding}, in which characters hold bytes of "
                "quotes and backslashes; set it to UTF8",
                code="configuration",
            )

    def check_alone(self, plan: Plan) -> None:
        """Refuse to set what names mean, where others may use the connection next.

        A pooler before the server has numbers of its own for its clients.
        https://www.pgbouncer.org/features.html
        """
        if plan.words[:1] != ("SET",) or not self.protected():
            return
        with self._apart():
            query = "SELECT pg_catalog.pg_backend_pid()"
            ((number,),) = self._quietly(lambda: self.execute(query))
        if number != self._raw.pgconn.backend_pid:
            raise UnsupportedStatement(
                "SET of what names mean is refused behind a pooler: it would hold for "
                "other clients, too; use ALTER ROLE or ALTER DATABASE ... SET, or, if "
                "sessions are not shared, SET it under bypass()",
                code="shared-session",
            )

    def execute(self, sql: str, parameters: Any = (), /) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it.

        Values are those of the driver's own types: no loader of a program's sees them.
        """
        given: Any = sql
        with RawCursor(self._raw) as cursor:
            # what is read of the schema takes no place among the prepared statements,
            # nor does what controls a transaction
            unprepared = self.reading or not parameters
            options: Any = {"prepare": False} if unprepared else {}
            RawCursor.execute(cursor, given, parameters or None, **options)
            self._hear()
            result: Any = cursor.pgresult
            loading = Transformer(self._loading)
            loading.set_pgresult(result)
            return loading.load_rows(0, result.ntuples, tuple)

    def style(self, parameters: Any) -> int:
        """With values it is formatted by the driver."""
        return 1 if parameters else 0

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """A block that leaves no transaction open that was not."""
        before = self._raw.pgconn.transaction_status
        try:
            yield
        finally:
            if before == _IDLE and not self._raw.closed:
                # no rollback: it would have the driver forget what it has prepared
                self._commit()

    def _commit(self) -> None:
        """End a transaction of our own, also between the two phases of another."""
        raw = self._raw
        phase, raw._tpc = raw._tpc, None
        try:
            RawConnection.commit(raw)
        finally:
            raw._tpc = phase

    def _read_catalogue(self) -> Catalogue:
        with self._apart():
            return super()._read_catalogue()

    def definition(self, view: Table) -> str:
        """The text of the statement that makes a view."""
        with self._apart():
            return super().definition(view)

    def _stamp(self) -> object:
        with self._apart():
            return super()._stamp()

    def reread(self) -> bool:
        """As ``refresh``, where another connection may have changed the schema.

        Raises ``ConfigurationError`` if a setting has changed as in ``start``.
        """
        if self.plugins:
            self._check_settings()
        self._hear()
        return self.goes_on and super().reread()

    def _hear(self) -> None:
        """Raise what the statements of a pipeline have come to so far.

        Else reading the schema would meet their errors, and take them for its own.
        """
        pipeline = self._raw._pipeline
        if pipeline is not None:
            with self._raw.lock:
                self._raw.wait(pipeline._communicate_gen())
                self._raw.wait(pipeline._fetch_gen(flush=True))

    def _reread(self) -> None:
        self._hear()
        super()._reread()

    def refresh(self) -> bool:
        """Read the catalogue once more; in a failed transaction that has to wait."""
        self._hear()
        return self.goes_on and super().refresh()

    def overtaken(self) -> None:
        """As ever; those of a pipeline are heard of when the next one is planned."""
        if self._raw._pipeline is None:
            super().overtaken()
        else:
            self.transaction.ended(undone=True)
            self.invalidate()

    def binds(self, value: object) -> bool:
        """What the connection has an adapter for."""
        try:
            self._raw.adapters.get_dumper(type(value), PyFormat.AUTO)
        except DriverError:
            return False
        return True

    def error(self, error: BaseException) -> BaseException:
        """As ever; but what an exclusion constraint met is not told.

        It may be a hidden row, whose key is in the detail: "Key (..) conflicts with
        existing key (..)". PostgreSQL leaves it out for its own row security, too.
        """
        if any(plugin.hides_rows for plugin in self.plugins):
            if error.__context__ is not None:
                error.__context__ = _without_detail(error.__context__)
            error = _without_detail(error)
        return super().error(error)

    def violated(
        self, error: BaseException, row: int | None = None
    ) -> PolicyViolation | None:
        """The violation that the message of the server's error names."""
        if getattr(error, "sqlstate", None) != "22P02":
            return None
        message = getattr(error, "diag").message_primary or ""  # noqa: B009
        found = _VIOLATED.search(message)
        return violation(found[1], row) if found else None

    def atomic(self, *, returns: bool = False) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        In an open transaction it is a part of that. Else it is a transaction of its own
        in autocommit mode; otherwise the driver begins one, which stays open.
        """
        return self._together(self._begin())

    def undoable(self) -> AbstractContextManager[None]:
        """A block whose change of the schema is undone by an error in it."""
        return self._together(self._begin())

    def check_pipeline(self, what: str) -> None:
        """Raise ``UnsupportedStatement`` in a pipeline: errors come late in it."""
        if self._raw.pgconn.pipeline_status:
            raise UnsupportedStatement(
                f"{what} cannot be in a pipeline; execute it before or after",
                code="unsupported-construct",
            )

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """A savepoint, unless the statement is a transaction of its own.

        Raises ``UnsupportedStatement`` in a pipeline.
        """
        self.check_pipeline("an INSERT that may revive a row")
        idle = self._raw.pgconn.transaction_status == _IDLE
        if idle and self._raw.autocommit:
            yield
            return
        savepoint = savepoint_of(self.transaction)
        self.execute(f"SAVEPOINT {savepoint}")
        yield
        self.execute(f"RELEASE {savepoint}")

    @contextmanager
    def recovered(self) -> Iterator[None]:
        """The transaction goes on, from the savepoint of ``shielded``."""
        if self.goes_on:
            yield
            return
        savepoint = savepoint_of(self.transaction)
        self.execute(f"ROLLBACK TO {savepoint}")
        try:
            yield
            self.execute(f"RELEASE {savepoint}")
        except BaseException:
            if self.goes_on:
                with suppress(DriverError):  # it ends the transaction
                    self.execute("RELEASE _kysera_none")
            raise

    def left(self, savepoint: str, *, undone: bool) -> None:
        """A savepoint of the driver's own has ended."""
        verbs: tuple[Verb, ...] = ("rollback to", "release") if undone else ("release",)
        changed = [self.transaction.after(Control(v, savepoint)) for v in verbs]
        if any(changed):
            self.invalidate()

    def _begin(self) -> Begin:
        if self._raw.autocommit:
            return Begin("BEGIN", kept=False)
        return Begin("", kept=True)


def _without_detail(error: BaseException) -> BaseException:
    """The error; one of an exclusion constraint without what was met."""
    told = getattr(getattr(error, "diag", None), "message_detail", None)
    if getattr(error, "sqlstate", None) != _EXCLUDED or not told:
        return error
    made = type(error)(getattr(error, "diag").message_primary)  # noqa: B009
    made.__context__ = error.__context__
    return made
