"""Statements written by hand for what MySQL and MariaDB have and SQLite has not."""

from tests.oracle.entries import entries, refused, writes

READS = entries(
    "my-query",
    {
        "alias-in-parentheses": "SELECT o.id, c.name FROM orders o JOIN (customers AS c) ON c.id = o.customer_id",
        "alias-in-parentheses-left": "SELECT o.id, c.name FROM orders o LEFT JOIN ((customers c)) ON c.id = o.customer_id",
        "alias-in-parentheses-using": "SELECT o.id FROM orders o LEFT JOIN (items i) USING (deleted_at)",
        "heading": "SELECT (SELECT count(*) FROM orders), (SELECT 1 FROM log WHERE id = 1) + 1 FROM flagged",
        "heading-before-comment": "SELECT (SELECT count(*) FROM orders) /* c */, 1 + (SELECT count(*) FROM items) -- d\n FROM flagged",
        "heading-with-comment": "SELECT (SELECT /* a */ count(*) /* b */ FROM orders) FROM flagged",
        "strings-in-a-row": "SELECT id FROM orders WHERE comment = 'fi' 'rst'",
        "double-quoted": 'SELECT id FROM orders WHERE comment = "it\'s urgent" OR comment = "it\\"s"',
        "escaped": "SELECT id FROM orders WHERE comment <> '\\' OR 1 = 1 -- ' AND total > 20",
        "comment-hash": "SELECT id FROM orders # WHERE '\n WHERE total > 20 # end",
        "minus-minus": "SELECT 5--1, id FROM orders",
        "null-safe": "SELECT id FROM orders WHERE NOT (status <=> (SELECT max(status) FROM orders))",
        "xor": "SELECT id FROM orders WHERE total > 20 XOR status = 'open'",
        "or-as-bars": "SELECT id FROM orders WHERE total > 1000 || status = 'open'",
        "and-as-ampersands": "SELECT id FROM orders WHERE total > 20 && status = 'open'",
        "not-as-mark": "SELECT id FROM orders WHERE !(total > 20)",
        "div-mod": "SELECT id, total DIV 7, total MOD 7 FROM orders",
        "group-concat": "SELECT customer_id, group_concat(id ORDER BY id DESC SEPARATOR '/') FROM orders GROUP BY customer_id",
        "rollup": "SELECT status, count(*) FROM orders GROUP BY status WITH ROLLUP",
        "group-by-key": "SELECT o.id, o.status, count(i.line) FROM orders o LEFT JOIN items i ON i.order_id = o.id GROUP BY o.id",
        "straight-join": "SELECT STRAIGHT_JOIN o.id, c.name FROM customers c STRAIGHT_JOIN orders o ON o.customer_id = c.id",
        "options-before-distinct": "SELECT SQL_NO_CACHE STRAIGHT_JOIN DISTINCT o.status FROM orders o JOIN customers c ON c.id = o.customer_id",
        "option-before-a-heading": "SELECT SQL_BIG_RESULT (SELECT count(*) FROM orders) + 1, id FROM log",
        "options-round-distinct": "SELECT HIGH_PRIORITY DISTINCT SQL_NO_CACHE (SELECT count(*) FROM orders) FROM log",
        "straight-join-after-a-name": "SELECT o.id FROM `Order Details` d JOIN orders o ON d.order_id = o.id AND o.status > d.`select` STRAIGHT_JOIN log ON true",
        "option-before-all": "SELECT HIGH_PRIORITY ALL status FROM orders",
        "partition": "SELECT region FROM prices PARTITION (p0, p1) AS p WHERE p.amount > 3",
        "using-right": "SELECT id, customers.name, orders.status FROM customers RIGHT JOIN orders USING (id)",
        "natural-left": "SELECT * FROM flagged NATURAL LEFT JOIN items",
        "comma-binds-looser": "SELECT o.id, i.line FROM customers c, orders o LEFT JOIN items i ON i.order_id = o.id WHERE c.id = o.customer_id",
        "json-table": "SELECT o.id, j.v FROM orders o JOIN json_table(concat('[', o.id, ']'), '$[*]' COLUMNS (v INT PATH '$')) j ON true",
        "any": "SELECT id FROM log WHERE entity_id = ANY (SELECT id FROM orders) OR id >= ALL (SELECT line FROM items)",
        "except": "SELECT id FROM orders EXCEPT SELECT order_id FROM items",
        "intersect-all": "SELECT status FROM orders INTERSECT ALL SELECT tag FROM tags",
        "parenthesised": "(SELECT id FROM orders ORDER BY total DESC LIMIT 2) UNION ALL (SELECT id FROM customers ORDER BY 1 LIMIT 2)",
        "limit-comma": "SELECT id FROM orders ORDER BY 1 LIMIT 2, 3",
        "cte-of-its-own-name": "WITH orders AS (SELECT * FROM orders WHERE total > 20) SELECT id FROM orders",
        "cte-recursive": "WITH RECURSIVE t (id) AS (SELECT id FROM categories WHERE parent_id IS NULL UNION SELECT c.id FROM categories c JOIN t ON c.parent_id = t.id) SELECT id FROM t",
        "window": "SELECT id, sum(total) OVER w FROM orders WINDOW w AS (PARTITION BY status ORDER BY id)",
        "case-of-names": "SELECT ID, o.STATUS FROM orders o WHERE o.Total > 5",
        "names-with-comments": "SELECT /* a */ (SELECT max(o.id) FROM orders o), /* b */ (SELECT max(line) FROM items) /* c */, id, # d\n (SELECT min(total) FROM orders) FROM orders",
        "case-of-names-derived": "SELECT o.Customer_Id, `NAME`, c.Id AS k FROM customers c LEFT JOIN orders o USING (id)",
        "case-of-names-of-others": "SELECT x.ID, o.Total FROM customers c LEFT JOIN orders o USING (id) JOIN (SELECT id FROM orders) x ON x.id > 108",
        "case-of-names-within": "SELECT x.* FROM (SELECT o.Customer_Id, credit FROM customers c LEFT JOIN orders o USING (id)) x",
        "not-before-for-update": "SELECT o.id FROM orders o JOIN items i ON o.id = i.order_id AND o.status NOT LIKE 'p%' FOR UPDATE",
        "blanks-at-the-end": "SELECT id FROM orders WHERE status = 'open ' OR status = 'PAID'",
        "for-update": "SELECT id FROM orders WHERE total > 5 ORDER BY 1 FOR UPDATE",
        "share-mode": "SELECT id FROM orders LOCK IN SHARE MODE",
        "percent": (
            "SELECT id FROM orders WHERE comment LIKE '%%a%%' AND id %% 2 = %s",
            (1,),
        ),
        "version-comment": "SELECT id FROM orders WHERE total > 20 /*!50000 AND status = 'open' */",
        "version-comment-of-later": "SELECT id FROM orders /*!99999 WHERE 1 = 0 */",
    },
)

