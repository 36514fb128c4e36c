"""What no level of guarantee keeps from a caller: see docs/guarantees.md."""

import sqlite3
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation

SCHEMA = """
PRAGMA foreign_keys = ON;
CREATE TABLE parents (id INTEGER PRIMARY KEY, tenant_id);
CREATE TABLE kids (
    id INTEGER PRIMARY KEY, tenant_id, email UNIQUE, parent REFERENCES parents
);
INSERT INTO parents VALUES (1, 7), (2, 8);
INSERT INTO kids VALUES (1, 7, 'mine', 1), (41, 8, 'ghost', 2);
"""


def guarded(schema: str = SCHEMA) -> Any:
    """Tenant 7, with all that there is."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    policies = tenant_isolation("tenant_id", ["parents", "kids"])
    made: Any = kysera_dbapi.wrap(
        raw, plugins=[RowLevelSecurity(policies, barrier=True)], mode="strict"
    )
    made.context = {"tenant_id": 7}
    return made


def test_a_unique_key_tells_of_hidden_values() -> None:
    connection = guarded()
    insert = "INSERT INTO kids (email) VALUES (?)"
    connection.execute(insert, ("free",))
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.execute(insert, ("ghost",))
    assert str(caught.value) == "UNIQUE constraint failed: kids.email"  # no value
    assert "unique-ignores-tenant" in {found.code for found in connection.verify()}
    connection.close()


def test_a_key_that_holds_the_tenant_tells_nothing() -> None:
    connection = guarded(SCHEMA.replace("email UNIQUE", "email"))
    connection.execute("CREATE UNIQUE INDEX u ON kids (tenant_id, email)")
    connection.execute("INSERT INTO kids (email) VALUES ('ghost')")
    connection.close()


def test_a_foreign_key_tells_of_hidden_rows() -> None:
    connection = guarded()
    insert = "INSERT INTO kids (email, parent) VALUES (?, ?)"
    connection.execute(insert, ("a", 2))  # of another tenant
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(insert, ("b", 3))  # of nobody
    codes = {found.code for found in connection.verify()}
    assert "foreign-key-crosses-tenants" in codes
    connection.close()


def test_a_number_that_the_database_gives_tells_of_hidden_rows() -> None:
    connection = guarded()
    new = connection.execute("INSERT INTO kids (email) VALUES ('new') RETURNING id")
    assert new.fetchone() == (42,)
    connection.close()


def test_the_time_of_a_statement_tells_of_hidden_rows() -> None:
    """Counted in the steps of SQLite's machine, which are the same each time."""
    few, many, indexed = (steps(hidden) for hidden in ("10", "1000", "1000 indexed"))
    assert many > 5 * few
    assert indexed < 2 * few


def steps(hidden: str) -> int:
    connection = guarded()
    raw, counted = connection.unwrap(), 0
    number = int(hidden.split()[0])
    raw.executemany(
        "INSERT INTO parents VALUES (?, 8)", ((n,) for n in range(10, 10 + number))
    )
    if "indexed" in hidden:
        connection.execute("CREATE INDEX i ON parents (tenant_id)")

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM parents").fetchall()
    connection.set_progress_handler(count, 1)
    assert cursor.execute("SELECT count(*) FROM parents").fetchone() == (1,)
    connection.set_progress_handler(None, 1)
    connection.close()
    return counted
