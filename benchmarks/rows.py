"""What is measured: each row of the table, its target, and the work itself.

The baseline is the raw driver running the very text and values that the shim sends;
beside it stands the caller's own text, unfiltered, on the raw driver.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from benchmarks.pairs import Work
from benchmarks.shop import Shop

__all__ = ["Row", "rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``target`` is a ratio, or seconds of ``ours`` alone."""

    name: str
    target: float
    ours: Work
    theirs: Work
    unfiltered: Work | None = None
    calls: int = 1_000
    absolute: bool = False


def rows(shop: Shop) -> Iterator[Row]:
    """All rows, in the order of the table."""
    yield from _points(shop)
    yield from _fetching(shop)
    yield from _writing(shop)
    yield from _shapes(shop)


def _points(shop: Shop) -> Iterator[Row]:
    for name, target, sql in (
        (
            "point SELECT, no plugin touches it",
            1.15,
            "SELECT text FROM log WHERE id = ?",
        ),
        ("point SELECT, soft_delete", 1.25, "SELECT total FROM orders WHERE id = ?"),
    ):
        yield _same(shop, name, target, sql, (7,))
    yield _same(
        shop,
        "point SELECT, soft_delete, a literal",
        1.25,
        "SELECT total FROM orders WHERE id = 7",
    )
    yield _same(
        shop,
        "SELECT of a join, soft_delete",
        1.25,
        "SELECT c.name, count(o.id) FROM customers c LEFT JOIN orders o "
        "ON o.customer_id = c.id WHERE c.id = ? GROUP BY c.id",
        (7,),
    )


def _same(shop: Shop, name: str, target: float, sql: str, *values: Any) -> Row:
    ours, theirs, other = shop.shim.cursor(), shop.raw.cursor(), shop.raw.cursor()
    sent = shop.shim.explain(sql).sql
    return Row(
        name,
        target,
        lambda: ours.execute(sql, *values).fetchone(),
        lambda: theirs.execute(sent, *values).fetchone(),
        lambda: other.execute(sql, *values).fetchone(),
    )


def _fetching(shop: Shop) -> Iterator[Row]:
    sql = "SELECT * FROM log"
    for name, target, fetch in (
        ("fetchall of 100,000 rows", 1.01, _all_at_once),
        ("fetchmany(1000) of 100,000 rows", 1.05, _by_thousands),
        ("for row in cursor, 100,000 rows", 1.05, _by_iteration),
        ("fetchone of 100,000 rows", 1.2, _one_by_one),
    ):
        ours = _fetched(shop.shim, sql, fetch)
        yield Row(name, target, ours, _fetched(shop.raw, sql, fetch), calls=1)


def _fetched(connection: Any, sql: str, fetch: Callable[[Any], object]) -> Work:
    cursor = connection.cursor()
    return lambda: fetch(cursor.execute(sql))


def _all_at_once(cursor: Any) -> object:
    return cursor.fetchall()


def _by_thousands(cursor: Any) -> None:
    while cursor.fetchmany(1_000):
        pass


def _by_iteration(cursor: Any) -> None:
    for _ in cursor:
        pass


def _one_by_one(cursor: Any) -> None:
    while cursor.fetchone() is not None:
        pass


def _writing(shop: Shop) -> Iterator[Row]:
    values = [(i % 97, i) for i in range(1, 10_001)]
    sql = "UPDATE orders SET total = ? WHERE id = ?"
    yield _many(shop, "executemany of 10,000 UPDATEs, soft_delete", sql, values)
    sql = "INSERT INTO orders (customer_id, total) VALUES (?, ?)"
    yield _many(shop, "executemany of 10,000 INSERTs", sql, values)
    delete = "DELETE FROM orders WHERE id = ?"
    now = "2026-01-01 00:00:00.000000+00:00"
    sent = (
        "UPDATE orders SET deleted_at = ? WHERE orders.deleted_at IS NULL AND (id = ?)"
    )
    ours, theirs, other = shop.shim.cursor(), shop.raw.cursor(), shop.raw.cursor()
    yield Row(
        "soft DELETE of one row (target: none; the clock is read)",
        0,
        lambda: ours.execute(delete, (0,)),
        lambda: theirs.execute(sent, (now, 0)),
        lambda: other.execute(delete, (0,)),
    )


def _many(shop: Shop, name: str, sql: str, values: list[tuple[int, int]]) -> Row:
    sent = shop.shim.explain(sql).sql
    ours, theirs = (
        _rolled_back(shop.shim, sql, values),
        _rolled_back(shop.raw, sent, values),
    )
    return Row(name, 1.15, ours, theirs, calls=1)


def _rolled_back(connection: Any, sql: str, values: list[tuple[int, int]]) -> Work:
    cursor = connection.cursor()

    def work() -> None:
        connection.execute("BEGIN")
        cursor.executemany(sql, values)
        connection.rollback()

    return work


def _shapes(shop: Shop) -> Iterator[Row]:
    numbers = count(1)
    columns = ", ".join("?" * 10)
    placeholders = f"INSERT INTO wide VALUES {', '.join([f'({columns})'] * 1_000)}"
    values = tuple(range(10_000))

    def insert() -> str:
        start = next(numbers)
        listed = ", ".join(
            f"({', '.join(str(start + i + j) for j in range(10))})"
            for i in range(1_000)
        )
        return f"INSERT INTO wide VALUES {listed}"

    def listed() -> str:
        start = next(numbers)
        keys = ", ".join(str(start + i) for i in range(1_000))
        return f"SELECT count(*) FROM orders WHERE id IN ({keys})"

    yield _fixed(shop, "INSERT of 1,000 x 10 placeholders", placeholders, values)
    yield _fresh(shop, "INSERT of 1,000 x 10 new literals", insert)
    yield _fresh(shop, "IN of 1,000 new literals", listed)


def _fixed(shop: Shop, name: str, sql: str, values: tuple[int, ...]) -> Row:
    ours, theirs = _undone(shop.shim), _undone(shop.raw)
    sent = shop.shim.explain(sql).sql
    return Row(
        name, 1.2, lambda: ours(sql, values), lambda: theirs(sent, values), calls=5
    )


def _fresh(shop: Shop, name: str, make: Callable[[], str]) -> Row:
    """Each text is new, its shape known; the raw driver is given what would be sent."""
    ours, theirs = _undone(shop.shim), _undone(shop.raw)
    first = make()
    where = shop.shim.explain(first).sql
    added = " WHERE orders.deleted_at IS NULL AND (" in where.replace('"', "")

    def sent() -> str:
        text = make()
        if added:
            text = (
                text.replace(" WHERE ", " WHERE orders.deleted_at IS NULL AND (") + ")"
            )
        return text

    return Row(name, 1.2, lambda: ours(make()), lambda: theirs(sent()), calls=5)


def _undone(connection: Any) -> Callable[..., None]:
    cursor = connection.cursor()

    def work(*statement: Any) -> None:
        connection.execute("BEGIN")
        cursor.execute(*statement)
        connection.rollback()

    return work
