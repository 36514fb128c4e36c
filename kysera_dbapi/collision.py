"""The unique keys by which a write could meet a row that its caller does not see."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import Table, UniqueKey

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["at_risk", "can_name", "keys_of", "must_guard", "violated_key"]

_SILENT = {"IGNORE", "REPLACE"}


def keys_of(table: Table) -> list[UniqueKey]:
    """The unique keys of a table, that of its rowid too."""
    row = UniqueKey("", (table.row_column,), primary=True)
    return [row, *table.unique_keys] if table.row_column else list(table.unique_keys)


def can_name(key: UniqueKey, dialect: "Dialect") -> bool:
    """Whether an upsert can be for that key alone, if it must name one.

    https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT
    """
    plain = all(key.columns) and not (key.partial or key.excludes or key.deferrable)
    return plain or dialect.upserts_by_any_key


def violated_key(
    error: BaseException, table: Table, catalogue: "Catalogue", dialect: "Dialect"
) -> UniqueKey | None:
    """The unique key of a table that an error says has failed.

    It may name that of a partition, which has the columns of its table's.
    """
    keys, pending = keys_of(table), [table]
    while pending:
        one = pending.pop()
        pending += catalogue.offspring.get(one.key, ())
        for failed in keys_of(one):
            if dialect.violates(error, one, failed):
                same = (key for key in keys if key.columns == failed.columns)
                return failed if one is table else next(same, None)
    return None


def at_risk(
    statement: "Draft", table: Table, spared: Callable[[UniqueKey], bool]
) -> list[UniqueKey]:
    """The keys that a write may collide by, those apart that no hidden row can have."""
    keys = [key for key in keys_of(table) if not spared(key)]
    written = _written(statement)
    if written is None:
        return keys
    return [key for key in keys if _may_collide(key, table, statement, written)]


def must_guard(statement: "Draft", table: Table, hidden: str, cure: str) -> bool:
    """Whether a write with keys at risk has to be guarded against ``hidden`` rows.

    What would skip or remove them, or rows because of them, and cannot be guarded is
    refused, with the ``cure``.
    """
    upsert = statement.tree.args.get("conflict") is not None
    action = statement.conflict
    silent = sorted(table.on_conflict & _SILENT)
    if silent and not action:
        statement.refuse(
            f"a key of {table.name} says ON CONFLICT {silent[0]}, which would skip or "
            f"remove rows because of {hidden}; say OR ABORT in the statement"
        )
    if action == "REPLACE":
        statement.refuse(f"OR REPLACE would remove {hidden} for good; {cure}")
    if action == "IGNORE" and (upsert or statement.kind == "update"):
        statement.refuse(f"OR IGNORE would skip a row because of {hidden}; {cure}")
    return upsert or action == "IGNORE"


def _may_collide(
    key: UniqueKey, table: Table, statement: "Draft", written: Collection[str]
) -> bool:
    if key.name and statement.kind == "insert":
        return True  # by a default
    return not _named(key, table, statement.dialect).isdisjoint(written)


def _named(key: UniqueKey, table: Table, dialect: "Dialect") -> set[str]:
    """The (folded) columns that a key has, and those in its expressions and WHERE."""
    names = (dialect.unquote(word) for word in (*key.columns, *key.words))
    return {dialect.column(table, dialect.fold(n, quoted=True)) for n in names}


def _written(statement: "Draft") -> Collection[str] | None:
    """The (folded) columns that a write may change; None if they are not known."""
    if statement.kind == "update":
        return statement.altered
    listed = [statement.column_of(c) for c in statement.tree.this.expressions]
    if listed or statement.target is None:
        return listed or None
    fold, columns = statement.dialect.fold, statement.target.table.columns
    plain = [c for c in columns if not (c.hidden or c.generated)]
    return [fold(column.name, quoted=True) for column in plain] or None
