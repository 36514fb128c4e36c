"""Whose turn it is, of threads and callbacks that meet on one connection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kysera_dbapi.errors import OperationalError, UnsupportedStatement

__all__ = ["Turn"]

#: Seconds to wait for another thread of the connection, as sqlite3 for another one.
_PATIENCE = 5.0


class Turn:
    """Whose turn it is to begin and to end transactions.

    Threads take it one by one, if they share the connection. What the program does in
    between, in functions and in the rows of an ``executemany``, has to leave it alone.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._blocks = 0

    @contextmanager
    def block(self) -> Iterator[None]:
        """A block whose statements belong together."""
        self._take()
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            self._lock.release()

    def __enter__(self) -> None:
        """Begin or end the caller's transaction, or a savepoint, in the block.

        Raises ``UnsupportedStatement`` (unsupported-construct) within ``block()``.
        """
        self._take()
        if self._blocks:
            self._lock.release()
            raise UnsupportedStatement(
                "a transaction can neither begin nor end amid a statement that takes "
                "several, such as a DELETE with declared children",
                code="unsupported-construct",
            )

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def _take(self) -> None:
        # not for ever: a function of the program's may wait for us, and hold SQLite's
        if not self._lock.acquire(timeout=_PATIENCE):
            raise OperationalError(
                "another thread is at work in a transaction of the connection; "
                "let each thread have its own",
                code="shared-connection",
            )
