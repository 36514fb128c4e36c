"""SQLite: lexing, names, statements and catalogue (https://www.sqlite.org/lang.html)."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from kysera_dbapi.catalogue import Catalogue, Table, UniqueKey, folded
from kysera_dbapi.dialect import Dialect, Execute, Lexical, Rule
from kysera_dbapi.errors import DataError
from kysera_dbapi.shape import Lexer
from kysera_dialects import sqlite_catalogue, sqlite_statements

__all__ = ["SQLiteDialect"]

#: Converters are for other types (https://docs.python.org/3/library/sqlite3.html).
_PLAIN_TYPES = ("", "INT", "INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB")
#: https://www.sqlite.org/lang_keywords.html
_KEYWORDS = """
ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE
BEGIN BETWEEN BY CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT
CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DATABASE DEFAULT
DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE EXCEPT
EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL
GENERATED GLOB GROUP GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER
INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY LAST LEFT LIKE LIMIT MATCH MATERIALIZED
NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS OUTER OVER
PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP
REINDEX RELEASE RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT
SELECT SET TABLE TEMP TEMPORARY THEN TIES TO TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE
UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT
"""


class SQLiteDialect(Dialect):
    """SQLite 3.35 and up."""

    name: ClassVar[str] = "sqlite"
    grammar: ClassVar[str] = "sqlite"
    driver: ClassVar[str] = "sqlite3"
    lexical: Lexical = Lexical(
        # a byte order mark is blank, but within a word
        blank=r"[ \t\n\f\r\ufeff]++",
        comment=r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?",
        string=r"(?:'[^']*+')++(?!')",
        # sqlglot reads a hexadecimal number as a string of bits: neither folds
        blob=r"[xX]'[^']*+'|0[xX][0-9a-fA-F]++",
        quoted=r'"(?:[^"]|"")*+"|`(?:[^`]|``)*+`|\[[^\]]*+\]',
        number=r"(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?+",
        placeholder=r"\?\d*+|[:@$][\w$\x80-\U0010ffff]++(?:::[\w$]*+)*+(?:\([^)\s]*+\)?)?",
        word=r"(?!\ufeff)[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*+",
        broken=r"['\"`\[]",
    )
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())
    placed: ClassVar[frozenset[str]] = frozenset(
        "CROSS FULL INNER LEFT NATURAL OFFSET OUTER RIGHT WINDOW".split()
    )
    # https://www.sqlite.org/src/dir/ext/misc, and the shell's
    dangerous_functions: ClassVar[frozenset[str]] = frozenset(
        "edit eval fsdir fts3_tokenizer fts5 load_extension lsmode readfile "
        "sqlar_uncompress writefile zipfile zipfile_cds".split()
    )
    dangerous_relations: ClassVar[frozenset[str]] = frozenset(
        "sqlite_dbdata sqlite_dbpage sqlite_dbptr sqlite_stat3 sqlite_stat4 "
        "sqlite_stmt".split()  # the texts of statements, of other tenants' too
    )
    statistics: ClassVar[frozenset[str]] = frozenset(
        "dbstat pragma_foreign_key_check pragma_integrity_check pragma_quick_check "
        "sqlite_sequence sqlite_stat1 sqlite_stat2".split()
    )
    # those of the extensions that are often compiled in, and the table functions
    knows_own: ClassVar[bool] = True
    # sqlite_sequence; definitions need PRAGMA writable_schema, which is refused
    writes_own: ClassVar[bool] = True
    known_functions: ClassVar[frozenset[str]] = frozenset(
        "bm25 fts5_source_id generate_series highlight json_each json_tree jsonb_each "
        "jsonb_tree match matchinfo offsets optimize rtreedepth rtreenode "
        "snippet".split()
    )
    operator_functions: ClassVar[Mapping[str, str]] = {"REGEXP": "regexp"}
    modules: ClassVar[frozenset[str]] = sqlite_statements.MODULES
    in_reads_table: ClassVar[bool] = True
    table_parts: ClassVar[frozenset[str]] = frozenset(
        ("this", "db", "alias", "indexed", "joins")
    )
    comma_binds_looser: ClassVar[bool] = False
    crosses_on: ClassVar[bool] = True
    # https://www.sqlite.org/lang_upsert.html#parsing_ambiguity
    joins_without_on: ClassVar[bool] = True
    forgets_aliases: ClassVar[bool] = True
    # seen in 3.40.1, mended in 3.54.1: SELECT x FROM (SELECT x FROM a WHERE g = 0
    # UNION ALL SELECT z FROM b RIGHT JOIN c) shows every row of a
    outer_join_spoils_union: ClassVar[bool] = True
    # with it nothing is pushed down; flattened, what is left has no WHERE of its own:
    # https://www.sqlite.org/optoverview.html#subquery_flattening
    barrier: ClassVar[str] = "LIMIT -1"
    names_columns_by_text: ClassVar[bool] = True
    headings_to_next: ClassVar[bool] = True
    # an UPDATE does (its update.c), a DELETE does not
    changes_as_it_reads: ClassVar[bool] = True
    returning_names_table: ClassVar[bool] = True
    # seen in 3.40.1, mended in 3.51.1: all are numbers there, so that '07' = '7'
    returning_is_typed: ClassVar[bool] = False
    numbers_placeholders: ClassVar[bool] = True
    refuses_nul: ClassVar[bool] = True
    row_identifiers: ClassVar[frozenset[str]] = frozenset(("rowid", "oid", "_rowid_"))
    tells_rows: ClassVar[bool] = True
    row_functions: ClassVar[frozenset[str]] = frozenset(("last_insert_rowid",))
    several = "You can only execute one statement at a time; use executescript()"
    rules: ClassVar[tuple[Rule, ...]] = sqlite_statements.RULES

    def fold(self, name: str, *, quoted: bool) -> str:
        """SQLite ignores the case of ASCII letters, quoted or not."""
        return folded(name)

    def unquote(self, token: str) -> str:
        """Take off ``"``, `````, ``[`` or ``'`` (SQLite takes a string for a name)."""
        first = token[:1]
        if first == "[":
            return token[1:-1]
        if first in ('"', "`", "'"):
            return token[1:-1].replace(first * 2, first)
        return token

    def typed(self, constant: str, type_: str) -> str:
        """A number, with the column's affinity: ``0 = '0'`` or not; NULL has none.

        https://www.sqlite.org/datatype3.html#determination_of_column_affinity
        """
        upper = type_.upper()
        untyped = "INT" not in upper and (not upper or "BLOB" in upper)
        if untyped or constant == "NULL":
            return constant
        real = "INT" not in upper and any(t in upper for t in ("REAL", "FLOA", "DOUB"))
        return f"CAST({constant} AS {'REAL' if real else 'INTEGER'})"

    def row_key(self, table: Table) -> Sequence[str]:
        """The rowid, if a name of it is free; a primary key may hold NULLs."""
        if table.without_rowid:
            return table.primary_key
        names = sorted(self.row_identifiers, reverse=True)
        return next(((name,) for name in names if table.column(name) is None), ())

    def row_number(self, table: Table) -> str:
        """The rowid: https://www.sqlite.org/c3ref/last_insert_rowid.html"""
        return "" if table.without_rowid else next(iter(self.row_key(table)), "")

    def tell(self, value: str) -> str:
        """A function that the session registers."""
        return f"_k_row({value})"

    def indexes(
        self, execute: Execute, table: Table
    ) -> Sequence[tuple[str, tuple[str, ...]]]:
        """https://www.sqlite.org/pragma.html#pragma_index_list"""
        return sqlite_catalogue.indexes(self, execute, table)

    def index_name(self, table: Table, name: str) -> str:
        """The schema stands before the name of the index."""
        return f"{self.quote(table.schema)}.{self.quote(name)}"

    def create_index(self, table: Table, name: str, columns: Sequence[str]) -> str:
        """The name of the table has none."""
        names = ", ".join(map(self.quote, columns))
        full = self.index_name(table, name)
        return f"CREATE INDEX {full} ON {self.quote(table.name)} ({names})"

    def check(self, label: str) -> tuple[str, str]:
        """A function that the session registers; it raises."""
        return "_k_check(", f", {self.literal(label)})"

    def is_plain(self, declared: str) -> bool:
        """The types that SQLite gives values to by itself."""
        return declared.upper() in _PLAIN_TYPES

    def unconverted(self, column: str) -> str:
        """The sign takes the declared type off, by which sqlite3 would convert."""
        return f"+{column}"

    def in_list(self, *, negated: bool = False) -> tuple[str, str]:
        """A text of JSON (https://www.sqlite.org/json1.html#jeach).

        A sign has no affinity, as in ``IN (1, 2)``: as the column that it is, 1 is
        never '1'.
        """
        return f"{'NOT ' * negated}IN (SELECT +value FROM json_each(", "))"

    def one_of(self, columns: Sequence[str], types: Sequence[str]) -> tuple[str, str]:
        """The list is a text of JSON (https://www.sqlite.org/json1.html#jeach)."""
        if len(columns) == 1:
            before, after = self.in_list()
            return f"{columns[0]} {before}", after
        values = (f"json_extract(value, '$[{i}]')" for i in range(len(columns)))
        row, values_ = ", ".join(columns), ", ".join(values)
        return f"({row}) IN (SELECT {values_} FROM json_each(", "))"

    def listed(self, rows: Sequence[Sequence[object]]) -> object:
        """Integers and texts; what JSON could change is refused."""
        for row in rows:
            if not all(map(_is_faithful, row)):
                raise DataError(
                    "a BLOB, a REAL, NULL, a broken text or a number beyond 64 bits "
                    "cannot be bound in a list; bind such values, or delete the rows "
                    "with such keys, one by one",
                    code="unsupported-key",
                )
        keys = [row[0] if len(row) == 1 else row for row in rows]
        return json.dumps(keys, ensure_ascii=False)

    def timestamp(self, moment: datetime) -> object:
        """UTC, as CURRENT_TIMESTAMP writes it, and six digits more.

        So the times of both clocks sort, and sqlite3's own converter reads them:
        https://docs.python.org/3/library/sqlite3.html#sqlite3-default-converters
        """
        utc = moment.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(" ", "microseconds")

    def instant(self, value: str) -> str:
        """Texts with a date, of any zone, to the millisecond.

        https://www.sqlite.org/lang_datefunc.html
        """
        return f"CASE WHEN {value} LIKE '____-__-__%' THEN julianday({value}) END"

    def violates(self, error: BaseException, table: Table, key: UniqueKey) -> bool:
        """SQLite knows them by their texts alone."""
        columns = ", ".join(f"{table.name}.{column}" for column in key.columns)
        named = columns if all(key.columns) else f"index '{key.name}'"
        expected = f"UNIQUE constraint failed: {named}"
        return self._folded(str(error)) == self._folded(expected)

    def _folded(self, text: str) -> str:
        return self.fold(text, quoted=True)

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """All of them see each other, both ways, RECURSIVE or not."""
        return names

    def is_dangerous(self, name: str) -> bool:
        """A pragma's table function is judged as the pragma."""
        if name.startswith("pragma_"):
            rule = self.classify(("PRAGMA", name[7:].upper()))
            return rule is None or rule.treatment == "refused"
        return super().is_dangerous(name)

    def knows(self, name: str) -> bool:
        """The table functions of harmless pragmas too."""
        tells = self.is_dangerous(name) or name in self.statistics
        pragma = name.startswith("pragma_") and not tells
        return pragma or super().knows(name)

    def view_path(self, schema: str, path: Sequence[str]) -> Sequence[str]:
        """A view sees its own database alone, a temporary one sees all."""
        return path if schema == "temp" else (schema,)

    def module(self, definition: str) -> str:
        """What follows USING."""
        lexemes = [t for t in _LEXER.lex(definition) if t.kind in ("word", "quoted")]
        words = [t.word for t in lexemes]
        if "USING" not in words[:-1]:
            return ""
        return self.unquote(lexemes[words.index("USING") + 1].text).lower()

    def conflict_clause(self, words: Sequence[str]) -> tuple[str, int]:
        """https://www.sqlite.org/lang_conflict.html; REPLACE is INSERT OR REPLACE."""
        if words[0] == "REPLACE":
            return "REPLACE", 0
        if len(words) > 2 and words[1] == "OR":
            return words[2], 2
        return "", 0

    def schema_stamp(self, execute: Execute) -> object:
        """The schema cookies: https://www.sqlite.org/pragma.html#pragma_schema_version"""
        names = {str(row[1]) for row in execute("PRAGMA database_list")}
        return [
            execute("PRAGMA foreign_keys"),
            *(
                (name, execute(f"PRAGMA {self.quote(name)}.schema_version")[0][0])
                for name in sorted(names | {"temp"})  # listed once it is used
            ),
        ]

    def schema_differs(self, error: BaseException) -> bool:
        """SQLite knows errors of names by their texts alone."""
        unplanned = getattr(error, "code", "") == "unplanned-relation"
        return unplanned or bool(_NO_SUCH.match(str(error)))

    def is_too_deep(self, error: BaseException) -> bool:
        """Its parser has room for 100 levels, and tells of it by its text alone."""
        return str(error) == "parser stack overflow"

    def classify(self, words: Sequence[str]) -> Rule | None:
        """The rule for a statement of these ``words``; WITH is the caller's to skip."""
        at = 3 if len(words) > 3 and words[2] == "." else 1
        pragma = self.unquote(words[at]).lower() if len(words) > at else ""
        module = self.module(" ".join(words)) if "VIRTUAL" in words[:3] else ""
        return sqlite_statements.classify(words, pragma, module)

    def explained(self, words: Sequence[str]) -> int:
        """https://www.sqlite.org/lang_explain.html"""
        plan = tuple(words[1:3]) == ("QUERY", "PLAN")
        return (3 if plan else 1) if words and words[0] == "EXPLAIN" else 0

    def evaluates(self, words: Sequence[str]) -> bool:
        """An index of expressions, or of some rows; a column with a CHECK."""
        return sqlite_statements.evaluates(words)

    def statement_ends(self, words: Sequence[str]) -> list[int]:
        """As sqlite3_complete(): the body of a trigger ends with ``; END ;``."""
        return sqlite_statements.statement_ends(words)

    def lists(self) -> Mapping[str, Collection[str]]:
        """Pragmas, modules, functions and relations."""
        return {
            "Pragmas that pass": sqlite_statements.PRAGMAS,
            "Pragmas that pass if they set nothing": sqlite_statements.READ_PRAGMAS,
            "Modules of virtual tables that pass": self.modules,
            "Functions that are refused": self.dangerous_functions,
            "Relations that are refused": self.dangerous_relations,
            "Relations that strict mode refuses": self.statistics,
        }

    def read_catalogue(self, execute: Execute) -> Catalogue:
        """Read the schema table of every database and the pragmas of its tables."""
        return sqlite_catalogue.read(self, execute)


def _is_faithful(value: object) -> bool:
    """Whether SQLite reads the value from JSON as it was."""
    if isinstance(value, str):
        return value.isprintable() or not ("\0" in value or _SURROGATE.search(value))
    return type(value) is int and -_BOUND <= value < _BOUND


#: Greater numbers are REAL in JSON.
_BOUND = 1 << 63
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEXER = Lexer(SQLiteDialect.lexical)
_NO_SUCH = re.compile(
    r"no such (table|column)|table .* has no column named|table .* has \d+ columns but"
)
