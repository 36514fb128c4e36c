"""Ways by which SQL escapes a rewriter on PostgreSQL, by the entries of the catalogue."""

#: By the number of the entry: statements that give what the filtered copy gives.
SAME: dict[str, list[str]] = {
    "1 sub-selects in expressions": [
        "SELECT CASE WHEN total > (SELECT avg(total) FROM orders) THEN status END FROM orders",
        "SELECT (SELECT max(status) FROM orders)::varchar",
        "SELECT coalesce(NULL, (SELECT max(total) FROM orders))",
        "SELECT id FROM log WHERE id = ANY (SELECT total FROM orders)",
        "SELECT id FROM log WHERE id <> ALL (ARRAY(SELECT total FROM orders))",
        "SELECT ARRAY(SELECT status FROM orders ORDER BY 1)",
        "SELECT ROW((SELECT max(status) FROM orders), 1)::text",
        "SELECT 1 WHERE (9041, 'x') IN (SELECT total, 'x' FROM orders)",
        "SELECT (ARRAY(SELECT total FROM orders ORDER BY total DESC))[1]",
    ],
    "2 clauses": [
        "SELECT DISTINCT ON ((SELECT max(total) FROM orders)) id FROM log",
        "SELECT DISTINCT ON (status) status, id FROM orders ORDER BY status, id",
        "SELECT count(*) FILTER (WHERE total > (SELECT min(total) FROM orders)) FROM orders",
        "SELECT sum(total) OVER (PARTITION BY status ORDER BY id) FROM orders",
        "SELECT sum(total) OVER w FROM orders WINDOW w AS (ORDER BY id)",
        "SELECT id FROM log ORDER BY (SELECT max(total) FROM orders), id LIMIT (SELECT count(*) FROM orders)",
        "SELECT status, count(*) FROM orders GROUP BY GROUPING SETS ((status), ())",
        "SELECT status, count(*) FROM orders GROUP BY ROLLUP (status)",
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY total) FROM orders",
        "SELECT status FROM orders GROUP BY status HAVING count(*) > (SELECT count(*) FROM customers) - 5",
    ],
    "3 joins": [
        "SELECT o.id, c.name FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.total > 1",
        "SELECT o.id, c.name FROM orders o RIGHT JOIN customers c ON o.customer_id = c.id",
        "SELECT o.id, c.name FROM orders o FULL JOIN customers c ON o.customer_id = c.id",
        "SELECT id FROM orders NATURAL JOIN (SELECT id FROM orders) x",
        "SELECT n.body FROM orders o JOIN notes n ON n.order_id = o.id AND EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer_id)",
        "SELECT o.id FROM orders o CROSS JOIN countries",
        "SELECT id FROM orders JOIN notes USING (id)",
    ],
    "6 RETURNING": [
        "INSERT INTO log (id, message) VALUES (50, 'x') RETURNING (SELECT max(status) FROM orders)",
        "UPDATE log SET message = 'x' RETURNING id, (SELECT count(*) FROM orders)",
        "DELETE FROM log RETURNING log.*, (SELECT max(total) FROM orders)",
    ],
    "7 common table expressions": [
        "WITH x AS MATERIALIZED (SELECT * FROM orders) SELECT id, status FROM x",
        "WITH x AS NOT MATERIALIZED (SELECT * FROM orders) SELECT id, status FROM x",
        "WITH RECURSIVE x AS (SELECT 100 AS id UNION SELECT o.id FROM orders o JOIN x ON o.id = x.id + 1) SELECT * FROM x",
        "SELECT * FROM (WITH y AS (SELECT status FROM orders) SELECT * FROM y) z",
    ],
    "8 a CTE with the name of a table": [
        "WITH orders AS (SELECT * FROM orders) SELECT id, status FROM orders",
        "WITH orders AS (SELECT 1 AS id) SELECT * FROM orders",
        "WITH orders AS (SELECT 1 AS id) SELECT id, status FROM public.orders",
    ],
    "11 set operations": [
        "SELECT id FROM orders UNION ALL SELECT id FROM customers",
        "(SELECT id FROM orders) EXCEPT ALL (SELECT order_id FROM notes)",
        "SELECT total FROM orders INTERSECT SELECT credit FROM customers UNION (SELECT id FROM notes)",
    ],
    "words that are names": [
        "SELECT rows FROM (SELECT (1)) rows, orders o",
        "SELECT 1, rows FROM (VALUES (1)) rows, orders o",
        "SELECT 1, rows FROM (VALUES ((SELECT count(*) FROM orders))) AS v (rows), orders",
        "WITH o AS (SELECT rows FROM (SELECT (1)) rows, orders o) TABLE o",
        "SELECT rows.id FROM orders rows, LATERAL ROWS FROM (generate_series(1, rows.id % 3)) AS x",
        "SELECT cycle, search FROM (SELECT id AS cycle, total AS search FROM orders) search",
        "SELECT overriding.id FROM orders overriding, (SELECT 1 AS system) value",
        "SELECT id AS only FROM orders only_ ORDER BY id USING <",
    ],
    "12 whole rows": [
        "SELECT o FROM orders o",
        "SELECT orders FROM orders",
        "SELECT (o).status, (o).total FROM orders o",
        "SELECT row_to_json(o)::text FROM orders o",
        "SELECT to_jsonb(o)->>'status' FROM orders o",
        "SELECT o::text FROM orders o",
        "SELECT (o.*)::text FROM orders o",
        "SELECT count(o), count(DISTINCT o.*) FROM orders o",
        "SELECT o.row_to_json::text FROM orders o",
        "SELECT json_agg(o)::text FROM (SELECT * FROM orders ORDER BY id) o",
        "SELECT max(o.*::text) FROM orders o",
        "SELECT o IS NULL, o IS NOT DISTINCT FROM o FROM orders o",
    ],
    "14 a table twice": [
        "SELECT a.id, b.id FROM orders a JOIN orders b ON b.total = a.total AND b.id > a.id",
        "SELECT a.id FROM orders a WHERE a.total > (SELECT min(total) FROM orders b WHERE b.customer_id = a.customer_id)",
    ],
    "30 MERGE": [
        "MERGE INTO log USING orders o ON o.id = log.id WHEN NOT MATCHED THEN INSERT (message) VALUES (o.status)",
        "MERGE INTO orders o USING log ON true WHEN MATCHED THEN UPDATE SET total = 0",
        "MERGE INTO orders USING (VALUES (1)) AS v (k) ON true WHEN MATCHED THEN UPDATE SET total = total + 1",
        "MERGE INTO orders USING (VALUES (1)) AS v (k) ON true WHEN MATCHED AND total > 0 THEN DELETE WHEN MATCHED THEN DO NOTHING",
        "MERGE INTO log USING orders o ON o.id = log.id + 100 WHEN MATCHED THEN UPDATE SET message = o.status WHEN NOT MATCHED THEN INSERT VALUES (o.id, o.status)",
        "MERGE INTO log USING (SELECT * FROM orders) o ON o.id = log.id WHEN NOT MATCHED AND o.total > 0 THEN INSERT (id, message) VALUES (o.id, (SELECT max(status) FROM orders))",
        "MERGE INTO log USING ONLY orders o ON o.id = log.id WHEN NOT MATCHED THEN INSERT (id, message) VALUES (o.id, o.status)",
        "MERGE INTO log USING countries ON EXISTS (SELECT 1 FROM orders WHERE total > 9000) WHEN MATCHED THEN DELETE",
        "WITH orders AS (SELECT 1 AS id) MERGE INTO orders USING (SELECT 1 AS one) o ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (SELECT * FROM orders) MERGE INTO log USING x ON x.id = log.id WHEN NOT MATCHED THEN INSERT (id, message) VALUES (x.id, x.status)",
        "MERGE INTO prices p USING (SELECT DISTINCT sku FROM prices) s ON s.sku = p.sku WHEN MATCHED THEN UPDATE SET amount = p.amount + 1",
        "MERGE INTO orders a USING orders b ON a.id = b.id WHEN MATCHED THEN UPDATE SET total = b.total + 1, status = b.status",
    ],
    "15 case": [
        "SELECT Status FROM ORDERS",
        'SELECT "status" FROM "orders" AS "O"',
        'SELECT "O".id FROM Orders "O"',
    ],
    "17 schemas": [
        "SELECT public.orders.status FROM public.orders",
        'SELECT * FROM "public"."orders"',
        "SELECT id FROM ONLY orders",
        "SELECT id FROM orders *",
    ],
    "19 temporary tables": [
        "SELECT count(*) FROM all_countries",
    ],
    "21 partitions": [
        "SELECT * FROM prices",
        "SELECT tableoid::regclass::text, sku FROM prices",
        "UPDATE prices SET amount = amount + 1",
        "INSERT INTO prices (tenant_id, sku, amount) VALUES (7, 'new', 1)",
        "DELETE FROM prices WHERE sku = 'rod'",
    ],
    "22 views and functions": [
        "SELECT * FROM all_countries",
        "SELECT twice(total) FROM orders",
        "SELECT id FROM orders WHERE twice(total) > 100",
        "SELECT public.twice(id) FROM log ORDER BY twice(id)",
        "UPDATE all_log SET message = 'x' WHERE id = 1",
    ],
    "43 dollar quotes and the like": [
        "SELECT $$'; --$$, status FROM orders",
        "SELECT $a$ $b$ $a$, id FROM orders",
        "SELECT E'\\'', status FROM orders",
        "SELECT N'x', B'01', X'1f', id FROM orders",
        "SELECT '\\', (SELECT max(status) FROM orders), '--'",
    ],
    "39 comments": [
        "SELECT * FROM orders /* a /* b */ c */ WHERE id > 0 -- x",
        "SELECT/**/id/**/FROM/**/orders",
    ],
    "48 operators": [
        "SELECT id FROM orders WHERE to_jsonb(status) @> '\"ghost open\"' OR ARRAY[total] && ARRAY[9041, 30]",
        "SELECT '{\"a\":1}'::jsonb ? 'a', id FROM orders",
        "SELECT id::text || status FROM orders",
        "SELECT total BETWEEN SYMMETRIC 9999 AND 1 FROM orders",
    ],
    "64 forced tenants": [
        "INSERT INTO orders (tenant_id, status) VALUES (7, 'x') RETURNING tenant_id",
        "INSERT INTO orders (id, tenant_id, status) SELECT id + 1000, 7, status FROM orders",
    ],
    "69 soft DELETE": [
        "DELETE FROM orders",
        "DELETE FROM orders o WHERE o.tenant_id = 8 OR o.id > 0",
        "DELETE FROM ONLY orders WHERE total = (SELECT max(total) FROM orders)",
    ],
    "73 errors that tell": [
        "SELECT status::integer FROM orders",
        "SELECT 1 / (total - 9041) FROM orders",
        "SELECT (SELECT string_agg(status, ',') FROM orders)::integer",
        "SELECT CASE WHEN max(total) > 9000 THEN 1 / 0 END FROM orders",
        "SELECT ('{' || status)::jsonb FROM orders WHERE total > 9000",
    ],
}

