"""Many threads, a connection each, one set of plans."""

import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
import kysera_dbapi.sqlite3
from kysera_dbapi import _blocks, turn
from kysera_dbapi.edits import Draft
from kysera_dbapi.plugins import SoftDelete

THREADS = 32
ROUNDS = 60
SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, total);
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'before'), (3, 30, NULL);
INSERT INTO log VALUES (1, 5);
"""
ALL, LIVE, DELETED = [1, 2, 3], [1, 3], [2]
Work = Callable[[Any, random.Random], None]


class Watching(SoftDelete):
    """Soft delete that counts how often each text is planned, and fails at times."""

    def __init__(self) -> None:
        super().__init__(["orders"])
        self.planned: Counter[tuple[str, frozenset[str]]] = Counter()
        self.failures = 0

    def intercept(self, statement: Draft) -> None:
        self.planned[statement.text, _blocks.scope()] += 1
        super().intercept(statement)
        if "fails_at_first" in statement.text and self.failures < THREADS:
            self.failures += 1
            raise LookupError("at first")


def ids(connection: Any, sql: str, *parameters: Any) -> list[int]:
    return [row[0] for row in connection.execute(sql, *parameters)]


def known(connection: Any, rng: random.Random) -> None:
    number = rng.randrange(1000)
    assert ids(connection, "SELECT id FROM orders ORDER BY id") == LIVE
    text = f"SELECT id FROM orders WHERE id < {number} OR id < 9 ORDER BY id"
    assert ids(connection, text) == LIVE
    assert ids(connection, "SELECT id FROM orders WHERE total = ?", (20,)) == []


def new(connection: Any, rng: random.Random) -> None:
    name = f"a{rng.randrange(ROUNDS)}"
    text = f"SELECT id AS {name} FROM orders WHERE id <> {rng.randrange(9, 99)}"
    assert ids(connection, f"{text} ORDER BY id") == LIVE
    assert ids(connection, f"SELECT 'orders'.id FROM orders AS {name}, orders") == [
        1,
        3,
        1,
        3,
    ]


def scopes(connection: Any, rng: random.Random) -> None:
    text = f"SELECT id FROM orders AS b{rng.randrange(9)} ORDER BY id"
    with kysera_dbapi.including_deleted():
        assert ids(connection, text) == ALL
    with kysera_dbapi.only_deleted():
        assert ids(connection, text) == DELETED
    with kysera_dbapi.bypass("soft_delete", reason="test"):
        assert ids(connection, text) == ALL
    assert ids(connection, text) == LIVE


def deep(connection: Any, rng: random.Random) -> None:
    depth = rng.randrange(13, 18)
    text = f"SELECT {'(' * depth}SELECT count(*) FROM orders{')' * depth}"
    with kysera_dbapi.including_deleted():
        assert ids(connection, text) == [3]
    assert ids(connection, text) == [2]


def lists(connection: Any, rng: random.Random) -> None:
    listed = ", ".join(map(str, range(rng.randrange(700, 900))))
    text = f"SELECT id FROM orders WHERE id IN ({listed}) ORDER BY id"
    assert ids(connection, text) == LIVE


def writes(connection: Any, rng: random.Random) -> None:
    number = rng.randrange(100, 200)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"INSERT INTO orders VALUES ({number}, 1, NULL)")
    assert connection.execute(f"DELETE FROM orders WHERE id = {number}").rowcount == 1
    assert ids(connection, "SELECT id FROM orders WHERE id > ?", (99,)) == []
    with kysera_dbapi.only_deleted():
        assert ids(connection, f"SELECT id FROM orders WHERE id = {number}") == [number]
    connection.execute("ROLLBACK")


def refused(connection: Any, rng: random.Random) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        connection.execute(f"DROP TABLE orders -- {rng.randrange(9)}")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute(f"SELECT {rng.randrange(9)} FROM missing")


def failing(connection: Any, rng: random.Random) -> None:
    with suppress(LookupError):
        text = "SELECT id AS fails_at_first FROM orders ORDER BY id"
        assert ids(connection, text) == LIVE


def schema(connection: Any, rng: random.Random) -> None:
    """Changes of the schema, in memory alone: files lock each other out."""
    name = f"t{rng.randrange(3)}"
    connection.execute(f"CREATE TABLE {name} (id, orders)")
    connection.execute(f"INSERT INTO {name} SELECT id, total FROM orders")
    assert ids(connection, f"SELECT id FROM {name}") == LIVE
    connection.execute(f"DROP TABLE {name}")


MIXTURE: list[Work] = [
    known, new, scopes, deep, lists, writes, refused, failing,
]  # fmt: skip


def hammered(database: str, plugin: Watching, mixture: list[Work]) -> list[str]:
    """What went wrong in the threads."""
    wrong: list[str] = []
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        rng = random.Random(number)
        try:
            with closing(opened(database, plugin)) as connection:
                start.wait()
                for _ in range(ROUNDS):
                    rng.choice(mixture)(connection, rng)
        except BaseException as error:
            start.abort()
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def opened(database: str, plugin: Watching) -> Any:
    raw = sqlite3.connect(database, timeout=60, isolation_level=None)
    if database == ":memory:":
        raw.executescript(SHOP)
    return kysera_dbapi.wrap(raw, plugins=[plugin])


def often(plugin: Watching) -> dict[str, int]:
    """The texts planned more often than once, or twice where literals differ."""
    return {
        text: count
        for (text, _), count in plugin.planned.items()
        if count > 2 and not ("fails_at_first" in text or "missing" in text)
    }


@pytest.mark.parametrize("home", ["memory", "file"])
def test_no_thread_sees_the_plans_of_another_case(home: str, tmp_path: Path) -> None:
    database = ":memory:"
    if home == "file":
        database = str(tmp_path / "shop.db")
        with closing(sqlite3.connect(database)) as raw:
            raw.executescript(SHOP)
    plugin = Watching()
    assert hammered(database, plugin, MIXTURE) == []
    assert often(plugin) == {}


def test_threads_may_share_a_connection() -> None:
    """Not that they should: but none breaks what another one does in several steps."""
    raw = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    raw.executescript(
        f"{SHOP} CREATE TABLE lines (id, o REFERENCES orders, deleted_at)"
    )
    raw.text_factory = bytes
    plugin = SoftDelete(["orders", "lines"], foreign_keys={"lines.o": "cascade"})
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        # texts of its own: the driver fails where threads use one prepared statement
        order = f"INSERT INTO orders (id) VALUES (?) /* {number} */"
        line = f"INSERT INTO lines (o) VALUES (?) /* {number} */"
        try:
            for key in range(number * 100, number * 100 + 20):
                connection.execute(order, (key,))
                connection.execute(line, (key,))
                sql = f"DELETE FROM orders WHERE id = {key} AND {key} <> -1"
                assert connection.execute(sql).rowcount == 1
        except BaseException as error:
            wrong.append(error)

    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert connection.text_factory is bytes
        assert not connection.in_transaction
        assert connection.execute("SELECT * FROM lines").fetchall() == []


def test_the_modules_say_that_threads_do_not_share_connections() -> None:
    assert kysera_dbapi.threadsafety == kysera_dbapi.sqlite3.threadsafety == 1


def test_a_thread_waits_for_its_turn_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "_PATIENCE", 0.01)
    raw = sqlite3.connect(":memory:", check_same_thread=False)
    raw.executescript(SHOP)
    with (
        closing(kysera_dbapi.wrap(raw, plugins=[SoftDelete(["orders"])])) as connection,
        ThreadPoolExecutor(1) as other,
    ):
        with connection.plugin_host.atomic():
            error = other.submit(connection.commit).exception()
            assert isinstance(error, kysera_dbapi.OperationalError)
            assert isinstance(error, sqlite3.OperationalError)
            assert error.code == "shared-connection"
        other.submit(connection.commit).result()


def test_changes_of_the_schema_disturb_no_other_thread() -> None:
    assert hammered(":memory:", Watching(), [*MIXTURE, schema, schema]) == []
