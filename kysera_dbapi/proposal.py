"""A row as an action of MERGE is about to write it, for what is said of it beforehand.

Each column has the expression that it is set to, written a second time. So that must
be one that gives the same again: no volatile function is called in it, and no query.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.insertion import Insertion
from kysera_dbapi.names import projections
from kysera_dbapi.splices import Copy, Fragment, Value, unproved

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["Proposal"]

#: The row that is checked; policies call what they read by higher numbers.
_ROW = "_k0"
_T = _sqlglot.TokenType
#: What looks like a call, and is none that could be another function.
_BUILT_IN = ("COALESCE", "NULLIF", "GREATEST", "LEAST")
_DEFAULT = "DEFAULT"
_QUERIES = (_T.SELECT, _T.WITH, _T.VALUES, _T.TABLE)
#: The first token of an expression, and the last.
_Span = tuple[int, int]


class Proposal:
    """The row that an UPDATE or INSERT within a MERGE is about to write."""

    def __init__(self, draft: "Draft", assignments: Mapping[str, Value]) -> None:
        if draft.target is None:
            raise unproved()
        self._draft = draft
        self._target = draft.target
        self._table = draft.target.table
        fold = draft.dialect.fold
        self._ours = {fold(c, quoted=True): v for c, v in assignments.items()}
        self._check_triggers()

    def said(self, predicate: "Predicate") -> Fragment:
        """A condition on the row."""
        draft, about = self._draft, predicate.about(_ROW)
        names = {
            draft.dialect.fold(one.name, quoted=one.this.quoted): one.name
            for one in draft.fragment_tree(about).find_all(exp.Column)
            if one.table == _ROW
        }
        if not names:
            return about
        parts: list[Fragment] = []
        for folded, name in names.items():
            column = self._table.column(folded)
            if column is None:
                draft.refuse(f"what is said of {name} cannot be checked in a MERGE")
            assert column is not None
            quoted = draft.dialect.quote(column.name)
            parts.append((", ", *self._value(folded, column), f" AS {quoted}"))
        listed = tuple(part for one in parts for part in one)[1:]
        return ("(SELECT ", *about, " FROM (SELECT ", *listed, f") AS {_ROW})")

    def _typed(self, column: "Column", value: Fragment) -> Fragment:
        """A value as the column will hold it."""
        collate = f" COLLATE {column.collate}" if column.collate else ""
        return ("CAST(", *value, f" AS {column.type}){collate}")

    def _check_triggers(self) -> None:
        """No trigger may change the row that was checked."""
        catalogue = self._draft.catalogue
        event = "INSERT" if self._draft.kind == "insert" else "UPDATE"
        pending, seen = [self._table], set[str]()
        while pending:
            table = pending.pop()
            if table.key in seen:
                continue
            seen.add(table.key)
            pending += catalogue.offspring.get(table.key, ())
            # an UPDATE may insert a row into another partition
            events = {event} if table is self._table else {event, "INSERT"}
            for trigger in table.triggers:
                if trigger.before and trigger.event in events:
                    self._draft.refuse(
                        f"the trigger {trigger.name} of {table.name} could change a "
                        "row after it is checked; write it by INSERT or UPDATE"
                    )

    # -- values -------------------------------------------------------------------

    def _value(self, folded: str, column: "Column") -> Fragment:
        """What a column is about to hold."""
        if folded in self._ours:
            return self._typed(column, (self._ours[folded].part,))
        updates = self._draft.kind != "insert"
        if column.identity and "OVERRIDING" in self._draft.source.words:
            self._refuse(column, "OVERRIDING may take another value; leave it out")
        if folded in self._given:
            return self._copied(column, self._given[folded])
        if column.generated and (not updates or folded in self._altered):
            self._refuse(column, "it is computed when the row is stored")
        if updates:
            own = self._draft.quoted(self._target.exposed)
            return (f"{own}.{self._draft.dialect.quote(column.name)}",)
        return self._default(column)

    def _copied(self, column: "Column", span: _Span | None) -> Fragment:
        if span is None:
            self._refuse(column, "set it by a value of its own")
        assert span is not None
        draft, (first, last) = self._draft, span
        while draft.layout.close.get(first) == last:
            first, last = first + 1, last - 1
        tokens = draft.layout.tokens[first : last + 1]
        words = [t.text.upper() for t in tokens if t.token_type is not _T.IDENTIFIER]
        if len(tokens) == 1 and words == [_DEFAULT]:
            return self._default(column)
        if not self._is_steady(tokens):
            self._refuse(column, "let it hold no query and no volatile function")
        start, end = draft.start_of(first), draft.end_of(last)
        edited = [*draft.splices, *(draft.merge.splices if draft.merge else ())]
        if any(start <= one.start < end for one in edited):
            self._refuse(column, "let it call columns by the alias of their table")
        return self._typed(column, (Copy.of(draft.stand_in, start, end),))

    def _default(self, column: "Column") -> Fragment:
        text = column.default or "NULL"
        tokens = _sqlglot.tokenize(text, self._draft.dialect)
        made = column.identity or column.generated
        if made or not self._is_steady(tokens):
            self._refuse(column, "its default is not known beforehand; give it a value")
        return self._typed(column, (text,))

    def _refuse(self, column: "Column", why: str) -> None:
        self._draft.refuse(
            f"{column.name} of {self._table.name} is checked, and a MERGE is checked "
            f"before it writes: {why}"
        )

    def _is_steady(self, tokens: Sequence[_sqlglot.Token]) -> bool:
        """Whether an expression gives the same if it is evaluated once more."""
        called = [
            before
            for before, token in pairwise(tokens)
            if token.token_type is _T.L_PAREN and _is_name(before)
        ]
        text = "".join(token.text for token in tokens)
        # of a value, a function may be called as if it were a field
        fields = [t for dot, t in pairwise(tokens) if dot.token_type is _T.DOT]
        return (
            all(self._is_syntax(one) or self._is_own(one) for one in called)
            and not any(self._is_volatile(one) for one in fields)
            and not any(t.token_type in _QUERIES for t in tokens)
            and not any(operator in text for operator in self._operators)
            and not self._has_casts
        )

    def _is_syntax(self, called: _sqlglot.Token) -> bool:
        word = called.text.upper()
        known = word in self._draft.dialect.keywords or word in _BUILT_IN
        return known and called.token_type is not _T.IDENTIFIER

    def _is_own(self, called: _sqlglot.Token) -> bool:
        """Whether it is a function of the database's own, and steady."""
        name = self._name(called)
        return name in self._draft.catalogue.steady and name not in self._routines

    def _is_volatile(self, field: _sqlglot.Token) -> bool:
        """Whether it may be a function that is not known to be steady."""
        name, catalogue = self._name(field), self._draft.catalogue
        return name in catalogue.functions - catalogue.steady or name in self._routines

    def _name(self, token: _sqlglot.Token) -> str:
        quoted = token.token_type is _T.IDENTIFIER
        return self._draft.dialect.fold(token.text, quoted=quoted)

    @cached_property
    def _routines(self) -> frozenset[str]:
        """The names of the functions that are none of the database's own."""
        named = self._draft.catalogue.routines.values()
        return frozenset(one.name for many in named for one in many)

    @cached_property
    def _operators(self) -> frozenset[str]:
        """Operators that come with no extension."""
        named = self._draft.catalogue.routines.values()
        every = [one for many in named for one in many]
        return frozenset(o.name for o in every if o.is_operator and not o.extension)

    @cached_property
    def _has_casts(self) -> bool:
        """Whether functions may be called that are not named, as casts are.

        Those of extensions are taken to be steady.
        """
        implicit = self._draft.catalogue.implicit
        return any(not (o.is_operator or o.extension) for o in implicit)

    @cached_property
    def _altered(self) -> frozenset[str]:
        return self._table.with_computed([*self._given, *self._ours])

    @cached_property
    def _given(self) -> dict[str, _Span | None]:
        """Where the caller's value of each column stands; None of one in parts."""
        tree = self._draft.tree
        if isinstance(tree, exp.Insert):
            return self._listed()
        if not isinstance(tree, exp.Update):
            return {}
        draft = self._draft
        spans = projections(draft, draft.start + 2, draft.stop)
        if len(spans) != len(tree.expressions):
            raise unproved()
        found: dict[str, _Span | None] = {}
        for assignment, span in zip(tree.expressions, spans, strict=True):
            found |= self._assigned(assignment, span)
        return found

    def _listed(self) -> dict[str, _Span | None]:
        insertion = Insertion(self._draft)
        columns, spans = insertion.columns or [], insertion.values
        if len(columns) != len(spans):
            raise unproved()
        return dict(zip(columns, spans, strict=True))

    def _assigned(
        self, assignment: exp.Expression, span: _Span
    ) -> dict[str, _Span | None]:
        """``a = value``, ``(a, b) = (value, value)``, or what is set in parts."""
        draft, layout, (first, last) = self._draft, self._draft.layout, span
        leaves = list(assignment.this.find_all(exp.Identifier))
        names = [draft.column_of(leaf) for leaf in leaves]
        values: list[_Span] = []
        after = layout.close.get(first, first) + 1
        if layout.tokens[after].token_type is _T.EQ:
            values = self._values((after + 1, last), alone=after == first + 1)
        if len(values) != len(names):
            return dict.fromkeys(names)
        return dict(zip(names, values, strict=True))

    def _values(self, span: _Span, *, alone: bool) -> list[_Span]:
        """What a column is set to, or each of several in parentheses."""
        if alone:
            return [span]
        layout, (first, last) = self._draft.layout, span
        first += layout.tokens[first].text.upper() == "ROW"
        if layout.close.get(first) != last:
            return []
        if layout.tokens[first + 1].token_type in (_T.SELECT, _T.WITH, _T.VALUES):
            return []
        return projections(self._draft, first + 1, last)


def _is_name(token: _sqlglot.Token) -> bool:
    return token.token_type is _T.IDENTIFIER or token.text[:1].isidentifier()
