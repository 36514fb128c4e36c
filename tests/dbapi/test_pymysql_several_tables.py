"""UPDATE and DELETE of several tables on MySQL and MariaDB: hidden rows stay."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

import kysera_dbapi
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

TABLES = (
    "CREATE TABLE {}shops (id int PRIMARY KEY, tenant_id int NOT NULL, name varchar(20)"
    ", total int, updated_at datetime(6), deleted_at datetime(6))",
    "CREATE TABLE {}orders (id int PRIMARY KEY, tenant_id int NOT NULL, shop_id int, "
    "price int, updated_at datetime(6), deleted_at datetime(6))",
    "CREATE TABLE {}items (id int PRIMARY KEY, order_id int, amount int, shop_id int)",
)
OURS = (
    "INSERT INTO {}shops (id, tenant_id, name, total) VALUES "
    "(1, 7, 'one', 10), (2, 7, 'two', 20), (3, 7, 'none', 30)",
    "INSERT INTO {}orders (id, tenant_id, shop_id, price) VALUES "
    "(1, 7, 1, 5), (2, 7, 1, 6), (3, 7, 2, 7), (4, 7, NULL, 8)",
    "INSERT INTO {}items VALUES (1, 1, 1, 1), (2, 2, 2, 1), (3, 3, 3, 2), (4, 9, 4, 9)",
)
#: Rows of another tenant and deleted ones, each of which would match.
HIDDEN = (
    "INSERT INTO shops VALUES (11, 8, 'one', 10, NULL, NULL), "
    "(12, 7, 'two', 20, NULL, now()), (9, 8, 'nine', 1, NULL, NULL)",
    "INSERT INTO orders VALUES (11, 8, 1, 5, NULL, NULL), (12, 7, 1, 6, NULL, now()), "
    "(13, 7, 12, 5, NULL, NULL), (9, 8, 2, 5, NULL, NULL), (14, 7, 3, 1, NULL, now())",
)
#: They are seen, but what they refer to is not.
SEEN = ("INSERT INTO {}orders VALUES (13, 7, 12, 5, NULL, NULL)",)
COLUMNS = {
    "shops": "id, tenant_id, name, total",
    "orders": "id, tenant_id, shop_id, price",
    "items": "id, order_id, amount, shop_id",
}


@pytest.fixture
def copy(mysql_url: str) -> Iterator[str]:
    """The name of a database that holds no hidden rows."""
    name = mysql_url.rpartition("/")[2].partition("?")[0] + "_copy"
    run(mysql_url, [f"CREATE DATABASE {name}"])
    yield name
    run(mysql_url, [f"DROP DATABASE {name}"])


@pytest.fixture
def raw(mysql_url: str, copy: str) -> Iterator[Any]:
    ours = [text.format("") for text in (*TABLES, *OURS)]
    run(mysql_url, [*ours, *HIDDEN])
    run(mysql_url, [text.format(f"{copy}.") for text in (*TABLES, *OURS, *SEEN)])
    with closing(pymysql.connect(**arguments(mysql_url))) as connection:
        yield connection


Connect = Callable[..., Any]


def plugins() -> list[kysera_dbapi.Plugin]:
    return [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["shops", "orders"])),
        SoftDelete(tables=["shops", "orders"]),
        Timestamps({"shops": {"created_at": None}, "orders": {"created_at": None}}),
    ]


@pytest.fixture
def connect(mysql_url: str, raw: Any) -> Iterator[Connect]:
    made: list[Any] = []

    def connected(*own: kysera_dbapi.Plugin, **options: Any) -> Any:
        one = kysera_dbapi.connect(
            mysql_url, plugins=own or plugins(), autocommit=True, **options
        )
        made.append(one)
        return one

    with kysera_dbapi.context(tenant_id=7):
        yield connected
    for one in made:
        one.close()


def visible(raw: Any) -> dict[str, list[Any]]:
    """What a caller of tenant 7 sees."""
    live = {"items": "1 = 1"}
    where = "tenant_id = 7 AND deleted_at IS NULL"
    return {
        table: rows(
            raw,
            f"SELECT {columns} FROM {table} WHERE {live.get(table, where)} ORDER BY id",
        )
        for table, columns in COLUMNS.items()
    }


def hidden(raw: Any) -> list[Any]:
    return [
        rows(
            raw,
            f"SELECT * FROM {table} WHERE tenant_id <> 7 OR id IN (12, 14) ORDER BY id",
        )
        for table in ("shops", "orders")
    ]


WRITES = (
    # of one table, by what others say
    "UPDATE shops JOIN orders ON orders.shop_id = shops.id SET shops.total = 99",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.total = s.total + o.price "
    "WHERE o.price IN (5, 7)",
    "UPDATE shops AS s, orders AS o SET s.name = 'x' WHERE s.id = o.shop_id",
    "UPDATE shops, orders SET name = 'x', price = 3 WHERE shops.id = shop_id",
    "UPDATE orders JOIN items ON items.order_id = orders.id SET amount = 0",
    "UPDATE orders o RIGHT JOIN items l ON l.order_id = o.id SET l.amount = "
    "coalesce(o.price, -1), o.price = 100",
    "UPDATE items l LEFT JOIN orders o ON l.order_id = o.id SET l.amount = "
    "coalesce(o.price, -1), o.price = 100",
    "UPDATE items l LEFT JOIN shops s ON l.shop_id = s.id SET l.amount = -1 "
    "WHERE s.id IS NULL",
    "UPDATE orders o LEFT JOIN shops s ON s.id = o.shop_id AND s.total < 15 "
    "SET o.price = 0 WHERE s.id IS NULL OR s.name = 'one'",
    "UPDATE orders o LEFT JOIN (items l JOIN shops s ON s.id = l.shop_id) "
    "ON l.order_id = o.id SET o.price = 0 WHERE s.id IS NULL",
    # joined by names
    "DELETE o FROM items l LEFT JOIN orders o USING (id)",
    "DELETE l FROM items l LEFT JOIN orders o USING (id) WHERE o.id IS NULL",
    "DELETE FROM o, s USING orders o RIGHT JOIN items l USING (id) LEFT JOIN shops s "
    "USING (id)",
    "UPDATE orders o RIGHT JOIN items l USING (id) SET o.price = 0, l.amount = 5",
    "UPDATE items l NATURAL LEFT JOIN (SELECT 1 AS k) AS x LEFT JOIN (orders o) "
    "USING (id) SET o.price = 0, l.amount = -1",
    "UPDATE items l LEFT JOIN orders o USING (id) LEFT JOIN shops s USING (id) "
    "SET s.name = 'x', o.price = coalesce(s.total, 3)",
    "UPDATE (SELECT 5 AS price) AS k NATURAL LEFT JOIN orders SET orders.shop_id = 4",
    "UPDATE items NATURAL LEFT JOIN (SELECT 1 AS k) AS x NATURAL LEFT JOIN orders "
    "SET items.amount = -1",
    "UPDATE items NATURAL LEFT JOIN orders SET items.amount = orders.price",
    # in parentheses
    "DELETE o FROM (orders o JOIN shops s ON s.id = o.shop_id) WHERE s.id = 2",
    "UPDATE (shops s JOIN orders o ON s.id = o.shop_id) SET s.total = 1",
    "UPDATE ((shops s JOIN (orders o))) SET s.total = 1, o.price = 0 "
    "WHERE s.id = o.shop_id",
    "UPDATE (shops) SET total = 1",
    "UPDATE (shops), orders SET total = 1 WHERE shops.id = shop_id",
    "UPDATE shops s, (orders o) SET s.total = 1 WHERE s.id = o.shop_id",
    "UPDATE shops s CROSS JOIN (orders o JOIN items l ON l.id = o.id) SET s.total = 1",
    "UPDATE (SELECT 5 AS price) AS k NATURAL JOIN orders SET orders.shop_id = 4",
    "UPDATE (shops s JOIN orders o ON s.id = o.shop_id) NATURAL JOIN (SELECT 5 AS "
    "price) AS k SET o.price = 1",
    "DELETE s FROM shops s, (orders o) WHERE s.id = o.shop_id",
    "DELETE s, o FROM (shops s), (orders o JOIN items l ON l.id = o.id) "
    "WHERE s.id = o.shop_id",
    "DELETE FROM o USING (SELECT 5 AS price) AS k NATURAL JOIN orders o",
    "UPDATE shops JOIN (SELECT shop_id, sum(price) AS p FROM orders GROUP BY shop_id) "
    "AS k ON k.shop_id = shops.id SET total = p",
    "UPDATE shops s, (SELECT max(id) AS id FROM shops) k SET s.total = 0 "
    "WHERE s.id = k.id",
    "UPDATE (SELECT shop_id FROM orders) AS k JOIN shops s ON s.id = k.shop_id "
    "SET s.total = 0",
    "UPDATE shops s JOIN orders o USING (id) SET s.total = o.price",
    "UPDATE shops s NATURAL JOIN items SET s.total = 1",
    "UPDATE orders a JOIN orders b ON a.shop_id = b.shop_id SET a.price = -1 "
    "WHERE b.price > a.price",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id JOIN items l ON l.order_id = o.id"
    " SET s.total = 1, o.price = 2, l.amount = 3 WHERE l.id > 1",
    "UPDATE shops s, orders o JOIN items l ON l.order_id = o.id SET s.total = 1 "
    "WHERE s.id = o.shop_id OR s.id = 3",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.total = 5 "
    "WHERE EXISTS (SELECT 1 FROM items WHERE order_id = o.id AND amount > 1)",
    "UPDATE {db}.shops JOIN {db}.orders ON {db}.orders.shop_id = {db}.shops.id "
    "SET {db}.shops.total = 4",
    "UPDATE `shops` s JOIN `orders` o ON o.shop_id = s.id SET `s`.`total` = o.price "
    "WHERE o.id IN (1, 3)",
    "UPDATE shops CROSS JOIN orders SET shops.name = 'y' WHERE orders.id = 4",
    "UPDATE LOW_PRIORITY shops FORCE INDEX (PRIMARY) JOIN orders "
    "ON orders.shop_id = shops.id SET shops.total = 99",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.total = 99 WHERE 0",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id OR s.id = 3 SET s.total = 9 "
    "WHERE o.id = 1 OR o.id = 4",
    # deletes of one table
    "DELETE shops FROM shops WHERE id = 1",
    "DELETE shops FROM shops",
    "DELETE FROM shops USING shops WHERE shops.id IN (1, 11, 12)",
    "DELETE s FROM shops AS s WHERE s.total > 10",
    "DELETE shops.* FROM shops WHERE id = 1",
    "DELETE {db}.shops FROM shops WHERE id = 1",
    "DELETE {db}.shops.* FROM {db}.shops WHERE id = 1",
    "DELETE items FROM items WHERE id = 1",
    "DELETE o FROM orders o JOIN shops s ON s.id = o.shop_id",
    "DELETE o FROM orders o JOIN shops s ON s.id = o.shop_id WHERE s.name = 'one'",
    "DELETE FROM o USING shops s JOIN orders o ON o.shop_id = s.id WHERE s.id = 1",
    "DELETE FROM s USING shops s, orders o WHERE o.shop_id = s.id AND o.price = 5",
    "DELETE o FROM orders o LEFT JOIN shops s ON s.id = o.shop_id WHERE s.id IS NULL",
    "DELETE s FROM orders o RIGHT JOIN shops s ON s.id = o.shop_id WHERE o.id IS NULL",
    "DELETE l FROM items l LEFT JOIN orders o ON o.id = l.order_id WHERE o.id IS NULL",
    "DELETE l FROM items l JOIN orders o ON o.id = l.order_id WHERE o.price > 5",
    "DELETE a FROM orders a JOIN orders b ON a.shop_id = b.shop_id AND a.id > b.id",
    "DELETE o FROM orders o JOIN (SELECT max(id) AS id FROM orders) k ON k.id = o.id",
    "DELETE orders FROM orders WHERE shop_id IN (SELECT id FROM shops)",
    "DELETE QUICK o FROM orders o JOIN shops s USING (id)",
    "DELETE s FROM shops s, orders o WHERE s.id = 2",
    "DELETE o FROM orders o LEFT JOIN shops s ON s.id = o.shop_id",
    # deletes of several
    "DELETE shops, orders FROM shops JOIN orders ON orders.shop_id = shops.id",
    "DELETE s, o FROM shops s JOIN orders o ON o.shop_id = s.id WHERE s.id = 1",
    "DELETE FROM o, s USING orders o JOIN shops s ON o.shop_id = s.id WHERE o.id > 2",
    "DELETE FROM o.*, s.* USING orders o JOIN shops s ON o.shop_id = s.id",
    "DELETE {db}.shops, orders FROM shops, {db}.orders WHERE shops.id = shop_id",
    "DELETE s, o FROM shops s LEFT JOIN orders o ON o.shop_id = s.id",
    "DELETE s, o FROM shops s LEFT JOIN orders o ON o.shop_id = s.id "
    "WHERE o.id IS NULL",
    "DELETE o, s FROM orders o LEFT JOIN shops s ON o.shop_id = s.id",
    "DELETE s, o FROM shops s JOIN orders o JOIN items l ON l.shop_id = s.id "
    "AND l.order_id = o.id",
)


@pytest.mark.parametrize("flag", [0, CLIENT.FOUND_ROWS])
def test_what_is_seen_is_written_as_if_there_were_nothing_else(
    connect: Connect, raw: Any, mysql_url: str, copy: str, flag: int
) -> None:
    database = raw.db.decode()
    own = connect(*(plugins() if flag else plugins()[:2]), client_flag=flag)
    options: Any = {**arguments(mysql_url), "database": copy, "client_flag": flag}
    with closing(pymysql.connect(**options)) as other:
        for text in WRITES:
            before = hidden(raw)
            for one in (own, other):
                one.begin()
            with own.cursor() as cursor:
                told = cursor.execute(text.replace("{db}", database))
            with other.cursor() as cursor:
                expected = cursor.execute(text.replace("{db}", copy))
            done = own.unwrap()
            assert (text, visible(done)) == (text, visible(other))
            assert (text, told) == (text, expected)
            assert (text, hidden(done)) == (text, before)
            assert rows(done, "SELECT count(*) FROM shops") == [(6,)]
            assert rows(done, "SELECT count(*) FROM orders") == [(9,)]
            for one in (own, other):
                one.rollback()


def test_placeholders_and_many(connect: Connect, raw: Any) -> None:
    text = (
        "UPDATE shops s JOIN orders o ON o.shop_id = s.id AND o.price > %s "
        "SET s.total = %s WHERE s.name = %s"
    )
    with connect().cursor() as cursor:
        assert cursor.execute(text, (5, 50, "one")) == 1
        assert cursor.executemany(text, [(5, 51, "one"), (5, 52, "two")]) == 2
        assert cursor.execute("DELETE s FROM shops s WHERE s.id = %s", (1,)) == 1
        named = "DELETE s, o FROM shops s JOIN orders o ON o.shop_id = s.id "
        named += "WHERE s.id = %(id)s AND o.id <> %(id)s"
        assert cursor.execute(named, {"id": 2}) == 2
    found = rows(raw, "SELECT id, total, deleted_at IS NULL FROM shops WHERE id < 4")
    assert sorted(found) == [(1, 51, 0), (2, 52, 0), (3, 30, 1)]


def test_each_written_table_is_stamped_and_no_other(connect: Connect, raw: Any) -> None:
    """A column of the caller's for the one is none for the other."""
    stamped = (
        "SELECT (SELECT group_concat(id ORDER BY id) FROM shops WHERE "
        "updated_at IS NOT NULL), (SELECT group_concat(id ORDER BY id) FROM orders "
        "WHERE updated_at IS NOT NULL)"
    )
    join = "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET "
    connection = connect()
    rows(connection, f"{join} s.total = 1 WHERE s.id = 1")
    assert rows(raw, stamped) == [("1", None)]
    rows(connection, f"{join} price = 1 WHERE s.id = 2")
    assert rows(raw, stamped) == [("1", "3")]
    rows(connection, f"{join} s.updated_at = NULL, o.price = 1 WHERE s.id = 1")
    assert rows(raw, stamped) == [(None, "1,2,3")]
    rows(connection, "UPDATE shops, items SET amount = 5 WHERE shops.id = shop_id")
    assert rows(raw, stamped) == [(None, "1,2,3")]


