"""Reads PostgreSQL's system catalogues into a catalogue."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, cast

from kysera_dbapi.catalogue import (
    Catalogue,
    Column,
    ForeignKey,
    Table,
    TableKind,
    UniqueKey,
    key_of,
)
from kysera_dbapi.dialect import Dialect, Execute
from kysera_dbapi.shape import Lexer
from kysera_dialects.postgresql_queries import DEFINITION, INDEXES, PARTS, READ
from kysera_dialects.postgresql_routines import Routines
from kysera_dialects.postgresql_stamp import stamp

__all__ = ["definition", "indexes", "read", "stamp"]

#: https://www.postgresql.org/docs/current/catalog-pg-class.html
_KINDS: Mapping[str, TableKind] = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
}
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")
_PUNCTUATION = "(),.;[]"
_ACTIONS = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}
_IDENTITIES: Mapping[str, Literal["", "always", "by default"]] = {
    "": "",
    "a": "always",
    "d": "by default",
}


def read(dialect: Dialect, execute: Execute) -> Catalogue:
    """Read all relations and functions of the database, in one query."""
    row = cast("Sequence[bytes | None]", execute(READ)[0])
    return _Reader(dialect, [bytes(part or b"[]") for part in row]).catalogue()


def indexes(
    dialect: Dialect, execute: Execute, table: Table
) -> list[tuple[str, tuple[str, ...]]]:
    """The indexes of a table over all of its rows, by name, and their columns."""
    found: dict[str, tuple[str, ...]] = {}
    for name, column in execute(INDEXES, (table.schema, table.name)):
        found[str(name)] = (*found.get(str(name), ()), str(column or ""))
    return list(found.items())


def definition(execute: Execute, view: Table) -> str:
    """The statement that makes a view, its names by the search path of the session."""
    ((query,),) = execute(DEFINITION, (view.schema, view.name))
    return f"CREATE VIEW v AS {query}"


class _Reader:
    """Puts together the parts of one snapshot; objects are known by their numbers."""

    def __init__(self, dialect: Dialect, documents: Sequence[bytes]) -> None:
        self._dialect = dialect
        self._lexer = Lexer(dialect.lexical)
        self._documents = documents
        parts = zip(PARTS, map(json.loads, documents), strict=True)
        self._parts: dict[str, list[Any]] = dict(parts)
        #: The keys of the relations.
        self._keys = {
            row[0]: key_of(row[1], row[2]) for row in self._parts["relations"]
        }
        self._routines = Routines(dialect, self._parts, self._keys)
        self._columns = self._grouped("columns")
        self._parents = self._grouped("parents")
        self._indexes = self._grouped("keys")

    def _grouped(self, part: str) -> defaultdict[str, list[Any]]:
        """The rows of a part by the number that each starts with."""
        found: defaultdict[str, list[Any]] = defaultdict(list)
        for number, *row in self._parts[part]:
            found[number].append(row)
        return found

    def catalogue(self) -> Catalogue:
        """All of it."""
        database, home, path, temporary = self._parts["settings"][0]
        tables = {table.key: table for table in self._tables()}
        if not any(table.schema == temporary for table in tables.values()):
            path = [schema for schema in path if schema != temporary]
        digest = hashlib.blake2b(repr((database, home, path)).encode(), digest_size=16)
        for document in self._documents[1:]:
            digest.update(b"%d:%b" % (len(document), document))
        return Catalogue(
            tables=tables,
            foreign_keys=tuple(self._foreign_keys()),
            path=tuple(path),
            home=home or "",
            aliases={"pg_temp": temporary} if temporary else {},
            functions=frozenset(name for name, _ in self._parts["functions"]),
            steady=frozenset(n for n, steady in self._parts["functions"] if steady),
            routines=self._routines.by_key,
            enforces_foreign_keys=True,
            version=digest.hexdigest(),
            database=database,
        )

    # -- relations ----------------------------------------------------------------

    def _tables(self) -> Iterator[Table]:
        rows = self._parts["relations"]
        owners = {row[4]: self._keys[row[0]] for row in rows}
        for number, schema, name, kind, _, invoker, _ in rows:
            if kind == "t":
                # it keeps the long values of its owner
                owner = owners.get(number)
                reads = frozenset((owner,)) if owner else frozenset[str]()
                yield Table(schema, name, "system", reads=reads)
            elif schema in _SYSTEM:
                yield Table(schema, name, "system")
            else:
                yield self._table(number, schema, name, kind, invoker=bool(invoker))

    def _table(
        self, number: str, schema: str, name: str, kind: str, *, invoker: bool
    ) -> Table:
        reads = kind in "vm"
        return Table(
            schema,
            name,
            _KINDS[kind],
            columns=tuple(self._columns_of(number)),
            unique_keys=tuple(self._unique_keys(number, schema, name)),
            triggers=tuple(self._routines.triggers.get(number, ())),
            parents=tuple(self._keys[parent] for (parent,) in self._parents[number]),
            reads=self._routines.reads("table", number) if reads else None,
            calls=self._routines.calls("table", number),
            security_invoker=invoker,
        )

    def _columns_of(self, relation: str) -> Iterator[Column]:
        primary = self._primary(relation)
        for number, name, type_, *row in self._columns[relation]:
            not_null, generated, identity, _, default, collate = row
            sources = self._sources[relation, number] if generated else ()
            yield Column(
                name,
                type_,
                primary_key=primary.index(number) + 1 if number in primary else 0,
                generated=bool(generated),
                not_null=not_null,
                default=default or "",
                identity=_IDENTITIES[identity],
                collate=collate or "",
                computed_from=frozenset(self._name(relation, s) for s in sources),
            )

    @cached_property
    def _names(self) -> dict[str, dict[int, str]]:
        return {
            relation: {row[0]: row[1] for row in rows}
            for relation, rows in self._columns.items()
        }

    def _name(self, relation: str, number: int) -> str:
        """The name of a column; none is that of an expression."""
        return self._names[relation].get(number, "")

    @cached_property
    def _sources(self) -> defaultdict[tuple[str, int], list[int]]:
        """The columns that a generated one is computed from."""
        found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for relation, number, source in self._parts["sources"]:
            found[relation, number].append(source)
        return found

    # -- keys ---------------------------------------------------------------------

    def _primary(self, relation: str) -> list[int]:
        """The columns of the primary key."""
        for _, size, numbers, _, primary, *_ in self._indexes[relation]:
            if primary:
                return _numbers(numbers)[:size]
        return []

    def _unique_keys(
        self, relation: str, schema: str, name: str
    ) -> Iterator[UniqueKey]:
        collations = {row[0]: row[6] for row in self._columns[relation]}
        for index, size, numbers, compared, primary, *row in self._indexes[relation]:
            partial, is_index, deferrable, nulls_equal, text, equals = row
            columns = tuple(
                self._name(relation, number)
                if collations.get(number) == collation and equal
                else ""
                for number, collation, equal in zip(
                    _numbers(numbers)[:size],
                    compared.split(),
                    equals or [True] * size,
                    strict=True,
                )
            )
            if is_index and text is None:
                text = self._definition(Table(schema, name), index, columns)
            yield UniqueKey(
                index,
                columns,
                partial=partial,
                primary=primary,
                text=text or "",
                words=self._words(text or ""),
                nulls_distinct=not nulls_equal,
                deferrable=deferrable,
                excludes=equals is not None,
            )

    def _definition(self, table: Table, name: str, columns: Sequence[str]) -> str:
        """What makes an index of columns alone."""
        text = self._dialect.create_index(table, name, columns)
        return text.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1)

    def _words(self, text: str) -> tuple[str, ...]:
        """The tokens; symbols that touch are one operator."""
        found: list[str] = []
        end = -1
        for lexeme in self._lexer.lex(text) if text else ():
            if lexeme.kind in ("blank", "comment"):
                continue
            symbol = lexeme.kind == "symbol" and lexeme.text not in _PUNCTUATION
            if symbol and lexeme.start == end:
                found[-1] += lexeme.text
            else:
                found.append(lexeme.text)
            end = lexeme.end if symbol else -1
        return tuple(found)

    def _foreign_keys(self) -> Iterator[ForeignKey]:
        for child, parent, columns, to, *row in self._parts["foreign_keys"]:
            deleted, updated, of_parent, temporal = row
            if child in self._keys and parent in self._keys:
                yield ForeignKey(
                    self._keys[child],
                    tuple(self._name(child, number) for number in columns),
                    self._keys[parent],
                    tuple(self._name(parent, number) for number in to),
                    on_delete=_ACTIONS[deleted],
                    on_update=_ACTIONS[updated],
                    of_parent=of_parent,
                    temporal=bool(temporal),
                )


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]
