"""The clauses of a MERGE, by their tokens.

https://www.postgresql.org/docs/current/sql-merge.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from kysera_dbapi._sqlglot import Token, TokenType

__all__ = ["Clauses", "When", "clauses", "is_merged", "mended"]

_T = TokenType
#: Tokens, the end excluded.
_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class When:
    """``WHEN [NOT] MATCHED [AND condition] THEN action``."""

    #: The word MATCHED.
    matched: int
    condition: _Range | None
    action: _Range


@dataclass(frozen=True, slots=True)
class Clauses:
    """Where the parts of a MERGE stand."""

    target: _Range
    source: _Range
    on: _Range
    whens: tuple[When, ...]


def clauses(
    tokens: Sequence[Token], close: Mapping[int, int], start: int, stop: int
) -> Clauses | None:
    """The parts of the MERGE that begins at a token; None if one is missing."""
    places = list(_outside(tokens, close, start, stop))
    using = _first(_T.USING, tokens, places)
    on = _first(_T.ON, tokens, [i for i in places if using < i])
    whens = [i for i in places if on < i and tokens[i].token_type is _T.WHEN]
    if not (start + 1 < using < on and on > 0 and whens):
        return None
    ends = [i for i in places if tokens[i].token_type is _T.SEMICOLON]
    ends = [*whens[1:], min(ends, default=stop)]
    found = [
        _when(tokens, [i for i in places if first <= i < end], end)
        for first, end in zip(whens, ends, strict=True)
    ]
    known = tuple(one for one in found if one is not None)
    if len(known) < len(found):
        return None
    return Clauses((start + 2, using), (using + 1, on), (on + 1, whens[0]), known)


def _when(tokens: Sequence[Token], places: Sequence[int], end: int) -> When | None:
    then = _first(_T.THEN, tokens, places)
    matched = places[1] if tokens[places[1]].token_type is not _T.NOT else places[2]
    if then < 0 or tokens[matched].text.upper() != "MATCHED":
        return None
    following = matched + 1
    if following == then:
        return When(matched, None, (then + 1, end))
    if tokens[following].token_type is not _T.AND:
        return None  # BY SOURCE, BY TARGET
    return When(matched, (following + 1, then), (then + 1, end))


def _first(kind: object, tokens: Sequence[Token], places: Sequence[int]) -> int:
    return next((i for i in places if tokens[i].token_type is kind), -1)


def _outside(
    tokens: Sequence[Token], close: Mapping[int, int], start: int, stop: int
) -> Iterator[int]:
    """The tokens that stand in no parentheses and in no CASE."""
    i, cases = start, 0
    while i < stop:
        kind = tokens[i].token_type
        cases += kind is _T.CASE
        if not cases:
            yield i
        cases -= kind is _T.END
        i = close.get(i, i) + 1


def is_merged(node: exp.Expression) -> bool:
    """Whether it is what a MERGE merges into."""
    return isinstance(node.parent, exp.Merge) and node.arg_key == "this"


def mended(tree: exp.Expression) -> exp.Expression:
    """The tree of a MERGE whose actions are as other writes are to sqlglot."""
    whens = tree.args.get("whens") if isinstance(tree, exp.Merge) else None
    for when in whens.expressions if whens is not None else ():
        then = when.args["then"]
        if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
            when.set("then", exp.Delete())
        elif isinstance(then, exp.Insert):
            _mend_insert(then)
    return tree


def _mend_insert(insert: exp.Insert) -> None:
    listed, values = insert.args.get("this"), insert.args.get("expression")
    names = listed.expressions if isinstance(listed, exp.Tuple) else []
    nothing = exp.Tuple(expressions=[])
    if values is None:
        insert.set("default", True)
        insert.set("this", nothing)
        return
    if isinstance(values, exp.Tuple):
        insert.set("expression", exp.Values(expressions=[values.copy()]))
    columns = [column.this if _is_bare(column) else column for column in names]
    schema = exp.Schema(this=nothing, expressions=columns)
    insert.set("this", schema if columns else nothing)


def _is_bare(column: exp.Expression) -> bool:
    return isinstance(column, exp.Column) and not column.args.get("table")