#: What gives that, or is refused.
SAFE: dict[str, list[str]] = {
    "30 MERGE": [
        "MERGE INTO log USING orders ON orders.id = log.id WHEN MATCHED THEN UPDATE SET message = orders.ctid::text",
        "MERGE INTO log USING orders o ON o.id = log.id WHEN MATCHED THEN UPDATE SET message = o::text",
        "MERGE INTO orders o USING log ON log.id = o.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, tenant_id) VALUES (log.id + 300, 7)",
        "MERGE INTO log USING countries ON false WHEN NOT MATCHED AND (SELECT count(*) FROM orders) > 4 THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (message) VALUES ((SELECT min(status) FROM orders))",
    ],
    "3 joins that need a derived table": [
        "SELECT o.id, c.name FROM orders o FULL JOIN customers c USING (id)",
        "SELECT o, c.name FROM orders o FULL JOIN customers c USING (id)",
        "SELECT row_to_json(o)::text FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT o.row_to_json::text FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT (o).status FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT (o.*)::text FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT count(o) FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT o.id, o.status FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id",
        "SELECT o.tableoid::regclass::text FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "SELECT id FROM orders NATURAL FULL JOIN customers",
        "SELECT o.id FROM (orders o CROSS JOIN log) RIGHT JOIN countries ON true",
        "SELECT x.id FROM (orders o JOIN log USING (id)) AS x",
    ],
    "48 operators": [
        "SELECT id FROM orders WHERE status ~ '^g' OR status !~ '^o'",
    ],
    "4 writes that read": [
        "DELETE FROM orders WHERE ctid = ANY (ARRAY(SELECT ctid FROM orders WHERE total > 50))",
        "SELECT c.name, o FROM customers c LEFT JOIN orders o ON o.customer_id = c.id",
        "UPDATE log SET message = o.status FROM orders o WHERE o.id > log.id",
        "UPDATE log SET (message, tenant_id) = (SELECT max(status), max(total) FROM orders)",
        "DELETE FROM log USING orders o WHERE o.total > 9000 OR log.id = 1",
        "UPDATE orders SET total = total + 1 FROM customers c WHERE c.id = customer_id",
        "DELETE FROM orders USING customers c WHERE c.id = customer_id",
    ],
    "5 INSERT": [
        "INSERT INTO log (id, message) TABLE orders",
        "INSERT INTO log (message) (SELECT status FROM orders UNION SELECT body FROM notes)",
        "INSERT INTO log (message) VALUES ((SELECT max(status) FROM orders)), (DEFAULT)",
        "INSERT INTO log (message) WITH x AS (SELECT * FROM orders) SELECT status FROM x",
        "INSERT INTO orders OVERRIDING USER VALUE SELECT * FROM orders",
    ],
    "7 writable common table expressions": [
        "WITH x AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM x",
        "WITH x AS (UPDATE orders SET total = 0 RETURNING *) SELECT id, status FROM x",
        "WITH x AS (INSERT INTO log (message) SELECT status FROM orders RETURNING message) SELECT * FROM x",
        "WITH x AS (SELECT id FROM orders) DELETE FROM log USING x",
    ],
    "9 LATERAL and table functions": [
        "SELECT c.name, x.status FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id) x",
        "SELECT * FROM generate_series(1, (SELECT count(*) FROM orders)) AS g(n)",
        "SELECT * FROM unnest(ARRAY(SELECT status FROM orders)) AS u",
        "SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT status FROM orders)), generate_series(1, 2)) AS r",
        "SELECT * FROM json_each((SELECT json_object_agg(id, status) FROM orders))",
        "SELECT * FROM xmltable('/a' PASSING (SELECT ('<a>' || max(status) || '</a>')::xml FROM orders) COLUMNS x text PATH '.')",
        "SELECT x.* FROM orders o, jsonb_to_record(to_jsonb(o)) AS x(status text)",
    ],
    "10 other ways to read": [
        "TABLE orders",
        "VALUES ((SELECT max(status) FROM orders))",
        "SELECT id, status INTO TEMP kept FROM orders",
        "CREATE TEMP TABLE kept AS SELECT id, status FROM orders",
        "CREATE TABLE kept AS TABLE orders",
    ],
    "12 rows as calls": [
        "SELECT o.f FROM orders o",
        "SELECT (o).nothing FROM orders o",
        "SELECT name(o) FROM orders o",
        "SELECT status(o), total(o) FROM orders o",
    ],
    "13 parentheses": [
        "SELECT o.id FROM ((orders o JOIN customers c ON c.id = o.customer_id))",
        "SELECT id FROM log, orders o JOIN customers c ON c.id = o.customer_id",
        "SELECT o.id FROM (orders) o",
        "SELECT 'a'\n'b', status FROM orders",
        "SELECT o.id FROM log CROSS JOIN (orders o LEFT JOIN customers c ON c.id = o.customer_id)",
    ],
    "16 spelling": [
        'SELECT * FROM U&"\\006frders"',
        "SELECT * FROM U&\"!006frders\" UESCAPE '!'",
        'SELECT * FROM "orders "',
        "SELECT * FROM ÖRDERS",
    ],
    "35 locks": [
        "SELECT id, status FROM orders WHERE id > 0 FOR UPDATE",
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id > 0 FOR UPDATE OF o SKIP LOCKED",
        "SELECT id FROM orders WHERE total > 10 FOR KEY SHARE NOWAIT",
    ],
    "26 EXPLAIN": [
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM log WHERE id = 99",
    ],
    "31 upserts": [
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT (id) DO UPDATE SET total = excluded.total",
        "INSERT INTO orders (id, tenant_id, total) VALUES (101, 7, 77) ON CONFLICT ON CONSTRAINT orders_pkey DO UPDATE SET total = (SELECT max(total) FROM orders) RETURNING status",
        "INSERT INTO prices (tenant_id, sku, amount) VALUES (7, 'rod', 1) ON CONFLICT (tenant_id, sku) DO UPDATE SET amount = excluded.amount",
        "INSERT INTO orders (id, total) VALUES (101, 77) ON CONFLICT DO NOTHING",
    ],
    "65 moves": [
        "UPDATE orders SET (total, status) = ROW (1, 'x') WHERE id = 101",
        "UPDATE prices SET tenant_id = 7",
    ],
}

