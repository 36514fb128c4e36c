"""What psycopg's proxies hand out never leads to a raw connection or cursor."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import crdb
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.connection import Connection
from kysera_dbapi.cursor import Planned
from tests.dbapi.notes import QUERY, plugins

#: Where the driver keeps the raw connection in a cursor, and libpq's in it and a copy.
INNER = {"_conn", "_pgconn"}
#: What leads to rows of libpq's, which run no SQL.
ACCEPTED = {"pgresult"}


def is_raw(found: Any) -> bool:
    """Whether SQL can be run by it, past the plugins."""
    if issubclass(type(found), Connection) or isinstance(found, Planned):
        return False
    raw = issubclass(type(found), (BaseConnection, BaseCursor))
    return raw or isinstance(found, psycopg.pq.PGconn)


def reached(found: Any, path: str, depth: int = 3) -> Iterator[tuple[str, Any]]:
    """All that public attributes of an object lead to, and where they stand."""
    yield path, found
    for name in ("__self__", "__wrapped__", "__func__"):
        with suppress(Exception):
            yield f"{path}.{name}", getattr(found, name)
    for cell in getattr(found, "__closure__", None) or ():
        with suppress(ValueError):
            yield f"{path}.__closure__", cell.cell_contents
    plain = (str, bytes, int, float, type(None), type, dict, list, tuple)
    if not depth or isinstance(found, plain) or callable(found):
        return
    for name in dir(found):
        if name.startswith("_") or name in ACCEPTED:
            continue
        with suppress(Exception):
            yield from reached(getattr(found, name), f"{path}.{name}", depth - 1)


def copy(c: Any, text: str) -> Iterator[Any]:
    with c.cursor().copy(text) as made:
        yield made


def pipeline(c: Any) -> Iterator[Any]:
    with c.pipeline() as made:
        yield made
        yield c.execute(QUERY)


def transaction(c: Any) -> Iterator[Any]:
    with c.transaction() as made:
        yield made
        with c.transaction() as inner:
            yield inner


def notify(c: Any) -> Iterator[Any]:
    c.execute("LISTEN here")
    c.execute("NOTIFY here")
    yield from c.notifies(timeout=1, stop_after=1)


def called_back(c: Any) -> Iterator[Any]:
    """What a row factory, and handlers, are given."""
    given: list[Any] = []

    def factory(cursor: Any) -> Any:
        given.append(cursor)
        return tuple

    c.add_notice_handler(given.append)
    c.add_notify_handler(given.append)
    c.cursor(row_factory=factory).execute(QUERY).fetchall()
    c.execute("DROP TABLE IF EXISTS nowhere")
    c.execute("LISTEN here")
    c.execute("NOTIFY here")
    assert len(given) > 2
    yield from given


def failing(c: Any) -> Iterator[Any]:
    for text in ("SELECT 1 / 0", "DROP TABLE notes", "UPDATE notes SET tenant_id = 8"):
        try:
            c.execute(text)
        except psycopg.Error as error:
            yield error
            yield error.__cause__


def cursors(c: Any) -> Iterator[Any]:
    yield c.execute(QUERY)
    yield c.cursor(binary=True)
    for kind in (psycopg.Cursor, psycopg.ClientCursor, psycopg.RawCursor):
        yield kind(c).execute(QUERY)
    by_hand: list[Any] = [psycopg.ServerCursor, psycopg.RawServerCursor]
    with c.transaction():
        for kind in by_hand:
            with kind(c, "by_hand") as cursor:
                yield cursor
        with c.cursor("named", scrollable=True) as cursor:
            yield cursor.execute(QUERY)
    with c.cursor() as cursor:
        cursor.executemany(
            "UPDATE notes SET body = %s RETURNING id", [("x",)], returning=True
        )
        yield from cursor.results()
        yield iter(cursor)
        yield cursor.stream(QUERY)


HANDED: dict[str, Callable[[Any], Iterator[Any]]] = {
    "connection": lambda c: iter([c, c.connection, c.info, c.adapters, c.lock]),
    "entered": lambda c: iter([c.__enter__()]),
    "host": lambda c: iter([c.plugin_host.plugins, c.explain(QUERY), *c.verify()]),
    "cursors": cursors,
    "copy to": lambda c: copy(c, "COPY notes TO STDOUT"),
    "copy from": lambda c: copy(c, "COPY log FROM STDIN"),
    "pipeline": pipeline,
    "transaction": transaction,
    "notify": notify,
    "called back": called_back,
    "errors": failing,
}


@pytest.mark.parametrize("name", HANDED)
def test_nothing_leads_past_the_plugins(name: str, notes: Any) -> None:
    count = 0
    for handed in HANDED[name](notes):
        for path, found in reached(handed, name):
            assert not is_raw(found), f"{path} is {type(found)}"
            count += 1
    assert count


@pytest.mark.parametrize("name", ["pipeline", "transaction", "connection"])
def test_nor_does_what_the_driver_keeps_to_itself(name: str, notes: Any) -> None:
    """But in cursors and copies, of which docs/guarantees.md speaks."""
    kept = ("_adapters", "_notice_handlers", "_pipeline", "_pool", "_prepared", "_tpc")
    for handed in HANDED[name](notes):
        if isinstance(handed, Planned):
            continue
        for attribute in (*INNER, *kept):
            for path, found in reached(getattr(handed, attribute, None), attribute):
                assert not is_raw(found), f"{name}.{path} is {type(found)}"


def test_what_leads_past_them_is_noticed(notes: Any) -> None:
    class Handed:
        cursor = notes.unwrap().cursor()
        bound = notes.unwrap().execute

    found = {path for path, one in reached(Handed(), "it") if is_raw(one)}
    assert {"it.cursor", "it.cursor.connection", "it.bound.__self__"} <= found


# -- the asynchronous classes ---------------------------------------------------------


ASYNCHRONOUS: list[Any] = [psycopg.AsyncConnection, crdb.AsyncCrdbConnection]


@pytest.mark.parametrize("kind", ASYNCHRONOUS)
def test_asynchronous_connections_are_not_wrapped(
    kind: Any, postgresql_url: str, raw_notes: Any
) -> None:
    async def work() -> None:
        raw = await kind.connect(postgresql_url)
        async with raw:
            from kysera_dbapi import psycopg as shim

            for wrap in (kysera_dbapi.wrap, shim.wrap):
                for given in (plugins(), []):
                    with pytest.raises(errors.ConfigurationError) as caught:
                        wrap(raw, plugins=given)
                    assert caught.value.code == "driver-mismatch"
                    assert "asynchronous" in str(caught.value)

    asyncio.run(work())
    for given in (kind, kind.connect, kind.__module__):
        with pytest.raises(errors.ConfigurationError) as caught:
            kysera_dbapi.connect(given, postgresql_url, plugins=plugins())
        assert caught.value.code in ("missing-driver", "bad-url")


@pytest.mark.parametrize(
    "kind",
    [
        psycopg.AsyncCursor,
        psycopg.AsyncClientCursor,
        psycopg.AsyncRawCursor,
        psycopg.AsyncServerCursor,
        psycopg.AsyncRawServerCursor,
    ],
)
def test_asynchronous_cursors_are_refused(kind: Any, notes: Any) -> None:
    given = ["name"] if "Server" in kind.__name__ else []
    notes.cursor_factory = notes.server_cursor_factory = kind
    calls: list[Callable[[], Any]] = [
        lambda: notes.cursor(*given),
        # one of the server's leaves half an object, of which the driver complains
        *([] if given else [lambda: kind(notes), lambda: notes.execute(QUERY)]),
    ]
    for call in calls:
        with pytest.raises(errors.ConfigurationError, match="asynchronous") as caught:
            call()
        assert caught.value.code == "configuration"
