"""The statements and names of MySQL and MariaDB, by the dialects and the servers."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from kysera_dialects.mysql import MySQLDialect, dialect_of

from kysera_dbapi import parsing
from kysera_dbapi.catalogue import Catalogue, Column, Table, UniqueKey
from kysera_dbapi.dialect import Rule
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import Source, read
from kysera_dbapi.value_list import ValueList
from tests import servers

MYSQL = get_dialect("mysql")
MARIADB = get_dialect("mariadb")
EXAMPLES = [(rule, sql) for rule in MYSQL.rules for sql in rule.examples]

#: Those of mysql.help_topic in MySQL 9.7 and MariaDB 10.11 that are statements.
COMMANDS = """
ALTER DATABASE; ALTER EVENT; ALTER FUNCTION; ALTER INSTANCE; ALTER LOGFILE GROUP;
ALTER PROCEDURE; ALTER RESOURCE GROUP; ALTER SCHEMA; ALTER SEQUENCE; ALTER SERVER;
ALTER TABLE; ALTER TABLESPACE; ALTER UNDO TABLESPACE; ALTER USER; ALTER VIEW;
ANALYZE FORMAT=JSON SELECT; ANALYZE TABLE; BACKUP LOCK; BACKUP STAGE; BEGIN;
BEGIN NOT ATOMIC; BINLOG; CACHE INDEX; CALL; CASE; CHANGE MASTER TO;
CHANGE REPLICATION FILTER; CHANGE REPLICATION SOURCE TO; CHECK TABLE; CHECK VIEW;
CHECKSUM TABLE; CLONE; CLOSE; COMMIT; CREATE DATABASE; CREATE EVENT; CREATE FUNCTION;
CREATE AGGREGATE FUNCTION; CREATE INDEX; CREATE FULLTEXT INDEX; CREATE LIBRARY;
CREATE LOGFILE GROUP; CREATE PACKAGE; CREATE PACKAGE BODY; CREATE PROCEDURE;
CREATE RESOURCE GROUP; CREATE ROLE; CREATE SCHEMA; CREATE SEQUENCE; CREATE SERVER;
CREATE SPATIAL REFERENCE SYSTEM; CREATE TABLE; CREATE TABLESPACE; CREATE TRIGGER;
CREATE UNDO TABLESPACE; CREATE UNIQUE INDEX; CREATE USER; CREATE VIEW;
CREATE OR REPLACE DEFINER = a@b SQL SECURITY INVOKER VIEW; CREATE DEFINER = x TRIGGER;
CREATE ALGORITHM = MERGE VIEW; DEALLOCATE PREPARE; DECLARE; DELETE; DESC; DESCRIBE; DO;
DROP DATABASE; DROP EVENT; DROP FUNCTION; DROP INDEX; DROP LOGFILE GROUP; DROP PACKAGE;
DROP PREPARE; DROP PROCEDURE; DROP RESOURCE GROUP; DROP ROLE; DROP SCHEMA;
DROP SEQUENCE; DROP SERVER; DROP SPATIAL REFERENCE SYSTEM; DROP TABLE;
DROP TABLESPACE; DROP TEMPORARY TABLE; DROP TRIGGER; DROP USER; DROP VIEW;
EXECUTE; EXECUTE IMMEDIATE; EXPLAIN; FETCH; FLUSH; FLUSH TABLES FOR EXPORT; FOR;
GET DIAGNOSTICS; GOTO; GRANT; HANDLER; HELP; IF; IMPORT TABLE; INSERT; INSERT DELAYED;
INSTALL COMPONENT; INSTALL PLUGIN; INSTALL SONAME; ITERATE; KILL; LEAVE; LOAD DATA;
LOAD INDEX; LOAD XML; LOCK INSTANCE FOR BACKUP; LOCK TABLES; LOOP; OPEN;
OPTIMIZE TABLE; PREPARE; PURGE BINARY LOGS; RELEASE SAVEPOINT; RENAME TABLE;
RENAME USER; REPAIR TABLE; REPAIR VIEW; REPEAT; REPLACE; RESET;
RESET BINARY LOGS AND GTIDS; RESET MASTER; RESET PERSIST; RESET REPLICA; RESIGNAL;
RESTART; RETURN; REVOKE; ROLLBACK; ROLLBACK TO SAVEPOINT; SAVEPOINT; SELECT; SET;
SET CHARACTER SET; SET DEFAULT ROLE; SET NAMES; SET PASSWORD; SET RESOURCE GROUP;
SET ROLE; SET SQL_LOG_BIN; SET STATEMENT; SET TRANSACTION; SHOW; SHOW BINLOG EVENTS;
SHOW ENGINE; SHOW EXPLAIN; SHOW PARSE_TREE; SHOW PROCESSLIST; SHUTDOWN; SIGNAL;
START GROUP_REPLICATION; START REPLICA; START TRANSACTION; STOP REPLICA; TABLE;
TRUNCATE TABLE; UNINSTALL COMPONENT; UNINSTALL PLUGIN; UNLOCK TABLES; UPDATE; USE;
VALUES; WHILE; XA
"""

#: The server that has it, where the other has not.
ONLY = {
    "ANALYZE DELETE FROM orders WHERE id < 0": "mariadb",
    "BEGIN NOT ATOMIC SELECT 1; END": "mariadb",
    "SELECT * FROM orders PROCEDURE ANALYSE()": "mariadb",
    "SHOW EXPLAIN FOR 1": "mariadb",
    "TABLE orders": "mysql",
    "DELETE HISTORY FROM orders": "mariadb",
}

TRIGGER = "CREATE TRIGGER r BEFORE INSERT ON log FOR EACH ROW"
COLUMNS = (Column("id", "int", primary_key=1), Column("total", "int"))
SHOP = {f"shop.{n}": Table("shop", n, columns=COLUMNS) for n in ("orders", "log")}
CATALOGUE = Catalogue(SHOP, path=("shop",), home="shop")


@pytest.fixture
def connection(mysql_url: str) -> Iterator[Any]:
    with servers.connect(mysql_url) as made:
        run(made, "CREATE TABLE orders (id int PRIMARY KEY, total int, comment text)")
        run(made, "CREATE TABLE log (id int PRIMARY KEY, text text)")
        run(made, "INSERT INTO orders VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, 'c')")
        yield made


def run(connection: Any, sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, *args)
        return list(cursor.fetchall()) if cursor.description else []


def failure(connection: Any, sql: str) -> tuple[Any, ...]:
    try:
        run(connection, sql)
    except connection.Error as error:
        return tuple(error.args)
    return ()


def dialect(connection: Any) -> MySQLDialect:
    asked = "SELECT @@version, @@sql_mode, @@lower_case_table_names"
    return dialect_of(*run(connection, asked)[0])


def source(sql: str, of: Any = MYSQL) -> Source:
    return read(sql, of, Lexer(of.lexical))


def parsed(sql: str, of: Any = MYSQL) -> Draft:
    return parsing.parse(source(sql, of), of, CATALOGUE, Draft)


def exposed(draft: Draft) -> list[tuple[str, str]]:
    return [(r.table.name, r.exposed) for r in draft.references]


def relations(sql: str, of: Any = MYSQL) -> list[str]:
    return [r.table.name for r in parsed(sql, of).references]


# -- kinds ------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "sql"), EXAMPLES, ids=lambda x: str(x)[:50])
def test_an_example_is_of_its_row(rule: Rule, sql: str) -> None:
    found = source(sql)
    assert found.kind == rule.kind or (found.explained and rule.kind == "explain")
    assert source(f"/* x */ {sql.lower()} ; -- y").kind == found.kind
    assert source(f"/*!50000 {sql}*/").kind == found.kind


@pytest.mark.parametrize("of", [MYSQL, MARIADB], ids=["mysql", "mariadb"])
def test_every_command_is_decided(of: Any) -> None:
    for command in COMMANDS.replace("\n", " ").split(";"):
        assert source(f"{command} x", of).rule is not None, command


def test_every_command_of_the_help_is_listed(connection: Any) -> None:
    """What the help of the server calls a statement begins with a known word."""
    known = {command.split()[0] for command in COMMANDS.split(";")}
    found = run(
        connection,
        "SELECT t.name FROM mysql.help_topic t JOIN mysql.help_category c "
        "USING (help_category_id) WHERE c.name IN ('Account Management', "
        "'Administration', 'Data Definition', 'Data Manipulation', 'Transactions', "
        "'Replication Statements', 'Table Maintenance', 'Components', 'Utility', "
        "'Prepared Statements', 'Compound Statements', 'Plugins')",
    )
    names = [str(name) for (name,) in found if name == name.upper()]
    words = {name.split()[0] for name in names}
    assert len(words) > 30
    assert words - known <= NO_STATEMENTS


NO_STATEMENTS = frozenset(
    """
