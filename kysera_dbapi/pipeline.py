"""(text, dialect, plugins, context) -> Plan. No I/O: the catalogue is given."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from kysera_dbapi import _sqlglot, program, statement
from kysera_dbapi.catalogue import Catalogue, Trigger
from kysera_dbapi.closed_world import ClosedWorld
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Bounded, Plan
from kysera_dbapi.plugin import Hook, Mode, Plugin, hooks, intercept
from kysera_dbapi.shape import Lexer, Shape
from kysera_dbapi.statement import Source

__all__ = ["Pipeline"]

_LOG = logging.getLogger("kysera_dbapi")
_SHALLOW = 12
_WATCHING: tuple[Hook, ...] = ("before_execute", "after_execute", "on_error")


class Pipeline:
    """Plans the statements of one catalogue, for one set of plugins."""

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
        self.plans: Bounded[tuple[object, ...], Plan] = Bounded(4096)
        #: Texts to send by texts without literals, where nothing else is to be done.
        self.direct: Bounded[str, str] = Bounded(4096)
        self.shapes: Bounded[tuple[object, ...], Plan] = Bounded(2048)
        #: Plans of texts with literals: apart, since new ones may come without end.
        self.spelled: Bounded[tuple[object, ...], Plan] = Bounded(1024)
        self.lexers = (
            Lexer(dialect.lexical),
            Lexer(dialect.lexical, format_style=True),
        )
        watched = any(hooks(self.plugins, hook) for hook in _WATCHING)
        self._watched = watched or mode == "strict"
        self.world = ClosedWorld(dialect, catalogue, mode, declared)

    def known(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan | None:
        """The plan for a text with literals, if its shape has been planned."""
        if not self._active(scope):
            return None
        whole = (text, scope, format_style)
        again = self.spelled.items.get(whole)
        if again is not None:
            self._directly(again, text, scope, format_style=format_style)
            return again
        shape = self.lexers[format_style].shape(text)
        literals = tuple(x for x in shape.literals if x)
        key = (shape.key, scope, format_style)
        known = self.shapes.items.get(key) if literals else None
        if known is not None:
            known = self._pinned(known, key, literals)
        if known is None:
            return None
        plan = known.of(text, literals)
        self.spelled.put(whole, plan)
        return plan

    def plan(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan:
        """The plan for a text of a new shape, kept for the next one.

        Raises ``UnsupportedStatement`` for what is refused.
        """
        lexer = self.lexers[format_style]
        active = self._active(scope)
        if not active:
            return self._unchanged(text, scope, lexer)
        shape = lexer.shape(text)
        literals = tuple(x for x in shape.literals if x)
        plan = self._made(text, active, lexer, shape)
        spelled = plan.of(text, literals)
        if not plan.keep:
            return spelled
        if not literals:
            self._keep(text, scope, spelled, format_style=format_style)
        else:
            self._keep_shape(plan, (shape.key, scope, format_style), literals)
        return spelled

    def _active(self, scope: frozenset[str]) -> list[Plugin]:
        return [p for p in self.plugins if f"bypass:{p.name}" not in scope]

    def _pinned(
        self, plan: Plan, key: tuple[object, ...], literals: Sequence[str]
    ) -> Plan | None:
        """The plan itself, or the one for these values of its pinned literals."""
        if not plan.pinned:
            return plan
        return self.shapes.items.get((*key, tuple(literals[i] for i in plan.pinned)))

    def _keep_shape(
        self, plan: Plan, key: tuple[object, ...], literals: Sequence[str]
    ) -> None:
        self.shapes.put(key, plan)
        if plan.pinned:
            self.shapes.put((*key, tuple(literals[i] for i in plan.pinned)), plan)

    def _unchanged(self, text: str, scope: frozenset[str], lexer: Lexer) -> Plan:
        plan = _as_written(statement.read(text, self.dialect, lexer))
        self._keep(text, scope, plan, format_style=lexer.format_style)
        return plan

    def _keep(
        self, text: str, scope: frozenset[str], plan: Plan, *, format_style: bool
    ) -> None:
        self.plans.put((text, scope, format_style), plan)
        self._directly(plan, text, scope, format_style=format_style)

    def _directly(
        self, plan: Plan, text: str, scope: frozenset[str], *, format_style: bool
    ) -> None:
        if plan.direct and not (scope or format_style or self._watched):
            self.direct.put(text, plan.sql)

    def _made(
        self, text: str, active: Sequence[Plugin], lexer: Lexer, shape: Shape
    ) -> Plan:
        source = statement.read(text, self.dialect, lexer)
        protected = frozenset(
            name for p in active for name in p.protected(self.catalogue)
        )
        depth = _depth(source.words)

        def work() -> Plan:
            world = self.world
            world.check_kind(source, protected)
            self._judge(lambda: world.check_functions(source), protected)
            if source.several or not source.planned:
                return _as_written(source, shape)
            draft = statement.parse(source, self.dialect, self.catalogue, Draft)
            self._judge(lambda: world.check_relations(draft, protected), protected)
            intercept(active, draft)

            def accepts(trigger: Trigger) -> bool:
                return any(plugin.accepts_trigger(trigger) for plugin in active)

            self._judge(
                lambda: world.check_effects(draft, protected, accepts), protected
            )
            draft.finish()
            return program.build(draft, shape)

        try:
            if depth > _sqlglot.MAX_DEPTH:
                raise UnsupportedStatement(
                    f"parentheses nest {depth} deep, at most {_sqlglot.MAX_DEPTH} are "
                    "understood; use WITH or a temporary table",
                    code="too-deep",
                )
            return work() if depth <= _SHALLOW else _sqlglot.on_deep_stack(work)
        except RecursionError:
            return _sqlglot.on_deep_stack(work)
        except UnsupportedStatement as error:
            self._report(error, protected)
            plan = _as_written(source)
            # what was reported is kept, not to be reported once more
            return replace(plan, keep=True) if protected else plan

    def _judge(self, check: Callable[[], None], protected: Collection[str]) -> None:
        """Refuse what a check refuses; if it is only reported, plan on all the same."""
        try:
            check()
        except UnsupportedStatement as error:
            self._report(error, protected)

    def _report(self, error: UnsupportedStatement, protected: Collection[str]) -> None:
        if protected and self.mode != "report":
            raise error
        if protected:
            _LOG.warning("would be refused: %s", error)


def _as_written(source: Source, shape: Shape | None = None) -> Plan:
    """The plan that sends the caller's own text, for its ``shape`` or this text only.

    The strings of a statement that is not parsed may be names: they tell texts apart.
    """
    rule = source.rule
    if rule is None:
        return Plan(source.text, "unknown", keep=False)
    effect = "" if source.explained else rule.effect
    literals = len(shape.spans()) if shape is not None else 0
    pinned = tuple(range(literals))
    return Plan(source.text, rule.kind, effect, source.words[:6], pinned=pinned)


def _depth(words: Sequence[str]) -> int:
    depth = deepest = 0
    for word in words:
        if word == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif word == ")":
            depth -= 1
    return deepest
