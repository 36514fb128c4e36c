"""SQL that the database takes and sqlglot does not, respelled token by token.

Each token keeps its place in the text; only what the parser makes of it changes.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kysera_dbapi._sqlglot import Token, TokenType, retyped
from kysera_dbapi.layout import SET_OPERATORS, Block, Item, Join, Layout

if TYPE_CHECKING:
    from kysera_dbapi.dialect import Dialect

__all__ = ["respelled", "spelled_out"]

_T = TokenType
#: The order in which sqlglot reads the words before JOIN; SQLite takes any.
_ORDER = (_T.NATURAL, _T.LEFT, _T.RIGHT, _T.FULL, _T.INNER, _T.CROSS, _T.OUTER, _T.JOIN)
_SIDES = (_T.LEFT, _T.RIGHT, _T.FULL)
#: The tokens from one index to another, and those in their place.
_Change = tuple[int, int, list[Token]]


def spelled_out(tokens: Sequence[Token], dialect: "Dialect") -> Sequence[Token]:
    """The tokens of a text, ``TABLE t`` as ``SELECT * FROM t``: all of it at TABLE.

    ``INSERT INTO t VALUE (1)`` has VALUES, and ``DELETE FROM a.*, b USING`` is
    ``DELETE a, b FROM``. ``MATCH a, b AGAINST`` is ``MATCH (a, b) AGAINST``.
    """
    if dialect.inserts_value:
        tokens = _values_for_value(tokens)
    if dialect.writes_several:
        tokens = _deleted_first(tokens)
    if dialect.matches_columns:
        tokens = _matched(tokens)
    if not (dialect.has_table_queries and any(map(_is_table, tokens))):
        return tokens
    found: list[Token] = []
    for token in tokens:
        made = bool(found) and found[-1].text.upper() in _BEFORE_MADE
        if _is_table(token) and not made:
            found += [retyped(token, kind, text) for kind, text in _SELECT_FROM[:3]]
        else:
            found.append(token)
    return found


def _values_for_value(tokens: Sequence[Token]) -> Sequence[Token]:
    if not (tokens and tokens[0].token_type is _T.INSERT):
        return tokens
    for i, token in enumerate(tokens[:-1]):
        if token.token_type in (_T.VALUES, _T.SET, _T.SELECT):
            break
        named = i and tokens[i - 1].token_type in (_T.INSERT, _T.INTO, _T.DOT)
        opens = tokens[i + 1].token_type is _T.L_PAREN
        if opens and not named and token.text.upper() == "VALUE":
            spelled = retyped(token, _T.VALUES, "VALUES")
            return [*tokens[:i], spelled, *tokens[i + 1 :]]
    return tokens


def _deleted_first(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens, those that say what is deleted before FROM and without stars."""
    begins = next((i for i, t in enumerate(tokens) if t.token_type is _T.DELETE), -1)
    # the first word, or what follows WITH; else it is a name
    if begins < 0 or (begins and _kind(tokens, begins - 1) is not _T.R_PAREN):
        return tokens
    using = _kind(tokens, begins + 1) is _T.FROM
    start = begins + 1 + using
    said, found = _past_names(tokens, start), list(tokens)
    if _kind(tokens, said) is not (_T.USING if using else _T.FROM):
        return tokens
    found[said] = retyped(tokens[said], _T.FROM, "FROM")
    names = [
        token
        for i, token in enumerate(tokens[start:said], start)
        if token.token_type is not _T.STAR and _kind(tokens, i + 1) is not _T.STAR
    ]
    return [*found[: begins + 1], *names, *found[said:]]


