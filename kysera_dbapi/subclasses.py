"""A program's own subclasses of the driver's classes: what they send is planned, too.

Such a class lies between two of ours. The one above is what the caller reaches; the
one beneath is what the methods of the program's class reach by ``super()``.
"""

import sqlite3
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from inspect import signature
from sqlite3 import Connection as RawConnection
from sqlite3 import Cursor as RawCursor
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any
from weakref import ref

from kysera_dbapi.connection import Connection, named_as
from kysera_dbapi.cursor import translated
from kysera_dbapi.errors import UnsupportedStatement, reraise

__all__ = [
    "AboveCursor",
    "BeneathConnection",
    "BeneathCursor",
    "Constructor",
    "classes_of",
    "opening",
]


class Constructor(ABCMeta):
    """The class of a class that stands in a driver's module for the driver's own.

    What is called to make an object is ``_kysera_make`` of the class; otherwise it is
    taken for the driver's. (ABCMeta's, since a program may mix in an abstract class.)
    """

    _kysera_original: type
    _kysera_make: Callable[..., Any]

    @classmethod
    def standing_in(cls, beneath: Any, make: Callable[..., Any]) -> Any:
        """A class for the driver's class that ``beneath`` is derived from.

        ``make(class, arguments, options)`` is called for it and its subclasses.
        """
        original: type = beneath.__base__
        members: dict[str, Any] = {
            "__slots__": _SLOTS if issubclass(beneath, RawConnection) else (),
            "__module__": original.__module__,
            "__doc__": original.__doc__,
            "_kysera_original": original,
            "_kysera_make": staticmethod(make),
        }
        with suppress(ValueError):  # not every version's class tells
            members["__signature__"] = signature(original)
        return cls(original.__name__, (beneath,), members)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return cls._kysera_make(cls, args, options)

    def __instancecheck__(cls, instance: Any) -> bool:
        if "_kysera_original" in vars(cls):
            return isinstance(instance, cls._kysera_original)
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if "_kysera_original" in vars(cls):
            return issubclass(subclass, cls._kysera_original)
        return super().__subclasscheck__(subclass)


class BeneathCursor(RawCursor):
    """Beneath a program's own cursor class: what its methods reach by ``super()``."""

    __slots__ = ()

    def __init__(self: Any, connection: Any) -> None:
        proxy = _wrapped(connection, "cursor")
        if proxy is not None:
            self._proxy, self._session = proxy, proxy._self_session
            connection = self._session._raw
        super().__init__(connection)

    def execute(self, sql: Any, *parameters: Any) -> Any:
        """Plan the statement, unless it was, and execute it."""
        return _routed(self, "execute", sql, *parameters)

    def executemany(self, sql: Any, rows: Any, /) -> Any:
        """Plan the statement, unless it was, and execute it for each of ``rows``."""
        return _routed(self, "executemany", sql, rows)

    def executescript(self, script: Any, /) -> Any:
        """Plan the script's statements and execute them."""
        return _routed(self, "executescript", script)


def _routed(cursor: Any, name: str, sql: Any, *parameters: Any) -> Any:
    theirs = getattr(RawCursor, name)
    if getattr(cursor, "_planner", None) is None or _is_sent(cursor, sql):
        return theirs(cursor, sql, *parameters)
    planned = getattr(cursor._planner, name)
    if cursor._raw_class is RawCursor:
        return planned(cursor, sql, *parameters)
    # a text of the program's own class: planned, and past that class
    cursor._raw_class, cursor._translates = RawCursor, False
    cursor._raw_execute = partial(RawCursor.execute, cursor)
    cursor._raw_executemany = partial(RawCursor.executemany, cursor)
    try:
        return planned(cursor, sql, *parameters)
    finally:
        del cursor._raw_class, cursor._translates
        del cursor._raw_execute, cursor._raw_executemany


def _is_sent(cursor: Any, sql: Any) -> bool:
    """Whether a text is the planned one, or its translation, on its way down."""
    sent = cursor._sent
    if sent is None:
        return False
    return bool(
        sql == sent or sql == translated(sent, cursor._session.pipeline.lexers[1])
    )


