"""A session of the server's that is ended, or interrupted: the driver's own error.

And nothing wrong is kept: the connection can be opened again, and plans go on.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pymysql
import pytest
from pymysql.cursors import SSCursor

import kysera_dbapi
from tests.dbapi.notes import OURS, QUERY, plugins, rows
from tests.dbapi.test_pymysql_cascade import SCHEMA, live, plugin
from tests.dialects.mysql_server import arguments

pytestmark = pytest.mark.filterwarnings("ignore:The 'reconnect'")

#: A statement that no plan was made for.
NEW = "SELECT max(id), count(body) FROM notes AS never_seen"


def until(wanted: Callable[[], bool]) -> None:
    """Wait for it, for a while."""
    deadline = monotonic() + 10
    while not wanted():
        assert monotonic() < deadline, "waited too long"
        sleep(0.01)


def end(connection: Any, raw: Any) -> None:
    """End the connection's session, from another connection."""
    number = int(connection.thread_id())
    rows(raw, f"KILL {number}")
    listed = f"SELECT count(*) FROM information_schema.processlist WHERE id = {number}"
    until(lambda: rows(raw, listed) == [(0,)])


@contextmanager
def locked(connection: Any, raw: Any, kill: str) -> Iterator[None]:
    """A block in which what waits for the note 2 is killed."""
    number, place = int(connection.thread_id()), raw.place
    waiting = (
        "SELECT count(*) FROM information_schema.processlist "
        f"WHERE id = {number} AND info LIKE 'UPDATE%'"
    )

    def strike() -> None:
        with closing(pymysql.connect(**place)) as killer:
            until(lambda: rows(killer, waiting) == [(1,)])
            sleep(0.2)
            rows(killer, f"{kill} {number}")

    holding: dict[str, Any] = {**place, "autocommit": False}
    with closing(pymysql.connect(**holding)) as holder:
        rows(holder, "SELECT * FROM notes WHERE id = 2 FOR UPDATE")
        thread = Thread(target=strike)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def amid_a_statement(connection: Any, raw: Any) -> None:
    rows(connection, "INSERT INTO notes (id, tenant_id) VALUES (50, 7)")
    with locked(connection, raw, "KILL"):
        rows(connection, "UPDATE notes SET body = 'new' WHERE id < 3")


def interrupted(connection: Any, raw: Any) -> None:
    rows(connection, "INSERT INTO notes (id, tenant_id) VALUES (50, 7)")
    with locked(connection, raw, "KILL QUERY"):
        rows(connection, "UPDATE notes SET body = 'new' WHERE id < 3")


def interrupted_amid_many(connection: Any, raw: Any) -> None:
    text = "UPDATE notes SET body = %s WHERE id = %s"
    with locked(connection, raw, "KILL QUERY"), connection.cursor() as cursor:
        cursor.executemany(text, [("a", 1), ("b", 2), ("c", 1)])


def amid_a_transaction(connection: Any, raw: Any) -> None:
    connection.begin()
    rows(connection, "UPDATE notes SET body = 'new' WHERE id = 1")
    end(connection, raw)
    rows(connection, QUERY)


def amid_a_savepoint(connection: Any, raw: Any) -> None:
    connection.begin()
    rows(connection, "SAVEPOINT s")
    rows(connection, "UPDATE notes SET body = 'new'")
    end(connection, raw)
    rows(connection, "ROLLBACK TO SAVEPOINT s")


def before_the_commit(connection: Any, raw: Any) -> None:
    connection.begin()
    rows(connection, "UPDATE notes SET body = 'new'")
    end(connection, raw)
    connection.commit()


def amid_rows(connection: Any, raw: Any) -> None:
    text = (
        "SELECT a.id, repeat('x', 10000) FROM notes a, notes b, notes c, notes d, "
        "notes e, notes f, notes g, notes h, notes i, notes j, notes k, notes l"
    )
    cursor = connection.cursor(SSCursor)
    cursor.execute(text)
    cursor.fetchone()
    end(connection, raw)
    try:
        cursor.fetchall()
    finally:
        cursor._result.unbuffered_active = False  # the driver's own would read on
        cursor.close()


def amid_many(connection: Any, raw: Any) -> None:
    def each() -> Any:
        yield ("a", 1)
        end(connection, raw)
        yield from [("b", 2)] * 50

    with connection.cursor() as cursor:
        cursor.executemany("UPDATE notes SET body = %s WHERE id = %s", each())


