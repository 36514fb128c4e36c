"""How every constructor of PyMySQL comes to give wrapped connections.

``connect``, ``Connect`` and ``Connection`` are one class of Python. What a program has
made past it is refused as it connects.
"""

from functools import wraps
from typing import Any
from urllib.parse import quote, urlencode

from pymysql.connections import Connection as RawConnection

from kysera_dbapi import pymysql
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.installation import (
    Installation,
    changed_members,
    installed,
    make_new,
    reach,
)

__all__ = ["PyMySQLInstallation"]

_driver: Any = RawConnection


class PyMySQLInstallation(Installation):
    """Wraps each connection as it is made."""

    _connect: Any = None

    def install(self) -> None:
        """Reach the class, and the only way by which it connects."""
        reach(_driver, _made)
        self._connect = _driver.connect
        _driver.connect = _checked(_driver.connect)

    def undo(self) -> None:
        """Put back how it connects; without an installation it is made as before."""
        _driver.connect = self._connect

    def wants(self, raw: Any) -> bool:
        """Whether a connection of the driver's is to be wrapped."""
        return self.only is None or self.only(_url(raw))


def _made(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """A connection of PyMySQL's class, or of one that is derived from it."""
    installation = _installation()
    raw = make_new(before, cls, args, options)
    if installation is None or pymysql.makes_raw() or _changed(cls):
        return raw
    _driver.__init__(raw, *args, **{**options, "defer_connect": True})
    if not installation.wants(raw):
        return raw  # Python calls __init__ once more
    made = pymysql.wrap(raw, plugins=installation.plugins, mode=installation.mode)
    if not options.get("defer_connect"):
        made.connect()
    return made


def _checked(connect: Any) -> Any:
    """The driver's ``connect``, for what is to stay raw."""

    @wraps(connect)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        installation = None if pymysql.makes_raw() else _installation()
        if installation is not None and installation.wants(self):
            raise _refusal(type(self))
        return connect(self, *args, **options)

    return checked


def _refusal(cls: Any) -> ConfigurationError:
    changed = ", ".join(sorted(_changed(cls)))
    why = (
        f"{cls.__qualname__} has its own {changed}, which would not be planned; use a "
        "cursorclass, or call kysera_dbapi.wrap()"
        if changed
        else "the connection was made before install(), or not by calling its class, "
        "and would go round the plugins; make another one"
    )
    return ConfigurationError(why, code="unwrapped-class")


def _installation() -> Any:
    return installed.get("pymysql")


def _changed(cls: Any) -> set[str]:
    """What a program's class changes of what a connection does: it would run raw."""
    return changed_members(cls, _driver, pymysql.CONNECTION_MEMBERS)


def _url(raw: Any) -> str:
    """The connection's parameters as a URL, without the password."""
    host = f"[{raw.host}]" if ":" in raw.host else raw.host
    query = urlencode({"unix_socket": raw.unix_socket}) if raw.unix_socket else ""
    user, database = quote(raw.user or "", safe=""), quote(raw.db or "", safe="")
    return f"mysql://{user}@{host}:{raw.port}/{database}{query and f'?{query}'}"
