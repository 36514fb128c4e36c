"""What the database says of its tables, views, keys and triggers; read once.

Names are folded as the database folds them. ``Catalogue.resolve`` is the database's
own name resolution; a catalogue that was never read (``known`` is false) takes every
name for a table of the first schema.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import Literal

from kysera_dbapi.errors import ConfigurationError

__all__ = [
    "Catalogue",
    "Column",
    "ForeignKey",
    "Function",
    "Table",
    "TableKind",
    "Trigger",
    "UniqueKey",
    "folded",
    "key_of",
    "parts_of",
    "spelled",
]

TableKind = Literal[
    "table",
    "view",
    "materialized view",
    "foreign table",
    "sequence",
    "virtual",
    "shadow",
    "system",
    "unknown",
]

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ASCII_LOWER = str.maketrans(_UPPER, _LOWER)


def folded(name: str) -> str:
    """A name without regard to the case of its ASCII letters."""
    return name.translate(_ASCII_LOWER)


def key_of(schema: str, name: str) -> str:
    """``schema.name``, the key of a table; a schema that holds a dot is quoted.

    So no two tables have one key: that of ``b.c`` in ``a`` is ``a.b.c``, that of
    ``c`` in ``a.b`` is ``"a.b".c``.
    """
    if "." in schema or '"' in schema:
        schema = '"' + schema.replace('"', '""') + '"'
    return f"{schema}.{name}"


def parts_of(key: str) -> tuple[str, str]:
    """The schema and the name that a key is made of."""
    quoted = _QUOTED.match(key)
    if quoted is not None:
        return quoted[1].replace('""', '"'), key[quoted.end() :]
    schema, _, name = key.partition(".")
    return schema, name


_QUOTED = re.compile(r'"((?:[^"]|"")*)"\.')


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``hidden`` ones are not part of ``*``.

    ``name`` is spelled as it was declared, ``folded`` as the database compares it,
    where that differs. ``default`` is the text of an expression. A ``generated`` column
    is ``computed_from`` others.
    """

    name: str
    type: str = ""
    primary_key: int = 0
    hidden: bool = False
    generated: bool = False
    not_null: bool = False
    folded: str = ""
    default: str = ""
    identity: Literal["", "always", "by default"] = ""
    #: What takes values that differ for equal; empty if nothing does.
    collation: str = ""
    #: The name, as it is written, of the collation that its values are compared by.
    collate: str = ""
    #: The database sets it in each UPDATE that does not.
    stamped: bool = False
    #: The (folded) names in the expression of a generated one.
    computed_from: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``child``'s columns refer to those of ``parent``; both are table keys.

    ``of_parent`` is what a partition has because the partitioned table has it. The last
    column of one that is ``temporal`` is a period, which rows of the parent may cover
    together.
    """

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    of_parent: bool = False
    temporal: bool = False


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index, or an exclusion constraint.

    A column that is not compared by its own equality is an empty name, as is an
    expression. One that is no constraint of the table has its definition, as ``text``
    and in ``words``, without blanks and comments. Where NULLs are not
    ``nulls_distinct``, two rows cannot both hold one.
    """

    name: str
    columns: tuple[str, ...]
    partial: bool = False
    primary: bool = False
    text: str = ""
    words: tuple[str, ...] = ()
    nulls_distinct: bool = True
    #: It may be checked at the end of the transaction alone.
    deferrable: bool = False
    #: An exclusion constraint.
    excludes: bool = False
    #: The collations of the columns, as ``Column.collation``.
    collations: tuple[str, ...] = ()


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
    """A trigger on a table, or a rule; ``text`` is its whole definition.

    ``function`` is the key of the function that it calls, whose body is the end of the
    text. A rule has no text, but ``uses``, the keys of the tables it names, and
    ``calls``, those of functions. Where it is done ``instead``, the statement itself is
    not. One that runs ``before`` a row is written may change it.
    """

    name: str
    event: str
    text: str
    function: str = ""
    uses: frozenset[str] | None = None
    calls: frozenset[str] = frozenset()
    instead: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function or an operator that is none of the database's own.

    One of several of that name: they differ by their arguments. ``text`` is its body,
    in its ``language``; an operator has neither, but ``calls``. ``reads`` are the keys
    of the tables it names and ``calls`` those of functions, as far as the database
    tells them; None if it cannot. If it can, ``text`` is what is done to the tables:
    INSERT, UPDATE, DELETE. An ``implicit`` one may be called without being
    named: it is a cast's, a type's, a domain's or an operator class's.
    """

    schema: str
    name: str
    language: str = ""
    text: str = ""
    extension: str = ""
    implicit: bool = False
    reads: frozenset[str] | None = None
    calls: frozenset[str] = frozenset()
    #: The names of the types, none of the database's own, that it takes.
    takes: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The function's name in the catalogue, as ``key_of`` spells it."""
        return key_of(self.schema, self.name)

    @property
    def is_operator(self) -> bool:
        """Whether it is an operator, which has no language."""
        return not self.language

    @property
    def kind(self) -> str:
        """What it is called in messages."""
        return "operator" if self.is_operator else "function"


