"""What the grammars of MySQL and MariaDB have beyond the standard's.

Each statement gives on a database with rows of others what the server gives on one that
has none of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests import servers
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

SCHEMA = (
    """CREATE TABLE {0}.notes (
        id int AUTO_INCREMENT PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7,
        body varchar(30), doc json, at datetime, amount int, deleted_at datetime,
        KEY by_amount (amount), FULLTEXT KEY words (body)
    ) AUTO_INCREMENT = 100""",
    """CREATE TABLE {0}.parts (
        id int PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7, amount int,
        deleted_at datetime
    ) PARTITION BY RANGE (id) (
        PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE
    )""",
    "CREATE TABLE {0}.log (id int PRIMARY KEY, line varchar(30))",
    """INSERT INTO {0}.notes (id, body, doc, at, amount) VALUES
        (1, 'ours one', '{{"a": 1, "l": [1, 2]}}', '2020-01-01', 10),
        (2, 'ours too', '{{"a": 2}}', '2020-01-02', 20),
        (3, 'third', '{{"a": 3}}', NULL, 30)""",
    "INSERT INTO {0}.parts (id, amount) VALUES (1, 5), (11, 6), (12, NULL)",
    "INSERT INTO {0}.log VALUES (1, 'one'), (2, 'two'), (3, 'x'), (4, 'y')",
)
OTHERS = (
    """INSERT INTO {0}.notes (id, tenant_id, body, doc, at, amount, deleted_at) VALUES
        (4, 8, 'ours GHOST', '{{"a": 1, "l": [9]}}', '2020-01-01', 1000, NULL),
        (5, 7, 'ours GHOST', '{{"a": 5, "l": [9]}}', '2020-01-02', 2000, now())""",
    """INSERT INTO {0}.parts VALUES
        (2, 8, 500, NULL), (13, 8, 600, NULL), (14, 7, 700, now())""",
)
VERSIONED = (
    """CREATE TABLE {0}.past (
        id int PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7, body varchar(20),
        deleted_at datetime
    ) WITH SYSTEM VERSIONING""",
    "CREATE SEQUENCE {0}.numbers",
    "INSERT INTO {0}.past (id, body) VALUES (1, 'a'), (2, 'b')",
    "UPDATE {0}.past SET body = 'later' WHERE id = 1",
    "DELETE FROM {0}.past WHERE id = 2",
)
VERSIONED_OTHERS = (
    "INSERT INTO {0}.past (id, tenant_id, body) VALUES (3, 8, 'GHOST'), (4, 8, '')",
    "UPDATE {0}.past SET body = 'GHOST later' WHERE id = 3",
    "DELETE FROM {0}.past WHERE id = 4",
)


class Twins:
    """The shim on all rows, and the server on those that are visible."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        server = Server(url, stack)
        self.mariadb = server.mariadb
        self.name = server.database
        self.twin = server.other("twin")
        later = VERSIONED if self.mariadb else ()
        hidden = VERSIONED_OTHERS if self.mariadb else ()
        for name, texts in (
            (self.twin, (*SCHEMA, *later)),
            (self.name, (*SCHEMA, *OTHERS, *later, *hidden)),
        ):
            server.run(*(text.format(name) for text in texts))
        tables = ["notes", "parts", *(["past"] if self.mariadb else [])]
        plugins = [
            RowLevelSecurity(tenant_isolation("tenant_id", tables=tables)),
            SoftDelete(tables=tables),
        ]
        self.shim = kysera_dbapi.connect(url, plugins=plugins, autocommit=True)
        stack.callback(self.shim.close)
        self.raw = server.connect(database=self.twin)
        self.all = server.raw

    def stored(self, connection: Any) -> list[Any]:
        """What the caller sees of all tables."""
        seen = "WHERE tenant_id = 7 AND deleted_at IS NULL"
        return [
            rows(connection, f"SELECT * FROM {table} {where} ORDER BY id")
            for table, where in (("notes", seen), ("parts", seen), ("log", ""))
        ]

    def hidden(self) -> list[Any]:
        """What he does not see, but for what he has deleted."""
        return rows(self.all, "SELECT * FROM notes WHERE tenant_id = 8 OR id = 5")


