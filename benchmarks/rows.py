"""What is measured against the raw driver: each row of the table, and its target.

The baseline is the raw driver running the very text and values that the shim sends;
beside it stands the caller's own text, unfiltered, on the raw driver.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from benchmarks import work
from benchmarks.pairs import Effort, Work, clock, compared, middle, own_code
from benchmarks.profiles import profiled
from benchmarks.shop import Shop, filled, shop

__all__ = ["Figure", "Place", "Row", "Sides", "rows", "shared"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and between what the median lies (95 %)."""

    value: float
    low: float
    high: float
    #: The caller's own text on the raw driver, as a ratio to the baseline.
    unfiltered: float | None = None
    #: Where the time goes.
    profile: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``unit`` is empty for ratios; no target: 0."""

    name: str
    target: float
    measure: Callable[[Effort], Figure]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are measured: by which shop, and how a value is called for there."""

    shop: Callable[[], Shop]
    prefix: str = ""
    slot: str = "?"
    #: Of how many pairs the median is at least; each takes long on a server.
    least: int = 25

    def ratio(self, name: str, target: float, sides: "Callable[[Shop], Sides]") -> Row:
        """A row by that name."""

        def measure(effort: Effort) -> Figure:
            effort = replace(effort, least=min(effort.least, self.least))
            made = sides(self.shop())
            found = middle(compared(made.ours, made.theirs, effort).ratios)
            other = None
            if made.unfiltered is not None:
                pairs = compared(made.unfiltered, made.theirs, effort)
                other, _, _ = middle(pairs.ratios)
            return Figure(*found, other, partial(profiled, made.ours))

        return Row(f"{self.prefix}{name}", target, measure)

    def spelled(self, sql: str) -> str:
        """The text with its placeholders as they are written there."""
        return sql.replace("?", self.slot)


def rows() -> Iterator[Row]:
    """All rows that have the raw driver as their baseline, in the table's order."""
    here = Place(shop)
    yield from _points()
    yield from shared(here)
    yield here.ratio("soft DELETE of a row, the UPDATE by hand", 0, _by_hand)
    yield here.ratio(
        "soft DELETE of a row, the UPDATE by hand that reads the clock too",
        0,
        _by_hand_now,
    )


def shared(place: Place) -> Iterator[Row]:
    """Those that every database has."""
    yield from _fetching(place)
    yield from _writing(place)
    yield from _lists(place)
    yield from _literals(place)


@dataclass(frozen=True, slots=True)
class Sides:
    """The same thing through the shim and raw, and the unfiltered text raw."""

    ours: Work
    theirs: Work
    unfiltered: Work | None = None


def _points() -> Iterator[Row]:
    log = "SELECT text FROM log WHERE id = ?"
    orders = "SELECT total FROM orders WHERE id = ?"
    accounts = "SELECT balance FROM accounts WHERE id = ?"
    join = (
        "SELECT c.name, count(o.id) FROM customers c LEFT JOIN orders o "
        "ON o.customer_id = c.id WHERE c.id = ? GROUP BY c.id"
    )

    def same(shop: Shop) -> Sides:
        return Sides(work.point(filled(), log, (7,)), work.point(shop.raw, log, (7,)))

    yield Place(shop).ratio("raw against raw: how exact all this is", 0, same)
    yield _point("point SELECT, no plugin touches it", 1.15, log, (7,))
    yield _point("point SELECT, soft_delete", 1.25, orders, (7,))
    yield _point(
        "point SELECT, soft_delete, a literal", 1.25, orders.replace("?", "7"), None
    )
    yield _point("point SELECT, rls + soft_delete", 1.25, accounts, (8,))
    yield _point(
        "point SELECT, rls + soft_delete, a literal",
        1.25,
        accounts.replace("?", "8"),
        None,
    )
    yield _point("SELECT of a join, soft_delete", 1.25, join, (7,))
    yield Place(shop).ratio("connection.execute, a cursor each: point SELECT", 0, _anew)


