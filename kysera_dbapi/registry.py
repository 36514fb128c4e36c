"""The dialects by their names: the built-in ones, and those of other packages."""

from functools import cache
from typing import TYPE_CHECKING

from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["get_dialect"]

_BUILT_IN = {
    "sqlite": "kysera_dialects.sqlite:SQLiteDialect",
    "postgresql": "kysera_dialects.postgresql:PostgreSQLDialect",
    "mysql": "kysera_dialects.mysql:MySQLDialect",
    "mariadb": "kysera_dialects.mysql:MariaDBDialect",
}


@cache
def get_dialect(name: str) -> Dialect:
    """The dialect of that name: a built-in one, or one of a ``kysera.dialects`` entry.

    Raises ``ConfigurationError`` (unknown-dialect) when there is none.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        found = getattr(__import__(module, fromlist=[attribute]), attribute)
        return _checked(found, name)
    for entry in _entries():
        if entry.name == name:
            return _checked(entry.load(), name)
    raise ConfigurationError(
        f"unknown dialect {name!r}; known are {', '.join(sorted(_known()))}",
        code="unknown-dialect",
    )


def _checked(found: object, name: str) -> Dialect:
    if not (isinstance(found, type) and issubclass(found, Dialect)):
        said = f"dialect {name!r} is {found!r}, not a subclass of Dialect"
        raise ConfigurationError(said, code="unknown-dialect")
    return found()


def _known() -> set[str]:
    return set(_BUILT_IN) | {entry.name for entry in _entries()}


def _entries() -> "EntryPoints":
    from importlib.metadata import entry_points  # a third of the import's time

    return entry_points(group="kysera.dialects")
