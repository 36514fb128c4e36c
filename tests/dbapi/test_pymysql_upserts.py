"""Rows that writes meet by a unique key, on MySQL and MariaDB."""

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

COLUMNS = """(
    id int AUTO_INCREMENT PRIMARY KEY,
    tenant_id int NOT NULL,
    slug varchar(9),
    body varchar(9),
    number int UNIQUE,
    updated_at datetime(6),
    deleted_at datetime(6),
    UNIQUE KEY by_slug (tenant_id, slug)
) AUTO_INCREMENT = 100"""
FILL = "INSERT INTO {} (id, tenant_id, slug, body, number) VALUES "
OURS = "(1, 7, 'a', 'one', 11), (2, 7, 'b', 'two', 12)"
SHOWN = "SELECT id, tenant_id, slug, body, number FROM {} WHERE {} ORDER BY id"


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    """Pages of two tenants, one of them deleted, and a copy of what the caller sees."""
    made = [f"CREATE TABLE {table} {COLUMNS}" for table in ("pages", "copied")]
    made += [FILL.format(table) + OURS for table in ("pages", "copied")]
    made.append(FILL.format("pages") + "(3, 8, 'a', 'GHOST', 13), (4, 7, 'c', 'x', 14)")
    run(mysql_url, [*made, "UPDATE pages SET deleted_at = now() WHERE id = 4"])
    with closing(pymysql.connect(**arguments(mysql_url))) as connection:
        yield connection


@pytest.fixture(params=[0, CLIENT.FOUND_ROWS])
def pair(mysql_url: str, raw: Any, request: Any) -> Iterator[tuple[Any, Any]]:
    """A connection with plugins, and one without."""
    plugins = [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["pages"])),
        SoftDelete(tables=["pages"]),
    ]
    flag = request.param
    options: Any = {"client_flag": flag, "autocommit": True}
    ours = kysera_dbapi.connect(mysql_url, plugins=plugins, **options)
    other = pymysql.connect(**arguments(mysql_url), client_flag=flag)
    with closing(ours), closing(other), kysera_dbapi.context(tenant_id=7):
        yield ours, other


def told(connection: Any, text: str, args: Any = None) -> Any:
    with connection.cursor() as cursor:
        return cursor.execute(text, args), cursor.lastrowid


@pytest.mark.parametrize(
    "text",
    [
        "(slug, tenant_id) VALUES ('a', 7) ON DUPLICATE KEY UPDATE body = 'dup'",
        "(slug, tenant_id) VALUES ('new', 7) ON DUPLICATE KEY UPDATE body = 'dup'",
        "(id, tenant_id, body) VALUES (1, 7, 'x') ON DUPLICATE KEY UPDATE "
        "body = VALUES(body), number = number + 20",
        "(id, tenant_id, body) VALUES (9, 7, 'x'), (1, 7, 'y'), (2, 7, 'two') "
        "ON DUPLICATE KEY UPDATE body = VALUES(body)",
        "(id, tenant_id, body) VALUES (1, 7, 'one') "
        "ON DUPLICATE KEY UPDATE body = 'one'",
        "(id, tenant_id) VALUES (1, 7) ON DUPLICATE KEY UPDATE id = id",
        "(number, tenant_id) VALUES (12, 7) ON DUPLICATE KEY UPDATE "
        "id = LAST_INSERT_ID(id), number = number + 20, body = number",
        "SET id = 1, tenant_id = 7, body = 'x' ON DUPLICATE KEY UPDATE body = 'set'",
        "SET pages.tenant_id = 7, pages.slug = concat('s', 1)",
        "SET slug = 'z', tenant_id = 6 + 1",
    ],
)
def test_rows_of_the_caller(pair: tuple[Any, Any], raw: Any, text: str) -> None:
    ours, other = pair
    expected = told(other, f"INSERT INTO copied {text.replace('pages.', 'copied.')}")
    assert told(ours, f"INSERT INTO pages {text}") == expected
    seen = SHOWN.format("pages", "tenant_id = 7 AND deleted_at IS NULL")
    assert rows(raw, seen) == rows(raw, SHOWN.format("copied", 1))
    assert rows(raw, SHOWN.format("pages", "id = 3"))[0][3] == "GHOST"


