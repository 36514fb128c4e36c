"""What a revived row sets off, which tables may have some, and what is seen of it."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.revival import SCHEMA, TABLES, filled, own, wrapped

# -- what a revived row sets off


FAMILY = """
PRAGMA foreign_keys = ON;
CREATE TABLE parents (id INTEGER PRIMARY KEY, name UNIQUE, deleted_at);
CREATE TABLE kids (
    id INTEGER PRIMARY KEY, parent REFERENCES parents{}, deleted_at);
INSERT INTO parents VALUES (1, 'p', NULL);
INSERT INTO kids VALUES (1, 1, NULL), (2, 1, NULL);
"""


def family(action: str = "") -> Any:
    keys: Any = {"kids.parent": "cascade"}
    plugin = SoftDelete(["parents", "kids"], foreign_keys=keys, revive=True)
    return kysera_dbapi.wrap(filled(FAMILY.format(action)), plugins=[plugin])


def test_children_stay_deleted() -> None:
    with closing(family()) as connection:
        connection.execute("DELETE FROM parents")
        assert connection.execute("SELECT * FROM kids").fetchall() == []
        cursor = connection.execute("INSERT INTO parents (name) VALUES ('p')")
        assert cursor.lastrowid == 1
        assert connection.execute("SELECT * FROM kids").fetchall() == []


@pytest.mark.parametrize(
    ("action", "parents"),
    [("", None), (" ON UPDATE RESTRICT", None), (" ON UPDATE CASCADE", [(9,), (9,)])],
)
def test_a_key_that_children_refer_to_is_the_databases_affair(
    action: str, parents: Any
) -> None:
    """A primary key that is supplied moves, if a foreign key lets it."""
    with closing(family(action)) as connection:
        connection.execute("DELETE FROM parents")
        sql = "INSERT INTO parents (id, name) VALUES (9, 'p')"
        if parents is None:
            with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
                connection.execute(sql)
            parents = [(1,), (1,)]
        else:
            assert connection.execute(sql).lastrowid == 9
        raw = connection.unwrap()
        assert raw.execute("SELECT parent FROM kids").fetchall() == parents


TRIGGERS = """
CREATE TABLE log (said);
CREATE TRIGGER made {} INSERT ON people BEGIN INSERT INTO log VALUES ('made'); END;
CREATE TRIGGER kept AFTER UPDATE ON people BEGIN INSERT INTO log VALUES (OLD.name); END;
"""


@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_triggers_of_insert_have_to_be_accepted(when: str) -> None:
    raw = filled(SCHEMA + TRIGGERS.format(when))
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(TABLES, revive=True)])
    assert caught.value.code == "insert-trigger"
    assert "the INSERT trigger 'made' of 'people' would not fire" in str(caught.value)
    kysera_dbapi.wrap(raw, plugins=[SoftDelete(TABLES)])
    plugin = SoftDelete(TABLES, revive=True, accept_triggers=["made"])
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        connection.execute("INSERT INTO people (email) VALUES ('gone')")
        said = [row[0] for row in connection.execute("SELECT said FROM log")]
        assert said == ["made", "ghost"][when == "AFTER" :]


def test_a_trigger_that_comes_later_is_noticed() -> None:
    with closing(wrapped()) as connection:
        sql = "INSERT INTO people (email) VALUES (?)"
        connection.execute(sql, ("left",))
        connection.unwrap().executescript(TRIGGERS.format("AFTER"))
        with pytest.raises(kysera_dbapi.ConfigurationError, match="INSERT trigger"):
            connection.execute(sql, ("gone",))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "id INTEGER PRIMARY KEY, n UNIQUE ON CONFLICT ROLLBACK",
            "ON CONFLICT ROLLBACK",
        ),
        ("id INTEGER PRIMARY KEY, n UNIQUE ON CONFLICT FAIL", "ON CONFLICT FAIL"),
        ("id INTEGER PRIMARY KEY, n UNIQUE ON CONFLICT IGNORE", "ON CONFLICT IGNORE"),
        ("rowid, oid, _rowid_ UNIQUE", "hides its rowid"),
    ],
)
def test_tables_of_which_no_row_can_be_revived(table: str, message: str) -> None:
    raw = filled(f"CREATE TABLE t ({table}, deleted_at)")
    kysera_dbapi.wrap(raw, plugins=[SoftDelete(["t"])])
    with pytest.raises(kysera_dbapi.ConfigurationError, match=message):
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(["t"], revive=True)])
    raw.close()


def test_a_column_that_another_connection_adds_is_no_leftover(tmp_path: Any) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.executescript(SCHEMA)
        plugins = [SoftDelete(TABLES, revive=True)]
        connection = kysera_dbapi.connect(
            f"sqlite:///{path}", plugins=plugins, isolation_level=None
        )
        sql = "INSERT INTO people (email) VALUES (?)"
        connection.execute(sql, ("new",))
        connection.execute(sql, ("left",))
        other.execute("ALTER TABLE people ADD COLUMN secret DEFAULT 'none'")
        other.execute("UPDATE people SET secret = 'ghost' WHERE id = 2")
        connection.execute(sql, ("gone",))
        found = connection.execute("SELECT secret FROM people WHERE id = 2")
        assert found.fetchall() == [("none",)]
        connection.close()


def test_a_key_that_another_connection_makes_one_of_live_rows(tmp_path: Any) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n, deleted_at);"
            "CREATE UNIQUE INDEX u ON t (n);"
        )
        connection = kysera_dbapi.connect(
            f"sqlite:///{path}", plugins=[SoftDelete(["t"], revive=True)]
        )
        sql = "INSERT INTO t (n) VALUES (?)"
        connection.execute(sql, (1,))
        connection.commit()
        other.executescript(
            "DROP INDEX u; CREATE UNIQUE INDEX u ON t (n) WHERE deleted_at IS NULL;"
        )
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(sql, (1,))
        own(caught.value)
        connection.close()


# -- beside


def test_explain_says_so() -> None:
    with closing(wrapped()) as connection:
        sql = "INSERT INTO people (email) VALUES (?)"
        made = connection.explain(sql)
        assert made.sql == sql
        assert "soft_delete: upsert if a unique key refuses it" in str(made)
        sql = "INSERT INTO people (id, email) SELECT 1, 'x' ON CONFLICT DO NOTHING"
        assert "upsert if" not in str(connection.explain(sql))


def test_an_insert_that_meets_nothing_is_sent_as_it_is() -> None:
    sent: list[str] = []
    with closing(wrapped()) as connection:
        connection.unwrap().set_trace_callback(sent.append)
        connection.execute("INSERT INTO people (email) VALUES ('new')")
        assert sent[-1] == "INSERT INTO people (email) VALUES ('new')"
        host, sql = connection.plugin_host, "INSERT INTO people (email) VALUES (?)"
        connection.execute(sql, ("newer",))
        assert sql in host.direct or host.hooked


def test_verify_has_no_complaint_of_keys_that_are_revived() -> None:
    plugins = [SoftDelete(TABLES)]
    raw = filled()
    assert kysera_dbapi.wrap(raw, plugins=plugins).verify()
    connection = kysera_dbapi.wrap(raw, plugins=[SoftDelete(TABLES, revive=True)])
    assert connection.verify() == []
    connection.close()


class Watching(kysera_dbapi.Plugin):
    """Sees each text that is sent, and what came of it."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def after_execute(self, event: Any) -> None:
        """It succeeded."""
        self.seen.append(f"{event.rowcount} {event.final_sql}")

    def on_error(self, event: Any, error: BaseException) -> None:
        """It failed."""
        self.seen.append(f"error {event.final_sql}")


