"""Programs that never heard of the shim: sqlite-utils, pandas and peewee."""

import json
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from tests.compat.shop import RAW, Driver, check, create

pandas: Any = import_module("pandas")
peewee: Any = import_module("peewee")
sqlite_utils: Any = import_module("sqlite_utils")
command_line: Any = import_module("sqlite_utils.cli").cli

JOIN = (
    "SELECT c.name, count(o.id) AS orders, sum(o.total) AS total FROM customers AS c "
    "LEFT JOIN orders AS o ON o.customer_id = c.id GROUP BY c.id ORDER BY c.name"
)


def sqlite_utils_reads_and_writes(driver: Driver, path: Path) -> list[Any]:
    """Its Python API: rows, look-ups, writes, a new table, full-text search."""
    with closing(driver.connect(path)) as connection:
        shop = sqlite_utils.Database(connection)
        customers, orders, notes = shop["customers"], shop["orders"], shop["notes"]
        seen: list[Any] = [
            list(customers.rows),
            customers.count,
            customers.columns_dict,
            list(orders.rows_where("total > :least", {"least": 20}, order_by="id")),
            list(orders.pks_and_rows_where("customer_id = ?", [3])),
            list(shop.query(JOIN)),
            shop.execute("SELECT max(total) FROM orders").fetchone(),
            _or_error(lambda: orders.get(2)),
            orders.get(4),
            orders.count_where("total > ?", [40]),
        ]
        orders.delete(1)
        orders.delete_where("total BETWEEN ? AND ?", [74, 85])
        orders.update(4, {"total": 46})
        orders.insert_all({"id": i, "customer_id": 1, "total": i} for i in (20, 21))
        with shop.conn:
            shop.execute("UPDATE orders SET total = total + 1 WHERE total < 50")
        seen += [list(orders.rows), orders.count, list(shop.query(JOIN))]
        notes.insert({"id": 5, "order_id": 20, "body": "late again"})
        notes.upsert({"id": 1, "body": "present"}, pk="id")
        notes.transform(rename={"body": "text"}, drop={"order_id"})
        notes.enable_fts(["text"], create_triggers=True)
        seen += [list(notes.search("late", order_by="id")), shop.table_names()]
        seen += [notes.schema, shop.view_names()]
    return seen


def sqlite_utils_commands(_: Driver, path: Path) -> list[Any]:
    """Its command line; each command opens the file by itself."""
    commands = [
        ["tables", "--counts"],
        ["rows", "orders", "--fmt", "github"],
        ["query", "SELECT * FROM orders WHERE total > :t", "-p", "t", "40"],
        ["query", JOIN, "--csv"],
        ["query", "DELETE FROM orders WHERE id IN (2, 4)"],
        ["query", "SELECT count(*) FROM orders", "--raw"],
        ["insert", "orders", "-", "--pk", "id"],
        ["bulk", "UPDATE orders SET total = :t WHERE id = :id", "-"],
        ["rows", "orders", "--where", "total < 90", "-c", "id", "-c", "total"],
        ["analyze-tables", "orders", "-c", "total"],
        ["convert", "notes", "body", "value and value.upper()"],
        ["create-index", "notes", "order_id"],
        ["enable-fts", "notes", "body"],
        ["search", "notes", "late"],
        ["schema"],
        ["indexes", "notes"],
    ]
    stdin = {
        "insert": '[{"id": 30, "customer_id": 3, "total": 5}]',
        "bulk": '[{"id": 30, "t": 6}, {"id": 5, "t": 7}]',
    }
    return [_command(path, words, stdin.get(words[0])) for words in commands]


def sqlite_utils_dumps(_: Driver, path: Path) -> list[Any]:
    """``dump`` is ``iterdump``: it holds what the caller may see."""
    _command(path, ["query", "DELETE FROM orders WHERE id = 1"], None)
    return [_command(path, ["dump"], None)]


def pandas_frames(driver: Driver, path: Path) -> list[Any]:
    """``read_sql`` and ``to_sql``, whole and in chunks."""
    with closing(driver.connect(path)) as connection:
        query = "SELECT * FROM orders WHERE total > ? ORDER BY id"
        seen = [
            _frame(pandas.read_sql(JOIN, connection)),
            _frame(pandas.read_sql(query, connection, params=(20,), index_col="id")),
            [
                _frame(f)
                for f in pandas.read_sql(
                    query, connection, None, True, (0,), chunksize=2
                )
            ],
        ]
        new = pandas.DataFrame({"id": [40, 41], "customer_id": [1, 3], "total": [1, 2]})
        new.to_sql("orders", connection, if_exists="append", index=False)
        new.to_sql("staging", connection, index=False, chunksize=1)
        new.to_sql("staging", connection, if_exists="replace", index=False)
        connection.execute("DELETE FROM orders WHERE id IN (SELECT id FROM staging)")
        connection.execute("DELETE FROM orders WHERE id < 4")
        connection.commit()
        return [*seen, _frame(pandas.read_sql("SELECT * FROM orders", connection))]


