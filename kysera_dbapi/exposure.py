"""The names by which a query block calls its relations.

In SQLite a table in parentheses of its own keeps its alias only where it comes first:
``FROM (orders AS o)`` exposes o, ``FROM t, (orders AS o)`` exposes orders.
"""

from collections.abc import Iterator
from typing import Protocol

from sqlglot import exp

from kysera_dbapi.dialect import Dialect

__all__ = ["Names", "exposed_name", "exposures", "has_nameless", "lone"]


class Names(Protocol):
    """What tells the names of a statement."""

    @property
    def dialect(self) -> Dialect: ...
    def name_of(self, leaf: exp.Expression, /) -> str: ...


def exposed_name(table: exp.Expression, names: Names) -> str:
    """The name that the columns of a table are called by in its block."""
    name, forgets = _own_name(table, names), names.dialect.forgets_aliases
    node = table
    while (group := _group_of(node)) is not None and not node.args.get("joins"):
        if _alias(group) is not None or (forgets and not _comes_first(group)):
            name = _own_name(group, names) or names.name_of(table.this)
        node = group
    return name


def exposures(
    block: exp.Expression, names: Names, *, hidden: bool = False
) -> Iterator[tuple[str, exp.Expression]]:
    """The names that the FROM (and target) of a block exposes, and of what.

    With ``hidden`` also those that the alias of a parenthesised join hides.
    """
    if isinstance(block, (exp.Update, exp.Delete, exp.Merge)):
        yield from _exposed(block.args.get("this"), names, hidden)
    if isinstance(block, exp.Merge):
        yield from _exposed(block.args["using"], names, hidden)
        return
    from_ = block.args.get("from_")
    yield from _exposed(from_.this if from_ else None, names, hidden)
    for node in (*(block.args.get("using") or ()), *_joined(block)):
        yield from _exposed(node, names, hidden)


def has_nameless(write: exp.Expression) -> bool:
    """Whether the FROM or USING of a write holds what has no name of its own.

    So it is for a query without an alias, as PostgreSQL 16 takes it, and for a call.
    """
    from_ = write.args.get("from_")
    items = [*([from_.this] if from_ else ()), *(write.args.get("using") or ())]
    return any(map(_is_nameless, items))


def _is_nameless(node: exp.Expression) -> bool:
    if any(map(_is_nameless, _joined(node))):
        return True
    if _alias(node) is not None:
        return False
    if _is_group(node):
        return _is_nameless(node.this)
    return not (isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier))


def _exposed(
    node: exp.Expression | None, names: Names, hidden: bool
) -> Iterator[tuple[str, exp.Expression]]:
    if node is None:
        return
    table = _leaf(node)
    if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier):
        yield exposed_name(table, names), table
    elif isinstance(table, exp.Table):
        yield table.alias_or_name.lower(), table
    else:
        aliased = _alias(node) is not None
        if aliased:
            yield _own_name(node, names), node
        if _is_group(node) and (hidden or not aliased):
            yield from _exposed(node.this, names, hidden)
    for join in _joined(node):
        yield from _exposed(join, names, hidden)


def _leaf(node: exp.Expression) -> exp.Expression | None:
    """What stands alone in any number of parentheses; None if there are several."""
    while _is_group(node):
        node = node.this
        if node.args.get("joins"):
            return None
    return node


def lone(node: exp.Expression) -> exp.Expression:
    """The outermost parentheses that hold nothing but the table, or itself."""
    while (group := _group_of(node)) is not None and not node.args.get("joins"):
        node = group
    return node


def _joined(node: exp.Expression) -> list[exp.Expression]:
    return [join.this for join in node.args.get("joins") or ()]


def _is_group(node: exp.Expression) -> bool:
    """Whether it is parentheses around a join or one relation, not a query."""
    return isinstance(node, exp.Subquery) and isinstance(
        node.this, (exp.Table, exp.Subquery)
    )


def _group_of(node: exp.Expression) -> exp.Expression | None:
    """The parentheses in which it comes first."""
    parent = node.parent
    if isinstance(parent, exp.Subquery) and parent.this is node:
        return parent
    return None


def _comes_first(node: exp.Expression) -> bool:
    return isinstance(node.parent, exp.From) or _group_of(node) is not None


def _alias(node: exp.Expression) -> exp.Expression | None:
    alias = node.args.get("alias")
    return None if alias is None else alias.this


def _own_name(node: exp.Expression, names: Names) -> str:
    alias = _alias(node)
    if alias is not None:
        return names.name_of(alias)
    return names.name_of(node.this) if isinstance(node.this, exp.Identifier) else ""
