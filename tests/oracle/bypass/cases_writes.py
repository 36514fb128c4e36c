"""Statements that write: catalogue entries 4 to 6, 25, 30 to 32, and 63 to 70."""

#: By the number of the entry: statements that do what they do on the filtered copy.
SAME: dict[str, list[str]] = {
    "4 sub-selects in UPDATE and DELETE": [
        "UPDATE countries SET country = (SELECT max(status) FROM orders)",
        "UPDATE log SET message = coalesce((SELECT group_concat(name) FROM (SELECT name FROM customers ORDER BY id)), '')",
        "UPDATE countries SET country = 'x' WHERE code IN (SELECT 'DE' FROM orders WHERE id = 103)",
        "DELETE FROM countries WHERE EXISTS (SELECT 1 FROM orders WHERE total > 9000)",
        "DELETE FROM log WHERE id <= (SELECT count(*) FROM notes WHERE id = 3)",
        "UPDATE orders SET total = (SELECT max(credit) FROM customers)",
        "UPDATE orders SET status = (SELECT name FROM customers c WHERE c.id = customer_id)",
        "UPDATE orders SET status = c.name FROM customers c WHERE c.id = orders.customer_id",
        "UPDATE log SET message = o.status FROM orders o WHERE o.id > 102",
        "UPDATE log SET message = x.s FROM (SELECT max(status) AS s FROM orders) x",
        "WITH x AS (SELECT max(total) AS m FROM orders) UPDATE log SET message = (SELECT m FROM x)",
        "WITH x AS (SELECT id FROM orders) DELETE FROM log WHERE id + 102 IN (SELECT id FROM x)",
        "DELETE FROM notes WHERE order_id IN (SELECT id FROM orders WHERE total > 20)",
    ],
    "5 INSERT from protected tables": [
        "INSERT INTO log (message) VALUES ((SELECT group_concat(status) FROM orders))",
        "INSERT INTO log (message) SELECT status FROM orders",
        "INSERT INTO log (message) SELECT name FROM customers UNION ALL SELECT body FROM notes ORDER BY 1",
        "INSERT INTO log (message) SELECT * FROM (SELECT status FROM orders)",
        "WITH x AS (SELECT status FROM orders) INSERT INTO log (message) SELECT status FROM x",
        "INSERT INTO log (message) WITH x AS (SELECT status FROM orders) SELECT status FROM x",
        "INSERT INTO log (message) SELECT max(total) FROM orders ORDER BY 1 LIMIT 1",
        "CREATE TABLE kept AS SELECT * FROM orders",
        "CREATE TEMP TABLE kept AS SELECT * FROM orders, notes",
        "CREATE TABLE kept AS WITH x AS (SELECT * FROM customers) SELECT * FROM x",
    ],
    "6 RETURNING": [
        "INSERT INTO log (message) VALUES ('x') RETURNING (SELECT max(total) FROM orders)",
        "UPDATE log SET message = 'x' RETURNING id, (SELECT group_concat(status) FROM orders)",
        "DELETE FROM countries RETURNING code, (SELECT count(*) FROM notes)",
        "UPDATE orders SET total = 1 RETURNING id, total, status",
        "DELETE FROM orders WHERE total > 10 RETURNING id, total, status",
        "INSERT INTO orders (tenant_id, total) VALUES (7, 3) RETURNING id, tenant_id",
        "INSERT INTO notes (order_id, body) VALUES (101, 'x') RETURNING id, body",
        "DELETE FROM notes RETURNING id",
    ],
    "63 forms of INSERT": [
        "INSERT INTO orders VALUES (200, 7, 1, 'new', 5, NULL)",
        "INSERT INTO orders (id, tenant_id, total) VALUES (200, 7, 5), (201, 7, 6)",
        "INSERT INTO orders (id, tenant_id, total) SELECT id + 200, 7, total FROM orders",
        "INSERT INTO orders (tenant_id, total) SELECT 7, max(total) FROM orders",
        "INSERT INTO orders (tenant_id, total) SELECT 7, total FROM orders UNION SELECT 7, credit FROM customers",
        "INSERT INTO notes (order_id, body) SELECT id, status FROM orders",
        "INSERT INTO prices VALUES (7, 'new', 5, NULL)",
    ],
    "64 the caller's tenant, said in other ways": [
        "INSERT INTO orders (id, TENANT_ID, total) VALUES (200, 7, 5)",
        'INSERT INTO orders (id, "Tenant_Id", total) VALUES (200, 3 + 4, 5)',
        "INSERT INTO orders (id, 'tenant_id', total) VALUES (200, '7', 5)",
        "UPDATE orders SET tenant_id = 7 WHERE id = 101",
        "UPDATE orders SET tenant_id = tenant_id",
    ],
    "65 keys and rows that move": [
        "UPDATE orders SET id = id + 1000",
        "UPDATE orders SET (total, status) = (1, 'x')",
        "UPDATE orders SET (total, status) = (SELECT max(total), max(status) FROM orders)",
        "UPDATE notes SET order_id = 104 WHERE id = 1",
    ],
    "68 upserts of visible rows": [
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT (id) DO UPDATE SET total = excluded.total",
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT DO NOTHING",
        "INSERT OR IGNORE INTO orders (id, tenant_id, total) VALUES (101, 7, 77), (300, 7, 1)",
        "INSERT INTO customers (tenant_id, email, name) VALUES (7, 'ann@x.org', 'A') ON CONFLICT (tenant_id, email) DO UPDATE SET name = excluded.name",
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT (id) DO UPDATE SET total = (SELECT max(total) FROM orders)",
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT (id) DO UPDATE SET total = 1 WHERE total > (SELECT avg(total) FROM orders)",
        "INSERT INTO notes (id, order_id, body) VALUES (1, 101, 'new') ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    ],
    "69 shapes of soft DELETE": [
        "DELETE FROM orders",
        "DELETE FROM orders WHERE 1 OR 1",
        "DELETE FROM orders AS o WHERE o.tenant_id = 8 OR o.id > 0",
        "DELETE FROM main.orders WHERE id IN (103, 101)",
        "DELETE FROM 'orders' WHERE total = (SELECT max(total) FROM orders)",
        "DELETE FROM orders WHERE id IN (SELECT order_id FROM notes)",
        "WITH x AS (SELECT id FROM orders WHERE total > 10) DELETE FROM orders WHERE id IN x",
        "DELETE FROM prices WHERE sku = 'rod'",
        "DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL)",
        "DELETE FROM notes",
        "DELETE FROM notes WHERE id = 3 OR body LIKE '%ghost%'",
    ],
    "59 policies that a caller's names could capture": [
        "UPDATE notes AS orders SET body = 'x'",
        "UPDATE notes SET body = orders.message FROM log AS orders WHERE orders.id = notes.id",
        "DELETE FROM notes AS orders WHERE orders.id < 5 RETURNING id",
        "WITH orders AS (SELECT 103 AS id) DELETE FROM notes WHERE order_id IN (SELECT id FROM orders) OR 1",
        "WITH orders AS (SELECT 103 AS id) UPDATE notes SET body = 'x'",
        "INSERT INTO notes AS orders (id, order_id, body) VALUES (1, 101, 'x') ON CONFLICT (id) DO UPDATE SET body = orders.body || excluded.body",
        "WITH orders AS (SELECT 103 AS id) INSERT INTO notes (order_id, body) SELECT 101, count(*) FROM orders",
        "INSERT INTO notes AS orders (order_id, body) VALUES (101, 'x') RETURNING id, body",
    ],
    "70 counts": [
        "UPDATE orders SET total = 0",
        "UPDATE orders SET total = 0 WHERE id = 103",
        "DELETE FROM orders WHERE id IN (101, 102, 103, 104, 105)",
    ],
}

#: The error is of this class, and says what it may say; nothing has changed.
FAILS: dict[str, list[tuple[str, str]]] = {
    "31 upserts that meet hidden rows": [
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON CONFLICT (id) DO UPDATE SET total = excluded.total",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON CONFLICT (id) DO UPDATE SET tenant_id = 7",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON CONFLICT DO NOTHING",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON CONFLICT (id) DO UPDATE SET total = 1 RETURNING id, status",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (102, 7, 1) ON CONFLICT (id) DO UPDATE SET total = 1",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (105, 7, 1) ON CONFLICT (id) DO UPDATE SET total = 1 WHERE 0",
        ),
        (
            "IntegrityError",
            "INSERT OR IGNORE INTO orders (id, tenant_id, total) VALUES (103, 7, 1)",
        ),
        (
            "IntegrityError",
            "INSERT OR IGNORE INTO orders (id, tenant_id) SELECT id + 2, 7 FROM orders",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1)",
        ),
        (
            "IntegrityError",
            "INSERT OR FAIL INTO orders (id, tenant_id, total) VALUES (103, 7, 1)",
        ),
        (
            "IntegrityError",
            "INSERT INTO notes (id, order_id, body) VALUES (3, 101, 'x') ON CONFLICT (id) DO UPDATE SET body = 'x'",
        ),
        (
            "IntegrityError",
            "INSERT INTO notes (id, order_id, body) VALUES (3, 101, 'x') ON CONFLICT (id) DO UPDATE SET order_id = 101, body = body",
        ),
        ("IntegrityError", "UPDATE orders SET id = 103 WHERE id = 101"),
        ("IntegrityError", "UPDATE OR FAIL orders SET id = 103 WHERE id = 101"),
    ],
    "64 other tenants": [
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id, total) VALUES (200, 8, 5)",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id, total) VALUES (200, NULL, 5)",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders VALUES (200, 7, 1, 'x', 5, NULL), (201, 8, 1, 'x', 5, NULL)",
        ),
        (
            "PolicyViolation",
            'INSERT INTO orders (id, "TENANT_ID", total) VALUES (200, 4 + 4, 5)',
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (tenant_id, total) SELECT id + 5, credit FROM customers",
        ),
        ("PolicyViolation", "INSERT INTO prices VALUES (8, 'new', 5, NULL)"),
        ("PolicyViolation", "INSERT INTO notes (order_id, body) VALUES (103, 'x')"),
        ("PolicyViolation", "INSERT INTO notes (order_id, body) VALUES (NULL, 'x')"),
        ("PolicyViolation", "INSERT INTO notes (body) VALUES ('x')"),
        ("PolicyViolation", "INSERT INTO notes DEFAULT VALUES"),
        (
            "PolicyViolation",
            "INSERT INTO notes AS orders (order_id, body) VALUES (103, 'x')",
        ),
        (
            "PolicyViolation",
            "WITH orders AS (SELECT 103 AS id) INSERT INTO notes (order_id) SELECT id FROM orders",
        ),
        (
            "PolicyViolation",
            "WITH orders AS (SELECT 103 AS id, 7 AS tenant_id, NULL AS deleted_at) UPDATE notes SET order_id = 103",
        ),
    ],
    "65 rows that would move out": [
        ("PolicyViolation", "UPDATE orders SET tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = NULL WHERE id = 101"),
        (
            "PolicyViolation",
            "UPDATE orders SET tenant_id = tenant_id + 1 WHERE id = 101",
        ),
        ("PolicyViolation", "UPDATE orders SET (total, tenant_id) = (1, 8)"),
        ("PolicyViolation", "UPDATE orders SET (tenant_id, total) = (SELECT 8, 1)"),
        ("PolicyViolation", "UPDATE orders SET 'tenant_id' = 8"),
        ("PolicyViolation", "UPDATE orders SET [TENANT_ID] = id"),
        ("PolicyViolation", "UPDATE notes SET order_id = 103"),
        (
            "PolicyViolation",
            "UPDATE notes SET order_id = NULL WHERE id = 1 RETURNING id",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id) VALUES (101, 7) ON CONFLICT (id) DO UPDATE SET tenant_id = 8",
        ),
        (
            "PolicyViolation",
            "INSERT INTO notes (id, order_id) VALUES (1, 101) ON CONFLICT (id) DO UPDATE SET order_id = 103",
        ),
    ],
}