@pytest.mark.parametrize("options", ["", "LOW_PRIORITY "])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("(id, body) VALUES (3, 'x') {} body = 'x'", "PolicyViolation"),
        ("(id, body) VALUES (9, 'x'), (3, 'x') {} body = 'x'", "PolicyViolation"),
        ("(number) VALUES (13) {} number = 99", "PolicyViolation"),
        ("SET id = 3, body = 'x' {} body = 'x'", "PolicyViolation"),
        ("(id, tenant_id) VALUES (1, 8) {} body = 'x'", "PolicyViolation"),
        ("(id, tenant_id) VALUES (9, 8) {} body = 'x'", "PolicyViolation"),
        ("SET tenant_id = 8", "PolicyViolation"),
        ("(slug) VALUES ('c') {} body = 'x'", "TombstoneConflict"),
        ("(id, body) VALUES (4, 'x') {} body = 'x'", "TombstoneConflict"),
        ("(id) VALUES (1) {} tenant_id = 8", "UnsupportedStatement"),
        ("(id) VALUES (1) {} body = 'x', tenant_id = 7", "UnsupportedStatement"),
        ("(id) VALUES (1) {} deleted_at = now()", "UnsupportedStatement"),
        ("(id) SELECT 3 {} body = 'x'", "UnsupportedStatement"),
    ],
)
def test_rows_that_are_hidden(
    pair: tuple[Any, Any], raw: Any, text: str, error: str, options: str
) -> None:
    ours, _ = pair
    clause = "ON DUPLICATE KEY UPDATE"
    for mode in ("", "STRICT_ALL_TABLES"):
        rows(ours, f"SET sql_mode = '{mode}'")
        before = rows(raw, "SELECT * FROM pages ORDER BY id")
        with pytest.raises(getattr(kysera_dbapi, error)):
            rows(ours, f"INSERT {options}INTO pages {text.format(clause)}")
        assert rows(raw, "SELECT * FROM pages ORDER BY id") == before


@pytest.mark.parametrize(
    "text",
    [
        "INSERT IGNORE INTO pages (id, body) VALUES (3, 'x')",
        "INSERT IGNORE INTO pages (id, body) VALUES (3, 'x') "
        "ON DUPLICATE KEY UPDATE body = 'x'",
        "REPLACE INTO pages (id, body) VALUES (3, 'x')",
        "REPLACE INTO pages SET slug = 'c'",
        "UPDATE IGNORE pages SET number = 13 WHERE id = 1",
    ],
)
def test_what_would_skip_or_remove_hidden_rows_is_refused(
    pair: tuple[Any, Any], raw: Any, text: str
) -> None:
    before = rows(raw, "SELECT * FROM pages ORDER BY id")
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(pair[0], text)
    assert rows(raw, "SELECT * FROM pages ORDER BY id") == before


