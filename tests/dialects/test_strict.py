"""Strict mode on SQLite: what a statement uses is what its plan holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

import kysera_dbapi
from kysera_dbapi.mode import Mode
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.plugins import SoftDelete
from tests.dialects import shop
from tests.oracle import generator
from tests.oracle.compare import Connection, Outcome, judge, report
from tests.oracle.corpus import CORPUS
from tests.oracle.corpus_writes import LIMITED
from tests.oracle.draft import Statement
from tests.oracle.world import World, soft_delete

SWAP = """ALTER TABLE log RENAME TO old_log;
    CREATE VIEW log AS SELECT id, comment AS text FROM orders;"""
SAFE_SWAP = """ALTER TABLE log RENAME TO old_log;
    CREATE VIEW log AS SELECT id, upper(text) AS text FROM old_log;"""
LOG = "SELECT text FROM log"


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop.connect(mode="strict")) as made:
        yield made


@pytest.fixture(scope="module")
def verdicts(world: World) -> dict[str, Outcome]:
    """What comes of statements in normal mode."""
    shim = cast(Connection, kysera_dbapi.wrap(world.full, plugins=[soft_delete()]))
    return {s.sql: judge(world, shim, s).outcome for s in statements(world)}


def statements(world: World) -> Iterator[Statement]:
    """The corpus, and some statements more."""
    for entry in CORPUS:
        yield entry.statement()
    if "ENABLE_UPDATE_DELETE_LIMIT" in world.options:
        for entry in LIMITED:
            yield entry.statement()
    yield from generator.queries(4711, 300, world)
    yield from generator.writes(4711, 150, world)


needs_right_join = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)


@needs_right_join
def test_what_normal_mode_takes_strict_mode_takes(
    world: World, verdicts: dict[str, Outcome]
) -> None:
    wrapped: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()], mode="strict")
    assert len(verdicts) > 700
    for statement in statements(world):
        verdict = judge(world, wrapped, statement)
        assert verdict.outcome is verdicts[statement.sql], report(statement, verdict)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM log JOIN messages USING (id)",
        "SELECT count(*) FROM messages",
        "SELECT 1 FROM messages, (SELECT count(*) FROM log)",
        "WITH c AS (SELECT id FROM log) SELECT count(*) FROM c, c AS d",
        "WITH c AS MATERIALIZED (SELECT id FROM orders) SELECT id FROM c",
        "WITH RECURSIVE c (n) AS (VALUES (1) UNION SELECT n + 1 FROM c LIMIT 3) "
        "SELECT n FROM c",
        "SELECT value FROM json_each('[1]'), json_tree('{}')",
        "SELECT count(*) FROM json_each('[1]')",
        "SELECT name FROM pragma_table_info('orders')",
        "SELECT name FROM sqlite_schema WHERE name LIKE 'o%' OR name GLOB 'l*'",
        "SELECT rowid, * FROM words WHERE words MATCH 'one'",
        "SELECT bm25(words), highlight(words, 0, '', '') FROM words('one')",
        "INSERT INTO words VALUES ('three')",
        "INSERT INTO words (words) VALUES ('optimize')",
        "DELETE FROM words WHERE rowid = 1",
        "UPDATE shown SET text = 'x' WHERE id = 1",
        "DELETE FROM shown",
        "SELECT * FROM boxes WHERE low < 5",
        "INSERT INTO boxes VALUES (9, 1, 2)",
        "INSERT INTO plain VALUES (8, 'fires')",
        "INSERT INTO plain VALUES (8, 'x') ON CONFLICT DO UPDATE SET text = 'y'",
        "UPDATE parents SET id = 5 WHERE id = 1",
        "DELETE FROM parents WHERE id = 2",
        "INSERT INTO kids (parent, comment) VALUES (2, 'new')",
        "DELETE FROM kids WHERE id = 1 RETURNING id, comment",
        "UPDATE orders SET total = (SELECT count(*) FROM log) FROM parents",
        "INSERT INTO orders (comment) SELECT text FROM log RETURNING id",
        "CREATE TABLE copy AS SELECT * FROM orders",
        "CREATE TEMP TABLE copy AS SELECT count(*) FROM orders",
        "SELECT CAST(total AS VARYING CHARACTER(9)), CAST(1 AS DECIMAL(9, 2)) "
        "FROM orders",
        "INSERT INTO log AS l (id, text) VALUES (77, upper('x'))",
        "SELECT sum(total) FILTER (WHERE id > 0) OVER (ORDER BY id) FROM orders",
        "EXPLAIN QUERY PLAN SELECT * FROM orders",
        "ALTER TABLE plain RENAME TO plainer",
        "ALTER TABLE plain DROP COLUMN text",
        "DROP TABLE plain",
        "CREATE INDEX i ON orders (upper(comment)) WHERE total > 1",
        "VACUUM",
        "ANALYZE",
    ],
)
def test_what_statements_use_by_themselves_is_let_through(sql: str) -> None:
    before = """CREATE VIRTUAL TABLE words USING fts5(body);
        INSERT INTO words VALUES ('one'), ('two');
        CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);
        CREATE TABLE plain (id INTEGER PRIMARY KEY, text, ref REFERENCES log (id));
        CREATE TABLE fired (id);
        CREATE TRIGGER fire AFTER INSERT ON plain BEGIN
            INSERT INTO fired SELECT max(id) FROM messages; END;
        ALTER TABLE plain DROP COLUMN ref;
        CREATE VIEW shown AS SELECT id, text FROM log;
        CREATE TRIGGER shown_update INSTEAD OF UPDATE ON shown BEGIN
            UPDATE log SET text = new.text WHERE id = old.id; END;
        CREATE TRIGGER shown_delete INSTEAD OF DELETE ON shown BEGIN
            DELETE FROM log WHERE id = old.id; END;
        PRAGMA foreign_keys = ON;"""
    if "ALTER TABLE plain DROP" in sql:
        before = before.replace("fire AFTER INSERT", "fire AFTER DELETE")
    with (
        closing(shop.connect(before=before)) as normal,
        closing(shop.connect(mode="strict", before=before)) as strict,
    ):
        if sql.startswith("DELETE FROM parents"):
            for connection in (normal, strict):
                code = shop.refused(connection, sql)
                assert code == "foreign-key-action"
            return
        for _ in range(2):  # the second time from the statement cache
            assert attempt(strict, sql) == attempt(normal, sql)


def attempt(connection: Any, sql: str) -> object:
    """The rows of a statement, or its error."""
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error as error:
        return str(error)


def same(value: str) -> str:
    """A function of the program's own."""
    return value