CONSTRAINT DUAL EXCEPT FOREIGN HIGH_PRIORITY IGNORE INTERSECT JOIN LABELS LIMIT MINUS
ORDER PARENTHESIZED PROCEDURE READ REPEATABLE SERIALIZABLE UNION WITH GROUP CREATE
MYSQL\\_JSON INSERT...RETURNING REPLACE...RETURNING ANALYZE:
""".split()
)


@pytest.mark.parametrize(("rule", "sql"), EXAMPLES, ids=lambda x: str(x)[:50])
def test_examples_are_of_the_servers_grammar(
    prepared: Any, rule: Rule, sql: str
) -> None:
    connection, kind = prepared
    assert rule.kind
    code, *_ = failure(connection, f"PREPARE s FROM {MYSQL.literal(sql)}") or (0,)
    if ONLY.get(sql, kind) == kind:
        assert code != 1064, sql


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def prepared(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    """A connection that prepares alone: nothing is executed."""
    found = (s for s in servers.found().servers if s.kind == request.param)
    server = next(found, None)
    if server is None:
        pytest.skip(f"no {request.param}")
    with servers.connect(server.url()) as made:
        yield made, request.param


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SET @a = 1, @b = (SELECT 1)", "set"),
        ("SET @a := 1", "set"),
        ("SET SESSION wait_timeout = 1", "set"),
        ("SET LOCAL wait_timeout = 1", "set"),
        ("SET @@wait_timeout = 1", "set"),
        ("SET @@SESSION.wait_timeout = 1, `time_zone` = 'UTC'", "set"),
        ("SET wait_timeout = 1, sql_mode = ''", "set mode"),
        ("SET @@GLOBAL.wait_timeout = 1", "other setting"),
        ("SET PERSIST wait_timeout = 1", "other setting"),
        ("SET SQL_MODE := 'ANSI'", "set mode"),
        ("SET sql_mode = CONCAT('ORA', 'CLE')", "set mode"),
        ("SET @old = @@sql_mode, sql_mode = @a", "set mode"),
        ("SET sql_mode = 'ANSI', @a = EXP(999)", "other setting"),
        ("SET @old = @@foreign_key_checks, foreign_key_checks = 0", "set mode"),
        ("SET foreign_key_checks = @old", "set mode"),
        ("SET sql_mode = 'ansi,oracle'", "other setting"),
        ("SET @@session.sql_mode = DEFAULT", "set mode"),
        ("SET sql_mode = 4", "set mode"),
        ("SET autocommit = 0", "transaction"),
        ("SET autocommit = 0, sql_mode = ''", "other setting"),
        ("SET @a = 1, autocommit = 1", "other setting"),
        ("SET NAMES 'utf8mb4'", "set"),
        ("SET NAMES sjis", "other setting"),
        ("SET NAMES utf8", "set mode"),
        ("SET NAMES DEFAULT", "set mode"),
        ("SET CHARACTER SET utf8", "set mode"),
        ("SET CHARACTER SET utf8mb4", "set mode"),
        ("SET collation_connection = 'utf8mb4_bin'", "set"),
        ("SET @@collation_connection = utf8_bin", "set mode"),
        ("SET SESSION collation_connection = latin1_bin", "other setting"),
        ("SET collation_connection = @a", "other setting"),
        ("SET collation_connection = DEFAULT", "set mode"),
        ("SET CHARSET big5", "other setting"),
        ("SET character_set_client = gbk", "other setting"),
        ("SET character_set_connection = 'utf8mb4'", "set"),
        ("SET character_set_filesystem = 'utf8mb4'", "other setting"),
        ("SET sql_auto_is_null = 0", "set"),
        ("SET sql_auto_is_null = 1", "other setting"),
        ("SET system_versioning_asof = '2020-01-01'", "other setting"),
        ("SET STATEMENT max_statement_time = 1 FOR SELECT 1", "other setting"),
        ("SET foreign_key_checks = (SELECT 1)", "other setting"),
        ("SET SESSION TRANSACTION READ ONLY", "set transaction"),
        ("SET PASSWORD = 'x'", "privileges"),
        ("START REPLICA", "administration"),
        ("BEGIN WORK", "transaction"),
        ("BEGIN NOT ATOMIC SELECT 1", "run"),
        ("x: BEGIN NOT ATOMIC SELECT 1", "run"),
        ("(SELECT 1) UNION (SELECT 2)", "select"),
        ("SELECT 1 FROM orders INTO OUTFILE '/tmp/x'", "select into"),
        ("SELECT `into` FROM orders", "select"),
        ("CREATE TABLE x SELECT 1", "create table as"),
        ("CREATE TABLE x (id int) IGNORE AS (SELECT 1)", "create table as"),
        ("CREATE TEMPORARY TABLE x (id int)", "create temporary table"),
        ("CREATE OR REPLACE TABLE x (id int)", "create table of others"),
        ("CREATE OR REPLACE TABLE x SELECT 1", "create table of others"),
        ("ALTER TABLE x ADD UNIQUE (id)", "alter"),
        ("ALTER TABLE x ADD id int UNIQUE", "alter"),
        ("ALTER TABLE x ADD COLUMN (a int, b int)", "add column"),
        ("ALTER TABLE x ADD a int, DROP b", "alter"),
        ("ALTER TABLE x ENGINE = FEDERATED", "create table of others"),
        ("DROP USER x", "privileges"),
        ("SHOW TABLES WHERE (SELECT 1)", "show where"),
        ("SHOW ENGINES", "show"),
        ("SHOW BINARY LOGS", "show"),
        ("DESCRIBE orders total", "show"),
        ("ANALYZE TABLE orders", "maintenance"),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE log", "load"),
        ("LOAD DATA CONCURRENT LOCAL INFILE 'x' INTO TABLE log", "load"),
        ("LOAD XML LOCAL INFILE 'x' INTO TABLE log", "load"),
        ("LOAD DATA INFILE 'x' INTO TABLE log", "load of the server"),
        (
            "LOAD DATA CONCURRENT INFILE 'x' REPLACE INTO TABLE log",
            "load of the server",
        ),
        ("LOAD DATA INFILE 'local' INTO TABLE local", "load of the server"),
        ("SET default_storage_engine = InnoDB", "set"),
        ("SET SESSION default_tmp_storage_engine = 'MyISAM', @a = 1", "set"),
        ("SET default_storage_engine = MERGE", "other setting"),
        ("SET @@default_tmp_storage_engine := @a", "other setting"),
        ("HANDLER orders READ NEXT", "handler"),
        ("DELETE HISTORY FROM orders BEFORE SYSTEM_TIME NOW()", "delete history"),
        ("DELETE `history` FROM `history`", "delete"),
        ("SELECT 1 INTO @a", "select"),
        ("SELECT 1 INTO a", "select into"),
        ("TABLE orders", "select"),
        ("DELIMITER //", "unknown"),
        ("MERGE INTO log", "unknown"),
    ],
)
def test_kinds(sql: str, kind: str) -> None:
    assert source(sql).kind == kind
    assert source(sql, MARIADB).kind == kind


@pytest.mark.parametrize(
    ("sql", "count", "kind"),
    [
        ("EXPLAIN SELECT 1", 1, "select"),
        ("EXPLAIN FORMAT = JSON SELECT 1", 4, "select"),
        ("EXPLAIN ANALYZE FORMAT=TREE SELECT 1", 5, "select"),
        ("EXPLAIN FORMAT=JSON INTO @a SELECT 1", 7, "select"),
        ("EXPLAIN EXTENDED DELETE FROM orders", 2, "delete"),
        ("DESC UPDATE orders SET total = 1", 1, "update"),
        ("DESCRIBE (SELECT 1)", 1, "select"),
        ("EXPLAIN ANALYZE DELETE FROM orders", 2, "delete"),
        ("ANALYZE SELECT 1", 1, "select"),
        ("ANALYZE FORMAT=JSON UPDATE orders SET total = 1", 4, "update"),
        ("EXPLAIN orders", 0, "show"),
        ("EXPLAIN FOR CONNECTION 5", 0, "explain another"),
    ],
)
def test_explain(sql: str, count: int, kind: str) -> None:
    found = source(sql)
    assert (found.first, found.kind) == (count, kind)
    assert found.runs is (not count or "ANALYZE" in sql)


@pytest.mark.parametrize(
    ("sql", "several"),
    [
        ("SELECT 1; SELECT 2", True),
        ("SELECT ';'; ", False),
        (f"{TRIGGER} BEGIN SET @a = 1; END", False),
        (
            f"{TRIGGER} BEGIN IF 1 THEN BEGIN SET @a = CASE 1 WHEN 1 THEN 2 END; END; "
            "END IF; END;",
            False,
        ),
        (
            f"{TRIGGER} BEGIN SET @a = 1; END; SELECT 1 FROM log",
            True,
        ),
        (
            f"{TRIGGER} SET @begin = 1; SELECT 1",
            True,
        ),
        ("CREATE TABLE t (`begin` int); SELECT 1", True),
    ],
)  # fmt: skip
def test_a_body_is_no_text_of_several_statements(sql: str, several: bool) -> None:
    assert source(sql).several is several


# -- names ------------------------------------------------------------------------


SEVEN = "orders AS (SELECT 7 AS id)"
BODY = "SELECT id FROM orders"


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        (f"WITH {SEVEN} {BODY}", ""),
        (f"WITH {SEVEN.upper()} {BODY}", "mysql"),
        (f"WITH orders AS ({BODY}) {BODY}", "mysql mariadb"),
        (f"WITH a AS ({BODY}), {SEVEN} SELECT id FROM a", "mysql mariadb"),
        (f"WITH RECURSIVE a AS ({BODY}), {SEVEN} SELECT id FROM a", "mysql"),
        (f"WITH {SEVEN} SELECT id FROM {{}}.orders", "mysql mariadb"),
        (f"WITH {SEVEN}, b AS (SELECT * FROM ({BODY}) AS q) SELECT id FROM b", ""),
        (f"SELECT id FROM (WITH {SEVEN} {BODY}) AS q", ""),
    ],
)
def test_common_table_expressions_are_seen_where_the_server_sees_them(
    connection: Any, sql: str, kinds: str
) -> None:
    """Rows 1 to 3 are the table's."""
    found = dialect(connection)
    reads = ("mariadb" if isinstance(found, type(MARIADB)) else "mysql") in kinds
    ((home,),) = run(connection, "SELECT DATABASE()")
    rows = run(connection, sql.format(f"`{home}`"))
    assert relations(sql.format("shop"), found) == ["orders"] * reads
    assert (rows == [(1,), (2,), (3,)]) is reads


