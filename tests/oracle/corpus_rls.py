"""Statements written by hand for tables whose rows have a tenant."""

from collections.abc import Sequence

from tests.oracle.draft import GENERATOR, Params, Statement
from tests.oracle.entries import Entry, entries, writes

# what was wrong or refused once, each in its smallest form

FOUND = [
    *writes(
        "update",
        "orders",
        {
            "returning-in-another-case": "UPDATE orders SET id = id RETURNING DELETED_AT",
            "returning-quoted": 'UPDATE orders SET total = 1 RETURNING "Total", [ID] AS x',
            "returning-number": "UPDATE orders SET total = 1 WHERE id = 101 RETURNING 1",
            "returning-text": "UPDATE orders SET total = 1 WHERE id = 101 RETURNING 'x', id",
            "returning-null": "UPDATE orders SET total = 1 WHERE id = 101 RETURNING NULL",
            "returning-parameter": (
                "UPDATE orders SET total = 1 WHERE id = 101 RETURNING ?",
                (5,),
            ),
            "returning-time": "UPDATE orders SET total = 1 WHERE id = 101 RETURNING CURRENT_DATE",
            "returning-expression": "UPDATE orders SET total = 1 WHERE id = 101 RETURNING total + 1, -id, (id)",
            "returning-star": "UPDATE orders SET total = 1 RETURNING *",
        },
    ),
    *writes(
        "update",
        "customers",
        {
            "read-by-policies": "UPDATE customers SET country_code = 'X', credit = 1 WHERE country_code < 'G' OR email NOT IN (SELECT comment FROM orders)",
        },
    ),
    *entries(
        "query",
        {
            "placeholders-some-with-numbers": (
                "SELECT ?, ? + 1, id, ?3, ? FROM orders WHERE id > ?",
                (1, 2, 3, 4, 5),
            ),
            "values-in-a-full-join": "SELECT stock.sku FROM stock FULL JOIN (SELECT p.id FROM customers JOIN archive JOIN customers p ON (p.name, p.id) NOT IN (SELECT 'a', 1 UNION ALL VALUES ('Gear', 5))) ON true",
        },
    ),
    *writes(
        "insert",
        "archive",
        {
            "upsert-by-a-function": "INSERT INTO archive (id, title) VALUES (1, 'torn') ON CONFLICT (id) DO UPDATE SET title = excluded.title",
        },
    ),
    *writes(
        "insert",
        "settings",
        {
            "replace-without-columns": "REPLACE INTO settings VALUES ('o''brien 100%', 'theme', 'x')",
            "or-ignore-values-last": "INSERT OR IGNORE INTO settings (name) SELECT 'x' FROM log UNION VALUES ('theme')",
            "or-ignore-of-a-join": "INSERT OR IGNORE INTO settings (name) SELECT 'x' FROM log UNION SELECT 'theme' FROM log",
            "or-ignore-without-columns": "INSERT OR IGNORE INTO settings VALUES ('o''brien 100%', 'theme', 'x')",
        },
    ),
    *writes(
        "insert",
        "products",
        {
            "values-last": "INSERT INTO products (product_id) SELECT 900 UNION ALL VALUES (901), (902)",
            "values-first": "INSERT INTO products (product_id) VALUES (901), (902) UNION ALL SELECT 900 RETURNING product_id",
            "values-between": "INSERT INTO products (product_id) SELECT 900 UNION VALUES (901) EXCEPT SELECT 902",
            "values-first-without-columns": "INSERT INTO products VALUES (901, 'x', 1, 10, 0, 7) UNION SELECT 900, 'x', 1, 10, 0, 7",
        },
    ),
]

LIMITED = [
    *writes(
        "update",
        "orders",
        {
            "limit": "UPDATE orders SET total = 0 ORDER BY total DESC, id LIMIT 3",
            "limit-where": "UPDATE orders SET total = 0 WHERE id > 101 ORDER BY id LIMIT 2 OFFSET 1",
        },
    ),
]

# keys of rows that are not seen: an error, and nothing of the row in it