def contains(pattern: str, text: str) -> bool:
    """What REGEXP calls."""
    return pattern in text


def allow(*_: object) -> int:
    """An authorizer that lets everything through."""
    return sqlite3.SQLITE_OK


def code_of(connection: Any, sql: str) -> str:
    """The code by which a statement is refused, at the latest when it is prepared."""
    with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
        connection.execute(sql)
    return caught.value.code


class Idle(Plugin):
    """Does nothing."""

    name = "idle"


def files(
    folder: Path, mode: Any = "strict", beside: tuple[Plugin, ...] = ()
) -> tuple[Any, sqlite3.Connection]:
    """A wrapped connection to a shop in a file, and a raw one."""
    path = str(folder / "shop.db")
    wrapped = shop.connect(mode=mode, database=path, beside=beside)
    return wrapped, sqlite3.connect(path)


@pytest.mark.parametrize("known", [True, False])
def test_a_view_in_the_place_of_a_table_is_refused(tmp_path: Path, known: bool) -> None:
    wrapped, raw = files(tmp_path)
    with closing(wrapped), closing(raw):
        if known:
            assert wrapped.execute(LOG).fetchall() == [("first",), ("second",)]
        raw.executescript(SWAP)
        for _ in range(2):
            with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
                wrapped.execute(LOG)
            assert isinstance(caught.value, sqlite3.NotSupportedError)
            assert caught.value.code == "undeclared-view"  # by the fresh catalogue


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM log",
        "SELECT orders.id, text FROM log JOIN orders USING (id)",
        "WITH log AS (SELECT * FROM main.log) SELECT text FROM log",
        "INSERT INTO parents SELECT id + 10 FROM log",
        "DELETE FROM parents WHERE id IN (SELECT id FROM log WHERE text IS NULL)",
    ],
)
def test_a_known_statement_of_any_kind_is_held(tmp_path: Path, sql: str) -> None:
    wrapped, raw = files(tmp_path)
    with closing(wrapped), closing(raw):
        wrapped.execute("BEGIN")
        wrapped.execute(sql).fetchall()
        wrapped.execute("ROLLBACK")
        raw.executescript(SWAP)
        assert code_of(wrapped, sql) == "undeclared-view"


def test_executemany_is_held(tmp_path: Path) -> None:
    wrapped, raw = files(tmp_path)
    sql = "INSERT INTO parents SELECT id + ? FROM log"
    with closing(wrapped), closing(raw):
        wrapped.executemany(sql, [(10,), (20,)])
        raw.executescript(SWAP)
        with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
            wrapped.executemany(sql, [(30,)])
        assert caught.value.code == "unplanned-relation"
        assert "orders" in str(caught.value)


