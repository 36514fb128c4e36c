"""Column names: a column without an alias is named by its text, edited or not."""

from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.splices import Splice, spaced, spell

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["KEPT", "alias_positions", "kept_names", "projections", "returning_ranges"]

#: The name under which a kept column name is proved.
KEPT = "_kept"
_RETURNING_ENDS = (
    _sqlglot.TokenType.ORDER_BY,
    _sqlglot.TokenType.LIMIT,
    _sqlglot.TokenType.SEMICOLON,
)
_L_BRACKET, _R_BRACKET = _sqlglot.TokenType.L_BRACKET, _sqlglot.TokenType.R_BRACKET

_VALUES = (
    _sqlglot.TokenType.NUMBER,
    _sqlglot.TokenType.STRING,
    _sqlglot.TokenType.PLACEHOLDER,
    _sqlglot.TokenType.NULL,
    _sqlglot.TokenType.TRUE,
    _sqlglot.TokenType.FALSE,
    _sqlglot.TokenType.CURRENT_DATE,
    _sqlglot.TokenType.CURRENT_TIME,
    _sqlglot.TokenType.CURRENT_TIMESTAMP,
)


def alias_positions(tree: exp.Expression) -> frozenset[int]:
    """Where in the text the aliases of columns stand."""
    spans = (_sqlglot.span(alias.args["alias"]) for alias in tree.find_all(exp.Alias))
    return frozenset(where[0] for where in spans if where is not None)


def kept_names(draft: "Draft", aliases: frozenset[int]) -> list[Splice]:
    """Where a column without an alias is named by its text, name edited ones by it.

    So are those of derived tables that would get the case of their table's columns.
    """
    kept: list[Splice] = []
    if not draft.dialect.names_columns_by_text:
        return kept
    ranges = [
        (block.start + 1, min(x for x in stops if x is not None))
        for block in draft.layout.blocks
        if block.verb is _sqlglot.TokenType.SELECT
        and (stops := (block.source, block.where, block.tail, *(block.into or ())[:1]))
    ]
    ranges += returning_ranges(draft)
    places = [one.start for one in draft.splices] + _respelled(draft)
    for begin, stop in ranges:
        for first, last in projections(draft, begin, stop):
            start, end = draft.start_of(first), draft.end_of(last)
            edited = any(start <= place < end for place in places)
            aliased = draft.start_of(last) in aliases
            plain = _plain(draft, first, last)
            recased = plain and _is_recased(draft, begin - 1, first, last)
            if not aliased and (recased or (edited and not plain)):
                text = _column_text(draft, first, last)
                if recased:
                    text = draft.layout.tokens[last].text
                name = draft.dialect.quote(text)
                parts = spaced(draft, end, (f" AS {name}",))
                proof = spell(spaced(draft, end, (f" AS {KEPT}",)))
                kept.append(Splice(end, end, parts, rank=3, proof=proof))
    return kept


def _is_recased(draft: "Draft", block: int, first: int, last: int) -> bool:
    """Whether a derived table of that block would call the column in another case."""
    if not draft.dialect.derived_names_are_of_table:
        return False
    tokens = draft.layout.tokens
    text = tokens[last].text
    owner = tokens[last - 2].text.lower() if last > first else None
    names = [
        column.name
        for reference in draft.derived
        if reference.block is not None and reference.block.start == block
        if owner in (None, reference.exposed.lower())
        for column in reference.table.columns
    ]
    return text not in names and text.lower() in map(str.lower, names)


def _respelled(draft: "Draft") -> list[int]:
    """Where placeholders stand that get a number, as others in the text have one."""
    given = draft.source.placeholders
    numbered = any(one.text[0] == "?" and one.text != "?" for one in given)
    return [one.start for one in given if numbered and one.text == "?"]


def _column_text(draft: "Draft", first: int, last: int) -> str:
    """The name of a column without an alias: its text, as the database ends it."""
    start, end, dialect = draft.start_of(first), draft.end_of(last), draft.dialect
    before = draft.layout.tokens[first - 1]
    if dialect.headings_from_comma and before.token_type is _sqlglot.TokenType.COMMA:
        start = draft.end_of(first - 1)
    stops = [t.start for t in draft.source.lexemes if t.text == ";"]
    following = [t.start for t in draft.layout.tokens[last + 1 : last + 2]]
    stop = min(s for s in (*stops, *following, len(draft.text)) if s >= end)
    name = draft.text[start : stop if dialect.headings_to_next else end].strip()
    return name.replace("%%", "%") if draft.source.lexer.format_style else name


def returning_ranges(draft: "Draft") -> list[tuple[int, int]]:
    """The tokens of a RETURNING clause."""
    layout, tokens = draft.layout, draft.layout.tokens
    i = draft.start
    while i < draft.stop:
        if tokens[i].token_type is _sqlglot.TokenType.RETURNING:
            end = i + 1
            while end < draft.stop and tokens[end].token_type not in _RETURNING_ENDS:
                end = layout.close.get(end, end) + 1
            return [(i + 1, end)]
        i = layout.close.get(i, i) + 1
    return []


def projections(draft: "Draft", begin: int, end: int) -> list[tuple[int, int]]:
    """The first and last token of each column between two tokens."""
    layout, tokens = draft.layout, draft.layout.tokens
    i = begin
    if i < end and tokens[i].text.upper() in ("DISTINCT", "ALL"):
        i += 1
    found: list[tuple[int, int]] = []
    first, brackets = i, 0
    while i <= end:
        kind = tokens[i].token_type if i < end else None
        brackets += (kind is _L_BRACKET) - (kind is _R_BRACKET)
        if i == end or (kind is _sqlglot.TokenType.COMMA and not brackets):
            if i > first:
                found.append((first, i - 1))
            first = i + 1
        i = layout.close.get(i, i) + 1
    return found


def _plain(draft: "Draft", first: int, last: int) -> bool:
    """Whether it is a column of a table, or a star: it keeps its name when edited."""
    if draft.layout.tokens[first].token_type in _VALUES:
        return False
    dots = draft.layout.tokens[first + 1 : last + 1 : 2]
    dotted = all(token.token_type is _sqlglot.TokenType.DOT for token in dots)
    return dotted and (last - first) % 2 == 0 and last - first <= 4
