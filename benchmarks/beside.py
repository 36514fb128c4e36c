"""SQLAlchemy on the shim, and SQLAlchemy's own way to the same filter.

Each is compared with SQLAlchemy without a filter, which reads the deleted rows too.
https://docs.sqlalchemy.org/en/21/orm/queryguide/api.html#sqlalchemy.orm.with_loader_criteria
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.pool import StaticPool

from benchmarks.pairs import Clock, Effort, Work, compared, middle, own_code
from benchmarks.profiles import profiled
from benchmarks.rows import Figure, Row
from benchmarks.shop import Shop, new_shop

__all__ = ["beside"]

Query = Callable[[], Any]


class Base(DeclarativeBase):
    """The mapped classes."""


class Customer(Base):
    """A row of the shop's customers."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    deleted_at: Mapped[str | None]


class Order(Base):
    """A row of the shop's orders."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    total: Mapped[int]
    deleted_at: Mapped[str | None]


def beside(
    shop: Callable[[], Shop] = new_shop, url: str = "sqlite://", prefix: str = ""
) -> Iterator[Row]:
    """Two queries, each through the shim and with criteria."""
    ways = ("SQLAlchemy on the shim", "SQLAlchemy, with_loader_criteria")
    for named, query in (("point SELECT", _point), ("join", _join)):
        for way in ways:
            name = f"{prefix}{way}, {named}"
            yield _row(name, query, shop, url, criteria=way is ways[1])


def _point() -> Any:
    return select(Order.id, Order.total).where(Order.id == 7)


def _join() -> Any:
    return (
        select(Customer.name, func.count(Order.id))
        .outerjoin(Order, Order.customer_id == Customer.id)
        .where(Customer.id == 7)
        .group_by(Customer.id)
    )


def _row(
    name: str, query: Query, shop: Callable[[], Shop], url: str, *, criteria: bool
) -> Row:
    def measure(effort: Effort) -> Figure:
        made = shop()  # what SQLAlchemy defines at connect wants nobody there
        connections = (made.shim, made.raw, made.raw)
        shim, raw, filtered = (Session(_engine(url, c)) for c in connections)
        event.listen(filtered, "do_orm_execute", _only_live)
        assert rows(filtered, query) == rows(shim, query)
        ours = _work(filtered if criteria else shim, query, made.clock)
        found = middle(compared(ours, _work(raw, query, made.clock), effort).ratios)
        return Figure(*found, profile=partial(profiled, ours))

    return Row(name, 0, measure)


def rows(session: Session, query: Query) -> list[tuple[Any, ...]]:
    """What a query comes to."""
    return [tuple(row) for row in session.execute(query()).all()]


def _engine(url: str, connection: Any) -> Engine:
    return create_engine(url, creator=lambda: connection, poolclass=StaticPool)


def _work(session: Session, query: Query, clock: Clock) -> Work:
    @own_code
    def work(times: int) -> float:
        start = clock()
        for _ in repeat(None, times):
            session.execute(query()).all()
        return clock() - start

    return work


def _only_live(state: Any) -> None:
    """As SQLAlchemy's manual has it for soft delete."""
    state.statement = state.statement.options(
        with_loader_criteria(
            Customer, lambda cls: cls.deleted_at.is_(None), include_aliases=True
        ),
        with_loader_criteria(
            Order, lambda cls: cls.deleted_at.is_(None), include_aliases=True
        ),
    )
