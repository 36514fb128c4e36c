"""The transactions of a connection: the outermost, and the savepoints within.

A change of the schema is undone with the level that it was made in; what makes
several statements one is a level of our own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["RESERVED", "Transactional", "Transactions", "savepoint_name"]

#: The savepoint of ours; the caller's may not begin with it.
RESERVED = "_kysera"


class Transactional(Protocol):
    """A connection that knows whether a transaction is open."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...


@dataclass(slots=True)
class _Level:
    """A transaction, or a savepoint of that name, and whether it changed the schema."""

    name: str
    changed: bool = False


class Transactions:
    """The stack of what was begun and has not ended.

    Drivers and databases end transactions by themselves too: whether one is open, the
    connection is asked.
    """

    def __init__(self, connection: Transactional) -> None:
        self._connection = connection
        self._levels: list[_Level] = []

    @property
    def savepoints(self) -> tuple[str, ...]:
        """The names of the caller's open savepoints, outermost first."""
        self._settle()
        return tuple(level.name for level in self._levels[1:])

    def follow(self, words: Sequence[str]) -> bool:
        """Take note of a transaction statement that ran.

        ``words`` are its tokens, the verb in upper case. Returns whether it undid a
        change of the schema.
        """
        name = savepoint_name(words)
        if words[0] == "SAVEPOINT":
            self._settle()
            self._levels.append(_Level(name))
        elif words[0] == "RELEASE":
            self._release(name)
        elif name:
            return self._roll_back_to(name)
        return self.ended(undone=words[0] == "ROLLBACK")

    def ended(self, *, undone: bool) -> bool:
        """Take note of what may have ended all; returns as ``follow`` does."""
        changed = any(level.changed for level in self._levels)
        self._settle()
        return undone and changed and not self._levels

    def schema_changed(self) -> None:
        """Take note of a change of the schema at the innermost level."""
        self._settle()
        if self._levels:
            self._levels[-1].changed = True

    def _settle(self) -> None:
        if not self._connection.in_transaction:
            self._levels.clear()
        elif not self._levels:
            self._levels.append(_Level(""))

    def _find(self, name: str) -> int:
        places = [i for i, level in enumerate(self._levels) if level.name == name]
        return places[-1] if places else len(self._levels)

    def _release(self, name: str) -> None:
        at = self._find(name)
        changed = any(level.changed for level in self._levels[at:])
        del self._levels[at:]
        if changed and self._levels:
            self._levels[-1].changed = True

    def _roll_back_to(self, name: str) -> bool:
        at = self._find(name)
        undone = any(level.changed for level in self._levels[at:])
        self._levels[at:] = [_Level(name)]
        return undone

    @contextmanager
    def atomic(
        self,
        run: Callable[[str], Any],
        *,
        begin: str | None = None,
        alone: str = "BEGIN",
        returns: bool = False,
    ) -> Iterator[None]:
        """Let the statements of the block happen together or not at all.

        ``begin`` opens the transaction that the driver would have opened by itself and
        left open; with None the block is a transaction of its own, if none is open,
        that ``alone`` begins.
        With ``returns`` rows are still to be read at its end: the savepoint ends with
        the transaction, since SQLite releases none meanwhile.
        """
        opened = not self._connection.in_transaction
        own = opened and begin is None
        if opened:
            run(begin or alone)
        if not own:
            run(f"SAVEPOINT {RESERVED}")
        try:
            yield
        except BaseException:
            # the database may have rolled back everything already
            if self._connection.in_transaction:
                for sql in _UNDO_OWN if own else _UNDO:
                    run(sql)
            raise
        if own or not returns:
            run("COMMIT" if own else f"RELEASE {RESERVED}")


_UNDO_OWN = ("ROLLBACK",)
_UNDO = (f"ROLLBACK TO {RESERVED}", f"RELEASE {RESERVED}")
_NOISE = ("SAVEPOINT", "TRANSACTION", "TO")


def savepoint_name(words: Sequence[str]) -> str:
    """The savepoint that SAVEPOINT, RELEASE or ROLLBACK TO names, or ""."""
    if words[0] == "ROLLBACK" and "TO" not in words:
        return ""
    if words[0] not in ("SAVEPOINT", "RELEASE", "ROLLBACK"):
        return ""
    rest = list(words[1:])
    while len(rest) > 1 and rest[0] in _NOISE:
        rest.pop(0)
    return rest[0].strip("\"'`[]").upper() if rest else ""
