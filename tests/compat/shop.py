"""A shop with deleted rows, its physically filtered copy, and programs run on both."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from kysera_dbapi.plugins import SoftDelete

__all__ = [
    "PROTECTED",
    "RAW",
    "Driver",
    "Program",
    "check",
    "create",
    "hidden",
    "soft_delete",
    "visible",
]

PROTECTED = ("customers", "orders")

# The highest id of each table is a live row's: SQLite gives the next one by it.
_SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, deleted_at TEXT
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER, total INTEGER NOT NULL, deleted_at TEXT
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE notes (id INTEGER PRIMARY KEY, order_id INTEGER, body TEXT);
INSERT INTO customers VALUES
    (1, 'Ada', 'London', NULL), (2, 'Bob', 'Paris', '2024-01-02'),
    (3, 'Cyd', 'Paris', NULL), (4, 'Dan', NULL, '2024-02-03'), (5, 'Eve', NULL, NULL);
INSERT INTO orders VALUES
    (1, 1, 10, NULL), (2, 1, 25, '2024-03-01'), (3, 2, 30, NULL), (4, 3, 45, NULL),
    (5, 3, 50, '2024-03-02'), (6, 4, 60, '2024-02-03'), (7, NULL, 75, NULL),
    (8, 5, 80, NULL), (9, 5, 90, NULL);
INSERT INTO notes VALUES (1, 1, 'gift'), (2, 2, 'lost'), (3, 4, 'late'), (4, 9, NULL);
"""


def soft_delete() -> SoftDelete:
    """Soft delete on the shop's tables, which tables of the programs refer to."""
    keys = ("reviews.order_id", "django_program_review.order_id")
    return SoftDelete(tables=PROTECTED, foreign_keys=dict.fromkeys(keys, "ignore"))


@dataclass(frozen=True)
class Driver:
    """A DB-API module, what to give its ``connect``, and where it is in force."""

    module: Any
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    installed: Callable[[], AbstractContextManager[Any]] = nullcontext

    def connect(self, path: Path, **kwargs: Any) -> Any:
        """A connection to the database in ``path``."""
        return self.module.connect(str(path), **self.options, **kwargs)


RAW = Driver(sqlite3)

#: What is compared is what the program gives back.
Program: TypeAlias = Callable[[Driver, Path], list[Any]]


def create(folder: Path, name: str, *, filtered: bool) -> Path:
    """A new shop; in a filtered one the deleted rows do not exist."""
    path = folder / f"{name}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
        for table in PROTECTED if filtered else ():
            connection.execute(f"DELETE FROM {table} WHERE deleted_at IS NOT NULL")
        connection.commit()
    return path


def check(program: Program, shim: Driver, folder: Path) -> None:
    """The shim on the full shop gives what the driver gives on the filtered one."""
    filtered = create(folder, "filtered", filtered=True)
    full = create(folder, "full", filtered=False)
    unseen = hidden(full)
    expected = program(RAW, filtered)
    assert program(RAW, create(folder, "raw", filtered=False)) != expected, (
        "the program does not notice deleted rows, so it proves nothing"
    )
    with shim.installed():
        got = program(shim, full)
    assert got == expected, _first_difference(got, expected)
    assert visible(full) == visible(filtered)
    assert unseen.items() <= hidden(full).items()
    assert len(hidden(full)) > len(unseen), "no DELETE became an UPDATE"


def _first_difference(got: list[Any], expected: list[Any]) -> str:
    pairs = zip(got, expected, strict=False)
    found = ((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    number, (ours, theirs) = next(found, (len(expected), ("", "")))
    return f"answer {number}: {ours!r} instead of {theirs!r}"


def visible(path: Path) -> dict[str, list[Any]]:
    """The rows that are not deleted, in every table."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
            )
        ]
        return {name: _rows(connection, name, "NULL") for name in names}


def hidden(path: Path) -> dict[tuple[str, int], Any]:
    """The deleted rows, by table and id."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            (table, row[0]): row
            for table in PROTECTED
            for row in _rows(connection, table, "NOT NULL")
        }


def _rows(connection: sqlite3.Connection, table: str, deleted: str) -> list[Any]:
    where = f"WHERE deleted_at IS {deleted}" if table in PROTECTED else ""
    return connection.execute(f'SELECT * FROM "{table}" {where} ORDER BY 1').fetchall()
