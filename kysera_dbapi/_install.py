"""install and uninstall: a driver's own constructors give wrapped connections."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import wrapt

from kysera_dbapi import sqlite3
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.plugin import Mode, Plugin, ordered

__all__ = ["install", "uninstall"]

_installed: dict[str, list[tuple[Any, str, Any]]] = {}


class _Class(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A driver's connection class whose instances come out wrapped."""

    def __init__(self, raw: Any, made: Callable[..., Any]) -> None:
        super().__init__(raw)  # pyright: ignore[reportUnknownMemberType]
        self._self_made = made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._self_made(*args, **kwargs)


def install(
    driver: str, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> None:
    """Let every constructor of a driver's module give wrapped connections.

    Only ``"sqlite3"`` so far: ``connect`` and ``Connection`` of ``sqlite3`` and
    ``sqlite3.dbapi2``. What a program took from the module before stays raw. Raises
    ``ConfigurationError``: already-installed, missing-driver, or a plugin's.
    """
    if driver in _installed:
        raise ConfigurationError(
            f"{driver} is installed already; uninstall() it first",
            code="already-installed",
        )
    if driver != "sqlite3":
        raise ConfigurationError(
            f"cannot install into {driver!r}; known is sqlite3", code="missing-driver"
        )
    checked = ordered(plugins)

    def through(opener: Callable[..., Any]) -> Callable[..., Any]:
        def made(database: Any, *args: Any, **kwargs: Any) -> Any:
            return sqlite3.connect(
                database, *args, plugins=checked, mode=mode, opener=opener, **kwargs
            )

        return made

    replaced: list[tuple[Any, str, Any]] = []
    for module in (importlib.import_module(n) for n in (driver, f"{driver}.dbapi2")):
        connect, connection = module.connect, module.Connection
        replaced += [(module, "connect", connect), (module, "Connection", connection)]
        module.connect = through(connect)  # type: ignore[attr-defined]
        module.Connection = _Class(  # type: ignore[attr-defined]
            connection, through(connection)
        )
    _installed[driver] = replaced


def uninstall(driver: str) -> None:
    """Give the driver's module its own constructors back.

    Raises ``ConfigurationError`` (not-installed).
    """
    if driver not in _installed:
        raise ConfigurationError(
            f"{driver} is not installed; install() it first", code="not-installed"
        )
    for module, name, original in _installed.pop(driver):
        setattr(module, name, original)
