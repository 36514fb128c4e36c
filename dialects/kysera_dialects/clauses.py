"""Clauses that a database has and the parser lacks, read token by token."""

from collections.abc import Sequence

from kysera_dbapi.shape import Lexeme

__all__ = ["SIGNS", "Reader", "Stand", "hidden"]

#: What the parser is to read for tokens, by their places; see ``Dialect.stand_ins``.
Stand = dict[int, str]
#: What an operator is made of.
SIGNS = frozenset("+-*/<>=~!@#%^&|`?")
_NAMES = ("word", "quoted")


def hidden(start: int, stop: int) -> Stand:
    """Nothing, for the tokens from one to another."""
    return dict.fromkeys(range(start, stop), "")


class Reader:
    """Reads tokens one by one; ``right`` turns false where they are not as wanted."""

    def __init__(self, lexemes: Sequence[Lexeme], at: int) -> None:
        self._lexemes = lexemes
        self.at = at
        self.right = True

    def _next(self) -> Lexeme | None:
        return self._lexemes[self.at] if self.at < len(self._lexemes) else None

    def has(self, *texts: str) -> bool:
        """Whether one of these words or symbols is next; it is read then."""
        found = self._next()
        here = found is not None and found.kind in ("word", "symbol")
        here = here and found is not None and found.word in texts
        self.at += here
        return here

    def take(self, *texts: str) -> None:
        """One of these has to be next."""
        self.right = self.has(*texts) and self.right

    def name(self) -> None:
        """A name has to be next."""
        self.right = self._is_name() and self.right
        self.at += 1

    def names(self, divider: str) -> None:
        """One name, or several."""
        self.name()
        while self.right and self.has(divider):
            self.name()

    def constant(self) -> None:
        """A plain value has to be next."""
        found = self._next()
        known = found is not None and found.kind in ("string", "blob", "number")
        if known:
            self.at += 1
        else:
            self.take("TRUE", "FALSE", "NULL")

    def operator(self) -> None:
        """``(pg_catalog.<)`` has to be next: what compares is no call's argument."""
        self.take("(")
        start = self.at
        while self.has(*SIGNS, ".") or self._is_name():
            self.at += self._is_name()
        signs = {t.text for t in self._lexemes[start : self.at]}
        self.right = self.right and not signs.isdisjoint("<=>")
        self.take(")")

    def _is_name(self) -> bool:
        found = self._next()
        return found is not None and found.kind in _NAMES

    def group(self) -> None:
        """Parentheses have to be next, and all that is in them is read."""
        self.take("(")
        depth = 1
        while self.right and depth:
            found = self._next()
            self.right = found is not None
            if found is not None and found.kind == "symbol":
                depth += (found.text == "(") - (found.text == ")")
            self.at += 1
