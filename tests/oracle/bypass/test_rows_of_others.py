"""Row-level security alone: keys, foreign keys and names by which rows are reached."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    tenant_isolation,
)

HERS = "INSERT INTO prices VALUES (8, 'a', 3)"
PRICES = """
CREATE TABLE prices (
    tenant_id NOT NULL, sku, amount, PRIMARY KEY (tenant_id, sku)
) WITHOUT ROWID;
INSERT INTO prices VALUES (7, 'a', 1), (8, 'a', 2);
"""


def opened(schema: str, *tables: str, **options: Any) -> tuple[Any, sqlite3.Connection]:
    """A connection of tenant 7, and the raw one beneath."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    policies = tenant_isolation("tenant_id", tables)
    made: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policies)], **options)
    made.context = {"tenant_id": 7}
    return made, raw


@pytest.mark.parametrize(
    "sql",
    [
        f"{HERS} ON CONFLICT DO UPDATE SET tenant_id = 7, sku = 'b'",
        f"{HERS} ON CONFLICT DO UPDATE SET amount = 9 WHERE 0",
        f"{HERS} ON CONFLICT DO NOTHING",
        "INSERT OR IGNORE INTO prices VALUES (8, 'a', 3)",
        "INSERT OR IGNORE INTO prices VALUES (7, 'b', 3), (8, 'a', 3)",
        "INSERT OR REPLACE INTO prices VALUES (7, 'a', 5), (8, 'a', 3)",
        "REPLACE INTO prices VALUES (8, 'a', 3)",
        "UPDATE OR REPLACE prices SET tenant_id = 8",
    ],
)
def test_a_row_that_names_another_tenant_meets_none_of_its_rows(sql: str) -> None:
    connection, raw = opened(PRICES, "prices")
    with pytest.raises(PolicyViolation):
        connection.execute(sql)
    rows = raw.execute("SELECT * FROM prices").fetchall()
    assert rows == [(7, "a", 1), (8, "a", 2)]
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT OR REPLACE INTO prices VALUES (8, 'a', 3) "
        "ON CONFLICT DO UPDATE SET tenant_id = 7, sku = 'b'",
        "UPDATE OR IGNORE prices SET tenant_id = 8",
        # excluded is the row that is there then, not the one that is proposed
        """INSERT INTO prices AS "Excluded" VALUES (8, 'a', 3)
        ON CONFLICT DO UPDATE SET amount = excluded.amount""",
    ],
)
def test_what_would_skip_rows_in_silence_is_refused(sql: str) -> None:
    connection, _ = opened(PRICES, "prices")
    with closing(connection), pytest.raises((UnsupportedStatement, PolicyViolation)):
        connection.execute(sql)


def test_an_upsert_may_name_its_own_tenant() -> None:
    connection, raw = opened(PRICES, "prices")
    sql = "INSERT INTO prices VALUES (?, 'a', 3) ON CONFLICT DO UPDATE SET amount = 9"
    connection.execute(sql, (7,))
    connection.execute("REPLACE INTO prices VALUES (7, 'b', 4)")
    rows = raw.execute("SELECT * FROM prices").fetchall()
    assert rows == [(7, "a", 9), (7, "b", 4), (8, "a", 2)]
    connection.close()


ORDERS = """
CREATE TABLE Orders (id INTEGER PRIMARY KEY, tenant_id, body);
INSERT INTO Orders VALUES (1, 7, 'mine'), (2, 8, 'ghost');
CREATE VIEW everything AS SELECT * FROM orders;
"""


@pytest.mark.parametrize("name", ["Orders", "ORDERS", "main.Orders", "MAIN.orders"])
def test_a_policy_protects_its_table_however_it_is_spelled(name: str) -> None:
    connection, _ = opened(ORDERS, name)
    for sql in (
        "SELECT * FROM everything",
        "CREATE VIEW mine AS SELECT * FROM orders",
        "DROP TABLE orders",
    ):
        with pytest.raises(UnsupportedStatement):
            connection.execute(sql)
    with pytest.raises(UnsupportedStatement):
        connection.serialize()
    assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]
    connection.close()


