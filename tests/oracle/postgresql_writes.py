"""DELETE, UPDATE and INSERT as PostgreSQL takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.postgresql_merge import Merges
from tests.oracle.schema import Column, Columns
from tests.oracle.scope import Scope
from tests.oracle.tenant_writes import TenantWrites
from tests.oracle.writes import Writes

#: Columns whose values PostgreSQL makes of others.
GENERATED = {"products": "gross"}
#: Columns with a DEFAULT, and those whose key is an identity.
_DEFAULTED = ("qty", "label", "status", "is_deleted", "gone", "deleted_at")


@dataclass
class _Common(Merges):
    """What both kinds of writes have."""

    def _delete(self, target: str, frame: Scope) -> str:
        text, scope = self._target(target, frame)
        if not self.draft.chance(0.35) or not (joined := self._from(scope)):
            text = f"DELETE FROM {text}{self._filter(scope)}"
            return text + self._returning(target, frame)
        self.draft.mark("DELETE USING")
        source, tie = joined
        where = f"{tie} AND ({self.condition(scope)})"
        if self.draft.chance(0.5):
            where = tie
        using = source.replace(" FROM ", " USING ", 1)
        text = f"DELETE FROM {text}{using} WHERE {where}"
        return text + self._returning(target, frame)

    def _target(self, target: str, frame: Scope) -> tuple[str, Scope]:
        text, scope = super()._target(target, frame)
        if self.draft.chance(0.04):
            self.draft.mark("ONLY the target")
            text = f"ONLY {text}"
        return text, scope

    def _rows(self, target: str, columns: Columns, frame: Scope) -> str:
        return self._overriding() + super()._rows(target, columns, frame)

    def _selected(self, target: str, columns: Columns, frame: Scope) -> str:
        return self._overriding() + super()._selected(target, columns, frame)

    def _overriding(self) -> str:
        """For columns with an identity; others do not mind it."""
        if not self.draft.chance(0.05):
            return ""
        self.draft.mark("OVERRIDING")
        return " OVERRIDING SYSTEM VALUE"

    def _inserted(self, target: str) -> Columns:
        made = GENERATED.get(target)
        return tuple(c for c in super()._inserted(target) if c.name != made)

    def free(self, target: str) -> list[Column]:
        made = GENERATED.get(target)
        return [column for column in super().free(target) if column.name != made]

    def _constant_value(self, target: str, column: Column, frame: Scope) -> str:
        fixed = column.name in self.fixed(target)
        if column.name in _DEFAULTED and not fixed and self.draft.chance(0.1):
            self.draft.mark("DEFAULT in VALUES")
            return "DEFAULT"
        return super()._constant_value(target, column, frame)

    def _new_value(self, target: str, scope: Scope, column: Column) -> str:
        if column.name in _DEFAULTED and self.draft.chance(0.1):
            self.draft.mark("SET to DEFAULT")
            return "DEFAULT"
        return super()._new_value(target, scope, column)

    def _fixed_value(self, target: str, column: Column) -> str:
        if column.domain == "truth":
            return "false"
        return super()._fixed_value(target, column)


@dataclass
class PostgreSQLWrites(_Common):
    """Writes on tables with deleted rows."""

    kinds: ClassVar[Mapping[str, float]] = {**Writes.kinds, "merge": 5.0}

    def _conflict(self, target: str, frame: Scope) -> tuple[str, str]:
        if target in self.draft.schema.protected or not self.draft.chance(0.5):
            return "INSERT", ""
        self.draft.mark("conflict clause")
        free = self.free(target)
        keys = ", ".join(self.draft.name(key) for key in self.keys[target])
        if self.draft.chance(0.3) or not free:
            at = self.draft.pick((f" ({keys})", ""))
            return "INSERT", f" ON CONFLICT{at} DO NOTHING"
        name = self.draft.name(free[0].name)
        value = self._elsewhere(target, Scope(ctes=frame.ctes), free[0].domain)
        if self.draft.chance(0.3):
            value = self.draft.name("excluded", free[0].name)
        return "INSERT", f" ON CONFLICT ({keys}) DO UPDATE SET {name} = {value}"


@dataclass
class PostgreSQLTenantWrites(_Common, TenantWrites):
    """Writes on tables whose rows have a tenant."""

    kinds: ClassVar[Mapping[str, float]] = {**TenantWrites.kinds, "merge": 6.0}

    verbs: ClassVar[Mapping[str, float]] = {"INSERT": 1.0}
    updates: ClassVar[Mapping[str, float]] = {"UPDATE": 1.0}
    upserts: ClassVar[Mapping[str, float]] = {
        "DO UPDATE": 4.0,
        "DO NOTHING": 2.0,
        "any": 1.5,
    }
