"""What MySQL and MariaDB tell of a write is what they would tell of the caller's."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

import kysera_dbapi
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

TABLE = """CREATE TABLE {} (
    id int AUTO_INCREMENT PRIMARY KEY,
    tenant_id int NOT NULL DEFAULT 7,
    number int,
    big bigint,
    price decimal(30, 2),
    name varchar(20),
    old varchar(20) CHARACTER SET latin1,
    state enum('new', 'done'),
    part double,
    day date,
    moment datetime(6),
    updated_at datetime(6),
    updated_by int,
    deleted_at datetime(6),
    UNIQUE KEY by_number (tenant_id, number)
) AUTO_INCREMENT = 100"""
OURS = """INSERT INTO {} (id, number, big, price, name, old, state, part, day, moment)
    VALUES (1, 1, 9007199254740993, 1.50, 'one', 'h\u00e9', 'new', 0.5, '2026-01-01',
    '2026-01-01 10:00:00.5'), (2, 2, 2, 10, 'Two', 'x', 'done', 0.25, NULL, NULL),
    (3, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""
HIDDEN = """INSERT INTO things (id, tenant_id, number, name, deleted_at) VALUES
    (11, 8, 1, 'one', NULL), (12, 7, 12, 'one', now()), (13, 8, 13, 'GHOST', NULL)"""
COLUMNS = "id, number, big, price, name, old, state, part, day, moment"
SEEN = (
    f"SELECT {COLUMNS} FROM {{}} WHERE tenant_id = 7 AND deleted_at IS NULL ORDER BY id"
)
STAMPED = "SELECT id FROM things WHERE updated_at IS NOT NULL ORDER BY id"


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    """Things of two tenants, and a copy of those that the caller sees."""
    made = [text.format(t) for t in ("things", "copied") for text in (TABLE, OURS)]
    run(mysql_url, [*made, HIDDEN])
    with closing(pymysql.connect(**arguments(mysql_url))) as connection:
        yield connection


@pytest.fixture(params=[0, CLIENT.FOUND_ROWS])
def flag(request: Any) -> int:
    found: int = request.param
    return found


@pytest.fixture
def pair(mysql_url: str, raw: Any, flag: int) -> Iterator[tuple[Any, Any]]:
    """A connection with plugins, and one without."""
    plugins = [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["things"])),
        SoftDelete(tables=["things"]),
        Timestamps({"things": {"created_at": None, "updated_by": "updated_by"}}),
    ]
    made: Any = kysera_dbapi.connect(mysql_url, plugins=plugins, client_flag=flag)
    options: Any = {**arguments(mysql_url), "client_flag": flag}
    other: Any = pymysql.connect(**options)
    other.autocommit(False)
    with (
        closing(made),
        closing(other),
        kysera_dbapi.context(tenant_id=7, user_id=3),
    ):
        yield made, other


UPDATES: tuple[tuple[str, Any], ...] = (
    ("SET number = number", None),
    ("SET number = 1 WHERE id = 1", None),
    ("SET number = '1' WHERE id = 1", None),
    ("SET number = 1.0e0 WHERE id = 1", None),
    ("SET number = %s WHERE id = %s", (1, 1)),
    ("SET number = %s WHERE id = %s", ("1", 1)),
    ("SET number = %s, name = %s WHERE id = %s", (1, "one", 1)),
    ("SET number = %s, name = %s WHERE id = %s", (1, "ONE", 1)),
    ("SET number = %(n)s, big = %(n)s WHERE number = %(n)s", {"n": 2}),
    ("SET big = 9007199254740993 WHERE id = 1", None),
    ("SET big = '9007199254740992' WHERE id = 1", None),
    ("SET big = '9007199254740993' WHERE id = 1", None),
    ("SET price = 1.5 WHERE id = 1", None),
    ("SET price = '1.5'", None),
    ("SET price = 1.504 WHERE id = 1", None),
    ("SET price = 10 WHERE id = 2", None),
    ("SET price = '12345678901234567890.12' WHERE id = 1", None),
    ("SET price = price + 0", None),
    ("SET name = 'one'", None),
    ("SET name = 'ONE' WHERE id = 1", None),
    ("SET name = 'one ' WHERE id = 1", None),
    ("SET name = upper(name)", None),
    ("SET name = concat(name, '')", None),
    ("SET name = coalesce(name, 'none')", None),
    ("SET name = NULL", None),
    ("SET name = 7, number = NULL WHERE id = 3", None),
    ("SET old = %s WHERE id = 1", ("h\u00e9",)),
    ("SET old = %s WHERE id = 1", ("h\u00c3\u00a9",)),
    ("SET state = 'new'", None),
    ("SET state = 2", None),
    ("SET part = 0.5", None),
    ("SET part = '0.5'", None),
    ("SET day = '2026-01-01'", None),
    ("SET moment = '2026-01-01 10:00:00.5'", None),
    ("SET moment = moment, day = day", None),
    ("SET number = CASE WHEN (id = 1) THEN 50 ELSE number END", None),
    ("SET number = number + 40, big = number", None),
    ("SET number = if(id IN %s, %s, number) WHERE id < 3", ((2, 3), 2)),
    ("SET number = if(id IN (1, 2, 3), number, 5) WHERE id IN (1, 2)", None),
    ("SET number = 50, number = 1 WHERE id = 1", None),
    ("SET number = if(id = 1, 60, number) ORDER BY id LIMIT 2", None),
    ("SET name = 'it''s 100%' WHERE id = 1", None),
    ("t SET t.name = 'one' WHERE t.id IN (1, 2, 11, 12)", None),
    ("SET name = 'x' WHERE id IN (1, 2) ORDER BY id DESC LIMIT 1", None),
    ("SET tenant_id = 7", None),
    ("SET tenant_id = 7, name = 'one'", None),
    ("SET name = 'x' WHERE id > 10", None),
)


