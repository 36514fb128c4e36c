"""Decisions that were paid for: each has a test that fails without it.

Every statement runs through the shim and on a copy without the deleted rows. Where a
simpler way would do something else, that way is run too, and must be seen to be wrong.
Of the others, keys of deleted rows are in test_collisions, foreign keys and RETURNING
of a cascade in test_cascade, triggers in test_soft_delete_settings, the constructors of
the driver in test_install.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.binding import Binding
from kysera_dbapi.plugins import SoftDelete

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer, total, deleted_at);
CREATE TABLE items (o, n, deleted_at, PRIMARY KEY (o, n));
CREATE TABLE log (id INTEGER PRIMARY KEY, customer, message);
INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'ghost', 'x');
INSERT INTO orders VALUES (1, 1, 10, NULL), (2, 2, 20, 'x'), (3, 3, 30, NULL),
    (4, 1, 40, 'x'), (5, NULL, 50, NULL);
INSERT INTO items VALUES (1, 1, NULL), (1, 2, 'x'), (3, 1, 'x'), (9, 1, NULL);
INSERT INTO log VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three');
"""
TABLES = ["customers", "orders", "items"]
LEFT = "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer = c.id"
RIGHT = "SELECT l.id, o.id FROM orders o RIGHT JOIN log l ON o.customer = l.customer"


class Pair:
    """The shop through the shim, and the copy."""

    def __init__(self) -> None:
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        self.copy = sqlite3.connect(":memory:", isolation_level=None)
        for database in (self.raw, self.copy):
            database.executescript(SCHEMA)
        for table in TABLES:
            self.copy.execute(f"DELETE FROM {table} WHERE deleted_at NOT NULL")
        self.shim: Any = kysera_dbapi.wrap(self.raw, plugins=[SoftDelete(TABLES)])

    def close(self) -> None:
        for database in (self.shim, self.copy):
            database.close()

    def check(self, sql: str, values: Any = ()) -> str:
        """Both give the same; returns the text that was sent."""
        expected = self.copy.execute(sql, values).fetchall()
        found = self.shim.execute(sql, values).fetchall()
        assert sorted(found, key=repr) == sorted(expected, key=repr), sql
        sent: str = self.shim.explain(sql).sql
        return sent

    def differs(self, sql: str, wrong: str) -> None:
        """A text that could have been sent is not the right one."""
        expected = self.copy.execute(sql).fetchall()
        found = self.raw.execute(wrong).fetchall()
        assert sorted(found, key=repr) != sorted(expected, key=repr), wrong

    def refused(self, sql: str) -> str:
        with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
            self.shim.execute(sql)
        return caught.value.code


@pytest.fixture
def pair() -> Iterator[Pair]:
    with closing(Pair()) as made:
        yield made


# -- where a filter goes


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        (
            LEFT,
            f"{LEFT} WHERE c.deleted_at IS NULL AND o.deleted_at IS NULL",
        ),
        (
            RIGHT,
            f"{RIGHT} WHERE o.deleted_at IS NULL AND o.id IS NOT NULL",
        ),
        (
            f"{LEFT} WHERE o.id IS NULL",
            f"{LEFT} WHERE o.id IS NULL AND o.deleted_at IS NULL",
        ),
    ],
)
def test_a_null_supplied_relation_is_filtered_where_it_is_joined(
    pair: Pair, sql: str, wrong: str
) -> None:
    sent = pair.check(sql)
    on = sent.partition(" ON ")[2].partition(" WHERE ")[0]
    assert 'o."deleted_at" IS NULL' in on
    pair.differs(sql, wrong)


def test_a_preserved_relation_is_filtered_in_where(pair: Pair) -> None:
    sql = "SELECT l.id, c.id FROM customers c LEFT JOIN log l ON l.customer = c.id"
    sent = pair.check(sql)
    assert 'c."deleted_at" IS NULL' in sent.partition(" WHERE ")[2]
    pair.differs(sql, f"{sql} AND c.deleted_at IS NULL")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM customers FULL JOIN orders USING (deleted_at)",
        "SELECT id, total FROM log LEFT JOIN orders USING (id)",
        "SELECT id, total FROM log NATURAL LEFT JOIN orders",
        "SELECT l.id, t.n FROM log l LEFT JOIN items t",
    ],
)
def test_where_there_is_no_on_the_relation_becomes_a_derived_table(
    pair: Pair, sql: str
) -> None:
    assert "(SELECT * FROM" in pair.check(sql)


