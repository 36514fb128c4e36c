"""Transactions: what the stack follows, what an end undoes, what belongs together."""

import random
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from tests.dbapi.letters import IDS, LIVE, SCHEMA, letters, plugin, stored

NEW = sys.version_info >= (3, 12)
#: How a connection begins transactions: arguments of ``sqlite3.connect``.
MODES: list[dict[str, Any]] = [
    {},
    *({"isolation_level": x} for x in (None, "DEFERRED", "IMMEDIATE", "EXCLUSIVE")),
    *({"autocommit": x} for x in (True, False) if NEW),
]
every_mode = pytest.mark.parametrize("mode", MODES, ids=str)

#: In the transaction ``letters`` is another table, which hides nothing.
SHADOW = "CREATE TEMP TABLE letters AS SELECT 7 AS id"


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(letters()) as made:
        yield made


def savepoints(connection: Any) -> tuple[str, ...]:
    """The caller's savepoints that are open, as the stack has them."""
    found: tuple[str, ...] = connection._self_session.transaction.savepoints
    return found


# -- the stack ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["BEGIN"], ()),
        (["BEGIN", "SAVEPOINT a"], ("a",)),
        (["SAVEPOINT a", "savepoint B"], ("a", "b")),
        (["SAVEPOINT 'A'", 'SAVEPOINT "b"', "SAVEPOINT [c]"], ("a", "b", "c")),
        (["SAVEPOINT `d``e`", 'SAVEPOINT "f""g"'], ("d`e", 'f"g')),
        (["SAVEPOINT É", "SAVEPOINT é", "RELEASE é"], ("É",)),
        (["SAVEPOINT a", "SAVEPOINT b", "RELEASE A"], ()),
        (["SAVEPOINT a", "SAVEPOINT b", "RELEASE SAVEPOINT 'b'"], ("a",)),
        (["SAVEPOINT a", "SAVEPOINT a", "RELEASE a"], ("a",)),
        (["SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a"], ("a",)),
        (["SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO SAVEPOINT b;"], ("a", "b")),
        (["SAVEPOINT a", "ROLLBACK TRANSACTION TO [A]"], ("a",)),
        (["SAVEPOINT a", "ROLLBACK TRANSACTION x TO SAVEPOINT a"], ("a",)),
        (["SAVEPOINT to_", "SAVEPOINT b", "ROLLBACK TO to_"], ("to_",)),
        (["SAVEPOINT a", "SAVEPOINT b", "/* x */ Rollback -- y\n to a ;"], ("a",)),
        (["BEGIN", "SAVEPOINT a", "ROLLBACK"], ()),
        (["BEGIN", "SAVEPOINT a", "ROLLBACK TRANSACTION"], ()),
        (["BEGIN", "SAVEPOINT a", "END"], ()),
        (["BEGIN", "SAVEPOINT a", "COMMIT TRANSACTION x"], ()),
        (["BEGIN IMMEDIATE TRANSACTION", "SAVEPOINT a", "END TRANSACTION"], ()),
        (["SAVEPOINT a", "EXPLAIN ROLLBACK"], ("a",)),
        (["SAVEPOINT a", "EXPLAIN QUERY PLAN SAVEPOINT b"], ("a",)),
        (["SAVEPOINT transaction", "SAVEPOINT release"], ("transaction", "release")),
    ],
)
def test_savepoints_are_followed_by_text(
    statements: list[str], found: tuple[str, ...], connection: Any
) -> None:
    for sql in statements:
        with suppress(sqlite3.OperationalError):  # SQLite does not take all of them
            connection.execute(sql)
            continue
        pytest.skip(f"SQLite {sqlite3.sqlite_version} does not take {sql!r}")
    assert savepoints(connection) == found