#: What is refused, by the code of the refusal.
REFUSED: dict[str, list[tuple[str, str]]] = {
    "7 a writable common table expression": [
        (
            "unsupported-construct",
            "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
        ),
    ],
    "25 stacked statements": [
        ("multiple-statements", "SELECT 1; SELECT * FROM orders"),
        ("multiple-statements", "SELECT * FROM countries; DELETE FROM orders"),
        ("multiple-statements", "DELETE FROM log; -- x\nDELETE FROM orders"),
    ],
    "31 REPLACE": [
        (
            "unsupported-statement",
            "INSERT OR REPLACE INTO orders (id, tenant_id, total) VALUES (103, 7, 1)",
        ),
        (
            "unsupported-statement",
            "REPLACE INTO orders VALUES (103, 7, 1, 'x', 1, NULL)",
        ),
        (
            "unsupported-statement",
            "UPDATE OR REPLACE orders SET id = 103 WHERE id = 101",
        ),
        (
            "unsupported-statement",
            "UPDATE OR IGNORE orders SET id = 103 WHERE id = 101",
        ),
        ("unsupported-statement", "REPLACE INTO prices VALUES (8, 'rod', 5, NULL)"),
        ("unsupported-statement", "REPLACE INTO notes VALUES (3, 101, 'x')"),
    ],
    "32 changes of the schema": [
        ("protected-ddl", "DROP TABLE orders"),
        ("protected-ddl", "DROP TABLE IF EXISTS 'orders'"),
        ("protected-ddl", "ALTER TABLE orders RENAME TO mine"),
        ("protected-ddl", "ALTER TABLE orders DROP COLUMN tenant_id"),
        (
            "protected-ddl",
            "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM orders; END",
        ),
        (
            "protected-ddl",
            "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM log; END",
        ),
        (
            "protected-ddl",
            "CREATE TEMP TRIGGER t AFTER INSERT ON log BEGIN INSERT INTO log (message) SELECT status FROM orders; END",
        ),
        ("protected-ddl", "CREATE VIEW mine AS SELECT * FROM orders"),
        ("protected-ddl", "CREATE TEMP VIEW mine AS SELECT * FROM main.orders"),
        ("protected-ddl", "CREATE VIEW mine AS SELECT * FROM all_orders"),
        ("protected-ddl", "CREATE VIEW mine AS SELECT 1 WHERE 1 IN orders"),
        (
            "protected-ddl",
            "CREATE VIRTUAL TABLE mine USING fts5(body, content='notes')",
        ),
        ("statement-kind", "ATTACH ':memory:' AS other"),
        ("statement-kind", "VACUUM INTO 'copy.db'"),
        ("statement-kind", "PRAGMA writable_schema = 1"),
    ],
}
