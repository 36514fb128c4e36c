"""The ways round a filter on SQLite: each is refused, or shows no deleted row."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from tests.dialects import shop


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop.connect()) as made:
        yield made


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM everything",
        "SELECT * FROM beneath",
        "SELECT * FROM main.'everything'",
        "SELECT count(*) FROM log WHERE id IN everything",
        "SELECT * FROM docs",
        "SELECT * FROM docs WHERE docs MATCH 'ghost'",
        "SELECT * FROM docs('ghost')",
        "SELECT * FROM main.docs('ghost')",
        "SELECT * FROM \"DOCS\" /* x */ ('ghost')",
        "SELECT 1 WHERE 'ghost note' IN docs('ghost')",
        "SELECT * FROM log JOIN [docs]('ghost')",
        "SELECT * FROM indexed",
        "SELECT * FROM called",
        "SELECT 1 WHERE 1 IN sought",
        "SELECT * FROM docs_data",
        "SELECT * FROM docs_idx",
        "INSERT INTO docs (docs) VALUES ('rebuild')",
        "SELECT * FROM sqlite_dbpage",
        "SELECT * FROM main.sqlite_dbpage('main')",
        "SELECT * FROM sqlite_stat4",
        "SELECT sql FROM sqlite_stmt",
        "SELECT 1 WHERE 'x' IN (SELECT sql FROM main.SQLITE_STMT)",
        "SELECT * FROM pragma_writable_schema",
        "SELECT * FROM pragma_unheard_of('orders')",
        "SELECT * FROM fsdir WHERE path = '/'",
    ],
)
def test_what_shows_stored_rows_is_refused(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) in ("undeclared-view", "dangerous-function")


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE VIEW v AS SELECT * FROM "ORDERS"',
        "CREATE VIEW v AS SELECT * FROM/**/[orders]--x\n AS o",
        "CREATE VIEW v AS SELECT * FROM main.`orders`",
        "CREATE VIEW v AS SELECT * FROM 'order details'",
        "CREATE VIEW v AS SELECT * FROM everything",
        "CREATE VIEW v AS SELECT * FROM docs_data",
        "CREATE TEMP VIEW IF NOT EXISTS v (a) AS SELECT id FROM beneath",
        "CREATE TEMP VIEW orders AS SELECT * FROM log",
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM orders; END",
        "CREATE TRIGGER t AFTER INSERT ON log WHEN 1 IN everything BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER t AFTER INSERT ON log BEGIN "
        "INSERT INTO log SELECT 10 + id, comment FROM beneath; END",
        "CREATE TRIGGER t INSTEAD OF INSERT ON everything BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE f USING fts5(comment, content=orders)",
        "CREATE VIRTUAL TABLE f USING fts5(comment, content='everything')",
        'CREATE VIRTUAL TABLE f USING fts4(content="beneath", comment)',
        "CREATE VIRTUAL TABLE f USING fts5vocab(docs, 'row')",
        "CREATE VIRTUAL TABLE temp.f USING fts5vocab('main', 'docs', 'instance')",
        "ALTER TABLE orders RENAME TO gone",
        "ALTER TABLE main.'orders' DROP COLUMN deleted_at",
        "ALTER TABLE orders RENAME COLUMN deleted_at TO gone",
        "ALTER TABLE log RENAME TO orders",
        "DROP TABLE orders",
        "DROP TABLE IF EXISTS main.[Orders]",
        "EXPLAIN DROP TABLE 'orders'",
    ],
)
def test_what_builds_on_a_protected_table_is_refused(connection: Any, sql: str) -> None:
    assert shop.refused(connection, sql) == "protected-ddl"


@pytest.mark.parametrize(
    "module",
    ["csv(filename='/etc/passwd')", "sqlite_dbpage", "dbstat(main)", "zipfile"],
)
def test_unknown_modules_are_refused(connection: Any, module: str) -> None:
    sql = f"CREATE VIRTUAL TABLE f USING {module}"
    assert shop.refused(connection, sql) == "statement-kind"


@pytest.mark.parametrize("what", ["VIEW", "TRIGGER", "TABLE", "INDEX"])
def test_a_name_in_a_string_is_not_folded_away(connection: Any, what: str) -> None:
    """A text of the same shape with another string may name a protected table."""
    texts = {
        "VIEW": "CREATE VIEW IF NOT EXISTS v AS SELECT * FROM '{}'",
        "TRIGGER": "CREATE TRIGGER IF NOT EXISTS t AFTER DELETE ON '{}' "
        "BEGIN SELECT 1; END",
        "TABLE": "DROP TABLE IF EXISTS '{}'",
        "INDEX": "ALTER TABLE '{}' RENAME TO 'x'",
    }
    with kysera_dbapi.bypass("soft_delete", reason="the second is no change"):
        connection.execute("CREATE VIEW v AS SELECT 1")
        connection.execute("CREATE TRIGGER t AFTER DELETE ON log BEGIN SELECT 1; END")
    connection.refresh()
    try:
        connection.execute(texts[what].format("log" if what != "INDEX" else "none"))
    except sqlite3.OperationalError:
        assert what == "INDEX"
    assert shop.refused(connection, texts[what].format("orders")) == "protected-ddl"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE counters SET n = 5",
        "DELETE FROM counters",
        "INSERT INTO counters VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = 2",
        "REPLACE INTO counters VALUES (1, 5)",
        "INSERT OR REPLACE INTO counters VALUES (1, 5)",
        "UPDATE OR REPLACE counters SET id = 1",
        "INSERT INTO messages VALUES (9, 'x')",
    ],
)
def test_triggers_that_use_a_protected_table_do_not_fire(
    connection: Any, sql: str
) -> None:
    assert shop.refused(connection, sql) == "undeclared-trigger"


def test_temporary_triggers_are_seen() -> None:
    trigger = """CREATE TEMP TRIGGER t AFTER INSERT ON log BEGIN
        UPDATE log SET text = (SELECT max(comment) FROM orders); END;"""
    with closing(shop.connect(before=trigger)) as connection:
        sql = "INSERT INTO log VALUES (9, 'x')"
        assert shop.refused(connection, sql) == "undeclared-trigger"


COPYING = """CREATE TRIGGER copying AFTER UPDATE ON orders BEGIN
    INSERT INTO log SELECT id + 500, comment FROM orders; END;"""


def test_triggers_of_a_protected_table_are_judged_too() -> None:
    with closing(shop.connect(before=COPYING)) as connection:
        for sql in ("UPDATE orders SET total = 1", "DELETE FROM orders WHERE id = 1"):
            assert shop.refused(connection, sql) == "undeclared-trigger"
        connection.execute("INSERT INTO orders (comment) VALUES ('fires nothing')")


def test_a_declared_trigger_fires() -> None:
    with closing(shop.connect(before=COPYING, accept=["copying"])) as connection:
        connection.execute("UPDATE orders SET total = 1 WHERE id = 1")
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (5,)


def test_a_trigger_of_new_values_alone_fires() -> None:
    """Columns of NEW and OLD are no tables, whatever their names."""
    trigger = """CREATE TABLE plain (id, orders);
        CREATE TRIGGER t AFTER INSERT ON plain BEGIN
        INSERT INTO log VALUES (50, NEW.orders); END;"""
    with closing(shop.connect(before=trigger)) as connection:
        connection.execute("INSERT INTO plain VALUES (1, 'x')")
        assert connection.execute("SELECT text FROM log WHERE id = 50").fetchone()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM parents",
        "DELETE FROM main.parents WHERE id = 1",
        "REPLACE INTO parents VALUES (1)",
        "DROP TABLE parents",
        "DROP TABLE IF EXISTS 'parents'",
    ],
)
def test_a_foreign_key_removes_no_protected_row(connection: Any, sql: str) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    assert shop.refused(connection, sql) == "foreign-key-action"


def test_foreign_keys_that_are_off_remove_nothing(connection: Any) -> None:
    before = shop.hidden(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("DELETE FROM parents")
    assert shop.hidden(connection) == before


def test_an_updated_key_is_followed(connection: Any) -> None:
    """ON UPDATE keeps the rows; deleted ones must go on fitting their parents."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("UPDATE parents SET id = 7 WHERE id = 1")
    rows = connection.execute("SELECT parent FROM kids").fetchall()
    assert rows == [(7,)]


