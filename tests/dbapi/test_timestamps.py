"""Who wrote a row, and when: every form of INSERT, UPDATE and upsert."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, ContextMissing, context
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, body TEXT UNIQUE, created_at, updated_at, made_by, seen_by,
    deleted_at, tenant_id);
CREATE TABLE log (id INTEGER PRIMARY KEY, made, changed);
CREATE VIEW bodies AS SELECT body FROM notes;
INSERT INTO notes (id, body, created_at, updated_at, tenant_id)
VALUES (1, 'a', 'long ago', 'long ago', 7);
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
BY: Any = {"created_by": "made_by", "updated_by": "seen_by"}


class Clock:
    """Each time it is asked it is a second later."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return START + timedelta(seconds=self.asked)


def at(second: int) -> str:
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.%f")


def shop(plugin: Any = None, *beside: Any, clock: Any = None, **options: Any) -> Any:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    if plugin is None:
        given: dict[str, Any] = {**BY, **options}
        plugin = Timestamps(["notes"], clock=clock or Clock(), **given)
    try:
        return kysera_dbapi.wrap(raw, plugins=[plugin, *beside])
    except BaseException:
        raw.close()
        raise


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop()) as made, context(user_id=42):
        yield made


def stamps(connection: Any, where: str = "id > 1") -> list[Any]:
    sql = f"SELECT created_at, updated_at, made_by, seen_by FROM notes WHERE {where}"
    return list(connection.unwrap().execute(sql))


NEW = (at(1), at(1), 42, 42)


@pytest.mark.parametrize(
    ("sql", "values", "rows"),
    [
        ("INSERT INTO notes (id) VALUES (2)", (), 1),
        ("INSERT INTO notes (id) VALUES (2), (3), (4)", (), 3),
        ("INSERT INTO notes (id, body) VALUES (?, ?)", (2, "x"), 1),
        ("INSERT INTO notes (id) VALUES (:id)", {"id": 2}, 1),
        ("INSERT INTO notes DEFAULT VALUES", (), 1),
        ("INSERT INTO notes (id) SELECT id + 1 FROM notes", (), 1),
        ("INSERT INTO notes (body) SELECT 'x' UNION SELECT 'y' ORDER BY 1", (), 2),
        ("INSERT INTO notes (id) WITH c(n) AS (VALUES (5)) SELECT n FROM c", (), 1),
        ("INSERT OR IGNORE INTO notes (id) VALUES (1), (2)", (), 1),
        ("REPLACE INTO notes (id, body) VALUES (2, 'q')", (), 1),
        ("INSERT INTO notes (id) VALUES (2) RETURNING id", (), 1),
    ],
)
def test_new_rows_have_one_time(
    connection: Any, sql: str, values: Any, rows: int
) -> None:
    connection.execute(sql, values).fetchall()
    assert stamps(connection) == [NEW] * rows
    assert stamps(connection, "id = 1") == [("long ago", "long ago", None, None)]


def test_executemany_has_one_time(connection: Any) -> None:
    sql = "INSERT INTO notes (id) VALUES (?)"
    assert connection.executemany(sql, [(2,), (3,), (4,)]).rowcount == 3
    assert stamps(connection) == [NEW] * 3
    connection.executemany("UPDATE notes SET body = ? WHERE id = ?", [("x", 2)])
    assert stamps(connection, "id = 2") == [(at(1), at(2), 42, 42)]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE notes SET body = 'x'", ("long ago", at(1), None, 42)),
        ("UPDATE notes SET body = 'x' WHERE id = 1", ("long ago", at(1), None, 42)),
        (
            "UPDATE notes SET (body) = (SELECT 'x') FROM log WHERE 0",
            ("long ago", "long ago", None, None),
        ),
        ("UPDATE notes SET updated_at = 'mine'", ("long ago", "mine", None, 42)),
        ("UPDATE notes SET 'Updated_At' = 1", ("long ago", 1, None, 42)),
        ("UPDATE notes SET (seen_by, body) = (1, 2)", ("long ago", at(1), None, 1)),
        ("UPDATE notes SET body = 'x' RETURNING id", ("long ago", at(1), None, 42)),
        (
            "INSERT INTO notes (id) VALUES (1) "
            "ON CONFLICT (id) DO UPDATE SET body = 'x'",
            ("long ago", at(1), None, 42),
        ),
        (
            "INSERT INTO notes (id) VALUES (1) "
            "ON CONFLICT DO UPDATE SET body = 'x', updated_at = 'mine' WHERE id = 1",
            ("long ago", "mine", None, 42),
        ),
        (
            "INSERT INTO notes (id) VALUES (1) "
            "ON CONFLICT (id) DO UPDATE SET body = 'x' WHERE body = 'z'",
            ("long ago", "long ago", None, None),
        ),
        (
            "INSERT INTO notes (id) VALUES (1) ON CONFLICT DO NOTHING",
            ("long ago", "long ago", None, None),
        ),
        ("DELETE FROM notes WHERE id = 9", ("long ago", "long ago", None, None)),
    ],
)
def test_changed_rows(connection: Any, sql: str, found: Any) -> None:
    connection.execute(sql).fetchall()
    assert stamps(connection, "1 = 1") == [found]


