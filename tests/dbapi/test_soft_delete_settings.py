"""The configuration of SoftDelete: what is refused at once, and what at connect."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at TEXT);
CREATE TABLE items (
    tenant, no, kind REFERENCES kinds, deleted_at, PRIMARY KEY (tenant, no));
CREATE TABLE parts (
    id INTEGER PRIMARY KEY, tenant, item, other,
    FOREIGN KEY (tenant, item) REFERENCES items,
    FOREIGN KEY (tenant, other) REFERENCES items (tenant, no));
CREATE TABLE kinds (id INTEGER PRIMARY KEY, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, order_id REFERENCES orders (id));
CREATE TABLE odd (
    id INTEGER PRIMARY KEY,
    made AS (id + 1),
    always TEXT NOT NULL DEFAULT '',
    word VARCHAR(5),
    flag BOOLEAN NOT NULL DEFAULT 0);
CREATE TABLE wide (a, b, deleted_at, PRIMARY KEY (a, deleted_at));
CREATE VIRTUAL TABLE docs USING fts5 (deleted_at);
CREATE TABLE twins (
    id, deleted_at, flag INT DEFAULT 0, made AS (flag), UNIQUE (id, deleted_at),
    UNIQUE (id, made) ON CONFLICT IGNORE);
CREATE TABLE watched (id INTEGER PRIMARY KEY, deleted_at);
CREATE TRIGGER gone AFTER DELETE ON watched BEGIN SELECT 1; END;
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'before');
"""


