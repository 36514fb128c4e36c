"""Joins whose conditions come late: ``a JOIN b JOIN c ON .. ON ..``.

Which join a condition belongs to decides where a filter may stand. Random joins give
on a database with rows of others what they give on one that has none of them, on each
server; which of them are joins at all is the server's to say.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.databases import Databases
from tests.servers import Server, connect, parameters, run

SCHEMA = (
    "CREATE TABLE a (id int PRIMARY KEY, tenant_id int NOT NULL, x int)",
    "CREATE TABLE b (id int PRIMARY KEY, tenant_id int NOT NULL, y int)",
    "CREATE TABLE l (id int PRIMARY KEY)",
    "INSERT INTO a VALUES (1, 7, 1), (2, 7, 2), (3, 8, 3), (4, 7, 4)",
    "INSERT INTO b VALUES (1, 7, 1), (2, 8, 2), (3, 7, 3), (4, 7, 4), (5, 8, 5)",
    "INSERT INTO l VALUES (1), (2), (3), (4), (5)",
)
BOTH = (
    "l JOIN a JOIN b ON a.id = b.id ON l.id = b.id",
    "l LEFT JOIN a LEFT JOIN b ON a.id = b.id ON l.id = a.id",
    "l LEFT JOIN a JOIN b ON a.id = b.id ON l.id = a.id",
    "l LEFT JOIN a NATURAL JOIN b ON l.id = a.id",
    "l RIGHT JOIN a NATURAL LEFT JOIN b ON l.id = a.id",
    "l RIGHT JOIN a LEFT JOIN b ON a.id = b.id ON l.id = a.id",
    "l LEFT JOIN a RIGHT JOIN b ON a.id = b.id ON l.id = b.id",
    "l LEFT JOIN a JOIN b USING (id) ON l.id = a.id",
    "l LEFT JOIN a JOIN b JOIN l c ON c.id = b.id ON a.id = b.id ON l.id = a.id",
    "l LEFT JOIN a LEFT JOIN b ON a.id = b.id LEFT JOIN l c ON c.id = b.id "
    "ON l.id = a.id",
    "l c, l LEFT JOIN a JOIN b ON a.id = b.id ON l.id = a.id, l d",
    "l LEFT JOIN (a q CROSS JOIN a) JOIN b ON a.id = b.id ON l.id = a.id",
    "l LEFT JOIN (SELECT * FROM a) a JOIN b ON a.id = b.id AND b.y > 0 ON l.id = a.id",
)
OF_MYSQL = ("l JOIN a JOIN b JOIN l c ON c.id = b.id ON a.id = b.id",)
OF_POSTGRESQL = (
    "l LEFT JOIN a CROSS JOIN b ON l.id = a.id",
    "l JOIN a RIGHT JOIN b ON a.id = b.id CROSS JOIN l c ON l.id = c.id",
    "l FULL JOIN a JOIN b ON a.id = b.id ON l.id = b.id",
)
JOINS = (
    *("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN"),
    *("NATURAL JOIN", "NATURAL LEFT JOIN", "STRAIGHT_JOIN", "FULL JOIN", ","),
)
RANDOM = 400


class Twins:
    """The shim on all rows, and the server on those that are visible."""

    def __init__(self, full: str, copy: str, stack: ExitStack) -> None:
        for url in (full, copy):
            run(url, SCHEMA)
        run(copy, [f"DELETE FROM {table} WHERE tenant_id = 8" for table in "ab"])
        policy = RowLevelSecurity(tenant_isolation("tenant_id", tables=["a", "b"]))
        shim = kysera_dbapi.connect(full, plugins=[policy], autocommit=True)
        self.shim = stack.enter_context(closing(shim))
        self.raw = stack.enter_context(connect(copy))
        self.postgresql = full.startswith("postgresql")


@pytest.fixture(
    scope="module", params=[*parameters("postgresql"), *parameters("mysql")]
)
def twins(
    request: pytest.FixtureRequest, databases: Callable[[Server], Databases]
) -> Iterator[Twins]:
    """Twins that are read alone."""
    of = databases(request.param)
    with ExitStack() as stack:
        full, copy = stack.enter_context(of.one()), stack.enter_context(of.one())
        yield Twins(full, copy, stack)


def rows(connection: Any, sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(map(repr, cursor.fetchall()))


def check(twins: Twins, joins: str, columns: str = "*") -> None:
    sql = f"SELECT {columns} FROM {joins}"
    with kysera_dbapi.context(tenant_id=7):
        assert rows(twins.shim, sql) == rows(twins.raw, sql), sql


@pytest.mark.parametrize("joins", [*BOTH, *OF_MYSQL, *OF_POSTGRESQL])
def test_joins_that_nest(twins: Twins, joins: str) -> None:
    if joins in (OF_MYSQL if twins.postgresql else OF_POSTGRESQL):
        pytest.skip("of another server")
    check(twins, joins, "count(*)")
    check(twins, joins, "a.id, b.id, a.x, b.y")


def drawn(chance: random.Random) -> tuple[str, str]:
    """The columns and the text of random joins; most are some."""
    count = chance.randint(3, 5)
    tables = [f"{chance.choice('abl')} t{i}" for i in range(count)]
    text, wanting = tables[0], 0
    for i, table in enumerate(tables[1:], 1):
        join = chance.choice(JOINS)
        text += f" {join} {table}" if join != "," else f", {table}"
        wanting += not (join.startswith(("NATURAL", "CROSS")) or join == ",")
        last = i == count - 1
        while wanting and (last or chance.random() < 0.5):
            one, other = chance.sample(range(i + 1), 2)
            sign = chance.choice(("=", "=", "<", "<>"))
            text += f" ON t{one}.id {sign} t{other}.id"
            wanting -= 1
            if last and chance.random() < 0.1:  # MySQL may want less
                break
    return ", ".join(f"t{i}.id" for i in range(count)), text


def test_random_joins(twins: Twins) -> None:
    chance = random.Random(1)
    tried = refused = 0
    for _ in range(RANDOM * 4):
        columns, joins = drawn(chance)
        sql = f"SELECT {columns} FROM {joins}"
        try:
            expected = rows(twins.raw, sql)
        except Exception:  # no joins, then
            continue
        tried += 1
        try:
            with kysera_dbapi.context(tenant_id=7):
                found = rows(twins.shim, sql)
        except kysera_dbapi.UnsupportedStatement:
            refused += 1
            continue
        assert found == expected, sql
    assert tried > RANDOM
    assert refused < tried / 20, (refused, tried)
