"""Soft delete's declared children and verbs, on PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest
from psycopg.abc import Buffer
from psycopg.adapt import Loader

import kysera_dbapi
from kysera_dbapi.connection import Connection
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.plugins.soft_delete.settings import OnDelete

SCHEMA = """
CREATE TABLE customers (
    id integer PRIMARY KEY, email text UNIQUE, deleted_at timestamptz
);
CREATE TABLE orders (
    customer_id integer REFERENCES customers, number uuid, placed date,
    deleted_at timestamptz, PRIMARY KEY (customer_id, number)
);
CREATE TABLE items (
    customer_id integer, number uuid, line integer, deleted_at timestamptz,
    PRIMARY KEY (customer_id, number, line),
    FOREIGN KEY (customer_id, number) REFERENCES orders
);
INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO orders
    SELECT c, ('00000000-0000-0000-0000-00000000000' || n)::uuid, '2026-01-01'
    FROM generate_series(1, 2) c, generate_series(1, 2) n;
INSERT INTO items SELECT customer_id, number, l FROM orders, generate_series(1, 2) l;
"""
KEYS: dict[str, OnDelete] = {
    "orders.customer_id": "cascade",
    "items(customer_id, number)": "cascade",
}


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


def soft_delete() -> SoftDelete:
    return SoftDelete(tables=["customers", "orders", "items"], foreign_keys=KEYS)


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def connection(raw: Any, postgresql_url: str, request: Any) -> Iterator[Any]:
    autocommit: bool = request.param
    made = kysera_dbapi.connect(
        postgresql_url, plugins=[soft_delete()], autocommit=autocommit
    )
    with closing(made):
        yield made


def counts(connection: Any) -> list[int]:
    return [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("customers", "orders", "items")
    ]


def test_children_are_deleted_with_their_parents(connection: Any, raw: Any) -> None:
    cursor = connection.execute("DELETE FROM customers WHERE id < %s", (2,))
    assert cursor.rowcount == 1
    assert counts(connection) == [2, 2, 4]
    connection.commit()
    assert counts(raw) == [3, 4, 8]
    connection.execute("DELETE FROM customers")
    connection.rollback()
    left = [0, 0, 0] if connection.autocommit else [2, 2, 4]
    assert counts(connection) == left


def test_explain_analyze_deletes_children(connection: Any) -> None:
    text = "EXPLAIN ({}) WITH a AS (SELECT 2 AS id) DELETE FROM customers WHERE id < %s"
    shown = connection.execute(text.format("COSTS off"), (2,)).fetchall()
    assert "Update on customers" in str(shown)
    connection.execute(text.format("ANALYZE off"), (2,))
    assert counts(connection) == [3, 4, 8]
    for option, left in (('"analyze"', [2, 2, 4]), ("ANALYZE", [2, 2, 4])):
        shown = connection.execute(text.format(option), (2,)).fetchall()
        assert "actual time" in str(shown)
        assert counts(connection) == left
    connection.execute("EXPLAIN ANALYZE DELETE FROM customers RETURNING id")
    assert counts(connection) == [0, 0, 0]


def test_executemany_deletes_children(connection: Any) -> None:
    connection.cursor().executemany("DELETE FROM customers WHERE id = %s", [(1,), (2,)])
    assert counts(connection) == [1, 0, 0]


def test_a_row_comes_back(connection: Any) -> None:
    plugin = connection.plugin_host.plugins[0]
    connection.execute("DELETE FROM customers WHERE id = 1")
    plugin.restore(connection, "customers", 1, cascade=True)
    assert counts(connection) == [3, 4, 8]


def test_a_row_is_removed_for_good(connection: Any, raw: Any) -> None:
    plugin = connection.plugin_host.plugins[0]
    connection.execute("DELETE FROM customers WHERE id = 1")
    plugin.hard_delete(connection, "customers", 1)
    connection.commit()
    assert counts(raw) == [2, 2, 4]


def test_deleted_rows_are_shown_on_demand(connection: Any) -> None:
    connection.execute("DELETE FROM customers WHERE id = 1")
    with kysera_dbapi.including_deleted():
        assert counts(connection) == [3, 4, 8]
    with kysera_dbapi.only_deleted():
        assert counts(connection) == [1, 2, 4]
    with kysera_dbapi.bypass("soft_delete", reason="test"):
        assert counts(connection) == [3, 4, 8]


def test_a_key_that_a_deleted_row_holds(connection: Any) -> None:
    connection.execute("DELETE FROM customers WHERE id = 3")
    connection.commit()
    with pytest.raises(kysera_dbapi.TombstoneConflict) as caught:
        connection.execute("INSERT INTO customers VALUES (4, 'c')")
    assert isinstance(caught.value, psycopg.errors.UniqueViolation)
    assert "CREATE UNIQUE INDEX" in str(caught.value)


def test_children_are_deleted_in_a_pipeline(connection: Any) -> None:
    with connection.pipeline():
        cursor = connection.execute("DELETE FROM customers WHERE id = 1")
        assert cursor.rowcount == 1
        with connection.transaction():
            connection.execute("DELETE FROM customers WHERE id = 2")
    assert counts(connection) == [1, 0, 0]


class Doubling(Loader):
    """What a program has numbers turned into."""

    def load(self, data: Buffer) -> Any:
        assert isinstance(self.connection, Connection)
        return 2 * int(bytes(data))


class Other(Loader):
    """The same of texts, and of bytes."""

    def load(self, data: Buffer) -> Any:
        assert isinstance(self.connection, Connection)
        return "other"


def test_keys_are_as_stored_whatever_the_loaders(connection: Any, raw: Any) -> None:
    """A program's own are shown its own rows alone, and the wrapped connection."""
    connection.adapters.register_loader("int4", Doubling)
    for name in ("uuid", "text", "bytea", "name", "oid", "json"):
        connection.adapters.register_loader(name, Other)
    connection.execute("DELETE FROM customers WHERE id = 1")
    connection.commit()
    assert connection.refresh() is False
    text = "SELECT customer_id FROM items WHERE deleted_at IS NULL"
    assert set(raw.execute(text).fetchall()) == {(2,)}
    found = connection.execute("SELECT customer_id, number FROM orders").fetchall()
    assert set(found) == {(4, "other")}
