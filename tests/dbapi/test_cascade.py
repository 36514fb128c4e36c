"""What a soft DELETE takes with it, against SQLite's own foreign keys on a copy."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

# {cascade} and {restrict} are the native actions, on the copy alone
SCHEMA = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT COLLATE NOCASE UNIQUE,
    boss INTEGER REFERENCES people (id) {cascade},
    deleted_at TEXT);
CREATE TABLE teams (
    org INTEGER, no INTEGER, lead INTEGER REFERENCES people (id) {cascade},
    deleted_at TEXT, PRIMARY KEY (org, no)) WITHOUT ROWID;
CREATE TABLE members (
    id INTEGER PRIMARY KEY, org INTEGER, no INTEGER,
    person TEXT REFERENCES people (name) {cascade},
    gone INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (org, no) REFERENCES teams {cascade});
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    member INTEGER REFERENCES members (id) {cascade},
    part_of INTEGER REFERENCES tasks (id) {restrict},
    deleted_at TEXT);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, task INTEGER REFERENCES tasks (id) {restrict});
"""
FOREIGN_KEYS: dict[str, Any] = {
    "people.boss": "cascade",
    "teams.lead": "cascade",
    "members.person": "cascade",
    "members(org, no)": "cascade",
    "tasks.member": "cascade",
    "tasks.part_of": "restrict",
    "notes.task": "restrict",
}
LIVE = {
    "people": "deleted_at IS NULL",
    "teams": "deleted_at IS NULL",
    "members": "gone = 0",
    "tasks": "deleted_at IS NULL",
    "notes": "1",
}
STATEMENTS = [
    "DELETE FROM people WHERE id = {n}",
    "DELETE FROM people WHERE id IN ({n}, {m})",
    "DELETE FROM people WHERE boss = {n}",
    "DELETE FROM people",
    "DELETE FROM people WHERE (SELECT count(*) FROM teams WHERE lead = people.id) > 0",
    "DELETE FROM people WHERE id NOT IN (SELECT boss FROM people WHERE boss NOT NULL)",
    "WITH x AS (SELECT min(id) AS id FROM people) DELETE FROM people WHERE id IN x",
    "DELETE FROM teams AS t WHERE t.org = {m} AND EXISTS "
    "(SELECT 1 FROM members m WHERE (m.org, m.no) = (t.org, t.no))",
    "DELETE FROM teams WHERE (org, no) = ({m}, {m})",
    "DELETE FROM members WHERE id % {m} = 0",
    "DELETE FROM members WHERE person LIKE 'P{n}%'",
    "DELETE FROM tasks WHERE id = {n}",
    "DELETE FROM tasks WHERE id >= {n}",
    "DELETE FROM tasks WHERE part_of IS NULL AND member = {n}",
    "DELETE FROM notes WHERE task = {n}",
]


@dataclass
class Twins:
    """The full database behind the shim, and the copy of its live rows."""

    shim: Any
    full: sqlite3.Connection
    copy: sqlite3.Connection


def rows(seed: int) -> dict[str, list[tuple[Any, ...]]]:
    """Random rows that refer to each other; a row of each last column is deleted."""
    rng = random.Random(seed)

    def maybe(last: int) -> int | None:
        numbers: list[int | None] = [None, *range(1, last + 1)]
        return rng.choice(numbers)

    def gone(share: float = 0.25) -> str | None:
        return "before" if rng.random() < share else None

    def spelled(number: int | None) -> str | None:
        name = f"p{number}"
        return None if number is None else rng.choice([name, name.upper()])

    people = [(i, f"p{i}", maybe(i - 1), gone()) for i in range(1, 9)]
    people[2] = (3, "p3", 7, None)  # a circle, if 3 comes to be the boss of 7
    teams = [(o, n, maybe(8), gone()) for o in (1, 2) for n in (1, 2)]
    members = [
        (
            i,
            rng.choice([None, 1, 2]),
            rng.choice([1, 2]),
            spelled(maybe(8)),
            bool(gone()),
        )
        for i in range(1, 13)
    ]
    tasks = [
        (i, maybe(12), maybe(i - 1) if i % 3 else None, gone()) for i in range(1, 13)
    ]
    notes = [(i, maybe(12)) for i in (1, 2)]
    return {
        "people": people, "teams": teams, "members": members, "tasks": tasks,
        "notes": notes,
    }  # fmt: skip


