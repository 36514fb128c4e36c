"""Statements written by hand for what PostgreSQL has and SQLite has not."""

from tests.oracle.entries import entries, refused, writes

PLACES = entries(
    "pg-place",
    {
        "distinct-on": "SELECT DISTINCT ON (customer_id) customer_id, id FROM orders ORDER BY customer_id, total DESC, id",
        "distinct-on-without-where": "SELECT DISTINCT ON (status) status FROM orders ORDER BY status",
        "lateral": "SELECT c.id, x.n FROM customers c, LATERAL (SELECT count(*) AS n FROM orders WHERE customer_id = c.id) x",
        "lateral-left": "SELECT c.id, x.id FROM customers c LEFT JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY 1 LIMIT 1) x ON true",
        "lateral-cross": "SELECT o.id, u.n FROM orders o CROSS JOIN LATERAL unnest(ARRAY[o.total, o.id]) AS u (n)",
        "lateral-after-full": "SELECT c.id, x.n FROM customers c FULL JOIN orders o ON o.customer_id = c.id LEFT JOIN LATERAL (SELECT count(*) AS n FROM items i WHERE i.order_id = o.id) x ON true",
        "lateral-column-names": "SELECT c.id, x.a FROM customers c, LATERAL (SELECT id, total FROM orders WHERE customer_id = c.id) AS x (a, b)",
        "grouping-sets": "SELECT status, customer_id, count(*), grouping(status) FROM orders GROUP BY GROUPING SETS ((status), (customer_id), ())",
        "rollup": "SELECT status, sum(total) FROM orders GROUP BY ROLLUP (status)",
        "cube-having": "SELECT status, customer_id, count(*) FROM orders GROUP BY CUBE (status, customer_id) HAVING count(*) > 1",
        "within-group": "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY status) FROM orders",
        "filter": "SELECT count(*) FILTER (WHERE total > 20), bool_and(total > 0) FROM orders",
        "array-of-query": "SELECT ARRAY(SELECT id FROM orders ORDER BY 1)",
        "any-of-query": "SELECT id FROM log WHERE entity_id = ANY (SELECT id FROM orders)",
        "all-of-query": "SELECT id FROM log WHERE entity_id <> ALL (SELECT id FROM orders)",
        "any-of-array": (
            "SELECT id FROM orders WHERE id = ANY(%s::int[])",
            ("{101, 102}",),
        ),
        "row-compared": "SELECT id FROM log WHERE ROW(id, 5::bigint) < ROW(3, (SELECT count(*) FROM orders))",
        "array-agg": "SELECT array_agg(id ORDER BY id DESC) FROM orders",
        "json-agg": "SELECT json_agg(o.id ORDER BY o.id), jsonb_object_agg(o.id, o.status) FROM orders o",
        "whole-row": "SELECT o, o IS NULL FROM orders o",
        "whole-row-left": "SELECT c.id, o FROM customers c LEFT JOIN orders o ON o.customer_id = c.id",
        "whole-row-json": "SELECT row_to_json(orders) FROM orders",
        "field-of-row": "SELECT (o).total FROM orders o",
        "field-of-query": "SELECT (SELECT o FROM orders o WHERE o.id = 101)::text",
        "cast": "SELECT (SELECT count(*) FROM orders)::int::text, CAST(id AS text) FROM log",
        "ilike": "SELECT id FROM orders WHERE comment ILIKE 'F%' OR comment ~ '^a' OR comment !~* 'GHOST'",
        "similar": "SELECT id FROM orders WHERE comment SIMILAR TO '%(r|a)%'",
        "between-symmetric": "SELECT id FROM orders WHERE total BETWEEN SYMMETRIC 60 AND (SELECT min(total) FROM orders)",
        "is-distinct": "SELECT id FROM orders WHERE status IS DISTINCT FROM (SELECT max(status) FROM orders)",
        "window-range": "SELECT id, count(*) OVER (ORDER BY total RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) FROM orders",
        "window-exclude": "SELECT id, sum(total) OVER w FROM orders WINDOW w AS (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES)",
        "generate-series": "SELECT n, (SELECT count(*) FROM orders WHERE total > n) FROM generate_series(1, 50, 20) AS n",
        "ordinality": "SELECT o.id, u.place FROM orders o, unnest(ARRAY[o.total]) WITH ORDINALITY AS u (n, place)",
        "values-table": "SELECT v.n, o.id FROM (VALUES (101), (102)) AS v (n) LEFT JOIN orders o ON o.id = v.n",
        "exists-of-nothing": "SELECT id FROM customers c WHERE EXISTS (SELECT FROM orders WHERE customer_id = c.id)",
        "no-columns": "SELECT FROM orders",
        "generated": "SELECT product_id, gross FROM products WHERE gross > 5",
        "time": "SELECT id FROM orders WHERE deleted_at IS NOT DISTINCT FROM NULL AND now() > '2020-01-01'",
        "boolean-mark": "SELECT tag, gone, NOT gone FROM tags WHERE NOT gone OR gone",
        "group-by-key": "SELECT o.id, o.status, count(i.line) FROM orders o LEFT JOIN items i ON i.order_id = o.id GROUP BY o.id",
        "select-of-select": "SELECT (SELECT array_agg(x.id ORDER BY x.id) FROM (SELECT id FROM orders WHERE customer_id = c.id) x) FROM customers c",
    },
)