CHANGES = [
    *writes(
        "delete",
        "orders",
        {
            "my-limit": "DELETE FROM orders WHERE total > 10 ORDER BY id DESC LIMIT 2",
            "my-quick": "DELETE LOW_PRIORITY QUICK FROM orders WHERE total > 20",
            "my-ignore": "DELETE IGNORE FROM orders WHERE status = 'open'",
            "my-sub-select": "DELETE FROM orders WHERE customer_id IN (SELECT id FROM customers)",
            "my-own-rows": "DELETE FROM orders WHERE total > (SELECT avg(total) FROM (SELECT DISTINCT total FROM orders) x)",
        },
    ),
    *writes(
        "update",
        "orders",
        {
            "my-left-to-right": "UPDATE orders SET total = total + 1, customer_id = total",
            "my-limit": "UPDATE orders SET total = 0 ORDER BY total DESC, id LIMIT 3",
            "my-ignore": "UPDATE IGNORE orders SET total = 0 WHERE status = 'open'",
            "my-unchanged": "UPDATE orders SET total = 30 WHERE id IN (101, 103)",
            "my-null-safe": "UPDATE orders SET comment = NULL WHERE comment <=> NULL OR total = 15",
        },
    ),
    *writes(
        "insert",
        "archive",
        {
            "my-select": "INSERT INTO archive (id, order_id, title) SELECT id + 1000, id, status FROM orders",
            "my-empty": "INSERT INTO archive () VALUES ()",
            "my-with": "INSERT INTO archive (id, title) WITH x AS (SELECT id, status FROM orders) SELECT id + 1000, status FROM x",
            "my-ignored": "INSERT IGNORE INTO archive (id, title) SELECT id - 100, status FROM orders",
            "my-replaced": "REPLACE INTO archive (id, title) SELECT id - 100, status FROM orders",
        },
    ),
]

