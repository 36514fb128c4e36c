"""What becomes of one action of a MERGE: its SET, its VALUES, and what it is held to.

A MERGE has no RETURNING, so rows are checked before they are written: in the condition
of their WHEN, which fails the statement where it would be true. The first WHEN that is
true wins, so each is still tried in its turn, and once.

https://www.postgresql.org/docs/15/sql-merge.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi.binding import Bind
from kysera_dbapi.merge import When
from kysera_dbapi.placement import grouped
from kysera_dbapi.proposal import Proposal
from kysera_dbapi.splices import Fragment, Splice, Value, conjoined, spaced, unproved
from kysera_dbapi.violation import MET

if TYPE_CHECKING:
    from kysera_dbapi.conflict import Guard
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate
    from kysera_dbapi.statement import Reference

__all__ = ["Action"]


class Action:
    """One WHEN of a MERGE that writes."""

    def __init__(self, draft: "Draft") -> None:
        self._draft = draft
        whens, when = _whens(draft), draft.tree.parent
        if draft.target is None or not isinstance(when, exp.When):
            raise unproved()
        self._target = draft.target
        self._when = when
        self._whens = whens
        self._clause = next(w for w in whens if w.action == draft.within)

    # -- which rows ---------------------------------------------------------------

    def filter(
        self,
        wanted: Sequence["Predicate"],
        merged: Mapping["Reference", Sequence["Predicate"]],
    ) -> None:
        """The rows that an action finds are those that the MERGE has matched."""
        for reference, predicates in merged.items():
            if reference.start == self._target.start:
                wanted = [one for one in wanted if one not in predicates]
        if wanted:
            self._draft.refuse(
                f"a {self._draft.kind} in MERGE cannot be kept to fewer rows than it "
                "matches; send it as a statement of its own"
            )

    # -- what is written ----------------------------------------------------------

    def mark(self, assignments: Mapping[str, Value]) -> None:
        """DELETE as an UPDATE."""
        draft = self._draft
        at = self._clause.action[0]
        parts, trees = self._assigned(assignments)
        verb = ("UPDATE SET ", *parts[1:])
        draft.splices.append(Splice(draft.start_of(at), draft.end_of(at), verb))
        draft.become(exp.Update(expressions=trees))

    def assign(self, assignments: Mapping[str, Value]) -> None:
        """Set more columns in an UPDATE."""
        parts, trees = self._assigned(assignments)
        at = self._draft.end_of(self._clause.action[1] - 1)
        self._draft.splices.append(Splice(at, at, spaced(self._draft, at, parts)))
        for tree in trees:
            self._draft.tree.append("expressions", tree)

    def _assigned(
        self, assignments: Mapping[str, Value]
    ) -> tuple[Fragment, list[exp.Expression]]:
        draft = self._draft
        parts: list[str | Bind] = []
        for column, value in assignments.items():
            parts += [", ", f"{draft.quoted(column)} = ", value.part]
        trees = [draft.assignment_tree(c, value) for c, value in assignments.items()]
        return tuple(parts), trees

    # -- what it is held to -------------------------------------------------------

    def hold(
        self,
        guards: Sequence["Guard"],
        checks: Sequence[tuple["Predicate", str]],
        assignments: Mapping[str, Value],
    ) -> None:
        """Fail the statement where the row, as it is or will be, is not right."""
        draft, name = self._draft, self._draft.quoted(self._target.exposed)
        calls = [
            draft.checked_by(predicate.about(name), MET + label)
            for predicate, label, _ in guards
        ]
        if checks:
            row = Proposal(draft, assignments)
            calls += [draft.checked_by(row.said(p), label) for p, label in checks]
        if calls:
            self._condition(conjoined(calls))

    def _condition(self, held: Fragment) -> None:
        draft, clause = self._draft, self._clause
        condition = self._when.args.get("condition")
        if clause.condition is None or condition is None:
            self._check_reachable()
            at = draft.end_of(clause.matched)
            draft.splices.append(Splice(at, at, spaced(draft, at, (" AND ", *held))))
            self._when.set("condition", draft.fragment_tree(held))
            return
        first, stop = clause.condition
        start, end = draft.start_of(first), draft.end_of(stop - 1)
        before = draft.stand_in[start - 1 : start]
        blank = " " if before.isalnum() else ""
        closing: Fragment = (") THEN ", *held, " ELSE false END")
        opening = Splice(start, start, (f"{blank}CASE WHEN (",), rank=-4)
        draft.splices.append(opening)
        draft.splices.append(Splice(end, end, spaced(draft, end, closing), rank=4))
        tree = draft.fragment_tree(("CASE WHEN (1", *closing))
        tree.args["ifs"][0].set("this", grouped(condition))
        self._when.set("condition", tree)

    def _check_reachable(self) -> None:
        """What follows would be reached: PostgreSQL says that it cannot be."""
        nodes = self._when.parent.expressions if self._when.parent else []
        later = nodes[nodes.index(self._when) + 1 :]
        if any(w.args["matched"] == self._when.args["matched"] for w in later):
            self._draft.refuse(
                "a WHEN without a condition comes before another that could never be "
                "reached; take that out"
            )


def _whens(draft: "Draft") -> Sequence[When]:
    found = (block.merge for block in draft.layout.blocks if block.merge)
    clauses = next(found, None)
    return clauses.whens if clauses is not None else ()