@pytest.fixture
def raw() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(SCHEMA)
    with closing(made):
        yield made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tables": "orders"}, "tables must be a list of names"),
        ({"tables": b"orders"}, "tables must be a list of names"),
        ({"tables": None}, "tables must be a list of names"),
        ({"tables": 1}, "tables must be a list of names"),
        ({"tables": []}, "tables is empty"),
        ({"tables": {}}, "tables is empty"),
        ({"tables": [""]}, "a name in tables must be a text"),
        ({"tables": [1]}, "a name in tables must be a text, got 1|that is not empty"),
        ({"tables": ["orders", "orders"]}, "'orders' is there twice"),
        ({"tables": ["orders", "ORDERS"]}, "'ORDERS' is there twice"),
        ({"tables": {"orders": None}}, "settings must be a map"),
        ({"tables": {"orders": "gone"}}, "settings must be a map"),
        ({"tables": {"orders": {"colum": "x"}}}, "unknown setting 'colum'"),
        ({"tables": {"orders": {"column": ""}}}, "the column of table 'orders'"),
        ({"tables": {"orders": {"column": None}}}, "the column of table 'orders'"),
        ({"tables": {"orders": {"flag": 1}}}, "flag must be True or False"),
        ({"column": ""}, "column must be a text"),
        ({"column": 3}, "column must be a text"),
        ({"foreign_keys": ["log.order_id"]}, "foreign_keys must be a map"),
        ({"foreign_keys": {"log.order_id": "delete"}}, "unknown action 'delete'"),
        ({"foreign_keys": {"log.order_id": None}}, "unknown action None"),
        ({"foreign_keys": {"log.order_id": ["ignore"]}}, "unknown action ..ignore"),
        ({"foreign_keys": {1: "cascade"}}, "a name in foreign_keys"),
        ({"clock": "server"}, "clock must be"),
        ({"clock": None}, "clock must be"),
        ({"accept_triggers": "gone"}, "accept_triggers must be a list"),
        ({"accept_triggers": [None]}, "a name in accept_triggers"),
        ({"alow_raw_update": True}, "unknown option 'alow_raw_update'"),
        ({"allow_raw_update": 1}, "allow_raw_update must be True or False"),
        ({"comment_hint": "yes"}, "comment_hint must be True or False"),
        ({"revive": None}, "revive must be True or False"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: Any, message: str) -> None:
    options.setdefault("tables", ["orders"])
    with pytest.raises(kysera_dbapi.ConfigurationError, match=message) as caught:
        SoftDelete(**options)
    assert caught.value.code == "configuration"
    assert str(caught.value).startswith("soft_delete: ")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"tables": ["nothing"]}, "missing-table", "no table 'nothing'"),
        ({"tables": ["main.nothing"]}, "missing-table", "no table"),
        ({"tables": ["other.kinds"]}, "missing-table", "no table"),
        (
            {"tables": ["kinds", "main.kinds"], "keys": "x"},
            "configuration",
            "are one table",
        ),
        ({"tables": ["kinds"], "column": "gone"}, "missing-column", "column 'gone'"),
        ({"tables": ["docs"]}, "configuration", "but a virtual"),
        ({"tables": ["docs_data"]}, "configuration", "but a shadow"),
        ({"tables": ["sqlite_master"]}, "configuration", "but a system"),
        ({"tables": ["odd"], "column": "made"}, "configuration", "is generated"),
        (
            {"tables": ["odd"], "column": "id"},
            "configuration",
            "part of the primary key",
        ),
        ({"tables": ["wide"]}, "configuration", "part of the primary key"),
        ({"tables": ["odd"], "column": "always"}, "configuration", "is NOT NULL"),
        (
            {"tables": {"odd": {"column": "word", "flag": True}}},
            "configuration",
            r"is a VARCHAR\(5\); a flag is a number",
        ),
        ({"tables": ["twins"]}, "configuration", "says what to do ON CONFLICT"),
        (
            {"tables": {"twins": {"column": "flag", "flag": True}}},
            "configuration",
            "says what to do ON CONFLICT",
        ),
        ({"tables": ["watched"]}, "delete-trigger", "trigger 'gone'"),
        (
            {"tables": ["kinds"], "accept_triggers": ["never"], "keys": "x"},
            "configuration",
            "'never', which is no trigger",
        ),
        ({"tables": ["orders"]}, "undeclared-foreign-key", "log.order_id refers to"),
        (
            {"tables": ["orders"], "foreign_keys": {"log.order_id": "cascade"}},
            "configuration",
            "cannot cascade: 'log' is not in tables=",
        ),
        (
            {
                "tables": ["orders"],
                "foreign_keys": {"log.order_id": "ignore", "log.total": "ignore"},
            },
            "configuration",
            "names 'log.total', which is no foreign key",
        ),
        (
            {
                "tables": ["orders"],
                "foreign_keys": {"log.order_id": "ignore", "items.kind": "ignore"},
            },
            "configuration",
            "names 'items.kind', which is no foreign key to a protected table",
        ),
        (
            {"tables": ["items"], "foreign_keys": {"parts.tenant": "ignore"}},
            "undeclared-foreign-key",
            r"parts\(tenant, (item|other)\) refers to items",
        ),
    ],
)
def test_what_does_not_fit_the_database_is_refused_at_connect(
    raw: sqlite3.Connection, options: Any, code: str, message: str
) -> None:
    if options.pop("keys", ""):
        options["foreign_keys"] = {"items.kind": "ignore"}
    with pytest.raises(kysera_dbapi.ConfigurationError, match=message) as caught:
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(**options)])
    assert caught.value.code == code


@pytest.mark.parametrize(
    "keys",
    [
        ["parts(tenant, item)", "parts(tenant, other)"],
        ["PARTS ( Tenant,Item )", "main.parts(tenant,other)"],
    ],
)
def test_foreign_keys_of_several_columns(
    raw: sqlite3.Connection, keys: list[str]
) -> None:
    plugin = SoftDelete(["items"], foreign_keys=dict.fromkeys(keys, "restrict"))
    raw.execute("INSERT INTO items VALUES (1, 1, NULL, NULL), (1, 2, NULL, NULL)")
    raw.execute("INSERT INTO parts VALUES (1, 1, NULL, 2)")
    connection = kysera_dbapi.wrap(raw, plugins=[plugin])
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM items WHERE no = 2")
    assert connection.execute("DELETE FROM items WHERE no = 1").rowcount == 1


