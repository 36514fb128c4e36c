"""Blocks that put something in force for the running code, and what is in force.

All of it is held by context variables, so each thread and each asyncio task has its own
(a task begins with a copy of its creator's, a thread with nothing). Blocks nest and may
end in any order. As with all context variables, a generator that waits within a block
has set it for its caller too, until the generator goes on or is closed.
"""

from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import (
    isasyncgenfunction,
    iscoroutinefunction,
    isgeneratorfunction,
    isroutine,
)
from types import TracebackType
from typing import Any, Final, TypeVar, cast

__all__ = [
    "NOTHING",
    "Block",
    "Values",
    "above",
    "blocks",
    "outside",
    "scope",
    "values",
]

_Callable = TypeVar("_Callable", bound=Callable[..., Any])


class Values(dict[str, object]):
    """The single values in force, by name; those that hold several are ``lists``."""

    lists: dict[str, tuple[object, ...]]
    #: Those that were taken away: they are not to shine through.
    gone: frozenset[str]

    def __init__(self, given: Mapping[str, object] | None = None) -> None:
        found = {k: v for k, v in (given or {}).items() if v is not None}
        super().__init__((k, v) for k, v in found.items() if type(v) is not tuple)
        self.lists = {k: v for k, v in found.items() if type(v) is tuple}
        self.gone = frozenset(k for k, v in (given or {}).items() if v is None)

    def whole(self) -> dict[str, object]:
        """Single values and lists in one map."""
        return {**self, **self.lists}

    def over(self, given: Mapping[str, object]) -> "Values":
        """These values, with others laid over them: None takes a value away."""
        return Values({**dict.fromkeys(self.gone), **self.whole(), **given})


class Block(ContextDecorator):
    """A ``with`` block, or a decorator of functions.

    It sets a flag, bypasses a plugin, or lays values over those of the blocks around
    it. It has no state: it can be used again, within itself, by threads and by tasks.
    """

    def __init__(
        self,
        flag: str = "",
        *,
        bypassed: tuple[str, str] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        self.flag: Final = flag
        self.bypassed: Final = bypassed
        self.values: Final = values

    def __enter__(self) -> None:
        _put((*_blocks.get(), self))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left = list(_blocks.get())
        # not always the last: a generator's blocks end when the generator does
        for index in reversed(range(len(left))):
            if left[index] is self:
                del left[index]
                break
        _put(tuple(left))

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

    def of_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Block":
        """The block of one call of a decorated function."""
        return self

    def _within(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(func)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with self.of_call(args, kwargs):
                return _finished(func(*args, **kwargs), func)

        return inner

    def _within_async(
        self, func: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        @wraps(func)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            with self.of_call(args, kwargs):
                return _finished(await func(*args, **kwargs), func)

        return inner


#: The flags outside of every block.
NOTHING: Final[frozenset[str]] = frozenset()
_blocks: ContextVar[tuple[Block, ...]] = ContextVar("kysera_dbapi.blocks", default=())
_scope: ContextVar[frozenset[str]] = ContextVar("kysera_dbapi.scope", default=NOTHING)
_NOBODY: Final = Values()
_NO_ONE: Final[dict[str, object]] = {}
_singles: ContextVar[dict[str, object]] = ContextVar(
    "kysera_dbapi.singles", default=_NO_ONE
)
_values: ContextVar[Values] = ContextVar("kysera_dbapi.values", default=_NOBODY)

#: The blocks in force, the outermost first.
blocks: Callable[[], tuple[Block, ...]] = _blocks.get
#: The flags in force, by which plans differ: "soft_delete.include",
#: "soft_delete.only" or "soft_delete.revive:<key>", "bypass:<plugin>".
scope: Callable[[], frozenset[str]] = _scope.get
#: The values in force, which plans bind.
values: Callable[[], Values] = _values.get
#: The single ones, as a plain dict: for what is done at each execution.
singles: Callable[[], dict[str, object]] = _singles.get


@contextmanager
def above(defaults: Mapping[str, object]) -> Iterator[None]:
    """A block in which values are those of the blocks, and below them the defaults."""
    _put((Block(values=defaults), *_blocks.get()))
    try:
        yield
    finally:
        _put(_blocks.get()[1:])


@contextmanager
def outside() -> Iterator[None]:
    """A block outside of all others: nothing is in force in it."""
    before = _blocks.get()
    _put(())
    try:
        yield
    finally:
        _put(before)


def _put(given: tuple[Block, ...]) -> None:
    _blocks.set(given)
    now = Values()
    for block in given:
        if block.values is not None:
            now = now.over(block.values)
    _values.set(now)
    _singles.set(dict(now))
    rows = [block.flag for block in given if block.flag and not block.bypassed]
    flags = {block.flag for block in given if block.bypassed}.union(rows[-1:])
    _scope.set(frozenset(flags) if flags else NOTHING)


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