def test_an_or_does_not_get_round_the_filter(pair: Pair) -> None:
    for sql in (
        "SELECT id FROM orders WHERE id = 2 OR total > 15",
        "SELECT l.id, o.id FROM log l LEFT JOIN orders o ON o.id = 4 OR o.id = l.id",
        "SELECT id FROM orders WHERE NOT id = 1 OR 1",
    ):
        pair.check(sql)
    pair.differs(
        "SELECT id FROM orders WHERE id = 2 OR total > 15",
        "SELECT id FROM orders WHERE deleted_at IS NULL AND id = 2 OR total > 15",
    )


# -- comma joins


@pytest.mark.parametrize(
    "sql",
    [
        # elsewhere ON could not name c, and only b would be null-supplied
        "SELECT c.id, o.id, l.id FROM customers c, orders o RIGHT JOIN log l "
        "ON l.customer = c.id AND o.customer = c.id",
        "SELECT c.id, o.id, l.id FROM customers c, orders o FULL JOIN log l "
        "ON l.customer = c.id",
        "SELECT c.id, o.id, i.n FROM customers c, orders o LEFT JOIN items i "
        "ON i.o = o.id AND c.id = o.customer",
    ],
)
def test_a_comma_is_a_join_like_others_in_sqlite(pair: Pair, sql: str) -> None:
    pair.check(sql)


def test_all_on_the_left_of_a_right_join_is_null_supplied(pair: Pair) -> None:
    sql = (
        "SELECT c.id, o.id, l.id FROM customers c, orders o RIGHT JOIN log l "
        "ON l.customer = c.id AND o.customer = c.id"
    )
    pair.differs(
        sql,
        "SELECT c.id, o.id, l.id FROM customers c, orders o RIGHT JOIN log l "
        "ON l.customer = c.id AND o.customer = c.id AND o.deleted_at IS NULL "
        "WHERE c.deleted_at IS NULL AND c.id IS NOT NULL",
    )


# -- the rowid under a derived table


@pytest.mark.parametrize("name", ["rowid", "_rowid_", "oid", "ROWID", '"rowid"'])
def test_a_rowid_is_not_read_from_a_derived_table(pair: Pair, name: str) -> None:
    joined = f"SELECT o.{name} FROM log l FULL JOIN orders o"
    assert pair.refused(f"{joined} USING (id)") == "unsupported-construct"
    pair.check(f"{joined} ON o.id = l.id")
    pair.check(f"SELECT {name} FROM orders")


# -- 1: nothing of the caller's captures a filter


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (SELECT count(*) FROM orders o WHERE o.id = c.id) FROM customers c",
        "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM log o WHERE o.id = 1)",
        "SELECT o.id FROM log o WHERE o.id IN (SELECT o.id FROM orders o)",
        "SELECT id, 'x' AS deleted_at FROM orders",
        "SELECT id, NULL AS deleted_at FROM orders WHERE deleted_at IS NULL",
        "SELECT deleted_at.id FROM orders AS deleted_at",
        "SELECT orders.message, customers.total FROM log orders, orders customers",
        "SELECT a.id FROM orders a, (SELECT NULL AS deleted_at, 2 AS id) b "
        "WHERE a.id = b.id",
        "WITH orders AS (SELECT 2 AS id, NULL AS deleted_at) "
        "SELECT o.id, m.id FROM orders o, main.orders m",
        "WITH deleted_at AS (SELECT 1 AS x) SELECT id FROM orders, deleted_at",
    ],
)
def test_aliases_and_ctes_do_not_capture_a_filter(pair: Pair, sql: str) -> None:
    pair.check(sql)


@pytest.mark.parametrize("name", [":_k0", "@_k1", "$_k0"])
def test_the_names_of_added_values_are_reserved(pair: Pair, name: str) -> None:
    for sql in (
        f"DELETE FROM orders WHERE id = {name}",
        f"DELETE FROM orders WHERE id = :a AND total = {name}",
    ):
        assert pair.refused(sql) == "reserved-name"


def test_a_temporary_table_does_not_capture_a_cascade() -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, deleted_at); "
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p, deleted_at); "
        "INSERT INTO p VALUES (1, NULL); INSERT INTO c VALUES (1, 1, NULL); "
        "CREATE TEMP TABLE c (id INTEGER PRIMARY KEY, p, deleted_at); "
        "INSERT INTO temp.c VALUES (1, 1, NULL)"
    )
    plugin = SoftDelete(["p", "c"], foreign_keys={"c.p": "cascade"})
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        connection.execute("DELETE FROM p")
        marks = "SELECT deleted_at IS NULL FROM {}.c"
        assert raw.execute(marks.format("temp")).fetchone() == (1,)
        assert raw.execute(marks.format("main")).fetchone() == (0,)


