"""What lies beneath and beside the relations that a statement names, on PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import UnsupportedStatement
from kysera_dbapi.mode import Mode
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation

SCHEMA = """
CREATE TABLE notes (id integer PRIMARY KEY, tenant_id integer, body text);
INSERT INTO notes VALUES (1, 7, 'ours'), (2, 7, 'ours too'), (3, 8, 'GHOST');
CREATE TABLE log (id integer, line text);
INSERT INTO log VALUES (1, 'one'), (2, 'two');
CREATE TABLE parents (id integer PRIMARY KEY);
INSERT INTO parents VALUES (1);
"""
#: Functions with all rows in their hands, each by another way.
READING = {
    "by_text()": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "by_code()": "LANGUAGE plpgsql AS "
    "'BEGIN RETURN (SELECT min(body) FROM notes); END'",
    "by_string()": "LANGUAGE plpgsql AS "
    "$$ DECLARE r text; BEGIN EXECUTE 'SELECT min(body) FROM notes' INTO r; RETURN r; "
    "END $$",
    "by_escape()": "LANGUAGE plpgsql AS "
    r"$$ DECLARE r text; BEGIN EXECUTE E'SELECT min(body)\nFROM notes' INTO r; "
    "RETURN r; END $$",
    "by_quotes()": "LANGUAGE sql AS 'SELECT min(body) FROM \"notes\"'",
    "by_schema()": "LANGUAGE sql AS 'SELECT min(body) FROM public . notes'",
    "by_view()": "LANGUAGE sql AS 'SELECT min(body) FROM deep'",
    "by_call()": "LANGUAGE plpgsql AS 'BEGIN RETURN by_view(); END'",
    "by_field(log)": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "by_default(text DEFAULT by_text())": "LANGUAGE sql AS 'SELECT $1'",
    "by_list(VARIADIC integer[])": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "lower(integer)": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    '"By Name"()': "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "by_step(text, integer)": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "by_operator(integer, integer)": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
    "verbose(integer)": "LANGUAGE sql AS 'SELECT min(body) FROM notes'",
}
WORLD = (
    "CREATE VIEW told AS SELECT body FROM notes",
    "CREATE VIEW deep AS SELECT body FROM told",
    *(f"CREATE FUNCTION {f} RETURNS text {body}" for f, body in READING.items()),
    "CREATE AGGREGATE by_rows (integer) (SFUNC = by_step, STYPE = text)",
    "CREATE OPERATOR @@@ (FUNCTION = by_operator, LEFTARG = integer, "
    "RIGHTARG = integer)",
    "CREATE VIEW calling AS SELECT by_text() AS x",
    "CREATE TABLE filled (id integer, x text DEFAULT by_text())",
    "CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2'",
    "CREATE FUNCTION hidden(text) RETURNS text LANGUAGE plpgsql AS "
    "'DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END'",
)


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


def run(raw: Any, *statements: str) -> None:
    for statement in statements:
        raw.execute(cast("Any", statement))


def wrapped(raw: Any, mode: Mode = "normal", *tables: str) -> Any:
    policies = tenant_isolation("tenant_id", tables or ["notes"])
    made = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policies)], mode=mode)
    made.context = {"tenant_id": 7}
    return made


def rows(connection: Any, sql: str) -> list[Any]:
    return list(connection.execute(cast("Any", sql)).fetchall())


def code(connection: Any, sql: str) -> str:
    """The code of the refusal; empty if a statement is not refused."""
    try:
        connection.execute(cast("Any", sql))
    except UnsupportedStatement as error:
        return error.code
    return ""


# -- functions ------------------------------------------------------------------------


CALLS = (
    "SELECT by_text()",
    "SELECT by_code()",
    "SELECT by_string()",
    "SELECT by_escape()",
    "SELECT by_quotes()",
    "SELECT by_schema()",
    "SELECT by_view()",
    "SELECT by_call()",
    "SELECT by_default()",
    "SELECT by_list(VARIADIC ARRAY[1])",
    "SELECT lower(1)",
    "SELECT Lower(1)",
    "SELECT verbose(1)",
    'SELECT "By Name"()',
    'SELECT public."By Name" ()',
    "SELECT public /**/ . /**/ by_text ()",
    "SELECT by_rows(id) FROM log",
    "SELECT 1 @@@ 2",
    "SELECT 1@@@2",
    "SELECT 1 OPERATOR(public.@@@) 2",
    "SELECT l.by_field FROM log l",
    "SELECT (l).by_field FROM log l",
    'SELECT log . "by_field" FROM log',
    "SELECT public.log.by_field FROM log",
    "SELECT by_field(l) FROM log l",
    "SELECT (SELECT x FROM (SELECT l) AS y(x)).by_field FROM log l",
    "SELECT * FROM by_text()",
    "SELECT * FROM log WHERE by_text() LIKE 'G%'",
    "SELECT id FROM log ORDER BY by_text()",
    "SELECT id FROM log GROUP BY id HAVING by_text() > ''",
    "SELECT count(*) FILTER (WHERE by_text() > '') FROM log",
    "INSERT INTO log VALUES (3, by_text())",
    "INSERT INTO log SELECT 3, by_text()",
    "UPDATE log SET line = by_text()",
    "DELETE FROM log WHERE by_text() > 'A'",
    "CREATE TABLE copy AS SELECT by_text()",
    "CREATE TABLE copy (x text DEFAULT by_text())",
    "ALTER TABLE log ADD COLUMN x text DEFAULT by_text()",
    "EXPLAIN ANALYZE SELECT by_text()",
    "INSERT INTO filled (id) VALUES (1) RETURNING x",
)


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_functions_that_touch_a_protected_table_are_refused(
    raw: Any, mode: Mode
) -> None:
    run(raw, *WORLD)
    connection = wrapped(raw, mode)
    assert {sql for sql in CALLS if code(connection, sql) != "dangerous-function"} == (
        set()
    )
    assert code(connection, "SELECT * FROM calling") == "undeclared-view"
    assert code(connection, "CREATE VIEW x AS SELECT by_text()") == "protected-ddl"
    assert rows(connection, "SELECT pg_catalog.lower('A')") == [("a",)]
    assert rows(connection, "SELECT x FROM filled") == []
    shown = [sql for sql in CALLS[:20] if "GHOST" in str(rows(raw, sql))]
    assert shown == list(CALLS[:20])


def test_what_a_function_hides_is_refused_in_strict_mode_alone(raw: Any) -> None:
    run(raw, *WORLD)
    for mode, refused in (("normal", ""), ("strict", "dangerous-function")):
        connection = wrapped(raw, cast("Mode", mode))
        assert code(connection, "SELECT hidden('SELECT 1')") == refused
        assert code(connection, "SELECT ('SELECT 1'::text).hidden") == refused
        assert rows(connection, "SELECT twice(id) FROM notes") == [(2,), (4,)]
        assert rows(connection, "SELECT public.twice(2)") == [(4,)]


def test_functions_of_the_database_as_fields(raw: Any) -> None:
    connection = wrapped(raw)
    for sql in (
        "SELECT ('/etc/passwd'::text).pg_read_file",
        "SELECT (ARRAY['/etc/passwd'])[1].pg_read_file",
        "SELECT ('SELECT body::tsvector FROM notes'::text) . ts_stat",
        'SELECT (1)."lo_get"',
    ):
        assert code(connection, sql) == "dangerous-function", sql
    with pytest.raises(UnsupportedStatement):
        connection.execute("SELECT %s.pg_read_file", ("/etc/passwd",))
    assert rows(connection, "SELECT (n).body FROM notes n") == [
        ("ours",),
        ("ours too",),
    ]
    strict = wrapped(raw, "strict")
    assert code(strict, "SELECT ('notes'::regclass).pg_relation_size") != ""
    assert rows(strict, "SELECT ('abc'::text).length") == [(3,)]


@pytest.mark.parametrize(
    ("making", "sql"),
    [
        (
            "CREATE TYPE pair AS (a integer, b integer); "
            "CREATE FUNCTION said(pair) RETURNS text LANGUAGE sql AS "
            "'SELECT min(body) FROM notes'; "
            "CREATE CAST (pair AS text) WITH FUNCTION said(pair)",
            "SELECT CAST(CAST(ROW(1, 2) AS pair) AS text)",
        ),
        (
            "CREATE FUNCTION good(integer) RETURNS boolean LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''%'', (SELECT min(body) FROM notes); END'; "
            "CREATE DOMAIN number AS integer CHECK (good(VALUE))",
            "SELECT CAST(1 AS number)",
        ),
    ],
)
def test_functions_that_no_text_names_are_refused(
    raw: Any, making: str, sql: str
) -> None:
    run(raw, making)
    connection = wrapped(raw)
    assert code(connection, sql) == "dangerous-function"


def test_what_a_function_writes_is_followed(raw: Any) -> None:
    run(
        raw,
        "CREATE FUNCTION wipes() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN DELETE FROM notes; RETURN new; END'",
        "CREATE TABLE fired (id integer)",
        "CREATE TRIGGER t AFTER INSERT ON fired EXECUTE FUNCTION wipes()",
        "CREATE FUNCTION fires() RETURNS integer LANGUAGE sql AS "
        "'INSERT INTO fired VALUES (1); SELECT 1'",
        "CREATE FUNCTION looks() RETURNS bigint LANGUAGE sql AS "
        "'SELECT count(*) FROM fired'",
        "ALTER TABLE notes ADD COLUMN parent integer REFERENCES parents "
        "ON DELETE CASCADE",
        "CREATE FUNCTION removes() RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN DELETE FROM ONLY public.parents; RETURN 1; END'",
        "CREATE VIEW acts AS SELECT fires() AS x",
    )
    connection = wrapped(raw)
    assert code(connection, "SELECT fires()") == "undeclared-trigger"
    assert code(connection, "SELECT x FROM acts") == "undeclared-trigger"
    assert code(connection, "SELECT removes()") == "foreign-key-action"
    assert rows(connection, "SELECT looks()") == [(0,)]


def test_functions_that_go_in_a_circle_come_to_an_end(raw: Any) -> None:
    run(
        raw,
        "CREATE TABLE a (id integer, x integer)",
        "CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO a VALUES (1, 2); RETURN g(); END'",
        "CREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN RETURN CASE WHEN false THEN f() END; END'",
        "ALTER TABLE a ALTER x SET DEFAULT f()",
        "CREATE VIEW v AS SELECT f() AS x FROM a",
    )
    connection = wrapped(raw)
    assert code(connection, "INSERT INTO a (id) VALUES (3)") == ""
    assert rows(connection, "SELECT x IS NULL FROM v LIMIT 1") == [(True,)]


# -- views, partitions, inheritance ---------------------------------------------------


def test_views_at_any_depth(raw: Any) -> None:
    run(
        raw,
        "CREATE VIEW told AS SELECT * FROM notes",
        "CREATE VIEW deep AS SELECT * FROM told",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM deep",
        "CREATE VIEW again AS SELECT * FROM kept",
        "CREATE VIEW stats AS SELECT most_common_freqs FROM pg_stats",
        "CREATE VIEW lines AS SELECT * FROM log",
    )
    connection = wrapped(raw)
    for name in ("told", "deep", "kept", "again", "stats"):
        assert code(connection, f"SELECT * FROM {name}") == "undeclared-view", name
    for name in ("deep", "kept"):
        assert code(connection, f"CREATE VIEW x AS TABLE {name}") == "protected-ddl"
    assert code(connection, "REFRESH MATERIALIZED VIEW kept") == "protected-ddl"
    assert rows(connection, "SELECT id FROM lines") == [(1,), (2,)]


@pytest.mark.parametrize("partitioned", [True, False])
def test_partitions_and_children(raw: Any, partitioned: bool) -> None:
    columns = "(id integer, tenant_id integer, body text)"
    if partitioned:
        run(
            raw,
            f"CREATE TABLE whole {columns} PARTITION BY LIST (tenant_id)",
            "CREATE TABLE half PARTITION OF whole DEFAULT PARTITION BY LIST (id)",
            "CREATE TABLE part PARTITION OF half DEFAULT",
        )
    else:
        run(
            raw,
            f"CREATE TABLE whole {columns}",
            "CREATE TABLE half () INHERITS (whole)",
            "CREATE TABLE part () INHERITS (half)",
        )
    run(
        raw,
        "INSERT INTO part VALUES (1, 7, 'ours'), (2, 8, 'GHOST')",
        "CREATE VIEW seen AS SELECT * FROM part",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT body FROM part'",
    )
    above = wrapped(raw, "normal", "whole")
    assert rows(above, "SELECT body FROM whole") == [("ours",)]
    assert rows(above, "SELECT body FROM ONLY whole") == []
    assert rows(above, "SELECT body FROM whole *") == [("ours",)]
    for name in ("half", "part", "seen", "ONLY part", "half *"):
        assert code(above, f"SELECT * FROM {name}") == "undeclared-view"
    for sql in (
        "DELETE FROM part",
        "UPDATE half SET body = 'x'",
        "INSERT INTO part VALUES (3, 8, 'x')",
        "INSERT INTO part VALUES (1, 8, 'x') ON CONFLICT DO NOTHING",
        "SELECT f()",
        "TRUNCATE part",
        "TRUNCATE log, half",
        "DROP TABLE part",
        "ALTER TABLE part RENAME TO other",
        "CREATE UNIQUE INDEX ON part (body)",
    ):
        assert code(above, sql) != "", sql
    assert rows(raw, "SELECT count(*) FROM part") == [(2,)]
    below = wrapped(raw, "normal", "part")
    assert rows(below, "SELECT body FROM part") == [("ours",)]
    for name in ("whole", "half", "ONLY whole"):
        assert code(below, f"SELECT * FROM {name}") == "undeclared-view"
    both = wrapped(raw, "normal", "part", "whole")
    assert rows(both, "SELECT body FROM whole") == [("ours",)]
    assert rows(both, "SELECT body FROM part") == [("ours",)]


def test_a_partition_beside_a_protected_one_is_free(raw: Any) -> None:
    run(
        raw,
        "CREATE TABLE whole (id integer, tenant_id integer) PARTITION BY LIST (id)",
        "CREATE TABLE one PARTITION OF whole FOR VALUES IN (1)",
        "CREATE TABLE two PARTITION OF whole FOR VALUES IN (2)",
        "INSERT INTO whole VALUES (1, 8), (2, 8)",
    )
    connection = wrapped(raw, "normal", "one")
    assert rows(connection, "SELECT id FROM two") == [(2,)]
    assert rows(connection, "SELECT id FROM one") == []
    assert code(connection, "SELECT id FROM whole") == "undeclared-view"


# -- triggers, rules, foreign keys ----------------------------------------------------


FIRES = "CREATE TRIGGER t {} ON {} FOR EACH ROW EXECUTE FUNCTION {}()"
TRIGGERS = (
    "CREATE FUNCTION plain() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN new.line := upper(new.line); RETURN new; END'",
    "CREATE FUNCTION deletes() RETURNS integer LANGUAGE plpgsql AS "
    "'BEGIN DELETE FROM notes; RETURN 1; END'",
    "CREATE FUNCTION calls() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN PERFORM deletes(); RETURN new; END'",
    "CREATE FUNCTION named() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN EXECUTE format(''DELETE FROM %I'', tg_argv[0]); RETURN new; END'",
    "CREATE TABLE a (id integer, line text)",
    "CREATE TABLE b (id integer, line text)",
    "CREATE TABLE c (id integer, line text)",
    "CREATE TABLE d (id integer, line text)",
    "CREATE TABLE e (id integer, line text)",
    FIRES.format("BEFORE INSERT", "a", "plain"),
    FIRES.format("AFTER INSERT", "b", "calls"),
    "CREATE TRIGGER t AFTER INSERT ON c EXECUTE FUNCTION named('notes')",
    "CREATE TRIGGER t BEFORE INSERT ON d FOR EACH ROW WHEN (deletes() > 0) "
    "EXECUTE FUNCTION plain()",
    "CREATE TRIGGER t AFTER TRUNCATE ON e EXECUTE FUNCTION calls()",
    "CREATE VIEW of_b AS SELECT * FROM b",
    "CREATE VIEW of_of_b AS SELECT * FROM of_b",
    "CREATE TABLE whole (id integer, line text) PARTITION BY LIST (id)",
    "CREATE TABLE part PARTITION OF whole DEFAULT",
    FIRES.format("AFTER INSERT", "part", "calls"),
)


def test_triggers(raw: Any) -> None:
    run(raw, *TRIGGERS)
    connection = wrapped(raw)
    assert code(connection, "INSERT INTO a VALUES (1, 'x')") == ""
    assert rows(connection, "SELECT line FROM a") == [("X",)]
    for name in ("b", "c", "of_b", "of_of_b", "part", "whole"):
        sql = f"INSERT INTO {name} VALUES (1, 'x')"
        assert code(connection, sql) == "undeclared-trigger", name
    # moving to another partition deletes and inserts
    assert code(connection, "UPDATE whole SET id = 2") == "undeclared-trigger"
    assert code(connection, "INSERT INTO d VALUES (1, 'x')") == "dangerous-function"
    assert code(connection, "TRUNCATE e") == "undeclared-trigger"
    assert code(connection, "TRUNCATE a") == ""
    assert code(connection, "INSERT INTO e VALUES (1, 'x')") == ""
    assert rows(raw, "SELECT count(*) FROM notes") == [(3,)]


def test_rules(raw: Any) -> None:
    run(
        raw,
        "CREATE TABLE a (id integer)",
        "CREATE TABLE b (id integer)",
        "CREATE TABLE c (id integer)",
        "CREATE RULE r AS ON INSERT TO a DO ALSO DELETE FROM notes",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS "
        "'SELECT min(body) FROM notes'",
        "CREATE RULE r AS ON INSERT TO b DO ALSO SELECT f()",
        "CREATE RULE r AS ON DELETE TO c DO INSTEAD INSERT INTO log VALUES (9, 'x')",
        "CREATE VIEW v AS SELECT * FROM log",
        "CREATE RULE r AS ON UPDATE TO v DO INSTEAD UPDATE notes SET body = new.line",
    )
    connection = wrapped(raw)
    assert code(connection, "INSERT INTO a VALUES (1)") == "undeclared-trigger"
    assert code(connection, "INSERT INTO b VALUES (1)") == "undeclared-trigger"
    assert code(connection, "UPDATE v SET line = 'x'") == "undeclared-trigger"
    run(raw, "INSERT INTO c VALUES (1)")
    assert code(connection, "DELETE FROM c") == ""
    assert rows(connection, "SELECT id FROM log") == [(1,), (2,), (9,)]


def test_foreign_keys(raw: Any) -> None:
    run(
        raw,
        "ALTER TABLE notes ADD COLUMN parent integer REFERENCES parents "
        "ON DELETE CASCADE ON UPDATE SET NULL",
        "CREATE VIEW them AS SELECT * FROM parents",
    )
    connection = wrapped(raw)
    for sql in ("DELETE FROM parents", "DELETE FROM them"):
        assert code(connection, sql) == "foreign-key-action"
    assert code(connection, "UPDATE parents SET id = 5") == "foreign-key-action"
    assert code(connection, "TRUNCATE parents CASCADE") == "statement-kind"
    assert code(connection, "DROP TABLE parents CASCADE") == "statement-kind"
    assert code(connection, "INSERT INTO parents VALUES (2)") == ""


# -- names ----------------------------------------------------------------------------


def test_the_search_path_is_followed(raw: Any) -> None:
    run(
        raw,
        "CREATE SCHEMA other",
        "CREATE TABLE other.notes (id integer, tenant_id integer, body text)",
        "INSERT INTO other.notes VALUES (9, 8, 'free')",
    )
    connection, query = wrapped(raw), "SELECT body FROM notes"
    ours, free = [("ours",), ("ours too",)], [("free",)]
    assert rows(connection, query) == ours
    run(connection, "SET search_path = other, public")
    assert rows(connection, query) == free
    # what the configuration names is what it was
    assert rows(connection, "SELECT body FROM public.notes") == ours
    run(connection, "RESET search_path")
    assert rows(connection, query) == ours
    run(connection, "BEGIN", "SET search_path = other")
    assert rows(connection, query) == free
    run(connection, "ROLLBACK")
    assert rows(connection, query) == ours
    run(connection, "SET search_path = ''")
    assert rows(connection, "SELECT body FROM public.notes") == ours
    assert code(connection, "SET LOCAL search_path = other") == "statement-kind"


def test_settings_are_not_written_as_rows(raw: Any) -> None:
    connection = wrapped(raw)
    run(raw, "CREATE VIEW mine AS SELECT * FROM pg_settings")
    for name in ("pg_settings", "pg_catalog.pg_settings", "mine"):
        sql = f"UPDATE {name} SET setting = 'x' WHERE name = 'search_path'"
        assert code(connection, sql) == "protected-ddl"
    assert code(connection, "DELETE FROM pg_catalog.pg_policy") == "protected-ddl"


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN SET search_path = other; RETURN 1; END",
        "BEGIN IF true THEN SET LOCAL ROLE x; END IF; RETURN 1; END",
        "BEGIN EXECUTE ''set search_path = '' || ''other''; RETURN 1; END",
        "BEGIN PERFORM set_config(''search_path'', ''other'', false); RETURN 1; END",
    ],
)
def test_functions_that_change_what_names_mean(raw: Any, body: str) -> None:
    making = "CREATE FUNCTION {}() RETURNS integer LANGUAGE plpgsql AS '{}'"
    harmless = "BEGIN UPDATE users SET role = 1; RETURN 1; END"
    run(raw, "CREATE TABLE users (role integer)")
    run(raw, making.format("f", body), making.format("g", harmless))
    connection = wrapped(raw)
    assert code(connection, "SELECT f()") == "dangerous-function"
    assert rows(connection, "SELECT g()") == [(1,)]


def test_temporary_tables_hide_others(raw: Any) -> None:
    connection = wrapped(raw)
    run(connection, "CREATE TEMP TABLE notes (id integer, body text)")
    run(connection, "INSERT INTO notes VALUES (1, 'mine')")
    assert rows(connection, "SELECT body FROM notes") == [("mine",)]
    assert rows(connection, "SELECT body FROM pg_temp.notes") == [("mine",)]
    ours = [("ours",), ("ours too",)]
    assert rows(connection, "SELECT body FROM public.notes") == ours
    assert code(connection, "CREATE TEMP VIEW log AS SELECT * FROM public.notes") != ""
    run(raw, "DISCARD TEMP")
    assert rows(connection, 'SELECT body FROM "notes"') == ours


def test_names_are_those_of_the_database(raw: Any) -> None:
    long = "n" * 70
    run(
        raw,
        'CREATE TABLE "Mixed Case" (tenant_id integer, body text)',
        f"CREATE TABLE {long} (tenant_id integer, body text)",
        f"INSERT INTO {long} VALUES (7, 'ours'), (8, 'GHOST')",
        "INSERT INTO \"Mixed Case\" VALUES (7, 'ours'), (8, 'GHOST')",
        "CREATE TABLE public.pg_class (body text)",
        "INSERT INTO public.pg_class VALUES ('mine')",
    )
    connection = wrapped(raw, "normal", "Mixed Case", long[:63])
    for name in (
        '"Mixed Case"',
        'public."Mixed Case"',
        long,
        long.upper(),
        f'"{long}"',
    ):
        assert rows(connection, f"SELECT body FROM {name}") == [("ours",)]
    (kinds,) = rows(connection, "SELECT count(DISTINCT relkind) > 2 FROM pg_class")
    assert kinds == (True,)
    assert rows(connection, "SELECT body FROM public.pg_class") == [("mine",)]
    run(connection, "SET search_path = public, pg_catalog")
    assert rows(connection, "SELECT body FROM pg_class") == [("mine",)]


# -- whole rows and system columns ----------------------------------------------------


def test_what_a_filter_keeps(raw: Any) -> None:
    connection = wrapped(raw)
    assert rows(connection, "SELECT n FROM notes n") != []
    assert rows(
        connection, "SELECT tableoid::regclass::text FROM notes GROUP BY 1"
    ) == [("notes",)]
    assert len(rows(connection, "SELECT ctid, xmin FROM notes")) == 2
    grouped = "SELECT n.id, n.body FROM notes n GROUP BY n.id ORDER BY 1"
    assert rows(connection, grouped) == [(1, "ours"), (2, "ours too")]


@pytest.mark.parametrize(
    "what",
    ["n", "n.ctid", "row_to_json(n)", "(n).body", "count(n)", "n.xmin"],
)
def test_what_a_derived_table_loses(raw: Any, what: str) -> None:
    """A filter that is a join keeps it; for renamed columns it is refused."""
    connection = wrapped(raw)
    joined = f"SELECT {what} FROM log l FULL JOIN notes n {{}} ON n.id = l.id"
    assert "GHOST" not in str(rows(connection, joined.format("")))
    assert rows(connection, joined.format("")) == rows(
        raw,
        joined.format("").replace("notes n", "(notes n JOIN (SELECT) k ON n.id < 3)"),
    )
    assert code(connection, joined.format("(id, x)")) == "unsupported-construct"
    grouped = (
        "SELECT n.id, n.body FROM log l FULL JOIN notes n USING (id) GROUP BY n.id"
    )
    assert len(rows(connection, grouped)) == 2
    renamed = grouped.replace("notes n", "notes n (id, x)")
    assert code(connection, renamed) == "unsupported-construct"
    counted = grouped.replace("n.body", "count(n.body)")
    assert len(rows(connection, counted)) == 2
    listed = f"{renamed}, n.body"
    assert len(rows(connection, listed)) == 2
