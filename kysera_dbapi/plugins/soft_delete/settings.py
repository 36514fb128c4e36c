"""The configuration of soft delete, checked for what it says by itself."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, TypeGuard, cast

from kysera_dbapi.catalogue import folded
from kysera_dbapi.errors import ConfigurationError

__all__ = [
    "Clock",
    "OnDelete",
    "Options",
    "Setting",
    "Tables",
    "given_clock",
    "given_flags",
    "given_foreign_keys",
    "given_names",
    "given_tables",
    "is_moment",
    "moment_of",
    "wrong",
]

#: Whose clock tells the time of deletion: a callable's moments have a time zone.
Clock = Literal["application", "database"] | Callable[[], datetime]
OnDelete = Literal["cascade", "restrict", "ignore"]
Tables = Iterable[str] | Mapping[str, Mapping[str, Any]]

_ACTIONS: tuple[OnDelete, ...] = ("cascade", "restrict", "ignore")


class Options(TypedDict, total=False):
    """What may be allowed."""

    allow_raw_update: bool
    comment_hint: bool
    revive: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """How one table is marked."""

    column: str
    flag: bool


def wrong(what: str, *, code: str = "configuration") -> ConfigurationError:
    """The error for a configuration that cannot work."""
    return ConfigurationError(f"soft_delete: {what}", code=code)


def given_tables(tables: object, column: object) -> dict[str, Setting]:
    """The settings of each table, by its name as given."""
    found: dict[str, Setting] = {}
    _text(column, "column")
    if isinstance(tables, str | bytes) or not isinstance(tables, Iterable):
        raise wrong(
            f"tables must be a list of names or a map of settings, got {tables!r}"
        )
    for key, given in _pairs(cast("Iterable[object]", tables)):
        name = _text(key, "a name in tables")
        if folded(name) in map(folded, found):
            raise wrong(f"table {name!r} is there twice")
        found[name] = _setting(name, column, given)
    if not found:
        raise wrong("tables is empty; name the tables to protect")
    return found


def _pairs(tables: Iterable[object]) -> list[tuple[object, object]]:
    """The names and their settings."""
    if isinstance(tables, Mapping):
        return list(cast("Mapping[object, object]", tables).items())
    return [(name, {}) for name in tables]


def _setting(name: str, column: object, given: object) -> Setting:
    if not isinstance(given, Mapping):
        raise wrong(f"table {name!r}: the settings must be a map, got {given!r}")
    settings = cast("Mapping[object, object]", given)
    unknown = [key for key in settings if key not in ("column", "flag")]
    if unknown:
        raise wrong(f"table {name!r}: unknown setting {unknown[0]!r}")
    flag = settings.get("flag", False)
    if not isinstance(flag, bool):
        raise wrong(f"table {name!r}: flag must be True or False, got {flag!r}")
    column = settings.get("column", column)
    return Setting(_text(column, f"the column of table {name!r}"), flag)


def given_foreign_keys(keys: object) -> dict[str, OnDelete]:
    """What a soft DELETE does to the rows that refer, by the foreign key as given."""
    if keys is None:
        return {}
    if not isinstance(keys, Mapping):
        raise wrong(f"foreign_keys must be a map, got {keys!r}")
    found: dict[str, OnDelete] = {}
    actions: dict[str, OnDelete] = {action: action for action in _ACTIONS}
    for key, action in cast("Mapping[object, object]", keys).items():
        name = _text(key, "a name in foreign_keys")
        if not isinstance(action, str) or action not in actions:
            raise wrong(
                f"foreign key {name!r}: unknown action {action!r}; known are "
                f"{', '.join(_ACTIONS)}"
            )
        found[name] = actions[action]
    return found


def given_names(names: object, option: str) -> frozenset[str]:
    """A list of names."""
    if isinstance(names, str | bytes) or not isinstance(names, Collection):
        raise wrong(f"{option} must be a list of names, got {names!r}")
    listed = cast("Collection[object]", names)
    return frozenset(folded(_text(name, f"a name in {option}")) for name in listed)


def given_clock(clock: object) -> Clock:
    """Where the time comes from."""
    if clock in ("application", "database") or callable(clock):
        return cast("Clock", clock)
    raise wrong(f"clock must be 'application', 'database' or a function, got {clock!r}")


def given_flags(options: Mapping[str, object]) -> Options:
    """What is allowed."""
    for name, value in options.items():
        if name not in Options.__annotations__:
            raise wrong(f"unknown option {name!r}")
        if not isinstance(value, bool):
            raise wrong(f"{name} must be True or False, got {value!r}")
    return cast("Options", options)


def moment_of(clock: Clock) -> datetime:
    """The moment that the clock of the application tells."""
    now = clock() if callable(clock) else datetime.now(UTC)
    if not is_moment(now):
        raise wrong(f"clock must tell a datetime with a time zone, got {now!r}")
    return now


def is_moment(value: object) -> TypeGuard[datetime]:
    """Whether a value is a datetime that has its distance from UTC."""
    return isinstance(value, datetime) and value.utcoffset() is not None


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(f"{what} must be a text that is not empty, got {value!r}")
    return value