def test_an_outer_with_in_an_inner_one_is_refused_where_it_may_be_the_table(
    connection: Any,
) -> None:
    sql = (
        "WITH orders AS (SELECT 7 AS id) SELECT id FROM "
        "(WITH c AS (SELECT id FROM orders) SELECT id FROM c) AS q"
    )
    seen = run(connection, sql)
    if isinstance(dialect(connection), type(MARIADB)):
        assert seen == [(1,), (2,), (3,)]
        with pytest.raises(UnsupportedStatement):
            parsed(sql, MARIADB)
    else:
        assert seen == [(7,)]
        assert relations(sql) == []


def test_names_by_lower_case_table_names() -> None:
    sensitive, folded = (dialect_of("8.4.0", "", n) for n in (0, 1))
    assert relations("SELECT * FROM ORDERS AS o, orders AS O", sensitive) == ["orders"]
    assert relations("SELECT * FROM ORDERS AS o", folded) == ["orders"]
    assert relations("SELECT * FROM Shop.`Orders`", folded) == ["orders"]
    draft = parsed("SELECT O.id FROM orders AS o", sensitive)
    assert [r.exposed for r in draft.references] == ["o"]
    assert sensitive.fold("ID", quoted=True) == "id"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders FOR SYSTEM_TIME AS OF (SELECT 1)",
        "SELECT (SELECT id FROM orders) INTO @a, b FROM log",
    ],
)
def test_what_is_not_understood_is_refused(sql: str) -> None:
    for of in (MYSQL, MARIADB):
        with pytest.raises(UnsupportedStatement):
            parsed(sql, of)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders LOCK IN SHARE MODE",
        "SELECT * FROM orders FOR UPDATE SKIP LOCKED",
        "SELECT * FROM orders USE INDEX () WHERE id = 1",
        "SELECT STRAIGHT_JOIN * FROM orders",
        "SELECT total FROM orders GROUP BY total WITH ROLLUP",
        "SELECT SQL_CALC_FOUND_ROWS HIGH_PRIORITY * FROM orders LIMIT 1, 2",
        "UPDATE LOW_PRIORITY IGNORE orders SET total = 1 ORDER BY id LIMIT 1",
        "DELETE LOW_PRIORITY QUICK IGNORE FROM orders ORDER BY id LIMIT 1",
        "INSERT LOW_PRIORITY IGNORE INTO orders (id) VALUES (1)",
        "INSERT INTO orders SET id = 5, total = 1",
        "REPLACE orders VALUES (1, 2, 'x')",
        "INSERT INTO orders (id) VALUES (1) ON DUPLICATE KEY UPDATE id = VALUES(id)",
        "SELECT @a := id, @@sql_mode, _utf8mb4'x' 'y', 0x41, N'n' FROM orders",
        "SELECT * FROM orders AS FULL WHERE FULL.id = 1",
        "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$')) j, orders",
    ],
)
def test_what_is_understood(connection: Any, sql: str) -> None:
    assert failure(connection, sql) == ()
    assert relations(sql, dialect(connection)) == ["orders"]


