"""What the driver itself rejects: its own error, and nothing is run."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.property.strategies import LAW, PAD

SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
INSERT INTO orders VALUES (1, NULL), (2, 'before');
"""
STATEMENTS = [
    "SELECT * FROM orders",
    "DELETE FROM orders WHERE id = 1",
    "DELETE FROM orders; --",
    "INSERT INTO log VALUES (1, 'a')",
    "INSERT INTO log VALUES (1, 'a'); DELETE FROM orders",
    "DROP TABLE orders",
    "SELECT 1",
    "BEGIN",
    "PRAGMA writable_schema = 1",
    "no statement at all",
    PAD + "SELECT * FROM orders WHERE id IN (1, 2)",
    "",
]


def database() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP)
    return raw


@pytest.fixture(scope="module")
def raw() -> Iterator[Any]:
    with closing(database()) as made:
        yield made


@pytest.fixture(scope="module")
def shim() -> Iterator[Any]:
    plugin = SoftDelete(["orders"])
    with closing(kysera_dbapi.wrap(database(), plugins=[plugin])) as made:
        yield made


def error(connection: Any, method: str, text: str) -> tuple[str, str]:
    arguments = ([()],) if method == "executemany" else ()
    try:
        getattr(connection, method)(text, *arguments)
    except Exception as error:
        classes = type(error).__mro__
        known = (c.__name__ for c in classes if not c.__module__.startswith("kysera"))
        return next(known), str(error)
    return "no error", ""


def state(raw: sqlite3.Connection) -> list[object]:
    tables = ("orders", "log", "sqlite_master")
    return [raw.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


@LAW
@given(
    st.sampled_from(STATEMENTS),
    st.sampled_from(["\0", "\ud800", "\udfff"]),
    st.integers(0, 60),
    st.sampled_from(["execute", "executemany"]),
)
def test_it_is_the_drivers_own_error(
    raw: Any, shim: Any, statement: str, bad: str, at: int, method: str
) -> None:
    text = statement[:at] + bad + statement[at:]
    before = state(shim.unwrap())
    expected = error(raw, method, text)
    assert expected[0] != "no error"
    assert error(shim, method, text) == expected
    assert state(shim.unwrap()) == before


@LAW
@given(
    st.text("'\"`[-/*;x "), st.sampled_from(["\0", "\ud800"]), st.text("'\"`[-/*;x ")
)
def test_whatever_stands_round_it(
    raw: Any, shim: Any, before: str, bad: str, after: str
) -> None:
    text = before + bad + after
    assert error(shim, "execute", text) == error(raw, "execute", text)


@pytest.mark.parametrize("text", ["", " ", ";", "-- nothing", "/* nothing */"])
def test_an_empty_text_is_nothing(raw: Any, shim: Any, text: str) -> None:
    for connection in (raw, shim):
        assert connection.execute(text).fetchall() == []
        assert connection.execute(text).description is None
    assert error(shim, "executemany", text) == error(raw, "executemany", text)
