"""Programs that never heard of the shim, on MySQL and MariaDB by ``install``.

SQLAlchemy, peewee and Django see of a shop with deleted rows what they see of one in
which those rows do not exist.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

import kysera_dbapi
import tests.compat.django_program
from tests.compat.process import run_script
from tests.compat.shop import PROTECTED, soft_delete
from tests.compat.test_sqlalchemy import Customer, Order
from tests.compat.test_third_party import peewee_session
from tests.databases import RAW, Databases
from tests.dialects.mysql_server import arguments
from tests.servers import Server, connect, parameters, run

peewee: Any = import_module("peewee")

_SCHEMA = (
    """CREATE TABLE customers (
        id int AUTO_INCREMENT PRIMARY KEY, name varchar(30) NOT NULL, city varchar(30),
        deleted_at datetime)""",
    """CREATE TABLE orders (
        id int AUTO_INCREMENT PRIMARY KEY, customer_id int, total int NOT NULL,
        deleted_at datetime, KEY orders_customer (customer_id))""",
    "CREATE TABLE notes (id int PRIMARY KEY, order_id int, body varchar(30))",
    """INSERT INTO customers VALUES
        (1, 'Ada', 'London', NULL), (2, 'Bob', 'Paris', '2024-01-02'),
        (3, 'Cyd', 'Paris', NULL), (4, 'Dan', NULL, '2024-02-03'),
        (5, 'Eve', NULL, NULL)""",
    """INSERT INTO orders VALUES
        (1, 1, 10, NULL), (2, 1, 25, '2024-03-01'), (3, 2, 30, NULL), (4, 3, 45, NULL),
        (5, 3, 50, '2024-03-02'), (6, 4, 60, '2024-02-03'), (7, NULL, 75, NULL),
        (8, 5, 80, NULL), (9, 5, 90, NULL)""",
    "INSERT INTO notes VALUES (1, 1, 'gift'), (2, 2, 'lost'), (3, 4, 'late')",
)

Program = Callable[[str, bool, Path], list[Any]]


@contextmanager
def installed() -> Iterator[None]:
    """Within the block PyMySQL is the shim."""
    with RAW:
        kysera_dbapi.install("pymysql", plugins=[soft_delete()])
        try:
            yield
        finally:
            kysera_dbapi.uninstall("pymysql")


def core(engine: sa.Engine) -> list[Any]:
    """Joins, set operations, DML, savepoints, a table made, reflection."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    orders, customers = metadata.tables["orders"], metadata.tables["customers"]
    o, c = orders.c, customers.c
    outer = customers.outerjoin(orders, c.id == o.customer_id)
    totals = sa.select(o.customer_id, sa.func.sum(o.total).label("sum"))
    per_customer = totals.group_by(o.customer_id).cte("per_customer")
    queries: list[Any] = [
        sa.select(c.name, o.id).select_from(outer).order_by(c.id, o.id),
        sa.select(sa.func.count()).select_from(orders),
        sa.select(c.name).where(c.id.in_(sa.select(o.customer_id))).order_by(c.id),
        sa.select(c.name).where(~sa.exists().where(o.customer_id == c.id)),
        sa.select(per_customer).order_by(per_customer.c.sum),
        sa.union_all(sa.select(c.id), sa.select(o.customer_id)).order_by(sa.text("1")),
        sa.select(o.id, sa.func.rank().over(order_by=o.total.desc())).order_by(o.id),
        sa.select(o.id).where(o.id.in_([1, 2, 3])).order_by(o.id).limit(2).offset(1),
        sa.text("SELECT count(*) FROM orders WHERE total > :t").bindparams(t=20),
    ]
    with engine.begin() as connection:
        seen: list[Any] = [_rows(connection, query) for query in queries]
        up = orders.update().where(o.total > 40).values(total=o.total + 1)
        gone = orders.delete().where(o.total.between(20, 40))
        many = orders.delete().where(o.id == sa.bindparam("key"))
        seen += [
            connection.execute(up).rowcount,
            connection.execute(gone).rowcount,
            connection.execute(many, [{"key": 1}, {"key": 2}]).rowcount,
        ]
    with engine.connect() as connection:
        connection.execute(orders.delete())
        connection.rollback()
        connection.execute(orders.insert().values(id=60, customer_id=3, total=1))
        with connection.begin_nested() as savepoint:
            connection.execute(orders.delete().where(o.id == 60))
            savepoint.rollback()
        with connection.begin_nested():
            connection.execute(orders.delete().where(o.id == 4))
        listed = sa.select(o.id, o.customer_id, o.total).order_by(o.id)
        seen.append(_rows(connection, listed))
        connection.commit()
    inspector = sa.inspect(engine)
    names = sorted(inspector.get_table_names())
    columns = [(c["name"], str(c["type"])) for c in inspector.get_columns("orders")]
    return [*seen, names, columns, inspector.get_indexes("orders")]