def test_a_harmless_view_in_the_place_of_a_table_is_read(tmp_path: Path) -> None:
    wrapped, raw = files(tmp_path)
    with closing(wrapped), closing(raw):
        wrapped.execute(LOG).fetchall()
        raw.executescript(SAFE_SWAP)
        assert wrapped.execute(LOG).fetchall() == [("FIRST",), ("SECOND",)]


@pytest.mark.parametrize("beside", [(), (Idle(),)], ids=["alone", "beside another"])
def test_what_was_prepared_within_bypass_is_held_outside(
    tmp_path: Path, beside: tuple[Plugin, ...]
) -> None:
    wrapped, raw = files(tmp_path, beside=beside)
    with closing(wrapped), closing(raw):
        wrapped.execute(LOG).fetchall()
        with kysera_dbapi.bypass("soft_delete", reason="the first look"):
            wrapped.execute(LOG).fetchall()
        raw.executescript(SWAP)
        with kysera_dbapi.bypass("soft_delete", reason="a look at all"):
            assert len(wrapped.execute(LOG).fetchall()) == 3
        assert code_of(wrapped, LOG) == "undeclared-view"


def test_a_plan_that_lacks_a_relation_lets_nothing_through(connection: Any) -> None:
    """As if the parser had missed one."""
    session = connection._self_session
    raw = connection.unwrap()
    plan = Plan("", "select", closed=True, relations=frozenset({"main.log"}))
    for sql, what in {
        "SELECT comment FROM orders": "read orders",
        "SELECT count(*) FROM 'orders'": "read orders",
        "SELECT text FROM log WHERE id IN (SELECT id FROM orders)": "read orders",
        "SELECT * FROM everything": "read orders",
        "SELECT count(*) FROM everything": "read orders",
        "WITH c AS (SELECT id FROM orders) SELECT * FROM c": "read orders",
        "DELETE FROM log": "delete from log",
        "INSERT INTO log VALUES (1, 2)": "insert into log",
        "UPDATE orders SET total = 1": "update orders",
        "SELECT load_extension('x')": "call load_extension",
        "SELECT * FROM docs('ghost')": "read docs",
        "SELECT * FROM docs_data": "read docs_data",
    }.items():
        with (
            pytest.raises(kysera_dbapi.UnsupportedStatement, match=what) as caught,
            session.holding(plan),
        ):
            raw.execute(sql)
        assert caught.value.code == "unplanned-relation"
    with session.holding(plan):
        assert raw.execute("SELECT * FROM log, json_each('[1]')").fetchall()
    assert raw.execute("SELECT count(*) FROM orders").fetchone() == (3,)


# functions


def test_unknown_functions_are_refused(connection: Any) -> None:
    connection.unwrap().create_function("spy", 1, same)
    for sql in (
        "SELECT spy(comment) FROM orders",
        'SELECT "SPY" (1)',
        "SELECT 1 FROM log ORDER BY spy(id)",
        "SELECT 'a' REGEXP 'b'",
        "INSERT INTO log VALUES (9, spy(1))",
    ):
        assert shop.refused(connection, sql) == "dangerous-function"


@pytest.mark.parametrize("how", ["positional", "named"])
def test_functions_of_the_program_are_known(connection: Any, how: str) -> None:
    def double(value: int) -> int:
        return 2 * value

    if how == "positional":
        connection.create_function("Double", 1, double)
    else:
        connection.create_function(name="Double", narg=1, func=double)
    assert connection.execute('SELECT double(4), "DOUBLE"(1)').fetchone() == (8, 2)


def test_aggregates_and_operators_of_the_program_are_known(connection: Any) -> None:
    class Longest:
        def __init__(self) -> None:
            self.text = ""

        def step(self, text: str) -> None:
            self.text = max(self.text, text, key=len)

        def finalize(self) -> str:
            return self.text

    connection.create_aggregate("longest", 1, Longest)
    connection.create_function("regexp", 2, contains)
    sql = "SELECT longest(comment) FROM orders WHERE comment REGEXP 'o'"
    assert connection.execute(sql).fetchone() == ("one",)


def test_an_unknown_function_in_a_view_is_refused() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.create_function("spy", 1, same)
        raw.executescript(shop.SCHEMA + "CREATE VIEW v AS SELECT spy(text) FROM log")
        plugin = SoftDelete(shop.PROTECTED)
        strict = kysera_dbapi.wrap(raw, plugins=[plugin], mode="strict")
        assert shop.refused(strict, "SELECT * FROM v") == "dangerous-function"
        normal = kysera_dbapi.wrap(raw, plugins=[plugin])
        raw.set_authorizer(None)
        assert len(normal.execute("SELECT * FROM v").fetchall()) == 2


@pytest.mark.parametrize("name", ["sqlite_sequence", "dbstat", "sqlite_stat1"])
def test_statistics_are_refused(connection: Any, name: str) -> None:
    connection.execute("ANALYZE")
    assert shop.refused(connection, f"SELECT * FROM {name}") == "undeclared-view"
    assert shop.refused(connection, f"SELECT * FROM main.'{name}'")


