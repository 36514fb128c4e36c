"""(text, dialect, plugins, context) -> Plan. No I/O: the catalogue is given."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from weakref import WeakValueDictionary

from kysera_dbapi import _sqlglot, limits, program, statement
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.closed_world import ClosedWorld
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Bounded, Plan
from kysera_dbapi.plugin import Mode, Plugin, intercept
from kysera_dbapi.shape import Lexer, Shape
from kysera_dbapi.statement import MAX_TOKENS, Source

__all__ = ["Pipeline"]

_LOG = logging.getLogger("kysera_dbapi")
_Key = tuple[object, ...]
_At = tuple[str, frozenset[str], bool]


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
    ) -> None:
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.catalogue = catalogue
        self.mode: Mode = mode
        #: Plans by (text, scope, format style); read on the hot path.
        self.plans: Bounded[_Key, Plan] = Bounded(4096, 1 << 24)
        #: Plans by shape, for texts with literals; None if its lists may not fold.
        self.shapes: Bounded[_Key, Plan | None] = Bounded(2048, 1 << 23)
        #: The latest long texts with literals, whose shapes take a while.
        self.long: Bounded[_Key, Plan] = Bounded(64, 1 << 22)
        self.lexers = (
            Lexer(dialect.lexical),
            Lexer(dialect.lexical, format_style=True),
        )
        self._turns = tuple(threading.RLock() for _ in range(16))
        self._world = ClosedWorld(dialect, catalogue, mode)

    @classmethod
    def shared(
        cls,
        dialect: Dialect,
        plugins: Sequence[Plugin],
        catalogue: Catalogue,
        mode: Mode = "normal",
    ) -> "Pipeline":
        """The pipeline of all connections with these plugins and an equal catalogue.

        It lives as long as one of them holds it; the latest live on, for connections
        that come and go one by one.
        """
        # the pipeline holds what the ids are of: no id is used again while it lives
        key = (type(dialect), *map(id, plugins), catalogue.version, mode)
        with _sharing:
            found = _shared.get(key)
            if found is None:
                found = _shared[key] = cls(dialect, plugins, catalogue, mode)
            if found.plugins and found not in _latest:
                _latest.append(found)
        if found.catalogue == catalogue:
            return found
        return cls(dialect, plugins, catalogue, mode)

    def known(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan | None:
        """The plan for a text with literals, if its shape has been planned."""
        at = (text, scope, format_style)
        plan = self.long.items.get(at) if len(text) > _LONG else None
        if plan is not None:
            return plan
        lexer = self.lexers[format_style]
        shape = lexer.shape(text)
        found = self._found(shape, at)
        if found is None and shape.folded and self._unfolds(shape, at):
            shape = lexer.shape(text, fold=False)
            found = self._found(shape, at)
        return found and self._spelled(found, shape, at)

    def plan(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan:
        """The plan for a text of a new shape, kept for the next one.

        Raises ``UnsupportedStatement`` for what is refused.
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
            return plan or self._new(shape, at)
        finally:
            if waited:
                turn.release()

    def _new(self, shape: Shape, at: _At) -> Plan:
        text, scope, format_style = at
        lexer = self.lexers[format_style]
        plan = self._made(shape, scope, lexer)
        if plan is None:
            self.shapes.put((shape.key, scope, format_style), None)
            shape = lexer.shape(text, fold=False)
            plan = self._made(shape, scope, lexer)
            assert plan is not None
        if plan.keep:
            self._keep(plan, shape, at)
        return self._spelled(plan, shape, at)

    # -- what is kept -------------------------------------------------------------

    def _found(self, shape: Shape, at: _At) -> Plan | None:
        """The plan of a shape, for these values of the literals that decided it."""
        key = (shape.key, *at[1:])
        plan = self.shapes.items.get(key)
        if plan is None or not (plan.pinned or plan.counted):
            return plan
        return self.shapes.items.get((*key, *_decisive(plan, shape)))

    def _unfolds(self, shape: Shape, at: _At) -> bool:
        """Whether the lists of a shape are known not to fold."""
        return self.shapes.items.get((shape.key, *at[1:]), _NEW) is None

    def _keep(self, plan: Plan, shape: Shape, at: _At) -> None:
        if not shape.given():
            return
        key = (shape.key, *at[1:])
        size = sum(map(len, shape.runs))
        self.shapes.put(key, plan, size)
        if plan.pinned or plan.counted:
            decisive = _decisive(plan, shape)
            self.shapes.put((*key, *decisive), plan, size + len(str(decisive)))

    def _spelled(self, plan: Plan, shape: Shape, at: _At) -> Plan:
        """The plan for one text, kept by its text if that will come again."""
        literals, text = shape.given(), at[0]
        plan = plan.of(text, literals)
        if plan.keep and not literals:
            self.plans.put(at, plan, 2 * len(text))
        elif plan.keep and len(text) > _LONG:
            self.long.put(at, plan, 2 * len(text))
        return plan

    # -- what is new --------------------------------------------------------------

    def _made(self, shape: Shape, scope: frozenset[str], lexer: Lexer) -> Plan | None:
        """The plan of a shape; None if its lists may not fold."""
        active = [p for p in self.plugins if f"bypass:{p.name}" not in scope]
        protected = frozenset(
            name for p in active for name in p.protected(self.catalogue)
        )
        text = shape.text()
        if "\x00" in text and self.dialect.refuses_nul:
            return Plan(text, "unknown", keep=False)
        head = lexer.head(text, MAX_TOKENS)
        source = statement.read(head, self.dialect, lexer)
        if shape.folded and not source.planned:
            return None
        if not active:
            return _as_written(source, shape)
        try:
            if head != text:
                raise UnsupportedStatement(
                    f"the statement has more than {MAX_TOKENS} tokens; bind its values "
                    "as parameters, or split it",
                    code="unparsed-statement",
                )
            return self._planned(source, active, protected, shape)
        except UnsupportedStatement as error:
            if protected and self.mode != "report":
                raise
            if protected:
                _LOG.warning("would be refused: %s", error)
            return _as_written(source, shape)

    def _planned(
        self,
        source: Source,
        active: Sequence[Plugin],
        protected: frozenset[str],
        shape: Shape,
    ) -> Plan | None:
        limits.check_text(source)

        def work() -> Plan | None:
            self._world.check_kind(source, protected)
            if source.several or not source.planned:
                return _as_written(source, shape)
            self._world.check_functions(source)
            draft = statement.parse(source, self.dialect, self.catalogue, Draft)
            limits.check_relations(draft)
            self._world.check_relations(draft, protected)
            intercept(active, draft)
            draft.finish()
            return program.build(draft, shape)

        if limits.is_shallow(source):
            try:
                return work()
            except RecursionError:
                pass
        return _sqlglot.on_deep_stack(work)


#: Texts of fewer characters have their shape in no time.
_LONG = 2_000
#: Seconds to wait for another thread that is planning.
_PATIENCE = 1.0
_NEW: Plan = Plan("", "")
_shared: WeakValueDictionary[_Key, Pipeline] = WeakValueDictionary()
_latest: deque[Pipeline] = deque(maxlen=8)
_sharing = threading.Lock()


def _decisive(plan: Plan, shape: Shape) -> _Key:
    """The values of the literals that decided a plan, and the sizes of its lists."""
    literals = shape.given()
    pins = tuple(literals[i] for i in plan.pinned)
    return (pins, shape.counts if plan.counted else ())


def _as_written(source: Source, shape: Shape) -> Plan:
    """The plan that sends the caller's own text."""
    rule = source.rule
    if rule is None:
        return Plan(source.text, "unknown", keep=False)
    # a literal may be a name there: DROP TABLE 'orders', SAVEPOINT 'one'
    pinned = () if source.planned else tuple(range(len(shape.given())))
    return Plan(source.text, rule.kind, rule.effect, source.words[:6], pinned=pinned)
