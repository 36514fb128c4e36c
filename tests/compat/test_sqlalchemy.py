"""SQLAlchemy Core and ORM over the shim, by ``module=`` and by ``creator=``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.pool import NullPool

from tests.compat.shop import Driver, Program, check

EngineOf: TypeAlias = Callable[[Driver, Path], sa.Engine]


class Base(DeclarativeBase):
    """The shop's mapped tables."""


class Customer(Base):
    """A row of customers."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str | None]
    orders: Mapped[list["Order"]] = relationship(
        back_populates="customer", order_by="Order.id"
    )


class Order(Base):
    """A row of orders."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customers.id"))
    total: Mapped[int]
    customer: Mapped[Customer | None] = relationship(back_populates="orders")


def by_module(driver: Driver, path: Path) -> sa.Engine:
    """SQLAlchemy calls the module's ``connect``."""
    return sa.create_engine(
        f"sqlite:///{path}",
        module=driver.module,
        connect_args=driver.options,
        poolclass=NullPool,
    )


def by_creator(driver: Driver, path: Path) -> sa.Engine:
    """SQLAlchemy calls a function of ours."""
    return sa.create_engine(
        "sqlite://", creator=lambda: driver.connect(path), poolclass=NullPool
    )


def core(engine: sa.Engine) -> list[Any]:
    """Tables made and reflected, joins, set operations, DML and savepoints."""
    metadata = sa.MetaData()
    reviews = sa.Table(
        "reviews",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column[int]("order_id", sa.ForeignKey("orders.id")),
        sa.Column("stars", sa.Integer, sa.CheckConstraint("stars < 6")),
    )
    metadata.reflect(engine)
    metadata.create_all(engine)
    orders, customers = metadata.tables["orders"], metadata.tables["customers"]
    with engine.begin() as connection:
        seen = _core_reads(connection, customers, orders)
        stars = [{"id": i, "order_id": i, "stars": i} for i in (1, 2, 4, 5)]
        connection.execute(reviews.insert(), stars)
        seen.append(_core_writes(connection, orders, reviews))
    with engine.connect() as connection:
        connection.execute(orders.delete())
        connection.rollback()
        seen.append(_rows(connection, sa.select(orders)))
        seen.append(_core_savepoints(connection, orders))
        connection.commit()
    return [*seen, *_reflection(engine)]


def _core_reads(
    connection: sa.Connection, customers: sa.Table, orders: sa.Table
) -> list[Any]:
    o, c = orders.c, customers.c
    outer = customers.outerjoin(orders, c.id == o.customer_id)
    totals = sa.select(o.customer_id, sa.func.sum(o.total).label("sum"))
    per_customer = totals.group_by(o.customer_id).cte("per_customer")
    rank = sa.func.rank().over(order_by=o.total.desc())
    queries: list[Any] = [
        sa.select(c.name, o.id).select_from(outer).order_by(c.id, o.id),
        sa.select(sa.func.count()).select_from(orders),
        sa.select(c.name).where(c.id.in_(sa.select(o.customer_id))).order_by(c.id),
        sa.select(c.name).where(~sa.exists().where(o.customer_id == c.id)),
        sa.select(per_customer).order_by(per_customer.c.sum),
        sa.union_all(sa.select(c.id), sa.select(o.customer_id)).order_by(sa.text("1")),
        sa.select(o.id, rank).order_by(o.id),
        sa.select(o.id).where(o.id.in_([1, 2, 3])).order_by(o.id).limit(2).offset(1),
        sa.text("SELECT count(*) FROM orders WHERE total > :t").bindparams(t=20),
    ]
    return [_rows(connection, query) for query in queries]


def _core_writes(
    connection: sa.Connection, orders: sa.Table, reviews: sa.Table
) -> list[Any]:
    o = orders.c
    praised = sa.select(reviews.c.order_id).where(reviews.c.stars > 3)
    up = orders.update().where(o.id.in_(praised)).values(total=o.total + 1)
    gone = orders.delete().where(o.total.between(20, 40))
    many = orders.delete().where(o.id == sa.bindparam("key"))
    back = orders.delete().where(o.id == 8).returning(o.id, o.total)
    return [
        connection.execute(up).rowcount,
        connection.execute(gone).rowcount,
        connection.execute(many, [{"key": 1}, {"key": 2}]).rowcount,
        _rows(connection, back),
        _rows(connection, sa.select(orders)),
    ]


def _core_savepoints(connection: sa.Connection, orders: sa.Table) -> list[Any]:
    insert = orders.insert().values(id=60, customer_id=3, total=1)
    connection.execute(insert)
    with connection.begin_nested() as savepoint:
        connection.execute(orders.delete().where(orders.c.id == 60))
        savepoint.rollback()
    with connection.begin_nested():
        connection.execute(orders.delete().where(orders.c.id == 4))
    return _rows(connection, sa.select(orders.c.id).order_by(orders.c.id))


def _reflection(engine: sa.Engine) -> list[Any]:
    inspector = sa.inspect(engine)
    return [
        sorted(inspector.get_table_names()),
        [(c["name"], str(c["type"])) for c in inspector.get_columns("orders")],
        inspector.get_indexes("orders"),
        inspector.get_foreign_keys("reviews"),
        inspector.get_pk_constraint("reviews"),
        inspector.get_check_constraints("reviews"),
    ]


def orm(engine: sa.Engine) -> list[Any]:
    """Lazy and eager loading, unit of work, bulk statements and nested blocks."""
    with Session(engine) as session, session.begin():
        eager = sa.select(Customer).options(selectinload(Customer.orders))
        seen: list[Any] = [
            [(c.name, [o.id for o in c.orders]) for c in session.scalars(eager)],
            session.get(Order, 2) is None,
            session.get_one(Order, 4).customer is not None,
            session.get_one(Order, 3).customer is None,
        ]
        session.delete(session.get_one(Order, 4))
        session.flush()
        session.add(Order(id=70, customer_id=1, total=3))
        session.add_all([Order(id=71, customer_id=3, total=4), Order(id=72, total=5)])
        session.get_one(Order, 1).total = 11
        with session.begin_nested():
            session.delete(session.get_one(Order, 72))
        cheap = sa.delete(Order).where(Order.total < 5)
        seen.append(list(session.scalars(cheap.returning(Order.id))))
    with Session(engine) as session:
        session.execute(sa.update(Order).values(total=Order.total * 2))
        session.flush()
        session.rollback()
        rows = session.execute(sa.select(Order.id, Order.total).order_by(Order.id))
        seen.append([tuple(row) for row in rows])
    return seen


def _rows(connection: sa.Connection, query: Any) -> list[Any]:
    return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("engine_of", [by_module, by_creator])
@pytest.mark.parametrize("session", [core, orm])
def test_a_session_sees_the_filtered_shop(
    session: Callable[[sa.Engine], list[Any]],
    engine_of: EngineOf,
    shim: Driver,
    tmp_path: Path,
) -> None:
    check(_program(session, engine_of), shim, tmp_path)


def _program(session: Callable[[sa.Engine], list[Any]], engine_of: EngineOf) -> Program:
    def program(driver: Driver, path: Path) -> list[Any]:
        engine = engine_of(driver, path)
        try:
            return session(engine)
        finally:
            engine.dispose()

    return program
