"""Makes a failing statement small: drops pieces of its text while it still fails."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.oracle.draft import Params, Statement
from tests.oracle.schema import Value

_TOKEN = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|`[^`]*`"
    r"|\$(\w*)\$.*?\$\1\$|\b[eE]'(?:[^'\\]|\\.)*'|%\(\w+\)s|%%|%[sbt]|::"
    r"|(?:--|#)[^\n]*(?:\n|\Z)|/\*.*?\*/"
    r"|\?\d*|[:@$]\w+|\w+|[<>=!|]{2}|\S",
    re.DOTALL,
)
_STARTS = {
    *("WITH", "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT"),
    *("OFFSET", "UNION", "EXCEPT", "INTERSECT", "VALUES", "JOIN", "LEFT", "RIGHT"),
    *("FULL", "INNER", "CROSS", "NATURAL", "ON", "USING", "AND", "OR", "NOT", "SET"),
    *("RETURNING", "FILTER", "OVER", ",", ";"),
}


_SLOTS = ("?", "%s", "%b", "%t")


@dataclass(frozen=True)
class _Token:
    text: str
    values: tuple[Value, ...] = ()  # of a `?`: one for each execution
    tight: bool = False  # an opening parenthesis of a call, to which no blank may lead


def shrunk(
    statement: Statement, fails: Callable[[Statement], bool], *, tries: int = 1500
) -> Statement:
    """The smallest statement found that fails in the same way."""
    tokens = _tokens(statement)
    left = tries
    changed = True
    while changed and left > 0:
        changed = False
        for candidate in _smaller(tokens):
            left -= 1
            if left <= 0:
                break
            if len(candidate) < len(tokens) and fails(_joined(statement, candidate)):
                tokens, changed = candidate, True
                break
    return _joined(statement, tokens)


def _tokens(statement: Statement) -> list[_Token]:
    rows = [row for row in _rows(statement) if not isinstance(row, dict)]
    values = iter(zip(*rows, strict=True))
    tokens: list[_Token] = []
    end = -1
    for match in _TOKEN.finditer(statement.sql):
        text = match.group()
        tight = text == "(" and match.start() == end
        tokens.append(_Token(text, next(values) if text in _SLOTS else (), tight))
        end = match.end()
    return tokens


def _smaller(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    """Candidates, the greatest cuts first."""
    yield [token for token in tokens if not token.text.startswith(("--", "/*", "#"))]
    for start, end in _groups(tokens):
        inside = list(tokens[start + 1 : end])
        yield [*tokens[:start], *tokens[end + 1 :]]
        if inside != [_Token("1")]:
            yield [*tokens[: start + 1], _Token("1"), *tokens[end:]]
        yield [*tokens[:start], *inside, *tokens[end + 1 :]]
    for start, end in _clauses(tokens):
        yield [*tokens[:start], *tokens[end:]]
    size = len(tokens) // 2
    while size >= 1:
        for start in range(0, len(tokens) - size + 1, max(size // 2, 1)):
            yield [*tokens[:start], *tokens[start + size :]]
        size = size - 1 if size <= 8 else size * 2 // 3


def _groups(tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    """The pairs of parentheses, the widest first."""
    open_at: list[int] = []
    pairs: list[tuple[int, int]] = []
    for place, token in enumerate(tokens):
        if token.text == "(":
            open_at.append(place)
        elif token.text == ")" and open_at:
            pairs.append((open_at.pop(), place))
    return sorted(pairs, key=lambda pair: pair[0] - pair[1])


def _clauses(tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    """The spans from the start of a clause to that of another, the longest first."""
    starts = [n for n, token in enumerate(tokens) if token.text.upper() in _STARTS]
    starts.append(len(tokens))
    depth = [0]
    for token in tokens:
        depth.append(depth[-1] + {"(": 1, ")": -1}.get(token.text, 0))
    spans = [
        (start, end)
        for place, start in enumerate(starts)
        for end in starts[place + 1 :]
        if depth[start] == depth[end]
    ]
    return sorted(spans, key=lambda span: span[0] - span[1])


def _rows(statement: Statement) -> Sequence[Params]:
    """The parameters of each execution."""
    return statement.many or (statement.params,)


def _joined(statement: Statement, tokens: Sequence[_Token]) -> Statement:
    sql = _text(tokens)
    own = [token.values for token in tokens if token.values]
    named = {text.strip(":@$%()") for text in re.findall(r"[:@$]\w+|%\(\w+\)", sql)}
    numbers = [int(text[1:]) for text in re.findall(r"\?\d+", sql)]
    rows: list[Params] = []
    for place, row in enumerate(_rows(statement)):
        if isinstance(row, dict):
            rows.append({key: value for key, value in row.items() if key in named})
        elif numbers:
            rows.append(row[: max(numbers)])
        else:
            rows.append(tuple(values[place] for values in own))
    many = tuple(rows) if statement.many else ()
    return replace(statement, sql=sql, params=rows[0], many=many)


def _text(tokens: Sequence[_Token]) -> str:
    text = ""
    for token in tokens:
        tight = token.tight or token.text in {",", ")", "."}
        tight = tight or text.endswith(("(", ".", "\n"))
        text += token.text if tight or not text else f" {token.text}"
    return text
