"""install and uninstall: a driver's own constructors give wrapped connections."""

import importlib
from abc import ABCMeta
from collections.abc import Callable, Sequence
from typing import Any

from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.plugin import Mode, Plugin, ordered

__all__ = ["install", "uninstall"]

_installed: dict[str, list[tuple[Any, str, Any]]] = {}


class _Constructor(ABCMeta):
    """The class of a connection class whose instances, and a subclass's, are wrapped.

    Otherwise it is taken for the driver's own class. (A metaclass of ABCMeta's, since
    a program may have an abstract class beside it.)
    """

    _kysera_original: type
    _kysera_adopt: Callable[[Any], Any]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._kysera_adopt(super().__call__(*args, **kwargs))

    def __instancecheck__(cls, instance: Any) -> bool:
        if "_kysera_original" in vars(cls):
            return isinstance(instance, cls._kysera_original)
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if "_kysera_original" in vars(cls):
            return issubclass(subclass, cls._kysera_original)
        return super().__subclasscheck__(subclass)


def _constructor(original: type, adopt: Callable[[Any], Any]) -> type:
    members = {
        "__module__": original.__module__,
        "__doc__": original.__doc__,
        "_kysera_original": original,
        "_kysera_adopt": staticmethod(adopt),
    }
    return _Constructor(original.__name__, (original,), members)


def install(
    driver: str,
    *,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    only: Callable[[str], bool] | None = None,
) -> None:
    """Let every constructor of a driver's module give wrapped connections.

    Only ``"sqlite3"`` so far: ``connect`` and ``Connection`` of ``sqlite3`` and
    ``sqlite3.dbapi2``. What a program took from the module before stays raw.

    ``only`` is for programs that open other databases beside: it is given the file's
    absolute path ("" for a database in memory), and a connection for which it is false
    stays raw. Raises ``ConfigurationError``: already-installed, missing-driver, or a
    plugin's.
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
    from kysera_dbapi import sqlite3  # a driver is loaded when it is wanted

    checked = ordered(plugins)
    modules = [importlib.import_module(n) for n in (driver, f"{driver}.dbapi2")]
    opener, original = modules[0].connect, modules[0].Connection

    def adopt(raw: Any) -> Any:
        if _installed.get(driver) is not replaced:  # the program kept the class
            return raw
        return sqlite3.adopt(raw, plugins=checked, mode=mode, only=only)

    def connect(*args: Any, **kwargs: Any) -> Any:
        return adopt(opener(*args, **kwargs))

    connection = _constructor(original, adopt)
    replaced: list[tuple[Any, str, Any]] = []
    for module in modules:
        for name, new in (("connect", connect), ("Connection", connection)):
            replaced.append((module, name, getattr(module, name)))
            setattr(module, name, new)
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
