"""docs/statements.md: each row, each example and each listed name does what it says."""

import runpy
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kysera_dialects.sqlite_statements import PRAGMAS, READ_PRAGMAS

from kysera_dbapi.dialect import Rule
from kysera_dbapi.registry import get_dialect
from tests.dialects import shop

DOCS = Path(__file__).parents[2] / "docs"
RULES = get_dialect("sqlite").rules
EXAMPLES = [(rule, sql) for rule in RULES for sql in rule.examples]
of_treatment = {
    treatment: [sql for rule, sql in EXAMPLES if rule.treatment == treatment]
    for treatment in ("planned", "passed", "refused")
}
#: Statements that may not name a protected table, each with one that does.
NAMING = {
    "create view": "CREATE VIEW v AS SELECT * FROM orders",
    "create trigger": "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
    "create virtual table": "CREATE VIRTUAL TABLE f USING fts5(c, content='orders')",
    "alter table": "ALTER TABLE orders RENAME COLUMN comment TO text",
    "drop": "DROP TABLE orders",
}


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop.connect()) as made:
        yield made


@pytest.fixture
def copy() -> Iterator[sqlite3.Connection]:
    """The shop without its deleted rows, raw."""
    with closing(shop.connect()) as full:
        raw = full.unwrap()
        for table in shop.PROTECTED:
            raw.execute(f'DELETE FROM "{table}" WHERE deleted_at IS NOT NULL')
        yield raw


def test_the_page_is_in_step() -> None:
    made = runpy.run_path(str(DOCS / "make_statements.py"))["reference"]()
    there = (DOCS / "statements.md").read_text(encoding="utf-8")
    assert there == made.rstrip() + "\n", "stale: run python -m docs.make_statements"


def test_every_row_has_an_example() -> None:
    assert [rule.kind for rule in RULES if not rule.examples] == []


@pytest.mark.parametrize(("rule", "sql"), EXAMPLES, ids=lambda x: str(x)[:50])
def test_an_example_is_of_its_row(rule: Rule, sql: str) -> None:
    dialect = get_dialect("sqlite")
    words = sql.upper().replace("(", " ( ").replace(".", " . ").split()
    if rule.kind == "explain":
        assert words[0] == "EXPLAIN"
        return
    verb = next((i for i, w in enumerate(words) if w != "WITH" and i), 0)
    found = dialect.classify(words if words[0] != "WITH" else words[verb:])
    assert found is rule or words[0] == "WITH"


def seen(connection: Any) -> dict[str, object]:
    """What can be read of each relation; an error, by its class."""
    names = ("orders", "notes", "Order Details", "log", "parents", "kids", "copy")
    found: dict[str, object] = {}
    for name in names:
        try:
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            found[name] = sorted(rows, key=repr)
        except sqlite3.OperationalError:
            found[name] = "no such table"
    return found


@pytest.mark.parametrize("sql", of_treatment["planned"])
def test_planned_is_as_if_no_row_were_deleted(
    connection: Any, copy: sqlite3.Connection, sql: str
) -> None:
    hidden = shop.hidden(connection)
    got = connection.execute(sql).fetchall()
    expected = copy.execute(sql).fetchall()
    if not sql.startswith("EXPLAIN"):
        assert got == expected
    assert seen(connection) == seen(copy)
    assert shop.leaks(connection) == []
    for before, after in zip(hidden, shop.hidden(connection), strict=True):
        assert set(before) <= set(after)


@pytest.mark.parametrize("sql", of_treatment["passed"])
def test_passed_runs_as_it_is_written(
    connection: Any, copy: sqlite3.Connection, sql: str
) -> None:
    sent: list[str] = []
    connection.unwrap().set_trace_callback(sent.append)
    got = connection.execute(sql).fetchall()
    connection.unwrap().set_trace_callback(None)
    assert sql in sent
    assert got == copy.execute(sql).fetchall()
    assert shop.leaks(connection) == []


@pytest.mark.parametrize("sql", of_treatment["refused"])
def test_refused_reaches_nothing(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) == "statement-kind"
    assert shop.refused(connection, f"EXPLAIN {sql}") == "statement-kind"


def test_all_that_may_not_name_a_protected_table_are_tried() -> None:
    assert set(NAMING) == {rule.kind for rule in RULES if not rule.names_protected}


