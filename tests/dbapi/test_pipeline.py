"""From a text to its plan: what is shared, what is kept, and for whom."""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.mode import Mode
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Bounded
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.registry import get_dialect

SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, total);
CREATE VIEW report AS SELECT * FROM orders;
CREATE VIEW summary AS SELECT * FROM report;
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'before'), (3, 30, NULL);
INSERT INTO log VALUES (1, 5), (2, 7);
"""
#: Lists fold in long texts alone.
PAD = f"/*{'-' * 2000}*/ "


class Counting(SoftDelete):
    """Soft delete that counts the statements planned."""

    planned = 0

    def intercept(self, statement: Draft) -> None:
        self.planned += 1
        super().intercept(statement)


class Idle(Plugin):
    """It protects nothing."""

    name = "idle"


def raw_shop(extra: str = "") -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SHOP + extra)
    return raw


def shop(*plugins: Plugin, extra: str = "", mode: Mode = "normal") -> Any:
    given = plugins or (SoftDelete(["orders"]),)
    return kysera_dbapi.wrap(raw_shop(extra), plugins=given, mode=mode)


def pipeline(connection: Any) -> Pipeline:
    found: Pipeline = connection._self_session.pipeline
    return found


@pytest.fixture
def plugin() -> Counting:
    return Counting(["orders"])


@pytest.fixture
def connection(plugin: Counting) -> Iterator[Any]:
    with closing(shop(plugin)) as made:
        yield made


def rows(connection: Any, sql: str, *parameters: Any) -> list[Any]:
    found: list[Any] = connection.execute(sql, *parameters).fetchall()
    return found


# -- shared by connections ------------------------------------------------------------


def test_equal_connections_share_their_plans(plugin: Counting) -> None:
    with closing(shop(plugin)) as one, closing(shop(plugin)) as other:
        assert pipeline(one) is pipeline(other)
        for connection in (one, other):
            assert rows(connection, "SELECT id FROM orders") == [(1,), (3,)]
    assert plugin.planned == 1


@pytest.mark.parametrize(
    "difference",
    [
        {"mode": "strict"},
        {"extra": "CREATE TABLE more (id);"},
        {"plugin": SoftDelete(["orders"])},
    ],
    ids=lambda d: next(iter(d)),
)
def test_connections_that_differ_do_not(
    plugin: Counting, difference: dict[str, Any]
) -> None:
    other = shop(difference.pop("plugin", plugin), **difference)
    with closing(shop(plugin)) as one, closing(other):
        assert pipeline(one) is not pipeline(other)


def test_connections_that_come_and_go_share_too(plugin: Counting) -> None:
    for _ in range(3):
        with closing(shop(plugin)) as connection:
            assert rows(connection, "SELECT id FROM orders") == [(1,), (3,)]
        del connection
        gc.collect()
    assert plugin.planned == 1


def test_a_schema_that_comes_back_finds_its_plans(
    connection: Any, plugin: Counting
) -> None:
    rows(connection, "SELECT id FROM orders")
    connection.execute("CREATE TABLE passing (id)")
    rows(connection, "SELECT id FROM orders")
    connection.execute("DROP TABLE passing")
    rows(connection, "SELECT id FROM orders")
    assert plugin.planned == 2


def test_a_new_plugin_never_has_the_plans_of_one_that_is_gone() -> None:
    dialect = get_dialect("sqlite")
    with closing(shop()) as connection:
        catalogue = connection._self_session.catalogue
    for _ in range(200):
        own = SoftDelete(["orders"])
        made = Pipeline.shared(dialect, (own,), catalogue)
        assert made.plugins == (own,)
        del own, made


def test_catalogues_of_one_version_that_differ_are_told_apart() -> None:
    with closing(shop()) as one, closing(shop(extra="CREATE TABLE more (id);")) as two:
        session, other = one._self_session, two._self_session
        object.__setattr__(other.catalogue, "version", session.catalogue.version)
        made = [
            Pipeline.shared(s.dialect, session.plugins, s.catalogue)
            for s in (session, other)
        ]
        assert made[0].catalogue == session.catalogue
        assert made[1].catalogue == other.catalogue


# -- kept -----------------------------------------------------------------------------


def test_plans_of_literals_do_not_push_out_others(
    connection: Any, plugin: Counting
) -> None:
    pipeline(connection).plans.limit = 4
    rows(connection, "SELECT id FROM orders WHERE id = ?", (1,))
    for number in range(50):
        rows(connection, f"SELECT id FROM orders WHERE id = {number}")
    rows(connection, "SELECT id FROM orders WHERE id = ?", (1,))
    assert plugin.planned == 2
    assert pipeline(connection).plans.statistics.evictions == 0


def test_nor_do_they_under_bypass(connection: Any) -> None:
    pipeline(connection).plans.limit = 4
    rows(connection, "SELECT id FROM orders WHERE id = ?", (1,))
    with kysera_dbapi.bypass("soft_delete", reason="test"):
        for number in range(50):
            rows(connection, f"SELECT id FROM orders WHERE id = {number}")
    assert pipeline(connection).plans.statistics.evictions == 0


def test_caches_are_bounded(connection: Any, plugin: Counting) -> None:
    plans = pipeline(connection).plans
    plans.limit = pipeline(connection).direct[0].limit = 4
    for number in range(10):
        rows(connection, f"SELECT id AS a{number} FROM orders")
    assert len(plans.items) == 4
    assert (plans.statistics.misses, plans.statistics.evictions) == (10, 6)
    assert rows(connection, "SELECT id AS a0 FROM orders") == [(1,), (3,)]
    assert plugin.planned == 11


def test_shapes_are_bounded(connection: Any) -> None:
    shapes: Bounded[Any, Any] = pipeline(connection).shapes
    shapes.limit = 4
    for number in range(10):
        rows(connection, f"SELECT id AS a{number} FROM orders WHERE id = 1")
    assert len(shapes.items) == 4
    assert shapes.statistics.evictions == 6


def test_an_error_in_planning_leaves_no_plan() -> None:
    class Once(SoftDelete):
        failed = False

        def intercept(self, statement: Draft) -> None:
            super().intercept(statement)
            if not self.failed:
                self.failed = True
                raise LookupError("once")

    text = "SELECT id FROM orders WHERE id > 0"
    with closing(shop(Once(["orders"]))) as connection:
        with pytest.raises(LookupError):
            connection.execute(text)
        assert rows(connection, text) == [(1,), (3,)]


def test_a_view_without_a_parse_is_refused_each_time() -> None:
    with closing(shop(extra="CREATE VIEW odd AS SELECT ~~id FROM orders;")) as made:
        for _ in range(3):
            with pytest.raises(UnsupportedStatement):
                made.execute("SELECT * FROM odd")


def test_a_view_reads_the_tables_of_its_own_schema(connection: Any) -> None:
    connection.execute("CREATE TEMP TABLE orders (id, total, deleted_at)")
    for view in ("report", "summary"):
        with pytest.raises(UnsupportedStatement, match="reads a protected table"):
            connection.execute(f"SELECT * FROM {view}")


# -- for whom -------------------------------------------------------------------------


def test_a_string_that_is_a_name_is_part_of_the_statement(connection: Any) -> None:
    assert len(rows(connection, "SELECT * FROM 'log'")) == 2
    assert len(rows(connection, "SELECT * FROM 'orders'")) == 2
    for name in ("one", "two"):
        cursor = connection.execute(f"SELECT total AS '{name}' FROM orders")
        assert cursor.description[0][0] == name


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM log AS l LEFT JOIN '{0}' USING (id)",
        "SELECT (SELECT count(*) FROM log l LEFT JOIN '{0}' USING (id)) AS n "
        "FROM '{0}'",
    ],
)
def test_so_is_one_in_whose_place_a_derived_table_comes(
    connection: Any, sql: str
) -> None:
    plans = pipeline(connection)
    assert "deleted_at" in plans.plan(sql.format("orders"), frozenset()).sql
    assert plans.plan(sql.format("log"), frozenset()).sql == sql.format("log")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW IF NOT EXISTS entries AS SELECT * FROM '{}'",
        "CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON log BEGIN "
        "DELETE FROM log WHERE id IN '{}'; END",
        "DROP INDEX IF EXISTS '{}'",
    ],
)
def test_a_name_in_ddl_may_be_a_string(connection: Any, statement: str) -> None:
    connection.execute(statement.format("log"))
    connection.execute(statement.format("log"))
    with pytest.raises(UnsupportedStatement, match="protected table orders"):
        connection.execute(statement.format("orders"))


def test_a_savepoint_may_be_named_by_a_string(connection: Any) -> None:
    plans = [
        pipeline(connection).plan(f"SAVEPOINT '{name}'", frozenset())
        for name in ("one", "two")
    ]
    known = pipeline(connection).known("SAVEPOINT 'one'", frozenset())
    assert known is not None
    assert [plan.words for plan in (*plans, known)] == [
        ("SAVEPOINT", "'ONE'"),
        ("SAVEPOINT", "'TWO'"),
        ("SAVEPOINT", "'ONE'"),
    ]


@pytest.mark.parametrize("value", ["5", "6", "'it''s'", "'a \"quoted\" text'"])
def test_a_column_is_named_by_its_own_literals(connection: Any, value: str) -> None:
    text = "SELECT (SELECT count(*) FROM orders WHERE total > {}) FROM log"
    with closing(raw_shop()) as raw:
        for literal in ("1", value, "2", "'other'", value):
            expected = raw.execute(text.format(literal)).description
            found = connection.execute(text.format(literal)).description
            assert found == expected


def test_deep_statements_are_planned_in_the_callers_scope(connection: Any) -> None:
    deep = f"SELECT {'(' * 30}SELECT count(*) FROM orders{')' * 30}"
    with kysera_dbapi.including_deleted():
        assert rows(connection, deep) == [(3,)]
    assert rows(connection, deep) == [(2,)]


# -- lists ----------------------------------------------------------------------------


def values(count: int, start: int = 10) -> str:
    return ", ".join(f"({n}, 'text {n}')" for n in range(start, start + count))


def numbers(count: int) -> str:
    return ", ".join(map(str, range(count)))


def test_rows_of_values_are_planned_once(connection: Any, plugin: Counting) -> None:
    insert = "INSERT INTO log (id, total) VALUES "
    connection.execute(insert + values(1000))
    assert plugin.planned == 1
    connection.execute(insert + values(700, start=5000))
    assert plugin.planned == 1
    assert rows(connection, "SELECT count(*), max(total) FROM log") == [
        (1702, "text 999")
    ]


def test_lists_are_planned_once(connection: Any, plugin: Counting) -> None:
    for count in (1000, 900, 2, 3):
        found = rows(
            connection, f"{PAD}SELECT id FROM orders WHERE id IN ({numbers(count)})"
        )
        assert found == [(n,) for n in (1, 3) if n < count]
    assert plugin.planned == 1


def test_the_same_long_text_is_found_by_itself(
    connection: Any, plugin: Counting
) -> None:
    text = f"SELECT id FROM orders WHERE id IN ({numbers(1000)})"
    assert rows(connection, text) == rows(connection, text) == [(1,), (3,)]
    pipeline(connection).shapes.items.clear()
    assert rows(connection, text) == [(1,), (3,)]
    assert plugin.planned == 1


@pytest.mark.parametrize("count", [600, 601, 1000])
def test_placeholders_in_lists_keep_their_places(connection: Any, count: int) -> None:
    marks = ", ".join("?" * count)
    text = (
        f"SELECT ?, id FROM orders WHERE id IN ({marks}) AND total > ? "
        f"AND id NOT IN ({marks}, '?', 77) AND total < ?"
    )
    none = [-1] * count
    given = ["first", *range(count), 5, *none, 25]
    assert rows(connection, text, given) == [("first", 1)]


@pytest.mark.parametrize("count", [700, 701])
def test_values_of_ours_come_among_those_of_lists(count: int) -> None:
    with closing(shop()) as connection:
        marks = ", ".join("?" * count)
        text = f"DELETE FROM orders WHERE id IN ({marks}) AND total < ?"
        cursor = connection.execute(text, [*range(2, 2 + count), 100])
        assert cursor.rowcount == 1
        found = connection.unwrap().execute("SELECT id, deleted_at FROM orders")
        assert [(n, bool(at)) for n, at in found] == [(1, 0), (2, 1), (3, 1)]


def test_a_list_without_placeholders_lends_its_plan_to_none_with_some(
    connection: Any,
) -> None:
    text = PAD + "DELETE FROM orders WHERE id IN ({}) OR total IN ({})"
    assert connection.execute(text.format("7", "8, 9")).rowcount == 0
    assert connection.execute(text.format("7", "?"), (30,)).rowcount == 1
    assert connection.execute(text.format("?", "8"), (1,)).rowcount == 1


def test_a_numbered_placeholder_elsewhere_counts_those_of_a_list(
    connection: Any,
) -> None:
    text = PAD + "DELETE FROM orders WHERE total > ?1 AND id IN (?, ?)"
    assert connection.execute(text, (20, 1, 3)).rowcount == 1
    assert rows(connection, "SELECT id FROM orders") == [(1,)]


def test_numbered_placeholders_do_not_fold(connection: Any, plugin: Counting) -> None:
    listed = ", ".join(["?2", *"?" * 3])
    text = f"{PAD}SELECT ?1, id FROM orders WHERE id IN ({listed})"
    with closing(raw_shop()) as raw:
        raw.execute("DELETE FROM orders WHERE deleted_at IS NOT NULL")
        given = (0, 1, 3, 3, 3)
        assert rows(connection, text, given) == raw.execute(text, given).fetchall()
    mixed = f"{PAD}SELECT :a, id FROM orders WHERE id IN (?, ?)"
    assert rows(connection, mixed, (0, 1, 3)) == [(0, 1), (0, 3)]


def test_a_list_in_the_name_of_a_column_does_not_fold(connection: Any) -> None:
    text = "SELECT (SELECT count(*) FROM orders WHERE id IN ({})) FROM log"
    with closing(raw_shop()) as raw:
        for count in (1000, 900, 1000):
            expected = raw.execute(text.format(numbers(count))).description
            found = connection.execute(text.format(numbers(count))).description
            assert found == expected


def test_lists_in_ddl_do_not_fold(connection: Any) -> None:
    trigger = (
        f"{PAD}CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON log BEGIN "
        "UPDATE log SET total = 1 WHERE total IN ('{}'); END"
    )
    connection.execute(trigger.format("log"))
    with pytest.raises(UnsupportedStatement, match="protected table"):
        connection.execute(trigger.format("orders"))


def test_rows_of_unequal_length_are_the_databases_error(connection: Any) -> None:
    text = f"{PAD}INSERT INTO log VALUES (8, 1), (9, 2, 3)"
    connection.execute(f"{PAD}INSERT INTO log VALUES (8, 1), (9, 2)")
    with pytest.raises(sqlite3.OperationalError, match="same number of terms"):
        connection.execute(text)


# -- how much is taken on -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT id" + " IN log" * 3000 + " FROM orders", "unsupported-construct"),
        ("SELECT " + "NOT " * 30_000 + "id FROM orders", "too-deep"),
        ("SELECT " + "(" * 300 + "id FROM orders", "too-deep"),
        ("SELECT id + " + " + ".join(["1"] * 70_000), "unparsed-statement"),
    ],
    ids=["relations", "not", "parentheses", "tokens"],
)
def test_what_would_take_too_long_is_refused(
    connection: Any, text: str, code: str
) -> None:
    with pytest.raises(UnsupportedStatement) as caught:
        connection.execute(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM orders" + " JOIN log" * 60,
        "SELECT 1 FROM orders" + " CROSS JOIN log" * 60,
        "SELECT 1 FROM log" + " NATURAL JOIN log" * 30,
        "SELECT 1 FROM orders" + "".join(f" JOIN log l{n} ON 1" for n in range(60)),
        " UNION ALL ".join(["SELECT 1 FROM orders JOIN log"] * 30),
    ],
)
def test_what_a_database_takes_is_taken(connection: Any, text: str) -> None:
    assert pipeline(connection).plan(text, frozenset()).sql


def test_where_nothing_is_protected_nothing_is_refused() -> None:
    with closing(shop(Idle())) as connection:
        text = "SELECT " + "(" * 300 + "1" + ")" * 300
        with pytest.raises(sqlite3.OperationalError, match="stack overflow"):
            connection.execute(text)