VIOLATION, UNIQUE = "PolicyViolation", "IntegrityError"
TAKEN: dict[str, Sequence[Entry]] = {
    UNIQUE: entries(
        "taken",
        {
            "key": "INSERT INTO orders (id, total) VALUES (-101, 1)",
            "key-of-nobody": "INSERT INTO customers (id, name) VALUES (-2, 'x')",
            "unique": "INSERT INTO customers (id, name, email) VALUES (900, 'x', 'ghost ann@x.org')",
            "key-of-select": "INSERT INTO orders (id) SELECT -101 FROM customers LIMIT 1",
            "key-returning": "INSERT INTO orders (id) VALUES (-101) RETURNING *",
            "two-columns": "INSERT INTO items (order_id, line) VALUES (101, -1)",
            "without-rowid": "INSERT INTO prices (product_id, region) VALUES (1, 'ghost EU')",
            "text": "INSERT INTO tags (tag) VALUES ('ghost open')",
            "abort": "INSERT OR ABORT INTO orders (id) VALUES (-101)",
            "fail": "INSERT OR FAIL INTO orders (id) VALUES (-101)",
            "rollback": "INSERT OR ROLLBACK INTO orders (id) VALUES (-101)",
            "moved-key": "UPDATE orders SET id = -101 WHERE id = 101",
            "moved-unique": "UPDATE customers SET email = 'ghost ann@x.org' WHERE id = 1",
            "other-key-of-an-upsert": "INSERT INTO customers (id, name, email) VALUES (1, 'x', 'ghost ann@x.org') ON CONFLICT (id) DO UPDATE SET email = excluded.email",
            "deleted-row-of-its-own": "INSERT INTO orders (id) VALUES (102)",
        },
    ),
    VIOLATION: entries(
        "taken",
        {
            "do-update": "INSERT INTO orders (id, total) VALUES (-101, 1) ON CONFLICT (id) DO UPDATE SET total = 1",
            "do-update-where": "INSERT INTO orders (id, total) VALUES (-101, 1) ON CONFLICT (id) DO UPDATE SET total = 1 WHERE orders.total > 1000",
            "do-update-any": "INSERT INTO orders (id, total) VALUES (900, 1), (-101, 1) ON CONFLICT DO UPDATE SET total = 1",
            "do-update-unique": "INSERT INTO customers (id, name, email) VALUES (900, 'x', 'ghost ann@x.org') ON CONFLICT (email) DO UPDATE SET name = 'x'",
            "do-update-takes-over": "INSERT INTO orders (id) VALUES (-101) ON CONFLICT (id) DO UPDATE SET tenant_id = 7",
            "do-update-of-nobody": "INSERT INTO customers (id, name) VALUES (-2, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'",
            "do-update-select": "INSERT INTO orders (id, total) SELECT -id, 1 FROM orders WHERE true ON CONFLICT (id) DO UPDATE SET total = excluded.total",
            "do-update-two-columns": "INSERT INTO items (order_id, line) VALUES (101, -1) ON CONFLICT (order_id, line) DO UPDATE SET qty = 9",
            "do-update-without-rowid": "INSERT INTO prices (product_id, region) VALUES (1, 'ghost EU') ON CONFLICT DO UPDATE SET amount = 9",
            "do-update-returning": "INSERT INTO orders (id) VALUES (-101) ON CONFLICT (id) DO UPDATE SET total = 1 RETURNING *",
            "do-nothing": "INSERT INTO orders (id) VALUES (-101) ON CONFLICT (id) DO NOTHING",
            "do-nothing-any": "INSERT INTO orders (id) VALUES (-101) ON CONFLICT DO NOTHING",
            "do-nothing-returning": "INSERT INTO orders (id) VALUES (-101) ON CONFLICT DO NOTHING RETURNING id",
            "or-ignore": "INSERT OR IGNORE INTO orders (id) VALUES (900), (-101)",
            "or-ignore-select": "INSERT OR IGNORE INTO orders (id) SELECT -id FROM orders",
            "or-ignore-unique": "INSERT OR IGNORE INTO customers (id, name, email) VALUES (900, 'x', 'ghost ann@x.org')",
            "hidden-by-a-sub-query": "INSERT INTO orders (id) VALUES (103) ON CONFLICT (id) DO UPDATE SET total = 1",
            "ignored-by-a-sub-query": "INSERT OR IGNORE INTO orders (id) VALUES (103)",
            "hidden-by-a-list": "INSERT INTO products (product_id) VALUES (6) ON CONFLICT DO NOTHING",
            "hidden-by-a-function": "INSERT INTO archive (id, title) VALUES (2, 'kept') ON CONFLICT (id) DO UPDATE SET title = 'kept'",
            "proposed-for-another": "INSERT INTO orders (id, tenant_id) VALUES (101, 8) ON CONFLICT (id) DO UPDATE SET total = 1",
            "ignored-for-another": "INSERT OR IGNORE INTO orders (id, tenant_id) VALUES (101, 8)",
        },
    ),
    "UnsupportedStatement": entries(
        "taken",
        {
            "or-replace": "INSERT OR REPLACE INTO orders (id, total) VALUES (-101, 1)",
            "replace": "REPLACE INTO orders (id, total) VALUES (-101, 1)",
            "replace-unique": "REPLACE INTO customers (name, email) VALUES ('x', 'ghost ann@x.org')",
            "replace-rowid": "REPLACE INTO settings (rowid, name) VALUES (1, 'x')",
            "update-or-replace": "UPDATE OR REPLACE orders SET id = -101 WHERE id = 101",
            "update-or-ignore": "UPDATE OR IGNORE orders SET id = -101 WHERE id = 101",
        },
    ),
}

# many executions of one statement


def many(kind: str, target: str, sql: str, *rows: Params, once: bool) -> Statement:
    """A statement with its rows, in an iterator if they are to be had but once."""
    shapes = frozenset({GENERATOR} if once else ())
    return Statement(kind, sql, rows[0], False, target, rows, shapes)


def executions(*, once: bool) -> list[Statement]:
    """Statements that are executed several times."""
    with_ = "WITH c AS (SELECT 4) INSERT INTO settings (name, owner) VALUES (?, ?)"
    mine, other = "o'brien 100%", "o'brien 101%"
    named = "UPDATE orders SET total = :t, tenant_id = :tenant WHERE id = :id"
    return [
        many("insert", "settings", with_, ("a", mine), ("b", mine), once=once),
        many("insert", "settings", with_, ("a", mine), ("b", other), once=once),
        many(
            "update",
            "orders",
            named,
            {"t": 1, "tenant": 7, "id": 101},
            {"t": 2, "tenant": 7, "id": -101},
            once=once,
        ),
        many(
            "update",
            "orders",
            named,
            {"t": 1, "tenant": 7, "id": 101},
            {"t": 2, "tenant": None, "id": 102},
            {"t": 3, "tenant": 8, "id": 104},
            once=once,
        ),
        many(
            "delete",
            "orders",
            "DELETE FROM orders WHERE id = ?1",
            (101,),
            (-101,),
            once=once,
        ),
        many(
            "insert",
            "stock",
            "REPLACE INTO stock (sku, qty) VALUES (?, ?)",
            ("bolt", 1),
            ("rim", 2),
            once=once,
        ),
    ]
