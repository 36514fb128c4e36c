"""Conditions whose functions, operators and types are named with their schema.

PostgreSQL takes the function or operator that fits its arguments best, of all schemas
of the search path: one that somebody has made for varchar is taken before the
database's own for text. So a condition of ours names the database's own.

https://www.postgresql.org/docs/current/typeconv-oper.html
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from kysera_dbapi.catalogue import Catalogue, key_of
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dialects.postgresql_conditions import END, Reader, grouped, items, unclear

__all__ = ["pinned"]

#: The types of the database's own that are names like others.
_BUILT_IN = frozenset(
    """
    bool bytea bpchar cidr date datemultirange daterange float4 float8 inet int2 int4
    int4multirange int4range int8 int8multirange int8range json jsonb jsonpath macaddr
    macaddr8 money name numrange oid regclass regconfig regtype text timestamptz timetz
    tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit xml
    """.split()
)


def pinned(
    dialect: Dialect, condition: str, catalogue: Catalogue, types: Collection[str]
) -> str:
    """The text of a condition, its names with their schemas.

    ``types`` are those that its columns are declared with. Raises
    ``UnsupportedStatement`` (unsupported-construct) for what is not understood.
    """
    lexemes = list(Lexer(dialect.lexical, named=True).lex(condition))
    texts = [t.text for text in types for t in Lexer(dialect.lexical).lex(text)]
    words = map(dialect.unquote, (*texts, *_types_in(lexemes)))
    schemas = _Schemas(dialect, catalogue, frozenset(words))
    reader = Reader(grouped(iter(items(lexemes)), ""), schemas)
    text = reader.expression()
    if reader.next is not END:
        raise unclear(reader.next.text)
    return _bare(text, dialect)


def _types_in(lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """The names that may be of types: after ``::`` and AS."""
    typed, last = False, ""
    for lexeme in lexemes:
        if lexeme.kind in ("blank", "comment"):
            continue
        if lexeme.text not in (":", ".") and lexeme.word != "AS":
            if typed and lexeme.kind in ("word", "quoted"):
                yield lexeme.text
            typed = typed and lexeme.kind in ("word", "quoted")
        elif lexeme.text != ".":
            typed = lexeme.word == "AS" or last == ":"
        last = lexeme.text


def _bare(text: str, dialect: Dialect) -> str:
    """Without the parentheses that are round all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for lexeme in Lexer(dialect.lexical, named=True).lex(text):
        depth += (lexeme.text == "(") - (lexeme.text == ")")
        if not depth:
            return text[1:-1] if 1 < lexeme.end == len(text) else text
    return text


@dataclass(frozen=True, slots=True)
class _Schemas:
    """In which schemas names are; ``words`` may be types that are meant."""

    dialect: Dialect
    catalogue: Catalogue
    words: frozenset[str]

    def of(self, name: str) -> str:
        """The schema of a function or an operator: the database's own, if it has one.

        Raises ``UnsupportedStatement`` where one of a type of somebody's own is meant.
        """
        said = self.dialect.unquote(name)
        folded = self.dialect.fold(said, quoted=said != name)
        home = self.catalogue.home
        own = self.catalogue.routines.get(key_of(home, folded), ())
        if any(self.words & one.takes - _BUILT_IN for one in own):
            raise UnsupportedStatement(
                f"{name} may be that of the schema {home} or the database's own; write "
                f"it with its schema, as {home}.lower(x) or a OPERATOR({home}.=) b",
                code="unsupported-construct",
            )
        database = folded in self.catalogue.functions
        return self.dialect.quote(home) if own and not database else "pg_catalog"

    def of_type(self, name: str) -> str:
        """The schema of a type.

        Raises ``UnsupportedStatement`` for one that is not the database's own.
        """
        if name.lower() not in _BUILT_IN:
            raise UnsupportedStatement(
                f"the type {name} must be written with its schema",
                code="unsupported-construct",
            )
        return "pg_catalog"
