"""Statements written by hand: those that write, and those to be refused."""

from tests.oracle.entries import refused, writes

# statements that write

DELETES = [
    *writes(
        "delete",
        "orders",
        {
            "key": ("DELETE FROM orders WHERE id = ?", (101,)),
            "hidden-key": "DELETE FROM orders WHERE id IN (101, 102)",
            "all": "DELETE FROM orders",
            "all-qualified": "delete from MAIN.Orders;",
            "or": "DELETE FROM orders WHERE id = 101 OR 1 = 1",
            "alias": "DELETE FROM orders AS o WHERE o.total > 50",
            "alias-of-table": "DELETE FROM orders AS customers WHERE customers.total > 50",
            "quoted": 'DELETE FROM "main"."ORDERS" WHERE [total] > 50',
            "string-name": "DELETE FROM 'orders' WHERE total > 50",
            "byte-order-mark": "DELETE FROM \ufefforders WHERE total > 50",
            "sub-select": "DELETE FROM orders WHERE customer_id IN (SELECT id FROM customers)",
            "sub-select-on-itself": "DELETE FROM orders WHERE total = (SELECT max(total) FROM orders)",
            "correlated": "DELETE FROM orders WHERE NOT EXISTS (SELECT 1 FROM items i WHERE i.order_id = orders.id)",
            "cte": "WITH big AS (SELECT id FROM orders WHERE total > 20) DELETE FROM orders WHERE id IN big",
            "cte-named-like-target": "WITH orders AS (SELECT 101 AS id) DELETE FROM orders WHERE id IN (SELECT id FROM orders) OR id = 113",
            "not-indexed": "DELETE FROM orders NOT INDEXED WHERE id > 110",
            "indexed-by": "DELETE FROM orders INDEXED BY orders_customer WHERE customer_id = 2",
            "returning": "DELETE FROM orders WHERE total > 40 RETURNING *",
            "returning-mark": "DELETE FROM orders WHERE total > 40 RETURNING id, deleted_at, deleted_at IS NULL AS live",
            "returning-sub-select": "DELETE FROM orders WHERE total > 40 RETURNING id, (SELECT count(*) FROM items WHERE order_id = orders.id)",
            "returning-aliased": "DELETE FROM orders AS o WHERE total > 40 RETURNING orders.deleted_at, orders.id, deleted_at",
            "returning-aliased-sub-select": "DELETE FROM orders AS o WHERE total > 40 RETURNING id, (SELECT orders.deleted_at FROM items AS orders LIMIT 1) AS d",
            "returning-expression": "DELETE FROM orders WHERE id > 110 RETURNING id * 2, coalesce(deleted_at, 'live') AS d",
            "returning-nothing": "DELETE FROM orders WHERE id IN (101, 106) RETURNING id",
            "row-value": "DELETE FROM orders WHERE (customer_id, status) IN (SELECT customer_id, status FROM orders WHERE id = 101)",
            "rowid": "DELETE FROM orders WHERE rowid = 104",
            "named": (
                "DELETE FROM orders WHERE id = :id AND status = :s",
                {"id": 101, "s": "open"},
            ),
            "numbered": ("DELETE FROM orders WHERE id IN (?2, ?1, ?2)", (101, 103)),
            "comment": "/* x */ DELETE -- y\n FROM /* orders */ orders WHERE /* ? */ id = 101 -- z",
        },
    ),
    *writes(
        "delete",
        "items",
        {
            "two-column-key": "DELETE FROM items WHERE order_id = 101 AND line < 3 RETURNING *"
        },
    ),
    *writes(
        "delete", "prices", {"without-rowid": "DELETE FROM prices WHERE product_id = 1"}
    ),
    *writes(
        "delete",
        "products",
        {
            "flag": "DELETE FROM products WHERE price < 20 RETURNING product_id, is_deleted"
        },
    ),
    *writes(
        "delete",
        "orders",
        {
            "reads-itself": "DELETE FROM orders WHERE comment < (SELECT status FROM orders t WHERE t.customer_id = orders.customer_id)",
            "reads-itself-aliased": "DELETE FROM orders AS o WHERE (SELECT total < o.total FROM orders WHERE customer_id = o.customer_id)",
            "reads-itself-in-cte": "WITH low AS (SELECT min(total) AS n, status FROM orders GROUP BY status) DELETE FROM orders WHERE total IN (SELECT n FROM low WHERE low.status = orders.status)",
        },
    ),
    *writes(
        "delete",
        "categories",
        {
            "reads-itself-row-value": "DELETE FROM categories WHERE (id, label) < ((SELECT CAST(avg(id) AS INTEGER) FROM (SELECT name FROM customers UNION SELECT item_note FROM items) JOIN categories), 1)"
        },
    ),
    *writes(
        "delete",
        "prices",
        {
            "reads-itself-without-rowid": "DELETE FROM prices WHERE amount > (SELECT min(amount) FROM prices p)"
        },
    ),
    *writes(
        "delete",
        "tags",
        {"flag-text-key": "DELETE FROM tags WHERE tag IN ('open', 'paid')"},
    ),
    *writes(
        "delete",
        "Order Details",
        {"mixed-case": 'DELETE FROM "Order Details" WHERE [Unit Price] = 15'},
    ),
    *writes(
        "delete",
        "archive",
        {
            "unprotected": "DELETE FROM archive WHERE order_id IN (SELECT id FROM orders)"
        },
    ),
]

