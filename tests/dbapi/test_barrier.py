"""barrier=True: no function or expression of the caller's meets a hidden row."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, UnsupportedStatement
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    tenant_isolation,
)
from kysera_dbapi.registry import get_dialect

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant_id, total, deleted_at);
CREATE INDEX by_total ON orders (total);
CREATE TABLE notes (order_id, body, PRIMARY KEY (order_id, body)) WITHOUT ROWID;
CREATE TABLE log (id INTEGER PRIMARY KEY, body);
INSERT INTO orders VALUES (1, 7, 10, NULL), (2, 8, 9042, NULL), (3, 7, 9043, 'x'),
    (4, 7, 20, NULL), (5, NULL, 9045, NULL);
INSERT INTO notes VALUES (1, 10), (2, 9042), (3, 9043), (4, 20);
INSERT INTO log VALUES (1, 'a'), (2, 'b');
"""
VISIBLE = {10, 20}


def compared(one: str, other: str) -> int:
    """The collation of a caller's own."""
    return (one > other) - (one < other)


class Shop:
    """A connection of tenant 7, and what a registered function of its saw."""

    def __init__(self, *, barrier: bool, mode: Any = "normal") -> None:
        raw = sqlite3.connect(":memory:")
        raw.executescript(SCHEMA)
        self.saw: set[Any] = set()
        policies = tenant_isolation("tenant_id", ["orders"])
        notes = Policy("notes", using="order_id IN (SELECT id FROM orders)")
        security = RowLevelSecurity(policies, notes, barrier=barrier)
        plugins = [security, SoftDelete(["orders"])]
        self.connection: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
        self.connection.context = {"tenant_id": 7}
        self.connection.create_function("spy", 1, self.spy)
        self.connection.create_collation("mine", compared)

    def spy(self, value: Any) -> int:
        """What a caller's function may do besides: write a value down."""
        self.saw.add(value)
        return 1


SPYING = [
    "SELECT id FROM orders WHERE total > 0 AND spy(total)",
    "SELECT id FROM orders WHERE spy(total) ORDER BY total",
    "SELECT id FROM orders INDEXED BY by_total WHERE total > 0 AND spy(total)",
    "SELECT max(total) FROM orders WHERE total > 0 AND spy(total)",
    "SELECT DISTINCT spy(total) FROM orders WHERE total > 0",
    "SELECT spy(total) FROM orders GROUP BY spy(total) HAVING spy(max(total))",
    "SELECT spy(total) OVER_ FROM orders ORDER BY spy(total) LIMIT 9",
    "SELECT total FROM orders GROUP BY total HAVING spy(total)",
    "SELECT rowid, spy(total) FROM orders ORDER BY total",
    "SELECT max(spy(total)) FROM orders",
    "SELECT count(*) FROM orders WHERE total > 0 GROUP BY total HAVING spy(total)",
    "SELECT sum(total) FILTER (WHERE spy(total)) FROM orders",
    "SELECT sum(total) OVER (ORDER BY spy(total)) FROM orders",
    "SELECT o.id FROM orders o JOIN orders p ON p.total > 0 AND spy(p.total)",
    "SELECT o.id FROM log o LEFT JOIN orders p ON p.total > 0 AND spy(p.total)",
    "SELECT o.id FROM log o RIGHT JOIN orders p ON p.total > 0 AND spy(p.total)",
    "SELECT o.id FROM log o FULL JOIN orders p ON p.total > 0 AND spy(p.total)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM orders WHERE total > 0 AND spy(total))",
    "SELECT (SELECT count(*) FROM orders WHERE total > log.id AND spy(total)) FROM log",
    "WITH x AS (SELECT * FROM orders) SELECT * FROM x WHERE total > 0 AND spy(total)",
    "SELECT * FROM (SELECT total FROM orders) WHERE total > 0 AND spy(total)",
    "SELECT total FROM orders WHERE total > 0 AND spy(total) UNION SELECT 1 FROM log",
    "SELECT body FROM notes WHERE body > 0 AND spy(body)",
    "SELECT value FROM orders o, json_each(json_array(spy(o.total)))",
    "INSERT INTO log (body) SELECT id FROM orders WHERE total > 0 AND spy(total)",
    "UPDATE orders SET total = 1 WHERE total > 0 AND spy(total)",
    "UPDATE orders INDEXED BY by_total SET total = 1 WHERE total > 0 AND spy(total)",
    "UPDATE orders SET total = log.id FROM log WHERE total > log.id AND spy(total)",
    "UPDATE orders SET total = spy(total) WHERE total > 0 RETURNING id, total",
    "DELETE FROM orders WHERE total > 0 AND spy(total)",
    "DELETE FROM orders WHERE total > 0 AND spy(total) RETURNING id, total",
    "DELETE FROM notes WHERE body > 0 AND spy(body)",
    "DELETE FROM log WHERE (SELECT max(id) FROM orders WHERE total > 0 AND spy(total))",
]
#: Those that show a hidden value without the barrier.
LEAKING = [sql for sql in SPYING if sql in {*SPYING[:1], *SPYING[2:4], *SPYING[25:27]}]
ERRORS = [
    "SELECT id FROM orders WHERE total > 0 "
    "AND json(CASE WHEN total = 9042 THEN '{' ELSE '1' END)",
    "SELECT id FROM orders WHERE total > 0 "
    "AND abs(CASE total WHEN 9042 THEN -9223372036854775807 - 1 ELSE 1 END)",
    "UPDATE orders SET total = 1 WHERE total > 0 "
    "AND json_extract('{}', CASE WHEN total = 9042 THEN 'x' ELSE '$' END) IS NULL",
    "DELETE FROM orders WHERE total > 0 "
    "AND json(CASE WHEN total = 9042 THEN '{' ELSE '1' END)",
]


