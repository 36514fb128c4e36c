"""What is too deep or too large ends: refused or right, and never with a crash."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

#: Each text has a process of its own, forked from one that has imported all.
PROGRAM = """
import os
import signal
import sqlite3
import sys
import traceback

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

SHOP = '''
CREATE TABLE orders (id INTEGER PRIMARY KEY, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
INSERT INTO orders VALUES (1, NULL), (2, 'before'), (3, NULL);
'''
SECONDS = 300


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


def compared(text):
    shim = kysera_dbapi.wrap(opened(), plugins=[SoftDelete(["orders"])])
    raw = opened("DELETE FROM orders WHERE deleted_at IS NOT NULL")
    got, expected = answer(shim, text), answer(raw, text)
    if got[0] == "refused" or got == expected:
        return got[0]
    return f"{str(got)[:200]}, due {str(expected)[:200]}"


while size := sys.stdin.buffer.readline():
    text = sys.stdin.buffer.read(int(size)).decode()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        try:
            said = compared(text)
        except BaseException:
            said = traceback.format_exc()[-2000:].replace("\\n", " ")
        os.write(1, said.encode())
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f" and ended by {status}" if status else "", flush=True)
"""
N = 2_000_000


def some(piece: object, count: int) -> str:
    """A list of equal elements."""
    return ", ".join([str(piece)] * count)


def rows(count: int) -> str:
    return ", ".join(f"({number}, 'text')" for number in range(9, count))


def ids(condition: str) -> str:
    return f"SELECT id FROM orders WHERE {condition}"


RIGHT: dict[str, Callable[[], str]] = {
    "IN list": lambda: ids(f"id IN ({some(1234, 400_000)})"),
    "IN strings": lambda: ids("id NOT IN (" + some("'it''s'", 200_000) + ")"),
    "string": lambda: ids(f"'{'a' * N}' <> 'x'"),
    "string stored": lambda: f"INSERT INTO log (text) VALUES ('{'a' * N}')",
    "values": lambda: f"INSERT INTO log VALUES {rows(150_000)}",
    "values read": lambda: ids(f"id IN (VALUES {some('(3)', 200_000)})"),
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
    "plus": lambda: ids("0" + " + 1" * 400_000),
    "few plus": lambda: ids("0" + " + 1" * 90_000),
    "and": lambda: ids("id" + " AND id" * 400_000),
    "not": lambda: ids("NOT " * 400_000 + "id"),
    "few not": lambda: ids("NOT " * 90_000 + "id"),
    "minus": lambda: ids("- " * 90_000 + "id"),
    "case": lambda: ids("CASE WHEN id THEN " * 30_000 + "1" + " END" * 30_000),
    "unions": lambda: ids("1") + " UNION ALL SELECT id FROM orders" * 30_000,
    "joins": lambda: "SELECT id FROM orders" + " JOIN log" * 10_000,
    "commas": lambda: f"SELECT 1 FROM {some('orders', 90_000)}",
    "columns": lambda: f"SELECT {some('id', 90_000)} FROM orders",
    "in": lambda: f"SELECT id{' IN log' * 90_000} FROM orders",
    "comments": lambda: f"SELECT id {'/* orders */ ' * 200_000} FROM orders",
    "mixed list": lambda: ids(f"id IN ({some(1, 400_000)}, id)"),
    "open list": lambda: ids(f"id IN ({some(1, 400_000)}"),
    "open lists": lambda: ids("id " + "IN (1, " * 200_000),
    "open string": lambda: ids("id = '" + "a" * N),
    "quotes": lambda: ids("id = " + "'" * N),
    "semicolons": lambda: ids("id") + ";" * N,
    "placeholders": lambda: ids(f"id IN ({some('?', 400_000)})"),
}


@pytest.fixture(scope="module")
def result() -> Iterator[Callable[[str], str]]:
    """What the program says of a statement."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=pipe, stdout=pipe, env=os.environ | paths
    ) as program:
        told, telling = program.stdin, program.stdout
        assert told is not None
        assert telling is not None

        def say(sql: str) -> str:
            text = sql.encode()
            told.write(b"%d\n%b" % (len(text), text))
            told.flush()
            return telling.readline().decode().removesuffix("\n")

        yield say
        told.close()
        assert program.wait() == 0


@pytest.mark.parametrize("sql", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_large_is_right(
    result: Callable[[str], str], sql: Callable[[], str]
) -> None:
    assert result(sql()) == "rows"


@pytest.mark.parametrize("sql", ENDS.values(), ids=ENDS.keys())
def test_what_is_too_much_ends(
    result: Callable[[str], str], sql: Callable[[], str]
) -> None:
    assert result(sql()) in ("rows", "error", "refused")
