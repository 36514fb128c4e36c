"""SQLite: lexing, names, statements and catalogue (https://www.sqlite.org/lang.html)."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from kysera_dbapi.catalogue import (
    Catalogue,
    Column,
    ForeignKey,
    Table,
    TableKind,
    Trigger,
    UniqueKey,
)
from kysera_dbapi.dialect import Dialect, Execute, Lexical, Rule
from kysera_dbapi.shape import Lexer

__all__ = ["RULES", "SQLiteDialect"]

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ASCII_LOWER = str.maketrans(_UPPER, _LOWER)

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

#: Pragmas that show no row and change nothing that a filter stands on.
_PRAGMAS = """
analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size
cache_spill case_sensitive_like cell_size_check checkpoint_fullfsync collation_list
compile_options data_version database_list defer_foreign_keys encoding foreign_key_list
foreign_keys freelist_count full_column_names fullfsync function_list hard_heap_limit
incremental_vacuum index_info index_list index_xinfo integrity_check journal_mode
legacy_alter_table
journal_size_limit locking_mode max_page_count mmap_size module_list optimize page_count
page_size pragma_list query_only quick_check read_uncommitted recursive_triggers
reverse_unordered_selects schema_version secure_delete short_column_names shrink_memory
soft_heap_limit stats synchronous table_info table_list table_xinfo temp_store threads
trusted_schema user_version wal_autocheckpoint wal_checkpoint
"""

_FROZEN = "its text would be kept and run outside the shim"

RULES = (
    Rule(
        "select",
        "`SELECT`, `VALUES`, `WITH ... SELECT`",
        "planned",
        "every relation it reads is filtered",
        ("SELECT * FROM orders", "VALUES (1, 2)", "WITH c AS (SELECT 1) SELECT 1"),
    ),
    Rule(
        "insert",
        "`INSERT`, `INSERT OR ...`, `REPLACE`",
        "planned",
        "its sources and sub-selects are filtered; see the plugins for its target",
        ("INSERT INTO log SELECT id, total FROM orders",),
    ),
    Rule(
        "update",
        "`UPDATE`, `UPDATE OR ...`",
        "planned",
        "its target and every relation it reads are filtered",
        ("UPDATE orders SET total = 1",),
    ),
    Rule(
        "delete",
        "`DELETE`",
        "planned",
        "its target and every relation it reads are filtered; soft delete makes it "
        "an UPDATE",
        ("DELETE FROM orders",),
    ),
    Rule(
        "explain",
        "`EXPLAIN`, `EXPLAIN QUERY PLAN` of the above",
        "planned",
        "as the statement that it explains",
        ("EXPLAIN QUERY PLAN SELECT * FROM orders",),
    ),
    Rule(
        "create table as",
        "`CREATE [TEMP] TABLE ... AS SELECT`",
        "planned",
        "the SELECT is filtered, so the copy holds what the caller may see",
        ("CREATE TABLE copy AS SELECT * FROM orders",),
        effect="catalogue",
    ),
    Rule(
        "transaction",
        "`BEGIN`, `COMMIT`, `END`, `ROLLBACK`, `SAVEPOINT`, `RELEASE`",
        "passed",
        "touches no row by itself; the transaction stack follows it",
        ("BEGIN",),
        effect="transaction",
    ),
    Rule(
        "pragma",
        "`PRAGMA` of the list below",
        "passed",
        "shows no row and changes nothing that a filter stands on",
        ("PRAGMA table_info(orders)", "PRAGMA main.user_version"),
    ),
    Rule(
        "other pragma",
        "any other `PRAGMA`",
        "refused",
        "unknown pragmas, `writable_schema` and the like can go round a filter",
        ("PRAGMA writable_schema = 1", "PRAGMA foreign_key_check"),
    ),
    Rule(
        "create table",
        "`CREATE [TEMP] TABLE`",
        "passed",
        "defines a table; catalogue and plans are dropped",
        ("CREATE TABLE notes (id INTEGER)",),
        effect="catalogue",
    ),
    Rule(
        "create index",
        "`CREATE [UNIQUE] INDEX`",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("CREATE INDEX i ON orders (total)",),
        effect="catalogue",
    ),
    Rule(
        "create view",
        "`CREATE [TEMP] VIEW`",
        "passed",
        "refused if it names a protected table: " + _FROZEN,
        ("CREATE VIEW v AS SELECT * FROM log",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create trigger",
        "`CREATE [TEMP] TRIGGER`",
        "passed",
        "refused if it names a protected table: " + _FROZEN,
        ("CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT 1; END",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "create virtual table",
        "`CREATE VIRTUAL TABLE`",
        "passed",
        "refused if it names a protected table: it would read it unfiltered",
        ("CREATE VIRTUAL TABLE f USING fts5(body)",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "add column",
        "`ALTER TABLE ... ADD [COLUMN]`",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("ALTER TABLE orders ADD COLUMN note TEXT",),
        effect="catalogue",
    ),
    Rule(
        "alter table",
        "`ALTER TABLE` otherwise (`RENAME`, `DROP COLUMN`)",
        "passed",
        "refused if it names a protected table: it would take the protection away",
        ("ALTER TABLE log RENAME COLUMN id TO number",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "drop",
        "`DROP TABLE`, `DROP VIEW`, `DROP INDEX`, `DROP TRIGGER`",
        "passed",
        "refused if it names a protected table: it would remove hidden rows",
        ("DROP TABLE log",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "maintenance",
        "`ANALYZE`, `REINDEX`, `VACUUM`",
        "passed",
        "shows no row and changes none",
        ("ANALYZE", "VACUUM"),
    ),
    Rule(
        "vacuum into",
        "`VACUUM INTO`",
        "refused",
        "copies hidden rows into another file; dump through the connection instead",
        ("VACUUM INTO 'copy.db'",),
    ),
    Rule(
        "attach",
        "`ATTACH`, `DETACH`",
        "refused",
        "gives tables a second name; do it under `bypass(...)`",
        ("ATTACH ':memory:' AS other", "DETACH other"),
        effect="catalogue",
    ),
)

_BY_KIND = {rule.kind: rule for rule in RULES}
_FIRST = {
    "SELECT": "select",
    "VALUES": "select",
    "INSERT": "insert",
    "REPLACE": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "BEGIN": "transaction",
    "COMMIT": "transaction",
    "END": "transaction",
    "ROLLBACK": "transaction",
    "SAVEPOINT": "transaction",
    "RELEASE": "transaction",
    "ANALYZE": "maintenance",
    "REINDEX": "maintenance",
    "ATTACH": "attach",
    "DETACH": "attach",
    "DROP": "drop",
}
_CREATE = {
    "TABLE": "create table",
    "INDEX": "create index",
    "VIEW": "create view",
    "TRIGGER": "create trigger",
    "VIRTUAL": "create virtual table",
}


class SQLiteDialect(Dialect):
    """SQLite 3.35 and up."""

    name: ClassVar[str] = "sqlite"
    grammar: ClassVar[str] = "sqlite"
    driver: ClassVar[str] = "sqlite3"
    lexical: ClassVar[Lexical] = Lexical(
        blank=r"[ \t\n\f\r]++",
        comment=r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?",
        string=r"(?:'[^']*+')++(?!')",
        # sqlglot reads a hexadecimal number as a string of bits: neither folds
        blob=r"[xX]'[^']*+'|0[xX][0-9a-fA-F]++",
        quoted=r'"(?:[^"]|"")*+"|`(?:[^`]|``)*+`|\[[^\]]*+\]',
        number=r"(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?+",
        placeholder=r"\?\d*+|[:@$][\w$\x80-\U0010ffff]++(?:::[\w$]*+)*+(?:\([^)\s]*\))?",
        word=r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*+",
    )
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())
    dangerous_functions: ClassVar[frozenset[str]] = frozenset(
        "edit fsdir fts3_tokenizer load_extension lsmode readfile sqlar_uncompress "
        "writefile zipfile".split()
    )
    dangerous_relations: ClassVar[frozenset[str]] = frozenset(
        "sqlite_dbpage sqlite_stat3 sqlite_stat4".split()
    )
    in_reads_table: ClassVar[bool] = True
    table_parts: ClassVar[frozenset[str]] = frozenset(
        ("this", "db", "alias", "indexed", "joins")
    )
    comma_binds_looser: ClassVar[bool] = False
    refuses_nul: ClassVar[bool] = True
    row_identifiers: ClassVar[frozenset[str]] = frozenset(("rowid", "oid", "_rowid_"))
    rules: ClassVar[tuple[Rule, ...]] = RULES
    pragmas: ClassVar[frozenset[str]] = frozenset(_PRAGMAS.split())

    def fold(self, name: str, *, quoted: bool) -> str:
        """SQLite ignores the case of ASCII letters, quoted or not."""
        return name.translate(_ASCII_LOWER)

    def unquote(self, token: str) -> str:
        """Take off ``"``, `````, ``[`` or ``'`` (SQLite takes a string for a name)."""
        first = token[:1]
        if first == "[":
            return token[1:-1]
        if first in ('"', "`", "'"):
            return token[1:-1].replace(first * 2, first)
        return token

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """All of them see each other, both ways, RECURSIVE or not."""
        return names

    def classify(self, words: Sequence[str]) -> Rule | None:
        """The rule for a statement of these ``words``; WITH is the caller's to skip."""
        first = words[0] if words else ""
        second = words[1] if len(words) > 1 else ""
        kind = _FIRST.get(first)
        if first == "CREATE":
            kind = _create(words)
        elif first == "ALTER":
            kind = "add column" if _adds_column(words) else "alter table"
        elif first == "VACUUM":
            kind = "vacuum into" if "INTO" in words else "maintenance"
        elif first == "PRAGMA":
            name = words[3] if len(words) > 3 and words[2] == "." else second
            harmless = name.lower() in self.pragmas
            kind = "pragma" if harmless else "other pragma"
        return _BY_KIND.get(kind) if kind else None

    def conflict_clause(self, words: Sequence[str]) -> tuple[str, int]:
        """https://www.sqlite.org/lang_conflict.html; REPLACE is INSERT OR REPLACE."""
        if words[0] == "REPLACE":
            return "REPLACE", 0
        if len(words) > 2 and words[1] == "OR":
            return words[2], 2
        return "", 0

    def statement_ends(self, words: Sequence[str]) -> list[int]:
        """As sqlite3_complete(): the body of a trigger ends with ``; END ;``."""
        ends: list[int] = []
        start = 0
        for i, word in enumerate(words):
            if word != ";":
                continue
            if _is_trigger(words[start : start + 5]) and words[i - 2 : i] != [
                ";",
                "END",
            ]:
                continue
            ends.append(i)
            start = i + 1
        return ends

    def read_catalogue(self, execute: Execute) -> Catalogue:
        """Read the schema table of every database and the pragmas of its tables."""
        databases = [
            (str(r[1]), str(r[2] or "")) for r in execute("PRAGMA database_list")
        ]
        digest = hashlib.blake2b(repr(databases).encode(), digest_size=16)
        tables: dict[str, Table] = {}
        foreign_keys: list[ForeignKey] = []
        files: dict[str, str] = {}
        same_file: dict[str, str] = {}
        for schema, file in databases:
            schema = self.fold(schema, quoted=True)
            if file and file in files:
                same_file[schema] = files[file]
                continue
            files[file] = schema
            reader = _SchemaReader(self, schema, execute)
            digest.update(repr(reader.rows).encode("utf-8", "surrogatepass"))
            tables.update((t.key, t) for t in reader.tables())
            foreign_keys.extend(reader.foreign_keys())
        names = [self.fold(name, quoted=True) for name, _ in databases]
        others = [n for n in names if n not in ("main", "temp")]
        return Catalogue(
            tables=tables,
            foreign_keys=tuple(foreign_keys),
            path=("temp", "main", *others),
            same_file=same_file,
            functions=_functions(execute),
            version=digest.hexdigest(),
        )


