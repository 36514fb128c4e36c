"""The rows that a RETURNING calls old and new: before the write, and after it.

A DELETE has no new row and an INSERT no old one; the statement that a plugin makes of
it has both.

https://www.postgresql.org/docs/18/dml-returning.html
"""

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["AFTER", "BEFORE", "refuse_image"]

#: The places of their names in ``Dialect.row_images``.
BEFORE, AFTER = range(2)


def refuse_image(draft: "Draft", which: int, *, of: str) -> None:
    """Refuse a RETURNING that shows one image of a row, or either as a whole row.

    ``of`` says of what statement. Raises ``UnsupportedStatement``
    (unsupported-statement).
    """
    returning = draft.tree.args.get("returning")
    images = draft.dialect.row_images
    if returning is None or not images:
        return
    for column in returning.find_all(exp.Column):
        qualifier = column.args.get("table")
        name = draft.name_of(qualifier or column.this)
        shown = name == images[which] if qualifier is not None else name in images
        if shown and not _is_other(draft, column, name, whole=qualifier is None):
            draft.refuse(f"RETURNING of {name} in {of}; name the columns alone")


def _is_other(draft: "Draft", column: exp.Column, name: str, *, whole: bool) -> bool:
    """Whether the name is that of a relation, or of a column if it has no qualifier."""
    blocks: list[exp.Expression] = [draft.tree]
    inner = column.find_ancestor(exp.Select)
    while inner is not None:
        blocks.append(inner)
        inner = inner.find_ancestor(exp.Select)
    found = [one for block in blocks for one in draft.exposures(block)]
    nodes = {id(node) for _, node in found}
    tables = [r.table for r in draft.references if id(r.node) in nodes]
    named = any(exposed == name for exposed, _ in found)
    return named or (whole and any(table.column(name) for table in tables))
