"""Statements that are right or an error on MySQL and MariaDB, by the entries of the catalogue.

``DB.`` is the name of the database; what one server does not know is an error on it.
"""

#: They give what the filtered copy gives, are refused, or an error on both.
SAFE: dict[str, list[str]] = {
    "1 sub-selects in expressions": [
        "SELECT id FROM log WHERE id < ANY (SELECT total FROM orders WHERE total > 9000)",
        "SELECT ROW(9041, 'x') IN (SELECT total, 'x' FROM orders)",
    ],
    "2 clauses": [
        "SELECT any_value(status) FROM orders WHERE total > 50 AND total < 9000",
    ],
    "3 joins": [
        "SELECT id FROM log, orders o JOIN customers c ON c.id = o.customer_id",
    ],
    "4 writes that read": [
        "WITH x AS (SELECT max(total) AS m FROM orders) UPDATE log SET message = (SELECT m FROM x)",
        "WITH x AS (SELECT id FROM orders) DELETE FROM log WHERE id + 102 IN (SELECT id FROM x)",
    ],
    "5 INSERT from protected tables": [
        "INSERT INTO log (id, message) SELECT 1, status FROM orders o ON DUPLICATE KEY UPDATE message = concat(log.message, o.status)",
        "INSERT INTO log (id, message) SELECT id, status FROM orders ON DUPLICATE KEY UPDATE message = status",
        "INSERT INTO log (message) VALUES ROW((SELECT max(status) FROM orders))",
        "CREATE TABLE kept (id int) VALUES ROW((SELECT max(total) FROM orders))",
    ],
    "6 RETURNING": [
        "INSERT INTO log (id, message) VALUES (50, 'x') RETURNING (SELECT max(status) FROM orders)",
        "INSERT INTO log (id, message) SELECT id, status FROM orders RETURNING id, message",
        "DELETE FROM log RETURNING id, (SELECT count(*) FROM orders)",
        "REPLACE INTO log (id, message) VALUES (1, 'x') RETURNING (SELECT max(total) FROM orders)",
        "INSERT INTO orders (id, tenant_id, total) VALUES (600, 7, 1) RETURNING id, tenant_id, (SELECT count(*) FROM customers)",
        "INSERT INTO orders (id, total) VALUES (101, 1) ON DUPLICATE KEY UPDATE total = 3 RETURNING id, status",
    ],
    "8 a CTE with the name of a table": [
        "WITH `Orders` AS (SELECT 1 AS id) SELECT id, status FROM orders",
        "WITH orders AS (SELECT 1 AS id) SELECT * FROM ORDERS",
        "WITH orders AS (SELECT 1 AS id), x AS (WITH y AS (SELECT * FROM orders) SELECT * FROM y) SELECT * FROM x",
        "WITH orders AS (SELECT 1 AS id) DELETE FROM orders WHERE total > 10",
        "WITH orders AS (SELECT 101 AS id) UPDATE orders SET total = 3",
        "WITH orders AS (SELECT id, status FROM customers, orders o) SELECT * FROM orders",
    ],
    "9 LATERAL and table functions": [
        "SELECT c.name, x.status FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id) x",
        "SELECT c.name, x.n FROM customers c LEFT JOIN LATERAL (SELECT count(*) n FROM orders o WHERE o.customer_id = c.id) x ON true",
        "SELECT j.v FROM JSON_TABLE((SELECT json_arrayagg(status) FROM orders), '$[*]' COLUMNS (v varchar(100) PATH '$')) j",
    ],
    "10 other ways to read": [
        "VALUES ROW((SELECT max(status) FROM orders))",
        "SELECT * FROM (VALUES ROW((SELECT max(status) FROM orders))) v",
        "SELECT 1 UNION VALUES ROW((SELECT max(total) FROM orders))",
    ],
    "15 names": [
        "SELECT Status FROM ORDERS",
        "SELECT STATUS, Id FROM orders AS O WHERE o.total > 1",
        "SELECT * FROM DB . orders",
        "SELECT orders.status FROM log AS orders, DB.orders AS o",
        "SELECT * FROM `orders `",
        "SELECT * FROM ordérs",
    ],
    "21 partitions and hints of tables": [
        "SELECT id FROM orders FOR SHARE",
        "SELECT o.id FROM orders o JOIN log l FOR UPDATE OF o",
        "SELECT * FROM orders WHERE ROWNUM() < 3",
    ],
    "22 views, functions, triggers": [
        "SELECT DB . `secret` ( )",
        "CREATE TABLE kept (id int, o int CHECK (o IN (SELECT id FROM orders)))",
    ],
    "30 REPLACE, IGNORE and upserts of hidden rows": [
        "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON DUPLICATE KEY UPDATE total = 1",
        "INSERT INTO orders (id, total) VALUES (101, 77) AS n ON DUPLICATE KEY UPDATE total = n.total + orders.total",
        "INSERT HIGH_PRIORITY orders (id, tenant_id) VALUES (600, 8)",
        "INSERT INTO notes (order_id, body) VALUES (103, 'x')",
        "INSERT INTO notes (order_id, body) VALUES (101, 'x')",
        "INSERT INTO notes SELECT id + 600, 103, 'x' FROM log",
        "INSERT INTO notes SET order_id = 102",
    ],
    "65 rows that would move out": [
        "UPDATE orders SET tenant_id = rand() * 100",
        "UPDATE orders SET tenant_id = (SELECT max(total) FROM customers)",
        "UPDATE customers SET credit = -1",
    ],
    "32 changes of the schema": [
        "CREATE TABLE kept ENGINE = `CONNECT` TABLE_TYPE = PROXY TABNAME = 'or' 'ders'",
        "CREATE TABLE kept (id int) DATA DIRECTORY = '/tmp'",
        "CREATE TABLE kept (id int, FOREIGN KEY (id) REFERENCES orders (id) ON DELETE CASCADE)",
    ],
    "39 comments": [
        "SELECT status /*!50000 FROM orders",
        "SELECT status FROM orders /*! open",
        "SELECT status FROM orders /*!",
        "SELECT status FROM orders; SELECT 1",
    ],
    "41 strings": [
        "SELECT id FROM orders WHERE status RLIKE '^g' OR status REGEXP BINARY 'o'",
        "SELECT 1e1x, 1.e1, .5, 1e, id FROM orders",
        "SELECT json_extract(json_object('a', status), '$.a'), json_unquote(json_array(status)->'$[0]') FROM orders",
        "SELECT MATCH (body) AGAINST ('first') FROM notes",
    ],
    "45 blanks and bytes": [
        "SELECT status FROM orders\x1a",
    ],
    "73 errors that tell": [
        "SELECT extractvalue(1, concat('~', (SELECT max(status) FROM orders)))",
        "SELECT updatexml(1, concat('~', (SELECT max(total) FROM orders)), 1)",
        "SELECT extractvalue(1, concat('~', status)) FROM orders",
        "SELECT id FROM orders WHERE extractvalue(1, concat('~', status))",
        "SELECT id FROM orders WHERE total > 9000 AND extractvalue(1, concat('~', status))",
        "SELECT id FROM orders WHERE updatexml(1, concat('~', status), 1) AND total > 1",
        "SELECT id FROM orders WHERE total > 0 AND exp(total)",
        "SELECT id FROM orders WHERE ~0 + total > 0",
        "SELECT id FROM orders WHERE json_extract('{}', concat('$', status))",
        "SELECT id FROM orders WHERE json_contains(status, '1')",
        "SELECT id FROM orders WHERE json_keys(concat('{', status)) IS NULL",
        "SELECT id FROM orders WHERE gtid_subset(status, status)",
        "SELECT id FROM orders WHERE gtid_subtract(concat(status), '1')",
        "SELECT id FROM orders WHERE st_latfromgeohash(status) > 1",
        "SELECT id FROM orders WHERE st_longfromgeohash(concat(status, total)) > 1",
        "SELECT id FROM orders WHERE st_pointfromgeohash(status, 0) IS NULL",
        "SELECT id FROM orders WHERE st_geomfromtext(status) IS NULL",
        "SELECT id FROM orders WHERE uuid_to_bin(status) IS NULL",
        "SELECT id FROM orders WHERE bin_to_uuid(status) IS NULL",
        "SELECT id FROM orders WHERE name_const(status, 1)",
        "SELECT id FROM orders WHERE status REGEXP concat('(', status)",
        "SELECT id FROM orders WHERE cast(status AS json) IS NULL",
        "SELECT id FROM orders WHERE icu_version() = regexp_like(status, '[')",
        "SELECT id FROM orders o WHERE (SELECT o.id UNION SELECT o.total) IS NULL",
        "SELECT id FROM orders WHERE pow(total, 300) > 1",
        "SELECT id FROM orders WHERE total * 999999999999999999 > 1",
        "SELECT id FROM orders WHERE cast(total AS unsigned) - 9223372036854775807 > 1",
        "SELECT count(*), concat((SELECT max(status) FROM orders), floor(rand(0) * 2)) x FROM log GROUP BY x",
        "SELECT id FROM orders WHERE vector_to_string(string_to_vector(concat('[', status))) IS NULL",
        "SELECT o.id FROM orders o JOIN log l ON extractvalue(1, concat('~', o.status))",
        "SELECT o.id FROM log l LEFT JOIN orders o ON extractvalue(1, concat('~', o.status))",
        "SELECT id FROM log WHERE EXISTS (SELECT 1 FROM orders WHERE extractvalue(1, concat('~', status)))",
        "UPDATE orders SET total = 1 WHERE extractvalue(1, concat('~', status))",
        "UPDATE orders SET total = total WHERE ~0 + total > 0",
        "DELETE FROM orders WHERE extractvalue(1, concat('~', status))",
        "UPDATE orders SET total = 1 WHERE cast(status AS signed) = 0",
        "UPDATE orders SET total = status WHERE id = 101",
        "INSERT INTO log (message) SELECT id FROM orders WHERE cast(status AS signed) = 0",
        "INSERT INTO countries SELECT code, (SELECT max(status) FROM orders) FROM countries",
        "INSERT INTO countries SELECT status, 'x' FROM orders WHERE id IN (101, 107)",
        "INSERT INTO countries VALUES ('DE', (SELECT max(status) FROM orders))",
        "UPDATE customers SET email = 'ghost3@x.org'",
        "UPDATE customers SET email = 'x'",
    ],
    "77 timing and counts": [
        "SELECT sleep(0), benchmark(1, id), status FROM orders",
        "SELECT id FROM orders WHERE sleep(0) = 0",
        "SELECT count(*) FROM orders",
        "SELECT nextval(orders)",
        "SELECT NEXT VALUE FOR orders",
        "SELECT user(), version(), status FROM orders",
        "SELECT sys_exec('id')",
        "SELECT internal_table_rows('x', 'y')",
        "SELECT format_bytes(total) FROM orders",
        "SELECT values(total) FROM orders",
        "SELECT default(total) FROM orders",
        "SELECT statement_digest_text('SELECT 1')",
    ],
}

