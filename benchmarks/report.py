"""The table: for the terminal in colour, for results.md in Markdown."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.table import Table

from benchmarks.new_shapes import is_compiled
from benchmarks.pinning import said
from benchmarks.rows import Figure, Row

__all__ = ["Line", "markdown", "table"]

_HEAD = ("work", "target", "measured", "95 % interval", "unfiltered")
_NOTES = """\
Ratios to the raw driver, which runs the very text and values that the shim sends; in
memory; medians of interleaved pairs, in the processor's time, and between what the
median lies. "unfiltered" is the caller's own text on the raw driver, as a ratio to the
same baseline. SQLAlchemy's rows are ratios to SQLAlchemy without a filter. Those of
servers are taken over loopback, in the clock's time: what else the machine does is in
them."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row that was measured."""

    row: Row
    figure: Figure

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return round(self.figure.value, 2) <= self.row.target or not self.row.target

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        row, figure = self.row, self.figure
        other = figure.unfiltered
        return (
            row.name,
            f"<= {row.target:g}{self._unit}" if row.target else "",
            f"{figure.value:.2f}{self._unit}",
            f"{figure.low:.3f} to {figure.high:.3f}",
            "" if other is None else f"{other:.2f}",
        )

    @property
    def _unit(self) -> str:
        return f" {self.row.unit}" if self.row.unit else ""


def table(lines: Sequence[Line]) -> Table:
    """The table for the terminal: green where a target is met, red where not."""
    made = Table(title="the shim against the raw driver")
    for name in _HEAD:
        made.add_column(name, overflow="fold")
    for line in lines:
        colour = "" if not line.row.target else "green" if line.met else "bold red"
        work, target, value, *rest = line.cells
        made.add_row(work, target, f"[{colour}]{value}[/]" if colour else value, *rest)
    return made


def markdown(lines: Sequence[Line]) -> str:
    """The text of results.md, with a profile of each row that missed its target."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(line.cells for line in lines)]
    listed = [f"| {' | '.join(cells)} |".replace("  |", " |") for cells in rows]
    notes = f"{_NOTES} {said()}".rstrip()
    parts = ["# Results", notes, machine(), "\n".join(listed)]
    for line in lines:
        if not line.met and line.figure.profile is not None:
            profile = line.figure.profile()
            parts += [f"## {line.row.name}: missed", f"```text\n{profile}```"]
    return "\n\n".join(parts) + "\n"


def machine() -> str:
    """What the figures are of."""
    build = "compiled" if is_compiled() else "pure"
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, sqlglot "
        f"{version('sqlglot')} ({build}), wrapt {version('wrapt')}, psycopg "
        f"{version('psycopg')}, PyMySQL {version('pymysql')}, SQLAlchemy "
        f"{version('sqlalchemy')}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if "model name" in line]
    return names[0] if names else platform.machine()
