"""Ratios of the shim to the raw driver running the very text that the shim sends."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.progress import track
from rich.table import Table

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

PAIRS, REPEATS = 41, 2_000
Row = tuple[str, str, Callable[[], object], Callable[[], object]]


def connection() -> sqlite3.Connection:
    """A database in memory with 1,000 live and deleted orders."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at)")
    raw.executemany(
        "INSERT INTO orders VALUES (?, ?, ?)",
        [(i, i * 10, None if i % 3 else "x") for i in range(1_000)],
    )
    raw.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, text)")
    raw.execute("INSERT INTO log VALUES (1, 'a')")
    return raw


def rows() -> list[Row]:
    """What is measured: name, target, the shim's work, the raw driver's."""
    raw = connection()
    plugins = [SoftDelete(tables=["orders"])]
    wrapped = kysera_dbapi.wrap(connection(), plugins=plugins)
    mine, theirs = wrapped.cursor(), raw.cursor()
    found: list[Row] = []
    for name, target, sql in (
        ("point SELECT, untouched", "1.15", "SELECT text FROM log WHERE id = ?"),
        ("point SELECT, soft_delete", "1.25", "SELECT total FROM orders WHERE id = ?"),
    ):
        sent = wrapped.explain(sql).sql

        def ours(sql: str = sql) -> object:
            return mine.execute(sql, (1,)).fetchone()

        def driver(sql: str = sent) -> object:
            return theirs.execute(sql, (1,)).fetchone()

        found.append((name, target, ours, driver))
    return found


def ratio(ours: Callable[[], object], driver: Callable[[], object]) -> float:
    """The median of interleaved pairs."""
    return median(timed(ours) / timed(driver) for _ in range(PAIRS))


def timed(work: Callable[[], object]) -> float:
    """Seconds for many calls."""
    start = perf_counter()
    for _ in range(REPEATS):
        work()
    return perf_counter() - start


def main() -> None:
    """Measure, print a table, write the results."""
    table = Table("work", "target", "ratio")
    lines = ["# Results", "", "| work | target | ratio |", "| --- | --- | --- |"]
    for name, target, ours, driver in track(rows(), description="measuring"):
        value = f"{ratio(ours, driver):.2f}"
        table.add_row(name, f"<= {target}", value)
        lines.append(f"| SQLite in memory: {name} | <= {target} | {value} |")
    Console().print(table)
    text = "\n".join(lines) + "\n"
    Path(__file__).with_name("results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