def test_a_temporary_table_of_its_name_takes_no_protection_away() -> None:
    connection, _ = opened(ORDERS, "orders")
    connection.execute("CREATE TEMP TABLE orders (id, tenant_id, body)")
    assert connection.execute("SELECT * FROM orders").fetchall() == []
    with pytest.raises(UnsupportedStatement):
        connection.execute("SELECT * FROM everything")
    with pytest.raises(UnsupportedStatement):
        connection.serialize()
    assert connection.execute("SELECT id FROM main.orders").fetchall() == [(1,)]
    connection.close()


SHARED = """
CREATE TABLE docs (id INTEGER PRIMARY KEY);
CREATE TABLE grants (doc);
INSERT INTO docs VALUES (1), (2);
INSERT INTO grants VALUES (1);
"""


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_a_policy_reads_no_table_of_the_callers_making(mode: Any) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHARED)
    policy = Policy("docs", using="id IN (SELECT doc FROM grants)")
    connection: Any = kysera_dbapi.wrap(
        raw, plugins=[RowLevelSecurity(policy)], mode=mode
    )
    with closing(connection):
        for kind in ("TEMP TABLE grants AS", "TEMP VIEW grants AS"):
            connection.execute(f"CREATE {kind} SELECT 2 AS doc")
            rows = connection.execute("SELECT id FROM docs").fetchall()
            assert rows == [(1,)]
            with pytest.raises(PolicyViolation):
                connection.execute("UPDATE docs SET id = 5")
            connection.execute(f"DROP {kind.split()[1]} temp.grants")


def test_a_policy_says_of_which_database_a_table_is() -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHARED)
    raw.executescript("ATTACH ':memory:' AS beside; CREATE TABLE beside.more (doc);")
    raw.execute("INSERT INTO beside.more VALUES (2)")
    bare = Policy("docs", using="id IN (SELECT doc FROM more)")
    with pytest.raises(kysera_dbapi.ConfigurationError, match="no table 'more'"):
        kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(bare)])
    full = Policy("docs", using="id IN (SELECT doc FROM beside.more)")
    connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(full)])
    with closing(connection):
        connection.execute("CREATE TABLE more AS SELECT 1 AS doc")
        assert connection.execute("SELECT id FROM docs").fetchall() == [(2,)]


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_a_new_column_changes_no_policy(mode: Any) -> None:
    """An unqualified name would be one of the table that is nearer."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHARED)
    bare = Policy("docs", using="EXISTS (SELECT 1 FROM grants WHERE doc = id)")
    with pytest.raises(kysera_dbapi.ConfigurationError, match=r"docs\.id"):
        kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(bare)], mode=mode)
    joined = Policy(
        "docs", using="id NOT IN (SELECT doc FROM grants NATURAL JOIN docs d)"
    )
    with pytest.raises(kysera_dbapi.ConfigurationError, match="NATURAL"):
        kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(joined)], mode=mode)
    said = "EXISTS (SELECT 1 FROM grants WHERE doc = docs.id)"
    plugins = [RowLevelSecurity(Policy("docs", using=said))]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
    with closing(connection):
        connection.execute("ALTER TABLE grants ADD COLUMN id")
        connection.execute("UPDATE grants SET id = doc")
        assert connection.execute("SELECT id FROM docs").fetchall() == [(1,)]


COMPUTED = """
CREATE TABLE docs (id INTEGER PRIMARY KEY, doc,
    tenant_id AS (json_extract(doc, '$.t')), UNIQUE (tenant_id, doc));
