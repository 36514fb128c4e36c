"""A plan: what is sent for a text; and the bounded caches that keep plans.

A text without literals is looked up by itself. One with literals is looked up by its
shape, so that ``id = 17`` and ``id = 18`` are one plan, and cannot push the others out.
"""

import threading
from collections.abc import Generator, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kysera_dbapi.binding import Bind, Binder
from kysera_dbapi.protocols import Parameters
from kysera_dbapi.shape import Shape
from kysera_dbapi.source import Source

if TYPE_CHECKING:
    from kysera_dbapi.edits import Companion, Edit
    from kysera_dbapi.holding import Supplied
    from kysera_dbapi.outline import Arrangement, Outline, Program

__all__ = ["Bounded", "Direct", "Plan", "Statistics", "as_written", "steps"]

#: A final text, what makes the values to send of the caller's, and the name of the
#: value of the context that has only to be put before them, if that is so.
Direct = tuple[str, Binder | None, str]


@dataclass(frozen=True)
class Plan:
    """What is done for a caller's text.

    ``sql`` is what is sent; ``program`` is None when that is the caller's text with
    the caller's values. ``image`` reads the rows that companions need beforehand.
    """

    sql: str
    kind: str
    effect: str = ""
    words: tuple[str, ...] = ()
    #: As of its rule.
    outside: bool = False
    program: "Program | None" = None
    binds: tuple[Bind, ...] = ()
    image: "Program | None" = None
    image_sql: str = ""
    companions: "tuple[Companion, ...]" = ()
    edits: "tuple[Edit, ...]" = ()
    #: The keys of the relations that it names.
    relations: frozenset[str] = frozenset()
    target: str = ""
    #: Whether these relations are all that it may use, but for names not known and
    #: those of its common table expressions.
    closed: bool = False
    unknown: frozenset[str] = frozenset()
    queries: frozenset[str] = frozenset()
    #: As of its text: see ``Source.invoked``.
    invoked: frozenset[str] = frozenset()
    reads_columns: bool = False
    #: Whether a write gives rows back.
    returns: bool = False
    #: Whether rows are checked as they are written; ``silent`` if nobody asked for the
    #: rows that the checks give back.
    checked: bool = False
    silent: bool = False
    #: The caller's values that ours take the place of, if they are the same.
    supplied: "tuple[Supplied, ...]" = ()
    #: Which literals decided something, so that others need a plan of their own.
    pinned: tuple[int, ...] = ()
    #: What ``program``, ``image`` and ``retry`` are made of.
    outlines: "tuple[Outline | None, ...]" = (None, None, None)
    keep: bool = True
    #: What to try if a unique key refuses it, and the flag to plan that under.
    retry: "Program | None" = None
    retry_sql: str = ""
    retry_flag: str = ""
    #: Whether it could not be tried after its error without more ado.
    shielded: bool = False
    #: Whether the placeholders in its lists decide them.
    counted: bool = field(init=False, default=False)
    #: Whether a statement is sent and that is all: nothing before it, nothing after.
    alone: bool = field(init=False, default=False)
    #: Whether the caller's own values are all there is to send, and nothing before.
    sends_as_given: bool = field(init=False, default=False)
    #: Makes the values to send of the caller's; None if there are no others.
    bind: Binder | None = field(init=False, default=None, compare=False, repr=False)

    @property
    def direct(self) -> Direct:
        """What is needed to send it, if it is alone."""
        first = ""
        if self.program is not None and len(self.binds) == 1:
            first = self.binds[0].plain if self.program.binding.leads else ""
        return self.sql, self.bind, first

    @property
    def undoable(self) -> bool:
        """Whether it changes the schema, and can do so within a transaction."""
        return self.effect == "catalogue" and not self.outside

    def __post_init__(self) -> None:
        adds = self.program is not None and self.program.binding.adds
        alone = not (
            self.companions
            or self.effect
            or self.reads_columns
            or self.checked
            or self.shielded
        )
        counted = any(outline and outline.varying for outline in self.outlines)
        object.__setattr__(self, "counted", counted)
        object.__setattr__(self, "alone", alone)
        object.__setattr__(self, "sends_as_given", not (adds or self.companions))
        if self.program is not None and adds:
            object.__setattr__(self, "bind", self.program.binding.binder(self.binds))

    def of(self, text: str, shape: Shape) -> "Plan":
        """The plan for another text of the same shape."""
        plan = object.__new__(Plan)
        own = plan.__dict__  # dataclasses.replace() takes ten times as long
        own.update(self.__dict__)
        own["sql"] = self.program.spelled(shape) if self.program else text
        own["image_sql"] = self.image.spelled(shape) if self.image else ""
        own["retry_sql"] = self.retry.spelled(shape) if self.retry else ""
        return plan

    def arrangement(self, shape: Shape) -> "tuple[Arrangement, ...]":
        """What its programs depend on in a statement of its shape."""
        return tuple(o.arrangement(shape) if o else () for o in self.outlines)

    def arranged(self, arrangement: "tuple[Arrangement, ...]") -> "Plan":
        """The plan for other numbers of placeholders in its lists."""
        program, image, retry = (
            None if outline is None else outline.program(own)
            for outline, own in zip(self.outlines, arrangement, strict=True)
        )
        return replace(self, program=program, image=image, retry=retry)

    @property
    def size(self) -> int:
        """About how much it holds for the values to send, in characters."""
        programs = filter(None, (self.program, self.image, self.retry))
        return 8 * sum(len(program.binding.sources) for program in programs)


