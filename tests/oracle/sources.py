"""FROM clauses: tables, derived tables, and every way to join them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tests.oracle.aggregates import Aggregates
from tests.oracle.schema import DULL, VIEWS, Column, Columns
from tests.oracle.scope import Scope, Source

_TABLE_WEIGHTS = {"customers": 4.0, "orders": 6.0, "items": 4.0}
_ALIASES = ("o", "c", "i", "p", "x", "t1", "Alias", "my alias", "group", "left_side")
_JSON_EACH = (
    Column("key", "number"),
    Column("value", "number"),
    Column("type", "label"),
    Column("atom", "number"),
    Column("id", "number"),
    Column("parent", "number"),
    Column("fullkey", "label"),
    Column("path", "label"),
)
_INNER = {",": 3.0, "JOIN": 3.0, "INNER JOIN": 1.0, "CROSS JOIN": 1.0}
_OUTER = {
    "LEFT JOIN": 3.0,
    "LEFT OUTER JOIN": 0.5,
    "RIGHT JOIN": 1.5,
    "RIGHT OUTER JOIN": 0.3,
    "FULL JOIN": 1.2,
    "FULL OUTER JOIN": 0.3,
}
_MANY_ROWS = 1200


@dataclass(frozen=True)
class Query:
    """A finished query: its text, what it gives, and about how many rows."""

    text: str
    columns: Columns
    rows: int = 10
    ordered: bool = False
    block: Scope | None = None  # what ORDER BY may name besides the columns


@dataclass
class Sources(Aggregates):
    """Writes FROM clauses into a scope."""

    nameless: ClassVar[float] = 0.15  # how often a derived table has no alias

    @abstractmethod
    def derived(self, scope: Scope) -> Query:
        """A query that can stand as a table beside the scope's sources."""

    def from_clause(self, scope: Scope, joins: int) -> str:
        """`FROM ...`; the scope gets its sources."""
        text = self._joined(scope, joins)
        scope.bare = True
        return f" FROM {text}"

    def _joined(self, scope: Scope, joins: int, *, nested: bool = False) -> str:
        """Bare names in ON are left to the last join: another can make them ambiguous,
        even one outside parentheses, as SQLite drops those around the first item."""
        scope.bare = False
        text = self._item(scope)
        for left in reversed(range(joins)):
            text += self._join(scope, last=left == 0 and not nested)
        return text

    # one item

    def _item(self, scope: Scope, *, lateral: bool = False) -> str:
        forms = {"table": 12.0, "parenthesised": 1.0}
        if any(scope.ctes.values()):
            forms["cte"] = 14.0
        if self.draft.fuel > 0:
            forms |= {"derived": 2.0, "join": 1.2, "values": 0.2}
        forms["json_each"] = 0.5 if lateral else 0.1
        form = self.draft.weighted(forms)
        if form == "cte":
            return self._cte(scope)
        if form == "derived":
            return self._derived(scope)
        if form == "join":
            return self._parenthesised_join(scope)
        if form == "values":
            return self._values(scope)
        if form == "json_each":
            return self._json_each(scope, lateral=lateral)
        return self._table(scope, parenthesised=form == "parenthesised")

    def _table(self, scope: Scope, *, parenthesised: bool) -> str:
        view = self.draft.chance(0.02)
        weights = {
            t: _TABLE_WEIGHTS.get(t, 2.0) if t in self.draft.schema.protected else 0.6
            for t in self.tables
            if t not in self.banned
        }
        table = "regions" if view else self.draft.weighted(weights)
        columns = VIEWS[table] if view else self.tables[table]
        text = self.base_name(scope, table)
        if any(source.table == table for source in scope.sources):
            self.draft.mark("self join")
        alias, suffix = table, ""
        if table.lower() in scope.taken or self.draft.chance(0.6):
            alias = self._alias(scope)
            suffix = self._as(alias)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, columns, "" if view else table))
        scope.rows *= 12
        if parenthesised:
            first = len(scope.sources) == 1
            return self._in_parentheses(text, suffix, first=first)
        return text + suffix + self._hint(scope, scope.sources[-1])

    def _in_parentheses(self, text: str, suffix: str, *, first: bool) -> str:
        """SQLite forgets an alias inside parentheses, but for the first item."""
        if not suffix:
            self.draft.mark("parenthesised table")
            return f"({text})"
        self.draft.mark("parenthesised table with an alias")
        if self.draft.chance(0.2):
            return f"({text} AS {self.draft.name('inner_name')}){suffix}"
        inside = first and self.draft.chance(0.4)
        return f"({text}{suffix})" if inside else f"({text}){suffix}"

    def _hint(self, scope: Scope, source: Source) -> str:
        """An index hint; INDEXED BY only where the index is sure to be of use."""
        if source.table and self.draft.chance(0.04):
            self.draft.mark("NOT INDEXED")
            return " NOT INDEXED"
        if source.table == "orders" and not scope.sources[:-1]:
            if not self.draft.chance(0.12):
                return ""
            self.draft.mark("INDEXED BY")
            column = self.draft.name(source.alias, "customer_id")
            scope.musts.append(f"{column} > {self.draft.bind(0)}")
            return f" INDEXED BY {self.draft.name('orders_customer')}"
        return ""

    def _alias(self, scope: Scope) -> str:
        """A name that is free here, though it may be that of another table."""
        pool = [name for name in self.tables if self.draft.chance(0.25)]
        free = [
            name
            for name in (*pool, *_ALIASES)
            if name.lower() not in scope.taken | self._names_of_outer(scope)
        ]
        alias = self.draft.pick(free) if free else f"a{len(scope.taken)}"
        if alias in self.tables:
            self.draft.mark("alias shadows a table")
        return alias

    def _names_of_outer(self, scope: Scope) -> set[str]:
        """Mostly avoided, so that correlated columns stay within reach."""
        if scope.parent is None or self.draft.chance(0.2):
            return set()
        return scope.parent.taken

    def _as(self, alias: str) -> str:
        return f"{self.draft.pick((' AS ', ' AS ', ' '))}{self.draft.name(alias)}"

    def _cte(self, scope: Scope) -> str:
        name = self.draft.pick([name for name, found in scope.ctes.items() if found])
        columns = scope.ctes[name] or ()
        self.draft.mark("CTE", *(("CTE named like a table",) * (name in self.tables)))
        text, alias = self.draft.name(name), name
        if name.lower() in scope.taken or self.draft.chance(0.4):
            alias = self._alias(scope)
            text += self._as(alias)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, columns))
        scope.rows *= 10
        return text

    def _derived(self, scope: Scope) -> str:
        query = self.derived(scope)
        self.draft.mark("derived table")
        scope.rows *= max(query.rows, 1)
        if self.draft.chance(self.nameless):
            self.draft.mark("derived table without an alias")
            scope.sources.append(Source("", query.columns))
            return f"({query.text})"
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, query.columns))
        return f"({query.text}){self._as(alias)}"

    def _parenthesised_join(self, scope: Scope) -> str:
        inside = Scope(scope.parent, scope.ctes, taken=scope.taken)
        self.draft.fuel -= 1
        text = f"({self._joined(inside, self.draft.pick((1, 1, 2)), nested=True)})"
        inside.bare = True
        self.draft.mark("parenthesised join")
        scope.rows *= inside.rows
        scope.musts += inside.musts
        star = inside.star()
        names = {column.name.lower() for column in star}
        if len(names) < len(star) or inside.musts or self.draft.chance(0.6):
            scope.sources += inside.sources
            return text
        self.draft.mark("parenthesised join with an alias")
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, star))
        return text + self._as(alias)

    def _values(self, scope: Scope) -> str:
        self.draft.mark("VALUES as a table")
        rows = [
            f"({self.constant('order')}, {self.constant('status')})"
            for _ in range(self.draft.rng.randint(1, 3))
        ]
        if self.draft.chance(0.4):
            self.draft.fuel -= 1
            one = self.scalar(scope.apart(), "order")
            rows.append(f"({one}, {self.constant('status')})")
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        columns = (Column("column1", "order"), Column("column2", "status"))
        scope.sources.append(Source(alias, columns))
        scope.rows *= len(rows)
        return f"(VALUES {', '.join(rows)}){self._as(alias)}"

    def _json_each(self, scope: Scope, *, lateral: bool) -> str:
        self.draft.mark("table function")
        argument = "'[3, 1, 101, 11]'"
        ref = self.find(scope, "int", own=True) if lateral else None
        if ref is not None:
            self.draft.mark("table function of a column")
            argument = f"'[2, ' || {self.refer(ref)} || ']'"
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, _JSON_EACH))
        scope.rows *= 3
        return f"json_each({argument}){self._as(alias)}"

    # joins

    def _join(self, scope: Scope, *, last: bool) -> str:
        before, rows = list(scope.sources), scope.rows
        left = Scope(None, sources=before)
        operator = self.draft.weighted(_INNER | _OUTER)
        item = self._item(scope, lateral=operator in _INNER)
        added = scope.sources[len(before) :]
        operator, merged = self._merging(operator, left, added)
        scope.sources[len(before) :] = [
            replace(source, merged=merged or source.merged) for source in added
        ]
        scope.bare = last
        self.draft.mark(shape_of(operator))
        if operator == ",":
            return self._comma(scope, left, item, rows)
        if operator.startswith("NATURAL"):
            scope.rows = max(rows, 12)
            return f" {operator} {item}"
        if merged:
            scope.rows = max(rows, 12)
            return f" {operator} {item} USING ({self._using(left, merged)})"
        return f" {operator} {item}{self._on(scope, left, rows)}"

    def _comma(self, scope: Scope, left: Scope, item: str, rows: int) -> str:
        if self.draft.chance(0.006):
            self.draft.mark("comma with ON")
            return f", {item}{self._on(scope, left, rows)}"
        pair = self._equality(scope, left)
        if pair and (scope.rows > _MANY_ROWS or self.draft.chance(0.75)):
            scope.musts.append(pair)
            scope.rows = max(rows, scope.rows // max(rows, 1))
        return f", {item}"

    def _merging(
        self, operator: str, left: Scope, added: Sequence[Source]
    ) -> tuple[str, frozenset[str]]:
        """Makes the join NATURAL or gives it USING, where the columns allow it."""
        if operator == "," or len(added) != 1 or not self.draft.chance(0.4):
            return operator, frozenset()
        names = {ref.parts[0].lower() for ref in left.inner() if len(ref.parts) == 1}
        all_names = {c.name.lower() for s in left.sources for c in s.columns}
        mine = {column.name.lower(): column for column in added[0].columns}
        common = names & set(mine)
        dull = {name for name in common if mine[name].domain in DULL}
        natural = bool(common) and not (all_names - names) & set(mine)
        natural = natural and "CROSS" not in operator and self.draft.chance(0.6)
        if natural and (not dull or self.draft.chance(0.1)):
            return f"NATURAL {operator}", frozenset(common)
        if common - dull:
            chosen = sorted(common - dull)
            size = min(len(chosen), self.draft.pick((1, 1, 2)))
            return operator, frozenset(self.draft.rng.sample(chosen, size))
        return operator, frozenset()

    def _using(self, left: Scope, merged: frozenset[str]) -> str:
        self.draft.mark("USING")
        names = {ref.column.name.lower(): ref.column.name for ref in left.inner()}
        return ", ".join(self.draft.name(names[name]) for name in sorted(merged))

    def _on(self, scope: Scope, left: Scope, rows: int) -> str:
        pair = self._equality(scope, left)
        if pair is None and scope.rows > _MANY_ROWS:
            pair = "1 = 0"
        if scope.rows <= 400 and self.draft.chance(0.15):
            self.draft.mark("join without ON")
            return ""
        if pair is None:
            return f" ON {self.condition(scope, 1)}"
        scope.rows = max(rows, scope.rows // max(rows, 1))
        self.draft.mark("ON")
        if self.draft.chance(0.3):
            self.draft.mark("ON with a condition")
            word = self.draft.pick(("AND", "AND", "AND", "OR"))
            return f" ON {pair} {word} {self.condition(scope, 1)}"
        return f" ON ({pair})" if self.draft.chance(0.3) else f" ON {pair}"

    def _equality(self, scope: Scope, left: Scope) -> str | None:
        """Columns of one domain, one from each side."""
        before = left.inner()
        after = Scope(None, sources=scope.sources[len(left.sources) :]).inner()
        pairs = [
            (one, two)
            for one in before
            for two in after
            if one.column.domain == two.column.domain
            and one.column.domain not in (*DULL, "number", "words")
            and len(one.parts) > 1
            and len(two.parts) > 1
        ]
        if not pairs:
            return None
        one, two = self.draft.pick(pairs)
        return f"{self.refer(one)} = {self.refer(two)}"


def shape_of(operator: str) -> str:
    return {",": "comma join"}.get(operator, operator.replace(" OUTER", ""))
