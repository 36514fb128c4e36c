"""What is asked when a shape is planned comes between no two statements of a caller."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest
from pymysql.cursors import Cursor

import kysera_dbapi
from tests.dbapi.notes import plugins, rows
from tests.dialects.mysql_server import arguments

FOUND, LINE = "SELECT FOUND_ROWS()", "SELECT line FROM log"
#: What leaves FOUND_ROWS() alone on both servers; each shape is a new one.
LEAVING = (
    "INSERT INTO log VALUES (2, 'two')",
    "DELETE FROM log WHERE id = 77",
    "INSERT INTO log SET id = 3",
    "SET @a = 1",
    "CREATE TABLE other (id int)",
    "DROP TABLE other",
    "SAVEPOINT first",
    "COMMIT",
)
#: How many rows a query has found, and one that finds so many.
NUMBERS = (0, 1, 1000, 2500)
MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
QUERY = f"{MANY} SELECT SQL_CALC_FOUND_ROWS i FROM n WHERE i <= {{}} LIMIT 1"


@pytest.fixture
def connection(mysql_notes: Any) -> Any:
    with suppress(pymysql.Error):  # MariaDB has no limit, or another
        rows(mysql_notes, "SET cte_max_recursion_depth = 9000")
    with suppress(pymysql.Error):
        rows(mysql_notes, "SET max_recursive_iterations = 9000")
    return mysql_notes


@pytest.fixture
def raw(mysql_url: str, connection: Any) -> Iterator[Any]:
    with closing(pymysql.connect(**arguments(mysql_url))) as made:
        yield made


@pytest.mark.parametrize("number", NUMBERS)
def test_found_rows_goes_past_statements_of_new_shapes(
    connection: Any, number: int
) -> None:
    for text in LEAVING:
        rows(connection, QUERY.format(number))
        rows(connection, text)
        assert rows(connection, FOUND) == [(number,)], text


def test_found_rows_under_locked_tables(connection: Any) -> None:
    rows(connection, QUERY.format(5))
    rows(connection, "LOCK TABLES log WRITE")
    rows(connection, "INSERT INTO log (id, line) VALUES (9, 'nine')")
    assert rows(connection, FOUND) == [(5,)]
    rows(connection, "UNLOCK TABLES")


def test_what_was_inserted_goes_past_them(connection: Any) -> None:
    rows(connection, "INSERT INTO notes (body) VALUES ('x')")
    for text in LEAVING:
        rows(connection, text)
        assert rows(connection, "SELECT LAST_INSERT_ID()") == [(100,)], text


def test_warnings_go_past_the_control_of_transactions(
    connection: Any, raw: Any
) -> None:
    """MariaDB keeps those of the last statement that has used tables, or warned."""
    both = (connection, raw)
    for text in ("BEGIN", "SAVEPOINT a", "RELEASE SAVEPOINT a", "COMMIT"):
        for one in both:
            rows(one, "SELECT 1 + 'x'")
            rows(one, text)
        assert rows(connection, "SHOW WARNINGS") == rows(raw, "SHOW WARNINGS"), text


def test_nothing_is_asked_for_the_control_of_transactions(connection: Any) -> None:
    """A savepoint has a name of its own each time, and so a new shape."""
    connection.begin()
    before = asked(connection)
    for number in range(5):
        rows(connection, f"SAVEPOINT s{number}")
        rows(connection, f"ROLLBACK TO SAVEPOINT s{number}")
        rows(connection, f"RELEASE SAVEPOINT s{number}")
    assert asked(connection) == before


#: Statements that say how the next transaction is to be, or begin it; the last tells.
AHEAD = (
    ("SET TRANSACTION READ ONLY", "DELETE FROM log WHERE id > 1"),
    ("SET TRANSACTION READ ONLY", "BEGIN", "DELETE FROM log WHERE id = 3"),
    ("SET TRANSACTION READ ONLY", "COMMIT", "DELETE FROM log WHERE id < 0"),
    ("SET SESSION TRANSACTION READ ONLY", "DELETE FROM log WHERE id <> 1"),
    ("SAVEPOINT a", "UPDATE log SET line = 2", "ROLLBACK TO a", LINE),
    ("SAVEPOINT a", "SAVEPOINT b", "UPDATE log SET line = '3'", "ROLLBACK TO a", LINE),
    ("SET TRANSACTION READ ONLY", LINE, "DELETE FROM log WHERE id > 7"),
)


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("texts", AHEAD)
def test_what_is_said_of_the_next_transaction_is_of_the_callers(
    mysql_url: str, connection: Any, texts: tuple[str, ...], autocommit: bool
) -> None:
    """What is asked takes none of it, though on MySQL it is read in a transaction."""
    told: list[Any] = []
    options: dict[str, Any] = {**arguments(mysql_url), "autocommit": autocommit}
    raw: Any = pymysql.connect(**options)
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=autocommit)
    for one in (raw, made):
        with closing(one):
            for text in texts[:-1]:
                with suppress(pymysql.OperationalError):  # there is no such savepoint
                    rows(one, text)
            try:
                told.append(rows(one, texts[-1]))
            except pymysql.Error as error:
                told.append(error.args[0])
            one.rollback()
    assert told[0] == told[1]


def asked(connection: Any) -> int:
    """How many queries the session has sent."""
    with Cursor(connection.unwrap()) as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Com_select'")
        return int(cursor.fetchall()[0][1])
