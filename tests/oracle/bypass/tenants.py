"""Two databases for one tenant: one holds other tenants' rows too, and deleted ones.

Every row that tenant 7 may not see carries the word `GHOST` in each of its texts, and a
number that no visible row has: what shows either has leaked.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import kysera_dbapi
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    tenant_isolation,
)

Row: TypeAlias = tuple[Any, ...]

TENANT = 7
GHOST = "ghost"
SECRETS = ("9041", "9042", "9043", "9044", "9045")

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL,
    name TEXT,
    email TEXT,
    credit INTEGER CHECK (credit IS NULL OR credit >= 0),
    deleted_at TEXT,
    UNIQUE (tenant_id, email)
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    tenant_id INTEGER,
    customer_id INTEGER,
    status TEXT,
    total INTEGER,
    deleted_at TEXT
);
CREATE INDEX orders_total ON orders (total);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    order_id INTEGER,
    body TEXT
);
CREATE TABLE prices (
    tenant_id INTEGER NOT NULL,
    sku TEXT NOT NULL,
    amount INTEGER,
    deleted_at TEXT,
    PRIMARY KEY (tenant_id, sku)
) WITHOUT ROWID;
CREATE TABLE countries (code TEXT PRIMARY KEY, country TEXT);
CREATE TABLE log (id INTEGER PRIMARY KEY, message TEXT, tenant_id INTEGER);
CREATE TABLE events (id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER events_hit AFTER INSERT ON events
    BEGIN UPDATE orders SET status = new.what; END;
CREATE VIEW all_orders AS SELECT * FROM orders;
CREATE VIEW all_countries AS SELECT * FROM countries;
CREATE VIRTUAL TABLE words USING fts5(body, content='notes', content_rowid='id');
"""
PROTECTED = ("customers", "orders", "notes", "prices")
OTHERS = ("countries", "log", "events")
MARKED = ("customers", "orders", "prices")

#: When rows are deleted: an error tells it, and its digits are none of the secrets.
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_GONE = "2020-02-02 00:00:00"
#: The row with the greatest key is visible in each, so that new keys are the same.
ROWS: dict[str, list[Row]] = {
    "customers": [
        (1, 7, "Ann", "ann@x.org", 100, None),
        (2, 7, "O'Brien", "brien@x.org", 250, None),
        (3, 8, "ghost Carl", "ghost3@x.org", 9041, None),
        (4, 7, "ghost Dora", "ghost4@x.org", 9042, _GONE),
        (5, 8, "ghost Eve", None, 9043, _GONE),
        (6, 7, "Zoë 100%", None, None, None),
        (9, 7, "'; DELETE FROM orders; --", "nine@x.org", 0, None),
    ],
    "orders": [
        (101, 7, 1, "open", 30, None),
        (102, 7, 1, "ghost paid", 9041, _GONE),
        (103, 8, 3, "ghost open", 9042, None),
        (104, 7, 2, "paid", 80, None),
        (105, None, 2, "ghost of nobody", 9043, None),
        (106, 8, 1, "ghost crossing", 9044, None),
        (107, 7, 3, "open", 60, None),
        (108, 7, None, None, 30, None),
        (115, 7, 9, "sent", 5, None),
    ],
    "notes": [
        (1, 101, "first"),
        (2, 102, "ghost of a deleted order"),
        (3, 103, "ghost of another tenant"),
        (4, 104, "it's urgent"),
        (5, None, "ghost of no order"),
        (6, 106, "ghost crossing"),
        (7, 107, "first"),
        (9, 115, "last"),
    ],
    "prices": [
        (7, "bolt", 3, None),
        (7, "ghost nut", 9041, _GONE),
        (7, "rod", 12, None),
        (8, "ghost bolt", 9042, None),
        (8, "rod", 9045, None),
    ],
    "countries": [("DE", "Germany"), ("FR", "France")],
    "log": [(1, "created", 7), (2, "seen", 8), (3, None, None)],
}
#: What tenant 7 sees of each table.
VISIBLE = {
    "customers": "tenant_id = 7 AND deleted_at IS NULL",
    "orders": "tenant_id = 7 AND deleted_at IS NULL",
    "prices": "tenant_id = 7 AND deleted_at IS NULL",
    "notes": "order_id IN (SELECT id FROM orders "
    "WHERE tenant_id = 7 AND deleted_at IS NULL)",
}


def security(**options: Any) -> list[kysera_dbapi.Plugin]:
    """Tenants, a policy with a sub-query, and soft delete."""
    policies = tenant_isolation("tenant_id", ["customers", "orders", "prices"])
    notes = Policy(
        "notes",
        name="notes of visible orders",
        using="order_id IN (SELECT id FROM orders WHERE tenant_id = :tenant_id)",
    )
    soft_delete = SoftDelete(MARKED, clock=lambda: _NOW)
    return [RowLevelSecurity(policies, notes, **options), soft_delete]