INSERT INTO docs (id, doc) VALUES (1, '{"t": 7}'), (2, '{"t": 8}');
"""


def test_a_tenant_that_is_computed_is_checked() -> None:
    connection, raw = opened(COMPUTED, "docs")
    with closing(connection):
        connection.execute("""INSERT INTO docs (doc) VALUES ('{"t": 7, "x": 1}')""")
        for sql in (
            """INSERT INTO docs (doc) VALUES ('{"t": 8, "x": 2}')""",
            "INSERT INTO docs DEFAULT VALUES",
            """UPDATE docs SET doc = '{"t": 8, "x": 1}'""",
            """UPDATE OR IGNORE docs SET doc = '{"t": 8}'""",
            """REPLACE INTO docs (doc) VALUES ('{"t": 8}')""",
            """INSERT INTO docs (id, doc) VALUES (1, '{"t": 8}') """
            """ON CONFLICT (id) DO UPDATE SET doc = '{"t": 7, "x": 3}'""",
            """INSERT INTO docs (id, doc) VALUES (1, '{"t": 7}') """
            """ON CONFLICT (id) DO UPDATE SET doc = '{"t": 8, "x": 3}'""",
            """INSERT INTO docs (id, doc) VALUES (2, '{"t": 7, "x": 3}') """
            """ON CONFLICT (id) DO NOTHING""",
        ):
            with pytest.raises((PolicyViolation, UnsupportedStatement)):
                connection.execute(sql)
        connection.execute(
            """INSERT INTO docs (doc) VALUES ('{"t": 7}') """
            "ON CONFLICT (tenant_id, doc) DO UPDATE SET doc = excluded.doc"
        )
        rows = raw.execute("SELECT tenant_id FROM docs ORDER BY id")
        assert rows.fetchall() == [(7,), (8,), (7,)]


TWINS = """
CREATE TABLE t (id, "ä", "Ä", "\u212aey", "key", "\u212aey deleted", "key deleted");
CREATE UNIQUE INDEX u ON t (id) WHERE "\u212aey deleted" IS NULL;
INSERT INTO t VALUES (1, 7, 8, 7, 8, NULL, NULL), (2, 8, 7, 8, 7, NULL, NULL),
    (3, 7, 7, 7, 7, NULL, 'ghost');
