"""A list that is bound as one value where the driver spells values itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["ValueList"]


@dataclass(frozen=True, slots=True)
class ValueList:
    """Rows of equal width, for ``x IN %s`` and ``(x, y) IN %s``.

    A session lets its driver spell it by ``spelled``; another driver fails on it.
    """

    rows: tuple[tuple[object, ...], ...]
    #: What stands for a list without rows: a query that gives none.
    empty: str

    def spelled(self, literal: Callable[[object], str]) -> str:
        """Its SQL; ``literal`` spells a single value by the modes of the session."""
        if not self.rows:
            return self.empty
        return f"({', '.join(_row(row, literal) for row in self.rows)})"


def _row(row: Sequence[object], literal: Callable[[object], str]) -> str:
    said = ", ".join(map(literal, row))
    return said if len(row) == 1 else f"({said})"
