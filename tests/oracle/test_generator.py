"""The test of the test: statements have one answer, and a bad rewriter is caught."""

import sqlite3
from collections import Counter

import pytest

from tests.oracle import generator
from tests.oracle.compare import BAD, Connection, Outcome, judge, report
from tests.oracle.corpus import CORPUS
from tests.oracle.draft import Statement
from tests.oracle.schema import PROTECTED
from tests.oracle.shrink import shrunk
from tests.oracle.world import World, quoted

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
SEED = 7


@pytest.fixture(scope="module")
def queries(world: World) -> list[Statement]:
    return list(generator.queries(SEED, 400, world))


def outcomes(
    world: World, shim: Connection, statements: list[Statement]
) -> Counter[Outcome]:
    return Counter(judge(world, shim, statement).outcome for statement in statements)


def caught(counts: Counter[Outcome]) -> float:
    return sum(counts[outcome] for outcome in BAD) / counts.total()


def test_a_seed_gives_the_same_statements(world: World) -> None:
    again = World()
    for number in range(40):
        one = generator.query(SEED, number, world)
        assert one == generator.query(SEED, number, again)
        assert generator.write(SEED, number, world) == generator.write(
            SEED, number, again
        )
    again.close()


def test_filtered_views_give_what_the_copy_gives(
    world: World, queries: list[Statement]
) -> None:
    """Both are what soft delete is defined by; a view has no index to name."""
    plain = [query for query in queries if "INDEXED BY" not in query.shapes]
    counts = outcomes(world, world.views, plain)
    assert counts[Outcome.EQUAL] + counts[Outcome.BOTH_ERROR] == len(plain), counts
    assert counts[Outcome.EQUAL] >= len(plain) * 0.97


def test_no_rewriting_is_caught(world: World, queries: list[Statement]) -> None:
    counts = outcomes(world, world.full, queries)
    assert caught(counts) > 0.85, counts
    assert counts[Outcome.LEAKED] > counts.total() * 0.3, counts


def test_writes_without_rewriting_are_caught(world: World) -> None:
    writes = list(generator.writes(SEED, 300, world))
    counts = outcomes(world, world.full, writes)
    assert caught(counts) > 0.7, counts
    deletes = [w for w in writes if w.kind == "delete" and w.target in PROTECTED]
    assert caught(outcomes(world, world.full, deletes)) > 0.85


def test_names_that_are_not_looked_up_are_caught(
    world: World, queries: list[Statement]
) -> None:
    """Temporary views filter bare names alone; `main.orders` goes round them."""
    shim = sqlite3.connect(":memory:")
    world.full.backup(shim)
    for table, mark in PROTECTED.items():
        name = quoted(table)
        shim.execute(
            f"CREATE TEMP VIEW {name} AS SELECT * FROM main.{name} WHERE {mark.live()}"
        )
    qualified = [q for q in queries if "schema-qualified table" in q.shapes]
    assert caught(outcomes(world, shim, qualified)) > 0.3
    shim.close()


@pytest.mark.parametrize("table", PROTECTED)
def test_one_table_left_out_is_caught(
    world: World, queries: list[Statement], table: str
) -> None:
    shim = sqlite3.connect(":memory:")
    world.views.backup(shim)
    name, base = quoted(table), quoted(f"{table} with hidden rows")
    shim.execute(f"DROP VIEW {name}")
    shim.execute(f"CREATE VIEW {name} AS SELECT * FROM {base}")
    plain = [query for query in queries if "INDEXED BY" not in query.shapes]
    counts = outcomes(world, shim, plain)
    shim.close()
    assert sum(counts[outcome] for outcome in BAD) >= 8, counts


def test_the_corpus_tells_hidden_rows_apart(world: World) -> None:
    plain = [e.statement() for e in CORPUS if not e.refused and e.kind == "query"]
    counts = outcomes(world, world.full, plain)
    assert caught(counts) > 0.95, counts
    assert counts[Outcome.BOTH_ERROR] == 0


def test_a_failure_is_shrunk(world: World, queries: list[Statement]) -> None:
    def leaks(candidate: Statement) -> bool:
        return judge(world, world.full, candidate).outcome is Outcome.LEAKED

    long = next(q for q in queries if len(q.sql) > 400 and leaks(q))
    small = shrunk(long, leaks)
    assert leaks(small)
    assert len(small.sql) < 100, small.sql
    assert "leaked" in report(small, judge(world, world.full, small))