@pytest.mark.parametrize("end", ["commit", "rollback", "with", "failing with", "close"])
def test_ends_without_a_text_are_followed(end: str, connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT a")
    if end == "with":
        with connection:
            pass
    elif end == "failing with":
        with suppress(ZeroDivisionError), connection:
            raise ZeroDivisionError
    else:
        getattr(connection, end)()
    assert savepoints(connection) == ()


def test_a_script_ends_the_transaction_first(connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT a")
    connection.executescript("BEGIN; SAVEPOINT b")
    assert savepoints(connection) == ("b",)
    assert connection.in_transaction


def test_setting_an_attribute_may_end_the_transaction(connection: Any) -> None:
    connection.execute("SAVEPOINT a")
    connection.isolation_level = "IMMEDIATE"
    assert savepoints(connection) == ("a",)
    connection.isolation_level = None
    assert savepoints(connection) == (() if not connection.in_transaction else ("a",))
    if NEW:
        connection.rollback()
        connection.autocommit = False
        connection.execute("SAVEPOINT b")
        connection.autocommit = True
        assert not connection.in_transaction
        assert savepoints(connection) == ()


@pytest.mark.parametrize("seed", range(30))
def test_the_stack_is_sqlite_s(seed: int, connection: Any) -> None:
    chance = random.Random(seed)
    texts = ["BEGIN", "COMMIT", "ROLLBACK"]
    texts += [
        f"{verb} {name}" for verb in _VERBS for name in ("a", '"B"', "'b'", "[c]")
    ]
    for sql in chance.choices(texts, k=60):
        with suppress(sqlite3.OperationalError):
            connection.execute(sql)
    raw = connection.unwrap()
    for name in reversed(savepoints(connection)):
        raw.execute(f'RELEASE "{name}"')
    for name in "abc":
        with pytest.raises(sqlite3.OperationalError, match="no such savepoint"):
            raw.execute(f"RELEASE {name}")


_VERBS = ("SAVEPOINT", "SAVEPOINT", "RELEASE", "ROLLBACK TO", "RELEASE SAVEPOINT")


# -- a definition that was undone leaves no trace -------------------------------------


def undo_by(*statements: str) -> Callable[[Any], None]:
    """Run the statements."""

    def run(connection: Any) -> None:
        for sql in statements:
            with suppress(sqlite3.IntegrityError):
                connection.execute(sql)

    return run


def undo_by_with(connection: Any) -> None:
    """Leave a ``with`` block by an error."""
    with suppress(ZeroDivisionError), connection:
        raise ZeroDivisionError


ENDS: dict[str, tuple[list[str], Callable[[Any], None]]] = {
    "ROLLBACK": (["BEGIN", SHADOW], undo_by("ROLLBACK")),
    "text with comments": (
        ["BEGIN", SHADOW],
        undo_by("/* x */ rollback transaction ;"),
    ),
    "rollback()": (["BEGIN", SHADOW], lambda c: c.rollback()),
    "with": (["BEGIN", SHADOW], undo_by_with),
    "TO": (["BEGIN", "SAVEPOINT a", SHADOW], undo_by("ROLLBACK TO A")),
    "TO the outermost": (["SAVEPOINT a", SHADOW], undo_by('ROLLBACK TO "a"')),
    "TO over a released one": (
        ["SAVEPOINT a", "SAVEPOINT b", SHADOW, "RELEASE b"],
        undo_by("ROLLBACK TO a"),
    ),
    "TO over an open one": (
        ["SAVEPOINT a", "SAVEPOINT b", SHADOW],
        undo_by("ROLLBACK TO a"),
    ),
    "TO one of two": (
        ["SAVEPOINT a", SHADOW, "SAVEPOINT a", "SELECT 1", "RELEASE a"],
        undo_by("ROLLBACK TO a"),
    ),
    "ROLLBACK after a savepoint": (
        ["BEGIN", SHADOW, "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a"],
        undo_by("ROLLBACK"),
    ),
    "a conflict": (
        ["BEGIN", SHADOW],
        undo_by("INSERT OR ROLLBACK INTO log VALUES (1, 'twice')"),
    ),
    "another conflict": (
        ["SAVEPOINT a", SHADOW],
        undo_by("UPDATE OR ROLLBACK log SET id = 1, body = (SELECT 1 FROM log)"),
    ),
    "a script": ([], lambda c: c.executescript(f"BEGIN; {SHADOW}; {IDS}; ROLLBACK")),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_definition_that_was_undone_leaves_no_plan(end: str, connection: Any) -> None:
    statements, undo = ENDS[end]
    connection.execute("INSERT INTO log VALUES (2, 'second')")
    connection.commit()
    for sql in statements:
        connection.execute(sql)
    texts = (IDS, "SELECT id FROM letters WHERE id > 0 ORDER BY 1")
    for sql in texts if statements else ():
        assert connection.execute(sql).fetchall() == [(7,)]
    undo(connection)
    for sql in texts:
        if connection.execute("SELECT 1 FROM temp.sqlite_master").fetchall():
            assert end == "another conflict"
            connection.rollback()
        assert connection.execute(sql).fetchall() == LIVE
    assert connection._self_session.catalogue.resolve(["temp", "letters"]) is None


@pytest.mark.skipif(not NEW, reason="autocommit came with Python 3.12")
def test_a_definition_is_undone_without_autocommit(connection: Any) -> None:
    connection.autocommit = False
    for _ in range(2):
        connection.execute(SHADOW)
        assert connection.execute(IDS).fetchall() == [(7,)]
        connection.rollback()
        assert connection.execute(IDS).fetchall() == LIVE
    connection.execute(SHADOW)
    connection.commit()
    connection.rollback()
    assert connection.execute(IDS).fetchall() == [(7,)]


def test_a_definition_that_is_kept_stays_known(connection: Any) -> None:
    connection.execute("SAVEPOINT a")
    connection.execute("SAVEPOINT b")
    connection.execute(SHADOW)
    connection.execute("RELEASE a")
    connection.rollback()
    assert connection.execute(IDS).fetchall() == [(7,)]


def test_what_could_not_be_read_again_is_not_planned_by_the_old(
    connection: Any,
) -> None:
    connection.execute("BEGIN")
    connection.execute("CREATE TEMP TABLE letters (id, deleted_at)")
    assert connection.execute(IDS).fetchall() == []
    length = connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 60)
    connection.rollback()
    with pytest.raises(errors.DataError, match="too big"):
        connection.execute(IDS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, length)
    assert connection.execute(IDS).fetchall() == LIVE


# -- what belongs together happens together -------------------------------------------

PAGES = [(1, True), (2, True), (3, True), (4, False)]


@every_mode
def test_children_go_in_the_transaction_of_their_parent(mode: dict[str, Any]) -> None:
    with (
        closing(letters(**mode)) as connection,
        closing(sqlite3.connect(":memory:", **mode)) as raw,
    ):
        raw.executescript(SCHEMA)
        raw.commit()
        connection.commit()
        for one in (raw, connection):
            assert one.execute("DELETE FROM letters WHERE id = 1").rowcount == 1
        assert connection.in_transaction == raw.in_transaction
        assert stored(connection, "pages")[:2] == [(1, False), (2, False)]
        connection.rollback()
        if raw.in_transaction:
            assert stored(connection, "pages") == PAGES


@every_mode
@pytest.mark.parametrize("open_first", [False, True])
@pytest.mark.parametrize("action", ["ABORT", "FAIL", "ROLLBACK"])
def test_a_failed_deletion_leaves_no_child_deleted(
    action: str, open_first: bool, mode: dict[str, Any]
) -> None:
    with closing(letters(**mode)) as connection:
        raw = connection.unwrap()
        raw.execute(
            "CREATE TRIGGER never BEFORE UPDATE ON letters WHEN old.id = 3 "
            f"BEGIN SELECT RAISE({action}, 'never'); END"
        )
        connection.refresh()
        connection.commit()
        if open_first:
            if not connection.in_transaction:
                connection.execute("BEGIN")
            connection.execute("UPDATE log SET body = 'mine'")
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute("DELETE FROM letters")
        assert stored(connection, "pages") == PAGES
        assert stored(connection) == [(1, True), (2, False), (3, True)]
        kept = open_first and action != "ROLLBACK"
        found = connection.execute("SELECT body FROM log").fetchall()
        assert found == [("mine" if kept else "open",)]


@every_mode
def test_a_live_child_in_the_way_leaves_all_as_it_was(mode: dict[str, Any]) -> None:
    with closing(letters("restrict", **mode)) as connection:
        connection.commit()
        with pytest.raises(errors.IntegrityError) as caught:
            connection.execute("DELETE FROM letters WHERE id = 1")
        assert caught.value.code == "tombstone-restrict"
        assert stored(connection) == [(1, True), (2, False), (3, True)]
        assert stored(connection, "pages") == PAGES


@pytest.mark.parametrize("name", ["_kysera", "_KYSERA", '"_kysera"', "_k1"])
def test_the_caller_s_savepoint_may_have_our_name(name: str, connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute("UPDATE log SET body = 'mine'")
    connection.execute(f"SAVEPOINT {name}")
    connection.execute("DELETE FROM letters WHERE id = 1")
    assert savepoints(connection) == (name.strip('"').lower(),)
    connection.execute(f"ROLLBACK TO {name}")
    assert stored(connection, "pages") == PAGES
    connection.execute("DELETE FROM letters WHERE id = 3")
    connection.execute(f"RELEASE {name}")
    connection.commit()
    assert stored(connection) == [(1, True), (2, False), (3, False)]
    assert connection.execute("SELECT body FROM log").fetchall() == [("mine",)]


@every_mode
def test_children_are_locked_before_they_are_read(
    mode: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "letters.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(SCHEMA)
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other,
        closing(
            kysera_dbapi.connect(sqlite3, path, timeout=0, plugins=[plugin()], **mode)
        ) as connection,
    ):
        connection.commit()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("DELETE FROM letters WHERE id = 1")
        connection.rollback()
        other.execute("COMMIT")
        connection.execute("DELETE FROM letters WHERE id = 1")
        connection.commit()
        assert stored(connection, "pages")[:2] == [(1, False), (2, False)]


RETURNING = "DELETE FROM letters WHERE id < ? RETURNING id"


@every_mode
def test_a_deletion_with_children_can_return_rows(mode: dict[str, Any]) -> None:
    with closing(letters(**mode)) as connection:
        connection.commit()
        if mode in ({"isolation_level": None}, {"autocommit": True}):
            with pytest.raises(errors.UnsupportedStatement, match="begin one first"):
                connection.execute(RETURNING, (3,))
            assert stored(connection, "pages") == PAGES
            connection.execute("BEGIN")
        cursor = connection.execute(RETURNING, (3,))
        assert cursor.fetchall() == [(1,)]
        assert connection.execute(RETURNING, (4,)).fetchall() == [(3,)]
        connection.execute("COMMIT")
        assert stored(connection, "pages") == [(n, False) for n in (1, 2, 3, 4)]


# -- executemany ----------------------------------------------------------------------

DELETE = "DELETE FROM letters WHERE id = ?"


@every_mode
def test_many_deletions_take_their_children_along(mode: dict[str, Any]) -> None:
    with closing(letters(**mode)) as connection:
        connection.commit()
        cursor = connection.executemany(DELETE, [(1,), (2,), (3,), (9,)])
        assert cursor.rowcount == 2
        assert cursor.description is None
        connection.commit()
        assert stored(connection) == [(1, False), (2, False), (3, False)]
        assert not any(live for _, live in stored(connection, "pages"))


def test_rows_are_asked_for_one_by_one(connection: Any) -> None:
    asked: list[list[tuple[int, bool]]] = []

    def rows() -> Iterator[tuple[int]]:
        for key in (1, 3):
            asked.append(stored(connection, "pages"))
            yield (key,)

    connection.executemany(DELETE, rows())
    assert asked == [PAGES, [(1, False), (2, False), (3, True), (4, False)]]


@every_mode
@pytest.mark.parametrize("reason", ["the rows", "a bad row", "a child"])
def test_many_deletions_are_done_or_none(reason: str, mode: dict[str, Any]) -> None:
    def rows() -> Iterator[tuple[int, ...]]:
        yield (1,)
        if reason == "the rows":
            raise ZeroDivisionError
        yield (3, 3) if reason == "a bad row" else (3,)

    with closing(
        letters("cascade" if reason != "a child" else "restrict", **mode)
    ) as c:
        c.unwrap().execute("UPDATE pages SET letter = 3")
        c.commit()
        expected = ZeroDivisionError if reason == "the rows" else sqlite3.Error
        with pytest.raises(expected):
            c.executemany(DELETE, rows())
        assert stored(c) == [(1, True), (2, False), (3, True)]
        assert stored(c, "pages") == PAGES


def test_named_rows_are_deleted_too(connection: Any) -> None:
    cursor = connection.executemany(
        "DELETE FROM letters WHERE id = :id", ({"id": key, "x": 0} for key in (1, 3))
    )
    assert cursor.rowcount == 2
    assert connection.execute("SELECT * FROM pages").fetchall() == []


# -- scripts --------------------------------------------------------------------------

SCRIPTS = [
    "",
    "  ;;; -- nothing\n",
    "INSERT INTO log VALUES (2, 'x'); INSERT INTO log VALUES (3, 'y');",
    "INSERT INTO log VALUES (2, 'x'); INSERT INTO log VALUES (2, 'y'); SELECT 1",
    "INSERT INTO log VALUES (2, 'x'); nonsense; INSERT INTO log VALUES (3, 'y')",
    "BEGIN; INSERT INTO log VALUES (2, 'x'); INSERT INTO nowhere VALUES (1)",
    "BEGIN; INSERT INTO log VALUES (2, 'x')",
    "BEGIN; INSERT INTO log VALUES (2, 'x'); COMMIT; ROLLBACK",
    "INSERT INTO log VALUES (2, 'a;b'); /* ; */ DELETE FROM log WHERE id = 1 -- ;",
    "CREATE TABLE more (n); INSERT INTO more VALUES (1), (2); DROP TABLE log",
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE log SET body = ';' "
    "WHERE id = 1; DELETE FROM log WHERE id = 5; END; INSERT INTO log VALUES (5, 'x')",
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT 1",
    "INSERT INTO log VALUES (2, 'not ended); SELECT 1",
    "SAVEPOINT a; INSERT INTO log VALUES (2, 'x'); ROLLBACK TO a; RELEASE a",
    "SELECT ?; INSERT INTO log VALUES (2, ?)",
    "INSERT INTO log VALUES (2, 'x') RETURNING id; INSERT INTO log VALUES (3, 'y')",
    "INSERT OR ROLLBACK INTO log VALUES (1, 'x'); INSERT INTO log VALUES (3, 'y')",
    "WITH x AS (SELECT 8 AS n) INSERT INTO log SELECT n, 'x' FROM x; VALUES (1)",
    "INSERT INTO log VALUES (2, :a); INSERT INTO log VALUES (4, $b || @c)",
    "SELECT 'x'; INSERT INTO log VALUES (2, \"not ended); SELECT 1",
    "VACUUM; ANALYZE; REINDEX",
    "\ufeffSELECT 1",
]


#: What is said of a script that is not understood, where the driver has its own words.
REFUSALS = ("unparsed-statement", "statement-kind", "multiple-statements")


class Idle(kysera_dbapi.Plugin):
    """A plugin that protects nothing."""

    name = "idle"


@every_mode
@pytest.mark.parametrize("before", [None, "UPDATE log SET body = 'mine'"])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("protecting", [False, True])
def test_a_script_leaves_what_the_driver_leaves(
    protecting: bool, script: str, before: str | None, mode: dict[str, Any]
) -> None:
    def state(connection: Any, raw: Any) -> list[Any]:
        connection.commit()
        if before:
            connection.execute(before)
        error = None
        try:
            connection.executescript(script)
        except Exception as raised:
            error = raised
        found = [connection.in_transaction, connection.isolation_level]
        if not (protecting and getattr(error, "code", "") in REFUSALS):
            kind = next(
                (c for c in type(error).__mro__ if c.__module__ == "sqlite3"),
                type(error),
            )
            found += [str(error), kind.__name__]
        tables = raw.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
        with suppress(sqlite3.OperationalError):
            found += raw.execute("SELECT * FROM log ORDER BY id").fetchall()
        return [*found, *tables]

    def opened() -> sqlite3.Connection:
        raw: sqlite3.Connection = sqlite3.connect(":memory:", **mode)
        raw.executescript(SCHEMA)
        return raw

    with closing(opened()) as plain, closing(opened()) as inner:
        wrapped = kysera_dbapi.wrap(inner, plugins=[plugin() if protecting else Idle()])
        expected, found = state(plain, plain), state(wrapped, inner)
        if protecting and len(found) < len(expected):
            del expected[2:4]  # refused: nothing understood, so nothing sent
        assert found == expected