def test_hooks_see_both_texts() -> None:
    watching = Watching()
    plugins = [SoftDelete(TABLES, revive=True), watching]
    with closing(kysera_dbapi.wrap(filled(), plugins=plugins)) as connection:
        sql = "INSERT INTO people (email) VALUES ('gone')"
        assert connection.execute(sql).lastrowid == 2
        assert watching.seen[0] == f"error {sql}"
        assert watching.seen[1].startswith(f"1 {sql} ON CONFLICT DO UPDATE SET email")
        del watching.seen[:]
        connection.executemany("INSERT INTO people (email) VALUES (?)", [("left",)])
        assert [text.split()[0] for text in watching.seen] == ["1", "1"]


class Percent(sqlite3.Cursor):
    """A program's own class, that gives the driver another text."""

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        return super().execute(sql.replace("%s", "?"), parameters)

    def executemany(self, sql: str, parameters: Any) -> Any:
        return super().executemany(sql.replace("%s", "?"), parameters)


def test_a_cursor_class_that_translates() -> None:
    with closing(wrapped()) as connection:
        cursor = connection.cursor(Percent)
        cursor.execute("INSERT INTO people (email) VALUES (%s)", ("gone",))
        assert (cursor.lastrowid, cursor.rowcount) == (2, 1)
        cursor.executemany("INSERT INTO people (email) VALUES (%s)", [("left",)])
        found = cursor.execute("SELECT id FROM people WHERE id < 5 AND id > %s", (1,))
        assert found.fetchall() == [(2,), (3,)]


def test_converters_are_not_called_for_what_the_shim_reads() -> None:
    called: list[bytes] = []
    sqlite3.register_converter("INTEGER", called.append)
    try:
        raw = filled(detect_types=sqlite3.PARSE_DECLTYPES)
        plugins = [SoftDelete(TABLES, revive=True)]
        connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
        connection.row_factory = sqlite3.Row
        sql = "INSERT INTO people (email) VALUES ('gone')"
        assert connection.execute(sql).lastrowid == 2
        assert called == []
    finally:
        sqlite3.converters.pop("INTEGER")
    connection.close()


def test_a_function_of_the_callers_is_not_taken_for_the_revival() -> None:
    """What it runs while a row is revived is planned as the caller's own."""
    with closing(wrapped()) as connection:
        errors: list[BaseException] = []

        def meddle() -> str:
            try:
                connection.execute(
                    "INSERT INTO people (email) VALUES ('left') ON CONFLICT DO UPDATE "
                    "SET deleted_at = NULL"
                )
            except sqlite3.Error as error:
                errors.append(error)
            return "gone"

        connection.create_function("meddle", 0, meddle)
        connection.execute("INSERT INTO people (email) VALUES (meddle())")
        found = connection.execute("SELECT id FROM people ORDER BY id")
        assert found.fetchall() == [(1,), (2,), (9,)]
        assert len(errors) == 2