def test_a_foreign_key_that_fits_no_key_is_refused(raw: sqlite3.Connection) -> None:
    raw.executescript(
        "CREATE TABLE p (a, deleted_at); "
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p, deleted_at)"
    )
    for action in ("cascade", "restrict"):
        keys: Any = {"c.p": action}
        with pytest.raises(kysera_dbapi.ConfigurationError, match="does not fit"):
            kysera_dbapi.wrap(raw, plugins=[SoftDelete(["p", "c"], foreign_keys=keys)])
    kysera_dbapi.wrap(
        raw, plugins=[SoftDelete(["p", "c"], foreign_keys={"c.p": "ignore"})]
    )


def test_a_foreign_key_may_be_declared_before_its_table(
    raw: sqlite3.Connection,
) -> None:
    keys: Any = {"log.order_id": "ignore", "reviews.order_id": "restrict"}
    connection = kysera_dbapi.wrap(
        raw, plugins=[SoftDelete(["orders"], foreign_keys=keys)]
    )
    connection.execute("CREATE TABLE reviews (id, order_id REFERENCES orders)")
    connection.execute("INSERT INTO reviews VALUES (1, 1)")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM orders")


def migrated(*, before: bool) -> Any:
    """A connection made before its tables, or one made after them."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    plugin = SoftDelete(["a", "b"], foreign_keys={"b.a": "cascade"})
    script = """
    CREATE TABLE a (id INTEGER PRIMARY KEY, deleted_at);
    CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a, deleted_at);
    INSERT INTO a VALUES (1, NULL), (2, 'before');
    INSERT INTO b VALUES (1, 1, NULL), (2, 1, 'before');
    """
    if not before:
        raw.executescript(script)
    with kysera_dbapi.bypass("soft_delete", reason="the first migration"):
        connection = kysera_dbapi.wrap(raw, plugins=[plugin])
        if before:
            connection.executescript(script)
    return connection


@pytest.mark.parametrize("before", [True, False])
def test_a_connection_can_be_made_before_its_tables(*, before: bool) -> None:
    with closing(migrated(before=before)) as connection:
        assert connection.execute("SELECT id FROM a").fetchall() == [(1,)]
        connection.execute("DELETE FROM a")
        assert connection.execute("SELECT id FROM b").fetchall() == []
        counted = connection.unwrap().execute("SELECT count(*) FROM b").fetchone()
        assert counted == (2,)


def test_what_was_not_checked_at_connect_is_checked_before_a_statement() -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    plugin = SoftDelete(["a", "b"])
    with pytest.raises(kysera_dbapi.ConfigurationError):
        kysera_dbapi.wrap(raw, plugins=[plugin])
    with kysera_dbapi.bypass("soft_delete", reason="the first migration"):
        connection = kysera_dbapi.wrap(raw, plugins=[plugin])
    assert connection.execute("SELECT 1").fetchone() == (1,)
    with kysera_dbapi.bypass("soft_delete", reason="half of it"):
        connection.execute("CREATE TABLE a (id, deleted_at)")
    for sql in ("SELECT * FROM a", "DELETE FROM a", "SELECT 2"):
        with pytest.raises(kysera_dbapi.ConfigurationError, match="no table 'b'"):
            connection.execute(sql)
    with kysera_dbapi.bypass("soft_delete", reason="the rest"):
        connection.execute("CREATE TABLE b (id, deleted_at)")
    assert connection.execute("SELECT * FROM a").fetchall() == []
    connection.close()


@pytest.mark.parametrize(
    "options",
    ["WITHOUT ROWID", "WITHOUT/**/ROWID, STRICT", "STRICT, without rowid -- (id)"],
)
def test_tables_without_rowid_are_known_by_their_options(options: str) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    try:
        raw.executescript(
            "CREATE TABLE t (id TEXT PRIMARY KEY, n INT, deleted_at TEXT) "
            f"{options}\n; INSERT INTO t VALUES ('a', 1, NULL), ('b', 2, NULL)"
        )
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no STRICT")
    with closing(kysera_dbapi.wrap(raw, plugins=[SoftDelete(["t"])])) as connection:
        connection.execute("DELETE FROM t WHERE n = (SELECT min(n) FROM t)")
        assert connection.execute("SELECT id FROM t").fetchall() == [("b",)]


ODD = ["sel'ect", 'a"b', "two words", "Ünï", "order", "x.y", "ÄÖ ß", "[x]", "`", "1st"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_tables_and_columns(name: str) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    quoted = '"' + name.replace('"', '""') + '"'
    raw.executescript(
        f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} TEXT, n); "
        f"INSERT INTO {quoted} VALUES (1, NULL, 1), (2, 'x', 2), (3, NULL, 3);"
        f'CREATE TABLE {quoted[:-1]} kid" (id INTEGER PRIMARY KEY, '
        f'"{quoted[1:-1]} of" REFERENCES {quoted}, {quoted}); '
        f'INSERT INTO {quoted[:-1]} kid" VALUES (1, 1, NULL), (2, 3, NULL)'
    )
    keys: Any = {f"{name} kid.{name} of": "cascade"}
    plugin = SoftDelete([name, f"{name} kid"], column=name, foreign_keys=keys)
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        assert connection.execute(f"DELETE FROM {quoted} WHERE id = 1").rowcount == 1
        rows = connection.execute(f"SELECT * FROM {quoted}").fetchall()
        assert rows == [(3, None, 3)]
        kids = connection.execute(f'SELECT id FROM {quoted[:-1]} kid"').fetchall()
        assert kids == [(2,)]
        plugin.restore(connection, name, 1, cascade=True)
        with pytest.raises(sqlite3.NotSupportedError):
            connection.execute(f"UPDATE {quoted} SET {quoted} = 1")
        assert (
            len(connection.execute(f'SELECT * FROM {quoted[:-1]} kid"').fetchall()) == 2
        )


@pytest.mark.parametrize("name", ["orders", "ORDERS", "main.orders", "Main.Orders"])
def test_a_name_means_the_table_of_the_main_schema(
    raw: sqlite3.Connection, name: str
) -> None:
    raw.executescript(
        "ATTACH ':memory:' AS other; "
        "CREATE TABLE other.orders (id INTEGER PRIMARY KEY, total); "
        "INSERT INTO other.orders VALUES (7, 7); "
        "CREATE TEMP TABLE orders (id INTEGER PRIMARY KEY, total); "
        "INSERT INTO temp.orders VALUES (8, 8)"
    )
    keys: Any = {"log.order_id": "ignore"}
    connection = kysera_dbapi.wrap(raw, plugins=[SoftDelete([name], foreign_keys=keys)])

    def ids(table: str) -> list[int]:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table}")]

    assert (ids("orders"), ids("main.orders"), ids("other.orders")) == ([8], [1], [7])
    assert connection.execute("DELETE FROM orders").rowcount == 1
    counted = raw.execute("SELECT count(*) FROM temp.orders").fetchone()
    assert counted == (0,)
    connection.execute("DELETE FROM main.orders")
    assert raw.execute("SELECT count(*) FROM main.orders").fetchone() == (2,)


def test_a_table_of_an_attached_database(raw: sqlite3.Connection) -> None:
    raw.executescript(
        "ATTACH ':memory:' AS Other; "
        "CREATE TABLE other.orders (id INTEGER PRIMARY KEY, deleted_at); "
        "INSERT INTO other.orders VALUES (7, NULL), (8, 'before')"
    )
    connection = kysera_dbapi.wrap(raw, plugins=[SoftDelete(["other.Orders"])])
    assert connection.execute("SELECT id FROM other.orders").fetchall() == [(7,)]
    assert connection.execute("SELECT id FROM orders").fetchall() == [(1,), (2,)]
    assert connection.execute("DELETE FROM other.orders").rowcount == 1
    assert raw.execute("SELECT count(*) FROM other.orders").fetchone() == (2,)


# -- flags


@pytest.fixture
def flagged() -> Iterator[Any]:
    """A flag that may be NULL: such rows are live."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, gone BOOLEAN DEFAULT 0, n); "
        "INSERT INTO t VALUES (1, 0, 1), (2, 1, 2), (3, NULL, 3), (4, 2, 4)"
    )
    plugin = SoftDelete({"t": {"column": "gone", "flag": True}})
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        connection_plugin.clear()
        connection_plugin.append(plugin)
        yield connection