def test_marks_and_stamps_of_a_deletion(connect: Connect, raw: Any) -> None:
    stamps = Timestamps({"shops": {"created_at": None}}, stamp_deletes=True)
    text = "DELETE s, o FROM shops s JOIN orders o ON o.shop_id = s.id WHERE s.id = 1"
    with connect(*plugins()[:2], stamps).cursor() as cursor:
        assert cursor.execute(text) == 3
    text = (
        "SELECT id FROM shops WHERE updated_at IS NOT NULL AND deleted_at IS NOT NULL"
    )
    assert rows(raw, text) == [(1,)]
    text = "SELECT count(*), count(DISTINCT deleted_at) FROM orders WHERE id IN (1, 2)"
    assert rows(raw, text) == [(2, 1)]
    assert rows(raw, "SELECT count(updated_at) FROM orders") == [(0,)]


REFUSED = (
    # what would have to be checked as it is stored
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.tenant_id = 8",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.total = 1, o.tenant_id = 7",
    "UPDATE items l JOIN orders o ON l.order_id = o.id SET amount = 1, tenant_id = 8",
    # deletions that are none
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.deleted_at = NULL",
    "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET o.deleted_at = now()",
    # soft and hard
    "DELETE o, l FROM orders o JOIN items l ON l.order_id = o.id",
    "DELETE FROM l, o USING orders o JOIN items l ON l.order_id = o.id",
    # one row twice
    "DELETE a, b FROM orders a JOIN orders b ON a.shop_id = b.shop_id",
    # whose?
    "UPDATE shops JOIN orders ON shop_id = shops.id SET updated_at = NULL",
    "UPDATE shops JOIN orders ON shop_id = shops.id SET none_such = NULL",
    "UPDATE shops JOIN orders ON shop_id = shops.id SET x.total = NULL",
    "UPDATE shops JOIN (SELECT * FROM items) AS k USING (id) SET total = 1",
    "UPDATE shops JOIN (SELECT id AS n FROM items) AS k SET k.n = 1",
    "DELETE shops FROM shops AS s WHERE s.id = 1",
    "DELETE items FROM shops WHERE id = 1",
    "DELETE other.shops FROM shops WHERE id = 1",
    "DELETE {db}.s FROM shops AS s WHERE s.id = 1",
    "DELETE s FROM shops s, orders s WHERE s.id = 1",
    "DELETE k FROM (SELECT * FROM shops) AS k WHERE k.id = 1",
    # of a single table alone
    "DELETE shops FROM shops ORDER BY id LIMIT 1",
    "DELETE shops FROM shops LIMIT 1",
    "DELETE shops FROM shops WHERE id = 1 RETURNING id",
    "UPDATE IGNORE shops s JOIN orders o ON o.shop_id = s.id SET s.id = s.id + 100",
)


