"""New rows are checked before they are stored, where nothing shows them afterwards.

MySQL has no RETURNING. What a policy says of an INSERT is tried on the values that it
has, as its columns would hold them; a value that a column would not hold as it is
given fails the statement, in every mode of the session. So what was checked is stored.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.holding import Held, unmoved
from kysera_dbapi.insertion import Insertion
from kysera_dbapi.splices import (
    Copy,
    Fragment,
    Splice,
    Value,
    conjoined,
    spaced,
    unproved,
)

if TYPE_CHECKING:
    from kysera_dbapi.binding import Bind
    from kysera_dbapi.catalogue import Column
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["hold_new", "new_rows"]

_T = _sqlglot.TokenType
#: The row that is checked; policies call what they read by higher numbers.
_ROW = "_k0"
#: Stands for the caller's value in a tree.
_VALUE = "_k0"
_PLAIN = (_T.PLACEHOLDER, _T.NUMBER, _T.STRING, _T.NULL, _T.TRUE, _T.FALSE)
_NULL: Fragment = ("NULL",)
#: A default that means the same in each mode.
_CONSTANT = re.compile(r"-?\d+(?:\.\d+)?|'[^'\\]*'")
#: What holds a value, its place there, and its tokens.
_Given = tuple[exp.Expression, int, tuple[int, int]]


#: A value of a row, and what is checked of that row.
_Checked = tuple[_Given, Fragment]


def new_rows(
    draft: "Draft",
    checks: Sequence[tuple["Predicate", str]],
    held: Sequence[Held],
    assignments: Mapping[str, tuple[Value, str | None]],
) -> Sequence[_Checked]:
    """What is to be checked of each new row; raises ``UnsupportedStatement``.

    What columns are ``held`` to, and are assigned, they get from plugins.
    """
    if draft.target is None:
        raise unproved()
    ours: dict[str, Bind | str] = {column: bind for column, bind, _ in held}
    ours |= {column: value.part for column, (value, _) in assignments.items()}
    ours = {draft.dialect.fold(c, quoted=True): part for c, part in ours.items()}
    unmoved(draft, draft.target, (predicate.columns for predicate, _ in checks))
    if draft.upserts or draft.conflict:
        _refuse(draft, "beside ON DUPLICATE KEY, IGNORE or REPLACE; send an INSERT")
    insertion = Insertion(draft)
    spoken = _spoken(draft, checks)
    found = {
        folded: insertion.spans(folded)
        for folded in spoken
        if folded not in ours and insertion.supplies(folded)
    }
    if not found:
        _refuse(draft, "that gives no value to what its policies speak of; give it one")
    rows = [
        dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)
    ]
    return [
        (_held_by(draft, row), _said(draft, checks, spoken, row, ours)) for row in rows
    ]


def hold_new(draft: "Draft", rows: Sequence[_Checked]) -> None:
    """Fail an INSERT of a row of which a check is not true."""
    for given, condition in rows:
        _wrap(draft, given, condition)


def _held_by(draft: "Draft", row: Mapping[str, _Given]) -> _Given:
    """The value of a row that a condition can be put round."""
    found = [given for given in row.values() if not _is_default(draft, given)]
    if not found:
        _refuse(draft, "where all that policies speak of is DEFAULT; give it a value")
    return found[0]


def _refuse(draft: "Draft", why: str) -> None:
    draft.refuse(f"new rows cannot be checked here in an INSERT {why}")


def _spoken(
    draft: "Draft", checks: Sequence[tuple["Predicate", str]]
) -> "dict[str, Column]":
    """The columns that the checks speak of, by their (folded) names."""
    assert draft.target is not None
    table = draft.target.table
    found: dict[str, Column] = {}
    for predicate, _ in checks:
        for one in draft.fragment_tree(predicate.about(_ROW)).find_all(exp.Column):
            if one.table == _ROW:
                folded = draft.dialect.fold(one.name, quoted=one.this.quoted)
                column = table.column(folded)
                if column is None or column.identity or column.generated:
                    _refuse(draft, f"where a policy speaks of {one.name}")
                assert column is not None
                found[folded] = column
    return found


def _said(
    draft: "Draft",
    checks: Sequence[tuple["Predicate", str]],
    spoken: "Mapping[str, Column]",
    given: Mapping[str, _Given],
    ours: Mapping[str, "Bind | str"],
) -> Fragment:
    """All that is checked of a row."""
    held: list[Fragment] = []
    listed: list[Fragment] = []
    for folded, column in spoken.items():
        value = _value(draft, column, given.get(folded), ours.get(folded))
        stored = draft.dialect.stored(column)
        if stored is None:
            _refuse(draft, f"where a policy speaks of {column.name}, a {column.type}")
        assert stored is not None
        typed, kept = stored
        listed.append((*_filled(typed, value), f" AS {draft.quoted(column.name)}"))
        if value != _NULL:
            held.append(_filled(kept, value))
    row = tuple(chain.from_iterable((", ", *one) for one in listed))[1:]
    of_row: Fragment = (" FROM (SELECT ", *row, f") AS {_ROW})")
    calls: list[Fragment] = []
    for predicate, label in checks:
        said: Fragment = ("(SELECT ", *predicate.about(_ROW), *of_row)
        calls.append(draft.checked_by(conjoined([*held, said]), label))
    return conjoined(calls)


def _value(
    draft: "Draft",
    column: "Column",
    given: _Given | None,
    ours: "Bind | str | None",
) -> Fragment:
    """What a column is about to get: a value of ours, the caller's, or NULL."""
    if ours is not None:
        return (ours,)
    if given is None or _is_default(draft, given):
        return _default(draft, column)
    owner, _, (first, last) = given
    tokens = draft.layout.tokens[first : last + 1]
    signed = len(tokens) == 2 and tokens[0].token_type is _T.DASH
    plain = tokens[-1].token_type in _PLAIN and (len(tokens) == 1 or signed)
    if not (plain and isinstance(owner.find_ancestor(exp.Values), exp.Values)):
        _refuse(
            draft,
            f"where {column.name} is no plain value; compute it in the program",
        )
    start, end = draft.start_of(first), draft.end_of(last)
    return (Copy.of(draft.stand_in, start, end),)