@pytest.mark.parametrize("mode", ["normal", "strict"])
@pytest.mark.parametrize("sql", SPYING)
def test_a_function_meets_visible_rows_alone(sql: str, mode: str) -> None:
    shop = Shop(barrier=True, mode=mode)
    shop.connection.execute(sql).fetchall()
    assert shop.saw
    assert shop.saw - {None} <= VISIBLE
    shop.connection.close()


@pytest.mark.parametrize("sql", LEAKING)
def test_without_the_barrier_it_meets_hidden_ones(sql: str) -> None:
    shop = Shop(barrier=False)
    shop.connection.execute(sql).fetchall()
    assert shop.saw - VISIBLE
    shop.connection.close()


@pytest.mark.parametrize("sql", ERRORS)
def test_an_error_tells_of_visible_rows_alone(sql: str) -> None:
    shop = Shop(barrier=True)
    shop.connection.execute(sql).fetchall()
    shop.connection.close()


@pytest.mark.parametrize("sql", ERRORS)
def test_without_the_barrier_an_error_tells_of_hidden_ones(sql: str) -> None:
    shop = Shop(barrier=False)
    with pytest.raises(sqlite3.OperationalError):
        shop.connection.execute(sql).fetchall()
    shop.connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT rowid FROM orders WHERE total > 0",
        "UPDATE orders SET total = 1 FROM json_each(orders.total)",
        "UPDATE orders SET total = 1 FROM log a JOIN log b ON spy(orders.total)",
        "UPDATE orders SET total = 1 FROM log a NATURAL JOIN log b",
        "UPDATE orders SET total = 1 FROM log a LEFT JOIN log b ON 1",
    ],
)
def test_what_cannot_be_kept_apart_is_refused(sql: str) -> None:
    shop = Shop(barrier=True)
    with pytest.raises(UnsupportedStatement) as caught:
        shop.connection.execute(sql)
    assert caught.value.code == "unsupported-construct"
    assert not shop.saw
    shop.connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON orders (json(total))",
        "CREATE INDEX i ON orders (id, total -> '$')",
        "CREATE INDEX i ON orders (total + 1)",
        "CREATE INDEX i ON orders (total) WHERE json(total)",
        "CREATE UNIQUE INDEX IF NOT EXISTS main.i ON 'orders' (abs(total))",
        "CREATE INDEX i ON orders (total COLLATE mine)",
        "ALTER TABLE orders ADD COLUMN x CHECK (json(total))",
        "ALTER TABLE main.orders ADD x AS (json(total))",
        "ALTER TABLE orders ADD x GENERATED ALWAYS AS (abs(total)) VIRTUAL",
    ],
)
def test_no_definition_is_tried_on_hidden_rows(sql: str) -> None:
    shop = Shop(barrier=True)
    with pytest.raises(UnsupportedStatement) as caught:
        shop.connection.execute(sql)
    assert caught.value.code == "protected-ddl"
    shop.connection.execute(sql.replace("orders", "log").replace("total", "id"))
    shop.connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON orders (tenant_id, total DESC)",
        'CREATE INDEX main.i ON "orders" ("tenant_id", [total] COLLATE nocase ASC)',
        "ALTER TABLE orders ADD COLUMN note TEXT DEFAULT 'none'",
    ],
)
def test_plain_definitions_pass(sql: str) -> None:
    shop = Shop(barrier=True)
    shop.connection.execute(sql)
    shop.connection.close()


def test_without_the_barrier_a_definition_shows_a_hidden_value() -> None:
    shop = Shop(barrier=False)
    path = "CASE WHEN total > 9000 THEN 'at ' || total ELSE '$' END"
    index = f"CREATE INDEX i ON orders (json_extract('{{}}', {path}))"
    with pytest.raises(sqlite3.OperationalError, match="at 9042"):
        shop.connection.execute(index)
    shop.connection.close()


def test_what_is_sent() -> None:
    shop = Shop(barrier=True)

    def sent(sql: str) -> str:
        return str(shop.connection.explain(sql).sql)

    assert sent("SELECT id FROM orders o WHERE total > 1") == (
        'SELECT id FROM (SELECT * FROM orders WHERE (orders."tenant_id" = ?) '
        'AND orders."deleted_at" IS NULL LIMIT -1) o WHERE total > 1'
    )
    assert sent("UPDATE orders SET total = 1 WHERE total > 1") == (
        'UPDATE orders SET total = 1 WHERE (orders."tenant_id" = ?) '
        'AND orders."deleted_at" IS NULL AND CASE WHEN (orders."tenant_id" = ?) '
        'AND orders."deleted_at" IS NULL THEN (total > 1) END'
    )
    assert "CASE" not in sent("UPDATE orders SET total = 1")
    assert "LIMIT" not in sent("SELECT * FROM log")
    assert "LIMIT" not in sent("SELECT rowid, total FROM orders ORDER BY total")
    shop.connection.close()


def test_a_database_without_a_barrier_refuses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(get_dialect("sqlite")), "barrier", Dialect.barrier)
    make: Callable[[], Any] = lambda: Shop(barrier=True)  # noqa: E731
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.code == "policy"
    Shop(barrier=False).connection.close()


def test_it_is_a_truth_value() -> None:
    wrong: Any = "yes"
    with pytest.raises(ConfigurationError):
        RowLevelSecurity(tenant_isolation("tenant_id", ["orders"]), barrier=wrong)