connection_plugin: list[SoftDelete] = []


def test_every_row_is_live_or_deleted(flagged: Any) -> None:
    sql = "SELECT id FROM t ORDER BY 1"
    assert flagged.execute(sql).fetchall() == [(1,), (3,)]
    with kysera_dbapi.only_deleted():
        assert flagged.execute(sql).fetchall() == [(2,), (4,)]
    joined = "SELECT a.id, b.id FROM t a LEFT JOIN t b ON b.id = a.id + 2"
    assert sorted(flagged.execute(joined).fetchall()) == [(1, 3), (3, None)]


def test_rows_without_a_flag_are_deleted_and_come_back(flagged: Any) -> None:
    assert flagged.execute("DELETE FROM t WHERE n > 1").rowcount == 1
    assert flagged.execute("SELECT id FROM t").fetchall() == [(1,)]
    connection_plugin[0].restore(flagged, "t", 3)
    assert flagged.execute("SELECT gone FROM t WHERE id = 3").fetchall() == [(0,)]


@pytest.mark.parametrize("columns", ["*", "gone", "id"])
def test_what_returning_could_not_tell_is_refused(flagged: Any, columns: str) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="0 or NULL"):
        flagged.execute(f"DELETE FROM t RETURNING {columns}")


@pytest.mark.parametrize(
    ("type_", "columns", "shown"),
    [
        ("INTEGER", "gone, gone = '0', typeof(gone)", (0, 1, "integer")),
        ("BOOLEAN", "gone || '', gone IN ('0')", ("0", 1)),
        ("REAL", "gone, typeof(gone), gone = '0'", (0.0, "real", 1)),
        ("", "gone, gone = '0'", (0, 0)),
        ("BLOB", "gone, gone = '0'", (0, 0)),
    ],
)
def test_returning_shows_a_flag_with_its_type(
    type_: str, columns: str, shown: tuple[object, ...]
) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        f"CREATE TABLE t (gone {type_} NOT NULL DEFAULT 0); INSERT INTO t VALUES (0)"
    )
    expected = raw.execute(f"SELECT {columns} FROM t").fetchall()
    plugin = SoftDelete({"t": {"column": "gone", "flag": True}})
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        rows = connection.execute(f"DELETE FROM t RETURNING {columns}").fetchall()
    assert rows == expected == [shown]
    assert [*map(type, rows[0])] == [*map(type, shown)]