@pytest.fixture
def twins(mysql_url: str) -> Iterator[Twins]:
    with ExitStack() as stack, kysera_dbapi.context(tenant_id=7):
        yield Twins(mysql_url, stack)


BOTH = (
    "SELECT id FROM notes FOR UPDATE NOWAIT",
    "SELECT id FROM notes FOR UPDATE SKIP LOCKED",
    "SELECT id FROM notes LOCK IN SHARE MODE",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n ON l.id = n.id FOR UPDATE",
    "SELECT n.id FROM notes n STRAIGHT_JOIN log l ON l.id = n.id",
    "SELECT STRAIGHT_JOIN n.id FROM notes n, log l",
    "SELECT id FROM notes USE INDEX (by_amount) WHERE amount > 5",
    "SELECT id FROM notes FORCE INDEX FOR JOIN (PRIMARY) "
    "IGNORE KEY FOR ORDER BY (by_amount) ORDER BY id",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n FORCE INDEX (PRIMARY) USING (id)",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes AS n FORCE INDEX (PRIMARY) "
    "IGNORE KEY FOR GROUP BY (by_amount) USING (id)",
    "SELECT l.id, notes.id FROM log l LEFT JOIN notes USE INDEX () USING (id)",
    "SELECT id FROM parts PARTITION (high)",
    "SELECT l.id FROM log l LEFT JOIN parts PARTITION (low) USING (id)",
    "SELECT l.id, p.amount FROM log l NATURAL LEFT JOIN parts PARTITION (low, high) p",
    "SELECT l.id, p.amount FROM log l LEFT JOIN parts PARTITION (low) AS p "
    "USE INDEX (PRIMARY) USING (id)",
    "SELECT l.id, p.amount FROM log l NATURAL LEFT JOIN (parts PARTITION (low) p)",
    "SELECT SQL_CALC_FOUND_ROWS HIGH_PRIORITY SQL_NO_CACHE id FROM notes LIMIT 1",
    "SELECT id FROM notes WHERE at = {d '2020-01-01'}",
    "SELECT id, {t '10:00:00'} FROM notes WHERE at < {ts '2020-01-01 10:00:00'}",
    "SELECT id FROM notes WHERE at < {fn now()}",
    "SELECT notes.id, log.id FROM {oj log LEFT OUTER JOIN notes ON log.id = notes.id}",
    "SELECT amount, count(*) FROM notes GROUP BY amount WITH ROLLUP",
    "SELECT group_concat(DISTINCT body ORDER BY id DESC SEPARATOR ', ') FROM notes",
    "SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    " FROM notes",
    "SELECT n.id, j.* FROM notes n, JSON_TABLE(n.doc, '$.l[*]' COLUMNS (o FOR "
    "ORDINALITY, x int PATH '$' DEFAULT '0' ON EMPTY NULL ON ERROR)) AS j",
    "SELECT n.id, j.x, j.e FROM notes n LEFT JOIN JSON_TABLE(n.doc, '$' COLUMNS ("
    "NESTED PATH '$.l[*]' COLUMNS (x int PATH '$' ERROR ON ERROR), "
    "e int EXISTS PATH '$.l')) j ON true",
    "SELECT id FROM notes INTERSECT SELECT id FROM log",
    "SELECT id FROM notes EXCEPT SELECT id FROM log WHERE id = 1",
    "SELECT id FROM notes WHERE MATCH (body) AGAINST ('+ours' IN BOOLEAN MODE)",
    "SELECT id, MATCH (body) AGAINST ('ours' IN BOOLEAN MODE) > 0 FROM notes",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n ON n.id = l.id "
    "AND MATCH (n.body) AGAINST ('ours' IN BOOLEAN MODE)",
    "SELECT id FROM notes WHERE MATCH body AGAINST ('ours' IN BOOLEAN MODE)",
    "SELECT MATCH n.body AGAINST ('ours' IN BOOLEAN MODE) > 0, id FROM notes n "
    "WHERE NOT MATCH (body) AGAINST ('GHOST' IN BOOLEAN MODE) AND "
    "MATCH`n`.body AGAINST ('third ours' IN BOOLEAN MODE)",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n JOIN parts p ON p.id = n.id "
    "AND MATCH body AGAINST ('ours' IN BOOLEAN MODE) ON n.id = l.id",
    "SELECT id, ST_AsText(POINT(id, amount)) FROM notes WHERE body REGEXP '^our'",
    "SELECT id, amount DIV 3, amount MOD 3 FROM notes WHERE id = 1 XOR amount > 9",
    "SELECT id, @n := @n + 1 FROM (SELECT @n := 0) v, notes ORDER BY id",
    "SELECT BINARY body, CONVERT(body USING latin1) FROM notes",
    "SELECT id FROM notes ORDER BY body COLLATE utf8mb4_bin",
    "SELECT at + INTERVAL 1 DAY, DATE_ADD(at, INTERVAL '1:2' MINUTE_SECOND) FROM notes",
    "SELECT EXTRACT(YEAR_MONTH FROM at), TRIM(LEADING 'o' FROM body), "
    "CHAR(77 USING utf8mb4) FROM notes",
    "SELECT DEFAULT(tenant_id), id FROM notes WHERE tenant_id = DEFAULT(tenant_id)",
)
MARIADB = (
    "SELECT id FROM notes WHERE at IS \\N",
    "SELECT \\N, id FROM notes",
    "SELECT id FROM notes FOR UPDATE WAIT 5",
    "SELECT id FROM notes LIMIT 2 ROWS EXAMINED 1000",
    "SELECT amount, count(*) FROM notes GROUP BY amount DESC, id ASC HAVING amount > 5",
    "SELECT id FROM notes ORDER BY id OFFSET 1 ROW FETCH FIRST 1 ROW ONLY",
    "SELECT group_concat(body ORDER BY id LIMIT 1) FROM notes",
    "WITH RECURSIVE t (id, n) AS (SELECT id, 1 FROM notes WHERE id = 1 UNION ALL "
    "SELECT notes.id, 1 FROM notes JOIN t ON notes.id = t.id % 3 + 1) "
    "CYCLE id, n RESTRICT SELECT * FROM t",
    "SELECT NEXT VALUE FOR numbers, id FROM notes",
    "SELECT PREVIOUS VALUE FOR numbers",
    "SELECT NEXTVAL(numbers)",
    "SELECT * FROM past FOR SYSTEM_TIME ALL",
    "SELECT body FROM past FOR SYSTEM_TIME AS OF now(6) h WHERE h.id > 0",
    "SELECT h.body FROM past FOR SYSTEM_TIME BETWEEN '2000-01-01' AND NOW() AS h",
    "SELECT h.body FROM past FOR SYSTEM_TIME FROM NOW() - INTERVAL 1 DAY TO "
    "TIMESTAMP '2100-01-01 00:00:00' AS h",
    "SELECT l.id, h.body FROM log l LEFT JOIN past FOR SYSTEM_TIME ALL h "
    "ON h.id = l.id",
    "SELECT l.id, h.body FROM log l LEFT JOIN past FOR SYSTEM_TIME ALL h USING (id)",
    "SELECT count(*) FROM (SELECT * FROM past FOR SYSTEM_TIME ALL) AS h",
)
MYSQL = (
    "TABLE notes",
    "TABLE notes ORDER BY id DESC LIMIT 1",
    "SELECT * FROM log WHERE id IN (SELECT id FROM (TABLE notes) x)",
    "SELECT id FROM log WHERE (id, 7) IN (SELECT id, tenant_id FROM notes)",
    "(TABLE log) UNION (SELECT id, body FROM notes)",
    "WITH c AS (TABLE notes) SELECT id FROM c",
    "WITH c AS (SELECT id FROM notes) TABLE c",
    "SELECT id FROM notes FOR SHARE",
    "SELECT n.id FROM notes n, log l WHERE n.id = l.id "
    "FOR SHARE OF n SKIP LOCKED FOR UPDATE OF l NOWAIT",
    "SELECT id, doc->'$.a' FROM notes WHERE doc->>'$.a' > 1",
    "SELECT id FROM notes WHERE 1 MEMBER OF (doc->'$.l')",
    "SELECT id, json_value(doc, '$.a' RETURNING SIGNED NULL ON EMPTY) FROM notes",
    "SELECT n.id, x.m FROM notes n, LATERAL (SELECT max(amount) m FROM notes) x",
    "VALUES ROW(1, 2), ROW(3, 4) ORDER BY 1 LIMIT 1",
    "SELECT id FROM notes WHERE id IN (VALUES ROW(1), ROW(4))",
)


