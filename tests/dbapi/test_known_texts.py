"""A text that is known by itself is sent at once, and treated as the first time."""

import gc
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, code UNIQUE, deleted_at);
INSERT INTO orders VALUES (1, 'a', NULL), (2, 'b', 'gone'), (3, 'c', NULL);
"""
BY_ID = "SELECT code FROM orders WHERE id = ?"
DELETE = "DELETE FROM orders WHERE id = ?"


def shop(mode: Any = "normal") -> Any:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    return kysera_dbapi.wrap(raw, plugins=[SoftDelete(tables=["orders"])], mode=mode)


@pytest.fixture
def connection() -> Iterator[Any]:
    made = shop()
    yield made
    made.close()


def codes(connection: Any, key: int) -> list[Any]:
    return [row[0] for row in connection.execute(BY_ID, (key,))]


def live(connection: Any) -> list[Any]:
    rows = connection.execute("SELECT id FROM orders ORDER BY id")
    return [row[0] for row in rows]


def test_a_known_text_is_filtered_as_the_first_time(connection: Any) -> None:
    for _ in range(3):
        assert codes(connection, 1) == ["a"]
        assert codes(connection, 2) == []


def test_a_block_decides_each_time(connection: Any) -> None:
    for _ in range(3):
        assert codes(connection, 2) == []
        with kysera_dbapi.including_deleted():
            assert codes(connection, 2) == ["b"]
        with kysera_dbapi.only_deleted():
            assert codes(connection, 1) == []
        with kysera_dbapi.bypass("soft_delete", reason="a test"):
            assert codes(connection, 2) == ["b"]


@pytest.mark.parametrize("mode", ["normal", "strict", "report"])
def test_a_known_text_adds_its_values_each_time(mode: str) -> None:
    connection = shop(mode)
    for key in (1, 3):
        assert connection.execute(DELETE, (key,)).rowcount == 1
    marks = connection.unwrap().execute("SELECT DISTINCT deleted_at FROM orders")
    assert len(marks.fetchall()) == 3  # the clock was read twice
    assert live(connection) == []
    connection.close()


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (DELETE, [1]),
        ("DELETE FROM orders WHERE id = :id", {"id": 1}),
        ("DELETE FROM orders WHERE id = ?1", (1,)),
        ("DELETE FROM orders WHERE code = :code AND id = :id", {"id": 1, "code": "a"}),
    ],
)
def test_values_of_every_kind_are_added_to(
    connection: Any, sql: str, values: Any
) -> None:
    connection.execute("BEGIN")
    connection.execute(sql, values)
    connection.execute("ROLLBACK")
    assert live(connection) == [1, 3]
    assert connection.execute(sql, values).rowcount == 1
    assert live(connection) == [3]


WRONG: list[Any] = [(), (1, 2), None, {"id": 1}, 7, object()]


@pytest.mark.parametrize("values", WRONG)
def test_wrong_values_are_the_same_error_once_the_text_is_known(
    connection: Any, values: Any
) -> None:
    with pytest.raises(Exception) as first:  # noqa: PT011
        connection.execute(DELETE, values)
    connection.execute(DELETE, (0,))
    with pytest.raises(type(first.value)) as second:
        connection.execute(DELETE, values)
    assert str(second.value) == str(first.value)
    assert live(connection) == [1, 3]


@pytest.mark.parametrize("text", ["?", "'b'"], ids=["bound", "literal"])
def test_a_collision_tells_the_cure_each_time(connection: Any, text: str) -> None:
    values = ("b",) if text == "?" else ()
    for _ in range(3):
        with pytest.raises(kysera_dbapi.TombstoneConflict, match="only live rows"):
            connection.execute(f"INSERT INTO orders (code) VALUES ({text})", values)


def test_a_text_that_was_pushed_out_comes_back(connection: Any) -> None:
    assert codes(connection, 1) == ["a"]
    session = connection._self_session
    direct = session.direct
    assert direct.pop(BY_ID, None) or session.hooked  # as many others would
    assert codes(connection, 1) == ["a"]
    assert BY_ID in direct or session.hooked


def test_a_text_is_forgotten_when_the_schema_changes(connection: Any) -> None:
    every = "SELECT * FROM orders WHERE id = 1"
    for _ in range(3):
        assert len(connection.execute(every).fetchone()) == 3
    connection.execute("ALTER TABLE orders ADD COLUMN note")
    for _ in range(3):
        assert len(connection.execute(every).fetchone()) == 4


USES: dict[str, Callable[[Any], object]] = {
    "new": lambda cursor: None,
    "executed": lambda cursor: cursor.execute(BY_ID, (1,)).fetchone(),
    "executed again": lambda cursor: [cursor.execute(BY_ID, (1,)) for _ in range(3)],
    "deleting": lambda cursor: [cursor.execute(DELETE, (1,)) for _ in range(3)],
    "iterating": lambda cursor: next(iter(cursor.execute("SELECT id FROM orders"))),
    "failing": lambda cursor: fail(cursor.execute, "SELECT nothing FROM orders"),
    "colliding": lambda cursor: [
        fail(cursor.execute, "INSERT INTO orders (code) VALUES (?)", ("b",))
        for _ in range(2)
    ],
    "short of values": lambda cursor: [fail(cursor.execute, DELETE) for _ in range(2)],
    "no statement": lambda cursor: fail(cursor.execute, "SELEC 1"),
    "refused": lambda cursor: fail(cursor.execute, "DROP TABLE orders"),
    "refused deep down": lambda cursor: fail(
        cursor.execute, f"SELECT {'(' * 99}nothing.nothing{')' * 99} FROM nowhere"
    ),
    "failing for a row": lambda cursor: fail(cursor.executemany, DELETE, [()]),
    "failing to fetch": lambda cursor: fail(
        cursor.execute(
            "SELECT 1 UNION ALL SELECT abs(-9223372036854775808) FROM orders"
        ).fetchall
    ),
    "failing in a script": lambda cursor: fail(cursor.executescript, "SELEC 1;"),
}


def fail(call: Callable[..., object], *args: object) -> bool:
    """Call what fails; not by ``pytest.raises``, which keeps the traceback."""
    try:
        call(*args)
    except kysera_dbapi.Error:
        return True
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_cursor_goes_with_its_last_reference(
    connection: Any, use: Callable[[Any], object]
) -> None:
    cursor = connection.cursor()
    use(cursor)
    gone = weakref.ref(cursor)
    gc.disable()
    try:
        del cursor
        assert gone() is None
    finally:
        gc.enable()


def test_iteration_is_the_drivers_own(connection: Any) -> None:
    cursor = connection.execute("SELECT id FROM orders")
    assert iter(cursor) is cursor
    planned: Any = cursor.__class__
    for member in ("__iter__", "__next__", "fetchone"):
        assert getattr(planned, member) is getattr(sqlite3.Cursor, member)