class AboveCursor:
    """A program's own cursor class, as the planned class calls it."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs
        self.fetchall = theirs.fetchall
        self.fetchmany = theirs.fetchmany

    def execute(self, cursor: Any, sql: str, *parameters: Any) -> Any:
        """Call theirs, with a text that was planned."""
        return self._call("execute", cursor, sql, *parameters)

    def executemany(self, cursor: Any, sql: str, rows: Any) -> Any:
        """Call theirs, with a text that was planned."""
        return self._call("executemany", cursor, sql, rows)

    def executescript(self, cursor: Any, script: Any) -> Any:
        """Call theirs, with a script that no plugin has to see."""
        return self._call("executescript", cursor, script)

    def _call(self, name: str, cursor: Any, sql: str, *parameters: Any) -> Any:
        before, cursor._sent = cursor._sent, sql
        try:
            return getattr(self._theirs, name)(cursor, sql, *parameters)
        finally:
            cursor._sent = before


_Made = dict[int, Any]
_opening: ContextVar[tuple[Callable[[Any], Any], _Made] | None] = ContextVar(
    "kysera_dbapi.opening", default=None
)


@contextmanager
def opening(wrap: Callable[[Any], Any]) -> Iterator[_Made]:
    """A block in which a program's connection classes are called.

    What their ``__init__`` sends is planned by what ``wrap`` makes of the connection,
    once the driver has opened it. Yields the wrapped ones, by the raw one's ``id``.
    """
    made: _Made = {}
    token = _opening.set((wrap, made))
    try:
        yield made
    finally:
        _opening.reset(token)


class BeneathConnection(RawConnection):
    """Beneath a program's own connection class: what its methods reach by ``super()``.

    Their ``self`` is the wrapped connection; in ``__init__`` it is the raw one, which
    leads to the wrapped one wherever the program keeps it, until ``unwrap()``.
    """

    __slots__ = ()
    #: Gives the wrapped connection, as long as it is there.
    _kysera_proxy: Callable[[], Any] | None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        state = _opening.get()
        if state is None or id(self) in state[1]:
            return
        try:
            proxy = state[1][id(self)] = state[0](self)
        except BaseException:
            RawConnection.close(self)
            raise
        if proxy is not None:
            self._kysera_proxy = ref(proxy)


#: Of the classes over it that are made: another class of the program may have slots.
_SLOTS = ("_kysera_proxy",)
#: What a program's class may do when its wrapped connection is gone.
_LAST = ("close", "commit", "rollback", "interrupt")


def _wrapped(connection: Any, member: str) -> Any:
    """The wrapped connection of one; None if it has none, or is to be raw."""
    if isinstance(connection, Connection):
        return connection
    proxy_of = getattr(connection, "_kysera_proxy", None)
    if proxy_of is None:
        return None
    proxy = proxy_of()
    if proxy is None and member not in _LAST:
        error = UnsupportedStatement(
            f"{member}: the wrapped connection is gone, and this is the raw one; keep "
            "what the constructor gave",
            code="unsupported-member",
        )
        reraise(error, sqlite3)
    return proxy


def _beneath(name: str) -> Callable[..., Any]:
    theirs = getattr(RawConnection, name)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        proxy = _wrapped(self, name)
        if proxy is None:
            return theirs(self, *args, **options)
        return getattr(proxy.planned, name)(proxy, *args, **options)

    return named_as(theirs, method)


for _name in dir(RawConnection):
    _special = _name in ("__call__", "__enter__", "__exit__")
    _method = callable(vars(RawConnection).get(_name))
    if _special or (_method and not _name.startswith("_")):
        setattr(BeneathConnection, _name, _beneath(_name))

#: What a program's class has that its wrapped connection has not: the raw one has it.
_RAW = frozenset(
    "__new__ __init__ __del__ __getattr__ __getattribute__ __setattr__ __delattr__ "
    "__dir__ __init_subclass__ __class_getitem__ __reduce__ __reduce_ex__ __getstate__ "
    "__setstate__ __copy__ __deepcopy__ __subclasshook__".split()
)


@cache
def classes_of(theirs: Any, planned: Any) -> tuple[Any, Any]:
    """A connection class with ours beneath it, and the class that wraps its objects.

    The latter has the methods of a program's own class: they run on the wrapped
    connection, and their ``super()`` finds ours.
    """
    own: dict[str, Any] = {}
    for base in reversed(_own_classes(theirs)):
        own.update((k, v) for k, v in vars(base).items() if _is_offered(k, v))
    if not own and not _own_classes(theirs):
        return theirs, planned
    beneath = theirs
    named = {"__module__": theirs.__module__, "__qualname__": theirs.__qualname__}
    if not issubclass(theirs, BeneathConnection):
        members = {**named, "__slots__": _SLOTS}
        beneath = type(theirs.__name__, (theirs, BeneathConnection), members)
    return beneath, type(theirs.__name__, (planned,), {**own, **named})


def _own_classes(theirs: type) -> list[type]:
    ours = (BeneathConnection, *BeneathConnection.__mro__)
    bases = (base for base in theirs.__mro__ if base not in ours)
    return [base for base in bases if "_kysera_original" not in vars(base)]


def _is_offered(name: str, value: Any) -> bool:
    if isinstance(value, (MemberDescriptorType, GetSetDescriptorType)):
        return False
    if name.startswith("__") and name.endswith("__"):
        return isinstance(value, FunctionType) and name not in _RAW
    return not name.startswith("_abc_")
