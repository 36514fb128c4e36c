"""The cursors of psycopg: subclasses of the driver's, so fetching costs nothing.

A program's own cursor class lies above the planned class: what its methods send by
``super()`` is planned, whatever they have made of it.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast
from weakref import WeakKeyDictionary

import psycopg as _driver
from psycopg import Cursor as RawCursor
from psycopg import RawServerCursor, ServerCursor
from psycopg.raw_cursor import RawCursorMixin
from psycopg.sql import Composable

from kysera_dbapi._blocks import NOTHING, scope, singles
from kysera_dbapi.copying import copied
from kysera_dbapi.cursor import Planned
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, reraise
from kysera_dbapi.plan import Plan
from kysera_dbapi.psycopg_session import PsycopgSession
from kysera_dbapi.script import split

__all__ = [
    "CURSOR_MEMBERS",
    "PlannedCursor",
    "adopt",
    "cursor_class",
    "is_raw_cursor",
    "keeps_to_itself",
]

#: What becomes of each public member of ``psycopg.Cursor`` and its like.
CURSOR_MEMBERS: dict[str, str] = {
    **dict.fromkeys(
        "adapters arraysize close closed description fetchall fetchmany fetchone "
        "format itersize mogrify name nextset pgresult results row_factory rowcount "
        "rownumber scroll scrollable set_result setinputsizes setoutputsize "
        "statusmessage withhold __enter__ __exit__ __iter__ __next__".split(),
        "passed",
    ),
    "connection": "twin",
    **dict.fromkeys("copy execute executemany stream".split(), "planned"),
}


class PlannedCursor(Planned):
    """What psycopg's cursors have in the place of the methods that take SQL."""

    __slots__ = ()

    _session: PsycopgSession  # pyright: ignore[reportIncompatibleVariableOverride]
    #: The driver's options of this execution: prepare, binary and the like.
    _options: dict[str, Any]
    #: Whether the driver formats texts that come with values: not for RawCursor.
    _formats: bool
    #: The query as the caller gave it, sent where nothing is edited.
    _given: Any
    #: How many statements of an ``executemany()`` have succeeded.
    _done: int
    #: The numbers of the results whose rows nobody asked for; None stands for all.
    _quiet: set[int] | None

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Plan the statement and execute it; returns the cursor."""
        session, plan, text = self._session, None, ""
        try:
            # the way of most executions: it calls next to nothing
            if type(params) is tuple and scope() is NOTHING and self._formats:
                try:
                    sent, bind, first = session.formatted[query]
                    own = (singles()[first],) if first else ()
                except (KeyError, TypeError):
                    pass  # not known yet; bind() says what is missing
                else:
                    given = own + params if bind is None or first else bind(params)
                    return self._raw_execute(sent, given, **options)
            if not session.plugins:
                return self._raw_execute(query, params, **options)
            self._begin(query, options)
            text = self._text(query, params)
            with session.in_context():
                plan = self._plan(text, style=self._style(params))
                self._run(text, plan, params)
        except Exception as error:
            with session.in_context():
                if params is None and _is_of_several(error):
                    self._execute_several()
                else:
                    self._again(error, text, plan, params)
        return self

    def _execute_several(self: Any) -> None:
        """Execute the statements of a text one by one; ``nextset()`` goes on.

        They happen together or not at all, as the server does with such a text.
        """
        session, quiet = self._session, set[int]()
        results: list[Any] = []
        lexer = session.pipeline.lexers[self._style(None)]
        text = self._text(self._given, None)
        plan = None
        try:
            if session._raw.pgconn.pipeline_status:
                raise _unsupported("several statements in a pipeline", "several calls")
            if hasattr(self, "scrollable"):
                raise _unsupported("several statements in a named cursor", "cursor()")
            with session.atomic():
                for one in split(text, lexer, session.dialect):
                    plan = self._plan(one, style=self._style(None))
                    if plan.effect == "transaction":
                        raise _unsupported("BEGIN or COMMIT among others", "execute()")
                    self._given = one
                    try:
                        self._run(one, plan, None)
                    except Exception as error:
                        if not self._revived(error, one, plan, None):
                            raise
                    quiet |= {len(results)} if plan.silent else set()
                    results += self._results
            self._results = results
            self._select_current_result(0)
            self._settle_as(quiet)
        except Exception as error:
            self._raise(error, plan)

    def executemany(
        self, query: Any, params_seq: Iterable[Any], **options: Any
    ) -> None:
        """Plan the statement once and execute it for each of ``params_seq``."""
        session, plan = self._session, None
        try:
            if not session.plugins:
                self._driver.executemany(query, params_seq, **options)
                return
            self._begin(query, options)
            text = self._text(query, ())
            with session.in_context():
                plan = self._plan(text, style=self._style(()))
                if plan.checked:
                    session.check_pipeline("an executemany() whose rows are checked")
                self._watched(text, plan, params_seq, many=True)
        except Exception as error:
            self._raise_many(error, plan, params_seq)

    def stream(self, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Plan the statement now, and iterate over its rows as they come."""
        session, plan = self._session, None
        try:
            if not session.plugins:
                return iter(self._driver.stream(query, params, **options))
            text = self._text(query, params)
            with session.in_context():
                plan = self._plan(text, style=self._style(params))
                if not plan.alone or session.hooked:
                    raise _unsupported("stream() of such a statement", "execute()")
                sent, values = self._sent_as(plan, query, params)
        except Exception as error:
            self._raise(error, plan)
        return self._streamed(plan, self._driver.stream(sent, values, **options))

    def _streamed(self, plan: Plan, rows: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from rows
        except Exception as error:
            self._raise(error, plan)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Plan a COPY, and begin it.

        Of a protected table the rows are copied that a query of it gives. The driver
        puts the values of filters into its text: the server binds none in a COPY.
        """
        session = self._session
        try:
            if session.plugins:
                with session.in_context():
                    statement, params = self._copied(statement, params)
            with self._driver.copy(statement, params, **options) as copy:
                yield copy
        except Exception as error:
            reraise(error, session.driver)

    def _copied(self, statement: Any, params: Any) -> tuple[Any, Any]:
        """What to send for a COPY."""
        session, style = self._session, self._style(params)
        text = self._text(statement, params)
        lexer = session.pipeline.lexers[style]
        parts = copied(text, lexer, session.dialect, session.catalogue)
        plan = None if parts is None else self._plan(parts.query, style=style)
        if parts is None or plan is None or plan.program is None:
            whole = self._plan(text, style=style)
            if whole.program is not None or not whole.alone:
                # the server runs it before the driver sees that it is no COPY
                raise _unsupported("copy() of what is no COPY", "execute()")
            return statement, params
        after = parts.after.lstrip(") \n").upper()
        to_us = re.match(r"TO\s+STDOUT\b", after)
        if plan.kind != "select" or not plan.alone or not to_us:
            raise _unsupported("COPY of a protected table but TO STDOUT", "a query")
        sent, values = self._sent_as(plan, parts.query, params)
        ends = [parts.before, parts.after]
        if values is not None and params is None:  # the driver formats it now
            ends = [end.replace("%", "%%") for end in ends]
        return sent.join(ends), values

    def _watched(self, sql: str, plan: Plan, parameters: Any, *, many: bool) -> None:
        if plan.kind == "set name space":
            self._session.check_alone(plan)
        super()._watched(sql, plan, parameters, many=many)

    def _begin(self: Any, query: Any, options: dict[str, Any]) -> None:
        self._given, self._options = query, options

    # -- the driver's -------------------------------------------------------------

    @property
    def _driver(self) -> Any:
        """The driver's methods of this cursor."""
        return super(Planned, self)

    def _raw_executemany(self, sql: Any, rows: Iterable[Any]) -> None:
        self._driver.executemany(sql, rows, **self._options)

    def _style(self, parameters: Any) -> int:
        """By which of the dialect's lexers the text is read."""
        if not self._formats:
            return 2
        return 0 if parameters is None else 1

    def _text(self, query: Any, params: Any) -> str:
        """The text of a query. One without parameters has no placeholders."""
        cursor: Any = self
        if isinstance(query, bytes):
            text = query.decode(cursor._encoding)
        elif isinstance(query, Composable):
            text = query.as_string(cursor)
        elif isinstance(query, str):
            text = query
        elif isinstance(params, tuple) and not hasattr(query, "interpolations"):
            raise TypeError(f"a statement must be str, not {type(query).__name__}")
        else:
            raise _unsupported("a template string", "%s and parameters")
        return text

    def _sent_as(self, plan: Plan, query: Any, params: Any) -> tuple[Any, Any]:
        """What the driver is given for a query and its parameters."""
        if plan.program is None:
            return query, params
        if plan.bind is None:
            return plan.sql, params
        return plan.sql, plan.bind(() if params is None else params)

    def _send_as_planned(self, plan: Plan, parameters: Any) -> None:
        if plan.companions:
            given = () if parameters is None else parameters
            sent = plan.sql, self._prepared(plan, given)
        else:
            sent = self._sent_as(plan, self._given, parameters)
        self._raw_execute(*sent, **self._options)

    def _send_many(self, sql: str, plan: Plan, rows: Iterable[Any]) -> None:
        each = plan.companions or plan.shielded
        if each and self._options.get("returning"):
            raise _unsupported(
                "returning=True of declared children or revived rows", "execute()"
            )
        if each:
            self._send_each(sql, plan, rows)
            return
        sent = self._given if plan.program is None else plan.sql
        # in a pipeline of the caller's the error may be another statement's
        if not plan.checked or self._session._raw.pgconn.pipeline_status:
            self._raw_executemany(sent, self._bound(plan, rows))
            return
        with self._counting():
            self._raw_executemany(sent, self._bound(plan, rows))

    @contextmanager
    def _counting(self: Any) -> Iterator[None]:
        """A block in which a violation tells the number of its row."""
        own: Any = self.__class__
        loud = getattr(own, "_loud", own)
        self.__class__, self._done = _counting_class(loud), 0
        try:
            yield
        except _driver.Error as error:
            violated = self._session.violated(error, self._done)
            if violated is None:
                raise
            raise violated from error
        finally:
            self.__class__ = loud

    def _came_of_old(self, error: Exception) -> bool:
        # in a pipeline it may be another statement's
        if self._session._raw.pgconn.pipeline_status:
            return False
        return super()._came_of_old(error)

    def _settle(self, count: int | None = None) -> None:
        cursor: Any = self
        if count is not None:
            cursor._rowcount = count
        cursor._settle_as(None)

    def _settle_as(self: Any, quiet: set[int] | None) -> None:
        self._quiet = quiet
        self.__class__ = _silent_class(cast("Any", type(self)))

    def _fetch_pipeline(self) -> None:
        """What the driver does before a row is fetched; its errors are ours, too."""
        cursor: Any = self
        if cursor._conn._pipeline is None:
            return
        try:
            self._driver._fetch_pipeline()
        except Exception as error:
            self._raise(error, None)


class _Silent:
    """A cursor with results that hold rows for the shim alone."""

    __slots__ = ()
    #: What it was before, and is again with its next statement.
    _loud: type[Any]

    @property
    def description(self: Any) -> Any:
        """The columns, of a result that the caller has asked for."""
        return None if self._is_quiet else self._loud.description.__get__(self)

    @property
    def rownumber(self: Any) -> Any:
        """The number of the next row, as of the columns."""
        return None if self._is_quiet else self._loud.rownumber.__get__(self)

    @property
    def _is_quiet(self: Any) -> bool:
        return self._quiet is None or self._iresult in self._quiet

    def _check_result_for_fetch(self: Any) -> Any:
        if self.closed or not (self.pgresult and self._is_quiet):
            return self._loud._check_result_for_fetch(self)
        detail = f" (command status: {self.statusmessage})"
        raise _driver.ProgrammingError(
            f"the last operation didn't produce records{detail}"
        )

    def _start_query(self: Any, query: Any = None) -> Any:
        self.__class__ = self._loud
        return self._start_query(query)


@cache
def _silent_class(loud: Any) -> type[Any]:
    """The class of a planned class's cursors while they have rows to hide."""
    if issubclass(loud, _Silent):
        return cast("type[Any]", loud)
    members = {"__slots__": (), "__module__": loud.__module__, "_loud": loud}
    return type(loud.__name__, (_Silent, loud), members)


class _Counting:
    """A cursor that counts the statements of an ``executemany()`` which succeed."""

    __slots__ = ()

    def _set_results(self: Any, results: Any) -> None:
        self._done += 1
        super()._set_results(results)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@cache
def _counting_class(loud: Any) -> type[Any]:
    """The class of a planned class's cursors while they count."""
    members = {"__slots__": (), "__module__": loud.__module__}
    return type(loud.__name__, (_Counting, loud), members)


#: What a planned cursor has besides.
_OWN = ("_proxy", "_session", "_options", "_given", "_quiet", "_done")


def _raw(base: Any) -> dict[str, Any]:
    """The driver's class and method, where they are found fast."""
    formats = not issubclass(base, RawCursorMixin)
    return {"_raw_class": base, "_raw_execute": base.execute, "_formats": formats}


#: The driver's classes that all of its cursors that wait are derived from.
_KINDS: Any = (RawCursor, ServerCursor, RawServerCursor)


def _driver_class(theirs: Any) -> Any:
    """The class of the driver's that a cursor class is, or is derived from."""
    found = next((c for c in theirs.__mro__ if c.__module__ == "psycopg"), None)
    if found is None or not issubclass(found, _KINDS):
        raise ConfigurationError(
            f"{theirs.__qualname__} is asynchronous, or no cursor of psycopg's; use "
            "psycopg.Cursor or one like it",
            code="configuration",
        )
    return found


@cache
def keeps_to_itself(theirs: Any) -> bool:
    """Whether no code of a program's own sees what a cursor class is made with."""
    return theirs.__init__ is _driver_class(theirs).__init__


@cache
def cursor_class(theirs: Any) -> type[Any]:
    """The planned class of the driver's cursor class, or of a program's own."""
    base = _driver_class(theirs)
    members: dict[str, Any] = {"__module__": base.__module__, **_raw(base)}
    if theirs is base:
        members["__slots__"] = _OWN
        return type(base.__name__, (PlannedCursor, base), members)
    # no slots of its own: it lies beneath a class that may have some
    beneath = type(base.__name__, (PlannedCursor, base), {"__slots__": (), **members})
    return type(theirs.__name__, (theirs, beneath), {"__module__": theirs.__module__})


class _Kept:
    """An attribute of cursors that have no room for it."""

    def __init__(self) -> None:
        self._values: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def __get__(self, cursor: Any, class_: type) -> Any:
        return self._values[cursor]

    def __set__(self, cursor: Any, value: Any) -> None:
        self._values[cursor] = value


#: Each holds for all classes: a cursor changes its own when it has rows to hide.
_KEPT = {name: _Kept() for name in _OWN}


@cache
def _adopting_class(theirs: Any) -> type[Any]:
    """The planned class for cursors of a class that were made already."""
    base = _driver_class(theirs)
    members: dict[str, Any] = {"__slots__": (), **_raw(base), **_KEPT}
    beneath = type(base.__name__, (PlannedCursor, base), members)
    if theirs is base:
        return beneath
    members = {"__slots__": (), "__module__": theirs.__module__}
    return type(theirs.__name__, (theirs, beneath), members)


def adopt(cursor: Any, proxy: Any, session: PsycopgSession) -> None:
    """Let a cursor that was made by hand, of a wrapped connection, be planned."""
    if not issubclass(type(cursor), Planned):
        cursor.__class__ = _adopting_class(cast("Any", type(cursor)))
    cursor._proxy, cursor._session = proxy, session
    cursor._conn = session._raw


def is_raw_cursor(found: Any) -> bool:
    """Whether it is a cursor past the plugins."""
    return issubclass(type(found), _KINDS) and not isinstance(found, Planned)


def _is_of_several(error: Exception) -> bool:
    """Whether a text was refused because it holds several statements."""
    return getattr(error, "code", "") == "multiple-statements"


def _unsupported(what: str, instead: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{what} is not supported; use {instead}", code="unsupported-construct"
    )