def orm(engine: sa.Engine) -> list[Any]:
    """Lazy and eager loading, unit of work, bulk statements and nested blocks."""
    with Session(engine) as session, session.begin():
        eager = sa.select(Customer).options(selectinload(Customer.orders))
        ordered = session.scalars(eager.order_by(Customer.id))
        seen: list[Any] = [
            [(c.name, [o.id for o in c.orders]) for c in ordered],
            session.get(Order, 2) is None,
            session.get_one(Order, 4).customer is not None,
            session.get_one(Order, 3).customer is None,
        ]
        session.delete(session.get_one(Order, 4))
        session.flush()
        session.add(Order(id=70, customer_id=1, total=3))
        session.add_all([Order(id=71, customer_id=3, total=4), Order(total=5)])
        session.get_one(Order, 1).total = 11
        session.flush()
        with session.begin_nested():
            session.delete(session.get_one(Order, 71))
        session.execute(sa.delete(Order).where(Order.total < 4))
    with Session(engine) as session:
        session.execute(sa.update(Order).values(total=Order.total * 2))
        session.rollback()
        rows = session.execute(sa.select(Order.id, Order.total).order_by(Order.id))
        return [*seen, [tuple(row) for row in rows]]


def _rows(connection: sa.Connection, query: Any) -> list[Any]:
    return [tuple(row) for row in connection.execute(query)]


def by_sqlalchemy(session: Callable[[sa.Engine], list[Any]]) -> Program:
    """A program of SQLAlchemy, whose pool connects by itself."""

    def program(url: str, wrapped: bool, _: Path) -> list[Any]:
        place = sa.make_url(url).set(drivername="mysql+pymysql")
        engine = sa.create_engine(place, pool_pre_ping=True)
        with installed() if wrapped else nullcontext():
            try:
                return session(engine)
            finally:
                engine.dispose()

    return program


def by_peewee(url: str, wrapped: bool, _: Path) -> list[Any]:
    """Models, joins, prefetch, deletion and nested transactions."""
    given = {k: v for k, v in arguments(url).items() if k != "autocommit"}
    with installed() if wrapped else nullcontext():
        return peewee_session(peewee.MySQLDatabase(given.pop("database"), **given))


def by_django(url: str, wrapped: bool, folder: Path) -> list[Any]:
    """Django in a process of its own."""
    file = folder / "seen.json"
    script = tests.compat.django_program.__file__
    run_script(script, "install" if wrapped else "raw", url, str(file))
    seen: list[Any] = json.loads(file.read_text())
    return seen


def filtered(url: str) -> None:
    """Have the deleted rows not exist."""
    run(url, [f"DELETE FROM {t} WHERE deleted_at IS NOT NULL" for t in PROTECTED])


def table_rows(url: str, *, deleted: bool) -> list[Any]:
    """What is in the protected tables."""
    with connect(url) as connection, connection.cursor() as cursor:
        found: list[Any] = []
        for table in PROTECTED:
            which = "IS NOT NULL" if deleted else "IS NULL"
            cursor.execute(
                f"SELECT * FROM {table} WHERE deleted_at {which} ORDER BY id"
            )
            found += [(table, *row) for row in cursor.fetchall()]
        return found


PROGRAMS: dict[str, Program] = {
    "core": by_sqlalchemy(core),
    "orm": by_sqlalchemy(orm),
    "peewee": by_peewee,
    "django": by_django,
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("server", parameters("mysql"))
def test_a_program_sees_the_filtered_shop(
    name: str,
    server: Server,
    databases: Callable[[Server], Databases],
    tmp_path: Path,
) -> None:
    of, program = databases(server), PROGRAMS[name]
    with of.one() as full, of.one() as copy, of.one() as raw:
        for url in (full, copy, raw):
            run(url, _SCHEMA)
        filtered(copy)
        unseen = table_rows(full, deleted=True)
        expected = program(copy, False, tmp_path)
        assert program(raw, False, tmp_path) != expected, "it notices nothing"
        assert program(full, True, tmp_path) == expected
        assert table_rows(full, deleted=False) == table_rows(copy, deleted=False)
        now = table_rows(full, deleted=True)
        assert set(unseen) < set(now), "no DELETE became an UPDATE"
