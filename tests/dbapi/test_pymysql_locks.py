"""The rows that a filtered query locks on MySQL and MariaDB: those of the raw one."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

#: Lock wait timeout exceeded; a lock could not be acquired immediately.
WAITED = (1205, 3572)


def connected(url: str, *, barrier: bool = False) -> Any:
    security = tenant_isolation("tenant_id", tables=["orders"])
    plugins = [RowLevelSecurity(security, barrier=barrier), SoftDelete(["orders"])]
    return kysera_dbapi.connect(url, plugins=plugins, autocommit=False)


@pytest.fixture
def other(mysql_url: str) -> Iterator[Any]:
    """Another session, which waits for nobody."""
    made = "id int PRIMARY KEY, tenant_id int, total int, deleted_at datetime"
    run(
        mysql_url,
        [
            f"CREATE TABLE orders ({made})",
            "CREATE TABLE log (id int PRIMARY KEY)",
            "INSERT INTO orders VALUES (1, 7, 10, NULL), (2, 8, 20, NULL)",
            "INSERT INTO log VALUES (1)",
        ],
    )
    with closing(pymysql.connect(**arguments(mysql_url))) as connection:
        rows(connection, "SET SESSION innodb_lock_wait_timeout = 1")
        yield connection


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM orders WHERE id = 1 FOR UPDATE",
        "SELECT o.id FROM orders o JOIN log l ON l.id = o.id FOR UPDATE",
        "SELECT o.id FROM log l LEFT JOIN orders o ON l.id = o.id FOR UPDATE",
        "SELECT id FROM orders WHERE id = 1 LOCK IN SHARE MODE",
        "SELECT id FROM orders WHERE id = 1 FOR UPDATE NOWAIT",
        "SELECT o.id FROM log LEFT JOIN orders o USING (id) FOR UPDATE",
        "SELECT orders.id FROM log NATURAL LEFT JOIN orders LOCK IN SHARE MODE",
        "SELECT o.id FROM orders o RIGHT JOIN log USING (id) FOR UPDATE SKIP LOCKED",
    ],
)
def test_what_is_found_is_locked(mysql_url: str, other: Any, text: str) -> None:
    with closing(connected(mysql_url)) as ours, kysera_dbapi.context(tenant_id=7):
        assert rows(ours, text) == [(1,)]
        with pytest.raises(pymysql.OperationalError) as caught:
            rows(other, "UPDATE orders SET total = 11 WHERE id = 1")
        assert caught.value.args[0] in WAITED
        ours.rollback()
        rows(other, "UPDATE orders SET total = 11 WHERE id = 1")


@pytest.mark.parametrize(
    ("text", "barrier"),
    [
        ("SELECT * FROM log LEFT JOIN orders USING (id) FOR UPDATE", False),
        ("SELECT * FROM log NATURAL LEFT JOIN orders LOCK IN SHARE MODE", False),
        ("SELECT id FROM orders WHERE total > 1 FOR UPDATE", True),
    ],
)
def test_a_lock_that_a_derived_table_would_lose_is_refused(
    mysql_url: str, other: Any, text: str, barrier: bool
) -> None:
    """Neither server locks what a derived table reads."""
    with (
        closing(connected(mysql_url, barrier=barrier)) as ours,
        kysera_dbapi.context(tenant_id=7),
        pytest.raises(kysera_dbapi.UnsupportedStatement, match="losing its lock"),
    ):
        rows(ours, text)
    derived = "SELECT o.id FROM (SELECT * FROM orders) o FOR UPDATE"
    bare: Any = pymysql.connect(**arguments(mysql_url))
    with closing(bare) as raw:
        raw.autocommit(False)
        rows(raw, derived)
        rows(other, "UPDATE orders SET total = 11 WHERE id = 1")
