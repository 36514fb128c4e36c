"""What the database says of its tables, views, keys and triggers; read once.

Names are folded as the database folds them. ``Catalogue.resolve`` is the database's
own name resolution; a catalogue that was never read (``known`` is false) takes every
name for a table of the first schema.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

__all__ = [
    "Catalogue",
    "Column",
    "ForeignKey",
    "Table",
    "TableKind",
    "Trigger",
    "UniqueKey",
    "folded",
    "spelled",
]

TableKind = Literal["table", "view", "virtual", "shadow", "system", "unknown"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``hidden`` ones are not part of ``*``."""

    name: str
    type: str = ""
    primary_key: int = 0
    hidden: bool = False
    generated: bool = False
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``child``'s columns refer to those of ``parent``; both are table keys."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index; an expression among its columns is an empty name.

    One that is no constraint of the table has its definition, as ``text`` and in
    ``words``, without blanks and comments.
    """

    name: str
    columns: tuple[str, ...]
    partial: bool = False
    primary: bool = False
    text: str = ""
    words: tuple[str, ...] = ()


_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ASCII_LOWER = str.maketrans(_UPPER, _LOWER)


def folded(name: str) -> str:
    """A name without regard to the case of its ASCII letters."""
    return name.translate(_ASCII_LOWER)


#: Operators of two symbols, which are words of their own.
_TOGETHER = ("<>", "<=", ">=", "==", "!=", "||", "<<", ">>", "->")


def spelled(words: Sequence[str]) -> str:
    """The text of words without blanks and comments, with blanks between them."""
    text = ""
    for word in words:
        text += "" if text[-1:] + word[:1] in _TOGETHER else " "
        text += word
    return text.strip()


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on a table; ``text`` is its whole definition."""

    name: str
    event: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A relation of the database."""

    schema: str
    name: str
    kind: TableKind = "table"
    columns: tuple[Column, ...] = ()
    unique_keys: tuple[UniqueKey, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    text: str = ""
    without_rowid: bool = False
    #: What a unique key of it does by itself on a conflict, but for ABORT.
    on_conflict: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The table's name in the catalogue, ``schema.name``."""
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        """The column of that (folded) name."""
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        return None

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order."""
        keyed = [c for c in self.columns if c.primary_key]
        return tuple(c.name for c in sorted(keyed, key=lambda c: c.primary_key))


@dataclass(frozen=True)
class Catalogue:
    """The relations of a database, and the order in which a bare name finds them.

    ``same_file`` maps the schema of a database attached a second time to its first.
    ``version`` is equal for equal catalogues.
    """

    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])
    foreign_keys: Sequence[ForeignKey] = ()
    path: tuple[str, ...] = ("main",)
    #: The schema that a bare name of a configuration means.
    home: str = "main"
    same_file: Mapping[str, str] = field(default_factory=dict[str, str])
    functions: frozenset[str] = frozenset()
    enforces_foreign_keys: bool = False
    version: str = ""
    known: bool = True

    def resolve(self, parts: Sequence[str]) -> Table | None:
        """The relation that a (folded) name means, or None if there is none."""
        if not self.known:
            schema = parts[-2] if len(parts) > 1 else self.path[0]
            return Table(schema, parts[-1], "unknown")
        if len(parts) > 2:
            return None
        schemas = self.path if len(parts) == 1 else parts[:1]
        for schema in schemas:
            home = self.same_file.get(schema, schema)
            found = self.tables.get(f"{home}.{parts[-1]}")
            if found is not None:
                return found
        return None

    def named(self, name: str) -> Table | None:
        """The table that a name of a configuration means: "orders" or "main.orders".

        A bare name means one of the home schema, never a temporary table that hides it.
        """
        schema, dot, rest = name.rpartition(".")
        if dot and not self.known:
            return self.resolve([folded(schema), folded(rest)])
        for way in (name, folded(name)):
            table = self.resolve([self.home, way])
            if table is not None:
                return table
        return self.resolve([folded(schema), folded(rest)]) if dot else None

    def of_kind(self, kind: TableKind) -> Iterator[Table]:
        """All relations of one kind."""
        return (table for table in self.tables.values() if table.kind == kind)

    @cached_property
    def children(self) -> Mapping[str, tuple[ForeignKey, ...]]:
        """The foreign keys that refer to a table, by its key."""
        found: dict[str, tuple[ForeignKey, ...]] = {}
        for key in self.foreign_keys:
            found[key.parent] = (*found.get(key.parent, ()), key)
        return found
