"""Which rows a query locks: those of FOR UPDATE, FOR SHARE and the like.

A lock of a sub-select in FROM is one of all that it reads, of a common table expression
it is none.

https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
"""

from collections.abc import Callable

from sqlglot import exp

__all__ = ["is_locked"]

_Naming = Callable[[exp.Expression], str]
#: What stands between a relation and the query whose FROM it is in.
_WITHIN_FROM = (exp.From, exp.Join, exp.Table, exp.Subquery, exp.Lateral, exp.Alias)


def is_locked(node: exp.Expression, name: str, name_of: _Naming) -> bool:
    """Whether a query locks what it finds of the relation ``node``, exposed as a name.

    ``name_of`` gives the folded name that an identifier spells.
    """
    while True:
        if any(_holds(lock, name, name_of) for lock in node.args.get("locks") or ()):
            return True
        alias, parent = node.args.get("alias"), node.parent
        if alias is not None and isinstance(node, (exp.Subquery, exp.Lateral)):
            name = name_of(alias.this)
        listed = node.arg_key in ("from_", "joins")
        kinds = (*_WITHIN_FROM, exp.Select) if listed else _WITHIN_FROM
        if not isinstance(parent, kinds):
            return False
        node = parent


def _holds(lock: exp.Expression, name: str, name_of: _Naming) -> bool:
    listed = [one.this for one in lock.expressions]
    return not listed or name in map(name_of, listed)
