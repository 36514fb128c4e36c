"""The functions that a text calls: which names are calls, and which of them may not be.

A call is told by its tokens, so that texts which are not parsed (definitions of views,
triggers and tables) are judged as those that are.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from kysera_dbapi.catalogue import Catalogue, Function, parts_of
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.mentions import Mentions, significant
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dbapi.source import Source, read

__all__ = ["Functions"]

#: After these a name before a parenthesis is a table's, a type's or a pragma's.
_NAMING = ("AS", "INTO", "REFERENCES", "TABLE", "EXISTS", "PRAGMA")

_NAMES = ("word", "quoted")


class Functions:
    """What a database's functions may do; ``declared`` holds the program's own."""

    def __init__(
        self, dialect: Dialect, catalogue: Catalogue, declared: Collection[str] = ()
    ) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._declared = declared
        self._mentions = Mentions(dialect, catalogue)
        self._lexer = Lexer(dialect.lexical)

    def check(self, source: Source, *, strict: bool) -> None:
        """Refuse dangerous functions, and in strict mode those that are not known.

        Those that are none of the database's own are not judged: see ``routines``.
        Raises ``UnsupportedStatement`` (dangerous-function).
        """
        self.check_names(self.calls(source), strict=False)
        own = self._catalogue.functions
        fields = (n for n, valued in self._fields(source) if valued and n in own)
        self.check_names(fields, strict=strict)
        if strict and source.planned:
            self._check_known(source)

    def check_names(self, names: Iterable[str], *, strict: bool) -> None:
        """As ``check``, for the (folded) names of the functions that a view calls."""
        for name in names:
            if self._dialect.is_dangerous(name):
                raise _refused(name, "it runs SQL, reads files or shows stored rows")
            if strict and not self.is_known(name):
                raise _refused(name, "strict mode does not know it")

    def is_known(self, name: str) -> bool:
        """Whether a (folded) name is a function that strict mode lets be called."""
        table = self._catalogue.resolve([name])
        return (
            self._dialect.knows(name)
            or (self._dialect.knows_own and name in self._catalogue.functions)
            or name in self._declared
            or (table is not None and table.kind == "virtual")
        )

    def _check_known(self, source: Source) -> None:
        operators = self._dialect.operator_functions
        names = [operators[word] for word in source.words if word in operators]
        invoked = self._invoked(source, types=False)
        others = (parts[-1] for parts in invoked if not self._catalogue.called(parts))
        self.check_names((*names, *others), strict=True)

    def calls(self, source: Source) -> Iterator[str]:
        """The (folded) names that stand where a function's name does."""
        return (parts[-1] for parts in self._invoked(source))

    def _invoked(
        self, source: Source, *, types: bool = True
    ) -> Iterator[tuple[str, ...]]:
        """The same, with what qualifies them.

        After another name it is a type's: ``VARYING CHARACTER(9)``; ``types`` says
        whether to take those too.
        """
        lexemes = significant(source.lexemes)
        words = [t.word for t in lexemes]
        keywords = self._dialect.keywords
        types = types or not self._dialect.types_of_words
        for i, lexeme in enumerate(lexemes[:-1]):
            if words[i + 1] != "(" or lexeme.kind not in _NAMES:
                continue
            parts = self._qualified(lexemes, i)
            syntax = lexeme.kind == "word" and words[i] in keywords
            if syntax and not self._catalogue.called(parts):
                continue  # a function called like that is harmless
            before = lexemes[i - 1] if i else lexeme
            named = before.kind == "quoted" or (
                before.kind == "word" and words[i - 1] not in keywords
            )
            if not (_names_table(words, i, source) or (i and named and not types)):
                yield parts

    def _qualified(self, lexemes: Sequence[Lexeme], at: int) -> tuple[str, ...]:
        """The (folded) name that ends there."""
        start = at
        while start > 1 and lexemes[start - 1].text == ".":
            start -= 2
        return tuple(self._folded(t.text) for t in lexemes[start : at + 1 : 2])

    def _folded(self, text: str) -> str:
        name = self._dialect.unquote(text)
        return self._dialect.fold(name, quoted=name != text)

    def _fields(self, source: Source) -> Iterator[tuple[str, bool]]:
        """The (folded) names after a dot, and whether it is after a value.

        ``t.f`` may be a column, and ``(x).f`` a field; else both are calls of f.
        """
        lexemes = significant(source.lexemes)
        after = [*(t.text for t in lexemes[3:]), ""]
        for before, dot, name, following in zip(
            lexemes, lexemes[1:], lexemes[2:], after, strict=False
        ):
            if dot.text == "." and name.kind in _NAMES and following != "(":
                yield self._folded(name.text), before.kind not in _NAMES

    # -- functions that are none of the database's own ------------------------------

    def routines(self, source: Source) -> list[Function]:
        """Those that a text may call: by name, as a field, an operator, or unnamed.

        Any of a name counts, as the arguments choose.
        """
        catalogue = self._catalogue
        if not catalogue.routines:
            return []
        found = [one for p in self._invoked(source) for one in catalogue.called(p)]
        for name, _ in self._fields(source):
            found += catalogue.called([name])
        lexemes = significant(source.lexemes)
        for name in self._mentions.operators(lexemes):
            found += [f for f in self._mentions.routines_named(name) if f.is_operator]
        if source.planned or (source.rule and source.rule.keeps_text):
            found += catalogue.implicit
        return list({id(one): one for one in found}.values())

    def check_routine(self, routine: Function, *, strict: bool) -> None:
        """Refuse one whose body is dangerous; in strict mode, one that is not known.

        Those that it calls in its turn are not judged.
        Raises ``UnsupportedStatement`` (dangerous-function).
        """
        own = [
            parts_of(k)[1] for k in routine.calls if k not in self._catalogue.routines
        ]
        self.check_names(own, strict=strict)
        if routine.reads is None and routine.language in self._dialect.languages:
            code = "".join(f"{t.text} " for t in self._mentions.code(routine.text))
            called = self.calls(read(code, self._dialect, self._lexer))
            names = [name for name in called if name in self._catalogue.functions]
            self.check_names(names, strict=strict)
        if self._dialect.changes_names(routine.text):
            raise _refused(routine.name, "names would mean other tables afterwards")
        if strict and not self._dialect.is_plain_routine(routine):
            raise _refused(routine.name, "strict mode cannot tell what it does")


