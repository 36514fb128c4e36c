"""Measure the shim against the raw driver: a table, and results.md."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import kysera_dbapi
from benchmarks.beside import beside
from benchmarks.importing import importing
from benchmarks.mysql import mysql
from benchmarks.pairs import FULL, QUICK, Effort
from benchmarks.planning import planning
from benchmarks.postgresql import postgresql
from benchmarks.report import Line, markdown, table
from benchmarks.rows import Row, rows

RESULTS = Path(__file__).with_name("results.md")


def every() -> Iterator[Row]:
    """All rows of the table."""
    yield from rows()
    yield from planning()
    yield from importing()
    yield from beside()
    yield from postgresql()
    yield from mysql()


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows whose name holds one of ``names``; all, if there are none."""
    return [r for r in every() if not names or any(n in r.name for n in names)]


def measured(wanted: Sequence[Row], effort: Effort) -> list[Line]:
    """Measure, and show how far it has come."""
    lines: list[Line] = []
    # a display that refreshes itself would take time from what is measured
    with Progress(auto_refresh=False) as progress:
        task = progress.add_task("", total=len(wanted))
        for row in wanted:
            progress.update(task, description=row.name, refresh=True)
            lines.append(Line(row, row.measure(effort)))
            progress.update(task, advance=1, refresh=True)
    return lines


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="Without names all rows are measured, which takes about six minutes, "
        f"and {RESULTS.name} is written. make bench ARGS='--quick fetch'",
    )
    parser.add_argument("names", nargs="*", help="rows whose name holds one of these")
    parser.add_argument("--list", action="store_true", help="only list the rows")
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: does it run at all?"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help=f"where the results go; without it {RESULTS.name} is written by whole "
        "runs alone",
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print a table, write the results."""
    given = options()
    wanted = chosen(given.names)
    if not wanted:
        print(f"no row's name holds {' or '.join(given.names)}; see --list")
        return 2
    if given.list:
        print("\n".join(row.name for row in wanted))
        return 0
    with kysera_dbapi.context(tenant_id=1):
        lines = measured(wanted, QUICK if given.quick else FULL)
        written = markdown(lines)  # it runs again what has missed its target
    Console().print(table(lines))
    output = given.output
    if output is None and not (given.quick or given.names):
        output = RESULTS
    if output is not None:
        output.write_text(written, encoding="utf-8")
        print(f"written to {output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
