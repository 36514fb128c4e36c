"""Statements with companions on MySQL: all of them, or nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import sleep
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

SCHEMA = (
    "CREATE TABLE shops (id int PRIMARY KEY, deleted_at datetime(6))",
    "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, shop_id int, "
    "deleted_at datetime(6), FOREIGN KEY (shop_id) REFERENCES shops (id))",
    "INSERT INTO shops VALUES (1, NULL), (2, NULL)",
    "INSERT INTO orders VALUES (1, 1, NULL), (2, 1, NULL), (3, 2, NULL)",
)
LIVE = "SELECT count(*) FROM {} WHERE deleted_at IS NULL"


def plugin() -> SoftDelete:
    return SoftDelete(
        tables=["shops", "orders"], foreign_keys={"orders.shop_id": "cascade"}
    )


@pytest.fixture
def raw(mysql_url: str) -> Iterator[Any]:
    run(mysql_url, SCHEMA)
    with closing(pymysql.connect(**arguments(mysql_url))) as made:
        yield made


def live(raw: Any) -> list[int]:
    return [rows(raw, LIVE.format(name))[0][0] for name in ("shops", "orders")]


@pytest.mark.parametrize("autocommit", [True, False])
def test_children_are_deleted_with_their_parents(
    raw: Any, mysql_url: str, autocommit: bool
) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=[plugin()], autocommit=autocommit)
    with closing(made), made.cursor() as cursor:
        cursor.execute("INSERT INTO orders (shop_id) VALUES (2)")
        assert cursor.execute("DELETE FROM shops WHERE id = %s", (1,)) == 1
        assert (cursor.rowcount, cursor.description) == (1, None)
        assert live(raw) == ([1, 2] if autocommit else [2, 3])
        made.commit()
        assert live(raw) == [1, 2]
        assert rows(made, "SELECT LAST_INSERT_ID()") == [(4,)]
        assert cursor.executemany("DELETE FROM shops WHERE id = %s", [(1,), (2,)]) == 1
        made.rollback()
        assert live(raw) == ([0, 0] if autocommit else [1, 2])


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_failure_undoes_what_went_before(
    raw: Any, mysql_url: str, autocommit: bool
) -> None:
    rows(
        raw,
        "CREATE TRIGGER no BEFORE UPDATE ON shops FOR EACH ROW "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
    )
    made = kysera_dbapi.connect(mysql_url, plugins=[plugin()], autocommit=autocommit)
    with closing(made):
        if not autocommit:
            rows(made, "INSERT INTO orders (shop_id) VALUES (2)")
        with pytest.raises(pymysql.err.OperationalError, match="no"):
            rows(made, "DELETE FROM shops WHERE id = 1")
        made.commit()
    assert live(raw) == [2, 3 + (not autocommit)]


def test_a_savepoint_of_the_caller_is_kept(raw: Any, mysql_url: str) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=[plugin()], autocommit=True)
    with closing(made):
        made.begin()
        rows(made, "SAVEPOINT mine")
        rows(made, "DELETE FROM shops WHERE id = 1")
        rows(made, "ROLLBACK TO mine")
        rows(made, "DELETE FROM shops WHERE id = 2")
        made.commit()
    assert live(raw) == [1, 2]


def test_a_deadlock_is_told_as_such(raw: Any, mysql_url: str) -> None:
    """It has undone the whole transaction: there is no savepoint to go back to."""
    made = kysera_dbapi.connect(mysql_url, plugins=[plugin()], autocommit=True)
    with closing(made):
        rows(made, "SET innodb_lock_wait_timeout = 1")
        raw.begin()
        rows(raw, "SELECT * FROM shops WHERE id = 1 FOR UPDATE")
        with pytest.raises(pymysql.err.OperationalError) as caught:
            rows(made, "DELETE FROM shops WHERE id = 1")
        assert caught.value.args[0] == 1205
        raw.rollback()
        assert rows(made, "SELECT count(*) FROM orders") == [(3,)]
        made.unwrap()._force_close()
        with pytest.raises(pymysql.err.InterfaceError):
            rows(made, "DELETE FROM shops WHERE id = 1")


def test_a_deadlock_undoes_everything(raw: Any, mysql_url: str) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=[plugin()], autocommit=True)
    rows(raw, "CREATE TABLE ballast AS SELECT 1 AS n FROM shops, orders")
    with closing(made), ThreadPoolExecutor(1) as other:
        made.begin()
        rows(made, "DELETE FROM orders WHERE id = 3")
        raw.begin()
        rows(raw, "UPDATE ballast SET n = n + 1")  # the smaller one is given up
        rows(raw, "SELECT * FROM shops WHERE id = 1 FOR UPDATE")
        waiting = other.submit(
            rows, raw, "SELECT * FROM orders WHERE id = 3 FOR UPDATE"
        )
        sleep(0.3)
        with pytest.raises(pymysql.err.OperationalError) as caught:
            rows(made, "DELETE FROM shops WHERE id = 1")
        assert caught.value.args[0] == 1213
        assert len(waiting.result()) == 1
        raw.rollback()
        made.commit()
    assert live(raw) == [2, 3]


def test_revived_rows_are_refused(raw: Any, mysql_url: str) -> None:
    plugins = [SoftDelete(["orders"], revive=True)]
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.connect(mysql_url, plugins=plugins)
    assert "revive=True is not offered here" in str(caught.value)


def test_children_are_in_an_engine_that_undoes(raw: Any, mysql_url: str) -> None:
    """The servers keep no foreign key of another one, so that none is declared."""
    rows(raw, "DROP TABLE orders")
    rows(raw, SCHEMA[1] + " ENGINE = MyISAM")
    with pytest.raises(kysera_dbapi.ConfigurationError, match="no foreign key"):
        kysera_dbapi.connect(mysql_url, plugins=[plugin()])
    rows(raw, "DROP TABLE orders")
    rows(raw, SCHEMA[1])
    for unchecked in (0, 1):
        rows(raw, f"SET foreign_key_checks = {1 - unchecked}")
        with pytest.raises(pymysql.Error):
            rows(raw, "ALTER TABLE orders ENGINE = MyISAM")
