"""Decisions that were paid for, on MySQL and MariaDB.

Those that have tests elsewhere:

| decision | tests |
| --- | --- |
| 9.1 policies | test_pymysql_policies.py, oracle/bypass/test_limits_mysql.py |
| 9.3 lists | dialects/test_mysql_statements.py::test_a_list_is_what_bare_values_are |
| 9.4 checks | test_pymysql_checks.py, test_pymysql_upserts.py |
| 9.5 common table expressions | dialects/test_mysql_statements.py (four tests) |
| 9.6 statements that keep their text | oracle/bypass/test_mysql.py (27, 22) |
| 9.8 cascades | test_pymysql_cascade.py |
| 9.9 REPLACE, collisions | test_pymysql_upserts.py, oracle/bypass/test_mysql.py (30) |
| 9.10 rowcount | test_pymysql_writes.py::test_rows_are_counted_as_the_driver_does |
| 9.14 executemany | test_pymysql_writes.py (three tests) |

Here each statement runs through the shim and on a copy with the visible rows alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, TombstoneConflict, UnsupportedStatement
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    tenant_isolation,
)
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

TABLES = (
    "CREATE TABLE customers (id int PRIMARY KEY, tenant_id int, name varchar(20), "
    "deleted_at datetime)",
    "CREATE TABLE orders (id int PRIMARY KEY, tenant_id int, customer int, total int, "
    "deleted_at datetime)",
    "CREATE TABLE log (id int PRIMARY KEY, customer int, line varchar(20))",
    "INSERT INTO customers VALUES (1, 7, 'a', NULL), (2, 7, 'b', NULL), "
    "(3, 8, 'ghost', NULL), (4, 7, 'gone', now())",
    "INSERT INTO orders VALUES (1, 7, 1, 10, NULL), (2, 8, 2, 20, NULL), "
    "(3, 7, 2, 30, NULL), (4, 7, 1, 40, now())",
    "INSERT INTO log VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three')",
)
PROTECTED = ("customers", "orders")
HIDDEN = "tenant_id <> 7 OR deleted_at IS NOT NULL"


class Pair:
    """The shop through the shim, and the copy."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        server = Server(url, stack)
        self.raw = server.raw
        self.copy = server.connect(database=server.other("copy"))
        for database in (self.raw, self.copy):
            for statement in TABLES:
                rows(database, statement)
        for table in PROTECTED:
            rows(self.copy, f"DELETE FROM {table} WHERE {HIDDEN}")
        self.shim = self.wrap()

    def wrap(self, *policies: Any) -> Any:
        isolation = tenant_isolation("tenant_id", PROTECTED)
        plugins = [RowLevelSecurity(isolation, *policies), SoftDelete(PROTECTED)]
        made: Any = kysera_dbapi.wrap(self.raw, plugins=plugins)
        made.context = {"tenant_id": 7}
        return made

    def check(self, sql: str, values: Any = None) -> None:
        """Both give the same."""
        both = [rows(c, sql, values) for c in (self.shim, self.copy)]
        assert sorted(both[0], key=repr) == sorted(both[1], key=repr), sql

    def both(self, sql: str) -> None:
        """A write, after which both hold the same of all that is visible."""
        counts: list[int] = []
        for connection in (self.shim, self.copy):
            with connection.cursor() as cursor:
                counts.append(cursor.execute(sql))
        assert counts[0] == counts[1]
        for table in (*PROTECTED, "log"):
            self.check(f"SELECT * FROM {table}")

    def refused(self, sql: str) -> str:
        with pytest.raises(UnsupportedStatement) as caught:
            rows(self.shim, sql)
        return caught.value.code


