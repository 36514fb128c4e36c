"""Rows are checked in their statement, where RETURNING does not do it.

An UPDATE sets its columns from left to right, each as its type makes it, and may set
one twice: the last assignment sees the row as it is about to be stored, and sets a
column to itself, or fails. What an INSERT is given for a column is compared with the
value that must be there; that value is what it stores.

https://dev.mysql.com/doc/refman/8.4/en/update.html
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlglot import exp

from kysera_dbapi.binding import Bind, Parameters
from kysera_dbapi.grouping import is_aggregate
from kysera_dbapi.insertion import Insertion
from kysera_dbapi.splices import Fragment, Splice, conjoined, spaced, unproved

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate
    from kysera_dbapi.statement import Reference

__all__ = ["Held", "Supplied", "assigned", "hold_rows", "hold_values", "unmoved"]


class Supplied(NamedTuple):
    """A value that the caller gives where ours must be: its place, or its name."""

    at: int | str
    bind: Bind
    label: str

    def is_right(self, parameters: Parameters, ours: object) -> bool:
        """Whether it is equal in type and value; a missing one is told elsewhere."""
        given: Any = parameters
        try:
            value = given[self.at]
        except (LookupError, TypeError):
            return True
        return type(value) is type(ours) and bool(value == ours)


#: A column, the value that it must have, and the label of the check.
Held = tuple[str, Bind, str]
#: More rows than there can be.
_ALL = (1 << 64) - 1
#: Stands for the caller's value in a tree.
_VALUE = "_k0"


def hold_rows(draft: "Draft", checks: Sequence[tuple["Predicate", str]]) -> None:
    """Let the last assignment of an UPDATE check the row."""
    target = draft.target
    block = target.block if target else None
    if target is None or block is None or block.set is None:
        raise unproved()
    unmoved(draft, target, (predicate.columns for predicate, _ in checks))
    sources = {r.table.key for r in draft.references if r.role == "source"}
    if target.table.key in sources | draft.filters_read:
        # MariaDB computes all values before it assigns one; MySQL fails (1093)
        draft.refuse(
            f"an UPDATE of {target.exposed} that reads the same table in a sub-select, "
            "or by a policy, cannot be checked; choose the rows before"
        )
    name = draft.quoted(target.exposed)
    calls = [draft.checked_by(p.about(name), label) for p, label in checks]
    part = assigned(draft, target, calls)
    stop = min(x for x in (block.source, block.where, block.tail) if x is not None)
    at = draft.end_of(stop - 1)
    draft.splices.append(Splice(at, at, spaced(draft, at, (", ", *part))))
    draft.tree.append("expressions", draft.fragment_tree(part))
    _keep_order(draft)


def _keep_order(draft: "Draft") -> None:
    """Let assignments be made one after the other.

    MySQL makes a join of an UPDATE with sub-queries, and computes all values before it
    assigns one; not so if there is an ORDER BY or a LIMIT.
    https://dev.mysql.com/doc/refman/8.4/en/semijoins.html
    """
    tree = draft.tree
    ordered = tree.args.get("order") or tree.args.get("limit")
    if ordered or not tree.find(exp.Select):
        return
    at = draft.end()
    limit = f" LIMIT {_ALL}"
    draft.splices.append(Splice(at, at, spaced(draft, at, (limit,)), rank=9))
    tree.set("limit", exp.Limit(expression=exp.Literal.number(_ALL)))


def assigned(
    draft: "Draft", target: "Reference", calls: Sequence[Fragment]
) -> Fragment:
    """The assignment of a column to itself, if nothing fails."""
    known = {c.folded or c.name: c for c in target.table.columns}
    plain = [known[c] for c in draft.assigned if c in known and not known[c].generated]
    if not plain:
        raise unproved()
    if draft.kind == "insert":
        plain = _kept_in_rows(draft, target, plain)

    def likes(column: "Column") -> int:
        """A number is itself if it is set again; one of rows is told as inserted."""
        types = draft.dialect.equals_exactly(column.type)
        return 3 if column.identity else 0 if int in types else 1 if types else 2

    column = min(plain, key=likes)
    name = draft.dialect.quote(column.name)
    own = f"{draft.quoted(target.exposed)}.{name}"
    return (f"{name} = CASE WHEN ", *conjoined(calls), f" THEN {own} END")


def _kept_in_rows(
    draft: "Draft", target: "Reference", assigned: "Sequence[Column]"
) -> "list[Column]":
    """Those that may be set before VALUES() is asked for them, or else all others."""
    whole = [
        c
        for c in target.table.columns
        if not (c.generated or c.stamped or draft.dialect.is_kept_apart(c.type))
    ]
    found = [c for c in assigned if c in whole] or whole
    if not found:
        draft.refuse(
            f"an upsert of {target.exposed}, of which all columns are long texts or "
            "documents, cannot be checked"
        )
    return found


def unmoved(
    draft: "Draft", target: "Reference", columns: Iterable[frozenset[str] | None]
) -> None:
    """Refuse checks of what the database makes of a row when it has been checked.

    They speak of those (folded) columns; None for any.
    """
    table, events = target.table, {"UPDATE"}
    if draft.kind == "insert":
        events = {"INSERT", "UPDATE"} if draft.upserts else {"INSERT"}
    before = [t for t in table.triggers if t.before and t.event in events]
    made = {c.folded or c.name for c in table.columns if c.generated or c.stamped}
    for spoken in columns:
        for trigger in before:
            text = draft.dialect.fold(trigger.text, quoted=True)
            if spoken is None or any(column in text for column in spoken):
                draft.refuse(
                    f"the trigger {trigger.name} of {table.name} could change a row "
                    "after it is checked; run the statement under bypass()"
                )
        if made and (spoken is None or not made.isdisjoint(spoken)):
            draft.refuse(
                f"{table.name} has columns that the database computes when a row is "
                "stored, which cannot be checked before; leave out the columns that "
                "policies speak of"
            )


def hold_values(draft: "Draft", held: Sequence[Held]) -> None:
    """Compare what an INSERT has for columns with the values that must be there."""
    if draft.target is None:
        raise unproved()
    insertion = Insertion(draft)
    for column, bind, label in held:
        folded = draft.dialect.fold(column, quoted=True)
        unmoved(draft, draft.target, [frozenset((folded,))])
        if folded in draft.assigned:
            draft.refuse(f"an upsert may not set {column}; leave it out of the update")
        if not insertion.supplies(column):
            continue  # it is ours
        before, between, after = draft.dialect.same()
        failing = draft.checked_by(("", between, bind, after), label)
        opening = ("CASE WHEN ", failing[0], before)
        closing = (*failing[2:], " THEN ", bind, " END")
        for owner, place, (first, last) in insertion.spans(folded):
            one = owner.expressions[place]
            given = _given(draft, owner, first, last)
            if given is not None:
                start, end = draft.start_of(first), draft.end_of(last)
                draft.splices.append(Splice(start, end, (bind,)))
                draft.supplied.append(Supplied(given, bind, label))
                continue
            if _is_one_group(owner, draft.dialect):
                # seen in MariaDB 10.11.19: of no rows what is beside it may be NULL
                draft.refuse(f"{column} beside an aggregate; add GROUP BY, or leave it")
            if isinstance(one, exp.Alias):
                last = _last_of_value(draft, first, last)
            if draft.layout.tokens[first].text.upper() == "DEFAULT" and first == last:
                draft.refuse(f"DEFAULT for {column} cannot be checked; leave it out")
            start, end = draft.start_of(first), draft.end_of(last)
            draft.splices.append(Splice(start, start, opening, rank=-5))
            draft.splices.append(Splice(end, end, spaced(draft, end, closing), rank=-1))
            value = one.this if isinstance(one, exp.Alias) else one
            tree = draft.fragment_tree((*opening, _VALUE, *closing))
            marks = [c for c in tree.find_all(exp.Column) if c.name == _VALUE]
            value.replace(tree)
            marks[0].replace(value)


def _given(
    draft: "Draft", owner: exp.Expression, first: int, last: int
) -> int | str | None:
    """Which of the caller's values is bound there, if no more than one row is inserted.

    It is compared before the statement is sent, and ours takes its place: so drivers
    still see plain rows, of which they make one statement.
    """
    rows = owner.parent
    if not isinstance(rows, exp.Values) or len(rows.expressions) != 1 or first != last:
        return None
    start = draft.start_of(first)
    for number, one in enumerate(draft.source.placeholders):
        if one.start == start:
            named = one.text[:2] == "%("
            return one.text[2:-2] if named else number if one.text == "%s" else None
    return None


def _is_one_group(owner: exp.Expression, dialect: "Dialect") -> bool:
    """Whether it is a query of aggregates that gives a row for no rows."""
    if not isinstance(owner, exp.Select) or owner.args.get("group") is not None:
        return False
    kinds = (exp.AggFunc, exp.Anonymous)
    calls = (call for one in owner.expressions for call in one.find_all(*kinds))
    return any(is_aggregate(call, dialect) for call in calls)


def _last_of_value(draft: "Draft", first: int, last: int) -> int:
    """The last token before the alias: ``value [AS] alias``."""
    before = last - 1
    if draft.layout.tokens[before].text.upper() == "AS":
        before -= 1
    return max(first, before)
