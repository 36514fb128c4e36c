"""Decisions that were paid for, on PostgreSQL: each has a test that fails without it.

Every statement runs through the shim and on a copy that holds the visible rows alone.
Where a simpler way would do something else, that way is run too, and must be seen to be
wrong. What captures a policy is in tests/dialects/test_postgresql_pinning.py.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, TombstoneConflict, UnsupportedStatement
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    tenant_isolation,
)

TABLES = """
CREATE TABLE customers (id integer PRIMARY KEY, tenant_id integer, name text,
    deleted_at timestamptz);
CREATE TABLE orders (id integer PRIMARY KEY, tenant_id integer, customer integer,
    total integer, deleted_at timestamptz);
CREATE TABLE log (id integer PRIMARY KEY, customer integer, line text);
INSERT INTO customers VALUES (1, 7, 'a', NULL), (2, 7, 'b', NULL),
    (3, 8, 'ghost', NULL), (4, 7, 'gone', now());
INSERT INTO orders VALUES (1, 7, 1, 10, NULL), (2, 8, 2, 20, NULL),
    (3, 7, 2, 30, NULL), (4, 7, 1, 40, now());
INSERT INTO log VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three');
"""
PROTECTED = ("customers", "orders")


class Pair:
    """The shop through the shim, and the copy."""

    def __init__(self, url: str) -> None:
        options = "-c search_path=copy"
        self.raw = psycopg.connect(url, autocommit=True)
        self.raw.execute("CREATE SCHEMA copy")
        self.copy = psycopg.connect(url, autocommit=True, options=options)
        for database in (self.raw, self.copy):
            database.execute(cast("Any", TABLES))
        for table in PROTECTED:
            hidden = "tenant_id <> 7 OR deleted_at IS NOT NULL"
            self.copy.execute(cast("Any", f"DELETE FROM {table} WHERE {hidden}"))
        self.shim = self.wrap()

    def wrap(self, *policies: Any, **options: Any) -> Any:
        isolation = tenant_isolation("tenant_id", PROTECTED)
        plugins = [RowLevelSecurity(isolation, *policies)]
        made: Any = kysera_dbapi.wrap(
            self.raw, plugins=[*plugins, SoftDelete(PROTECTED, **options)]
        )
        made.context = {"tenant_id": 7}
        return made

    def close(self) -> None:
        for database in (self.raw, self.copy):
            database.close()

    def check(self, sql: str, values: Any = None) -> str:
        """Both give the same; returns the text that was sent."""
        expected = self.copy.execute(cast("Any", sql), values).fetchall()
        found = self.shim.execute(sql, values).fetchall()
        assert sorted(found, key=repr) == sorted(expected, key=repr), sql
        sent: str = self.shim.explain(sql).sql
        return sent

    def both(self, sql: str) -> None:
        """A write, after which both hold the same of all that is visible."""
        self.shim.execute(sql)
        self.copy.execute(cast("Any", sql))
        for table in (*PROTECTED, "log"):
            self.check(f"SELECT * FROM {table}")

    def refused(self, sql: str) -> str:
        with pytest.raises(UnsupportedStatement) as caught:
            self.shim.execute(sql)
        return caught.value.code

    def rows(self, sql: str) -> list[Any]:
        return self.raw.execute(cast("Any", sql)).fetchall()


@pytest.fixture
def pair(postgresql_url: str) -> Iterator[Pair]:
    with closing(Pair(postgresql_url)) as made:
        yield made


# -- 1: nothing of the caller's captures a filter


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (SELECT count(*) FROM orders o WHERE o.customer = c.id) "
        "FROM customers c",
        "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM log o WHERE o.id = 1)",
        "SELECT id, NULL AS deleted_at, 7 AS tenant_id FROM orders",
        "SELECT deleted_at.id FROM orders AS deleted_at",
        "SELECT tenant_id.tenant_id FROM orders AS tenant_id",
        "SELECT a.id FROM orders a, LATERAL (SELECT 7 AS tenant_id, 2 AS id) b "
        "WHERE a.id = b.id + 1",
        "SELECT x.i FROM orders AS x(i, tenant_id, deleted_at)",
        "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer = c.id",
        "SELECT c.id, o.id FROM customers c FULL JOIN orders o USING (id, tenant_id)",
    ],
)
def test_aliases_do_not_capture_a_filter(pair: Pair, sql: str) -> None:
    pair.check(sql)


def test_a_cte_does_not_capture_what_a_policy_reads(pair: Pair) -> None:
    policy = Policy(
        "orders",
        using="customer IN (SELECT c.id FROM customers c WHERE c.name = 'a')",
    )
    pair.shim = pair.wrap(policy)
    sql = (
        "WITH customers AS (SELECT 2 AS id, 'a' AS name) "
        "SELECT o.id FROM orders o, customers"
    )
    assert pair.shim.execute(sql).fetchall() == [(1,)]
    assert pair.refused("SELECT _k1.id FROM orders _k1") == "reserved-name"


# -- 2: folding is for look-up only


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "SELECT id FROM orders ORDER BY 1 LIMIT 1",
            "SELECT id FROM orders ORDER BY 1 LIMIT 9",
        ),
        (
            "SELECT id, total FROM orders ORDER BY 1 LIMIT 1",
            "SELECT id, total FROM orders ORDER BY 2 LIMIT 1",
        ),
        ("SELECT 'a', id FROM orders", "SELECT E'\\n', id FROM orders"),
        ("SELECT $$a$$, id FROM orders", "SELECT $b$ ' $b$, id FROM orders"),
        (
            "SELECT count(*) FROM orders WHERE total IN (10, 20)",
            "SELECT count(*) FROM orders WHERE total IN (20, 40)",
        ),
        ("SELECT interval '1 day', id FROM log", "SELECT interval '2', id FROM log"),
        ("SELECT -1, id FROM orders", "SELECT - 2, id FROM orders"),
    ],
)
def test_what_was_planned_for_one_text_is_right_for_the_next(
    pair: Pair, first: str, second: str
) -> None:
    for sql in (first, second, first, second):
        assert first.split()[0] in pair.check(sql)


def test_a_literal_stays_a_literal(pair: Pair) -> None:
    sent = pair.check("SELECT id FROM orders WHERE total = 10 AND 'it''s' <> ''")
    assert "total = 10 AND 'it''s' <> ''" in sent
    assert sent.count("%s") + sent.count("$1") == 1  # the tenant


# -- 3: a list is one value


def test_a_list_is_bound_as_one_value(pair: Pair) -> None:
    pair.shim = pair.wrap(Policy("orders", using="total IN :totals"))
    sql = "SELECT id FROM orders ORDER BY id"
    for totals, found in (([10], [1]), ([10, 20, 30], [1, 3]), ([], [])):
        with kysera_dbapi.context(totals=totals):
            rows = pair.shim.execute(sql).fetchall()
            assert [row[0] for row in rows] == found
            assert "OPERATOR(pg_catalog.=) ANY (" in pair.shim.explain(sql).sql


# -- 4: a check raises inside of the statement


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders SET tenant_id = 8 WHERE id = 1",
        "UPDATE orders SET tenant_id = tenant_id + 1",
        "UPDATE orders SET tenant_id = 7 + (random() < 2)::int",
        "UPDATE orders SET tenant_id = NULL WHERE id = 3",
        "UPDATE orders o SET tenant_id = l.id FROM log l WHERE l.id = o.id",
        "INSERT INTO orders (id, tenant_id) VALUES (9, 7), (10, 8)",
        "INSERT INTO orders (id, tenant_id) SELECT id + 90, id FROM log",
        "INSERT INTO orders (id, total) VALUES (2, 0) "
        "ON CONFLICT (id) DO UPDATE SET total = 0",
        "INSERT INTO orders (id, total) VALUES (2, 0) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO orders (id, total) VALUES (1, 0) "
        "ON CONFLICT (id) DO UPDATE SET tenant_id = 8",
        "WITH w AS (UPDATE orders SET tenant_id = 8 RETURNING id) SELECT * FROM w",
    ],
)
def test_a_violation_changes_nothing(pair: Pair, sql: str) -> None:
    before = pair.rows("SELECT * FROM orders ORDER BY id")
    with pytest.raises(PolicyViolation):
        pair.shim.execute(sql)
    assert pair.rows("SELECT * FROM orders ORDER BY id") == before


def test_a_row_that_a_trigger_moves_is_checked(pair: Pair) -> None:
    pair.raw.execute(
        "CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN new.tenant_id := 8; RETURN new; END'; "
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON orders FOR EACH ROW "
        "EXECUTE FUNCTION moves()"
    )
    for sql in ("UPDATE orders SET total = 1", "INSERT INTO orders (id) VALUES (9)"):
        with pytest.raises(PolicyViolation):
            pair.shim.execute(sql)


def test_a_check_is_not_tried_on_rows_that_a_filter_drops(pair: Pair) -> None:
    pair.shim.execute(
        "UPDATE orders SET tenant_id = 70 / total * 0 + 7 WHERE total > 0"
    )
    pair.raw.execute("UPDATE orders SET total = 0 WHERE id = 2")  # of another tenant
    pair.shim.execute("UPDATE orders SET tenant_id = 70 / total * 0 + 7")


# -- 5: which names are those of common table expressions

RULES = {
    "a CTE hides a table of its name": (
        "WITH orders AS (SELECT 70 AS id) SELECT id FROM orders"
    ),
    "each sees those before": (
        "WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a) SELECT * FROM b"
    ),
    "not those after": (
        "WITH a AS (SELECT id FROM orders), orders AS (SELECT 70 AS id) SELECT * FROM a"
    ),
    "its own body sees the table": (
        "WITH orders AS (SELECT id FROM orders) SELECT id FROM orders"
    ),
    "with RECURSIVE those after, too": (
        "WITH RECURSIVE a AS (SELECT id FROM orders), orders AS (SELECT 70 AS id) "
        "SELECT * FROM a"
    ),
    "and its own body sees itself": (
        "WITH RECURSIVE orders(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM orders "
        "WHERE i < 9) SELECT i FROM orders"
    ),
    "an inner one ends with its block": (
        "SELECT (WITH orders AS (SELECT 70 AS id) SELECT id FROM orders), id "
        "FROM orders"
    ),
    "case does not matter, quotes do": (
        'WITH "Orders" AS (SELECT 70 AS id) SELECT id FROM Orders'
    ),
    "a write in WITH is one": (
        "WITH orders AS (INSERT INTO log VALUES (70, 1, 'x') RETURNING id) "
        "SELECT id FROM orders"
    ),
}


@pytest.mark.parametrize("sql", RULES.values(), ids=RULES)
def test_a_rule_of_postgresqls_common_table_expressions(pair: Pair, sql: str) -> None:
    pair.check(sql)


def test_a_qualified_name_and_a_target_are_no_cte(pair: Pair) -> None:
    sql = "WITH orders AS (SELECT 70 AS id) SELECT id FROM {}.orders"
    found = pair.shim.execute(sql.format("public")).fetchall()
    assert found == pair.copy.execute(cast("Any", sql.format("copy"))).fetchall()
    pair.both("WITH orders AS (SELECT 1 AS id) UPDATE orders SET total = 0")
    pair.both(
        "WITH orders AS (SELECT 1 AS id) DELETE FROM orders o USING orders c "
        "WHERE o.id = c.id"
    )
    assert pair.rows("SELECT total FROM orders WHERE id = 2") == [(20,)]


# -- 6: no statement keeps a text that nothing filters


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("PREPARE p AS SELECT * FROM orders", "statement-kind"),
        ("CREATE VIEW v AS SELECT * FROM orders", "protected-ddl"),
        ("CREATE TEMP VIEW v AS SELECT * FROM public . orders", "protected-ddl"),
        ("CREATE MATERIALIZED VIEW v AS SELECT * FROM orders", "protected-ddl"),
        ('CREATE RECURSIVE VIEW v (a) AS SELECT id FROM "orders"', "protected-ddl"),
        (
            "CREATE RULE r AS ON INSERT TO log DO ALSO DELETE FROM orders",
            "protected-ddl",
        ),
        (
            "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS "
            "'SELECT count(*) FROM orders'",
            "statement-kind",
        ),
        ("DO 'BEGIN DELETE FROM orders; END'", "statement-kind"),
    ],
)
def test_what_would_keep_an_unfiltered_text_is_refused(
    pair: Pair, sql: str, code: str
) -> None:
    assert pair.refused(sql) == code
    pair.raw.execute(cast("Any", sql))  # so it is a statement


def test_what_keeps_the_rows_keeps_visible_ones(pair: Pair) -> None:
    pair.shim.execute("CREATE TABLE kept AS SELECT id, total FROM orders")
    assert pair.rows("SELECT id FROM kept ORDER BY id") == [(1,), (3,)]


# -- 7: the forced value of an INSERT


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id + 100, 'x', 1 FROM log",
        "SELECT id + 100, line, customer FROM log UNION SELECT 200, 'y', 2",
        "SELECT l.id + 100, l.line, l.id FROM log l EXCEPT SELECT 101, 'one', 1",
        "VALUES (101, 'x', 1), (102, NULL, 2)",
        "SELECT * FROM (VALUES (101, 'x', 1)) AS v",
    ],
)
def test_every_row_of_a_query_gets_the_tenant(pair: Pair, query: str) -> None:
    pair.raw.execute("ALTER TABLE customers ADD rank integer")
    pair.shim.refresh()
    sql = f"INSERT INTO customers (id, name, rank) {query}"
    count = pair.shim.execute(sql).rowcount
    found = pair.rows("SELECT tenant_id FROM customers WHERE id > 100")
    assert found == [(7,)] * count
    assert count > 0


def test_without_a_list_of_columns_nothing_is_forced_but_checked(pair: Pair) -> None:
    pair.shim.execute("INSERT INTO customers VALUES (9, 7, 'x')")
    with pytest.raises(PolicyViolation):
        pair.shim.execute("INSERT INTO customers VALUES (10, 8, 'x')")
    # if the value were replaced, two rows would be one
    sql = "INSERT INTO customers (id, tenant_id) SELECT DISTINCT 20, id + 5 FROM log"
    with pytest.raises((PolicyViolation, psycopg.IntegrityError)):
        pair.shim.execute(f"{sql} WHERE id > 1")
    assert pair.rows("SELECT count(*) FROM customers WHERE id > 9") == [(0,)]


# -- 8: DELETE becomes UPDATE


def test_returning_shows_the_row_as_it_was(pair: Pair) -> None:
    sql = "DELETE FROM orders WHERE id < 9 RETURNING *, deleted_at IS NULL, orders"
    expected = pair.copy.execute(cast("Any", sql.replace(", orders", "")))
    found = pair.shim.execute(sql.replace(", orders", ""))
    assert sorted(found.fetchall()) == sorted(expected.fetchall())
    assert found.rowcount == expected.rowcount == 2
    before = pair.rows("SELECT deleted_at FROM orders WHERE id = 4")
    assert pair.shim.execute("DELETE FROM orders").rowcount == 0
    assert pair.rows("SELECT deleted_at FROM orders WHERE id = 4") == before


def test_a_foreign_key_and_a_trigger_must_be_declared(pair: Pair) -> None:
    pair.raw.execute("CREATE TABLE kids (id integer REFERENCES orders)")
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        pair.wrap()
    assert caught.value.code == "undeclared-foreign-key"
    pair.wrap(foreign_keys={"kids.id": "restrict"})
    pair.raw.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN old; END'; CREATE TRIGGER t BEFORE DELETE ON orders "
        "FOR EACH ROW EXECUTE FUNCTION f()"
    )
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        pair.wrap(foreign_keys={"kids.id": "restrict"})
    assert caught.value.code == "delete-trigger"


# -- 9: collisions with deleted rows


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders (id) VALUES (4)",
        "INSERT INTO orders (id) VALUES (50), (4)",
        "INSERT INTO orders (id) SELECT id + 1 FROM log",
        "INSERT INTO orders (id) VALUES (4) RETURNING id",
        "UPDATE orders SET id = 4 WHERE id = 1",
        "INSERT INTO orders (id) VALUES (4) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO orders (id) VALUES (4) ON CONFLICT (id) DO UPDATE SET total = 1",
        "WITH w AS (INSERT INTO orders (id) VALUES (4) RETURNING id) SELECT * FROM w",
    ],
)
def test_a_deleted_row_in_the_way_is_told(pair: Pair, sql: str) -> None:
    before = pair.rows("SELECT * FROM orders ORDER BY id")
    with pytest.raises(TombstoneConflict) as caught:
        pair.shim.execute(sql)
    assert isinstance(caught.value, psycopg.IntegrityError)
    assert pair.rows("SELECT * FROM orders ORDER BY id") == before


def test_a_deleted_row_in_the_way_of_many_is_told(pair: Pair) -> None:
    with pytest.raises(TombstoneConflict):
        pair.shim.cursor().executemany(
            "INSERT INTO orders (id) VALUES (%s)", [(60,), (4,)]
        )


# -- 12: one limit of depth, whatever the parser


@pytest.mark.parametrize("depth", [13, 200, 201])
def test_parentheses_nest_two_hundred_deep(pair: Pair, depth: int) -> None:
    sql = f"SELECT id FROM orders WHERE {'(' * depth}total > 5{')' * depth}"
    if depth > 200:
        assert pair.refused(sql) == "too-deep"
    else:
        pair.check(sql)


# -- 14: added values are bare placeholders


def test_executemany_is_one_call_of_the_driver(pair: Pair) -> None:
    sent = pair.shim.explain("INSERT INTO orders (id, total) VALUES (%s, %s)").sql
    assert "%s, %s, %s)" in sent
    cursor = pair.shim.cursor()
    rows = [(i, i) for i in range(100, 110)]
    cursor.executemany("INSERT INTO orders (id, total) VALUES (%s, %s)", rows)
    assert cursor.rowcount == 10
    cursor.executemany("DELETE FROM orders WHERE id = %s", [(100,), (2,), (101,)])
    assert cursor.rowcount == 2
    found = pair.rows("SELECT count(*), min(tenant_id) FROM orders WHERE id > 99")
    assert found == [(10, 7)]