TAILS = entries(
    "pg-tail",
    {
        "not-before-for-update": "SELECT o.id FROM orders o JOIN items i ON o.id = i.order_id AND o.status NOT LIKE 'p%' FOR UPDATE",
        "for-update": "SELECT id FROM orders FOR UPDATE",
        "for-update-where": "SELECT id FROM orders WHERE total > 5 FOR UPDATE",
        "for-update-not": "SELECT id FROM orders WHERE total > 5 AND status NOT IN ('x', 'y') FOR UPDATE",
        "for-update-not-like": "SELECT id FROM orders WHERE comment NOT LIKE 'x%' FOR NO KEY UPDATE",
        "for-update-grouped": "SELECT id FROM orders WHERE total > 5 AND (status NOT IN ('x', 'y')) FOR UPDATE",
        "for-update-not-sub-select": "SELECT id FROM orders WHERE total > 5 OR id NOT IN (SELECT order_id FROM items) FOR SHARE SKIP LOCKED",
        "for-update-of": "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id FOR UPDATE OF o NOWAIT",
        "for-two": "SELECT o.id FROM orders o, customers c WHERE c.id = o.customer_id FOR UPDATE OF o FOR SHARE OF c",
        "for-share": "SELECT id FROM orders ORDER BY 1 LIMIT 3 FOR SHARE SKIP LOCKED",
        "for-update-in-sub-select": "SELECT d.id FROM (SELECT id FROM orders FOR UPDATE) d",
        "for-update-aliased": 'SELECT region FROM prices AS "my alias" FOR NO KEY UPDATE',
        "offset": "SELECT id FROM orders OFFSET 0",
        "offset-limit": "SELECT id FROM orders ORDER BY 1 OFFSET 1 LIMIT 3",
        "fetch": "SELECT id FROM orders ORDER BY 1 FETCH FIRST 3 ROWS ONLY",
        "fetch-with-ties": "SELECT total FROM orders ORDER BY total FETCH FIRST 3 ROWS WITH TIES",
        "fetch-expression": "SELECT id FROM orders ORDER BY 1 OFFSET (1) ROWS FETCH NEXT (1 + 1) ROWS ONLY",
        "fetch-row": "SELECT id FROM orders ORDER BY 1 FETCH FIRST ROW ONLY",
        "limit-all": "SELECT id FROM orders LIMIT ALL",
        "limit-null": "SELECT id FROM orders LIMIT NULL",
    },
)

