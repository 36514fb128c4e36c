"""How a statement for PostgreSQL is spelled: names, strings, comments, placeholders."""

import re

from tests.oracle.draft import COMMENTS, Speller
from tests.oracle.formatted_draft import Formatted, FormattedDraft

_RESERVED = frozenset(
    "select order from group where join union index user table end when left natural "
    "any all both case check desc limit offset using window".split()
)
_COMMENTS = (*COMMENTS, "/* a /* nested ' */ */", "-- $$\n", "/* $1 %(a)s */")


class _Speller(Speller):
    """Names are folded to small letters, and quoted with those."""

    comments = _COMMENTS

    def spell(self, token: re.Match[str]) -> str:
        text = super().spell(token)
        usual = token.lastgroup != "string" or "\\" in text
        if usual or self._rng.random() > 0.1:
            return text
        return self._string(text[1:-1].replace("''", "'"))

    def _string(self, said: str) -> str:
        """A string in another form than that with quotes round it."""
        self._shapes.add("string in another form")
        escaped = said.replace("'", "\\'")
        if "$" in said:
            return f"E'{escaped}'"
        half, quoted = len(said) // 2, "'{}'".format
        parts = [p.replace("'", "''") for p in (said[:half], said[half:])]
        forms = (
            *(f"$${said}$$", f"$q${said}$q$", f"E'{escaped}'"),
            "\n ".join(map(quoted, parts)),
            " -- '\n".join(map(quoted, parts)),
            f"U&'{_by_code(said[:1])}{said[1:].replace(chr(39), chr(39) * 2)}'",
        )
        return self._rng.choice(forms)

    def _name(self, name: str) -> str:
        plain = re.match(r"[A-Za-z_][A-Za-z_0-9]*\Z", name)
        if plain and name.lower() not in _RESERVED:
            if self._rng.random() >= self._quoting:
                return self._recased(name) if self._rng.random() < 0.1 else name
            name = name.lower()
        self._shapes.add("double quotes")
        if self._rng.random() < 0.03:
            self._shapes.add("name by codes")
            return f'U&"{_by_code(name[:1])}{name[1:]}"'
        return f'"{name}"'


class _Formatted(Formatted):
    """The forms for binary values and text, too."""

    letters = "sssst"


class PostgreSQLDraft(FormattedDraft):
    """A statement for psycopg."""

    placeholders = _Formatted
    speller = _Speller


def _by_code(said: str) -> str:
    return "".join(f"\\{ord(character):04x}" for character in said)