#: The error is of this class, and says what it may say; nothing has changed.
FAILS: dict[str, list[tuple[str, str]]] = {
    "21 partitions and hints of tables": [
        (
            "PolicyViolation",
            "INSERT INTO prices PARTITION (of_others) VALUES (8, 'new', 1, NULL)",
        ),
    ],
    "30 REPLACE, IGNORE and upserts of hidden rows": [
        ("IntegrityError", "INSERT INTO orders (id, total) VALUES (103, 1)"),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, total) VALUES (103, 77) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, total) VALUES (103, 77) ON DUPLICATE KEY UPDATE total = last_insert_id(total)",
        ),
        (
            "IntegrityError",
            "INSERT INTO prices (sku, amount) VALUES ('ghost nut', 1) ON DUPLICATE KEY UPDATE amount = VALUES(amount)",
        ),
        (
            "PolicyViolation",
            "INSERT INTO customers (id, email) VALUES (3, 'ann@x.org') ON DUPLICATE KEY UPDATE name = 'x'",
        ),
        (
            "IntegrityError",
            "INSERT INTO customers (id, email) VALUES (600, 'ghost4@x.org') ON DUPLICATE KEY UPDATE name = 'x'",
        ),
        ("PolicyViolation", "INSERT INTO orders SET tenant_id = 8, total = 1"),
        (
            "PolicyViolation",
            "INSERT INTO orders SET id = 600, tenant_id = '7x', total = 1",
        ),
        ("PolicyViolation", "INSERT INTO orders (id, tenant_id) VALUES (600, id)"),
        ("PolicyViolation", "INSERT INTO orders (id, tenant_id) VALUES (8, id)"),
        ("PolicyViolation", "INSERT INTO orders (id, tenant_id) SELECT 600, 8"),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id) SELECT id + 500, tenant_id + 1 FROM orders",
        ),
        ("PolicyViolation", "INSERT INTO prices VALUES (8, 'new', 5, NULL)"),
    ],
    "31 keys of hidden rows": [
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (102, 7, 1) ON DUPLICATE KEY UPDATE total = 1",
        ),
        (
            "IntegrityError",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1)",
        ),
        ("IntegrityError", "UPDATE orders SET id = 103 WHERE id = 101"),
        (
            "IntegrityError",
            "INSERT INTO orders (id, total) VALUES (101, 77) ON DUPLICATE KEY UPDATE id = 103",
        ),
    ],
    "65 rows that would move out": [
        ("PolicyViolation", "UPDATE orders SET tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = 8 WHERE id = 101"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = tenant_id + 1"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = 7, tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET total = tenant_id, tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET DB.orders.tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET orders.`Tenant_ID` = 8"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = NULL"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = '8'"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = DEFAULT"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = rand() * 100 + 8"),
        ("PolicyViolation", "UPDATE orders SET tenant_id = (SELECT 8)"),
        ("PolicyViolation", "UPDATE prices SET tenant_id = 8 WHERE sku = 'bolt'"),
        ("PolicyViolation", "UPDATE notes SET order_id = 103"),
        ("PolicyViolation", "UPDATE IGNORE orders SET tenant_id = 8 WHERE id = 101"),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id) VALUES (600, 7), (601, 8)",
        ),
        ("PolicyViolation", "INSERT INTO orders (id, tenant_id) VALUES (600, 7.4)"),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, total) VALUES (103, 1) ON DUPLICATE KEY UPDATE total = 1",
        ),
    ],
}

