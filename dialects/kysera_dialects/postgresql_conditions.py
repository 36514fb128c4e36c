"""The operators of a condition, read by their precedence and named with their schema.

So are the forms that the database takes for operators: IN, BETWEEN, LIKE, SIMILAR TO,
IS DISTINCT FROM, NULLIF, CASE with a value. Each operator gets parentheses, as one that
is named binds in another way.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-PRECEDENCE
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.shape import Lexeme

__all__ = ["END", "Item", "Reader", "Schemas", "grouped", "items", "unclear"]


class Schemas(Protocol):
    """In which schemas the names of a condition are, as spelled.

    Both raise ``UnsupportedStatement`` for a name that may be in several.
    """

    def of(self, name: str) -> str:
        """The schema of a function or an operator."""
        ...

    def of_type(self, name: str) -> str:
        """The schema of a type."""
        ...


_SYMBOLS = frozenset("+-*/<>=~!@#%^&|`?")
#: An operator that holds none of these does not end in + or -.
_SPECIAL = frozenset("~!@#%^&|`?")
_OPENING = {"(": ")", "[": "]", "CASE": "END"}
_OR, _AND, _NOT, _IS, _COMPARISON, _IN, _OTHER, _SUM, _TERM, _POWER = range(1, 11)
_ZONE, _COLLATE, _SIGN = range(11, 14)
_SYMBOLIC = {
    **dict.fromkeys(("=", "<", ">", "<=", ">=", "<>", "!="), _COMPARISON),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/%", _TERM),
    "^": _POWER,
}
_WORDS = {
    **dict.fromkeys(("IS", "ISNULL", "NOTNULL"), _IS),
    **dict.fromkeys(("IN", "LIKE", "ILIKE", "SIMILAR", "BETWEEN", "NOT"), _IN),
    "OR": _OR,
    "AND": _AND,
    "OPERATOR": _OTHER,
    "AT": _ZONE,
    "COLLATE": _COLLATE,
}
_LIKE = {"LIKE": "~~", "ILIKE": "~~*", "SIMILAR": "~"}
_NOT_LIKE = {word: f"!{operator}" for word, operator in _LIKE.items()}
#: The functions that make a pattern with ESCAPE one without; all versions have them.
_ESCAPED = {**dict.fromkeys(_LIKE, "like_escape"), "SIMILAR": "similar_escape"}
#: What stands between expressions in a list, a call or a query.
_BETWEEN = frozenset(
    """
    , ; SELECT DISTINCT FROM WHERE ON GROUP BY HAVING ORDER LIMIT OFFSET FETCH FIRST
    NEXT ROW ROWS ONLY UNION INTERSECT EXCEPT ALL JOIN LEFT RIGHT INNER OUTER FULL CROSS
    LATERAL AS WHEN THEN ELSE ASC DESC NULLS LAST PARTITION RANGE GROUPS UNBOUNDED
    PRECEDING FOLLOWING CURRENT VALUES VARIADIC BOTH LEADING TRAILING FOR WINDOW
    """.split()
)
#: Calls by the grammar, which no function takes the place of.
_GRAMMAR = frozenset(
    """
    ANY ALL SOME EXISTS ROW ARRAY COALESCE GREATEST LEAST EXTRACT TRIM GROUPING
    CURRENT_TIMESTAMP CURRENT_TIME LOCALTIME LOCALTIMESTAMP
    """.split()
)
#: Those that could not be written so, or not here.
_REFUSED = frozenset(
    """
    OVERLAY NORMALIZE TREAT XMLELEMENT XMLFOREST XMLPARSE XMLEXISTS
    """.split()
)
#: Types by the grammar; of several words some.
_TYPES = frozenset(
    """
    BIGINT BIT BOOLEAN CHAR CHARACTER DEC DECIMAL DOUBLE FLOAT INT INTEGER INTERVAL
    NATIONAL NCHAR NUMERIC REAL SMALLINT TIME TIMESTAMP VARCHAR
    """.split()
)
_OF_TYPES = frozenset("PRECISION VARYING WITH WITHOUT TIME ZONE CHARACTER CHAR".split())
_FIELDS = frozenset("YEAR MONTH DAY HOUR MINUTE SECOND TO".split())


@dataclass(frozen=True, slots=True)
class Item:
    """A token, or all that stands in parentheses, brackets, or CASE and END."""

    kind: str
    text: str
    word: str = ""
    within: "tuple[Item, ...]" = ()


END = Item("end", "")


def items(lexemes: Sequence[Lexeme]) -> Iterator[Item]:
    """The tokens, with the symbols that are one operator put together."""
    said = [t for t in lexemes if t.kind not in ("blank", "comment")]
    at = 0
    while at < len(said):
        end = at + 1
        if said[at].text in _SYMBOLS:
            while (
                end < len(said)
                and said[end].text in _SYMBOLS
                and said[end].start == said[end - 1].end
            ):
                end += 1
            run = "".join(t.text for t in said[at:end])
            while len(run) > 1 and run[-1] in "+-" and _SPECIAL.isdisjoint(run):
                run, end = run[:-1], end - 1
            yield Item("operator", run, run)
        elif [t.text for t in said[at : at + 2]] == [":", ":"]:
            end = at + 2
            yield Item("symbol", "::", "::")
        else:
            one = said[at]
            yield Item(one.kind, one.text, one.word if one.kind != "quoted" else "")
        at = end


def grouped(items: Iterator[Item], close: str) -> list[Item]:
    found: list[Item] = []
    for item in items:
        if close and item.word == close:
            return found
        closing = _OPENING.get(item.word)
        if closing is None:
            found.append(item)
        else:
            within = tuple(grouped(items, closing))
            found.append(Item("group", item.word, item.word, within))
    if close:
        raise unclear(close)
    return found


class Reader:
    """Reads expressions by the precedence of operators; each gets its parentheses."""

    def __init__(self, items: Sequence[Item], schemas: Schemas) -> None:
        self._items = [*items, END]
        self._at = 0
        self._schemas = schemas

    @property
    def next(self) -> Item:
        """The item that comes next."""
        return self._items[self._at]

    def _take(self) -> Item:
        item = self.next
        self._at += 1
        return item

    def _takes(self, *words: str) -> bool:
        """Whether these words come next; they are taken then."""
        said = [item.word for item in self._items[self._at : self._at + len(words)]]
        if said != list(words):
            return False
        self._at += len(words)
        return True

    def _within(self, group: Item) -> "Reader":
        return Reader(group.within, self._schemas)

    # -- lists and queries --------------------------------------------------------

    def listed(self) -> str:
        """Expressions with what stands between them, to the end."""
        found: list[str] = []
        while self.next is not END:
            item = self.next
            call = self._items[self._at + 1].text == "("
            if item.word in _BETWEEN and not (call and item.word in ("LEFT", "RIGHT")):
                found.append(self._take().text)
            elif item.word in ("USING", "WITH", "TABLESAMPLE", "OPERATOR"):
                raise unclear(item.text)
            elif item.word == "*":
                found.append(self._take().text)
            else:
                found.append(self.expression())
        return " ".join(found).replace(" ,", ",")

    # -- operators ----------------------------------------------------------------

    def expression(self, least: int = _OR) -> str:
        """What operators bind together that bind at least so tightly."""
        left = self._prefixed()
        while (bound := self._binds()) >= least:
            left = self._joined(left, self._take(), bound)
        return left

    def _binds(self) -> int:
        """How tightly what comes next binds; 0 if it is no operator."""
        item = self.next
        if item.kind == "operator":
            return _SYMBOLIC.get(item.text, _OTHER)
        return _WORDS.get(item.word, 0) if item.kind == "word" else 0

    def _prefixed(self) -> str:
        item = self.next
        if item.kind == "word" and item.word == "NOT":
            self._take()
            return f"(NOT {self.expression(_NOT)})"
        if item.kind != "operator":
            return self._operand()
        self._take()
        if item.text in ("+", "-") and self.next.kind == "number":  # a constant
            return f"({item.text}{self.expression(_SIGN)})"
        raise unclear(f"{item.text} before its operand")

    def _joined(self, left: str, operator: Item, bound: int) -> str:
        """``left`` with an operator that was taken, and what is right of it."""
        word = operator.word
        if operator.kind == "operator":
            name = self._operator("<>" if word == "!=" else word)
            return f"({left} {name} {self._right(bound)})"
        if word in ("AND", "OR"):
            return f"({left} {word} {self.expression(bound + 1)})"
        if word in ("ISNULL", "NOTNULL"):
            return f"({left} {word})"
        joined: Mapping[str, Callable[[str], str]] = {
            "IS": self._tested,
            "IN": self._in,
            "BETWEEN": self._between,
            "LIKE": lambda left: self._like(left, word),
            "ILIKE": lambda left: self._like(left, word),
            "SIMILAR": lambda left: self._like(left, word),
            "NOT": self._negated,
            "OPERATOR": self._named_operator,
            "AT": self._zoned,
            "COLLATE": self._collated,
        }
        return joined[word](left)

    def _right(self, bound: int) -> str:
        """What is right of an operator, ANY (...) too."""
        if self.next.word in ("ANY", "ALL", "SOME"):
            word = self._take().text
            return f"{word} {self._operand()}"
        return self.expression(bound + 1)

    def _operator(self, name: str) -> str:
        return f"OPERATOR({self._schemas.of(name)}.{name})"

    def _named_operator(self, left: str) -> str:
        name = "".join(item.text for item in self._take().within)
        return f"({left} OPERATOR({name}) {self._right(_OTHER)})"

    def _zoned(self, left: str) -> str:
        if not self._takes("TIME", "ZONE"):
            raise unclear("AT")
        return f"({left} AT TIME ZONE {self.expression(_ZONE + 1)})"

    def _collated(self, left: str) -> str:
        name = self._chain()
        schema = "" if "." in name else "pg_catalog."
        return f"({left} COLLATE {schema}{name})"

    def _negated(self, left: str) -> str:
        operator = self._take()
        if operator.word not in ("IN", "LIKE", "ILIKE", "SIMILAR", "BETWEEN"):
            raise unclear(f"NOT {operator.text}")
        if operator.word in _NOT_LIKE:  # before ANY, too
            return self._like(left, operator.word, _NOT_LIKE)
        return f"(NOT {self._joined(left, operator, _IN)})"

    def _between(self, left: str) -> str:
        low = self.expression(_OTHER)
        if not self._takes("AND"):
            raise unclear(f"BETWEEN {low}")
        high = self.expression(_OTHER)
        least, most = self._operator(">="), self._operator("<=")
        return f"(({left} {least} {low}) AND ({left} {most} {high}))"

    def _like(self, left: str, word: str, operators: Mapping[str, str] = _LIKE) -> str:
        """As the server's grammar has it; ESCAPE is a function of the pattern."""
        if word == "SIMILAR" and not self._takes("TO"):
            raise unclear("SIMILAR")
        right = self.expression(_OTHER)
        if self._takes("ESCAPE"):
            escape = self.next
            if escape.kind != "string":
                raise unclear("ESCAPE of no constant")
            right = f"pg_catalog.{_ESCAPED[word]}({right}, {self._operand()})"
        elif word == "SIMILAR":
            right = f"pg_catalog.{_ESCAPED[word]}({right}, NULL)"
        return f"({left} {self._operator(operators[word])} {right})"

    def _in(self, left: str) -> str:
        """A list keeps the type that its elements have beside the left side.

        So constants of one kind are one array, others are compared one by one.
        """
        group, equal = self._take(), self._operator("=")
        first = group.within[0] if group.within else END
        if first.word in ("SELECT", "VALUES", "(") and _is_query(group):
            return f"({left} {equal} ANY ({self._within(group).listed()}))"
        within = self._within(group)
        elements = [within.expression()]
        while within._takes(","):
            elements.append(within.expression())
        kinds = {item.kind for item in group.within if item.word not in ",+-"}
        if len(elements) == 1:
            return f"({left} {equal} {elements[0]})"
        if kinds == {"number"}:
            return f"({left} {equal} ANY (ARRAY[{', '.join(elements)}]))"
        if kinds == {"string"} and all(map(_is_plain, elements)):
            listed = ",".join(f'"{one[1:-1]}"' for one in elements)
            return f"({left} {equal} ANY ('{{{listed}}}'))"
        return f"({' OR '.join(f'({left} {equal} {one})' for one in elements)})"

    def _tested(self, left: str) -> str:
        """What follows IS."""
        negated = "NOT " if self._takes("NOT") else ""
        if self._takes("DISTINCT", "FROM"):
            same = self._same(left, self.expression(_COMPARISON))
            return same if negated else f"(NOT {same})"
        item = self._take()
        if item.word not in ("NULL", "TRUE", "FALSE", "UNKNOWN"):
            raise unclear(f"IS {negated}{item.text}")
        return f"({left} IS {negated}{item.word})"

    def _same(self, left: str, right: str) -> str:
        """Equal, or both NULL: as IS NULL is true of a row of NULLs, it is counted."""
        if all(_is_row(side) for side in (left, right)):
            raise unclear("IS DISTINCT FROM of two rows; compare their columns")
        equal = self._operator("=")
        same = f"({left} {equal} {right}) IS TRUE"
        if ":" in (left[0], right[0]):  # no value of a context is NULL
            return f"({same})"
        return f"({same} OR pg_catalog.num_nulls({left}, {right}) {equal} 2)"

    # -- operands -----------------------------------------------------------------

    def _operand(self) -> str:
        """A name, constant, call or group, with what follows it closely."""
        item = self._take()
        if item.kind == "group":
            text = f"{'ROW' * _lists(item)}{self._group(item)}"
        elif item.kind in ("string", "blob", "number", "placeholder"):
            text = item.text
        elif item.kind in ("word", "quoted"):
            self._at -= 1
            text = self._named()
        else:
            raise unclear(item.text)
        while True:
            if self._takes("::"):
                text = f"{text}::{self._type()}"
            elif self.next.kind == "group" and self.next.text == "[":
                text = f"{text}[{self._within(self._take()).listed()}]"
            elif self._takes("."):
                text = f"{text}.{self._take().text}"
            else:
                return text

    def _group(self, item: Item) -> str:
        if item.text == "CASE":
            within = self._within(item)
            if within.next.word != "WHEN":
                return f"CASE {within._compared()} END"
            return f"CASE {within.listed()} END"
        close = _OPENING[item.text]
        return f"{item.text}{self._within(item).listed()}{close}"

    def _compared(self) -> str:
        """What is in a CASE with a value, as it is in one without."""
        value, equal = self._repeatable("CASE", "WHEN"), self._operator("=")
        found: list[str] = []
        while self._takes("WHEN"):
            found.append(f"WHEN ({value} {equal} {self.expression()})")
            if not self._takes("THEN"):
                raise unclear("CASE")
            found.append(f"THEN {self.expression()}")
        return " ".join([*found, self.listed()])

    def _nullif(self) -> str:
        """A whole number or a string does not change the type of what it is beside."""
        value, equal = self._repeatable("NULLIF", ","), self._operator("=")
        self._take()
        other = self._take()
        whole = other.kind == "number" and other.text.isdecimal()
        if not (whole or other.kind == "string"):
            raise unclear("NULLIF with no constant; write CASE WHEN a = b")
        return f"(CASE WHEN ({value} {equal} {other.text}) THEN NULL ELSE {value} END)"

    def _repeatable(self, what: str, end: str) -> str:
        """A column or a value: what is the same however often it is asked for."""
        kind = self.next.kind
        named = kind in ("word", "quoted")
        value = self._chain() if named else self._take().text
        if not (named or kind == "placeholder") or self.next.word != end:
            raise unclear(f"{what} of more than a column; write CASE WHEN a = b")
        return value

    def _position(self) -> str:
        part = self.expression(_OTHER)
        if not self._takes("IN"):
            raise unclear("position")
        return f"pg_catalog.position({self.expression(_OTHER)}, {part})"

    def _chain(self) -> str:
        """A name with its schema, as it is written."""
        parts = [self._take().text]
        while self._takes("."):
            parts.append(self._take().text)
        return ".".join(parts)

    def _named(self) -> str:
        first, start = self.next, self._at
        word = first.word
        name = self._chain()
        after = self.next
        if after.kind == "string" and first.kind == "word":
            return self._constant(start)
        if after.text == "[" and word == "ARRAY":
            return f"ARRAY{self._group(self._take())}"
        if after.text != "(" or after.kind != "group":
            return name
        if word in _REFUSED or (word == "SUBSTRING" and _has(after, "SIMILAR")):
            raise unclear(first.text)
        if word in ("CAST", "NULLIF", "POSITION"):
            return self._within(self._take())._form(word)
        if _is_ours(name):  # the columns of an alias
            return f"{name} {self._group(self._take())}"
        grammar = word in _GRAMMAR or (word == "SUBSTRING" and _has(after, "FROM"))
        if "." not in name and not grammar:
            name = f"{self._schemas.of(name)}.{name}"
        called = f"{name}{self._group(self._take())}"
        for words in (("FILTER",), ("WITHIN", "GROUP"), ("OVER",)):
            if self._takes(*words):
                called += f" {' '.join(words)} {self._operand()}"
        return called

    def _form(self, word: str) -> str:
        """What stands in the parentheses of what only looks like a call."""
        if word == "CAST":
            made = self._cast()
        else:
            made = self._nullif() if word == "NULLIF" else self._position()
        if self.next is not END:
            raise unclear(self.next.text)
        return made

    def _cast(self) -> str:
        value = self.expression()
        if not self._takes("AS"):
            raise unclear("CAST")
        return f"CAST({value} AS {self._type()})"

    def _constant(self, start: int) -> str:
        """``date '2020-01-01'``."""
        self._at = start
        type_ = self._type()
        constant = self._take()
        if constant.kind != "string":
            raise unclear(constant.text)
        fields: list[str] = []
        while self.next.word in _FIELDS:
            fields.append(self._take().word)
        return " ".join([f"CAST({constant.text} AS {type_}", *fields]) + ")"

    def _type(self) -> str:
        first = self.next
        if first.kind == "word" and first.word in _TYPES:
            words = [self._take().text]
            while self.next.word in _OF_TYPES or self.next.text == "(":
                item = self._take()
                words.append(self._group(item) if item.kind == "group" else item.text)
            name = " ".join(words)
        elif first.kind in ("word", "quoted"):
            name = self._chain()
            if "." not in name:
                name = f"{self._schemas.of_type(name)}.{name}"
            if self.next.kind == "group" and self.next.text == "(":
                name += self._group(self._take())
        else:
            raise unclear(first.text)
        while self.next.kind == "group" and self.next.text == "[":
            name += self._group(self._take())
        return name


def _is_query(group: Item) -> bool:
    """Whether there is a query in parentheses, its own apart."""
    first = group.within[0]
    if first.kind == "group":
        return len(group.within) == 1 and _is_query(first) if first.within else False
    return first.word in ("SELECT", "VALUES")


def _lists(group: Item) -> bool:
    """Whether it is a row without its word: expressions in parentheses."""
    listed = group.text == "(" and group.within[0:1] and _has(group, ",")
    return bool(listed) and group.within[0].word not in _BETWEEN


def _is_row(operand: str) -> bool:
    return operand.lstrip("(").upper().startswith(("ROW(", "ROW ("))


def _has(group: Item, word: str) -> bool:
    return any(item.word == word for item in group.within)


def _is_plain(string: str) -> bool:
    """Whether a string can stand in an array as it is."""
    return string[0] == "'" and "\\" not in string and '"' not in string


def _is_ours(name: str) -> bool:
    return name.lower().startswith("_k")


def unclear(what: str) -> UnsupportedStatement:
    """The refusal of what cannot be read, or written so."""
    return UnsupportedStatement(
        f"{what!r} cannot be read so that no function or operator of somebody's own "
        "takes its place; write it in another way",
        code="unsupported-construct",
    )
