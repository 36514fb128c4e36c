"""What names mean at a place in a statement: columns, sources and scopes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.oracle.world import ROWS, Value

# A domain is a set of values that compare well: columns of one domain can be joined,
# and literals of a domain are taken from what the tables hold.
DOMAINS: Mapping[str, str] = {
    "customer": "int",
    "order": "int",
    "product": "int",
    "category": "int",
    "money": "int",
    "count": "int",
    "key": "int",
    "flag": "int",
    "number": "int",
    "country": "text",
    "region": "text",
    "status": "text",
    "label": "text",
    "words": "text",
    "time": "text",
}


@dataclass(frozen=True)
class Column:
    name: str
    domain: str

    @property
    def kind(self) -> str:
        return DOMAINS[self.domain]


Columns: TypeAlias = tuple[Column, ...]


def _columns(text: str) -> Columns:
    pairs = (piece.rsplit(":", 1) for piece in text.split(", "))
    return tuple(Column(name, domain) for name, domain in pairs)


TABLES: Mapping[str, Columns] = {
    "customers": _columns(
        "id:customer, name:words, email:words, country_code:country, credit:money, "
        "deleted_at:time"
    ),
    "orders": _columns(
        "id:order, customer_id:customer, status:status, total:money, comment:words, "
        "deleted_at:time"
    ),
    "items": _columns(
        "order_id:order, line:count, product_id:product, qty:count, item_note:words, "
        "deleted_at:time"
    ),
    "products": _columns(
        "product_id:product, title:words, price:money, category_id:category, "
        "is_deleted:flag"
    ),
    "categories": _columns(
        "id:category, parent_id:category, label:label, deleted_at:time"
    ),
    "prices": _columns(
        "product_id:product, region:region, amount:money, label:label, deleted_at:time"
    ),
    "tags": _columns("tag:status, gone:flag"),
    "Order Details": _columns(
        "detail_id:key, order_id:order, Unit Price:money, select:words, removed_on:time"
    ),
    "countries": _columns("country_code:country, country_name:words, region:region"),
    "archive": _columns("id:key, order_id:order, title:words, deleted_at:time"),
    "log": _columns("id:key, message:words, entity_id:customer"),
    "flagged": _columns("order_id:order"),
}
VIEWS: Mapping[str, Columns] = {"regions": _columns("region:region, members:count")}
KEYS: Mapping[str, tuple[str, ...]] = {
    "customers": ("id",),
    "orders": ("id",),
    "items": ("order_id", "line"),
    "products": ("product_id",),
    "categories": ("id",),
    "prices": ("product_id", "region"),
    "tags": ("tag",),
    "Order Details": ("detail_id",),
    "countries": ("country_code",),
    "archive": ("id",),
    "log": ("id",),
    "flagged": ("order_id",),
}


def _pools() -> dict[str, list[Value]]:
    """The values of each domain, hidden ones too: a search for them must fail."""
    pools: dict[str, list[Value]] = {
        "number": [-1, 0, 1, 2, 3, 7, 10, 11, 50],
        "label": [],
    }
    for table, columns in TABLES.items():
        for row in ROWS[table]:
            for column, value in zip(columns, row, strict=True):
                pools.setdefault(column.domain, []).append(value)
    return {
        domain: sorted({v for v in pool if v is not None}, key=str)
        for domain, pool in pools.items()
    }


POOLS: Mapping[str, list[Value]] = _pools()


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
