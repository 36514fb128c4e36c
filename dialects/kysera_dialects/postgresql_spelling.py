"""What PostgreSQL's grammar has and the parser lacks, in words that the parser reads.

Each stand-in is as long as what it stands for, so that everything keeps its place. What
says nothing of the relations that a statement reads is left out.

https://www.postgresql.org/docs/current/sql-syntax.html
"""

import re
from collections.abc import Callable, Sequence

from kysera_dbapi.shape import Lexeme
from kysera_dialects.clauses import SIGNS, Reader, Stand, hidden
from kysera_dialects.postgresql_strings import ESCAPED, JOINT, PLAIN, says

__all__ = ["stand_ins"]

_BASES = {"x": 16, "o": 8, "b": 2}


def stand_ins(lexemes: Sequence[Lexeme]) -> dict[int, str]:
    """What the parser is to read for tokens that it does not know, by their places.

    It is empty for those that it is not to see.
    """
    found: Stand = {}
    words = [t.word if t.kind == "word" else "" for t in lexemes]
    for i, lexeme in enumerate(lexemes):
        if i in found:
            continue
        if words[i] in _CLAUSES:
            found |= _CLAUSES[words[i]](lexemes, i)
        elif lexeme.kind in _CONSTANTS:
            text = _CONSTANTS[lexeme.kind](lexeme.text)
            if text != lexeme.text:
                found[i] = text
    return found


# -- clauses --------------------------------------------------------------------------


def _overriding(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``OVERRIDING SYSTEM VALUE``."""
    reader = Reader(lexemes, at + 1)
    reader.take("SYSTEM", "USER")
    reader.take("VALUE")
    return hidden(at, reader.at) if reader.right else {}


def _search(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``) SEARCH DEPTH FIRST BY a, b SET c`` after a common table expression."""
    reader = Reader(lexemes, at - 1)
    reader.take(")")
    reader.take("SEARCH")
    reader.take("DEPTH", "BREADTH")
    reader.take("FIRST")
    reader.take("BY")
    reader.names(",")
    reader.take("SET")
    reader.name()
    return hidden(at, reader.at) if reader.right else {}


def _cycle(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``CYCLE a, b SET c TO x DEFAULT y USING d`` after a common table expression."""
    reader = Reader(lexemes, at + 1)
    reader.names(",")
    reader.take("SET")
    reader.name()
    if reader.has("TO"):
        reader.constant()
        reader.take("DEFAULT")
        reader.constant()
    reader.take("USING")
    reader.name()
    return hidden(at, reader.at) if reader.right else {}


def _only(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``ONLY (t)``: without the parentheses."""
    reader = Reader(lexemes, at + 1)
    reader.take("(")
    reader.names(".")
    reader.take(")")
    return {at + 1: "", reader.at - 1: ""} if reader.right else {}


def _using(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``USING (a, b) AS c`` of a join, and ``USING >`` of ORDER BY."""
    reader = Reader(lexemes, at + 1)
    if _is_sign(lexemes, at + 1):
        stop = at + 2
        while _is_sign(lexemes, stop) and lexemes[stop - 1].end == lexemes[stop].start:
            stop += 1
        return hidden(at, stop)
    if reader.has("OPERATOR"):
        reader.operator()
        return hidden(at, reader.at) if reader.right else {}
    reader.take("(")
    reader.names(",")
    reader.take(")")
    start = reader.at
    reader.take("AS")
    reader.name()
    return hidden(start, reader.at) if reader.right else {}


def _is_sign(lexemes: Sequence[Lexeme], at: int) -> bool:
    return at < len(lexemes) and lexemes[at].text[0] in SIGNS


def _on_commit(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``ON COMMIT DROP`` of a temporary table that is made of a query."""
    reader = Reader(lexemes, at + 1)
    reader.take("COMMIT")
    if not reader.has("DROP"):
        reader.take("PRESERVE", "DELETE")
        reader.take("ROWS")
    return hidden(at, reader.at) if reader.right else {}


def _unlogged(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``CREATE UNLOGGED TABLE``."""
    reader = Reader(lexemes, max(at - 1, 0))
    reader.take("CREATE")
    reader.take("UNLOGGED")
    reader.take("TABLE")
    return hidden(at, at + 1) if reader.right else {}


def _rows_from(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``ROWS FROM (f(1), g(2) AS (a int))`` is read as one call.

    After a column called rows, FROM would begin what is read: but then a query or a
    join stands in the parentheses, never calls alone.
    """
    reader = Reader(lexemes, at + 1)
    reader.take("FROM")
    reader.take("(")
    found: Stand = {at: "fn__", at + 1: ""}
    reader.right = reader.right and at > 0 and lexemes[at - 1].word in _BEFORE_ITEMS
    while reader.right:
        reader.right = not reader.has("SELECT", "VALUES")
        reader.names(".")
        reader.group()
        start = reader.at
        if reader.has("AS"):
            reader.group()
            found |= hidden(start, reader.at)
        if not reader.has(","):
            reader.take(")")
            break
    return found if reader.right else {}


_BEFORE_ITEMS = ("FROM", "USING", "JOIN", "LATERAL", ",", "(")
_CLAUSES: dict[str, Callable[[Sequence[Lexeme], int], Stand]] = {
    "OVERRIDING": _overriding,
    "SEARCH": _search,
    "CYCLE": _cycle,
    "ON": _on_commit,
    "ONLY": _only,
    "UNLOGGED": _unlogged,
    "USING": _using,
    "ROWS": _rows_from,
}

# -- constants and names --------------------------------------------------------------

#: Names that begin so are ours: one that says it by escapes is not read.
_OURS = "_k"


def _string(text: str) -> str:
    """A string in one piece, of escapes that the parser knows."""
    start = text.find("'")
    if start < 0 or text[0] == "$":
        return text if text[0] == "$" else _number(text)
    if text[1] == "&":
        return f"E'{'x' * (len(text) - 3)}'"
    if "\n" not in text and "\r" not in text:
        return text
    escapes, digits = text[0] in "eE", text[0] in "bBxX"
    inner, blank = ESCAPED if escapes else PLAIN, "0" if digits else " "
    return text[:start] + _seamless(text[start:], inner, blank)


def _seamless(text: str, inner: str, blank: str) -> str:
    """A string of several pieces as one, with blanks for what is between them."""
    seams = re.compile(rf"({inner})('{JOINT}'|'\Z)")

    def joined(piece: re.Match[str]) -> str:
        last = piece[2] == "'"
        return piece[1] + ("'" if last else blank * len(piece[2]))

    return "'" + seams.sub(joined, text[1:])


def _number(text: str) -> str:
    """A number as PostgreSQL 16 takes it, in figures alone; it says the same.

    Before 16 it is a number and a name, or an error, and names no relation either.
    """
    base = _BASES.get(text[1:2].lower(), 10) if text[0] == "0" else 10
    plain = text.replace("_", "")
    if base != 10:
        plain = str(int(plain[2:], base))
    return plain.rjust(len(text), "0") if len(plain) <= len(text) else text


def _quoted(text: str) -> str:
    """A name with escapes as the name that it says."""
    if text[0] == '"':
        return text
    name = says(text)
    if name.startswith(_OURS):
        return text
    return f"""\"{name.replace('"', '""').ljust(len(text) - 2)}\""""


_CONSTANTS: dict[str, Callable[[str], str]] = {
    "string": _string,
    "blob": _string,
    "number": _number,
    "quoted": _quoted,
}
