"""A plan: what is sent for a text; and the bounded caches that keep plans.

A text without literals is looked up by itself. One with literals is looked up by its
shape, so that ``id = 17`` and ``id = 18`` are one plan, and cannot push the others out.
"""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from kysera_dbapi.edits import Companion, Edit
from kysera_dbapi.params import Bind, Binding

__all__ = ["Bounded", "Piece", "Plan", "Program", "Statistics"]

#: Kinds that change the catalogue and have no effect within a transaction.
_OUTSIDE = ("attach", "foreign key pragma")

#: A piece of a final text: itself, or the number of a literal of the caller's.
Piece = str | int


@dataclass(frozen=True, slots=True)
class Program:
    """A final text and how its values are put together."""

    pieces: tuple[Piece, ...]
    binding: Binding

    def spelled(self, literals: Sequence[str]) -> str:
        """The text, with the literals of one statement of the shape."""
        return "".join(p if isinstance(p, str) else literals[p] for p in self.pieces)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done for a caller's text.

    ``sql`` is what is sent; ``program`` is None when that is the caller's text with
    the caller's values. ``image`` reads the rows that companions need beforehand.
    """

    sql: str
    kind: str
    effect: str = ""
    words: tuple[str, ...] = ()
    program: Program | None = None
    binds: tuple[Bind, ...] = ()
    image: Program | None = None
    image_sql: str = ""
    companions: tuple[Companion, ...] = ()
    edits: tuple[Edit, ...] = ()
    #: The keys of the relations that it names.
    relations: frozenset[str] = frozenset()
    target: str = ""
    reads_columns: bool = False
    #: Whether a write gives rows back.
    returns: bool = False
    refused: str = ""
    #: Which literals decided something, so that others need a plan of their own.
    pinned: tuple[int, ...] = ()
    keep: bool = True
    #: Whether the caller's own values are all there is to send, and nothing before.
    sends_as_given: bool = field(init=False, default=False)

    @property
    def undoable(self) -> bool:
        """Whether it changes the schema, and can do so within a transaction."""
        return self.effect == "catalogue" and self.kind not in _OUTSIDE

    def __post_init__(self) -> None:
        same_values = self.program is None or not self.program.binding.adds
        object.__setattr__(self, "sends_as_given", same_values and not self.companions)

    @property
    def direct(self) -> bool:
        """Whether ``sql`` and the caller's values are all, and nothing comes after."""
        return self.sends_as_given and not (self.effect or self.reads_columns)

    def of(self, text: str, literals: Sequence[str]) -> "Plan":
        """The plan for another text of the same shape."""
        sql = self.program.spelled(literals) if self.program else text
        image = self.image.spelled(literals) if self.image else ""
        return replace(self, sql=sql, image_sql=image)


@dataclass(slots=True)
class Statistics:
    """What a cache did: look-ups that had to plan, and plans pushed out."""

    misses: int = 0
    evictions: int = 0


_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


@dataclass(slots=True)
class Bounded(Generic[_Key, _Value]):
    """A dict that drops its oldest entry when full.

    Reads are plain dict reads (``get``); writes are under a lock.
    """

    limit: int
    items: dict[_Key, _Value] = field(default_factory=dict[_Key, _Value])
    statistics: Statistics = field(default_factory=Statistics)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: _Key, value: _Value) -> None:
        """Keep ``value`` under ``key``."""
        with self._lock:
            self.statistics.misses += 1
            while len(self.items) >= self.limit and key not in self.items:
                self.items.pop(next(iter(self.items)))
                self.statistics.evictions += 1
            self.items[key] = value
