"""Unique keys that deleted rows still hold: refused, or an error with its cure."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.plugins.soft_delete.mark import Mark
from kysera_dbapi.registry import get_dialect

HIDDEN = "secret@x.org"


def people(columns: str, *, after: str = "", **options: Any) -> Any:
    """A table with a live row 'a' and a deleted one."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(
        f"CREATE TABLE people ({columns}); {after};"
        f"INSERT INTO people (id, email, deleted_at) VALUES "
        f"(1, 'a', NULL), (2, '{HIDDEN}', 'before')"
    )
    return kysera_dbapi.wrap(raw, plugins=[SoftDelete(["people"], **options)])


def stored(connection: Any) -> list[Any]:
    raw = connection.unwrap()
    return list(raw.execute("SELECT id, email, deleted_at FROM people ORDER BY 1"))


COLUMN = "id INTEGER PRIMARY KEY, email TEXT UNIQUE, deleted_at"
PLAIN = "id INTEGER PRIMARY KEY, email TEXT, area DEFAULT 1, deleted_at"
LIVE_INDEX = "CREATE UNIQUE INDEX one ON people (email) WHERE deleted_at IS NULL"
AGAIN = f"INSERT INTO people (email) VALUES ('{HIDDEN}')"


def conflict(connection: Any, sql: str) -> str:
    """The text of the conflict, which is the driver's error too and shows no value."""
    before = stored(connection)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.execute(sql)
    assert isinstance(caught.value, kysera_dbapi.TombstoneConflict)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert caught.value.code == "tombstone-conflict"
    assert HIDDEN not in str(caught.value)
    assert stored(connection) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("columns", "after"),
    [
        (PLAIN, "CREATE UNIQUE INDEX one ON people (email)"),
        (PLAIN, "CREATE UNIQUE INDEX 'the one' ON people (area, email COLLATE NOCASE)"),
        (PLAIN, "CREATE UNIQUE INDEX one ON people (lower(email))"),
        (PLAIN, "CREATE UNIQUE INDEX one ON people (area, email); -- end\n"),
        (f"{PLAIN}, gone", f"CREATE UNIQUE INDEX one ON people (email); {LIVE_INDEX}2"),
    ],
)
def test_the_cure_for_an_index_is_in_the_text_and_works(
    columns: str, after: str
) -> None:
    after = after.replace(f"{LIVE_INDEX}2", LIVE_INDEX.replace("one", "two"))
    with closing(people(columns, after=after)) as connection:
        text = conflict(connection, AGAIN)
        cure = text.partition("unique: ")[2]
        assert cure.endswith('WHERE "deleted_at" IS NULL')
        connection.executescript(cure)
        assert connection.execute(AGAIN).rowcount == 1
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(AGAIN)
        assert not isinstance(caught.value, kysera_dbapi.TombstoneConflict)


@pytest.mark.parametrize(
    "columns",
    [
        COLUMN,
        PLAIN + ", UNIQUE (email)",
        PLAIN + ", UNIQUE (area, email)",
        f"{PLAIN}, CONSTRAINT c UNIQUE ([email])",
    ],
)
def test_the_cure_for_a_constraint_is_an_index_in_its_place(columns: str) -> None:
    with closing(people(columns)) as connection:
        text = conflict(connection, AGAIN)
        ddl = re.search(r"unique: (CREATE .* IS NULL), in place of", text)
        assert ddl is not None
        connection.execute(ddl[1])
        assert "in place of the table's own constraint" in text


@pytest.mark.parametrize(
    ("columns", "sql"),
    [
        (PLAIN, "INSERT INTO people (id) VALUES (2)"),
        (PLAIN, "UPDATE people SET id = 2 WHERE id = 1"),
        (PLAIN, "UPDATE people SET rowid = 2 WHERE id = 1"),
        (
            "id TEXT PRIMARY KEY, email, deleted_at",
            "INSERT INTO people (id) VALUES (2)",
        ),
        (
            "id, email, deleted_at, PRIMARY KEY (id, email)",
            f"INSERT INTO people (id, email) VALUES (2, '{HIDDEN}')",
        ),
        (
            "id, email PRIMARY KEY, deleted_at) WITHOUT ROWID; CREATE TABLE t (a",
            AGAIN,
        ),
    ],
)
def test_a_primary_key_has_another_cure(columns: str, sql: str) -> None:
    with closing(people(columns)) as connection:
        text = conflict(connection, sql)
        assert "choose another key, or restore() or hard_delete()" in text