@pytest.mark.parametrize("sql", NAMING.values(), ids=NAMING)
def test_what_may_not_name_a_protected_table(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) == "protected-ddl"


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN EXPLAIN SELECT 1",
        "TABLE orders",
        "(SELECT * FROM orders)",
        "FROM orders",
        "MERGE INTO log USING orders ON 1 WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE log",
        "COPY orders TO 'x'",
        "CALL x()",
        "SET x = 1",
        "PREPARE x AS SELECT * FROM orders",
        "'SELECT' * FROM orders",
        "CREATE orders",
        "PRAGMA",
        "?",
        "\x0bSELECT * FROM orders",
        "\u00a0SELECT * FROM orders",
    ],
)
def test_any_other_is_refused(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) == "statement-kind"


#: Blanks and comments that SQLite skips, or takes for part of a name, or refuses.
ODD = [
    "SELECT * FROM orders;",
    "SELECT * FROM orders ; -- orders",
    "SELECT * FROM orders -- , log",
    "SELECT * FROM orders /* , log",
    "SELECT * FROM orders /*",
    "SELECT * FROM orders --\r , log",
    "SELECT * FROM log /*/ , orders /* */",
    "/*/SELECT 1*/SELECT * FROM orders",
    "-- x\n/**/SELECT/**/*/**/FROM/**/orders",
    "SELECT\x0c* FROM\r\norders",
    "SELECT \x0b* FROM orders",
    "SELECT * FROM\u00a0orders",
    "SELECT * FROM orders\u00a0",
    "SELECT * FROM orders\u200b",
    "SELECT * FROM \uff4frders",
    "SELECT * FROM\ufeff orders",
    "SELECT * FROM \ufefforders",
    "\ufeffSELECT * FROM orders",
    "SELECT*FROM(orders)",
    "SELECT * FROM ((orders)) AS o",
    "SELECT * FROM main.orders",
    'SELECT * FROM "main"."ORDERS"',
    "SELECT * FROM [main].`Orders`",
    "SELECT * FROM 'main'.'orders'",
    "SELECT * FROM temp.orders",
    'SELECT * FROM "orders "',
    "SELECT * FROM [ORDER details]",
    "SELECT * FROM 'Order Details'",
    "SELECT orders.* FROM orders orders",
    "SELECT 1from orders",
    "SELECT 1.from orders",
    "SELECT x'00' FROM orders",
    "SELECT comment FROM orders WHERE 1=1--1",
    "WITH orders AS (SELECT 9 AS id) SELECT * FROM orders",
    "WITH orders AS (SELECT 9 AS id) SELECT * FROM main.orders",
    "WITH orders AS (SELECT 9 AS id) DELETE FROM orders WHERE id = 9",
    "WITH orders (id) AS (SELECT 9) INSERT INTO orders (id) SELECT id FROM orders",
    "WITH orders AS (SELECT 9 AS id) UPDATE orders SET total = 5",
    "WITH c AS (SELECT comment FROM orders) REPLACE INTO log SELECT 50, max(comment) "
    "FROM c",
    "WITH c AS (SELECT id FROM orders) UPDATE log SET text = 'x' WHERE id IN c",
    "WITH c AS (SELECT id FROM orders) DELETE FROM log WHERE 3 IN c",
    "WITH c AS (SELECT comment FROM orders) VALUES ((SELECT max(comment) FROM c))",
    "VALUES ((3, 'ghost three', 30, 'before') IN orders)",
    "SELECT o.comment FROM pragma_table_info('orders') p, orders o",
    "SELECT value FROM orders, json_each(json_array(orders.comment))",
    "SELECT * FROM json_each((SELECT json_group_array(comment) FROM orders))",
    "SELECT name FROM sqlite_schema",
    "SELECT * FROM sqlite_sequence",
    "",
    "  ",
    ";",
    ";;",
    "-- orders",
    "/* orders",
    "SELECT 'orders",
    'SELECT * FROM "orders',
    "SELECT * FROM [orders",
    "SELECT * FROM log; SELECT * FROM orders",
    ";SELECT * FROM orders",
    "BEGIN; DELETE FROM orders",
    "SELECT * FROM orders\0",
    "\0",
]


