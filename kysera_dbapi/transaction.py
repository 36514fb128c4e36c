"""What makes several statements one: a savepoint, or a transaction of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Transactional", "atomic"]


class Transactional(Protocol):
    """A connection that knows whether a transaction is open."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...


@contextmanager
def atomic(
    connection: Transactional, run: Callable[[str], Any], *, begin: str | None
) -> Iterator[None]:
    """Let the statements of the block happen together or not at all.

    ``begin`` opens the transaction that the driver would have opened by itself and
    left open; with None (autocommit) the block is a transaction of its own.
    """
    if begin is not None and not connection.in_transaction:
        run(begin)
    run("SAVEPOINT _kysera")
    try:
        yield
    except BaseException:
        # the database may have rolled back everything already
        if connection.in_transaction:
            run("ROLLBACK TO _kysera")
            run("RELEASE _kysera")
        raise
    run("RELEASE _kysera")
