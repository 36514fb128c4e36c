"""A condition on the rows of one relation, which can be said of any reference."""

from dataclasses import dataclass

from kysera_dbapi.binding import Bind
from kysera_dbapi.splices import Fragment

__all__ = ["OWN", "Piece", "Predicate"]


class _Own:
    """Stands for the name of the relation that a predicate is about, and a dot."""


OWN = _Own()
#: Text, a value of ours, or the place of the relation's name.
Piece = str | Bind | _Own


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on one relation; ``sql`` is how it is shown."""

    sql: str
    pieces: tuple[Piece, ...]
    #: Whether it can stand beside AND without parentheses.
    tight: bool = False
    #: The (folded) columns of the relation that it speaks of; None if it reads more.
    columns: frozenset[str] | None = None
    #: The tables that it reads besides.
    reads: frozenset[str] = frozenset()

    def about(self, qualifier: str) -> Fragment:
        """The condition on the relation of that (quoted) name."""
        own = f"{qualifier}."
        said = tuple(own if isinstance(p, _Own) else p for p in self.pieces)
        return said if self.tight else ("(", *said, ")")