class Nothing(Plugin):
    """Protects orders, and edits nothing."""

    name = "nothing"

    def protected(self, catalogue: Catalogue) -> list[str]:
        return [key for key in ("shop.orders",) if key in catalogue.tables]


@pytest.mark.parametrize(
    "sql", ["CALL x();\x00", "SELECT * FROM v;\x00", "\x00", "SELECT 1 \x00 FROM log"]
)
def test_a_nul_hides_no_statement(connection: Any, sql: str) -> None:
    """The servers run what stands before it, if that is a whole statement."""
    assert run(connection, "SELECT 5;\x00") == [(5,)]
    for of in (MYSQL, MARIADB):
        with pytest.raises((UnsupportedStatement, ProgrammingError)):
            Pipeline(of, [Nothing()], CATALOGUE).plan(sql, frozenset())


NAMING = [
    "SELECT {0}.id FROM orders AS {0} WHERE {0}.id = 1 ORDER BY {0}.id",
    "SELECT {0}.id FROM orders {0}",
    "SELECT {0}.id FROM orders {0} JOIN log ON log.id = {0}.id",
    "SELECT * FROM orders, log {0} LEFT JOIN log AS x ON x.id = {0}.id",
    "SELECT id AS {0} FROM orders WHERE id = 1",
    "SELECT id {0} FROM orders",
    "WITH {0} AS (SELECT id FROM orders) SELECT id FROM {0}, log",
    "SELECT {0} FROM (SELECT id AS {0} FROM orders) AS q WHERE {0} = 1 GROUP BY {0}",
    "SELECT q.{0}, {0} + 1 FROM (SELECT id AS {0} FROM orders) AS q ORDER BY {0}",
    "UPDATE orders {0} SET {0}.total = 1 WHERE {0}.id = 0",
    "INSERT INTO log (id) SELECT {0}.id FROM orders {0} WHERE {0}.id = 0",
]


