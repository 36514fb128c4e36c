"""Soft delete against a database in which the deleted rows do not exist."""

import sqlite3
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.oracle import generator
from tests.oracle.compare import (
    Connection,
    Outcome,
    Verdict,
    ask,
    judge,
    report,
)
from tests.oracle.corpus import CORPUS
from tests.oracle.corpus_writes import COLLISIONS, LIMITED
from tests.oracle.entries import Entry
from tests.oracle.shapes import QUERY_SHAPES, WRITE_SHAPES
from tests.oracle.tally import check, check_tried, tallied, try_many
from tests.oracle.world import GHOST, World, soft_delete

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
    ),
]
SEED = 20_260_101
QUERIES = 3_000
WRITES = 600


@pytest.fixture(scope="module")
def shim(world: World) -> Connection:
    made: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    return cast(Connection, made)


def test_queries(world: World, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, QUERY_SHAPES, 10)


def test_writes(world: World, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, WRITE_SHAPES, 3)


@pytest.mark.fuzz
def test_many_more(world: World, shim: Connection) -> None:
    try_many(world, shim)


def _id(entry: Entry) -> str:
    return entry.id


@pytest.mark.parametrize("entry", [*CORPUS, *LIMITED], ids=_id)
def test_corpus(world: World, shim: Connection, entry: Entry) -> None:
    if entry in LIMITED and "ENABLE_UPDATE_DELETE_LIMIT" not in world.options:
        pytest.skip("this SQLite has no LIMIT on UPDATE and DELETE")
    verdict = judge(world, shim, entry.statement())
    text = report(entry.statement(), verdict)
    if entry.refused:
        assert verdict.outcome is Outcome.REFUSED, f"{entry.refused}\n{text}"
    else:
        assert verdict.outcome is Outcome.EQUAL, text
        assert entry.empty or tells(verdict), f"the statement shows nothing\n{text}"


def tells(verdict: Verdict) -> bool:
    """Whether there were rows, or an unknown number of them (WITH before a write)."""
    changed = verdict.expected.rowcount != 0 and not verdict.expected.columns
    return bool(verdict.expected.rows) or changed


@pytest.mark.parametrize("entry", COLLISIONS, ids=_id)
def test_collision_with_a_hidden_row(
    world: World, shim: Connection, entry: Entry
) -> None:
    """The database's own error, which shows nothing of the hidden row."""
    answer = ask(shim, entry.statement())
    shim.rollback()
    world.reset()
    assert answer.error == "IntegrityError", answer
    assert GHOST not in answer.message.lower()
    assert not answer.rows