SOURCES = entries(
    "pg-source",
    {
        "alias-columns": "SELECT a, b FROM orders AS o (a, b)",
        "alias-columns-mark": "SELECT t.gone FROM tags t (gone, tag)",
        "alias-columns-left": "SELECT c.id, o.k FROM customers c LEFT JOIN orders o (k, customer) ON o.customer = c.id",
        "alias-columns-full": "SELECT c.id, o.k FROM customers c FULL JOIN orders o (k, customer) ON o.customer = c.id",
        "join-alias-columns": "SELECT j.a, j.h FROM (customers c JOIN orders o ON o.customer_id = c.id) AS j (a, b, d, e, f, g, h)",
        "only": "SELECT id FROM ONLY orders",
        "only-full": "SELECT c.id, o.id FROM customers c FULL JOIN ONLY orders o ON o.customer_id = c.id",
        "only-full-qualified": "SELECT c.id, o.id FROM customers c FULL JOIN ONLY public.orders o ON o.customer_id = c.id",
        "star-of-table": "SELECT id FROM orders *",
        "sample": "SELECT id FROM orders TABLESAMPLE BERNOULLI (100) REPEATABLE (3)",
        "sample-aliased": "SELECT o.id FROM orders AS o TABLESAMPLE SYSTEM (100) WHERE o.total > 5",
        "full-using": 'SELECT order_id, line, detail_id FROM items FULL JOIN "Order Details" USING (order_id)',
        "full-using-star": 'SELECT * FROM items FULL JOIN "Order Details" USING (order_id)',
        "natural-full": 'SELECT * FROM items NATURAL FULL JOIN "Order Details"',
        "group-by-key-full": "SELECT o.id, o.status FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id, o.status",
        "group-by-key-left": "SELECT o.id, o.status, c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY o.id, c.id",
        "group-by-key-aggregated": "SELECT o.id, max(o.status) FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id",
        "values-in-parentheses": "SELECT v.n, o.id FROM log l LEFT JOIN ((VALUES (101), (102)) AS v (n) JOIN orders o ON o.id = v.n) ON l.entity_id = o.id",
        "comma-then-join": "SELECT t.tag, c.id, o.id FROM tags t, orders o RIGHT JOIN customers c ON o.customer_id = c.id",
        "parenthesised-joins": "SELECT c.id, o.id, i.line FROM ((customers c LEFT JOIN orders o ON o.customer_id = c.id) LEFT JOIN items i ON i.order_id = o.id)",
        "cte-of-own-name": "WITH orders AS (SELECT * FROM orders WHERE total > 20) SELECT id FROM orders",
        "cte-of-own-name-recursive": "WITH RECURSIVE orders (id) AS (SELECT 101::bigint UNION SELECT o.id FROM public.orders o JOIN orders ON o.id = orders.id + 1) SELECT id FROM orders",
        "cte-materialized": "WITH x AS MATERIALIZED (SELECT id FROM orders), y AS NOT MATERIALIZED (SELECT id FROM customers) SELECT x.id, y.id FROM x, y",
        "cte-parenthesised": "WITH x AS (SELECT id FROM orders) (SELECT id FROM x)",
        "cte-parenthesised-union": "WITH x AS (SELECT id FROM orders) (SELECT id FROM x) UNION (SELECT id FROM customers)",
        "cte-unused-later": "WITH a AS (SELECT * FROM orders), orders AS (SELECT id FROM customers) SELECT * FROM a",
        "parenthesised": "(SELECT id FROM orders ORDER BY total DESC LIMIT 2) UNION ALL (SELECT id FROM customers ORDER BY 1 LIMIT 2)",
        "parenthesised-alone": "((SELECT id FROM orders))",
        "intersect-binds": "SELECT id FROM customers UNION SELECT entity_id FROM log INTERSECT SELECT id FROM orders",
        "escape-string": "SELECT id FROM orders WHERE comment <> E'it\\'s urgent' AND comment <> $$) OR (1 = 1$$",
        "nested-comment": "SELECT id /* a /* b ' */ -- */ FROM orders /* */",
        "percent": (
            "SELECT id FROM orders WHERE comment LIKE '%%a%%' AND id %% 2 = %s",
            (1,),
        ),
        "named": (
            "SELECT %(deleted_at)s::int, id FROM orders WHERE id > %(deleted_at)s",
            {"deleted_at": 103},
        ),
        "names-of-keywords": "SELECT values.id, rows.id FROM orders values, customers rows WHERE rows.id = values.customer_id",
    },
)

