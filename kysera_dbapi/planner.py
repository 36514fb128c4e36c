"""A text of a new shape: what it may do, what the plugins make of it, its plan."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from kysera_dbapi import _sqlglot, limits, parsing, program
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.closed_world import ClosedWorld
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.mode import Mode
from kysera_dbapi.plan import Plan, as_written
from kysera_dbapi.plugin import Plugin, intercept
from kysera_dbapi.shape import Lexer, Shape
from kysera_dbapi.source import MAX_TOKENS, Source, read

__all__ = ["Planner"]

_LOG = logging.getLogger("kysera_dbapi")


class Planner:
    """Plans by one catalogue. Threads may share it."""

    def __init__(
        self,
        dialect: Dialect,
        catalogue: Catalogue,
        mode: Mode,
        declared: Collection[str] = (),
        plugins: Sequence[Plugin] = (),
    ) -> None:
        self.dialect = dialect
        self.catalogue = catalogue
        self.mode: Mode = mode
        self.plugins = tuple(plugins)
        self.world = ClosedWorld(dialect, catalogue, mode, declared)

    def plan(self, shape: Shape, active: Sequence[Plugin], lexer: Lexer) -> Plan | None:
        """The plan of a shape; None if its lists may not fold.

        Raises ``UnsupportedStatement`` for what is refused.
        """
        protected = self._tables(active, hidden=True)
        text = shape.text()
        head = lexer.head(text, MAX_TOKENS)
        source = read(head, self.dialect, lexer)
        if shape.folded and not source.planned:
            return None
        try:
            if head != text:
                raise UnsupportedStatement(
                    f"the statement has more than {MAX_TOKENS} tokens; bind its values "
                    "as parameters, or split it",
                    code="unparsed-statement",
                )
            return self._planned(source, active, protected, shape)
        except UnsupportedStatement as error:
            unseen = self._tables(active, hidden=False)
            written = self.world.writes(source, unseen)
            if self._refuses(error, protected or written):
                raise
            plan = as_written(source, shape)
            # what was reported is kept, not to be reported once more
            return replace(plan, keep=True) if protected else plan

    def _tables(self, active: Sequence[Plugin], *, hidden: bool) -> frozenset[str]:
        """The tables that plugins see the statements of, to hide rows or not."""
        asked = [plugin for plugin in active if plugin.hides_rows is hidden]
        return frozenset(t for p in asked for t in p.protected(self.catalogue))

    def _planned(
        self,
        source: Source,
        active: Sequence[Plugin],
        protected: frozenset[str],
        shape: Shape,
    ) -> Plan | None:
        limits.check_text(source)

        def work() -> Plan | None:
            world = self.world
            world.check_kind(source, protected, active)
            self._judge(
                lambda: world.check_functions(source, protected, active), protected
            )
            if source.several or not source.planned:
                return as_written(source, shape)
            draft = parsing.parse(source, self.dialect, self.catalogue, Draft)
            limits.check_relations(draft)
            for part in (*draft.nested, draft):
                part.plugins = self.plugins
                self._intercept(part, active, protected)
            draft.finish()
            return program.build(draft, shape)

        if limits.is_shallow(source):
            try:
                return work()
            except RecursionError:
                pass
        return _sqlglot.on_deep_stack(work)

    def _intercept(
        self, draft: Draft, active: Sequence[Plugin], protected: frozenset[str]
    ) -> None:
        """Let the plugins edit a statement, if what it reads and sets off may be."""
        world = self.world
        self._judge(lambda: world.check_relations(draft, protected, active), protected)
        unseen = self._tables(active, hidden=False)
        self._judge(lambda: world.check_unseen(draft, unseen), unseen)
        intercept(active, draft)
        self._judge(lambda: world.check_effects(draft, protected, active), protected)

    def _judge(self, check: Callable[[], None], protected: Collection[str]) -> None:
        """Refuse what a check refuses; if it is only reported, plan on all the same."""
        try:
            check()
        except UnsupportedStatement as error:
            if self._refuses(error, protected):
                raise

    def _refuses(self, error: UnsupportedStatement, protected: Collection[str]) -> bool:
        """Whether an error is to be raised; in report mode it is only logged."""
        if protected and self.mode == "report":
            _LOG.warning("would be refused: %s", error)
        return bool(protected) and self.mode != "report"