def peewee_models(driver: Driver, path: Path) -> list[Any]:
    """Models, joins, prefetch, deletion and nested transactions."""
    with patch.object(peewee, "sqlite3", driver.module):
        return peewee_session(peewee.SqliteDatabase(str(path), **driver.options))


def peewee_session(database: Any) -> list[Any]:
    customer, order = _peewee_models(database)
    with database.connection_context():
        joined = (
            customer.select(customer.name, peewee.fn.COUNT(order.id).alias("n"))
            .join(order, peewee.JOIN.LEFT_OUTER)
            .group_by(customer.id)
            .order_by(customer.name)
        )
        seen: list[Any] = [
            list(joined.tuples()),
            [
                (c.name, [o.id for o in c.orders])
                for c in customer.select().prefetch(order)
            ],
            order.select().where(order.total > 40).count(),
            order.get_or_none(order.id == 5) is None,
            customer.select().where(customer.city.is_null()).exists(),
        ]
        order.get_by_id(4).delete_instance()
        seen.append(order.delete().where(order.total.between(70, 82)).execute())
        seen.append(order.update(total=order.total + 1).execute())
        order.insert_many([{"id": 50, "customer": 1, "total": 4}]).execute()
        order.create(id=51, customer=3, total=5)
        with database.atomic():
            with database.atomic() as inner:
                order.delete().where(order.id == 50).execute()
                inner.rollback()
            order.delete().where(order.id == 51).execute()
        seen.append(list(order.select().order_by(order.id).tuples()))
    return seen


@pytest.mark.parametrize(
    "program", [sqlite_utils_reads_and_writes, pandas_frames, peewee_models]
)
def test_a_program_sees_the_filtered_shop(
    program: Any, shim: Driver, tmp_path: Path
) -> None:
    check(program, shim, tmp_path)


@pytest.mark.parametrize("program", [sqlite_utils_commands, sqlite_utils_dumps])
def test_a_program_that_connects_by_itself_sees_the_filtered_shop(
    program: Any, shim_installed: Driver, tmp_path: Path
) -> None:
    check(program, shim_installed, tmp_path)


def test_a_command_cannot_drop_a_protected_table(
    shim_installed: Driver, tmp_path: Path
) -> None:
    path = create(tmp_path, "shop", filtered=False)
    with shim_installed.installed():
        result = CliRunner().invoke(command_line, ["drop-table", str(path), "orders"])
    assert "bypass" in f"{result.output} {result.exception}"
    with closing(RAW.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (9,)


def test_a_frame_cannot_replace_a_protected_table(shim: Driver, tmp_path: Path) -> None:
    path = create(tmp_path, "shop", filtered=False)
    frame = pandas.DataFrame({"id": [1]})
    with (
        shim.installed(),
        closing(shim.connect(path)) as connection,
        pytest.raises(Exception, match="bypass"),
    ):
        frame.to_sql("orders", connection, if_exists="replace", index=False)
    with closing(RAW.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (9,)


def _or_error(call: Any) -> Any:
    try:
        return call()
    except sqlite_utils.db.NotFoundError as error:
        return type(error).__name__


def _command(path: Path, words: list[str], stdin: str | None) -> Any:
    first, *rest = words
    result = CliRunner().invoke(command_line, [first, str(path), *rest], input=stdin)
    return result.exit_code, result.output.replace(path.name, "shop.db")


def _frame(frame: Any) -> Any:
    return json.loads(frame.to_json(orient="split"))


def _peewee_models(database: Any) -> tuple[Any, Any]:
    class Customer(peewee.Model):  # type: ignore[misc]
        """A row of customers."""

        id = peewee.AutoField()
        name = peewee.TextField()
        city = peewee.TextField(null=True)

        class Meta:
            table_name = "customers"

    class Order(peewee.Model):  # type: ignore[misc]
        """A row of orders."""

        id = peewee.AutoField()
        customer = peewee.ForeignKeyField(Customer, backref="orders", null=True)
        total = peewee.IntegerField()

        class Meta:
            table_name = "orders"

    database.bind([Customer, Order])
    return Customer, Order