"""


@pytest.mark.parametrize("name", ["Ä", "key", "KEY"])
def test_columns_that_differ_in_the_case_of_other_letters_are_two(name: str) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(TWINS)
    plugins = [
        RowLevelSecurity(Policy("t", using=f'"{name}" = :tenant')),
        SoftDelete(["t"], column="key deleted"),
    ]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"tenant": 7}
    with closing(connection):
        assert connection.execute("SELECT id FROM t").fetchall() == [(2,)]
        connection.execute('UPDATE t SET "ä" = 1, "\u212aey" = 1')
        with pytest.raises(PolicyViolation):
            connection.execute(f'UPDATE t SET "{name}" = 8')
        with pytest.raises(UnsupportedStatement):
            connection.execute("UPDATE OR REPLACE t SET id = 3")
        connection.execute("DELETE FROM t")
        assert raw.execute('SELECT "key deleted" IS NULL FROM t').fetchall() == [
            (1,),
            (0,),
            (0,),
        ]


FAMILY = """
PRAGMA foreign_keys = ON;
CREATE TABLE parents (id INTEGER PRIMARY KEY, tenant_id, body, UNIQUE (tenant_id, id));
CREATE TABLE kids (id INTEGER PRIMARY KEY, tenant_id, parent, {key});
INSERT INTO parents VALUES (1, 7, 'mine'), (2, 8, 'ghost');
INSERT INTO kids VALUES (1, 7, 1), (2, {owner}, 1);
"""
LONE = "FOREIGN KEY (parent) REFERENCES parents (id) "
HELD = "FOREIGN KEY (tenant_id, parent) REFERENCES parents (tenant_id, id) "


@pytest.mark.parametrize(
    ("action", "sql"),
    [
        ("ON DELETE SET NULL", "DELETE FROM parents WHERE id = 1"),
        ("ON DELETE SET DEFAULT", "DELETE FROM parents WHERE id = 1"),
        ("ON DELETE SET NULL", "DROP TABLE IF EXISTS parents"),
        ("ON UPDATE CASCADE", "UPDATE parents SET id = 5 WHERE id = 1"),
        ("ON UPDATE CASCADE", "UPDATE parents SET rowid = 5 WHERE id = 1"),
        ("ON UPDATE SET NULL", "UPDATE parents SET id = 5 WHERE id = 1"),
        (
            "ON UPDATE CASCADE",
            "INSERT INTO parents (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 5",
        ),
    ],
)
def test_a_foreign_key_changes_no_row_of_another_tenant(action: str, sql: str) -> None:
    connection, raw = opened(
        FAMILY.format(key=LONE + action, owner=8), "parents", "kids"
    )
    before = raw.execute("SELECT * FROM kids").fetchall()
    with pytest.raises(UnsupportedStatement):
        connection.execute(sql)
    assert raw.execute("SELECT * FROM kids").fetchall() == before
    connection.execute("UPDATE parents SET body = 'new' WHERE id = 1")
    connection.close()


@pytest.mark.parametrize(("key", "kept"), [(LONE, True), (HELD, False)])
def test_a_cascade_deletes_no_row_of_another_tenant(key: str, kept: bool) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(FAMILY.format(key=key, owner=8 if kept else 7))
    for table in ("parents", "kids"):
        raw.execute(f"ALTER TABLE {table} ADD COLUMN deleted_at")
    declared: Any = {"kids.parent" if kept else "kids(tenant_id, parent)": "cascade"}
    plugins = [
        RowLevelSecurity(tenant_isolation("tenant_id", ["parents", "kids"])),
        SoftDelete(["parents", "kids"], foreign_keys=declared),
    ]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"tenant_id": 7}
    sql = "DELETE FROM parents WHERE id = 1"
    if kept:
        with pytest.raises(UnsupportedStatement, match="cascade"):
            connection.execute(sql)
    else:
        connection.execute(sql)
    live = raw.execute("SELECT count(*) FROM kids WHERE deleted_at IS NULL")
    assert live.fetchone() == (2 if kept else 0,)
    connection.close()


def test_a_foreign_key_that_holds_the_tenant_acts() -> None:
    schema = FAMILY.format(key=HELD + "ON UPDATE CASCADE", owner=7)
    connection, raw = opened(schema, "parents", "kids")
    connection.execute("UPDATE parents SET id = 5 WHERE id = 1")
    assert raw.execute("SELECT parent FROM kids").fetchall() == [(5,), (5,)]
    connection.close()


@pytest.mark.parametrize(
    "member", ["create_function", "create_aggregate", "create_window_function"]
)
def test_no_function_takes_the_place_of_a_check(member: str) -> None:
    connection, _ = opened(PRICES, "prices")
    with pytest.raises(UnsupportedStatement) as caught:
        getattr(connection, member)("_K_check", 2, None)
    assert caught.value.code == "reserved-name"
    with pytest.raises(PolicyViolation):
        connection.execute("INSERT INTO prices VALUES (8, 'b', 1)")
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA foreign_key_check",
        "PRAGMA main.integrity_check",
        "PRAGMA 'quick_check'",
        "SELECT * FROM pragma_foreign_key_check",
        "SELECT * FROM pragma_foreign_key_check('kids')",
        "SELECT * FROM dbstat",
    ],
)
def test_strict_mode_tells_nothing_of_stored_rows(sql: str) -> None:
    connection, _ = opened(PRICES, "prices", mode="strict")
    with closing(connection), pytest.raises(UnsupportedStatement):
        connection.execute(sql)


def test_strict_mode_lets_policies_read_their_tables() -> None:
    connection, _ = opened(PRICES, "prices", mode="strict")
    with closing(connection):
        assert connection.execute("SELECT count(*) FROM prices").fetchall() == [(1,)]


SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer, remark);
INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', NULL);
INSERT INTO orders VALUES (1, 1, 'b'), (2, 1, 'c');
"""
OF_CUSTOMERS = "EXISTS (SELECT 1 FROM customers c WHERE c.id = orders.customer)"


@pytest.mark.parametrize("returning", ["", " RETURNING id"])
def test_a_soft_delete_finds_its_rows_before_a_policy_misses_them(
    returning: str,
) -> None:
    """SQLite updates as it goes; what a policy reads may be what is deleted."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    policies = [Policy("customers", using="1 = 1")]
    policies.append(Policy("orders", using=OF_CUSTOMERS))
    plugins = [RowLevelSecurity(policies), SoftDelete(["customers"])]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    cursor = connection.execute(
        "DELETE FROM customers WHERE name = 'a' OR EXISTS "
        f"(SELECT 1 FROM orders WHERE remark = name){returning}"
    )
    assert cursor.fetchall() == ([(1,), (2,), (3,)] if returning else [])
    assert cursor.rowcount == 3
    assert connection.execute("SELECT * FROM customers").fetchall() == []
    connection.close()
