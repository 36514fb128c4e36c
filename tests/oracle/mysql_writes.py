"""DELETE, UPDATE and INSERT as MySQL and MariaDB take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tests.oracle.mysql_selects import INDEXES, PARTITIONED, MariaDBSelects
from tests.oracle.mysql_several import Several
from tests.oracle.schema import PROTECTED, Column, Columns
from tests.oracle.scope import Scope, Source
from tests.oracle.tenant_writes import TenantWrites
from tests.oracle.tenants import CONDITIONS
from tests.oracle.writes import NEW

#: Columns with a DEFAULT.
_DEFAULTED = ("qty", "label", "status", "is_deleted", "gone", "deleted_at")


@dataclass
class _Common(Several):
    """What all kinds of writes have."""

    #: Whether the rows of an INSERT may have a name.
    names_rows: ClassVar[bool] = True
    #: Whether the only row of an INSERT is written as SET, and what rows are called.
    sets: bool = False
    rows_name: str = ""
    #: Names that the rows' columns have there.
    rows_columns: dict[str, str] = field(default_factory=dict[str, str])

    returns: ClassVar[bool] = False
    reads_target: ClassVar[bool] = False  # in a sub-select (else error 1093)

    def _takes_with(self, kind: str, target: str) -> bool:
        return kind != "insert"

    def _target(self, target: str, frame: Scope) -> tuple[str, Scope]:
        """A member of WITH takes its name."""
        text, scope = super()._target(target, frame)
        own = self.draft.name(target)
        if target.lower() in frame.ctes and text.startswith(own):
            text = self.draft.name(self.draft.schema.place, target) + text[len(own) :]
        return text, scope

    def _joined_texts(self, one: str, two: str) -> str:
        return f"concat({one}, {two})"

    def _filter(self, scope: Scope) -> str:
        self._ban(scope.sources[0].table)
        text = super()._filter(scope)
        self.banned = set()
        return text

    def _ban(self, target: str) -> None:
        if not self.reads_target:
            self.banned = self.draft.schema.written_with(target)

    def _limited(self, target: str) -> str:
        if not self.draft.chance(0.12):
            return ""
        self.draft.mark("LIMIT on a write")
        keys = ", ".join(self.draft.name(key) for key in self.keys[target])
        some = self.draft.name(self.draft.pick(self.tables[target]).name)
        order = self.draft.pick((keys, f"{some} DESC, {keys}"))
        return f" ORDER BY {order} LIMIT {self.draft.bind(self.draft.pick((1, 3, 6)))}"

    def _returning(self, target: str, frame: Scope) -> str:
        return super()._returning(target, frame) if self.returns else ""

    def _parts(self, target: str) -> str:
        """PARTITION, after the name of a table that is written."""
        if target not in PARTITIONED or not self.draft.chance(0.15):
            return ""
        self.draft.mark("PARTITION of a target")
        return f" PARTITION ({self.draft.pick((PARTITIONED[target], 'p1'))})"

    def _delete(self, target: str, frame: Scope) -> str:
        if self.draft.chance(self.several):
            return self._delete_of_several(target, frame)
        text, scope = self._target(target, frame)
        text += self._parts(target)
        verb = self.draft.weighted({"DELETE": 9, "DELETE QUICK": 1, "DELETE IGNORE": 1})
        text = f"{verb} FROM {text}{self._filter(scope)}{self._limited(target)}"
        return text + self._returning(target, frame)

    def _update(self, target: str, frame: Scope) -> str:
        if self.draft.chance(self.several):
            several = self._update_of_several(target, frame)
            if several:
                return several
        text, scope = self._target(target, frame)
        if target in INDEXES and self.draft.chance(0.1):
            self.draft.mark("index hint in UPDATE")
            text += f" FORCE INDEX ({self.draft.name(INDEXES[target])})"
        if " AS " not in text:
            text += self._parts(target)
        sets, verb = self._sets(target, scope), self._update_verb()
        text = f"{verb} {text} SET {sets}{self._filter(scope)}"
        return text + self._limited(target)

    def _row_of_sets(self, target: str, scope: Scope, one: Column, two: Column) -> str:
        """The second sees what the first has made."""
        self.draft.mark("SET after SET")
        value = self._new_value(target, scope, one)
        own = self.draft.name(one.name)
        second = own if one.kind == two.kind else self._new_value(target, scope, two)
        return f"{own} = {value}, {self.draft.name(two.name)} = {second}"

    def _new_value(self, target: str, scope: Scope, column: Column) -> str:
        if column.name in _DEFAULTED and self.draft.chance(0.1):
            self.draft.mark("SET to DEFAULT")
            return "DEFAULT"
        return super()._new_value(target, scope, column)

    def _own_value(self, target: str, scope: Scope, name: str) -> str:
        rows = f"(SELECT DISTINCT * FROM {self.base_name(scope, target)})"
        return f"(SELECT max({name}) FROM {rows} AS {self.draft.name('all_rows')})"

    def _insert(self, target: str, frame: Scope) -> str:
        self.sets = self.draft.chance(0.12)
        text = super()._insert(target, frame)
        return text.replace(" DEFAULT VALUES", " () VALUES ()")

    def _listed(self, target: str, columns: Columns) -> str:
        parts = self._parts(target)
        return parts if self.sets else parts + super()._listed(target, columns)

    def _rows(self, target: str, columns: Columns, frame: Scope) -> str:
        if not self.sets:
            return super()._rows(target, columns, frame)
        self.draft.mark("INSERT VALUES", "INSERT SET")
        cells = self._cells(target, columns, frame, NEW)
        pairs = zip(columns, cells, strict=True)
        return f" SET {', '.join(f'{self.draft.name(c.name)} = {v}' for c, v in pairs)}"

    def _selected(self, target: str, columns: Columns, frame: Scope) -> str:
        if self.sets:
            return self._rows(target, columns, frame)
        return super()._selected(target, columns, frame)

    def _on_duplicate(self, columns: Columns) -> str:
        """What begins an upsert, and may call its rows, and their columns, by names.

        Where a column is added, it has no name among them.
        """
        self.rows_name, self.rows_columns = "", {}
        if not self.names_rows or not self.draft.chance(0.4):
            return " ON DUPLICATE KEY UPDATE "
        self.draft.mark("AS new of an upsert")
        self.rows_name = self.draft.pick(("new", "n", "fresh"))
        text = f" AS {self.draft.name(self.rows_name)}"
        if columns and "tenant left out" not in self.draft.shapes and not self.sets:
            self.draft.mark("AS new (column) of an upsert")
            self.rows_columns = {c.name: f"m{n}" for n, c in enumerate(columns)}
            names = map(self.draft.name, self.rows_columns.values())
            text += f" ({', '.join(names)})"
        return f"{text} ON DUPLICATE KEY UPDATE "

    def _proposed(self, column: Column) -> str:
        """The value that the row of an upsert has for a column."""
        known = self.rows_columns.get(column.name, column.name)
        if self.rows_name and (known != column.name or not self.rows_columns):
            return self.draft.name(self.rows_name, known)
        self.draft.mark("VALUES() of an upsert")
        return f"VALUES({self.draft.name(column.name)})"

    def _constant_value(self, target: str, column: Column, frame: Scope) -> str:
        fixed = column.name in self.fixed(target)
        if column.name in _DEFAULTED and not fixed and self.draft.chance(0.1):
            self.draft.mark("DEFAULT in VALUES")
            return "DEFAULT"
        self.banned = self.draft.schema.written_with(target)
        text = super()._constant_value(target, column, frame)
        self.banned = set()
        return text


@dataclass
class MySQLWrites(_Common):
    """Writes on tables with deleted rows."""

    often_many: ClassVar[float] = 0.12

    def _conflict(self, target: str, frame: Scope) -> tuple[str, str]:
        if target in self.draft.schema.protected or not self.draft.chance(0.5):
            return "INSERT", ""
        self.draft.mark("conflict clause")
        free = self.free(target)
        verb = self.draft.pick(("INSERT", "INSERT IGNORE", "REPLACE"))
        if verb != "INSERT" or not free:
            return verb, ""
        rows = "INSERT VALUES" in self.draft.shapes
        begin = " ON DUPLICATE KEY UPDATE "
        begin = self._on_duplicate(()) if rows else begin
        value = self._proposed(free[0]) if rows else ""
        if not rows or self.draft.chance(0.5):
            value = self._elsewhere(target, Scope(ctes=frame.ctes), free[0].domain)
        return verb, f"{begin}{self.draft.name(free[0].name)} = {value}"


@dataclass
class MySQLTenantWrites(_Common, TenantWrites):
    """Writes on tables whose rows have a tenant."""

    # an INSERT of values tells no hidden rows apart, where none shows its rows
    kinds: ClassVar[Mapping[str, float]] = {"delete": 4.0, "update": 5.0, "insert": 9.0}
    verbs: ClassVar[Mapping[str, float]] = {
        "INSERT": 10.0,
        "INSERT IGNORE": 1.0,
        "REPLACE": 2.5,
    }
    keyed: ClassVar[Sequence[str]] = ("REPLACE", "IGNORE")
    updates: ClassVar[Mapping[str, float]] = {"UPDATE": 12.0, "UPDATE IGNORE": 1.0}
    upserts: ClassVar[Mapping[str, float]] = {"DO UPDATE": 1.0}

    def _targets(self, kind: str) -> dict[str, float]:
        """An INSERT that other policies speak of has no RETURNING to be checked by."""
        found = super()._targets(kind)
        checked = {} if kind != "insert" or self.returns else dict.fromkeys(CONDITIONS)
        return {table: 0.0 if table in checked else found[table] for table in found}

    # an UPDATE that is checked does not read what it changes

    def _takes_with(self, kind: str, target: str) -> bool:
        checked = kind == "update" and target in CONDITIONS
        return super()._takes_with(kind, target) and not checked

    def _own_value(self, target: str, scope: Scope, name: str) -> str:
        if target in CONDITIONS:
            return name
        return super()._own_value(target, scope, name)

    def _sets_tenant(self) -> bool:
        reading = {"sub-select on the target in SET", "WITH before update"}
        return super()._sets_tenant() and not reading & self.draft.shapes

    def _ban(self, target: str) -> None:
        super()._ban(target)
        if target in CONDITIONS or "SET of the tenant" in self.draft.shapes:
            self.banned = self.draft.schema.written_with(target)

    def _plan(self, target: str) -> None:
        """Rows that an upsert may change have no RETURNING to be checked by."""
        super()._plan(target)
        if target in CONDITIONS:
            self.upsert, self.meets = "", False

    def _into(self, target: str, frame: Scope) -> tuple[str, Scope]:
        scope = Scope(None, frame.ctes)
        scope.sources.append(Source(target, self.tables[target], target))
        scope.taken.add(target.lower())
        return f"INTO {self._qualified(target)}", scope

    def settable(self, target: str) -> list[Column]:
        """Nothing of which a policy speaks, and nothing where one reads others."""
        found = super().settable(target)
        if target == "orders":
            return []
        spoken = CONDITIONS.get(target, "")
        return [column for column in found if column.name not in spoken]

    def _direct(self, target: str, columns: Columns, frame: Scope) -> str:
        """No query has an upsert of rows that are hidden."""
        if self.upsert or self.sets:
            return self._rows(target, columns, frame)
        return super()._direct(target, columns, frame)

    def _query_of(self, target: str, columns: Columns, frame: Scope, form: str) -> str:
        """No tenant is given beside aggregates: of no rows he would be NULL."""
        tenant = self._tenant_column(target)
        if form == "aggregate" and any(column.name == tenant for column in columns):
            form = "GROUP BY"
        if form == "VALUES" and self.draft.chance(0.7):
            form = "UNION ALL"  # VALUES with sub-selects are refused
        text = super()._query_of(target, columns, frame, form)
        return text.replace("VALUES (", f"VALUES {self.row}(")

    def _upsert(self, target: str, columns: Columns, scope: Scope) -> str:
        if not self.upsert:
            return ""
        scope.rows, self.banned = 12, self.draft.schema.written_with(target)
        begin = self._on_duplicate(columns if self.draft.chance(0.4) else ())
        scope.bare = not self.rows_name  # else they are names in both
        text = begin + self._upserted(target, scope)
        self.banned = set()
        return text

    def _upserted(self, target: str, scope: Scope) -> str:
        free = [c for c in self.free(target) if c.name != "email"]
        chosen = self.draft.rng.sample(free, min(len(free), self.draft.pick((1, 2))))
        sets = [self._assigned(target, scope, column) for column in chosen]
        key = self.draft.name(self.keys[target][0])
        return ", ".join(sets) or f"{key} = {key}"

    def _assigned(self, target: str, scope: Scope, column: Column) -> str:
        name = self.draft.name(column.name)
        if self.draft.chance(0.5):
            return f"{name} = {self._proposed(column)}"
        return f"{name} = {self._new_value(target, scope, column)}"


@dataclass
class _MariaDB(MariaDBSelects, _Common):
    """What MariaDB has, and what it has not."""

    returns: ClassVar[bool] = True
    names_rows: ClassVar[bool] = False
    reads_target: ClassVar[bool] = True

    def _takes_with(self, kind: str, target: str) -> bool:
        return False

    def _target(self, target: str, frame: Scope) -> tuple[str, Scope]:
        """No alias in a DELETE."""
        text, scope = super()._target(target, frame)
        if not self._deletes:
            return text, scope
        scope = Scope(None, frame.ctes)
        scope.sources.append(Source(target, self.tables[target], target))
        scope.taken.add(target.lower())
        scope.rows = 12
        return self._qualified(target), scope

    _deletes: bool = False

    def _returning(self, target: str, frame: Scope) -> str:
        """Not of a DELETE that becomes an UPDATE, nor where a name shows values."""
        if self._deletes and target in PROTECTED:
            return ""
        text = super()._returning(target, frame)
        return "" if self._needs_name(text) else text

    def _delete(self, target: str, frame: Scope) -> str:
        self._deletes = True
        text = super()._delete(target, frame)
        self._deletes = False
        return text


@dataclass
class MariaDBWrites(_MariaDB, MySQLWrites):
    """Writes on tables with deleted rows."""


@dataclass
class MariaDBTenantWrites(_MariaDB, MySQLTenantWrites):
    """Writes on tables whose rows have a tenant."""
