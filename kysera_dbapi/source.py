"""A text before it is parsed: its tokens, its kind, how many statements it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from kysera_dbapi.dialect import Dialect, Rule
from kysera_dbapi.shape import Lexeme, Lexer

__all__ = ["MAX_TOKENS", "Source", "read", "verb_of"]

#: Tokens accepted in one statement after folding; more is refused, not parsed.
MAX_TOKENS = 200_000
_NOTHING = Lexeme("blank", 0, 0, "")
_PLANNED = ("select", "insert", "update", "delete", "merge", "create table as")


@dataclass(frozen=True, slots=True)
class Source:
    """A text, lexed: what is known of it before it is parsed.

    ``words`` are its significant tokens in upper case, ``first`` the index of the
    verb among them (after EXPLAIN), ``rule`` what the dialect does with it.
    """

    text: str
    #: By what it was lexed.
    lexer: Lexer
    lexemes: tuple[Lexeme, ...]
    words: tuple[str, ...]
    first: int
    #: Whether the statement is run, and not only explained.
    runs: bool
    rule: Rule | None
    several: bool
    #: The placeholders as written, in order.
    placeholders: tuple[Lexeme, ...]
    comments: tuple[str, ...]

    @property
    def unclosed(self) -> tuple[int, int] | None:
        """The line and column where a token begins that has no end."""
        if not (self.lexemes and self.lexemes[-1].kind == "broken"):
            return None
        before = self.text[: self.lexemes[-1].start]
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    @property
    def explained(self) -> bool:
        """Whether the statement is explained, or its cursor declared."""
        return self.first > 0

    @property
    def kind(self) -> str:
        """The kind of the statement, as the dialect's rule names it."""
        return self.rule.kind if self.rule else "unknown"

    @property
    def planned(self) -> bool:
        """Whether the statement is parsed and rewritten."""
        return self.kind in _PLANNED

    @property
    def invoked(self) -> frozenset[str]:
        """What stands before parentheses, up to them, in upper case.

        A name that is qualified begins with the dot; one in quotes has them.
        """
        found = [t for t in self.lexemes if t.kind not in ("blank", "comment")]
        return frozenset(
            "." * (before.text == ".") + name.word + self.text[name.end : opening.start]
            for before, name, opening in zip(
                [_NOTHING, *found], found, found[1:], strict=False
            )
            if opening.text == "(" and name.kind in ("word", "quoted")
        )


def read(text: str, dialect: Dialect, lexer: Lexer) -> Source:
    """Lex ``text`` and tell its kind; never raises."""
    lexemes = tuple(lexer.lex(text))
    significant = [t for t in lexemes if t.kind not in ("blank", "comment")]
    while significant and significant[-1].text == ";":
        significant.pop()
    words = tuple(t.word for t in significant)
    first = dialect.explained(words)
    broken = significant and significant[-1].kind == "broken"
    rule = None if broken else dialect.classify(words[verb_of(words, first) :])
    several = len(dialect.statement_ends([*words, ";"])) > 1
    return Source(
        text,
        lexer,
        lexemes,
        words,
        first,
        not first or dialect.runs_explained(words[:first]),
        rule,
        several,
        tuple(t for t in significant if t.kind == "placeholder" and t.text != "%%"),
        tuple(t.text for t in lexemes if t.kind == "comment"),
    )


def verb_of(words: Sequence[str], first: int) -> int:
    """Where in ``words`` the main verb of a statement that may begin with WITH."""
    if words[first : first + 1] != ("WITH",):
        return first
    depth = 0
    for i in range(first, len(words)):
        if not depth and words[i - 1 : i + 1] == (")", "("):  # a query in parentheses
            return i
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth and words[i] in _VERBS and words[i - 1] not in _NAMING:
            return i
    return first


_VERBS = ("SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "TABLE")
#: After these a verb is the name of a common table expression, or of its columns.
_NAMING = ("WITH", "RECURSIVE", ",", "BY", "SET", "TO", "DEFAULT", "USING", "CYCLE")