def filled() -> sqlite3.Connection:
    """A database with all rows."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    for table, rows in ROWS.items():
        slots = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({slots})", rows)
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    connection.commit()
    return connection


class Tenants:
    """The full database behind the driver, and the raw copy of what tenant 7 sees."""

    def __init__(self, **options: Any) -> None:
        options = dict(options)
        mode = options.pop("mode", "normal")
        self.strict = mode == "strict"
        self.barrier = bool(options.get("barrier"))
        self.full, self.copy = self.filled(), self.filled()
        self.thin_out(self.copy)
        self.refilled(self.copy)
        self.shim: Any = kysera_dbapi.wrap(
            self.full, plugins=security(**options), mode=mode
        )
        self.shim.context = {"tenant_id": TENANT}
        self.hidden_before = {table: self.hidden(table) for table in PROTECTED}
        self.visible_before = {table: self.visible(table) for table in PROTECTED}

    def filled(self) -> Any:
        """A connection to a database with all rows."""
        return filled()

    def refilled(self, copy: Any) -> None:
        """Have what keeps rows of others keep those that are left."""
        copy.execute("INSERT INTO words (words) VALUES ('rebuild')")
        copy.commit()

    def thin_out(self, copy: Any) -> None:
        """Delete what tenant 7 does not see."""
        for table in ("notes", *MARKED):  # notes first: they look at orders
            self.run(copy, f"DELETE FROM {table} WHERE ({VISIBLE[table]}) IS NOT TRUE")

    def run(self, connection: Any, sql: str) -> Any:
        """The rows of a statement of the tests' own."""
        return connection.execute(sql)

    def close(self) -> None:
        """Close both."""
        self.shim.close()
        self.copy.close()

    def hidden(self, table: str) -> Counter[Row]:
        """The rows of the full database that tenant 7 does not see."""
        condition = f"({VISIBLE[table]}) IS NOT TRUE"
        return self.counted(self.full, f"SELECT * FROM {table} WHERE {condition}")

    def visible(self, table: str) -> Counter[Row]:
        """Those that it does."""
        return self.counted(self.full, f"SELECT * FROM {table} WHERE {VISIBLE[table]}")

    def counted(self, connection: Any, sql: str) -> Counter[Row]:
        """How often a query gives each row."""
        return Counter(self.run(connection, sql))

    def faults(self, *, hidden_alone: bool = False, several: bool = False) -> list[str]:
        """What is not as it must be after both were given the same statement.

        Of ``several`` one may insert or change a row of the tenant's, and another
        delete it.
        """
        found: list[str] = []
        for table in () if hidden_alone else (*PROTECTED, *OTHERS):
            # of the copy, too: a note is visible as long as its order is there
            text = f"SELECT * FROM {table} WHERE {VISIBLE.get(table, '1 = 1')}"
            both = (self.full, self.copy)
            mine, rows = (self.counted(c, text) for c in both)
            if mine != rows:
                found.append(f"{table}: visible {mine - rows}, due {rows - mine}")
        for table in PROTECTED:
            found += self._hidden_faults(table, several)
        return found

    def _hidden_faults(self, table: str, several: bool) -> list[str]:
        """Hidden rows are as before, besides those that were deleted just now."""
        now, before = self.hidden(table), self.hidden_before[table]
        if before - now:
            return [f"{table}: changed hidden rows {before - now}"]
        if table not in MARKED:
            return self._notes_faults(table, now - before)
        unmarked = Counter((*row[:-1], None) for row in (now - before).elements())
        extra = unmarked - self.visible_before[table]
        if several:
            extra = Counter(row for row in extra if _tenant(table, row) != TENANT)
        gone = [row for row in (now - before) if row[-1] is None]
        return [f"{table}: new hidden rows {extra} {gone}"] if extra or gone else []

    def _notes_faults(self, table: str, new: Counter[Row]) -> list[str]:
        """A note is hidden as soon as its order is: it need not have been written."""
        at_first = {row[0] for row in self.visible_before[table]}
        extra = [row for row in new if row[0] not in at_first]
        return [f"{table}: new hidden rows {extra}"] if extra else []


def _tenant(table: str, row: Row) -> object:
    return row[0 if table == "prices" else 1]


def typed(rows: Sequence[Row]) -> Counter[tuple[Any, ...]]:
    """1, 1.0 and '1' are different values, though Python holds some to be equal."""
    return Counter(tuple((type(v).__name__, v) for v in row) for row in rows)


def shows_secret(said: object, *given: object) -> bool:
    """Whether a text or a row tells of a hidden row what the caller has not said."""
    text, asked = str(said).lower(), " ".join(map(str, given)).lower()
    return any(word in text and word not in asked for word in (GHOST, *SECRETS))
