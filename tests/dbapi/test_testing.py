"""kysera_dbapi.testing.assert_isolated, for the tests of programs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from kysera_dbapi.testing import assert_isolated

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant_id, body, deleted_at);
CREATE TABLE prices (
    tenant_id, sku, amount, PRIMARY KEY (tenant_id, sku)
) WITHOUT ROWID;
CREATE TABLE log (id INTEGER PRIMARY KEY, body TEXT);
CREATE TRIGGER kept BEFORE DELETE ON prices BEGIN SELECT RAISE(ABORT, 'kept'); END;
CREATE VIEW newest AS SELECT max(id) AS id FROM log;
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO orders VALUES (1, 7, 'a', NULL), (2, 8, 'ghost', NULL), (3, 7, 'gone', 'x'),
    (4, 7, x'00ff', NULL), (5, NULL, 1.5, NULL);
INSERT INTO prices VALUES (7, 'a', 1), (8, 'a', 2), (8, 7, 3);
INSERT INTO log VALUES (1, 'x'), (2, CAST(x'ff41' AS TEXT));
INSERT INTO words VALUES ('one two');
"""


def shop(path: Any = ":memory:", **options: Any) -> Any:
    raw = sqlite3.connect(path)
    raw.executescript(SCHEMA)
    plugins = [
        RowLevelSecurity(tenant_isolation("tenant_id", ["orders", "prices"])),
        SoftDelete(["orders"]),
    ]
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins, **options)
    made.context = {"tenant_id": 7}
    return made


@pytest.fixture(params=["normal", "strict"])
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = shop(mode=request.param)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT * FROM orders", ()),
        ("SELECT * FROM orders WHERE id > ? OR 1", (1,)),
        ("SELECT count(*) FROM prices, log WHERE sku = :s", {"s": "a"}),
        ("WITH x AS (SELECT id FROM orders) SELECT * FROM x, newest", ()),
        ("SELECT count(*) FROM words WHERE words MATCH 'one'", ()),
        (
            "SELECT typeof(body), body FROM orders UNION ALL SELECT sku, 1 FROM prices",
            (),
        ),
        ("VALUES ((SELECT max(id) FROM orders))", ()),
    ],
)
def test_queries(sql: str, values: Any, connection: Any) -> None:
    assert_isolated(connection, sql, values)
    assert connection.execute("SELECT count(*) FROM log").fetchone() == (2,)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders (body) VALUES ('new')",
        "INSERT INTO orders (id, tenant_id) VALUES (9, 7) RETURNING id",
        "UPDATE orders SET body = 'x', id = id + 100",
        "DELETE FROM orders",
        "UPDATE prices SET amount = 0",
        "INSERT INTO log (body) SELECT sku FROM prices",
        "REPLACE INTO prices VALUES (7, 'a', 9)",
    ],
)
def test_writes_are_undone(sql: str, connection: Any) -> None:
    raw = connection.unwrap()
    before = raw.serialize()
    assert_isolated(connection, sql)
    assert not raw.in_transaction
    assert raw.serialize() == before


def test_a_transaction_goes_on(connection: Any) -> None:
    connection.execute("INSERT INTO orders (id, body) VALUES (6, 'mine')")
    assert_isolated(connection, "SELECT body FROM orders ORDER BY id", ordered=True)
    assert_isolated(connection, "UPDATE orders SET body = 'x'")
    assert connection.in_transaction
    bodies = connection.execute("SELECT body FROM orders ORDER BY id").fetchall()
    assert bodies == [("a",), (b"\x00\xff",), ("mine",)]
    connection.rollback()


def test_a_file_in_wal_mode(tmp_path: Path) -> None:
    made = shop(tmp_path / "shop.db")
    assert made.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    made.execute("UPDATE orders SET body = 'new' WHERE id = 1")
    assert_isolated(made, "SELECT * FROM orders")
    made.close()


def leaking(connection: Any) -> Any:
    """The connection, with a plugin that filters what is read beside alone."""

    def nothing(_: Any) -> None:
        return

    connection.plugin_host.plugins[0].intercept = nothing
    seen = {"orders": [(1,), (4,)], "prices": [(7, "a")]}

    def planned(sql: str) -> Any:
        return seen["prices" if "prices" in sql else "orders"]

    connection.plugin_host.execute_planned = planned
    return connection


def test_a_leak_is_shown() -> None:
    made = leaking(shop())
    with pytest.raises(AssertionError) as caught:
        assert_isolated(made, "SELECT id, body FROM orders WHERE id < 5")
    assert str(caught.value) == (
        "not isolated: SELECT id, body FROM orders WHERE id < 5\n"
        "  only through the connection (1):\n"
        "    (2, 'ghost')"
    )
    made.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE orders SET body = 'x' WHERE id = 2", "became (2, 8, 'x', None)"),
        ("DELETE FROM prices WHERE amount = 2", "became none"),
        (
            "INSERT INTO orders (id, tenant_id) VALUES (9, 8)",
            "wrote (9, 8, None, None)",
        ),
    ],
)
def test_a_write_past_the_filter_is_shown(sql: str, said: str) -> None:
    made = leaking(shop())
    made.execute("DROP TRIGGER kept")
    with pytest.raises(AssertionError) as caught:
        assert_isolated(made, sql)
    assert said in str(caught.value)
    assert made.unwrap().execute("SELECT count(*) FROM prices").fetchone() == (3,)
    made.close()


def test_another_order_is_shown_if_it_counts() -> None:
    made = shop()
    calls: list[int] = []

    def turned(number: int) -> int:
        return -number

    def straight(number: int) -> int:
        calls.append(number)
        return number

    made.create_function("turn", 1, turned)

    def copy() -> sqlite3.Connection:
        other = sqlite3.connect(":memory:")
        other.create_function("turn", 1, straight)
        return other

    sql = "SELECT id FROM orders ORDER BY turn(id)"
    assert_isolated(made, sql, make_copy=copy)
    assert calls
    with pytest.raises(AssertionError, match="another order"):
        assert_isolated(made, sql, ordered=True, make_copy=copy)
    with pytest.raises(AssertionError, match="no such function"):
        assert_isolated(made, sql)
    made.close()


def test_what_cannot_be_asserted(connection: Any) -> None:
    with pytest.raises(ConfigurationError):
        assert_isolated(connection.unwrap(), "SELECT 1")
    with pytest.raises(ConfigurationError):
        assert_isolated(connection, "CREATE TABLE x (y)")
    with pytest.raises(UnsupportedStatement):
        assert_isolated(connection, "SELECT load_extension('x')")
    with pytest.raises(PolicyViolation):
        assert_isolated(connection, "INSERT INTO orders (tenant_id) VALUES (8)")
    with pytest.raises(sqlite3.OperationalError):
        assert_isolated(connection, "SELECT nothing FROM orders")