def database(data: dict[str, list[tuple[Any, ...]]], **actions: str) -> Any:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA.format(**actions))
    for table, of in data.items():
        marks = ", ".join("?" * len(of[0]))
        raw.executemany(f"INSERT INTO {table} VALUES ({marks})", of)
    return raw


def consistent(copy: sqlite3.Connection) -> None:
    """Remove the deleted rows, and the live ones that refer to nothing."""
    for table, live in LIVE.items():
        copy.execute(f"DELETE FROM {table} WHERE NOT ({live})")
    while found := copy.execute("PRAGMA foreign_key_check").fetchall():
        table, rowid, parent, number = found[0]
        if rowid is None:
            copy.execute("DELETE FROM teams WHERE lead NOT IN (SELECT id FROM people)")
            continue
        columns = [
            row[3]
            for row in copy.execute(f"PRAGMA foreign_key_list({table})")
            if row[0] == number
        ]
        assert parent
        for column in columns:
            copy.execute(f"UPDATE {table} SET {column} = NULL WHERE rowid = {rowid}")


@pytest.fixture
def both(seed: int) -> Iterator[Twins]:
    made = twins(seed)
    with closing(made.shim), closing(made.copy):
        yield made


def twins(seed: int) -> Twins:
    """The copy first, made whole; then the full one: its rows, and deleted ones."""
    data = rows(seed)
    copy = database(data, cascade="ON DELETE CASCADE", restrict="")
    consistent(copy)
    live = {t: copy.execute(f"SELECT * FROM {t}").fetchall() for t in data}
    width = {"teams": 2}
    for table, of in data.items():
        keys = {row[: width.get(table, 1)] for row in live[table]}
        live[table] += [
            row if table == "notes" else (*row[:-1], _deleted(table))
            for row in of
            if row[: width.get(table, 1)] not in keys
        ]
    full = database(live, cascade="", restrict="")
    copy.execute("PRAGMA foreign_keys = ON")
    return Twins(kysera_dbapi.wrap(full, plugins=[soft_delete()]), full, copy)


def _deleted(table: str) -> object:
    return 1 if table == "members" else "before"


def soft_delete(**options: Any) -> SoftDelete:
    return SoftDelete(
        {
            "people": {},
            "teams": {},
            "members": {"column": "gone", "flag": True},
            "tasks": {},
        },
        foreign_keys=FOREIGN_KEYS,
        **options,
    )


def live_rows(connection: Any) -> dict[str, set[Any]]:
    return {t: set(connection.execute(f"SELECT * FROM {t}").fetchall()) for t in LIVE}


def outcome(connection: Any, sql: str) -> tuple[str, dict[str, set[Any]]]:
    """Whether a statement failed, and the rows that are left; then it is undone."""
    connection.execute("BEGIN")
    try:
        connection.execute(sql)
        error = ""
    except sqlite3.IntegrityError:
        error = "IntegrityError"
    left = live_rows(connection)
    connection.execute("ROLLBACK")
    return error, left


@pytest.mark.parametrize("seed", range(12))
def test_a_cascade_leaves_what_the_database_would_leave(seed: int, both: Twins) -> None:
    rng = random.Random(seed)
    assert live_rows(both.shim) == live_rows(both.copy)
    for text in STATEMENTS:
        sql = text.format(n=rng.randint(1, 9), m=rng.randint(1, 2))
        assert outcome(both.shim, sql) == outcome(both.copy, sql), sql