class _SchemaReader:
    """Reads one attached database."""

    def __init__(self, dialect: SQLiteDialect, schema: str, execute: Execute) -> None:
        self._dialect = dialect
        self._schema = schema
        self._execute = execute
        master = f"{dialect.quote(schema)}.sqlite_master"
        if schema == "temp":
            master = "sqlite_temp_master"
        self._master = master
        self.rows = [
            tuple(map(str, row))
            for row in execute(
                f"SELECT type, name, tbl_name, coalesce(sql, '') FROM {master}"
            )
        ]

    def _fold(self, name: object) -> str:
        return self._dialect.fold(str(name), quoted=True)

    def tables(self) -> list[Table]:
        """Its tables and views, with the schema table itself."""
        virtual = [
            self._fold(name)
            for type_, name, _, sql in self.rows
            if type_ == "table" and _VIRTUAL.match(sql)
        ]
        found = [
            self._table(type_, self._fold(name), sql, virtual)
            for type_, name, _, sql in self.rows
            if type_ in ("table", "view")
        ]
        names = ["sqlite_master", "sqlite_schema"]
        if self._schema == "temp":
            names += ["sqlite_temp_master", "sqlite_temp_schema"]
        return found + [Table(self._schema, name, "system") for name in names]

    def _table(self, type_: str, name: str, sql: str, virtual: list[str]) -> Table:
        kind: TableKind = "view" if type_ == "view" else "table"
        if name in virtual:
            kind = "virtual"
        elif any(name.startswith(f"{v}_") for v in virtual):
            kind = "shadow"
        elif name.startswith("sqlite_"):
            kind = "system"
        tail = sql[sql.rfind(")") + 1 :].upper()
        return Table(
            self._schema,
            name,
            kind,
            columns=self._columns(name),
            unique_keys=self._unique_keys(name) if kind == "table" else (),
            triggers=self._triggers(name),
            text=sql,
            without_rowid=bool(re.search(r"WITHOUT\s+ROWID", tail)),
        )

    def _pragma(self, name: str, argument: str) -> Sequence[Sequence[object]]:
        quoted = self._dialect.literal(argument)
        return self._execute(
            f"PRAGMA {self._dialect.quote(self._schema)}.{name}({quoted})"
        )

    def _columns(self, table: str) -> tuple[Column, ...]:
        try:
            rows = self._pragma("table_xinfo", table)
        except Exception:  # a broken view, or a virtual table without its module
            return ()
        return tuple(
            Column(
                str(row[1]),
                str(row[2]),
                primary_key=int(str(row[5])),
                hidden=row[6] == 1,
                generated=row[6] in (2, 3),
            )
            for row in rows
        )

    def _unique_keys(self, table: str) -> tuple[UniqueKey, ...]:
        found: list[UniqueKey] = []
        for _, name, unique, _, partial, *_ in self._pragma("index_list", table):
            if unique:
                columns = [str(r[2]) for r in self._pragma("index_info", str(name))]
                found.append(UniqueKey(str(name), tuple(columns), bool(partial)))
        return tuple(found)

    def _triggers(self, table: str) -> tuple[Trigger, ...]:
        return tuple(
            Trigger(self._fold(name), _event(sql), sql)
            for type_, name, of, sql in self.rows
            if type_ == "trigger" and self._fold(of) == table
        )

    def foreign_keys(self) -> list[ForeignKey]:
        """The foreign keys that its tables declare, enforced or not."""
        found: list[ForeignKey] = []
        for type_, name, _, sql in self.rows:
            if type_ == "table" and "REFERENCES" in sql.upper():
                found += self._table_foreign_keys(self._fold(name))
        return found

    def _table_foreign_keys(self, table: str) -> list[ForeignKey]:
        grouped: dict[object, list[Sequence[object]]] = {}
        for row in self._pragma("foreign_key_list", table):
            grouped.setdefault(row[0], []).append(row)
        return [
            ForeignKey(
                f"{self._schema}.{table}",
                tuple(str(r[3]) for r in rows),
                f"{self._schema}.{self._fold(rows[0][2])}",
                tuple(str(r[4]) for r in rows if r[4] is not None),
                str(rows[0][6]),
            )
            for rows in grouped.values()
        ]