LIMITED = [
    *writes(
        "delete",
        "orders",
        {
            "limit": "DELETE FROM orders ORDER BY id LIMIT 3",
            "limit-reading-itself": "DELETE FROM orders WHERE total > (SELECT min(total) FROM orders) ORDER BY id LIMIT 2",
            "limit-returning": "DELETE FROM orders WHERE total > 5 RETURNING id ORDER BY total DESC, id LIMIT 2 OFFSET 1",
        },
    ),
    *writes(
        "update",
        "orders",
        {"limit": "UPDATE orders SET total = 0 ORDER BY total DESC, id LIMIT 3"},
    ),
]

UPDATES = [
    *writes(
        "update",
        "orders",
        {
            "key": ("UPDATE orders SET total = ? WHERE id = ?", (5, 101)),
            "all": "UPDATE orders SET total = total + 1",
            "or": "UPDATE orders SET total = 0 WHERE id = 101 OR 1 = 1",
            "alias": "UPDATE main.orders AS o SET total = o.total * 2 WHERE o.id > 103",
            "sub-select": "UPDATE orders SET total = (SELECT sum(qty) FROM items WHERE order_id = orders.id)",
            "sub-select-in-expression": "UPDATE orders SET total = coalesce((SELECT max(qty) FROM items WHERE order_id = orders.id), 0) + 1",
            "sub-select-on-itself": "UPDATE orders SET total = (SELECT max(total) FROM orders)",
            "where-sub-select": "UPDATE orders SET status = 'x' WHERE customer_id NOT IN (SELECT id FROM customers)",
            "row-value": "UPDATE orders SET (status, total) = (SELECT name, credit FROM customers WHERE id = orders.customer_id)",
            "from": "UPDATE orders SET status = c.name FROM customers c WHERE c.id = orders.customer_id",
            "from-left-join": "UPDATE orders SET status = k.region FROM customers c LEFT JOIN countries k USING (country_code) WHERE c.id = orders.customer_id",
            "from-left-join-protected": "UPDATE orders SET comment = c.name FROM archive a LEFT JOIN customers c ON c.id = a.id WHERE a.order_id = orders.id",
            "from-full-join": "UPDATE orders SET status = c.name FROM customers c FULL JOIN log l ON l.id = c.id WHERE c.id = orders.customer_id",
            "from-derived": "UPDATE orders SET total = q.n FROM (SELECT order_id, sum(qty) AS n FROM items GROUP BY order_id) q WHERE q.order_id = orders.id",
            "from-itself": "UPDATE orders SET total = o.total + 1 FROM orders AS o WHERE o.id = orders.id",
            "from-comma": "UPDATE orders SET status = c.name || g.label FROM customers c, categories g WHERE c.id = orders.customer_id AND g.id = 10 + c.id",
            "cte": "WITH s AS (SELECT order_id, sum(qty) AS n FROM items GROUP BY 1) UPDATE orders SET total = (SELECT n FROM s WHERE order_id = orders.id)",
            "cte-named-like-target": "WITH orders AS (SELECT 101 AS id) UPDATE orders SET total = 1 WHERE id IN (SELECT id FROM orders)",
            "returning": "UPDATE orders SET total = total + 1 WHERE total > 20 RETURNING *",
            "returning-sub-select": "UPDATE orders SET total = 1 WHERE id < 105 RETURNING id, (SELECT name FROM customers WHERE id = customer_id)",
            "string-column": "UPDATE orders SET 'total' = 1 WHERE \"id\" = 101",
            "key-moved": "UPDATE orders SET id = id + 1000 WHERE status = 'open'",
            "named": (
                "UPDATE orders SET total = :t, comment = :c WHERE total > :t",
                {"t": 40, "c": "?"},
            ),
        },
    ),
    *writes("update", "tags", {"text-key": "UPDATE tags SET tag = tag || '!'"}),
    *writes(
        "update",
        "products",
        {"flag": "UPDATE products SET price = price + 1 RETURNING product_id, price"},
    ),
    *writes(
        "update",
        "log",
        {
            "unprotected": "UPDATE log SET message = (SELECT name FROM customers WHERE id = log.entity_id)"
        },
    ),
    *writes(
        "update",
        "archive",
        {
            "unprotected-mark": "UPDATE archive SET deleted_at = NULL WHERE order_id IN (SELECT id FROM orders)"
        },
    ),
]

