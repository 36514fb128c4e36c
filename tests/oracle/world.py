"""Two databases: one holds soft-deleted rows, in the other they do not exist.

Every hidden row carries the word `GHOST` in a text column, so that a result that
shows one can be told from a result that is merely wrong.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass

from kysera_dbapi.plugins import SoftDelete
from tests.oracle.schema import TABLES, Schema, Tables, Value, pools

GHOST = "ghost"
VIOLATION = "PolicyViolation"  # what the copy says of rows that are not to be written


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


def soft_delete() -> SoftDelete:
    """The plugin for the marks."""
    marks = PROTECTED.items()
    return SoftDelete({t: {"column": m.column, "flag": m.flag} for t, m in marks})


SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT UNIQUE,
    country_code TEXT,
    credit INTEGER CHECK (credit IS NULL OR credit >= 0),
    deleted_at TEXT
);
CREATE INDEX customers_country ON customers (country_code);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER,
    status TEXT,
    total INTEGER,
    comment TEXT,
    deleted_at TEXT
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE items (
    order_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    product_id INTEGER,
    qty INTEGER DEFAULT 1,
    item_note TEXT,
    deleted_at TEXT,
    PRIMARY KEY (order_id, line)
);
CREATE INDEX items_product ON items (product_id) WHERE deleted_at IS NULL;
CREATE TABLE products (
    product_id INTEGER PRIMARY KEY,
    title TEXT,
    price INTEGER,
    category_id INTEGER,
    is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER,
    label TEXT DEFAULT 'unnamed',
    deleted_at TEXT
);
CREATE TABLE prices (
    product_id INTEGER,
    region TEXT,
    amount INTEGER,
    label TEXT,
    deleted_at TEXT,
    PRIMARY KEY (product_id, region)
) WITHOUT ROWID;
CREATE TABLE tags (tag TEXT PRIMARY KEY, gone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "Order Details" (
    detail_id INTEGER PRIMARY KEY,
    order_id INTEGER,
    "Unit Price" INTEGER,
    "select" TEXT,
    removed_on TEXT
);
CREATE TABLE countries (
    country_code TEXT PRIMARY KEY,
    country_name TEXT,
    region TEXT
);
CREATE TABLE archive (
    id INTEGER PRIMARY KEY,
    order_id INTEGER,
    title TEXT,
    deleted_at TEXT
);
CREATE TABLE log (id INTEGER PRIMARY KEY, message TEXT, entity_id INTEGER);
CREATE TABLE flagged (order_id INTEGER PRIMARY KEY);
CREATE VIEW regions AS
    SELECT region, count(*) AS members FROM countries GROUP BY region;
"""

_GONE = "2020-02-02 00:00:00"

