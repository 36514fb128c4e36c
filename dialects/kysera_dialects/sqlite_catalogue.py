"""Reads SQLite's schema tables and pragmas into a catalogue."""

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise

from kysera_dbapi.catalogue import (
    Catalogue,
    Column,
    ForeignKey,
    Table,
    TableKind,
    Trigger,
    UniqueKey,
    key_of,
)
from kysera_dbapi.dialect import Dialect, Execute
from kysera_dbapi.shape import Lexer

__all__ = ["indexes", "read"]

_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL", re.IGNORECASE)


def read(dialect: Dialect, execute: Execute) -> Catalogue:
    """Read the schema table of every database and the pragmas of its tables."""
    execute("PRAGMA temp.schema_version")  # temp is listed once it is used
    databases = [(str(r[1]), str(r[2] or "")) for r in execute("PRAGMA database_list")]
    enforces = bool(execute("PRAGMA foreign_keys")[0][0])
    digest = hashlib.blake2b(repr((databases, enforces)).encode(), digest_size=16)
    tables: dict[str, Table] = {}
    foreign_keys: list[ForeignKey] = []
    files: dict[str, str] = {}
    aliases: dict[str, str] = {}  # a file that is attached twice
    temporary = _temporary_triggers(execute)
    for schema, file in databases:
        schema = dialect.fold(schema, quoted=True)
        if file and file in files:
            aliases[schema] = files[file]
            continue
        files[file] = schema
        reader = _SchemaReader(dialect, schema, execute, temporary)
        digest.update(repr(reader.rows).encode("utf-8", "surrogatepass"))
        tables.update((t.key, t) for t in reader.tables())
        foreign_keys.extend(reader.foreign_keys())
    names = [dialect.fold(name, quoted=True) for name, _ in databases]
    others = [n for n in names if n not in ("main", "temp")]
    return Catalogue(
        tables=tables,
        foreign_keys=tuple(foreign_keys),
        path=("temp", "main", *others),
        aliases=aliases,
        functions=_functions(execute),
        enforces_foreign_keys=enforces,
        version=digest.hexdigest(),
    )


def indexes(
    dialect: Dialect, execute: Execute, table: Table
) -> list[tuple[str, tuple[str, ...]]]:
    """The indexes of a table over all of its rows, by name, and their columns."""
    schema = dialect.quote(table.schema)
    listed = execute(f"PRAGMA {schema}.index_list({dialect.literal(table.name)})")
    found: list[tuple[str, tuple[str, ...]]] = []
    for _, name, _, _, partial, *_ in listed:
        if not partial:
            quoted = dialect.literal(str(name))
            columns = execute(f"PRAGMA {schema}.index_info({quoted})")
            found.append((str(name), tuple(str(r[2] or "") for r in columns)))
    return found


class _SchemaReader:
    """Reads one attached database."""

    def __init__(
        self,
        dialect: Dialect,
        schema: str,
        execute: Execute,
        temporary: list[tuple[str, ...]],
    ) -> None:
        self._dialect = dialect
        self._lexer = Lexer(dialect.lexical)
        self._temporary = [] if schema == "temp" else temporary
        self._schema = schema
        self._execute = execute
        master = f"{dialect.quote(schema)}.sqlite_master"
        if schema == "temp":
            master = "sqlite_temp_master"
        self._master = master
        self.rows = _schema_rows(execute, master)

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
        columns = self._columns(name, sql)
        keys = self._unique_keys(name) if kind == "table" else ()
        without_rowid = _without_rowid(sql, self._lexer)
        return Table(
            self._schema,
            name,
            kind,
            columns=columns,
            unique_keys=keys,
            triggers=self._triggers(name),
            text=sql,
            without_rowid=without_rowid,
            row_column="" if without_rowid else _row_column(columns, keys),
            on_conflict=_on_conflict(sql, self._lexer) if kind == "table" else _NONE,
        )

    def _pragma(self, name: str, argument: str) -> Sequence[Sequence[object]]:
        quoted = self._dialect.literal(argument)
        return self._execute(
            f"PRAGMA {self._dialect.quote(self._schema)}.{name}({quoted})"
        )

    def _columns(self, table: str, sql: str) -> tuple[Column, ...]:
        said = _definitions(sql, self._lexer, self._dialect)
        try:
            rows = self._pragma("table_xinfo", table)
        except Exception:  # a broken view, or a virtual table without its module
            return ()
        return tuple(
            self._column(row, said.get(self._fold(row[1]), ())) for row in rows
        )

    def _column(self, row: Sequence[object], said: Sequence[str]) -> Column:
        generated = row[6] in (2, 3)
        names = (self._fold(self._dialect.unquote(word)) for word in said)
        return Column(
            str(row[1]),
            str(row[2]),
            primary_key=int(str(row[5])),
            hidden=row[6] == 1,
            generated=generated,
            not_null=bool(row[3]),
            folded=self._fold(row[1]),
            collation=_declared_collation(said, self._dialect),
            computed_from=frozenset(names if generated else ()),
        )

    def _unique_keys(self, table: str) -> tuple[UniqueKey, ...]:
        found: list[UniqueKey] = []
        texts = {name: sql for type_, name, _, sql in self.rows if type_ == "index"}
        for _, name, unique, of, partial, *_ in self._pragma("index_list", table):
            if unique:
                parts = [r for r in self._pragma("index_xinfo", str(name)) if r[5]]
                text = texts.get(str(name), "")
                found.append(
                    UniqueKey(
                        str(name),
                        tuple(str(part[2] or "") for part in parts),
                        partial=bool(partial),
                        primary=of == "pk",
                        text=text,
                        words=tuple(_words(text, self._lexer)),
                        collations=tuple(_collation(part[4]) for part in parts),
                    )
                )
        return tuple(found)

    def _triggers(self, table: str) -> tuple[Trigger, ...]:
        return tuple(
            Trigger(self._fold(name), _event(sql, self._lexer), sql)
            # a temporary trigger may be on a table of any database
            for type_, name, of, sql in (*self.rows, *self._temporary)
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
                key_of(self._schema, table),
                tuple(str(r[3]) for r in rows),
                key_of(self._schema, self._fold(rows[0][2])),
                tuple(str(r[4]) for r in rows if r[4] is not None),
                on_delete=str(rows[0][6]),
                on_update=str(rows[0][5]),
            )
            for rows in grouped.values()
        ]


