"""A statement as plugins see it: its tree, and every relation that it names."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.exposure import exposures
from kysera_dbapi.layout import Block, Layout
from kysera_dbapi.locking import is_locked
from kysera_dbapi.source import Source

__all__ = ["WRITES", "Reference", "Role", "Statement"]

Role = Literal["source", "target"]

WRITES = (exp.Insert, exp.Update, exp.Delete)


@dataclass(eq=False, slots=True)
class Reference:
    """A relation that a statement names: which table, where, and in which role."""

    table: Table
    node: exp.Expression
    role: Role
    #: Where its name stands in the text, schema included.
    start: int
    end: int
    #: The name by which its columns are called in its block.
    exposed: str
    block: Block | None
    #: The token that holds its name.
    token: int
    #: ``x IN name`` (SQLite).
    in_list: bool = False


@dataclass(eq=False)
class Statement:
    """One parsed statement, as plugins see it."""

    source: Source
    dialect: Dialect
    catalogue: Catalogue
    #: The text that was parsed: placeholders, comments and verbs stood in for.
    stand_in: str
    tree: exp.Expression
    layout: Layout
    conflict: str = ""
    references: list[Reference] = field(default_factory=list[Reference])
    #: Names that no catalogue knows.
    unknown: list[str] = field(default_factory=list[str])
    #: Where names of the caller's stand, some of which may be spelled as strings.
    named: frozenset[int] = frozenset()
    #: Where tokens end, by where they start: those whose stand-ins end before.
    ends: dict[int, int] = field(default_factory=dict[int, int])
    #: The writes in a WITH, and the actions of a MERGE: each with its own tree,
    #: references and target.
    nested: list[Self] = field(default_factory=list[Self])
    #: The tokens of one that is nested, the end excluded.
    within: tuple[int, int] | None = None
    #: The MERGE that it is an action of.
    merge: Self | None = None
    #: The write of several tables that it is the part of one in, and what that sets.
    whole: Self | None = None
    sets: list[exp.Expression] = field(default_factory=list[exp.Expression])

    @property
    def text(self) -> str:
        """The caller's text."""
        return self.source.text

    @property
    def kind(self) -> str:
        """select, insert, update, delete, merge, or create table as."""
        return self.source.kind if self.within is None else self.tree.key

    @property
    def start(self) -> int:
        """Its first token."""
        return 0 if self.within is None else self.within[0]

    @property
    def stop(self) -> int:
        """The token past it."""
        return len(self.layout.tokens) if self.within is None else self.within[1]

    @property
    def target(self) -> Reference | None:
        """The relation that is written to."""
        return next((r for r in self.references if r.role == "target"), None)

    @cached_property
    def assigned(self) -> list[str]:
        """The (folded) columns that an UPDATE, or an upsert's UPDATE, sets."""
        if self.whole is not None:
            return [self.column_of(one.this.this) for one in self.sets]
        found: list[str] = []
        for owner in (self.tree, self.tree.args.get("conflict")):
            if isinstance(owner, (exp.Update, exp.OnConflict)):
                for assignment in owner.expressions:
                    leaves = assignment.this.find_all(exp.Identifier, exp.Literal)
                    found.extend(map(self.column_of, leaves))
        return found

    @cached_property
    def altered(self) -> frozenset[str]:
        """Besides, those that are computed from them."""
        target = self.target
        return target.table.with_computed(self.assigned) if target else frozenset()

    def column_of(self, leaf: exp.Expression) -> str:
        """The (folded) column of the target that a leaf names."""
        name = self.name_of(leaf)
        return self.dialect.column(self.target.table, name) if self.target else name

    def name_of(self, leaf: exp.Expression) -> str:
        """The folded name that an identifier, or a string in its place, spells."""
        where = _sqlglot.span(leaf)
        token = self.text[slice(*where)] if where else leaf.name
        name = self.dialect.unquote(token)
        fold = (
            self.dialect.fold_relation if _names_relation(leaf) else self.dialect.fold
        )
        return fold(name, quoted=name != token)

    def locks(self, reference: Reference) -> bool:
        """Whether it locks the rows that it finds of what is named there."""
        return is_locked(reference.node, reference.exposed, self.name_of)

    def exposures(
        self, block: exp.Expression, *, hidden: bool = False
    ) -> list[tuple[str, exp.Expression]]:
        """The names that the FROM (and target) of a block exposes, and of what."""
        return list(exposures(block, self, hidden=hidden))


def _names_relation(leaf: exp.Expression) -> bool:
    """Whether it is the name of a relation, an alias of one, or a schema's."""
    owner = leaf.parent
    if isinstance(owner, (exp.Column, exp.Dot)) and leaf.arg_key != "this":
        return leaf.arg_key in ("table", "db", "catalog")
    if isinstance(owner, exp.TableAlias):
        return leaf.arg_key == "this"
    return isinstance(owner, (exp.Table, exp.Subquery))