_LEXER = Lexer(SQLiteDialect.lexical)
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL", re.IGNORECASE)


def _event(sql: str) -> str:
    """The event of a trigger: none of the three words can be a bare name."""
    words = (t.text.upper() for t in _LEXER.lex(sql) if t.kind == "word")
    return next((w for w in words if w in ("DELETE", "INSERT", "UPDATE")), "")


def _create(words: Sequence[str]) -> str | None:
    for word in words[1:4]:
        if word in _CREATE:
            kind = _CREATE[word]
            if kind == "create table" and "AS" in words and "SELECT" in words:
                return "create table as"
            return kind
    return None


def _adds_column(words: Sequence[str]) -> bool:
    at = 5 if len(words) > 3 and words[3] == "." else 3
    return len(words) > at and words[at] == "ADD"


def _is_trigger(words: Sequence[str]) -> bool:
    head = [w for w in words if w not in ("EXPLAIN", "TEMP", "TEMPORARY")]
    return head[:2] == ["CREATE", "TRIGGER"]


def _functions(execute: Execute) -> frozenset[str]:
    """The functions built into this SQLite, for strict mode."""
    rows = execute("SELECT DISTINCT name FROM pragma_function_list WHERE builtin")
    return frozenset(str(row[0]).lower() for row in rows)
