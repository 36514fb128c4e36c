"""COPY .. TO: what leaves the database by it is what a query gives.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Sequence
from typing import NamedTuple

from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexeme, Lexer

__all__ = ["Copying", "copied"]


class Copying(NamedTuple):
    """A COPY as ``before``, the query whose rows it copies, and ``after``."""

    before: str
    query: str
    after: str


def copied(
    text: str, lexer: Lexer, dialect: Dialect, catalogue: Catalogue
) -> Copying | None:
    """The parts of ``COPY .. TO``; None for any other statement.

    A table is copied as the query of its columns: those of a list, or all that are not
    generated, without the rows of its children.
    """
    lexemes = [t for t in lexer.lex(text) if t.kind not in ("blank", "comment")]
    words = [t.word for t in lexemes]
    if words[:1] != ["COPY"]:
        return None
    first = 2 if words[1:2] == ["BINARY"] else 1
    if words[first : first + 1] == ["("]:
        last = _closing(words, first)
        inner = text[lexemes[first].end : lexemes[last].start]
        return Copying(text[: lexemes[first].end], inner, text[lexemes[last].start :])
    if "TO" not in words[first:]:
        return None
    last = words.index("TO", first)
    if "FROM" in words[first:last]:
        return None
    query = _of_table(text, lexemes[first:last], dialect, catalogue)
    before, after = text[: lexemes[first].start], text[lexemes[last].start :]
    return Copying(f"{before}(", query, f") {after}")


def _of_table(
    text: str, lexemes: Sequence[Lexeme], dialect: Dialect, catalogue: Catalogue
) -> str:
    opening = next((i for i, t in enumerate(lexemes) if t.text == "("), len(lexemes))
    named = lexemes[:opening]
    name = text[named[0].start : named[-1].end] if named else ""
    if opening < len(lexemes):
        columns = text[lexemes[opening].end : lexemes[-1].start]
    else:
        names = [dialect.unquote(t.text) for t in named if t.text != "."]
        quoted = [t.kind == "quoted" for t in named if t.text != "."]
        fold = dialect.fold_relation
        folded = [fold(n, quoted=q) for n, q in zip(names, quoted, strict=True)]
        table = catalogue.resolve(folded)
        known = table.columns if table is not None else ()
        copied_ = (c for c in known if not (c.hidden or c.generated))
        columns = ", ".join(dialect.quote(column.name) for column in copied_) or "*"
    return f"SELECT {columns} FROM ONLY {name}"


def _closing(words: Sequence[str], start: int) -> int:
    """The parenthesis that closes the one at ``start``, or the last word."""
    depth = 0
    for i in range(start, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth:
            return i
    return len(words) - 1
