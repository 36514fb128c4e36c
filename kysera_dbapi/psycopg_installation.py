"""How every constructor of psycopg comes to give wrapped connections.

Its classes are of Python, and all of its ways to connect end in calling one.
"""

from typing import Any
from weakref import WeakSet

from psycopg import AsyncConnection, Connection, ConnectionInfo
from psycopg._connection_base import BaseConnection

from kysera_dbapi import psycopg
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.installation import (
    Installation,
    changed_members,
    installed,
    make_new,
    reach,
)

__all__ = ["PsycopgInstallation"]

_BASE: Any = BaseConnection
_theirs = _BASE.__init__
#: Connections for which ``only`` was asked, and which stay raw.
_alone: "WeakSet[Any]" = WeakSet()


class PsycopgInstallation(Installation):
    """Wraps each connection as it is made; the asynchronous ones are refused."""

    def install(self) -> None:
        """Reach the classes that all connections are made by."""
        reach(Connection, _made)
        reach(AsyncConnection, _made_async)
        _BASE.__init__ = _initialise

    def undo(self) -> None:
        """Put the initialiser back; the classes look for an installation each time."""
        _BASE.__init__ = _theirs

    def wants(self, pgconn: Any) -> bool:
        """Whether a connection of the driver's is to be wrapped."""
        return self.only is None or self.only(ConnectionInfo(pgconn).dsn)


def _made(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """A connection of psycopg's class, or of one that is derived from it."""
    installation = _installation()
    if installation is None or psycopg.makes_raw():
        return make_new(before, cls, args, options)
    pgconn = _pgconn(*args, **options)
    try:
        if pgconn is not None and not installation.wants(pgconn):
            return _left_alone(make_new(before, cls, args, options))
        _check(cls)  # without libpq's connection it comes of a __new__ of its own
        raw = make_new(before, cls, args, options)
        with psycopg.making_raw():
            raw.__init__(*args, **options)
        return psycopg.wrap(raw, plugins=installation.plugins, mode=installation.mode)
    except BaseException:
        if pgconn is not None:
            pgconn.finish()
        raise


def _made_async(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """An asynchronous connection: nobody would plan what it sends."""
    pgconn = _pgconn(*args, **options)
    _refuse(cls, pgconn)
    made = make_new(before, cls, args, options)
    return made if pgconn is None else _left_alone(made)


def _initialise(self: Any, pgconn: Any, *args: Any, **options: Any) -> None:
    """What every connection is made by; of one that nobody wraps it is refused."""
    if not psycopg.makes_raw() and self not in _alone:
        _refuse(type(self), pgconn)
    _theirs(self, pgconn, *args, **options)


def _left_alone(made: Any) -> Any:
    """A connection that nobody wants to be wrapped; ``only`` is not asked again."""
    _alone.add(made)
    return made


def _refuse(cls: Any, pgconn: Any) -> None:
    installation = _installation()
    if installation is None or pgconn is None or not installation.wants(pgconn):
        return
    pgconn.finish()
    raise ConfigurationError(
        f"{cls.__qualname__} is not wrapped, and would go round the plugins; use "
        "psycopg.Connection, or let only= of install() leave its database alone",
        code="unwrapped-class",
    )


def _installation() -> PsycopgInstallation | None:
    found = installed.get("psycopg")
    return found if isinstance(found, PsycopgInstallation) else None


def _pgconn(pgconn: Any = None, *_: Any, **__: Any) -> Any:
    """The argument of the driver's constructors."""
    return pgconn


def _check(cls: Any) -> None:
    """Refuse a program's class that changes what a connection does."""
    members = set(psycopg.CONNECTION_MEMBERS) - {"connect"}
    if changed := changed_members(cls, Connection, members):
        raise ConfigurationError(
            f"{cls.__qualname__} has its own {', '.join(sorted(changed))}, which would "
            "not be planned; use a cursor_factory, or call kysera_dbapi.wrap()",
            code="unwrapped-class",
        )
