"""What the catalogue of MySQL and MariaDB is read as."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from time import perf_counter

import pytest
from kysera_dialects import mysql_catalogue
from kysera_dialects.mysql import MariaDBDialect
from kysera_dialects.mysql_queries import SYSTEM

from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.reach import Reach
from tests.dialects.mysql_server import DIALECT, Server


@pytest.fixture
def server(mysql_url: str) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(mysql_url, stack)


# -- relations ------------------------------------------------------------------------


def test_the_relations_of_all_kinds(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE plain (id int PRIMARY KEY)",
        "CREATE TABLE parted (id int) PARTITION BY LIST (id) "
        "(PARTITION one VALUES IN (1), PARTITION two VALUES IN (2))",
        "CREATE VIEW seen AS SELECT * FROM plain",
    )
    expected = {"plain": "table", "parted": "table", "seen": "view"}
    if server.mariadb:
        catalogue = server.read(
            "CREATE SEQUENCE counter",
            "CREATE TABLE versioned (id int) WITH SYSTEM VERSIONING",
        )
        expected |= {"counter": "sequence", "versioned": "table"}
    assert {t.name: t.kind for t in own(server, catalogue)} == expected
    assert (catalogue.home, catalogue.path) == (server.database, (server.database,))


def own(server: Server, catalogue: Catalogue) -> list[Table]:
    tables = catalogue.tables.values()
    return [table for table in tables if table.schema == server.database]


def test_every_relation_that_can_be_read_is_known(server: Server) -> None:
    catalogue = server.read("CREATE TABLE notes (body text)")
    readable = server.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() OR TABLE_SCHEMA IN ('mysql', 'sys', "
        "'information_schema', 'performance_schema')"
    )
    found = list(map(catalogue.resolve, readable))
    assert found.count(None) == 0
    kinds = {table.kind for table in found if table and table.schema in SYSTEM}
    assert kinds == {"system"}


def test_a_connection_without_a_database(server: Server) -> None:
    server.run("CREATE TABLE notes (body text)")
    raw = server.connect(database=None)
    server.raw = raw
    catalogue = server.read()
    assert catalogue.path == ()
    assert catalogue.resolve(["notes"]) is None
    assert catalogue.resolve([server.database, "notes"]) is not None


def test_use_makes_names_mean_other_tables(server: Server) -> None:
    other = server.other("b")
    catalogue = server.read(
        "CREATE TABLE t (one int)", f"CREATE TABLE {other}.t (two int)", f"USE {other}"
    )
    assert names_of(catalogue.resolve(["t"])) == ["two"]
    assert names_of(catalogue.resolve([server.database, "t"])) == ["one"]


def names_of(table: Table | None) -> list[str]:
    assert table is not None
    return [column.name for column in table.columns]


def test_columns(server: Server) -> None:
    table = server.table(
        "t",
        """CREATE TABLE t (
            a int,
            `B` varchar(20) NOT NULL DEFAULT 'it''s',
            c bigint unsigned AUTO_INCREMENT,
            d int DEFAULT (a + 1),
            e int GENERATED ALWAYS AS (a + c) VIRTUAL,
            f text GENERATED ALWAYS AS (concat('a', `B`, 'it''s', `dé ``j.à`)) STORED,
            g int INVISIBLE,
            h datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
            `dé ``j.à` decimal(10, 2),
            PRIMARY KEY (c, a))"""
        if server.mariadb
        else """CREATE TABLE t (
            a int,
            `B` varchar(20) NOT NULL DEFAULT 'it''s',
            c bigint unsigned AUTO_INCREMENT,
            d int DEFAULT (a + 1),
            e int GENERATED ALWAYS AS (a + length(`B`)) VIRTUAL,
            f text GENERATED ALWAYS AS (concat('a', `B`, 'it''s', `dé ``j.à`)) STORED,
            g int INVISIBLE,
            h datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
            `dé ``j.à` decimal(10, 2),
            PRIMARY KEY (c, a))""",
    )
    assert [(c.name, c.not_null, c.primary_key) for c in table.columns] == [
        ("a", True, 2),
        ("B", True, 0),
        ("c", True, 1),
        ("d", False, 0),
        ("e", False, 0),
        ("f", False, 0),
        ("g", False, 0),
        ("h", False, 0),
        ("dé `j.à", False, 0),
    ]
    assert table.primary_key == ("c", "a")
    told = {c.name: c for c in table.columns}
    assert told["B"].type == "varchar(20)"
    assert told["c"].type in ("bigint unsigned", "bigint(20) unsigned")
    assert [n for n, c in told.items() if c.identity] == ["c"]
    assert [n for n, c in told.items() if c.generated] == ["e", "f"]
    assert [n for n, c in told.items() if c.hidden] == ["g"]
    assert told["f"].computed_from >= {"b", "dé `j.à"}
    assert "c" not in told["f"].computed_from
    assert "a" in told["e"].computed_from
    assert table.column("b") == told["B"]


def test_collations_that_take_different_values_for_equal(server: Server) -> None:
    exact = "utf8mb4_nopad_bin" if server.mariadb else "utf8mb4_0900_bin"
    table = server.table(
        "t",
        "CREATE TABLE t (a varchar(9) COLLATE utf8mb4_general_ci, "
        f"b varchar(9) COLLATE utf8mb4_bin, c varchar(9) COLLATE {exact}, "
        "d varbinary(9), e int, f enum('a'), g binary(4))",
    )
    loose = {c.name: c.collation for c in table.columns if c.collation}
    assert loose.keys() == {"a", "b", "f"}
    assert loose["a"] == "utf8mb4_general_ci"
    server.run("INSERT INTO t (b, c) VALUES ('x ', 'x ')")
    equal = server.rows("SELECT b = 'x', c = 'x' FROM t")
    assert equal == [(1, 0)]


# -- keys -----------------------------------------------------------------------------


def test_unique_keys(server: Server) -> None:
    table = server.table(
        "t",
        "CREATE TABLE t (a int, b varchar(20), c int NOT NULL, d text, "
        "PRIMARY KEY (c, a), UNIQUE KEY two (b, a), UNIQUE KEY part (d(3), a), "
        "KEY plain (b))",
    )
    keys = {key.name: key for key in table.unique_keys}
    assert {name: key.columns for name, key in keys.items()} == {
        "PRIMARY": ("c", "a"),
        "two": ("b", "a"),
        "part": ("", "a"),
    }
    assert [name for name, key in keys.items() if key.primary] == ["PRIMARY"]
    assert table.is_held("a", keys["part"])
    assert not table.is_held("d", keys["part"])


def test_unique_keys_of_expressions(server: Server) -> None:
    if server.mariadb:
        pytest.skip("MariaDB has none")
    table = server.table(
        "t", "CREATE TABLE t (a int, b int, UNIQUE KEY k ((a + 1), b))"
    )
    (key,) = table.unique_keys
    assert key.columns == ("", "b")


def test_indexes(server: Server) -> None:
    hidden = "IGNORED" if server.mariadb else "INVISIBLE"
    table = server.table(
        "t",
        "CREATE TABLE t (a int PRIMARY KEY, b text, c int, KEY k (c, b(4)), "
        f"FULLTEXT KEY f (b), KEY aside (c, a) {hidden})",
    )
    dialect = MariaDBDialect() if server.mariadb else DIALECT
    found = mysql_catalogue.indexes(dialect, server.rows, table)
    assert dict(found) == {
        "PRIMARY": ("a",),
        "k": ("c", "b"),
        "f": ("",),
        "aside": ("", ""),
    }


def test_foreign_keys(server: Server) -> None:
    other = server.other("b")
    catalogue = server.read(
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b))",
        "CREATE TABLE c (x int, y int, CONSTRAINT k FOREIGN KEY (x, y) "
        "REFERENCES p (a, b) ON DELETE CASCADE ON UPDATE SET NULL)",
        f"CREATE TABLE {other}.c (x int, y int, CONSTRAINT k FOREIGN KEY (y, x) "
        "REFERENCES {db}.p (a, b))",
    )
    db = server.database
    mine, theirs = catalogue.children[f"{db}.p"]
    if mine.child != f"{db}.c":
        mine, theirs = theirs, mine
    assert (mine.child, mine.columns, mine.parent_columns) == (
        f"{db}.c",
        ("x", "y"),
        ("a", "b"),
    )
    assert (mine.on_delete, mine.on_update) == ("CASCADE", "SET NULL")
    assert (theirs.child, theirs.columns) == (f"{other}.c", ("y", "x"))
    assert theirs.on_delete in ("RESTRICT", "NO ACTION")
    assert catalogue.enforces_foreign_keys
    assert not server.read("SET foreign_key_checks = 0").enforces_foreign_keys


# -- what definitions use -------------------------------------------------------------


def test_what_views_read(server: Server) -> None:
    other = server.other("b")
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE TABLE u (id int)",
        f"CREATE TABLE {other}.t (id int)",
        "CREATE VIEW v1 AS SELECT id FROM t",
        "CREATE VIEW v2 AS SELECT a.id FROM (SELECT * FROM v1) a "
        "WHERE EXISTS (SELECT 1 FROM u WHERE u.id = a.id)",
        f"CREATE VIEW v3 AS SELECT t.id FROM {other}.t AS t",
        f"CREATE VIEW {other}.v AS WITH t AS (SELECT id FROM {{db}}.u) "
        "SELECT id FROM t UNION SELECT id FROM {db}.v1",
        "CREATE VIEW v4 AS SELECT 't.u' AS x",
    )
    db = server.database
    reads = {t.key: t.reads for t in catalogue.tables.values() if t.kind == "view"}
    assert reads[f"{db}.v1"] == frozenset({f"{db}.t"})
    assert reads[f"{db}.v2"] == frozenset({f"{db}.v1", f"{db}.u"})
    assert reads[f"{db}.v3"] == frozenset({f"{other}.t"})
    assert reads[f"{other}.v"] == frozenset({f"{db}.u", f"{db}.v1"})
    assert reads[f"{db}.v4"] == frozenset()
    view = catalogue.tables[f"{other}.v"]
    assert Reach(DIALECT, catalogue).reads(view) >= {f"{db}.t", f"{db}.u"}


def test_what_views_read_is_what_mysql_says(server: Server) -> None:
    if server.mariadb:
        pytest.skip("MariaDB has no view_table_usage")
    server.run(
        "CREATE TABLE t (id int, `a``b` int)",
        "CREATE TABLE `od``d.x` (id int)",
        "CREATE VIEW v1 AS SELECT t.id, o.id AS o FROM t JOIN `od``d.x` AS o",
        "CREATE VIEW v2 AS SELECT v1.id FROM v1 LEFT JOIN t AS v1b USING (id)",
        "CREATE VIEW v3 AS SELECT (SELECT max(id) FROM `od``d.x`) AS m",
    )
    said = server.rows(
        "SELECT VIEW_NAME, TABLE_NAME FROM information_schema.VIEW_TABLE_USAGE "
        "WHERE VIEW_SCHEMA = DATABASE()"
    )
    views = [t for t in own(server, server.read()) if t.kind == "view"]
    found = {(v.name, k.partition(".")[2]) for v in views for k in v.reads or ()}
    assert found == set(said)


def test_the_text_of_a_view_is_the_same_in_all_modes(server: Server) -> None:
    modes = ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,PIPES_AS_CONCAT")
    server.run("CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
    for i, (mode, quoting) in enumerate(product(modes, (0, 1))):
        server.run(
            f"SET sql_mode = '{mode}', sql_quote_show_create = {quoting}",
            f"CREATE VIEW v{i} AS SELECT 'it''s `{{db}}`.`u` \" \\\\' AS x, t.id "
            "FROM t WHERE id <> '\"`'",
        )
        for other in modes:
            catalogue = server.read(f"SET sql_mode = '{other}'")
            view = catalogue.tables[f"{server.database}.v{i}"]
            assert view.reads == frozenset({f"{server.database}.t"}), mode


def test_what_views_call(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE FUNCTION f(x int) RETURNS int READS SQL DATA "
        "RETURN (SELECT count(*) FROM t WHERE id > x)",
        "CREATE VIEW v AS SELECT f(1) AS n, load_file('x') AS y",
    )
    db = server.database
    view = catalogue.tables[f"{db}.v"]
    assert {f"{db}.f", ".load_file"} <= view.calls
    # the names in a function's text are those of any database
    assert f"{db}.t" in Reach(DIALECT, catalogue).reads(view)
    (function,) = catalogue.routines[f"{db}.f"]
    assert (function.schema, function.name) == (db, "f")
    assert (function.language, function.reads) == ("sql", None)


def test_names_that_are_bare_in_a_view(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE TABLE `né$1` (id int)",
        "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
        "SET sql_quote_show_create = 0",
        "CREATE VIEW v AS SELECT t.id, f() AS f, load_file('x') AS g "
        "FROM t JOIN `né$1` USING (id)",
    )
    db = server.database
    view = catalogue.tables[f"{db}.v"]
    assert view.reads == frozenset({f"{db}.t", f"{db}.né$1"})
    assert {f"{db}.f", ".load_file"} <= view.calls


def test_a_table_that_is_made_of_others(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int) ENGINE = MyISAM",
        "CREATE TABLE m (id int) ENGINE = MERGE UNION = (t)",
    )
    table = catalogue.tables[f"{server.database}.m"]
    assert f"{server.database}.t" in Reach(DIALECT, catalogue).reads(table)


def test_what_triggers_write(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE TABLE log (id int)",
        "CREATE TABLE more (id int)",
        # a CASE without BEGIN: the first WHEN is none of the trigger's
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW "
        "INSERT INTO log SELECT CASE WHEN 1 THEN NEW.id END",
        "CREATE TRIGGER b BEFORE DELETE ON t FOR EACH ROW BEGIN "
        "UPDATE more SET id = OLD.id; END",
    )
    db = server.database
    table = catalogue.tables[f"{db}.t"]
    assert {(t.name, t.event) for t in table.triggers} == {
        ("a", "INSERT"),
        ("b", "DELETE"),
    }
    reach = Reach(DIALECT, catalogue)
    assert f"{db}.log" in reach.effects([(table, "INSERT")]).written
    assert f"{db}.more" in reach.effects([(table, "DELETE")]).written


def test_a_trigger_of_another_mode(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE TABLE log (id int)",
        "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW BEGIN "
        "SET @x = '\\'; INSERT INTO \"log\" VALUES (1); SET @y = '\\'; END",
        "SET sql_mode = DEFAULT",
    )
    db = server.database
    reach = Reach(DIALECT, catalogue)
    effects = reach.effects([(catalogue.tables[f"{db}.t"], "INSERT")])
    assert f"{db}.log" in effects.written


#: Strings and comments of which it cannot be told where they end: strings are shown
#: without their escapes, and names in quotes are strings in other modes.
BODIES = (
    ("", "SET @x = 'it''s -- '; {} SET @y = 'it''s';"),
    ("", "SET @x = 'it''s /* '; {} SET @y = '*/';"),
    ("", "SET @x = 'a\\' # '; {}"),
    ("", "SET @x = '`'; {} SET @y = '`';"),
    ("", "SET @x = replace(@y, '\\\\', '--'); {} SET @y = '\\\\';"),
    ("", "SET @x = _latin1'x''y', @y = \"it's -- \\\"\"; {}"),
    ("ANSI_QUOTES", "SET @x = '\"'; {} SET @y = '\"';"),
    ("ANSI_QUOTES", "SET @x = '\\'' -- \"\n; {}"),
    ("NO_BACKSLASH_ESCAPES", "SET @x = '\\'; {} SET @y = '\\';"),
    ("NO_BACKSLASH_ESCAPES", "SET @x = '\\--'; {} SET @y = '\\';"),
    ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "SET @x = '\\\"`'; {} SET @y = '`\\';"),
    ("PIPES_AS_CONCAT", "SET @x = 'a' || '''' || ' -- '; {}"),
)
NAMES = ("t", "my table", "it's", "-- c")


@pytest.mark.parametrize(("mode", "body"), BODIES)
def test_what_texts_of_all_modes_use(server: Server, mode: str, body: str) -> None:
    quote = '"' if "ANSI" in mode else "`"
    for name in NAMES:
        server.run(f"CREATE TABLE {DIALECT.quote(name)} (id int)")
    server.run("CREATE TABLE fired (id int)", f"SET sql_mode = '{mode}'")
    for i, name in enumerate(NAMES):
        said = f"{quote}{name.replace(quote, quote * 2)}{quote}" if i else name
        text = body.replace("{}", f"DELETE FROM {said};")
        server.rows(
            f"CREATE FUNCTION f{i}() RETURNS int MODIFIES SQL DATA "
            f"BEGIN {text} RETURN 1; END"
        )
        server.rows(
            f"CREATE TRIGGER g{i} AFTER INSERT ON fired FOR EACH ROW BEGIN {text} END"
        )
    for reading in ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"):
        server.run(f"SET sql_mode = '{reading}'")
        dialect = DIALECT.in_modes(reading)
        catalogue = mysql_catalogue.read(dialect, server.rows)
        reach = Reach(dialect, catalogue)
        fired = catalogue.tables[f"{server.database}.fired"]
        triggers = {trigger.name: trigger for trigger in fired.triggers}
        for i, name in enumerate(NAMES):
            key = f"{server.database}.{name}"
            (function,) = catalogue.routines[f"{server.database}.f{i}"]
            assert key in reach.beneath(function).tables, (reading, name)
            assert (catalogue.tables[key], "DELETE") in list(reach.writes(function))
            assert key in reach.touches(triggers[f"g{i}"]), (reading, name)


#: Each way to write to a table of these servers, and what becomes of its rows.
WAYS = {
    "INSERT": "INSERT log VALUES (1); INSERT IGNORE log SET id = 1; "
    "INSERT LOW_PRIORITY IGNORE INTO log VALUES (1); REPLACE log VALUES (1)",
    "UPDATE": "UPDATE IGNORE log SET id = 1; UPDATE more JOIN log ON 1 SET log.id = 1; "
    "UPDATE more m, log l SET l.id = 1; "
    "UPDATE LOW_PRIORITY {db}.more, {db}.log SET log.id = 1; "
    "INSERT log VALUES (1) ON DUPLICATE KEY UPDATE id = 1",
    "DELETE": "DELETE IGNORE FROM log; DELETE QUICK FROM log; DELETE log FROM log; "
    "DELETE more, log FROM more JOIN log; DELETE FROM more, log USING more JOIN log; "
    "DELETE l FROM more JOIN log l; DELETE LOW_PRIORITY l.* FROM {db}.log AS l; "
    "REPLACE INTO log VALUES (1)",
}


@pytest.mark.parametrize("event", WAYS)
def test_each_way_to_write_is_known(server: Server, event: str) -> None:
    server.run("CREATE TABLE log (id int PRIMARY KEY)", "CREATE TABLE more (id int)")
    for i, way in enumerate(WAYS[event].split("; ")):
        server.run(f"CREATE TABLE t{i} (id int)")
        server.run(f"CREATE TRIGGER g{i} AFTER INSERT ON t{i} FOR EACH ROW {way}")
    server.run(f"CREATE TRIGGER g AFTER {event} ON log FOR EACH ROW SET @x = 1")
    catalogue = server.read()
    reach, db = Reach(DIALECT, catalogue), server.database
    for i, way in enumerate(WAYS[event].split("; ")):
        effects = reach.effects([(catalogue.tables[f"{db}.t{i}"], "INSERT")])
        assert f"{db}.log" in effects.written, way
        assert "g" in {trigger.name for _, trigger in effects.triggers}, way


def test_what_is_hidden_may_read_anything(server: Server) -> None:
    server.run(
        "CREATE TABLE t (id int)",
        "CREATE FUNCTION f() RETURNS int READS SQL DATA "
        "RETURN (SELECT count(*) FROM t)",
        "CREATE VIEW v AS SELECT 1 AS one",
    )
    user = f"u{server.database[-20:]}"
    server.run(
        f"CREATE USER {user}@'127.0.0.1'",
        f"GRANT SELECT ON {{db}}.* TO {user}@'127.0.0.1'",
        f"GRANT EXECUTE ON FUNCTION {{db}}.f TO {user}@'127.0.0.1'",
    )
    root = server.raw
    try:
        server.raw = server.connect(user=user)
        catalogue = server.read()
        assert f"{server.database}.t" in (
            catalogue.tables[f"{server.database}.v"].reads or ()
        )
        (function,) = catalogue.routines[f"{server.database}.f"]
        assert f"{server.database}.t" in (function.reads or ())
    finally:
        server.raw = root
        server.run(f"DROP USER {user}@'127.0.0.1'")


# -- what tells of changes ------------------------------------------------------------

CHANGES = (
    "CREATE TABLE made (id int, body text)",
    "ALTER TABLE made RENAME TO remade",
    "ALTER TABLE remade ADD COLUMN more int",
    "ALTER TABLE remade RENAME COLUMN more TO less",
    "ALTER TABLE remade MODIFY body varchar(20)",
    "ALTER TABLE remade MODIFY body varchar(20) COLLATE utf8mb4_bin",
    "ALTER TABLE remade MODIFY body varchar(20) NOT NULL",
    "ALTER TABLE remade ALTER COLUMN body SET DEFAULT 'x'",
    "ALTER TABLE remade ALTER COLUMN body SET DEFAULT 'y'",
    "ALTER TABLE remade ALTER COLUMN body DROP DEFAULT",
    "ALTER TABLE remade ADD UNIQUE KEY k (body)",
    "ALTER TABLE remade DROP KEY k, ADD UNIQUE KEY k (body(3))",
    "ALTER TABLE remade ADD PRIMARY KEY (id)",
    "ALTER TABLE remade DROP PRIMARY KEY",
    "ALTER TABLE t ADD CONSTRAINT up FOREIGN KEY (up) REFERENCES t (id)",
    "ALTER TABLE t DROP FOREIGN KEY up",
    "ALTER TABLE t ADD CONSTRAINT up FOREIGN KEY (up) REFERENCES t (id) "
    "ON DELETE CASCADE",
    "CREATE VIEW v AS SELECT id FROM t",
    "CREATE OR REPLACE VIEW v AS SELECT id FROM remade",
    "DROP VIEW v",
    "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
    "DROP TRIGGER x",
    "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 2",
    "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
    "DROP FUNCTION f",
    "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 2",
    "CREATE PROCEDURE p() SELECT 1",
    "DROP PROCEDURE p",
    "DROP TABLE remade",
    "SET foreign_key_checks = 0",
    "USE mysql",
)


def test_a_change_changes_the_stamp(server: Server) -> None:
    """By the same connection: the last ones are the session's own."""
    server.run("CREATE TABLE t (id int PRIMARY KEY, up int)")
    for change in CHANGES:
        before, read = server.stamp(), server.read()
        server.run(change)
        assert server.stamp() != before, change
        assert server.read().version != read.version, change


