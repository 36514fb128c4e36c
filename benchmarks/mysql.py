"""MySQL and MariaDB over loopback: in the clock's time.

The servers are those of ``KYSERA_BENCH_MYSQL`` and ``KYSERA_BENCH_MARIADB``, or of this
machine; without one there are no rows.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from time import perf_counter
from typing import Any
from uuid import uuid4

import kysera_dbapi
from benchmarks import work
from benchmarks.beside import beside
from benchmarks.pairs import Work
from benchmarks.pinning import adopt, pinned
from benchmarks.planning import planning
from benchmarks.rows import Place, Row, Sides, shared
from benchmarks.shop import ROWS, Shop, plugins

__all__ = ["mysql", "new_mysql_shop"]

#: Where a server of this machine is looked for.
_LOCAL = ("mysql://root@127.0.0.1:3306", "mysql://root@127.0.0.1:3307")
_NAMES = {"mysql": "MySQL", "mariadb": "MariaDB"}
#: What tells the number that the system knows a session's thread by.
_THREAD = {
    "mysql": "SELECT thread_os_id FROM performance_schema.threads "
    "WHERE processlist_id = connection_id()",
    "mariadb": "SELECT tid FROM information_schema.processlist "
    "WHERE id = connection_id()",
}
_TEN = ", ".join(f"{name} int" for name in "abcdefghij")
SCHEMA = (
    "CREATE TABLE customers (id int PRIMARY KEY, name text, deleted_at datetime(6))",
    "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, customer_id int, "
    "total int, deleted_at datetime(6), KEY orders_customer (customer_id))",
    "CREATE TABLE accounts (id int AUTO_INCREMENT PRIMARY KEY, tenant_id int, "
    "owner int, balance int, created_at datetime(6), updated_at datetime(6), "
    "deleted_at datetime(6))",
    "CREATE TABLE log (id int PRIMARY KEY, text text)",
    f"CREATE TABLE wide ({_TEN})",
    "CREATE TABLE stock (tenant_id int, created_at datetime(6), "
    f"updated_at datetime(6), {_TEN})",
)
POINT = "SELECT balance FROM accounts WHERE id = %s"
_KEY = (8,)


class MySQLShop(Shop):
    """Three connections to one database; what is written is rolled back."""

    def planned(self, sql: str) -> Any:
        """The plan of a text that the driver formats."""
        return self.planner._self_session.plan(sql, format_style=1)


def mysql() -> Iterator[Row]:
    """The rows of each server that is there."""
    for kind, name in _NAMES.items():
        if _url(kind):
            yield from pinned(name, _rows(kind, f"{name}, "))


def _rows(kind: str, prefix: str) -> Iterator[Row]:
    place = Place(partial(_shop, kind), prefix, "%s", least=9)
    same = partial(_same, kind)
    yield place.ratio("raw against raw: how exact all this is", 0, same)
    name = "point SELECT, rls + soft_delete + timestamps"
    yield place.ratio(name, 1.05, _point)
    yield from shared(place)
    yield from planning(kind, prefix)
    yield from beside(partial(new_mysql_shop, kind), "mysql+pymysql://", prefix)


def _same(kind: str, shop: Shop) -> Sides:
    sent, given = shop.sent(POINT, _KEY)
    other = new_mysql_shop(kind).raw
    return Sides(_pointed(other, sent, given), _pointed(shop.raw, sent, given))


def _point(shop: Shop) -> Sides:
    sent, given = shop.sent(POINT, _KEY)
    return Sides(
        _pointed(shop.shim, POINT, _KEY),
        _pointed(shop.raw, sent, given),
        _pointed(shop.raw, POINT, _KEY),
    )


def _pointed(connection: Any, sql: str, values: Any) -> Work:
    return work.point(connection, sql, values, perf_counter)


@cache
def _shop(kind: str) -> Shop:
    return new_mysql_shop(kind)


def new_mysql_shop(kind: str) -> Shop:
    """New connections to the database on a server of that kind."""
    name = _database(kind)
    shim, raw, planner = (_connected(_url(kind), database=name) for _ in range(3))
    adopt(_NAMES[kind], lambda: [_thread(kind, c) for c in (shim, raw, planner)])
    wrapped = (kysera_dbapi.wrap(one, plugins=plugins()) for one in (shim, planner))
    return MySQLShop(next(wrapped), raw, next(wrapped), perf_counter)


def _thread(kind: str, connection: Any) -> int:
    found = _told(connection, _THREAD[kind])
    if found is None:
        raise LookupError("the server does not tell its threads")
    return int(found)


@cache
def _database(kind: str) -> str:
    """A database of our own, which goes away at the end."""
    name = f"kysera_bench_{uuid4().hex[:8]}"
    owner = _connected(_url(kind))
    run = owner.cursor()
    run.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    atexit.register(run.execute, f"DROP DATABASE {name}")
    owner.select_db(name)
    for statement in SCHEMA:
        run.execute(statement)
    gone = "2026-01-01 00:00:00"
    third = [(i, None if i % 3 else gone) for i in range(1, 3_001)]
    for text, rows in (
        (
            "INSERT INTO customers VALUES (%s, %s, %s)",
            [(i, f"customer {i}", mark) for i, mark in third[:1_000]],
        ),
        (
            "INSERT INTO orders VALUES (%s, %s, %s, %s)",
            [(i, i % 1_000, i % 97, mark) for i, mark in third],
        ),
        (
            "INSERT INTO accounts VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(i, i % 7, i, i % 97, gone, gone, mark) for i, mark in third],
        ),
        (
            "INSERT INTO log VALUES (%s, %s)",
            [(i, f"line {i}") for i in range(1, ROWS + 1)],
        ),
    ):
        run.executemany(text, rows)
    run.execute("ANALYZE TABLE customers, orders, accounts, log")
    return name


@cache
def _url(kind: str) -> str:
    """Where a server of that kind is; empty if there is none."""
    named = os.environ.get(f"KYSERA_BENCH_{kind.upper()}")
    for url in [named] if named else _LOCAL:
        connection = _connected(url)
        if connection is None:
            continue
        with connection:
            mariadb = "MariaDB" in str(_told(connection, "SELECT version()"))
        if mariadb is (kind == "mariadb"):
            return url
    return ""


def _told(connection: Any, sql: str) -> Any:
    """The one value that a query has, None if it is refused."""
    with suppress(connection.Error), connection.cursor() as cursor:
        cursor.execute(sql)
        return (cursor.fetchone() or (None,))[0]
    return None


def _connected(url: str, **options: Any) -> Any:
    """A raw connection, None without a server or its driver."""
    try:
        import pymysql
    except ImportError:
        return None
    try:
        return kysera_dbapi.connect(url, autocommit=True, **options).unwrap()
    except pymysql.err.OperationalError:
        return None
