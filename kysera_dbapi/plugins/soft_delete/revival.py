"""An INSERT that a deleted row stands in the way of: it takes that row's place.

The INSERT is sent as it is. Only if a unique key refuses it, it is sent as an upsert,
which is planned like one of the caller's: other plugins guard the row that it meets and
the one that is proposed. So an INSERT that meets no row costs nothing, and one that
meets a row which it may not have gets the database's own error, whatever row it is.
"""

from typing import TYPE_CHECKING

from kysera_dbapi._blocks import scope
from kysera_dbapi.collision import at_risk, can_name

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column, Table
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.plugins.soft_delete.mark import Mark

__all__ = ["check_functions", "guard", "is_revival", "offer"]

#: Begins the flag of the block in which an upsert is planned that revives rows.
_FLAG = "soft_delete.revive"
_OTHERS = ("conflict", "default")


def is_revival() -> bool:
    """Whether the upsert that revives rows is being planned."""
    return any(flag.startswith(_FLAG) for flag in scope())


def offer(statement: "Draft", table: "Table", mark: "Mark") -> None:
    """Let a plain INSERT be tried as an upsert if a unique key refuses it."""
    dialect, tree = statement.dialect, statement.tree
    plain = statement.kind == "insert" and statement.conflict in ("", "ABORT")
    if not plain or any(tree.args.get(part) for part in _OTHERS):
        return  # it says itself what to do, or no upsert can be made of it
    if statement.nested or tree.parent is not None:
        return  # other writes would be planned as if they were the upsert
    if not at_risk(statement, table, lambda key: mark.leaves_out(key, dialect)):
        return
    listed = {statement.name_of(column) for column in tree.this.expressions}
    fixed = _columns_of_identity(table) and "OVERRIDING" in statement.source.words
    if all(table.column(name) is not None for name in listed) and not fixed:
        columns = _columns(statement, table)
        reason = "a deleted row with its key is revived"
        statement.retry_as_upsert(columns, _FLAG, reason=reason)


def _columns(statement: "Draft", table: "Table") -> list[str]:
    """All that a new row would have: what is not supplied is the default.

    But for a primary key that is not supplied: by it other rows refer to this one.
    """
    fixed = _columns_of_identity(table)
    stored = [c for c in table.columns if not (c.generated or c.hidden or c in fixed)]
    return [
        column.name
        for column in stored
        if not column.primary_key or statement.supplies(column.name)
    ]


def _columns_of_identity(table: "Table") -> "list[Column]":
    """Those that an UPDATE cannot set, and an INSERT by OVERRIDING alone."""
    return [column for column in table.columns if column.identity == "always"]


def check_functions(statement: "Draft") -> None:
    """Refuse what would tell of another row than the one that was revived."""
    for name in sorted(statement.calls & statement.dialect.row_functions):
        statement.refuse(
            f"{name}() does not know of a row that was revived; use RETURNING, or "
            "the lastrowid of the cursor if it has one"
        )


def guard(statement: "Draft", table: "Table", mark: "Mark") -> None:
    """Let an upsert revive deleted rows alone, and have it tell the last of them."""
    from kysera_dbapi.condition import condition  # it brings the parser

    label = f"{table.name}: deleted rows"
    deleted = condition(mark.deleted(), statement.dialect)
    live = condition(mark.live(), statement.dialect)
    statement.guard(deleted, label, reason="a live row is not changed")
    reason = "a row that is deleted itself revives none"
    statement.guard(live, label, reason=reason, proposed=True)
    statement.tell_row()
    if not statement.dialect.upserts_by_any_key:
        _name_key(statement, table)


def _name_key(statement: "Draft", table: "Table") -> None:
    """Name the key that refused the INSERT: the end of the block's flag."""
    key = next((k for k in table.unique_keys if f"{_FLAG}:{k.name}" in scope()), None)
    if key is None or not can_name(key, statement.dialect):
        statement.refuse(
            "an upsert is for a key of plain columns and all rows alone, and for none "
            "that is DEFERRABLE"
        )
    assert key is not None
    statement.name_key(key.columns)
