"""MERGE in its forms, of a source of which one row at most fits a row of the target."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.oracle.postgresql_selects import PostgreSQLSelects
from tests.oracle.schema import Column
from tests.oracle.scope import Ref, Scope, Source
from tests.oracle.writes import NEW, Writes

#: What policies read besides the tenant: it is checked, so no query may give it.
_CHECKED = ("customer_id", "category_id", "title")
#: Tables whose key has a default that is another for each row.
_NUMBERED = ("customers", "categories", "archive", "log")


@dataclass
class Merges(PostgreSQLSelects, Writes):
    """Writes MERGE."""

    merging: bool = False

    def _merge(self, target: str, frame: Scope) -> str:
        self.merging = True
        text, scope = self._target(target, frame)
        source, tie, key = self._source(target, scope)
        _, other = scope.sources
        unmatched = Scope(None, frame.ctes, [other])
        unmatched.taken.add(other.alias.lower())
        if self.draft.chance(0.25):
            tie += f" AND ({self.condition(scope)})"
        whens = self._whens("MATCHED", scope, lambda: self._change(target, scope))
        whens += self._whens(
            "NOT MATCHED", unmatched, lambda: self._new_row(target, unmatched, key)
        )
        self.merging = False
        self.draft.rng.shuffle(whens)
        whens.sort(key=lambda when: " AND " not in when[:20])
        if not whens:
            whens = ["WHEN MATCHED THEN DO NOTHING"]
        return f"MERGE INTO {text} USING {source} ON {tie} {' '.join(whens)}"

    # the source

    def _source(self, target: str, scope: Scope) -> tuple[str, str, str]:
        """A relation, how it is tied to the target, and its key."""
        owns = [ref for ref in scope.inner() if len(ref.parts) > 1]
        keyed = {t: k[0] for t, k in self.keys.items() if len(k) == 1}
        pairs = [
            (table, own)
            for table, name in keyed.items()
            for own in owns
            if own.column.domain == self._column(table, name).domain
        ]
        if not pairs or self.draft.chance(0.2):
            return self._listed_source(scope, self.draft.pick(owns))
        table, own = self.draft.pick(pairs)
        key, alias = keyed[table], self._alias(scope)
        text, tied = self.base_name(scope, table), self.refer(own)
        if self.draft.chance(0.3):
            self.draft.mark("MERGE of a query")
            text = f"(SELECT * FROM {text})"
        elif self.draft.chance(0.1):
            self.draft.mark("MERGE of ONLY")
            text = f"ONLY {text}"
        self._use(scope, Source(alias, self.tables[table], table))
        name = self.draft.name(alias, key)
        return f"{text}{self._as(alias)}", f"{tied} = {name}", name

    def _listed_source(self, scope: Scope, own: Ref) -> tuple[str, str, str]:
        """VALUES with keys of rows, seen or not."""
        self.draft.mark("MERGE of VALUES")
        column, tied = own.column, self.refer(own)
        pool = self.draft.schema.pools[column.domain]
        keys = self.draft.rng.sample(list(pool), min(len(pool), 3))
        type_ = _TYPES[column.kind]
        rows = [
            f"(CAST({self.draft.bind(k)} AS {type_}), {n})" for n, k in enumerate(keys)
        ]
        alias = self._alias(scope)
        names = (Column("k", column.domain), Column("w", "money"))
        self._use(scope, Source(alias, names))
        listed = f"(VALUES {', '.join(rows)}) AS {self.draft.name(alias)} (k, w)"
        name = self.draft.name(alias, "k")
        return listed, f"{tied} = {name}", self.draft.name(alias, "w")

    def _use(self, scope: Scope, source: Source) -> None:
        scope.sources.append(source)
        scope.taken.add(source.alias.lower())

    # its actions

    def _whens(self, word: str, scope: Scope, action: Callable[[], str]) -> list[str]:
        found: list[str] = []
        for _ in range(self.draft.pick((0, 1, 1, 2))):
            condition = ""
            if self.draft.chance(0.5) or found:
                self.draft.mark(f"{word} AND")
                condition = f" AND {self.condition(scope)}"
            found.append(f"WHEN {word}{condition} THEN {action()}")
        return found

    def _change(self, target: str, scope: Scope) -> str:
        kind = self.draft.weighted({"UPDATE": 5, "DELETE": 3, "DO NOTHING": 1})
        self.draft.mark(f"MERGE to {kind}")
        if kind != "UPDATE":
            return kind
        return f"UPDATE SET {self._sets(target, scope)}"

    def _new_row(self, target: str, scope: Scope, key: str) -> str:
        columns = self._inserted(target)
        kinds = {c.name: c.kind for c in scope.sources[0].columns}
        texts = kinds.get(key.rpartition(".")[2].strip("\x01\x02"), "int") == "text"
        numbered = any(
            c.kind == "int" and c.name in self.unique(target) for c in columns
        )
        if self.draft.chance(0.1) or (texts and numbered):
            self.draft.mark("MERGE to nothing new")
            return "DO NOTHING"
        if target in _NUMBERED and self.draft.chance(0.1):
            self.draft.mark("MERGE to DEFAULT VALUES")
            return "INSERT DEFAULT VALUES"
        self.draft.mark("MERGE to INSERT")
        listed = f" ({', '.join(self.draft.name(c.name) for c in columns)})"
        if columns == self.tables[target] and self.draft.chance(0.5):
            listed = ""
        values = [self._merged_value(target, c, scope, key) for c in columns]
        return f"INSERT{listed} VALUES ({', '.join(values)})"

    def _merged_value(self, target: str, column: Column, scope: Scope, key: str) -> str:
        if column.name in self.unique(target):
            if column.kind == "int":
                return f"{NEW} + {key}"
            return f"'new' || {key}"
        if column.name in self.fixed(target):
            return self._fixed_value(target, column)
        return self._new_value(target, scope, column)

    # what is set

    def _new_value(self, target: str, scope: Scope, column: Column) -> str:
        if not (self.merging and column.name in _CHECKED):
            return super()._new_value(target, scope, column)
        fuel, self.draft.fuel = self.draft.fuel, 0
        found = self.find(scope, column.kind, domain=column.domain)
        text = self.refer(found) if found else self.constant(column.domain)
        self.draft.fuel = fuel
        return text

    def _row_of_sets(self, target: str, scope: Scope, one: Column, two: Column) -> str:
        if not self.merging:
            return super()._row_of_sets(target, scope, one, two)
        self.draft.mark("SET of a row value")
        names = f"({self.draft.name(one.name)}, {self.draft.name(two.name)})"
        values = (self._new_value(target, scope, column) for column in (one, two))
        row = self.draft.pick(("", "", "ROW "))
        return f"{names} = {row}({', '.join(values)})"

    def _new_key(self, target: str, scope: Scope) -> str:
        """A MERGE keeps its keys: by them it is told which rows are gone."""
        if not self.merging:
            return super()._new_key(target, scope)
        key, alias = self.keys[target][0], scope.sources[0].alias
        return f"{self.draft.name(key)} = {self.draft.name(alias, key)}"


_TYPES = {"int": "integer", "text": "text", "time": "timestamptz", "bool": "boolean"}