@pytest.mark.parametrize("seed", range(4))
def test_the_rowcount_is_that_of_the_rows_named(seed: int, both: Twins) -> None:
    both.full.execute("DELETE FROM notes")
    for text in STATEMENTS[:6]:  # sqlite3 counts no rows after WITH
        sql = text.format(n=3, m=1)
        counted = sql.replace("DELETE FROM", "SELECT count(*) FROM")
        expected = both.copy.execute(counted).fetchone()[0]
        both.shim.execute("BEGIN")
        with suppress(kysera_dbapi.IntegrityError):
            assert both.shim.execute(sql).rowcount == expected, sql
        both.shim.execute("ROLLBACK")


PAIR = """
CREATE TABLE parents (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE kids (
    id INTEGER PRIMARY KEY, parent REFERENCES parents (id), deleted_at);
INSERT INTO parents VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', 'before');
INSERT INTO kids VALUES (1, 1, NULL), (2, 1, NULL), (3, 2, NULL), (4, 2, 'before');
"""


def pair(schema: str = PAIR, *, autocommit: bool = True, **options: Any) -> Any:
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    if autocommit:
        raw.isolation_level = None
    options.setdefault("foreign_keys", {"kids.parent": "cascade"})
    tables = options.pop("tables", ["parents", "kids"])
    return kysera_dbapi.wrap(raw, plugins=[SoftDelete(tables, **options)])


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(pair()) as made:
        yield made


def marks(connection: Any, table: str) -> dict[int, Any]:
    sql = f"SELECT id, deleted_at FROM {table}"
    return dict(connection.unwrap().execute(sql).fetchall())


def deleted(connection: Any, table: str) -> list[int]:
    return [key for key, mark in marks(connection, table).items() if mark]


@pytest.mark.parametrize(
    "where",
    [
        "(SELECT count(*) FROM kids WHERE parent = parents.id) = 2",
        "id IN (SELECT parent FROM kids GROUP BY 1 HAVING count(*) > 1)",
        "EXISTS (SELECT 1 FROM kids WHERE parent = parents.id AND id = 1)",
    ],
)
def test_a_where_that_reads_the_children_is_evaluated_once(
    connection: Any, where: str
) -> None:
    cursor = connection.execute(f"DELETE FROM parents WHERE {where}")
    assert cursor.rowcount == 1
    assert deleted(connection, "parents") == [1, 3]
    assert deleted(connection, "kids") == [1, 2, 4]


def test_what_changes_by_itself_is_evaluated_once(connection: Any) -> None:
    raw = connection.unwrap()
    calls = iter([1, 0, 0, 1, 0, 1, 1, 0])
    raw.create_function("chance", 0, lambda: next(calls))
    connection.execute("DELETE FROM parents WHERE chance()")
    gone = {1: [1, 2], 2: [3]}
    taken = [key for key in deleted(connection, "parents") if key != 3]
    assert len(taken) == 1
    assert deleted(connection, "kids") == sorted([*gone[taken[0]], 4])


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("DELETE FROM parents WHERE id = ? AND name = ?", (1, "a")),
        ("DELETE FROM parents WHERE name = ?2 AND id = ?1", (1, "a")),
        ("DELETE FROM parents WHERE id = :id AND name = @n", {"id": 1, "n": "a"}),
        ("DELETE FROM parents WHERE id = $id", {"id": 1}),
        ("DELETE FROM parents AS p INDEXED BY names WHERE p.name = ?", ("a",)),
        ("DELETE FROM parents NOT INDEXED WHERE 'a' = name /* x */ ; -- y", ()),
        ("WITH c AS (SELECT ? AS id) DELETE FROM parents WHERE id IN c", (1,)),
        ("DELETE FROM main.parents WHERE(name='a')", ()),
        ("DELETE FROM parents WHERE id = 1 OR name = ?", ("a",)),
        ("DELETE FROM parents WHERE id = :id RETURNING :other", {"id": 1, "other": 2}),
        ("DELETE FROM parents WHERE id = ? RETURNING ?, id", (1, 2)),
    ],
)
def test_values_in_any_style(connection: Any, sql: str, values: Any) -> None:
    connection.unwrap().execute("CREATE INDEX names ON parents (name)")
    connection.execute("BEGIN")
    connection.execute(sql, values).fetchall()
    connection.execute("COMMIT")
    assert deleted(connection, "parents") == [1, 3]
    assert deleted(connection, "kids") == [1, 2, 4]


