"""What is set besides only in rows that the caller's assignments change.

MySQL tells how many rows an UPDATE changes: none may be changed by what is set besides
alone. Its assignments are made from left to right, so what is set besides comes first,
while the columns still have their old values.

https://dev.mysql.com/doc/refman/8.4/en/update.html
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.splices import Copy, Fragment, Value

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["assigned_on_change"]

_T = _sqlglot.TokenType
#: What is another value each time, or no value of its own.
_UNSTEADY = frozenset(
    (
        *(_T.SELECT, _T.PARAMETER, _T.SESSION_PARAMETER, _T.COLON_EQ),
        *(_T.HEX_STRING, _T.BIT_STRING),
    )
)
#: Words before a parenthesis that call nothing.
_WORDS = frozenset("AND BETWEEN CASE DIV ELSE IN LIKE NOT OR THEN WHEN XOR".split())


def assigned_on_change(
    draft: "Draft",
    values: Mapping[str, Value],
    sets: Sequence[exp.Expression],
    spans: Sequence[tuple[int, int]],
) -> Fragment | None:
    """The assignments of ``values`` in rows that ``sets``, at those tokens, change.

    None if it cannot be said beforehand which rows that are.
    """
    if (
        len(sets) != len(spans)
        or _may_change_more(draft)
        or _reads(draft, sets, values)
    ):
        return None
    same: list[str | Bind] = []
    for one, span in zip(sets, spans, strict=True):
        compared = _compared(draft, one, span)
        if compared is None:
            return None
        same += [" AND ", *compared] if same else compared
    parts: list[str | Bind] = []
    target = draft.target
    assert target is not None
    for column, value in values.items():
        name = draft.quoted(column)
        own = f"{draft.quoted(target.exposed)}.{name}"
        parts += [", "] if parts else []
        parts += [f"{name} = IF(", *same, f", {own}, ", value.part, ")"]
    return tuple(parts)


def _may_change_more(draft: "Draft") -> bool:
    """Whether a trigger may change a row that the assignments do not."""
    triggers = draft.target.table.triggers if draft.target else ()
    return any(t.before and t.event == "UPDATE" for t in triggers)


def _reads(
    draft: "Draft", sets: Sequence[exp.Expression], columns: Collection[str]
) -> bool:
    """Whether assignments read columns that would have their new values by then."""
    folded = {draft.dialect.fold(column, quoted=True) for column in columns}
    read = (c for one in sets for c in one.expression.find_all(exp.Column))
    return any(draft.name_of(column.this) in folded for column in read)


def _compared(
    draft: "Draft", one: exp.Expression, span: tuple[int, int]
) -> list[str | Bind] | None:
    """That a column is what it is to be."""
    assert draft.target is not None
    tokens, (first, last) = draft.layout.tokens, span
    column = draft.target.table.column(draft.name_of(one.this.this))
    equals = next(
        (i for i in range(first, last) if tokens[i].token_type is _T.EQ), last
    )
    comparisons = draft.dialect.comparisons(column.type) if column else ()
    if not comparisons or equals == last or not _is_steady(draft, equals + 1, last):
        return None
    start, end = draft.start_of(equals + 1), draft.end_of(last)
    value = Copy.of(draft.stand_in, start, end)
    assert column is not None
    own = f"{draft.quoted(draft.target.exposed)}.{draft.dialect.quote(column.name)}"
    parts: list[str | Bind] = []
    for before, between, after in comparisons:
        parts += [" AND "] if parts else []
        parts += [f"{before}{own}{between}", value, after]
    return parts


def _is_steady(draft: "Draft", first: int, last: int) -> bool:
    """Whether an expression gives the same if it is evaluated once more."""
    tokens = draft.layout.tokens[first : last + 1]
    if any(token.token_type in _UNSTEADY for token in tokens):
        return False
    names = [t.text for t in tokens if t.token_type is not _T.STRING]
    called = (
        before.text
        for before, token in pairwise(tokens)
        if token.token_type is _T.L_PAREN and before.text[:1].isidentifier()
    )
    steady = draft.dialect.steady_functions
    return "DEFAULT" not in map(str.upper, names) and all(
        word.upper() in _WORDS or draft.dialect.fold(word, quoted=False) in steady
        for word in called
    )
