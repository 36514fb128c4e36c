"""The databases that are measured: equal ones for the shim and the raw driver."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import kysera_dbapi
from benchmarks.pairs import Clock, clock
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

__all__ = ["ROWS", "Shop", "filled", "new_shop", "plugins", "shop"]

ROWS = 100_000
SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id, total, deleted_at);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, tenant_id INTEGER, owner, balance, created_at, updated_at,
    deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
CREATE TABLE wide (a, b, c, d, e, f, g, h, i, j);
CREATE TABLE stock (
    tenant_id INTEGER, created_at, updated_at, a, b, c, d, e, f, g, h, i, j);
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A connection through the shim, and a raw one to an equal database."""

    shim: Any
    raw: Any
    #: Through the shim to tables without rows, to see what it sends: what is planned
    #: here is new to the other one.
    planner: Any
    clock: Clock = clock

    def sent(self, sql: str, values: Sequence[object] = ()) -> tuple[str, Any]:
        """The text and the values that the shim sends for those of the caller."""
        plan = self.planned(sql)
        if plan.sends_as_given:
            return plan.sql, values
        added = tuple(bind.source() for bind in plan.binds)
        return plan.sql, plan.program.binding.bind(values, added)

    def planned(self, sql: str) -> Any:
        """The plan of a text that is new to it."""
        return self.planner._self_session.plan(sql)


def plugins() -> list[kysera_dbapi.Plugin]:
    """What is in force on the shim's connections."""
    return [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["accounts", "stock"])),
        SoftDelete(tables=["customers", "orders", "accounts"]),
        Timestamps(tables=["accounts", "stock"]),
    ]


@cache
def shop() -> Shop:
    """The one that most rows of the table are about."""
    return new_shop()


def new_shop() -> Shop:
    """Two equal databases in memory; a third of the rows is deleted."""
    return Shop(_wrapped(filled()), filled(), _wrapped(empty()))


def _wrapped(raw: sqlite3.Connection) -> Any:
    return kysera_dbapi.wrap(raw, plugins=plugins())


def empty() -> sqlite3.Connection:
    """A raw connection to a database in memory, its tables without rows."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    return raw


def filled() -> sqlite3.Connection:
    """A raw connection to a database in memory."""
    raw = empty()
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
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (i, i % 7, f"owner {i}", i % 97, gone, gone, None if i % 3 else gone)
            for i in range(1, 3_001)
        ),
    )
    raw.executemany(
        "INSERT INTO log VALUES (?, ?)", ((i, f"line {i}") for i in range(1, ROWS + 1))
    )
    return raw
