"""Scripts: texts of several statements, run one by one."""

from collections.abc import Iterator

from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexer

__all__ = ["split"]


def split(script: str, lexer: Lexer, dialect: Dialect) -> Iterator[str]:
    """The statements of a script, by the dialect's own lexing."""
    lexemes = [t for t in lexer.lex(script) if t.kind not in ("blank", "comment")]
    ends = dialect.statement_ends([t.text.upper() for t in lexemes])
    at = first = 0
    for end in [*ends, len(lexemes)]:
        if end > first:
            stop = lexemes[end].start if end < len(lexemes) else len(script)
            yield script[at:stop].strip()
        if end < len(lexemes):
            at = lexemes[end].end
        first = end + 1
