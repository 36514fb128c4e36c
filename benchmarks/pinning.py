"""Client and server on one processor, where they are on one machine and that may be.

Over loopback two processes take turns. On two processors each turn wakes an idle one,
and what that costs is the machine's business: on a virtual one more than a statement.
"""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from benchmarks.pairs import Effort
from benchmarks.rows import Figure, Row

__all__ = ["adopt", "pinned", "said"]

#: What the servers' processes are called.
_SERVERS = ("postgres", "mysqld", "mariadbd")
#: The servers whose sessions are pinned; and those whose are not, and why.
_pinned: set[str] = set()
_apart: dict[str, str] = {}


def adopt(server: str, threads: Callable[[], Sequence[int]]) -> None:
    """Put the threads of a server's sessions on the processor of the rows.

    They go where they were at the end: servers use their threads again. What cannot be
    is told by ``said``.
    """
    try:
        for number in threads():
            _check(number)
            _move(number)
        _pinned.add(server)
    except (AttributeError, OSError, LookupError) as error:
        _apart[server] = str(error)
        _spread()


def pinned(server: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, measured on the one processor."""
    for row in rows:
        yield replace(row, measure=_Pinned(server, row.measure))


def said() -> str:
    """Which servers were on one processor with the client; for the head of results."""
    if not _pinned | _apart.keys():
        return ""
    apart = "".join(f" {name} could not: {why}." for name, why in _apart.items())
    together = ", ".join(sorted(_pinned - _apart.keys())) or "none"
    return (
        "The client shares one processor with its sessions of a server, so that no "
        f"idle one has to be woken: {together}.{apart}"
    )


@dataclass(frozen=True, slots=True)
class _Pinned:
    """Measures in this process on the one processor, if the server's sessions may."""

    server: str
    measure: Callable[[Effort], Figure]

    def __call__(self, effort: Effort) -> Figure:
        if self.server not in _apart and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, _processor())
        try:
            return self.measure(effort)
        finally:
            _spread()


@cache
def _all() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


@cache
def _processor() -> frozenset[int]:
    return frozenset({min(_all())})


def _spread() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, _all())


def _check(number: int) -> None:
    """Raise ``LookupError`` unless a thread of a server has that number here."""
    for line in Path(f"/proc/{number}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("Tgid:"):
            name = Path(f"/proc/{line.split()[1]}/comm").read_text(encoding="utf-8")
            if name.strip() in _SERVERS:
                return
    raise LookupError(f"thread {number} of this machine is not the server's")


def _move(number: int) -> None:
    before = os.sched_getaffinity(number)
    os.sched_setaffinity(number, _processor())
    atexit.register(_put_back, number, before)


def _put_back(number: int, before: set[int]) -> None:
    try:
        _check(number)
        os.sched_setaffinity(number, before)
    except (OSError, LookupError):
        return  # it has ended