def test_a_temporary_table_shadows_for_bare_names_alone(connection: Any) -> None:
    connection.execute("CREATE TEMP TABLE orders (id, comment, total, deleted_at)")
    connection.execute("INSERT INTO orders VALUES (9, 'temporary', 1, 'marked')")
    assert connection.execute("SELECT id FROM orders").fetchall() == [(9,)]
    rows = connection.execute("SELECT id FROM main.orders").fetchall()
    assert rows == [(1,), (2,)]
    # a view of the main database goes on reading main.orders
    assert shop.refused(connection, "SELECT * FROM everything") == "undeclared-view"
    connection.execute("DELETE FROM orders")
    assert connection.execute("SELECT * FROM temp.orders").fetchall() == []
    assert shop.leaks(connection) == []


def test_a_copy_holds_what_the_caller_may_see(connection: Any) -> None:
    connection.execute("CREATE TABLE a AS SELECT * FROM orders")
    connection.execute("CREATE TEMP TABLE orders AS SELECT * FROM main.orders")
    connection.execute(
        "CREATE TABLE b AS VALUES ((3, 'ghost three', 30, 'before') IN main.orders)"
    )
    assert connection.execute("SELECT * FROM b").fetchall() == [(0,)]
    assert shop.leaks(connection) == []


DANGEROUS = [
    "load_extension('x')",
    "LOAD_EXTENSION ('x')",
    "\"load_extension\"('x')",
    "[Load_Extension]('x')",
    "`load_extension`('x')",
    "load_extension/* x */('x')",
    "load_extension -- x\n ('x')",
    "readfile('/etc/passwd')",
    "writefile('x', 'y')",
    "edit('x')",
    "fts3_tokenizer('simple')",
    "fts5(?1)",
    "max(1, 2, load_extension('x'))",
    "count(*) FILTER (WHERE load_extension('x'))",
]
#: Where a function may stand, in statements of every kind.
PLACES = [
    "SELECT {}",
    "VALUES (1, {})",
    "SELECT id FROM log ORDER BY {}",
    "SELECT id FROM log LIMIT {}",
    "SELECT * FROM log JOIN parents ON {}",
    "WITH c AS (SELECT {}) SELECT * FROM c",
    "INSERT INTO log VALUES (9, {})",
    "INSERT INTO log VALUES (9, 1) RETURNING {}",
    "UPDATE log SET text = {}",
    "DELETE FROM log WHERE {}",
    "EXPLAIN SELECT {}",
    "CREATE TABLE copy AS SELECT {}",
    "CREATE TABLE t (a DEFAULT ({}))",
    "CREATE TABLE t (a, CHECK ({}))",
    "CREATE VIEW v AS SELECT {}",
    "CREATE INDEX i ON log ({})",
    "CREATE INDEX i ON log (id) WHERE {}",
    "CREATE TRIGGER t AFTER INSERT ON log WHEN {} BEGIN SELECT 1; END",
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT {}; END",
    "ALTER TABLE log ADD COLUMN a DEFAULT ({})",
]


