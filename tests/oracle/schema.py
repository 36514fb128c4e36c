"""What the generators know of a world: its tables, and the values in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

Value: TypeAlias = int | str | None
Row: TypeAlias = tuple[Value, ...]
Tables: TypeAlias = dict[str, list[Row]]

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
    "tenant": "int",
    "owner": "text",
    "moment": "time",
    "truth": "bool",
}
#: Domains whose columns have one value in most of the rows that are seen.
DULL = ("time", "flag", "tenant", "owner", "moment", "truth")


@dataclass(frozen=True)
class Column:
    name: str
    domain: str

    @property
    def kind(self) -> str:
        return DOMAINS[self.domain]


Columns: TypeAlias = tuple[Column, ...]


def columns(text: str) -> Columns:
    pairs = (piece.rsplit(":", 1) for piece in text.split(", "))
    return tuple(Column(name, domain) for name, domain in pairs)


TABLES: Mapping[str, Columns] = {
    "customers": columns(
        "id:customer, name:words, email:words, country_code:country, credit:money, "
        "deleted_at:time"
    ),
    "orders": columns(
        "id:order, customer_id:customer, status:status, total:money, comment:words, "
        "deleted_at:time"
    ),
    "items": columns(
        "order_id:order, line:count, product_id:product, qty:count, item_note:words, "
        "deleted_at:time"
    ),
    "products": columns(
        "product_id:product, title:words, price:money, category_id:category, "
        "is_deleted:flag"
    ),
    "categories": columns(
        "id:category, parent_id:category, label:label, deleted_at:time"
    ),
    "prices": columns(
        "product_id:product, region:region, amount:money, label:label, deleted_at:time"
    ),
    "tags": columns("tag:status, gone:flag"),
    "Order Details": columns(
        "detail_id:key, order_id:order, Unit Price:money, select:words, removed_on:time"
    ),
    "countries": columns("country_code:country, country_name:words, region:region"),
    "archive": columns("id:key, order_id:order, title:words, deleted_at:time"),
    "log": columns("id:key, message:words, entity_id:customer"),
    "flagged": columns("order_id:order"),
}
VIEWS: Mapping[str, Columns] = {"regions": columns("region:region, members:count")}
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
    "stock": ("sku", "tenant_id"),
    "settings": ("name", "owner"),
}


@dataclass(frozen=True)
class Mark:
    """How a table says that a row is deleted: a timestamp, or a flag."""

    column: str = "deleted_at"
    flag: bool = False

    def hides(self, value: Value) -> bool:
        return bool(value) if self.flag else value is not None

    def live(self, owner: str = "") -> str:
        """The predicate that holds for the rows that are left."""
        dot = f"{owner}." if owner else ""
        return f"{dot}{self.column} = 0" if self.flag else f"{dot}{self.column} IS NULL"


PROTECTED = {
    "customers": Mark(),
    "orders": Mark(),
    "items": Mark(),
    "categories": Mark(),
    "prices": Mark(),
    "products": Mark("is_deleted", flag=True),
    "tags": Mark("gone", flag=True),
    "Order Details": Mark("removed_on"),
}


@dataclass(frozen=True)
class Schema:
    """The tables of a world, as statements may use them."""

    tables: Mapping[str, Columns]
    #: The values of each domain, hidden ones too: a search for them must fail.
    pools: Mapping[str, Sequence[Value]]
    #: The tables with hidden rows.
    protected: frozenset[str]
    #: Of tables whose rows have a tenant: the column, and the value that is seen.
    tenants: Mapping[str, tuple[str, Value]] = field(
        default_factory=dict[str, tuple[str, Value]]
    )
    #: The keys of rows that are seen, by table.
    seen: Mapping[str, Sequence[Row]] = field(default_factory=dict[str, Sequence[Row]])

    #: The tables whose rows are seen or not by what others hold, by those others.
    readers: Mapping[str, frozenset[str]] = field(
        default_factory=dict[str, frozenset[str]]
    )
    #: What qualifies the names of tables.
    place: str = "main"

    def written_with(self, table: str) -> set[str]:
        """The tables that change what they show while a table is written."""
        return {table, *self.readers.get(table, ())}

    @cached_property
    def keys(self) -> dict[str, tuple[str, ...]]:
        return {table: key for table, key in KEYS.items() if table in self.tables}


def pools(tables: Mapping[str, Columns], rows: Tables) -> dict[str, list[Value]]:
    """The values of each domain."""
    found: dict[str, list[Value]] = {
        "number": [-1, 0, 1, 2, 3, 7, 10, 11, 50],
        "label": [],
    }
    for table, known in tables.items():
        for row in rows[table]:
            for column, value in zip(known, row, strict=True):
                found.setdefault(column.domain, []).append(value)
    return {
        domain: sorted({v for v in pool if v is not None}, key=str)
        for domain, pool in found.items()
    }