def _names_table(words: Sequence[str], at: int, source: Source) -> bool:
    """Whether the name before a parenthesis is followed by a list of columns."""
    before = at - 2 if words[at - 1 : at] == ["."] else at
    previous = words[before - 1] if before else ""
    created = source.words[0] == "CREATE" and previous == "USING"  # a module's, then
    index = source.kind == "create index" and previous == "ON"
    if previous in _NAMING or created or index or _is_alias(words, at):
        return True
    if source.kind == "merge" and (previous, words[at]) == ("THEN", "INSERT"):
        return _after_list(words, at)[:2] == ["VALUES", "("]
    return previous in ("WITH", "RECURSIVE", ",") and _is_cte(words, at)


def _is_alias(words: Sequence[str], at: int) -> bool:
    """Whether a name follows parentheses: ``(VALUES (1)) v(k)``.

    A call follows none but those of DISTINCT ON.
    """
    if not at or words[at - 1] != ")":
        return False
    depth, i = 1, at - 1
    while depth and i:
        i -= 1
        depth += (words[i] == ")") - (words[i] == "(")
    return i > 0 and words[i - 1] != "ON"


def _is_cte(words: Sequence[str], at: int) -> bool:
    """Whether the list of columns is followed by ``AS (`` or ``AS MATERIALIZED (``."""
    after = [w for w in _after_list(words, at) if w not in _MATERIALIZED]
    return after[:2] == ["AS", "("]


def _after_list(words: Sequence[str], at: int) -> list[str]:
    """The first words after the parentheses that follow a name."""
    depth = 0
    for i in range(at + 1, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth:
            return list(words[i + 1 : i + 5])
    return []


_MATERIALIZED = ("NOT", "MATERIALIZED")


def _refused(name: str, why: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"the function {name} is refused: {why}; do without it, or run the statement "
        "under bypass()",
        code="dangerous-function",
    )
