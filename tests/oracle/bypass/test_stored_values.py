"""What may be written is what a query would find, by the types of the columns.

SQLite 3.40 compares in RETURNING as if each column were a number without a collation.
"""

import sqlite3
from contextlib import closing
from itertools import product
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import DataError, PolicyViolation
from kysera_dbapi.plugins import Policy, RowLevelSecurity, tenant_isolation
from tests.oracle.draft import literal

TYPES = (
    "",
    "BLOB",
    "INTEGER",
    "NUMERIC",
    "REAL",
    "TEXT",
    "TEXT COLLATE NOCASE",
    "TEXT COLLATE RTRIM",
)
VALUES = (7, 7.0, "7", "07", " 7", "7.0", b"7", "a", "A", "a ", None)
TENANTS = (7, "7", "a")
CONDITIONS = (
    "tenant = :tenant",
    "tenant <> :tenant",
    "tenant IN :tenants",
    "tenant NOT IN (SELECT :tenant)",
    "length(tenant) = length(:tenant) AND tenant >= :tenant",
)
TABLES = {
    "rowid": "(id INTEGER PRIMARY KEY, tenant {}, code UNIQUE)",
    "keyed": "(id INTEGER, tenant {}, code UNIQUE, PRIMARY KEY (tenant, id))",
    "without rowid": "(id TEXT COLLATE NOCASE PRIMARY KEY, tenant {}, code UNIQUE) "
    "WITHOUT ROWID",
}
#: Each writes the row 1.
WRITES = (
    "INSERT INTO t (id, tenant, code) VALUES ('1', ?, 'new')",
    "INSERT INTO t (id, tenant, code) SELECT '1', ?, 'new' RETURNING id",
    "UPDATE t SET tenant = ?, id = '1'",
)


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_what_is_written_is_what_is_found(
    condition: str, table: str, type_: str
) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.execute(f"CREATE TABLE t {TABLES[table].format(type_)}")
    raw.execute("INSERT INTO t VALUES ('5', '', 'old')")
    policy = Policy("t", using="1 = 1", check=condition)
    connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policy)])
    with closing(connection):
        for tenant, sql, value in product(TENANTS, WRITES, VALUES):
            connection.context = {"tenant": tenant, "tenants": [tenant]}
            found = is_found(raw, (sql, value), said(condition, tenant))
            assert is_written(connection, sql, value) is found, (tenant, sql, value)


def said(condition: str, tenant: Any) -> str:
    listed = condition.replace(":tenants", f"({literal(tenant)})")
    return listed.replace(":tenant", literal(tenant))


def is_found(raw: sqlite3.Connection, write: tuple[str, Any], condition: str) -> bool:
    raw.execute("BEGIN")
    try:
        raw.execute(write[0], (write[1],)).fetchall()
        rows = raw.execute(f"SELECT 1 FROM t WHERE id = '1' AND ({condition})")
        return rows.fetchone() is not None
    finally:
        raw.execute("ROLLBACK")


def is_written(connection: Any, sql: str, value: Any) -> bool:
    connection.execute("BEGIN")
    try:
        connection.execute(sql, (value,)).fetchall()
    except PolicyViolation:
        return False
    else:
        return True
    finally:
        connection.execute("ROLLBACK")


def test_a_number_of_another_spelling_is_another_tenant() -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE t (tenant_id TEXT, code TEXT UNIQUE)")
    plugins = [RowLevelSecurity(tenant_isolation("tenant_id", ["t"]))]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"tenant_id": "7"}
    with closing(connection):
        connection.execute("INSERT INTO t VALUES ('7', 'a')")
        for sql in (
            "INSERT INTO t VALUES ('07', 'b')",
            "UPDATE t SET tenant_id = '7.0' RETURNING code",
            "INSERT INTO t VALUES ('7', 'a') "
            "ON CONFLICT (code) DO UPDATE SET tenant_id = ' 7'",
        ):
            with pytest.raises(PolicyViolation):
                connection.execute(sql).fetchall()
        assert raw.execute("SELECT * FROM t").fetchall() == [("7", "a")]


def test_a_list_holds_no_number_that_would_be_rounded() -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        "CREATE TABLE t (x REAL); INSERT INTO t VALUES (2.0 * (1 << 62));"
    )
    policy = Policy("t", using="x IN :numbers")
    connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policy)])
    with closing(connection):
        connection.context = {"numbers": [2**63 + 1]}
        with pytest.raises(DataError):
            connection.execute("SELECT * FROM t")