def test_words_are_names_where_the_server_takes_them_for_names(connection: Any) -> None:
    asked = "SELECT word FROM information_schema.keywords WHERE word REGEXP '^[A-Z_]+$'"
    found = dialect(connection)
    words = {str(word) for (word,) in run(connection, asked)}
    refused: list[str] = []
    tried = 0
    for form, word in product(NAMING, sorted(words | found.keywords)):
        sql, quoted = form.format(word), form.format(f"`{word}`")
        if failure(connection, f"PREPARE s FROM {found.literal(sql)}"):
            continue
        tried += 1
        try:
            draft, expected = parsed(sql, found), parsed(quoted, found)
        except UnsupportedStatement:
            refused.append(sql)
            continue
        assert exposed(draft) == exposed(expected), sql
        assert draft.unknown == expected.unknown, sql
    assert tried > 2000
    assert len(refused) < tried / 50, refused


# -- values -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES", "ANSI,NO_BACKSLASH_ESCAPES"])
def test_a_check_fails_in_every_mode_and_under_ignore(
    connection: Any, mode: str
) -> None:
    run(connection, f"SET sql_mode = '{mode}'")
    found = dialect(connection)
    before, after = found.check("it's a \\label")
    reached = f"{before}total = 1{after}"
    assert run(connection, f"SELECT id FROM orders WHERE id = 1 AND {reached}")
    for sql in (
        f"SELECT id FROM orders WHERE {reached}",
        f"SELECT {reached} FROM orders",
        f"UPDATE orders SET comment = 'z' WHERE {reached}",
        f"UPDATE IGNORE orders SET comment = 'z' WHERE {reached}",
        f"UPDATE IGNORE orders SET total = {reached}",
        f"DELETE IGNORE FROM orders WHERE {reached}",
        f"INSERT IGNORE INTO log SELECT id, {reached} FROM orders",
        f"INSERT IGNORE INTO log VALUES (9, {before}NULL{after})",
        f"REPLACE INTO log VALUES (9, {before}1 = 2{after})",
        "INSERT IGNORE INTO orders (id) VALUES (1) ON DUPLICATE KEY UPDATE "
        f"total = {before}total = 2{after}",
    ):
        error = failure(connection, sql)
        assert error[:1] in ((1411,), (1690,)), (sql, error)
        assert "_k_check:" in error[1]
        rows = run(connection, "SELECT id, total FROM orders ORDER BY id")
        assert rows == [(1, 1), (2, 2), (3, None)]
    assert run(connection, "SELECT * FROM log") == []


