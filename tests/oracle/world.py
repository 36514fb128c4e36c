"""Two databases: one holds soft-deleted rows, in the other they do not exist.

Every hidden row carries the word `GHOST` in a text column, so that a result that
shows one can be told from a result that is merely wrong.
"""

import sqlite3
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from kysera_dbapi.plugins import SoftDelete
from tests.oracle.draft import Statement
from tests.oracle.language import Language
from tests.oracle.schema import PROTECTED, TABLES, Mark, Row, Schema, Tables, pools

GHOST = "ghost"
VIOLATION = "PolicyViolation"  # what the copy says of rows that are not to be written


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


SQLITE = Language()
_STEPS = 1000  # of SQLite's machine, between two looks at the budget
_BUDGET = 250  # such looks: what takes longer is not kept

SHOP = Schema(
    {table: TABLES[table] for table in ROWS}, pools(TABLES, ROWS), frozenset(PROTECTED)
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def is_violation(error: BaseException) -> bool:
    """Whether a guard of the copy raised it, or PostgreSQL's own row security."""
    said = str(error.args[-1] if error.args else "").partition("\n")[0]
    return said == VIOLATION or said.startswith("new row violates row-level security")


class World:
    """The full database and the filtered copy, both raw; of SQLite, in memory.

    `views` is a third way to the same answers, for queries only: the full database with
    a filtered view in the place of each protected table.
    """

    schema = SHOP
    language = SQLITE
    #: The tables whose rows are marked, not removed.
    marks: ClassVar[Mapping[str, Mark]] = PROTECTED
    ddl: ClassVar[str] = SCHEMA
    slot: ClassVar[str] = "?"

    full: Any
    copy: Any
    views: Any
    options: set[str]

    def __init__(self) -> None:
        self.open()
        self._filter()
        self._replace_by_views()
        self.positions = {
            table: self.columns_of(table).index(mark.column)
            for table, mark in PROTECTED.items()
        }
        self.copy_before = self.contents(self._copy)
        self.hidden_before = {
            table: Counter(rows) - Counter(self.copy_before[table])
            for table, rows in self.contents(self._full).items()
        }
        self.guard(self._copy)
        self.reset()

    # of the database

    def open(self) -> None:
        """Connect to all of them, with all rows."""
        self._full, self._copy = (sqlite3.connect(":memory:") for _ in range(2))
        self.full, self.copy = (sqlite3.connect(":memory:") for _ in range(2))
        self.fill(self._full)
        self.fill(self._copy)
        self.views = sqlite3.connect(":memory:")
        self._full.backup(self.views)
        self.options = {
            option for (option,) in self._full.execute("PRAGMA compile_options")
        }
        if "ENABLE_UPDATE_DELETE_LIMIT" in self.options:
            self.language = replace(SQLITE, limits=True)

    def quoted(self, name: str) -> str:
        return quoted(name)

    def execute(self, connection: Any, text: str) -> Any:
        """Execute a statement; its cursor."""
        return connection.execute(text)

    def script(self, connection: Any, text: str) -> None:
        """Execute statements."""
        connection.executescript(text)

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

    def attempt(
        self, connection: Any, statement: Statement
    ) -> tuple[Sequence[Row], int] | None:
        """The rows and the row count, or None for an error or a search without end.

        That a row may not be written is no error but an answer.
        """
        looks = iter(range(_BUDGET))
        connection.set_progress_handler(lambda: next(looks, None) is None, _STEPS)
        try:
            cursor = connection.cursor()
            statement.run(cursor)
            rows: list[Row] = cursor.fetchall()
            return sorted(rows, key=repr), cursor.rowcount
        except sqlite3.Error as error:
            return ([(VIOLATION,)], -1) if is_violation(error) else None
        finally:
            connection.set_progress_handler(None, 0)

    @contextmanager
    def texts(self) -> Generator[list[str], None, None]:
        """The texts that the full database is given meanwhile."""
        sent: list[str] = []
        self.full.set_trace_callback(sent.append)
        try:
            yield sent
        finally:
            self.full.set_trace_callback(None)

    # the same in all

    def fill(self, connection: Any) -> None:
        """Make the tables and their rows, hidden ones too."""
        self.script(connection, self.ddl)
        self.insert(connection, ROWS)

    def insert(self, connection: Any, tables: Tables) -> None:
        for table, rows in tables.items():
            slots = ", ".join([self.slot] * len(rows[0]))
            text = f"INSERT INTO {self.quoted(table)} VALUES ({slots})"
            connection.cursor().executemany(text, rows)
        connection.commit()

    def columns_of(self, table: str) -> list[str]:
        text = f"SELECT * FROM {self.quoted(table)}"
        found = self.execute(self._full, text).description
        return [column[0] for column in found]

    def visible(self, table: str) -> str:
        """The condition on the rows of a protected table that are there."""
        return self.live(table)

    def live(self, table: str) -> str:
        """The condition on the rows of a table that are not deleted."""
        return PROTECTED[table].live()

    def guard(self, connection: Any) -> None:
        """Have the copy refuse rows that may not be written; here, none."""

    def contents(self, connection: Any) -> Tables:
        """All rows of all tables, hidden or not."""
        return {
            table: list(
                self.execute(
                    connection, f"SELECT * FROM {self.quoted(table)}"
                ).fetchall()
            )
            for table in self.schema.tables
        }

    def _protected(self) -> list[str]:
        """The protected tables, those first that conditions on others read."""
        return [table for table in self.schema.tables if table in self.schema.protected]

    def _filter(self) -> None:
        for table in self._protected():
            hidden = f"({self.visible(table)}) IS NOT TRUE"
            text = f"DELETE FROM {self.quoted(table)} WHERE {hidden}"
            self.execute(self._copy, text)
        self._copy.commit()

    def _replace_by_views(self) -> None:
        """Rename the tables all at once: a view must not be what is renamed."""
        bases = {t: self.quoted(f"{t} with hidden rows") for t in self._protected()}
        for table, base in bases.items():
            text = f"ALTER TABLE {self.quoted(table)} RENAME TO {base}"
            self.execute(self.views, text)
        for table, base in bases.items():
            name = self.quoted(table)
            self.execute(
                self.views,
                f"CREATE VIEW {name} AS "
                f"SELECT * FROM {base} AS {name} WHERE {self.visible(table)}",
            )
        self.views.commit()