@pytest.mark.parametrize("sql", [*BOTH, *MARIADB, *MYSQL])
def test_a_query_gives_what_it_gives_without_the_others(reads: Twins, sql: str) -> None:
    if sql in (MYSQL if reads.mariadb else MARIADB):
        pytest.skip("of the other server")
    expected = rows(reads.raw, sql)
    with kysera_dbapi.context(tenant_id=7):
        found = rows(reads.shim, sql)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_values_of_a_moment_and_of_a_limit_are_not_kept(reads: Twins) -> None:
    """What the parser does not see may differ from text to text."""
    for moment, limit in ((0, 1), (1, 1), (0, 2)):
        texts = [f"SELECT id FROM notes WHERE at > {{d '202{moment}-01-01'}}"]
        if reads.mariadb:
            texts += [
                "SELECT body FROM past FOR SYSTEM_TIME AS OF "
                f"'20{moment}0-01-01' + INTERVAL 99 YEAR",
                f"SELECT id FROM notes ORDER BY id LIMIT {limit} ROWS EXAMINED 9999",
            ]
        for sql in texts:
            with kysera_dbapi.context(tenant_id=7):
                assert rows(reads.shim, sql) == rows(reads.raw, sql), sql


@pytest.mark.parametrize(
    ("select", "variables"),
    [
        ("SELECT max(id) INTO @a FROM notes", "@a"),
        ("SELECT max(id) FROM notes INTO @a", "@a"),
        ("SELECT id, body FROM notes ORDER BY 1 LIMIT 1 INTO @a, @`b c`", "@a, @`b c`"),
        ("SELECT n.id INTO @a.b FROM notes n WHERE n.id IN (3, 4)", "@a.b"),
        ("SELECT n.id INTO @a FROM log l JOIN notes n USING (id) WHERE l.id > 2", "@a"),
        (
            "SELECT l.id, n.id INTO @a, @b FROM log l LEFT JOIN notes n USING (id) "
            "WHERE l.id = 4",
            "@a, @b",
        ),
        ("SELECT (SELECT count(*) FROM notes) INTO @a", "@a"),
        ("SELECT (SELECT count(*) FROM notes), 2 INTO @a, @b FROM DUAL", "@a, @b"),
        ("SELECT max(id) FROM notes INTO @a FOR UPDATE", "@a"),
        ("SELECT max(id) FROM notes FOR UPDATE INTO @a", "@a"),
        ("SELECT 1 FROM DUAL WHERE 0 UNION SELECT max(id) FROM notes INTO @a", "@a"),
        ("SELECT id FROM notes WHERE id = %s INTO @a", "@a"),
    ],
)
def test_variables_hold_what_is_visible(
    reads: Twins, select: str, variables: str
) -> None:
    args = (3,) if "%s" in select else None
    with kysera_dbapi.context(tenant_id=7):
        found = [
            (rows(made, select, args), rows(made, f"SELECT {variables}"))
            for made in (reads.shim, reads.raw)
        ]
    assert found[0] == found[1]
    assert found[0][1] != [(None,) * len(found[0][1][0])]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def reads(request: pytest.FixtureRequest) -> Iterator[Twins]:
    """Twins that are read alone."""
    server = next((s for s in servers.found().servers if s.kind == request.param), None)
    if server is None:
        pytest.skip(f"no {request.param}")
    with servers.database(server) as url, ExitStack() as stack:
        yield Twins(url, stack)


