"""Texts that look for an end that is not there: lexing takes a time that is linear."""

import time

import pytest

from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer

PIECES = (
    *("/*", "/*!", "/*+ ", "/*!99999 ", "/* */", "(/*", "#", "--\r"),
    *("'a", "'\\", "E'\\", "`", '"', "[", "$a$ ", "$1$", "$a(", ":a(", "U&"),
    *("1e", "t.", "::", "IN (", "VALUES (", "(1,"),
)
LENGTH = 100_000
#: Seconds: about a hundred times what any takes, a tenth of what a square would.
_MOST = 5


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_lexing_hostile_text_takes_no_time(dialect: str, piece: str) -> None:
    lexer = Lexer(get_dialect(dialect).lexical)
    text = piece * (LENGTH // len(piece))
    start = time.process_time()
    assert "".join(token.text for token in lexer.lex(text)) == text
    lexer.shape(text)
    assert time.process_time() - start < _MOST
