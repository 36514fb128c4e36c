"""PostgreSQL's statements and names: what the dialect says of them, and the server."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from kysera_dbapi import parsing
from kysera_dbapi.binding import Bind
from kysera_dbapi.catalogue import Catalogue, Column, Table
from kysera_dbapi.dialect import Rule
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.predicate import OWN, Predicate
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import Source, read
from tests import servers

DIALECT = get_dialect("postgresql")
LEXER = Lexer(DIALECT.lexical)
EXAMPLES = [(rule, sql) for rule in DIALECT.rules for sql in rule.examples]

#: https://www.postgresql.org/docs/current/sql-commands.html, of 12 to 18.
COMMANDS = """
ABORT; ALTER AGGREGATE; ALTER COLLATION; ALTER CONVERSION; ALTER DATABASE;
ALTER DEFAULT PRIVILEGES; ALTER DOMAIN; ALTER EVENT TRIGGER; ALTER EXTENSION;
ALTER FOREIGN DATA WRAPPER; ALTER FOREIGN TABLE; ALTER FUNCTION; ALTER GROUP;
ALTER INDEX; ALTER LANGUAGE; ALTER LARGE OBJECT; ALTER MATERIALIZED VIEW;
ALTER OPERATOR; ALTER OPERATOR CLASS; ALTER OPERATOR FAMILY; ALTER POLICY;
ALTER PROCEDURE; ALTER PUBLICATION; ALTER ROLE; ALTER ROUTINE; ALTER RULE; ALTER SCHEMA;
ALTER SEQUENCE; ALTER SERVER; ALTER STATISTICS; ALTER SUBSCRIPTION; ALTER SYSTEM;
ALTER TABLE; ALTER TABLESPACE; ALTER TEXT SEARCH CONFIGURATION;
ALTER TEXT SEARCH DICTIONARY; ALTER TEXT SEARCH PARSER; ALTER TEXT SEARCH TEMPLATE;
ALTER TRIGGER; ALTER TYPE; ALTER USER; ALTER USER MAPPING; ALTER VIEW; ANALYZE; BEGIN;
CALL; CHECKPOINT; CLOSE; CLUSTER; COMMENT; COMMIT; COMMIT PREPARED; COPY;
CREATE ACCESS METHOD; CREATE AGGREGATE; CREATE CAST; CREATE COLLATION;
CREATE CONVERSION; CREATE DATABASE; CREATE DOMAIN; CREATE EVENT TRIGGER;
CREATE EXTENSION; CREATE FOREIGN DATA WRAPPER; CREATE FOREIGN TABLE; CREATE FUNCTION;
CREATE GROUP; CREATE INDEX; CREATE LANGUAGE; CREATE MATERIALIZED VIEW; CREATE OPERATOR;
CREATE OPERATOR CLASS; CREATE OPERATOR FAMILY; CREATE POLICY; CREATE PROCEDURE;
CREATE PUBLICATION; CREATE ROLE; CREATE RULE; CREATE SCHEMA; CREATE SEQUENCE;
CREATE SERVER; CREATE STATISTICS; CREATE SUBSCRIPTION; CREATE TABLE; CREATE TABLE AS;
CREATE TABLESPACE; CREATE TEXT SEARCH CONFIGURATION; CREATE TEXT SEARCH DICTIONARY;
CREATE TEXT SEARCH PARSER; CREATE TEXT SEARCH TEMPLATE; CREATE TRANSFORM;
CREATE TRIGGER; CREATE TYPE; CREATE USER; CREATE USER MAPPING; CREATE VIEW; DEALLOCATE;
DECLARE; DELETE; DISCARD; DO; DROP ACCESS METHOD; DROP AGGREGATE; DROP CAST;
DROP COLLATION; DROP CONVERSION; DROP DATABASE; DROP DOMAIN; DROP EVENT TRIGGER;
DROP EXTENSION; DROP FOREIGN DATA WRAPPER; DROP FOREIGN TABLE; DROP FUNCTION;
DROP GROUP; DROP INDEX; DROP LANGUAGE; DROP MATERIALIZED VIEW; DROP OPERATOR;
DROP OPERATOR CLASS; DROP OPERATOR FAMILY; DROP OWNED; DROP POLICY; DROP PROCEDURE;
DROP PUBLICATION; DROP ROLE; DROP ROUTINE; DROP RULE; DROP SCHEMA; DROP SEQUENCE;
DROP SERVER; DROP STATISTICS; DROP SUBSCRIPTION; DROP TABLE; DROP TABLESPACE;
DROP TEXT SEARCH CONFIGURATION; DROP TEXT SEARCH DICTIONARY; DROP TEXT SEARCH PARSER;
DROP TEXT SEARCH TEMPLATE; DROP TRANSFORM; DROP TRIGGER; DROP TYPE; DROP USER;
DROP USER MAPPING; DROP VIEW; END; EXECUTE; FETCH; GRANT; IMPORT FOREIGN SCHEMA; INSERT;
LISTEN; LOAD; LOCK; MERGE; MOVE; NOTIFY; PREPARE; PREPARE TRANSACTION; REASSIGN OWNED;
REFRESH MATERIALIZED VIEW; REINDEX; RELEASE SAVEPOINT; RESET; REVOKE; ROLLBACK;
ROLLBACK PREPARED; ROLLBACK TO SAVEPOINT; SAVEPOINT; SECURITY LABEL; SELECT;
SELECT INTO; SET; SET CONSTRAINTS; SET ROLE; SET SESSION AUTHORIZATION; SET TRANSACTION;
SHOW; START TRANSACTION; TRUNCATE; UNLISTEN; UPDATE; VACUUM; VALUES
"""

COLUMNS = (
    Column("id", "integer", primary_key=1),
    Column("total", "integer"),
    Column("comment", "text"),
    Column("tenant", "text"),
)
SHOP = {f"public.{n}": Table("public", n, columns=COLUMNS) for n in ("orders", "log")}
CATALOGUE = Catalogue(SHOP, path=("public",), home="public")


@pytest.fixture
def connection(postgresql_shared_url: str) -> Iterator[Any]:
    """In a transaction that is rolled back."""
    connected = servers.connect(postgresql_shared_url)
    with connected as made, made.transaction(force_rollback=True):
        made.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, total int, comment text);"
            "CREATE TABLE log (id int PRIMARY KEY, text text);"
            "INSERT INTO orders SELECT n, n % 10, 'c' || n FROM "
            "generate_series(1, 99) n"
        )
        yield made


def source(sql: str) -> Source:
    return read(sql, DIALECT, LEXER)


def parsed(sql: str, catalogue: Catalogue = CATALOGUE) -> Draft:
    return parsing.parse(source(sql), DIALECT, catalogue, Draft)


def relations(draft: Draft) -> list[tuple[str, str, str]]:
    return [(r.table.name, r.exposed, r.role) for r in draft.references]


# -- kinds ------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "sql"), EXAMPLES, ids=lambda x: str(x)[:50])
def test_an_example_is_of_its_row(rule: Rule, sql: str) -> None:
    found = source(sql)
    assert found.kind == rule.kind or (
        found.explained and rule.kind in ("explain", "declare")
    )
    assert source(f"/* x */ {sql.lower()} ; -- y").kind == found.kind
    explained = source(f"EXPLAIN (COSTS off) {sql}")
    assert explained.explained
    assert explained.kind == found.kind or found.explained


@pytest.mark.parametrize("command", [c.strip() for c in COMMANDS.split(";")])
def test_every_command_is_decided(command: str) -> None:
    assert source(f"{command} x").rule is not None


def since(rule: Rule) -> Any:
    """The marks of an example that not all versions know."""
    return [pytest.mark.postgresql_since(15)] if rule.kind == "merge" else []


@pytest.mark.parametrize(
    ("rule", "sql"),
    [pytest.param(rule, sql, marks=since(rule)) for rule, sql in EXAMPLES],
    ids=lambda x: str(x)[:50],
)
def test_the_server_reads_an_example(connection: Any, rule: Rule, sql: str) -> None:
    body = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $body${sql}$body$"
    # what cannot be in a function, or names that are not there, are other errors
    assert state(connection, body) != "42601"


def state(connection: Any, sql: str) -> str:
    """The code of the error that a text gives, if any."""
    try:
        connection.execute(sql)
    except connection.Error as error:
        return str(error.sqlstate)
    return ""


@pytest.mark.parametrize("sql", [s for r, s in EXAMPLES if r.treatment == "planned"])
def test_planned_examples_are_parsed(sql: str) -> None:
    names = {name for name, _, _ in relations(parsed(sql))}
    assert "orders" in names or "INTO log" in sql


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("ALTER TABLE orders ADD note text, DROP COLUMN tenant", "alter"),
        ("ALTER TABLE orders ADD note text, ADD UNIQUE (comment)", "alter"),
        ("ALTER TABLE orders DROP tenant, ADD note text", "alter"),
        ("ALTER TABLE ONLY public.orders ADD a numeric(1, 2), ADD b int", "add column"),
        ("ALTER TABLE orders RENAME add TO tenant", "alter"),
        ("CREATE TABLE a (b int GENERATED ALWAYS AS (1) STORED)", "create table"),
        ("CREATE UNLOGGED TABLE IF NOT EXISTS a AS TABLE orders", "create table as"),
        ("CREATE OR REPLACE RECURSIVE VIEW v (a) AS SELECT 1", "create view"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int AS ''", "code"),
        ("CREATE UNIQUE INDEX ON orders (total)", "create unique index"),
        ("CREATE TABLE p PARTITION OF orders DEFAULT", "create child table"),
        ("CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM orders", "create trigger"),
        ("COPY (DELETE FROM orders RETURNING *) TO STDOUT", "other copy"),
        ("COPY (SELECT 'x' FROM log) TO STDOUT WITH (FORMAT csv)", "copy"),
        ("COPY log (id) TO STDOUT (FORMAT csv)", "copy"),
        ("COPY log TO '/tmp/x' WITH (FORMAT csv)", "other copy"),
        ("COPY log FROM PROGRAM 'id'", "other copy"),
        ("SET LOCAL search_path TO x", "set local name space"),
        ('SET "search_path" TO x', "set name space"),
        ('SET "Search_Path" TO x', "set name space"),
        ("SET SESSION SCHEMA 'x'", "set name space"),
        ("SET SESSION AUTHORIZATION x", "set name space"),
        ("SET LOCAL SESSION AUTHORIZATION x", "set local name space"),
        ("SET SESSION SESSION AUTHORIZATION x", "set name space"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "set transaction"),
        ("SET NAMES 'UTF8'", "set"),
        ("SET NAMES", "other setting"),
        ("SET CLIENT_ENCODING = 'LATIN1'", "other setting"),
        ("SET array_nulls = 'UTF8'", "other setting"),
        ("RESET standard_conforming_strings", "other setting"),
        ("DISCARD TEMPORARY", "set name space"),
        ("DEALLOCATE PREPARE x", "discard"),
        ("ROLLBACK PREPARED 'x'", "two-phase commit"),
        ("CREATE USER MAPPING FOR x SERVER y", "second name"),
        ("CREATE USER x", "privileges"),
        ("DROP SCHEMA x CASCADE", "cascade"),
        ("(WITH a AS (SELECT 1) SELECT * FROM a) UNION SELECT 2", "select"),
        ("EXPLAIN (SELECT 1) UNION SELECT 2", "select"),
        ("EXPLAIN EXPLAIN SELECT 1", "unknown"),
        ("WITH a AS (SELECT 1) MERGE INTO log USING a ON true", "merge"),
        ("WITH update AS (SELECT 1), delete (insert) AS (SELECT 1) SELECT 1", "select"),
        ("EXPLAIN VERBOSE ANALYZE SELECT 1", "select"),
        ("EXPLAIN ANALYZE CREATE TABLE a AS SELECT 1", "create table as"),
        ("EXPLAIN (BUFFERS, ANALYSE on) DELETE FROM log", "delete"),
        ("EXPLAIN (ANALYZE) TABLE log", "select"),
        ("WITH a AS (TABLE log) TABLE a", "select"),
        ('VACUUM ("verbose") log', "verbose maintenance"),
        ('ANALYZE (U&"v\\0065rbose") log', "verbose maintenance"),
        ("CREATE", "unknown"),
        ("", "unknown"),
        ("(", "unknown"),
        ("EXPLAIN (", "unknown"),
        ("EXPLAIN", "unknown"),
    ],
)
def test_the_kind_of(sql: str, kind: str) -> None:
    assert source(sql).kind == kind


@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        ("SELECT 1", True),
        ("DECLARE c CURSOR FOR SELECT 1", False),
        ("EXPLAIN SELECT 1", False),
        ("EXPLAIN VERBOSE SELECT 1", False),
        ("EXPLAIN ANALYZE SELECT 1", True),
        ("EXPLAIN ANALYSE VERBOSE DELETE FROM log", True),
        ("EXPLAIN (ANALYZE) SELECT 1", True),
        ("EXPLAIN (VERBOSE, ANALYSE, COSTS off) SELECT 1", True),
        ("EXPLAIN (ANALYZE on, FORMAT json) SELECT 1", True),
        ("EXPLAIN (ANALYZE off) SELECT 1", False),
        ("EXPLAIN (ANALYZE 'FALSE') SELECT 1", False),
        ("EXPLAIN (ANALYZE 0) SELECT 1", False),
        ("EXPLAIN (ANALYZE, ANALYZE false) SELECT 1", False),
        ("EXPLAIN (ANALYZE false, ANALYZE) SELECT 1", True),
        ('EXPLAIN ("analyze") SELECT 1', True),
        ("EXPLAIN (U&\"analyz\\0065\" 'on') SELECT 1", True),
        ("EXPLAIN (COSTS) (SELECT 1)", False),
    ],
)
def test_what_explain_runs(connection: Any, sql: str, runs: bool) -> None:
    assert source(sql).runs is runs
    if source(sql).words[0] == "EXPLAIN":
        found = connection.execute(sql).fetchall()
        assert ("actual" in str(found).lower()) is runs


# -- relations --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * INTO TEMP copy FROM orders", "orders/orders/source"),
        ("CREATE TABLE log (a) AS SELECT 1 FROM orders", "orders/orders/source"),
        ("SELECT * FROM ONLY orders o FOR UPDATE OF o", "orders/o/source"),
        ("SELECT * FROM orders FOR SHARE OF orders", "orders/orders/source"),
        ("SELECT 1 FROM orders OFFSET 5 ROWS", "orders/orders/source"),
        ("SELECT 1union SELECT 2 FROM orders", "orders/orders/source"),
        (
            "WITH log AS (SELECT 1) SELECT * FROM log, public.orders",
            "orders/orders/source",
        ),
        ("INSERT INTO orders DEFAULT VALUES RETURNING id", "orders/orders/target"),
        ("WITH orders AS (SELECT 1) DELETE FROM orders", "orders/orders/target"),
        (
            "WITH a AS (SELECT * FROM log), log AS (SELECT 1) SELECT * FROM a, log",
            "log/log/source",
        ),
        ("WITH RECURSIVE a AS (SELECT * FROM log), log AS (SELECT 1) SELECT 1", ""),
        (
            "SELECT sum(id) FILTER (WHERE id > 1) OVER (ORDER BY id ROWS BETWEEN 1 "
            "PRECEDING AND CURRENT ROW) FROM orders filter",
            "orders/filter/source",
        ),
        (
            "SELECT a ? 'b', a ?| c, a #>> '{x}', a @> b FROM orders",
            "orders/orders/source",
        ),
        (
            "SELECT E'\\'', U&'x', B'0', X'f', N'x', $a$'$a$ FROM orders",
            "orders/orders/source",
        ),
    ],
)
def test_relations(sql: str, expected: str) -> None:
    assert ",".join("/".join(r) for r in relations(parsed(sql))) == expected


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM U&"ord\\065rs"',
        "SELECT U&\"a\" UESCAPE '+' FROM orders",
        "INSERT INTO temp TABLE orders",
        "SELECT * FROM ROWS FROM (orders)",
        "SELECT * FROM ROWS FROM (f(1), (SELECT 1))",
        "SELECT * FROM ONLY (orders, log)",
        "SELECT * FROM orders JOIN log USING (id) AS j (a)",
        "CREATE TABLE copy AS EXECUTE p",
        "WITH a AS (SELECT 1) CYCLE b SET c TO f(1) DEFAULT 2 USING d SELECT 1",
    ],
)
def test_what_is_not_understood_is_refused(sql: str) -> None:
    with pytest.raises(UnsupportedStatement):
        parsed(sql)


#: Statements with a name in the place of ``{0}``; ``kw_abc`` has a column ``abc``.
NAMING = [
    "SELECT * FROM {0}",
    "SELECT * FROM orders {0}",
    "SELECT * FROM orders {0} WHERE {0}.id = 1",
    "SELECT * FROM orders AS {0} (a, b)",
    "SELECT * FROM orders AS {0} JOIN log ON true",
    "SELECT * FROM (SELECT id FROM orders) {0}, log",
    "SELECT {0} FROM kw_{1}",
    "SELECT 1 FROM kw_{1} WHERE {0} = 1 AND ({0}) > 0",
    "SELECT id AS {0} FROM orders",
    "SELECT id {0} FROM orders",
    "SELECT (id) {0}, 2 FROM orders",
    "SELECT id FROM kw_{1} t ORDER BY t.{0}, {0}",
    "WITH {0} AS (SELECT id FROM orders) SELECT * FROM {0}",
    "WITH {0} (a) AS (SELECT id FROM orders) SELECT * FROM {0}, log",
    "UPDATE orders SET id = 1 FROM log {0}",
    "UPDATE kw_{1} SET {0} = 2",
    "UPDATE orders AS {0} SET id = {0}.id",
    "INSERT INTO kw_{1} ({0}, id) VALUES (1, 2)",
    "DELETE FROM orders {0} WHERE {0}.id = 9",
    "DELETE FROM orders RETURNING id AS {0}",
]
#: Words that sqlglot makes something of, and PostgreSQL nothing.
FOREIGN = """
anti apply asof autoincrement describe div file glob kill namespace optimize percent
pivot qualify regexp rlike semi straight_join uncache unnest unpivot use xor
""".split()
#: Refused, though PostgreSQL takes them: operators as labels without AS, and a few.
REFUSED = 60


def test_words_are_names_where_the_server_takes_them_for_names(connection: Any) -> None:
    words = [row[0] for row in connection.execute("SELECT word FROM pg_get_keywords()")]
    tables = dict(SHOP)
    for word in words + FOREIGN:
        for name in (word, f"kw_{word}"):
            connection.execute(f'CREATE TABLE "{name}" ("{word}" int, id int)')
            columns = (Column(word, "integer"), Column("id", "integer"))
            tables[f"public.{name}"] = Table("public", name, columns=columns)
    catalogue = Catalogue(tables, path=("public",))
    refused = 0
    for form, word in product(NAMING, words + FOREIGN):
        sql, quoted = form.format(word, word), form.format(f'"{word}"', word)
        try:
            with connection.transaction():
                connection.execute(f"EXPLAIN {sql}")
        except connection.Error:
            continue
        try:
            found = parsed(sql, catalogue)
        except UnsupportedStatement:
            refused += 1
            continue
        expected = parsed(quoted, catalogue)
        assert relations(found) == relations(expected), sql
        assert found.unknown == expected.unknown == [], sql
    assert refused <= REFUSED


def test_the_keywords_are_those_of_the_server(connection: Any) -> None:
    query = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
    rows = connection.execute(query)
    there = {row[0].upper() for row in rows}
    assert there <= DIALECT.keywords
    assert {"SYSTEM_USER"} >= DIALECT.keywords - there  # of 16


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 FROM orders OFFSET 1", "SELECT 1 FROM orders{w} OFFSET 1"),
        (
            "SELECT 1 FROM orders FOR UPDATE OF orders",
            "SELECT 1 FROM orders{w} FOR UPDATE OF orders",
        ),
        (
            "SELECT 1 FROM orders FETCH FIRST 2 ROWS ONLY",
            "SELECT 1 FROM orders{w} FETCH FIRST 2 ROWS ONLY",
        ),
        ("SELECT EXISTS (SELECT FROM orders)", "SELECT EXISTS (SELECT FROM orders{w})"),
        ("SELECT id INTO c FROM orders", "SELECT id INTO c FROM orders{w}"),
        (
            "DELETE FROM log USING orders",
            "DELETE FROM log USING orders{w}",
        ),
        (
            "UPDATE log SET total = 1 FROM orders",
            "UPDATE log SET total = 1 FROM orders{w}",
        ),
        (
            "SELECT $$orders$$ FROM orders WINDOW w AS (ORDER BY id)",
            "SELECT $$orders$$ FROM orders{w} WINDOW w AS (ORDER BY id)",
        ),
    ],
)
def test_where_a_filter_goes(connection: Any, sql: str, expected: str) -> None:
    connection.execute(
        "ALTER TABLE orders ADD tenant text; ALTER TABLE log ADD total int"
    )
    found = Pipeline(DIALECT, [Tenants()], CATALOGUE).plan(sql, frozenset()).sql
    where = " WHERE (orders.tenant = %s AND 5 %% 3 = 2)"
    assert found == expected.replace("{w}", where)
    connection.execute(found, ("t",))


# -- functions --------------------------------------------------------------------

#: Functions that take a name or a text, and are let be outside of strict mode: they
#: tell of definitions, sizes and privileges, or are for operators and administrators.
LET_BE = (
    "_pg_ amvalidate brin_ fmgr_ gin_ has_ is_normalized like makeaclitem acldefault "
    "name not oid pg_backup pg_char_to pg_coll pg_column pg_conversion pg_copy_ "
    "pg_create_ pg_database pg_describe pg_drop pg_extension pg_filenode pg_function "
    "pg_get_ pg_identify pg_index pg_is_other pg_nextoid pg_op pg_partition "
    "pg_relation pg_replication_slot pg_sequence pg_settings pg_size pg_split_walfile "
    "pg_start_backup pg_stat pg_table pg_total pg_ts_ plpgsql_ postgresql_fdw reg "
    "satisfies_ similar_ text tid to_reg xmlvalidate"
).split()


#: Functions to be called by name with a text or a name, operators' and casts' apart.
TAKING = """
SELECT DISTINCT proname FROM pg_proc p,
    CAST(string_to_array(proargtypes::text, ' ') AS oid[]) AS taken
