"""Reads the information schema of MySQL and MariaDB into a catalogue.

All databases that the user may see are read: a view, a trigger or a foreign key of
another one may lead to the tables of this one. Temporary tables are in none of it.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kysera_dbapi.catalogue import (
    Catalogue,
    Column,
    ForeignKey,
    Function,
    Table,
    TableKind,
    Trigger,
    UniqueKey,
    key_of,
)
from kysera_dbapi.dialect import Dialect, Execute
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dialects.mysql_queries import (
    OWN_INDEXES,
    PARTS,
    SETTINGS,
    STAMP,
    SYSTEM_TABLES,
)

if TYPE_CHECKING:
    from kysera_dialects.mysql import MySQLDialect

__all__ = ["definition", "indexes", "read", "stamp", "table_stamps"]

_KINDS: Mapping[str, TableKind] = {
    "BASE TABLE": "table",
    "SYSTEM VERSIONED": "table",
    "VIEW": "view",
    "SEQUENCE": "sequence",
}
#: Collations in which values that differ are never equal; ``_bin`` alone is not
#: enough: it takes no account of trailing blanks.
#: https://mariadb.com/kb/en/supported-character-sets-and-collations/
_EXACT = ("binary", "_nopad_bin", "_0900_bin")
#: The engines that undo a statement which fails in its midst.
_TRANSACTIONAL = ("COLUMNSTORE", "INNODB", "NDB", "NDBCLUSTER", "ROCKSDB", "TOKUDB")
#: The engines of tables that show rows of others, here or on another server.
_LINKING = ("CONNECT", "FEDERATED", "MRG_MYISAM", "OQGRAPH", "SPIDER", "VP")
#: A name, and one with what it is in. In a view's text strings have backslashes
#: whatever the modes, and names are bare if ``sql_quote_show_create`` was off.
_NAME = r"(?:`(?:[^`]|``)++`|[\w$]++)"
_STORED = re.compile(
    r"'(?:[^'\\]|\\(?s:.))*+'"
    rf"|(?:(?P<schema>{_NAME})\.)?+(?P<name>{_NAME})(?P<call>\()?+"
    r"|(?s:.)"
)
#: What stands round names and in strings.
_QUOTES = str.maketrans("", "", "`'\"\\")
#: What is of no matter in a text whose strings may begin and end anywhere.
_MARKS = re.compile(r"['\"\\#`]|--|/\*!?|\*/")
_QUOTED = re.compile(r"['\"\\]")
#: What stands as a name without quotes.
_BARE = re.compile(r"[\w$]+")
#: What stands for one that cannot.
_KEPT = re.compile("\0(\\d+)\0")
#: Those in which SHOW CREATE TABLE does not say all.
_LEAVING_OUT = frozenset(
    (
        *("ANSI", "DB2", "MAXDB", "MSSQL", "MYSQL323", "MYSQL40", "ORACLE"),
        *("NO_FIELD_OPTIONS", "NO_KEY_OPTIONS", "NO_TABLE_OPTIONS", "POSTGRESQL"),
    )
)
_COUNTER = re.compile(r" AUTO_INCREMENT=\d++")

_Row = Sequence[Any]


def read(dialect: "MySQLDialect", execute: Execute) -> Catalogue:
    """Read all relations and routines of all databases."""
    settings = execute(SETTINGS)[0]
    system = execute(SYSTEM_TABLES)
    parts = {name: execute(part.query) for name, part in PARTS.items()}
    return _Reader(dialect, settings, system, parts).catalogue()


def stamp(execute: Execute) -> object:
    """What changes whenever what is read does."""
    return tuple(execute(STAMP)[0])


def table_stamps(
    dialect: Dialect, execute: Execute, tables: Sequence[Table]
) -> Mapping[str, object] | None:
    """The statements that make the tables, by their keys; and the session's settings.

    None in the modes in which the server leaves something out of them, and for a table
    of which other columns are known: the user may see some of them alone.
    """
    settings = tuple(execute(SETTINGS)[0])
    if not _LEAVING_OUT.isdisjoint(str(settings[3]).split(",")):
        return None
    found: dict[str, object] = {"": settings}
    for table in tables:
        name = f"{dialect.quote(table.schema)}.{dialect.quote(table.name)}"
        made = str(execute(f"SHOW CREATE TABLE {name}")[0][1])
        if made.count("\n  `") != len(table.columns):
            return None
        columns, end, options = made.rpartition("\n) ")
        # the number that comes next is none of the definition's
        found[table.key] = columns + end + _COUNTER.sub("", options, count=1)
    return found


def indexes(
    dialect: "MySQLDialect", execute: Execute, table: Table
) -> list[tuple[str, tuple[str, ...]]]:
    """The indexes of a table over all of its rows, by name, and their columns.

    A part that is an expression has an empty name, and so has each of an index by which
    no rows are looked for.
    """
    found: dict[str, tuple[str, ...]] = {}
    query = OWN_INDEXES.format(used=dialect.used_indexes)
    for name, column, used in execute(query, (table.schema, table.name)):
        own = str(column) if used and column is not None else ""
        found[str(name)] = (*found.get(str(name), ()), own)
    return list(found.items())


def definition(dialect: "MySQLDialect", view: Table) -> str:
    """The statement that makes a view, to be lexed by the session's modes.

    The server prints strings with backslashes in all modes, and reads them so.
    """
    plain = dialect.in_modes("")
    words = Lexer(plain.lexical).lex(view.text)
    said = (
        dialect.literal(plain.unquote(one.text)) if one.kind == "string" else one.text
        for one in words
    )
    return f"CREATE VIEW v AS {''.join(said)}" if view.text else ""


class _Reader:
    """Puts together what was read."""

    def __init__(
        self,
        dialect: "MySQLDialect",
        settings: _Row,
        system: Sequence[_Row],
        parts: Mapping[str, Sequence[_Row]],
    ) -> None:
        self._dialect = dialect
        self._database, _, self._enforces, *_ = settings
        self._system = system
        self._parts = parts
        #: The keys of all relations.
        self._tables = frozenset(self._key(*row[:2]) for row in parts["tables"])
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for part in parts.values():
            digest.update(repr(sorted(map(repr, part))).encode())
        self._version = digest.hexdigest()

    def _fold(self, name: Any) -> str:
        return self._dialect.fold(str(name), quoted=True)

    def _relation(self, name: Any) -> str:
        return self._dialect.fold_relation(str(name), quoted=True)

    def _key(self, schema: Any, name: Any) -> str:
        return key_of(self._relation(schema), self._relation(name))

    def _grouped(self, part: str) -> dict[str, list[_Row]]:
        """The rows of a part by the key that each starts with."""
        found: defaultdict[str, list[_Row]] = defaultdict(list)
        for row in self._parts[part]:
            found[self._key(*row[:2])].append(row)
        return found

    def catalogue(self) -> Catalogue:
        """All of it."""
        home = self._relation(self._database) if self._database else ""
        tables = [*self._own_tables(), *self._system_tables()]
        return Catalogue(
            tables={table.key: table for table in tables},
            foreign_keys=tuple(self._foreign_keys()),
            path=(home,) if home else (),
            home=home,
            routines=self._by_key(),
            enforces_foreign_keys=bool(self._enforces),
            version=self._version,
        )

    # -- relations ----------------------------------------------------------------

    def _system_tables(self) -> Iterator[Table]:
        for schema, name in self._system:
            yield Table(self._relation(schema), self._relation(name), "system")

    def _own_tables(self) -> Iterator[Table]:
        columns, keys = self._grouped("columns"), self._grouped("keys")
        triggers = self._grouped("triggers")
        views = {key: rows[0][2] for key, rows in self._grouped("views").items()}
        for schema, name, type_, engine in self._parts["tables"]:
            schema, name = self._relation(schema), self._relation(name)
            key = key_of(schema, name)
            kind = _KINDS.get(str(type_), "unknown")
            text = views.get(key) or ""
            yield Table(
                schema,
                name,
                kind,
                columns=tuple(self._columns(columns.get(key, ()), keys.get(key, ()))),
                unique_keys=tuple(
                    _unique_keys(
                        keys.get(key, ()), self._conditions(columns.get(key, ()))
                    )
                ),
                triggers=tuple(map(self._trigger, triggers.get(key, ()))),
                text=text,
                reads=self._reads(kind, engine, text),
                calls=self._called_by(text),
                atomic=kind != "table" or str(engine).upper() in _TRANSACTIONAL,
            )

    def _columns(self, rows: Sequence[_Row], keys: Sequence[_Row]) -> Iterator[Column]:
        primary = {row[4]: row[3] for row in keys if row[2] == "PRIMARY"}
        names = [str(row[3]) for row in rows]
        for _, _, _, name, type_, collation, nullable, extra, *row in sorted(
            rows, key=lambda row: int(row[2])
        ):
            default, expression = row
            marks = str(extra or "").upper()
            generated = bool(expression) and "DEFAULT_GENERATED" not in marks
            yield Column(
                str(name),
                str(type_),
                primary_key=int(primary.get(name, 0)),
                hidden="INVISIBLE" in marks,
                generated=generated,
                stamped="ON UPDATE" in marks,
                not_null=nullable == "NO",
                folded=self._fold(name),
                default=self._default(default, marks),
                identity="by default" if "AUTO_INCREMENT" in marks else "",
                collation="" if _is_exact(collation) else str(collation),
                collate=str(collation or ""),
                computed_from=frozenset(
                    self._fold(one)
                    for one in names
                    if generated and _mentions(str(expression), one)
                ),
            )

    def _conditions(self, rows: Sequence[_Row]) -> dict[str, tuple[str, ...]]:
        """Of the columns that are NULL but for some rows, the condition of those."""
        lexer = Lexer(self._dialect.lexical)
        computed = {
            str(row[3]): tuple(lexer.lex(str(row[9]))) for row in rows if row[9]
        }
        found = {name: _condition(words) for name, words in computed.items()}
        return {name: condition for name, condition in found.items() if condition}

    def _default(self, default: Any, marks: str) -> str:
        """As an expression; MySQL shows what is in a string, MariaDB its text."""
        text = "" if default is None else str(default)
        if default is None or self._dialect.shows_expressions:
            return "" if text.upper() == "NULL" else text
        return text if "DEFAULT_GENERATED" in marks else self._dialect.literal(text)

    # -- what texts use -----------------------------------------------------------

    def _reads(self, kind: TableKind, engine: Any, text: str) -> frozenset[str] | None:
        """What a relation reads: a table has rows of its own, or those of any other."""
        if kind == "view":
            return self._read_by(text)
        return self._tables if str(engine).upper() in _LINKING else None

    def _read_by(self, text: str) -> frozenset[str]:
        """The relations that a view names: their databases are written out.

        The text is hidden from a user without the right to see it: that view may read
        anything. https://dev.mysql.com/doc/refman/en/information-schema-views-table.html
        """
        if not text:
            return self._tables
        found = (m.group("schema", "name") for m in _STORED.finditer(text))
        pairs = (pair for pair in found if pair[0])
        return self._tables & {self._key(*map(_unquoted, pair)) for pair in pairs}

    def _called_by(self, text: str) -> frozenset[str]:
        """The functions that a view calls: of any database, as not all are written.

        The server's own are among them, in a schema without a name.
        """
        found = _STORED.finditer(text)
        names = {self._fold(_unquoted(m["name"])) for m in found if m["call"]}
        return (
            frozenset(
                key_of(schema, name)
                for name in names
                for schema in self._schemas.get(name, [""])
            )
            - self._syntax
        )

    @cached_property
    def _schemas(self) -> dict[str, list[str]]:
        """The databases that have a routine of a name."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for row in self._parts["routines"]:
            found[self._fold(row[1])].append(self._relation(row[0]))
        return found

    @cached_property
    def _syntax(self) -> frozenset[str]:
        """What looks like calls of the server's own: ``in (``."""
        words = self._dialect.keywords
        return frozenset(key_of("", self._fold(word.lower())) for word in words)

    def _trigger(self, row: _Row) -> Trigger:
        _, _, name, event, timing, _, statement = row
        text = f"BEGIN {self._readable(statement)} END"
        before = str(timing) == "BEFORE"
        return Trigger(self._fold(name), str(event), text, before=before)

    def _by_key(self) -> dict[str, tuple[Function, ...]]:
        found: dict[str, tuple[Function, ...]] = {}
        for schema, name, _, body, _, text in self._parts["routines"]:
            # one whose text is hidden may do anything
            one = Function(
                self._relation(schema),
                self._fold(name),
                language=str(body).lower(),
                text=self._readable(text or "INSERT UPDATE DELETE"),
                reads=None if text else self._tables,
            )
            found[one.key] = (*found.get(one.key, ()), one)
        return found

    def _readable(self, text: Any) -> str:
        """A stored text, to be lexed by the session's modes.

        The server lexes it by those that it was made under, and shows strings without
        their escapes: where they end cannot be told. So what stands in strings counts,
        and in comments beside strings; of quotes those of names are kept.
        """
        said = str(text or "")
        if not _QUOTED.search(said):
            return said
        kept: list[str] = []

        def put_by(found: re.Match[str]) -> str:
            kept.append(self._dialect.quote(self._special[(found.lastindex or 1) - 1]))
            return f" \0{len(kept) - 1}\0 "

        if self._special:
            said = self._spelled.sub(put_by, said)
        return _KEPT.sub(lambda at: kept[int(at[1])], _MARKS.sub(" ", said))

    @cached_property
    def _special(self) -> list[str]:
        """The names that cannot stand bare, the longest first."""
        rows = (*self._parts["tables"], *self._parts["routines"])
        names = {str(row[1]) for row in rows if not _BARE.fullmatch(str(row[1]))}
        return sorted(names, key=len, reverse=True)

    @cached_property
    def _spelled(self) -> re.Pattern[str]:
        """Those names as texts may spell them, each a group."""
        ways = (
            "|".join(re.escape(one.replace(quote, 2 * quote)) for quote in ("`", '"'))
            for one in self._special
        )
        return re.compile("|".join(f"({way})" for way in ways), re.IGNORECASE)

    # -- keys ---------------------------------------------------------------------

    def _foreign_keys(self) -> Iterator[ForeignKey]:
        actions = {tuple(row[:3]): row[3:] for row in self._parts["actions"]}
        grouped: defaultdict[tuple[Any, ...], list[_Row]] = defaultdict(list)
        for row in self._parts["references"]:
            grouped[row[0], row[3], row[1]].append(row)
        for name, rows in grouped.items():
            rows.sort(key=lambda row: int(row[4]))
            _, _, schema, table, _, _, to, parent, _ = rows[0]
            deleted, updated = actions.get(name, ("CASCADE", "CASCADE"))
            yield ForeignKey(
                self._key(schema, table),
                tuple(str(row[5]) for row in rows),
                self._key(to, parent),
                tuple(str(row[8]) for row in rows),
                on_delete=str(deleted),
                on_update=str(updated),
            )


