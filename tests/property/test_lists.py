"""Laws of long lists, which are planned by one element."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.property.strategies import LAW, PAD, database

TABLES = ["orders"]
SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, total);
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'x'), (3, '30', NULL), (4, 4e1, NULL);
INSERT INTO log VALUES (1, 10), (2, '?'), (3, 3);
"""
#: ``I`` is a list, ``V`` are rows of two values.
TEMPLATES = [
    "SELECT id FROM orders WHERE id IN (I)",
    "SELECT id FROM orders WHERE id NOT IN (I) AND total IN (I) LIMIT 3",
    "SELECT id, total FROM log WHERE total IN (I) OR id IN (SELECT id FROM orders)",
    "SELECT * FROM (VALUES V) v, orders o WHERE v.column1 = o.id",
    "WITH c(a, b) AS (VALUES V) SELECT c.*, o.id FROM c JOIN orders o ON o.id = c.a",
    "SELECT (SELECT max(id) FROM orders WHERE id IN (I)) AS n FROM log WHERE id IN (I)",
    "SELECT (SELECT count(*) FROM orders WHERE total IN (I)) FROM log",
    "INSERT INTO log (total, id) VALUES V",
    "INSERT INTO log SELECT id + 10, total FROM orders WHERE id IN (I)",
    "UPDATE orders SET total = 1 WHERE id IN (I)",
    "DELETE FROM orders WHERE id IN (I) OR total IN (I)",
    "DELETE FROM orders WHERE id IN (I) AND EXISTS (SELECT 1 FROM log WHERE id IN (I))",
]
ELEMENTS = (
    *("1", "2", "3", "10", "1.0", "3e0", "4.E+1", ".5", "-1", "+2", "- 3", "0x2"),
    *("'10'", "'30'", "''", "'it''s'", "'?'", "'%s'", "'),('", "'orders'", "x'31'"),
    *("NULL", "null", "?", "?", "?", "abs(-3)", "(1)", "1 /* , 2 */", "1 + 1"),
)
BLANKS = ("", " ", "\n", "  ")


@st.composite
def listed(draw: st.DrawFn, width: int) -> tuple[str, int]:
    """A list, or rows of so many elements, and how many placeholders it has."""
    pool = draw(st.sampled_from([ELEMENTS, ELEMENTS[:10], ("?",), ("1", "?", "'?'")]))
    count = width * draw(st.integers(1, 6))
    elements = [draw(st.sampled_from(pool)) for _ in range(count)]
    comma = draw(st.sampled_from(BLANKS)) + "," + draw(st.sampled_from(BLANKS))
    marks = sum(element == "?" for element in elements)
    if width == 1:
        return comma.join(elements), marks
    rows = [elements[i : i + width] for i in range(0, count, width)]
    return comma.join(f"({comma.join(row)})" for row in rows), marks


@st.composite
def filled(draw: st.DrawFn) -> tuple[str, int]:
    """A statement with lists, and how many placeholders it has."""
    marks = 0
    text = PAD
    for piece in draw(st.sampled_from(TEMPLATES)).replace("VALUES V", "VALUES  V"):
        found = None
        if text.endswith("(") and piece == "I":
            found = draw(listed(1))
        elif text.endswith("  ") and piece == "V":
            found = draw(listed(2))
        text += found[0] if found else piece
        marks += found[1] if found else 0
    return text, marks


@pytest.fixture(scope="module")
def raw() -> Iterator[Any]:
    with closing(database(SHOP, TABLES, filtered=True)) as made:
        yield made


@pytest.fixture(scope="module")
def shim() -> Iterator[Any]:
    full = database(SHOP, TABLES, filtered=False)
    with closing(kysera_dbapi.wrap(full, plugins=[SoftDelete(TABLES)])) as made:
        yield made


def outcome(connection: Any, sql: str, given: object) -> tuple[object, ...]:
    connection.execute("BEGIN")
    try:
        cursor = connection.execute(sql, given)
        names = [column[0] for column in cursor.description or ()]
        result: object = (names, sorted(map(repr, cursor.fetchall())), cursor.rowcount)
    except sqlite3.Error as error:
        classes = [c.__name__ for c in type(error).__mro__ if c.__module__ == "sqlite3"]
        result = classes[0]
    seen = [
        connection.execute(f"SELECT id, total FROM {table} ORDER BY id").fetchall()
        for table in ("orders", "log")
    ]
    connection.execute("ROLLBACK")
    return (result, *seen)


@LAW
@given(st.data(), filled())
def test_a_list_gives_what_the_raw_driver_gives(
    raw: Any, shim: Any, data: st.DataObject, made: tuple[str, int]
) -> None:
    sql, marks = made
    bound = data.draw(st.tuples(*[st.sampled_from((1, 2, 3, 10, "30", None))] * marks))
    assert outcome(shim, sql, bound) == outcome(raw, sql, bound)