def _is_default(draft: "Draft", given: _Given) -> bool:
    """Whether it is the keyword, which stands in no expression."""
    first, last = given[2]
    return first == last and draft.layout.tokens[first].token_type is _T.DEFAULT


def _default(draft: "Draft", column: "Column") -> Fragment:
    """What a column gets that has no value: its default, if that is a plain one."""
    if not column.default and not column.not_null:
        return _NULL
    if not _CONSTANT.fullmatch(column.default):
        _refuse(draft, f"that gives no value to {column.name}; give it one")
    return (column.default,)


def _filled(pieces: Sequence[str], value: Fragment) -> Fragment:
    """The pieces with the value between them."""
    parts: list[str | Bind] = [pieces[0]]
    for piece in pieces[1:]:
        parts += [*value, piece]
    return tuple(parts)


def _wrap(draft: "Draft", given: _Given, condition: Fragment) -> None:
    """``value`` as ``CASE WHEN condition THEN value END``."""
    owner, place, (first, last) = given
    start, end = draft.start_of(first), draft.end_of(last)
    opening: Fragment = ("CASE WHEN ", *condition, " THEN ")
    draft.splices.append(Splice(start, start, opening, rank=-5))
    draft.splices.append(Splice(end, end, spaced(draft, end, (" END",)), rank=-1))
    tree = draft.fragment_tree((*opening, f"{_ROW}.{_VALUE}", " END"))
    marks = [c for c in tree.find_all(exp.Column) if c.name == _VALUE]
    one = owner.expressions[place]
    one.replace(tree)
    marks[0].replace(one)
