"""DELETE, UPDATE and INSERT in every form, with sub-selects wherever they may stand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from tests.oracle.schema import PROTECTED, Column, Columns
from tests.oracle.scope import Scope, Source
from tests.oracle.selects import Ask, Selects

NEW = 100_000  # keys of inserted rows; no row of either database has such a one
_PARENTS = {
    "customer": "customers",
    "product": "products",
    "category": "categories",
    "country": "countries",
}
# What the schema demands of a column's new value.
DEMANDS = {
    "credit": "abs({})",
    "name": "coalesce({}, 'nobody')",
    "line": "coalesce({}, 1)",
    "region": "coalesce({}, 'XX')",
}


@dataclass(frozen=True)
class Write:
    """A finished statement that writes."""

    kind: str
    target: str
    text: str
    many: bool = False
    beside: tuple[str, ...] = ()


@dataclass
class Writes(Selects):
    """Writes statements that write."""

    limits: bool = True  # SQLite is built with LIMIT on UPDATE and DELETE
    #: Whether the statement is to be executed many times, and how often one is.
    many: bool = False
    often_many: ClassVar[float] = 0

    kinds: ClassVar[Mapping[str, float]] = {"delete": 5.0, "update": 5.0, "insert": 4.0}

    def write(self) -> Write:
        if self.often_many and self.draft.binds:
            self.many = self.draft.chance(self.often_many)
        made = self._write()
        single = {"RETURNING", "INSERT SELECT"} & self.draft.shapes
        many = self.many and made.kind != "merge" and not single
        return replace(made, many=many)

    def _write(self) -> Write:
        kind = self.draft.weighted(self.kinds)
        protected = self.draft.schema.protected
        target = self.draft.weighted(self._targets(kind))
        prefix, frame = "", Scope()
        if self.draft.chance(0.25) and self._takes_with(kind, target):
            prefix, frame = self.with_clause(frame)
            self.draft.mark(f"WITH before {kind}")
        makers: dict[str, Callable[[str, Scope], str]] = {
            "delete": self._delete,
            "update": self._update,
            "insert": self._insert,
            "merge": self._merge,
        }
        text = makers[kind](target, frame)
        self.draft.mark(kind if target in protected else f"{kind}, unprotected")
        return Write(kind, target, prefix + text)

    # parts

    def _targets(self, kind: str) -> dict[str, float]:
        """The tables that such a statement may write."""
        protected, rest = self.draft.schema.protected, 2.0 if kind == "insert" else 0.7
        return {table: 3.0 if table in protected else rest for table in self.tables}

    def _takes_with(self, kind: str, target: str) -> bool:
        """Whether such a statement may begin with WITH."""
        return True

    def _target(self, target: str, frame: Scope) -> tuple[str, Scope]:
        """The target's name, and the scope that its columns make.

        No CTE can take a target's name, so it need not be qualified.
        """
        scope = Scope(None, frame.ctes)
        qualified = self.draft.chance(0.25)
        parts = (self.draft.schema.place, target) if qualified else (target,)
        text, alias = self.draft.name(*parts), target
        if self.draft.chance(0.35):
            self.draft.mark("target with an alias")
            alias = self._alias(scope)
            text += f" AS {self.draft.name(alias)}"
        if qualified:
            self.draft.mark("schema-qualified target")
        if target.lower() in frame.ctes:
            self.draft.mark("target named like a CTE")
        scope.sources.append(Source(alias, self.tables[target], target))
        scope.taken.add(alias.lower())
        scope.rows = 12
        return text, scope

    def _qualified(self, target: str) -> str:
        parts = (self.draft.schema.place,) * self.draft.chance(0.2)
        return self.draft.name(*parts, target)

    def _filter(self, scope: Scope) -> str:
        return f" WHERE {self.condition(scope)}" if self.draft.chance(0.88) else ""

    def _returning(self, target: str, frame: Scope) -> str:
        """RETURNING; a sub-select in it must not read what is being written."""
        if not self.draft.chance(0.35):
            return ""
        self.draft.mark("RETURNING")
        columns = self.tables[target]
        if self.draft.chance(0.3):
            self.draft.mark("RETURNING *")
            return " RETURNING *"
        chosen = self.draft.rng.sample(columns, min(len(columns), 2))
        items = [self.draft.name(column.name) for column in chosen]
        items.append(f"{self.draft.name(columns[-1].name)} AS {self.draft.name('z')}")
        if self.draft.chance(0.4):
            self.draft.mark("sub-select in RETURNING")
            items.append(self._elsewhere(target, Scope(ctes=frame.ctes), "money"))
        return f" RETURNING {', '.join(items)}"

    def _elsewhere(self, target: str, scope: Scope, domain: str) -> str:
        """A sub-select that reads other tables than the target."""
        blocked = Scope(scope.parent, dict.fromkeys(scope.ctes), list(scope.sources))
        blocked.taken = scope.taken
        self.banned = self.draft.schema.written_with(target)
        text = self.scalar(blocked, domain)
        self.banned = set()
        return text

    def _limited(self, target: str) -> str:
        if not self.limits or not self.draft.chance(0.12):
            return ""
        self.draft.mark("LIMIT on a write")
        keys = ", ".join(self.draft.name(key) for key in self.keys[target])
        some = self.draft.name(self.draft.pick(self.tables[target]).name)
        order = self.draft.pick((keys, f"{some} DESC, {keys}"))
        offset = self.draft.pick(("", "", f" OFFSET {self.draft.bind(1)}"))
        limit = self.draft.bind(self.draft.pick((1, 3, 6)))
        return f" ORDER BY {order} LIMIT {limit}{offset}"

    # MERGE

    def _merge(self, target: str, frame: Scope) -> str:
        """Of a database that has it."""
        raise NotImplementedError

    # DELETE

    def _delete(self, target: str, frame: Scope) -> str:
        text, scope = self._target(target, frame)
        if self.draft.chance(0.05):
            self.draft.mark("NOT INDEXED")
            text += " NOT INDEXED"
        text = f"DELETE FROM {text}{self._filter(scope)}"
        return text + self._returning(target, frame) + self._limited(target)

    # UPDATE

    def _update(self, target: str, frame: Scope) -> str:
        text, scope = self._target(target, frame)
        if self.draft.chance(0.35) and (joined := self._from(scope)):
            self.draft.mark("UPDATE FROM")
            source, tie = joined
            sets = self._sets(target, scope)
            where = f"{tie} AND ({self.condition(scope)})"
            if self.draft.chance(0.5):
                where = tie
            verb = self._update_verb()
            text = f"{verb} {text} SET {sets}{source} WHERE {where}"
            return text + self._returning(target, frame)
        sets, verb = self._sets(target, scope), self._update_verb()
        text = f"{verb} {text} SET {sets}{self._filter(scope)}"
        return text + self._returning(target, frame) + self._limited(target)

    def _update_verb(self) -> str:
        return "UPDATE"

    def _sets(self, target: str, scope: Scope) -> str:
        columns = [c for c in self.free(target) if c.name != "email"]
        if not columns or self.draft.chance(0.06):
            return self._new_key(target, scope)
        chosen = self.draft.rng.sample(columns, min(len(columns), 2))
        if len(chosen) == 2 and self.draft.chance(0.2):
            return self._row_of_sets(target, scope, chosen[0], chosen[1])
        chosen = chosen[: self.draft.pick((1, 1, 2))]
        return ", ".join(
            f"{self.draft.name(c.name)} = {self._new_value(target, scope, c)}"
            for c in chosen
        )

    def _row_of_sets(self, target: str, scope: Scope, one: Column, two: Column) -> str:
        self.draft.mark("SET of a row value")
        names = f"({self.draft.name(one.name)}, {self.draft.name(two.name)})"
        if self.draft.chance(0.5) and not {one.name, two.name} & set(DEMANDS):
            block = Scope(None, dict.fromkeys(scope.ctes))
            self.banned = self.draft.schema.written_with(target)
            query = self.query(block, Ask((one.domain, two.domain)), limit="1")
            self.banned = set()
            return f"{names} = ({query.text})"
        values = (self._new_value(target, scope, column) for column in (one, two))
        return f"{names} = ({', '.join(values)})"

    def _new_value(self, target: str, scope: Scope, column: Column) -> str:
        form = self.draft.weighted({"value": 4, "sub-select": 3, "own": 0.6})
        if form == "sub-select":
            self.draft.mark("sub-select in SET")
            text = self._elsewhere(target, scope, column.domain)
        elif form == "own":
            self.draft.mark("sub-select on the target in SET")
            text = self._own_value(target, scope, self.draft.name(column.name))
        else:
            fuel, self.draft.fuel = self.draft.fuel, 0
            text = self.value(scope, column.kind, domain=column.domain)
            self.draft.fuel = fuel
        return DEMANDS.get(column.name, "{}").format(text)

    def _own_value(self, target: str, scope: Scope, name: str) -> str:
        return f"(SELECT max({name}) FROM {self.base_name(scope, target)})"

    def _new_key(self, target: str, scope: Scope) -> str:
        self.draft.mark("SET of a key")
        column = next(c for c in self.tables[target] if c.name == self.keys[target][0])
        name = self.draft.name(column.name)
        own = self.draft.name(scope.sources[0].alias, column.name)
        if column.kind == "int":
            return f"{name} = {own} + {self.draft.bind(NEW)}"
        longer = self._joined_texts(own, "'!'")
        return f"{name} = {longer}"

    def _from(self, scope: Scope) -> tuple[str, str] | None:
        """A FROM of which one row at most fits each row of the target."""
        pairs = [
            (table, own)
            for table, (key, *more) in self.keys.items()
            for own in scope.inner()
            if not more and len(own.parts) > 1
            if own.column.domain == self._column(table, key).domain
        ]
        if not pairs:
            return None
        table, own = self.draft.pick(pairs)
        alias = self._alias(scope)
        scope.taken.add(alias.lower())
        column, columns, key = self.refer(own), self.tables[table], self.keys[table][0]
        text = self.base_name(scope, table)
        if own.column.domain == "customer" and self.draft.chance(0.75):
            self.draft.mark("UPDATE FROM a derived table")
            inner = self.base_name(scope, "orders")
            text = f"(SELECT customer_id, sum(total) AS n FROM {inner} GROUP BY 1)"
            columns = (Column("customer_id", "customer"), Column("n", "money"))
            key = "customer_id"
        scope.sources.append(Source(alias, columns))
        source = f" FROM {text}{self._as(alias)}"
        if self.draft.chance(0.5):
            source += self._second(scope, Source(alias, columns))
        return source, f"{column} = {self.draft.name(alias, key)}"

    def _second(self, scope: Scope, first: Source) -> str:
        """One more table in the FROM of an UPDATE, joined by its key."""
        links = [column for column in first.columns if column.domain in _PARENTS]
        if not links:
            return ""
        self.draft.mark("join in UPDATE FROM")
        column = self.draft.pick(links)
        table = _PARENTS[column.domain]
        alias = self._alias(scope)
        operator = self.draft.pick(("JOIN", "LEFT JOIN", "LEFT JOIN"))
        text = f" {operator} {self.base_name(scope, table)}{self._as(alias)}"
        scope.taken.add(alias.lower())
        scope.sources.append(Source(alias, self.tables[table]))
        one = self.draft.name(alias, self.keys[table][0])
        return f"{text} ON {one} = {self.draft.name(first.alias, column.name)}"

    # INSERT

    def _insert(self, target: str, frame: Scope) -> str:
        if target in ("categories", "log", "archive") and self.draft.chance(0.5):
            self.draft.mark("DEFAULT VALUES")
            text = f"INSERT INTO {self.draft.name(target)} DEFAULT VALUES"
            return text + self._returning(target, frame)
        columns = self._inserted(target)
        text = f"INTO {self._qualified(target)}{self._listed(target, columns)}"
        if self.draft.chance(0.45):
            text += self._rows(target, columns, frame)
        else:
            text += self._selected(target, columns, frame)
        verb, upsert = self._conflict(target, frame)
        return f"{verb} {text}{upsert}{self._returning(target, frame)}"

    def _listed(self, target: str, columns: Columns) -> str:
        if columns != self.tables[target] or self.draft.chance(0.5):
            return f" ({', '.join(self.draft.name(c.name) for c in columns)})"
        self.draft.mark("INSERT without a column list")
        return ""

    def _inserted(self, target: str) -> Columns:
        """The columns to name: all, or the key and some others."""
        if self.draft.chance(0.3):
            return self.tables[target]
        keys = set(self.keys[target])
        free = self.free(target)
        some = self.draft.rng.sample(free, min(len(free), 2))
        needed = {"name"} | {column.name for column in some} | keys
        return tuple(c for c in self.tables[target] if c.name in needed)

    def _rows(self, target: str, columns: Columns, frame: Scope) -> str:
        self.draft.mark("INSERT VALUES")
        rows: list[str] = []
        for number in range(self.draft.pick((1, 1, 2, 3))):
            rows.append(self._row(target, columns, frame, NEW + number))
        return f" VALUES {', '.join(rows)}"

    def _row(self, target: str, columns: Columns, frame: Scope, number: int) -> str:
        return f"({', '.join(self._cells(target, columns, frame, number))})"

    def _cells(
        self, target: str, columns: Columns, frame: Scope, number: int
    ) -> list[str]:
        return [
            self._unique_value(target, column, number)
            if column.name in self.unique(target)
            else self._constant_value(target, column, frame)
            for column in columns
        ]

    def _constant_value(self, target: str, column: Column, frame: Scope) -> str:
        if column.name in self.fixed(target):
            return self._fixed_value(target, column)
        if self.draft.chance(0.35):
            self.draft.mark("sub-select in VALUES")
            text = self.scalar(Scope(None, frame.ctes), column.domain)
            return DEMANDS.get(column.name, "{}").format(text)
        return self.constant(column.domain)

    def _unique_value(self, target: str, column: Column, number: int) -> str:
        return self._key_value(column, f"{number}")

    def _key_value(self, column: Column, number: str) -> str:
        if self.many and number.isdigit():
            number = self.draft.slot(int(number))
        if column.kind == "int":
            return number
        return self._joined_texts("'new'", number)

    def _joined_texts(self, one: str, two: str) -> str:
        return f"{one} || {two}"

    def _selected(self, target: str, columns: Columns, frame: Scope) -> str:
        """Rows of a query, with keys made from their place in a total order."""
        self.draft.mark("INSERT SELECT")
        fed = [
            c for c in columns if c.name not in self.unique(target) | self.fixed(target)
        ]
        wants = tuple(column.domain for column in fed) or ("number",)
        around = Scope(None, frame.ctes)
        query = self.query(around, Ask(wants, named=True))
        alias = self._alias(around)
        given = [self.draft.name(alias, column.name) for column in query.columns]
        number = f"{NEW} + row_number() OVER (ORDER BY {', '.join(given)})"
        values = dict(zip((column.name for column in fed), given, strict=False))
        items = [
            self._key_value(column, f"({number})")
            if column.name in self.unique(target)
            else DEMANDS.get(column.name, "{}").format(values[column.name])
            if column.name in values
            else self._fixed_value(target, column)
            for column in columns
        ]
        source = f"({query.text}) AS {self.draft.name(alias)}"
        return f" SELECT {', '.join(items)} FROM {source} WHERE true"

    def _conflict(self, target: str, frame: Scope) -> tuple[str, str]:
        """What to do about a conflict; a protected table raises the error."""
        if target in self.draft.schema.protected or not self.draft.chance(0.5):
            return "INSERT", ""
        verb = self.draft.pick(
            ("INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE")
        )
        self.draft.mark("conflict clause")
        free = self.free(target)
        if verb != "INSERT" or not free:
            return verb, ""
        keys = ", ".join(self.draft.name(key) for key in self.keys[target])
        if self.draft.chance(0.3):
            return verb, f" ON CONFLICT ({keys}) DO NOTHING"
        name = self.draft.name(free[0].name)
        value = self._elsewhere(target, Scope(ctes=frame.ctes), free[0].domain)
        return verb, f" ON CONFLICT ({keys}) DO UPDATE SET {name} = {value}"

    # what columns are

    def unique(self, target: str) -> set[str]:
        """The columns that have a value of their own in every new row."""
        return {*self.keys[target], "email"}

    def fixed(self, target: str) -> set[str]:
        """The columns whose values are not for chance: the mark of deletion."""
        return {PROTECTED[target].column} if target in PROTECTED else set()

    def free(self, target: str) -> list[Column]:
        """All other columns, and those that are unique but no part of the key."""
        taken = {*self.keys[target]} | self.fixed(target)
        return [column for column in self.tables[target] if column.name not in taken]

    def _fixed_value(self, target: str, column: Column) -> str:
        return "0" if column.domain == "flag" else "NULL"
