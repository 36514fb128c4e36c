"""What a statement of a new shape costs, with each build of the parser."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.new_shapes import is_compiled
from benchmarks.pairs import Effort, middle
from benchmarks.rows import Figure, Row

__all__ = ["planning"]


def planning(database: str = "sqlite", prefix: str = "") -> Iterator[Row]:
    """A row for each build of the parser."""
    for build, target in (("compiled", 1.5), ("pure", 5.0)):
        missing = build == "compiled" and not is_compiled()
        note = " (not installed: pure)" if missing else ""
        name = f"{prefix}a new shape of three blocks, sqlglot {build}{note}"
        yield _row(name, target, build, database)


def _row(name: str, target: float, *wanted: str) -> Row:
    def measure(effort: Effort) -> Figure:
        times = str(min(300, effort.most))
        found = [float(line) for line in _said(*wanted, times).split()]
        profile = partial(_said, *wanted, times, "profile")
        return Figure(*middle(found), profile=profile)

    return Row(name, target, measure, "ms")


def _said(*wanted: str) -> str:
    module = [sys.executable, "-m", "benchmarks.new_shapes"]
    command = [*module, *wanted]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
