"""REFERENCES in definitions that are not parsed: which table stands after it."""

from collections.abc import Iterator
from itertools import pairwise

from kysera_dbapi.shape import Lexeme
from kysera_dbapi.source import Source

__all__ = ["but_referred", "copies_keys"]


def but_referred(source: Source) -> Iterator[Lexeme]:
    """The tokens, without the names after REFERENCES if they may be of any table."""
    referred = _referred(source) if source.rule and source.rule.refers else set[int]()
    return (lexeme for lexeme in source.lexemes if lexeme.start not in referred)


def copies_keys(source: Source) -> bool:
    """Whether a foreign key would write what its parent's keys become elsewhere."""
    refers = source.rule is not None and source.rule.refers
    return refers and ("UPDATE", "CASCADE") in pairwise(source.words)


def _referred(source: Source) -> set[int]:
    """Where the names after REFERENCES begin: one, or more with dots between."""
    lexemes = [t for t in source.lexemes if t.kind not in ("blank", "comment")]
    found: set[int] = set()
    for i, lexeme in enumerate(lexemes):
        if lexeme.kind != "word" or lexeme.word != "REFERENCES":
            continue
        names = lexemes[i + 1 :: 2]
        dots = [t.text == "." for t in lexemes[i + 2 :: 2]]
        for at, name in enumerate(names):
            found.add(name.start)
            if dots[at : at + 1] != [True]:
                break
    return found