# -- writes ---------------------------------------------------------------------------

WRITES = (
    "DELETE FROM notes ORDER BY id DESC LIMIT 2",
    "DELETE LOW_PRIORITY QUICK IGNORE FROM notes WHERE amount > 5 ORDER BY id LIMIT 1",
    "DELETE FROM parts PARTITION (high)",
    "UPDATE notes SET amount = 1 ORDER BY id DESC LIMIT 2",
    "UPDATE notes USE INDEX (by_amount) SET amount = 3 WHERE amount > 5",
    "UPDATE parts PARTITION (high) SET amount = 1",
    "UPDATE log l LEFT JOIN notes n JOIN parts p ON p.id = n.id ON n.id = l.id "
    "SET l.line = 'none' WHERE n.id IS NULL",
    "DELETE l FROM log l LEFT JOIN notes n NATURAL JOIN parts p ON n.id = l.id "
    "WHERE p.id IS NULL",
    "INSERT LOW_PRIORITY INTO notes (body) VALUES ('x')",
    "INSERT INTO notes SET body = 'x', amount = 4",
    "INSERT INTO notes (id, body) VALUE (50, 'x')",
    "INSERT INTO notes VALUE (50, 7, 'x', NULL, NULL, 1, NULL)",
    "INSERT INTO parts PARTITION (low) (id, amount) VALUES (3, 4)",
    "INSERT INTO notes (id, body, tenant_id) VALUES (80, DEFAULT, DEFAULT(tenant_id))",
    "INSERT INTO log SELECT id, body FROM notes ON DUPLICATE KEY UPDATE line = body",
    "INSERT INTO log SELECT id, body FROM parts JOIN notes USING (id) "
    "ON DUPLICATE KEY UPDATE line = 'q'",
    "INSERT INTO log (id) SELECT id + 10 FROM parts PARTITION (high)",
)
OF_MARIADB = (
    "INSERT INTO log (id, line) VALUES (NEXT VALUE FOR numbers + 50, 'x')",
    "INSERT INTO notes (id, body) VALUES (NEXT VALUE FOR numbers + 50, 'x')",
    "INSERT INTO log SELECT id + 10, body FROM past FOR SYSTEM_TIME ALL "
    "WHERE body <> 'later' ON DUPLICATE KEY UPDATE line = 'twice'",
    "REPLACE INTO log VALUES (1, 'r') RETURNING id, (SELECT count(*) FROM notes)",
    "INSERT INTO notes (id, body) VALUES (60, 'x') RETURNING id, tenant_id",
)
OF_MYSQL = (
    "INSERT INTO notes (id, body) VALUES ROW(70, 'x'), ROW(71, 'y')",
    "INSERT INTO log VALUES ROW(20, 'x'), ROW(21, (SELECT max(body) FROM notes))",
    "INSERT INTO notes SET id = 1, body = 'x' AS new ON DUPLICATE KEY UPDATE "
    "body = new.body",
    "INSERT INTO notes (id, body) VALUES (1, 'x'), (60, 'z') AS new ON DUPLICATE KEY "
    "UPDATE body = concat(new.body, notes.body)",
    "INSERT INTO log (id, line) TABLE log ON DUPLICATE KEY UPDATE line = 'q'",
    "WITH c AS (SELECT id FROM log) UPDATE notes SET amount = 1 WHERE id IN "
    "(SELECT id FROM c)",
)


