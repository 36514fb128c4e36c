"""SoftDelete(revive=True): an INSERT takes the place of the deleted row in its way.

What is visible afterwards is what a copy shows in which the deleted rows never were.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import TombstoneConflict, UnsupportedStatement
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.revival import (
    CHOSEN,
    LIVE,
    SCHEMA,
    TABLES,
    PostgreSQL,
    SQLite,
    fails,
    filled,
    own,
    shown,
    stored,
    wrapped,
)


@pytest.fixture(params=["normal", "strict"])
def connection(request: pytest.FixtureRequest, place: Any) -> Iterator[Any]:
    with closing(place.wrapped(mode=request.param)) as made:
        yield made


@pytest.fixture(params=["normal", "strict"])
def on_sqlite(request: pytest.FixtureRequest) -> Iterator[Any]:
    with closing(wrapped(mode=request.param)) as made:
        yield made


@pytest.fixture
def copy(place: Any) -> Iterator[Any]:
    with closing(place.filled()) as made:
        for table, live in LIVE.items():
            made.execute(f"DELETE FROM {table} WHERE NOT ({live})")
        yield made


# -- as on the filtered copy: the statement, the table, how many rows are revived


ON_BOTH: list[tuple[str, Any, str, int]] = [
    ("INSERT INTO people (email) VALUES ('gone')", (), "people", 1),
    ("INSERT INTO people (email, rank) VALUES (?, ?)", ("gone", None), "people", 1),
    (
        "INSERT INTO people (rank, email) VALUES (:r, :e)",
        {"r": 1, "e": "x"},
        "people",
        0,
    ),
    ("INSERT INTO people (phone, name) VALUES ('22', 'Bea');", (), "people", 1),
    (
        "INSERT INTO people (email) VALUES ('gone'), ('new'), ('left'), ('newer')",
        (),
        "people",
        2,
    ),
    (
        "INSERT INTO people (email, phone) SELECT email || ?, '22' FROM people "
        "WHERE id = 1",
        ("!",),
        "people",
        1,
    ),
    ("INSERT INTO people (email) SELECT 'gone' FROM plain", (), "people", 1),
    (
        "INSERT INTO people (email) SELECT p.note FROM plain p JOIN plain q "
        "ON p.id = q.id UNION SELECT 'gone' FROM people",
        (),
        "people",
        1,
    ),
    (
        "INSERT INTO people (email) SELECT 'a' UNION ALL VALUES ('gone')",
        (),
        "people",
        1,
    ),
    (
        "INSERT INTO people (email) SELECT 'gone' FROM plain ORDER BY id LIMIT 1",
        (),
        "people",
        1,
    ),
    (
        "WITH n (e) AS (VALUES ('gone')) INSERT INTO people (email) SELECT e FROM n",
        (),
        "people",
        1,
    ),
    ("INSERT INTO codes (code, region) VALUES ('b', 'eu')", (), "codes", 1),
    ("INSERT INTO slots (uid, room) VALUES ('u3', 5)", (), "slots", 1),
    ("INSERT INTO slots (uid, room) VALUES ('u4', 0)", (), "slots", 0),
    ("INSERT INTO slots (room, uid) VALUES (7, 'u2')", (), "slots", 1),
]
ON_SQLITE: list[tuple[str, Any, str, int]] = [
    ("insert or abort into people (email) values ('gone') -- why", (), "people", 1),
    ("INSERT INTO main.people AS p (email) VALUES ('gone')", (), "people", 1),
    ("INSERT INTO people ('email', [name]) VALUES ('left', 'L')", (), "people", 1),
    (
        "INSERT INTO codes VALUES ('eu', 'B', 'Bea', 0), ('us', 'b', 1, 0)",
        (),
        "codes",
        1,
    ),
    ("INSERT INTO slots (uid, room) VALUES ('new', 2)", (), "slots", 1),
    ("""INSERT INTO "od d" ("or der") VALUES ('TWO')""", (), '"od d"', 1),
]
ON_POSTGRESQL: list[tuple[str, Any, str, int]] = [
    ("insert into people as p (email) values ('gone') -- why", (), "people", 1),
    ("INSERT INTO people (\"email\", name) VALUES (E'left', U&'L')", (), "people", 1),
    (
        "INSERT INTO codes VALUES ('eu', 'b', '', 0), ('us', 'b', '1', 0)",
        (),
        "codes",
        1,
    ),
    ("""INSERT INTO "od d" ("or der") VALUES ('two')""", (), '"od d"', 1),
    ("INSERT INTO people (email) (SELECT 'gone' FROM plain)", (), "people", 1),
    ("INSERT INTO people (email) (VALUES ('gone'))", (), "people", 1),
    (
        "INSERT INTO people (email) SELECT 'gone' FROM plain FOR UPDATE",
        (),
        "people",
        1,
    ),
    (
        "INSERT INTO people (email) SELECT 'gone' FROM plain FETCH FIRST ROW ONLY",
        (),
        "people",
        1,
    ),
    (
        "INSERT INTO people (email, rank) VALUES ('gone', DEFAULT), ('new', 1)",
        (),
        "people",
        1,
    ),
    ("INSERT INTO people (email, name) VALUES (%b, 'a%%')", ("gone",), "people", 1),
    (
        "INSERT INTO people (email) SELECT unnest(%s::text[])",
        (["gone", "n"],),
        "people",
        1,
    ),
]
INSERTS = [
    *[("sqlite", one) for one in [*ON_BOTH, *ON_SQLITE]],
    *[("postgresql", one) for one in [*ON_BOTH, *ON_POSTGRESQL]],
]


@pytest.mark.parametrize(("place", "insert"), INSERTS, indirect=["place"])
def test_it_is_as_on_the_filtered_copy(
    place: Any, connection: Any, copy: Any, insert: Any
) -> None:
    sql, values, table, revived = insert
    given = [place.sql(sql), *([values] if values else [])]
    count = f"SELECT count(*) FROM {table}"
    before = connection.unwrap().execute(count).fetchone()[0]
    got, due = connection.execute(*given), copy.execute(*given)
    assert (got.rowcount, got.description) == (due.rowcount, None)
    chosen = table not in CHOSEN
    assert shown(connection, table, chosen=chosen) == shown(copy, table, chosen=chosen)
    added = connection.unwrap().execute(count).fetchone()[0] - before
    assert added == abs(due.rowcount) - revived or due.rowcount == -1
    if not chosen and hasattr(got, "lastrowid"):
        assert got.fetchall() == []
        row = f"SELECT * FROM {table} WHERE rowid = ?"
        mine = connection.execute(row, (got.lastrowid,)).fetchone()
        assert mine[1:] == copy.execute(row, (due.lastrowid,)).fetchone()[1:]


@pytest.mark.parametrize(("place", "insert"), INSERTS, indirect=["place"])
def test_returning_is_that_of_the_insert(
    place: Any, connection: Any, copy: Any, insert: Any
) -> None:
    sql, values, table, _ = insert
    key, more = CHOSEN.get(table, "0"), {"people": "name, size", "slots": "*"}
    end = sql.find(" --") if " --" in sql else len(sql.rstrip(";"))
    sql = f"{sql[:end]} RETURNING {key} AS k, {more.get(table, '1')}"
    given = [place.sql(sql), *([values] if values else [])]
    got, due = connection.execute(*given), copy.execute(*given)
    assert [one[:2] for one in got.description] == [d[:2] for d in due.description]
    numbers = [getattr(cursor, "lastrowid", None) for cursor in (got, due)]
    rows, expected = got.fetchall(), due.fetchall()
    assert [row[1:] for row in rows] == [row[1:] for row in expected]
    assert got.rowcount == due.rowcount
    if table in CHOSEN and any(numbers):
        assert [rows[-1][0], expected[-1][0]] == numbers


def test_the_row_stays_with_its_key() -> None:
    with closing(wrapped()) as connection:
        connection.execute("INSERT INTO people (email) VALUES ('gone')")
        row = "SELECT * FROM people WHERE email = 'gone'"
        assert connection.execute(row).fetchall() == [
            (2, "gone", None, "nobody", 2, 6, None)
        ]
        connection.execute("INSERT INTO people (id, email) VALUES (30, 'left')")
        row = "SELECT id, phone FROM people WHERE email = 'left'"
        assert connection.execute(row).fetchall() == [(30, None)]
        assert (
            not connection.unwrap()
            .execute("SELECT 1 FROM people WHERE id = 3")
            .fetchall()
        )


@pytest.mark.parametrize("listed", ["", " (email, phone, name, rank, id, deleted_at)"])
def test_a_null_for_the_primary_key_is_a_new_number(listed: str) -> None:
    with closing(wrapped()) as connection:
        row = "'gone', '5', 'Bea', 1, NULL, NULL"
        row = row if listed else "NULL, 'gone', '5', 'Bea', 1, NULL"
        cursor = connection.execute(f"INSERT INTO people{listed} VALUES ({row})")
        assert cursor.lastrowid == 10
        found = connection.execute("SELECT id FROM people WHERE email = 'gone'")
        assert found.fetchall() == [(10,)]


def test_many_rows_fold() -> None:
    with closing(wrapped()) as connection:
        for size in (3, 400, 401):
            rows = [f"e{i} {size}" for i in range(size)] + ["gone"]
            slots = ", ".join("(?)" for _ in rows)
            sql = f"INSERT INTO people (email) VALUES {slots}"
            assert connection.execute(sql, rows).rowcount == size + 1
            found = "SELECT id FROM people WHERE email = 'gone'"
            assert connection.execute(found).fetchall() == [(2,)]
            spelled = ", ".join(f"('f{i} {size}')" for i in range(size))
            connection.execute("DELETE FROM people WHERE email = 'gone'")
            sql = f"INSERT INTO people (email) VALUES {spelled}, ('gone')"
            assert connection.execute(sql).lastrowid == 2
            connection.execute("DELETE FROM people WHERE email = 'gone'")


def test_again_and_again() -> None:
    """By a text that is known, and by texts with other literals."""
    with closing(wrapped()) as connection:
        for number in range(5):
            connection.execute("DELETE FROM people WHERE id = 2")
            sql = "INSERT INTO people (email, rank) VALUES (?, ?)"
            assert connection.execute(sql, ("gone", number)).lastrowid == 2
            rank = "SELECT rank FROM people WHERE id = 2"
            assert connection.execute(rank).fetchall() == [(number,)]
            connection.execute("DELETE FROM people WHERE id = 2")
            sql = f"INSERT INTO people (email, rank) VALUES ('gone', {number + 10})"
            assert connection.execute(sql).lastrowid == 2
            assert connection.execute(rank).fetchall() == [(number + 10,)]


# -- collisions that are none of a deleted row alone
@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("INSERT INTO people (email) VALUES ('ann')", "people.email"),
        ("INSERT INTO people (id) VALUES (1)", "people.id"),
        ("INSERT INTO people (email) VALUES ('new'), ('ann')", "people.email"),
        ("INSERT INTO people (email) VALUES ('gone'), ('ann')", "people.email"),
        ("INSERT INTO people (email) VALUES ('gone'), ('gone')", "people.email"),
        ("INSERT INTO people (email) VALUES ('new'), ('new')", "people.email"),
        (
            "INSERT INTO people (email, name) SELECT email, 'x' FROM people",
            "people.email",
        ),
        ("INSERT INTO people (email) VALUES ('ann') RETURNING id", "people.email"),
        ("INSERT INTO codes VALUES ('eu', 'a', 'x', 0)", "codes.region, codes.code"),
        ("INSERT INTO slots (uid, room) VALUES ('n', 1)", "slots.room, slots.hour"),
        (
            "INSERT INTO people (email, deleted_at) VALUES ('gone', 'now')",
            "people.email",
        ),
        ("INSERT INTO codes VALUES ('eu', 'b', 1, 1)", "codes.region, codes.code"),
    ],
)
def test_a_live_row_is_the_databases_own_error(
    place: Any, connection: Any, sql: str, column: str
) -> None:
    if isinstance(place, PostgreSQL) and column.startswith("slots"):
        pytest.skip("ON CONFLICT names no partial index")
    assert own(fails(connection, sql)).startswith(place.unique(column))
    if isinstance(place, SQLite):
        connection.execute("BEGIN")
        assert own(fails(connection, sql)) == place.unique(column)
        assert connection.in_transaction


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("INSERT INTO people (email, name) VALUES ('gone', NULL)", "NULL"),
        ("INSERT INTO people (email, name) VALUES ('a', 'b'), ('gone', NULL)", "NULL"),
    ],
)
def test_other_constraints_hold(connection: Any, sql: str, text: str) -> None:
    error = fails(connection, sql)
    assert text in own(error).upper()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people (email, phone) VALUES ('gone', '33')",
        "INSERT INTO people (id, email, phone) VALUES (2, 'left', '4')",
    ],
)
def test_two_deleted_rows_in_the_way_are_an_error(
    place: Any, connection: Any, sql: str
) -> None:
    error = fails(connection, sql)
    assert isinstance(error, TombstoneConflict)
    keys = "|".join(re.escape(place.unique(f"people.{c}")) for c in ("email", "phone"))
    assert re.match(f"({keys}); if the other row", str(error))


def test_a_live_row_that_is_met_first_is_an_error(on_sqlite: Any) -> None:
    connection = on_sqlite
    own(fails(connection, "INSERT INTO people (email, phone) VALUES ('gone', '11')"))
    own(fails(connection, "INSERT INTO people (id, email) VALUES (1, 'gone')"))
    fails(connection, "INSERT INTO people (email, phone) VALUES ('ann', '22')")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT OR IGNORE INTO people (email) VALUES ('gone')",
        "INSERT INTO people (email) VALUES ('gone') ON CONFLICT DO NOTHING",
        "INSERT INTO people (email) VALUES ('gone') ON CONFLICT (email) DO UPDATE "
        "SET email = excluded.email, deleted_at = NULL",
        "INSERT INTO people (email) VALUES ('gone') ON CONFLICT (email) DO UPDATE "
        "SET name = 'x'",
        "INSERT OR REPLACE INTO people (email) VALUES ('gone')",
        "REPLACE INTO people (email) VALUES ('gone')",
        "INSERT OR FAIL INTO people (email) VALUES ('gone')",
        "INSERT OR ROLLBACK INTO people (email) VALUES ('gone')",
        "INSERT INTO people (rowid, email) VALUES (2, 'x')",
        "UPDATE people SET email = 'gone' WHERE id = 1",
    ],
)
def test_other_statements_are_as_they_were(on_sqlite: Any, sql: str) -> None:
    connection = on_sqlite
    before = stored(connection)
    errors = (UnsupportedStatement, TombstoneConflict)
    for _ in range(2):
        with pytest.raises(errors):
            connection.execute(sql)
        assert stored(connection) == before


def test_defaults_alone_are_as_they_were() -> None:
    schema = SCHEMA.replace("hour INTEGER DEFAULT 9", "hour INTEGER DEFAULT 9 UNIQUE")
    schema = schema.replace("('u1', 1, 9, NULL), ('u2', 2, 9, 'before'), ", "")
    with closing(wrapped(schema)) as connection:
        assert isinstance(
            fails(connection, "INSERT INTO slots DEFAULT VALUES"), TombstoneConflict
        )


@pytest.mark.parametrize("block", ["including_deleted", "only_deleted"])
def test_rows_that_are_included_are_met_as_they_are(
    place: Any, connection: Any, block: str
) -> None:
    sql = "INSERT INTO people (email) VALUES ('gone')"
    with getattr(kysera_dbapi, block)():
        assert isinstance(fails(connection, sql), TombstoneConflict)
    with kysera_dbapi.bypass("soft_delete", reason="test"):
        own(fails(connection, sql))
    assert connection.execute(f"{sql} RETURNING id").fetchall() == [(2,)]


def test_a_comment_includes_them_too() -> None:
    plugin = SoftDelete(TABLES, revive=True, comment_hint=True)
    with closing(kysera_dbapi.wrap(filled(), plugins=[plugin])) as connection:
        sql = "INSERT INTO people (email) VALUES ('gone')"
        fails(connection, f"{sql} /* kysera:including_deleted */")
        connection.execute(sql)


def test_without_the_option_nothing_is_revived() -> None:
    plugins = [SoftDelete(TABLES)]
    with closing(kysera_dbapi.wrap(filled(), plugins=plugins)) as connection:
        error = fails(connection, "INSERT INTO people (email) VALUES ('gone')")
        assert isinstance(error, TombstoneConflict)


def test_an_alias_that_means_the_proposed_row_revives_none(connection: Any) -> None:
    sql = "INSERT INTO people AS excluded (email) VALUES ('gone')"
    error = fails(connection, sql)
    assert isinstance(error, TombstoneConflict)
    cause: Any = error.__cause__
    assert "not tried as an upsert" in cause.__notes__[0]


def test_report_mode_revives_but_sends_nothing_unguarded() -> None:
    with closing(wrapped(mode="report")) as connection:
        cursor = connection.execute("INSERT INTO people (email) VALUES ('gone')")
        assert cursor.lastrowid == 2
        sql = "INSERT INTO people AS excluded (email) VALUES (?)"
        for taken in ("left", "ann"):
            assert isinstance(fails(connection, sql, (taken,)), TombstoneConflict)