def test_rows_that_are_met_are_stamped(mysql_url: str, raw: Any) -> None:
    plugins = [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["pages"])),
        Timestamps(tables=["pages"], created_at=None),
    ]
    made = kysera_dbapi.connect(mysql_url, plugins=plugins, autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        for start, body in ("(slug) VALUES ('a')", "new"), ("SET slug = 'a'", "newer"):
            rows(raw, "UPDATE pages SET updated_at = NULL")
            text = f"INSERT INTO pages {start} ON DUPLICATE KEY UPDATE body = '{body}'"
            assert told(made, text)[0] == 2
            stamped = "SELECT id, body FROM pages WHERE updated_at IS NOT NULL"
            assert rows(raw, stamped) == [(1, body)]


@pytest.mark.parametrize("chosen", ["body", "data", "bytes", "body data bytes"])
def test_a_text_is_the_one_proposed(mysql_url: str, chosen: str) -> None:
    """To set it to itself would write over what VALUES() gives, on MariaDB."""
    columns = "(id int PRIMARY KEY, tenant_id int, body text, data json, bytes blob)"
    run(mysql_url, [f"CREATE TABLE texts {columns}"])
    security = RowLevelSecurity(tenant_isolation("tenant_id", tables=["texts"]))
    sets = ", ".join(f"{name} = VALUES({name})" for name in chosen.split())
    into = "INSERT INTO texts VALUES (1, 7, {0}, {0}, {0})"
    text = into.format("'\"ghost\"'") + f" ON DUPLICATE KEY UPDATE {sets}"
    found: list[Any] = []
    for plugins in ([], [security]):
        run(mysql_url, ["DELETE FROM texts", into.format("'7'")])
        ours = kysera_dbapi.connect(mysql_url, plugins=plugins, autocommit=True)
        with closing(ours), kysera_dbapi.context(tenant_id=7):
            rows(ours, text)
            found.append(rows(ours, "SELECT * FROM texts"))
    assert found[0] == found[1]
    assert "ghost" in str(found)


#: Each with the rows that it is given: what the plugins compare stands after them.
MANY: tuple[tuple[str, list[Any]], ...] = (
    (
        "INSERT INTO {} (id, tenant_id, body) VALUES (%s, %s, %s) "
        "ON DUPLICATE KEY UPDATE body = 'new'",
        [(1, 7, "x"), (40, 7, "100%"), (41, 7, "%s")],
    ),
    (
        "INSERT INTO {} (id, tenant_id, body) VALUES (%(id)s, %(tenant)s, %(body)s) "
        "ON DUPLICATE KEY UPDATE body = VALUES(body), number = 5 %% 3",
        [{"id": n, "tenant": 7, "body": "x'y"} for n in (2, 40)],
    ),
    (
        "INSERT INTO {} (id, tenant_id) VALUES (%s, %s) "
        "ON DUPLICATE KEY UPDATE body = VALUES(body)",
        [(n, 7) for n in range(40, 60)],
    ),
)


@pytest.mark.parametrize(("text", "given"), MANY)
def test_an_upsert_of_many_rows(
    pair: tuple[Any, Any], raw: Any, text: str, given: list[Any]
) -> None:
    """It is one statement, and no value of ours is left out."""
    ours, other = pair
    with ours.cursor() as cursor, other.cursor() as theirs:
        told = cursor.executemany(text.format("pages"), iter(given))
        # PyMySQL 1.2.0 sends what stands after the rows as it is
        plain = text.format("copied").replace("%%", "MOD")
        assert told == theirs.executemany(plain, given)
    visible = "tenant_id = 7 AND deleted_at IS NULL"
    shown = rows(raw, SHOWN.format("pages", visible))
    assert shown == rows(raw, SHOWN.format("copied", "1"))
    assert rows(raw, SHOWN.format("pages", "id = 3")) == [(3, 8, "a", "GHOST", 13)]


def test_an_upsert_of_many_rows_changes_no_hidden_one(
    pair: tuple[Any, Any], raw: Any
) -> None:
    before = rows(raw, "SELECT * FROM pages")
    text = MANY[0][0].format("pages")
    with pair[0].cursor() as cursor, pytest.raises(kysera_dbapi.PolicyViolation):
        cursor.executemany(text, [(40, 7, "x"), (3, 7, "x")])
    assert rows(raw, "SELECT * FROM pages") == before  # not the first, either


def test_values_of_the_callers_own_after_the_rows(pair: tuple[Any, Any]) -> None:
    """The driver takes none: they are sent row by row."""
    text = (
        "INSERT INTO pages (id, tenant_id, body) VALUES (%s, %s, %s) "
        "ON DUPLICATE KEY UPDATE body = %s"
    )
    with pair[0].cursor() as cursor:
        cursor.executemany(text, [(1, 7, "", "a"), (2, 7, "", "b"), (40, 7, "c", "")])
    found = rows(pair[0], "SELECT id, body FROM pages ORDER BY id")
    assert found == [(1, "a"), (2, "b"), (40, "c")]
