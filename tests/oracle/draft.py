"""A statement under construction, and how its text is spelled in the end.

Generators write plain upper-case SQL in which names and values are marked (`name`,
`bind`). `Draft.finish` turns the marks into one of the many ways SQL has of writing
them: quoted names, odd case, comments, and every style of placeholder.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, TypeVar

from tests.oracle.schema import Schema, Value

T = TypeVar("T")
Params: TypeAlias = tuple[Value | list[int], ...] | dict[str, Value]

GENERATOR = "executemany of a generator"  # which has its rows but once
_NAME = "\x01{}\x02"
BOUND = "\x03"  # begins the mark of a parameter
_BOUND = BOUND + "{}\x04"
TOKEN = re.compile(
    r"(?P<name>\x01[^\x02]*\x02)|(?P<bound>\x03\d+\x04)|(?P<string>'(?:[^']|'')*')"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>\d+)|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
# Names of the generator that cannot stand unquoted.
_RESERVED = {"select", "order", "from", "group", "where", "join", "union", "index"}
_PARAMETER_NAMES = ("a", "b", "id", "p1", "order", "Value", "_x", "deleted_at")
COMMENTS = (
    "/* DELETE FROM orders; */",
    "/*'*/",
    "/* ? :a @b $c %s */",
    "/**/",
    '/* "customers" -- */',
    "-- it's\n",
    '-- SELECT * FROM orders WHERE "\n',
    "-- */ ; DROP TABLE items /*\n",
    "/* AND 1 = 0 */",
)
_STYLES = {
    "literal": 4,
    "qmark": 5,
    "numbered": 2,
    "colon": 1,
    "at": 1,
    "dollar": 1,
    "mixed": 1,
}


@dataclass(frozen=True)
class Statement:
    """A statement with its parameters and what is known of it."""

    kind: str  # query, delete, update or insert
    sql: str
    params: Params = ()
    ordered: bool = False  # the order of the rows is total
    target: str = ""  # the table that a delete, an update or an insert names
    many: tuple[Params, ...] = ()  # what executemany is given; `params` are the first
    shapes: frozenset[str] = frozenset()
    plain: bool = False  # executed without values, so that no driver formats the text
    beside: tuple[str, ...] = ()  # the tables that it writes besides its target

    def run(self, cursor: Any) -> None:
        """Execute it, as often as it has values for."""
        if self.plain:
            cursor.execute(self.sql)
        elif not self.many:
            cursor.execute(self.sql, self.params)
        elif GENERATOR in self.shapes:
            cursor.executemany(self.sql, iter(self.many))
        else:
            cursor.executemany(self.sql, list(self.many))


@dataclass
class Draft:
    """The random choices of one statement: names, values and shapes so far."""

    rng: random.Random
    schema: Schema
    fuel: int = 0  # how many sub-selects may still be opened
    shapes: set[str] = field(default_factory=set[str])
    _values: list[Value] = field(default_factory=list[Value])
    _style: str = ""

    styles: ClassVar[Mapping[str, float]] = _STYLES

    def __post_init__(self) -> None:
        self._style = self.weighted(self.styles)
        self.fuel = self.rng.choice((0, 1, 1, 1, 2, 2, 3, 4))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def weighted(self, choices: Mapping[T, float]) -> T:
        return self.rng.choices(list(choices), list(choices.values()))[0]

    def mark(self, *shapes: str) -> None:
        self.shapes.update(shapes)

    def name(self, *parts: str) -> str:
        """A name, with what it is qualified by in front."""
        return ".".join(_NAME.format(part) for part in parts)

    def bind(self, value: Value) -> str:
        """A value: a literal, or a parameter in the statement's own style."""
        if self._style == "literal" or self.chance(0.3):
            return self.literal(value)
        return self.slot(value)

    def literal(self, value: Value) -> str:
        return literal(value)

    @property
    def binds(self) -> bool:
        """Whether the statement has parameters, if it has values."""
        return self._style != "literal"

    @property
    def plain(self) -> bool:
        """Whether it is executed without values, whatever its text."""
        return False

    def slot(self, value: Value) -> str:
        """A parameter."""
        self.mark(f"parameter {self._style}")
        self._values.append(value)
        return _BOUND.format(len(self._values) - 1)

    def finish(self, text: str) -> tuple[str, Params]:
        """The text as it is sent, and the parameters in the order of its marks."""
        placeholders = Placeholders(self._style, self._values, self.rng)
        speller = Speller(self.rng, self.shapes)
        pieces = [
            placeholders.of(int(token.group()[1:-1]))
            if token.lastgroup == "bound"
            else speller.spell(token)
            for token in TOKEN.finditer(text)
        ]
        return "".join(pieces) + speller.tail(), placeholders.params()


def literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "''") + "'"


class Placeholders:
    """Placeholders of one style; `?` takes its value by the order in the text."""

    def __init__(self, style: str, values: list[Value], rng: random.Random) -> None:
        self._style = style
        self._values = values
        self._rng = rng
        self._used: list[Value] = []
        self._named: dict[str, Value] = {}

    def of(self, number: int) -> str:
        value = self._values[number]
        if self._style == "qmark":
            self._used.append(value)
            return "?"
        if self._style == "numbered":
            if value in self._used and self._rng.random() < 0.7:
                return f"?{self._used.index(value) + 1}"
            self._used.append(value)
            return f"?{len(self._used)}"
        prefix = {"colon": ":", "at": "@", "dollar": "$"}.get(self._style)
        return (prefix or self._rng.choice(":@$")) + self._key(value)

    def _key(self, value: Value) -> str:
        for key, known in self._named.items():
            if known == value:
                return key
        free = [key for key in _PARAMETER_NAMES if key not in self._named]
        key = self._rng.choice(free) if free else f"p{len(self._named)}x"
        self._named[key] = value
        return key

    def params(self) -> Params:
        return self._named or tuple(self._used)


class Speller:
    """One statement's habits of case, quoting and comments."""

    comments: ClassVar[Sequence[str]] = COMMENTS

    def __init__(self, rng: random.Random, shapes: set[str]) -> None:
        self._rng = rng
        self._shapes = shapes
        self._case = rng.choice(("upper", "upper", "lower", "odd", "title"))
        self._quoting = rng.choice((0.0, 0.0, 0.15, 0.6))
        self._noise = rng.choice((0.0, 0.0, 0.0, 0.06))

    def spell(self, token: re.Match[str]) -> str:
        text = token.group()
        if token.lastgroup == "name":
            return self._name(text[1:-1])
        if token.lastgroup == "word":
            return self._word(text)
        if token.lastgroup == "space" and self._rng.random() < self._noise:
            self._shapes.add("comment")
            return f" {self._rng.choice(self.comments)} "
        if token.lastgroup == "space" and self._rng.random() < 0.03:
            return self._rng.choice(("\n", "\t", "  ", "\n    "))
        return text

    def tail(self) -> str:
        ends = {"": 12, ";": 3, " ; ": 1, " -- '": 1, "; /* end */": 1, "\n": 1}
        return self._rng.choices(list(ends), list(ends.values()))[0]

    def _word(self, word: str) -> str:
        if self._case == "odd":
            self._shapes.add("odd case")
            return "".join(self._rng.choice((c.lower(), c.upper())) for c in word)
        return {"upper": word.upper(), "lower": word.lower(), "title": word.title()}[
            self._case
        ]

    def _name(self, name: str) -> str:
        plain = _PLAIN.match(name) and name.lower() not in _RESERVED
        if plain and self._rng.random() >= self._quoting:
            return self._recased(name) if self._rng.random() < 0.1 else name
        shape, opening, closing = self._rng.choice(
            (("double", '"', '"'), ("bracket", "[", "]"), ("backtick", "`", "`"))
        )
        self._shapes.add(f"{shape} quotes")
        name = self._recased(name) if self._rng.random() < 0.1 else name
        return opening + name + closing

    def _recased(self, name: str) -> str:
        self._shapes.add("name in another case")
        return self._rng.choice((name.upper(), name.lower(), name.title()))
