"""A small database whose protected table hides a row, for tests of the connection."""

import sqlite3
from typing import Any

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

__all__ = [
    "HIDDEN",
    "IDS",
    "LIVE",
    "SCHEMA",
    "SECRET",
    "letters",
    "plugin",
    "plugin_before",
    "stored",
]

SECRET = "hidden text"
SCHEMA = f"""
CREATE TABLE letters (id INTEGER PRIMARY KEY, body, deleted_at TEXT);
CREATE TABLE pages (id INTEGER PRIMARY KEY, letter REFERENCES letters, deleted_at TEXT);
CREATE TABLE log (id INTEGER PRIMARY KEY, body);
INSERT INTO letters VALUES
    (1, 'one', NULL), (2, '{SECRET}', '2024-01-01'), (3, 'three', NULL);
INSERT INTO pages VALUES (1, 1, NULL), (2, 1, NULL), (3, 3, NULL), (4, 3, '2024-01-01');
INSERT INTO log VALUES (1, 'open');
"""
IDS = "SELECT id FROM letters ORDER BY id"
LIVE = [(1,), (3,)]
HIDDEN = 2


def plugin(action: Any = "cascade") -> SoftDelete:
    """Soft delete of letters and their pages."""
    return SoftDelete(["letters", "pages"], foreign_keys={"pages.letter": action})


class _Late(SoftDelete):
    """Soft delete that does not ask whether the tables are there."""

    def on_init(self, host: Any) -> None:
        """Nothing is there to be checked."""

    def on_catalogue(self, host: Any) -> None:
        """Nor later."""


def plugin_before() -> SoftDelete:
    """Soft delete of letters and their pages, on a database without them as yet."""
    return _Late(["letters", "pages"], foreign_keys={"pages.letter": "cascade"})


def letters(action: Any = "cascade", **options: Any) -> Any:
    """A wrapped connection to a new database in memory."""
    raw = sqlite3.connect(":memory:", **options)
    raw.executescript(SCHEMA)
    return kysera_dbapi.wrap(raw, plugins=[plugin(action)])


def stored(connection: Any, table: str = "letters") -> list[tuple[int, bool]]:
    """The ids of all rows of a table, past every filter, and whether they are live."""
    rows = connection.unwrap().execute(
        f"SELECT id, deleted_at IS NULL FROM {table} ORDER BY id"
    )
    return [(row[0], bool(row[1])) for row in rows]
