"""install and uninstall: a driver's own constructors give wrapped connections."""

import importlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.plugin import Plugin, ordered

__all__ = ["install", "uninstall"]

#: The module and the class that know how, by driver; loaded when it is wanted.
_DRIVERS = {
    "sqlite3": ("sqlite3_installation", "SQLite3Installation"),
    "psycopg": ("psycopg_installation", "PsycopgInstallation"),
    "pymysql": ("pymysql_installation", "PyMySQLInstallation"),
}
_lock = threading.Lock()


def install(
    driver: str,
    *,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    only: Callable[[str], bool] | None = None,
) -> None:
    """Let every constructor of a driver's module give wrapped connections.

    ``"sqlite3"``: ``connect`` and ``Connection`` of ``sqlite3``, ``sqlite3.dbapi2`` and
    ``_sqlite3``, and the subclasses of ``Connection`` that there are, and those made
    later. ``connect`` and ``Connection`` that a program imported by name before stay
    raw.

    ``"psycopg"``: whatever makes a ``psycopg.Connection``, also by names that were
    imported before, and pools. An ``AsyncConnection``, and a class of a program's own
    that changes what a connection does, is refused as it connects.

    ``"pymysql"``: whatever makes a ``pymysql.connections.Connection``, also by names
    that were imported before, as ``MySQLdb``, and pools. A class of a program's own
    that changes what a connection does, and a connection that is not made by calling
    its class, is refused as it connects.

    ``only`` is for programs that open other databases beside: it is given the file's
    absolute path ("" for a database in memory), the connection's parameters without
    the password, as ``connection.info.dsn`` has them, or
    ``mysql://user@host:port/database``, and a connection for which it is false stays
    raw. Raises ``ConfigurationError``: already-installed, missing-driver,
    unknown-mode, or a plugin's.
    """
    if driver not in _DRIVERS:
        raise ConfigurationError(
            f"cannot install into {driver!r}; known are {', '.join(_DRIVERS)}",
            code="missing-driver",
        )
    checked = ordered(plugins)
    check_mode(mode)
    if only is not None and not callable(only):
        raise ConfigurationError(
            f"only must be a function of the path or parameters, got {only!r}",
            code="configuration",
        )
    from kysera_dbapi.installation import installed

    kind = _class_of(driver)

    with _lock:
        if driver in installed:
            raise ConfigurationError(
                f"{driver} is installed already; uninstall() it first",
                code="already-installed",
            )
        installation = kind(checked, mode, only)
        installation.install()
        installed[driver] = installation


def _class_of(driver: str) -> Any:
    module, name = _DRIVERS[driver]
    try:
        return getattr(importlib.import_module(f"kysera_dbapi.{module}"), name)
    except ImportError as error:
        raise ConfigurationError(
            f"cannot install into {driver}: it is not there: {error}",
            code="missing-driver",
        ) from error


def uninstall(driver: str) -> None:
    """Give the driver's module its own constructors back.

    Raises ``ConfigurationError`` (not-installed).
    """
    from kysera_dbapi.installation import installed

    with _lock:
        if driver not in installed:
            raise ConfigurationError(
                f"{driver} is not installed; install() it first", code="not-installed"
            )
        installed.pop(driver).undo()
