"""Keys by which a write could meet a hidden row: by other names, parts and rules."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
)
from tests.oracle.bypass.test_rows_of_others import opened

REFUSED = (PolicyViolation, UnsupportedStatement)


def rows(raw: sqlite3.Connection, table: str = "t") -> list[tuple[Any, ...]]:
    return raw.execute(f"SELECT rowid, * FROM {table} ORDER BY 1").fetchall()


def deleting(schema: str, **options: Any) -> tuple[Any, sqlite3.Connection]:
    """A connection whose table t has deleted rows, and the raw one beneath."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    plugins = [SoftDelete(["t"], **options)]
    return kysera_dbapi.wrap(raw, plugins=plugins), raw


SETTINGS = """
CREATE TABLE t (tenant_id INTEGER PRIMARY KEY, v);
INSERT INTO t VALUES (7, 'mine'), (8, 'ghost');
"""


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET rowid = 9",
        "UPDATE t SET OID = 9 RETURNING v",
        "UPDATE t SET (v, _rowid_) = ('x', 9)",
        "UPDATE OR REPLACE t SET rowid = 8",
        "UPDATE OR IGNORE t SET rowid = 8",
        "INSERT INTO t (v) VALUES ('x') ON CONFLICT DO UPDATE SET rowid = 9",
        "INSERT INTO t (rowid, v) VALUES (9, 'x')",
        "REPLACE INTO t (oid, v) VALUES (9, 'x')",
        "INSERT OR REPLACE INTO t (rowid, v) VALUES (8, 'x')",
    ],
)
def test_a_tenant_that_is_the_rowid_has_no_other_names(sql: str) -> None:
    connection, raw = opened(SETTINGS, "t")
    with closing(connection):
        with pytest.raises(REFUSED):
            connection.execute(sql)
        assert rows(raw) == [(7, 7, "mine"), (8, 8, "ghost")]
        connection.execute("REPLACE INTO t (rowid, v) VALUES (7, 'new')")
        assert rows(raw) == [(7, 7, "new"), (8, 8, "ghost")]


def test_a_policy_on_the_rowid_names_its_column() -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);"
    )
    for name in ("rowid", "t.oid", '"_ROWID_"'):  # as a new column may be called
        plugins = [RowLevelSecurity(Policy("t", using=f"{name} < :most"))]
        with pytest.raises(ConfigurationError, match="no column"):
            kysera_dbapi.wrap(raw, plugins=plugins)
    plugins = [RowLevelSecurity(Policy("t", using="id < :most"))]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"most": 5}
    with closing(connection):
        for name in ("rowid", "oid", "_rowid_", "id"):
            with pytest.raises(PolicyViolation):
                connection.execute(f"UPDATE t SET {name} = 9")


CODES = """
CREATE TABLE t (tenant_id INTEGER, code TEXT, PRIMARY KEY (tenant_id, code));
INSERT INTO t (rowid, tenant_id, code) VALUES (1, 8, 'ghost'), (2, 7, 'a');
"""


@pytest.mark.parametrize(
    "sql",
    [
        "REPLACE INTO t (rowid, tenant_id, code) VALUES (1, 7, 'x')",
        "INSERT OR REPLACE INTO t (oid, code) SELECT 1, 'x'",
        "INSERT OR IGNORE INTO t (rowid, code) VALUES (1, 'x')",
        "INSERT INTO t (rowid, code) VALUES (1, 'x') ON CONFLICT DO NOTHING",
        "INSERT INTO t (rowid, code) VALUES (1, 'x') "
        "ON CONFLICT DO UPDATE SET tenant_id = 7, code = 'y'",
        "UPDATE OR REPLACE t SET rowid = 1",
        "UPDATE OR IGNORE t SET _rowid_ = 1",
    ],
)
def test_a_primary_key_with_the_tenant_has_a_rowid_beside_it(sql: str) -> None:
    connection, raw = opened(CODES, "t")
    with closing(connection):
        with pytest.raises(REFUSED):
            connection.execute(sql)
        assert rows(raw) == [(1, 8, "ghost"), (2, 7, "a")]
        connection.execute("REPLACE INTO t (tenant_id, code) VALUES (7, 'b')")


NAMES = """
CREATE TABLE t (tenant_id TEXT{}, name);
CREATE UNIQUE INDEX u ON t (tenant_id COLLATE {}, name);
INSERT INTO t VALUES ('ACME', 'ghost'), ('acme', 'b');
"""


@pytest.mark.parametrize(
    "sql",
    [
        "REPLACE INTO t (name) VALUES ('ghost')",
        "INSERT OR IGNORE INTO t (name) VALUES ('ghost')",
        "INSERT INTO t (name) VALUES ('ghost') ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES ('acme', 'ghost') "
        "ON CONFLICT DO UPDATE SET tenant_id = 'acme'",
        "UPDATE OR REPLACE t SET name = 'ghost'",
        "UPDATE OR IGNORE t SET name = 'ghost'",
    ],
)
def test_a_key_that_takes_two_tenants_for_one(sql: str) -> None:
    connection, raw = opened(NAMES.format("", "NOCASE"), "t")
    connection.context = {"tenant_id": "acme"}
    with closing(connection):
        with pytest.raises(REFUSED):
            connection.execute(sql)
        assert rows(raw) == [(1, "ACME", "ghost"), (2, "acme", "b")]


