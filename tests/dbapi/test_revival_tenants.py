"""Revived rows beside row-level security and timestamps: one's own rows alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, TombstoneConflict
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from kysera_dbapi.testing import assert_isolated
from tests.dbapi.revival import own

SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, body TEXT UNIQUE, extra DEFAULT 'plain', tenant_id INTEGER,
    owner TEXT, created_at, updated_at, made_by, deleted_at);
INSERT INTO notes VALUES
    (1, 'live', 'mine', 7, 'ada', 1, 1, 1, NULL),
    (2, 'gone', 'mine', 7, 'ada', 1, 1, 1, 'x'),
    (3, 'their live', 'ghost', 8, 'ada', 1, 1, 1, NULL),
    (4, 'their gone', 'ghost', 8, 'ada', 1, 1, 1, 'x'),
    (5, 'nobody''s', 'ghost', NULL, 'ada', 1, 1, 1, 'x'),
    (6, 'bob''s', 'mine', 7, 'bob', 1, 1, 1, 'x');
CREATE TABLE keyed (
    tenant_id INTEGER, name TEXT, note TEXT DEFAULT 'new', deleted_at,
    PRIMARY KEY (tenant_id, name)) WITHOUT ROWID;
INSERT INTO keyed VALUES (7, 'a', 'old', 'x'), (8, 'a', 'ghost', 'x'),
    (8, 'b', 1, NULL);
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
TENANTS = tenant_isolation("tenant_id", ["notes", "keyed"])
INSERT = "INSERT INTO notes (body) VALUES (?)"
#: Rows that tenant 7 may not have, however they are told.
TAKEN = ["live", "their live", "their gone", "nobody's"]


class Clock:
    """Each time it is asked it is a second later."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return START + timedelta(seconds=self.asked)

    @property
    def now(self) -> str:
        moment = START + timedelta(seconds=self.asked)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def shop(*policies: Any, clock: Any = None, more: str = "", **options: Any) -> Any:
    """Tenant 7, with all three plugins."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA + more)
    stamps = Timestamps(["notes"], clock=clock or Clock(), created_by="made_by")
    plugins = [
        SoftDelete(["notes", "keyed"], revive=True),
        RowLevelSecurity(TENANTS, *policies),
        stamps,
    ]
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins, **options)
    made.context = {"tenant_id": 7, "user_id": 42, "user": "ada"}
    return made


@pytest.fixture(params=["normal", "strict"])
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    with closing(shop(mode=request.param)) as made:
        yield made


def stored(connection: Any) -> list[Any]:
    raw = connection.unwrap()
    return [list(raw.execute(f"SELECT * FROM {name}")) for name in ("notes", "keyed")]


def row(connection: Any, key: int) -> Any:
    found = connection.unwrap().execute("SELECT * FROM notes WHERE id = ?", (key,))
    return found.fetchone()


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (INSERT, ("gone",)),
        ("INSERT INTO notes (body, tenant_id) VALUES ('gone', 7)", ()),
        ("INSERT INTO notes (body) SELECT 'gone' FROM notes", ()),
        ("INSERT INTO notes (tenant_id, body) SELECT tenant_id, 'gone' FROM notes", ()),
        (f"{INSERT} RETURNING id", ("gone",)),
        ("INSERT INTO notes (body) VALUES (:b) RETURNING *", {"b": "gone"}),
    ],
)
def test_a_revived_row_is_as_a_new_one(sql: str, values: Any) -> None:
    clock = Clock()
    with closing(shop(clock=clock)) as connection:
        others = [row(connection, key) for key in (1, 3, 4, 5, 6)]
        cursor = connection.execute(sql, values)
        told = cursor.fetchall()
        due = (2, "gone", "plain", 7, None, clock.now, clock.now, 42, None)
        assert (cursor.rowcount, cursor.lastrowid) == (1, 2)
        assert row(connection, 2) == due
        assert told in ([], [(2,)], [due])
        assert [row(connection, key) for key in (1, 3, 4, 5, 6)] == others


def test_a_key_that_holds_the_tenant(connection: Any) -> None:
    cursor = connection.execute("INSERT INTO keyed (name) VALUES ('a'), ('b')")
    assert cursor.rowcount == 2
    assert stored(connection)[1] == [
        (7, "a", "new", None),
        (7, "b", "new", None),
        (8, "a", "ghost", "x"),
        (8, "b", "1", None),
    ]


def told(error: BaseException | None) -> list[Any]:
    """All that can be learned of an error, but for where it was raised."""
    found: list[Any] = []
    while error is not None:
        found += [type(error), str(error), error.args, sorted(vars(error).items())]
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize(
    "sql",
    [
        INSERT,
        f"{INSERT} RETURNING id",
        "INSERT INTO notes (body, tenant_id) VALUES (?, 7)",
        "INSERT INTO notes (body) VALUES ('new'), ('gone'), (?)",
        "INSERT INTO notes (body) SELECT ? FROM notes WHERE id = 1",
    ],
)
def test_a_row_of_another_tenant_is_told_from_no_other(
    connection: Any, sql: str
) -> None:
    """Whether it is live or deleted; the tenant's own live row has the same error."""
    before, errors = stored(connection), list[Any]()
    changes = connection.total_changes
    for taken in TAKEN:
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(sql, (taken,))
        assert own(caught.value) == "UNIQUE constraint failed: notes.body"
        assert stored(connection) == before
        assert connection.total_changes == changes
        errors.append(told(caught.value))
    assert errors == [errors[0]] * len(TAKEN)