DELETES = [
    *writes(
        "delete",
        "orders",
        {
            "pg-using": "DELETE FROM orders o USING customers c WHERE c.id = o.customer_id AND c.country_code = 'DE'",
            "pg-using-two": "DELETE FROM orders USING customers c, countries k WHERE c.id = orders.customer_id AND k.country_code = c.country_code",
            "pg-using-join": "DELETE FROM orders o USING archive a LEFT JOIN log l ON l.id = a.id WHERE a.order_id = o.id",
            "pg-using-lateral": "DELETE FROM orders o USING customers c, LATERAL (SELECT max(line) AS n FROM items) x WHERE c.id = o.customer_id AND x.n > 1",
            "pg-returning-star-using": "DELETE FROM orders o USING archive a WHERE a.order_id = o.id RETURNING *",
            "pg-returning-star-join": "DELETE FROM orders o USING archive a LEFT JOIN log l ON l.id = a.id WHERE a.order_id = o.id RETURNING *, 1",
            "pg-returning-star-derived": "DELETE FROM orders o USING (SELECT order_id, title FROM archive) a WHERE a.order_id = o.id RETURNING *",
            "pg-returning-table-star": "DELETE FROM orders WHERE id = 101 RETURNING orders.*",
            "pg-returning-both-stars": "DELETE FROM orders o USING archive a WHERE a.order_id = o.id RETURNING o.*, a.*",
            "pg-returning-mark": "DELETE FROM orders o WHERE id < 105 RETURNING o.deleted_at, (SELECT count(*) FROM items)",
            "pg-returning-mark-of-another": "DELETE FROM orders o USING archive a WHERE a.order_id = o.id RETURNING o.id, a.deleted_at",
            "pg-only": "DELETE FROM ONLY orders WHERE total > 20",
            "pg-any": (
                "DELETE FROM orders WHERE id = ANY(%s::int[])",
                ("{101, 102, 103}",),
            ),
            "pg-self": "DELETE FROM orders USING orders o WHERE o.customer_id = orders.customer_id AND o.id < orders.id",
            "pg-cte": "WITH big AS (SELECT id FROM orders WHERE total > 20) DELETE FROM orders USING big WHERE orders.id = big.id RETURNING big.id",
        },
    ),
    *writes(
        "delete",
        "tags",
        {
            "pg-boolean": "DELETE FROM tags WHERE tag <> 'vip' RETURNING *",
            "pg-boolean-tested": "DELETE FROM tags WHERE gone IS NOT TRUE RETURNING gone",
        },
    ),
    *writes(
        "delete",
        "products",
        {"pg-generated": "DELETE FROM products WHERE price < 20 RETURNING *"},
    ),
]

UPDATES = [
    *writes(
        "update",
        "orders",
        {
            "pg-from": "UPDATE orders SET status = c.name FROM customers c WHERE c.id = orders.customer_id RETURNING orders.id, c.*",
            "pg-from-lateral": "UPDATE orders o SET total = x.n FROM customers c, LATERAL (SELECT count(*) AS n FROM items) x WHERE c.id = o.customer_id",
            "pg-row": "UPDATE orders SET (status, total) = ROW ('x', 1) WHERE id > 103",
            "pg-row-select": "UPDATE orders o SET (status, total) = (SELECT name, credit FROM customers WHERE id = o.customer_id)",
            "pg-default": "UPDATE orders SET status = DEFAULT WHERE total > 20 RETURNING *",
            "pg-returning-row": "UPDATE orders o SET total = 1 WHERE id = 101 RETURNING o",
            "pg-only": "UPDATE ONLY orders AS o SET total = 1",
        },
    ),
    *writes(
        "update",
        "products",
        {"pg-generated": "UPDATE products SET price = price + 1 RETURNING gross"},
    ),
]

INSERTS = [
    *writes(
        "insert",
        "log",
        {
            "pg-default-values": "INSERT INTO log DEFAULT VALUES RETURNING *",
            "pg-default": "INSERT INTO log VALUES (DEFAULT, 'x', (SELECT max(id) FROM customers)) RETURNING id",
            "pg-do-nothing": "INSERT INTO log (id, message) VALUES (1, 'x'), (77, 'y') ON CONFLICT DO NOTHING",
            "pg-do-update": "INSERT INTO log AS l (id, message) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET message = excluded.message || l.message, entity_id = (SELECT count(*) FROM orders) WHERE l.id > 0 RETURNING *",
            "pg-on-constraint": "INSERT INTO log (id, message) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT log_pkey DO UPDATE SET message = 'y'",
            "pg-select-union": "INSERT INTO log (message) SELECT comment FROM orders UNION SELECT name FROM customers ORDER BY 1 RETURNING message",
            "pg-select-parenthesised": "INSERT INTO log (message) (SELECT comment FROM orders)",
            "pg-select-with": "INSERT INTO log (entity_id) WITH x AS (SELECT id FROM orders) SELECT id FROM x",
        },
    ),
    *writes(
        "insert",
        "products",
        {
            "pg-generated": "INSERT INTO products VALUES (5000, 't', 3, 10, DEFAULT, DEFAULT) RETURNING *"
        },
    ),
]

