"""Statements that name partitions, on MySQL and MariaDB: as without hidden rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

SCHEMA = (
    """CREATE TABLE {0}.parts (
        id int PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7, amount int,
        deleted_at datetime, KEY by_amount (amount)
    ) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (
        PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE
    )""",
    """CREATE TABLE {0}.shares (
        id int, tenant_id int NOT NULL DEFAULT 7, amount int,
        PRIMARY KEY (tenant_id, id)
    ) PARTITION BY LIST (tenant_id) (
        PARTITION ours VALUES IN (7), PARTITION theirs VALUES IN (8)
    )""",
    "CREATE TABLE {0}.log (id int PRIMARY KEY, line varchar(30))",
    "INSERT INTO {0}.parts (id, amount) VALUES (1, 5), (2, 6), (11, 7), (12, NULL)",
    "INSERT INTO {0}.shares (id, amount) VALUES (1, 5), (2, 6)",
    "INSERT INTO {0}.log VALUES (1, 'one'), (2, 'two'), (3, 'three')",
)
OTHERS = (
    """INSERT INTO {0}.parts VALUES
        (3, 8, 500, NULL), (13, 8, 600, NULL), (4, 7, 700, now()), (14, 7, 7, now())""",
    "INSERT INTO {0}.shares VALUES (1, 8, 500), (3, 8, 600)",
)


class Twins:
    """The shim on all rows, and the server on those that are visible."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        server = Server(url, stack)
        twin = server.other("twin")
        for name, texts in ((twin, SCHEMA), (server.database, (*SCHEMA, *OTHERS))):
            server.run(*(text.format(name) for text in texts))
        plugins = [
            RowLevelSecurity(tenant_isolation("tenant_id", ["parts", "shares"])),
            SoftDelete(["parts"]),
        ]
        self.shim = kysera_dbapi.connect(url, plugins=plugins)
        stack.callback(self.shim.close)
        self.raw = server.connect(database=twin, autocommit=False)
        self.mariadb = server.mariadb

    def outcomes(self, sql: str, args: Any = None) -> list[Any]:
        """What a statement gives on each, and what the caller sees after it."""
        return [
            [outcome(connection, sql, args), *map(self.visible(connection), TABLES)]
            for connection in (self.shim, self.raw)
        ]

    def visible(self, connection: Any) -> Callable[[str], list[Any]]:
        """The rows of a table, as they are stored."""
        found: Any = connection.unwrap() if connection is self.shim else connection
        return lambda table: rows(found, f"SELECT * FROM {table} {TABLES[table]}")

    def hidden(self) -> list[Any]:
        """The rows of others, and those deleted before."""
        raw = self.shim.unwrap()
        parts = "SELECT * FROM parts WHERE tenant_id = 8 OR id IN (4, 14) ORDER BY id"
        shares = "SELECT * FROM shares WHERE tenant_id = 8 ORDER BY id"
        return [rows(raw, parts), rows(raw, shares)]


TABLES = {
    "parts": "WHERE tenant_id = 7 AND deleted_at IS NULL ORDER BY id",
    "shares": "WHERE tenant_id = 7 ORDER BY id",
    "log": "ORDER BY id",
}


@pytest.fixture(scope="module")
def made(mysql_shared_url: str) -> Iterator[Twins]:
    with ExitStack() as stack:
        yield Twins(mysql_shared_url, stack)


@pytest.fixture
def twins(made: Twins) -> Iterator[Twins]:
    with kysera_dbapi.context(tenant_id=7):
        yield made
    made.shim.rollback()
    made.raw.rollback()


def outcome(connection: Any, sql: str, args: Any) -> Any:
    """The rows and the count of a statement, or the number of its error."""
    try:
        with connection.cursor() as cursor:
            many = isinstance(args, list)
            cursor.executemany(sql, args) if many else cursor.execute(sql, args)
            return cursor.rowcount, sorted(cursor.fetchall(), key=repr)
    except pymysql.Error as error:
        return error.args[0]