@pytest.mark.parametrize("body", ["gone", *TAKEN])
def test_no_row_comes_to_be_of_another_tenant(connection: Any, body: str) -> None:
    before = stored(connection)
    for sql in (
        "INSERT INTO notes (body, tenant_id) VALUES (?, 8)",
        "INSERT INTO notes (body, tenant_id) VALUES (?, NULL)",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(sql, (body,))
        assert stored(connection) == before


def test_tenants_in_turn(connection: Any) -> None:
    for _ in range(3):
        for tenant, body, key in ((7, "gone", 2), (8, "their gone", 4)):
            with kysera_dbapi.context(tenant_id=tenant):
                assert connection.execute(INSERT, (body,)).lastrowid == key
                connection.execute("DELETE FROM notes WHERE body = ?", (body,))


def test_the_text_is_no_upsert_of_the_callers(connection: Any) -> None:
    """The same text, sent by a caller, is guarded as ever."""
    seen: list[str] = []
    connection.unwrap().set_trace_callback(seen.append)
    connection.execute("INSERT INTO notes (body) VALUES ('gone')")
    connection.unwrap().set_trace_callback(None)
    sent = next(text for text in seen if "ON CONFLICT" in text)
    text = f"INSERT INTO notes (body) VALUES (?){sent[sent.index(' ON') :]}"
    text = text[: text.index(" WHERE")]
    for body in ("bob's", "live", "their gone"):
        before = stored(connection)
        with pytest.raises(kysera_dbapi.Error):
            connection.execute(text, (body,))
        assert stored(connection) == before


# -- policies beside the tenant's


OWN = Policy("notes", using="owner = :user OR owner IS NULL")
SEEN = Policy("notes", command="select", using="extra <> 'secret'")


def test_a_row_that_a_policy_hides_stays() -> None:
    with closing(shop(OWN)) as connection:
        before = stored(connection)
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(INSERT, ("bob's",))
        own(caught.value)
        assert stored(connection) == before
        assert connection.execute(INSERT, ("gone",)).lastrowid == 2


@pytest.mark.parametrize(
    ("policies", "more", "why"),
    [
        ([OWN, SEEN], "", "the policies for INSERT and UPDATE differ"),
        (
            [],
            "PRAGMA foreign_keys = ON; CREATE TABLE kids (tenant_id INTEGER, note "
            "REFERENCES notes (body) ON UPDATE CASCADE);",
            "a foreign key of kids would change rows",
        ),
        (
            [],
            "CREATE TRIGGER t AFTER UPDATE ON notes BEGIN DELETE FROM keyed; END;",
            "the trigger t of notes touches a protected table",
        ),
    ],
)
def test_what_an_upsert_may_not_do_is_not_tried(
    policies: Any, more: str, why: str
) -> None:
    if "kids" in more:
        policies = tenant_isolation("tenant_id", ["kids"])
    soft = SoftDelete(["notes"], foreign_keys={"kids.note": "ignore"}, revive=True)
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA + more)
    plugins = [RowLevelSecurity(TENANTS, policies), soft]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"tenant_id": 7, "user": "ada"}
    before = stored(connection)
    for body in ("gone", *TAKEN):
        with pytest.raises(TombstoneConflict, match="if the other row") as caught:
            connection.execute(INSERT, (body,))
        assert stored(connection) == before
        cause: Any = caught.value.__cause__
        assert why in cause.__notes__[0]
    connection.close()


