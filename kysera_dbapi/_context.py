"""The values that policies bind, and scoped exceptions from what plugins do."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from kysera_dbapi._blocks import Block, blocks, values
from kysera_dbapi.errors import ConfigurationError, ContextMissing

__all__ = [
    "bypass",
    "bypass_reasons",
    "checked_values",
    "context",
    "current_context",
    "including_deleted",
    "missing",
    "only_deleted",
    "several",
    "single",
    "with_context",
]

_SIMPLE = (str, bytes, int, float)
_SEVERAL = (list, tuple, set, frozenset)


def context(**given: object) -> Block:
    """A block in which policies and plugins bind these values. Also a decorator.

    It lays them over those of the blocks around it; None takes a value away. A value is
    a text, a number, bytes, a date, a time or a UUID, or a list of them, for
    ``IN :name``. ``roles`` is a list of the names of roles. Raises
    ``ConfigurationError`` (context-value) for any other value.
    """
    return Block(values=checked_values(given))


def with_context(**given: object) -> Block:
    """A decorator of a job: its values may be functions of the job's arguments.

    ``@with_context(tenant_id=lambda job: job.tenant)``. Otherwise as ``context()``.
    """
    made = {name: value for name, value in given.items() if callable(value)}
    checked_values({k: v for k, v in given.items() if k not in made})
    return _Derived(given) if made else context(**given)


def current_context() -> Mapping[str, object]:
    """The values in force, as a map of the caller's own; lists are tuples."""
    return values().whole()


def single(name: str) -> object:
    """The value in force of that name.

    Raises ``ContextMissing`` if there is none, ``ConfigurationError`` (context-value)
    if it is a list.
    """
    now = values()
    if name in now:
        return now[name]
    if name in now.lists:
        raise _wrong(f"{name} must be a single value here, got a list")
    raise missing(name)


def several(name: str) -> tuple[object, ...]:
    """The list in force of that name.

    Raises ``ContextMissing`` if there is none, ``ConfigurationError`` (context-value)
    if it is a single value.
    """
    now = values()
    if name in now.lists:
        return now.lists[name]
    if name in now:
        raise _wrong(f"{name} must be a list here, got a single value")
    raise missing(name)


def checked_values(given: Mapping[str, object]) -> dict[str, object]:
    """The values of a context, lists as tuples; raises ``ConfigurationError``."""
    return {name: _checked(name, value) for name, value in given.items()}


class _Derived(Block):
    """Makes the block of each call from the call's arguments."""

    def __init__(self, given: Mapping[str, object]) -> None:
        super().__init__()
        self._given = given

    def __enter__(self) -> None:
        raise TypeError("with_context() with functions is a decorator, not a block")

    def of_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Block:
        """The block of one call."""
        made = {
            name: value(*args, **kwargs) if callable(value) else value
            for name, value in self._given.items()
        }
        return context(**made)


def including_deleted() -> Block:
    """A block in which statements see live and deleted rows.

    It replaces an outer ``only_deleted()`` until it ends. Also a decorator.
    """
    return Block("soft_delete.include")


def only_deleted() -> Block:
    """A block in which statements see deleted rows alone.

    It replaces an outer ``including_deleted()`` until it ends. Also a decorator.
    """
    return Block("soft_delete.only")


def bypass(plugin: str, *, reason: str) -> Block:
    """A block in which the plugin of that name edits nothing. Also a decorator.

    Raises ``ConfigurationError`` when the name or the reason is empty.
    """
    flag = f"bypass:{_text(plugin, 'plugin')}"
    return Block(flag, bypassed=(plugin, _text(reason, "reason")))


def bypass_reasons() -> tuple[tuple[str, str], ...]:
    """The bypasses in force, as (plugin, reason), the outermost first."""
    return tuple(block.bypassed for block in blocks() if block.bypassed)


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ConfigurationError(
        f"bypass: {name} must be a text that is not empty, got {value!r}",
        code="configuration",
    )


def _checked(name: str, value: object) -> object:
    if value is None:
        return None
    if name == "roles" and not _is_list(value, lambda role: isinstance(role, str)):
        raise _wrong(f"roles must be a list of names, got {value!r}")
    if _is_list(value, _is_single):
        return tuple(_plain(name, item) for item in cast("Any", value))
    if _is_single(value):
        return _plain(name, value)
    raise _wrong(
        f"{name} must be a text, number, bytes, date, time or UUID, or a list of them, "
        f"got {type(value).__name__}"
    )


def _is_list(value: object, has: Callable[[object], bool]) -> bool:
    return isinstance(value, _SEVERAL) and all(map(has, cast("list[object]", value)))


def _is_single(value: object) -> bool:
    if isinstance(value, _SIMPLE):
        return True
    return isinstance(value, _others())


@cache
def _others() -> tuple[type, ...]:
    """They take a while to load, and are seldom wanted."""
    from datetime import date, time, timedelta
    from decimal import Decimal
    from uuid import UUID

    return (date, time, timedelta, Decimal, UUID)


def _plain(name: str, value: object) -> object:
    """The value; a number of another class as the number: PyMySQL sends its name.

    Raises for NaN: some databases store it as NULL.
    """
    if value != value:  # noqa: PLR0124
        raise _wrong(f"{name} is not a number")
    if isinstance(value, int) and type(value) not in (int, bool):
        return int.__int__(value)
    if isinstance(value, float) and type(value) is not float:
        return float.__float__(value)
    return value


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"context: {what}", code="context-value")


def missing(name: str) -> ContextMissing:
    """The error of a value that is not in the context."""
    return ContextMissing(
        f"no value for {name!r} in the context; set it with "
        f"kysera_dbapi.context({name}=...)",
        code="context-missing",
    )
