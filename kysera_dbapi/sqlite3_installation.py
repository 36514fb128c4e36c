"""What takes the place of sqlite3's own constructors, and how it is taken back."""

import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kysera_dbapi import sqlite3
from kysera_dbapi.installation import Installation, installed, make_new, reach
from kysera_dbapi.subclasses import (
    BeneathConnection,
    BeneathCursor,
    Constructor,
    classes_of,
)

__all__ = ["SQLite3Installation"]

#: The modules whose names are replaced; the first is the one that people import.
_MODULES = ("sqlite3", "sqlite3.dbapi2", "_sqlite3")

#: Classes whose ``__new__`` is making a connection right now, by thread and class.
_making = threading.local()


class SQLite3Installation(Installation):
    """What takes the place of a driver's constructors: its classes are of C."""

    _before: tuple[tuple[Any, str, Any], ...] = ()

    def install(self) -> None:
        """Replace the constructors, and reach the subclasses that there are."""
        modules = [importlib.import_module(name) for name in _MODULES]
        opener, connection = modules[0].connect, modules[0].Connection
        new = {
            "connect": staticmethod(self._connect(opener)),
            "Connection": Constructor.standing_in(BeneathConnection, _connection),
            "Cursor": Constructor.standing_in(BeneathCursor, _cursor),
        }
        for theirs in _subclasses(connection):
            reach(theirs, _made)
        for module in modules:
            for name, value in new.items():
                self._set(module, name, value)

    def undo(self) -> None:
        """Put the modules' own names back."""
        for module, name, value in self._before:
            setattr(module, name, value)

    def _set(self, module: Any, name: str, value: Any) -> None:
        self._before += ((module, name, getattr(module, name)),)
        setattr(module, name, value)

    def _connect(self, opener: Callable[..., Any]) -> Callable[..., Any]:
        def connect(database: Any, *args: Any, **kwargs: Any) -> Any:
            if _installation() is not self:  # the program kept it
                return opener(database, *args, **kwargs)
            return self.opened(sqlite3.opener(opener, database, *args, **kwargs))

        connect.__module__, connect.__qualname__ = opener.__module__, "connect"
        connect.__doc__ = opener.__doc__
        return connect

    def opened(self, make: Callable[[], Any]) -> Any:
        """A wrapped connection that ``make`` opens."""
        return sqlite3.opened(
            make, plugins=self.plugins, mode=self.mode, only=self.only
        )


def _made(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """A connection of a class that was there first: once ``__init__`` was called."""
    busy = vars(_making).setdefault("classes", set[Any]())
    installation = _installation()
    if cls in busy or installation is None:
        return make_new(before, cls, args, options)
    beneath, _ = classes_of(cls, sqlite3.Connection)

    def make() -> Any:
        busy.add(beneath)  # a program's own __new__ calls that of its base
        try:
            raw = make_new(before, beneath, args, options)
        finally:
            busy.discard(beneath)
        raw.__init__(*args, **options)
        return raw

    return installation.opened(make)


def _installation() -> Any:
    return installed.get("sqlite3")


def _subclasses(cls: Any) -> Iterator[Any]:
    """The programs' own classes that have to have a ``__new__`` of ours."""
    for theirs in cls.__subclasses__():
        if theirs is BeneathConnection:
            continue
        yield theirs
        yield from (sub for sub in _subclasses(theirs) if "__new__" in vars(sub))


def _connection(cls: Any, args: Any, options: Any) -> Any:
    """A connection that is made by calling its class."""
    installation = _installation()
    if installation is None:
        return type.__call__(cls, *args, **options)
    return installation.opened(lambda: type.__call__(cls, *args, **options))


def _cursor(cls: Any, args: Any, options: Any) -> Any:
    """A cursor that is made by calling its class: planned on a wrapped connection."""
    if args and isinstance(args[0], sqlite3.Connection):
        return args[0].cursor(cls)
    return type.__call__(cls, *args, **options)
