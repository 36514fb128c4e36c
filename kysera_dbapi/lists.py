"""Long lists of literals and plain placeholders: stand-ins, placeholders, rows.

Nothing else is in them (see ``shape``), so that a comma or a parenthesis is a list's or
a row's own unless it stands in a string.
"""

import re
from functools import cached_property
from itertools import repeat

from kysera_dbapi.errors import UnsupportedStatement

__all__ = ["FOLDED", "Lists"]

#: What stands in for the elements of a folded list in the text that is planned.
FOLDED = "'_k'"
#: Where none of these is, a string is what stands between two single quotes.
_OTHER_QUOTES = ('"', "\\", "$")


class Lists:
    """Reads lists by one database's rules for ``string``s; ``mark`` is ``?`` or ``%s``.

    A list is what stands in the parentheses of IN, or all rows of VALUES.
    """

    def __init__(self, string: str, mark: str) -> None:
        self._string = string
        self.mark = mark

    def stand_in(self, listed: str) -> str:
        """What is planned for the elements of a list, or for its rows: one of them."""
        if listed[0] != "(":
            return FOLDED
        row, _, _ = self._bare(listed).partition(")")
        return f"({', '.join([FOLDED] * (row.count(',') + 1))})"

    def count(self, listed: str) -> int:
        """The number of placeholders in a list."""
        count = listed.count(self.mark)
        return self._bare(listed).count(self.mark) if count else 0

    def by_row(self, rows: str) -> tuple[int, ...]:
        """The number of placeholders in each row."""
        found = self._bare(rows).split(")")
        return tuple(map(str.count, found[:-1], repeat(self.mark)))

    def extended(self, rows: str, part: str) -> str:
        """The rows, each with ``part`` before its closing parenthesis.

        Raises ``UnsupportedStatement`` (unproved-rewrite) if they cannot be told apart.
        """
        return f"{part})".join(self._parted(rows))

    def _parted(self, rows: str) -> list[str]:
        """The rows without their closing parentheses, and nothing at last."""
        parted = rows.split(")")
        if not any(quote in rows for quote in _OTHER_QUOTES):
            quotes = map(str.count, parted, repeat("'")) if "'" in rows else ()
            if not any(n % 2 for n in quotes):
                return parted  # before each parenthesis all strings have ended
        parted = [*self._row.findall(rows), ""]
        if ")".join(parted) != rows:
            raise UnsupportedStatement(
                "the rows of VALUES could not be told apart; bind their values as "
                "parameters",
                code="unproved-rewrite",
            )
        return parted

    def _bare(self, listed: str) -> str:
        """A list without its strings."""
        if any(quote in listed for quote in _OTHER_QUOTES):
            return self._strings.sub("", listed)
        return "".join(listed.split("'")[::2])

    @cached_property
    def _strings(self) -> re.Pattern[str]:
        return re.compile(self._string)

    @cached_property
    def _row(self) -> re.Pattern[str]:
        """A row, or what is left of one, up to its closing parenthesis."""
        parts = rf"[0-9., \t\n\r(]++|{self._string}|[^)'\"\\$]"
        return re.compile(rf"((?:{parts})*+)\)")
