"""(text, dialect, plugins, context) -> Plan. No I/O: the catalogue is given."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.mode import Mode
from kysera_dbapi.plan import Bounded, Direct, Plan, as_written
from kysera_dbapi.plugin import Hook, Plugin, hooks
from kysera_dbapi.shape import Lexer, Shape, check_text
from kysera_dbapi.source import MAX_TOKENS, read
from kysera_dbapi.standing import Standing

if TYPE_CHECKING:
    from kysera_dbapi.planner import Planner

__all__ = ["Outdated", "Pipeline"]

_WATCHING: tuple[Hook, ...] = ("before_execute", "after_execute", "on_error", "flags")
_Key = tuple[object, ...]
#: A text, the blocks that it is in, and by which of the lexers it is read.
_At = tuple[str, frozenset[str], int]


class Outdated(Exception):
    """A plan was made by definitions that are others now."""


class Pipeline:
    """Plans the statements of one catalogue, for one set of plugins.

    Threads may share it: plans are immutable, and of threads that meet a new shape at
    once one plans it while the others wait, if not for long.
    """

    def __init__(
        self,
        dialect: Dialect,
        plugins: Sequence[Plugin],
        catalogue: Catalogue,
        mode: Mode = "normal",
        declared: Collection[str] = (),
    ) -> None:
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.catalogue = catalogue
        self.mode: Mode = mode
        #: Plans by (text, scope, format style); read on the hot path.
        self.plans: Bounded[_Key, Plan] = Bounded(4096, 1 << 24)
        #: What to send, by text alone: outside of every block, where that is all. For
        #: each of the lexers.
        self.direct: tuple[Bounded[str, Direct], ...] = tuple(
            Bounded(4096, 1 << 24) for _ in dialect.styles
        )
        #: Plans by shape, for texts with literals; None if its lists may not fold.
        self.shapes: Bounded[_Key, Plan | None] = Bounded(2048, 1 << 23)
        #: The latest for other numbers of placeholders in lists: there may be many.
        self.arranged: Bounded[_Key, Plan] = Bounded(256, 1 << 23)
        #: The latest texts with literals: apart, as new ones may come without end.
        self.spelled: Bounded[_Key, Plan] = Bounded(1024, 1 << 22)
        #: The latest long ones, whose shapes take a while.
        self.long: Bounded[_Key, Plan] = Bounded(64, 1 << 22)
        self.lexers = tuple(
            Lexer(dialect.lexical, format_style=i == 1, default=style)
            for i, style in enumerate(dialect.styles)
        )
        watched = any(hooks(self.plugins, hook) for hook in _WATCHING)
        self._watched = watched or mode == "strict"
        self.declared = declared
        self.standing = Standing(catalogue)
        self._turns = tuple(threading.RLock() for _ in range(16))

    @cached_property
    def planner(self) -> "Planner":
        """What plans new shapes; it brings the parser, and comes when it is wanted."""
        from kysera_dbapi.planner import Planner

        return Planner(
            self.dialect, self.catalogue, self.mode, self.declared, self.plugins
        )

    @classmethod
    def shared(
        cls,
        dialect: Dialect,
        plugins: Sequence[Plugin],
        catalogue: Catalogue,
        mode: Mode = "normal",
        declared: frozenset[str] = frozenset(),
    ) -> "Pipeline":
        """The pipeline of all connections with these plugins and an equal catalogue.

        It lives as long as one of them holds it; the latest live on, for connections
        that come and go one by one.
        """
        # the pipeline holds what the ids are of: no id is used again while it lives
        key = (dialect, *map(id, plugins), catalogue.version, mode, declared)
        with _sharing:
            found = _shared.get(key)
            if found is None:
                found = _shared[key] = cls(dialect, plugins, catalogue, mode, declared)
            if found.plugins and found not in _latest:
                _latest.append(found)
        if found.catalogue == catalogue:
            return found
        return cls(dialect, plugins, catalogue, mode, declared)

    def known(
        self, text: str, scope: frozenset[str], *, format_style: int = 0
    ) -> Plan | None:
        """The plan for a text with literals, if its shape has been planned."""
        at = (text, scope, format_style)
        latest = self.long if len(text) > _LONG else self.spelled
        again = latest.items.get(at)
        if again is not None:
            self.directly(again, at)
            return again
        lexer = self.lexers[format_style]
        shape = lexer.shape(text)
        found = self._found(shape, at)
        if found is None and shape.folded and self._unfolds(shape, at):
            shape = lexer.shape(text, fold=False)
            found = self._found(shape, at)
        return found and self._spelled(found, shape, at)

    def plan(
        self,
        text: str,
        scope: frozenset[str],
        *,
        format_style: int = 0,
        stands: Callable[[Plan], bool] = lambda _: True,
    ) -> Plan:
        """The plan for a text of a new shape, kept for the next one if it ``stands``.

        Raises ``UnsupportedStatement`` for what is refused, ``Outdated`` if it does
        not stand.
        """
        shape = self.lexers[format_style].shape(text)
        turn = self._turns[hash(shape.key) % len(self._turns)]
        # no longer: a plugin at work for another thread may be waiting for this one
        waited = turn.acquire(timeout=_PATIENCE)
        try:
            at = (text, scope, format_style)
            plan = self.plans.items.get(at)
            if plan is None:
                plan = self.known(text, scope, format_style=format_style)
            return plan or self._new(shape, at, stands)
        finally:
            if waited:
                turn.release()

    def _new(self, shape: Shape, at: _At, stands: Callable[[Plan], bool]) -> Plan:
        plan, planned = self._made(shape, at)
        if not stands(plan):
            raise Outdated
        if planned is not shape:
            self.shapes.put((shape.key, *at[1:]), None)
        if plan.keep:
            self._keep(plan, planned, at)
        return self._spelled(plan, planned, at)

    def stands_alone(self, text: str, format_style: int) -> bool:
        """Whether no catalogue decides the plan, as of settings, or of COMMIT."""
        lexer = self.lexers[format_style]
        if read(lexer.head(text, _VERB), self.dialect, lexer).planned:
            return False  # as most are, and the rest need not be read
        source = read(lexer.head(text, MAX_TOKENS), self.dialect, lexer)
        rule = source.rule
        if rule is None or rule.treatment != "passed" or source.several:
            return False
        settled = rule.names_protected and rule.effect != "catalogue"
        return settled and not source.invoked

    def preview(self, text: str, scope: frozenset[str]) -> Plan:
        """As ``plan``, but nothing is looked up and nothing is kept."""
        style = self._likely(check_text(text))
        shape = self.lexers[style].shape(text)
        plan, planned = self._made(shape, (text, scope, style))
        return plan.of(text, planned)

    def _made(self, shape: Shape, at: _At) -> tuple[Plan, Shape]:
        """The plan of a new shape; of the whole text if its lists may not fold."""
        text, scope, style = at
        lexer = self.lexers[style]
        plan = self._planned(shape, scope, lexer)
        if plan is None:
            shape = lexer.shape(text, fold=False)
            plan = self._planned(shape, scope, lexer)
            assert plan is not None
        return plan, shape

    def _likely(self, text: str) -> int:
        """The lexer of a text that comes without its values."""
        if self.dialect.styles[1] == self.dialect.styles[2]:
            return 0  # the driver formats no text
        found = [t.text for t in self.lexers[1].lex(text) if t.kind == "placeholder"]
        return int(any(one != "%%" for one in found))

    # -- what is kept -------------------------------------------------------------

    def _found(self, shape: Shape, at: _At) -> Plan | None:
        """The plan of a shape, for these values of the literals that decided it."""
        key: _Key = (shape.key, *at[1:])
        plan = self.shapes.items.get(key)
        if plan is not None and plan.pinned:
            key = (*key, _pins(plan, shape))
            plan = self.shapes.items.get(key)
        if plan is None or not plan.counted:
            return plan
        arrangement = plan.arrangement(shape)
        key = (*key, arrangement)
        found = self.arranged.items.get(key)
        if found is None:
            found = plan.arranged(arrangement)
            self.arranged.put(key, found, len(str(key)) + found.size)
        return found

    def _unfolds(self, shape: Shape, at: _At) -> bool:
        """Whether the lists of a shape are known not to fold."""
        return self.shapes.items.get((shape.key, *at[1:]), _NEW) is None

    def _keep(self, plan: Plan, shape: Shape, at: _At) -> None:
        if not shape.given():
            return
        key = (shape.key, *at[1:])
        size = sum(map(len, shape.runs)) + plan.size
        self.shapes.put(key, plan, size)
        if plan.pinned:
            pins = _pins(plan, shape)
            self.shapes.put((*key, pins), plan, size + sum(map(len, pins)))

    def _spelled(self, plan: Plan, shape: Shape, at: _At) -> Plan:
        """The plan for one text, kept by its text if that will come again."""
        text = at[0]
        plan = plan.of(text, shape)
        if plan.keep and not any(shape.literals):
            self.plans.put(at, plan, 2 * len(text))
            self.directly(plan, at)
        elif plan.keep:
            latest = self.long if len(text) > _LONG else self.spelled
            latest.put(at, plan, 2 * len(text))
        return plan

    def directly(self, plan: Plan, at: _At) -> None:
        """Let a plan be found by its text alone, if nothing else decides or follows."""
        text, scope, style = at
        if not plan.alone or scope or self._watched:
            return
        direct = self.direct[style]
        if text not in direct.items:
            direct.put(text, plan.direct, len(text) + len(plan.sql))

    def _planned(
        self, shape: Shape, scope: frozenset[str], lexer: Lexer
    ) -> Plan | None:
        """The plan of a new shape; None if its lists may not fold."""
        active = [p for p in self.plugins if f"bypass:{p.name}" not in scope]
        text = shape.text()
        if "\x00" in text and self.dialect.refuses_nul:
            return Plan(text, "unknown", keep=False)
        if active:
            return self.planner.plan(shape, active, lexer)
        source = read(lexer.head(text, MAX_TOKENS), self.dialect, lexer)
        if shape.folded and not source.planned:
            return None
        return as_written(source, shape)


#: Texts of fewer characters have their shape in no time.
_LONG = 2_000
#: Tokens that tell most verbs.
_VERB = 4
#: Seconds to wait for another thread that is planning.
_PATIENCE = 1.0
_NEW: Plan = Plan("", "")
_shared: WeakValueDictionary[_Key, Pipeline] = WeakValueDictionary()
_latest: deque[Pipeline] = deque(maxlen=8)
_sharing = threading.Lock()


def _pins(plan: Plan, shape: Shape) -> tuple[str, ...]:
    """The values of the literals that decided a plan."""
    literals = shape.given()
    return tuple(literals[i] for i in plan.pinned)