def test_flags_are_cured_by_their_own_condition() -> None:
    columns = "id INTEGER PRIMARY KEY, email UNIQUE, deleted_at INTEGER {} DEFAULT 0"
    settings = {"people": {"flag": True}}
    for null, live in (
        ("NOT NULL", '"deleted_at" = 0'),
        ("", 'coalesce("deleted_at", 0) = 0'),
    ):
        raw = sqlite3.connect(":memory:", isolation_level=None)
        raw.executescript(
            f"CREATE TABLE people ({columns.format(null)}); "
            f"INSERT INTO people VALUES (2, '{HIDDEN}', 1)"
        )
        connection = kysera_dbapi.wrap(raw, plugins=[SoftDelete(settings)])
        assert f"WHERE {live}" in conflict(connection, AGAIN)
        connection.close()


def test_what_no_deleted_row_can_cause_is_the_drivers_error() -> None:
    with closing(people(PLAIN, after=LIVE_INDEX)) as connection:
        assert connection.execute(AGAIN).rowcount == 1
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(AGAIN)
        assert str(caught.value) == "UNIQUE constraint failed: people.email"
        assert not isinstance(caught.value, kysera_dbapi.TombstoneConflict)
    with closing(people(COLUMN + " CHECK (id < 9)")) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK") as caught:
            connection.execute("INSERT INTO people (id) VALUES (10)")
        assert not isinstance(caught.value, kysera_dbapi.TombstoneConflict)


def test_a_temporary_table_of_the_same_name_has_no_deleted_rows() -> None:
    with closing(people(COLUMN)) as connection:
        connection.execute("CREATE TEMP TABLE people (id, email UNIQUE)")
        connection.execute("INSERT INTO people VALUES (1, 'x')")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute("INSERT INTO people VALUES (2, 'x')")
        assert not isinstance(caught.value, kysera_dbapi.TombstoneConflict)


# -- what is skipped or replaced in silence


def refused(connection: Any, sql: str) -> None:
    """Before anything reaches the database, or by a guard within the statement."""
    before = stored(connection)
    errors = (kysera_dbapi.UnsupportedStatement, kysera_dbapi.TombstoneConflict)
    with pytest.raises(errors) as caught:
        connection.execute(sql)
    assert HIDDEN not in str(caught.value)
    assert stored(connection) == before


@pytest.mark.parametrize(
    "sql",
    [
        f"INSERT OR IGNORE INTO people (email) VALUES ('{HIDDEN}')",
        f"INSERT OR REPLACE INTO people (email) VALUES ('{HIDDEN}')",
        f"REPLACE INTO people (email) VALUES ('{HIDDEN}')",
        f"INSERT INTO people (email) VALUES ('{HIDDEN}') ON CONFLICT DO NOTHING",
        f"{AGAIN} ON CONFLICT (email) DO NOTHING",
        f"{AGAIN} ON CONFLICT (\"EMAIL\") DO UPDATE SET email = 'x'",
        f"INSERT INTO people (email) SELECT '{HIDDEN}' WHERE true ON CONFLICT (email) "
        "DO UPDATE SET email = excluded.email",
        "INSERT INTO people (id) VALUES (2) ON CONFLICT (id) DO UPDATE SET email = 'x'",
        f"UPDATE OR IGNORE people SET email = '{HIDDEN}'",
        f"UPDATE OR REPLACE people SET email = '{HIDDEN}'",
        "UPDATE OR IGNORE people SET id = 2",
        "INSERT OR IGNORE INTO people VALUES (2, 'x', NULL)",
        "INSERT OR IGNORE INTO people (rowid, email) VALUES (2, 'x')",
    ],
)
def test_a_row_is_not_skipped_or_removed_for_a_deleted_one(sql: str) -> None:
    with closing(people(COLUMN)) as connection:
        refused(connection, sql)