#: What the parser knows nothing of.
SPELLED = entries(
    "pg-spelled",
    {
        "table": "TABLE orders",
        "table-only": "TABLE ONLY public.orders",
        "table-tail": "TABLE orders ORDER BY 1 LIMIT 2",
        "table-union": "TABLE orders UNION TABLE orders",
        "table-except": "SELECT id FROM orders EXCEPT TABLE flagged",
        "table-parenthesised": "(TABLE orders) UNION ALL (TABLE ONLY (orders) LIMIT 2)",
        "table-cte": "WITH x AS (TABLE orders), orders AS (TABLE flagged) TABLE orders UNION SELECT id FROM x",
        "table-derived": "SELECT c.id, o.id FROM customers c FULL JOIN (TABLE orders) o ON o.customer_id = c.id",
        "table-in": "SELECT id FROM orders WHERE id IN (TABLE flagged) OR (SELECT count(*) FROM (TABLE items) i) > 3",
        "table-lateral": "SELECT c.id, x.tag FROM customers c, LATERAL (TABLE tags) x",
        "table-for-update": "TABLE orders FOR UPDATE",
        "table-odd": 'table/**/U&"Order\\0020Details"-- x',
        "rows-from": "SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['a', 'b'])) AS r (n, t), tags",
        "rows-from-sub-select": "SELECT r.* FROM ROWS FROM (unnest(ARRAY(SELECT id FROM orders ORDER BY 1)), pg_catalog.generate_series(1, 3)) WITH ORDINALITY AS r",
        "rows-from-lateral": "SELECT o.id, r.* FROM orders o, LATERAL ROWS FROM (generate_series(1, o.id - 100), json_to_recordset('[{\"a\": 1}]') AS (a int)) AS r (n, a)",
        "rows-from-full": "SELECT o.id, r.n FROM ROWS FROM (generate_series(100, 102)) AS r (n) FULL JOIN orders o ON n = o.id",
        "rows-from-none": "SELECT 1, rows FROM (orders o CROSS JOIN (SELECT 2 AS rows) x)",
        "order-using": "SELECT id FROM orders ORDER BY total USING >, id USING OPERATOR(pg_catalog.<) NULLS FIRST",
        "order-using-aggregate": "SELECT array_agg(id ORDER BY id USING >) FROM orders",
        "using-alias": 'SELECT j.order_id FROM items JOIN "Order Details" USING (order_id) AS j',
        "using-alias-full": 'SELECT j.order_id, j FROM items FULL JOIN "Order Details" USING (order_id) AS j',
        "using-alias-of-table": 'SELECT orders.order_id, o.id FROM items JOIN "Order Details" USING (order_id) AS orders JOIN orders o ON o.id = orders.order_id',
        "cte-search": "WITH RECURSIVE t (id) AS (SELECT 10 UNION ALL SELECT c.id FROM categories c JOIN t ON c.parent_id = t.id) SEARCH DEPTH FIRST BY id SET place SELECT id, place::text FROM t",
        "cte-search-cycle": "WITH RECURSIVE t (id, p) AS (SELECT id, parent_id FROM categories UNION ALL SELECT c.id, c.parent_id FROM categories c JOIN t ON c.parent_id = t.id) SEARCH BREADTH FIRST BY id, p SET place CYCLE id, p SET again TO 'y' DEFAULT 'n' USING path, o AS (SELECT id FROM orders) SELECT t.id, t.again, path::text, o.id FROM t, o",
        "cte-cycle": "WITH RECURSIVE cycle AS (SELECT id FROM categories UNION ALL SELECT c.id FROM categories c, cycle WHERE c.parent_id = cycle.id) CYCLE id SET search USING path SELECT id, search FROM cycle",
        "only-parenthesised": "SELECT id FROM ONLY (orders) WHERE total > 5",
        "only-parenthesised-left": "SELECT c.id, o.id FROM customers c LEFT JOIN ONLY (public.orders) AS o ON o.customer_id = c.id",
        "only-parenthesised-full": "SELECT c.id, orders.id FROM ONLY (customers) c FULL JOIN ONLY ( orders ) ON orders.customer_id = c.id",
        "star-full": "SELECT c.id, o.id FROM customers * c FULL JOIN orders * AS o ON o.customer_id = c.id",
        "string-continued": "SELECT id, 'a'\n'b' FROM orders WHERE status IN ('op' -- ')\n  'en', 'x') AND comment <> ''\n''' OR 1 = 1 --'",
        "string-continued-escaped": "SELECT id FROM orders WHERE status = E'o\\x70'\n'e\\156' OR status = N'op'\n'en' OR B'01'\n'1' = B'1'",
        "string-by-codes": "SELECT id FROM orders WHERE status = U&'op'\n'\\0065n' OR status = U&'op!+000065n' /* */ UESCAPE '!'",
        "names-by-codes": 'SELECT x.U&"\\0069d" FROM customers c FULL JOIN U&"!006frders" UESCAPE \'!\' AS U&"\\0078" ON x.customer_id = c.id',
        "names-by-codes-cte": 'WITH U&"\\006Frders" AS (SELECT id FROM customers) SELECT id FROM orders',
    },
)