def changed(before: list[Any], after: list[Any]) -> list[tuple[int]]:
    return [(new[0],) for old, new in zip(before, after, strict=True) if old != new]


def test_updates(pair: tuple[Any, Any], flag: int) -> None:
    """What is counted is what changes; with FOUND_ROWS, what is found."""
    ours, other = pair
    for text, args in UPDATES:
        with ours.cursor() as cursor, other.cursor() as theirs:
            before = rows(other, SEEN.format("copied"))
            told = cursor.execute(f"UPDATE things {text}", args)
            expected = theirs.execute(f"UPDATE copied {text}", args)
        seen = rows(ours.unwrap(), SEEN.format("things"))
        after = rows(other, SEEN.format("copied"))
        assert (text, seen) == (text, after)
        stamped = rows(ours.unwrap(), STAMPED)
        # SET number = 50, number = 1: a change on the way counts as one
        if "50, number = 1" not in text:
            assert (text, args, told) == (text, args, expected)
            if not flag:
                assert (text, args, stamped) == (text, args, changed(before, after))
        assert (text, len(stamped)) == (text, told)
        ours.rollback()
        other.rollback()


FALL_BACK = (
    "SET number = number + rand() * 0 WHERE id = 1",
    "SET number = (SELECT 1) WHERE id = 1",
    "SET name = DEFAULT WHERE id = 3",
    "SET number = @kysera_none WHERE id = 1",
    "SET moment = updated_at WHERE id = 3",
    "SET number = 0x01 WHERE id = 1",
)


def test_what_cannot_be_told_beforehand_is_stamped(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    for text in FALL_BACK:
        with ours.cursor() as cursor:
            assert (text, cursor.execute(f"UPDATE things {text}")) == (text, 1)
        assert len(rows(ours.unwrap(), STAMPED)) == 1
        ours.rollback()


def test_a_trigger_may_change_what_the_statement_does_not(
    pair: tuple[Any, Any], raw: Any
) -> None:
    body = "ON things FOR EACH ROW SET NEW.name = concat(OLD.name, '!')"
    rows(raw, f"CREATE TRIGGER more BEFORE UPDATE {body}")
    ours, _ = pair
    with ours.cursor() as cursor:
        assert cursor.execute("UPDATE things SET number = 1 WHERE id = 1") == 1
    assert rows(ours.unwrap(), STAMPED) == [(1,)]


UPSERTS = (
    "(number, name) VALUES (1, 'x') {} name = VALUES(name)",
    "(number, name) VALUES (1, 'one') {} name = VALUES(name)",
    "(number, name) VALUES (1, 'ONE') {} name = VALUES(name)",
    "(number, name) VALUES (50, 'x') {} name = VALUES(name)",
    "(number, name) VALUES (1, 'one'), (2, 'new'), (60, 'x') {} name = VALUES(name)",
    "(id, name) VALUES (3, NULL) {} name = VALUES(name), number = number",
    "(number) VALUES (1) {} id = id",
    "SET number = 1 {} big = big + 1",
    "(number, price) VALUES (1, 1.5) {} price = VALUES(price)",
)
INSERTS = (
    "INSERT INTO {} (number, name) VALUES (70, 'a'), (71, 'b')",
    "INSERT INTO {} (number, name) SELECT number + 100, name FROM {}",
    "INSERT INTO {} SET number = 72",
    "DELETE FROM {} WHERE id < 3",
    "DELETE FROM {} WHERE number = 1 OR name = 'one'",
    "DELETE FROM {} ORDER BY id DESC LIMIT 1",
    "DELETE FROM {} WHERE id = 99",
)


def test_inserts_upserts_and_deletes(pair: tuple[Any, Any]) -> None:
    ours, other = pair
    update = "ON DUPLICATE KEY UPDATE"
    upserts = [f"INSERT INTO {{}} {text.format(update)}" for text in UPSERTS]
    for text in (*upserts, *INSERTS):
        with ours.cursor() as cursor, other.cursor() as theirs:
            told = cursor.execute(text.format("things", "things"))
            expected = theirs.execute(text.format("copied", "copied"))
        assert (text, told) == (text, expected)
        found = (
            [one[1:] for one in rows(connection, SEEN.format(table))]
            for connection, table in ((ours.unwrap(), "things"), (other, "copied"))
        )
        first, second = found
        assert (text, first) == (text, second)
        ours.rollback()
        other.rollback()


def test_many(pair: tuple[Any, Any]) -> None:
    ours, other = pair
    text = "UPDATE {} SET name = %s WHERE id = %s"
    given = [("one", 1), ("two", 2), ("x", 3), ("x", 11), ("x", 12)]
    with ours.cursor() as cursor, other.cursor() as theirs:
        told = cursor.executemany(text.format("things"), given)
        assert told == theirs.executemany(text.format("copied"), given)
        told = cursor.executemany(text.format("things"), given)
        assert told == theirs.executemany(text.format("copied"), given)
