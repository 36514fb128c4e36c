"""Conditions on the rows of one relation, compiled once and said of any reference."""

from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.splices import Fragment

__all__ = ["OWN", "Piece", "Predicate", "predicate"]


class _Own:
    """Stands for the name of the relation that a predicate is about, and a dot."""


OWN = _Own()
#: Text, a value of ours, or the place of the relation's name.
Piece = str | Bind | _Own

_TIGHT = (exp.Is, exp.EQ, exp.NEQ, exp.In, exp.Not, exp.Boolean, exp.Paren)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on one relation; ``sql`` is how it is shown."""

    sql: str
    pieces: tuple[Piece, ...]
    #: Whether it can stand beside AND without parentheses.
    tight: bool = False
    #: The (folded) columns of the relation that it speaks of; None if it reads more.
    columns: frozenset[str] | None = None
    #: The keys of the other relations that it reads.
    relations: frozenset[str] = frozenset()

    def about(self, qualifier: str) -> Fragment:
        """The condition on the relation of that (quoted) name."""
        own = f"{qualifier}."
        said = tuple(own if isinstance(p, _Own) else p for p in self.pieces)
        return said if self.tight else ("(", *said, ")")


@lru_cache(maxsize=1024)
def predicate(sql: str, dialect: Dialect) -> Predicate:
    """The predicate of a condition whose unqualified names are all columns of its own.

    Raises ``UnsupportedStatement`` (unparsed-statement) for text that is no condition.
    """
    try:
        tree = _sqlglot.expression(sql, dialect)
    except _sqlglot.ParseError as error:
        raise UnsupportedStatement(
            f"not a condition: {sql}", code="unparsed-statement"
        ) from error
    columns = [c.this for c in tree.find_all(exp.Column) if not c.table]
    pieces: list[Piece] = []
    at = 0
    for start, _ in sorted(where for c in columns if (where := _sqlglot.span(c))):
        pieces += [sql[at:start], OWN]
        at = start
    pieces.append(sql[at:])
    return Predicate(sql, tuple(pieces), isinstance(tree, _TIGHT))