#: What strict mode refuses besides.
STRICT: dict[str, list[tuple[str, str]]] = {
    "34 values that are kept": [
        ("dangerous-function", "SELECT @x := status FROM orders"),
        ("dangerous-function", "SELECT id FROM orders WHERE (@x := total) > 0"),
        ("dangerous-function", "SELECT id FROM orders WHERE LAST_INSERT_ID(total) > 0"),
        ("dangerous-function", "SELECT `last_insert_id` (total) FROM orders"),
        (
            "dangerous-function",
            "UPDATE orders SET total = 1 WHERE LAST_INSERT_ID(total)",
        ),
        (
            "dangerous-function",
            "INSERT INTO log (message) SELECT LAST_INSERT_ID(total) FROM orders",
        ),
    ],
    "23 statistics": [
        ("statement-kind", "EXPLAIN SELECT * FROM orders WHERE total = 9042"),
        ("statement-kind", "DESC SELECT * FROM orders"),
        ("statement-kind", "DESCRIBE FORMAT=JSON SELECT * FROM orders"),
        ("statement-kind", "EXPLAIN DELETE FROM orders WHERE status = 'x'"),
        ("statement-kind", "SHOW INDEX FROM orders"),
        ("statement-kind", "SHOW KEYS IN orders"),
        ("statement-kind", "SHOW TABLE STATUS"),
        ("statement-kind", "SHOW TABLE STATUS LIKE 'orders'"),
        ("statement-kind", "SHOW INDEX_STATISTICS"),
        ("undeclared-view", "SELECT TABLE_ROWS FROM information_schema.TABLES"),
        ("undeclared-view", "SELECT CARDINALITY FROM information_schema.STATISTICS"),
        ("undeclared-view", "SELECT * FROM information_schema.PARTITIONS"),
        ("undeclared-view", "SELECT * FROM mysql.innodb_index_stats"),
        ("undeclared-view", "SELECT * FROM information_schema.OPTIMIZER_TRACE"),
    ],
    "77 time": [
        ("dangerous-function", "SELECT id FROM orders WHERE sleep(total > 9000)"),
        ("dangerous-function", "SELECT benchmark(9, status) FROM orders"),
        ("dangerous-function", "SELECT get_lock(status, 0) FROM orders"),
        ("dangerous-function", "SELECT nowhere(1)"),
    ],
}
