"""SQLAlchemy's own way to the same filter, and SQLAlchemy on the shim.

https://docs.sqlalchemy.org/en/21/orm/queryguide/api.html#sqlalchemy.orm.with_loader_criteria
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.pool import StaticPool

from benchmarks.pairs import Work
from benchmarks.shop import shop

__all__ = ["Beside", "beside"]

#: A name, the work with the filter, and the same work without any.
Beside = tuple[str, Work, Work]


class Base(DeclarativeBase):
    """The mapped classes."""


class Order(Base):
    """A row of the shop's orders."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    total: Mapped[int]
    deleted_at: Mapped[str | None]


def beside() -> Iterator[Beside]:
    """The same query three ways, each against SQLAlchemy without a filter."""
    made = shop()
    criteria = shop()
    yield (
        "SQLAlchemy on the shim",
        _query(_engine(made.shim)),
        _query(_engine(made.raw)),
    )
    yield (
        "SQLAlchemy with with_loader_criteria",
        _query(_engine(criteria.raw), filtered=True),
        _query(_engine(made.raw)),
    )


def _engine(connection: Any) -> Engine:
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)


def _query(engine: Engine, *, filtered: bool = False) -> Work:
    session = Session(engine)
    if filtered:
        event.listen(session, "do_orm_execute", _only_live)
    query = select(Order.id, Order.total).where(Order.id == 7)

    def work() -> object:
        return session.execute(query).all()

    return work


def _only_live(state: Any) -> None:
    live = with_loader_criteria(Order, lambda cls: cls.deleted_at.is_(None))
    state.statement = state.statement.options(live)
