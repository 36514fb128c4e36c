"""What the laws are tried on, and how often: the same each time."""

import random
import sqlite3
from collections.abc import Collection
from sqlite3 import Connection

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexeme, Lexer
from tests.oracle import generator
from tests.oracle.draft import Statement

__all__ = ["LAW", "PAD", "database", "lexer", "literals", "soups", "statements"]

LAW = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
#: Lists fold in long texts alone.
PAD = f"/*{'-' * 2000}*/ "

lexer = Lexer(get_dialect("sqlite").lexical)


def database(script: str, tables: Collection[str], *, filtered: bool) -> Connection:
    """What a script makes, with or without the deleted rows of those tables."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(script)
    for table in tables if filtered else ():
        raw.execute(f"DELETE FROM {table} WHERE deleted_at IS NOT NULL")
    return raw


def _statement(seed: int, kind: str) -> Statement:
    return generator.draft(random.Random(seed), kind)


def statements(*kinds: str) -> st.SearchStrategy[Statement]:
    """Statements of the oracle, "query" or "write"."""
    seeds = st.integers(0, 1 << 32)
    return st.builds(_statement, seeds, st.sampled_from(kinds or ("query", "write")))


_PIECES = (
    *"'\"`[]()?:@$%-+*/\\;,.=<>|&~! \n\t\x00\ud800e0x1é名",
    *"-- /* */ '' ?1 :a @b $c %s %(a)s %% IN VALUES NULL in( values( orders".split(),
    *"1.5e-3 .5 0x1F x'00' 'text' \"name\" [name] `name` 1, 'a', (1, 2), ?,".split(),
)
#: Texts of tokens, halves of tokens and worse.
soups = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)

_NUMBERS = st.sampled_from(["0", "3", "42", "1.5", "2e1", ".5", "7."])
_STRINGS = st.sampled_from(["''", "'a'", "'it''s'", "'orders'", "'?'", "'%s; --'"])


@st.composite
def literals(draw: st.DrawFn, text: str) -> str:
    """The text with other literals of the same kinds."""

    def other(lexeme: Lexeme) -> str:
        if lexeme.kind == "number":
            return draw(_NUMBERS)
        return draw(_STRINGS) if lexeme.kind == "string" else lexeme.text

    return "".join(map(other, lexer.lex(text)))
