"""Unique keys that deleted rows still hold: what is refused, and how errors are cured.

A row that is skipped or replaced because of a deleted one would be so in silence; an
error is not. Keys of live rows alone, by a partial index, collide with live rows only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import UniqueKey
from kysera_dbapi.collision import at_risk, keys_of, must_guard
from kysera_dbapi.errors import IntegrityError, PolicyViolation, TombstoneConflict
from kysera_dbapi.plugins.soft_delete.mark import Mark

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["DELETED", "explained", "guard_conflicts", "violates"]

#: What a guard calls the rows that it fails on.
DELETED = "deleted rows"
_CURE = "let only live rows be unique"
_CURE_OF_ALL = "choose another key, or restore() or hard_delete() that row"


def guard_conflicts(statement: "Draft", table: "Table", mark: Mark) -> None:
    """Guard a write that could change a deleted row, or skip one because of it."""
    from kysera_dbapi.condition import condition  # it brings the parser

    dialect = statement.dialect
    keys = at_risk(statement, table, lambda key: mark.leaves_out(key, dialect))
    if keys and must_guard(statement, table, DELETED, f"{_CURE}, or leave it out"):
        key = _named(statement, keys) or UniqueKey("", (), primary=True)
        said = f"{DELETED} by {key.name}" if key.name else DELETED
        reason = "a row that is there must be live"
        live = condition(mark.live(), dialect)
        statement.guard(live, f"{table.name}: {said}", reason=reason)


def _named(statement: "Draft", keys: Sequence[UniqueKey]) -> UniqueKey | None:
    """The key that an upsert names, or the only one there is."""
    upsert = statement.tree.args.get("conflict")
    named = upsert.args.get("conflict_keys") if upsert is not None else None
    if not named:
        return keys[0] if len(keys) == 1 else None
    fold = statement.dialect.fold
    columns = {statement.name_of(one.this.this) for one in named}
    same = (k for k in keys if {fold(c, quoted=True) for c in k.columns} == columns)
    return next(same, None)


def violates(error: BaseException, table: "Table", dialect: "Dialect") -> bool:
    """Whether a unique key of the table failed."""
    return any(dialect.violates(error, table, key) for key in keys_of(table))


def explained(
    error: BaseException, table: "Table", mark: Mark, dialect: "Dialect"
) -> TombstoneConflict | None:
    """The error of a collision with what may be a deleted row, with its cure."""
    if not isinstance(error, IntegrityError) or isinstance(error, TombstoneConflict):
        return None
    if isinstance(error, PolicyViolation):
        return _met(error, table, mark, dialect)
    failed = [k for k in keys_of(table) if dialect.violates(error, table, k)]
    if not failed or all(mark.leaves_out(key, dialect) for key in failed):
        return None
    key = next(key for key in failed if not mark.leaves_out(key, dialect))
    said = str(error.args[-1] if error.args else error).splitlines()[0]
    return TombstoneConflict(
        f"{said}; if the other row is deleted, {_cure(table, mark, key, dialect)}",
        code="tombstone-conflict",
    )


def _met(
    error: PolicyViolation, table: "Table", mark: Mark, dialect: "Dialect"
) -> TombstoneConflict | None:
    """The error of an upsert that met a deleted row."""
    said, _, name = error.policy.partition(" by ")
    if said != DELETED:
        return None
    keys = [key for key in keys_of(table) if name and key.name == name]
    cure = _CURE_OF_ALL if not keys else _cure(table, mark, keys[0], dialect)
    return TombstoneConflict(
        f"a row of the statement meets a deleted row of {table.name}; {cure}",
        code="tombstone-conflict",
    )


def _cure(table: "Table", mark: Mark, key: UniqueKey, dialect: "Dialect") -> str:
    if key.primary:
        return _CURE_OF_ALL
    return f"{_CURE}: {dialect.narrowed(table, key, mark.live())}"
