"""SQL that the database takes and sqlglot does not, respelled token by token.

Each token keeps its place in the text; only what the parser makes of it changes.
"""

from collections.abc import Iterator, Sequence

from kysera_dbapi._sqlglot import Token, TokenType, retyped
from kysera_dbapi.layout import Block, Item, Join, Layout

__all__ = ["respelled"]

_T = TokenType
#: The order in which sqlglot reads the words before JOIN; SQLite takes any.
_ORDER = (_T.NATURAL, _T.LEFT, _T.RIGHT, _T.FULL, _T.INNER, _T.CROSS, _T.OUTER, _T.JOIN)


def respelled(layout: Layout) -> Sequence[Token]:
    """The layout's tokens, as sqlglot reads what the database does with them."""
    tokens = list(layout.tokens)
    for block in layout.blocks:
        for join in _joins(block.items):
            _respell_join(tokens, join)
        if block.verb in (_T.UPDATE, _T.DELETE):
            _respell_offset(tokens, layout, block)
    _respell_values(tokens, layout)
    return tokens


def _joins(items: Sequence[Item]) -> Iterator[Join]:
    for item in items:
        if item.join is not None:
            yield item.join
        yield from _joins(item.group or ())


def _respell_join(tokens: list[Token], join: Join) -> None:
    """``a, b ON c`` is ``a JOIN b ON c``; ``LEFT NATURAL`` is ``NATURAL LEFT``."""
    start, end = join.words
    if join.comma:
        if join.on or join.using:
            tokens[start] = retyped(tokens[start], _T.JOIN, "JOIN")
        return
    tokens[start:end] = sorted(
        tokens[start:end], key=lambda token: _ORDER.index(token.token_type)
    )


def _respell_offset(tokens: list[Token], layout: Layout, block: Block) -> None:
    """``UPDATE .. LIMIT a OFFSET b`` is parsed as ``LIMIT a + b``: nothing is lost."""
    limited = False
    i = block.tail
    while i < block.end:
        kind = tokens[i].token_type
        limited = limited or kind is _T.LIMIT
        if limited and kind is _T.OFFSET:
            tokens[i] = retyped(tokens[i], _T.PLUS, "+")
        i = layout.close.get(i, i) + 1


def _respell_values(tokens: list[Token], layout: Layout) -> None:
    """``WITH c AS (..) VALUES (..)`` is ``.. SELECT * FROM (VALUES (..))``."""
    opening = {end: start for start, end in layout.close.items()}
    for i in range(len(layout.tokens) - 1, 0, -1):
        before = opening.get(i - 1, 0) - 1
        if tokens[i].token_type is not _T.VALUES or before < 0:
            continue
        if layout.tokens[before].text.upper() not in ("AS", "MATERIALIZED"):
            continue
        end = _past_rows(layout, i + 1)
        at = tokens[i]
        tokens.insert(end, retyped(at, _T.R_PAREN, ")"))
        tokens[i:i] = [retyped(at, kind, text) for kind, text in _SELECT_FROM]


def _past_rows(layout: Layout, i: int) -> int:
    """The token after the rows, each in parentheses, that begin at token ``i``."""
    while i in layout.close:
        i = layout.close[i] + 1
        if i + 1 in layout.close and layout.tokens[i].token_type is _T.COMMA:
            i += 1
    return i


_SELECT_FROM = (
    (_T.SELECT, "SELECT"),
    (_T.STAR, "*"),
    (_T.FROM, "FROM"),
    (_T.L_PAREN, "("),
)
