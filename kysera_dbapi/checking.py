"""Rows as they are written must satisfy conditions: an error inside the statement.

RETURNING sees a row as it is stored: with its defaults, its generated columns and the
types that the database made of the values. So the conditions stand there; what they
give back is the shim's alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi.names import projections, returning_ranges
from kysera_dbapi.splices import Fragment, Splice, conjoined, spaced, unproved

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["Checking"]


class Checking:
    """Puts the checks of a statement into its RETURNING."""

    def __init__(
        self, draft: "Draft", checks: Sequence[tuple["Predicate", str]]
    ) -> None:
        self._draft = draft
        target = draft.target
        if target is None:
            raise unproved()
        self._table = target.table
        dialect = draft.dialect
        by_table = dialect.returning_names_table
        name = draft.quoted(target.table.name if by_table else target.exposed)
        self._calls: list[Fragment] = []
        for predicate, label in checks:
            before, after = dialect.check(label)
            self._calls.append((before, *predicate.about(name), after))

    def place(self) -> None:
        """Add a RETURNING, or have the caller's own raise."""
        returning = self._draft.tree.args.get("returning")
        if returning is None:
            self._add()
        else:
            self._wrap(returning)

    def _add(self) -> None:
        draft = self._draft
        if draft.tree.args.get("limit") or draft.tree.args.get("order"):
            draft.refuse("rows that it writes cannot be checked beside ORDER BY, LIMIT")
        end = draft.end()
        parts = tuple(p for call in self._calls for p in (", ", *call))
        listed = spaced(draft, end, (" RETURNING ", *parts[1:]))
        draft.splices.append(Splice(end, end, listed, rank=8))
        trees = [draft.fragment_tree(call) for call in self._calls]
        draft.tree.set("returning", exp.Returning(expressions=trees))

    def _wrap(self, returning: exp.Expression) -> None:
        """Let a column that the caller wants be had only of rows that are right."""
        draft = self._draft
        ranges = [
            where
            for begin, stop in returning_ranges(draft)
            for where in projections(draft, begin, stop)
        ]
        shown: list[exp.Expression] = list(returning.expressions)
        if len(ranges) != len(shown):
            raise unproved()
        at = next((i for i, one in enumerate(shown) if self._is_plain(one)), None)
        if at is None:
            draft.refuse(
                "RETURNING must show a number or text beside what is checked; name "
                "the primary key in it"
            )
        assert at is not None
        one = shown[at]
        value, alias = (one.this, "") if isinstance(one, exp.Alias) else (one, "")
        first, last = ranges[at]
        start, end = draft.start_of(first), draft.end_of(last)
        if isinstance(one, exp.Alias):
            end = draft.end_of(self._last_of_value(first, last))
        elif isinstance(one, exp.Column):
            alias = f" AS {draft.dialect.quote(one.name)}"
        opening: Fragment = ("CASE WHEN ", *conjoined(self._calls), " THEN ")
        draft.splices.append(Splice(start, start, opening, rank=-5))
        closing = spaced(draft, end, (f" END{alias}",))
        draft.splices.append(Splice(end, end, closing, rank=1))
        tree = draft.fragment_tree((*opening, "1 END"))
        tree.args["ifs"][0].set("true", value.copy())
        if isinstance(one, exp.Alias):
            one.set("this", tree)
        elif alias:
            named = exp.to_identifier(one.name, quoted=True)
            shown[at] = exp.Alias(this=tree, alias=named)
        else:
            shown[at] = tree
        returning.set("expressions", shown)

    def _is_plain(self, shown: exp.Expression) -> bool:
        """Whether no converter could want the declared type of a column."""
        value = shown.this if isinstance(shown, exp.Alias) else shown
        if isinstance(value, exp.Star) or value.find(exp.Star, exp.Select):
            return False
        if not isinstance(value, exp.Column):
            return True
        column = self._table.column(self._draft.name_of(value.this))
        return column is not None and self._draft.dialect.is_plain(column.type)

    def _last_of_value(self, first: int, last: int) -> int:
        """The last token before the alias: ``value [AS] alias``."""
        before = last - 1
        if self._draft.layout.tokens[before].text.upper() == "AS":
            before -= 1
        return max(first, before)
