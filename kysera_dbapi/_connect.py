"""connect, wrap and explain: the driver, the dialect and the plugins put together."""

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kysera_dbapi._context import scope
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import get_dialect
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.explanation import Explanation
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plugin import Mode, Plugin, ordered
from kysera_dbapi.session import check_mode

if TYPE_CHECKING:
    from kysera_dbapi import sqlite3

__all__ = ["connect", "explain", "wrap"]

#: URL schemes, the driver's module, and the extra that installs it.
_SCHEMES = {
    "sqlite": ("sqlite3", ""),
    "postgresql": ("psycopg", "postgresql"),
    "postgresql+psycopg": ("psycopg", "postgresql"),
    "postgres": ("psycopg", "postgresql"),
    "mysql": ("pymysql", "mysql"),
    "mysql+pymysql": ("pymysql", "mysql"),
    "mariadb": ("pymysql", "mysql"),
}


def connect(
    driver: str | ModuleType,
    *args: Any,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    **kwargs: Any,
) -> "sqlite3.Connection":
    """Open a connection on which every statement obeys the plugins.

    ``driver`` is a URL (``sqlite:///relative.db``, ``sqlite:////absolute.db``,
    ``sqlite://`` for memory; a query string holds the driver's arguments), or a PEP 249
    module that is followed by its own arguments. Raises ``ConfigurationError``:
    bad-url, unknown-scheme, missing-driver, or what the plugins find wrong.
    """
    ordered(plugins)
    check_mode(mode)
    if isinstance(driver, str):
        args, kwargs = _from_url(driver, args, kwargs)
    elif getattr(driver, "__name__", "") not in ("sqlite3", "sqlite3.dbapi2"):
        raise ConfigurationError(
            f"cannot wrap the driver {driver!r}; pass sqlite3 or a URL",
            code="missing-driver",
        )
    from kysera_dbapi import sqlite3  # a driver is loaded when it is wanted

    return sqlite3.connect(*args, plugins=plugins, mode=mode, **kwargs)


def wrap(
    connection: Any, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> "sqlite3.Connection":
    """Wrap an open connection of a known driver."""
    from kysera_dbapi import sqlite3

    return sqlite3.wrap(connection, plugins=plugins, mode=mode)


def explain(
    sql: str, *, dialect: str = "sqlite", plugins: Sequence[Plugin] = ()
) -> Explanation:
    """What would be sent for ``sql``; without a connection, any name is a table."""
    pipeline = Pipeline(get_dialect(dialect), ordered(plugins), Catalogue(known=False))
    return Explanation.of(sql, pipeline.plan(sql, scope()))


def _from_url(
    url: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError(
            f"not a database URL: {url!r}; write sqlite:///file.db", code="bad-url"
        )
    if scheme not in _SCHEMES:
        raise ConfigurationError(
            f"unknown URL scheme {scheme!r}; known are {', '.join(_SCHEMES)}",
            code="unknown-scheme",
        )
    module, extra = _SCHEMES[scheme]
    if module != "sqlite3":
        _require(module, extra, scheme)
    split = urlsplit(url)
    if split.netloc:
        raise ConfigurationError(
            f"a SQLite URL has no host: {url!r}; write sqlite:///file.db",
            code="bad-url",
        )
    path = unquote(split.path[1:]) or ":memory:"
    given = {name: _value(value) for name, value in parse_qsl(split.query)}
    return (path, *args), {**given, **kwargs}


def _require(module: str, extra: str, scheme: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{scheme} needs {module}; pip install 'kysera[{extra}]'",
            code="missing-driver",
        ) from error
    raise ConfigurationError(
        f"{scheme} is known but not wrapped yet; use sqlite", code="missing-driver"
    )


def _value(text: str) -> Any:
    """A driver's argument: a number or truth value where it looks like one."""
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
