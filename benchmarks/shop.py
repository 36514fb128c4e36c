"""The databases that are measured: equal ones for the shim and the raw driver."""

import sqlite3
from dataclasses import dataclass
from typing import Any

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

__all__ = ["ROWS", "Shop", "plugins", "shop"]

ROWS = 100_000
SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id, total, deleted_at);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
CREATE TABLE wide (a, b, c, d, e, f, g, h, i, j);
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A connection through the shim, and a raw one to an equal database."""

    shim: Any
    raw: sqlite3.Connection


def plugins() -> list[SoftDelete]:
    """What is in force on the shim's connections."""
    return [SoftDelete(tables=["customers", "orders"])]


def shop() -> Shop:
    """Two equal databases in memory; a third of the rows is deleted."""
    return Shop(kysera_dbapi.wrap(filled(), plugins=plugins()), filled())


def filled() -> sqlite3.Connection:
    """A raw connection to a database in memory."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    gone = "2026-01-01 00:00:00+00:00"
    raw.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)",
        ((i, f"customer {i}", None if i % 3 else gone) for i in range(1, 1_001)),
    )
    raw.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?)",
        ((i, i % 1_000, i % 97, None if i % 3 else gone) for i in range(1, 3_001)),
    )
    raw.executemany(
        "INSERT INTO log VALUES (?, ?)", ((i, f"line {i}") for i in range(1, ROWS + 1))
    )
    return raw