def _anew(shop: Shop) -> Sides:
    sql = "SELECT text FROM log WHERE id = ?"
    return Sides(
        work.point_anew(shop.shim, sql, (7,)), work.point_anew(shop.raw, sql, (7,))
    )


def _point(name: str, target: float, sql: str, values: Any) -> Row:
    def sides(shop: Shop) -> Sides:
        sent, given = shop.sent(sql, values or ())
        return Sides(
            work.point(shop.shim, sql, values),
            work.point(shop.raw, sent, given or None),
            None if sent == sql else work.point(shop.raw, sql, values),
        )

    return Place(shop).ratio(name, target, sides)


def _fetching(place: Place) -> Iterator[Row]:
    for name, target, fetch in (
        ("fetchall", 1.01, work.whole),
        ("fetchmany(1000)", 1.05, work.by_thousands),
        ("for row in cursor", 1.05, work.by_iteration),
        ("fetchone", 1.2, work.one_by_one),
    ):
        yield _fetch(place, f"100,000 rows: {name}", target, fetch)


def _fetch(place: Place, name: str, target: float, fetch: work.Fetch) -> Row:
    sql = "SELECT * FROM log"

    def sides(shop: Shop) -> Sides:
        return Sides(
            work.fetched(shop.shim, sql, fetch, shop.clock),
            work.fetched(shop.raw, sql, fetch, shop.clock),
        )

    return place.ratio(name, target, sides)


def _writing(place: Place) -> Iterator[Row]:
    values = [(i % 97, i) for i in range(1, 10_001)]
    yield _many(
        place,
        "executemany of 10,000 INSERTs into a protected table",
        "INSERT INTO orders (customer_id, total) VALUES (?, ?)",
        values,
    )
    yield _many(
        place,
        "executemany of 10,000 UPDATEs, soft_delete",
        "UPDATE orders SET total = ? WHERE id = ?",
        values,
    )
    yield _many(
        place,
        "executemany of 10,000 INSERTs, rls + timestamps",
        "INSERT INTO accounts (owner, balance) VALUES (?, ?)",
        values,
    )
    yield _many(
        place,
        "executemany of 10,000 UPDATEs, rls + soft_delete + timestamps",
        "UPDATE accounts SET balance = ? WHERE id = ?",
        values,
    )


def _many(place: Place, name: str, text: str, values: Sequence[tuple[int, int]]) -> Row:
    sql = place.spelled(text)

    def sides(shop: Shop) -> Sides:
        sent, _ = shop.sent(sql, values[0])
        given = [shop.sent(sql, row)[1] for row in values]
        return Sides(
            _many_undone(shop, shop.shim, sql, values),
            _many_undone(shop, shop.raw, sent, given),
        )

    return place.ratio(name, 1.15, sides)


def _many_undone(
    shop: Shop, connection: Any, sql: str, values: Sequence[Sequence[object]]
) -> Work:
    inner = work.executed_many(connection, sql, values, shop.clock)
    return work.undone(connection, inner)


_DELETE = "DELETE FROM orders WHERE id = ?"
_LIVE = [(i,) for i in range(1, 3_001) if i % 3]


def _by_hand(shop: Shop) -> Sides:
    sent, _ = shop.sent(_DELETE, _LIVE[0])
    marked = [shop.sent(_DELETE, row)[1] for row in _LIVE]
    return Sides(
        work.undone(shop.shim, work.executed(shop.shim, _DELETE, _LIVE)),
        work.undone(shop.raw, work.executed(shop.raw, sent, marked)),
        work.undone(shop.raw, work.executed(shop.raw, _DELETE, _LIVE)),
    )


