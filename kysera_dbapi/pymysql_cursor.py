"""The cursors of PyMySQL: subclasses of the driver's, so fetching costs nothing.

A program's own cursor class lies above the planned class: what its methods send by
``super()`` is planned, whatever they have made of it.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from sys import _getframe
from typing import Any

from pymysql.constants import CLIENT
from pymysql.cursors import Cursor as RawCursor
from pymysql.cursors import SSCursor as RawSSCursor

from kysera_dbapi._blocks import NOTHING, scope, singles
from kysera_dbapi.catalogue import key_of
from kysera_dbapi.cursor import Planned
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Plan
from kysera_dbapi.pymysql_rows import divided
from kysera_dbapi.pymysql_session import PyMySQLSession
from kysera_dbapi.script import split

__all__ = ["CURSOR_MEMBERS", "PlannedCursor", "cursor_class"]

#: The global names of the driver's own cursors.
_DRIVERS = vars(sys.modules[RawCursor.__module__])
#: What becomes of each public member of ``pymysql.cursors.Cursor`` and its like.
CURSOR_MEMBERS: dict[str, str] = {
    **dict.fromkeys(
        "arraysize close description dict_type fetchall fetchall_unbuffered fetchmany "
        "fetchone lastrowid max_stmt_length mogrify nextset read_next rowcount "
        "rownumber scroll setinputsizes setoutputsizes warning_count __enter__ "
        "__exit__ __iter__ __next__".split(),
        "passed",
    ),
    "connection": "twin",
    **dict.fromkeys("callproc execute executemany".split(), "planned"),
}


class PlannedCursor(Planned):
    """What PyMySQL's cursors have in the place of the methods that take SQL."""

    _session: PyMySQLSession  # pyright: ignore[reportIncompatibleVariableOverride]
    _is_open = False
    #: The results of several statements that are still to be shown.
    _waiting: tuple[Any, ...] = ()
    #: Whether the driver's executemany is at work, which calls execute.
    _passing = False
    _rows: Any
    _result: Any

    @property
    def connection(self) -> Any:
        """The connection, as it was asked for the cursor; None once it is closed."""
        return self._proxy if self._is_open else None

    @connection.setter
    def connection(self, given: Any) -> None:
        self._is_open = given is not None

    def _get_db(self) -> Any:
        """What the driver's own methods send by."""
        if not self._is_open:
            raise self._session.driver.ProgrammingError("Cursor closed")
        asking = _getframe(1).f_globals
        # most often it is the first; it is asked four times an execution
        if asking is _DRIVERS or _is_driver(asking):
            return self._session._raw
        return self._proxy

    def execute(self, query: Any, args: Any = None) -> Any:
        """Plan the statement and execute it; returns the number of rows."""
        session, plan = self._session, None
        given: Any
        try:
            # the way of most executions: it calls next to nothing
            if scope() is NOTHING:
                try:
                    known = session.direct if args is None else session.formatted
                    sent, bind, first = known[query]
                    if first and type(args) is tuple:
                        given = (singles()[first], *args)
                    elif bind is None:
                        given = args
                    else:
                        given = bind(() if args is None else args)
                except (KeyError, TypeError):
                    pass  # not known yet; bind() says what is missing
                else:
                    return self._raw_execute(sent, given)
            if self._passing or not session.plugins:
                return self._raw_execute(query, args)
            text = self._text(query)
            with session.in_context():
                plan = self._plan(text, style=self._style(args))
                self._run(text, plan, args)
        except Exception as error:
            with session.in_context():
                self._recover(error, self._text(query), plan, args)
        return self.rowcount

    def _recover(self, error: Exception, text: str, plan: Any, args: Any) -> None:
        """Go on after an error, if that can be; else raise it."""
        if args is None and self._is_of_several(error):
            self._execute_several(text)
        else:
            self._again(error, text, plan, args)

    def executemany(self, query: Any, args: Any) -> Any:
        """Plan the statement once and execute it for each of ``args``."""
        session, plan = self._session, None
        try:
            if not args:
                return None
            if not session.plugins:
                return self._raw_executemany(query, args)
            text = self._text(query)
            with session.in_context():
                plan = self._plan(text, style=1)
                self._watched(text, plan, args, many=True)
        except Exception as error:
            self._raise_many(error, plan, args)
        return self.rowcount

    def callproc(self, procname: str, args: Any = ()) -> Any:
        """Plan the CALL, and make it; returns ``args``.

        The server says of a procedure that there is none.
        """
        session, plan = self._session, None
        try:
            if session.plugins and self._is_there(procname):
                with session.in_context():
                    plan = self._plan(_call(procname, len(args)), style=0)
            return self._base.callproc(self, procname, args)
        except Exception as error:
            self._raise(error, plan)

    def _is_there(self, procname: str) -> bool:
        """Whether there may be a procedure of that name: it is one part, as sent."""
        session = self._session
        session.refresh()
        path = session.catalogue.path
        name = session.dialect.fold(procname, quoted=True)
        return any(
            key_of(schema, name) in session.catalogue.routines for schema in path
        )

    # -- several statements -------------------------------------------------------

    def _is_of_several(self, error: Exception) -> bool:
        """Whether the server would take a text that was refused as several."""
        allowed = self._session._raw.client_flag & CLIENT.MULTI_STATEMENTS
        return bool(allowed) and getattr(error, "code", "") == "multiple-statements"

    def _execute_several(self, text: str) -> None:
        """Execute the statements of a text one by one; ``nextset()`` goes on.

        As the server does it, those before a wrong one have happened.
        """
        session, plan, results = self._session, None, list[Any]()
        try:
            if issubclass(self._base, RawSSCursor):
                raise _unsupported("several statements, unbuffered", "Cursor")
            for one in split(text, session.pipeline.lexers[0], session.dialect):
                plan = self._plan(one, style=0)
                self._run(one, plan, None)
                if self._result.has_next:
                    raise _unsupported("CALL among other statements", "execute()")
                results.append(self._result)
            self._show(results)
        except Exception as error:
            self._raise(error, plan)

    def _show(self, results: Iterable[Any]) -> None:
        cursor: Any = self
        cursor._session._raw._result, *waiting = results
        cursor._clear_result()
        cursor._do_get_result()
        self._waiting = tuple(waiting)

    def nextset(self) -> bool | None:
        """Go on to the next of several results; None if there is none."""
        if self._waiting:
            self._show(self._waiting)
            return True
        more: bool | None = self._base.nextset(self)
        return more

    # -- the driver's -------------------------------------------------------------

    @property
    def _base(self) -> Any:
        """The driver's class."""
        return self._raw_class

    def _raw_executemany(self, query: Any, rows: Any) -> Any:
        """As the driver: what it calls of this cursor is no more to be planned."""
        cursor: Any = self
        raw = self._session._raw
        parts, rows = divided(query, rows, cursor.mogrify)
        if parts is None:
            self.rowcount = sum(self._raw_execute(query, row) for row in rows)
            return self.rowcount
        self._passing = True
        try:
            return cursor._do_execute_many(
                *parts, rows, cursor.max_stmt_length, raw.encoding
            )
        finally:
            self._passing = False

    def _style(self, parameters: Any) -> int:
        """By which of the dialect's lexers the text is read."""
        return 0 if parameters is None else 1

    def _text(self, query: Any) -> Any:
        if isinstance(query, (bytes, bytearray)):
            return query.decode(self._session._raw.encoding)
        return query

    def _send_as_planned(self, plan: Plan, parameters: Any) -> None:
        if plan.companions:
            given = () if parameters is None else parameters
            self._raw_execute(plan.sql, self._prepared(plan, given))
        elif plan.bind is None:
            self._raw_execute(plan.sql, parameters)
        else:
            given = () if parameters is None else parameters
            self._raw_execute(plan.sql, plan.bind(given))

    def _settle(self, count: int | None = None) -> None:
        cursor: Any = self
        if count is not None:
            self.rowcount = count
        if self._result is not None and self._result.unbuffered_active:
            self._result._finish_unbuffered_query()
        cursor.description, cursor._rows, cursor.rownumber = None, None, 0
        if self.lastrowid is None:  # rows tell no key that the server chose
            self.lastrowid = 0

    def _number(self, row: int | None) -> None:
        self.lastrowid = row