def test_lists_of_any_length(connection: Any) -> None:
    """Long texts are planned by one element; the image knows how many there are."""
    text = f"DELETE FROM parents WHERE /*{'-' * 2000}*/ name <> ? AND id IN ({{}})"
    for ids, kids in ([5, 6, 2], [3, 4]), ([7], [3, 4]), ([8, 1], [1, 2, 3, 4]):
        marked = text.format(", ".join("?" * len(ids)))
        cursor = connection.execute(marked, ("x", *ids))
        assert cursor.rowcount == len({1, 2}.intersection(ids))
        assert deleted(connection, "kids") == kids


@pytest.mark.parametrize("many", [(), ("ORDER BY id DESC LIMIT 1",)])
def test_returning_shows_the_rows_hit(connection: Any, many: tuple[str, ...]) -> None:
    options = [r[0] for r in connection.unwrap().execute("PRAGMA compile_options")]
    if many and "ENABLE_UPDATE_DELETE_LIMIT" not in options:
        pytest.skip("this SQLite has no LIMIT on UPDATE and DELETE")
    connection.execute("BEGIN")
    sql = f"DELETE FROM parents WHERE id < ? RETURNING *, id + 1 {''.join(many)}"
    found = connection.execute(sql, (9,)).fetchall()
    expected = [(1, "a", None, 2), (2, "b", None, 3)]
    assert found == (expected[1:] if many else expected)
    connection.execute("COMMIT")
    assert deleted(connection, "kids") == ([3, 4] if many else [1, 2, 3, 4])


def test_a_row_at_a_time_by_executemany(connection: Any) -> None:
    cursor = connection.executemany("DELETE FROM parents WHERE id = ?", [(1,), (2,)])
    assert cursor.rowcount == 2
    assert deleted(connection, "kids") == [1, 2, 3, 4]


@pytest.mark.parametrize("clock", ["application", "database"])
def test_all_rows_have_the_moment_of_the_first(clock: Any) -> None:
    with closing(pair(clock=clock)) as connection:
        connection.execute("DELETE FROM parents")
        parents, kids = marks(connection, "parents"), marks(connection, "kids")
        assert {parents[1], parents[2]} == {kids[1], kids[2], kids[3]}
        assert (parents[3], kids[4]) == ("before", "before")


def test_the_clock_is_asked_once_a_statement() -> None:
    asked: list[int] = []

    def clock() -> Any:
        from datetime import UTC, datetime

        asked.append(1)
        return datetime(2026, 1, 1, len(asked), tzinfo=UTC)

    with closing(pair(clock=clock)) as connection:
        connection.execute("DELETE FROM parents")
        assert len(asked) == 1
        stamp = "2026-01-01 01:00:00.000000"
        assert marks(connection, "kids") == {1: stamp, 2: stamp, 3: stamp, 4: "before"}


def test_the_moment_of_a_flag_is_its_childrens() -> None:
    schema = PAIR.replace("name, deleted_at", "name, deleted_at NOT NULL DEFAULT 0")
    schema = schema.replace("'a', NULL", "'a', 0").replace("'b', NULL", "'b', 0")
    tables = {"parents": {"flag": True}, "kids": {}}
    with closing(
        pair(schema.replace("'c', 'before'", "'c', 1"), tables=tables)
    ) as made:
        made.execute("DELETE FROM parents")
        assert marks(made, "parents") == {1: 1, 2: 1, 3: 1}
        assert len(set(marks(made, "kids").values())) == 2


