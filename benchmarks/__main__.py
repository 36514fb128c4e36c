"""``make bench``: the shim against the raw driver; a table, and results.md."""

import argparse
import platform
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.beside import beside
from benchmarks.importing import import_seconds, imports_sqlglot
from benchmarks.pairs import Ratio, ratio
from benchmarks.planning import new_literal, new_shape
from benchmarks.rows import Row, rows
from benchmarks.shop import Shop, shop

RESULTS = Path(__file__).with_name("results.md")
HEAD = ("work", "target", "measured", "quartiles", "unfiltered text, raw")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; ``met`` is None where there is no target."""

    cells: tuple[str, str, str, str, str]
    met: bool | None


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are measured."""

    pairs: int
    times: int
    divisor: int = 1


FULL, QUICK = Effort(41, 200), Effort(3, 5, divisor=20)


def compiled() -> bool:
    """Whether the parser is the compiled one."""
    spec = find_spec("sqlglot.parser")
    return spec is not None and not str(spec.origin).endswith(".py")


def lines(effort: Effort, only: str) -> Iterator[Line]:
    """Measure, line by line."""
    made = shop()
    for row in rows(made):
        if only in row.name:
            yield _measured(row, effort)
    for name, ours, theirs in beside():
        if only in name:
            found = ratio(ours, theirs, pairs=effort.pairs, calls=100 // effort.divisor)
            yield Line((name, "", f"{found.value:.2f}", _spread(found), ""), None)
    for name, target, unit, measure in _planning(made, effort):
        if only in name:
            yield _absolute(name, target, measure(), unit)


Absolute = tuple[str, float, str, Callable[[], float]]


def _planning(made: Shop, effort: Effort) -> Iterator[Absolute]:
    build, literal, shape = ("compiled", 40, 1.5) if compiled() else ("pure", 60, 5)

    def literals() -> float:
        return new_literal(made, times=effort.times * 10) * 1e6

    def shapes() -> float:
        return new_shape(made, times=effort.times) * 1e3

    def importing() -> float:
        return import_seconds(times=max(1, effort.times // 10)) * 1e3

    yield f"a new literal in a known shape, sqlglot {build}", literal, "us", literals
    yield f"a new shape of three blocks, sqlglot {build}", shape, "ms", shapes
    yield "import kysera_dbapi", 60, "ms", importing


def _measured(row: Row, effort: Effort) -> Line:
    calls = max(1, row.calls // effort.divisor)
    found = ratio(row.ours, row.theirs, pairs=effort.pairs, calls=calls)
    beside_ = ""
    if row.unfiltered is not None:
        other = ratio(row.unfiltered, row.theirs, pairs=effort.pairs, calls=calls)
        beside_ = f"{other.value:.2f}"
    target = f"<= {row.target}" if row.target else ""
    met = round(found.value, 2) <= row.target if row.target else None
    return Line((row.name, target, f"{found.value:.2f}", _spread(found), beside_), met)


def _absolute(name: str, target: float, value: float, unit: str) -> Line:
    cells = (name, f"<= {target} {unit}", f"{value:.1f} {unit}", "", "")
    return Line(cells, value <= target)


def _spread(found: Ratio) -> str:
    return f"{found.low:.2f} to {found.high:.2f}"


def shown(found: list[Line]) -> Table:
    """The table for the terminal: green where a target is met, red where not."""
    table = Table(*HEAD)
    for line in found:
        colour = {True: "green", False: "red", None: ""}[line.met]
        work, target, value, *rest = line.cells
        table.add_row(work, target, f"[{colour}]{value}[/]" if colour else value, *rest)
    return table


def written(found: list[Line]) -> str:
    """The text of results.md."""
    build = "compiled" if compiled() else "pure"
    notes = [
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"sqlglot {version('sqlglot')} ({build}), {platform.machine()}.",
        "Ratios to the raw driver running the text that the shim sends, in memory: the",
        "median of interleaved pairs. Last column: the caller's own text, raw.",
        f"`import kysera_dbapi` loads sqlglot: {'yes' if imports_sqlglot() else 'no'}.",
    ]
    table = [HEAD, ("---",) * len(HEAD), *(line.cells for line in found)]
    rows_ = [f"| {' | '.join(cells)} |".replace("  |", " |") for cells in table]
    return "\n".join(["# Results", "", *notes, "", *rows_, ""])


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, no file")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    options = parser.parse_args()
    found: list[Line] = []
    with Progress() as progress:
        task = progress.add_task("measuring", total=None)
        for line in lines(QUICK if options.quick else FULL, options.only):
            found.append(line)
            progress.update(task, description=f"{line.cells[0]}: {line.cells[2]}")
    Console().print(shown(found))
    if not (options.quick or options.only):
        RESULTS.write_text(written(found), encoding="utf-8")


if __name__ == "__main__":
    main()
