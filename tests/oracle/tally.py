"""What came of many statements; failures are shrunk and shown."""

import os
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from tests.oracle import generator
from tests.oracle.compare import (
    BAD,
    Connection,
    Outcome,
    Verdict,
    judge,
    report,
    table_of,
)
from tests.oracle.draft import Statement
from tests.oracle.shrink import shrunk
from tests.oracle.world import World

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


def check_tried(tally: Tally, shapes: Iterable[str], least: int) -> None:
    """Each of the shapes was tried that often."""
    missing = {s: tally.shapes[s] for s in shapes if tally.shapes[s] < least}
    assert not missing, "shapes that were hardly tried"


def try_many(world: World, shim: Connection) -> None:
    """As many statements as asked for, of a seed of one's own."""
    count = int(os.environ.get("KYSERA_FUZZ_QUERIES", "30000"))
    seed = int(os.environ.get("KYSERA_FUZZ_SEED", "0")) or random.randrange(1, 10**9)
    print(f"KYSERA_FUZZ_SEED={seed} KYSERA_FUZZ_QUERIES={count}")
    tally = tallied(world, shim, generator.queries(seed, count, world))
    check(world, shim, tally, seed=seed)
    tally = tallied(world, shim, generator.writes(seed, count // 5, world))
    check(world, shim, tally, seed=seed)


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