#: What is refused, by the code of the refusal; in barrier and strict mode, too.
REFUSED: dict[str, list[tuple[str, str]]] = {
    "30 MERGE": [
        (
            "unsupported-statement",
            "MERGE INTO orders USING log ON orders.id = 101 AND log.id = 1 WHEN MATCHED THEN UPDATE SET tenant_id = 7 + random()::integer",
        ),
        (
            "unsupported-statement",
            "MERGE INTO orders USING log ON orders.id = 101 AND log.id = 1 WHEN MATCHED THEN UPDATE SET tenant_id = (SELECT max(total) FROM orders)",
        ),
    ],
    "12 calls in the notation of fields": [
        ("dangerous-function", "SELECT l.secret_of FROM log l"),
        ("dangerous-function", "SELECT (l).secret_of FROM log l"),
        ("dangerous-function", 'SELECT log."secret_of" FROM log'),
        ("dangerous-function", "SELECT ('/etc/passwd'::text).pg_read_file"),
        (
            "dangerous-function",
            "SELECT ('SELECT status::tsvector FROM orders'::text).ts_stat",
        ),
    ],
    "18 names": [
        ("statement-kind", "SET LOCAL search_path = other"),
    ],
    "21 partitions by their own names": [
        ("undeclared-view", "SELECT * FROM prices_of_others"),
        ("undeclared-view", "SELECT * FROM ONLY prices_of_others"),
        ("undeclared-view", "UPDATE prices_of_others SET amount = 1"),
        ("undeclared-view", "DELETE FROM prices_of_others"),
        ("undeclared-view", "INSERT INTO prices_of_others VALUES (9, 'x', 1, NULL)"),
        ("undeclared-view", "INSERT INTO log (message) SELECT sku FROM prices_of_7"),
        ("protected-ddl", "TRUNCATE prices_of_others"),
        ("protected-ddl", "DROP TABLE prices_of_others"),
        ("protected-ddl", "ALTER TABLE prices_of_others RENAME TO mine"),
        ("protected-ddl", "CREATE VIEW mine AS SELECT * FROM prices_of_others"),
    ],
    "22 views, functions, triggers": [
        ("undeclared-view", "SELECT * FROM all_orders"),
        ("undeclared-view", "SELECT * FROM of_caller"),
        ("undeclared-view", "SELECT * FROM words"),
        ("undeclared-view", "UPDATE all_orders SET total = 0"),
        ("undeclared-view", "DELETE FROM of_caller"),
        ("dangerous-function", "SELECT secret()"),
        ("dangerous-function", "SELECT public.secret()"),
        ("dangerous-function", 'SELECT "secret" ()'),
        ("dangerous-function", "SELECT id FROM log WHERE secret() LIKE 'g%'"),
        ("dangerous-function", "SELECT * FROM secret()"),
        ("dangerous-function", "SELECT id FROM log ORDER BY secret(), wiped(1)"),
        ("dangerous-function", "UPDATE log SET message = secret()"),
        ("dangerous-function", "SELECT wiped(id) FROM log"),
        ("dangerous-function", "SELECT 1 @@@ 2"),
        ("dangerous-function", "SELECT 1 OPERATOR(public.@@@) 2"),
        ("undeclared-trigger", "INSERT INTO events VALUES (1, 'x')"),
        ("undeclared-trigger", "INSERT INTO old_events VALUES (1, 'x')"),
        ("protected-ddl", "REFRESH MATERIALIZED VIEW words"),
    ],
    "23 statistics": [
        ("undeclared-view", "SELECT most_common_vals FROM pg_stats"),
        ("undeclared-view", "SELECT * FROM pg_catalog.pg_statistic"),
        ("undeclared-view", "SELECT * FROM pg_stats_ext"),
    ],
    "24 files and large objects": [
        ("dangerous-function", "SELECT pg_read_file('/etc/passwd')"),
        ("dangerous-function", "SELECT lo_import('/etc/passwd')"),
        ("dangerous-function", "SELECT * FROM pg_ls_dir('.')"),
        ("statement-kind", "COPY log FROM PROGRAM 'cat'"),
        ("statement-kind", "COPY log TO '/tmp/x'"),
    ],
    "9 functions that run SQL": [
        (
            "dangerous-function",
            "SELECT query_to_xml('SELECT * FROM orders', true, true, '')",
        ),
        ("dangerous-function", "SELECT table_to_xml('orders', true, true, '')"),
        (
            "dangerous-function",
            "SELECT * FROM ts_stat('SELECT status::tsvector FROM orders')",
        ),
        ("dangerous-function", "SELECT set_config('search_path', 'other', false)"),
        ("dangerous-function", "SELECT pg_catalog.database_to_xml(true, true, '')"),
    ],
    "27 prepared statements and code": [
        ("statement-kind", "PREPARE p AS SELECT * FROM orders"),
        ("statement-kind", "EXECUTE p"),
        ("statement-kind", "DO $$ BEGIN DELETE FROM orders; END $$"),
        ("statement-kind", "CALL x()"),
        (
            "statement-kind",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1'",
        ),
    ],
    "32 changes of the schema": [
        ("protected-ddl", "TRUNCATE orders"),
        ("statement-kind", "TRUNCATE log, customers CASCADE"),
        ("protected-ddl", "TRUNCATE log, ONLY orders"),
        ("protected-ddl", "DROP TABLE orders"),
        ("protected-ddl", "ALTER TABLE orders DISABLE TRIGGER ALL"),
        ("protected-ddl", "CREATE VIEW mine AS SELECT * FROM orders"),
        ("protected-ddl", "CREATE VIEW mine AS SELECT * FROM all_orders"),
        (
            "protected-ddl",
            "CREATE RULE r AS ON INSERT TO log DO ALSO DELETE FROM orders",
        ),
        ("protected-ddl", "CREATE TABLE kid () INHERITS (orders)"),
        (
            "protected-ddl",
            "CREATE POLICY p ON log USING ((SELECT count(*) FROM orders) > 0)",
        ),
        ("statement-kind", "ALTER SYSTEM SET log_statement = 'all'"),
    ],
    "34 settings": [
        ("statement-kind", "SET standard_conforming_strings = off"),
        ("statement-kind", "SET session_replication_role = replica"),
    ],
    "49 reserved names": [
        ("reserved-name", "SELECT _k1.id FROM orders AS _k1"),
    ],
}

