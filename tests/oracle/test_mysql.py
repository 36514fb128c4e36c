"""Soft delete on MySQL and MariaDB, against the rows that are seen.

The same laws as on SQLite, by the same generator, which writes what the server takes.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.mysql_user import seeing
from tests.oracle import generator
from tests.oracle.compare import BAD, Connection, Outcome, judge, report
from tests.oracle.corpus import CORPUS as PORTABLE
from tests.oracle.corpus_mysql import (
    CHANGES,
    MYSQL,
    MYSQL_CHANGES,
    READS,
    REFUSED,
    REFUSED_VALUES,
    RETURNING,
)
from tests.oracle.entries import Entry
from tests.oracle.mysql_world import MySQLWorld
from tests.oracle.tally import check, check_tried, tallied, try_many
from tests.oracle.test_soft_delete import tells
from tests.oracle.world import World, soft_delete
from tests.servers import Server, database, parameters

pytestmark = pytest.mark.slow
SEED = 20_260_501
QUERIES = 1_500
WRITES = 300
#: What is written in forms of these servers alone.
FORMS = ("UPDATE of several tables", "DELETE of several tables", "INSERT SET")


@pytest.fixture(scope="module", params=parameters("mysql"))
def server(request: pytest.FixtureRequest) -> Server:
    return cast("Server", request.param)


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[MySQLWorld]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(server)) for _ in range(3)]
        urls = stack.enter_context(seeing(urls))
        made = MySQLWorld(urls)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def shim(world: MySQLWorld) -> Connection:
    made: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    return cast(Connection, made)


def test_queries(world: MySQLWorld, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)


def test_writes(world: MySQLWorld, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, FORMS, 3)


@pytest.mark.fuzz
def test_many(world: MySQLWorld, shim: Connection) -> None:
    try_many(world, shim)


@pytest.mark.parametrize("entry", [*READS, *CHANGES], ids=lambda e: cast("Entry", e).id)
def test_corpus(world: MySQLWorld, shim: Connection, entry: Entry) -> None:
    judged(world, shim, entry)


@pytest.mark.parametrize(
    "entry",
    [*REFUSED, *RETURNING, *MYSQL, *MYSQL_CHANGES, *REFUSED_VALUES],
    ids=lambda e: cast("Entry", e).id,
)
def test_corpus_of_one_server(
    world: MySQLWorld, shim: Connection, entry: Entry, server: Server
) -> None:
    mysql = entry in (*MYSQL, *MYSQL_CHANGES, *REFUSED_VALUES)
    if mysql == (server.kind == "mariadb"):
        pytest.skip(f"not a statement of {server.kind}")
    judged(world, shim, entry)


def judged(world: World, shim: Connection, entry: Entry) -> None:
    statement = replace(entry.statement(), plain=not entry.params)
    verdict = judge(world, shim, statement)
    text = report(statement, verdict)
    if entry.refused:
        assert verdict.outcome is Outcome.REFUSED, f"{entry.refused}\n{text}"
    else:
        assert verdict.outcome is Outcome.EQUAL, text
        assert tells(verdict), f"the statement shows nothing\n{text}"


def test_the_corpus_of_sqlite(world: MySQLWorld, shim: Connection) -> None:
    """What the server takes of it, as it is written there."""
    counts: Counter[Outcome] = Counter()
    for entry in PORTABLE:
        if entry.params or entry.refused:
            continue
        statement = replace(entry.statement(), plain=True)
        verdict = judge(world, shim, statement)
        if verdict.expected.error:
            # what becomes an UPDATE may have an alias where a DELETE may not
            assert verdict.got.error or statement.kind == "delete", report(
                statement, verdict
            )
        else:
            counts[verdict.outcome] += 1
            assert verdict.outcome not in BAD, report(statement, verdict)
    assert counts[Outcome.EQUAL] > 150
    assert counts[Outcome.REFUSED] < 12  # VALUES with sub-selects; WITH within WITH
