"""MySQL and MariaDB: lexing, names, statements and catalogue.

What a session's sql_mode and server change is in the dialect's value: equal dialects
read all texts alike.

https://dev.mysql.com/doc/refman/8.4/en/ · https://mariadb.com/docs/server/
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from itertools import takewhile
from typing import Any, ClassVar, Self

from kysera_dbapi.catalogue import Catalogue, Column, Table, UniqueKey
from kysera_dbapi.dialect import Dialect, Execute, Rule, Style
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.shape import Lexeme
from kysera_dbapi.value_list import ValueList
from kysera_dialects import (
    mysql_fitting,
    mysql_functions,
    mysql_lexing,
    mysql_pinning,
    mysql_spelling,
    mysql_statements,
    mysql_storing,
    mysql_telling,
)
from kysera_dialects.mysql_rules import SETTINGS
from kysera_dialects.mysql_types import (
    MOMENTS,
    OTHERS,
    POINTED_TO,
    TEXTS,
    WHOLE,
    parsed,
)

__all__ = ["MariaDBDialect", "MySQLDialect", "dialect_of"]

_Version = tuple[int, int, int]
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")


class MySQLDialect(Dialect):
    """MySQL 8 and up, in the modes of a session.

    ``modes`` are those of its sql_mode that change what a text means, the others are
    left out; ``lower_case`` is the server's lower_case_table_names. With
    ``counts_changes`` an UPDATE is told the rows that it changes, and not all it finds.
    A ``narrow`` session has no letters beyond U+FFFF.
    """

    name: ClassVar[str] = "mysql"
    grammar: ClassVar[str] = "mysql"
    driver: ClassVar[str] = "pymysql"
    #: The version that is assumed where none is known.
    assumed: ClassVar[_Version] = (8, 0, 11)
    oldest: ClassVar[_Version] = (8, 0, 11)
    #: Modes by which a text is read another way.
    reading: ClassVar[frozenset[str]] = frozenset(
        "ANSI_QUOTES HIGH_NOT_PRECEDENCE IGNORE_SPACE NO_BACKSLASH_ESCAPES "
        "PIPES_AS_CONCAT SIMULTANEOUS_ASSIGNMENT".split()
    )
    # PyMySQL formats a text if it gets values
    styles: ClassVar[tuple[Style, Style, Style]] = ("%s", "%s", "?")
    keywords: ClassVar[frozenset[str]] = mysql_lexing.MYSQL
    placed: ClassVar[frozenset[str]] = frozenset(
        "ANY ESCAPE OFFSET ROLLUP SOME TEMPORARY".split()
    )
    returning: ClassVar[frozenset[str]] = frozenset()
    dangerous_functions: ClassVar[frozenset[str]] = mysql_functions.DANGEROUS
    dangerous_relations: ClassVar[frozenset[str]] = mysql_functions.DANGEROUS_RELATIONS
    known_functions: ClassVar[frozenset[str]] = mysql_functions.KNOWN
    statistics: ClassVar[frozenset[str]] = mysql_functions.STATISTICS
    aggregates: ClassVar[frozenset[str]] = mysql_functions.AGGREGATES
    operator_functions: ClassVar[Mapping[str, str]] = {}
    explains_rows: ClassVar[bool] = True
    # a row that is found by its key is read before the plan is made: seen in 9.7.4 with
    # FORMAT=JSON, in FORMAT=TREE, and in the note that FORMAT=TRADITIONAL leaves
    explains_values: ClassVar[frozenset[str]] = frozenset(
        ("DESC", "DESCRIBE", "EXPLAIN")
    )
    types_of_words: ClassVar[bool] = False
    table_parts: ClassVar[frozenset[str]] = frozenset(
        ("this", "db", "alias", "joins", "hints")
    )
    laterals: ClassVar[bool] = True
    crosses_on: ClassVar[bool] = True
    matches_columns: ClassVar[bool] = True
    writes_several: ClassVar[bool] = True
    partitions_follow_alias: ClassVar[bool] = True
    equals_loosely: ClassVar[bool] = True
    has_table_queries: ClassVar[bool] = True
    inserts_value: ClassVar[bool] = True
    says_on_conflict: ClassVar[bool] = False
    # https://dev.mysql.com/doc/refman/8.4/en/derived-table-optimization.html
    barrier: ClassVar[str] = "LIMIT 18446744073709551615"
    names_columns_by_text: ClassVar[bool] = True
    derived_names_are_of_table: ClassVar[bool] = True
    headings_of_strings: ClassVar[bool] = True
    # seen in 9.7.4: VALUES ROW((SELECT sum(t) FROM o WHERE NOT EXISTS (SELECT 1 FROM c
    # WHERE c.id = o.id))) joins all rows of c
    values_lose_conditions: ClassVar[bool] = True
    # https://dev.mysql.com/doc/refman/8.4/en/update.html (error 1093)
    reads_targets: ClassVar[bool] = False
    triggers_change_rows: ClassVar[bool] = True
    locking: ClassVar[str] = " FOR UPDATE"
    stamps_tables: ClassVar[bool] = True
    locks_derived: ClassVar[bool] = False
    joins_one: ClassVar[bool] = True
    groups_by_key: ClassVar[bool] = True
    # https://dev.mysql.com/doc/refman/8.4/en/create-index.html#create-index-unique
    row_identifiers: ClassVar[frozenset[str]] = frozenset(("_rowid",))
    row_functions: ClassVar[frozenset[str]] = frozenset(("last_insert_id",))
    steady_functions: ClassVar[frozenset[str]] = mysql_functions.STEADY
    rules: ClassVar[tuple[Rule, ...]] = mysql_statements.RULES

    def __init__(
        self,
        version: _Version | None = None,
        modes: Collection[str] = (),
        lower_case: int = 0,
        *,
        counts_changes: bool = False,
        narrow: bool = False,
    ) -> None:
        self.version = version or self.assumed
        self.modes = frozenset(modes) & self.reading
        self.lower_case = lower_case
        self.counts_changes, self.narrow = counts_changes, narrow
        self.settings = (self.version, self.modes, lower_case, counts_changes, narrow)
        major, minor, patch = self.version
        self.lexical = mysql_lexing.lexical(
            major * 10_000 + minor * 100 + patch, self.modes, mariadb=self._is_mariadb
        )
        self.grammar_settings = mysql_lexing.grammar_settings(self.modes)

    #: What holds of the indexes that are not put aside.
    used_indexes: ClassVar[str] = "IS_VISIBLE = 'YES'"
    #: Whether the information schema shows a default as it is written.
    shows_expressions: ClassVar[bool] = False
    _is_mariadb: ClassVar[bool] = False

    def in_modes(self, sql_mode: str) -> Self:
        """The dialect of the session after ``SET sql_mode``; ``@@sql_mode`` tells it.

        Raises ``ConfigurationError`` (unsupported-mode) for a mode that is another
        language.
        """
        modes = frozenset(sql_mode.upper().split(","))
        if "ORACLE" in modes:
            raise ConfigurationError(
                "sql_mode has ORACLE, in which statements are of another language; "
                "take it out",
                code="unsupported-mode",
            )
        made = type(self)(
            self.version,
            modes,
            self.lower_case,
            counts_changes=self.counts_changes,
            narrow=self.narrow,
        )
        return self if made == self else made

    def of_server(
        self, version: str, mode: str, lower_case: int, **session: bool
    ) -> "MySQLDialect":
        """MariaDB's is another one. Raises as ``dialect_of``."""
        return dialect_of(version, mode, lower_case, **session)

    # -- names --------------------------------------------------------------------

    def fold(self, name: str, *, quoted: bool) -> str:
        """Columns and functions are compared without regard to case.

        https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html
        """
        return name.lower() if name.isascii() else "".join(map(_lower, name))

    def fold_relation(self, name: str, *, quoted: bool) -> str:
        """Relations, aliases and schemas as lower_case_table_names says."""
        return self.fold(name, quoted=quoted) if self.lower_case else name

    def unquote(self, token: str) -> str:
        """What a name or a string says."""
        first = token[:1]
        if first == "`":
            return token[1:-1].replace("``", "`")
        if first in ("'", '"'):
            named = first == '"' and "ANSI_QUOTES" in self.modes
            if named or "\\" not in token or "NO_BACKSLASH_ESCAPES" in self.modes:
                return token[1:-1].replace(first * 2, first)
            return _SAID[first].sub(_said, token[1:-1])
        if first in ("n", "N") and token[1:2] == "'":
            return self.unquote(token[1:])
        return token

    def quote(self, name: str) -> str:
        """In backticks, which are quotes in every mode."""
        return "`" + name.replace("`", "``") + "`"

    def literal(self, value: str) -> str:
        """As a string in every mode."""
        if "\\" in value:
            return f"_utf8mb4 0x{value.encode().hex()}"
        return super().literal(value)

    def stand_ins(self, lexemes: Sequence[Lexeme]) -> Mapping[int, str]:
        """What the grammar of the servers has and the parser's lacks."""
        return mysql_spelling.stand_ins(lexemes, mariadb=self._is_mariadb)

    def advice(self, words: Sequence[str]) -> str:
        """What is known to have no parse."""
        return mysql_spelling.advice(words)

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """Those before it; with RECURSIVE itself, too.

        https://dev.mysql.com/doc/refman/8.4/en/with.html
        """
        return names[: position + recursive]

    # -- values -------------------------------------------------------------------

    def holds_moment(self, type_: str) -> bool:
        """Dates, and texts; no numbers."""
        return parsed(type_).base in (*MOMENTS, *TEXTS)

    def holds_flag(self, type_: str) -> bool:
        """Numbers."""
        return parsed(type_).base not in (*MOMENTS, *TEXTS, *OTHERS)

    def timestamp(self, moment: datetime) -> object:
        """In UTC and without a zone, which PyMySQL would leave out."""
        return moment.astimezone(UTC).replace(tzinfo=None)

    def in_list(self, *, negated: bool = False) -> tuple[str, str]:
        """A list that the driver spells: each value is compared as it would be bare."""
        return f"{'NOT ' * negated}IN ", ""

    def one_of(self, columns: Sequence[str], types: Sequence[str]) -> tuple[str, str]:
        """The same of rows."""
        row = columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
        return f"{row} IN ", ""

    def listed(self, rows: Sequence[Sequence[object]]) -> object:
        """What the session's driver spells; of no rows a query that gives none."""
        width = len(rows[0]) if rows else 1
        nulls = ", ".join(["NULL"] * width)
        empty = f"(SELECT {nulls} FROM DUAL WHERE FALSE)"
        return ValueList(tuple(map(tuple, rows)), empty)

    def check(self, label: str) -> tuple[str, str]:
        """A UUID that is none, with the label in its error (1411).

        So it is in every mode, and under IGNORE. ``rand()`` keeps it from being tried
        before it is reached.
        """
        failing = f"UUID_TO_BIN({self._labelled(label)}) IS NULL"
        return "CASE WHEN (", f") THEN 1 ELSE {failing} END"

    def _labelled(self, label: str) -> str:
        return f"CONCAT({self.literal(f'_k_check:{label}')}, SUBSTR(RAND(), 1, 0))"

    def pinned(
        self, condition: str, catalogue: Catalogue, types: Collection[str] = ()
    ) -> str:
        """As it is, if no sql_mode changes what it means."""
        mysql_pinning.check_condition(self, condition)
        return condition

    def equals_exactly(self, type_: str) -> tuple[type, ...]:
        """Of all that is not rounded: a 0 equals most texts, and 7 the text 7a."""
        return mysql_fitting.types_of(type_)

    def fitting(self, column: Column) -> Callable[[Any], bool] | None:
        """Numbers in their range, texts of their length, members of their list."""
        return mysql_fitting.fitting(column, narrow=self.narrow)

    def is_kept_apart(self, type_: str) -> bool:
        """Texts, documents and shapes, which rows only point to.

        Seen in MariaDB 10.11.19: ON DUPLICATE KEY UPDATE body = 'x', body =
        VALUES(body) writes an x over the proposed text; in MySQL 9.7.4 with JSON.
        """
        return parsed(type_).base in POINTED_TO

    def same(self) -> tuple[str, str, str]:
        """By their bytes: ``'7a' = 7`` and ``'a' = 'A '`` are true, too."""
        return "CAST(", " AS BINARY) = CAST(", " AS BINARY)"

    def comparisons(self, type_: str) -> tuple[tuple[str, str, str], ...]:
        """Exact ones: texts and numbers are equal to others, too.

        What is stored otherwise than it is given may seem to be a change. None of
        types whose values the server tells apart in other ways.
        """
        base, _, scale, *_ = parsed(type_)
        if base in WHOLE:  # a text is compared as a double
            return _EQUAL, ("CAST(", " AS BINARY) <=> CAST((", ") AS BINARY)")
        if base == "decimal":
            return (("", " <=> CAST((", f") AS DECIMAL(65, {scale}))"),)
        if base in TEXTS:
            text = " USING utf8mb4) AS BINARY)"
            return (("CAST(CONVERT(", f"{text} <=> CAST(CONVERT((", f"){text}"),)
        return (_EQUAL,) if base in _COMPARED else ()

    def stored(self, column: Column) -> tuple[Sequence[str], Sequence[str]] | None:
        """Whole numbers, short texts, dates: what each mode stores as it is given."""
        return mysql_storing.stored(
            column.type, column.collate, null=not column.not_null
        )

    @property
    def checks_in_place(self) -> bool:  # type: ignore[override]
        """Not if SET sees the row as it was."""
        return "SIMULTANEOUS_ASSIGNMENT" not in self.modes

    def violates(self, error: BaseException, table: Table, key: UniqueKey) -> bool:
        """By the end of its text: MySQL writes the name of the table, too."""
        if error.args[:1] != (1062,):
            return False
        named = str(error.args[1]).rpartition(" for key ")[2]
        return named in (f"'{key.name}'", f"'{table.name}.{key.name}'")

    def create_index(self, table: Table, name: str, columns: Sequence[str]) -> str:
        """Of texts the beginnings: whole ones have no index."""
        parts = (
            self.quote(one) + "(64)" * parsed(type_).base.endswith(("text", "blob"))
            for one, type_ in zip(columns, table.types(columns), strict=True)
        )
        on = f"{self.quote(table.schema)}.{self.quote(table.name)}"
        return f"CREATE INDEX {self.quote(name)} ON {on} ({', '.join(parts)})"

    def narrowed(self, table: Table, key: UniqueKey, condition: str) -> str:
        """By a column that is NULL in all other rows: those never meet by the key."""
        if not all(key.columns):
            return f"add IF({condition}, 1, NULL) to {self.quote(key.name)} as a column"
        mark = "live" if table.column("live") is None else f"{key.name}_live"
        columns = ", ".join(map(self.quote, (*key.columns, mark)))
        name = "_".join((table.name, *key.columns, "live"))
        return (
            f"ALTER TABLE {self.quote(table.name)} DROP INDEX {self.quote(key.name)}, "
            f"ADD COLUMN {self.quote(mark)} tinyint AS (IF({condition}, 1, NULL)) "
            f"INVISIBLE, ADD UNIQUE INDEX {self.quote(name)} ({columns})"
        )

    # -- statements ---------------------------------------------------------------

    def classify(self, words: Sequence[str]) -> Rule | None:
        """The rule for a statement of these ``words``; WITH is the caller's to skip."""
        return mysql_statements.classify(words)

    def explained(self, words: Sequence[str]) -> int:
        """https://dev.mysql.com/doc/refman/8.4/en/explain.html"""
        return mysql_statements.explained(words)

    def runs_explained(self, words: Sequence[str]) -> bool:
        """ANALYZE does."""
        return "ANALYZE" in words

    def evaluates(self, words: Sequence[str]) -> bool:
        """An index of expressions; a column with a CHECK, or computed."""
        return mysql_statements.evaluates(words)

    def statement_ends(self, words: Sequence[str]) -> list[int]:
        """The body of a routine holds semicolons: such a text is one statement."""
        return mysql_statements.statement_ends(words)

    def conflict_clause(self, words: Sequence[str]) -> tuple[str, int]:
        """The options of a write; https://dev.mysql.com/doc/refman/8.4/en/replace.html"""
        known = _OPTIONS | frozenset(("QUICK",) if words[0] == "DELETE" else ())
        options = list(takewhile(known.__contains__, words[1:]))
        action = "IGNORE" if "IGNORE" in options else ""
        return ("REPLACE" if words[0] == "REPLACE" else action), len(options)

    def is_dangerous(self, name: str) -> bool:
        """Families of functions by the beginnings of their names, too."""
        return mysql_functions.is_dangerous(name)

    def tells_of_rows(self, words: Sequence[str]) -> bool:
        """SHOW INDEX, SHOW TABLE STATUS and the like."""
        return mysql_telling.tells_of_rows(words)

    def keeping(self, words: Sequence[str]) -> str:
        """``:=``, and LAST_INSERT_ID of an expression."""
        return mysql_telling.keeping(words)

    def temporary_names(
        self, lexemes: Sequence[Lexeme]
    ) -> Sequence[tuple[Sequence[str], Sequence[str]]]:
        """https://dev.mysql.com/doc/refman/8.4/en/create-temporary-table.html"""
        return mysql_telling.temporary_names(self, lexemes)

    def schema_differs(self, error: BaseException) -> bool:
        """By the numbers of errors of names that mean nothing, or something else.

        https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
        """
        unplanned = getattr(error, "code", "") == "unplanned-relation"
        return unplanned or error.args[:1] in _NO_SUCH

    def is_too_deep(self, error: BaseException) -> bool:
        """By the numbers of a thread's stack, and of the parser's."""
        return error.args[:1] in ((1436,), (1064,)) and any(
            said in str(error) for said in ("stack", "memory exhausted")
        )

    def schema_stamp(self, execute: Execute) -> object:
        """What the catalogue's reader takes for it."""
        return _catalogue().stamp(execute)

    def table_stamps(
        self, execute: Execute, tables: Sequence[Table], invoked: Collection[str]
    ) -> Mapping[str, object] | None:
        """None if what is called may be a function of somebody's own."""
        if not all(map(mysql_functions.is_native, invoked)):
            return None
        found: Mapping[str, object] | None
        found = _catalogue().table_stamps(self, execute, tables)
        return found

    def read_catalogue(self, execute: Execute) -> Catalogue:
        """Read the tables of information_schema."""
        found: Catalogue = _catalogue().read(self, execute)
        return found

    def definition(self, execute: Execute, view: Table) -> str:
        """As the catalogue has it, which reads it with the rest."""
        found: str = _catalogue().definition(self, view)
        return found

    def indexes(
        self, execute: Execute, table: Table
    ) -> Sequence[tuple[str, tuple[str, ...]]]:
        """https://dev.mysql.com/doc/refman/en/information-schema-statistics-table.html"""
        found: Sequence[tuple[str, tuple[str, ...]]]
        found = _catalogue().indexes(self, execute, table)
        return found

    def lists(self) -> Mapping[str, Collection[str]]:
        """Functions and relations."""
        return {
            "Variables that pass": SETTINGS,
            "Functions that are refused": self.dangerous_functions,
            "Functions that are refused by the beginnings of their names": (
                mysql_functions.DANGEROUS_PREFIXES
            ),
            "Relations that are refused": self.dangerous_relations,
            "Relations that strict mode refuses": self.statistics,
        }


