"""(text, dialect, plugins, context) -> Plan. No I/O: the catalogue is given."""

import logging
from collections.abc import Sequence

from kysera_dbapi import _sqlglot, program, statement
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.closed_world import ClosedWorld
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Bounded, Plan
from kysera_dbapi.plugin import Mode, Plugin, intercept
from kysera_dbapi.shape import Lexer, Shape
from kysera_dbapi.statement import Source

__all__ = ["Pipeline"]

_LOG = logging.getLogger("kysera_dbapi")
_SHALLOW = 12


class Pipeline:
    """Plans the statements of one catalogue, for one set of plugins."""

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
        self.plans: Bounded[tuple[object, ...], Plan] = Bounded(4096)
        self.shapes: Bounded[tuple[object, ...], Plan] = Bounded(2048)
        self.lexers = (
            Lexer(dialect.lexical),
            Lexer(dialect.lexical, format_style=True),
        )
        self._world = ClosedWorld(dialect, catalogue, mode)

    def plan(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan:
        """The plan for a text that ``plans`` does not hold.

        Raises ``UnsupportedStatement`` for what is refused.
        """
        lexer = self.lexers[format_style]
        active = [p for p in self.plugins if f"bypass:{p.name}" not in scope]
        if not active:
            return self._unchanged(text, scope, lexer)
        shape = lexer.shape(text)
        literals = tuple(x for x in shape.literals if x)
        if literals:
            known = self.shapes.items.get((shape.key, scope, format_style))
            if known is not None:
                known = self._pinned(known, (shape.key, scope, format_style), literals)
            if known is not None:
                return known.of(text, literals)
        plan = self._made(text, active, lexer, shape)
        spelled = plan.of(text, literals)
        if not plan.keep:
            return spelled
        if not literals:
            self.plans.put((text, scope, format_style), spelled)
        else:
            self._keep_shape(plan, (shape.key, scope, format_style), literals)
        return spelled

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
        self.plans.put((text, scope, lexer.format_style), plan)
        return plan

    def _made(
        self, text: str, active: Sequence[Plugin], lexer: Lexer, shape: Shape
    ) -> Plan:
        source = statement.read(text, self.dialect, lexer)
        protected = frozenset(
            name for p in active for name in p.protected(self.catalogue)
        )
        depth = _depth(source.words)

        def work() -> Plan:
            self._world.check_kind(source, protected)
            if not source.planned:
                return _as_written(source)
            self._world.check_functions(source)
            draft = statement.parse(source, self.dialect, self.catalogue, Draft)
            self._world.check_relations(draft, protected)
            intercept(active, draft)
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
            if not protected or self.mode == "report":
                if protected:
                    _LOG.warning("would be refused: %s", error)
                return _as_written(source)
            raise


def _as_written(source: Source) -> Plan:
    """The plan that sends the caller's own text."""
    rule = source.rule
    if rule is None:
        return Plan(source.text, "unknown", keep=False)
    return Plan(source.text, rule.kind, rule.effect, source.words[:6])


def _depth(words: Sequence[str]) -> int:
    depth = deepest = 0
    for word in words:
        if word == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif word == ")":
            depth -= 1
    return deepest