@pytest.mark.parametrize("sql", ODD)
def test_odd_texts_are_right_or_refused(
    connection: Any, copy: sqlite3.Connection, sql: str
) -> None:
    expected: object
    try:
        expected = copy.execute(sql).fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        expected = type(error)
    try:
        got = connection.execute(sql).fetchall()
    except sqlite3.NotSupportedError:
        return
    except (sqlite3.Error, sqlite3.Warning) as error:
        several = getattr(error, "code", "") == "multiple-statements"
        same = isinstance(expected, type) and isinstance(error, expected)
        outcome = several or same
        assert outcome, f"raises {error!r}"  # noqa: PT017 - no error is right too
    else:
        assert got == expected
    assert seen(connection) == seen(copy)


#: Values that a pragma may be set to; the others are asked, or given a table.
VALUES = {
    "encoding": "'UTF-8'",
    "journal_mode": "MEMORY",
    "locking_mode": "NORMAL",
    "auto_vacuum": "NONE",
    "synchronous": "NORMAL",
    "wal_checkpoint": "PASSIVE",
    "page_size": "4096",
    "max_page_count": "1000000",
    "query_only": "OFF",
    "hard_heap_limit": "0",  # of the whole process
    "soft_heap_limit": "0",
}
OF_TABLES = ("table_", "index_", "foreign_key_", "integrity_", "quick_")


def spelled(pragma: str) -> Iterator[str]:
    """A pragma in its forms."""
    yield f"PRAGMA {pragma}"
    yield f"PRAGMA main.{pragma}"
    yield f'PRAGMA "{pragma.upper()}" ;'
    value = "orders" if pragma.startswith(OF_TABLES) else VALUES.get(pragma, "1")
    yield f"PRAGMA {pragma} = {value}"
    yield f"PRAGMA main . {pragma} ( {value} ) -- x"


@pytest.mark.parametrize("pragma", sorted(PRAGMAS))
def test_a_pragma_that_passes_shows_and_changes_nothing(
    pragma: str, tmp_path: Path
) -> None:
    with closing(shop.connect(database=str(tmp_path / "shop.db"))) as connection:
        before, hidden = seen(connection), shop.hidden(connection)
        for sql in spelled(pragma):
            assert not shop.shows_ghosts(connection.execute(sql).fetchall())
        assert seen(connection) == before
        assert shop.hidden(connection) == hidden
        assert shop.leaks(connection) == []
        assert connection.execute("DELETE FROM orders").rowcount == 2
        assert len(shop.hidden(connection)[0]) == 1, "deleted rows keep their marks"


@pytest.mark.parametrize("pragma", sorted(READ_PRAGMAS))
def test_a_pragma_that_may_only_be_asked(connection: Any, pragma: str) -> None:
    connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute(f"PRAGMA main.{pragma}").fetchall()
    for sql in (f"PRAGMA {pragma} = 1", f"PRAGMA main.{pragma}(1)"):
        assert shop.refused(connection, sql) == "statement-kind"


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA writable_schema",
        "PRAGMA journal_mode = OFF",
        "PRAGMA main.journal_mode('off')",
        "PRAGMA journal_mode = o",
        'PRAGMA "Journal_Mode" = [Of]',
        "PRAGMA journal_mode =",
        "PRAGMA case_sensitive_like = 1",
        "PRAGMA writable_schema = ON",
        "PRAGMA writable_schema(1)",
        "PRAGMA main.writable_schema = 1",
        "PRAGMA main . [writable_schema] = 1",
        "PRAGMA/**/'writable_schema'=1",
        "PRAGMA ignore_check_constraints = 1",
        "PRAGMA count_changes = 1",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA vdbe_trace = 1",
        "PRAGMA rekey = 'x'",
        "PRAGMA 1",
        "PRAGMA main.",
    ],
)
def test_any_other_pragma_is_refused(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) == "statement-kind"


def test_temporary_tables_that_a_pragma_drops_shadow_nothing(connection: Any) -> None:
    connection.execute("CREATE TEMP TABLE orders (id, comment, total, deleted_at)")
    sql = "SELECT * FROM orders"
    assert connection.execute(sql).fetchall() == []
    connection.execute("PRAGMA temp_store = MEMORY")
    assert len(connection.execute(sql).fetchall()) == 2