def _matched(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens, with parentheses round the columns of MATCH, where there are none."""
    found = list(tokens)
    for i in range(len(tokens) - 1, -1, -1):
        if tokens[i].text.upper() != "MATCH" or _kind(tokens, i - 1) is _T.DOT:
            continue
        end = _past_names(tokens, i + 1)
        said = [token.text.upper() for token in tokens[end : end + 2]]
        if said == ["AGAINST", "("] and _kind(tokens, i + 1) is not _T.L_PAREN:
            found.insert(end, retyped(tokens[end], _T.R_PAREN, ")"))
            found.insert(i + 1, retyped(tokens[i + 1], _T.L_PAREN, "("))
    return found


def _past_names(tokens: Sequence[Token], i: int) -> int:
    """The token after a list of names, each of which may end in ``.*``."""
    while i < len(tokens):
        i += 1
        while _kind(tokens, i) is _T.DOT:
            i += 2
        if _kind(tokens, i) is not _T.COMMA:
            break
        i += 1
    return i


def _kind(tokens: Sequence[Token], i: int) -> object:
    return tokens[i].token_type if i < len(tokens) else None


def _is_table(token: Token) -> bool:
    return bool(token.token_type is _T.TABLE)


def respelled(layout: Layout) -> Sequence[Token]:
    """The layout's tokens, as sqlglot reads what the database does with them."""
    changes = [*_values(layout)]
    for block in layout.blocks:
        changes += [_join(layout, join) for join in _joins(block.items)]
        changes += _nested(layout, block.items)
        if block.into is not None:  # of variables: it says nothing of what is read
            changes.append((*block.into, []))
        if block.verb in (_T.UPDATE, _T.DELETE):
            changes += _offset(layout, block)
            changes += _several(layout, block)
    tokens = list(layout.tokens)
    # from the end, so that the places before a change stay what they are
    for start, end, changed in sorted(changes, key=lambda c: c[0], reverse=True):
        tokens[start:end] = changed
    return tokens


def _joins(items: Sequence[Item]) -> Iterator[Join]:
    for item in items:
        if item.join is not None:
            yield item.join
        yield from _joins(item.group or ())


def _nested(layout: Layout, items: Sequence[Item]) -> Iterator[_Change]:
    """``a JOIN b JOIN c ON d ON e`` is ``a JOIN (b JOIN c ON d) ON e``."""
    for item in items:
        if item.nested:
            start, end = item.start, item.end
            yield start, start, [retyped(layout.tokens[start], _T.L_PAREN, "(")]
            yield end, end, [retyped(layout.tokens[end], _T.R_PAREN, ")")]
        yield from _nested(layout, item.group or ())


def _several(layout: Layout, block: Block) -> Iterator[_Change]:
    """``UPDATE a, b SET`` is ``UPDATE a JOIN b ON 1 SET``: SET may be an alias of b.

    And ``UPDATE (a JOIN b) SET`` is ``UPDATE a JOIN b SET``. So is a DELETE, of which
    an UPDATE may be made.
    """
    tokens, items = layout.tokens, block.items
    end = items[-1].end if items else 0
    named = block.source is not None and block.source > block.start + 1
    if not (named if block.verb is _T.DELETE else end == block.set):
        return
    while len(items) == 1 and items[0].group is not None:
        for at in (items[0].start, items[0].end - 1):
            yield at, at + 1, []
        items = items[0].group
    join, end = items[-1].join, items[-1].end
    if join is None or join.conditional:
        return
    if join.comma:
        start, after = join.words
        yield start, after, [retyped(tokens[start], _T.JOIN, "JOIN")]
    place = tokens[end - 1]
    yield end, end, [retyped(place, _T.ON, "ON"), retyped(place, _T.NUMBER, "1")]


def _join(layout: Layout, join: Join) -> _Change:
    """``a, b ON c`` is ``a JOIN b ON c``; ``LEFT NATURAL`` is ``NATURAL LEFT``.

    And ``a JOIN b`` is ``a CROSS JOIN b``: else sqlglot looks for an ON in all that
    follows, twice as long for each join more.
    """
    start, end = join.words
    words = layout.tokens[start:end]
    if join.comma and join.conditional:
        return start, end, [retyped(words[0], _T.JOIN, "JOIN")]
    ordered = sorted(words, key=lambda token: _rank(token.token_type))
    if not (join.comma or join.conditional or join.natural):
        ordered = [t for t in ordered if t.token_type in _SIDES]
        ordered.append(retyped(words[-1], _T.CROSS, "CROSS"))
        ordered.append(words[-1])
    return start, end, ordered


def _rank(kind: object) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _offset(layout: Layout, block: Block) -> Iterator[_Change]:
    """``UPDATE .. LIMIT a OFFSET b`` is parsed as ``LIMIT a + b``: nothing is lost."""
    limited = False
    i = block.tail
    while i < block.end:
        token = layout.tokens[i]
        limited = limited or token.token_type is _T.LIMIT
        if limited and token.token_type is _T.OFFSET:
            yield i, i + 1, [retyped(token, _T.PLUS, "+")]
        i = layout.close.get(i, i) + 1


def _values(layout: Layout) -> Iterator[_Change]:
    """``WITH c AS (..) VALUES (..)`` is ``.. SELECT * FROM (VALUES (..))``.

    So is ``INSERT INTO t VALUES (..) UNION ..``.
    """
    opening = {end: start for start, end in layout.close.items()}
    for i, token in enumerate(layout.tokens):
        if token.token_type is not _T.VALUES or not i:
            continue
        before = opening.get(i - 1, 0) - 1
        after_with = before >= 0 and layout.tokens[before].text.upper() in _WITH_ENDS
        end = _past_rows(layout, i + 1)
        if after_with or (_goes_on(layout, end) and not _went_on(layout, i)):
            yield i, i, [retyped(token, kind, text) for kind, text in _SELECT_FROM]
            yield end, end, [retyped(token, _T.R_PAREN, ")")]


def _goes_on(layout: Layout, i: int) -> bool:
    """Whether a set operator stands at token ``i``."""
    return i < len(layout.tokens) and layout.tokens[i].token_type in SET_OPERATORS


def _went_on(layout: Layout, i: int) -> bool:
    """Whether a query may begin at token ``i`` to sqlglot, too."""
    before = layout.tokens[i - 1].token_type
    return before in (_T.L_PAREN, _T.ALL, *SET_OPERATORS)


def _past_rows(layout: Layout, i: int) -> int:
    """The token after the rows, each in parentheses, that begin at token ``i``."""
    while i in layout.close:
        i = layout.close[i] + 1
        if i + 1 in layout.close and layout.tokens[i].token_type is _T.COMMA:
            i += 1
    return i


#: Before TABLE they say that one is made: CREATE TEMP TABLE, SELECT INTO TABLE.
_BEFORE_MADE = ("CREATE", "GLOBAL", "INTO", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED")
_WITH_ENDS = ("AS", "MATERIALIZED")
_SELECT_FROM = (
    (_T.SELECT, "SELECT"),
    (_T.STAR, "*"),
    (_T.FROM, "FROM"),
    (_T.L_PAREN, "("),
)