# In every table the row with the greatest key is live, so that a key chosen by
# SQLite is the same in both databases.
ROWS: Tables = {
    "customers": [
        (1, "Ann", "ann@x.org", "DE", 100, None),
        (2, "O'Brien", "brien@x.org", "FR", 250, None),
        (3, "ghost Carl", "ghost3@x.org", "DE", 250, _GONE),
        (4, '100% "sure"?', None, "US", None, None),
        (5, "Ann", "ann5@x.org", "FR", 75, None),
        (6, "ghost O'Brien", "ghost6@x.org", "US", 500, _GONE),
        (7, "'; DELETE FROM orders; --", "seven@x.org", None, 0, None),
        (8, "ghost", None, "BR", 310, "2021-03-03 12:00:00"),
        (9, ":a ?1 @b $c %s", "nine@x.org", "DE", 40, None),
        (10, "Zoë", "zoe@x.org", "JP", 100, None),
    ],
    "orders": [
        (101, 1, "open", 30, "first", None),
        (102, 1, "paid", 45, "ghost order", _GONE),
        (103, 2, "open", 15, None, None),
        (104, 2, "paid", 80, "it's urgent", None),
        (105, 3, "open", 60, "of a hidden customer", None),
        (106, 3, "paid", 60, "ghost of ghost", _GONE),
        (107, 4, "sent", 20, "ghost only order", "2021-03-03 12:00:00"),
        (108, 5, "open", 95, "SELECT * FROM orders", None),
        (109, 5, "sent", 5, "ghost 109", _GONE),
        (110, None, "paid", 45, "no customer", None),
        (111, 9, "open", 70, "ghost 111", _GONE),
        (112, 9, "sent", 30, "first", None),
        (113, 1, None, 15, "a ? and a %", None),
        (114, 77, "open", None, "dangling", None),
        (115, 8, "paid", 12, "/* not a comment */", None),
    ],
    "items": [
        (101, 1, 1, 2, "plain", None),
        (101, 2, 2, 1, "ghost item", _GONE),
        (101, 3, 3, 5, None, None),
        (102, 1, 1, 1, "of a hidden order", None),
        (102, 2, 4, 3, "ghost in ghost", _GONE),
        (103, 1, 2, 4, "gift", None),
        (104, 1, 4, 1, "ghost only item", _GONE),
        (105, 1, 5, 2, "plain", None),
        (106, 1, 2, 2, "of a hidden order", None),
        (108, 1, 1, 7, "gift", None),
        (108, 2, 6, 1, "ghost 108", _GONE),
        (110, 1, 3, None, "-- none", None),
        (111, 1, 2, 3, "of a hidden order", None),
        (112, 1, 5, 2, "ghost 112", _GONE),
        (112, 2, 99, 1, "dangling", None),
        (115, 1, 4, 6, "plain", None),
    ],
    "products": [
        (1, "Bolt", 3, 11, 0),
        (2, "ghost Nut", 2, 11, 1),
        (3, "Gear", 12, 12, 0),
        (4, "Axle", 45, 13, 0),
        (5, "ghost Cog", 8, 12, 1),
        (6, "Bolt", 4, 14, 0),
        (7, "ghost Rod", 30, 10, 1),
        (8, "Rim 50%", None, None, 0),
    ],
    "categories": [
        (10, None, "all", None),
        (11, 10, "small", None),
        (12, 10, "ghost middle", _GONE),
        (13, 12, "below a hidden one", None),
        (14, 11, "deep", None),
        (15, 14, "ghost leaf", _GONE),
        (16, 11, "small", None),
        (17, None, "ghost root", _GONE),
        (18, 17, "orphan", None),
        (19, 14, "deepest", None),
    ],
    "prices": [
        (1, "EU", 3, "list", None),
        (1, "NA", 4, "ghost list", _GONE),
        (2, "EU", 2, "list", None),
        (3, "EU", 12, "ghost sale", _GONE),
        (3, "NA", 15, "sale", None),
        (4, "AS", 45, "list", None),
        (4, "EU", 40, "ghost 4", _GONE),
        (5, "SA", 9, "sale", None),
        (6, "EU", 5, None, None),
    ],
    "tags": [
        ("open", 0),
        ("ghost", 1),
        ("paid", 1),
        ("small", 0),
        ("sent", 1),
        ("vip", 0),
    ],
    "Order Details": [
        (1, 101, 15, "a", None),
        (2, 101, 15, "ghost a", _GONE),
        (3, 102, 45, "b", None),
        (4, 103, 15, "ghost b", _GONE),
        (5, 104, 80, "it's", None),
        (6, 108, 45, "ghost c", "2021-03-03 12:00:00"),
        (7, 108, 50, "c", None),
        (8, 112, None, "d", None),
    ],
    "countries": [
        ("BR", "Brazil", "SA"),
        ("DE", "Germany", "EU"),
        ("FR", "France", "EU"),
        ("JP", "Japan", "AS"),
        ("US", "United States", "NA"),
    ],
    "archive": [
        (1, 101, "kept", None),
        (2, 102, "old", _GONE),
        (3, 104, "old", "2021-03-03 12:00:00"),
        (4, 111, "kept", None),
        (5, 112, "torn", _GONE),
    ],
    "log": [
        (1, "created", 101),
        (2, "DELETE FROM customers", 102),
        (3, "created", 107),
        (4, None, 3),
        (5, "seen", 9),
    ],
    "flagged": [(101,), (102,), (108,), (109,), (111,), (115,)],
}


