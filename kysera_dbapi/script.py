"""Scripts: texts of several statements, run one by one."""

from collections.abc import Iterator
from typing import Any

from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexer, number_of

__all__ = ["nulls", "split"]


def split(script: str, lexer: Lexer, dialect: Dialect) -> Iterator[str]:
    """The statements of a script, by the dialect's own lexing."""
    lexemes = [t for t in lexer.lex(script) if t.kind not in ("blank", "comment")]
    ends = dialect.statement_ends([t.word for t in lexemes])
    at = first = 0
    for end in [*ends, len(lexemes)]:
        if end > first:
            stop = lexemes[end].start if end < len(lexemes) else len(script)
            yield script[at:stop].strip()
        if end < len(lexemes):
            at = lexemes[end].end
        first = end + 1


def nulls(statement: str, lexer: Lexer) -> Any:
    """Values for the placeholders of a script's statement: the driver binds none."""
    tokens = [t.text for t in lexer.lex(statement) if t.kind == "placeholder"]
    if tokens and all(token[0] != "?" for token in tokens):
        return {token[1:]: None for token in tokens}
    count = 0
    for token in dict.fromkeys(t for t in tokens if t != "?"):
        count = max(count + 1, number_of(token) if token[0] == "?" else 0)
    return (None,) * (count + tokens.count("?"))
