"""Many tenants at once over shared plans and few connections: each sees its own."""

import asyncio
import queue
import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation

THREADS, TASKS, POOL = 64, 200, 8
IN_THREADS, IN_TASKS = 60_000, 40_000
TENANTS = range(1, 41)
ROWS = 25
SELECT = "SELECT tenant_id, id, body FROM rows WHERE id = ?"
LISTED = "SELECT tenant_id, id, body FROM rows WHERE id > 20 AND kind = 'first'"
COUNTED = "SELECT count(*), min(tenant_id), max(tenant_id) FROM rows WHERE kind = ?"
INSERT = "INSERT INTO rows (id, kind, body) VALUES (?, 'new', ?)"
SCHEMA = """
CREATE TABLE rows (
    tenant_id INTEGER, id INTEGER, kind TEXT, body TEXT, deleted_at TEXT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID
"""


class Pool:
    """A few connections, each lent to one thread or task at a time."""

    def __init__(self, path: Path) -> None:
        plugins = [
            RowLevelSecurity(tenant_isolation("tenant_id", ["rows"])),
            SoftDelete(["rows"]),
        ]
        self.free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.all: list[Any] = []
        for _ in range(POOL):
            raw = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=60
            )
            raw.execute("PRAGMA synchronous = OFF")
            self.all.append(kysera_dbapi.wrap(raw, plugins=plugins))
            self.free.put(self.all[-1])

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """One of them, and back again."""
        connection = self.free.get()
        try:
            yield connection
        finally:
            self.free.put(connection)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    path = tmp_path / "crowd.db"
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute(SCHEMA)
    raw.executemany(
        "INSERT INTO rows VALUES (?, ?, 'first', ?, ?)",
        (
            (tenant, number, f"of {tenant}", "gone" if number == 5 else None)
            for tenant in TENANTS
            for number in range(ROWS)
        ),
    )
    raw.commit()
    raw.close()
    made = Pool(path)
    yield made
    for connection in made.all:
        connection.close()


def statements(
    connection: Any, tenant: int, rng: random.Random, count: int, first: int
) -> int:
    """Run some statements for a tenant; returns how many were run."""
    cursor = connection.cursor()
    for number in range(count):
        way = rng.random()
        if way < 0.9:
            wanted = rng.randrange(ROWS)
            rows = cursor.execute(SELECT, (wanted,)).fetchall()
            own = [(tenant, wanted, f"of {tenant}")]
            assert rows == ([] if wanted == 5 else own), (tenant, rows)
        elif way < 0.97:
            rows = cursor.execute(LISTED).fetchall()
            assert [row[:2] for row in rows] == [(tenant, n) for n in range(21, ROWS)]
        elif way < 0.99:
            row = cursor.execute(COUNTED, ("first",)).fetchone()
            assert row == (ROWS - 1, tenant, tenant)
        else:
            cursor.execute(INSERT, (first + number, f"of {tenant}"))
            assert cursor.rowcount == 1
    return count


def check_all(pool: Pool) -> None:
    """Every row that was written has its tenant."""
    raw = pool.all[0].unwrap()
    wrong = "SELECT count(*) FROM rows WHERE body <> 'of ' || tenant_id"
    assert raw.execute(wrong).fetchone() == (0,)
    new = "SELECT count(DISTINCT tenant_id) FROM rows WHERE kind = 'new'"
    assert raw.execute(new).fetchone()[0] > len(TENANTS) / 2


def test_threads(pool: Pool) -> None:
    each, turn = IN_THREADS // THREADS, 75

    def work(worker: int) -> int:
        rng, done = random.Random(worker), 0
        while done < each:
            tenant = rng.choice(TENANTS)
            count = min(turn, each - done)
            with kysera_dbapi.context(tenant_id=tenant), pool.lent() as connection:
                first = 1_000 + worker * each + done
                done += statements(connection, tenant, rng, count, first)
        return done

    with ThreadPoolExecutor(THREADS) as executor:
        total = sum(executor.map(work, range(THREADS)))
    assert total >= IN_THREADS - THREADS
    check_all(pool)


def test_tasks(pool: Pool) -> None:
    each, turn = IN_TASKS // TASKS, 20

    async def work(worker: int, room: asyncio.Semaphore) -> int:
        rng, done = random.Random(worker), 0
        tenant = rng.choice(TENANTS)
        with kysera_dbapi.context(tenant_id=tenant):
            while done < each:
                async with room:
                    with pool.lent() as connection:
                        first = 500_000 + worker * each + done
                        await asyncio.sleep(0)  # others go on, within their contexts
                        done += statements(connection, tenant, rng, turn, first)
                        await asyncio.sleep(0)
        return done

    async def main() -> list[int]:
        room = asyncio.Semaphore(POOL)
        return await asyncio.gather(*(work(n, room) for n in range(TASKS)))

    assert sum(asyncio.run(main())) == IN_TASKS
    check_all(pool)
