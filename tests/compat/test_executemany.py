"""executemany takes rows of every kind, as the driver does."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kysera_dbapi import sqlite3 as shim
from kysera_dbapi.plugins import SoftDelete
from tests.compat.shop import PROTECTED, create, visible

DELETE = "DELETE FROM orders WHERE id = :id"
UPDATE = "UPDATE orders SET total = :total WHERE id = :id"
INSERT = "INSERT INTO orders (id, total) VALUES (:id, :total)"
ROWS: list[dict[str, int]] = [{"id": 1, "total": 7}, {"id": 2, "total": 8}]
NEW: list[dict[str, int]] = [{"id": 20, "total": 7}, {"id": 21, "total": 8}]


class Defaults(dict[str, int]):
    """A mapping that has every name."""

    def __missing__(self, key: str) -> int:
        return 4


def generated(rows: Iterable[Any]) -> Iterable[Any]:
    """The same, but read once."""
    yield from rows


CASES: list[tuple[str, list[Any]]] = [
    (DELETE, ROWS),
    (DELETE, [OrderedDict(row) for row in ROWS]),
    (DELETE, [Defaults()]),
    (DELETE.replace(":", "@"), ROWS),
    (DELETE.replace(":", "$"), ROWS),
    (DELETE.replace(":id", "?"), [(1,), [4]]),
    (DELETE.replace(":id", "?"), ["1", "4"]),
    (DELETE.replace(":id", "?1") + " OR id = ?1 + 3", [(1,)]),
    ("DELETE FROM orders", [()]),
    ("DELETE FROM orders", [{}]),
    ("DELETE FROM orders", []),
    (UPDATE, ROWS),
    (UPDATE.replace(":total", "?").replace(":id", "?"), [(7, 1), (8, 2)]),
    (INSERT, NEW),
    (INSERT.replace(":id", "?").replace(":total", "?"), [(20, 7), (21, 8)]),
]


@pytest.mark.parametrize(("sql", "rows"), CASES)
def test_rows_of_every_kind_are_bound(
    sql: str, rows: list[Any], tmp_path: Path
) -> None:
    filtered = create(tmp_path, "filtered", filtered=True)
    full = create(tmp_path, "full", filtered=False)
    seen: list[Any] = []
    with closing(sqlite3.connect(filtered)) as raw, closing(connected(full)) as wrapped:
        for connection in (raw, wrapped):
            with connection:
                cursor = connection.executemany(sql, generated(rows))
                seen.append((cursor.rowcount, connection.total_changes))
    assert seen[0] == seen[1]
    assert visible(full) == visible(filtered)


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        (DELETE, {"other": 1}),
        (DELETE.replace(":id", "?"), {"id": 1}),
        (DELETE.replace(":id", "?"), (1, 2)),
        (DELETE.replace(":id", "?"), 1),
        ("DELETE FROM orders", (1,)),
    ],
)
def test_a_wrong_row_is_the_driver_s_error_and_changes_nothing(
    sql: str, row: Any, tmp_path: Path
) -> None:
    full = create(tmp_path, "full", filtered=False)
    before = visible(full)
    with closing(connected(full)) as connection:
        with pytest.raises(sqlite3.ProgrammingError), connection:
            connection.executemany(sql, [row])
        with pytest.raises(sqlite3.ProgrammingError), connection:
            connection.execute(sql, row)
    assert visible(full) == before


def connected(path: Path) -> Any:
    """A wrapped connection to a shop."""
    return shim.connect(path, plugins=[SoftDelete(tables=PROTECTED)])