#: What strict mode refuses besides.
STRICT: dict[str, list[tuple[str, str]]] = {
    "22 functions that are not known": [
        ("dangerous-function", "SELECT run_it('SELECT max(status) FROM orders')"),
        ("dangerous-function", "SELECT nowhere(1)"),
    ],
    "23 statistics": [
        ("undeclared-view", "SELECT reltuples FROM pg_class"),
        ("undeclared-view", "SELECT n_live_tup FROM pg_stat_user_tables"),
        ("undeclared-view", "SELECT query FROM pg_stat_activity"),
        (
            "statement-kind",
            "EXPLAIN ANALYZE SELECT * FROM orders WHERE total = 9042",
        ),
        ("statement-kind", "EXPLAIN SELECT 1 FROM log JOIN orders USING (id)"),
        ("statement-kind", "EXPLAIN ANALYZE DECLARE c CURSOR FOR TABLE orders"),
        ("statement-kind", "EXPLAIN DELETE FROM orders WHERE status = 'ghost open'"),
        ("dangerous-function", "SELECT pg_relation_size('orders')"),
        ("dangerous-function", "SELECT ('orders'::regclass).pg_relation_size"),
        ("dangerous-function", "SELECT pg_stat_get_live_tuples('orders'::regclass)"),
    ],
}

