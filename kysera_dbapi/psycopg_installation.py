"""How every constructor of psycopg comes to give wrapped connections.

Its classes are of Python, and all of its ways to connect end in calling one.
"""

from typing import Any

from psycopg import AsyncConnection, Connection, ConnectionInfo

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


class PsycopgInstallation(Installation):
    """Wraps each connection as it is made; the asynchronous ones are refused."""

    def install(self) -> None:
        """Reach the classes that all connections are made by."""
        reach(Connection, _made)
        reach(AsyncConnection, _made_async)

    def undo(self) -> None:
        """Nothing was replaced: without an installation the classes are as before."""

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
            return make_new(before, cls, args, options)
        _check(cls)  # without libpq's connection it comes of a __new__ of its own
        raw = make_new(before, cls, args, options)
        raw.__init__(*args, **options)
        return psycopg.wrap(raw, plugins=installation.plugins, mode=installation.mode)
    except BaseException:
        if pgconn is not None:
            pgconn.finish()
        raise


def _made_async(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """An asynchronous connection: nobody would plan what it sends."""
    installation = _installation()
    pgconn = _pgconn(*args, **options)
    if installation is not None and pgconn is not None and installation.wants(pgconn):
        pgconn.finish()
        raise ConfigurationError(
            f"{cls.__qualname__} is not wrapped, and would go round the plugins; use "
            "psycopg.Connection, or let only= of install() leave its database alone",
            code="unwrapped-class",
        )
    return make_new(before, cls, args, options)


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
