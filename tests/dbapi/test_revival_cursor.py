"""What a cursor tells of revived rows: lastrowid, many executions, transactions."""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from weakref import ref

import pytest

import kysera_dbapi
from kysera_dbapi import TombstoneConflict, UnsupportedStatement
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.revival import LIVE, TABLES, filled, own, shown, stored, wrapped


@pytest.fixture(params=["normal", "strict"])
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    with closing(wrapped(mode=request.param)) as made:
        yield made


@pytest.fixture
def copy() -> Iterator[Any]:
    with closing(filled()) as made:
        for table, live in LIVE.items():
            made.execute(f"DELETE FROM {table} WHERE NOT ({live})")
        yield made


# -- lastrowid


def test_lastrowid_is_that_of_the_row_until_another_is_inserted(
    connection: Any,
) -> None:
    cursor: Any = connection.cursor()
    beside: Any = connection.cursor()
    beside.execute("INSERT INTO plain (note) VALUES ('y')")
    assert cursor.lastrowid is None
    cursor.execute("INSERT INTO people (email) VALUES ('gone')")
    assert [cursor.lastrowid, beside.lastrowid] == [2, 78]
    for sql in (
        "SELECT 1",
        "UPDATE plain SET note = 'z'",
        "DELETE FROM people WHERE id = 1",
        "INSERT INTO plain SELECT 1, 2 WHERE 0",
        "INSERT INTO codes (region, code) VALUES ('us', random())",
    ):
        assert connection.execute(sql).lastrowid == 2, sql
        assert cursor.execute(sql).lastrowid == 2, sql
    with pytest.raises(sqlite3.Error):
        cursor.execute("INSERT INTO plain VALUES (77, 'x')")
    assert cursor.lastrowid == 2
    cursor.executemany("INSERT INTO codes (region, code) VALUES (?, 1)", [(1,), (2,)])
    assert [cursor.lastrowid, cursor.rowcount] == [2, 2]
    cursor.executescript("SELECT 1; SELECT 2")
    assert cursor.lastrowid == 2
    assert connection.execute("INSERT INTO plain VALUES (2, 1)").lastrowid == 2
    assert connection.execute("INSERT INTO plain VALUES (78 + 1, 1)").lastrowid == 79
    assert connection.execute("SELECT 1").lastrowid == 79
    assert cursor.execute("SELECT 1").lastrowid == 79


def test_lastrowid_is_that_of_the_last_row_revived_or_not(connection: Any) -> None:
    connection.execute("INSERT INTO plain (note) VALUES ('y')")
    sql = "INSERT INTO people (email) VALUES ('gone'), ('new'), ('left')"
    assert connection.execute(sql).lastrowid == 3
    connection.execute("DELETE FROM people WHERE id < 5")
    sql = "INSERT INTO people (email) VALUES ('gone'), ('left'), ('newer')"
    assert connection.execute(sql).lastrowid == 11
    assert connection.execute("SELECT 1").lastrowid == 11
    connection.execute("DELETE FROM people WHERE id = 2")
    cursor = connection.execute("INSERT INTO people (email) VALUES ('gone')")
    assert cursor.lastrowid == 2
    cursor.execute("INSERT INTO people (email) VALUES ('last')")
    assert cursor.lastrowid == 12


def test_a_table_without_rowids_leaves_lastrowid(connection: Any) -> None:
    connection.execute("INSERT INTO plain VALUES (500, 'y')")
    sql = "INSERT INTO codes (region, code) VALUES ('eu', 'b')"
    assert connection.execute(sql).lastrowid == 500


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT last_insert_rowid()",
        "SELECT LAST_INSERT_ROWID ( )",
        'SELECT "last_insert_rowid"() FROM people',
        "INSERT INTO plain (note) VALUES (last_insert_rowid())",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM plain WHERE id = last_insert_rowid())",
    ],
)
def test_the_function_that_does_not_know_is_refused(connection: Any, sql: str) -> None:
    with pytest.raises(UnsupportedStatement, match="the lastrowid of the cursor"):
        connection.execute(sql)


def test_the_function_is_as_ever_without_the_option() -> None:
    plugins = [SoftDelete(TABLES)]
    with closing(kysera_dbapi.wrap(filled(), plugins=plugins)) as connection:
        connection.execute("INSERT INTO plain VALUES (500, 'y')")
        assert connection.execute("SELECT last_insert_rowid()").fetchone() == (500,)


def test_changes_are_those_of_the_insert(connection: Any) -> None:
    before = connection.total_changes
    connection.execute("INSERT INTO people (email) VALUES ('gone'), ('new'), ('left')")
    assert connection.execute("SELECT changes()").fetchone() == (3,)
    assert connection.total_changes - before == 3


# -- executemany


@pytest.mark.parametrize("once", [False, True])
def test_many_executions(connection: Any, copy: Any, once: bool) -> None:
    sql = "INSERT INTO people (email, name) VALUES (?, ?)"
    rows = [("gone", "a"), ("new", "b"), ("left", "c"), ("newer", "d")]
    cursor: Any = connection.cursor()
    cursor.execute("INSERT INTO plain VALUES (500, 'y')")
    cursor.executemany(sql, (row for row in rows) if once else rows)
    due = copy.executemany(sql, rows)
    assert (cursor.rowcount, cursor.description) == (due.rowcount, None)
    assert cursor.lastrowid == 500
    assert connection.executemany(sql, []).lastrowid is None
    assert shown(connection, "people", chosen=False) == shown(
        copy, "people", chosen=False
    )
    assert connection.execute("SELECT count(*) FROM people").fetchone() == (6,)


