"""The one module that touches sqlglot's internals: tokens, trees, spans, limits.

Everything else sees trees through ``sqlglot.exp`` and positions through here.
"""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlglot import exp
from sqlglot import tokens as _tokens
from sqlglot.dialects.dialect import Dialect as _Sqlglot
from sqlglot.errors import ParseError, SqlglotError

from kysera_dbapi.errors import UnsupportedStatement

if TYPE_CHECKING:
    from kysera_dbapi.dialect import Dialect

__all__ = [
    "MAX_DEPTH",
    "ParseError",
    "Token",
    "TokenType",
    "expression",
    "is_plain",
    "on_deep_stack",
    "parse",
    "retyped",
    "same",
    "selected",
    "span",
    "tokenize",
]

#: Nested parentheses accepted; equal for compiled and pure sqlglot.
MAX_DEPTH = 200
_STACK = 256 * 1024 * 1024
_RECURSION = 40_000
_deep = threading.Lock()

_Result = TypeVar("_Result")

#: sqlglot exports neither: the compiled classes are found at run time alone.
Token: TypeAlias = Any
_Token: Any = getattr(_tokens, "Token")  # noqa: B009
TokenType: Any = getattr(_tokens, "TokenType")  # noqa: B009


def _is_theirs(record: logging.LogRecord) -> bool:
    """Whether a record of sqlglot's is not about a text of ours: it holds the text."""
    return not _parsing.get()


_parsing: ContextVar[bool] = ContextVar("kysera_dbapi.parsing", default=False)
logging.getLogger("sqlglot").addFilter(_is_theirs)


def _dialect(dialect: "Dialect") -> _Sqlglot:
    return _grammar(dialect.grammar, dialect.grammar_settings)


@cache
def _grammar(name: str, settings: tuple[tuple[str, tuple[str, ...]], ...]) -> _Sqlglot:
    """The grammar of that name; with settings, one whose tokenizer has those."""
    found = _Sqlglot.get_or_raise(name)
    if not settings:
        return found
    tokenizer = type("Tokenizer", (found.tokenizer_class,), dict(settings))
    made: Any = type(f"{name}_of_a_session", (type(found),), {"Tokenizer": tokenizer})
    return _Sqlglot.get_or_raise(made)


def tokenize(text: str, dialect: "Dialect") -> list[Token]:
    """The tokens of ``text``; raises ``ParseError`` on text that has none.

    sqlglot knows more keywords than the database: those are names.
    """
    try:
        tokens = _dialect(dialect).tokenize(text)
    except SqlglotError as error:
        raise ParseError(str(error)) from error
    words, dot = _words(dialect.grammar), TokenType.DOT
    kinds = [token.token_type for token in tokens]
    for i, kind in enumerate(kinds):
        if kind is TokenType.STRAIGHT_JOIN and _joins_straight(tokens, i, dialect):
            kinds[i] = TokenType.JOIN
            tokens[i] = retyped(tokens[i], TokenType.JOIN, "STRAIGHT_JOIN")
        if kind not in words or not _is_word(tokens[i].text):
            continue
        dotted = kinds[i - 1] is dot or dot in kinds[i + 1 : i + 2]
        clear = _is_keyword(tokens[i].text, dialect)
        if (dotted or not clear) and _is_name(tokens, kinds, i, dialect):
            kinds[i] = TokenType.IDENTIFIER
            tokens[i] = retyped(tokens[i], TokenType.IDENTIFIER, tokens[i].text)
    return tokens


def _joins_straight(tokens: Sequence[Token], at: int, dialect: "Dialect") -> bool:
    """Whether STRAIGHT_JOIN is a join there: no name, and no option of a SELECT."""
    before = tokens[at - 1]
    named = before.token_type is TokenType.IDENTIFIER  # a column `select`
    after_select = before.text.upper() in _SELECTING and not named
    return _is_keyword(tokens[at].text, dialect) and not after_select


_SELECTING = ("SELECT", "ALL", "DISTINCT", "DISTINCTROW", "HIGH_PRIORITY")


def _is_word(text: str) -> bool:
    """Whether it is letters: operators may be of a keyword's kind (``~`` is RLIKE)."""
    return text[:1].isalpha() or text[:1] == "_"


