"""A foreign key to a protected table, made by CREATE TABLE or ALTER TABLE.

Databases check it on all rows, hidden ones too. So it tells which keys there are, as
any foreign key does (docs/guarantees.md); it may tell nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.databases import Databases
from tests.servers import Server, connect, parameters, run

SCHEMA = (
    """CREATE TABLE orders (
        id int PRIMARY KEY, tenant_id int NOT NULL, total int, UNIQUE (total))""",
    "CREATE TABLE items (id int PRIMARY KEY, order_id int, tenant_id int)",
    "CREATE TABLE log (id int PRIMARY KEY, order_id int)",
    "INSERT INTO orders VALUES (1, 7, 10), (2, 7, 20), (3, 8, 9000)",
    "INSERT INTO items VALUES (1, 1, 7), (2, 7777, 8)",
    "INSERT INTO log VALUES (1, 1), (2, 2), (3, NULL)",
)
ADDED = (
    "ALTER TABLE log ADD CONSTRAINT of_order FOREIGN KEY (order_id) "
    "REFERENCES orders (id)",
    "ALTER TABLE log ADD FOREIGN KEY (order_id) REFERENCES orders (id) "
    "ON DELETE CASCADE ON UPDATE CASCADE",
    "ALTER TABLE log ADD COLUMN sold int, ADD CONSTRAINT of_order FOREIGN KEY "
    "(order_id) REFERENCES/**/orders(id) ON DELETE SET NULL",
)


@pytest.fixture(params=[*parameters("postgresql"), *parameters("mysql")])
def url(
    request: pytest.FixtureRequest, databases: Callable[[Server], Databases]
) -> Iterator[str]:
    """A database with rows of two tenants."""
    with databases(request.param).one() as found:
        run(found, SCHEMA)
        yield found


@pytest.fixture
def connected(url: str) -> Iterator[Callable[..., Any]]:
    """A wrapped connection in a mode, as tenant 7."""
    policy = tenant_isolation("tenant_id", tables=["orders", "items"])
    with ExitStack() as stack, kysera_dbapi.context(tenant_id=7):

        def one(mode: Any = "normal") -> Any:
            made = kysera_dbapi.connect(
                url, plugins=[RowLevelSecurity(policy)], mode=mode, autocommit=True
            )
            return stack.enter_context(closing(made))

        yield one


def rows(connection: Any, sql: str) -> list[Any]:
    """The rows of a statement, if it has some."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.parametrize("sql", ADDED)
def test_it_is_added_and_acts(connected: Callable[..., Any], sql: str) -> None:
    connection = connected()
    rows(connection, sql)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        rows(connection, "INSERT INTO log (id, order_id) VALUES (4, 4)")
    rows(connection, "INSERT INTO log (id, order_id) VALUES (4, 2)")
    if "DELETE" not in sql:
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            rows(connection, "DELETE FROM orders")
        return
    rows(connection, "DELETE FROM orders")
    left = {"CASCADE": [(3, None)], "SET": [(i, None) for i in (1, 2, 3, 4)]}
    query = "SELECT id, order_id FROM log ORDER BY id"
    assert rows(connection, query) == left["CASCADE" if "CASCADE" in sql else "SET"]


def test_rows_that_refer_to_none_are_an_error(connected: Callable[..., Any]) -> None:
    connection = connected()
    rows(connection, "INSERT INTO log VALUES (4, 4)")
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        rows(connection, ADDED[0])


def test_it_takes_the_key_of_a_hidden_row(connected: Callable[..., Any]) -> None:
    """The limit: so does one that CREATE TABLE makes."""
    connection = connected()
    rows(connection, "INSERT INTO log VALUES (4, 3)")
    rows(connection, ADDED[0])
    rows(
        connection,
        "CREATE TABLE probe (v int, FOREIGN KEY (v) REFERENCES orders (id))",
    )
    rows(connection, "INSERT INTO probe VALUES (3)")


REFUSED = (
    # the rows that refer would be hidden ones, too: 7777 in the error of PostgreSQL
    "ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders (id)",
    "ALTER TABLE items ADD CONSTRAINT c FOREIGN KEY (order_id) REFERENCES log (id)",
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE log ADD CONSTRAINT orders FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE log ADD FOREIGN KEY (id) REFERENCES orders (id), RENAME TO items",
    "ALTER TABLE log ADD FOREIGN KEY (id) REFERENCES orders (id), DROP COLUMN id",
    "ALTER TABLE log DROP COLUMN id, ADD FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE log ADD UNIQUE (id), ADD FOREIGN KEY (id) REFERENCES orders (id)",
    "ALTER TABLE log ADD FOREIGN KEY (id) REFERENCES orders (id), items",
    "ALTER TABLE log ADD CONSTRAINT c CHECK (orders), ADD FOREIGN KEY (id) "
    "REFERENCES orders (id)",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_it_opens_no_other_door(
    connected: Callable[..., Any], sql: str, url: str
) -> None:
    for mode in ("normal", "strict"):
        with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
            rows(connected(mode), sql)
        assert caught.value.code == "protected-ddl"
    with connect(url) as raw:
        assert rows(raw, "SELECT id, order_id FROM log ORDER BY id")[0] == (1, 1)


COPYING = (
    ADDED[1],
    "ALTER TABLE log ADD j int REFERENCES orders (id) ON UPDATE  CASCADE",
    "CREATE TABLE probe (v int, FOREIGN KEY (v) REFERENCES orders (total) "
    "ON UPDATE/* */CASCADE)",
)


@pytest.mark.parametrize("sql", COPYING)
def test_strict_mode_lets_no_new_key_be_copied(
    connected: Callable[..., Any], sql: str
) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="ON UPDATE CASCADE"):
        rows(connected("strict"), sql)
    rows(connected("strict"), sql.replace("orders", "log").replace("total", "id"))


def test_what_strict_mode_refuses_shows_a_new_key(
    connected: Callable[..., Any], url: str
) -> None:
    """Why: the attack, in normal mode."""
    connection = connected()
    rows(connection, COPYING[-1])
    rows(connection, "INSERT INTO probe VALUES (9000)")
    run(url, ["UPDATE orders SET total = 4321 WHERE id = 3"])
    assert rows(connection, "SELECT * FROM probe") == [(4321,)]