SAME: tuple[tuple[str, Any], ...] = (
    ("SELECT id FROM parts PARTITION (low)", None),
    (
        "SELECT p.id FROM parts PARTITION (`lowsp0`, high) AS p USE INDEX (by_amount)",
        None,
    ),
    (
        "SELECT a.id, b.id FROM parts PARTITION (low) a JOIN parts PARTITION (high) b "
        "FORCE INDEX (PRIMARY) ON b.id > a.id + %s",
        (9,),
    ),
    (
        "SELECT l.id, s.id FROM shares PARTITION (theirs, ours) s RIGHT JOIN log l "
        "ON s.id = l.id",
        None,
    ),
    ("SELECT count(*) FROM shares PARTITION (theirs)", None),
    ("SELECT id FROM parts WHERE id IN (SELECT id FROM shares PARTITION (ours))", None),
    ("WITH c AS (SELECT * FROM parts PARTITION (high)) SELECT id FROM c", None),
    (
        "SELECT id FROM parts PARTITION (low) UNION ALL "
        "SELECT id FROM shares PARTITION (theirs)",
        None,
    ),
    ("SELECT id FROM parts PARTITION (low) FOR UPDATE", None),
    ("SELECT id FROM parts PARTITION (none_such)", None),
    ("UPDATE parts PARTITION (low) AS p SET p.amount = 1 WHERE p.amount > 1", None),
    ("UPDATE parts PARTITION (low) p USE INDEX (by_amount) SET amount = 1", None),
    ("UPDATE parts PARTITION (high) SET id = id + 50 ORDER BY id DESC", None),
    ("UPDATE parts PARTITION (low) SET id = 30 WHERE id = 1", None),
    ("UPDATE parts SET id = id + 50 WHERE id < 10", None),
    ("UPDATE shares PARTITION (theirs) SET amount = 1", None),
    ("UPDATE shares PARTITION (ours) SET tenant_id = %s, amount = 1", (7,)),
    (
        "UPDATE parts PARTITION (low) p JOIN log l ON l.id = p.id "
        "SET p.amount = 9, l.line = 'u'",
        None,
    ),
    (
        "UPDATE log l, shares PARTITION (theirs) s SET l.line = 'x' WHERE s.id = l.id",
        None,
    ),
    (
        "UPDATE log l LEFT JOIN parts PARTITION (low) AS p IGNORE INDEX (PRIMARY) "
        "ON p.id = l.id SET l.line = coalesce(p.amount, 'none')",
        None,
    ),
    ("DELETE FROM parts PARTITION (low, highsp1)", None),
    ("DELETE FROM parts PARTITION (high) WHERE id = %s", [(11,), (13,), (14,)]),
    ("DELETE FROM shares PARTITION (theirs)", None),
    ("DELETE FROM shares PARTITION (ours) WHERE amount > 1 ORDER BY id LIMIT 1", None),
    ("DELETE p FROM parts PARTITION (low) AS p JOIN log l ON l.id = p.id", None),
    (
        "DELETE FROM p USING parts PARTITION (low) AS p JOIN shares PARTITION (ours) s "
        "ON s.id = p.id",
        None,
    ),
    (
        "DELETE l FROM log l JOIN shares PARTITION (theirs, ours) s ON s.id = l.id",
        None,
    ),
    (
        "DELETE l FROM log l LEFT JOIN parts PARTITION (low) p ON p.id = l.id "
        "WHERE p.id IS NULL",
        None,
    ),
    ("INSERT INTO parts PARTITION (low) (id, amount) VALUES (5, 1)", None),
    ("INSERT INTO parts PARTITION (low) (id, amount) VALUES (50, 1)", None),
    ("INSERT INTO parts PARTITION (low) VALUES (5, 7, 1, NULL)", None),
    ("INSERT INTO parts PARTITION (low) SET id = 6, amount = 2", None),
    ("INSERT INTO parts PARTITION (low) (id) VALUES (%s)", [(5,), (6,), (7,)]),
    (
        "INSERT INTO parts PARTITION (high) (id, tenant_id) VALUES (%s, %s)",
        [(n, 7) for n in range(20, 40)],
    ),
    (
        "INSERT INTO parts PARTITION (low) (id) VALUES (1), (5) "
        "ON DUPLICATE KEY UPDATE amount = 4",
        None,
    ),
    ("INSERT INTO shares PARTITION (ours) (id) VALUES (5)", None),
    ("INSERT INTO shares PARTITION (theirs) (id) VALUES (5)", None),
    (
        "INSERT IGNORE INTO shares PARTITION (ours) (id, amount) VALUES (1, 0), (3, 0)",
        None,
    ),
    (
        "INSERT INTO shares PARTITION (ours) (id) VALUES (1), (3) "
        "ON DUPLICATE KEY UPDATE amount = 3",
        None,
    ),
    ("REPLACE INTO shares PARTITION (ours) (id, amount) VALUES (1, 3), (3, 3)", None),
    ("REPLACE INTO shares PARTITION (ours) SET id = 1", None),
    (
        "INSERT INTO shares PARTITION (ours) (id, amount) "
        "SELECT id + 20, amount FROM parts PARTITION (high)",
        None,
    ),
    (
        "INSERT INTO log SELECT id + 40, amount FROM shares PARTITION (theirs, ours)",
        None,
    ),
    ("REPLACE INTO log SELECT id, amount FROM parts PARTITION (low)", None),
)


@pytest.mark.parametrize(("sql", "args"), SAME)
def test_it_does_what_it_does_without_the_others(
    twins: Twins, sql: str, args: Any
) -> None:
    hidden = twins.hidden()
    shim, raw = twins.outcomes(sql, args)
    assert shim == raw
    assert twins.hidden() == hidden


REFUSED = (
    "INSERT INTO shares PARTITION (theirs) (id, tenant_id) VALUES (5, 8)",
    "INSERT INTO shares PARTITION (theirs) VALUES (5, 8, 1)",
    "INSERT INTO shares PARTITION (theirs) (id, tenant_id) VALUES (1, 8) "
    "ON DUPLICATE KEY UPDATE amount = 1",
    "INSERT INTO parts PARTITION (low) (id) VALUES (3) "
    "ON DUPLICATE KEY UPDATE amount = 1",
    "INSERT INTO parts PARTITION (low) (id) VALUES (4) "
    "ON DUPLICATE KEY UPDATE amount = 1",
    "REPLACE INTO parts PARTITION (low) (id) VALUES (3)",
    "REPLACE INTO shares PARTITION (theirs) VALUES (1, 8, 1)",
    "UPDATE shares PARTITION (ours) SET tenant_id = 8",
    "UPDATE shares PARTITION (ours) AS s SET s.tenant_id = 9",
    "UPDATE shares PARTITION (ours) s JOIN log l USING (id) SET s.tenant_id = 8",
    "DELETE s, p FROM shares PARTITION (ours) s JOIN parts PARTITION (low) p "
    "ON p.id = s.id",
    "ALTER TABLE parts TRUNCATE PARTITION low",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_another_s_is_refused(twins: Twins, sql: str) -> None:
    before = [twins.hidden(), *map(twins.visible(twins.shim), TABLES)]
    with pytest.raises(kysera_dbapi.Error):
        rows(twins.shim, sql)
    assert [twins.hidden(), *map(twins.visible(twins.shim), TABLES)] == before