def _schema_rows(execute: Execute, master: str) -> list[tuple[str, ...]]:
    # expressions have no declared type, so no converter is called
    rows = execute(
        "SELECT type || '', name || '', tbl_name || '', coalesce(sql, '') "
        f"FROM {master}"
    )
    return [tuple(map(str, row)) for row in rows]


def _temporary_triggers(execute: Execute) -> list[tuple[str, ...]]:
    rows = _schema_rows(execute, "sqlite_temp_master")
    return [row for row in rows if row[0] == "trigger"]


def _on_conflict(sql: str, lexer: Lexer) -> frozenset[str]:
    """The conflict clauses of UNIQUE and PRIMARY KEY; not of NOT NULL or CHECK."""
    words = [word.upper() for word in _words(sql, lexer)]
    found: set[str] = set()
    for at in range(1, len(words) - 2):
        if words[at : at + 2] == ["ON", "CONFLICT"] and words[at + 2] != "ABORT":
            before = _before(words, at - 1)
            if words[before] in ("UNIQUE", "KEY"):
                found.add(words[at + 2])
    return frozenset(found)


def _without_rowid(sql: str, lexer: Lexer) -> bool:
    """Whether one of the options after the columns says so."""
    words = [word.upper() for word in _words(sql, lexer)]
    last = max((i for i, word in enumerate(words) if word == ")"), default=-1)
    return "WITHOUT" in words[last + 1 :]


def _row_column(columns: Sequence[Column], keys: Sequence[UniqueKey]) -> str:
    """https://www.sqlite.org/lang_createtable.html#rowids_and_the_integer_primary_key"""
    primary = [c for c in columns if c.primary_key]
    lone = len(primary) == 1 and primary[0].type.upper() == "INTEGER"
    is_row = lone and not any(key.primary for key in keys)
    return primary[0].name if is_row else "rowid"


def _definitions(sql: str, lexer: Lexer, dialect: Dialect) -> dict[str, list[str]]:
    """What a definition says of each column, by the (folded) names of them."""
    words, found = _words(sql, lexer), dict[str, list[str]]()
    said, depth = list[str](), 0
    for before, word in pairwise(words):
        depth += (before == "(") - (before == ")")
        if depth == 1 and before in ("(", ","):
            # a constraint of the table may be called as a column
            name = dialect.fold(dialect.unquote(word), quoted=True)
            said = found.setdefault(name, [])
        elif depth:
            said.append(word)
    return found


def _declared_collation(said: Sequence[str], dialect: Dialect) -> str:
    depth, found = 0, ""
    for before, word in pairwise(said):
        depth += (before == "(") - (before == ")")
        if before.upper() == "COLLATE" and not depth:
            found = _collation(dialect.unquote(word))
    return found


def _collation(name: object) -> str:
    upper = str(name).upper()
    return "" if upper == "BINARY" else upper


def _words(sql: str, lexer: Lexer) -> list[str]:
    return [t.text for t in lexer.lex(sql) if t.kind not in ("blank", "comment")]


def _before(words: Sequence[str], at: int) -> int:
    """The word before the columns, or the order, that end at a token."""
    if words[at] in ("ASC", "DESC"):
        return at - 1
    depth = 0
    while at:
        depth += (words[at] == ")") - (words[at] == "(")
        if not depth:
            break
        at -= 1
    return at - 1 if words[at] == "(" else at


_NONE: frozenset[str] = frozenset()


def _event(sql: str, lexer: Lexer) -> str:
    """The event of a trigger: none of the three words can be a bare name."""
    words = (t.word for t in lexer.lex(sql) if t.kind == "word")
    return next((w for w in words if w in ("DELETE", "INSERT", "UPDATE")), "")


def _functions(execute: Execute) -> frozenset[str]:
    """The functions built into this SQLite, for strict mode."""
    # not pragma_function_list: once read, SQLite 3.40 crashes after a deserialize()
    rows = execute("PRAGMA function_list")
    return frozenset(str(name).lower() for name, builtin, *_ in rows if builtin)
