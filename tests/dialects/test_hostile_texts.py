"""Texts with tokens that have no end: lexing is linear, and the error says where."""

import sqlite3
import time
from contextlib import closing

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import read

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


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT 'a", (1, 8)),
        ("SELECT 1,\n  'it''s", (2, 3)),
        ("'", (1, 1)),
        ("SELECT 'a' -- '", None),
        ("SELECT 'a'", None),
        ("", None),
    ],
)
def test_where_it_begins(
    dialect: str, text: str, place: tuple[int, int] | None
) -> None:
    made = get_dialect(dialect)
    assert read(text, made, Lexer(made.lexical)).unclosed == place


@pytest.mark.parametrize("opens", ["'", '"', "`", "["])
def test_the_error_says_where(opens: str) -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, deleted_at TEXT)")
    wrapped = kysera_dbapi.wrap(raw, plugins=[SoftDelete(["orders"])])
    with (
        closing(wrapped) as connection,
        pytest.raises(kysera_dbapi.UnsupportedStatement) as caught,
    ):
        connection.execute(f"SELECT id\nFROM {opens}orders")
    assert caught.value.code == "unparsed-statement"
    assert str(caught.value).startswith("what begins at line 2, column 6 has no end ")
