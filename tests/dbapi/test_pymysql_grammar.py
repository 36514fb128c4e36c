"""What the grammars of MySQL and MariaDB have beyond the standard's.

Each statement gives on a database with rows of others what the server gives on one that
has none of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server, arguments

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
    "INSERT INTO {0}.past (id, tenant_id, body) VALUES (3, 8, 'GHOST'), (4, 8, 'GHOST')",
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
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n USING (id) FOR UPDATE",
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
    "SELECT n.id, j.x, j.e FROM notes n LEFT JOIN JSON_TABLE(n.doc, '$' COLUMNS (NESTED "
    "PATH '$.l[*]' COLUMNS (x int PATH '$' ERROR ON ERROR), e int EXISTS PATH '$.l')) j "
    "ON true",
    "SELECT id FROM notes INTERSECT SELECT id FROM log",
    "SELECT id FROM notes EXCEPT SELECT id FROM log WHERE id = 1",
    "SELECT id FROM notes WHERE MATCH (body) AGAINST ('+ours' IN BOOLEAN MODE)",
    "SELECT id, MATCH (body) AGAINST ('ours' IN BOOLEAN MODE) > 0 FROM notes",
    "SELECT l.id, n.id FROM log l LEFT JOIN notes n ON n.id = l.id "
    "AND MATCH (n.body) AGAINST ('ours' IN BOOLEAN MODE)",
    "SELECT id, ST_AsText(POINT(id, amount)) FROM notes WHERE body REGEXP '^our'",
    "SELECT id, amount DIV 3, amount MOD 3 FROM notes WHERE id = 1 XOR amount > 15 && 1",
    "SELECT id, @n := @n + 1 FROM (SELECT @n := 0) v, notes ORDER BY id",
    "SELECT BINARY body, CONVERT(body USING latin1), body COLLATE utf8mb4_bin FROM notes",
    "SELECT at + INTERVAL 1 DAY, DATE_ADD(at, INTERVAL '1:2' MINUTE_SECOND) FROM notes",
    "SELECT EXTRACT(YEAR_MONTH FROM at), TRIM(LEADING 'o' FROM body), "
    "CHAR(77 USING utf8mb4) FROM notes",
    "SELECT DEFAULT(tenant_id), id FROM notes",
)  # fmt: skip
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
)  # fmt: skip


@pytest.mark.parametrize("sql", [*BOTH, *MARIADB, *MYSQL])
def test_a_query_gives_what_it_gives_without_the_others(twins: Twins, sql: str) -> None:
    if sql in (MYSQL if twins.mariadb else MARIADB):
        pytest.skip("of the other server")
    expected = rows(twins.raw, sql)
    assert sorted(map(repr, rows(twins.shim, sql))) == sorted(map(repr, expected))
