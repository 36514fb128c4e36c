"""What is in force for the running code: deleted rows shown, plugins bypassed.

The scope is a context variable, so each thread and each asyncio task has its own
(a task begins with a copy of its creator's). Blocks nest and may end in any order. As
with all context variables, a generator that waits within a block has set it for its
caller too, until the generator goes on or is closed.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from inspect import (
    isasyncgenfunction,
    iscoroutinefunction,
    isgeneratorfunction,
    isroutine,
)
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from kysera_dbapi.errors import ConfigurationError

__all__ = [
    "NOTHING",
    "Block",
    "bypass",
    "bypass_reasons",
    "including_deleted",
    "only_deleted",
    "scope",
]

_Callable = TypeVar("_Callable", bound=Callable[..., Any])


class Block(ContextDecorator):
    """A ``with`` block, or a decorator of functions, that sets one flag.

    It holds no state: it can be used again, within itself, by threads and by tasks.
    """

    def __init__(self, flag: str, bypassed: tuple[str, str] | None = None) -> None:
        self.flag: Final = flag
        self.bypassed: Final = bypassed

    def __enter__(self) -> None:
        _scope.set(_Scope((*_scope.get().blocks, self)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        blocks = list(_scope.get().blocks)
        # not always the last: a generator's blocks end when the generator does
        for index in reversed(range(len(blocks))):
            if blocks[index] is self:
                del blocks[index]
                break
        _scope.set(_Scope(tuple(blocks)) if blocks else NOTHING)

    def __call__(self, func: _Callable) -> _Callable:
        """``func`` run within this block; plain and ``async def`` functions only.

        Raises ``TypeError`` for what runs after the call has returned (generators)
        and for what is no function, since the block would have no effect on them.
        """
        if isgeneratorfunction(func) or isasyncgenfunction(func):
            raise TypeError(f"cannot decorate a generator function, got {func!r}")
        if not _is_function(func):
            raise TypeError(f"cannot decorate what is no function, got {func!r}")
        if iscoroutinefunction(func):
            return cast("_Callable", self._within_async(func))
        return cast("_Callable", self._within(func))

    def _within(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(func)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with self:
                return _finished(func(*args, **kwargs), func)

        return inner

    def _within_async(
        self, func: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        @wraps(func)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            with self:
                return _finished(await func(*args, **kwargs), func)

        return inner


class _Scope(frozenset[str]):
    """The flags in force, and the blocks that set them, outermost first."""

    blocks: tuple[Block, ...]

    def __new__(cls, blocks: tuple[Block, ...] = ()) -> Self:
        flags = {block.flag for block in blocks if block.bypassed}
        rows = [block.flag for block in blocks if not block.bypassed]
        self = super().__new__(cls, flags.union(rows[-1:]))
        self.blocks = blocks
        return self


#: The scope outside of every block.
NOTHING: Final = _Scope()
_scope: ContextVar[_Scope] = ContextVar("kysera_dbapi.scope", default=NOTHING)

#: The flags in force: "soft_delete.include" or "soft_delete.only", "bypass:<plugin>".
scope: Callable[[], frozenset[str]] = _scope.get


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
    return Block(f"bypass:{_text(plugin, 'plugin')}", (plugin, _text(reason, "reason")))


def bypass_reasons() -> tuple[tuple[str, str], ...]:
    """The bypasses in force, as (plugin, reason), the outermost first."""
    blocks = _scope.get().blocks
    return tuple(block.bypassed for block in blocks if block.bypassed)


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ConfigurationError(
        f"bypass: {name} must be a text that is not empty, got {value!r}",
        code="configuration",
    )


def _is_function(value: object) -> bool:
    wrapped = isinstance(value, staticmethod | classmethod)
    return callable(value) and isroutine(value) and not wrapped


def _finished(result: Any, func: Callable[..., Any]) -> Any:
    # a decorator below ours can hide an async def or a generator from inspection
    if isinstance(result, Generator | Coroutine):
        result.close()
    elif not isinstance(result, AsyncGenerator):
        return result
    raise TypeError(f"cannot decorate {func!r}: what it returned runs after the block")