SHOP = Schema(
    {table: TABLES[table] for table in ROWS}, pools(TABLES, ROWS), frozenset(PROTECTED)
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]


class World:
    """The full database and the filtered copy, both raw, in memory.

    `views` is a third way to the same answers, for queries only: the full database with
    a filtered view in the place of each protected table.
    """

    schema = SHOP

    def __init__(self) -> None:
        self._full = sqlite3.connect(":memory:")
        self._copy = sqlite3.connect(":memory:")
        self.full = sqlite3.connect(":memory:")
        self.copy = sqlite3.connect(":memory:")
        self.fill(self._full)
        self.fill(self._copy)
        self._filter()
        self.views = sqlite3.connect(":memory:")
        self._full.backup(self.views)
        self._replace_by_views()
        self.positions = {
            table: columns_of(self._full, table).index(mark.column)
            for table, mark in PROTECTED.items()
        }
        self.options = {
            option for (option,) in self._full.execute("PRAGMA compile_options")
        }
        self.copy_before = self.contents(self._copy)
        self.hidden_before = {
            table: Counter(rows) - Counter(self.copy_before[table])
            for table, rows in self.contents(self._full).items()
        }
        self.guard(self._copy)
        self.reset()

    def fill(self, connection: sqlite3.Connection) -> None:
        """Make the tables and their rows, hidden ones too."""
        connection.executescript(SCHEMA)
        self.insert(connection, ROWS)

    def insert(self, connection: sqlite3.Connection, tables: Tables) -> None:
        for table, rows in tables.items():
            slots = ", ".join("?" * len(rows[0]))
            text = f"INSERT INTO {quoted(table)} VALUES ({slots})"
            connection.executemany(text, rows)
        connection.commit()

    def visible(self, table: str) -> str:
        """The condition on the rows of a protected table that are there."""
        return PROTECTED[table].live()

    def guard(self, connection: sqlite3.Connection) -> None:
        """Have the copy refuse rows that may not be written; here, none."""

    def contents(self, connection: sqlite3.Connection) -> Tables:
        """All rows of all tables, hidden or not."""
        return {
            table: connection.execute(f"SELECT * FROM {quoted(table)}").fetchall()
            for table in self.schema.tables
        }

    def reset(self) -> None:
        """Both databases as they were; what a transaction left open is undone."""
        self.full.rollback()
        self._full.backup(self.full)
        self.reset_copy()

    def reset_copy(self) -> None:
        self.copy.rollback()
        self._copy.backup(self.copy)

    def close(self) -> None:
        for connection in (self._full, self._copy, self.full, self.copy, self.views):
            connection.close()

    def _protected(self) -> list[str]:
        """The protected tables, those first that conditions on others read."""
        return [table for table in self.schema.tables if table in self.schema.protected]

    def _filter(self) -> None:
        for table in self._protected():
            hidden = f"({self.visible(table)}) IS NOT TRUE"
            self._copy.execute(f"DELETE FROM {quoted(table)} WHERE {hidden}")
        self._copy.commit()

    def _replace_by_views(self) -> None:
        """Rename the tables all at once: a view must not be what is renamed."""
        bases = {t: quoted(f"{t} with hidden rows") for t in self._protected()}
        for table, base in bases.items():
            self.views.execute(f"ALTER TABLE {quoted(table)} RENAME TO {base}")
        for table, base in bases.items():
            self.views.execute(
                f"CREATE VIEW {quoted(table)} AS "
                f"SELECT * FROM {base} AS {quoted(table)} WHERE {self.visible(table)}"
            )
        self.views.commit()
