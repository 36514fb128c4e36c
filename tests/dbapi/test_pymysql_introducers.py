"""``_binary %s``: an introducer before a value that the driver writes.

So Django and SQLAlchemy write bytes. Each statement gives on a database with rows of
others what the server gives on one that has none of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

SCHEMA = (
    """CREATE TABLE {0}.files (
        id int AUTO_INCREMENT PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7, body blob,
        name varchar(20), updated_at datetime, deleted_at datetime
    ) AUTO_INCREMENT = 100""",
    """INSERT INTO {0}.files (id, body, name) VALUES
        (1, 'a', 'one'), (2, 0xff00, 'two'), (3, NULL, NULL)""",
)
OTHERS = (
    """INSERT INTO {0}.files (id, tenant_id, body, name, deleted_at) VALUES
        (4, 8, 'a', 'one', NULL), (5, 7, 'a', 'one', now()), (6, 8, 0xff00, '', NULL)
    """,
)
BYTES = b"\x00\xff\\'\"%s\n-- "
STORED = "SELECT id, tenant_id, hex(body), name, updated_at IS NULL FROM files"


class Twins:
    """The shim on all rows, and the server on those that are visible."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        server = Server(url, stack)
        twin = server.other("twin")
        for name, texts in (
            (twin, SCHEMA),
            (server.database, (*SCHEMA, *OTHERS)),
        ):
            server.run(*(text.format(name) for text in texts))
        plugins = [
            RowLevelSecurity(tenant_isolation("tenant_id", tables=["files"])),
            SoftDelete(tables=["files"]),
            Timestamps({"files": {"created_at": None}}),
        ]
        self.shim = kysera_dbapi.connect(url, plugins=plugins, autocommit=True)
        stack.callback(self.shim.close)
        self.raw = server.connect(database=twin)
        self.all = server.raw

    def hidden(self) -> list[Any]:
        """What the caller does not see."""
        return rows(self.all, "SELECT * FROM files WHERE id BETWEEN 4 AND 6")

    def seen(self, connection: Any) -> list[Any]:
        """What he sees."""
        where = "WHERE tenant_id = 7 AND deleted_at IS NULL ORDER BY id"
        return rows(connection, f"{STORED} {where}")


@pytest.fixture
def twins(mysql_url: str) -> Iterator[Twins]:
    with ExitStack() as stack, kysera_dbapi.context(tenant_id=7):
        yield Twins(mysql_url, stack)


READS: tuple[tuple[str, Any], ...] = (
    ("SELECT id FROM files WHERE body = _binary %s", (b"a",)),
    ("SELECT id FROM files WHERE body = _BINARY %s OR 1", (BYTES,)),
    ("SELECT id FROM files WHERE body IN (_binary %s, _binary %s)", (b"a", b"\xff\0")),
    ("SELECT id FROM files WHERE name = _utf8mb4 %s COLLATE utf8mb4_bin", ("one",)),
    ("SELECT id, _binary %(x)s FROM files f WHERE body = _binary %(x)s", {"x": b"a"}),
    ("SELECT id, hex(_binary/**/%s), _latin1\n%s FROM files", (BYTES, "ab")),
    ("SELECT _binary %s FROM files LEFT JOIN files f USING (id)", (BYTES,)),
    ("SELECT max(id) FROM files HAVING max(id) > 0 AND _binary %s = %s", (b"a", "a")),
)


def test_a_query_gives_what_it_gives_without_the_others(twins: Twins) -> None:
    for sql, args in READS:
        found = rows(twins.shim, sql, args)
        assert sorted(found) == sorted(rows(twins.raw, sql, args)), sql


WRITES: tuple[tuple[str, Any], ...] = (
    ("INSERT INTO files (body, name) VALUES (_binary %s, %s)", (BYTES, "n")),
    ("INSERT INTO files (body) VALUES (_binary %s), (_binary %s)", (BYTES, b"")),
    ("INSERT INTO files (tenant_id, body) VALUES (%s, _binary %s)", (7, BYTES)),
    ("INSERT INTO files (tenant_id, body) VALUES (_binary %s, '')", ("7",)),
    ("INSERT INTO files (body, name) SELECT _binary %s, name FROM files", (BYTES,)),
    (
        "INSERT INTO files (id, body) VALUES (1, _binary %s) ON DUPLICATE KEY UPDATE "
        "body = _binary %s, name = VALUES(body)",
        (b"no", b"yes"),
    ),
    ("UPDATE files SET body = _binary %s WHERE id < 3", (BYTES,)),
    ("UPDATE files SET body = _binary %s, name = _utf8mb4 %s", (BYTES, "one")),
    ("UPDATE files SET tenant_id = _binary %s, name = _utf8mb4 %s", ("7", "one")),
    ("DELETE FROM files WHERE body = _binary %s", (b"a",)),
)


@pytest.mark.parametrize(("sql", "args"), WRITES)
def test_a_write_does_what_it_does_without_the_others(
    twins: Twins, sql: str, args: Any
) -> None:
    before = twins.hidden()
    rows(twins.shim, sql, args)
    rows(twins.raw, sql, args)
    stamped = [row[:4] for row in twins.seen(twins.shim)]
    assert stamped == [row[:4] for row in twins.seen(twins.raw)]
    assert twins.hidden() == before


@pytest.mark.parametrize(
    ("sql", "args"),
    [
        ("INSERT INTO files (tenant_id) VALUES (_binary %s)", ("8",)),
        ("INSERT INTO files (tenant_id) VALUES (_binary %s)", ("7a",)),
        ("INSERT INTO files (body, tenant_id) VALUES (_binary %s, %s)", (b"", 8)),
        ("UPDATE files SET tenant_id = _binary %s WHERE id = %s", ("8", 1)),
    ],
)
def test_it_hides_no_tenant_from_the_check(twins: Twins, sql: str, args: Any) -> None:
    before = rows(twins.all, "SELECT * FROM files")
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(twins.shim, sql, args)
    assert rows(twins.all, "SELECT * FROM files") == before


def test_rows_that_stay_as_they_are_keep_their_stamp(twins: Twins) -> None:
    same = ("UPDATE files SET name = _utf8mb4 %s WHERE id IN (1, 2)", ("one",))
    with twins.shim.cursor() as ours, twins.raw.cursor() as theirs:
        assert ours.execute(*same) == theirs.execute(*same) == 1
    stamped = rows(twins.all, "SELECT id FROM files WHERE updated_at IS NOT NULL")
    assert stamped == [(2,)]


@pytest.mark.parametrize("value", [None, 5, ["a", "b"], ("x",), 1.5])
def test_what_is_no_string_is_the_servers_to_refuse(twins: Twins, value: Any) -> None:
    before = rows(twins.all, "SELECT * FROM files")
    for connection in (twins.shim, twins.raw):
        for sql in (
            "SELECT id FROM files WHERE body = _binary %s",
            "UPDATE files SET body = _binary %s",
        ):
            with pytest.raises(pymysql.ProgrammingError) as caught:
                rows(connection, sql, (value,))
            assert caught.value.args[0] == 1064
    assert rows(twins.all, "SELECT * FROM files") == before


def test_without_a_blank_they_would_be_one_word(twins: Twins) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="does not parse"):
        rows(twins.shim, "SELECT _binary%s FROM files", (5,))