def _by_hand_now(shop: Shop) -> Sides:
    sent, values = shop.sent(_DELETE, _LIVE[0])
    execute = shop.raw.cursor().execute
    assert values[1:] == _LIVE[0]

    @own_code
    def theirs(times: int) -> float:
        given = (_LIVE * (times // len(_LIVE) + 1))[:times]
        start = clock()
        for (key,) in given:
            execute(sent, (datetime.now(UTC).isoformat(" "), key))
        return clock() - start

    ours = work.executed(shop.shim, _DELETE, _LIVE)
    return Sides(work.undone(shop.shim, ours), work.undone(shop.raw, theirs))


def _lists(place: Place) -> Iterator[Row]:
    row = f"({', '.join('?' * 10)})"
    rows = f"VALUES {', '.join([row] * 1_000)}"
    listed = f"SELECT count(*) FROM orders WHERE id IN ({', '.join('?' * 1_000)})"
    for into, plugins in (("wide", ""), (_STOCK, ", rls + timestamps")):
        yield _known(
            place,
            f"INSERT of 1,000 x 10 placeholders{plugins}",
            f"INSERT INTO {into} {rows}",
            range(10_000),
        )
        yield _new(
            place,
            f"INSERT of 1,000 x 10 new literals, known shape{plugins}",
            partial(_inserts, into),
        )
    yield _known(place, "IN of 1,000 placeholders, soft_delete", listed, range(1_000))
    yield _new(place, "IN of 1,000 new literals, known shape, soft_delete", _ins)


_STOCK = "stock (a, b, c, d, e, f, g, h, i, j)"


def _known(place: Place, name: str, text: str, values: Sequence[int]) -> Row:
    given = [tuple(values)]
    sql = place.spelled(text)

    def sides(shop: Shop) -> Sides:
        sent, bound = shop.sent(sql, given[0])
        return Sides(
            _undone(shop, shop.shim, sql, given),
            _undone(shop, shop.raw, sent, [bound]),
            None if sent == sql else _undone(shop, shop.raw, sql, given),
        )

    return place.ratio(name, 1.2, sides)


def _undone(
    shop: Shop, connection: Any, sql: str, values: Sequence[Sequence[object]]
) -> Work:
    return work.undone(connection, work.executed(connection, sql, values, shop.clock))


def _new(place: Place, name: str, texts: Callable[[], Iterator[str]]) -> Row:
    def plain() -> Iterator[tuple[str, Sequence[object]]]:
        return ((text, ()) for text in texts())

    def undone(shop: Shop, connection: Any, given: Iterator[tuple[str, Any]]) -> Work:
        inner = work.executed_anew(connection, given, shop.clock)
        return work.undone(connection, inner)

    def sides(shop: Shop) -> Sides:
        sent = (shop.sent(text) for text in texts())
        return Sides(
            undone(shop, shop.shim, plain()),
            undone(shop, shop.raw, sent),
            undone(shop, shop.raw, plain()),
        )

    return place.ratio(name, 1.2, sides)


def _inserts(into: str) -> Iterator[str]:
    for start in count(1):
        listed = ", ".join(
            f"({', '.join(str(start + i + j) for j in range(10))})"
            for i in range(1_000)
        )
        yield f"INSERT INTO {into} VALUES {listed}"


def _ins() -> Iterator[str]:
    for start in count(1):
        keys = ", ".join(str(start + i) for i in range(1_000))
        yield f"SELECT count(*) FROM orders WHERE id IN ({keys})"


def _literals(place: Place) -> Iterator[Row]:
    """What a new literal costs more than the same text raw, in microseconds."""

    def measure(effort: Effort) -> Figure:
        made = place.shop()
        texts, sent = ((t, ()) for t in _texts()), (made.sent(t) for t in _texts())
        ours = work.executed_anew(made.shim, texts, made.clock)
        theirs = work.executed_anew(made.raw, sent, made.clock)
        found = middle(compared(ours, theirs, effort).differences)
        value, low, high = (1e6 * second for second in found)
        return Figure(value, low, high, profile=partial(profiled, ours))

    name = f"{place.prefix}a new literal in a known shape, beyond the raw driver"
    yield Row(name, 40, measure, "us")


def _texts() -> Iterator[str]:
    for i in count():
        yield f"SELECT name FROM customers WHERE id = {i} AND name <> 'x{i}'"