SPELLED_WRITES = [
    *writes(
        "insert",
        "log",
        {
            "pg-overriding": "INSERT INTO log (id, message) OVERRIDING SYSTEM VALUE SELECT id + 5000, comment FROM orders",
            "pg-overriding-user": "INSERT INTO log AS overriding (message, id) OVERRIDING USER VALUE SELECT comment, id FROM orders ORDER BY 1 RETURNING message",
            "pg-overriding-bare": "INSERT INTO log OVERRIDING SYSTEM VALUE VALUES (5000, 'a'\n'b', 3)",
            "pg-table": "INSERT INTO log (entity_id) TABLE flagged RETURNING entity_id",
        },
    ),
    *writes(
        "update",
        "orders",
        {
            "pg-only-parenthesised": 'UPDATE ONLY (orders) AS o SET U&"tot\\0061l" = 1 FROM ONLY (customers) c WHERE o.customer_id = c.id RETURNING o.id',
        },
    ),
    *writes(
        "delete",
        "orders",
        {
            "pg-only-parenthesised": "DELETE FROM ONLY (orders) o WHERE o.id > 101 RETURNING o.id",
            "pg-star": "DELETE FROM orders * AS o USING ONLY (customers) AS c WHERE o.customer_id = c.id",
            "pg-using-alias": 'DELETE FROM orders USING items JOIN "Order Details" d USING (order_id) AS j WHERE j.order_id = orders.id',
            "pg-cycle": "WITH RECURSIVE t AS (SELECT id FROM orders UNION ALL SELECT c.id FROM categories c, t WHERE c.parent_id = t.id) CYCLE id SET x USING y DELETE FROM orders USING t WHERE orders.id = t.id",
        },
    ),
]

#: What a derived table would lose.
KEPT = entries(
    "pg-kept",
    {
        "group-by-key": "SELECT o.id, o.status FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id",
        "group-by-key-ordinal": "SELECT o.id, max(c.id), o.status || 'x' FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY 1",
        "group-by-key-having": "SELECT count(*) FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id HAVING o.total > 5",
        "group-by-key-star": "SELECT o.* FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id",
        "group-by-key-window": "SELECT sum(o.total) OVER () FROM orders o FULL JOIN customers c ON c.id = o.customer_id GROUP BY o.id",
        "row-identifier": "SELECT o.id, o.ctid IS NULL, o.xmin IS NULL, o.tableoid = 'orders'::regclass FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "whole-row": "SELECT o, c IS NULL, (o).total FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        "sample": "SELECT c.id, o.id FROM customers c FULL JOIN orders o TABLESAMPLE BERNOULLI (100) REPEATABLE (1) ON c.id = o.customer_id",
        "schema": "SELECT public.orders.id, (SELECT public.orders.total FROM flagged LIMIT 1) FROM customers c FULL JOIN public.orders ON c.id = public.orders.customer_id",
        "using": 'SELECT * FROM items i LEFT JOIN "Order Details" USING (order_id) LEFT JOIN orders o ON o.id = order_id',
        "aliased-group": "SELECT j.* FROM (customers c JOIN orders o ON o.customer_id = c.id) AS j (a, b, d, e, f, g, h) FULL JOIN items i ON i.order_id = j.h",
        "lateral": "SELECT c.id, x.n FROM customers c FULL JOIN orders o ON o.customer_id = c.id CROSS JOIN LATERAL (SELECT count(*) AS n FROM items i RIGHT JOIN tags t ON i.order_id = o.id) x",
    },
)

