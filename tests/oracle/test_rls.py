"""Row-level security and soft delete, against the rows of one tenant alone."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.oracle import generator
from tests.oracle.compare import BAD, Connection, Outcome, ask, judge, report
from tests.oracle.corpus_rls import FOUND, LIMITED, TAKEN, executions
from tests.oracle.entries import Entry
from tests.oracle.shapes import QUERY_SHAPES, TENANT_SHAPES, WRITE_SHAPES
from tests.oracle.tally import check, check_tried, tallied, try_many
from tests.oracle.tenants import OTHER, Tenants, as_tenant, security
from tests.oracle.world import GHOST, soft_delete

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
    ),
]
SEED = 20_260_301
QUERIES = 3_000
WRITES = 600
SHARED = 150


@pytest.fixture(scope="module")
def world() -> Iterator[Tenants]:
    made = Tenants()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shim(world: Tenants) -> Connection:
    return as_tenant(world.full)


def test_queries(world: Tenants, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, QUERY_SHAPES, 10)


def test_writes(world: Tenants, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, (*WRITE_SHAPES, *TENANT_SHAPES), 3)


@pytest.mark.parametrize("entry", [*FOUND, *LIMITED], ids=lambda e: cast("Entry", e).id)
def test_corpus(world: Tenants, shim: Connection, entry: Entry) -> None:
    if entry in LIMITED and "ENABLE_UPDATE_DELETE_LIMIT" not in world.options:
        pytest.skip("this SQLite has no LIMIT on UPDATE and DELETE")
    verdict = judge(world, shim, entry.statement())
    assert verdict.outcome is Outcome.EQUAL, report(entry.statement(), verdict)


@pytest.mark.parametrize("once", [False, True], ids=["list", "iterator"])
def test_many_executions(world: Tenants, shim: Connection, once: bool) -> None:
    for statement in executions(once=once):
        verdict = judge(world, shim, statement)
        assert verdict.outcome is Outcome.EQUAL, report(statement, verdict)


@pytest.mark.parametrize(
    ("expected", "entry"),
    [(error, entry) for error, taken in TAKEN.items() for entry in taken],
    ids=lambda value: getattr(value, "id", value),
)
def test_a_key_that_a_hidden_row_has(
    world: Tenants, shim: Connection, expected: str, entry: Entry
) -> None:
    """An error that shows nothing of the row, and no row changed."""
    before = world.contents(world.full)
    answer = ask(shim, entry.statement())
    after = world.contents(world.full)
    shim.rollback()
    world.reset()
    assert answer.error == expected, answer
    assert after == before
    for shown in (GHOST, "101", "ann", "-2", "8", "103"):
        assert shown not in answer.message.lower(), answer


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_tenants_share_plans(world: Tenants, mode: Any) -> None:
    """Each text again and again, for one tenant and the other in turn."""
    other = Tenants(OTHER)
    plugins = [soft_delete(), security(functions=False)]
    shim: Any = kysera_dbapi.wrap(world.full, plugins=plugins, mode=mode)
    counts: Counter[Outcome] = Counter()
    for query in generator.queries(SEED + 1, SHARED, world):
        for theirs in (world, other, world, other):
            with kysera_dbapi.context(**theirs.context):
                verdict = judge(theirs, shim, query)
            assert verdict.outcome not in BAD, report(query, verdict)
            counts[verdict.outcome] += 1
    other.close()
    assert counts[Outcome.EQUAL] >= counts.total() * 0.99, counts


def test_no_security_is_caught(world: Tenants) -> None:
    """The test of the test: raw statements fail it, and filtered views do not."""
    queries = [
        query
        for query in generator.queries(SEED + 2, 200, world)
        if "INDEXED BY" not in query.shapes  # a view has no index to name
    ]
    raw = Counter(judge(world, world.full, query).outcome for query in queries)
    assert sum(raw[outcome] for outcome in BAD) > len(queries) * 0.85, raw
    assert raw[Outcome.LEAKED] > len(queries) * 0.3, raw
    views = Counter(judge(world, world.views, query).outcome for query in queries)
    assert views[Outcome.EQUAL] >= len(queries) * 0.97, views
    writes = list(generator.writes(SEED + 2, 200, world))
    raw = Counter(judge(world, world.full, write).outcome for write in writes)
    assert sum(raw[outcome] for outcome in BAD) > len(writes) * 0.7, raw


@pytest.mark.fuzz
def test_many_more(world: Tenants, shim: Connection) -> None:
    try_many(world, shim)
