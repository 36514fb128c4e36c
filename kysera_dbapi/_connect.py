"""connect, wrap and explain: the driver, the dialect and the plugins put together."""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from kysera_dbapi._blocks import scope
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.explanation import Explanation
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plugin import Plugin, ordered
from kysera_dbapi.registry import get_dialect

if TYPE_CHECKING:
    from kysera_dbapi.connection import Connection

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


#: The drivers that are wrapped.
_DRIVERS = ("sqlite3", "psycopg", "pymysql")


def connect(
    driver: str | ModuleType,
    *args: Any,
    plugins: Sequence[Plugin] = (),
    mode: Mode = "normal",
    **kwargs: Any,
) -> "Connection":
    """Open a connection on which every statement obeys the plugins.

    ``driver`` is a URL (``sqlite:///relative.db``, ``sqlite:////absolute.db``,
    ``sqlite://`` for memory; percent-encoded, with the driver's arguments as query;
    ``postgresql://...``, as libpq reads it; ``mariadb://...`` or
    ``mysql://user:password@host:port/database``, percent-encoded as well), or a PEP 249
    module that is followed by its own arguments. Raises
    ``ConfigurationError``: bad-url, unknown-scheme, unknown-mode, missing-driver, or
    what the plugins find wrong.
    """
    ordered(plugins)
    check_mode(mode)
    if isinstance(driver, str):
        name, args, kwargs = _from_url(driver, args, kwargs)
    else:
        name = getattr(driver, "__name__", "").removesuffix(".dbapi2")
        if name not in _DRIVERS:
            raise ConfigurationError(
                f"cannot wrap the driver {driver!r}; pass "
                f"{' or '.join(_DRIVERS)}, or a URL",
                code="missing-driver",
            )
    made: Connection = _module(name).connect(
        *args, plugins=plugins, mode=mode, **kwargs
    )
    return made


def wrap(
    connection: Any, *, plugins: Sequence[Plugin] = (), mode: Mode = "normal"
) -> "Connection":
    """Wrap an open connection of a known driver.

    Raises ``ConfigurationError``: driver-mismatch for anything else, already-wrapped,
    or what the plugins find wrong.
    """
    names = (base.__module__.partition(".")[0] for base in connection.__class__.__mro__)
    name = next((name for name in names if name in _DRIVERS), "")
    if not name:
        raise ConfigurationError(
            f"cannot wrap {type(connection).__qualname__}; pass a connection of "
            f"{' or '.join(_DRIVERS)}",
            code="driver-mismatch",
        )
    made: Connection = _module(name).wrap(connection, plugins=plugins, mode=mode)
    return made


def _module(driver: str) -> Any:
    """The drop-in module for a driver; it is loaded when it is wanted."""
    return importlib.import_module(f"kysera_dbapi.{driver}")


def explain(
    sql: str, *, dialect: str = "sqlite", plugins: Sequence[Plugin] = ()
) -> Explanation:
    """What would be sent for ``sql``, and why, or why it is refused.

    There is no connection, so any name is a table of the first schema.
    """
    pipeline = Pipeline(get_dialect(dialect), ordered(plugins), Catalogue(known=False))
    return Explanation.of(sql, pipeline, scope())


def _from_url(
    url: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The driver's name, and its arguments."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise _bad_url("it has no scheme; write sqlite:///file.db")
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise ConfigurationError(
            f"unknown URL scheme {scheme!r}; known are {', '.join(_SCHEMES)}",
            code="unknown-scheme",
        )
    module, extra = _SCHEMES[scheme]
    if module != "sqlite3":
        _require(module, extra, scheme)
    if module == "psycopg":
        return module, (f"postgresql://{rest}", *args), kwargs
    if module == "pymysql":
        return module, args, {**_server(rest), **kwargs}
    # not by urlsplit: it drops what it takes for blanks, and "#" with all after it
    location, _, query = rest.partition("?")
    if "#" in rest:
        raise _bad_url("it has a fragment; write %23 for # in a file's name")
    host, slash, path = location.partition("/")
    if host:
        raise _bad_url("a SQLite URL has no host; write sqlite:///file.db")
    if slash and not path:
        raise _bad_url("it names no file; write sqlite:// for a database in memory")
    database = unquote(path, errors="surrogateescape") or ":memory:"
    return module, (database, *args), {**_arguments(query, _ARGUMENTS), **kwargs}


def _server(rest: str) -> dict[str, Any]:
    """PyMySQL's arguments for ``user:password@host:port/database?name=value``."""
    location, _, query = rest.partition("?")
    if "#" in rest:
        raise _bad_url("it has a fragment; write %23 for # in a name or password")
    authority, _, database = location.partition("/")
    login, _, place = authority.rpartition("@")
    user, colon, password = login.partition(":")
    found = _PLACE.fullmatch(place)
    if found is None:
        raise _bad_url("its host or port is none; write //user:password@host:port/name")
    host, port = found[1] or found[2], found[3]
    given = {"user": user, "host": host, "database": database}
    options: dict[str, Any] = {k: unquote(v) for k, v in given.items() if v}
    options |= {"password": unquote(password)} if colon else {}
    options |= {"port": int(port)} if port else {}
    return {**options, **_arguments(query, _OF_SERVERS)}


def _bad_url(why: str) -> ConfigurationError:
    # the URL itself may hold a password
    return ConfigurationError(f"the database URL cannot be read: {why}", code="bad-url")


def _arguments(query: str, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The driver's arguments in the query of a URL."""
    found: dict[str, Any] = {}
    pairs = query.split("&") if query else []
    for name, equals, text in (pair.partition("=") for pair in pairs):
        if name not in known or not equals:
            names = ", ".join(known)
            raise _bad_url(f"its query has {name!r}; write NAME=VALUE, of {names}")
        if name in found:
            raise _bad_url(f"its query has {name} twice")
        try:
            found[name] = known[name](unquote_plus(text))
        except (KeyError, ValueError) as error:
            raise _bad_url(f"its query has a wrong value for {name}") from error
    return found


def _truth(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def _level(text: str) -> str | None:
    return None if text.lower() == "none" else text


#: The arguments of ``sqlite3.connect`` that can be written in a URL.
_ARGUMENTS: dict[str, Callable[[str], Any]] = {
    "timeout": float,
    "detect_types": int,
    "isolation_level": _level,
    "check_same_thread": _truth,
    "cached_statements": int,
    "uri": _truth,
    "autocommit": _truth,
}


#: Those of ``pymysql.connect``.
_OF_SERVERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        "charset collation init_command program_name read_default_file "
        "read_default_group sql_mode ssl_ca ssl_cert ssl_key unix_socket".split(),
        str,
    ),
    **dict.fromkeys("client_flag connect_timeout max_allowed_packet".split(), int),
    **dict.fromkeys("read_timeout write_timeout".split(), float),
    **dict.fromkeys(
        "autocommit local_infile ssl_disabled ssl_verify_cert ssl_verify_identity "
        "use_unicode".split(),
        _truth,
    ),
}
#: A host, or an address in brackets, and a port.
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")


def _require(module: str, extra: str, scheme: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{scheme} needs {module}; pip install 'kysera[{extra}]'",
            code="missing-driver",
        ) from error
