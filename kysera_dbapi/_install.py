"""install and uninstall: a driver's own constructors give wrapped connections."""

import threading
from collections.abc import Callable, Sequence

from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.plugin import Mode, Plugin, ordered
from kysera_dbapi.session import check_mode

__all__ = ["install", "uninstall"]

_lock = threading.Lock()


def install(
    driver: str,
    *,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    only: Callable[[str], bool] | None = None,
) -> None:
    """Let every constructor of a driver's module give wrapped connections.

    Only ``"sqlite3"`` so far: ``connect`` and ``Connection`` of ``sqlite3``,
    ``sqlite3.dbapi2`` and ``_sqlite3``, and the subclasses of ``Connection`` that there
    are, and those made later. ``connect`` and ``Connection`` that a program imported by
    name before stay raw.

    ``only`` is for programs that open other databases beside: it is given the file's
    absolute path ("" for a database in memory), and a connection for which it is false
    stays raw. Raises ``ConfigurationError``: already-installed, missing-driver,
    unknown-mode, or a plugin's.
    """
    if driver != "sqlite3":
        raise ConfigurationError(
            f"cannot install into {driver!r}; known is sqlite3", code="missing-driver"
        )
    checked = ordered(plugins)
    check_mode(mode)
    if only is not None and not callable(only):
        raise ConfigurationError(
            f"only must be a function of the file's path, got {only!r}",
            code="configuration",
        )
    # a driver is loaded when it is wanted
    from kysera_dbapi.installation import Installation, installed

    with _lock:
        if driver in installed:
            raise ConfigurationError(
                f"{driver} is installed already; uninstall() it first",
                code="already-installed",
            )
        installation = Installation(checked, mode, only)
        installation.install()
        installed[driver] = installation


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