@cache
def _words(grammar: str) -> frozenset[Any]:
    """What sqlglot makes of its keywords, types apart: those it takes for names too."""
    known = _grammar(grammar, ())
    kinds = {
        kind
        for word, kind in known.tokenizer_class.KEYWORDS.items()
        if word.replace("_", "").isalpha()
    }
    types = known.parser_class.TYPE_TOKENS
    return frozenset(kinds - types - {TokenType.NULL})


@lru_cache(maxsize=1024)
def _is_keyword(text: str, dialect: "Dialect") -> bool:
    """Whether a word, or words with a blank between, always is one to the database."""
    known = dialect.keywords - dialect.placed
    return text.isascii() and (" " in text or text.upper() in known)


def _is_name(
    tokens: Sequence[Token], kinds: Sequence[Any], at: int, dialect: "Dialect"
) -> bool:
    """Whether the database takes a keyword of sqlglot's for a name where it stands."""
    kind, text = kinds[at], tokens[at].text
    before = kinds[at - 1] if at else None
    after = kinds[at + 1 : at + 3]
    if not text.isascii():
        return True
    if TokenType.DOT in (before, *after[:1]):
        return kind is not TokenType.WITH  # "(with.a" begins a WITH
    if text.upper() in dialect.placed:
        return not _PLACES[text.upper()](tokens, kinds, at)
    boolean = kind in (TokenType.TRUE, TokenType.FALSE)
    return not (boolean or _is_keyword(text, dialect))


# -- words that are keywords where the following say so ---------------------------

_Place: TypeAlias = Callable[[Sequence[Any], Sequence[Any], int], bool]


