"""What a statement of a new shape costs, with each build of the parser."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.new_shapes import is_compiled
from benchmarks.pairs import Effort, middle
from benchmarks.rows import Figure, Row

__all__ = ["planning"]


def planning() -> Iterator[Row]:
    """A row for each build of the parser."""
    for build, target in (("compiled", 1.5), ("pure", 5.0)):
        missing = build == "compiled" and not is_compiled()
        yield _row(build, target, " (not installed: pure)" if missing else "")


def _row(build: str, target: float, note: str) -> Row:
    def measure(effort: Effort) -> Figure:
        times = min(300, effort.most)
        command = [sys.executable, "-m", "benchmarks.new_shapes", build, str(times)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return Figure(*middle([float(line) for line in done.stdout.split()]))

    name = f"a new shape of three blocks, sqlglot {build}{note}"
    return Row(name, target, measure, "ms")
