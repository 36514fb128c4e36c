"""A statement that the driver formats if it gets values: `%s`, `%(name)s`, and `%%`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tests.oracle.draft import TOKEN, Draft, Params, Placeholders, Speller
from tests.oracle.schema import Value

_STYLES = {"literal": 3, "no values": 2, "format": 6, "named": 3}


class Formatted(Placeholders):
    """`%s`, or `%(name)s`."""

    letters: ClassVar[str] = "s"

    def of(self, number: int) -> str:
        value = self._values[number]
        if self._style == "format":
            self._used.append(value)
            return "%" + self._rng.choice(self.letters)
        return f"%({self._key(value)})s"


@dataclass
class FormattedDraft(Draft):
    """A statement; its text is formatted if it gets values, or none at all (`()`), and
    is left as it is if it is executed without."""

    styles: ClassVar[Mapping[str, float]] = _STYLES
    placeholders: ClassVar[type[Placeholders]] = Formatted
    speller: ClassVar[type[Speller]] = Speller

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
        placeholders = self.placeholders(self._style, self._values, self.rng)
        speller = self.speller(self.rng, self.shapes)
        pieces: list[str] = []
        for token in TOKEN.finditer(text):
            if token.lastgroup == "bound":
                pieces.append(placeholders.of(int(token.group()[1:-1])))
            else:
                pieces.append(self._escaped(speller.spell(token)))
        return "".join(pieces) + self._escaped(speller.tail()), placeholders.params()

    def _escaped(self, text: str) -> str:
        return text if self.plain else text.replace("%", "%%")
