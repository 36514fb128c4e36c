"""A filter in the ON of a join with nothing: ``(t JOIN (SELECT) AS k ON p)``.

The other side is one row of no columns, so that nothing is added to what ``t`` is. Its
names, its key, its system columns and its whole rows stay what they are; a derived
table loses them. The database's planner takes the join away.

Where a query has a column at least, the row has one that nothing shows: so no ``*``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.derivation import owner_of
from kysera_dbapi.splices import Fragment, Splice, conjoined, spell
from kysera_dbapi.statement import Reference

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.layout import Item
    from kysera_dbapi.predicate import Predicate

__all__ = ["can_join", "join_nothing"]


def can_join(draft: "Draft", reference: Reference) -> bool:
    """Whether a reference can be filtered so; its columns must have their own names."""
    if not (_joins_one(draft, reference) or _joins_nothing(draft, reference)):
        return False
    alias = reference.node.args.get("alias")
    renamed = alias is not None and bool(alias.args.get("columns"))
    return not renamed and _item(draft, reference) is not None


def _joins_nothing(draft: "Draft", reference: Reference) -> bool:
    return draft.dialect.joins_nothing and reference.role == "source"


def _joins_one(draft: "Draft", reference: Reference) -> bool:
    """Whether it may be joined with a column, and no ``*`` shows that."""
    owner, written = owner_of(reference.node), reference.role == "target"
    if not (draft.dialect.joins_one and (written or draft.locks(reference))):
        return False
    shown = owner.expressions if isinstance(owner, exp.Select) else ()
    return not any(isinstance(one, exp.Star) for one in shown)


def join_nothing(
    draft: "Draft", reference: Reference, predicates: Sequence["Predicate"]
) -> None:
    """Put the join in the reference's place, in the text and in the tree."""
    item = _item(draft, reference)
    assert item is not None
    name = draft.quoted(reference.exposed)
    condition = conjoined([p.about(name) for p in predicates])
    row = f"_k_{reference.start}"
    nothing = f"SELECT 1 AS {row}" if draft.dialect.joins_one else "SELECT"
    joined: Fragment = (f" JOIN ({nothing}) AS {row} ON ", *condition)
    start, end = draft.start_of(item.start), draft.end_of(item.end - 1)
    before = draft.stand_in[start - 1 : start]
    opening = " (" if before.isalnum() or before == "_" else "("
    draft.splices.append(Splice(start, start, (opening,), rank=-2))
    draft.splices.append(Splice(end, end, (*joined, ")")))
    text = f"SELECT * FROM (a{spell(joined)})"
    tokens = _sqlglot.tokenize(text, draft.dialect)
    group = _sqlglot.parse(text, tokens, draft.dialect).args["from_"].this
    node = reference.node
    inner = node.copy()
    inner.set("joins", group.this.args["joins"])
    group.set("joins", node.args.get("joins"))
    group.set("this", inner)
    node.replace(group)


def _item(draft: "Draft", reference: Reference) -> "Item | None":
    """The item of a FROM that is the reference, with its alias."""
    if reference.in_list or reference.block is None:
        return None
    way = draft.layout.joined(reference.block, reference.token)
    if not way:
        return None
    items, at = way[-1]
    return items[at] if items[at].group is None else None