@pytest.mark.parametrize("call", DANGEROUS)
@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_dangerous_functions_are_refused_however_spelled(call: str, mode: Any) -> None:
    with closing(shop.connect(mode=mode)) as connection:
        assert shop.refused(connection, f"SELECT {call}") == "dangerous-function"


@pytest.mark.parametrize("place", PLACES)
def test_dangerous_functions_are_refused_wherever_they_stand(
    connection: Any, place: str
) -> None:
    sql = place.format("load_extension('x')")
    assert shop.refused(connection, sql) == "dangerous-function"


def test_dangerous_functions_in_views_and_triggers_are_refused() -> None:
    raw = """CREATE VIEW files AS SELECT readfile('x') AS body;
        CREATE VIEW pages AS SELECT data FROM sqlite_dbpage;
        CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT writefile('x', 'y'); END;"""
    with closing(shop.connect(before=raw)) as connection:
        for sql, code in {
            "SELECT * FROM files": "dangerous-function",
            "SELECT * FROM pages": "undeclared-view",
            "INSERT INTO log VALUES (9, 'x')": "dangerous-function",
        }.items():
            assert shop.refused(connection, sql) == code


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE edit (id, a REFERENCES edit (id))",
        "CREATE TABLE IF NOT EXISTS zipfile (a)",
        "CREATE TABLE main.fsdir (a)",
        "INSERT INTO eval (a) VALUES (1)",
        "INSERT INTO main.eval (a) VALUES (1)",
        "CREATE INDEX i ON eval (a)",
        "WITH edit (a) AS (SELECT 1) SELECT a FROM edit",
        "WITH x AS (SELECT 1), edit (a) AS MATERIALIZED (SELECT 1) SELECT a FROM edit",
        "SELECT edit FROM (SELECT 1 AS edit)",
        "SELECT 'load_extension(1)', 1 AS \"readfile\"",
    ],
)
def test_tables_and_columns_may_be_called_like_functions(sql: str) -> None:
    with closing(shop.connect(before="CREATE TABLE eval (a)")) as connection:
        connection.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '/secret/path' AS other",
        "VACUUM INTO '/secret/path'",
        "'/secret/path' x",
        "CREATE VIEW v AS SELECT '/secret/path', 'orders'",
        "DROP TABLE orders -- /secret/path",
    ],
)
def test_a_refusal_does_not_repeat_the_text(connection: Any, sql: str) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
        connection.execute(sql)
    assert "secret" not in str(caught.value).lower()


def test_views_that_go_in_a_circle_come_to_an_end() -> None:
    raw = """CREATE VIEW one AS SELECT 1 AS id;
        CREATE VIEW two AS SELECT * FROM one;
        DROP VIEW one;
        CREATE VIEW one AS SELECT * FROM two;"""
    with (
        closing(shop.connect(before=raw)) as connection,
        pytest.raises(sqlite3.OperationalError, match="circular"),
    ):
        connection.execute("SELECT * FROM one")