@pytest.mark.parametrize("sql", [*WRITES, *OF_MARIADB, *OF_MYSQL])
def test_a_write_does_what_it_does_without_the_others(twins: Twins, sql: str) -> None:
    if sql in (OF_MYSQL if twins.mariadb else OF_MARIADB):
        pytest.skip("of the other server")
    before = twins.hidden()
    assert rows(twins.shim, sql) == rows(twins.raw, sql)
    assert twins.stored(twins.all) == twins.stored(twins.raw)
    assert set(before) <= set(twins.hidden())


def test_matched_columns_keep_their_name(reads: Twins) -> None:
    sql = "SELECT MATCH body AGAINST ('x' IN BOOLEAN MODE) , id FROM notes n"
    names: list[list[str]] = []
    for connection in (reads.shim, reads.raw):
        with connection.cursor() as cursor, kysera_dbapi.context(tenant_id=7):
            cursor.execute(sql)
            names.append([column[0] for column in cursor.description])
    assert names[0] == names[1]


def test_a_copy_holds_what_is_visible(twins: Twins) -> None:
    made = ["AS SELECT * FROM notes", "(k int) AS SELECT id AS k FROM notes"]
    made += [] if twins.mariadb else ["TABLE notes", "AS TABLE notes"]
    for what in made:
        rows(twins.shim, f"CREATE TABLE copied {what}")
        assert len(rows(twins.all, "SELECT * FROM copied")) == 3
        rows(twins.shim, "DROP TABLE copied")


