"""Queries for MySQL and MariaDB: their functions, joins and hints."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.draft import BOUND
from tests.oracle.expressions import MAX_DEPTH, Maker
from tests.oracle.schema import Column
from tests.oracle.scope import Scope, Source
from tests.oracle.selects import CTE_NAMES, Ask
from tests.oracle.sources import Query
from tests.oracle.standard_selects import StandardSelects

#: What may stand after the first SELECT.
_OPTIONS = (
    *("STRAIGHT_JOIN", "SQL_NO_CACHE", "HIGH_PRIORITY", "SQL_BIG_RESULT"),
    *("SQL_BUFFER_RESULT", "SQL_SMALL_RESULT", "/*+NO_BNL()*/"),
)
#: What json_table() makes of each element.
_JSON_COLUMNS = (
    *("v INT PATH '$'", "v INT PATH '$'", "n FOR ORDINALITY, v INT PATH '$'"),
    "v INT PATH '$' DEFAULT '0' ON EMPTY NULL ON ERROR",
    "h INT EXISTS PATH '$', NESTED PATH '$' COLUMNS (v INT PATH '$')",
)
_LOCKS = ("FOR UPDATE", "FOR UPDATE SKIP LOCKED", "LOCK IN SHARE MODE")
#: Indexes of the tables; one of them is named in a hint.
INDEXES = {"orders": "orders_customer", "customers": "customers_country"}
#: Tables that are divided, and the names of their parts.
PARTITIONED = {"prices": "p0, p1", "archive": "p1, p0"}


@dataclass
class MySQLSelects(StandardSelects):
    """Writes queries that MySQL takes."""

    nameless: ClassVar[float] = 0
    true: ClassVar[str] = "TRUE"
    differs: ClassVar[str] = "<=>"
    filters: ClassVar[float] = 0
    integer: ClassVar[str] = "SIGNED"
    seen_later: ClassVar[bool] = False
    # the end of a server (9.7.4): SELECT tag FROM tags EXCEPT
    # SELECT min(label) FROM prices INTERSECT SELECT item_note FROM items
    excepts_intersections: ClassVar[bool] = False
    operators: ClassVar[Sequence[str]] = (
        *("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT"),
        *("UNION DISTINCT", "INTERSECT ALL", "EXCEPT ALL"),
    )
    limits_by_query: ClassVar[bool] = False
    values_statements: ClassVar[float] = 0.001  # those with sub-selects are refused
    named_using: ClassVar[float] = 0
    cte_names: ClassVar[Sequence[str]] = tuple(map(str.lower, CTE_NAMES))
    signs: ClassVar[Mapping[str, float]] = {
        "<>": 3,
        ">=": 3,
        "<": 2,
        "=": 2,
        "!=": 0.5,
        "<=>": 1,
    }
    likes: ClassVar[Sequence[str]] = (
        *("NOT LIKE 'x%'", "LIKE '%o%'", "REGEXP '[a-z]'", "NOT RLIKE '^x'"),
        *("LIKE 'g%' ESCAPE '|'", "NOT LIKE '%ghost%'"),
    )
    null_tests: ClassVar[Mapping[str, float]] = {"IS NOT NULL": 4, "IS NULL": 1}
    frames: ClassVar[Sequence[str]] = (
        "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
        "ROWS UNBOUNDED PRECEDING",
        "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    )
    offsets: ClassVar[Sequence[str]] = ("", ", 1")
    hints: ClassVar[Mapping[str, float]] = {" AS ": 1}
    orders: ClassVar[Sequence[str]] = ("", "", " DESC", " ASC")
    outer: ClassVar[Mapping[str, float]] = {
        "LEFT JOIN": 3.0,
        "LEFT OUTER JOIN": 0.5,
        "RIGHT JOIN": 2.0,
        "RIGHT OUTER JOIN": 0.3,
    }
    locks: ClassVar[Sequence[str]] = (*_LOCKS, "FOR SHARE NOWAIT")
    #: A row of VALUES.
    row: ClassVar[str] = "ROW"
    #: TABLE t.
    table_queries: ClassVar[bool] = True
    #: A table of VALUES, with its column names.
    table_of_values: ClassVar[bool] = True

    #: No LIMIT in a sub-select of IN; the next query is one, or this one.
    _next_unlimited: bool = False
    _unlimited: bool = False

    # expressions

    def _int_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: f"({self.value(s, 'int', d)} + {self.value(s, 'int', d)})",
            lambda s, d: f"{self.value(s, 'int', d)} - {self.constant('number')}",
            lambda s, d: f"({self.value(s, 'int', d)}) * 2",
            lambda s, d: f"({self.value(s, 'int', d)} % 7)",
            lambda s, d: f"{self.value(s, 'int', d)} DIV 3",
            lambda s, d: f"length({self.value(s, 'text', d)})",
            lambda s, d: f"greatest({self.value(s, 'int', d)}, {self.constant('key')})",
            lambda s, d: f"abs({self.value(s, 'int', d)})",
            lambda s, d: f"({self.condition(s, d)})",
            lambda s, d: f"NOT ({self.condition(s, d)})",
            lambda s, d: f"instr({self.value(s, 'text', d)}, 'o')",
            lambda s, d: self._either(s, "int", d),
            lambda s, d: self._nested(s, "int"),
            lambda s, d: self._nested(s, "int"),
        )

    def _text_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: self._concatenated(s, d),
            lambda s, d: f"upper({self.value(s, 'text', d)})",
            lambda s, d: f"substr({self.value(s, 'text', d)}, 1, 7)",
            lambda s, d: f"CAST({self.value(s, 'int', d)} AS CHAR)",
            lambda s, d: f"quote({self.value(s, self._kind(), d)})",
            lambda s, d: f"concat_ws('|', 'it''s', {self.value(s, 'text', d)})",
            lambda s, d: f"trim(BOTH 'x' FROM {self.value(s, 'text', d)})",
            lambda s, d: self._moment(s, d),
            lambda s, d: self._either(s, "text", d),
            lambda s, d: self._nested(s, "text"),
            lambda s, d: self._nested(s, "text"),
        )

    def _concatenated(self, scope: Scope, depth: int) -> str:
        one, two = (self.value(scope, "text", depth) for _ in range(2))
        return f"concat({one}, {two})"

    def _moment(self, scope: Scope, depth: int) -> str:
        """What a time says, or else a number."""
        ref = self.find(scope, "time")
        if ref is None:
            return f"hex({self.value(scope, 'int', depth)})"
        self.draft.mark("time")
        return f"date_format({self.refer(ref)}, '%Y-%m')"

    def _iif(self, condition: str, one: str, two: str) -> str:
        return f"if({condition}, {one}, {two})"

    def _plain_conditions(self) -> tuple[Maker, ...]:
        return (*super()._plain_conditions(), self._truth, self._quantified)

    def _truth(self, scope: Scope, depth: int) -> str:
        ref = self.find(scope, "time")
        if ref is None:
            form = self.draft.pick(("IS TRUE", "IS NOT FALSE", "XOR FALSE"))
            return f"({self.condition(scope, MAX_DEPTH)}) {form}"
        self.draft.mark("time")
        return f"NOT ({self.refer(ref)} <=> {self.constant('moment')})"

    def _quantified(self, scope: Scope, depth: int) -> str:
        """ANY and ALL of a sub-select."""
        if self.draft.fuel <= 0:
            return self._like(scope, depth)
        ref = self.find(scope, "int")
        domain = ref.column.domain if ref else "number"
        self.draft.mark("quantified comparison")
        left = self.refer(ref) if ref else self.constant("number")
        form = self.draft.pick(("= ANY", "<> ALL", ">= SOME", "< ALL"))
        return f"{left} {form} {self.listing(scope, (domain,))}"

    def _in_name(self, scope: Scope, depth: int) -> str:
        """IN of all columns of a table or a CTE."""
        word = "IN" if self.draft.chance(0.6) else "NOT IN"
        singles = [
            (name, columns[0].domain)
            for name, columns in scope.ctes.items()
            if columns and len(columns) == 1
        ]
        if singles and self.draft.chance(0.8):
            name, domain = self.draft.pick(singles)
            self.draft.mark("IN all of a CTE")
            left = self._lookup(scope, domain)
            return f"{left} {word} ({self._all_of(self.draft.name(name))})"
        table = "tags" if "tags" not in self.banned else "flagged"
        if table in self.banned:
            return self._like(scope, depth)
        self.draft.mark("row IN all of a table")
        row = ", ".join(self._lookup(scope, c.domain) for c in self.tables[table])
        return f"({row}) {word} ({self._all_of(self.base_name(scope, table))})"

    def _all_of(self, name: str) -> str:
        """All columns of a table or a CTE."""
        if not self.table_queries or self.draft.chance(0.6):
            return f"SELECT * FROM {name}"
        self.draft.mark("IN TABLE")
        return f"TABLE {name}"

    # aggregates

    def aggregate(self, scope: Scope, kind: str = "int") -> str:
        ref = self.find(scope, kind, own=True)
        if ref is not None and kind == "text" and self.draft.chance(0.3):
            self.draft.mark("group_concat")
            column = self.refer(ref)
            distinct = self.draft.pick(("", "DISTINCT "))
            return f"group_concat({distinct}{column} ORDER BY {column} SEPARATOR '/')"
        if ref is not None and kind == "int" and self.draft.chance(0.05):
            return self.draft.pick(("bit_or({})", "bit_xor({})")).format(
                self.refer(ref)
            )
        return super().aggregate(scope, kind)

    def _needs_name(self, text: str) -> bool:
        """Whether its name would show values, `%s` through the shim, or be cut."""
        return BOUND in text or len(text) > 120

    def _measured(self, text: str) -> str:
        return f"length({text})"

    # blocks

    def statement(self) -> tuple[str, bool]:
        if self.table_queries and self.draft.chance(0.02):
            return self._table_statement()
        text, ordered = super().statement()
        if text.startswith("SELECT ") and self.draft.chance(0.1):
            self.draft.mark("option of SELECT")
            text = text.replace("SELECT", f"SELECT {self.draft.pick(_OPTIONS)}", 1)
        if self.draft.chance(0.08):
            self.draft.mark("FOR UPDATE")
            text += f" {self.draft.pick(self.locks)}"
        return text, ordered

    def _table_statement(self) -> tuple[str, bool]:
        table = self.draft.pick([*self.tables])
        keys = ", ".join(self.draft.name(key) for key in self.keys[table])
        text = f"{self._table_query(Scope(), table).text} ORDER BY {keys}"
        return f"{text}{self._limit(Scope(), '')}", True

    def _table_query(self, scope: Scope, table: str) -> Query:
        self.draft.mark("TABLE")
        text = f"TABLE {self.base_name(scope, table)}"
        return Query(text, self.tables[table], 12)

    def derived(self, scope: Scope) -> Query:
        free = [table for table in self.tables if table not in self.banned]
        if self.table_queries and self.draft.chance(0.08):
            return self._table_query(scope, self.draft.pick(free))
        return super().derived(scope)

    def _branch_of(self, frame: Scope, ask: Ask) -> str:
        text = super()._branch_of(frame, ask)
        if not self.draft.chance(0.2):
            return text
        self.draft.mark("branch in parentheses")
        return f"({text})"

    def _values_statement(self) -> str:
        self.draft.mark("VALUES statement")
        row = self.row
        rows = [f"{row}({self.constant('status')}, {self.scalar(Scope(), 'money')})"]
        more = f"{row}('a ? b', {self.constant('order')})"
        rows += [more] * self.draft.pick((0, 1, 2))
        return f"VALUES {', '.join(rows)}"

    def _literals(self, wants: Sequence[str], form: str) -> Query:
        return super()._literals(wants, form.replace("VALUES (", f"VALUES {self.row}("))

    def query(self, frame: Scope, ask: Ask, *, limit: str = "") -> Query:
        around = self._unlimited
        self._unlimited, self._next_unlimited = self._next_unlimited, False
        made = super().query(frame, ask, limit=limit)
        self._unlimited = around
        return made

    def listing(self, scope: Scope, domains: Sequence[str]) -> str:
        self._next_unlimited = bool(domains)
        return super().listing(scope, domains)

    def _limit(self, frame: Scope, limit: str) -> str:
        return "" if self._unlimited else super()._limit(frame, limit)

    def _sort_key(self, block: Scope) -> str:
        if self.draft.fuel > 0 and self.draft.chance(0.5):
            self.draft.mark("sub-select in ORDER BY")
            return f"{self.scalar(block, 'number')} DESC"
        ref = self.find(block, "text", own=True)
        return f"{self.refer(ref)} COLLATE utf8mb4_bin" if ref else "1 + 0"

    def _groups(self, keys: Sequence[str]) -> str:
        if len(keys) > 1 or not self.draft.chance(0.1):
            return super()._groups(keys)
        self.draft.mark("WITH ROLLUP")
        return f"{keys[0]} WITH ROLLUP"

    # sources

    def _operators(self, *, nested: bool) -> dict[str, float]:
        return super()._operators(nested=nested) | {"STRAIGHT_JOIN": 0.7}

    def _merging(
        self, operator: str, left: Scope, added: Sequence[Source]
    ) -> tuple[str, frozenset[str]]:
        if operator == "STRAIGHT_JOIN":
            return operator, frozenset()
        return super()._merging(operator, left, added)

    def _in_parentheses(self, text: str, suffix: str, *, first: bool) -> str:
        self.draft.mark("parenthesised table")
        return f"({text}{suffix})"

    def _parenthesised_join(self, scope: Scope) -> str:
        """No alias can follow."""
        inside = Scope(scope.parent, scope.ctes, taken=scope.taken)
        self.draft.fuel -= 1
        text = f"({self._joined(inside, self.draft.pick((1, 1, 2)), nested=True)})"
        self.draft.mark("parenthesised join")
        scope.rows *= inside.rows
        scope.musts += inside.musts
        scope.sources += inside.sources
        return text

    def _table(self, scope: Scope, *, parenthesised: bool) -> str:
        text = super()._table(scope, parenthesised=parenthesised)
        source = scope.sources[-1]
        parts = PARTITIONED.get(source.table)
        if parts and " " not in text and self.draft.chance(0.05):
            self.draft.mark("PARTITION")
            return f"{text} PARTITION ({parts})"
        return text

    def _hint(self, scope: Scope, source: Source) -> str:
        if source.table not in INDEXES or not self.draft.chance(0.03):
            return ""
        self.draft.mark("index hint")
        word = self.draft.pick(("USE", "FORCE", "IGNORE"))
        kind = self.draft.pick(("INDEX", "KEY"))
        part = self.draft.pick(("", "", "", " FOR JOIN", " FOR ORDER BY"))
        own = self.draft.name(INDEXES[source.table])
        index = self.draft.pick((own, own, "PRIMARY", f"PRIMARY, {own}"))
        return f" {word} {kind}{part} ({index})"

    def _values(self, scope: Scope) -> str:
        if not self.table_of_values:
            return self._table(scope, parenthesised=False)
        text = super()._values(scope)
        text = text.replace("(VALUES (", "(VALUES ROW(").replace("), (", "), ROW(")
        return f"{text} (column1, column2)"

    def _json_each(self, scope: Scope, *, lateral: bool) -> str:
        """A function that gives rows."""
        self.draft.mark("table function")
        ref = self.find(scope, "int", own=True) if lateral else None
        argument = "'[3, 1, 101, 11]'"
        if ref is not None:
            self.draft.mark("table function of a column")
            argument = f"concat('[2, ', coalesce({self.refer(ref)}, 0), ']')"
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        scope.rows *= 3
        columns = self.draft.pick(_JSON_COLUMNS)
        call = f"json_table({argument}, '$[*]' COLUMNS ({columns}))"
        shown = [Column(n, "number") for n in "nhv" if re.search(rf"\b{n} ", columns)]
        scope.sources.append(Source(alias, tuple(shown)))
        return f"{call}{self._as(alias)}"


@dataclass
class MariaDBSelects(MySQLSelects):
    """Writes queries that MariaDB takes."""

    locks: ClassVar[Sequence[str]] = (*_LOCKS, "FOR UPDATE NOWAIT")
    laterals: ClassVar[float] = 0
    row: ClassVar[str] = ""
    excepts_intersections: ClassVar[bool] = True
    # no end (10.11.19): EXCEPT ALL after INTERSECT ALL, in a sub-select
    operators: ClassVar[Sequence[str]] = (
        *("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT", "UNION DISTINCT"),
    )
    # wrong rows (10.11.19): SELECT order_id, order_id IN (VALUES (102)) FROM items
    # WHERE line = 1 GROUP BY order_id
    values_blocks: ClassVar[float] = 0
    table_queries: ClassVar[bool] = False
    # the end of a server (10.11.19), where a member is not used: SELECT 1 FROM orders
    # WHERE (WITH c AS (SELECT 1 FROM tags JOIN items ON orders.id) SELECT 1)
    nested_with: ClassVar[float] = 0
    # a member that is named twice is read again by its text, where later ones are seen
    names_early: ClassVar[bool] = True
    table_of_values: ClassVar[bool] = False

    def derived(self, scope: Scope) -> Query:
        """It sees nothing from outside."""
        return super().derived(Scope(ctes=scope.ctes))