#: A soft DELETE would show the mark as it will be.
REFUSED = refused(
    "whole rows of the deleted ones are not as they were",
    "pg-whole-row",
    {
        "row": "DELETE FROM orders o WHERE id = 101 RETURNING o",
        "json": "DELETE FROM orders WHERE id = 101 RETURNING row_to_json(orders)",
        "field": "DELETE FROM orders o WHERE id = 101 RETURNING (o).deleted_at",
        "star": "DELETE FROM orders o WHERE id = 101 RETURNING (o).*",
        "star-beside-using": "DELETE FROM orders o USING archive a JOIN log l USING (id) WHERE a.order_id = o.id RETURNING *",
        "mark-of-whom": "DELETE FROM orders o USING (SELECT * FROM flagged) f WHERE f.order_id = o.id RETURNING deleted_at",
    },
)

#: On tables whose rows have a tenant.
TENANTS = [
    *entries(
        "pg-tenant",
        {
            "alias-columns": "SELECT * FROM customers AS c (tenant_id, name, email, country_code, credit, deleted_at, id)",
            "alias-columns-left": "SELECT l.id, c.tenant_id FROM log l LEFT JOIN customers AS c (tenant_id, a, b, d, e, f, id) ON c.tenant_id > 0",
            "lateral": "SELECT c.id, x.* FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id) x",
            "for-update": "SELECT id FROM orders FOR UPDATE",
            "full-only": "SELECT c.id, s.sku FROM customers c FULL JOIN ONLY stock s ON s.qty = c.id",
        },
    ),
    *writes(
        "update",
        "orders",
        {
            "pg-returning-star-from": "UPDATE orders SET total = 1 FROM archive a WHERE a.order_id = orders.id RETURNING *",
            "pg-returning-star-join": "UPDATE orders o SET total = 1 FROM archive a JOIN log l ON l.id = a.id WHERE a.order_id = o.id RETURNING *, 1",
            "pg-returning-of-another": "UPDATE orders o SET total = 1 FROM archive a WHERE a.order_id = o.id RETURNING a.*, o.id",
        },
    ),
    *writes(
        "delete",
        "stock",
        {
            "pg-returning-star-using": "DELETE FROM stock s USING settings t WHERE t.value = '10' RETURNING *"
        },
    ),
    *writes(
        "insert",
        "stock",
        {
            "pg-values": "INSERT INTO stock (sku, qty) VALUES ('new', DEFAULT), ('newer', 3) RETURNING *",
            "pg-overriding": "INSERT INTO stock OVERRIDING SYSTEM VALUE SELECT 'newest', 3 RETURNING *",
            "pg-on-conflict": "INSERT INTO stock AS s (sku, qty) VALUES ('bolt', 5) ON CONFLICT (tenant_id, sku) DO UPDATE SET qty = excluded.qty + s.qty RETURNING *",
        },
    ),
]

CORPUS = [
    *PLACES,
    *TAILS,
    *SOURCES,
    *DELETES,
    *UPDATES,
    *INSERTS,
    *SPELLED,
    *SPELLED_WRITES,
    *KEPT,
    *REFUSED,
]
#: The versions that brought the syntax of an entry, after the first that is supported.
SINCE = {
    "pg-tail-fetch-with-ties": 13,
    "pg-spelled-string-by-codes": 13,
    "pg-spelled-using-alias": 14,
    "pg-spelled-using-alias-full": 14,
    "pg-spelled-using-alias-of-table": 14,
    "pg-spelled-cte-search": 14,
    "pg-spelled-cte-search-cycle": 14,
    "pg-spelled-cte-cycle": 14,
    "delete-pg-using-alias": 14,
    "delete-pg-cycle": 14,
}
