"""The functions that a text calls: which names are calls, and which of them may not be.

A call is told by its tokens, so that texts which are not parsed (definitions of views,
triggers and tables) are judged as those that are.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.source import Source

__all__ = ["Functions"]

#: After these a name before a parenthesis is a table's, a type's or a pragma's.
_NAMING = ("AS", "INTO", "REFERENCES", "TABLE", "EXISTS", "USING", "PRAGMA")


class Functions:
    """What a database's functions may do; ``declared`` holds the program's own."""

    def __init__(
        self, dialect: Dialect, catalogue: Catalogue, declared: Collection[str] = ()
    ) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._declared = declared

    def check(self, source: Source, *, strict: bool) -> None:
        """Refuse dangerous functions, and in strict mode those that are not known.

        Raises ``UnsupportedStatement`` (dangerous-function).
        """
        self.check_names(self.calls(source), strict=False)
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
            name in self._catalogue.functions
            or self._dialect.knows(name)
            or name in self._declared
            or (table is not None and table.kind == "virtual")
        )

    def _check_known(self, source: Source) -> None:
        operators = self._dialect.operator_functions
        names = [operators[word] for word in source.words if word in operators]
        self.check_names((*names, *self.calls(source, types=False)), strict=True)

    def calls(self, source: Source, *, types: bool = True) -> Iterator[str]:
        """The (folded) names that stand where a function's name does.

        After another name it is a type's: ``VARYING CHARACTER(9)``; ``types`` says
        whether to take those too.
        """
        lexemes = [t for t in source.lexemes if t.kind not in ("blank", "comment")]
        words = [t.word for t in lexemes]
        keywords = self._dialect.keywords
        for i, lexeme in enumerate(lexemes[:-1]):
            if words[i + 1] != "(" or lexeme.kind not in ("word", "quoted"):
                continue
            if lexeme.kind == "word" and words[i] in keywords:
                continue  # syntax; a function called like that is harmless
            before = lexemes[i - 1] if i else lexeme
            named = before.kind == "quoted" or (
                before.kind == "word" and words[i - 1] not in keywords
            )
            if not (_names_table(words, i, source) or (i and named and not types)):
                name = self._dialect.unquote(lexeme.text)
                yield self._dialect.fold(name, quoted=name != lexeme.text)


def _names_table(words: Sequence[str], at: int, source: Source) -> bool:
    """Whether the name before a parenthesis is followed by a list of columns."""
    before = at - 2 if words[at - 1 : at] == ["."] else at
    previous = words[before - 1] if before else ""
    if previous in _NAMING or (previous == "ON" and source.kind == "create index"):
        return True
    return previous in ("WITH", "RECURSIVE", ",") and _is_cte(words, at)


def _is_cte(words: Sequence[str], at: int) -> bool:
    """Whether the list of columns is followed by ``AS (`` or ``AS MATERIALIZED (``."""
    depth = 0
    for i in range(at + 1, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth:
            after = [w for w in words[i + 1 : i + 5] if w not in _MATERIALIZED]
            return after[:2] == ["AS", "("]
    return False


_MATERIALIZED = ("NOT", "MATERIALIZED")


def _refused(name: str, why: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"the function {name} is refused: {why}; do without it, or run the statement "
        "under bypass()",
        code="dangerous-function",
    )
