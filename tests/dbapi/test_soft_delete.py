"""Soft delete on SQLite: what its configuration, verbs and refusals do."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email UNIQUE, deleted_at);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id REFERENCES customers (id), deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
CREATE VIEW everything AS SELECT * FROM orders;
INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', 'before');
INSERT INTO orders VALUES (1, 1, NULL), (2, 1, NULL), (3, 2, NULL), (4, 2, 'before');
"""


def shop(**options: Any) -> Any:
    """A wrapped connection to a shop."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    options.setdefault("foreign_keys", {"orders.customer_id": "cascade"})
    plugin = SoftDelete(["customers", "orders"], **options)
    return kysera_dbapi.wrap(raw, plugins=[plugin])


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop()) as made:
        yield made


def deleted(connection: Any, table: str) -> list[int]:
    """The keys of the deleted rows, past every filter."""
    rows = connection.unwrap().execute(
        f"SELECT id FROM {table} WHERE deleted_at IS NOT NULL ORDER BY id"
    )
    return [row[0] for row in rows]


def test_a_known_text_is_filtered_again(connection: Any) -> None:
    for _ in range(3):
        rows = connection.execute("SELECT id FROM orders ORDER BY id").fetchall()
        assert rows == [(1,), (2,), (3,)]


def test_a_new_literal_in_a_known_shape(connection: Any) -> None:
    for key, found in ((1, [("a",)]), (3, []), (2, [("b",)])):
        sql = f"SELECT email FROM customers WHERE id = {key}"
        assert connection.execute(sql).fetchall() == found


def test_children_are_deleted_too(connection: Any) -> None:
    cursor = connection.execute("DELETE FROM customers WHERE id = ?", (1,))
    assert cursor.rowcount == 1
    assert deleted(connection, "orders") == [1, 2, 4]
    connection.rollback()
    assert deleted(connection, "customers") == [3]
    assert deleted(connection, "orders") == [4]


def test_a_live_child_stands_in_the_way() -> None:
    with closing(shop(foreign_keys={"orders.customer_id": "restrict"})) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="refers to a row"):
            connection.execute("DELETE FROM customers WHERE id = 1")
        assert deleted(connection, "customers") == [3]


def test_a_foreign_key_must_be_declared() -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    with closing(raw), pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(["customers"])])
    assert caught.value.code == "undeclared-foreign-key"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tables": ["nothing"]}, "missing-table"),
        ({"tables": ["log"]}, "missing-column"),
    ],
)
def test_what_is_missing_is_found_at_connect(options: Any, code: str) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    with closing(raw), pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(**options)])
    assert caught.value.code == code


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM everything",
        "CREATE VIEW v AS SELECT * FROM orders",
        "DROP TABLE orders",
        "ALTER TABLE orders RENAME TO gone",
        "INSERT OR REPLACE INTO customers VALUES (3, 'x', NULL)",
        "REPLACE INTO customers VALUES (3, 'x', NULL)",
        "UPDATE orders SET deleted_at = NULL",
        "UPDATE orders SET 'deleted_at' = NULL",
        "ATTACH ':memory:' AS other",
        "VACUUM INTO 'x'",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('x')",
        "SELEC * FROM orders",
        "SELECT * FROM sqlite_dbpage",
    ],
)
def test_refused_before_it_reaches_the_database(connection: Any, sql: str) -> None:
    seen: list[str] = []
    connection.unwrap().set_trace_callback(seen.append)
    with pytest.raises(sqlite3.NotSupportedError):
        connection.execute(sql)
    assert not [text for text in seen if text == sql]


def test_deleted_rows_on_demand(connection: Any) -> None:
    sql = "SELECT count(*) FROM orders"
    with kysera_dbapi.including_deleted():
        assert connection.execute(sql).fetchone() == (4,)
    with kysera_dbapi.only_deleted():
        assert connection.execute(sql).fetchone() == (1,)
    assert connection.execute(sql).fetchone() == (3,)


def test_verbs() -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    plugin = SoftDelete(["orders"])
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        plugin.restore(connection, "orders", 4)
        assert deleted(connection, "orders") == []
        with pytest.raises(kysera_dbapi.DataError, match="live"):
            plugin.restore(connection, "orders", 4)
        connection.execute("DELETE FROM orders WHERE id = 4")
        soon = datetime.now(UTC) + timedelta(hours=1)
        assert plugin.purge(connection, "orders", older_than=soon) == 1
        plugin.hard_delete(connection, "orders", 1)
        rows = connection.execute("SELECT id FROM orders").fetchall()
        assert rows == [(2,), (3,)]


def test_a_collision_with_a_deleted_row_names_the_cure(connection: Any) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CREATE UNIQUE INDEX") as caught:
        connection.execute("INSERT INTO customers VALUES (9, 'c', NULL)")
    assert isinstance(caught.value, kysera_dbapi.TombstoneConflict)


def test_a_dump_holds_what_the_caller_may_see(connection: Any) -> None:
    with pytest.raises(sqlite3.NotSupportedError):
        connection.serialize()
    with kysera_dbapi.bypass("soft_delete", reason="a copy for the archive"):
        assert connection.serialize()