def test_the_callers_values_win(connection: Any) -> None:
    connection.execute(
        "INSERT INTO notes (id, created_at, made_by) VALUES (2, NULL, 'me')"
    )
    assert stamps(connection) == [(None, at(1), "me", 42)]
    connection.execute("INSERT INTO notes VALUES (3, 'x', 1, 2, 3, 4, NULL, NULL)")
    assert stamps(connection, "id = 3") == [(1, 2, 3, 4)]


def test_no_user_no_write() -> None:
    with closing(shop()) as connection:
        for sql in ("INSERT INTO notes (id) VALUES (2)", "UPDATE notes SET body = 1"):
            with pytest.raises(ContextMissing, match="user_id"):
                connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (1,)
        connection.execute("INSERT INTO log (id) VALUES (1)")


def test_another_value_of_the_context_may_be_the_user() -> None:
    with closing(shop(user=":actor")) as connection, context(actor="ada"):
        connection.execute("INSERT INTO notes (id) VALUES (2)")
        assert stamps(connection) == [(at(1), at(1), "ada", "ada")]


def test_the_database_may_tell_the_time() -> None:
    with closing(shop(clock="database")) as connection, context(user_id=1):
        connection.execute("INSERT INTO notes (id) VALUES (2), (3)")
        found = {row[:2] for row in stamps(connection)}
        ((created, updated),) = found
        assert created == updated
        told = datetime.fromisoformat(created).replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def test_each_table_may_have_its_own_columns() -> None:
    own: Any = {
        "notes": {"updated_at": None},
        "log": {"created_at": "made", "updated_at": "changed"},
    }
    with closing(shop(Timestamps(own, clock=Clock()))) as connection:
        connection.execute("INSERT INTO log (id) VALUES (1)")
        connection.execute("UPDATE log SET id = 2")
        connection.execute("INSERT INTO notes (id) VALUES (2)")
        assert connection.execute("SELECT * FROM log").fetchall() == [(2, at(1), at(2))]
        assert stamps(connection) == [(at(3), None, None, None)]


def test_reading_is_left_alone(connection: Any) -> None:
    sql = "SELECT body FROM bodies -- as it is"
    assert connection.execute(sql).fetchall() == [("a",)]
    assert connection.explain(sql).sql == sql
    connection.execute("CREATE VIEW again AS SELECT * FROM notes")
    connection.execute("SELECT json_extract('1', '$')")


def test_a_write_that_does_not_parse_is_refused(connection: Any) -> None:
    for sql in (
        "INSERT INTO notes (id) VALUES (2) ON CONFLICT (id) DO NOTHING "
        "ON CONFLICT (body) DO NOTHING",
        "UPDATE notes NOT INDEXED ORDER BY 1 SET id = 2",
    ):
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            connection.execute(sql)
    other = "INSERT INTO log (id) VALUES (2) ON CONFLICT (id) DO NOTHING "
    assert connection.execute(f"{other} ON CONFLICT DO NOTHING").rowcount == 1


def test_a_bypass_leaves_the_stamps_out(connection: Any) -> None:
    with kysera_dbapi.bypass("timestamps", reason="an import"):
        connection.execute("INSERT INTO notes (id) VALUES (2)")
    assert stamps(connection) == [(None, None, None, None)]


