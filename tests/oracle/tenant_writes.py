"""INSERT, upsert and UPDATE in all their shapes, on tables whose rows have a tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.schema import DOMAINS, Column, Columns, Row
from tests.oracle.scope import Scope, Source
from tests.oracle.writes import DEMANDS, NEW, Writes

#: Tables of which every unique key holds the tenant, or that have no policy.
REPLACEABLE = ("stock", "settings", "countries", "log", "flagged")
#: Tables that say themselves that there must be a tenant.
_NOT_NULL = ("stock",)
_DEFAULTED = (
    *("categories", "orders", "products", "Order Details", "settings", "archive"),
    "log",
)
_VERBS = {
    "INSERT": 9.0,
    "INSERT OR ABORT": 0.6,
    "INSERT OR FAIL": 0.6,
    "INSERT OR ROLLBACK": 0.6,
    "INSERT OR IGNORE": 2.0,
    "INSERT OR REPLACE": 1.0,
    "REPLACE": 1.0,
}
_UPSERTS = {"DO UPDATE": 4.0, "DO NOTHING": 2.0, "any DO UPDATE": 1.0, "any": 1.5}
_UPDATES = {
    "UPDATE": 12.0,
    "UPDATE OR ABORT": 1.0,
    "UPDATE OR FAIL": 1.0,
    "UPDATE OR ROLLBACK": 1.0,
    "UPDATE OR IGNORE": 1.0,
}
_SOURCES = ("customers", "orders", "products", "categories", "Order Details", "log")
_FORMS = {
    "plain": 2.0,
    "ORDER BY": 1.5,
    "DISTINCT": 1.0,
    "UNION": 1.0,
    "UNION ALL": 1.0,
    "EXCEPT": 1.0,
    "INTERSECT": 0.7,
    "aggregate": 1.0,
    "GROUP BY": 1.0,
    "VALUES": 1.0,
    "WITH": 1.0,
}


@dataclass
class TenantWrites(Writes):
    """Writes statements whose rows are the tenant's, but for some that are not."""

    kinds: ClassVar[Mapping[str, float]] = {"delete": 3.0, "update": 4.0, "insert": 11}

    verbs: ClassVar[Mapping[str, float]] = _VERBS
    upserts: ClassVar[Mapping[str, float]] = _UPSERTS
    updates: ClassVar[Mapping[str, float]] = _UPDATES

    often_many: ClassVar[float] = 0.2
    #: Of verbs that need a tenant in every unique key.
    keyed: ClassVar[Sequence[str]] = ("REPLACE",)

    #: What is done about conflicts, and with which rows there are some.
    verb: str = "INSERT"
    upsert: str = ""
    meets: bool = False
    met: Row | None = None

    # values

    def unique(self, target: str) -> set[str]:
        return super().unique(target) - {self._tenant_column(target)}

    def fixed(self, target: str) -> set[str]:
        return super().fixed(target) | {self._tenant_column(target)}

    def _tenant_column(self, target: str) -> str:
        return self.draft.schema.tenants.get(target, ("", None))[0]

    def _fixed_value(self, target: str, column: Column) -> str:
        if column.name != self._tenant_column(target):
            return super()._fixed_value(target, column)
        mine = self.draft.schema.tenants[target][1]
        if self.draft.chance(0.12):
            self.draft.mark("another tenant supplied")
            others = [v for v in self.draft.schema.pools[column.domain] if v != mine]
            nobody = [None] * (target not in _NOT_NULL)
            return self.draft.bind(self.draft.pick([*others, *nobody]))
        self.draft.mark("tenant supplied")
        if isinstance(mine, int) and not self.meets and self.draft.chance(0.1):
            return f"'{mine}'"  # the column makes a number of it, but not in excluded
        return self.draft.bind(mine)

    # UPDATE

    def _update_verb(self) -> str:
        verb = self.draft.weighted(self.updates)
        if "SET of a key" in self.draft.shapes:
            verb = "UPDATE"
        if verb != "UPDATE":
            self.draft.mark(verb)
        return verb

    def _sets(self, target: str, scope: Scope) -> str:
        sets, name = super()._sets(target, scope), self._tenant_column(target)
        if not name or not self._sets_tenant():
            return sets
        self.draft.mark("SET of the tenant")
        column = self._column(target, name)
        own = self.draft.name(scope.sources[0].alias, name)
        value = self.draft.pick((own, *[self._fixed_value(target, column)] * 3))
        return f"{sets}, {self.draft.name(name)} = {value}"

    def _sets_tenant(self) -> bool:
        """Whether an UPDATE does."""
        return self.draft.chance(0.12)

    # INSERT

    def _insert(self, target: str, frame: Scope) -> str:
        if target in _DEFAULTED and self.draft.chance(0.12):
            self.draft.mark("DEFAULT VALUES")
            text = f"INSERT INTO {self.draft.name(target)} DEFAULT VALUES"
            return text + self._returning(target, frame)
        self._plan(target)
        columns = self._inserted(target)
        text, scope = self._into(target, frame)
        text += self._listed(target, columns)
        forms = {"rows": 4.0, "wrapped": 0.0 if self.meets else 1.5, "direct": 4.0}
        form = "rows" if self.many else self.draft.weighted(forms)
        if form == "rows":
            text += self._rows(target, columns, frame)
        elif form == "wrapped":
            text += self._selected(target, columns, frame)
        else:
            text += self._direct(target, columns, frame)
        upsert = self._upsert(target, columns, scope)
        return f"{self.verb} {text}{upsert}{self._returning(target, frame)}"

    def _plan(self, target: str) -> None:
        """Choose what is done about conflicts, and whether there are some."""
        verbs = {
            verb: weight
            for verb, weight in self.verbs.items()
            if target in REPLACEABLE or not any(word in verb for word in self.keyed)
        }
        self.verb = self.draft.weighted(verbs)
        self.upsert = ""
        if self.verb == "INSERT" and self.draft.chance(0.4):
            self.upsert = self.draft.weighted(self.upserts)
        loud = self.verb in ("INSERT", "INSERT OR ABORT", "INSERT OR FAIL")
        loud = loud or self.verb == "INSERT OR ROLLBACK"
        self.meets = bool(self.upsert) or (not loud and self.draft.chance(0.6))
        self.draft.mark(self.verb, f"upsert {self.upsert}".strip())
        self.draft.mark(*(("conflict clause",) * self.meets))

    def _into(self, target: str, frame: Scope) -> tuple[str, Scope]:
        scope = Scope(None, frame.ctes)
        text = self._qualified(target)
        alias = target
        if self.draft.chance(0.15):
            self.draft.mark("INSERT with an alias")
            alias = self._alias(scope)
            text += f" AS {self.draft.name(alias)}"
        scope.sources.append(Source(alias, self.tables[target], target))
        scope.taken.add(alias.lower())
        return f"INTO {text}", scope

    def _inserted(self, target: str) -> Columns:
        """With the tenant or without; without a key that the database chooses."""
        columns = super()._inserted(target)
        tenant = self._tenant_column(target)
        if tenant and columns != self.tables[target] and self.draft.chance(0.35):
            names = {tenant, *(column.name for column in columns)}
            columns = tuple(c for c in self.tables[target] if c.name in names)
            if self.draft.chance(0.3):
                columns = tuple(self.draft.rng.sample(columns, len(columns)))
        elif tenant and columns != self.tables[target]:
            self.draft.mark("tenant left out")
            columns = tuple(c for c in columns if c.name != tenant)
        return columns

    def _cells(
        self, target: str, columns: Columns, frame: Scope, number: int
    ) -> list[str]:
        seen = self.draft.schema.seen.get(target, ())
        self.met = None
        if self.meets and seen and not self.many and self.draft.chance(0.6):
            self.draft.mark("row that is there")
            self.met = self.draft.pick(seen)
        return super()._cells(target, columns, frame, number)

    def _unique_value(self, target: str, column: Column, number: int) -> str:
        keys = self.keys[target]
        if self.met is not None and column.name in keys:
            return self.draft.bind(self.met[keys.index(column.name)])
        return super()._unique_value(target, column, number)

    # INSERT SELECT

    def _direct(self, target: str, columns: Columns, frame: Scope) -> str:
        """Rows of a query that is written where it stands."""
        self.draft.mark("INSERT SELECT")
        form = self.draft.weighted(_FORMS)
        self.draft.mark(f"INSERT SELECT {form}")
        prefix = " "
        if form == "WITH":
            text, frame = self.with_clause(Scope(ctes=frame.ctes))
            prefix += text
        return prefix + self._query_of(target, columns, frame, form)

    def _query_of(self, target: str, columns: Columns, frame: Scope, form: str) -> str:
        if form in ("UNION", "UNION ALL"):
            one, two = (self._branch(target, columns, frame, n) for n in (NEW, 2 * NEW))
            return f"{one} {form} {two}"
        if form == "VALUES":  # last it would leave no place for a condition
            row = self._row(target, columns, frame, 3 * NEW)
            text = self._branch(target, columns, frame, NEW)
            if self.upsert or self.draft.chance(0.1):
                return f"VALUES {row} UNION ALL {text}"
            return f"{text} UNION ALL VALUES {row}"
        if form in ("EXCEPT", "INTERSECT"):
            text, scope = self._block_of(target, columns, frame, NEW)
            return f"{text} {form} {text}{self._must(scope)}"
        group = form == "GROUP BY"
        aggregate = group or form == "aggregate"
        text = self._branch(
            target, columns, frame, NEW, aggregate=aggregate, group=group
        )
        if form == "DISTINCT":
            return text.replace("SELECT", "SELECT DISTINCT", 1)
        if form == "ORDER BY":
            text += f" ORDER BY {', '.join(map(str, self._order(columns)))}"
            if self.draft.chance(0.7):
                text += f" LIMIT {self.draft.bind(self.draft.pick((1, 2, 4)))}"
        return text

    def _order(self, columns: Columns) -> list[int]:
        return self.draft.rng.sample(range(1, len(columns) + 1), len(columns))

    def _branch(
        self,
        target: str,
        columns: Columns,
        frame: Scope,
        offset: int,
        **how: bool,
    ) -> str:
        text, scope = self._block_of(target, columns, frame, offset, **how)
        text += self._must(scope)
        if how.get("group"):
            ref = self.find(scope, "text", own=True)
            text += f" GROUP BY {self.refer(ref) if ref else '1 + 0'}"
        return text

    def _must(self, scope: Scope) -> str:
        """A WHERE; an ON CONFLICT after the query needs one."""
        fuel, self.draft.fuel = self.draft.fuel, min(self.draft.fuel, 1)
        text = f" WHERE {self.condition(scope)}" if self.draft.chance(0.6) else ""
        self.draft.fuel = fuel
        return text or (" WHERE true" if self.upsert else "")

    def _block_of(
        self,
        target: str,
        columns: Columns,
        frame: Scope,
        offset: int,
        *,
        aggregate: bool = False,
        group: bool = False,
    ) -> tuple[str, Scope]:
        """SELECT ... FROM one table, whose key makes those of the new rows."""
        scope = Scope(None, frame.ctes)
        meets = self.meets and not aggregate and len(self.keys[target]) == 1
        meets = meets and target in _SOURCES and self.draft.chance(0.6)
        table = target if meets else self.draft.pick(_SOURCES)
        alias = self._alias(scope)
        text = self.base_name(scope, table) + self._as(alias)
        scope.sources.append(Source(alias, self.tables[table], table))
        scope.taken.add(alias.lower())
        key = self.draft.name(alias, self.keys[table][0])
        if aggregate:
            key = f"coalesce(max({key}), 0)"
        self.draft.mark(*(("rows that are there",) * meets))
        number = key if meets else f"({key} + {offset})"
        fuel, self.draft.fuel = self.draft.fuel, 0
        items = [
            self._item_for(target, column, scope, number, aggregate=aggregate)
            for column in columns
        ]
        self.draft.fuel = fuel
        return f"SELECT {', '.join(items)} FROM {text}", scope

    def _item_for(
        self,
        target: str,
        column: Column,
        scope: Scope,
        number: str,
        *,
        aggregate: bool,
    ) -> str:
        if column.name in self.unique(target):
            return self._key_value(column, number)
        if column.name in self.fixed(target):
            return self._fixed_value(target, column)
        kind = DOMAINS[column.domain]
        text = (
            self.aggregate(scope, kind)
            if aggregate
            else self.value(scope, kind, 1, domain=column.domain)
        )
        return DEMANDS.get(column.name, "{}").format(text)

    # upserts

    def _upsert(self, target: str, columns: Columns, scope: Scope) -> str:
        if not self.upsert:
            return ""
        keys = ", ".join(self.draft.name(key) for key in self.keys[target])
        at = "" if self.upsert.startswith("any") else f" ({keys})"
        if not self.upsert.endswith("DO UPDATE"):
            return f" ON CONFLICT{at} DO NOTHING"
        scope.sources.append(Source("excluded", self.tables[target]))
        scope.rows, self.banned = 12, self.draft.schema.written_with(target)
        text = f" ON CONFLICT{at} DO UPDATE SET {self._upserted(target, scope)}"
        if self.draft.chance(0.35):
            self.draft.mark("WHERE of an upsert")
            text += f" WHERE {self.condition(scope)}"
        self.banned = set()
        return text

    def _upserted(self, target: str, scope: Scope) -> str:
        free = [c for c in self.free(target) if c.name != "email"]
        chosen = self.draft.rng.sample(free, min(len(free), 2))
        if len(chosen) == 2 and self.draft.chance(0.2):
            names = ", ".join(self.draft.name(c.name) for c in chosen)
            values = ", ".join(self.draft.name("excluded", c.name) for c in chosen)
            sets = f"({names}) = ({values})"
        else:
            chosen = chosen[: self.draft.pick((1, 1, 2))]
            sets = ", ".join(self._assigned(target, scope, c) for c in chosen)
        if not sets:
            key = self.draft.name(self.keys[target][0])
            return f"{key} = {key}"
        name = self._tenant_column(target)
        if not name or not self.draft.chance(0.15):
            return sets
        self.draft.mark("SET of the tenant in an upsert")
        column = self._column(target, name)
        value = self.draft.pick(
            (self.draft.name("excluded", name), self._fixed_value(target, column))
        )
        return f"{sets}, {self.draft.name(name)} = {value}"

    def _assigned(self, target: str, scope: Scope, column: Column) -> str:
        name = self.draft.name(column.name)
        if self.draft.chance(0.5):
            self.draft.mark("excluded")
            return f"{name} = {self.draft.name('excluded', column.name)}"
        return f"{name} = {self._new_value(target, scope, column)}"

    # RETURNING

    def _returning(self, target: str, frame: Scope) -> str:
        if self.many:
            return ""
        text = super()._returning(target, frame)
        if not text or not self.draft.chance(0.4):
            return text
        self.draft.mark("expression in RETURNING")
        scope = Scope(None, frame.ctes, [Source("", self.tables[target])])
        fuel, self.draft.fuel = self.draft.fuel, 0
        item = self.value(scope, self.draft.pick(("int", "text")))
        self.draft.fuel = fuel
        return f"{text}, {item}"