def before_a_new_statement(connection: Any, raw: Any) -> None:
    end(connection, raw)
    rows(connection, NEW)


def before_a_known_statement(connection: Any, raw: Any) -> None:
    rows(connection, QUERY)
    end(connection, raw)
    rows(connection, QUERY)


def before_a_ping(connection: Any, raw: Any) -> None:
    end(connection, raw)
    connection.ping(reconnect=False)


WORK: list[Callable[[Any, Any], None]] = [
    *(amid_a_statement, interrupted, interrupted_amid_many, amid_a_transaction),
    *(amid_a_savepoint, before_the_commit, amid_rows, amid_many),
    *(before_a_new_statement, before_a_known_statement, before_a_ping),
]


def seen(connection: Any, raw: Any, work: Any) -> tuple[Any, ...]:
    """What came of it: the error, and the state of the connection."""
    found = None
    try:
        work(connection, raw)
    except pymysql.Error as error:
        names = [c.__name__ for c in type(error).__mro__ if "pymysql" in c.__module__]
        names = [name for name in names if hasattr(pymysql.err, name)]
        found = names[0], error.args[0]
    state = found, connection.open
    if connection.open:
        connection.rollback()
    return state


class Struck:
    """What the blocks above are given: a raw connection, and where it leads."""

    def __init__(self, raw: Any, place: dict[str, Any]) -> None:
        self._raw, self.place = raw, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("work", WORK)
def test_it_is_as_with_the_driver_alone(
    work: Any, autocommit: bool, raw_mysql_notes: Any, mysql_url: str
) -> None:
    place = arguments(mysql_url)
    raw: Any = Struck(raw_mysql_notes, place)
    options: dict[str, Any] = {**place, "autocommit": autocommit}
    with closing(pymysql.connect(**options)) as bare:
        expected = seen(bare, raw, work)
    now = (
        "SELECT id, body FROM notes WHERE tenant_id = 7 AND deleted_at IS NULL "
        "ORDER BY id"
    )
    stored = rows(raw, now)
    rows(raw, "DELETE FROM notes WHERE id = 50")
    for number, body in OURS:
        rows(raw, "UPDATE notes SET body = %s WHERE id = %s", (body, number))
    shim: Any = kysera_dbapi.connect(pymysql, plugins=plugins(), **options)
    with kysera_dbapi.context(tenant_id=7):
        assert seen(shim, raw, work) == expected
        assert rows(raw, now) == stored
        shim.ping(reconnect=True)
        assert shim.get_autocommit() is autocommit
        for _ in range(2):
            assert rows(shim, QUERY) == stored
            assert rows(shim, NEW) == [
                (stored[-1][0], len([b for _, b in stored if b]))
            ]
        rows(shim, "UPDATE notes SET body = 'later'")
        shim.rollback()
        assert (rows(raw, now) == stored) is not autocommit
        assert rows(raw, "SELECT count(*) FROM notes WHERE body = 'later'")[0][0] in (
            (len(stored),) if autocommit else (0,)
        )
    shim.close()


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("table", ["orders", "shops"])
def test_a_cascade_that_is_cut_off_leaves_no_half(
    table: str, autocommit: bool, mysql_url: str
) -> None:
    place, text = arguments(mysql_url), "DELETE FROM shops WHERE id = %s"
    options: dict[str, Any] = {**place, "autocommit": autocommit}
    with closing(pymysql.connect(**place)) as raw:
        for one in SCHEMA:
            rows(raw, one)
        rows(
            raw,
            f"CREATE TRIGGER m AFTER UPDATE ON {table} FOR EACH ROW "
            "KILL CONNECTION_ID()",
        )
        before = live(raw)
        connection: Any = kysera_dbapi.connect(pymysql, plugins=[plugin()], **options)
        for _ in range(2):
            with pytest.raises(pymysql.Error):
                rows(connection, text, (1,))
        assert live(raw) == before == [2, 3]
        rows(raw, "DROP TRIGGER m")
        connection.ping(reconnect=True)
        with connection.cursor() as cursor:
            assert cursor.execute(text, (1,)) == 1
        connection.commit()
        assert live(raw) == [1, 1]
        connection.close()
