"""The lexer: tokens of a text, and what makes two texts the same statement."""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Literal, NamedTuple

from kysera_dbapi.dialect import Lexical, Style
from kysera_dbapi.lists import Lists

__all__ = [
    "Kind",
    "Lexeme",
    "Lexer",
    "Shape",
    "check_text",
    "number_of",
]

Kind = Literal[
    "blank",
    "comment",
    "string",
    "blob",
    "quoted",
    "number",
    "placeholder",
    "word",
    "broken",
    "symbol",
]
#: ``:name``, but no cast and no slice.
_NAMED = r"(?<!:):[A-Za-z_][A-Za-z0-9_]*+"


def check_text(text: object) -> str:
    """The text of a statement; raises ``TypeError`` for what is none."""
    if not isinstance(text, str):
        raise TypeError(f"a statement must be str, not {type(text).__name__}")
    return text


class Lexeme(NamedTuple):
    """A token: its kind and where it stands in the text."""

    kind: Kind
    start: int
    end: int
    text: str

    @property
    def word(self) -> str:
        """The text in upper case; keywords are ASCII: no I without a dot."""
        return self.text.upper() if self.text.isascii() else self.text


#: Texts of fewer characters are cheap to plan as they are: their lists stay whole.
_LONG = 2_000
#: A text with more literals is one of a kind: it has no shape but itself.
_MANY = 100_000


def number_of(placeholder: str) -> int:
    """The number of ``?7``; 0 of one that is beyond all that databases take."""
    digits = placeholder[1:].lstrip("0")
    return int(digits) if 0 < len(digits) < 7 else 0


class Shape(NamedTuple):
    """A text with its literals taken out: ``key`` is equal for equal statements.

    In a long text, a list of literals and plain placeholders alone (after IN, or the
    rows of VALUES) is taken out as one literal: no name and no sub-select can be in
    it. ``folds`` then counts the placeholders of each literal, -1 if it is no list.
    """

    key: tuple[object, ...]
    runs: tuple[str, ...]
    #: What follows each run; empty at the end.
    literals: tuple[str, ...]
    #: What reads the lists among them.
    lists: Lists
    folds: tuple[int, ...] = ()

    @property
    def folded(self) -> bool:
        """Whether a list was taken out."""
        return any(count >= 0 for count in self.folds)

    def given(self) -> tuple[str, ...]:
        """The literals and lists, in order."""
        return tuple(filter(None, self.literals))

    def text(self) -> str:
        """The text to be planned: the whole, but for its lists, which are cut short."""
        return "".join(self._pieces())

    def spans(self) -> list[tuple[int, int]]:
        """Where the literals stand in that text."""
        found: list[tuple[int, int]] = []
        at = 0
        for i, piece in enumerate(self._pieces()):
            if i % 2 and piece:
                found.append((at, at + len(piece)))
            at += len(piece)
        return found

    def _pieces(self) -> Iterator[str]:
        counts = iter(self.folds)
        for run, literal in zip(self.runs, self.literals, strict=True):
            yield run
            is_list = bool(literal) and next(counts, -1) >= 0
            yield self.lists.stand_in(literal) if is_list else literal