def _after(*words: str) -> _Place:
    """After one of these words, or nothing if that is one of them."""

    def place(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
        return (tokens[at - 1].text.upper() if at else "") in words

    return place


def _before(*kinds_: str) -> _Place:
    """Before a token of these kinds."""
    wanted = [TokenType[kind] for kind in kinds_]

    def place(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
        return at + 1 < len(kinds) and kinds[at + 1] in wanted

    return place


def _all(*places: _Place) -> _Place:
    return lambda tokens, kinds, at: all(p(tokens, kinds, at) for p in places)


def _any(*places: _Place) -> _Place:
    return lambda tokens, kinds, at: any(p(tokens, kinds, at) for p in places)


def _not(place: _Place) -> _Place:
    return lambda tokens, kinds, at: not place(tokens, kinds, at)


def _joins(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    return not at or kinds[at - 1] is not TokenType.ALIAS


def _is_limited(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """Whether a LIMIT stands before it, in the same parentheses and query."""
    depth = 0
    for kind in reversed(kinds[:at]):
        depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
        if depth < 0 or (not depth and kind is TokenType.SELECT):
            return False
        if not depth and kind is TokenType.LIMIT:
            return True
    return False


def _defines_window(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    return kinds[at + 2 : at + 3] == [TokenType.ALIAS]


def _assigns(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """Whether SET is the first after an UPDATE, and not its target's name."""
    for i in range(at - 1, -1, -1):
        if kinds[i] is TokenType.SET:
            return False
        if kinds[i] is TokenType.UPDATE:
            follows = tokens[i - 1].text.upper() if i else ""
            return i < at - 1 or follows in ("DO", "THEN")
    return False


def _names_target(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """Whether the names of a table, and an alias, follow up to SET."""
    for i in range(at + 1, len(tokens)):
        named = kinds[i] in _NAMED or _is_word(tokens[i].text)
        if not named or (i > at + 1 and tokens[i].text.upper() == "SET"):
            return named
    return False


def _acts(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """Whether an action of MERGE begins there, and no value of CASE."""
    if not at or kinds[at - 1] is not TokenType.THEN:
        return False
    depth = cases = 0
    for kind in reversed(kinds[:at]):
        depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
        if not depth:
            cases += (kind is TokenType.CASE) - (kind is TokenType.END)
        if depth < 0 or cases > 0:
            return False
    return TokenType.MERGE in kinds[:at]


def _follows_operand(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """Whether an operator of words may stand there."""
    return at > 0 and kinds[at - 1] not in _NO_OPERANDS and at + 1 < len(kinds)


def _opens_filter(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    return kinds[at + 1 : at + 3] == [TokenType.L_PAREN, TokenType.WHERE]


def _counts(tokens: Sequence[Any], kinds: Sequence[Any], at: int) -> bool:
    """``OFFSET 1 ROW``, ``FETCH FIRST (2) ROWS``."""
    before, depth = at - 1, 0
    while before > 0:
        kind = kinds[before]
        depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
        if depth <= 0:
            break
        before -= 1
    return before > 0 and tokens[before - 1].text.upper() in _COUNTED


_NAMED = (TokenType.IDENTIFIER, TokenType.DOT, TokenType.STAR)
_COUNTED = ("OFFSET", "FIRST", "NEXT")
_NO_OPERANDS = frozenset(
    TokenType[name]
    for name in "SELECT DISTINCT COMMA L_PAREN ALIAS FROM JOIN WHERE AND OR ON HAVING "
    "WHEN THEN ELSE CASE SET ORDER_BY GROUP_BY INTO UPDATE".split()
)
_OPENS = _before("L_PAREN")
_CLOSED = _after(")")
_STARTS = _after("", "(", ")")
_PLACES: dict[str, _Place] = {
    **dict.fromkeys("CROSS FULL INNER LEFT NATURAL OUTER RIGHT".split(), _joins),
    "OFFSET": _is_limited,
    "WINDOW": _defines_window,
    "SET": _assigns,
    "INSERT": _any(_all(_STARTS, _before("INTO")), _acts),
    "DELETE": _any(_all(_STARTS, _before("FROM")), _acts),
    "MERGE": _all(_STARTS, _before("INTO")),
    "UPDATE": _any(
        _after("FOR", "KEY", "DO"),
        _all(_STARTS, _names_target),
        _acts,
    ),
    "VALUES": _any(
        _after("DEFAULT"),
        _all(
            _OPENS,
            _not(_after("INTO", "WITH", "RECURSIVE", "TABLE", "UPDATE", "FROM")),
        ),
    ),
    "BETWEEN": _follows_operand,
    "ESCAPE": _follows_operand,
    **dict.fromkeys("ANY CUBE EXISTS OPERATOR SOME".split(), _OPENS),
    "ROLLUP": _any(_OPENS, _after("WITH")),
    "FILTER": _all(_CLOSED, _opens_filter),
    "OVER": _all(_CLOSED, _before("L_PAREN", "VAR", "IDENTIFIER")),
    **dict.fromkeys("FIRST NEXT".split(), _after("FETCH", "NULLS")),
    "ORDINALITY": _after("WITH"),
    "RECURSIVE": _all(_after("WITH"), _before("VAR", "IDENTIFIER")),
    "ROW": _any(_OPENS, _before("ONLY", "WITH"), _after("CURRENT"), _counts),
    "ROWS": _any(_before(*"BETWEEN ONLY VAR NUMBER PLACEHOLDER".split()), _counts),
    **dict.fromkeys(
        "TEMP TEMPORARY".split(), _after("CREATE", "GLOBAL", "INTO", "LOCAL")
    ),
}


@lru_cache(maxsize=1024)
def is_plain(word: str, dialect: "Dialect") -> bool:
    """Whether a bare word may begin a text: CALL and IF swallow what follows them."""
    try:
        return isinstance(_expression(f"{word}.a = 1", dialect).this, exp.Column)
    except ParseError:
        return False


def retyped(token: Token, token_type: Any, text: str) -> Token:
    """A token at the place of ``token`` that the parser takes for another."""
    return _Token(token_type, text, token.line, token.col, token.start, token.end)


def parse(text: str, tokens: Sequence[Token], dialect: "Dialect") -> exp.Expression:
    """The tree of the one statement in ``tokens``; raises ``ParseError``."""
    read = _introduced(tokens)
    return _only(lambda: _dialect(dialect).parser().parse(read, text))


#: Longer texts have values of the caller's in them.
_SHORT = 200


def expression(text: str, dialect: "Dialect") -> exp.Expression:
    """The tree of a condition or value; raises ``ParseError``."""
    short = len(text) <= _SHORT  # what plugins add is the same again and again
    return _known(text, dialect).copy() if short else _expression(text, dialect)


@lru_cache(maxsize=1024)
def _known(text: str, dialect: "Dialect") -> exp.Expression:
    return _expression(text, dialect)


def _expression(text: str, dialect: "Dialect") -> exp.Expression:
    parser, tokens = _dialect(dialect).parser(), _introduced(tokenize(text, dialect))
    return _only(lambda: parser.parse_into(exp.Condition, tokens, text))


def _introduced(tokens: Sequence[Token]) -> list[Token]:
    """``_binary ?`` as ``_binary (?)``: after an introducer sqlglot wants a value.

    Without a blank between they would be one word when the value is written.
    """
    found: list[Token] = []
    for token in tokens:
        introduces = found and found[-1].token_type is TokenType.INTRODUCER
        apart = introduces and found[-1].end + 1 < token.start
        if apart and token.token_type is TokenType.PLACEHOLDER:
            closing = retyped(token, TokenType.R_PAREN, ")")
            found += [retyped(token, TokenType.L_PAREN, "("), token, closing]
        else:
            found.append(token)
    return found


def _only(parse: Callable[[], Sequence[Any]]) -> exp.Expression:
    """The one tree that was parsed; raises ``ParseError``."""
    token = _parsing.set(True)
    try:
        trees = [tree for tree in parse() if tree]
    except (SqlglotError, RecursionError):
        raise
    except Exception as error:  # of a broken text its parser may raise anything
        raise ParseError("no statement") from error
    finally:
        _parsing.reset(token)
    if len(trees) != 1 or not isinstance(trees[0], exp.Expression):
        raise ParseError(f"expected one tree, got {len(trees)}")
    return trees[0]


def selected(text: str, dialect: "Dialect") -> list[exp.Expression]:
    """The trees of the columns that a SELECT lists; raises ``ParseError``."""
    query = f"SELECT {text}"
    tree = parse(query, tokenize(query, dialect), dialect)
    return list(tree.expressions)


def span(node: exp.Expression) -> tuple[int, int] | None:
    """Where a leaf stands in the text (start, end), or None if sqlglot keeps none."""
    meta = node.meta
    made = isinstance(node, exp.Star) and not meta.get("start")  # of VALUES
    if "start" not in meta or made:
        return None
    return meta["start"], meta["end"] + 1


def same(one: exp.Expression, other: exp.Expression) -> bool:
    """Whether two trees are equal, comments, positions and parentheses apart.

    What parentheses hold together is one node. sqlglot puts a NOT LIKE in some of its
    own, where FOR follows it.
    """
    return one == other or _bare(one) == _bare(other)


def _bare(tree: exp.Expression) -> exp.Expression:
    """A copy without parentheses."""
    bare = tree.copy()
    for paren in list(bare.find_all(exp.Paren)):
        paren.replace(paren.this)
    return bare


def on_deep_stack(work: Callable[[], _Result]) -> _Result:
    """Run ``work`` with a stack that suits ``MAX_DEPTH``, whatever the caller's is.

    Pure sqlglot recurses through Python frames, the compiled one through C frames:
    a thread with its own large C stack and a raised frame limit serves both. It sees
    the caller's context variables. Raises ``UnsupportedStatement`` (too-deep) if that
    is not enough: NOT NOT NOT ... nests without parentheses.
    """
    context = copy_context()
    outcome: list[_Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as error:
            failure.append(error)

    with _deep:
        limit, stack = sys.getrecursionlimit(), threading.stack_size(_STACK)
        sys.setrecursionlimit(max(limit, _RECURSION))
        try:
            thread = threading.Thread(target=run, name="kysera-parse")
            thread.start()
            thread.join()
        finally:
            sys.setrecursionlimit(limit)
            threading.stack_size(stack)
    try:
        if failure and isinstance(failure[0], RecursionError):
            raise UnsupportedStatement(
                "the statement nests too deep; use WITH or a temporary table",
                code="too-deep",
            ) from failure[0]
        if failure:
            raise failure[0]
    finally:
        failure.clear()  # its traceback holds this frame: no cycle
    return outcome[0]