def _unique_keys(
    rows: Sequence[_Row], conditions: Mapping[str, tuple[str, ...]]
) -> Iterator[UniqueKey]:
    """A part that is an expression, or the beginning of a column, has no name.

    Rows with a NULL in a key meet none by it: a column that is NULL but for the rows of
    a condition makes the key one of those alone.
    """
    grouped: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if not int(row[6]):
            grouped[str(row[2])].append(row)
    for name, parts in grouped.items():
        parts.sort(key=lambda row: int(row[3]))
        columns = tuple(
            "" if column is None or part is not None else str(column)
            for _, _, _, _, column, part, _ in parts
        )
        wheres = [conditions[one] for one in columns if one in conditions]
        words = tuple(word for where in wheres for word in ("AND", *where))
        yield UniqueKey(
            name,
            tuple(one for one in columns if one not in conditions),
            partial=bool(wheres),
            primary=name == "PRIMARY",
            words=("WHERE", *words[1:]) if words else (),
        )


def _condition(lexemes: Sequence[Lexeme]) -> tuple[str, ...]:
    """What holds if ``IF(condition, 1, NULL)`` is not NULL; CASE may say it, too."""
    tokens = [one for one in lexemes if one.kind != "blank"]
    while tokens and (tokens[0].text, tokens[-1].text) == ("(", ")"):
        tokens = tokens[1:-1]
    words = [one.word for one in tokens]
    if words[:2] == ["IF", "("] and words[-3:] == [",", "NULL", ")"]:
        tokens, divider = tokens[2:-3], ","
    elif words[:2] == ["CASE", "WHEN"] and words[-1:] == ["END"]:
        ended = -3 if words[-3:-1] == ["ELSE", "NULL"] else -1
        tokens, divider = tokens[2:ended], "THEN"
    else:
        return ()
    told = len(tokens) > 2 and tokens[-1].kind in ("number", "string")
    if not told or tokens[-2].word != divider:
        return ()
    return ("(", *(one.text for one in tokens[:-2]), ")")


def _is_exact(collation: Any) -> bool:
    return collation is None or str(collation).endswith(_EXACT)


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name[0] == "`" else name


def _mentions(expression: str, name: str) -> bool:
    """Whether a column's name may stand in an expression.

    How that is quoted is up to the server: MySQL has a backslash before each quote, and
    spells other letters than ASCII in another encoding.
    """
    if not name.isascii():
        return True
    said, bare = (one.translate(_QUOTES).lower() for one in (expression, name))
    return re.search(rf"(?<![\w$]){re.escape(bare)}(?![\w$])", said) is not None
