"""A database whose unique keys are held by live and by deleted rows, for revivals."""

import sqlite3
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import TombstoneConflict
from kysera_dbapi.plugins import SoftDelete

__all__ = [
    "CHOSEN",
    "LIVE",
    "SCHEMA",
    "TABLES",
    "fails",
    "filled",
    "own",
    "shown",
    "stored",
    "wrapped",
]

SCHEMA = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    email TEXT UNIQUE,
    phone TEXT UNIQUE,
    name TEXT NOT NULL DEFAULT 'nobody',
    rank INTEGER DEFAULT (1 + 1),
    size AS (length(name)),
    deleted_at TEXT
);
CREATE TABLE codes (
    region TEXT, code TEXT COLLATE NOCASE, title TEXT, gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (region, code)
) WITHOUT ROWID;
CREATE TABLE slots (
    uid TEXT PRIMARY KEY, room INTEGER, hour INTEGER DEFAULT 9, deleted_at TEXT
);
CREATE UNIQUE INDEX taken ON slots (room, hour) WHERE room > 0;
CREATE UNIQUE INDEX live ON slots (uid, room) WHERE deleted_at IS NULL;
CREATE TABLE "od d" ("the id" INTEGER PRIMARY KEY, "or der" TEXT, "set" DEFAULT 'x',
    deleted_at);
CREATE UNIQUE INDEX lowered ON "od d" (lower("or der"));
CREATE TABLE plain (id INTEGER PRIMARY KEY, note TEXT);
INSERT INTO plain VALUES (77, 'x');
INSERT INTO people (id, email, phone, name, rank, deleted_at) VALUES
    (1, 'ann', '11', 'Ann', 5, NULL), (2, 'gone', '22', 'ghost', 6, 'before'),
    (3, 'left', '33', 'ghost', 7, 'before'), (9, 'zoe', '99', 'Zoe', 8, NULL);
INSERT INTO codes VALUES ('eu', 'a', 'Ann', 0), ('eu', 'b', 'ghost', 1);
INSERT INTO slots VALUES
    ('u1', 1, 9, NULL), ('u2', 2, 9, 'before'), ('u3', 0, 9, 'before');
INSERT INTO "od d" VALUES (1, 'One', 'y', NULL), (2, 'Two', 'ghost', 'before');
"""
TABLES: Any = {
    "people": {},
    "codes": {"column": "gone", "flag": True},
    "slots": {},
    "od d": {},
}
LIVE = {
    "people": "deleted_at IS NULL",
    "codes": "gone = 0",
    "slots": "deleted_at IS NULL",
    '"od d"': "deleted_at IS NULL",
}


def filled(schema: str = SCHEMA, **options: Any) -> sqlite3.Connection:
    """A raw connection."""
    options.setdefault("isolation_level", None)
    raw: sqlite3.Connection = sqlite3.connect(":memory:", **options)
    raw.executescript(schema)
    return raw


def wrapped(schema: str = SCHEMA, *, mode: Any = "normal", **options: Any) -> Any:
    """One whose INSERTs revive rows."""
    plugin = SoftDelete(TABLES, revive=True)
    return kysera_dbapi.wrap(filled(schema, **options), plugins=[plugin], mode=mode)


#: A number that the database chooses differs: on the copy the row is a new one.
CHOSEN = {"people": "id", '"od d"': '"the id"'}


def shown(connection: Any, table: str, *, chosen: bool = True) -> list[Any]:
    """The visible rows of a table."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")]
    names = [f'"{name}"' for name in columns]
    if not chosen:
        names.remove(CHOSEN[table].strip('"').join('""'))
    sql = f"SELECT {', '.join(names)} FROM {table} WHERE {LIVE[table]}"
    return sorted(connection.execute(sql).fetchall(), key=repr)


def stored(connection: Any) -> list[Any]:
    """All rows of all tables, as they are stored."""
    raw = connection.unwrap()
    return [list(raw.execute(f"SELECT * FROM {table}")) for table in LIVE]


def fails(connection: Any, sql: str, values: Any = ()) -> Any:
    """The error, which is the driver's and has changed nothing."""
    before = stored(connection)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.execute(sql, values)
    assert stored(connection) == before
    assert "ghost" not in str(caught.value)
    return caught.value


def own(error: Any) -> str:
    """The text of an error that is the database's own."""
    assert not isinstance(error, TombstoneConflict)
    assert str(error.__cause__) == str(error)
    assert error.code == "integrity-error"
    assert error.sqlite_errorname.startswith("SQLITE_CONSTRAINT_")
    assert not hasattr(error, "__notes__")
    return str(error)