def test_what_is_refused_changes_nothing(connect: Connect, raw: Any) -> None:
    before = visible(raw), hidden(raw)
    connection = connect()
    for text in REFUSED:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, text.replace("{db}", raw.db.decode()))
    assert (visible(raw), hidden(raw)) == before


def test_a_common_table_expression_is_no_target(connect: Connect, raw: Any) -> None:
    """One that is called as a protected table stands for it, as the server has it."""
    connection = connect()
    if "MariaDB" in raw.get_server_info():
        return  # it has no WITH there
    text = (
        "WITH shops AS (SELECT 11 AS id UNION SELECT 1) "
        "UPDATE shops JOIN orders o ON o.shop_id = shops.id SET o.price = 50"
    )
    with connection.cursor() as cursor:
        assert cursor.execute(text) == 2
    found = rows(raw, "SELECT id FROM orders WHERE price = 50 ORDER BY id")
    assert found == [(1,), (2,)]
    for text in (
        "WITH c AS (SELECT 1 AS id) UPDATE c JOIN shops s ON s.id = c.id SET c.id = 2",
        "WITH shops AS (SELECT * FROM shops) DELETE shops FROM shops, orders",
        "WITH c AS (SELECT 1 AS id) DELETE c, shops FROM c JOIN shops USING (id)",
    ):
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, text)


