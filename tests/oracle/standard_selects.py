"""Queries as most databases have them, SQLite apart.

Commas bind looser than JOIN, and a member of WITH sees those before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tests.oracle.scope import Scope, Source
from tests.oracle.selects import CTE_NAMES, Ask, Selects
from tests.oracle.sources import shape_of

INNER = {",": 3.0, "JOIN": 3.0, "INNER JOIN": 1.0, "CROSS JOIN": 1.0}


@dataclass
class StandardSelects(Selects):
    """Writes queries with joins, LATERAL and WITH."""

    outer: ClassVar[Mapping[str, float]] = {
        "LEFT JOIN": 3.0,
        "LEFT OUTER JOIN": 0.5,
        "RIGHT JOIN": 1.5,
        "FULL JOIN": 1.2,
        "FULL OUTER JOIN": 0.3,
    }
    laterals: ClassVar[float] = 0.1
    names_early: ClassVar[bool] = (
        False  # no member reads a table named like a later one
    )
    named_using: ClassVar[float] = 0.15
    cte_names: ClassVar[Sequence[str]] = CTE_NAMES
    seen_later: ClassVar[bool] = True  # WITH RECURSIVE: members see those after them

    def with_clause(self, frame: Scope) -> tuple[str, Scope]:
        """`WITH ...`: a member sees those before it; with RECURSIVE, all of them."""
        recursive = self.draft.chance(0.35)
        names = self.draft.rng.sample(self.cte_names, self.draft.pick((1, 1, 1, 2, 3)))
        known = dict(frame.ctes)
        if recursive or self.names_early:
            known |= {name.lower(): None for name in names}
        bodies: dict[str, str] = {}
        later = recursive and self.seen_later
        order = self.draft.rng.sample(names, len(names)) if later else names
        for name in order:
            self.draft.fuel += 1
            scope = Scope(ctes=dict(known))
            walk = recursive and self.draft.chance(0.5)
            make = self._recursive if walk else self._plain_member
            bodies[name], known[name.lower()] = make(name, scope)
        if len(names) > 1:
            self.draft.mark("several CTEs")
        word = "WITH RECURSIVE" if recursive else "WITH"
        text = ", ".join(f"{self.draft.name(name)}{bodies[name]}" for name in names)
        return f"{word} {text} ", Scope(frame.parent, known)

    # joins

    def _operators(self, *, nested: bool) -> dict[str, float]:
        found = INNER | dict(self.outer)
        return {name: found[name] for name in found if name != "," or not nested}

    def _joined(self, scope: Scope, joins: int, *, nested: bool = False) -> str:
        """Commas bind looser than JOIN: ON sees what follows the last of them."""
        scope.bare = False
        text = self._item(scope)
        start = 0
        for _ in range(joins):
            operator = self.draft.weighted(self._operators(nested=nested))
            if operator == ",":
                start = len(scope.sources)
            text += self._joined_by(operator, scope, start)
        return text

    def _joined_by(self, operator: str, scope: Scope, start: int) -> str:
        count, rows = len(scope.sources), scope.rows
        left = Scope(None, sources=scope.sources[start:])
        item = self._item(scope, lateral=operator in INNER)
        added = scope.sources[count:]
        if operator == ",":
            self.draft.mark("comma join")
            left = Scope(None, sources=scope.sources[:count])
            return self._comma(scope, left, item, rows)
        if operator == "CROSS JOIN":
            self.draft.mark(operator)
            return f" {operator} {item}"
        operator, merged = self._merging(operator, left, added)
        scope.sources[count:] = [
            replace(source, merged=merged or source.merged) for source in added
        ]
        self.draft.mark(shape_of(operator))
        if operator.startswith("NATURAL") or merged:
            scope.rows = max(rows, 12)
        if operator.startswith("NATURAL"):
            return f" {operator} {item}"
        if merged:
            using = f" {operator} {item} USING ({self._using(left, merged)})"
            if self.draft.chance(self.named_using):
                self.draft.mark("USING with an alias")
                alias = self._alias(scope)
                scope.taken.add(alias.lower())
                using += f" AS {self.draft.name(alias)}"
            return using
        seen = Scope(scope.parent, scope.ctes, scope.sources[start:], bare=False)
        seen.rows, seen.taken = scope.rows, scope.taken
        if operator.startswith("FULL"):
            pair = self._equality(seen, left)
            self.draft.mark("ON")
            scope.rows = max(rows, scope.rows // max(rows, 1))
            return f" {operator} {item} ON {pair or 'true'}"
        on = self._on(seen, left, rows)
        scope.rows = seen.rows
        return f" {operator} {item}{on or ' ON true'}"

    def _comma(self, scope: Scope, left: Scope, item: str, rows: int) -> str:
        pair = self._equality(scope, left)
        if pair and (scope.rows > 1200 or self.draft.chance(0.75)):
            scope.musts.append(pair)
            scope.rows = max(rows, scope.rows // max(rows, 1))
        return f", {item}"

    def _item(self, scope: Scope, *, lateral: bool = False) -> str:
        if (
            lateral
            and scope.sources
            and self.draft.fuel > 0
            and self.draft.chance(self.laterals)
        ):
            return self._lateral(scope)
        return super()._item(scope, lateral=lateral)

    def _lateral(self, scope: Scope) -> str:
        """A derived table that sees what stands before it."""
        self.draft.mark("LATERAL")
        self.draft.fuel -= 1
        outer = Scope(scope.parent, scope.ctes, list(scope.sources), bare=False)
        outer.taken = scope.taken
        query = self.query(Scope(outer, scope.ctes), Ask(named=True))
        scope.rows *= max(query.rows // 2, 1)
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, query.columns))
        return f"LATERAL ({query.text}){self._as(alias)}"
