"""Queries for PostgreSQL: its functions, its joins, and what it has besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.expressions import Maker
from tests.oracle.schema import Column
from tests.oracle.scope import Scope, Source
from tests.oracle.selects import Ask
from tests.oracle.sources import Query
from tests.oracle.standard_selects import StandardSelects

_LOCKS = (
    *("FOR UPDATE", "FOR UPDATE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR KEY SHARE"),
    *("FOR UPDATE NOWAIT", "FOR SHARE SKIP LOCKED"),
)
_DOWN = ("DESC", "DESC NULLS LAST", "USING >", "USING OPERATOR(pg_catalog.>)")


@dataclass
class PostgreSQLSelects(StandardSelects):
    """Writes queries that PostgreSQL takes."""

    nameless: ClassVar[float] = 0
    true: ClassVar[str] = "true"
    differs: ClassVar[str] = "IS DISTINCT FROM"
    signs: ClassVar[Mapping[str, float]] = {
        "<>": 3,
        ">=": 3,
        "<": 2,
        "IS DISTINCT FROM": 2,
        "=": 2,
        "!=": 0.3,
        "IS NOT DISTINCT FROM": 0.3,
    }
    likes: ClassVar[Sequence[str]] = (
        *("NOT LIKE 'x%'", "LIKE '%o%'", "ILIKE '%O%'", "NOT ILIKE '%ghost%'"),
        *("~ '[a-z]'", "!~* '^x'", "SIMILAR TO '%(a|o)%'", "^@ 'g'"),
    )
    limit_forms: ClassVar[Mapping[str, float]] = {
        "LIMIT {count}": 4,
        "LIMIT {count} OFFSET {offset}": 1,
        "OFFSET {offset} LIMIT {count}": 0.5,
        "FETCH FIRST ({count}) ROWS ONLY": 0.5,
        "OFFSET ({offset}) ROWS FETCH NEXT ({count}) ROWS ONLY": 0.5,
    }

    # expressions

    def _int_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: f"({self.value(s, 'int', d)} + {self.value(s, 'int', d)})",
            lambda s, d: f"{self.value(s, 'int', d)} - {self.constant('number')}",
            lambda s, d: f"({self.value(s, 'int', d)}) * 2",
            lambda s, d: f"({self.value(s, 'int', d)} % 7)",
            lambda s, d: f"length({self.value(s, 'text', d)})",
            lambda s, d: f"greatest({self.value(s, 'int', d)}, {self.constant('key')})",
            lambda s, d: f"abs({self.value(s, 'int', d)})",
            lambda s, d: f"({self.condition(s, d)})::int",
            lambda s, d: f"cardinality({self._array(s, d)})",
            lambda s, d: f"({self._array(s, d)})[1]",
            lambda s, d: f"position('o' IN {self.value(s, 'text', d)})",
            lambda s, d: self._either(s, "int", d),
            lambda s, d: self._nested(s, "int"),
            lambda s, d: self._nested(s, "int"),
        )

    def _text_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: f"{self.value(s, 'text', d)} || {self.value(s, 'text', d)}",
            lambda s, d: f"upper({self.value(s, 'text', d)})",
            lambda s, d: f"substring({self.value(s, 'text', d)} FROM 1 FOR 7)",
            lambda s, d: f"CAST({self.value(s, 'int', d)} AS text)",
            lambda s, d: f"({self.value(s, 'int', d)})::text",
            lambda s, d: f"quote_nullable({self.value(s, self._kind(), d)})",
            lambda s, d: f"format('%s|%s', 'it''s', {self.value(s, 'text', d)})",
            lambda s, d: f"json_build_array({self.value(s, 'text', d)}::text)::text",
            lambda s, d: f"trim(BOTH 'x' FROM {self.value(s, 'text', d)})",
            lambda s, d: self._moment(s, d),
            lambda s, d: self._either(s, "text", d),
            lambda s, d: self._nested(s, "text"),
            lambda s, d: self._nested(s, "text"),
        )

    def _array(self, scope: Scope, depth: int) -> str:
        """An array of numbers: of its items, or of the rows of a sub-select."""
        self.draft.mark("array")
        if self.draft.fuel > 0 and self.draft.chance(0.6):
            self.draft.mark("array of a sub-select")
            inner = self.listing(scope, ("number",))[1:-1]
            return f"ARRAY(SELECT a FROM ({inner}) AS l (a) ORDER BY 1)"
        return f"ARRAY[{self.value(scope, 'int', depth)}, {self.constant('count')}]"

    def _moment(self, scope: Scope, depth: int) -> str:
        """What a time says, or else a number."""
        ref = self.find(scope, "time")
        if ref is None:
            return f"to_char({self.value(scope, 'int', depth)}, '999')"
        self.draft.mark("time")
        return f"to_char({self.refer(ref)}, 'YYYY-MM')"

    def _iif(self, condition: str, one: str, two: str) -> str:
        return f"CASE WHEN {condition} THEN {one} ELSE {two} END"

    # conditions

    def _plain_conditions(self) -> tuple[Maker, ...]:
        own = (self._of_array, self._truth, self._constructed)
        return (*super()._plain_conditions(), *own)

    def _of_array(self, scope: Scope, depth: int) -> str:
        self.draft.mark("ANY of an array")
        form = self.draft.pick(("= ANY", "<> ALL", "= ANY", ">= ALL"))
        value = self.value(scope, "int", depth)
        return f"{value} {form} ({self._array(scope, depth)})"

    def _truth(self, scope: Scope, depth: int) -> str:
        """A column that is a condition, or one with a time."""
        ref = self.find(scope, "bool")
        if ref is not None and self.draft.chance(0.5):
            self.draft.mark("boolean column")
            return self.draft.pick(("{}", "NOT {}", "{} IS NOT TRUE")).format(
                self.refer(ref)
            )
        ref = self.find(scope, "time")
        if ref is None:
            return self._like(scope, depth)
        self.draft.mark("time")
        return f"{self.refer(ref)} IS DISTINCT FROM {self.constant('moment')}"

    def _constructed(self, scope: Scope, depth: int) -> str:
        self.draft.mark("row constructor")
        one, two = (self.value(scope, kind, depth) for kind in ("int", "text"))
        form = self.draft.pick(("IS NOT NULL", "IS DISTINCT FROM (3, 'open')"))
        return f"ROW({one}, {two}) {form}"

    def _in_name(self, scope: Scope, depth: int) -> str:
        """ANY or IN of all columns of a table or a CTE."""
        singles = [
            (name, columns[0].domain)
            for name, columns in scope.ctes.items()
            if columns and len(columns) == 1
        ]
        if singles and self.draft.chance(0.8):
            name, domain = self.draft.pick(singles)
            self.draft.mark("ANY of a CTE")
            left = self._lookup(scope, domain)
            word = self.draft.pick(("IN", "NOT IN", "= ANY", "<> ALL"))
            return f"{left} {word} ({self._all_of(self.draft.name(name))})"
        table = "tags" if "tags" not in self.banned else "flagged"
        if table in self.banned:
            return self._like(scope, depth)
        self.draft.mark("row ANY of a table")
        columns = self.tables[table]
        row = ", ".join(self._lookup(scope, column.domain) for column in columns)
        word = self.draft.pick(("IN", "NOT IN", "= ANY", "<> ALL"))
        return f"({row}) {word} ({self._all_of(self.base_name(scope, table))})"

    def _all_of(self, name: str) -> str:
        """A query of all columns and rows."""
        if self.draft.chance(0.5):
            return f"SELECT * FROM {name}"
        self.draft.mark("TABLE")
        return f"TABLE {self.draft.pick(('', '', 'ONLY '))}{name}"

    # aggregates

    def aggregate(self, scope: Scope, kind: str = "int") -> str:
        ref = self.find(scope, kind, own=True)
        if ref is None:
            return "count(*)" if kind == "int" else "min('x'::text)"
        if kind == "text" and self.draft.chance(0.3):
            self.draft.mark("aggregate of an order")
            column = self.refer(ref)
            return f"string_agg({column}, '/' ORDER BY {column})"
        if kind == "int" and self.draft.chance(0.12):
            self.draft.mark("aggregate of an order")
            column = self.refer(ref)
            return self.draft.pick(
                (
                    f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {column})",
                    f"cardinality(array_agg({column} ORDER BY {column}))",
                    f"sum({column}) FILTER (WHERE {self.condition(scope, 1)})",
                )
            )
        return super().aggregate(scope, kind)

    # blocks

    def statement(self) -> tuple[str, bool]:
        text, ordered = super().statement()
        if self.draft.chance(0.08):
            self.draft.mark("FOR UPDATE")
            text += f" {self.draft.pick(_LOCKS)}"
        return text, ordered

    def _block(self, frame: Scope, ask: Ask) -> Query:
        if ask.wants != () and not ask.tail and self.draft.chance(0.05):
            around = self.windows
            query = self._distinct_on(frame, ask)
            self.windows = around
            return query
        return super()._block(frame, ask)

    def _distinct_on(self, frame: Scope, ask: Ask) -> Query:
        """DISTINCT ON, in parentheses for its ORDER BY, which leaves no choice."""
        block = Scope(frame.parent, frame.ctes)
        self.windows = []
        source = self.from_clause(block, self._joins(block))
        key = self.find(block, self._kind(), own=True)
        if key is None or not all(s.alias for s in block.sources):
            return self._ungrouped(block, ask, source, form="plain")
        self.draft.mark("DISTINCT ON")
        items, columns = self._items(block, ask, "plain")
        on = self.refer(key)
        terms = [on, *(self.refer(ref) for ref in block.order())]
        text = f"(SELECT DISTINCT ON ({on}) {items}{source}{self._where(block)}"
        return Query(f"{text} ORDER BY {', '.join(terms)})", columns, 8)

    def _measured(self, text: str) -> str:
        return f"length(({text})::text)"

    def _groups(self, keys: Sequence[str]) -> str:
        form = self.draft.weighted(
            {"{}": 6, "ROLLUP ({})": 1, "CUBE ({})": 0.5, "GROUPING SETS (({}), ())": 1}
        )
        if form != "{}":
            self.draft.mark("grouping sets")
        return form.format(", ".join(keys))

    def _sort_key(self, block: Scope) -> str:
        if self.draft.fuel > 0 and self.draft.chance(0.5):
            self.draft.mark("sub-select in ORDER BY")
            return f"{self.scalar(block, 'number')} {self.draft.pick(_DOWN)}"
        ref = self.find(block, "text", own=True)
        collation = self.draft.name("ucs_basic")
        return f"{self.refer(ref)} COLLATE {collation}" if ref else "1 + 0"

    # sources

    def _table(self, scope: Scope, *, parenthesised: bool) -> str:
        text = super()._table(scope, parenthesised=False)
        source = scope.sources[-1]
        bare = source.alias == source.table
        if source.table and self.draft.chance(0.05):
            self.draft.mark("ONLY")
            if bare and self.draft.chance(0.5):
                self.draft.mark("ONLY with parentheses")
                text = f"({text})"
            return f"ONLY {text}"
        if source.table and bare and self.draft.chance(0.03):
            self.draft.mark("star of a source")
            return f"{text} *"
        if source.table and source.alias != source.table and self.draft.chance(0.06):
            return self._renamed(scope, text)
        if source.table and self.draft.chance(0.004):
            self.draft.mark("TABLESAMPLE")
            return f"{text} TABLESAMPLE BERNOULLI (100) REPEATABLE (3)"
        return text

    def _renamed(self, scope: Scope, text: str) -> str:
        """The first columns have other names."""
        self.draft.mark("alias with column names")
        source = scope.sources.pop()
        names = ("k1", "k2")[: self.draft.pick((1, 2))]
        named = [
            Column(names[n], column.domain) if n < len(names) else column
            for n, column in enumerate(source.columns)
        ]
        scope.sources.append(Source(source.alias, tuple(named)))
        return f"{text} ({', '.join(map(self.draft.name, names))})"

    def _hint(self, scope: Scope, source: Source) -> str:
        return ""

    def _json_each(self, scope: Scope, *, lateral: bool) -> str:
        """A function that gives rows."""
        self.draft.mark("table function")
        ref = self.find(scope, "int", own=True) if lateral else None
        argument = "101"
        if ref is not None:
            self.draft.mark("table function of a column")
            argument = self.refer(ref)
        call, columns = self.draft.pick(
            (
                (f"generate_series(1, {argument} % 4)", ("value",)),
                (f"unnest(ARRAY[2, {argument}, 11])", ("value",)),
                (f"unnest(ARRAY[{argument}]) WITH ORDINALITY", ("value", "place")),
                (
                    f"ROWS FROM (unnest(ARRAY[{argument}]), generate_series(1, 3))",
                    ("value", "place"),
                ),
            )
        )
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        found = tuple(Column(name, "number") for name in columns)
        scope.sources.append(Source(alias, found))
        scope.rows *= 3
        return f"{call} AS {self.draft.name(alias)} ({', '.join(columns)})"
