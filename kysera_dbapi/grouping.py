"""Columns that depend on the primary key that their block is grouped by."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from kysera_dbapi.statement import Reference

if TYPE_CHECKING:
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["dependent", "is_aggregate", "of_several_rows"]

#: What a block evaluates after it has made groups.
_GROUPED = ("expressions", "distinct", "having", "windows", "order")


def of_several_rows(tree: exp.Expression, dialect: "Dialect") -> Iterator[exp.Expr]:
    """The calls that put rows together, or may: of some functions nothing is known."""
    for call in tree.find_all(exp.AggFunc, exp.Anonymous):
        if is_aggregate(call, dialect) or not dialect.knows(call.name.lower()):
            yield call


def is_aggregate(call: exp.Expr, dialect: "Dialect") -> bool:
    """Whether it is known to put rows together."""
    return isinstance(call, exp.AggFunc) or call.name.lower() in dialect.aggregates


def dependent(
    draft: "Draft", reference: Reference, owner: exp.Expression
) -> exp.Expression | None:
    """What a block shows of a relation by its key alone; None if it shows nothing so.

    ``SELECT o.status ... GROUP BY o.id`` does: there is one status for each id.
    """
    group = owner.args.get("group")
    if group is None:
        return None
    terms = list(_terms(owner, group))
    grouped = {
        draft.name_of(column.this)
        for term in terms
        for column in term.find_all(exp.Column)
        if _may_be_of(draft, column, reference)
    }
    fold = draft.dialect.fold
    key = {fold(name, quoted=True) for name in reference.table.primary_key}
    if not key or not key <= grouped:
        return None
    for node in _shown(owner):
        if not _is_aggregated(node) and _is_other(draft, node, reference, grouped):
            return node
    return None


def _terms(owner: exp.Expression, group: exp.Expression) -> Iterator[exp.Expression]:
    """The terms of GROUP BY; a number says which column of the list is meant."""
    shown = owner.expressions
    for term in group.expressions:
        number = int(term.name) if term.is_int else 0
        yield shown[number - 1] if 0 < number <= len(shown) else term


def _shown(owner: exp.Expression) -> Iterator[exp.Expression]:
    for part in _GROUPED:
        found: Any = owner.args.get(part) or []
        for node in [found] if isinstance(found, exp.Expression) else found:
            yield from node.find_all(exp.Column, exp.Star)


def _is_aggregated(node: exp.Expression) -> bool:
    """Whether it is within an aggregate; a window function is none."""
    call = node.find_ancestor(exp.AggFunc)
    while call is not None:
        outer = call.parent
        while isinstance(outer, (exp.Filter, exp.WithinGroup, exp.IgnoreNulls)):
            outer = outer.parent
        if not isinstance(outer, exp.Window):
            return True
        call = call.find_ancestor(exp.AggFunc)
    return False


def _is_other(
    draft: "Draft", node: exp.Expression, reference: Reference, grouped: set[str]
) -> bool:
    """Whether it is a column of the relation that the groups do not give, or a star."""
    if isinstance(node, exp.Star):
        return not isinstance(node.parent, exp.Column)
    if not _may_be_of(draft, node, reference):
        return False
    name = draft.name_of(node.this)
    known = name not in grouped and reference.table.column(name) is not None
    return known or isinstance(node.this, exp.Star)


def _may_be_of(draft: "Draft", column: exp.Expression, reference: Reference) -> bool:
    qualifier = column.args.get("table")
    return qualifier is None or draft.name_of(qualifier) == reference.exposed
