"""A dump holds what the caller may see, whatever the version's iterdump asks."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kysera_dbapi import sqlite3 as shim
from kysera_dbapi.dump import Reader, violations
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.plugins.soft_delete import OnDelete

SCHEMA = """
CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER UNIQUE, deleted_at TEXT);
CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER {first}, deleted_at TEXT);
CREATE TABLE c (id INTEGER PRIMARY KEY, x, y, FOREIGN KEY (x) REFERENCES b);
INSERT INTO a VALUES (1, 10, NULL), (2, 20, '2024-01-01');
INSERT INTO b VALUES {rows};
INSERT INTO c VALUES (1, {reference}, NULL), (2, NULL, NULL);
"""


def made(folder: Path, schema: str, *, filtered: bool) -> Path:
    """A database of ``schema``; in a filtered one the deleted rows do not exist."""
    path = folder / f"{filtered}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
        for table in "ab" if filtered else "":
            connection.execute(f"DELETE FROM {table} WHERE deleted_at IS NOT NULL")
        connection.commit()
    return path


@pytest.mark.parametrize(
    "first", ["REFERENCES a", "REFERENCES a(n)", "REFERENCES gone(id)", ""]
)
@pytest.mark.parametrize(
    "rows",
    ["(1, 1, NULL)", "(1, 2, NULL)", "(1, 2, 'x')", "(1, 10, NULL)", "(1, NULL, NULL)"],
)
@pytest.mark.parametrize("reference", ["1", "9"])
def test_a_dump_knows_the_violated_keys_among_the_visible_rows(
    first: str, rows: str, reference: str, tmp_path: Path
) -> None:
    schema = SCHEMA.format(first=first, rows=rows, reference=reference)
    with closing(sqlite3.connect(made(tmp_path, schema, filtered=True))) as raw:
        expected = raw.execute("PRAGMA foreign_key_check").fetchall() != []
        dump = list(raw.iterdump())
    keys: dict[str, OnDelete] = {"c.x": "ignore"}
    if first.startswith("REFERENCES a"):
        keys["b.a"] = "ignore"
    full = made(tmp_path, schema, filtered=False)
    with closing(connected(full, keys)) as connection:
        check = violations(
            connection._self_session.catalogue, connection._self_session.dialect
        )
        reader = Reader(connection.cursor(), check)
        found = reader.execute("PRAGMA foreign_key_check").fetchall()
        assert (found != []) == expected
        assert list(connection.iterdump()) == dump


def connected(path: Path, keys: dict[str, OnDelete]) -> Any:
    """A wrapped connection."""
    plugin = SoftDelete(tables=["a", "b"], foreign_keys=keys)
    return shim.connect(path, plugins=[plugin])
