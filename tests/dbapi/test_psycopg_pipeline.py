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


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("size", [1, 3, 5_000])
def test_a_violation_tells_its_row_of_many(
    notes: Any, size: int, autocommit: bool
) -> None:
    notes.autocommit = autocommit
    cursor = notes.cursor()
    shown = "SELECT count(*) FROM notes"
    before = notes.execute(shown).fetchall()
    text = "INSERT INTO notes (body, tenant_id) VALUES (%s, %s)"
    rows = [("new", 7)] * size
    for row in {0, size // 2, size - 1}:
        for _ in range(2):
            given = [*rows[:row], ("their", 8), *rows[row + 1 :]]
            with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
                cursor.executemany(text, given)
            assert caught.value.row == row
            assert f"row {row} of the statement violates" in str(caught.value)
            assert notes.execute(shown).fetchall() == before
    with pytest.raises(psycopg.errors.NotNullViolation):
        cursor.executemany(
            "INSERT INTO notes (id, tenant_id, body) VALUES (%s, 7, 'x')",
            [(900,), (None,)],
        )
    notes.rollback()
    cursor.executemany(f"{text} RETURNING body", [("a", 7), ("b", 7)], returning=True)
    assert cursor.fetchall() == [("a",)]
    assert cursor.nextset()
    assert cursor.fetchall() == [("b",)]
    with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
        cursor.executemany(f"{text} RETURNING id", [("a", 7), ("b", 8)], returning=True)
    assert caught.value.row == 1


def test_a_violation_whose_row_is_not_known(notes: Any) -> None:
    text = "INSERT INTO notes (body, tenant_id) VALUES (%s, %s)"
    with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
        notes.execute(f"{text}, ('x', 8)", ("new", 7))
    assert caught.value.row is None


@pytest.mark.parametrize("autocommit", [True, False])
def test_what_happens_as_a_whole_is_refused_in_a_pipeline(
    notes: Any, raw_notes: Any, autocommit: bool
) -> None:
    notes.autocommit = autocommit
    text = "INSERT INTO notes (body, tenant_id) VALUES (%s, %s)"
    with notes.pipeline():
        notes.execute("INSERT INTO log VALUES (2, 'two')")
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="in a pipeline"):
            notes.cursor().executemany(text, [("new", 7), ("new", 8)])
        notes.execute(text, ("one", 7))
        notes.execute("CREATE TABLE fresh AS SELECT body FROM notes")
    notes.commit()
    assert notes.execute("SELECT count(*) FROM fresh").fetchone() == (3,)
    assert raw_notes.execute("SELECT count(*) FROM log").fetchone() == (2,)


class Own(psycopg.Cursor[Any]):
    """A program's own."""


def test_a_violation_in_a_cursor_of_a_programs_own(notes: Any) -> None:
    text = "INSERT INTO notes (body, tenant_id) VALUES (%s, %s)"
    cursor = Own(notes)
    for _ in range(2):
        with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
            cursor.executemany(text, [("new", 7), ("new", 8)])
        assert caught.value.row == 1
        cursor.executemany(text, [("new", 7), ("new", 7)])
        assert cursor.rowcount == 2
        assert type(cursor).__name__ == "Own"
        cursor.execute("UPDATE notes SET tenant_id = 7")
        assert cursor.description is None
