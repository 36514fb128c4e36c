"""A statement may not make a schema that the next connection would refuse."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi import sqlite3 as shim
from kysera_dbapi.plugins import SoftDelete
from tests.compat.shop import PROTECTED, create

KEY = "CREATE TABLE reviews (id INTEGER PRIMARY KEY, order_id REFERENCES orders)"
SCHEMA = "SELECT group_concat(sql) FROM sqlite_schema"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shop."""
    return create(tmp_path, "shop", filtered=False)


@pytest.fixture(params=["", "IMMEDIATE", None])
def connection(path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A wrapped connection, by how it begins transactions."""
    with closing(connected(path, isolation_level=request.param)) as opened:
        yield opened


def connected(path: Path, **options: Any) -> Any:
    """A wrapped connection to the shop."""
    plugins = [
        SoftDelete(tables=PROTECTED, foreign_keys={"ratings.order_id": "ignore"})
    ]
    return shim.connect(path, plugins=plugins, **options)


@pytest.mark.parametrize(
    "sql",
    [
        KEY,
        KEY.replace("TABLE", "TABLE IF NOT EXISTS").replace("orders", "'orders'"),
        "CREATE TABLE r (a, b, FOREIGN KEY (b) REFERENCES /* the */ Orders (id))",
        "ALTER TABLE notes ADD COLUMN sold REFERENCES [orders] (id)",
    ],
)
def test_a_foreign_key_that_is_not_declared_is_refused(
    sql: str, connection: Any, path: Path
) -> None:
    before = connection.execute(SCHEMA).fetchall()
    with pytest.raises(sqlite3.ProgrammingError, match="declare it in foreign_keys="):
        connection.execute(sql)
    assert connection.execute(SCHEMA).fetchall() == before
    assert not connection.in_transaction
    connected(path).close()


def test_a_temporary_table_refers_to_none_of_the_main_ones(connection: Any) -> None:
    connection.execute(KEY.replace("TABLE", "TEMP TABLE"))
    assert connection.execute("SELECT count(*) FROM reviews").fetchone() == (0,)


def test_a_declared_foreign_key_is_made(connection: Any, path: Path) -> None:
    connection.execute(KEY.replace("reviews", "ratings"))
    assert not connection.in_transaction
    connected(path).close()


def test_a_refused_change_leaves_the_transaction_as_it_was(connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute("INSERT INTO notes (id) VALUES (9)")
    with pytest.raises(errors.ConfigurationError):
        connection.execute(KEY)
    assert connection.in_transaction
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_a_script_stops_at_a_refused_change(connection: Any) -> None:
    with pytest.raises(errors.ConfigurationError):
        connection.executescript(f"CREATE TABLE a (x); {KEY}; CREATE TABLE b (x)")
    names = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    assert ("a",) in names
    assert ("b",) not in names


def test_under_bypass_nothing_is_checked(connection: Any, path: Path) -> None:
    with kysera_dbapi.bypass("soft_delete", reason="a migration in steps"):
        connection.execute(KEY)
    with pytest.raises(errors.ConfigurationError, match=r"reviews\.order_id"):
        connected(path)


def test_a_change_from_elsewhere_is_noticed(connection: Any, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(KEY)
    with pytest.raises(errors.ConfigurationError, match=r"reviews\.order_id"):
        connection.execute("SELECT * FROM reviews")
    with pytest.raises(errors.ConfigurationError, match=r"reviews\.order_id"):
        connection.refresh()


def test_a_temporary_table_is_made_while_another_connection_writes(
    connection: Any, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("CREATE TEMP TABLE mine (x)")
        assert not connection.in_transaction