# -- 2: folding is for look-up only


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT count(*) FROM 'log'", "SELECT count(*) FROM 'orders'"),
        ("SELECT 'id' FROM orders 'o'", "SELECT 'id' FROM orders 'p'"),
        (
            "SELECT o.'id' FROM orders 'o' WHERE total = 10",
            "SELECT o.'total' FROM orders 'o' WHERE total = 50",
        ),
        (
            "SELECT count(*) FROM orders WHERE total IN (10, 20)",
            "SELECT count(*) FROM orders WHERE total IN (20, 40)",
        ),
        ("SELECT 1 + 1 FROM orders", "SELECT 1 + 2 FROM orders"),
        (
            "SELECT id FROM orders ORDER BY 1 LIMIT 1",
            "SELECT id FROM orders ORDER BY 1 LIMIT 9",
        ),
        ("SELECT -1, id FROM orders", "SELECT - 2, id FROM orders"),
        ("SELECT x'01', id FROM orders", "SELECT x'02', id FROM orders"),
    ],
)
def test_what_was_planned_for_one_text_is_right_for_the_next(
    pair: Pair, first: str, second: str
) -> None:
    for sql in (first, second, first, second):
        pair.check(sql)
        names = [pair.copy.execute(sql).description, pair.shim.execute(sql).description]
        assert names[0] == names[1]


def test_a_string_that_is_a_column_to_set_is_its_own_statement(pair: Pair) -> None:
    pair.shim.execute("UPDATE orders SET 'total' = 1 WHERE id = 1")
    code = pair.refused("UPDATE orders SET 'deleted_at' = 1 WHERE id = 1")
    assert code == "raw-deletion-update"


def test_a_literal_stays_a_literal(pair: Pair) -> None:
    sql = "SELECT id FROM orders WHERE total = 10 AND 'it''s' <> ''"
    sent = pair.check(sql)
    assert "total = 10 AND 'it''s' <> ''" in sent
    assert "?" not in sent


# -- 5: which names are those of common table expressions

RULES = {
    "a CTE hides a table of its name": (
        "WITH orders AS (SELECT 7 AS id) SELECT id FROM orders"
    ),
    "not by its qualified name": (
        "WITH orders AS (SELECT 7 AS id) SELECT id FROM main.orders"
    ),
    "each sees those before": (
        "WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a) SELECT * FROM b"
    ),
    "and those after": (
        "WITH a AS (SELECT id FROM b), b AS (SELECT id FROM orders) SELECT * FROM a"
    ),
    "also where a table has the name": (
        "WITH a AS (SELECT id FROM orders), orders AS (SELECT 7 AS id) SELECT * FROM a"
    ),
    "the body of a recursive one sees itself without RECURSIVE": (
        "WITH orders(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM orders WHERE i < 9) "
        "SELECT i FROM orders"
    ),
    "a sub-select sees those outside": (
        "WITH orders AS (SELECT 7 AS id) SELECT (SELECT max(id) FROM orders)"
    ),
    "an inner one ends with its block": (
        "SELECT (WITH orders AS (SELECT 7 AS id) SELECT id FROM orders), id FROM orders"
    ),
    "an inner one hides an outer": (
        "WITH orders AS (SELECT 7 AS id) SELECT * FROM "
        "(WITH orders AS (SELECT id FROM customers) SELECT id FROM orders)"
    ),
    "the body of an inner one sees the outer": (
        "WITH orders AS (SELECT 7 AS id) SELECT * FROM "
        "(WITH b AS (SELECT id FROM orders) SELECT id FROM b)"
    ),
    "case does not matter, nor quotes": (
        'WITH "Orders" AS (SELECT 7 AS id) SELECT id FROM [ORDERS]'
    ),
    "x IN name is one too": (
        "WITH orders AS (SELECT 7 AS id) SELECT 7 IN orders, 1 IN orders"
    ),
    "each branch of a set operation sees them": (
        "WITH orders AS (SELECT 7 AS id) SELECT id FROM orders UNION ALL "
        "SELECT id FROM orders"
    ),
}