INSERTS = [
    *writes(
        "insert",
        "orders",
        {
            "values": (
                "INSERT INTO orders (id, customer_id, total) VALUES (?, ?, ?)",
                (900, 1, 7),
            ),
            "without-columns": "INSERT INTO orders VALUES (900, 1, 'new', 3, NULL, NULL), (901, 1, 'new', 3, NULL, NULL)",
            "sub-select": "INSERT INTO orders (id, total) VALUES (900, (SELECT max(total) FROM orders))",
            "select": "INSERT INTO orders (id, customer_id, total) SELECT id + 900, customer_id, total FROM orders",
            "select-star": "INSERT INTO orders SELECT id + 900, customer_id, status, total, comment, deleted_at FROM orders WHERE total > 20",
            "union": "INSERT INTO orders (id) SELECT id + 900 FROM orders UNION ALL SELECT id + 2000 FROM customers",
            "cte": "WITH x AS (SELECT id FROM customers) INSERT INTO orders (id) SELECT id + 900 FROM x",
            "cte-inside": "INSERT INTO orders (id) WITH x AS (SELECT id FROM customers) SELECT id + 900 FROM x",
            "returning": "INSERT INTO orders (id, total) SELECT id + 900, total FROM orders RETURNING id, total, deleted_at",
            "alias": "INSERT INTO main.orders AS o (id, total) VALUES (900, (SELECT count(*) FROM customers))",
            "values-of-tables": "INSERT INTO orders (id, total) SELECT * FROM (VALUES (900, (SELECT count(*) FROM items)))",
        },
    ),
    *writes(
        "insert",
        "log",
        {
            "unprotected-from-protected": "INSERT INTO log (id, message) SELECT id + 900, name FROM customers",
            "unprotected-joined": "INSERT INTO log (id, message) SELECT c.id + 900, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id",
            "or-replace": "INSERT OR REPLACE INTO log (id, message) SELECT id, name FROM customers",
            "or-ignore": "INSERT OR IGNORE INTO log (id, message) SELECT id, name FROM customers",
            "do-update": "INSERT INTO log (id, message) SELECT id, name FROM customers WHERE true ON CONFLICT (id) DO UPDATE SET message = excluded.message || (SELECT count(*) FROM orders)",
            "do-nothing": "INSERT INTO log (id, message) SELECT id, name FROM customers WHERE true ON CONFLICT DO NOTHING RETURNING *",
            "default-values": "INSERT INTO log DEFAULT VALUES RETURNING *",
        },
    ),
]

# what cannot be right, and must not reach the database