def test_tables_that_are_locked(twins: Twins) -> None:
    """The shim reads the schema all the same, also of a shape that is new."""
    texts = (
        "INSERT INTO notes (id, body) VALUES (50, 'x')",
        "UPDATE notes SET body = 'y', amount = 2 WHERE id = 1",
        "DELETE FROM notes WHERE id = 2",
        "ALTER TABLE notes ADD COLUMN later int",
        "SELECT id, later FROM notes ORDER BY id",
    )
    for connection in (twins.shim, twins.raw):
        rows(connection, "LOCK TABLES notes WRITE, log READ")
    for text in texts:
        assert rows(twins.shim, text) == rows(twins.raw, text)
    for connection in (twins.shim, twins.raw):
        for text in ("SELECT id FROM parts", "SELECT n.id, 1 FROM notes n"):
            with pytest.raises(pymysql.OperationalError) as caught:
                rows(connection, text)
            assert caught.value.args[0] == 1100
        rows(connection, "UNLOCK TABLES")
    assert len(rows(twins.shim, "SELECT id FROM parts")) == 3


def test_definitions_end_the_transaction(twins: Twins) -> None:
    for connection in (twins.shim, twins.raw):
        rows(connection, "START TRANSACTION")
        rows(connection, "INSERT INTO notes (id, body) VALUES (50, 'x')")
        rows(connection, "CREATE TABLE made (id int)")
        rows(connection, "INSERT INTO notes (id, body) VALUES (51, 'x')")
        rows(connection, "ROLLBACK")
        rows(connection, "START TRANSACTION")
        rows(connection, "DELETE FROM notes WHERE id = 1")
        rows(connection, "LOCK TABLES log READ")
        rows(connection, "UNLOCK TABLES")
        rows(connection, "ROLLBACK")
    assert twins.stored(twins.all) == twins.stored(twins.raw)


# -- what is refused ------------------------------------------------------------------