@pytest.mark.parametrize(
    ("emails", "last"), [(("gone", "new"), 10), (("new", "gone"), 2), (("gone",), 2)]
)
def test_what_many_executions_leave_to_others(
    connection: Any, emails: tuple[str, ...], last: int
) -> None:
    connection.execute("INSERT INTO plain VALUES (500, 'y')")
    sql = "INSERT INTO people (email) VALUES (?)"
    cursor = connection.executemany(sql, [(email,) for email in emails])
    assert cursor.lastrowid is None
    assert connection.execute("SELECT 1").lastrowid == last
    connection.executemany("INSERT INTO plain VALUES (?, 1)", [(600,), (601,)])
    assert connection.execute("SELECT 1").lastrowid == 601


def test_many_executions_that_return_rows(connection: Any) -> None:
    """Nobody sees the rows, as with the driver."""
    sql = "INSERT INTO people (email) VALUES (?) RETURNING id"
    cursor = connection.executemany(sql, [("gone",), ("new",)])
    assert cursor.fetchall() == []
    assert connection.execute("SELECT count(*) FROM people").fetchone() == (4,)


def test_many_executions_with_names(connection: Any) -> None:
    sql = "INSERT INTO people (email, name) VALUES (:e, :n)"
    connection.executemany(sql, [{"e": "gone", "n": "x"}, {"e": "new", "n": "y"}])
    found = connection.execute("SELECT name FROM people WHERE id IN (2, 10)")
    assert found.fetchall() == [("x",), ("y",)]


@pytest.mark.parametrize("isolation_level", [None, "DEFERRED"])
def test_many_executions_that_fail_midway(isolation_level: str | None) -> None:
    """As with the driver, what was done before stays for the caller to roll back."""
    rows = [("gone",), ("new",), ("ann",), ("left",)]
    with closing(wrapped(isolation_level=isolation_level)) as connection:
        sql = "INSERT INTO people (email) VALUES (?)"
        cursor: Any = connection.cursor()
        with pytest.raises(sqlite3.IntegrityError) as caught:
            cursor.executemany(sql, rows)
        assert own(caught.value) == "UNIQUE constraint failed: people.email"
        assert connection.in_transaction == (isolation_level is not None)
        found = "SELECT email FROM people ORDER BY id"
        there = [row[0] for row in connection.execute(found)]
        assert there == ["ann", "gone", "zoe", "new"]
        assert cursor.lastrowid is None
        connection.rollback()
        there = [row[0] for row in connection.execute(found)]
        undone = isolation_level is not None
        assert there == (["ann", "zoe"] if undone else ["ann", "gone", "zoe", "new"])


def test_a_wrong_row_among_many(connection: Any) -> None:
    sql = "INSERT INTO people (email) VALUES (?)"
    with pytest.raises(sqlite3.ProgrammingError):
        connection.executemany(sql, [("gone",), ("a", "b")])
    found = connection.execute("SELECT email FROM people WHERE id = 2")
    assert found.fetchall() == [("gone",)]


def test_many_executions_with_two_rows_in_the_way(connection: Any) -> None:
    sql = "INSERT INTO people (email, phone) VALUES (?, ?)"
    with pytest.raises(TombstoneConflict, match=r"people\.email; if the other row"):
        connection.executemany(sql, [("new", "1"), ("gone", "33")])


# -- transactions


def test_it_is_part_of_the_callers_transaction() -> None:
    with closing(wrapped(isolation_level="DEFERRED")) as connection:
        before = stored(connection)
        connection.execute("INSERT INTO people (email) VALUES ('gone')")
        assert connection.in_transaction
        connection.rollback()
        assert stored(connection) == before
        assert connection.execute("SELECT 1").lastrowid == 2  # as of any row undone
        connection.execute("INSERT INTO people (email) VALUES ('gone')")
        connection.commit()
        assert stored(connection) != before


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n, deleted_at)",
        "CREATE TABLE t (id TEXT PRIMARY KEY, n, deleted_at)",
        "CREATE TABLE t (id PRIMARY KEY, n, deleted_at) WITHOUT ROWID",
        "CREATE TABLE t (id UNIQUE, n, deleted_at)",
        "CREATE TABLE t (id, n, deleted_at); CREATE UNIQUE INDEX u ON t (id + 0)",
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t (id, n) VALUES (5, 'x'), (2, 'x'), (1, 'x'), (6, 'x')",
        "INSERT INTO t (id, n) SELECT 5, 1 UNION ALL SELECT 2, 1 UNION ALL SELECT 1, 1",
        "INSERT INTO t (id, n) VALUES (2, 'x'), (1, 'x') RETURNING n",
    ],
)
def test_a_statement_that_fails_leaves_no_half(schema: str, sql: str) -> None:
    raw = filled(schema)
    raw.execute("INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 'gone')")
    connection: Any = kysera_dbapi.wrap(raw, plugins=[SoftDelete(["t"], revive=True)])
    before = list(raw.execute("SELECT * FROM t"))
    for begin in (False, True):
        if begin:
            connection.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(sql)
        own(caught.value)
        assert list(raw.execute("SELECT * FROM t")) == before
    connection.close()


# -- the cursor itself


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people (email) VALUES ('gone')",
        "INSERT INTO people (email) VALUES ('ann')",
        "INSERT INTO people (email, phone) VALUES ('gone', '33')",
        "INSERT INTO people AS excluded (email) VALUES ('gone')",
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_cursor_goes_with_its_last_reference(
    connection: Any, sql: str, many: bool
) -> None:
    cursor = connection.cursor()
    gone = ref(cursor)
    gc.disable()
    try:
        for _ in range(2):
            with suppress(sqlite3.IntegrityError):
                cursor.executemany(sql, [()]) if many else cursor.execute(sql)
        del cursor
        assert gone() is None
    finally:
        gc.enable()