def test_declared_children_of_one_table(connect: Connect, raw: Any) -> None:
    """``DELETE t FROM t`` is a DELETE as any; of several tables it is refused."""
    rows(raw, "DELETE FROM orders WHERE shop_id NOT IN (SELECT id FROM shops)")
    rows(raw, "ALTER TABLE orders ADD FOREIGN KEY (shop_id) REFERENCES shops (id)")
    own = SoftDelete(["shops", "orders"], foreign_keys={"orders.shop_id": "cascade"})
    with connect(own).cursor() as cursor:
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="children"):
            cursor.execute("DELETE s FROM shops s JOIN orders o ON o.shop_id = s.id")
        assert cursor.execute("DELETE s FROM shops AS s WHERE s.id = 1") == 1
        assert cursor.execute("DELETE FROM shops USING shops WHERE id = 2") == 1
    text = "SELECT id FROM orders WHERE shop_id < 3 AND deleted_at IS NULL"
    assert rows(raw, text) == []


def test_other_policies(connect: Connect, raw: Any) -> None:
    """What a policy does not speak of can be set; of one that reads, nothing can."""
    cheap = Policy("orders", using="price < 7", name="cheap")
    alike = Policy(
        "orders",
        using="shop_id IN (SELECT s.id FROM shops s WHERE s.total < 15)",
        restrictive=True,
        name="alike",
    )
    join = "UPDATE items l JOIN orders o ON o.id = l.order_id SET "
    with connect(RowLevelSecurity(cheap)).cursor() as cursor:
        assert cursor.execute(f"{join} l.amount = 50, o.tenant_id = 9") == 6
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="checked"):
            cursor.execute(f"{join} o.price = 1")
    with connect(RowLevelSecurity(cheap, alike)).cursor() as cursor:
        assert cursor.execute(f"{join} l.amount = 51") == 2
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="checked"):
            cursor.execute(f"{join} l.amount = 52, o.tenant_id = 9")
    text = "SELECT order_id, amount FROM items ORDER BY 1"
    assert rows(raw, text) == [(1, 51), (2, 51), (3, 3), (9, 50)]


def test_a_barrier(connect: Connect, raw: Any) -> None:
    """The conditions of a join would meet hidden rows."""
    policies = tenant_isolation("tenant_id", tables=["shops", "orders"])
    with connect(RowLevelSecurity(policies, barrier=True)).cursor() as cursor:
        text = "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET s.total = 1"
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="barrier"):
            cursor.execute(text)
        assert cursor.execute("DELETE s FROM shops s WHERE s.id = 1") == 1
        text = "UPDATE items l JOIN orders o ON o.id = l.order_id SET l.amount = 77"
        assert cursor.execute(text) == 3


def test_triggers(connect: Connect, raw: Any) -> None:
    body = "UPDATE ON orders FOR EACH ROW SET NEW.tenant_id = 8"
    rows(raw, f"CREATE TRIGGER moves BEFORE {body}")
    join = "UPDATE shops s JOIN orders o ON o.shop_id = s.id SET "
    connection = connect()
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(connection, f"{join} o.price = 1")
    rows(connection, f"{join} s.total = 1")
    assert rows(raw, "SELECT count(*) FROM shops WHERE total = 1") == [(3,)]