REFUSED = refused(
    "what becomes an UPDATE has no RETURNING",
    "my-returning",
    {
        "delete": "DELETE FROM orders WHERE id = 101 RETURNING id, deleted_at",
        "delete-star": "DELETE FROM orders WHERE id = 101 RETURNING *",
    },
)
#: MySQL alone: it loses the conditions of anti-joins there.
REFUSED_VALUES = refused(
    "MySQL answers it wrongly",
    "my-values",
    {
        "row": "VALUES ROW((SELECT sum(total) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)), 1)",
        "union": "SELECT 1, 2 UNION VALUES ROW(1, (SELECT sum(total) FROM orders WHERE id NOT IN (SELECT order_id FROM items)))",
    },
)
#: On MariaDB alone.
RETURNING = writes(
    "insert",
    "archive",
    {
        "my-returning": "INSERT INTO archive (id, title) SELECT id + 1000, status FROM orders RETURNING id, title",
        "my-returning-query": "INSERT INTO archive (id) VALUES (60) RETURNING id, (SELECT count(*) FROM orders)",
    },
)
#: On MySQL alone.
MYSQL = entries(
    "my-eight",
    {
        "lateral": "SELECT c.id, x.n FROM customers c, LATERAL (SELECT count(*) AS n FROM orders WHERE customer_id = c.id) x",
        "lateral-left": "SELECT c.id, x.id FROM customers c LEFT JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY id LIMIT 1) x ON true",
        "for-share": "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id FOR SHARE OF o SKIP LOCKED",
        "values-row-of-query": "SELECT * FROM (VALUES ROW((SELECT sum(total) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id)), 1)) v",
        "values-row": "SELECT v.n, o.id FROM (VALUES ROW(101), ROW(102)) AS v (n) LEFT JOIN orders o ON o.id = v.n",
        "outer-in-derived": "SELECT id, (SELECT max(x.n) FROM (SELECT count(*) AS n FROM orders WHERE customer_id = c.id) x) FROM customers c",
    },
)

_ROWS = writes(
    "insert",
    "categories",
    {
        "my-rows-of-values": "INSERT INTO categories (id, label) VALUES ROW(300, 'a'), ROW(301, (SELECT max(status) FROM orders))",
        "my-union-of-rows": "INSERT INTO categories (id, label) SELECT id + 1000, status FROM orders WHERE status IN ('open', 'paid') UNION ALL VALUES ROW(300, 'a'), ROW(301, 'b')",
        "my-rows-without-list": "INSERT INTO flagged SELECT id + 1000 FROM orders UNION ALL VALUES ROW(300), ROW(301)",
    },
)
_PARTITIONS = writes(
    "delete",
    "prices",
    {
        "my-partition-after-alias": "DELETE FROM prices AS p PARTITION (p1) WHERE p.amount > 3",
        "my-partition-after-alias-and-comment": "DELETE FROM prices p/* a */PARTITION(p0, p1)ORDER BY p.amount, region LIMIT 3",
    },
)
#: Writes on MySQL alone.
MYSQL_CHANGES = [*_ROWS, *_PARTITIONS]
#: Of a tenant, who supplies himself.
MYSQL_TENANTS = writes(
    "insert",
    "stock",
    {
        "my-tenants-of-rows": "INSERT INTO stock (sku, qty, tenant_id) SELECT id, 10, 7 FROM orders UNION ALL VALUES ROW('a', 10, '7'), ROW('b', 11, 7)",
        "my-another-of-rows": "INSERT INTO stock (sku, tenant_id) SELECT status, 7 FROM orders WHERE total > 80 UNION ALL VALUES ROW('a', 7), ROW('b', 8)",
    },
)