@pytest.mark.parametrize("collation", ["BINARY", "NOCASE"])
def test_a_key_with_the_columns_collation_or_none_holds_the_tenant(
    collation: str,
) -> None:
    schema = NAMES.format(" DEFAULT ('x') COLLATE NoCase", collation)
    connection, raw = opened(schema.replace("ACME", "other"), "t")
    connection.context = {"tenant_id": "acme"}
    with closing(connection):
        connection.execute("REPLACE INTO t (name) VALUES ('b')")
        assert [row[1:] for row in rows(raw)] == [("other", "ghost"), ("acme", "b")]


COMPUTED = """
CREATE TABLE t (id INTEGER PRIMARY KEY, tenant_id, name, active, deleted_at,
    low AS (lower(name)), lower AS (low) STORED);
{};
INSERT INTO t (id, tenant_id, name, active, deleted_at)
    VALUES (1, 8, 'A', 1, 'ghost'), (2, 7, 'b', 1, NULL), (3, 7, 'A', 0, NULL);
"""
INDEXES = {
    "CREATE UNIQUE INDEX u ON t (low) WHERE id < 3": "name = 'a' WHERE id = 2",
    "CREATE UNIQUE INDEX u ON t (lower) WHERE id < 3": "name = 'a' WHERE id = 2",
    "CREATE UNIQUE INDEX u ON t (lower(low)) WHERE id < 3": "name = 'a' WHERE id = 2",
    "CREATE UNIQUE INDEX u ON t (name) WHERE active": "active = 1 WHERE id = 3",
    'CREATE UNIQUE INDEX u ON t (name) WHERE "ACTIVE" = 1': "active = 1 WHERE id = 3",
    "CREATE UNIQUE INDEX u ON t (id % 2) WHERE low = 'a' AND active": (
        "active = 1 WHERE id = 3"
    ),
    "CREATE UNIQUE INDEX u ON t (name) WHERE id < 3": "rowid = 0 WHERE id = 3",
}


@pytest.mark.parametrize("action", ["REPLACE", "IGNORE"])
@pytest.mark.parametrize(("index", "change"), INDEXES.items())
def test_a_key_by_what_is_computed_or_left_out(
    index: str, change: str, action: str
) -> None:
    sql = f"UPDATE OR {action} t SET {change}"
    schema = COMPUTED.format(index)
    for connection, raw in (opened(schema, "t"), deleting(schema)):
        before = rows(raw)
        with closing(connection):
            with pytest.raises(UnsupportedStatement):
                connection.execute(sql)
            assert rows(raw) == before
            connection.execute(f"UPDATE OR {action} t SET tenant_id = 7")


FAMILY = """
PRAGMA foreign_keys = ON;
CREATE TABLE parents (id INTEGER PRIMARY KEY, tenant_id TEXT{parent}, code,
    low AS (lower(code)) STORED UNIQUE, UNIQUE (tenant_id, id));
CREATE TABLE kids (id INTEGER PRIMARY KEY, tenant_id TEXT{kid}, parent, low,
    FOREIGN KEY {key});
INSERT INTO parents (id, tenant_id, code) VALUES (1, 'acme', 'A');
INSERT INTO kids VALUES (1, 'acme', 1, 'a'), (2, 'ACME', 1, 'a');
"""
HELD = "(tenant_id, parent) REFERENCES parents (tenant_id, id) "
LOW = "(low) REFERENCES parents (low) ON UPDATE CASCADE"


@pytest.mark.parametrize(
    ("key", "collation", "sql"),
    [
        (HELD + "ON DELETE SET NULL", " COLLATE NOCASE", "DELETE FROM parents"),
        (HELD + "ON UPDATE CASCADE", " COLLATE NOCASE", "UPDATE parents SET id = 5"),
        (LOW, "", "UPDATE parents SET code = 'b'"),
    ],
)
def test_a_foreign_key_that_finds_rows_of_another_tenant(
    key: str, collation: str, sql: str
) -> None:
    schema = FAMILY.format(parent=collation, kid="", key=key)
    if not collation:
        schema = schema.replace("'ACME', 1", "'ACME', NULL")
    connection, raw = opened(schema, "parents", "kids")
    connection.context = {"tenant_id": "acme"}
    before = rows(raw, "kids")
    with closing(connection):
        with pytest.raises(UnsupportedStatement) as caught:
            connection.execute(sql)
        assert caught.value.code == "foreign-key-action"
        assert rows(raw, "kids") == before


def test_verify_tells_of_keys_that_take_two_tenants_for_one() -> None:
    key = HELD + "ON DELETE SET NULL"
    schema = FAMILY.format(parent=" COLLATE NOCASE", kid="", key=key)
    connection, _ = opened(schema, "parents", "kids")
    found = {finding.code: finding for finding in connection.verify()}
    assert "foreign-key-crosses-tenants" in found
    connection.close()
    connection, raw = opened(NAMES.format("", "NOCASE"), "t")
    (ignoring,) = (f for f in connection.verify() if f.code == "unique-ignores-tenant")
    raw.executescript(ignoring.ddl)
    connection.refresh()
    connection.context = {"tenant_id": "acme"}
    connection.execute("REPLACE INTO t (name) VALUES ('ghost')")
    assert len(rows(raw)) == 3
    connection.close()


def test_a_foreign_key_of_one_collation_holds_the_tenant() -> None:
    same = " COLLATE NOCASE"
    schema = FAMILY.format(parent=same, kid=same, key=HELD + "ON UPDATE CASCADE")
    connection, raw = opened(schema, "parents", "kids")
    connection.context = {"tenant_id": "acme"}
    with closing(connection):
        connection.execute("UPDATE parents SET id = 5")
        assert [row[3] for row in rows(raw, "kids")] == [5, 5]