class Lexer:
    """Lexes text by one database's rules.

    ``format_style`` also knows ``%s``, ``named`` also ``:name``. ``default`` is how a
    value of ours is called for in a text that has no placeholders.
    """

    def __init__(
        self,
        lexical: Lexical,
        *,
        format_style: bool = False,
        named: bool = False,
        default: Style = "?",
    ) -> None:
        self._lexical = lexical
        self.format_style = format_style
        placeholder = lexical.placeholder
        if format_style:
            placeholder = f"{lexical.format}|{placeholder}"
        if named:
            placeholder = f"{_NAMED}|{placeholder}"
        self.default: Style = default
        self._placeholder = placeholder
        self._dollar = re.compile(lexical.dollar) if lexical.dollar else None
        self._opening = re.compile(lexical.executed) if lexical.executed else None
        self._broken = rf"(?:{lexical.broken or '(?!)'})(?s:.*+)"
        self.lists = Lists(lexical.string, "%s" if format_style else "?")

    @cached_property
    def _tokens(self) -> re.Pattern[str]:
        return self._compiled(self._lexical.comment)

    @cached_property
    def _executed(self) -> re.Pattern[str]:
        """Within a comment that is executed: it ends, and there is none in it."""
        again = self._lexical.executed
        return self._compiled(rf"\*/|(?!{again})(?:{self._lexical.comment})")

    def _compiled(self, comment: str) -> re.Pattern[str]:
        dollar = self._lexical.dollar
        quoted = rf"|(?P<tag>{dollar})(?s:.*?)(?P=tag)" if dollar else ""
        kinds = {
            "blank": self._lexical.blank,
            "comment": comment,
            "string": self._lexical.string + quoted,
            "blob": self._lexical.blob,
            "quoted": self._lexical.quoted,
            "broken": self._broken,
            "placeholder": self._placeholder,
            "number": self._lexical.number,
            "word": self._lexical.word,
            "symbol": "(?s:.)",
        }
        parts = (f"(?P<{kind}>{regex})" for kind, regex in kinds.items())
        return re.compile("|".join(parts))

    @cached_property
    def _literals(self) -> re.Pattern[str]:
        """A run without literals, then a string or a number, or the end."""
        run = self._run(self._lexical.word)
        literal = rf"({self._lexical.string})|({self._lexical.number})"
        return re.compile(rf"({run})(?:{literal}|\Z)")

    @cached_property
    def _listing(self) -> re.Pattern[str]:
        """The same with lists: opening and elements of each, or IN or VALUES alone."""
        lexical = self._lexical
        blank, opens = r"[ \t\n\r]*+", r"(?i:IN|VALUES)(?=[ \t\n\r]*+\()"
        run = self._run(rf"(?!{opens}){lexical.word}")
        # below the proxy %s7 may become ?7
        plain = r"%s(?![0-9])" if self.format_style else r"\?(?![0-9?])"
        if not self.format_style and lexical.numbered != "?":
            plain = "(?!)"  # it is an operator
        between = r"[0-9., \t\n\r]"
        # a driver that formats may do so within a string: none with a % is let in
        string = r"'[^'\\%]*+'" if self.format_style else lexical.string
        # letters belong to numbers, blobs and NULL alone: no name is let in
        others = "|".join(
            (
                rf"(?:{string})(?!{blank}\.)",  # 'table'.'column' is a name
                r"(?:(?<=[0-9])|(?<=[0-9]\.))[eE][+-]?(?=[0-9])",
                r"[+-](?=[0-9.])",
                r"(?i:NULL)(?![\w$])",
                plain,
                lexical.blob,
                r"(?<=[^\w.]0)[xX][0-9a-fA-F]++(?![\w$])",
            )
        )
        elements = "|".join(
            (
                rf"'[^'\\%]*+',{between}*+",  # the comma shows that it is complete
                rf"{plain},{between}*+",
                rf"{between}++",
                rf"(?!\))(?:{others})",  # at the end of a row none is tried
            )
        )
        row = rf"\((?:{elements})++\)"
        listed = (
            rf"((?i:IN){blank}\()((?:{elements})++)(?=\))"
            rf"|((?i:VALUES){blank})({row}(?:{blank},{blank}{row})*+)"
        )
        literal = rf"({lexical.string})|({lexical.number})"
        return re.compile(rf"({run})(?:{listed}|{literal}|({opens})|\Z)")

    def _run(self, word: str) -> str:
        lexical = self._lexical
        parts = (
            r"[ \t\n,()=<>*]++",
            lexical.blob,
            lexical.comment,
            lexical.quoted,
            self._placeholder,
            word,
            # what has no end is the rest: its end is looked for once
            rf"(?!{lexical.string}|{lexical.number}|{lexical.word})"
            rf"(?:{self._broken}|(?s:.))",
        )
        return f"(?:{'|'.join(parts)})*+"

    @property
    def numbered(self) -> str:
        """What stands before the number of a placeholder that has one."""
        return self._lexical.numbered

    def lex(self, text: str) -> Iterator[Lexeme]:
        """All tokens of ``text``, blanks and comments too; they cover it."""
        executes = self._executes(text)
        for match in self._matches(text) if executes else self._tokens.finditer(text):
            kind: Kind = match.lastgroup  # type: ignore[assignment]
            yield Lexeme(kind, match.start(), match.end(), match.group())

    def _executes(self, text: str) -> bool:
        """Whether a comment of it may be executed."""
        opening = self._opening
        return opening is not None and "/*" in text and bool(opening.search(text))

    def _is_own(self, text: str) -> bool:
        """Whether it has no shape but itself."""
        dollar = self._dollar is not None and "$" in text and self._dollar.search(text)
        return bool(dollar) or self._executes(text)

    def _matches(self, text: str) -> Iterator[re.Match[str]]:
        """The tokens of a text with comments that are executed."""
        assert self._opening is not None
        pattern, at = self._tokens, 0
        while match := pattern.match(text, at):
            if match.lastgroup == "comment":
                begins = self._opening.match(text, at)
                pattern = self._executed if begins else pattern
                pattern = self._tokens if match.group() == "*/" else pattern
            at = match.end()
            yield match

    def head(self, text: str, limit: int) -> str:
        """``text`` up to its token ``limit``; blanks and comments count too."""
        if len(text) <= limit:
            return text
        beyond = next(islice(self.lex(text), limit, None), None)
        return text if beyond is None else text[: beyond.start]

    def shape(self, text: str, *, fold: bool = True) -> Shape:
        """The shape of ``text``; linear in its length, done in C."""
        if self._is_own(text):
            return Shape((text,), (text,), ("",), self.lists)
        if fold and len(text) > _LONG:
            return self._folded(text)
        found = self._literals.findall(text)
        runs, strings, numbers = zip(*found, strict=True)
        key = (runs, tuple(map(bool, strings)))
        literals = tuple(map(str.__add__, strings, numbers))
        return Shape(key, runs, literals, self.lists)

    def _folded(self, text: str) -> Shape:
        matches = islice(self._listing.finditer(text), _MANY + 1)
        found = [match.groups("") for match in matches]
        if len(found) > _MANY:
            return Shape((text,), (text,), ("",), self.lists)
        runs = tuple([f[0] + f[1] + f[3] + f[7] for f in found])
        literals = tuple([f[2] or f[4] or f[5] or f[6] for f in found])
        kinds = tuple(["string" if f[5] else f[6] and "number" for f in found])
        count = self.lists.count
        folds = [count(f[2] or f[4]) if f[2] or f[4] else -1 for f in found]
        # how many placeholders a list has is no part of the shape; whether any, is
        key = (runs, kinds, tuple([min(n, 1) for n in folds]))
        folds = [n for n, literal in zip(folds, literals, strict=True) if literal]
        return Shape(key, runs, literals, self.lists, tuple(folds))