#: Of a tenant: a policy of orders reads customers.
REFUSED_OF_TENANTS = refused(
    "its assignments would see old values",
    "my-own-rows",
    {
        "aggregate": "INSERT INTO orders (id, customer_id, status, tenant_id) SELECT (COALESCE(MAX(c.id), 0) + 100000), COUNT(c.id), MAX(c.NAME), 7 FROM customers AS c WHERE c.id < ALL (SELECT SUM(g.total) FROM regions CROSS JOIN orders AS g WHERE g.total = Credit)",
        "update": "UPDATE customers SET country_code = 'q', name = country_code WHERE id IN (SELECT customer_id FROM orders)",
    },
)
#: Of a tenant, on MariaDB alone.
RETURNING_OF_TENANTS = [
    *writes(
        "insert",
        "archive",
        {
            "my-returning-policy": "INSERT INTO archive (id) SELECT 70 RETURNING id, (SELECT sum(total) FROM orders)",
            "my-returning-united": "INSERT INTO archive (id) SELECT 70 UNION SELECT 71 RETURNING id, (SELECT count(*) FROM customers)",
            "my-returning-within": "INSERT INTO archive (id) SELECT * FROM (SELECT 70 UNION SELECT 71) AS x RETURNING id, (SELECT sum(total) FROM orders)",
        },
    ),
    *refused(
        "MariaDB finds no column of a row from outside",
        "my-returning",
        {
            "union": "INSERT INTO archive (id) SELECT 70 UNION ALL SELECT 71 RETURNING (SELECT sum(total) FROM orders AS o)",
            "parentheses": "INSERT INTO archive (id) (SELECT 70 EXCEPT SELECT 71) RETURNING 1 + (SELECT sum(n) FROM (SELECT total AS n FROM orders) AS x)",
            "with": "INSERT INTO archive (id) WITH x AS (SELECT 70) SELECT * FROM x UNION SELECT 71 RETURNING EXISTS (SELECT 1 FROM customers JOIN orders ON true)",
        },
    ),
]
#: Of a tenant.
TENANTS = [
    # MariaDB finds no rows by NOT EXISTS of a column that USING has merged
    *entries(
        "my-query",
        {
            "using-beside-a-policy-that-reads": "SELECT * FROM items JOIN orders ON items.order_id = orders.id JOIN orders AS i USING (customer_id) ORDER BY orders.status",
            "natural-beside-a-policy-that-reads": "SELECT * FROM (SELECT customer_id, total AS n FROM orders) AS x NATURAL JOIN orders ORDER BY orders.status",
            "using-left-beside-a-policy-that-reads": "SELECT * FROM customers AS c LEFT JOIN (items JOIN orders AS i ON items.order_id = i.id JOIN orders USING (customer_id)) ON i.customer_id = c.id ORDER BY orders.status",
        },
    ),
    *writes(
        "insert",
        "categories",
        {
            "my-nothing": "INSERT INTO categories () VALUES ()",
            "my-nothing-unlisted": "INSERT INTO categories VALUES ()",
        },
    ),
    *writes(
        "insert",
        "settings",
        {
            "my-nothings": "INSERT INTO settings () VALUES (), ()",
            "my-nothings-unlisted": "INSERT INTO settings VALUES (), ()",
            "my-rows": "INSERT INTO settings (name) VALUES ('a'), ('b')",
        },
    ),
]
