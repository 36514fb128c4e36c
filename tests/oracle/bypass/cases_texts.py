"""Texts, names and kinds of statements: catalogue entries 18 to 51, 73 and 75 to 78."""

#: By the number of the entry: statements that give what the filtered copy gives.
SAME: dict[str, list[str]] = {
    "39 comments": [
        "SELECT /* a */ * FROM /* b */ orders /* c */ WHERE 1 -- d",
        "SELECT * FROM orders -- WHERE 1\n WHERE 1 OR 1",
        "SELECT * FROM orders /* not /* nested */ WHERE 1",
        "SELECT * FROM orders WHERE 1 /* open",
        "SELECT * FROM/**/orders/**/WHERE/**/1",
        "SELECT 1--1\n FROM orders",
        "SELECT * FROM orders --",
        "/**/SELECT * FROM orders;",
        "-- x\nSELECT * FROM orders;-- y",
    ],
    "41 backslashes": [
        "SELECT '\\', (SELECT max(status) FROM orders), '--'",
        "SELECT '\\' || status FROM orders",
        "SELECT '\\'' || status FROM orders -- '",
    ],
    "42 strings as names, names as strings": [
        'SELECT "status" FROM orders',
        "SELECT 'status' FROM orders",
        'SELECT "no such column" FROM orders',
        "SELECT * FROM orders WHERE \"tenant\" = 'tenant'",
        "SELECT id FROM orders WHERE 'tenant_id' = 'tenant_id'",
        'SELECT id FROM orders WHERE "tenant_id" = 8',
    ],
    "43 blobs and strings": [
        "SELECT x'27', status FROM orders",
        "SELECT 'a''b', status FROM orders WHERE status <> '''; --'",
        "SELECT CAST(x'6f7264657273' AS TEXT) FROM orders",
    ],
    "44 adjacent literals": ["SELECT 'a' 'b' FROM orders"],
    "45 blanks": [
        "SELECT\t*\nFROM\r\n orders\fWHERE 1",
        "\ufeffSELECT * FROM orders",
    ],
    "47 numbers": [
        "SELECT 1.e1, id FROM orders",
        "SELECT .1 FROM orders",
        "SELECT 0x1F, id FROM orders WHERE id > 0x10",
        "SELECT 1e1 AS x FROM orders WHERE id >= 1.",
    ],
    "48 operators": [
        "SELECT body -> '$' FROM notes WHERE json_valid(body)",
        "SELECT id FROM orders WHERE status GLOB 'g*' OR status LIKE 'gh%' ESCAPE '!'",
        "SELECT id || status || total FROM orders",
        "SELECT id FROM orders WHERE total IS NOT DISTINCT FROM 9041",
        "SELECT ~id & 3 | 1 << 2 FROM orders",
    ],
    "73 errors that tell": [
        "SELECT abs(-9223372036854775807 - (total > 9000)) FROM orders",
        "SELECT CASE WHEN (SELECT max(total) FROM orders) > 9000 THEN json('{') END",
        "SELECT id FROM orders WHERE total > 9000 AND json_extract('{', '$')",
        "SELECT json_extract('{}', '$' || (SELECT status FROM orders WHERE id = 103))",
        "SELECT printf('%s', (SELECT status FROM orders WHERE id = 103))",
    ],
    "77 counts": [
        "SELECT count(*) FROM orders",
        "SELECT max(id) FROM orders",
        "SELECT total(total) FROM orders",
    ],
}

#: What is refused, by the code of the refusal.
REFUSED: dict[str, list[tuple[str, str]]] = {
    "18 other databases": [
        ("statement-kind", "ATTACH 'self.db' AS x"),
        ("statement-kind", "DETACH main"),
    ],
    "23 catalogues and statistics": [
        ("undeclared-view", "SELECT * FROM sqlite_stat4"),
        ("undeclared-view", "SELECT * FROM sqlite_dbpage"),
        ("undeclared-view", "SELECT * FROM pragma_database_list, sqlite_dbdata"),
    ],
    "24 files": [
        ("dangerous-function", "SELECT readfile('x')"),
        ("dangerous-function", "SELECT load_extension('x')"),
        (
            "dangerous-function",
            "SELECT writefile('x', (SELECT max(status) FROM orders))",
        ),
        ("dangerous-function", "SELECT id FROM orders WHERE edit(status) = 1"),
    ],
    "26 kinds that are not understood": [
        ("statement-kind", "PREPARE x AS SELECT * FROM orders"),
        ("statement-kind", "EXECUTE x"),
        ("statement-kind", "DECLARE c CURSOR FOR SELECT * FROM orders"),
        ("statement-kind", "COPY orders TO STDOUT"),
        ("statement-kind", "MERGE INTO orders USING log ON 1 WHEN MATCHED THEN DELETE"),
        ("statement-kind", "TRUNCATE orders"),
        ("statement-kind", "HANDLER orders OPEN"),
        ("statement-kind", "DO 1"),
        ("statement-kind", "CALL f()"),
        ("statement-kind", "SET ROLE admin"),
        ("statement-kind", "GRANT ALL ON orders TO public"),
        ("statement-kind", "LOCK TABLE orders"),
        ("statement-kind", "SHOW TABLES"),
        ("statement-kind", "DESCRIBE orders"),
    ],
    "34 settings": [
        ("statement-kind", "PRAGMA writable_schema = ON"),
        ("statement-kind", "PRAGMA main.writable_schema(1)"),
    ],
    "46 depth": [
        ("too-deep", "SELECT " + "(" * 300 + "1" + ")" * 300 + " FROM orders"),
        ("too-deep", "SELECT " + "(SELECT " * 300 + "status FROM orders" + ")" * 300),
    ],
    "49 reserved names": [
        ("reserved-name", "SELECT _k_check(1, 'x')"),
        ("reserved-name", "SELECT _k1.id FROM orders AS _k1"),
    ],
}
