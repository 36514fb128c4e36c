"""A shop with deleted rows; each of them holds the word `ghost`."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import kysera_dbapi
from kysera_dbapi.mode import Mode
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.plugins import SoftDelete
from tests.oracle.world import GHOST

PROTECTED = ("orders", "notes", "kids", "Order Details")

SCHEMA = f"""
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, comment TEXT, total INTEGER, deleted_at);
CREATE INDEX orders_comment ON orders (comment);
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, deleted_at);
CREATE VIRTUAL TABLE docs USING fts5(body, content='notes', content_rowid='id');
CREATE TABLE "Order Details" (id INTEGER PRIMARY KEY, comment TEXT, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE kids (
    id INTEGER PRIMARY KEY,
    parent REFERENCES parents (id) ON DELETE CASCADE ON UPDATE CASCADE,
    comment TEXT,
    deleted_at);
CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER);
CREATE VIEW everything AS SELECT * FROM orders;
CREATE VIEW beneath AS SELECT * FROM everything;
CREATE VIEW indexed AS SELECT * FROM docs;
CREATE VIEW called AS SELECT * FROM main.docs('{GHOST}');
CREATE VIEW sought AS SELECT text FROM log WHERE text NOT IN docs('{GHOST}');
CREATE VIEW messages AS SELECT id, text FROM log;
CREATE TRIGGER counters_update AFTER UPDATE ON counters BEGIN
    INSERT INTO log SELECT 100 + id, comment FROM orders; END;
CREATE TRIGGER counters_delete AFTER DELETE ON counters BEGIN
    INSERT INTO log SELECT 200 + id, comment FROM everything; END;
CREATE TRIGGER messages_insert INSTEAD OF INSERT ON messages BEGIN
    UPDATE counters SET n = n + 1; END;
INSERT INTO orders VALUES
    (1, 'one', 10, NULL), (2, 'two', 20, NULL), (3, '{GHOST} three', 30, 'before');
INSERT INTO notes VALUES (1, 'live note', NULL), (2, '{GHOST} note', 'before');
INSERT INTO docs (docs) VALUES ('rebuild');
INSERT INTO "Order Details" VALUES (1, 'x', NULL), (2, '{GHOST} y', 'before');
INSERT INTO log VALUES (1, 'first'), (2, 'second');
INSERT INTO parents VALUES (1), (2);
INSERT INTO kids VALUES (1, 1, 'live', NULL), (2, 1, '{GHOST} kid', 'before');
INSERT INTO counters VALUES (1, 1);
"""


def connect(
    *,
    mode: Mode = "normal",
    before: str = "",
    accept: Iterable[str] = (),
    database: str = ":memory:",
    beside: Iterable[Plugin] = (),
) -> Any:
    """A wrapped connection to a new shop; ``before`` runs on it raw."""
    raw = sqlite3.connect(database, isolation_level=None)
    raw.executescript(SCHEMA + before)
    plugin = SoftDelete(PROTECTED, accept_triggers=tuple(accept))
    return kysera_dbapi.wrap(raw, plugins=[plugin, *beside], mode=mode)


def hidden(connection: Any) -> list[list[Any]]:
    """The deleted rows, past every filter."""
    raw = connection.unwrap()
    return [
        raw.execute(f'SELECT * FROM main."{table}" WHERE deleted_at = ?', ("before",))
        .fetchall()
        for table in PROTECTED
    ]  # fmt: skip


def shows_ghosts(rows: Iterable[Iterable[object]]) -> bool:
    """Whether a deleted row can be seen in the rows."""
    return any(GHOST in str(value).lower() for row in rows for value in row)


def leaks(connection: Any) -> list[str]:
    """The relations by which a deleted row is seen through the connection."""
    raw = connection.unwrap()
    names = [
        f'{schema}."{name}"'
        for schema, master in (
            ("main", "sqlite_master"),
            ("temp", "sqlite_temp_master"),
        )
        for (name,) in raw.execute(
            f"SELECT name FROM {master} WHERE type IN ('table', 'view')"
        ).fetchall()
    ]
    found: list[str] = []
    for name in names:
        for text in (name, name.partition(".")[2]):
            try:
                rows = connection.execute(f"SELECT * FROM {text}").fetchall()
            except sqlite3.Error:
                continue
            found += [text] if shows_ghosts(rows) else []
    return found


def refused(connection: Any, sql: str) -> str:
    """The code by which a statement is refused, having reached nothing."""
    seen: list[str] = []
    connection.unwrap().set_trace_callback(seen.append)
    try:
        connection.execute(sql).fetchall()
    except kysera_dbapi.UnsupportedStatement as error:
        ours = ("PRAGMA ", "SELECT type || ''")
        assert [text for text in seen if not text.startswith(ours)] == []
        return error.code
    finally:
        connection.unwrap().set_trace_callback(None)
    return ""
