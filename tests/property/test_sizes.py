"""What is too deep or too large ends: refused or right, and never with a crash."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

PROGRAM = """
import sqlite3
import sys

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

SHOP = '''
CREATE TABLE orders (id INTEGER PRIMARY KEY, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
INSERT INTO orders VALUES (1, NULL), (2, 'before'), (3, NULL);
'''


def opened(end=""):
    raw = sqlite3.connect(":memory:")
    raw.executescript(SHOP + end)
    return raw


def answer(connection, sql):
    try:
        found = [row[0] for row in connection.execute(sql)]
    except kysera_dbapi.UnsupportedStatement as error:
        return "refused", error.code
    except sqlite3.Error as error:
        return "error", str(error)
    count = connection.execute("SELECT count(*), max(length(text)) FROM log")
    return "rows", found, count.fetchall()


text = sys.stdin.read()
shim = kysera_dbapi.wrap(opened(), plugins=[SoftDelete(["orders"])])
raw = opened("DELETE FROM orders WHERE deleted_at IS NOT NULL")
got, expected = answer(shim, text), answer(raw, text)
assert got[0] == "refused" or got == expected, (str(got)[:200], str(expected)[:200])
print(got[0])
"""
N = 5_000_000


def some(piece: object, count: int) -> str:
    """A list of equal elements."""
    return ", ".join([str(piece)] * count)


def rows(count: int) -> str:
    return ", ".join(f"({number}, 'text')" for number in range(9, count))


def ids(condition: str) -> str:
    return f"SELECT id FROM orders WHERE {condition}"


RIGHT: dict[str, Callable[[], str]] = {
    "IN list": lambda: ids(f"id IN ({some(1234, 900_000)})"),
    "IN strings": lambda: ids("id NOT IN (" + some("'it''s'", 450_000) + ")"),
    "string": lambda: ids(f"'{'a' * N}' <> 'x'"),
    "string stored": lambda: f"INSERT INTO log (text) VALUES ('{'a' * N}')",
    "values": lambda: f"INSERT INTO log VALUES {rows(300_000)}",
    "values read": lambda: ids(f"id IN (VALUES {some('(3)', 500_000)})"),
    "comment": lambda: f"SELECT id /*{'* ' * N}*/ FROM orders",
    "line comment": lambda: f"SELECT id --{'-' * N}\n FROM orders",
    "blanks": lambda: f"SELECT id {' ' * N} FROM orders",
    "name": lambda: f'SELECT id AS "{"a" * N}" FROM orders',
}
ENDS: dict[str, Callable[[], str]] = {
    "parentheses": lambda: f"SELECT {'(' * 10_000}id{')' * 10_000} FROM orders",
    "parentheses open": lambda: f"SELECT {'(' * N} FROM orders",
    "selects": lambda: f"SELECT {'(SELECT ' * 10_000}1{')' * 10_000} FROM orders",
    "tables": lambda: f"SELECT * FROM {'(' * 10_000}orders{')' * 10_000}",
    "withs": lambda: (
        f"{'WITH a AS (' * 10_000}SELECT 1{') SELECT * FROM a' * 10_000}, orders"
    ),
    "plus": lambda: ids("0" + " + 1" * 1_000_000),
    "few plus": lambda: ids("0" + " + 1" * 90_000),
    "and": lambda: ids("id" + " AND id" * 1_000_000),
    "not": lambda: ids("NOT " * 1_000_000 + "id"),
    "few not": lambda: ids("NOT " * 90_000 + "id"),
    "minus": lambda: ids("- " * 90_000 + "id"),
    "case": lambda: ids("CASE WHEN id THEN " * 30_000 + "1" + " END" * 30_000),
    "unions": lambda: ids("1") + " UNION ALL SELECT id FROM orders" * 30_000,
    "joins": lambda: "SELECT id FROM orders" + " JOIN log" * 10_000,
    "commas": lambda: f"SELECT 1 FROM {some('orders', 90_000)}",
    "columns": lambda: f"SELECT {some('id', 90_000)} FROM orders",
    "in": lambda: f"SELECT id{' IN log' * 90_000} FROM orders",
    "comments": lambda: f"SELECT id {'/* orders */ ' * 400_000} FROM orders",
    "mixed list": lambda: ids(f"id IN ({some(1, 900_000)}, id)"),
    "open list": lambda: ids(f"id IN ({some(1, 900_000)}"),
    "open lists": lambda: ids("id " + "IN (1, " * 500_000),
    "open string": lambda: ids("id = '" + "a" * N),
    "quotes": lambda: ids("id = " + "'" * N),
    "semicolons": lambda: ids("id") + ";" * N,
    "placeholders": lambda: ids(f"id IN ({some('?', 900_000)})"),
}


def result(sql: str) -> str:
    """What the program says of the statement."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=sql,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONSAFEPATH": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()[0]


@pytest.mark.parametrize("sql", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_large_is_right(sql: Callable[[], str]) -> None:
    assert result(sql()) == "rows"


@pytest.mark.parametrize("sql", ENDS.values(), ids=ENDS.keys())
def test_what_is_too_much_ends(sql: Callable[[], str]) -> None:
    assert result(sql()) in ("rows", "error", "refused")