@pytest.mark.parametrize(
    ("sql", "cure"),
    [
        (f"{AGAIN} ON CONFLICT (email) DO NOTHING", "CREATE UNIQUE INDEX"),
        (f"{AGAIN} ON CONFLICT (email) DO UPDATE SET email = 'x'", "WHERE"),
        (f"{AGAIN} ON CONFLICT DO NOTHING", "CREATE UNIQUE INDEX"),
        (
            "INSERT INTO people (id) VALUES (2) ON CONFLICT (id) DO UPDATE SET id = 5",
            "choose another key",
        ),
        ("INSERT OR IGNORE INTO people (id) VALUES (2)", "restore()"),
    ],
)
def test_an_upsert_that_meets_a_deleted_row_says_the_cure(sql: str, cure: str) -> None:
    with closing(people(COLUMN)) as connection:
        assert cure in conflict(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people (id, email) VALUES (1, 'z') "
        "ON CONFLICT (id) DO UPDATE SET email = excluded.email || id",
        "INSERT INTO people (email) VALUES ('a'), ('c') "
        "ON CONFLICT (email) DO UPDATE SET id = 7 WHERE people.id < 3 RETURNING id",
        "INSERT INTO people (email) SELECT 'a' WHERE 1 ON CONFLICT DO NOTHING",
        "INSERT OR IGNORE INTO people (email) VALUES ('a'), ('c')",
        "INSERT OR IGNORE INTO people (email) SELECT email FROM people",
        "INSERT OR IGNORE INTO people (id, email) SELECT 9, p.email || 'x' "
        "FROM people AS p JOIN people AS q ON p.id = q.id",
        "INSERT OR IGNORE INTO people (email) SELECT 'a' UNION SELECT 'd' FROM people",
    ],
)
def test_an_upsert_that_meets_live_rows_is_as_on_the_filtered_copy(sql: str) -> None:
    with (
        closing(people(COLUMN)) as connection,
        closing(sqlite3.connect(":memory:", isolation_level=None)) as copy,
    ):
        copy.executescript(
            f"CREATE TABLE people ({COLUMN}); INSERT INTO people VALUES (1, 'a', NULL)"
        )
        for one in (connection, copy):  # so that both number new rows alike
            one.execute("INSERT INTO people VALUES (4, 'q', NULL)")
        got, expected = connection.execute(sql), copy.execute(sql)
        assert got.fetchall() == expected.fetchall()
        assert got.rowcount == expected.rowcount
        assert got.description == expected.description
        every = "SELECT * FROM people ORDER BY id"
        assert connection.execute(every).fetchall() == copy.execute(every).fetchall()
        assert (2, HIDDEN, "before") in stored(connection)


@pytest.mark.parametrize(
    ("sql", "emails"),
    [
        (AGAIN, ["a", HIDDEN]),
        (f"INSERT OR IGNORE INTO people (email) VALUES ('a'), ('{HIDDEN}')", None),
        (
            f"{AGAIN}, ('a') ON CONFLICT (email) WHERE deleted_at IS NULL DO NOTHING",
            None,
        ),
        (
            f"{AGAIN}, ('a') ON CONFLICT (email) WHERE deleted_at IS NULL "
            "DO UPDATE SET area = 7",
            None,
        ),
        ("UPDATE OR IGNORE people SET email = 'b'", ["b"]),
        ("UPDATE OR REPLACE people SET area = 2", ["a"]),
        ("UPDATE OR FAIL people SET id = 9", ["a"]),
        ("INSERT OR ROLLBACK INTO people VALUES (9, 'x', 1, NULL)", ["a", "x"]),
    ],
)
def test_keys_of_live_rows_alone_collide_as_on_the_filtered_copy(
    sql: str, emails: list[str] | None
) -> None:
    with closing(people(PLAIN, after=LIVE_INDEX)) as connection:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        copy.executescript("\n".join(connection.unwrap().iterdump()))
        copy.execute("DELETE FROM people WHERE deleted_at NOT NULL")
        shown = "SELECT email, area FROM people ORDER BY email"
        assert connection.execute(sql).rowcount == copy.execute(sql).rowcount
        found = connection.execute(shown).fetchall()
        assert found == copy.execute(shown).fetchall()
        assert [row[0] for row in found] == (emails or ["a", HIDDEN])
        assert (2, HIDDEN, "before") in stored(connection)
        copy.close()


def test_an_upsert_does_not_set_the_mark() -> None:
    with closing(people(PLAIN, after=LIVE_INDEX)) as connection:
        refused(
            connection,
            "INSERT INTO people (email) VALUES ('a') ON CONFLICT (email) WHERE "
            "deleted_at IS NULL DO UPDATE SET deleted_at = 'x'",
        )


@pytest.mark.parametrize("action", ["REPLACE", "IGNORE"])
@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY, email UNIQUE ON CONFLICT {}, deleted_at",
        "id INTEGER PRIMARY KEY, email, deleted_at, UNIQUE (email) ON CONFLICT {}",
        "id INTEGER PRIMARY KEY, email, deleted_at, UNIQUE(email)on/**/conflict {}",
        "id, email TEXT PRIMARY KEY DESC ON CONFLICT {}, deleted_at",
        "id, email, deleted_at, CONSTRAINT c PRIMARY KEY (email, id) ON CONFLICT {}",
        "id, email, deleted_at, PRIMARY KEY (email) ON CONFLICT {}) WITHOUT ROWID; "
        "CREATE TABLE t (a",
    ],
)
def test_the_schemas_own_clause_removes_no_deleted_row(
    columns: str, action: str
) -> None:
    with closing(people(columns.format(action))) as connection:
        table = connection.plugin_host.catalogue.tables["main.people"]
        assert table.on_conflict == {action}
        again = f"INSERT INTO people (id, email) VALUES (2, '{HIDDEN}')"
        for sql in (again, f"UPDATE people SET email = '{HIDDEN}', id = 2"):
            refused(connection, sql)
            or_abort = re.sub("^(INSERT|UPDATE)", r"\1 OR ABORT", sql)
            conflict(connection, or_abort)
        assert connection.execute("SELECT id FROM people").fetchall() == [(1,)]
        assert connection.execute("DELETE FROM people").rowcount == 1


