"""What becomes of an UPDATE or DELETE of several tables.

Its assignments are made in no certain order: some see the row as it was, others as it
will be. So no row can be checked by the last of them, and what is set besides may not
depend on what the caller sets.

https://dev.mysql.com/doc/refman/8.4/en/update.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi.binding import Bind
from kysera_dbapi.layout import Block
from kysera_dbapi.splices import Fragment, Splice, Value, spaced, unproved

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.statement import Reference

__all__ = ["Assignments", "assign", "mark", "qualify"]

#: For each table that is written to the columns that are set, and the values.
Assignments = Sequence[tuple["Reference", Mapping[str, Value]]]


def qualify(
    draft: "Draft", target: "Reference", sets: Sequence[exp.Expression]
) -> None:
    """Say whose the columns are that the caller sets: the catalogue may be old."""
    name = draft.quoted(target.exposed)
    for one in sets:
        column = one.this
        if column.args.get("table") is None:
            start = draft.position_of(column.this)
            draft.splices.append(Splice(start, start, (f"{name}.",)))
            column.set("table", draft.fragment_tree((name,)).this)


def assign(draft: "Draft", assignments: Assignments) -> None:
    """Set more columns in an UPDATE."""
    block = _block(assignments)
    if block.set is None:
        raise unproved()
    parts, trees = _assigned(draft, assignments)
    at = draft.end_of(_past(block) - 1)
    draft.splices.append(Splice(at, at, spaced(draft, at, parts)))
    for tree in trees:
        draft.tree.append("expressions", tree)


def mark(draft: "Draft", assignments: Assignments) -> None:
    """DELETE as an UPDATE, which says what is joined in its place."""
    block, tree = _block(assignments), draft.tree
    tables = [target.table.key for target, _ in assignments]
    if len(tables) != len(tree.args["tables"]):
        draft.refuse(
            "a DELETE of tables whose deleted rows are kept, and of others; send one "
            "for each"
        )
    if len(set(tables)) < len(tables):
        draft.refuse(
            "a DELETE that names a table twice, whose deleted rows are kept; send one "
            "for each"
        )
    if block.source is None:
        raise unproved()
    parts, trees = _assigned(draft, assignments)
    verb = Splice(draft.start_of(block.start), draft.end_of(block.source), ("UPDATE",))
    at = draft.end_of(_past(block) - 1)
    # after what closes the last ON, before a WHERE
    listed = spaced(draft, at, (" SET ", *parts[1:]))
    draft.splices += [verb, Splice(at, at, listed, rank=1)]
    kept = {k: v for k, v in tree.args.items() if k not in ("tables", "cluster")}
    draft.become(exp.Update(expressions=trees, **kept))


def _block(assignments: Assignments) -> Block:
    block = assignments[0][0].block
    if block is None:
        raise unproved()
    return block


def _past(block: Block) -> int:
    """The token past SET, or past what is joined in a DELETE."""
    return block.tail if block.where is None else block.where


def _assigned(
    draft: "Draft", assignments: Assignments
) -> tuple[Fragment, list[exp.Expression]]:
    parts: list[str | Bind] = []
    trees: list[exp.Expression] = []
    for target, values in assignments:
        name = draft.quoted(target.exposed)
        for column, value in values.items():
            one = (f"{name}.{draft.quoted(column)} = ", value.part)
            parts += [", ", *one]
            trees.append(draft.fragment_tree(one))
    return tuple(parts), trees
