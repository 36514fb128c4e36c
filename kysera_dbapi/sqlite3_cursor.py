"""The cursors of sqlite3: subclasses of the driver's, so fetching costs nothing."""

import sqlite3 as _driver
from collections.abc import Callable
from functools import cache
from sqlite3 import Connection as RawConnection
from sqlite3 import Cursor as RawCursor
from typing import Any

from kysera_dbapi.cursor import Planned, Translating
from kysera_dbapi.sqlite3_session import SQLite3Session
from kysera_dbapi.subclasses import AboveCursor, BeneathCursor

__all__ = ["CURSOR_MEMBERS", "PLAIN", "cursor_class", "is_raw_cursor"]

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


class _Scripting(Planned):
    """What SQLite's cursors have besides."""

    __slots__ = ()

    _session: SQLite3Session  # pyright: ignore[reportIncompatibleVariableOverride]

    def executescript(self, script: Any, /) -> Any:
        """Commit, then plan and execute the script's statements one by one."""
        session = self._session
        try:
            if not session.plugins or not isinstance(script, str) or "\0" in script:
                # what is no text of C is an error of the driver's
                return self._raw_class.executescript(self, script)
            _check_size(script, session._raw)
            theirs: Any = RawCursor
            with session.turn:
                theirs.executescript(self, "")  # the driver's checks and its commit
                session.ended(undone=False)
            session.run_script(script, self._proxy.cursor)
        except Exception as error:
            self._raise(error, None)
        return self


class _Translating(  # pyright: ignore[reportIncompatibleVariableOverride]
    _Scripting, Translating
):
    """The same over a program's class that translates its texts."""

    __slots__ = ()


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
    members["_planner"] = _Scripting
    if theirs is RawCursor or "_kysera_original" in vars(theirs):
        # as the driver's: no other attributes, and found faster
        members["__slots__"] = ("_proxy", "_session")
        members["_raw_class"] = RawCursor
        members["_raw_execute"] = RawCursor.execute
        members["_raw_executemany"] = RawCursor.executemany
        return type("Cursor", (_Scripting, RawCursor), members)
    above = AboveCursor(theirs)
    members["_raw_class"] = above
    members["_raw_execute"] = _method(above.execute)
    members["_raw_executemany"] = _method(above.executemany)
    own = theirs.execute not in (RawCursor.execute, BeneathCursor.execute)
    planned = _Translating if own else _Scripting
    return type(theirs.__name__, (planned, theirs, BeneathCursor), members)


def _method(call: Callable[..., Any]) -> Callable[..., Any]:
    """A method that gives ``call`` its ``self`` too."""

    def method(self: Any, *given: Any) -> Any:
        return call(self, *given)

    return method


#: Of cursors that no program has a class of its own for.
PLAIN = cursor_class(RawCursor)


def is_raw_cursor(found: Any) -> bool:
    """Whether it is a cursor past the plugins."""
    return issubclass(type(found), RawCursor) and not isinstance(found, Planned)
