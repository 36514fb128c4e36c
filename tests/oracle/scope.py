"""What names mean at a place in a statement: columns, sources and scopes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.oracle.schema import KEYS, Column, Columns


@dataclass(frozen=True)
class Source:
    """One name in a FROM clause, and the columns that it shows."""

    alias: str  # empty: columns can be named without a qualifier only
    columns: Columns
    table: str = ""  # the base table that it is
    merged: frozenset[str] = frozenset()  # columns that USING took from it


@dataclass(frozen=True)
class Ref:
    """A way of naming a column: its qualifying parts and itself."""

    parts: tuple[str, ...]
    column: Column
    source: Source | None = None  # None: the column of several sources, by USING


@dataclass
class Scope:
    """The sources of a query block, and the scopes around it.

    `ctes` maps lower-case names of common table expressions to their columns; None
    marks a name that must not be used here, as it would refer to itself.
    """

    parent: "Scope | None" = None
    ctes: Mapping[str, Columns | None] = field(
        default_factory=dict[str, Columns | None]
    )
    sources: list[Source] = field(default_factory=list[Source])
    bare: bool = True  # columns may be named without a qualifier
    rows: int = 1  # about how many rows the sources give
    taken: set[str] = field(default_factory=set[str])  # names that the sources show
    musts: list[str] = field(default_factory=list[str])  # what WHERE has to demand
    _known: tuple[list[Source], bool, list[Ref]] = field(
        default_factory=lambda: ([], True, []), init=False, repr=False
    )

    def inner(self) -> list[Ref]:
        """The columns of this block's own sources."""
        sources, bare, refs = self._known
        if bare != self.bare or sources != self.sources:
            refs = [*self._qualified(), *(self._bare() if self.bare else ())]
            self._known = (list(self.sources), self.bare, refs)
        return refs

    def order(self) -> list[Ref]:
        """Columns that tell any two rows apart that are not wholly alike."""
        return [
            ref
            for ref in self._qualified()
            if not (ref.source and ref.source.table)
            or ref.column.name in KEYS[ref.source.table]
        ]

    def outer(self) -> list[Ref]:
        """The columns of the blocks around it that no nearer name hides."""
        taken = {source.alias.lower() for source in self.sources}
        names = {column.name.lower() for s in self.sources for column in s.columns}
        scope = self.parent
        found: list[Ref] = []
        while scope is not None:
            found += [
                ref
                for ref in scope.inner()
                if (ref.parts[0].lower() not in taken | names)
            ]
            taken |= {source.alias.lower() for source in scope.sources}
            names |= {c.name.lower() for s in scope.sources for c in s.columns}
            scope = scope.parent
        return found

    def star(self) -> Columns:
        """What `*` gives, in order."""
        return tuple(
            column
            for source in self.sources
            for column in source.columns
            if column.name.lower() not in source.merged
        )

    def child(self) -> "Scope":
        """A block inside this one."""
        return Scope(self, self.ctes)

    def apart(self) -> "Scope":
        """A block that sees the same common table expressions, but no column."""
        return Scope(None, self.ctes)

    def _qualified(self) -> Iterator[Ref]:
        for source in self.sources:
            for column in source.columns:
                if source.alias:
                    yield Ref((source.alias, column.name), column, source)

    def _bare(self) -> Iterator[Ref]:
        owners: dict[str, list[Source]] = {}
        for source in self.sources:
            for column in source.columns:
                owners.setdefault(column.name.lower(), []).append(source)
        for name, found in owners.items():
            if all(name in source.merged for source in found[1:]):
                column = next(c for c in found[0].columns if c.name.lower() == name)
                yield Ref((column.name,), column, found[0] if len(found) == 1 else None)
