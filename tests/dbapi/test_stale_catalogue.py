"""The schema changed by another connection, which the shim does not see at work."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plugin import Event
from kysera_dbapi.plugins import SoftDelete

SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, total);
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'before'), (3, 30, NULL);
INSERT INTO log VALUES (1, 5), (2, 7);
"""
REPLACED = "DROP TABLE log; CREATE VIEW log AS SELECT id, total FROM orders;"


class Watching(SoftDelete):
    """Soft delete that sees statements run."""

    def __init__(self) -> None:
        super().__init__(["orders"])
        self.seen: list[str] = []

    def before_execute(self, event: Event) -> None:
        self.seen.append(event.sql)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript(SHOP)
    return file


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """A raw connection to the same file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        yield raw


def opened(path: Path, **options: Any) -> Any:
    options.setdefault("plugins", [SoftDelete(["orders"])])
    return kysera_dbapi.connect(sqlite3, path, isolation_level=None, **options)


@pytest.fixture(params=["plain", "hooked", "strict"])
def connection(path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    options: dict[str, Any] = {}
    if request.param == "hooked":
        options["plugins"] = [Watching()]
    elif request.param == "strict":
        options["mode"] = "strict"
    with closing(opened(path, **options)) as made:
        yield made


def rows(connection: Any, sql: str, *parameters: Any) -> list[Any]:
    found: list[Any] = connection.execute(sql, *parameters).fetchall()
    return found


def names(cursor: Any) -> list[str]:
    return [column[0] for column in cursor.description]


def test_a_new_column_is_read(connection: Any, other: sqlite3.Connection) -> None:
    text = "SELECT note FROM orders"
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        connection.execute(text)
    other.execute("ALTER TABLE orders ADD COLUMN note DEFAULT 'new'")
    assert rows(connection, text) == [("new",), ("new",)]
    assert rows(connection, "SELECT note FROM orders o") == [("new",), ("new",)]


def test_a_new_column_is_part_of_a_star(
    connection: Any, other: sqlite3.Connection
) -> None:
    for text in ("SELECT * FROM orders", "SELECT o.* FROM log LEFT JOIN orders o"):
        connection.execute(text)
    other.execute("ALTER TABLE orders ADD COLUMN note DEFAULT 'new'")
    for text in ("SELECT * FROM orders", "SELECT o.* FROM log LEFT JOIN orders o"):
        assert names(connection.execute(text)) == ["id", "total", "deleted_at", "note"]


@pytest.mark.parametrize("literal", ["1", "?"])
def test_returning_shows_a_new_column(
    connection: Any, other: sqlite3.Connection, literal: str
) -> None:
    text = f"DELETE FROM orders WHERE id = {literal} RETURNING *"
    given = (((9,),), ((1,),)) if literal == "?" else ((), ())
    assert names(connection.execute("BEGIN") and connection.execute(text, *given[0]))
    connection.execute("ROLLBACK")
    other.execute("ALTER TABLE orders ADD COLUMN note DEFAULT 'new'")
    cursor = connection.execute(text, *given[1])
    assert names(cursor) == ["id", "total", "deleted_at", "note"]
    assert cursor.fetchall() == [(1, 10, None, "new")]


def test_a_column_that_was_dropped_is_not_returned(
    connection: Any, other: sqlite3.Connection
) -> None:
    text = "DELETE FROM orders WHERE id = ? RETURNING *"
    connection.execute(text, (9,)).fetchall()
    other.execute("ALTER TABLE orders DROP COLUMN total")
    assert rows(connection, text, (1,)) == [(1, None)]


def test_a_new_table_is_read(connection: Any, other: sqlite3.Connection) -> None:
    text = "SELECT n.id FROM news n LEFT JOIN orders USING (id)"
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute(text)
    other.execute("CREATE TABLE news AS SELECT 1 AS id")
    assert rows(connection, text) == [(1,)]


def test_a_table_that_was_dropped_is_the_databases_error(
    connection: Any, other: sqlite3.Connection
) -> None:
    assert len(rows(connection, "SELECT * FROM log")) == 2
    other.execute("DROP TABLE log")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM log")
    other.execute("CREATE TABLE log AS SELECT 5 AS only")
    assert rows(connection, "SELECT * FROM log") == [(5,)]


def test_an_insert_has_the_columns_of_today(
    connection: Any, other: sqlite3.Connection
) -> None:
    insert = "INSERT INTO log VALUES (8, 9, 10)"
    with pytest.raises(sqlite3.OperationalError, match="has 2 columns but 3 values"):
        connection.execute(insert)
    named = "INSERT INTO log (id, total, note) VALUES (7, 9, 10)"
    with pytest.raises(sqlite3.OperationalError, match="has no column named note"):
        connection.execute(named)
    other.execute("ALTER TABLE log ADD COLUMN note")
    for text in (insert, named):
        assert connection.execute(text).rowcount == 1
    assert rows(connection, "SELECT count(*) FROM log WHERE note = 10") == [(2,)]


def test_an_error_of_names_is_tried_again_once(
    connection: Any, other: sqlite3.Connection
) -> None:
    other.execute("CREATE TABLE news (id)")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="no such column: missing"):
            connection.execute("SELECT missing FROM orders")
        with pytest.raises(sqlite3.OperationalError, match="no such column: missing"):
            connection.execute("DELETE FROM orders WHERE missing = 1")
    assert len(rows(connection, "SELECT id FROM orders")) == 2


@pytest.mark.parametrize("view", ["report", "summary"])
def test_a_new_view_of_a_protected_table_is_refused(
    connection: Any, other: sqlite3.Connection, view: str
) -> None:
    other.execute("CREATE VIEW report AS SELECT * FROM orders")
    other.execute("CREATE VIEW summary AS SELECT count(*) FROM report")
    other.execute("CREATE VIEW harmless AS SELECT id FROM log")
    for _ in range(2):
        with pytest.raises(UnsupportedStatement, match="protected table"):
            connection.execute(f"SELECT * FROM {view}")
    assert rows(connection, "SELECT * FROM harmless") == [(1,), (2,)]


def test_a_new_trigger_that_changes_a_protected_table_is_refused(
    connection: Any, other: sqlite3.Connection
) -> None:
    other.execute(
        "CREATE TRIGGER loud AFTER UPDATE ON log BEGIN DELETE FROM orders; END"
    )
    with pytest.raises(UnsupportedStatement, match="trigger"):
        connection.execute("UPDATE log SET total = 0")
    assert other.execute("SELECT count(*) FROM orders").fetchone() == (3,)


def test_a_table_that_became_a_view_is_refused_in_a_new_statement(
    connection: Any, other: sqlite3.Connection
) -> None:
    assert len(rows(connection, "SELECT * FROM log")) == 2
    other.executescript(REPLACED)
    for text in ("SELECT total FROM log", "SELECT * FROM log"):
        with pytest.raises(UnsupportedStatement, match="protected table"):
            connection.execute(text)


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_only_strict_mode_sees_at_once_that_a_table_became_a_view(
    path: Path, other: sqlite3.Connection, mode: Any
) -> None:
    """A known statement is not planned again; docs/schema_changes.md says so."""
    text = "SELECT total FROM log"
    with closing(opened(path, mode=mode)) as connection:
        assert rows(connection, text) == [(5,), (7,)]
        other.executescript(REPLACED)
        if mode == "normal":
            assert rows(connection, text) == [(10,), (20,), (30,)]
            assert connection.refresh()
        with pytest.raises(UnsupportedStatement, match="protected table"):
            connection.execute(text)


def test_refresh_tells_of_a_change(path: Path, other: sqlite3.Connection) -> None:
    with closing(opened(path)) as connection:
        assert not connection.refresh()
        other.execute("CREATE TABLE news (id)")
        assert connection.refresh()
        assert not connection.refresh()
