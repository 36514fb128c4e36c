"""mode="report": what would be refused is logged once for each shape, and runs."""

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from tests.dialects import shop


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop.connect(mode="report")) as made:
        yield made


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """The messages that were logged."""
    caplog.set_level(logging.WARNING, logger="kysera_dbapi")

    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    return messages


def test_filters_stay_in_force(connection: Any, logged: Any) -> None:
    assert len(connection.execute("SELECT * FROM orders").fetchall()) == 2
    assert connection.execute("DELETE FROM orders WHERE id = 1").rowcount == 1
    kept = connection.unwrap().execute("SELECT count(*) FROM orders")
    assert kept.fetchone() == (3,)
    assert logged() == []


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT * FROM everything", "everything is refused"),
        ("SELECT * FROM docs('ghost')", "docs is refused"),
        ("CREATE VIEW v AS SELECT * FROM orders", "CREATE VIEW names the protected"),
        ("UPDATE orders SET deleted_at = NULL", "may not set deleted_at"),
        ("ATTACH ':memory:' AS other", "ATTACH is refused"),
        ("PRAGMA writable_schema = 0", "PRAGMA WRITABLE_SCHEMA is refused"),
        ("UPDATE counters SET n = 5", "counters_update of counters"),
    ],
)
def test_what_is_refused_is_logged_and_runs(
    connection: Any, logged: Any, sql: str, what: str
) -> None:
    with closing(shop.connect()) as normal:
        assert shop.refused(normal, sql)
        expected = normal.unwrap().execute(sql).fetchall()
    assert connection.execute(sql).fetchall() == expected
    assert len(logged()) == 1
    assert logged()[0].startswith("would be refused: ")
    assert what in logged()[0]


def test_each_shape_is_logged_once(connection: Any, logged: Any) -> None:
    for number in range(5):
        connection.execute(f"SELECT * FROM everything WHERE id = {number}").fetchall()
        connection.execute("SELECT id FROM everything WHERE id = ?", (number,))
        connection.execute("UPDATE orders SET deleted_at = NULL WHERE id = 3")
    assert len(logged()) == 3
    connection.execute("SELECT comment FROM everything")
    assert len(logged()) == 4


def test_what_is_no_statement_is_logged_once_and_fails_as_on_the_driver(
    connection: Any, logged: Any
) -> None:
    for _ in range(3):
        with pytest.raises(kysera_dbapi.OperationalError, match="syntax error"):
            connection.execute("SELEC 1")
    assert len(logged()) == 1


def test_the_edits_that_can_be_made_are_made(connection: Any, logged: Any) -> None:
    connection.create_function("readfile", 1, str)
    sql = "SELECT readfile('x'), id FROM orders"
    assert connection.execute(sql).fetchall() == [("x", 1), ("x", 2)]
    assert len(logged()) == 1


def test_no_constant_of_the_text_is_logged(connection: Any, logged: Any) -> None:
    connection.execute("SELECT 'secret' FROM everything WHERE comment = 'secret'")
    connection.execute("ATTACH ':memory:' AS 'secret'")
    assert len(logged()) == 2
    assert "secret" not in "".join(logged())
