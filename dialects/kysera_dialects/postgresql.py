"""PostgreSQL: lexing, names, statements and catalogue.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from kysera_dbapi.catalogue import Catalogue, Function, Table, UniqueKey
from kysera_dbapi.dialect import Dialect, Execute, Lexical, Rule, Style
from kysera_dbapi.shape import Lexeme
from kysera_dialects import postgresql_functions, postgresql_statements
from kysera_dialects.postgresql_spelling import stand_ins
from kysera_dialects.postgresql_strings import (
    BITS,
    COMMENT,
    ESCAPED,
    PLAIN,
    UNICODE,
    in_pieces,
    says,
)

__all__ = ["PostgreSQLDialect"]

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ASCII_LOWER = str.maketrans(_UPPER, _LOWER)
#: NAMEDATALEN less the zero at its end.
_NAME_BYTES = 63

#: Those of pg_get_keywords() that are reserved, some but for types and functions.
_KEYWORDS = """
ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC AUTHORIZATION BINARY BOTH CASE CAST
CHECK COLLATE COLLATION COLUMN CONCURRENTLY CONSTRAINT CREATE CROSS CURRENT_CATALOG
CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER
DEFAULT DEFERRABLE DESC DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FREEZE FROM
FULL GRANT GROUP HAVING ILIKE IN INITIALLY INNER INTERSECT INTO IS ISNULL JOIN LATERAL
LEADING LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP NATURAL NOT NOTNULL NULL OFFSET ON ONLY
OR ORDER OUTER OVERLAPS PLACING PRIMARY REFERENCES RETURNING RIGHT SELECT SESSION_USER
SIMILAR SOME SYMMETRIC SYSTEM_USER TABLE TABLESAMPLE THEN TO TRAILING TRUE UNION UNIQUE
USER USING VARIADIC VERBOSE WHEN WHERE WINDOW WITH
"""

#: Those that are not, and that sqlglot knows: a name or a keyword by their place.
_PLACED = """
BETWEEN CROSS CUBE DELETE ESCAPE EXISTS FILTER FIRST FULL INNER INSERT LEFT MERGE
NATURAL NEXT OPERATOR ORDINALITY OUTER OVER RECURSIVE RIGHT ROLLUP ROW ROWS SET TEMP
TEMPORARY UPDATE VALUES
"""

_DIGITS = r"[0-9](?:_?[0-9])*+"
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_TAG = rf"(?:[{_LETTER}][{_LETTER}0-9]*+)?"


_DOLLAR = rf"\${_TAG}\$"


class PostgreSQLDialect(Dialect):
    """PostgreSQL 12 and up, with standard_conforming_strings on."""

    name: ClassVar[str] = "postgresql"
    grammar: ClassVar[str] = "postgres"
    driver: ClassVar[str] = "psycopg"
    lexical: Lexical = Lexical(
        blank=r"[ \t\n\r\f\v]++",
        comment=COMMENT,
        string=in_pieces(PLAIN),
        blob=(
            rf"[eE]{in_pieces(ESCAPED)}|[nN]{in_pieces(PLAIN)}|{UNICODE[0]}"
            rf"|[bBxX]{in_pieces(BITS)}"
            r"|0[xX](?:_?[0-9a-fA-F])++|0[oO](?:_?[0-7])++|0[bB](?:_?[01])++"
        ),
        quoted=rf'"(?:[^"]|"")*+"|{UNICODE[1]}',
        # 1..2 is 1, one token of two dots, and 2
        number=(
            rf"(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?+)?+|(?<!\.)\.{_DIGITS})"
            rf"(?:[eE][+-]?{_DIGITS})?+"
        ),
        placeholder=r"\$[0-9]++",
        word=rf"[{_LETTER}][{_LETTER}0-9$]*+",
        format=r"%[sbt%]|%\([^)]*\)[sbt]",
        numbered="$",
        dollar=_DOLLAR,
        broken=rf"/\*|(?:[uU]&)?['\"]|[eEnNbBxX]'|{_DOLLAR}",
    )
    # psycopg formats a text if it gets values, a RawCursor never
    styles: ClassVar[tuple[Style, Style, Style]] = ("%s", "%s", "$1")
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())
    placed: ClassVar[frozenset[str]] = frozenset(_PLACED.split())
    dangerous_functions: ClassVar[frozenset[str]] = postgresql_functions.DANGEROUS
    dangerous_relations: ClassVar[frozenset[str]] = (
        postgresql_functions.DANGEROUS_RELATIONS
    )
    known_functions: ClassVar[frozenset[str]] = postgresql_functions.KNOWN
    statistics: ClassVar[frozenset[str]] = postgresql_functions.STATISTICS
    languages: ClassVar[frozenset[str]] = postgresql_functions.LANGUAGES
    types_of_words: ClassVar[bool] = False
    table_parts: ClassVar[frozenset[str]] = frozenset(
        ("this", "db", "catalog", "alias", "joins", "only", "sample", "ordinality")
    )
    laterals: ClassVar[bool] = True
    # without a limit of its own a query is pulled up; with any it is not
    barrier: ClassVar[str] = "OFFSET 0"
    # https://www.postgresql.org/docs/current/sql-select.html#SQL-SELECT-LIST
    names_columns_by_text: ClassVar[bool] = False
    unnamed: ClassVar[str] = "?column?"
    refuses_nul: ClassVar[bool] = True
    locking: ClassVar[str] = " FOR UPDATE"
    rows_end_early: ClassVar[bool] = True
    commit_may_undo: ClassVar[bool] = True
    filters_full_joins: ClassVar[bool] = False
    joins_nothing: ClassVar[bool] = True
    writes_in_with: ClassVar[bool] = True
    groups_by_key: ClassVar[bool] = True
    triggers_change_rows: ClassVar[bool] = True
    # since PostgreSQL 18; before that they are names of nothing
    row_images: ClassVar[tuple[str, ...]] = ("old", "new")
    has_table_queries: ClassVar[bool] = True
    explains_rows: ClassVar[bool] = True
    upserts_by_any_key: ClassVar[bool] = False
    # https://www.postgresql.org/docs/current/ddl-system-columns.html
    row_identifiers: ClassVar[frozenset[str]] = frozenset(
        ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
    )
    several = (
        "cannot insert multiple commands into a prepared statement; execute() each of "
        "them, or all of them in one text without values"
    )
    # https://www.postgresql.org/docs/current/functions-sequence.html
    row_functions: ClassVar[frozenset[str]] = frozenset(("currval", "lastval"))
    rules: ClassVar[tuple[Rule, ...]] = postgresql_statements.RULES

    def fold(self, name: str, *, quoted: bool) -> str:
        """ASCII letters become small ones, and what is over 63 bytes is cut off.

        Other letters stay as they are where a character may take several bytes
        (``downcase_identifier``), as in UTF8.
        """
        folded = name if quoted else name.translate(_ASCII_LOWER)
        if len(folded) * 4 <= _NAME_BYTES:
            return folded
        encoded = folded.encode(errors="surrogatepass")
        if len(encoded) <= _NAME_BYTES:
            return folded
        return encoded[:_NAME_BYTES].decode(errors="ignore")

    def unquote(self, token: str) -> str:
        """What a name, or a string in any of its forms, says.

        Raises ``UnsupportedStatement`` (unsupported-construct) for escapes that mean
        nothing.
        """
        return says(token)

    def stand_ins(self, lexemes: Sequence[Lexeme]) -> Mapping[int, str]:
        """What sqlglot's grammar of PostgreSQL lacks."""
        return stand_ins(lexemes)

    def typed(self, constant: str, type_: str) -> str:
        """A NULL without a type is a text, and calls other functions."""
        return f"CAST({constant} AS {type_})" if type_ else constant

    def flags(self, type_: str) -> tuple[str, str]:
        """A boolean is no number, and compares with none.

        https://www.postgresql.org/docs/current/datatype-boolean.html
        """
        return ("false", "true") if type_ == "boolean" else super().flags(type_)

    def holds_moment(self, type_: str) -> bool:
        """Not a type of another kind; a domain may be of any."""
        return not type_.startswith((*_NUMBERS, "boolean", *_OTHERS))

    def holds_flag(self, type_: str) -> bool:
        """Numbers and booleans, and domains of them."""
        return not type_.startswith((*_TEXTS, *_MOMENTS, *_OTHERS))

    def indexes(
        self, execute: Execute, table: Table
    ) -> Sequence[tuple[str, tuple[str, ...]]]:
        """https://www.postgresql.org/docs/current/catalog-pg-index.html"""
        found: Sequence[tuple[str, tuple[str, ...]]]
        found = _catalogue().indexes(self, execute, table)
        return found

    def check(self, label: str) -> tuple[str, str]:
        """A cast that fails, with the label in its error (22P02).

        ``random()`` is volatile: the cast is not tried when the statement is planned.
        """
        said = self.literal(f"_k_check:{label}")
        nothing = (
            "pg_catalog.substr(CAST(pg_catalog.random() AS pg_catalog.text), 1, 0)"
        )
        failing = f"CAST(pg_catalog.concat({said}, {nothing}) AS boolean)"
        return "CASE WHEN (", f") THEN true ELSE {failing} END"

    def in_list(self, *, negated: bool = False) -> tuple[str, str]:
        """An array, of the driver's type or of the type that it is compared with."""
        operator, of = ("<>", "ALL") if negated else ("=", "ANY")
        return f"{self.operator(operator)} {of} (", ")"

    def one_of(self, columns: Sequence[str], types: Sequence[str]) -> tuple[str, str]:
        """An array for one column, for several JSON of texts that are cast back.

        So for several their types must read what ``str()`` writes: numbers, texts,
        UUIDs, booleans, dates and times do.
        """
        if len(columns) == 1:
            before, after = self.in_list()
            return f"{columns[0]} {before}", after
        item = f"_k.v {self.operator('->>')}"
        values = (f"CAST({item} {i} AS {type_})" for i, type_ in enumerate(types))
        return (
            f"({', '.join(columns)}) {self.operator('=')} ANY (SELECT "
            f"{', '.join(values)} FROM pg_catalog.jsonb_array_elements(CAST(",
            " AS pg_catalog.jsonb)) AS _k(v))",
        )

    def listed(self, rows: Sequence[Sequence[object]]) -> object:
        """A list for one column; JSON of the values' texts for several."""
        if all(len(row) == 1 for row in rows):
            return [row[0] for row in rows]
        return json.dumps(
            [[None if v is None else str(v) for v in row] for row in rows]
        )

    def violates(self, error: BaseException, table: Table, key: UniqueKey) -> bool:
        """It names schema, table and constraint."""
        diag = getattr(error, "diag", None)
        named = [getattr(diag, f"{part}_name", None) for part in _CONSTRAINT]
        unique = getattr(error, "sqlstate", None) == "23505"
        return unique and named == [table.schema, table.name, key.name]

    def meets_twice(self, error: BaseException) -> bool:
        """It is a cardinality_violation."""
        return getattr(error, "sqlstate", None) == "21000"

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """Those before it; with RECURSIVE all of them."""
        return names if recursive else names[:position]

    def is_dangerous(self, name: str) -> bool:
        """Families of functions by the beginnings of their names, too."""
        return postgresql_functions.is_dangerous(name)

    def is_plain_routine(self, routine: Function) -> bool:
        """By its language; of C, by its extension."""
        return postgresql_functions.is_plain(routine)

    def changes_names(self, code: str) -> bool:
        """SET of the search path or the role, as a statement."""
        return postgresql_functions.changes_names(code)

    def definition(self, execute: Execute, view: Table) -> str:
        """As the server prints it; it waits for the tables that are locked whole."""
        found: str = _catalogue().definition(execute, view)
        return found

    def policy_path(self, catalogue: Catalogue, schema: str) -> Sequence[str]:
        """Not that of the session, which callers may set, nor temporary tables."""
        return "pg_catalog", catalogue.home

    def operator(self, symbol: str) -> str:
        """https://www.postgresql.org/docs/current/sql-expressions.html"""
        return f"OPERATOR(pg_catalog.{symbol})"

    def pinned(
        self, condition: str, catalogue: Catalogue, types: Collection[str] = ()
    ) -> str:
        """See ``postgresql_pinning``."""
        found: str = _pinning().pinned(self, condition, catalogue, types)
        return found

    def classify(self, words: Sequence[str]) -> Rule | None:
        """The rule for a statement of these ``words``; WITH is the caller's to skip."""
        return postgresql_statements.classify(words)

    def explained(self, words: Sequence[str]) -> int:
        """https://www.postgresql.org/docs/current/sql-explain.html"""
        return postgresql_statements.explained(words)

    def runs_explained(self, words: Sequence[str]) -> bool:
        """ANALYZE does."""
        return postgresql_statements.runs_explained(words)

    def evaluates(self, words: Sequence[str]) -> bool:
        """An index of expressions, or of some rows; a column with a CHECK."""
        return postgresql_statements.evaluates(words)

    def schema_stamp(self, execute: Execute) -> object:
        """What the catalogue's reader takes for it."""
        return _catalogue().stamp(execute)

    def schema_differs(self, error: BaseException) -> bool:
        """By the codes of names that mean nothing, or something else, now.

        https://www.postgresql.org/docs/current/errcodes-appendix.html
        """
        unplanned = getattr(error, "code", "") == "unplanned-relation"
        state = getattr(error, "sqlstate", None)
        stale = state == "0A000" and "cached plan must not change" in str(error)
        return unplanned or state in _NO_SUCH or stale

    def is_too_deep(self, error: BaseException) -> bool:
        """By the code of max_stack_depth, and the parser's words for its own."""
        state = getattr(error, "sqlstate", None)
        full = state == "42601" and "memory exhausted" in str(error)
        return state == "54001" or full

    def lists(self) -> Mapping[str, Collection[str]]:
        """Settings, functions and relations."""
        return {
            "Settings that pass": postgresql_statements.SETTINGS,
            "Functions that are refused": self.dangerous_functions,
            "Functions that are refused by the beginnings of their names": (
                postgresql_functions.DANGEROUS_PREFIXES
            ),
            "Extensions whose functions in C strict mode lets be called": (
                postgresql_functions.EXTENSIONS
            ),
            "Relations that are refused": self.dangerous_relations,
            "Relations that strict mode refuses": self.statistics,
        }

    def read_catalogue(self, execute: Execute) -> Catalogue:
        """Read the system catalogues."""
        found: Catalogue = _catalogue().read(self, execute)
        return found


#: The beginnings of the names of types: as values go into a column, or do not.
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TEXTS = ("text", "character", '"char"')
_MOMENTS = ("timestamp", "date")
_OTHERS = ("uuid", "json", "bytea", "interval", "time with", "inet", "bit", "xml")
_CONSTRAINT = ("schema", "table", "constraint")
#: Undefined tables, columns, functions, objects and schemas; a wrong column reference.
_NO_SUCH = ("42P01", "42703", "42883", "42704", "3F000", "42P10")


def _catalogue() -> Any:
    """What reads the catalogue: it comes when it is wanted."""
    return import_module("kysera_dialects.postgresql_catalogue")


def _pinning() -> Any:
    """What reads conditions."""
    return import_module("kysera_dialects.postgresql_pinning")