def test_a_change_by_another_connection_amid_a_transaction(server: Server) -> None:
    """MySQL shows the definitions of the transaction's own snapshot."""
    server.run("CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
    server.run("SET autocommit = 0", "INSERT INTO u VALUES (1)", "SELECT * FROM u")
    before = server.stamp()
    with server.connect().cursor() as other:
        other.execute("ALTER TABLE t ADD COLUMN more int")
    if not server.mariadb:
        assert server.stamp() == before
        server.run("COMMIT")
    assert server.stamp() != before
    assert names_of(server.read().resolve(["t"])) == ["id", "more"]


def test_rows_change_nothing(server: Server) -> None:
    server.run("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, a int)")
    mine = [row for row in server.read().tables if row.startswith(server.database)]
    before = server.table("t")
    server.run("INSERT INTO t (a) VALUES (1), (2)", "ANALYZE TABLE t")
    assert server.table("t") == before
    assert mine == [r for r in server.read().tables if r.startswith(server.database)]


def test_speed(server: Server) -> None:
    """Generous bounds: other tests run beside this one."""
    for i in range(60):
        server.run(
            f"CREATE TABLE t{i} (id int AUTO_INCREMENT PRIMARY KEY, tenant int, "
            "a varchar(80) UNIQUE, b decimal(10, 2), c timestamp DEFAULT now())"
        )
    assert best(server.read) < 0.5
    assert best(server.stamp) < 0.3


def best(work: Callable[[], object]) -> float:
    """The seconds of the quickest of a few runs."""
    taken: list[float] = []
    for _ in range(8):
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return min(taken)
