"""Writes that fail in their midst on MySQL and MariaDB: with transactions, and without.

A soft DELETE is an UPDATE, which strict modes let fail where a DELETE only warns.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

TABLE = """CREATE TABLE {} (
    id int, tenant_id int NOT NULL, status varchar(9), deleted_at datetime,
    PRIMARY KEY (tenant_id, id)) ENGINE = {}"""
ROWS = "(1, 7, '0', NULL), (2, 7, '1', NULL), (3, 7, 'x', NULL), (4, 7, '0', now())"
TABLES = {"kept": "InnoDB", "flat": "MyISAM", "plain": "MyISAM", "copied": "InnoDB"}


class Place:
    """Protected tables of two engines, one that is not, and a copy without others."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        server = Server(url, stack)
        for name, engine in TABLES.items():
            others = (
                "" if name == "copied" else ", (5, 8, '0', NULL), (6, 8, 'x', NULL)"
            )
            server.run(TABLE.format(name, engine))
            server.run(f"INSERT INTO {name} VALUES {ROWS}{others}")
        plugins = [
            RowLevelSecurity(tenant_isolation("tenant_id", ["kept", "flat"])),
            SoftDelete(["kept", "flat"]),
        ]
        self.shim = kysera_dbapi.connect(url, plugins=plugins)
        stack.callback(self.shim.close)
        self.raw, self.mariadb = server.connect(autocommit=False), server.mariadb
        rows(self.raw, "DELETE FROM copied WHERE id = 4")
        self.raw.commit()

    def stored(self) -> list[Any]:
        """All rows of the tables that the shim may write to, as it has left them."""
        every = " UNION ALL ".join(
            f"SELECT * FROM {t}" for t in ("kept", "flat", "plain")
        )
        return sorted(rows(self.shim.unwrap(), every), key=repr)


@pytest.fixture(scope="module")
def made(mysql_shared_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(mysql_shared_url, stack)


@pytest.fixture
def place(made: Place) -> Iterator[Place]:
    for connection in (made.shim, made.raw):
        rows(connection, "SET sql_mode = 'STRICT_ALL_TABLES'")
    with kysera_dbapi.context(tenant_id=7):
        yield made
    made.shim.rollback()
    made.raw.rollback()


def outcome(connection: Any, sql: str) -> Any:
    """How many rows a write changed, or the number of its error."""
    try:
        with connection.cursor() as cursor:
            return "done", cursor.execute(sql)
    except pymysql.Error as error:
        return "failed", error.args[0]


#: The rows come in the order of their key: the first two are changed, the third fails.
FAILING = (
    "DELETE FROM {} WHERE status = 0 OR status = 1",
    "UPDATE {} SET status = 'set' WHERE status < 5",
    "DELETE t FROM {} t JOIN plain p USING (id) WHERE t.status < 5",
)


@pytest.mark.parametrize("sql", FAILING)
def test_a_write_that_fails_amid_changes_nothing(place: Place, sql: str) -> None:
    before = place.stored()
    found = outcome(place.shim, sql.format("kept"))
    assert found == ("failed", 1292)
    assert place.stored() == before
    if "UPDATE" in sql or not place.mariadb:  # which only warns of a DELETE
        assert outcome(place.raw, sql.format("copied")) == found
    rows(place.shim, "UPDATE kept SET status = 'later' WHERE id = 1")
    assert rows(place.shim, "SELECT count(*) FROM kept WHERE status = 'later'") == [
        (1,)
    ]


@pytest.mark.parametrize("sql", FAILING)
def test_where_the_mode_is_not_strict_it_does_what_it_does_on_a_copy(
    place: Place, sql: str
) -> None:
    hidden = [row for row in place.stored() if row[1] == 8]
    for connection in (place.shim, place.raw):
        rows(connection, "SET sql_mode = ''")
    expected = outcome(place.raw, sql.format("copied"))
    assert outcome(place.shim, sql.format("kept")) == expected
    assert [row for row in place.stored() if row[1] == 8] == hidden
    seen = "SELECT id, status FROM {} ORDER BY id"
    left = rows(place.raw, seen.format("copied"))
    assert rows(place.shim, seen.format("kept")) == left


@pytest.mark.parametrize(
    "sql",
    [
        *(text.format("flat") for text in FAILING),
        "DELETE FROM flat",
        "DELETE FROM flat WHERE id = 1 LIMIT 1",
        "DELETE f FROM flat AS f JOIN kept k ON k.id = f.id",
        "DELETE k, f FROM flat AS f JOIN kept k ON k.id = f.id",
        "DELETE FROM f USING flat AS f, kept k WHERE k.id = f.id",
        "UPDATE flat f JOIN kept k ON k.id = f.id SET f.status = 'set'",
        "UPDATE flat f, kept k SET k.status = 'set', f.status = 'set'",
        "UPDATE kept k JOIN flat f ON k.id = f.id SET k.status = 'x', f.status = 'x'",
        "INSERT INTO flat (id, status) VALUES (9, 'new'), (1, 'dup')",
        "INSERT INTO flat (id) SELECT id + 10 FROM kept",
        "INSERT INTO flat (id) VALUES (1) ON DUPLICATE KEY UPDATE status = 'dup'",
    ],
)
def test_a_table_without_transactions_is_not_written_to(place: Place, sql: str) -> None:
    before = place.stored()
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="no transactions"):
        rows(place.shim, sql)
    assert place.stored() == before
    found = rows(place.shim, "SELECT id FROM flat ORDER BY id")
    assert found == [(1,), (2,), (3,)]


def test_one_that_is_not_protected_keeps_what_the_server_keeps(place: Place) -> None:
    """As without the shim; what is protected is as it was, also beside it."""
    kept = "SELECT * FROM kept ORDER BY tenant_id, id"
    before = rows(place.shim.unwrap(), kept)
    text = "UPDATE plain SET status = 'half' WHERE id IN (1, 3) AND status < 5"
    assert outcome(place.shim, text) == ("failed", 1292)
    half = rows(place.raw, "SELECT id FROM plain WHERE status = 'half'")
    rows(place.raw, "UPDATE plain SET status = '0' WHERE status = 'half'")
    assert outcome(place.raw, text) == ("failed", 1292)
    assert rows(place.raw, "SELECT id FROM plain WHERE status = 'half'") == half
    rows(place.raw, "UPDATE plain SET status = '0' WHERE status = 'half'")
    assert rows(place.shim.unwrap(), kept) == before
