"""Rows as they are written must satisfy conditions: an error inside the statement.

RETURNING comes when a row is stored: with its defaults, its generated columns and the
types that the database made of the values. So the conditions stand there; what they
give back is the shim's alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.exposure import has_nameless
from kysera_dbapi.names import projections, returning_ranges
from kysera_dbapi.splices import (
    Fragment,
    Splice,
    conjoined,
    spaced,
    spell,
    unproved,
)

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["Checking"]

#: The row that is checked; policies call what they read by higher numbers.
_ROW = "_k0"
_STRINGS = (_sqlglot.TokenType.STRING, _sqlglot.TokenType.NATIONAL_STRING)
#: What no database names: what is no column, no function and no cast.
_NAMELESS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.DPipe, exp.Predicate, exp.Literal)


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
        by_table = draft.dialect.returning_names_table
        self._name = draft.quoted(target.table.name if by_table else target.exposed)
        self._calls = [draft.checked_by(self._said(p), label) for p, label in checks]
        if draft.told:
            told = draft.dialect.tell(f"{self._name}.{draft.quoted(draft.told)}")
            self._calls.append((told,))

    def _said(self, predicate: "Predicate") -> Fragment:
        """The condition on the row: as a query finds it, if RETURNING finds less."""
        draft, quoted = self._draft, self._draft.quoted
        if draft.dialect.returning_is_typed:
            return predicate.about(self._name)
        keys = map(quoted, draft.row_key())
        same = " AND ".join(f"{_ROW}.{key} = +{self._name}.{key}" for key in keys)
        table = f"{quoted(self._table.schema)}.{quoted(self._table.name)}"
        found = f" FROM {table} AS {_ROW} WHERE {same})"
        return ("(SELECT ", *predicate.about(_ROW), found)

    def place(self) -> None:
        """Add a RETURNING, or have the caller's own raise."""
        draft = self._draft
        if draft.kind not in draft.dialect.returning:
            draft.refuse(
                "the database cannot show rows as they are written, to check them; "
                "leave out the columns that policies speak of"
            )
        returning = self._draft.tree.args.get("returning")
        if returning is None:
            self._add()
        else:
            self._wrap(returning)

    def _add(self) -> None:
        draft = self._draft
        end = self._end()
        parts = tuple(p for call in self._calls for p in (", ", *call))
        listed = spaced(draft, end, (" RETURNING ", *parts[1:]))
        draft.splices.append(Splice(end, end, listed, rank=8))
        trees = [draft.fragment_tree(call) for call in self._calls]
        draft.tree.set("returning", exp.Returning(expressions=trees))

    def _end(self) -> int:
        """Where a RETURNING may stand: before ORDER BY and LIMIT."""
        draft = self._draft
        block = draft.target.block if draft.target else None
        if isinstance(draft.tree, exp.Update) and block is not None:
            return draft.end_of(block.tail - 1)
        return draft.end()

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
        for i, (one, where) in enumerate(zip(shown, ranges, strict=True)):
            wrapped = self._wrapped(one, where)
            if wrapped:
                shown[i : i + 1] = wrapped
                returning.set("expressions", shown)
                return
        draft.refuse(
            "RETURNING must show a number or text beside what is checked; name the "
            "primary key in it, or give an expression an alias"
        )

    def _wrapped(
        self, one: exp.Expression, where: tuple[int, int]
    ) -> list[exp.Expression]:
        """What to show in the place of a projection; nothing if it cannot be wrapped.

        No converter may want its declared type: that of an expression is lost.
        """
        draft, (first, last) = self._draft, where
        start, end = draft.start_of(first), draft.end_of(last)
        value = one.this if isinstance(one, exp.Alias) else one
        name = "" if isinstance(one, exp.Alias) else self._heading(value, where)
        if isinstance(one, exp.Star):
            return self._spelled_out(start, end)
        if name is None or value.find(exp.Star, exp.Select):
            return []
        if isinstance(value, exp.Column) and not self._is_plain(value):
            return []
        alias = f" AS {draft.dialect.quote(name)}" if name else ""
        if isinstance(one, exp.Alias):
            end = draft.end_of(self._last_of_value(first, last))
        opening, closing = self._around(f" END{alias}")
        draft.splices.append(Splice(start, start, opening, rank=-5))
        draft.splices.append(Splice(end, end, spaced(draft, end, closing), rank=1))
        tree = draft.case_tree(conjoined(self._calls), value.copy())
        if isinstance(one, exp.Alias):
            one.set("this", tree)
            return [one]
        if alias:
            named = exp.to_identifier(name, quoted=True)
            return [exp.Alias(this=tree, alias=named)]
        return [tree]

    def _spelled_out(self, start: int, end: int) -> list[exp.Expression]:
        """A star as the columns that it stands for, one of them wrapped."""
        draft, quote = self._draft, self._draft.dialect.quote
        columns = [c for c in self._table.columns if not c.hidden]
        plain = (c for c in columns if draft.dialect.is_plain(c.type))
        chosen = next(plain, None)
        if chosen is None:
            return []
        draft.reads_columns = True
        others = self._others()
        own = f"{self._name}." if others else ""
        parts: list[str | Bind] = []
        for column in columns:
            name = quote(column.name)
            opening, closing = self._around(f" END AS {name}")
            shown = f"{own}{name}"
            wrapped = (*opening, shown, *closing) if column is chosen else (shown,)
            parts += [", ", *wrapped]
        parts += [f", {name}.*" for name in others]
        spelled = tuple(parts[1:])
        draft.splices.append(Splice(start, end, spaced(draft, end, spelled)))
        return _sqlglot.selected(spell(spelled), draft.dialect)

    def _others(self) -> list[str]:
        """The other relations whose columns a star shows: those of FROM, or none."""
        draft, target = self._draft, self._draft.target
        if target is None or draft.dialect.returning_names_table:
            return []
        if any(j.args.get("using") or j.args.get("method") for j in _joins(draft.tree)):
            draft.refuse("RETURNING * beside USING or NATURAL; name the columns")
        if has_nameless(draft.tree):
            draft.refuse("RETURNING * beside what has no alias; name the columns")
        found = draft.exposures(draft.tree)
        return [draft.quoted(name) for name, node in found if node is not target.node]

    def _around(self, end: str) -> tuple[Fragment, Fragment]:
        return ("CASE WHEN ", *conjoined(self._calls), " THEN "), (end,)

    def _is_plain(self, shown: exp.Column) -> bool:
        column = self._table.column(self._draft.name_of(shown.this))
        if column is None:
            return self._table.kind == "unknown"  # there is no catalogue
        return self._draft.dialect.is_plain(column.type)

    def _heading(self, shown: exp.Expression, where: tuple[int, int]) -> str | None:
        """What a projection without an alias is called; None if that is not known.

        Empty where it is called by its text, which is kept for all that is edited.
        """
        draft, (first, last) = self._draft, where
        dialect, tokens = draft.dialect, draft.layout.tokens[first : last + 1]
        if isinstance(shown, exp.Column):
            column = self._table.column(draft.name_of(shown.this))
            if column is None or dialect.derived_names_are_of_table:
                return shown.name
            return column.name
        strings = all(token.token_type in _STRINGS for token in tokens)
        if isinstance(shown.unnest(), exp.Column) or (
            strings and dialect.headings_of_strings
        ):
            return None
        if dialect.names_columns_by_text:
            return ""
        return dialect.unnamed if isinstance(shown, _NAMELESS) else None

    def _last_of_value(self, first: int, last: int) -> int:
        """The last token before the alias: ``value [AS] alias``."""
        before = last - 1
        if self._draft.layout.tokens[before].text.upper() == "AS":
            before -= 1
        return max(first, before)


def _joins(tree: exp.Expression) -> list[exp.Join]:
    """The joins of the FROM of an UPDATE."""
    from_ = tree.args.get("from_")
    return list(from_.find_all(exp.Join)) if from_ is not None else []