@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY, email NOT NULL ON CONFLICT REPLACE DEFAULT 'x', "
        "deleted_at",
        f"{PLAIN}, CHECK (email <> '') ON CONFLICT IGNORE",
        "id INTEGER PRIMARY KEY ON CONFLICT ABORT, email, deleted_at",
        "id INTEGER PRIMARY KEY, email DEFAULT 'UNIQUE ON CONFLICT IGNORE', deleted_at",
    ],
)
def test_other_clauses_remove_no_row(columns: str) -> None:
    with closing(people(columns)) as connection:
        table = connection.plugin_host.catalogue.tables["main.people"]
        assert not table.on_conflict
        assert connection.execute("INSERT INTO people (email) VALUES ('z')").rowcount


def test_a_key_of_live_rows_may_replace_them() -> None:
    columns = "id INTEGER PRIMARY KEY ON CONFLICT REPLACE, email, deleted_at"
    with closing(people(columns)) as connection:
        assert connection.execute("INSERT INTO people (email) VALUES ('z')").rowcount
        assert connection.execute("UPDATE people SET email = 'y'").rowcount == 2
        refused(connection, "INSERT INTO people (id) VALUES (2)")


# -- which indexes hold live rows alone


def leaves_out(where: str, *, flag: bool = False, column: str = "deleted_at") -> bool:
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, {column} NOT NULL DEFAULT 0); "
        f"CREATE UNIQUE INDEX i ON t (a) {where}"
    )
    dialect = get_dialect("sqlite")
    catalogue = dialect.read_catalogue(lambda *a: raw.execute(*a).fetchall())
    raw.close()
    table = catalogue.tables["main.t"]
    mark = Mark.of(table, column, dialect, flag=flag)
    return mark.leaves_out(table.unique_keys[0], dialect)


@pytest.mark.parametrize(
    "where",
    [
        "WHERE deleted_at IS NULL",
        "where /* x */ [Deleted_At]  is\nnull -- y",
        'WHERE ("deleted_at" ISNULL)',
        "WHERE a IS NOT NULL AND deleted_at IS NULL",
        "WHERE (deleted_at IS NULL) AND b = 'x OR y'",
    ],
)
def test_an_index_of_live_rows_is_known(where: str) -> None:
    assert leaves_out(where)


@pytest.mark.parametrize(
    "where",
    [
        "",
        "WHERE a IS NULL",
        "WHERE deleted_at IS NOT NULL",
        "WHERE deleted_at IS NULL OR a = 1",
        "WHERE NOT (deleted_at IS NULL)",
        "WHERE NOT deleted_at IS NULL",
        "WHERE a = 'AND deleted_at IS NULL AND'",
        "WHERE a = ' WHERE deleted_at IS NULL'",
        "WHERE a BETWEEN 1 AND deleted_at IS NULL",
        "WHERE a = 1 AND (b OR deleted_at IS NULL)",
        "WHERE CASE WHEN a AND deleted_at IS NULL AND b THEN 1 ELSE 2 END",
        "WHERE a /* AND deleted_at IS NULL */",
        "WHERE a -- AND deleted_at IS NULL\n",
    ],
)
def test_an_index_that_may_hold_deleted_rows_is_known(where: str) -> None:
    assert not leaves_out(where)


@pytest.mark.parametrize(
    ("where", "known"),
    [
        ("WHERE gone = 0", True),
        ("WHERE gone == 0 AND a > 1", True),
        ("WHERE gone IS 0", True),
        ("WHERE gone", False),
        ("WHERE gone = 1", False),
        ("WHERE gone <> 0", False),
        ("WHERE gone IS NULL", False),
        ("WHERE coalesce(gone, 0) = 0", True),
        ('WHERE coalesce("gone", 0) = 0', True),
        ("WHERE coalesce(gone, 1) = 0", False),
    ],
)
def test_an_index_of_flagged_rows_is_known(where: str, *, known: bool) -> None:
    assert leaves_out(where, flag=True, column="gone") is known