#: The error is of this class, and says what it may say; nothing has changed.
FAILS: dict[str, list[tuple[str, str]]] = {
    "30 MERGE": [
        (
            "PolicyViolation",
            "MERGE INTO orders USING log ON orders.id = 101 AND log.id = 1 WHEN MATCHED THEN UPDATE SET tenant_id = 8",
        ),
        (
            "PolicyViolation",
            "MERGE INTO orders USING log ON orders.id = 101 AND log.id = 1 WHEN MATCHED AND orders.total IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET (total, tenant_id) = ROW (1, 4 * 2)",
        ),
        (
            "PolicyViolation",
            "MERGE INTO orders USING log ON false WHEN NOT MATCHED THEN INSERT (id, tenant_id) VALUES (log.id + 300, 8)",
        ),
        (
            "IntegrityError",
            "MERGE INTO orders USING (VALUES (103)) AS v (k) ON orders.id = v.k WHEN MATCHED THEN UPDATE SET total = 0 WHEN NOT MATCHED THEN INSERT (id) VALUES (v.k)",
        ),
    ],
    "31 upserts that meet hidden rows": [
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id, total) VALUES (103, 7, 1) ON CONFLICT (id) DO UPDATE SET total = 1",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id) VALUES (103, 7) ON CONFLICT (id) DO UPDATE SET tenant_id = 7 RETURNING status",
        ),
        ("IntegrityError", "INSERT INTO orders (id, total) VALUES (103, 1)"),
        ("IntegrityError", "UPDATE orders SET id = 103 WHERE id = 101"),
    ],
    "64 other tenants": [
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id, total) VALUES (200, 8, 5)",
        ),
        (
            "PolicyViolation",
            "INSERT INTO orders (id, tenant_id) SELECT id + 500, 8 FROM orders",
        ),
        ("PolicyViolation", "INSERT INTO prices VALUES (8, 'new', 5, NULL)"),
        ("PolicyViolation", "INSERT INTO notes (order_id, body) VALUES (103, 'x')"),
    ],
    "65 rows that would move out": [
        ("PolicyViolation", "UPDATE orders SET tenant_id = 8"),
        ("PolicyViolation", "UPDATE orders SET (total, tenant_id) = (1, 8)"),
        ("PolicyViolation", "UPDATE prices SET tenant_id = 8 WHERE sku = 'bolt'"),
        ("PolicyViolation", "UPDATE notes SET order_id = 103"),
    ],
}