REFUSED = {
    "SELECT id FROM notes INTO OUTFILE 'x'": "file of the server",
    "SELECT id INTO DUMPFILE 'x' FROM notes": "file of the server",
    "DELETE HISTORY FROM notes": "bypass()",
    "DELETE HISTORY FROM notes BEFORE SYSTEM_TIME NOW()": "bypass()",
    "SELECT * FROM log a STRAIGHT_JOIN log b JOIN notes n ON n.id = b.id "
    "ON a.id = b.id": "JOIN (b JOIN",
    "VALUES (1), (2)": "UNION ALL",
    "HANDLER notes OPEN": "use SELECT",
    "LOAD DATA INFILE 'x' INTO TABLE log": "use LOCAL",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE notes": "executemany()",
    "SET @a = (SELECT count(*) FROM notes)": "INTO @a",
    "SET @a = (SELECT count(*) FROM performance_schema.threads)": "past any filter",
    "DO (SELECT 1 FROM `performance_schema` . `events_statements_history`)": (
        "past any filter"
    ),
    "SHOW TABLES WHERE (SELECT 1 FROM information_schema.processlist)": "past any",
    "SET sql_mode = (SELECT info FROM INFORMATION_SCHEMA.PROCESSLIST)": "past any",
    "SET @a = 1, @b = (SELECT count(*) FROM sys.session)": "past any filter",
    "PREPARE p FROM 'SELECT * FROM notes'": "bind parameters",
    "EXECUTE IMMEDIATE 'SELECT * FROM notes'": "bind parameters",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_refused_says_what_to_do(reads: Twins, sql: str) -> None:
    with (
        kysera_dbapi.context(tenant_id=7),
        pytest.raises(kysera_dbapi.UnsupportedStatement) as caught,
    ):
        rows(reads.shim, sql)
    assert REFUSED[sql] in str(caught.value)


def test_columns_that_a_star_does_not_show_are_not_lost(twins: Twins) -> None:
    """Where a table is filtered in a sub-select they would be another's."""
    for connection in (twins.all, twins.raw):
        rows(connection, "ALTER TABLE notes ADD COLUMN unseen int DEFAULT 5 INVISIBLE")
        rows(connection, "CREATE TABLE wide (unseen int, row_start int)")
        rows(connection, "INSERT INTO wide VALUES (1, 1)")
    queries = ["SELECT unseen, id FROM notes", "SELECT n.unseen FROM notes n"]
    lost = ["SELECT n.unseen FROM log l LEFT JOIN notes n USING (id)"]
    lost.append(
        "SELECT (SELECT max(unseen) FROM log LEFT JOIN notes USING (id)) FROM wide"
    )
    if twins.mariadb:
        queries.append("SELECT body, row_end > row_start FROM past FOR SYSTEM_TIME ALL")
        lost.append(
            "SELECT (SELECT count(row_start) FROM log LEFT JOIN past FOR SYSTEM_TIME "
            "ALL h USING (id)) FROM wide"
        )
    for sql in queries:
        assert sorted(rows(twins.shim, sql)) == sorted(rows(twins.raw, sql))
    for sql in lost:
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="would be lost"):
            rows(twins.shim, sql)


def test_words_that_name_no_relation_pass(reads: Twins) -> None:
    with kysera_dbapi.context(tenant_id=7):
        rows(reads.shim, "set session wait_timeout = 1000, @threads = 1")
        rows(reads.shim, "SET @a = (SELECT count(*) FROM log AS session)")
        assert rows(reads.shim, "SELECT @threads, @a") == [(1, 4)]


def test_names_of_new_rows_want_none_of_their_columns(reads: Twins) -> None:
    sql = (
        "INSERT INTO notes (id, body) VALUES (1, 'x') AS new (a, b) "
        "ON DUPLICATE KEY UPDATE body = b"
    )
    with (
        kysera_dbapi.context(tenant_id=7),
        pytest.raises(kysera_dbapi.UnsupportedStatement, match="among those of new"),
    ):
        rows(reads.shim, sql)
