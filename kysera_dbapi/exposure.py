"""The names by which a query block calls its relations, as SQLite gives them.

A table in parentheses of its own keeps its alias only where it comes first:
``FROM (orders AS o)`` exposes o, ``FROM t, (orders AS o)`` exposes orders.
"""

from collections.abc import Callable, Iterator

from sqlglot import exp

__all__ = ["NameOf", "exposed_name", "exposures", "lone"]

NameOf = Callable[[exp.Expression], str]


def exposed_name(table: exp.Expression, name_of: NameOf) -> str:
    """The name that the columns of a table are called by in its block."""
    name = _own_name(table, name_of)
    node = table
    while (group := _group_of(node)) is not None and not node.args.get("joins"):
        if _alias(group) is not None or not _comes_first(group):
            name = _own_name(group, name_of) or name_of(table.this)
        node = group
    return name


def exposures(
    block: exp.Expression, name_of: NameOf, *, hidden: bool = False
) -> Iterator[tuple[str, exp.Expression]]:
    """The names that the FROM (and target) of a block exposes, and of what.

    With ``hidden`` also those that the alias of a parenthesised join hides.
    """
    if isinstance(block, (exp.Update, exp.Delete, exp.Merge)):
        yield from _exposed(block.args.get("this"), name_of, hidden)
    if isinstance(block, exp.Merge):
        yield from _exposed(block.args["using"], name_of, hidden)
        return
    from_ = block.args.get("from_")
    yield from _exposed(from_.this if from_ else None, name_of, hidden)
    for node in (*(block.args.get("using") or ()), *_joined(block)):
        yield from _exposed(node, name_of, hidden)


def _exposed(
    node: exp.Expression | None, name_of: NameOf, hidden: bool
) -> Iterator[tuple[str, exp.Expression]]:
    if node is None:
        return
    table = _leaf(node)
    if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier):
        yield exposed_name(table, name_of), table
    elif isinstance(table, exp.Table):
        yield table.alias_or_name.lower(), table
    else:
        aliased = _alias(node) is not None
        if aliased:
            yield _own_name(node, name_of), node
        if _is_group(node) and (hidden or not aliased):
            yield from _exposed(node.this, name_of, hidden)
    for join in _joined(node):
        yield from _exposed(join, name_of, hidden)


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


def _own_name(node: exp.Expression, name_of: NameOf) -> str:
    alias = _alias(node)
    if alias is not None:
        return name_of(alias)
    return name_of(node.this) if isinstance(node.this, exp.Identifier) else ""
