"""The cursors of sqlite3: subclasses of the driver's, so fetching costs nothing."""

import sqlite3 as _driver
from collections.abc import Callable
from functools import cache
from sqlite3 import Connection as RawConnection
from sqlite3 import Cursor as RawCursor
from typing import Any, cast

from kysera_dbapi.cursor import Planned, Translating
from kysera_dbapi.sqlite3_session import SQLite3Session
from kysera_dbapi.subclasses import AboveCursor, BeneathCursor

__all__ = [
    "CURSOR_MEMBERS",
    "PLAIN",
    "cursor_class",
    "is_raw_cursor",
    "numbered_class",
    "silent_class",
]

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

    def _settle(self, count: int | None = None) -> None:
        cursor: Any = self
        if count is None:
            theirs, cursor.row_factory = cursor.row_factory, None
            try:
                RawCursor.fetchall(cursor)  # the rowcount is told by the last one
            finally:
                cursor.row_factory = theirs
        cursor._count = count
        cursor.__class__ = silent_class(cast("Any", type(cursor)))

    def _number(self, row: int | None) -> None:
        cursor: Any = self
        cursor._row = row
        cursor.__class__ = numbered_class(cast("Any", type(cursor)))


class _Silent:
    """A cursor whose last statement gave rows to the shim alone."""

    __slots__ = ()
    description = None
    #: What it was before, and is again with its next statement.
    _loud: type[Any]

    @property
    def rowcount(self: Any) -> int:
        """The rows that were changed, by all executions."""
        count = self._count
        return int(self._loud.rowcount.__get__(self) if count is None else count)

    def execute(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        self.__class__ = self._loud
        return self.execute(*args)

    def executemany(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        self.__class__ = self._loud
        return self.executemany(*args)

    def executescript(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        self.__class__ = self._loud
        return self.executescript(*args)


@cache
def silent_class(loud: Any) -> type[Any]:
    """The class of a planned class's cursors while they have rows to hide."""
    if issubclass(loud, _Silent):
        return cast("type[Any]", loud)
    return _class_over(getattr(loud, "_loud", loud), _Silent)


class _Numbered:
    """A cursor of whose last row the shim tells the number: it was revived."""

    __slots__ = ()
    #: What it is again with its next statement.
    _loud: type[Any]

    @property
    def lastrowid(self: Any) -> int | None:
        """The number that the row would have been inserted with."""
        row: int | None = self._row
        return row

    def execute(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        return _resumed(self, "execute", args)

    def executemany(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        return _resumed(self, "executemany", args)

    def executescript(self: Any, *args: Any) -> Any:
        """As of the class that it was before."""
        return _resumed(self, "executescript", args)


def _resumed(cursor: Any, name: str, args: Any) -> Any:
    """Call a method of the class before; ``execute`` alone may tell another number."""
    row, cursor.__class__ = cursor._row, cursor._loud
    told = False
    try:
        result = getattr(cursor, name)(*args)
        told = name == "execute"
    finally:
        if not told:
            cursor._number(row)
    return result


@cache
def numbered_class(cls: Any) -> type[Any]:
    """The class of cursors of a class whose last row was revived."""
    return cls if issubclass(cls, _Numbered) else _class_over(cls, _Numbered)


def _class_over(cls: Any, telling: Any) -> type[Any]:
    members: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__}
    members["_loud"] = getattr(cls, "_loud", cls)
    return type(cls.__name__, (telling, cls), members)


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
        members["__slots__"] = ("_proxy", "_session", "_count", "_row")
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
