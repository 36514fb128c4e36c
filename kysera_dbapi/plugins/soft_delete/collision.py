"""Unique keys that deleted rows still hold: what is refused, and how errors are cured.

A row that is skipped or replaced because of a deleted one would be so in silence; an
error is not. Keys of live rows alone, by a partial index, collide with live rows only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kysera_dbapi.catalogue import UniqueKey
from kysera_dbapi.collision import at_risk, keys_of
from kysera_dbapi.errors import IntegrityError, TombstoneConflict
from kysera_dbapi.plugins.soft_delete.mark import Mark

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["check_conflicts", "explained", "violates"]

_SILENT = ("IGNORE", "REPLACE")
_CURE = "let only live rows be unique"


def check_conflicts(statement: "Draft", table: "Table", mark: Mark) -> None:
    """Refuse a write that would skip or remove a row because of a deleted one."""
    keys = at_risk(
        statement, table, lambda key: mark.leaves_out(key, statement.dialect)
    )
    upsert = statement.tree.args.get("conflict")
    if upsert is not None:
        _check_upsert(statement, upsert, keys)
    if statement.conflict == "REPLACE" and keys:
        statement.refuse(
            "OR REPLACE would remove deleted rows for good; use ON CONFLICT over a key "
            "of live rows, or hard_delete() first"
        )
    if statement.conflict == "IGNORE" and keys:
        statement.refuse(
            "OR IGNORE would skip a row because of a deleted one; leave it out, or "
            f"{_CURE}"
        )
    silent = sorted(table.on_conflict.intersection(_SILENT))
    if silent and keys and not statement.conflict:
        statement.refuse(
            f"a key of {table.name} says ON CONFLICT {silent[0]}, which would skip or "
            "remove rows because of deleted ones; say OR ABORT in the statement"
        )


def _check_upsert(statement: "Draft", upsert: Any, keys: Sequence[UniqueKey]) -> None:
    named: list[Any] = upsert.args.get("conflict_keys") or []
    columns = [
        statement.name_of(one.this.this) for one in named if one.this.key == "column"
    ]
    fold = statement.dialect.fold
    hit = [
        key
        for key in keys
        if not named
        or len(columns) < len(named)
        or {fold(c, quoted=True) for c in key.columns} == set(columns)
    ]
    if not hit:
        return
    what = "change a deleted row" if upsert.expressions else "skip a row because of one"
    statement.refuse(
        f"ON CONFLICT could {what}: the key is not one of live rows alone; {_CURE}, "
        "and name that key with its WHERE"
    )


def violates(error: BaseException, table: "Table", dialect: "Dialect") -> bool:
    """Whether a unique key of the table failed."""
    return any(dialect.violates(error, table, key) for key in keys_of(table))


def explained(
    error: BaseException, table: "Table", mark: Mark, dialect: "Dialect"
) -> TombstoneConflict | None:
    """The error of a collision with what may be a deleted row, with its cure."""
    if not isinstance(error, IntegrityError) or isinstance(error, TombstoneConflict):
        return None
    failed = [k for k in keys_of(table) if dialect.violates(error, table, k)]
    if not failed or all(mark.leaves_out(key, dialect) for key in failed):
        return None
    key = next(key for key in failed if not mark.leaves_out(key, dialect))
    return TombstoneConflict(
        f"{error}; if the other row is deleted, {_cure(table, mark, key, dialect)}",
        code="tombstone-conflict",
    )


def _cure(table: "Table", mark: Mark, key: UniqueKey, dialect: "Dialect") -> str:
    if key.primary:
        return "choose another key, or restore() or hard_delete() that row"
    quote, live = dialect.quote, mark.live()
    if key.text and not key.partial:
        text = key.text.rstrip().rstrip(";")
        return f"{_CURE}: DROP INDEX {quote(key.name)}; {text} WHERE {live}"
    name = "_".join((table.name, *filter(None, key.columns), "live"))
    columns = ", ".join(map(quote, key.columns))
    instead = "" if key.partial else ", in place of the table's own constraint"
    if not all(key.columns):
        return f"{_CURE}, by its mark in the WHERE of the index {quote(key.name)}"
    return (
        f"{_CURE}: CREATE UNIQUE INDEX {quote(name)} ON {quote(table.name)} "
        f"({columns}) WHERE {live}{instead}"
    )
