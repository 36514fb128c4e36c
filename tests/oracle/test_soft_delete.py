"""Soft delete against a database in which the deleted rows do not exist."""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.oracle import generator
from tests.oracle.compare import (
    BAD,
    Connection,
    Outcome,
    Verdict,
    ask,
    judge,
    report,
    table_of,
)
from tests.oracle.corpus import CORPUS
from tests.oracle.corpus_writes import COLLISIONS, LIMITED
from tests.oracle.draft import Statement
from tests.oracle.entries import Entry
from tests.oracle.shapes import QUERY_SHAPES, WRITE_SHAPES
from tests.oracle.shrink import shrunk
from tests.oracle.world import GHOST, PROTECTED, World

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
SEED = 20_260_101
QUERIES = 3_000
WRITES = 600
REFUSED = 0.01
REPORTED = 5  # failures that are shrunk and shown


@dataclass
class Tally:
    """What came of many statements."""

    counts: Counter[Outcome] = field(default_factory=Counter[Outcome])
    shapes: Counter[str] = field(default_factory=Counter[str])
    refusals: Counter[str] = field(default_factory=Counter[str])
    failures: list[tuple[int, Statement, Verdict]] = field(
        default_factory=list[tuple[int, Statement, Verdict]]
    )

    def add(self, number: int, statement: Statement, verdict: Verdict) -> None:
        self.counts[verdict.outcome] += 1
        self.shapes.update(statement.shapes)
        if verdict.outcome is Outcome.REFUSED:
            self.refusals[verdict.reason] += 1
        if verdict.outcome in BAD:
            self.failures.append((number, statement, verdict))


def soft_delete() -> SoftDelete:
    return SoftDelete(
        tables={
            table: {"column": mark.column, "flag": mark.flag}
            for table, mark in PROTECTED.items()
        }
    )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shim(world: World) -> Connection:
    made: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    return cast(Connection, made)


def tallied(world: World, shim: Connection, statements: Iterable[Statement]) -> Tally:
    tally = Tally()
    for number, statement in enumerate(statements):
        tally.add(number, statement, judge(world, shim, statement))
        if number % 1000 == 999:
            print(f"{number + 1}: {table_of(tally.counts)}", flush=True)
    return tally


def check(world: World, shim: Connection, tally: Tally, *, seed: int) -> None:
    """No leak, no wrong answer, and next to nothing refused."""
    total = tally.counts.total()
    print(f"seed {seed}: {table_of(tally.counts)}")
    shown = [
        f"seed {seed}, number {number}, {_small(world, shim, statement, verdict)}"
        for number, statement, verdict in tally.failures[:REPORTED]
    ]
    if shown:
        pytest.fail("\n\n".join([table_of(tally.counts), *shown]), pytrace=False)
    assert tally.counts[Outcome.REFUSED] <= total * REFUSED, tally.refusals.most_common(
        20
    )
    assert tally.counts[Outcome.BOTH_ERROR] <= total * 0.03
    assert tally.counts[Outcome.DISPUTED] <= total * 0.002
    sensitive = tally.shapes[generator.SENSITIVE]
    assert sensitive >= total * 0.7, "most statements must tell hidden rows apart"


def _small(
    world: World, shim: Connection, statement: Statement, verdict: Verdict
) -> str:
    """The report of a failure as found, and of the smallest one like it."""
    ordered = "order" in verdict.reason
    as_found = (verdict.got.error, verdict.expected.error)

    def fails(candidate: Statement) -> bool:
        candidate = replace(candidate, ordered=ordered and candidate.ordered)
        found = judge(world, shim, candidate)
        errors = (found.got.error, found.expected.error)
        return found.outcome is verdict.outcome and errors == as_found

    small = shrunk(statement, fails)
    again = judge(world, shim, small)
    return f"{report(statement, verdict)}\nshrunk: {report(small, again)}"


def test_queries(world: World, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)
    missing = {s: tally.shapes[s] for s in QUERY_SHAPES if tally.shapes[s] < 10}
    assert not missing, "shapes that were hardly tried"


def test_writes(world: World, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    missing = {s: tally.shapes[s] for s in WRITE_SHAPES if tally.shapes[s] < 3}
    assert not missing, "shapes that were hardly tried"


@pytest.mark.fuzz
def test_many_more(world: World, shim: Connection) -> None:
    """As many statements as asked for, of a seed of one's own."""
    count = int(os.environ.get("KYSERA_FUZZ_QUERIES", "30000"))
    seed = int(os.environ.get("KYSERA_FUZZ_SEED", "0")) or random.randrange(1, 10**9)
    print(f"KYSERA_FUZZ_SEED={seed} KYSERA_FUZZ_QUERIES={count}")
    tally = tallied(world, shim, generator.queries(seed, count, world))
    check(world, shim, tally, seed=seed)
    tally = tallied(world, shim, generator.writes(seed, count // 5, world))
    check(world, shim, tally, seed=seed)


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
        assert entry.empty or _tells(verdict), f"the statement shows nothing\n{text}"


def _tells(verdict: Verdict) -> bool:
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
