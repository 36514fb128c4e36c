"""How a statement for PostgreSQL is spelled: names, strings, comments, placeholders."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.draft import COMMENTS, TOKEN, Draft, Params, Placeholders, Speller
from tests.oracle.schema import Value

_STYLES = {"literal": 3, "no values": 2, "format": 6, "named": 3}
_RESERVED = frozenset(
    "select order from group where join union index user table end when left natural "
    "any all both case check desc limit offset using window".split()
)
_COMMENTS = (*COMMENTS, "/* a /* nested ' */ */", "-- $$\n", "/* $1 %(a)s */")


@dataclass
class PostgreSQLDraft(Draft):
    """A statement for psycopg; the text is formatted if it gets values, or none at all
    (`()`), and is left as it is if it is executed without."""

    styles: ClassVar[Mapping[str, float]] = _STYLES

    @property
    def binds(self) -> bool:
        return self._style in ("format", "named")

    @property
    def plain(self) -> bool:
        return self._style == "literal"

    def bind(self, value: Value) -> str:
        if not self.binds:
            return self.literal(value)
        return super().bind(value)

    def finish(self, text: str) -> tuple[str, Params]:
        placeholders = _Formatted(self._style, self._values, self.rng)
        speller = _Speller(self.rng, self.shapes)
        pieces: list[str] = []
        for token in TOKEN.finditer(text):
            if token.lastgroup == "bound":
                pieces.append(placeholders.of(int(token.group()[1:-1])))
            else:
                pieces.append(self._escaped(speller.spell(token)))
        return "".join(pieces) + self._escaped(speller.tail()), placeholders.params()

    def _escaped(self, text: str) -> str:
        return text if self.plain else text.replace("%", "%%")


class _Formatted(Placeholders):
    """`%s`, or `%(name)s`; the forms for binary values and text, too."""

    def of(self, number: int) -> str:
        value = self._values[number]
        if self._style == "format":
            self._used.append(value)
            return "%" + self._rng.choice("sssst")
        return f"%({self._key(value)})s"


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


def _by_code(said: str) -> str:
    return "".join(f"\\{ord(character):04x}" for character in said)
