"""What a program does amid statements that are to happen together."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from kysera_dbapi import errors
from tests.dbapi.letters import letters, stored
from tests.dbapi.test_transactions import DELETE, PAGES, every_mode


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(letters()) as made:
        yield made


def test_a_savepoint_that_is_left_open_does_not_hide_the_caller_s(
    connection: Any,
) -> None:
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT _kysera")
    connection.execute("UPDATE log SET body = 'mine'")
    for key in (1, 3):
        connection.execute(f"DELETE FROM letters WHERE id = {key} RETURNING id").close()
    connection.execute("ROLLBACK TO _kysera")
    assert stored(connection, "pages") == PAGES
    assert connection.execute("SELECT body FROM log").fetchall() == [("open",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE missing",
        "CREATE TABLE more (id)",
        "DELETE FROM letters WHERE id = 1",
    ],
)
def test_a_write_whose_rows_are_unread_is_not_undone(statement: str) -> None:
    with closing(letters(isolation_level=None)) as connection:
        connection.execute("INSERT INTO log VALUES (2, 'two')")
        cursor = connection.execute("UPDATE log SET body = 'mine' RETURNING id")
        assert cursor.fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="in progress"):
            connection.execute(statement)
        assert cursor.fetchall() == [(2,)]
        assert not connection.in_transaction
        found = connection.execute("SELECT DISTINCT body FROM log").fetchall()
        assert found == [("mine",)]
        assert stored(connection, "pages") == PAGES


def test_an_authorizer_does_not_prevent_what_undoes(connection: Any) -> None:
    """Whatever it denies from some call on."""
    connection.execute("BEGIN")
    asked = counted(connection, deny_after=1 << 30)
    for number in range(asked):
        counted(connection, deny_after=number)
        assert stored(connection, "pages") == PAGES


def counted(connection: Any, deny_after: int) -> int:
    """How often an authorizer is asked for a deletion, which is then undone."""
    count = 0

    def authorizer(*_: object) -> int:
        nonlocal count
        count += 1
        return sqlite3.SQLITE_OK if count <= deny_after else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorizer)
    try:
        with suppress(sqlite3.DatabaseError):
            connection.execute("DELETE FROM letters WHERE id = 1")
            raise sqlite3.DatabaseError
    finally:
        connection.set_authorizer(None)
        if count <= deny_after:
            connection.rollback()
            connection.execute("BEGIN")
    return count


CONTROLS: dict[str, Callable[[Any], Any]] = {
    "commit": lambda c: c.commit(),
    "rollback": lambda c: c.rollback(),
    "COMMIT": lambda c: c.execute("COMMIT"),
    "SAVEPOINT": lambda c: c.execute("SAVEPOINT a"),
    "exit": lambda c: c.__exit__(None, None, None),
    "isolation_level": lambda c: setattr(c, "isolation_level", None),
    "script": lambda c: c.executescript(""),
}


@every_mode
@pytest.mark.parametrize("end", CONTROLS)
def test_a_transaction_does_not_end_amid_a_deletion(
    end: str, mode: dict[str, Any]
) -> None:
    with closing(letters(**mode)) as connection:
        connection.commit()

        def rows() -> Iterator[tuple[int]]:
            yield (1,)
            CONTROLS[end](connection)

        with pytest.raises(errors.UnsupportedStatement, match="amid") as caught:
            connection.executemany(DELETE, rows())
        assert isinstance(caught.value, sqlite3.NotSupportedError)
        assert stored(connection, "pages") == PAGES
        CONTROLS["commit"](connection)