def test_returning_shows_no_column_computed_from_the_mark() -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(
        "CREATE TABLE t (id, deleted_at, live AS (deleted_at IS NULL)); "
        "CREATE TABLE u (id, deleted_at, twice AS (id * 2)); "
        "INSERT INTO t VALUES (1, NULL); INSERT INTO u VALUES (1, NULL)"
    )
    plugin = SoftDelete(["t", "u"])
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        for columns in ("*", "live", "id, 1 + live", "(SELECT live)"):
            with pytest.raises(
                kysera_dbapi.UnsupportedStatement, match=r"generated|sub"
            ):
                connection.execute(f"DELETE FROM t RETURNING {columns}")
        one = connection.execute("DELETE FROM t RETURNING id, deleted_at").fetchall()
        other = connection.execute("DELETE FROM u RETURNING *").fetchall()
    assert (one, other) == ([(1, None)], [(1, None, 2)])


# -- what may be allowed


def orders(raw: sqlite3.Connection, **options: Any) -> Any:
    plugin = SoftDelete(["orders"], foreign_keys={"log.order_id": "ignore"}, **options)
    return kysera_dbapi.wrap(raw, plugins=[plugin])


def test_a_raw_update_of_the_mark_may_be_allowed(raw: sqlite3.Connection) -> None:
    sql = "UPDATE orders SET deleted_at = 'now' WHERE id = 1"
    with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
        orders(raw).execute(sql)
    assert caught.value.code == "raw-deletion-update"
    connection = orders(raw, allow_raw_update=True)
    assert connection.execute(sql).rowcount == 1
    assert connection.execute("SELECT * FROM orders").fetchall() == []


