"""How a statement for MySQL and MariaDB is spelled."""

import re

from tests.oracle.draft import COMMENTS, Speller
from tests.oracle.formatted_draft import FormattedDraft
from tests.oracle.schema import TABLES

_RESERVED = frozenset(
    "select order from group where join union index user table left using key keys "
    "row rows window of groups recursive lines rank values all both desc limit".split()
)
_COMMENTS = (*COMMENTS, "# it's `\n", "#\n", "/* # */", "--\t' #\n", "/*'\"`#*/")
#: Names that are of columns alone: those of relations have a case of their own.
_COLUMNS = {column.name for found in TABLES.values() for column in found} - {
    *("tag", "label", "title", "status", "region")
}


class _Speller(Speller):
    """Backticks, and strings in either quotes."""

    comments = _COMMENTS

    def spell(self, token: re.Match[str]) -> str:
        text = super().spell(token)
        if token.lastgroup != "string" or self._rng.random() > 0.1:
            return text
        if len(text) < 4 or "$" in text:  # of ESCAPE, SEPARATOR, or a path
            return text
        return self._string(text[1:-1].replace("''", "'"))

    def _string(self, said: str) -> str:
        """A string in another form than that with quotes round it."""
        self._shapes.add("string in another form")
        half = len(said) // 2
        parts = [p.replace("'", "''") for p in (said[:half], said[half:])]
        return self._rng.choice(
            (
                "'" + said.replace("'", "\\'") + "'",
                '"' + said.replace('"', '""') + '"',
                '"' + said.replace('"', '\\"') + '"',
                "'" + "' '".join(parts) + "'",
                "'" + "'\n '".join(parts) + "'",
            )
        )

    def _word(self, word: str) -> str:
        """Aliases have a case of their own."""
        return word if word in ("c", "t") else super()._word(word)

    def _name(self, name: str) -> str:
        plain = re.match(r"[A-Za-z_][A-Za-z_0-9]*\Z", name)
        shown = self._recased(name) if self._may_be_recased(name) else name
        reserved = name.lower() in _RESERVED
        if plain and not reserved and self._rng.random() >= self._quoting:
            return shown
        self._shapes.add("backtick quotes")
        return f"`{shown}`"

    def _may_be_recased(self, name: str) -> bool:
        return name in _COLUMNS and self._rng.random() < 0.1


class MySQLDraft(FormattedDraft):
    """A statement for PyMySQL."""

    speller = _Speller