# -- beside the other plugins


@pytest.fixture
def all_three() -> Iterator[Any]:
    plugins = [
        SoftDelete(["notes"]),
        RowLevelSecurity(tenant_isolation("tenant_id", ["notes"])),
    ]
    stamping = Timestamps(["notes"], clock=Clock(), stamp_deletes=True, **BY)
    with closing(shop(stamping, *plugins)) as made, context(user_id=42, tenant_id=7):
        made.unwrap().execute(
            "INSERT INTO notes (id, body, tenant_id) VALUES (8, 'b', 8)"
        )
        yield made


def test_a_delete_is_filtered_kept_and_stamped(all_three: Any) -> None:
    assert all_three.execute("DELETE FROM notes").rowcount == 1
    sql = "SELECT id, updated_at, seen_by, deleted_at IS NULL FROM notes ORDER BY id"
    found = all_three.unwrap().execute(sql).fetchall()
    assert found == [(1, at(1), 42, 0), (8, None, None, 1)]
    plugins = [edit.plugin for edit in all_three.explain("DELETE FROM notes").edits]
    assert plugins == ["rls", "soft_delete", "soft_delete", "timestamps", "timestamps"]


def test_a_stamped_delete_has_no_returning(all_three: Any) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="RETURNING"):
        all_three.execute("DELETE FROM notes RETURNING updated_at")


def test_deletes_are_not_stamped_unless_asked() -> None:
    beside = SoftDelete(["notes"])
    with closing(shop(None, beside)) as connection:
        assert connection.execute("DELETE FROM notes RETURNING updated_at").fetchall()
        assert stamps(connection, "1 = 1") == [("long ago", "long ago", None, None)]


def test_an_insert_of_all_three(all_three: Any) -> None:
    all_three.execute("INSERT INTO notes (id) SELECT id + 1 FROM notes")
    every = "SELECT * FROM notes WHERE id = 2"
    assert all_three.unwrap().execute(every).fetchall() == [
        (2, None, at(1), at(1), 42, 42, None, 7)
    ]
    all_three.execute(
        "INSERT INTO notes (id, body) VALUES (2, 'z') "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
    )
    assert all_three.unwrap().execute(every).fetchall() == [
        (2, "z", at(1), at(2), 42, 42, None, 7)
    ]
    with pytest.raises(kysera_dbapi.PolicyViolation):
        all_three.execute(
            "INSERT INTO notes (id) VALUES (8) ON CONFLICT (id) DO UPDATE SET body = 1"
        )


# -- what cannot be


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tables": ["nope"]}, "missing-table"),
        ({"tables": ["notes", "log"]}, "missing-column"),
        ({"tables": ["notes"], "created_by": "nope"}, "missing-column"),
        ({"tables": {"log": {"created_at": "made"}}}, "missing-column"),
    ],
)
def test_a_configuration_names_what_there_is(
    options: dict[str, Any], code: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        shop(Timestamps(**options))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tables": []}, "tables is empty"),
        ({"tables": "notes"}, "tables must be a list"),
        ({"tables": [7]}, "a name in tables"),
        ({"tables": {"notes": "x"}}, "settings must be a map"),
        ({"tables": {"notes": {"nope": "x"}}}, "unknown setting 'nope'"),
        ({"tables": ["notes"], "nope": "x"}, "unknown setting 'nope'"),
        ({"tables": ["notes"], "created_at": 7}, "created_at must name a column"),
        ({"tables": ["notes"], "user": "a b"}, "user must name"),
        ({"tables": ["notes"], "user": None}, "user must name"),
        ({"tables": ["notes"], "clock": "sundial"}, "clock must be"),
    ],
)
def test_what_cannot_be_a_configuration(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Timestamps(**options)


@pytest.mark.parametrize("told", [None, 7, "now", datetime(2026, 1, 1)])
def test_a_clock_without_a_zone_stamps_nothing(told: Any) -> None:
    with closing(shop(clock=lambda: told)) as connection, context(user_id=1):
        with pytest.raises(ConfigurationError, match="time zone"):
            connection.execute("INSERT INTO notes (id) VALUES (2)")
        assert stamps(connection) == []
