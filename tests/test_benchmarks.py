"""``python -m benchmarks`` runs and writes its table; how fast is not tested."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks.pairs import QUICK, clock, compared, middle
from benchmarks.profiles import profiled
from benchmarks.report import Line, markdown
from benchmarks.rows import Figure, Row

ROOT = Path(__file__).parents[1]


def run(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def lines(text: str) -> list[list[str]]:
    """The cells of a table in Markdown, without its head."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_a_few_rows_are_measured_and_written(tmp_path: Path) -> None:
    before = (ROOT / "benchmarks" / "results.md").read_bytes()
    output = tmp_path / "results.md"
    names = ["point SELECT, no", "IN of 1,000 new", "compiled", "shim, join"]
    done = run("--quick", "--output", str(output), *names)
    assert done.returncode == 0, done.stderr
    found = lines(output.read_text(encoding="utf-8"))
    listed = run("--list", *names).stdout.splitlines()
    assert [cells[0] for cells in found] == listed
    assert len(found) >= len(names)  # PostgreSQL has rows of such names, too
    assert all(float(cells[2].partition(" ")[0]) > 0 for cells in found)
    assert (ROOT / "benchmarks" / "results.md").read_bytes() == before


def test_a_name_that_no_row_has_is_an_error() -> None:
    done = run("no such row")
    assert done.returncode == 2
    assert "--list" in done.stdout


def busy(steps: int) -> Callable[[int], float]:
    def work(times: int) -> float:
        start = clock()
        for _ in range(times):
            sum(range(steps))
        return clock() - start

    return work


def test_a_ratio_is_of_the_work() -> None:
    value, low, high = middle(compared(busy(4_000), busy(1_000), QUICK).ratios)
    assert low <= value <= high
    assert 2 < value < 8


@pytest.mark.parametrize(("target", "missed"), [(1.0, True), (9.0, False), (0, False)])
def test_a_missed_target_comes_with_a_profile(target: float, missed: bool) -> None:
    row = Row("the row", target, lambda _: Figure(2.0, 1.9, 2.1))
    text = markdown(
        [Line(row, Figure(2.0, 1.9, 2.1, profile=partial(profiled, busy(10))))]
    )
    assert ("## the row: missed" in text) is missed
    assert ("function calls" in text) is missed


def test_a_profile_names_functions() -> None:
    assert "test_benchmarks.py" in profiled(busy(10))