REFUSED = [
    *refused(
        "a raw change of the mark is no way to restore or to delete",
        "mark",
        {
            "restore": "UPDATE orders SET deleted_at = NULL WHERE id = 102",
            "restore-quoted": 'UPDATE orders SET total = 1, "DELETED_AT" = NULL',
            "restore-string": "UPDATE orders SET 'deleted_at' = NULL",
            "restore-row": "UPDATE orders SET (total, deleted_at) = (1, NULL)",
            "flag": "UPDATE products SET is_deleted = 1 WHERE product_id = 1",
        },
    ),
    *refused(
        "it may delete or show a hidden row by its conflict clause",
        "conflict",
        {
            "or-replace": "INSERT OR REPLACE INTO orders (id, total) VALUES (102, 1)",
            "replace": "REPLACE INTO orders (id, total) VALUES (102, 1)",
            "update-or-replace": "UPDATE OR REPLACE orders SET id = 102 WHERE id = 101",
        },
    ),
    *refused(
        "its text would be kept, or the table taken away",
        "kept",
        {
            "view": "CREATE VIEW v AS SELECT * FROM orders",
            "temp-view": "CREATE TEMP VIEW customers2 AS SELECT * FROM customers",
            "trigger": "CREATE TRIGGER g AFTER INSERT ON log BEGIN DELETE FROM orders; END",
            "trigger-on": "CREATE TRIGGER g AFTER UPDATE ON orders BEGIN SELECT 1; END",
            "drop": "DROP TABLE orders",
            "rename": "ALTER TABLE orders RENAME TO old_orders",
        },
    ),
    *refused(
        "it gives the whole file, or another name for it",
        "file",
        {
            "vacuum-into": "VACUUM INTO '/nonexistent/copy.db'",
            "writable-schema": "PRAGMA writable_schema = 1",
            "load-extension": "SELECT load_extension('x')",
        },
    ),
    *refused(
        "sqlglot takes the name for a keyword",
        "name",
        {
            "alias": "SELECT for.id FROM orders AS for",
        },
    ),
    *refused(
        "of two relations of one name SQLite takes another if one is derived",
        "twice",
        {
            "star": "SELECT customers.* FROM log AS customers NATURAL LEFT JOIN customers",
            "alias": "SELECT o.* FROM orders o NATURAL LEFT JOIN log o",
            "in-an-aliased-join": "SELECT j.* FROM (orders o NATURAL LEFT JOIN log o) AS j",
            "with-a-cte": "WITH orders AS (SELECT 1 AS id) SELECT * FROM orders, main.orders",
        },
    ),
    *refused(
        "it is no SQL of the database",
        "syntax",
        {
            "delete-without-from": "DELETE orders",
            "delete-without-from-where": "DELETE [orders] WHERE id = 101",
            "arrow-without-right-side": "SELECT id -> FROM orders",
            "placeholder-zero": "SELECT id FROM orders WHERE id = ?0",
            "placeholder-of-a-great-number": "DELETE FROM orders WHERE id = ?99999999999",
        },
    ),
    *refused(
        "a string after IN is the name of a table, not a value",
        "in-string",
        {
            "bare": "SELECT ('ghost', 1) IN 'tags'",
            "not": "SELECT ('ghost', 1) NOT IN 'tags'",
            "schema": "SELECT ('ghost', 1) IN main.'tags'",
            "both": "SELECT ('ghost', 1) IN 'main'.'tags'",
        },
    ),
    *refused(
        "the rowid is not a column of a derived table",
        "rowid",
        {
            "full-join": "SELECT o.rowid FROM customers c FULL JOIN orders o USING (deleted_at)",
            "using": 'SELECT items._rowid_ FROM "Order Details" LEFT JOIN items USING (order_id)',
        },
    ),
]

# the key of a hidden row, written again

COLLISIONS = [
    *writes(
        "insert",
        "orders",
        {
            "key": "INSERT INTO orders (id, total) VALUES (102, 1)",
            "key-of-select": "INSERT INTO orders (id) SELECT 102 FROM customers LIMIT 1",
            "key-returning": "INSERT INTO orders (id) VALUES (102) RETURNING *",
        },
    ),
    *writes(
        "insert",
        "customers",
        {
            "unique": "INSERT INTO customers (id, name, email) VALUES (900, 'x', 'ghost6@x.org')"
        },
    ),
    *writes(
        "insert",
        "items",
        {"two-columns": "INSERT INTO items (order_id, line) VALUES (101, 2)"},
    ),
    *writes(
        "insert",
        "prices",
        {"without-rowid": "INSERT INTO prices (product_id, region) VALUES (1, 'NA')"},
    ),
    *writes("insert", "tags", {"text": "INSERT INTO tags (tag) VALUES ('ghost')"}),
    *writes(
        "update", "orders", {"moved-key": "UPDATE orders SET id = 102 WHERE id = 101"}
    ),
    *writes(
        "update",
        "customers",
        {"moved-unique": "UPDATE customers SET email = 'ghost6@x.org' WHERE id = 1"},
    ),
]