def test_virtual_tables_of_unknown_modules_are_refused() -> None:
    before = "CREATE VIRTUAL TABLE sizes USING dbstat(main)"
    sql = "SELECT * FROM sizes"
    with closing(shop.connect(before=before)) as normal:
        assert normal.execute(sql).fetchall()
    with closing(shop.connect(before=before, mode="strict")) as strict:
        assert shop.refused(strict, sql) == "undeclared-view"


# the caller's own authorizer


def test_normal_mode_has_no_authorizer() -> None:
    with closing(shop.connect()) as connection:
        assert connection._self_session.authorizer is None


def test_the_callers_authorizer_is_asked_too(connection: Any) -> None:
    asked: list[Any] = []

    def deny_log(action: int, first: Any, *rest: Any) -> int:
        asked.append((action, first, *rest))
        wrong = action == sqlite3.SQLITE_READ and first == "log"
        return sqlite3.SQLITE_DENY if wrong else sqlite3.SQLITE_OK

    connection.execute(LOG).fetchall()
    connection.set_authorizer(deny_log)
    with pytest.raises(sqlite3.DatabaseError, match="prohibited") as caught:
        connection.execute(LOG)
    assert not isinstance(caught.value, kysera_dbapi.UnsupportedStatement)
    connection.execute("SELECT comment FROM orders").fetchall()
    assert (sqlite3.SQLITE_READ, "orders", "comment", "main", None) in asked
    assert not [a for a in asked if a[1] == "sqlite_master"], "our own reading"


def test_the_callers_authorizer_may_ignore(connection: Any) -> None:
    def hide_text(action: int, first: Any, second: Any, *_: Any) -> int:
        hidden = action == sqlite3.SQLITE_READ and second == "text"
        return sqlite3.SQLITE_IGNORE if hidden else sqlite3.SQLITE_OK

    connection.set_authorizer(hide_text)
    assert connection.execute(LOG).fetchall() == [(None,), (None,)]


@pytest.mark.parametrize("removed", [None, "named"])
def test_ours_stays_when_the_callers_is_taken_away(
    tmp_path: Path, removed: object
) -> None:
    wrapped, raw = files(tmp_path)
    with closing(wrapped), closing(raw):
        wrapped.set_authorizer(allow)
        wrapped.execute(LOG).fetchall()
        if removed is None:
            wrapped.set_authorizer(None)
        else:
            wrapped.set_authorizer(authorizer_callback=None)
        raw.executescript(SWAP)
        assert code_of(wrapped, LOG) == "undeclared-view"
        assert wrapped._self_session.authorizer.theirs is None


def test_a_caller_cannot_allow_what_the_plan_does_not_hold(connection: Any) -> None:
    connection.set_authorizer(allow)
    plan = Plan("", "select", closed=True)
    with (
        pytest.raises(kysera_dbapi.UnsupportedStatement),
        connection._self_session.holding(plan),
    ):
        connection.unwrap().execute("SELECT comment FROM orders")


@pytest.mark.parametrize("answer", [ZeroDivisionError, None, "x", 7])
def test_a_broken_authorizer_fails_as_on_the_driver(answer: Any) -> None:
    def broken(*_: Any) -> Any:
        if answer is ZeroDivisionError:
            raise answer
        return answer

    errors: list[str] = []
    modes: tuple[Mode, ...] = ("normal", "strict")
    for mode in modes:
        with closing(shop.connect(mode=mode)) as connection:
            connection.set_authorizer(broken)
            with pytest.raises(sqlite3.DatabaseError) as caught:
                connection.execute(LOG)
            errors.append(f"{type(caught.value).__name__}: {caught.value}")
    assert errors[0] == errors[1]


def test_companions_are_no_part_of_the_plan() -> None:
    """A cascade's statements are ours; they touch what the plan does not name."""
    schema = """CREATE TABLE a (id INTEGER PRIMARY KEY, deleted_at);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id), deleted_at);
        INSERT INTO a VALUES (1, NULL), (2, NULL), (3, NULL);
        INSERT INTO b VALUES (1, 1, NULL), (2, 2, NULL), (3, 2, NULL);"""
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    plugin = SoftDelete(["a", "b"], foreign_keys={"b.a": "cascade"})
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin], mode="strict")) as strict:
        assert strict.execute("DELETE FROM a WHERE id = 1").rowcount == 1
        strict.executemany("DELETE FROM a WHERE id = ?", [(2,), (3,)])
        assert strict.execute("SELECT count(*) FROM b").fetchone() == (0,)
        assert raw.execute("SELECT count(*) FROM b").fetchone() == (3,)
