"""The lexer: tokens of a text, and what makes two texts the same statement."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from kysera_dbapi.dialect import Lexical

__all__ = ["Kind", "Lexeme", "Lexer", "Shape"]

Kind = Literal[
    "blank",
    "comment",
    "string",
    "blob",
    "quoted",
    "number",
    "placeholder",
    "word",
    "symbol",
]
#: ``%s``, ``%(name)s`` and ``%%``, for cursors that translate them below the proxy.
_FORMAT = r"%[s%]|%\([^)]*\)s"


class Lexeme(NamedTuple):
    """A token: its kind and where it stands in the text."""

    kind: Kind
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A text with its literals taken out: ``key`` is equal for equal statements."""

    key: tuple[object, ...]
    runs: tuple[str, ...]
    literals: tuple[str, ...]

    def spans(self) -> list[tuple[int, int]]:
        """Where the literals stand in the text."""
        found: list[tuple[int, int]] = []
        at = 0
        for run, literal in zip(self.runs, self.literals, strict=True):
            at += len(run)
            if literal:
                found.append((at, at + len(literal)))
            at += len(literal)
        return found


class Lexer:
    """Lexes text by one database's rules; ``format_style`` also knows ``%s``."""

    def __init__(self, lexical: Lexical, *, format_style: bool = False) -> None:
        self._lexical = lexical
        self.format_style = format_style
        placeholder = lexical.placeholder
        if format_style:
            placeholder = f"{_FORMAT}|{placeholder}"
        self._placeholder = placeholder

    @cached_property
    def _tokens(self) -> re.Pattern[str]:
        kinds = {
            "blank": self._lexical.blank,
            "comment": self._lexical.comment,
            "string": self._lexical.string,
            "blob": self._lexical.blob,
            "quoted": self._lexical.quoted,
            "placeholder": self._placeholder,
            "number": self._lexical.number,
            "word": self._lexical.word,
            "symbol": "(?s:.)",
        }
        parts = (f"(?P<{kind}>{regex})" for kind, regex in kinds.items())
        return re.compile("|".join(parts))

    @cached_property
    def _literals(self) -> re.Pattern[str]:
        """A run without literals, then a string or a number, or the end."""
        lexical = self._lexical
        run = "|".join(
            (
                r"[ \t\n,()=<>*]++",
                lexical.blob,
                lexical.comment,
                lexical.quoted,
                self._placeholder,
                lexical.word,
                rf"(?!{lexical.string}|{lexical.number})(?s:.)",
            )
        )
        return re.compile(rf"((?:{run})*+)(?:({lexical.string})|({lexical.number})|\Z)")

    def lex(self, text: str) -> Iterator[Lexeme]:
        """All tokens of ``text``, blanks and comments too; they cover it."""
        for match in self._tokens.finditer(text):
            kind: Kind = match.lastgroup  # type: ignore[assignment]
            yield Lexeme(kind, match.start(), match.end(), match.group())

    def shape(self, text: str) -> Shape:
        """The shape of ``text``; linear in its length, done in C."""
        found = self._literals.findall(text)
        runs, strings, numbers = zip(*found, strict=True)
        key = (runs, tuple(map(bool, strings)))
        literals = tuple(map(str.__add__, strings, numbers))
        return Shape(key, runs, literals)