class MariaDBDialect(MySQLDialect):
    """MariaDB 10.6 and up."""

    assumed: ClassVar[_Version] = (10, 6, 0)
    oldest: ClassVar[_Version] = (10, 6, 0)
    keywords: ClassVar[frozenset[str]] = mysql_lexing.MARIADB
    placed: ClassVar[frozenset[str]] = frozenset(
        "ANY ESCAPE FIRST NEXT ROLLUP ROW SOME TEMPORARY".split()
    )
    laterals: ClassVar[bool] = False
    reads_targets: ClassVar[bool] = True
    has_table_queries: ClassVar[bool] = False
    # seen in 10.11: SELECT * FROM c within a WITH within a sub-select reads a table
    ctes_see_outer: ClassVar[bool] = False
    returning: ClassVar[frozenset[str]] = frozenset(("insert", "delete"))
    values_lose_conditions: ClassVar[bool] = False
    # of a system-versioned table: they are no part of *
    row_identifiers: ClassVar[frozenset[str]] = frozenset(
        ("_rowid", "row_end", "row_start")
    )
    # its plain EXPLAIN has no conditions and leaves no note
    explains_values: ClassVar[frozenset[str]] = frozenset(("EXTENDED", "FORMAT"))
    used_indexes: ClassVar[str] = "IGNORED = 'NO'"
    shows_expressions: ClassVar[bool] = True
    _is_mariadb: ClassVar[bool] = True
    headings_from_comma: ClassVar[bool] = True
    # seen in 10.11.19: SELECT * FROM a JOIN b USING (x) WHERE NOT EXISTS (SELECT 1 FROM
    # c WHERE c.x = b.x) ORDER BY a.y
    using_loses_exists: ClassVar[bool] = True
    # seen in 10.11.19: error 1054, or NULL where it is in a derived table, of INSERT ..
    # SELECT .. UNION SELECT .. RETURNING (SELECT sum(x) FROM a WHERE EXISTS (SELECT 1
    # FROM b WHERE b.y = a.y))
    returning_loses_columns: ClassVar[bool] = True

    def fold_cte(self, name: str) -> str:
        """Without regard to case, whatever lower_case_table_names is."""
        return self.fold(name, quoted=True)

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """Those before it; with RECURSIVE all of them.

        https://mariadb.com/docs/server/reference/sql-statements/data-manipulation/selecting-data/common-table-expressions
        """
        return names if recursive else names[:position]

    def check(self, label: str) -> tuple[str, str]:
        """A number out of range, whose error (1690) holds the expression's text.

        So it is in every mode, and under IGNORE.
        """
        failing = f"~0 + ({self._labelled(label)} IS NOT NULL)"
        return "CASE WHEN (", f") THEN 1 ELSE {failing} END"


