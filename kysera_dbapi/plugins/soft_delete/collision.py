"""Unique keys that deleted rows still hold: what is refused, and how errors are cured.

A row that is skipped or replaced because of a deleted one would be so in silence; an
error is not. Keys of live rows alone, by a partial index, collide with live rows only.
"""

from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import UniqueKey
from kysera_dbapi.collision import at_risk, keys_of, must_guard
from kysera_dbapi.errors import IntegrityError, PolicyViolation, TombstoneConflict
from kysera_dbapi.plugins.soft_delete.mark import Mark
from kysera_dbapi.predicate import predicate

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["DELETED", "explained", "guard_conflicts", "violates"]

#: What a guard calls the rows that it fails on.
DELETED = "deleted rows"
_CURE = "let only live rows be unique"


def guard_conflicts(statement: "Draft", table: "Table", mark: Mark) -> None:
    """Guard a write that could change a deleted row, or skip one because of it."""
    dialect = statement.dialect
    keys = at_risk(statement, table, lambda key: mark.leaves_out(key, dialect))
    if keys and must_guard(
        statement, table, "deleted rows", f"{_CURE}, or leave it out"
    ):
        live = predicate(mark.live(), dialect)
        reason = "a row that is there must be live"
        statement.guard(live, f"{table.name}: {DELETED}", reason=reason)


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
        if error.policy != DELETED:
            return None
        key = next(k for k in keys_of(table) if not mark.leaves_out(k, dialect))
        return TombstoneConflict(
            f"a row of the statement meets a deleted row of {table.name}; "
            f"{_cure(table, mark, key, dialect)}",
            code="tombstone-conflict",
        )
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
