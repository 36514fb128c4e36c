"""Rows that are written on MySQL and MariaDB stay within their policies."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import Policy, RowLevelSecurity, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

ITEMS = """CREATE TABLE {} (
    id int AUTO_INCREMENT PRIMARY KEY,
    tenant_id int NOT NULL,
    note int DEFAULT 5,
    body varchar(30),
    UNIQUE KEY by_note (tenant_id, note)
) AUTO_INCREMENT = 100"""
OURS = "INSERT INTO {} VALUES (1, 7, 1, 'one'), (2, 7, 2, 'two')"
THEIRS = "INSERT INTO items VALUES (3, 8, 1, 'GHOST'), (4, 8, 4, 'GHOST')"

Connect = Callable[..., Any]


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    """Items of two tenants, and a copy of those of one."""
    made = [
        text.format(table) for table in ("items", "copied") for text in (ITEMS, OURS)
    ]
    log = ["CREATE TABLE log (id int, line varchar(9))"]
    log.append("INSERT INTO log VALUES (1, 'a'), (2, 'b')")
    run(mysql_url, [*made, THEIRS, *log])
    with closing(pymysql.connect(**arguments(mysql_url))) as connection:
        yield connection


@pytest.fixture
def connect(mysql_url: str, raw: Any) -> Iterator[Connect]:
    made: list[Any] = []

    def connected(*policies: Policy, **options: Any) -> Any:
        own = policies or tenant_isolation("tenant_id", tables=["items"])
        plugins = [RowLevelSecurity(own)]
        one = kysera_dbapi.connect(
            mysql_url, plugins=plugins, autocommit=True, **options
        )
        made.append(one)
        return one

    with kysera_dbapi.context(tenant_id=7):
        yield connected
    for one in made:
        one.close()


def done(connection: Any, text: str, args: Any = None) -> Any:
    """What is told of a write, or the number of its error."""
    with connection.cursor() as cursor:
        try:
            return cursor.execute(text, args), cursor.lastrowid
        except pymysql.Error as error:
            return error.args[0]


def stored(raw: Any, table: str) -> list[Any]:
    return rows(raw, f"SELECT * FROM {table} WHERE tenant_id <> 8 ORDER BY id")


ALLOWED = (
    "INSERT INTO {} (tenant_id, body) VALUES (7, 'x')",
    "INSERT INTO {} (note, tenant_id) VALUES (8, 7), (9, 7)",
    "INSERT INTO {} (note, tenant_id) VALUES (8, 6 + 1)",
    "INSERT INTO {} (note, tenant_id) VALUES (8, '7')",
    "INSERT INTO {} VALUES (50, 7, 50, 'b')",
    "INSERT INTO {} (tenant_id, note) SELECT 7, id + 10 FROM log",
    "INSERT INTO {} (tenant_id, note) SELECT 7 AS t, id + 10 FROM log ORDER BY t, id",
    "INSERT INTO {} (tenant_id, note) SELECT 7 t, id + 10 FROM log HAVING t = 7",
    "INSERT INTO {} (note, tenant_id) SELECT 20, 7 UNION SELECT 21, 7 FROM log",
    "INSERT INTO {0} (tenant_id, note) SELECT DISTINCT tenant_id, 9 FROM {0}",
    "INSERT INTO {0} (note, tenant_id) SELECT max(note) + 1, tenant_id FROM {0} "
    "GROUP BY tenant_id",
    "INSERT INTO {} (tenant_id, note) VALUES (NULL, 1)",
    "UPDATE {} SET tenant_id = 7",
    "UPDATE {} SET tenant_id = '7', body = 'x'",
    "UPDATE {} SET tenant_id = note + 6, body = tenant_id WHERE note = 1",
    "UPDATE {} SET tenant_id = 8, tenant_id = 7, note = note + 20",
    "UPDATE {} AS i SET i.tenant_id = 7, body = 'x' ORDER BY id DESC LIMIT 1",
    "UPDATE {} SET tenant_id = 8 WHERE id > 2",
    "UPDATE {} SET tenant_id = NULL",
    "UPDATE {} SET id = id + 100, note = id",
    "UPDATE {} SET body = note, note = note + 10 ORDER BY id DESC LIMIT 1",
)


@pytest.mark.parametrize("text", ALLOWED)
def test_rows_of_the_caller_are_written_as_on_a_copy(
    connect: Connect, raw: Any, text: str
) -> None:
    told = done(connect(), text.format("items"))
    expected = done(raw, text.format("copied"))
    if "NULL, 1" not in text:
        assert told == expected
    assert stored(raw, "items") == stored(raw, "copied")
    assert rows(raw, "SELECT id, note, body FROM items WHERE tenant_id = 8") == [
        (3, 1, "GHOST"),
        (4, 4, "GHOST"),
    ]


VIOLATIONS = (
    "INSERT INTO items (tenant_id, body) VALUES (8, 'x')",
    "INSERT INTO items (body, tenant_id) VALUES ('x', 8)",
    "INSERT INTO items (note, tenant_id) VALUES (8, 7), (9, 8), (10, 7)",
    "INSERT INTO items (note, tenant_id) VALUES (8, '7a')",
    "INSERT INTO items (note, tenant_id) VALUES (8, 7.4)",
    "INSERT INTO items (note, tenant_id) VALUES (8, NULL)",
    "INSERT INTO items VALUES (50, 8, 50, 'b')",
    "INSERT INTO items (tenant_id, note) SELECT id + 6, 9 FROM log",
    "INSERT INTO items (note, tenant_id) SELECT 20, 7 UNION SELECT 21, 8 FROM log",
    "INSERT INTO items (note, tenant_id) VALUES (8, (SELECT max(id) + 6 FROM log))",
    "UPDATE items SET tenant_id = 8",
    "UPDATE items SET tenant_id = id + 6",
    "UPDATE items SET tenant_id = 7, tenant_id = 8",
    "UPDATE items SET note = 8, tenant_id = note",
    "UPDATE IGNORE items SET tenant_id = 8, note = note + 10",
    "UPDATE items AS i SET i.tenant_id = 8 ORDER BY id LIMIT 1",
    "UPDATE items SET tenant_id = '8a'",
)


@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES"])
@pytest.mark.parametrize("text", VIOLATIONS)
def test_a_violation_is_an_error_within_the_statement(
    connect: Connect, raw: Any, text: str, mode: str
) -> None:
    """What does not fit a column is cut, in a mode that is not strict."""
    connection = connect()
    rows(connection, f"SET sql_mode = '{mode}'")
    before = rows(raw, "SELECT * FROM items ORDER BY id")
    if mode and text == VIOLATIONS[-1]:
        with pytest.raises(pymysql.Error):
            rows(connection, text)
    elif "UPDATE IGNORE" in text:  # it may be skipped because of a hidden row
        with pytest.raises(kysera_dbapi.Error):
            rows(connection, text)
    else:
        with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
            rows(connection, text)
        assert (caught.value.table, caught.value.policy) == (
            "items",
            "policy 'items tenant'",
        )
    assert rows(raw, "SELECT * FROM items ORDER BY id") == before


@pytest.mark.parametrize("call", ["json_arrayagg(id)", "max(id)"])
def test_the_tenant_beside_an_aggregate(connect: Connect, raw: Any, call: str) -> None:
    """It may be NULL where no rows are put together."""
    before = rows(raw, "SELECT * FROM items ORDER BY id")
    for condition in ("id < 0", "true"):
        text = "INSERT INTO items (tenant_id, body) SELECT 7, {} FROM log WHERE {}"
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="aggregate"):
            rows(connect(), text.format(call, condition))
    assert rows(raw, "SELECT * FROM items ORDER BY id") == before


def test_placeholders(connect: Connect, raw: Any) -> None:
    connection = connect()
    text = "INSERT INTO items (note, tenant_id) VALUES (%s, %s)"
    assert done(connection, text, (10, 7)) == (1, 100)
    named = "INSERT INTO items (tenant_id, note) VALUES (%(t)s, %(n)s)"
    assert done(connection, named, {"t": 7, "n": 11}) == (1, 101)
    with connection.cursor() as cursor:
        assert cursor.executemany(text, [(12, 7), (13, 7)]) == 2
        for wrong in (8, "7a", None, True):
            with pytest.raises(kysera_dbapi.PolicyViolation):
                cursor.execute(text, (14, wrong))
        update = "UPDATE items SET tenant_id = %s WHERE id = %s"
        assert cursor.execute(update, (7, 1)) == 0
        with pytest.raises(kysera_dbapi.PolicyViolation):
            cursor.execute(update, (8, 1))
    text = "SELECT note FROM items WHERE id > 99 ORDER BY id"
    assert rows(raw, text) == [(10,), (11,), (12,), (13,)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("INSERT {} SET NEW.tenant_id = 8", "INSERT INTO items (body) VALUES ('x')"),
        (
            "INSERT {} SET NEW.Tenant_ID = 8",
            "INSERT INTO items (tenant_id) VALUES (7)",
        ),
        ("UPDATE {} SET NEW.`tenant_id` = 8", "UPDATE items SET body = 'x'"),
    ],
)
def test_a_trigger_that_may_move_a_row_is_refused(
    connect: Connect, raw: Any, body: str, text: str
) -> None:
    made = body.format("ON items FOR EACH ROW")
    rows(raw, f"CREATE TRIGGER moves BEFORE {made}")
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="trigger moves"):
        rows(connect(), text)
    assert rows(raw, "SELECT count(*) FROM items WHERE tenant_id = 8") == [(2,)]


def test_other_triggers_are_not(connect: Connect, raw: Any) -> None:
    text = (
        "CREATE TRIGGER at_{0} BEFORE {0} ON items FOR EACH ROW SET NEW.body = 'made'"
    )
    for event in ("INSERT", "UPDATE"):
        rows(raw, text.format(event))
    connection = connect()
    assert done(connection, "INSERT INTO items (note) VALUES (8)") == (1, 100)
    assert done(connection, "UPDATE items SET tenant_id = 7 WHERE id = 1") == (1, 0)
    assert rows(raw, "SELECT body FROM items WHERE id IN (1, 100)") == [("made",)] * 2


def test_any_policy_is_checked_in_an_update(connect: Connect, raw: Any) -> None:
    owned = Policy("items", using="tenant_id = :tenant_id AND note < 10")
    listed = Policy(
        "items", using="note IN (SELECT id FROM log)", restrictive=True, name="listed"
    )
    connection = connect(owned)
    text = "UPDATE items SET note = note + 2, body = 'x' ORDER BY id DESC"
    assert done(connection, text) == (2, 0)
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(connection, "UPDATE items SET note = note + 8")
    assert done(connection, "UPDATE items SET note = note - 2 ORDER BY id") == (2, 0)
    connection = connect(owned, listed)
    assert done(connection, "UPDATE items SET note = note WHERE id = 1") == (0, 0)
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(connection, "UPDATE items SET note = note + 2")
    assert stored(raw, "items")[0][2] == 1


@pytest.mark.parametrize(
    "where",
    [
        "id IN (SELECT id FROM log)",
        "EXISTS (SELECT 1 FROM log WHERE log.id = items.id)",
        "note <= (SELECT max(id) FROM log)",
        "note IN (SELECT id FROM log) AND id IN (SELECT id FROM log)",
    ],
)
def test_sub_queries_do_not_spoil_the_order_of_assignments(
    connect: Connect, raw: Any, where: str
) -> None:
    """MySQL would make a join of them, and assign what it computed beforehand."""
    connection = connect()
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(connection, f"UPDATE items SET tenant_id = tenant_id + 1 WHERE {where}")
    text = f"UPDATE items SET tenant_id = 7, note = note + 20 WHERE {where}"
    assert done(connection, text) == (2, 0)
    assert rows(raw, "SELECT note FROM items ORDER BY id") == [(21,), (22,), (1,), (4,)]


def test_what_the_server_computes_is_not_checked_beforehand(
    connect: Connect, raw: Any
) -> None:
    rows(raw, "ALTER TABLE items ADD double_note int AS (note * 2) VIRTUAL")
    connection = connect(Policy("items", using="double_note < 10"))
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="computes"):
        rows(connection, "UPDATE items SET note = 20")
    assert done(connection, "UPDATE items SET body = 'x'") == (4, 0)


def test_assignments_that_see_the_old_row_are_not_checked(
    connect: Connect, raw: Any
) -> None:
    if "MariaDB" not in raw.get_server_info():
        return  # it has no such mode
    connection = connect()
    rows(connection, "SET sql_mode = 'SIMULTANEOUS_ASSIGNMENT'")
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(connection, "UPDATE items SET tenant_id = 8, body = 'x'")
    assert done(connection, "UPDATE items SET body = 'x'") == (2, 0)