def dialect_of(
    version: str, sql_mode: str, lower_case: int, **session: bool
) -> MySQLDialect:
    """The dialect of a session: its ``@@version``, ``@@sql_mode`` and so on.

    Of the ``session`` are ``counts_changes``, false with CLIENT.FOUND_ROWS, and
    ``narrow``.

    Raises ``ConfigurationError``: unsupported-server for one that is too old,
    unsupported-mode for one in ORACLE mode.
    """
    made = MariaDBDialect if "mariadb" in version.lower() else MySQLDialect
    found = _VERSION.match(version)
    number = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
    if number < made.oldest:
        oldest = ".".join(map(str, made.oldest))
        raise ConfigurationError(
            f"the server is {version}; {oldest} is the oldest that is supported",
            code="unsupported-server",
        )
    plain = made(number, (), lower_case, **session)
    return plain.in_modes(sql_mode)


def _lower(letter: str) -> str:
    """A letter as the server's caseless comparison takes it."""
    lower = letter.lower()
    return lower[0] if letter == "\u0130" or len(lower) == 1 else letter


_OPTIONS = frozenset("DELAYED HIGH_PRIORITY IGNORE LOW_PRIORITY".split())
_EQUAL = ("", " <=> (", ")")
_COMPARED = ("date", "datetime", "double", "enum", "float")
_SAID = {q: re.compile(rf"\\(.)|{q}{q}", re.DOTALL) for q in ("'", '"')}
#: https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
_ESCAPES = {
    "0": "\0",
    "b": "\b",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "Z": "\x1a",
    "%": "\\%",
    "_": "\\_",
}
#: Unknown databases, tables, columns, functions and keys; a changed definition.
_NO_SUCH = tuple((number,) for number in (1049, 1051, 1054, 1109, 1146, 1305, 1412))


def _said(found: re.Match[str]) -> str:
    """What an escape, or a doubled quote, in a string says."""
    return _ESCAPES.get(found[1], found[1]) if found[1] else found[0][0]


def _catalogue() -> Any:
    """What reads the catalogue: it comes when it is wanted."""
    return import_module("kysera_dialects.mysql_catalogue")