@dataclass(frozen=True, slots=True)
class Table:
    """A relation of the database.

    The rows of a partition, or of a table that inherits, are those of its ``parents``
    too. ``reads`` are the keys of the relations that it reads directly and ``calls``
    those of the functions that its definition calls (its query, defaults, checks and
    indexes), as far as the database tells them; ``reads`` is None if it does not.
    """

    schema: str
    name: str
    kind: TableKind = "table"
    columns: tuple[Column, ...] = ()
    unique_keys: tuple[UniqueKey, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    text: str = ""
    without_rowid: bool = False
    #: The column that is the row identifier, or one of its names if none is.
    row_column: str = ""
    #: What a unique key of it does by itself on a conflict, but for ABORT.
    on_conflict: frozenset[str] = frozenset()
    parents: tuple[str, ...] = ()
    reads: frozenset[str] | None = None
    calls: frozenset[str] = frozenset()
    #: A view that reads with the rights, and under the policies, of its reader.
    security_invoker: bool = False
    #: Whether a statement that fails in its midst leaves nothing.
    atomic: bool = True

    @property
    def key(self) -> str:
        """The table's name in the catalogue, as ``key_of`` spells it."""
        return key_of(self.schema, self.name)

    @property
    def is_view(self) -> bool:
        """Whether it keeps no rows of its own, or a copy of those of others."""
        return self.kind in ("view", "materialized view")

    def column(self, name: str) -> Column | None:
        """The column of that (folded) name."""
        for column in self.columns:
            if (column.folded or column.name) == name:
                return column
        return None

    def types(self, names: Sequence[str]) -> list[str]:
        """The types that columns are declared with; empty for a row identifier."""
        columns = map(self.column, names)
        return [column.type if column else "" for column in columns]

    def is_held(self, name: str, key: UniqueKey) -> bool:
        """Whether rows that collide by a key have a column equal.

        An expression, or a column that is compared in another way, is no name.
        """
        column = self.column(name)
        return column is not None and any(
            own in (column.name, column.folded or column.name)
            and collation in ("", column.collation)
            for own, collation in zip_longest(key.columns, key.collations, fillvalue="")
        )

    def with_computed(self, names: Iterable[str]) -> frozenset[str]:
        """Those (folded) columns, and all that are computed from them."""
        found, size = frozenset(names), -1
        while len(found) > size:
            size = len(found)
            found = found.union(
                column.folded or column.name
                for column in self.columns
                if not column.computed_from.isdisjoint(found)
            )
        return found

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order."""
        keyed = [c for c in self.columns if c.primary_key]
        return tuple(c.name for c in sorted(keyed, key=lambda c: c.primary_key))


@dataclass(frozen=True)
class Catalogue:
    """The relations of a database, and the order in which a bare name finds them.

    ``aliases`` maps other names of schemas to those in the keys of the tables.
    ``version`` is equal for equal catalogues.
    """

    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])
    foreign_keys: Sequence[ForeignKey] = ()
    path: tuple[str, ...] = ("main",)
    #: The schema that a bare name of a configuration means.
    home: str = "main"
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    #: The names of the database's own functions and operators.
    functions: frozenset[str] = frozenset()
    #: Those of them that give the same for the same, throughout a statement.
    steady: frozenset[str] = frozenset()
    #: The functions and operators that are not its own, by their keys.
    routines: Mapping[str, tuple[Function, ...]] = field(
        default_factory=dict[str, tuple[Function, ...]]
    )
    enforces_foreign_keys: bool = False
    version: str = ""
    #: What a name of three parts starts with; empty if there are none.
    database: str = ""
    known: bool = True

    def at_home(self, home: str) -> "Catalogue":
        """The same, where the bare names of a configuration mean those of ``home``."""
        if home == self.home:
            return self
        return replace(self, home=home, version=f"{self.version} {home}")

    def resolve(self, parts: Sequence[str]) -> Table | None:
        """The relation that a (folded) name means, or None if there is none."""
        if not self.known:
            schema = parts[-2] if len(parts) > 1 else self.path[0]
            return Table(schema, parts[-1], "unknown")
        if len(parts) == 3 and parts[0] == self.database != "":
            parts = parts[1:]
        if len(parts) > 2:
            return None
        schemas = self.path if len(parts) == 1 else parts[:1]
        for schema in schemas:
            home = self.aliases.get(schema, schema)
            found = self.tables.get(key_of(home, parts[-1]))
            if found is not None:
                return found
        return None

    def called(self, parts: Sequence[str]) -> list[Function]:
        """What a (folded) name may call that is none of the database's own functions.

        Of those of one name, in all schemas of the path, the arguments choose.
        """
        if len(parts) == 3 and parts[0] == self.database != "":
            parts = parts[1:]
        if len(parts) > 2:
            return []
        schemas = self.path if len(parts) == 1 else parts[:1]
        homes = dict.fromkeys(self.aliases.get(schema, schema) for schema in schemas)
        keys = (key_of(home, parts[-1]) for home in homes)
        return [one for key in keys for one in self.routines.get(key, ())]

    def named(self, name: str) -> Table | None:
        """The table that a name of a configuration means: "orders" or "main.orders".

        A bare name means one of the home schema, never a temporary table that hides
        it. Raises ``ConfigurationError`` (ambiguous-table) where it could mean two, as
        "Orders" does beside orders on PostgreSQL: a table that is made later must not
        take the place of one that is protected.
        """
        schema, dot, rest = name.rpartition(".")
        if dot and not self.known:
            return self.resolve([folded(schema), folded(rest)])
        ways = [(self.home, name)]
        ways += [(schema, rest)] if dot else []
        spelled_ = [way for s, n in ways for way in ((s, n), (folded(s), folded(n)))]
        tables = {t.key: t for w in spelled_ if (t := self.resolve(w)) is not None}
        if len(tables) > 1:
            raise ConfigurationError(
                f"the name {name!r} of a configuration means {' and '.join(tables)}; "
                "rename one of them",
                code="ambiguous-table",
            )
        return next(iter(tables.values()), None)

    def routines_of(self, keys: Iterable[str]) -> Iterator[Function]:
        """Those functions of these keys that are none of the database's own."""
        return (one for key in sorted(keys) for one in self.routines.get(key, ()))

    @cached_property
    def implicit(self) -> tuple[Function, ...]:
        """The functions that may be called without being named."""
        found = (one for many in self.routines.values() for one in many)
        return tuple(one for one in found if one.implicit)

    def of_kind(self, kind: TableKind) -> Iterator[Table]:
        """All relations of one kind."""
        return (table for table in self.tables.values() if table.kind == kind)

    @cached_property
    def offspring(self) -> Mapping[str, tuple[Table, ...]]:
        """The partitions, and the tables that inherit, by the key of a parent."""
        found: dict[str, tuple[Table, ...]] = {}
        for table in self.tables.values():
            for parent in table.parents:
                found[parent] = (*found.get(parent, ()), table)
        return found

    def fires(self, table: Table, event: str, *, before: bool = False) -> bool:
        """Whether a write to a table, or to its partitions, may fire triggers.

        With ``before`` those alone count that run before a row is written.
        """
        below = self.offspring.get(table.key, ())
        own = any(t.event == event and t.before >= before for t in table.triggers)
        return own or any(self.fires(one, event, before=before) for one in below)

    @cached_property
    def children(self) -> Mapping[str, tuple[ForeignKey, ...]]:
        """The foreign keys that refer to a table, by its key."""
        found: dict[str, tuple[ForeignKey, ...]] = {}
        for key in self.foreign_keys:
            found[key.parent] = (*found.get(key.parent, ()), key)
        return found
