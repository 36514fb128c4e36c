"""Pipelines: an error of a statement is told, and by its own class."""

from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from tests.dbapi.notes import plugins

#: Statements that fail, and what may follow one in a pipeline.
FAILING = {
    "42P01": "SELECT * FROM nowhere",
    "42703": "SELECT nothing FROM notes",
    "22012": "SELECT 1 / 0",
    "23505": "INSERT INTO notes (id, tenant_id) VALUES (1, 7)",
    "22P02": "SELECT 'x'::integer",
}
FOLLOWING = [
    "CREATE TABLE fresh (id integer)",
    "SELECT body, id FROM notes WHERE id < 3",
    "UPDATE notes SET body = 'new' WHERE id = 1",
    "DELETE FROM notes WHERE id = 2",
    "SELECT count(*) FROM log",
    "SELECT 1",
]


def outcome(connection: Any, work: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The error's sqlstate, and what the connection is good for then."""
    state = None
    try:
        work(connection)
    except psycopg.Error as error:
        state = error.sqlstate
    connection.rollback()
    count = connection.execute("SELECT count(*) FROM log").fetchone()
    return state, count


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("state", FAILING)
def test_an_error_in_a_pipeline_is_told(
    state: str, autocommit: bool, raw_notes: Any, postgresql_url: str
) -> None:
    def both(one: str, other: str) -> Callable[[Any], Any]:
        def work(connection: Any) -> None:
            with connection.pipeline():
                connection.execute("INSERT INTO log VALUES (2, 'two')")
                connection.execute(one)
                connection.execute(other)

        return work

    for text in FOLLOWING:
        work = both(FAILING[state], text)
        raw: Any = psycopg.connect(postgresql_url, autocommit=autocommit)
        with closing(raw):
            expected = outcome(raw, work)
        shim = kysera_dbapi.connect(
            postgresql_url, plugins=plugins(), autocommit=autocommit
        )
        with closing(shim), kysera_dbapi.context(tenant_id=7):
            assert outcome(shim, work) == expected == (state, (1,)), text


def test_a_named_cursor_takes_one_statement(notes: Any) -> None:
    with notes.transaction(), notes.cursor("named") as cursor:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("SELECT 1; SELECT 2")
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_what_is_read_of_the_schema_is_not_prepared(notes: Any) -> None:
    for number in range(12):
        notes.execute(f"SELECT id AS a{number} FROM notes").fetchall()
        notes.refresh()
        notes.execute(f"CREATE TABLE fresh{number} (id integer)")
    rows = notes.unwrap().execute("SELECT statement FROM pg_prepared_statements")
    assert rows.fetchall() == []


def test_a_copy_that_is_left_is_ended(notes: Any, raw_notes: Any) -> None:
    raw_notes.execute(
        "INSERT INTO notes (id, tenant_id, body)"
        " SELECT n, 7, repeat('x', 30) FROM generate_series(1000, 90000) n"
    )
    raw = notes.unwrap()
    with (
        suppress(ZeroDivisionError),
        notes.cursor().copy("COPY notes TO STDOUT") as copy,
    ):
        copy.read_row()
        raise ZeroDivisionError
    assert raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert notes.execute("SELECT count(*) FROM log").fetchone() == (1,)