@pytest.mark.parametrize("sql", RULES.values(), ids=RULES)
def test_a_rule_of_sqlites_common_table_expressions(pair: Pair, sql: str) -> None:
    pair.check(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH orders AS (SELECT 1 AS id) DELETE FROM orders WHERE id IN "
        "(SELECT id FROM orders)",
        "WITH orders AS (SELECT 1 AS i) UPDATE orders SET total = 0 WHERE id IN orders",
        "WITH log AS (SELECT id FROM orders) INSERT INTO log (id) "
        "SELECT id + 10 FROM log",
    ],
)
def test_the_target_of_a_write_is_never_a_cte(pair: Pair, sql: str) -> None:
    for database in (pair.shim, pair.copy):
        database.execute(sql)
    for table in ("orders", "log"):
        pair.check(f"SELECT * FROM {table}")
    hidden = "SELECT count(*) FROM orders WHERE deleted_at = 'x' AND total IN (20, 40)"
    assert pair.raw.execute(hidden).fetchone() == (2,)


# -- 6: no statement keeps a text that nothing filters


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW v AS SELECT * FROM orders",
        "CREATE TEMP VIEW v AS SELECT (SELECT max(total) FROM main.[orders])",
        "CREATE VIEW v AS SELECT id IN orders FROM log",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM orders; END",
        "CREATE TEMP TRIGGER t AFTER INSERT ON log WHEN (SELECT 1 FROM orders) "
        "BEGIN SELECT 1; END",
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
    ],
)
def test_what_would_keep_an_unfiltered_text_is_refused(pair: Pair, sql: str) -> None:
    assert pair.refused(sql) == "protected-ddl"
    names = pair.raw.execute("SELECT name FROM sqlite_master WHERE type <> 'table'")
    assert {row[0] for row in names} <= {"sqlite_autoindex_items_1"}


def test_what_keeps_the_rows_keeps_live_ones(pair: Pair) -> None:
    sql = "CREATE TABLE kept AS SELECT id, total FROM orders"
    for database in (pair.shim, pair.copy):
        database.execute(sql)
    pair.check("SELECT * FROM kept")
    assert pair.raw.execute("SELECT count(*) FROM kept").fetchone() == (3,)


# -- 8: RETURNING of a soft DELETE


def test_returning_shows_the_row_as_it_was(pair: Pair) -> None:
    sql = (
        "DELETE FROM orders WHERE id < 4 RETURNING *, deleted_at, orders.deleted_at IS "
        "NULL AS live, typeof(deleted_at)"
    )
    expected = pair.copy.execute(sql)
    found = pair.shim.execute(sql)
    assert found.description == expected.description
    assert found.fetchall() == expected.fetchall()
    unmended = pair.raw.execute("UPDATE orders SET total = 1 WHERE id = 1 RETURNING *")
    assert unmended.fetchone()[3] is not None


# -- 12: one limit of depth, whatever the parser


@pytest.mark.parametrize(
    ("depth", "refused"),
    [(12, False), (13, False), (80, False), (200, False), (201, True)],
)
def test_parentheses_nest_two_hundred_deep(
    pair: Pair, depth: int, *, refused: bool
) -> None:
    sql = f"SELECT id FROM orders WHERE {'(' * depth}total > 5{')' * depth}"
    if refused:
        assert pair.refused(sql) == "too-deep"
    elif depth < 100:  # SQLite's own limit
        pair.check(sql)
    else:
        assert 'orders."deleted_at" IS NULL' in pair.shim.explain(sql).sql


# -- 14: added values are bare placeholders


@pytest.mark.parametrize(
    ("sql", "sent", "beside"),
    [
        (
            "DELETE FROM orders WHERE id = ?",
            'UPDATE orders SET deleted_at = ? WHERE orders."deleted_at" IS NULL AND '
            "(id = ?)",
            "before",
        ),
        (
            "DELETE FROM orders WHERE id = :id",
            "UPDATE orders SET deleted_at = :_k0 WHERE "
            'orders."deleted_at" IS NULL AND (id = :id)',
            "before",
        ),
        (
            "DELETE FROM orders WHERE id = ?1",
            "UPDATE orders SET deleted_at = ?2 WHERE "
            'orders."deleted_at" IS NULL AND (id = ?1)',
            "after",
        ),
    ],
)
def test_added_values_are_bare_placeholders(
    pair: Pair, sql: str, sent: str, beside: str
) -> None:
    assert pair.shim.explain(sql).sql.rstrip() == sent
    session: Any = pair.shim.plugin_host
    binding: Binding = session.plan(sql).program.binding
    assert binding.leads == (beside == "before")
    assert (binding.pick is None) == (beside == "after")


def test_executemany_is_one_call_of_the_driver(pair: Pair) -> None:
    cursor = pair.shim.executemany(
        "DELETE FROM orders WHERE id = ?", [(1,), (2,), (5,)]
    )
    assert cursor.rowcount == 2
    assert pair.shim.execute("SELECT id FROM orders").fetchall() == [(3,)]
