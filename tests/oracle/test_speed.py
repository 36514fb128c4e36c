"""No rewritten query becomes slower by an order of magnitude.

Work is counted in steps of SQLite's virtual machine, not in seconds: the same on any
machine, however busy. The query through the shim, on the full database, is held
against the caller's text on the copy without the hidden rows.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.oracle.corpus import CORPUS
from tests.oracle.entries import Entry
from tests.oracle.world import World, soft_delete

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
COPIES = 60  # of every row: some thousand rows in all
FACTOR = 10
STEP = 100  # instructions of the virtual machine between two calls
SMALL = 500  # steps below which nothing is slow
LARGE = 300_000  # steps after which the raw query tells nothing more
QUERIES = [e for e in CORPUS if e.kind == "query" and not e.refused]


class TooLong(Exception):
    """The query took more steps than it was allowed."""


@dataclass
class Scaled:
    """The two databases, with many more rows of the same kinds."""

    full: sqlite3.Connection
    copy: sqlite3.Connection
    shim: Any


@pytest.fixture(scope="module")
def scaled() -> Iterator[Scaled]:
    world = World()
    for database in (world.full, world.copy):
        multiply(database)
    shim = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    yield Scaled(world.full, world.copy, shim)
    world.close()


def multiply(database: sqlite3.Connection) -> None:
    """Add copies of all rows, with keys of their own that refer to each other."""
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'countries'"
    )
    for (table,) in tables.fetchall():
        columns = [
            shifted(name, type_, key)
            for _, name, type_, _, _, key in database.execute(
                f"PRAGMA table_info('{table}')"
            )
        ]
        database.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            f'WHERE i < {COPIES}) INSERT INTO "{table}" '
            f'SELECT {", ".join(columns)} FROM "{table}", n'
        )
    database.execute("ANALYZE")
    database.commit()


def shifted(name: str, type_: str, key: int) -> str:
    """The expression for a column of copy ``i``."""
    if name in ("email", "tag") or (key and type_ == "TEXT" and name != "region"):
        return f"{name} || '-' || i"
    if type_ == "INTEGER" and (name.endswith("id") or (key and name != "line")):
        return f'"{name}" + i * 100000'
    return f'"{name}"'


def steps(
    raw: sqlite3.Connection, run: Callable[[], Any], *, limit: int
) -> tuple[int, bool]:
    """How many steps the query takes, and whether it was stopped at the limit."""
    taken = 0

    def count() -> bool:
        nonlocal taken
        taken += 1
        return taken > limit

    raw.set_progress_handler(count, STEP)
    try:
        run()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return taken, True
    finally:
        raw.set_progress_handler(None, STEP)
    return taken, False


@pytest.mark.parametrize("entry", QUERIES, ids=lambda e: cast("Entry", e).id)
def test_no_query_is_an_order_of_magnitude_slower(scaled: Scaled, entry: Entry) -> None:
    def raw() -> Any:
        return scaled.copy.execute(entry.sql, entry.params).fetchall()

    def through() -> Any:
        return scaled.shim.execute(entry.sql, entry.params).fetchall()

    scaled.shim.explain(entry.sql)  # the catalogue is read outside of what is counted
    expected, stopped = steps(scaled.copy, raw, limit=LARGE)
    if stopped:
        pytest.skip("the raw query takes too long to tell")
    allowed = max(SMALL, expected * FACTOR)
    taken, stopped = steps(scaled.full, through, limit=allowed)
    plan = scaled.shim.explain(entry.sql).sql
    assert not stopped, f"{expected} steps raw, more than {taken} here\n{plan}"


def test_a_slow_query_would_be_seen(scaled: Scaled) -> None:
    def product() -> Any:
        return scaled.full.execute("SELECT count(*) FROM orders, items, orders")

    taken, stopped = steps(scaled.full, product, limit=SMALL)
    assert (taken, stopped) == (SMALL + 1, True)
