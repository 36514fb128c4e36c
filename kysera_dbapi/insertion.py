"""Columns that every inserted row gets, however its statement is written."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.names import projections
from kysera_dbapi.splices import Fragment, Splice, Value, spaced, spell, unproved

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["Insertion"]

_T = _sqlglot.TokenType
_ENDS = (_T.RETURNING, _T.SEMICOLON)
_JOINING = (_T.UNION, _T.INTERSECT, _T.EXCEPT)
_BEGINNING = (_T.SELECT, _T.VALUES, _T.WITH)
#: What follows a parenthesis round a branch.
_OPENING = (_T.SELECT, _T.VALUES, _T.L_PAREN)


class Insertion:
    """The parts of an INSERT: its list of columns and where its rows come from."""

    def __init__(self, draft: "Draft") -> None:
        if draft.target is None or not isinstance(draft.tree, exp.Insert):
            raise unproved()
        self._draft = draft
        self._target = draft.target
        self._tokens = draft.layout.tokens
        self._close = draft.layout.close

    @property
    def _head(self) -> int:
        """What the list of columns comes after."""
        draft = self._draft
        return self._target.token if draft.merge is None else draft.start

    @property
    def columns(self) -> list[str] | None:
        """The (folded) columns of the list; None without one: all there are."""
        draft, tree = self._draft, self._draft.tree
        if tree.args.get("default"):
            return []
        if not isinstance(tree.this, exp.Schema):
            rows = tree.args["expression"]
            empty = isinstance(rows, exp.Values) and not self._width(rows)  # VALUES ()
            return self._placed if empty or draft.dialect.rows_end_early else None
        return [draft.column_of(column) for column in tree.this.expressions]

    @cached_property
    def _placed(self) -> list[str]:
        """The columns that values without a list are for, by their places."""
        known = [c for c in self._target.table.columns if not c.hidden]
        source = self._draft.tree.args["expression"]
        width = self._width(_branches(source)[0])
        return [column.folded or column.name for column in known[:width]]

    def _width(self, branch: exp.Expression) -> int:
        """How many values a row has."""
        rows = branch if isinstance(branch, exp.Values) else branch.find(exp.Values)
        shown = branch.expressions
        if isinstance(branch, exp.Values) or (rows is not None and branch.is_star):
            first = _row(rows.expressions[0]) if rows is not None else None
            return 1 if first is None else len(first.expressions)
        if any(one.find(exp.Star) and one.is_star for one in shown):
            self._draft.refuse("INSERT of SELECT * has to name the columns it is into")
        return len(shown)

    def supplies(self, column: str) -> bool:
        """Whether the statement itself has a value for a column."""
        listed = self.columns
        folded = self._draft.dialect.fold(column, quoted=True)
        if listed is None:
            found = self._target.table.column(folded)
            return found is None or not (found.generated or found.hidden)
        return folded in listed

    def append(self, assignments: Mapping[str, Value]) -> None:
        """Give every row those values, of columns that it does not supply."""
        if self._draft.tree.args.get("default"):
            self._replace_default(assignments)
            return
        source = self._draft.tree.args["expression"]
        alias = source.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            self._draft.refuse(
                f"{', '.join(assignments)} has no name among those of {alias.name}; "
                "leave out the names of its columns",
                code="unsupported-construct",
            )
        if self._set is not None:
            self._append_assignments(self._set, assignments)
            return
        self._append_names(assignments)
        parts, typed = _listed(assignments), self._typed(assignments)
        branches = _branches(source)
        if len(branches) != len(self._sources):
            raise unproved()
        for at, branch in zip(self._sources, branches, strict=True):
            # between set operators sqlglot makes SELECT * FROM (VALUES ...) of VALUES
            rows = branch.find(exp.Values)
            if self._tokens[at].token_type is _T.VALUES and rows is not None:
                alone = branch is source
                self._append_values(at, rows, parts if alone else typed)
            else:
                self._append_projections(at, branch, typed)

    def _typed(self, assignments: Mapping[str, Value]) -> Fragment:
        """The values, each with its column's type."""
        typed: list[Fragment] = []
        for name, value in assignments.items():
            column = self._target.table.column(name)
            type_ = column.type if column is not None else ""
            before, after = self._draft.dialect.projected(type_)
            typed.append((f", {before}", value.part, after))
        return tuple(chain.from_iterable(typed))

    # -- where things stand -------------------------------------------------------

    @cached_property
    def _list(self) -> tuple[int, int]:
        """The parentheses of the list of columns."""
        i = self._head + 1
        while self._tokens[i].token_type is not _T.L_PAREN:
            i += 1
        return i, self._close[i]

    @cached_property
    def _sources(self) -> list[int]:
        """The SELECT or VALUES of each branch that rows come from."""
        found: list[int] = []
        i, begins = self._head + 1, True
        stop = self._draft.stop
        stop = self._draft.layout.conflict(i, stop) or stop
        while i < stop and self._tokens[i].token_type not in _ENDS:
            kind, opened = self._tokens[i].token_type, i in self._close
            if kind in (_T.SELECT, _T.VALUES):
                found.append(i)
            begins = kind in _JOINING or (begins and kind not in _BEGINNING)
            if opened and begins and self._tokens[i + 1].token_type in _OPENING:
                i += 1  # into the parentheses round a branch
            else:
                i = self._close.get(i, i) + 1
        return found

    @cached_property
    def _set(self) -> int | None:
        """The SET of ``INSERT INTO t SET a = 1``, which is parsed as VALUES are."""
        i = self._head + 1
        while i < self._draft.stop:
            kind = self._tokens[i].token_type
            if kind in (_T.SET, _T.SELECT, _T.VALUES):
                return i if kind is _T.SET else None
            i = self._close.get(i, i) + 1
        return None

    def _assigned(self, at: int) -> list[tuple[int, int]]:
        """The tokens of each value of a SET."""
        found: list[tuple[int, int]] = []
        for first, last in projections(self._draft, at + 1, self._past(at)):
            equals = first
            while self._tokens[equals].token_type is not _T.EQ:
                equals += 1
            found.append((equals + 1, last))
        return found

    def _past(self, at: int) -> int:
        """The token past a SET: a clause on conflicts, RETURNING or the end."""
        stop = self._draft.stop
        stop = self._draft.layout.conflict(at, stop) or stop
        ends = (*_ENDS, _T.ALIAS)  # SET a = 1 AS new
        while at < stop and self._tokens[at].token_type not in ends:
            at = self._close.get(at, at) + 1
        return at

    @property
    def values(self) -> list[tuple[int, int]]:
        """The first and last token of each value, of the only row that there is."""
        if self._draft.tree.args.get("default") or not self._sources:
            return []
        opened = self._sources[0] + 1
        return projections(self._draft, opened + 1, self._close[opened])

    def spans(self, column: str) -> list[tuple[exp.Expression, int, tuple[int, int]]]:
        """Each value that the statement has for a (folded) column.

        They are the row or the query that has it, its place there, and its tokens.
        """
        listed = self.columns
        if listed is None:
            shown = [c for c in self._target.table.columns if not c.hidden]
            listed = [c.folded or c.name for c in shown]
        at, width = listed.index(column), len(listed)
        if self._set is not None:
            row = self._draft.tree.args["expression"].expressions[0]
            return [(row, at, self._assigned(self._set)[at])]
        branches = _branches(self._draft.tree.args["expression"])
        if len(branches) != len(self._sources):
            raise unproved()
        found = [
            (owner, at, span[at])
            for source, branch in zip(self._sources, branches, strict=True)
            for owner, span in self._rows(source, branch)
            if len(span) == len(owner.expressions) == width
        ]
        if len(found) < len(branches):
            raise unproved()
        return found

    def _rows(
        self, at: int, branch: exp.Expression
    ) -> Iterator[tuple[exp.Expression, list[tuple[int, int]]]]:
        """The rows of VALUES, or the one list of a SELECT, and their values' tokens."""
        draft = self._draft
        rows = branch.find(exp.Values)
        if self._tokens[at].token_type is not _T.VALUES or rows is None:
            block = draft.layout.block_of(at)
            if block is None or block.start != at:
                raise unproved()
            if any(one.find(exp.Star) and one.is_star for one in branch.expressions):
                draft.refuse("SELECT * in an INSERT whose rows are checked; name them")
            ends = (block.source, block.where, block.tail)
            stop = min(x for x in ends if x is not None)
            yield branch, projections(draft, at + 1, stop)
            return
        for one in rows.expressions:
            row, at = _row(one), self._opened(at + 1)
            if row is None:
                raise unproved()
            yield row, projections(draft, at + 1, self._close[at])
            at = self._close[at] + 1

    # -- edits --------------------------------------------------------------------

    def _append_assignments(self, at: int, assignments: Mapping[str, Value]) -> None:
        draft, tree = self._draft, self._draft.tree
        parts = tuple(
            part
            for column, value in assignments.items()
            for part in (f", {draft.quoted(column)} = ", value.part)
        )
        end = draft.end_of(self._past(at) - 1)
        draft.splices.append(Splice(end, end, spaced(draft, end, parts)))
        row = tree.args["expression"].expressions[0]
        for column in assignments:
            tree.this.append("expressions", self._identifier(column))
        trees = self._trees(_listed(assignments))
        row.set("expressions", [*row.expressions, *trees])

    def _append_names(self, assignments: Mapping[str, Value]) -> None:
        draft = self._draft
        if not isinstance(draft.tree.this, exp.Schema):
            self._add_names([*self._placed, *assignments])
            return
        opened, closed = self._list
        at = draft.start_of(closed)
        names = _after(
            opened, closed, tuple(f", {draft.quoted(c)}" for c in assignments)
        )
        draft.splices.append(Splice(at, at, names))
        for column in assignments:
            draft.tree.this.append("expressions", self._identifier(column))

    def _add_names(self, names: Sequence[str]) -> None:
        """A list of columns, where there is none."""
        draft, tree, last = self._draft, self._draft.tree, self._head
        if self._tokens[last + 1].token_type is _T.ALIAS:
            last += 2
        at = int(self._tokens[last].end) + 1  # before OVERRIDING
        listed = (f" ({', '.join(map(draft.quoted, names))})",)
        draft.splices.append(Splice(at, at, spaced(draft, at, listed)))
        columns = [self._identifier(name) for name in names]
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))

    def _append_values(self, at: int, branch: exp.Values, parts: Fragment) -> None:
        draft = self._draft
        for one in list(branch.expressions):
            row, at = _row(one), self._opened(at + 1)
            if row is None:
                raise unproved()
            end = draft.start_of(self._close[at])
            draft.splices.append(Splice(end, end, _after(at, self._close[at], parts)))
            row.set("expressions", [*row.expressions, *self._trees(parts)])
            at = self._close[at] + 1

    def _opened(self, at: int) -> int:
        """The parenthesis of a row of VALUES, which ROW may stand before."""
        at += self._tokens[at].token_type is _T.ROW
        if at not in self._close:
            raise unproved()
        return at

    def _append_projections(
        self, at: int, branch: exp.Expression, parts: Fragment
    ) -> None:
        draft = self._draft
        block = draft.layout.block_of(at)
        if block is None or block.start != at or not isinstance(branch, exp.Select):
            raise unproved()
        stop = min(x for x in (block.source, block.where, block.tail) if x is not None)
        end = draft.end_of(stop - 1)
        draft.splices.append(Splice(end, end, parts, rank=5))
        branch.set("expressions", [*branch.expressions, *self._trees(parts)])

    def _replace_default(self, assignments: Mapping[str, Value]) -> None:
        """``DEFAULT VALUES``, written as the values of the columns that we add."""
        draft, tree = self._draft, self._draft.tree
        at = self._head + 1
        while self._tokens[at].token_type is not _T.DEFAULT:
            at += 1
        parts = _listed(assignments)
        names = ", ".join(map(draft.quoted, assignments))
        start, end = draft.start_of(at), draft.end_of(at + 1)
        listed = (f"({names}) VALUES (", *parts[1:], ")")
        draft.splices.append(Splice(start, end, listed))
        columns = [self._identifier(column) for column in assignments]
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))
        row = exp.Tuple(expressions=self._trees(parts))
        tree.set("expression", exp.Values(expressions=[row]))
        tree.set("default", False)

    def _trees(self, parts: Fragment) -> list[exp.Expression]:
        return _sqlglot.selected(spell(parts)[2:], self._draft.dialect)

    def _identifier(self, column: str) -> exp.Expression:
        tree = self._draft.fragment_tree((self._draft.quoted(column),))
        found: exp.Expression = tree.this
        return found


def _after(opened: int, closed: int, parts: Fragment) -> Fragment:
    """The parts, each begun by a comma, as they stand in ``()`` or at a list's end."""
    first = parts[0]
    if closed > opened + 1 or not isinstance(first, str):
        return parts
    return (first.removeprefix(", "), *parts[1:])


def _row(values: exp.Expression) -> exp.Expression | None:
    """What holds the values of a row: a tuple, or in it ``ROW(1, 2)``."""
    if not isinstance(values, exp.Tuple):
        return None
    inner = values.expressions[0] if len(values.expressions) == 1 else None
    called = isinstance(inner, exp.Anonymous) and inner.name.upper() == "ROW"
    return inner if called else values


def _listed(assignments: Mapping[str, Value]) -> Fragment:
    """The values, a comma before each."""
    return tuple(p for value in assignments.values() for p in (", ", value.part))


def _branches(source: exp.Expression) -> list[exp.Expression]:
    """The queries and VALUES that a source joins, in the order of the text."""
    if isinstance(source, exp.Subquery) and source.args.get("alias") is None:
        return _branches(source.this)
    if isinstance(source, exp.SetOperation):
        return [*_branches(source.this), *_branches(source.expression)]
    return [source]