def test_restricted_rows_change_nothing() -> None:
    with closing(pair(foreign_keys={"kids.parent": "restrict"})) as connection:
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute("DELETE FROM parents")
        assert isinstance(caught.value, kysera_dbapi.IntegrityError)
        assert caught.value.code == "tombstone-restrict"
        assert deleted(connection, "parents") == [3]
        connection.execute("DELETE FROM kids")
        assert connection.execute("DELETE FROM parents").rowcount == 2


def test_a_restricted_grandchild_keeps_all() -> None:
    schema = (
        PAIR
        + """
    CREATE TABLE toys (id INTEGER PRIMARY KEY, kid REFERENCES kids (id));
    INSERT INTO toys VALUES (1, 3);
    """
    )
    keys = {"kids.parent": "cascade", "toys.kid": "restrict"}
    with closing(pair(schema, foreign_keys=keys)) as connection:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM parents")
        assert (deleted(connection, "parents"), deleted(connection, "kids")) == (
            [3],
            [4],
        )
        assert connection.execute("DELETE FROM parents WHERE id = 1").rowcount == 1


def test_ignored_children_stay() -> None:
    with closing(pair(foreign_keys={"kids.parent": "ignore"})) as connection:
        connection.execute("DELETE FROM parents")
        assert deleted(connection, "kids") == [4]


def test_a_failure_afterwards_undoes_the_cascade(connection: Any) -> None:
    connection.unwrap().executescript(
        "CREATE TRIGGER no BEFORE UPDATE ON parents WHEN old.id = 2 "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        connection.execute("DELETE FROM parents")
    assert deleted(connection, "parents") == [3]
    assert deleted(connection, "kids") == [4]


def test_a_cascade_is_the_callers_to_roll_back() -> None:
    with closing(pair(autocommit=False)) as connection:
        connection.execute("DELETE FROM parents WHERE id = 1")
        assert connection.in_transaction
        connection.rollback()
        assert deleted(connection, "kids") == [4]
        connection.execute("DELETE FROM parents WHERE id = 1")
        connection.commit()
        assert deleted(connection, "kids") == [1, 2, 4]


def test_statements_do_not_grow_with_the_rows(connection: Any) -> None:
    raw = connection.unwrap()
    raw.executescript(
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT 10000) "
        "INSERT INTO parents SELECT i, 'x', NULL FROM n; "
        "INSERT INTO kids SELECT id * 10, id, NULL FROM parents WHERE id >= 10; "
        "CREATE INDEX kids_parent ON kids (parent)"
    )
    connection.execute("DELETE FROM parents WHERE id = 1")
    sent: list[str] = []
    raw.set_trace_callback(sent.append)
    assert connection.execute("DELETE FROM parents").rowcount == 10_001
    raw.set_trace_callback(None)
    assert len(sent) < 20
    assert not connection.execute("SELECT 1 FROM kids").fetchall()


def test_keys_that_cannot_be_listed_are_refused() -> None:
    schema = """
    CREATE TABLE parents (id BLOB PRIMARY KEY, deleted_at) WITHOUT ROWID;
    CREATE TABLE kids (id INTEGER PRIMARY KEY, parent REFERENCES parents, deleted_at);
    INSERT INTO parents VALUES (x'00', NULL), ('it''s "ä" \\ 😀', NULL), (1.5, NULL);
    INSERT INTO kids SELECT 1, id, NULL FROM parents WHERE typeof(id) = 'text';
    """
    with closing(pair(schema)) as connection:
        for condition in ("typeof(id) = 'blob'", "typeof(id) = 'real'"):
            with pytest.raises(sqlite3.DataError) as caught:
                connection.execute(f"DELETE FROM parents WHERE {condition}")
            assert caught.value.code == "unsupported-key"  # type: ignore[attr-defined]
        sql = "DELETE FROM parents WHERE typeof(id) = 'text'"
        assert connection.execute(sql).rowcount == 1
        assert deleted(connection, "kids") == [1]
