"""The tables and functions that a text may name, in strings too, and what it writes to.

A text is not parsed: it may be of another language. Where a name is not sure it counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Protocol

from kysera_dbapi.catalogue import Catalogue, Function, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexeme, Lexer

__all__ = ["Event", "Mentions", "significant"]

#: A table, and what happens to its rows: INSERT, UPDATE, DELETE or TRUNCATE.
Event = tuple[Table, str]

_NAMES = ("word", "quoted", "string")
_ALL = ("INSERT", "UPDATE", "DELETE")


class _Fold(Protocol):
    def __call__(self, name: str, *, quoted: bool) -> str: ...


_OPTIONS = ("IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK")
#: What may stand before the name of a table that is written to.
_BESIDE = ("TABLE", "ONLY", *_OPTIONS)
#: Of what follows DELETE: ``DELETE FROM t``, ``DELETE t FROM``, ``DELETE t, u FROM``.
_DELETING = ("FROM", ",", ".", *_OPTIONS)


class Mentions:
    """Looks for the names of one catalogue."""

    def __init__(self, dialect: Dialect, catalogue: Catalogue) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._lexer = Lexer(dialect.lexical)

    def lexemes(self, text: str) -> list[Lexeme]:
        """The tokens of a text, but for blanks and comments."""
        return significant(self._lexer.lex(text))

    def code(self, text: str) -> list[Lexeme]:
        """Those tokens, each string followed by the tokens within it."""
        return list(self._opened(self.lexemes(text)))

    def _opened(self, lexemes: Iterable[Lexeme]) -> Iterator[Lexeme]:
        for lexeme in lexemes:
            yield lexeme
            if lexeme.kind in ("string", "blob", "broken"):
                yield from self._opened(self.lexemes(self._within(lexeme)))

    def _within(self, lexeme: Lexeme) -> str:
        """What a string says; of one with escapes what is sure."""
        if lexeme.kind == "string":
            return self._dialect.unquote(lexeme.text)
        _, quote, said = lexeme.text.partition("'")
        escapes = said if quote else lexeme.text[1:]
        return escapes.replace("\\n", " ").replace("\\t", " ").replace("\\", " ")

    # -- tables -------------------------------------------------------------------

    def tables(self, lexemes: Sequence[Lexeme]) -> list[Table]:
        """The relations of any schema whose names stand there, in strings too."""
        fold = self._dialect.fold_relation
        names = dict.fromkeys(self._names(lexemes, fold))
        return [table for name in names for table in self._tables.get(name, ())]

    def tables_within(self, text: str) -> list[Table]:
        """The relations whose names are a part of a text in any language."""
        said = text.lower()
        found = self._tables.items()
        return [t for name, tables in found if name.lower() in said for t in tables]

    @cached_property
    def _tables(self) -> dict[str, list[Table]]:
        found: dict[str, list[Table]] = {}
        for table in self._catalogue.tables.values():
            found.setdefault(table.name, []).append(table)
        return found

    def _names(
        self, lexemes: Sequence[Lexeme], fold: "_Fold", *, rows: bool = False
    ) -> Iterator[str]:
        """The names, folded; with ``rows`` those of the columns of NEW and OLD, too."""
        for i, lexeme in enumerate(lexemes):
            if lexeme.kind not in _NAMES or (not rows and _is_of_row(lexemes, i)):
                continue
            said = self._dialect.unquote(lexeme.text)
            name = fold(said, quoted=said != lexeme.text)
            yield name
            if lexeme.kind == "string":
                yield from self._names(self.lexemes(name), fold, rows=rows)

    # -- functions ----------------------------------------------------------------

    def routines(self, lexemes: Sequence[Lexeme]) -> list[Function]:
        """The functions and operators of any schema whose names stand there."""
        called = self._names(lexemes, self._dialect.fold, rows=True)
        names = {*called, *self.operators(lexemes)}
        return [one for name in sorted(names) for one in self.routines_named(name)]

    def routines_named(self, name: str) -> list[Function]:
        """The functions and operators of that (folded) name, in any schema."""
        return self._routines.get(name, [])

    def routines_within(self, text: str) -> list[Function]:
        """The functions whose names are a part of a text in any language."""
        said = text.lower()
        found = self._routines.items()
        return [f for name, many in found if name.lower() in said for f in many]

    def operators(self, lexemes: Sequence[Lexeme]) -> Iterator[str]:
        """The operators, none of the database's own, that may stand there.

        Of symbols that touch, any part may be one: how they are divided depends on
        what there is.
        """
        if not self._operators:
            return
        for run in _runs(lexemes):
            yield from (name for name in self._operators if name in run)

    @cached_property
    def _routines(self) -> dict[str, list[Function]]:
        found: dict[str, list[Function]] = {}
        for routines in self._catalogue.routines.values():
            for one in routines:
                found.setdefault(one.name, []).append(one)
        return found

    @cached_property
    def _operators(self) -> list[str]:
        return [name for name, (one, *_) in self._routines.items() if one.is_operator]

    # -- writing ------------------------------------------------------------------

    def writes(self, lexemes: Sequence[Lexeme]) -> Iterator[Event]:
        """What statements that stand there do to the rows of tables.

        UPDATE and DELETE may name several: all up to SET or WHERE count.
        """
        words = [t.word for t in lexemes]
        for i, word in enumerate(words):
            at, after = i + 1, words[i + 1 : i + 3]
            events: Sequence[str] = _inserts(words, i)
            tables: Iterable[Table] = self._written(lexemes, words, at)
            if word == "UPDATE" and after[:1] != ["SET"]:
                events = ["UPDATE"]
                events += ["DELETE"] if after == ["OR", "REPLACE"] else []
                tables = self._listed(lexemes, words, at, ("SET",))
            elif word == "DELETE" and not set(after).isdisjoint(_DELETING):
                events = ["DELETE"]
                tables = self._listed(lexemes, words, at, ("WHERE", "LIMIT", ";"))
            if events:
                for table in tables:
                    yield from ((table, event) for event in events)

    def _listed(
        self,
        lexemes: Sequence[Lexeme],
        words: Sequence[str],
        at: int,
        ends: Sequence[str],
    ) -> list[Table]:
        """The tables up to one of those words; none where a semicolon comes before."""
        wanted = (*ends, ";")
        end = next((i for i in range(at, len(words)) if words[i] in wanted), len(words))
        known = words[end : end + 1] != [";"] or ";" in ends
        return self.tables(lexemes[at:end]) if known else []

    def _written(
        self, lexemes: Sequence[Lexeme], words: Sequence[str], at: int
    ) -> Iterator[Table]:
        """The tables of that name, and after a comma."""
        while at < len(words) and words[at] in _BESIDE:
            at += 1
        while words[at + 1 : at + 2] == ["."]:
            at += 2
        yield from self.tables(lexemes[at : at + 1])
        if words[at + 1 : at + 2] == [","]:
            yield from self._written(lexemes, words, at + 2)


def _inserts(words: Sequence[str], at: int) -> Sequence[str]:
    """What a word does to the rows of the table that is named next; INTO may lack."""
    word, before = words[at], words[max(at - 2, 0) : at + 1]
    if word in ("INTO", "INSERT", "REPLACE"):
        upserts = (("DO", "UPDATE"), ("DUPLICATE", "KEY", "UPDATE"))
        updates = any(_follow(words, one) for one in upserts)
        events = ["INSERT", *(["UPDATE"] if updates else [])]
        events += ["DELETE"] if "REPLACE" in before else []
        return _ALL if before[-2:] == ["MERGE", "INTO"] else events
    return {"TRUNCATE": ["TRUNCATE"], "COPY": ["INSERT"]}.get(word, [])


def significant(lexemes: Iterable[Lexeme]) -> list[Lexeme]:
    """All that are neither blank nor comment."""
    return [t for t in lexemes if t.kind not in ("blank", "comment")]


def _runs(lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """Symbols that touch; ``%%`` is one to the database."""
    run, end = "", -1
    for lexeme in lexemes:
        percent = lexeme.text in ("%%", "%")
        if lexeme.kind != "symbol" and not percent:
            continue
        if run and lexeme.start != end:
            yield run
            run = ""
        run, end = run + lexeme.text[:1], lexeme.end
    if run:
        yield run


def _is_of_row(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Whether a name is a column of NEW or OLD."""
    before = [t.word for t in lexemes[max(at - 2, 0) : at]]
    return before in (["NEW", "."], ["OLD", "."])


def _follow(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether ``wanted`` stand somewhere in ``words``, one after the other."""
    size = len(wanted)
    return any(
        tuple(words[i : i + size]) == tuple(wanted)
        for i in range(len(words) - size + 1)
    )