class _Unbuffered(PlannedCursor):
    """Its rows come one by one, and the server's errors with them."""

    def fetchone(self) -> Any:
        """The next row; None if there is none."""
        try:
            return self._base.fetchone(self)
        except Exception as error:
            self._raise(error, None)

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return list(self.fetchall_unbuffered())

    def fetchall_unbuffered(self) -> Iterator[Any]:
        """All rows that are left, one by one."""
        return iter(self.fetchone, None)

    def close(self) -> None:
        """Read what is left, and close the cursor."""
        if not self._is_open:
            return
        raw, result = self._session._raw, self._result
        try:
            if result is not None and result is raw._result and raw.open:
                result._finish_unbuffered_query()
            while raw.open and self.nextset():
                pass
        finally:
            self._is_open = False

    __del__ = close


@cache
def cursor_class(theirs: Any) -> type[Any]:
    """The planned class of the driver's cursor class, or of a program's own."""
    base = next(c for c in theirs.__mro__ if _is_theirs(c))
    planned = _Unbuffered if issubclass(base, RawSSCursor) else PlannedCursor
    members: dict[str, Any] = {
        "__module__": base.__module__,
        "_raw_class": base,
        "_raw_execute": base.execute,
    }
    beneath = type(base.__name__, (planned, base), members)
    if theirs is base:
        return beneath
    return type(theirs.__name__, (theirs, beneath), {"__module__": theirs.__module__})


def _is_theirs(kind: Any) -> bool:
    return issubclass(kind, RawCursor) and kind.__module__ == "pymysql.cursors"


def _is_driver(names: Mapping[str, Any]) -> bool:
    """Whether it is the driver's own module, or ours, that has those global names."""
    name = str(names.get("__name__", ""))
    return name.partition(".")[0] in ("pymysql", "kysera_dbapi")


def _call(name: str, count: int) -> str:
    """The CALL that the driver makes."""
    name = name.replace("`", "``")
    return f"CALL `{name}`({','.join(f'@`_{name}_{i}`' for i in range(count))})"


def _unsupported(what: str, instead: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{what} is not supported; use {instead}", code="unsupported-construct"
    )