@pytest.fixture
def pair(mysql_url: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(mysql_url, stack)


# -- 1: nothing of the caller's captures a filter

ALIASES = (
    "SELECT (SELECT count(*) FROM orders o WHERE o.customer = c.id) FROM customers c",
    "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM log o WHERE o.id = 1)",
    "SELECT id, NULL AS deleted_at, 7 AS tenant_id FROM orders",
    "SELECT id, 7 AS tenant_id FROM orders HAVING tenant_id = 7",
    "SELECT deleted_at.id FROM orders AS deleted_at",
    "SELECT tenant_id.tenant_id FROM orders AS tenant_id",
    "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer = c.id",
    "SELECT c.id, o.id FROM customers c LEFT JOIN orders o USING (id, tenant_id)",
)


def test_aliases_do_not_capture_a_filter(pair: Pair) -> None:
    for sql in ALIASES:
        pair.check(sql)


def test_a_cte_does_not_capture_what_a_policy_reads(pair: Pair) -> None:
    using = "customer IN (SELECT c.id FROM customers c WHERE c.name = 'a')"
    pair.shim = pair.wrap(Policy("orders", using=using))
    sql = (
        "WITH customers AS (SELECT 2 AS id, 'a' AS name) "
        "SELECT o.id FROM orders o, customers"
    )
    assert rows(pair.shim, sql) == [(1,)]
    assert pair.refused("SELECT _k1.id FROM orders _k1") == "reserved-name"


# -- 2: folding is for look-up only

SHAPES = (
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id = 3"),
    ("SELECT 'a' AS x, id FROM orders", "SELECT 'b' AS x, id FROM orders"),
    ("SELECT id AS 'a' FROM orders", "SELECT id AS 'b' FROM orders"),
    ("SELECT 'a' 'b', id FROM orders", "SELECT 'a', 'b', id FROM orders"),
    ("SELECT id FROM orders ORDER BY 1", "SELECT id, total FROM orders ORDER BY 2"),
    ("SELECT id FROM orders LIMIT 0", "SELECT id FROM orders LIMIT 1, 9"),
    ("SELECT cast('1' AS char(1)) FROM log", "SELECT cast('12' AS char(2)) FROM log"),
    ("SELECT -1, id FROM orders", "SELECT 1-1, id FROM orders"),
    ('SELECT "a", id FROM orders', 'SELECT "id", id FROM orders'),
    ("SELECT 'a', '%', id FROM orders", "SELECT '%s', '%%', id FROM orders"),
)


@pytest.mark.parametrize("mode", ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"])
def test_texts_of_one_shape_give_their_own_rows(pair: Pair, mode: str) -> None:
    for connection in (pair.shim, pair.copy):
        rows(connection, f"SET sql_mode = '{mode}'")
    for first, second in SHAPES:
        for sql in (first, second, first):
            if mode != "ANSI_QUOTES" or '"a"' not in sql:
                pair.check(sql)


def test_a_mode_is_part_of_the_shape(pair: Pair) -> None:
    """The same text is a string and a name, or ends elsewhere."""
    sql = "SELECT \"id\", '\\\\', id FROM orders -- '"
    for mode in ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", ""):
        for connection in (pair.shim, pair.copy):
            rows(connection, f"SET sql_mode = '{mode}'")
        pair.check(sql)


# -- 7: INSERT of a query

SELECTS = (
    "SELECT 10, customer, total FROM orders WHERE id = 1",
    "SELECT id + 10, customer, total FROM orders "
    "UNION SELECT id + 20, id, 5 FROM customers",
    "SELECT id + 10, customer, total FROM orders UNION ALL SELECT 30, 1, 1",
    "SELECT DISTINCT 10, customer, 1 FROM orders WHERE customer = 2",
    "(SELECT id + 10, customer, total FROM orders ORDER BY id LIMIT 1)",
    "WITH x AS (SELECT * FROM orders) SELECT id + 10, customer, total FROM x",
    "SELECT max(id) + 10, 1, sum(total) FROM orders",
)


@pytest.mark.parametrize("query", SELECTS)
def test_the_tenant_is_forced_on_every_branch(pair: Pair, query: str) -> None:
    rows(pair.shim, f"INSERT INTO orders (id, customer, total) {query}")
    rows(pair.copy, f"INSERT INTO orders (id, customer, total) {query}")
    rows(pair.copy, "UPDATE orders SET tenant_id = 7")
    pair.check("SELECT * FROM orders")
    assert rows(pair.raw, "SELECT count(*) FROM orders WHERE tenant_id IS NULL") == [
        (0,)
    ]


def test_a_tenant_that_a_query_gives_is_checked(pair: Pair) -> None:
    sql = "INSERT INTO orders (id, tenant_id) SELECT DISTINCT id + 10, {} FROM log"
    pair.both(sql.format(7))
    before = rows(pair.raw, "SELECT * FROM orders")
    for wrong in ("8", "6 + id", "NULL", "'7a'"):
        with pytest.raises((PolicyViolation, pymysql.DataError)):
            rows(pair.shim, sql.format(wrong).replace("+ 10", "+ 20"))
    assert rows(pair.raw, "SELECT * FROM orders") == before


# -- 8: a DELETE becomes an UPDATE

DELETES = (
    "DELETE FROM orders",
    "DELETE FROM orders WHERE total > 1 OR 1",
    "DELETE FROM orders ORDER BY total DESC LIMIT 1",
    "DELETE FROM orders WHERE customer IN (SELECT id FROM customers WHERE name = 'b')",
    "DELETE FROM orders WHERE id IN (1, 2, 3, 4)",
    "DELETE FROM customers WHERE id = 4 OR id = 3",
)


@pytest.mark.parametrize("sql", DELETES)
def test_a_soft_delete_counts_and_hides_what_a_delete_would(
    pair: Pair, sql: str
) -> None:
    gone = f"SELECT * FROM orders WHERE {HIDDEN}"
    before = set(rows(pair.raw, gone))
    pair.both(sql)
    assert before <= set(rows(pair.raw, gone))


def test_a_multiple_delete_of_both_kinds_is_refused(pair: Pair) -> None:
    pair.refused("DELETE o, l FROM orders o JOIN log l ON l.id = o.id")
    assert rows(pair.raw, "SELECT count(*) FROM log") == [(3,)]


# -- 9: what meets a hidden row


def test_a_collision_with_a_deleted_row_tells_the_cure(pair: Pair) -> None:
    with pytest.raises(TombstoneConflict, match=r"restore\(\)") as caught:
        rows(pair.shim, "INSERT INTO orders (id, total) VALUES (4, 1)")
    assert isinstance(caught.value, pymysql.IntegrityError)
    for sql in (
        "REPLACE INTO orders (id, total) VALUES (4, 1)",
        "INSERT IGNORE INTO orders (id, total) VALUES (4, 1)",
        "UPDATE IGNORE orders SET id = 4 WHERE id = 1",
    ):
        assert pair.refused(sql) == "unsupported-statement"


# -- 12: limits of depth


@pytest.mark.parametrize("depth", [150, 5000])
def test_depth_is_right_or_refused(pair: Pair, depth: int) -> None:
    sql = f"SELECT {'(' * depth}id{')' * depth} FROM orders"
    if depth < 200:
        pair.check(sql)
    else:
        assert pair.refused(sql) == "too-deep"


def test_a_text_without_an_end_is_an_error(pair: Pair) -> None:
    with closing(pair.shim.cursor()) as cursor:
        for sql in ("SELECT id FROM orders /*", "SELECT 'id FROM orders", "SELECT `id"):
            with pytest.raises(pymysql.Error):
                cursor.execute(sql)
