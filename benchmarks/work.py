"""The loops that are timed: the same for the shim and for the raw driver.

Each is code of its own for each side (see ``own_code``), and holds nothing but what a
program would write.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from typing import Any

from benchmarks.pairs import Clock, Work, clock, own_code

__all__ = [
    "Fetch",
    "by_iteration",
    "by_thousands",
    "executed",
    "executed_anew",
    "executed_many",
    "fetched",
    "one_by_one",
    "point",
    "point_anew",
    "undone",
    "whole",
]

#: Fetches all rows of a cursor.
Fetch = Callable[[Any], object]


def point(
    connection: Any, sql: str, values: Sequence[object] | None, clock: Clock = clock
) -> Work:
    """Execute a statement and take its row."""
    cursor = connection.cursor()
    execute = cursor.execute

    @own_code
    def literal(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            execute(sql)
            cursor.fetchone()
        return clock() - start

    @own_code
    def bound(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            execute(sql, values)
            cursor.fetchone()
        return clock() - start

    return literal if values is None else bound


def point_anew(connection: Any, sql: str, values: Sequence[object]) -> Work:
    """The same by the connection's own ``execute``, with a new cursor each time."""

    @own_code
    def work(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            connection.execute(sql, values).fetchone()
        return clock() - start

    return work


def executed(
    connection: Any, sql: str, rows: Sequence[Sequence[object]], clock: Clock = clock
) -> Work:
    """Execute a statement with the values of one row, then of the next."""
    execute = connection.cursor().execute

    @own_code
    def work(times: int) -> float:
        given = list(islice(_around(rows), times))
        start = clock()
        for values in given:
            execute(sql, values)
        return clock() - start

    return work


def executed_anew(
    connection: Any,
    texts: Iterator[tuple[str, Sequence[object]]],
    clock: Clock = clock,
) -> Work:
    """Execute each text once, with its values."""
    execute = connection.cursor().execute

    @own_code
    def work(times: int) -> float:
        given = list(islice(texts, times))
        start = clock()
        for text, values in given:
            execute(text, values)
        return clock() - start

    return work


def executed_many(
    connection: Any, sql: str, rows: Sequence[Sequence[object]], clock: Clock = clock
) -> Work:
    """Execute a statement once for each of the rows."""
    executemany = connection.cursor().executemany

    @own_code
    def work(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            executemany(sql, rows)
        return clock() - start

    return work


def fetched(connection: Any, sql: str, fetch: Fetch, clock: Clock = clock) -> Work:
    """Execute a statement and fetch all of its rows."""
    cursor, fetch = connection.cursor(), own_code(fetch)
    execute = cursor.execute

    @own_code
    def work(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            execute(sql)
            fetch(cursor)
        return clock() - start

    return work


def whole(cursor: Any) -> object:
    """``fetchall()``."""
    return cursor.fetchall()


def by_thousands(cursor: Any) -> None:
    """``fetchmany(1000)``, again and again."""
    while cursor.fetchmany(1_000):
        pass


def by_iteration(cursor: Any) -> None:
    """``for row in cursor``."""
    for _ in cursor:
        pass


def one_by_one(cursor: Any) -> None:
    """``fetchone()``, again and again."""
    while cursor.fetchone() is not None:
        pass


def undone(connection: Any, work: Work) -> Work:
    """The same in a transaction that is rolled back; that is not timed."""

    def inner(times: int) -> float:
        connection.cursor().execute("BEGIN")
        try:
            return work(times)
        finally:
            connection.rollback()

    return inner


def _around(rows: Sequence[Sequence[object]]) -> Iterator[Sequence[object]]:
    while True:
        yield from rows
