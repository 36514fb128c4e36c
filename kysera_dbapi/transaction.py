"""The transaction stack of a connection: what is open, and what an end undoes.

The database is the truth about the outermost transaction (``in_transaction``); the
stack adds the savepoints within it, and on which level a statement changed the
catalogue. ``Stack.after`` is told of each statement that begins or ends a level, and
``Stack.ended`` of the ends that have no text: those two see every commit and rollback.
https://www.sqlite.org/lang_transaction.html, lang_savepoint.html
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

__all__ = [
    "Begin",
    "Control",
    "Stack",
    "Transactional",
    "Verb",
    "atomic",
    "read",
    "savepoint_of",
]

_SAVEPOINT = "_kysera"


class Transactional(Protocol):
    """A connection that knows whether a transaction is open."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...


Verb = Literal[
    "begin",
    "commit",
    "prepare",
    "commit prepared",
    "rollback",
    "savepoint",
    "release",
    "rollback to",
]


class Control(NamedTuple):
    """A statement of transaction control; ``savepoint`` is the name in it, if any."""

    verb: Verb
    savepoint: str = ""


_VERBS: dict[str, Verb] = {
    "BEGIN": "begin",
    "START": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "PREPARE": "prepare",
    "ROLLBACK": "rollback",
    "ABORT": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "release",
}


def read(tokens: Sequence[str], name: Callable[[str], str]) -> Control | None:
    """What a statement of transaction control does, from its tokens.

    ``name`` makes the folded name of a token. Optional words (TRANSACTION, SAVEPOINT)
    and the names of transactions, which mean nothing, are left out.
    """
    tokens = [token for token in tokens if token != ";"]
    verb = _VERBS.get(tokens[0].upper()) if tokens else None
    if verb is None:  # EXPLAIN of one
        return None
    if verb in ("savepoint", "release"):
        return Control(verb, name(tokens[-1]))
    if verb == "commit" and "PREPARED" in [token.upper() for token in tokens[1:2]]:
        return Control("commit prepared")
    # ROLLBACK TRANSACTION "to" has a string or a quoted name where this has TO
    if verb == "rollback" and "TO" in [token.upper() for token in tokens[1:-1]]:
        return Control("rollback to", name(tokens[-1]))
    return Control(verb)


@dataclass(slots=True)
class _Level:
    """The transaction itself, or a savepoint; whether the catalogue changed in it."""

    savepoint: str = ""
    changed: bool = False


class Stack:
    """The levels of one connection's transaction, the outermost first."""

    def __init__(
        self, connection: Transactional, *, commit_may_undo: bool = False
    ) -> None:
        self._connection = connection
        self._levels: list[_Level] = []
        #: A COMMIT of a transaction that has failed undoes it.
        self._doubtful = commit_may_undo

    @property
    def open(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    @property
    def savepoints(self) -> tuple[str, ...]:
        """The (folded) names of the caller's open savepoints, the outermost first."""
        return tuple(level.savepoint for level in self._levels[1:])

    def changed(self) -> None:
        """The catalogue was changed by a statement that has just been run."""
        if self._connection.in_transaction:
            self._top().changed = True

    def after(self, control: Control) -> bool:
        """Follow a statement that has succeeded.

        Returns whether it may have undone a change of the catalogue.
        """
        if control.verb in ("begin", "commit", "rollback"):
            return self.ended(undone=control.verb == "rollback")
        if not self._connection.in_transaction:  # the release of the outermost
            return self.ended(undone=False)
        if control.verb == "savepoint":
            self._top()
            self._levels.append(_Level(control.savepoint))
            return False
        at = self._position(control.savepoint)
        dropped = self._levels[at:]
        changed = any(level.changed for level in dropped)
        del self._levels[at:]
        if control.verb == "release":
            self._top().changed |= changed
            return False
        self._top()
        if at:  # it stays open
            self._levels.append(_Level(control.savepoint))
        return changed

    def ended(self, *, undone: bool) -> bool:
        """The transaction has ended: by a statement, a method or an attribute.

        Returns whether that may have undone a change of the catalogue.
        """
        changed = any(level.changed for level in self._levels)
        self._levels.clear()
        return (undone or self._doubtful) and changed

    def failed(self) -> bool:
        """A statement failed, and may have taken the whole transaction with it.

        Returns whether that undid a change of the catalogue.
        """
        if not self._levels or self._connection.in_transaction:
            return False
        return self.ended(undone=True)

    def _top(self) -> _Level:
        if not self._levels:
            self._levels.append(_Level())
        return self._levels[-1]

    def _position(self, savepoint: str) -> int:
        """Where the innermost level of that name is; 0 for one that is not known."""
        for at in range(len(self._levels) - 1, 0, -1):
            if self._levels[at].savepoint == savepoint:
                return at
        return 0


class Begin(NamedTuple):
    """How a transaction is opened for statements that belong together.

    ``kept`` says whether it stays open for the caller to end, as one does that the
    driver begins by itself; otherwise the statements are a transaction of their own.
    """

    sql: str
    kept: bool
    #: Whether it may be refused, amid a write with rows to be read.
    tried: bool = False


def savepoint_of(stack: Stack) -> str:
    """The name of a savepoint of ours: none of the caller's."""
    savepoint = _SAVEPOINT
    while savepoint in stack.savepoints:
        savepoint += "_"
    return savepoint


@contextmanager
def atomic(
    stack: Stack,
    run: Callable[[str], Any],
    quietly: Callable[[str], Any],
    begin: Begin,
    *,
    release: bool = True,
) -> Iterator[None]:
    """Let the statements of the block happen together or not at all.

    In an open transaction they have a savepoint. Without ``release`` it is left to the
    end of the transaction (a statement that still has rows to give keeps it), so its
    name is none of the caller's. ``quietly`` runs what callbacks may neither see nor
    prevent.
    """
    connection, savepoint = stack._connection, savepoint_of(stack)
    undo: tuple[str, ...] = (
        f"ROLLBACK TO {savepoint}",
        f"RELEASE SAVEPOINT {savepoint}",
    )
    end = undo[1]
    opened = not connection.in_transaction
    if opened:
        if begin.tried and not begin.kept:
            # a ROLLBACK would undo that write, too
            quietly(f"SAVEPOINT {savepoint}")
            quietly(end)
        _run(begin.sql, run)
    if opened and not begin.kept:
        end, undo = "COMMIT", ("ROLLBACK",)
    else:
        run(f"SAVEPOINT {savepoint}")
    try:
        yield
        if release:
            run(end)
    except BaseException:
        # the database may have rolled back everything already
        if connection.in_transaction:
            for sql in undo:
                quietly(sql)
        raise


def _run(sql: str, run: Callable[[str], Any]) -> None:
    """Run a statement; none where the driver begins by itself."""
    if sql:
        run(sql)