def test_a_list_is_what_bare_values_are(connection: Any) -> None:
    found = dialect(connection)

    def ids(condition: tuple[str, str], value: Any, column: str = "") -> list[Any]:
        assert isinstance(value, ValueList)
        listed = value.spelled(connection.escape)
        sql = (
            f"SELECT id FROM orders WHERE {column}{condition[0]}{listed}{condition[1]}"
        )
        return [one for (one,) in run(connection, f"{sql} ORDER BY id")]

    listed = found.listed
    assert ids(found.in_list(), listed([(1,), (3,)]), "id ") == [1, 3]
    assert ids(found.in_list(), listed([("b",), ("it's",)]), "comment ") == [2]
    assert ids(found.in_list(), listed([]), "id ") == []
    assert ids(found.in_list(negated=True), listed([]), "id ") == [1, 2, 3]
    assert ids(found.in_list(negated=True), listed([(1,)]), "id ") == [2, 3]
    assert ids(found.one_of(["id"], ["int"]), listed([(2,)])) == [2]
    pairs = found.one_of(["id", "comment"], ["int", "text"])
    assert ids(pairs, listed([(1, "a"), (2, "a")])) == [1]


def test_a_violated_key_is_told_by_its_name(connection: Any) -> None:
    found = dialect(connection)
    run(connection, "ALTER TABLE log ADD UNIQUE k (text(9))")
    run(connection, "INSERT INTO log VALUES (1, 'for key ''x''')")
    for sql, name in (
        ("INSERT INTO log VALUES (2, 'for key ''x''')", "k"),
        ("INSERT INTO log VALUES (1, 'y')", "PRIMARY"),
    ):
        with pytest.raises(connection.IntegrityError) as caught:
            run(connection, sql)
        table = Table("shop", "log")
        for one in ("k", "PRIMARY", "x"):
            key = UniqueKey(one, ())
            assert found.violates(caught.value, table, key) is (one == name)