@dataclass(slots=True)
class Statistics:
    """What a cache did: plans put in, and plans pushed out."""

    misses: int = 0
    evictions: int = 0


_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


@dataclass(slots=True)
class Bounded(Generic[_Key, _Value]):
    """A dict of at most ``limit`` entries and ``room`` characters of text.

    The oldest entry goes first; one that would take an eighth of the room is not kept.
    Reads are plain dict reads of ``items``; writes are under a lock.
    """

    limit: int
    room: int
    items: dict[_Key, _Value] = field(default_factory=dict[_Key, _Value])
    statistics: Statistics = field(default_factory=Statistics)
    _sizes: dict[_Key, int] = field(default_factory=dict[_Key, int])
    _used: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: _Key, value: _Value, size: int = 0) -> None:
        """Keep ``value``, which holds ``size`` characters of text, under ``key``."""
        with self._lock:
            self.statistics.misses += 1
            if size > self.room // 8:
                return
            self._used += size - self._sizes.pop(key, 0)
            added = key not in self.items
            while len(self.items) + added > self.limit or self._used > self.room:
                oldest = next(iter(self.items))
                del self.items[oldest]
                self._used -= self._sizes.pop(oldest, 0)
                self.statistics.evictions += 1
            self.items[key], self._sizes[key] = value, size


def as_written(source: Source, shape: Shape) -> Plan:
    """The plan that sends the caller's own text."""
    rule = source.rule
    if rule is None:
        return Plan(source.text, "unknown", keep=False)
    # a literal may be a name there: DROP TABLE 'orders', SAVEPOINT 'one'
    pinned = () if source.planned else tuple(range(len(shape.given())))
    effect = rule.effect if source.runs else ""
    words, outside = source.words[:6], rule.outside
    return Plan(source.text, rule.kind, effect, words, outside, pinned=pinned)


def steps(
    plan: Plan, parameters: Parameters
) -> Generator[tuple[str, Any], list[tuple[Any, ...]], tuple[str, Any]]:
    """What to execute before a plan's own statement, and at last that statement.

    Yields (sql, parameters) and is sent the rows; does no I/O itself.
    """
    known = {bind: bind.source() for bind in plan.binds}
    if plan.image is not None:
        image = plan.image.binding.bind(parameters, tuple(known.values()))
        rows = yield plan.image_sql, image
        for companion in plan.companions:
            yield from companion(rows, known)
    if plan.program is None:
        return plan.sql, parameters
    values = tuple(known[bind] for bind in plan.binds)
    return plan.sql, plan.program.binding.bind(parameters, values)