WHERE CAST('{text,name,regclass,oid,refcursor,tid}' AS regtype[])::oid[] && taken
    AND NOT CAST('{internal,cstring}' AS regtype[])::oid[] && (taken || prorettype)
    AND NOT EXISTS (SELECT FROM pg_operator WHERE oprcode = p.oid)
    AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = p.oid)
    AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = p.oid)
"""


def test_every_function_of_names_and_texts_is_decided(connection: Any) -> None:
    rows = connection.execute(TAKING)
    names = [row[0] for row in rows]
    undecided = [
        name
        for name in names
        if not (DIALECT.is_dangerous(name) or DIALECT.knows(name))
        and not name.startswith(tuple(LET_BE))
    ]
    assert undecided == []
    assert [n for n in DIALECT.known_functions if DIALECT.is_dangerous(n)] == []
    assert not any(map(DIALECT.knows, ("pg_relation_size", "pg_stat_get_live_tuples")))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT pg_catalog . \"table_to_xml\" ('orders', true, true, '')",
        "DELETE FROM log USING dblink('', 'SELECT * FROM orders') AS d(id int)",
        "SELECT * FROM log ORDER BY lo_get(1)",
        "ALTER TABLE log ALTER text TYPE text USING query_to_xml('', true, true, '')",
    ],
)
def test_dangerous_functions_are_refused(sql: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    with pytest.raises(UnsupportedStatement) as info:
        pipeline.plan(sql, frozenset())
    assert info.value.code in ("dangerous-function", "unsupported-construct")


@pytest.mark.parametrize(
    "clause", ["ORDER BY evil(id)", "WHERE a BETWEEN evil(1) AND 2"]
)
def test_strict_mode_knows_no_function_after_a_word(clause: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE, "strict")
    with pytest.raises(UnsupportedStatement, match="evil"):
        pipeline.plan(f"SELECT id FROM log {clause}", frozenset())


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW v AS SELECT * FROM orders",
        'DROP TABLE "orders"',
        'DROP TABLE U&"ord\\0065rs"',
        "CREATE TRIGGER t AFTER INSERT ON log EXECUTE FUNCTION f($x$orders$x$)",
        "CREATE RULE r AS ON INSERT TO log DO NOTIFY x, E'\\x6frders'",
        "CREATE RULE r AS ON INSERT TO log DO NOTIFY x, N'orders'",
        "TRUNCATE log, orders",
        "COPY public . ORDERS TO STDOUT",
        "CREATE UNIQUE INDEX ON orders (total)",
        "CREATE TABLE c () INHERITS (orders)",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
    ],
)
def test_what_may_not_name_a_protected_table(sql: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    with pytest.raises(UnsupportedStatement):
        pipeline.plan(sql, frozenset())
    assert pipeline.plan(sql, frozenset({"bypass:tenants"})).sql == sql
    free = Pipeline(DIALECT, [Tenants()], Catalogue(path=("public",)))
    assert free.plan(sql, frozenset()).sql == sql, "nothing is protected"


def test_a_list_holds_no_operator() -> None:
    long = "SELECT 1 FROM orders WHERE a IN (" + "'x' ? 'y', " * 400 + "'z')"
    assert not LEXER.shape(long).folded
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    assert pipeline.plan(long, frozenset()).sql.count("%s") == 1


# -- values -----------------------------------------------------------------------


class Tenants(Plugin):
    """Filters orders by a value, in a predicate with a per cent sign."""

    name = "tenants"

    def protected(self, catalogue: Catalogue) -> list[str]:
        return [key for key in ("public.orders",) if key in catalogue.tables]

    def intercept(self, statement: Any) -> None:
        own = (OWN, "tenant = ", Bind("tenant", lambda: "t"), " AND 5 % 3 = 2")
        for reference in statement.references:
            if reference.table.name == "orders":
                statement.filter(reference, Predicate("tenant", own), reason="test")


@pytest.mark.parametrize(
    ("style", "sql", "expected"),
    [
        (
            0,
            "SELECT 5 % 3, 'a%s', 7 FROM orders -- 9%",
            "(orders.tenant = %s AND 5 %% 3 = 2)",
        ),
        (
            1,
            "SELECT 5 %% 3, 'a%%s' FROM orders WHERE id = %b",
            "(orders.tenant = %s AND 5 %% 3 = 2)",
        ),
        (
            1,
            "SELECT 1 FROM orders WHERE id = %(a)t",
            "(orders.tenant = %(_k0)s AND 5 %% 3 = 2)",
        ),
        (2, "SELECT 5 % 3, 'a%s' FROM orders", "(orders.tenant = $1 AND 5 % 3 = 2)"),
        (
            0,
            "SELECT 5 % 3 FROM orders WHERE id = $2",
            "(orders.tenant = $3 AND 5 % 3 = 2)",
        ),
        (
            2,
            "SELECT 5 % 3 FROM orders WHERE id = $1",
            "(orders.tenant = $2 AND 5 % 3 = 2)",
        ),
    ],
)
def test_values_of_ours_in_every_style(style: int, sql: str, expected: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    plan = pipeline.plan(sql, frozenset(), format_style=style)
    assert expected in plan.sql
    doubled = style == 0 and "$" not in sql
    caller, _, rest = plan.sql.partition(expected)
    written = (caller.replace(" WHERE ", "", 1) + rest).replace("(id = ", "id = ")
    for piece in ("5 % 3", "'a%s'", "9%", "5 %% 3", "'a%%s'"):
        if piece in sql:
            assert (piece.replace("%", "%%") if doubled else piece) in written
    again = pipeline.plan(sql.replace("'a%s'", "'%%'"), frozenset(), format_style=style)
    if doubled:
        assert "'%%%%'" in again.sql


def test_a_text_without_values_of_ours_stays_as_it_is() -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    sql = "SELECT 5 % 3, '%s' FROM log"
    assert pipeline.plan(sql, frozenset()).sql == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '%s' FROM orders",
        'SELECT "a%%" FROM orders',
        "SELECT 1 FROM orders -- %",
    ],
)
def test_what_the_driver_would_format_in_a_token_is_refused(sql: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    with pytest.raises(UnsupportedStatement, match="formatted"):
        pipeline.plan(sql, frozenset(), format_style=1)


@pytest.mark.parametrize("which", ["= %s OR id = $1", "= $0", "= $99999999999"])
def test_numbers_are_not_mixed(which: str) -> None:
    pipeline = Pipeline(DIALECT, [Tenants()], CATALOGUE)
    sql = f"SELECT 1 FROM orders WHERE id {which}"
    with pytest.raises(UnsupportedStatement):
        pipeline.plan(sql, frozenset(), format_style=1)
