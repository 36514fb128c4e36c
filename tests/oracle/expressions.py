"""Expressions of a kind (int or text) and conditions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from tests.oracle.draft import Draft
from tests.oracle.schema import DOMAINS, DULL, Columns
from tests.oracle.scope import Ref, Scope

Maker: TypeAlias = Callable[[Scope, int], str]

MAX_DEPTH = 2


@dataclass
class Expressions(ABC):
    """Writes expressions; what a sub-select is, a subclass says."""

    draft: Draft
    banned: set[str] = field(default_factory=set[str])  # tables that must not be read

    true: ClassVar[str] = "1"
    differs: ClassVar[str] = "IS NOT"
    signs: ClassVar[Mapping[str, float]] = {
        "<>": 3,
        ">=": 3,
        "<": 2,
        "IS NOT": 2,
        "=": 2,
        "IS": 0.3,
        "==": 0.3,
    }
    likes: ClassVar[Sequence[str]] = ("NOT LIKE 'x%'", "LIKE '%o%'", "GLOB '*[a-z]*'")
    qualified: ClassVar[float] = 0.1  # how often the name of a column has the schema's
    null_tests: ClassVar[Mapping[str, float]] = {
        "IS NOT NULL": 4,
        "IS NULL": 1,
        "NOTNULL": 1,
    }

    @property
    def tables(self) -> Mapping[str, Columns]:
        return self.draft.schema.tables

    @property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        return self.draft.schema.keys

    @abstractmethod
    def scalar(self, scope: Scope, domain: str) -> str:
        """A sub-select in parentheses that gives one value."""

    @abstractmethod
    def listing(self, scope: Scope, domains: Sequence[str]) -> str:
        """A sub-select in parentheses that gives rows of such values."""

    # names and values

    def refer(self, ref: Ref) -> str:
        source = ref.source
        named = source and source.table and ref.parts[0] == source.table
        if source and named and self.draft.chance(self.qualified):
            self.draft.mark("column qualified by schema")
            return self.draft.name(
                self.draft.schema.place, source.table, ref.column.name
            )
        return self.draft.name(*ref.parts)

    def find(
        self, scope: Scope, kind: str, *, domain: str = "", own: bool = False
    ) -> Ref | None:
        """A column of the kind, of the domain if there is one; columns that mark
        deleted rows are taken seldom, as they are all alike."""
        refs = [ref for ref in scope.inner() if ref.column.kind == kind]
        if not own and (not refs or self.draft.chance(0.25)):
            outer = [ref for ref in scope.outer() if ref.column.kind == kind]
            if outer:
                self.draft.mark("correlated sub-select")
            refs = outer or refs
        wanted = [ref for ref in refs if ref.column.domain == domain]
        common = [ref for ref in refs if ref.column.domain not in DULL]
        for choices in (wanted, common, refs):
            if choices and (choices is not common or self.draft.chance(0.93)):
                return self.draft.pick(choices)
        return None

    def constant(self, domain: str) -> str:
        return self.draft.bind(self.draft.pick(self.draft.schema.pools[domain]))

    def value(
        self, scope: Scope, kind: str, depth: int = 0, *, domain: str = ""
    ) -> str:
        """An expression of the kind; sub-selects become rare with the depth."""
        if depth < MAX_DEPTH and self.draft.chance(0.45):
            makers = self._int_makers() if kind == "int" else self._text_makers()
            return self.draft.pick(makers)(scope, depth + 1)
        ref = self.find(scope, kind, domain=domain)
        if ref is None or self.draft.chance(0.08):
            return self.constant(domain or some_domain(kind))
        return self.refer(ref)

    def _int_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: f"({self.value(s, 'int', d)} + {self.value(s, 'int', d)})",
            lambda s, d: f"{self.value(s, 'int', d)} - {self.constant('number')}",
            lambda s, d: f"({self.value(s, 'int', d)}) * 2",
            lambda s, d: f"({self.value(s, 'int', d)} % 7)",
            lambda s, d: f"length({self.value(s, 'text', d)})",
            lambda s, d: f"CAST({self.value(s, 'text', d)} AS INTEGER)",
            lambda s, d: f"max({self.value(s, 'int', d)}, {self.value(s, 'int', d)})",
            lambda s, d: f"abs({self.value(s, 'int', d)})",
            lambda s, d: f"({self.condition(s, d)})",
            lambda s, d: self._either(s, "int", d),
            lambda s, d: self._nested(s, "int"),
            lambda s, d: self._nested(s, "int"),
        )

    def _text_makers(self) -> tuple[Maker, ...]:
        return (
            lambda s, d: f"{self.value(s, 'text', d)} || {self.value(s, 'text', d)}",
            lambda s, d: f"upper({self.value(s, 'text', d)})",
            lambda s, d: f"substr({self.value(s, 'text', d)}, 1, 7)",
            lambda s, d: f"CAST({self.value(s, 'int', d)} AS TEXT)",
            lambda s, d: f"quote({self.value(s, self._kind(), d)})",
            lambda s, d: f"printf('%s|%s', 'it''s', {self.value(s, 'text', d)})",
            lambda s, d: f"json_array({self.value(s, 'text', d)}, 'a ? :b')",
            lambda s, d: self._either(s, "text", d),
            lambda s, d: self._nested(s, "text"),
            lambda s, d: self._nested(s, "text"),
        )

    def _kind(self) -> str:
        return self.draft.pick(("int", "text"))

    def _either(self, scope: Scope, kind: str, depth: int) -> str:
        """A choice between values."""
        one, two = (self.value(scope, kind, depth) for _ in range(2))
        form = self.draft.pick(("coalesce", "nullif", "iif", "case", "case of"))
        self.draft.mark(form)
        if form == "iif":
            return self._iif(self.condition(scope, depth), one, two)
        if form == "case":
            when = self.condition(scope, depth)
            return f"CASE WHEN {when} THEN {one} ELSE {two} END"
        if form == "case of":
            subject, match = self.value(scope, kind, depth), self.value(scope, kind)
            return f"CASE {subject} WHEN {match} THEN {one} WHEN {two} THEN {one} END"
        return f"{form}({one}, {two})"

    def _iif(self, condition: str, one: str, two: str) -> str:
        return f"iif({condition}, {one}, {two})"

    def _nested(self, scope: Scope, kind: str) -> str:
        if self.draft.fuel <= 0:
            return self.value(scope, kind, MAX_DEPTH)
        self.draft.mark("sub-select as a value")
        return self.scalar(scope, some_domain(kind))

    # conditions

    def condition(self, scope: Scope, depth: int = 0) -> str:
        """Something true or false, true more often than not."""
        if depth < MAX_DEPTH and self.draft.chance(0.25):
            return self._logic(scope, depth)
        if any(map(_single, scope.ctes.values())) and self.draft.chance(0.25):
            return self._in_name(scope, depth)
        if self.draft.fuel > 0 and self.draft.chance(0.55 if depth < 2 else 0.2):
            makers = self._nested_conditions()
        else:
            makers = self._plain_conditions()
        return self.draft.pick(makers)(scope, depth + 1)

    def _logic(self, scope: Scope, depth: int) -> str:
        one = self.condition(scope, depth + 1)
        two = self.condition(scope, depth + 1)
        form = self.draft.weighted({"AND": 2, "OR": 4, "NOT": 1, "CASE": 0.5})
        self.draft.mark(f"{form} in a condition")
        if form == "NOT":
            return f"NOT ({one})"
        if form == "CASE":
            return f"CASE WHEN {one} THEN {self.true} ELSE {two} END"
        return f"{one} {form} {two}"

    def _plain_conditions(self) -> tuple[Maker, ...]:
        return (
            self._compare,
            self._compare,
            lambda s, d: f"{self.value(s, 'int', d)} >= {self.constant('count')}",
            self._null_test,
            self._like,
            self._in_list,
            lambda s, d: (
                f"{self.value(s, 'int', d)} BETWEEN {self.draft.bind(0)} "
                f"AND {self.value(s, 'int', d)} + {self.draft.bind(500)}"
            ),
        )

    def _compare(self, scope: Scope, depth: int) -> str:
        kind = self._kind()
        ref = self.find(scope, kind)
        left = self.refer(ref) if ref else self.value(scope, kind, depth)
        domain = ref.column.domain if ref else ""
        right = (
            self.constant(domain)
            if domain and self.draft.chance(0.6)
            else self.value(scope, kind, depth, domain=domain)
        )
        return f"{left} {self.draft.weighted(self.signs)} {right}"

    def _null_test(self, scope: Scope, depth: int) -> str:
        test = self.draft.weighted(self.null_tests)
        return f"{self.value(scope, self._kind(), depth)} {test}"

    def _like(self, scope: Scope, depth: int) -> str:
        form = self.draft.pick(self.likes)
        self.draft.mark("like")
        return f"{self.value(scope, 'text', depth)} {form}"

    def _in_list(self, scope: Scope, depth: int) -> str:
        kind = self._kind()
        ref = self.find(scope, kind)
        left = self.refer(ref) if ref else self.value(scope, kind, depth)
        domain = ref.column.domain if ref else some_domain(kind)
        items = [self.constant(domain) for _ in range(self.draft.rng.randint(1, 4))]
        if self.draft.fuel > 0 and self.draft.chance(0.35):
            self.draft.mark("sub-select in an IN list")
            place = self.draft.rng.randint(0, len(items))
            items.insert(place, self.scalar(scope, domain))
        word = "IN" if self.draft.chance(0.6) else "NOT IN"
        return f"{left} {word} ({', '.join(items)})"

    def _nested_conditions(self) -> tuple[Maker, ...]:
        return (
            self._in_rows,
            self._in_rows,
            self._in_name,
            self._exists,
            self._exists,
            self._compare_rows,
            self._between_rows,
            self._compare_nested,
            self._compare_nested,
        )

    def _in_rows(self, scope: Scope, depth: int) -> str:
        width = 2 if self.draft.chance(0.2) else 1
        refs = [self.find(scope, self._kind()) for _ in range(width)]
        domains = [ref.column.domain if ref else "number" for ref in refs]
        parts = [self.refer(ref) if ref else self.constant("number") for ref in refs]
        left = parts[0] if width == 1 else f"({', '.join(parts)})"
        word = "IN" if self.draft.chance(0.6) else "NOT IN"
        self.draft.mark("IN sub-select" if width == 1 else "row IN sub-select")
        return f"{left} {word} {self.listing(scope, domains)}"

    def _in_name(self, scope: Scope, depth: int) -> str:
        """`IN` followed by the bare name of a table or a CTE of one column."""
        word = "IN" if self.draft.chance(0.6) else "NOT IN"
        singles = [
            (name, columns[0].domain)
            for name, columns in scope.ctes.items()
            if columns and len(columns) == 1
        ]
        if singles and self.draft.chance(0.8):
            name, domain = self.draft.pick(singles)
            self.draft.mark("IN name of a CTE")
            left = self._lookup(scope, domain)
            return f"{left} {word} {self.draft.name(name)}"
        if self.draft.chance(0.6) and "tags" not in self.banned:
            self.draft.mark("IN name of a protected table")
            flag = self.draft.pick(("0", "0", "1", self.draft.bind(0)))
            left = f"({self._lookup(scope, 'status')}, {flag})"
            return f"{left} {word} {self.base_name(scope, 'tags')}"
        self.draft.mark("IN name of a table")
        left = self._lookup(scope, "order")
        return f"{left} {word} {self.base_name(scope, 'flagged')}"

    def _lookup(self, scope: Scope, domain: str) -> str:
        ref = self.find(scope, DOMAINS[domain], domain=domain)
        usable = ref and ref.column.domain == domain and not self.draft.chance(0.1)
        return self.refer(ref) if ref and usable else self.constant(domain)

    def base_name(self, scope: Scope, table: str) -> str:
        """A base table's name, qualified where a CTE has taken the bare one."""
        taken = table.lower() in scope.ctes
        if taken or self.draft.chance(0.2):
            self.draft.mark("schema-qualified table", *(("CTE avoided",) * taken))
            return self.draft.name(self.draft.schema.place, table)
        return self.draft.name(table)

    def _exists(self, scope: Scope, depth: int) -> str:
        self.draft.mark("EXISTS")
        word = "EXISTS" if self.draft.chance(0.7) else "NOT EXISTS"
        return f"{word} {self.listing(scope, ())}"

    def _compare_rows(self, scope: Scope, depth: int) -> str:
        self.draft.mark("row value")
        kinds = [self._kind() for _ in range(2)]
        left = ", ".join(self.value(scope, kind, MAX_DEPTH) for kind in kinds)
        domains = [some_domain(kind) for kind in kinds]
        right = ", ".join(self.scalar(scope, domain) for domain in domains)
        return f"({left}) {self.draft.pick(('<>', '<', '>='))} ({right})"

    def _between_rows(self, scope: Scope, depth: int) -> str:
        self.draft.mark("sub-select in BETWEEN")
        low, high = self.constant("number"), self.scalar(scope, "money")
        if self.draft.chance(0.4):
            low = self.scalar(scope, "number")
        word = self.draft.pick(("BETWEEN", "NOT BETWEEN"))
        return f"{self.value(scope, 'int', depth)} {word} {low} AND {high}"

    def _compare_nested(self, scope: Scope, depth: int) -> str:
        ref = self.find(scope, self._kind())
        domain = ref.column.domain if ref else "number"
        left = self.refer(ref) if ref else self.constant("number")
        sign = self.draft.pick(("<", "<=", ">=", "<>", "=", self.differs))
        self.draft.mark("sub-select compared")
        pair = [left, self.scalar(scope, domain)]
        if self.draft.chance(0.2):
            pair.reverse()
        return f"{pair[0]} {sign} {pair[1]}"


def some_domain(kind: str) -> str:
    return "number" if kind == "int" else "status"


def _single(columns: Columns | None) -> bool:
    return columns is not None and len(columns) == 1