def test_who_is_not_restricted_may_revive_any_row() -> None:
    with (
        closing(shop()) as connection,
        kysera_dbapi.bypass("rls", reason="test"),
    ):
        sql = "INSERT INTO notes (body, tenant_id) VALUES (?, 9)"
        assert connection.execute(sql, ("their gone",)).lastrowid == 4
        assert row(connection, 4)[3] == 9


# -- many executions


def test_many_executions_have_one_time() -> None:
    clock = Clock()
    with closing(shop(clock=clock)) as connection:
        cursor = connection.executemany(INSERT, [("new",), ("newer",)])
        assert (clock.asked, cursor.rowcount) == (1, 2)
        assert row(connection, 7)[5] == row(connection, 8)[5] == clock.now
        cursor = connection.executemany(INSERT, [("a",), ("gone",), ("b",)])
        assert (cursor.rowcount, cursor.lastrowid) == (3, None)
        assert row(connection, 2)[:4] == (2, "gone", "plain", 7)


@pytest.mark.parametrize("taken", TAKEN)
def test_many_executions_that_fail_midway(connection: Any, taken: str) -> None:
    """What is checked happens for all rows or for none."""
    before = stored(connection)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.executemany(
            "INSERT INTO notes (body, tenant_id) VALUES (?, ?)",
            [("new", 7), ("gone", 7), (taken, 7), ("newer", 7)],
        )
    assert own(caught.value) == "UNIQUE constraint failed: notes.body"
    assert stored(connection) == before


def test_a_violation_among_many(connection: Any) -> None:
    before = stored(connection)
    with pytest.raises(PolicyViolation) as caught:
        connection.executemany(
            "INSERT INTO notes (body, tenant_id) VALUES (?, ?)",
            [("new", 7), ("gone", 7), ("newer", 8)],
        )
    assert caught.value.row == 2
    assert stored(connection) == before


# -- in tests of programs


def test_a_revival_is_isolated(connection: Any) -> None:
    before = stored(connection)
    assert_isolated(connection, INSERT, ("gone",))
    assert_isolated(connection, "INSERT INTO notes (id, body) VALUES (90, 'gone')")
    assert_isolated(connection, INSERT, ("new",))
    assert_isolated(connection, "INSERT INTO keyed (name) VALUES ('a')")
    assert stored(connection) == before


@pytest.mark.parametrize("sets", ["", ", tenant_id = 7"])
def test_another_row_that_a_trigger_revives_is_not(sets: str) -> None:
    wake = f"""CREATE TRIGGER wake AFTER UPDATE ON notes BEGIN
        UPDATE notes SET deleted_at = NULL{sets} WHERE id = 4; END"""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(f"{SCHEMA}; {wake}")
    soft = SoftDelete(["notes"], revive=True, accept_triggers=["wake"])
    connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(TENANTS), soft])
    connection.context = {"tenant_id": 7}
    with pytest.raises(AssertionError, match="their gone"):
        assert_isolated(connection, INSERT, ("gone",))
    connection.close()