@pytest.mark.parametrize(
    ("comment", "allowed", "shown"),
    [
        ("/* kysera:including_deleted */", True, 2),
        ("/*kysera:including_deleted*/", True, 2),
        ("-- kysera:including_deleted\n", True, 2),
        ("/* trace=1 kysera:including_deleted */", True, 2),
        ("/* kysera:including_deleted */", False, 1),
        ("/* never kysera:including_deleted_rows */", True, 1),
        ("/* xkysera:including_deleted */", True, 1),
        ("/* kysera:only_deleted */", True, 1),
    ],
)
def test_a_comment_may_include_deleted_rows(
    raw: sqlite3.Connection, comment: str, *, allowed: bool, shown: int
) -> None:
    connection = orders(raw, comment_hint=allowed)
    sql = f"SELECT {comment} count(*) FROM orders"
    assert connection.execute(sql).fetchone() == (shown,)
    literal = "SELECT count(*) FROM orders WHERE 'kysera:including_deleted' <> ''"
    assert connection.execute(literal).fetchone() == (1,)


def test_a_hint_deletes_no_row_again(raw: sqlite3.Connection) -> None:
    connection = orders(raw, comment_hint=True)
    sql = "/* kysera:including_deleted */ DELETE FROM orders"
    assert connection.execute(sql).rowcount == 1
    found = raw.execute("SELECT deleted_at FROM orders WHERE id = 2").fetchone()
    assert found == ("before",)
    with kysera_dbapi.including_deleted():
        assert connection.execute("DELETE FROM orders").rowcount == 0
    with (
        kysera_dbapi.only_deleted(),
        pytest.raises(kysera_dbapi.UnsupportedStatement, match="hard_delete"),
    ):
        connection.execute("DELETE FROM orders")


def test_an_accepted_delete_trigger_stays_unfired(raw: sqlite3.Connection) -> None:
    raw.executescript(
        "CREATE TRIGGER told AFTER DELETE ON kinds BEGIN "
        "INSERT INTO log (id) VALUES (100); END; INSERT INTO kinds VALUES (1, NULL)"
    )
    plugin = SoftDelete(
        ["kinds"], foreign_keys={"items.kind": "ignore"}, accept_triggers=["TOLD"]
    )
    connection = kysera_dbapi.wrap(raw, plugins=[plugin])
    connection.execute("DELETE FROM kinds")
    assert connection.execute("SELECT * FROM log").fetchall() == []


def test_update_triggers_fire_on_a_soft_delete(raw: sqlite3.Connection) -> None:
    raw.executescript(
        "CREATE TRIGGER told AFTER UPDATE ON orders BEGIN "
        "INSERT INTO log (id) VALUES (old.id + 100); END; "
        "CREATE TRIGGER priced AFTER UPDATE OF total ON orders BEGIN "
        "INSERT INTO log (id) VALUES (old.id + 200); END"
    )
    connection = orders(raw)
    connection.execute("DELETE FROM orders")
    assert connection.execute("SELECT id FROM log").fetchall() == [(101,)]
