"""Ratios of interleaved pairs: they mean something on a busy machine too."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from statistics import median
from time import perf_counter, thread_time
from types import FunctionType
from typing import TypeVar, cast

__all__ = [
    "FULL",
    "QUICK",
    "Clock",
    "Effort",
    "Pairs",
    "Work",
    "clock",
    "compared",
    "middle",
    "own_code",
]

#: Does something so many times, and returns the seconds that it took.
Work = Callable[[int], float]
Clock = Callable[[], float]
_Function = TypeVar("_Function", bound=Callable[..., object])

#: The processor's time of this thread: what other programs take is not in it.
clock: Clock = thread_time


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are measured.

    One of a pair's four blocks takes about ``block`` seconds. Pairs are made until the
    median is known to within ``width``, for ``seconds`` at most.
    """

    block: float
    seconds: float
    least: int
    most: int
    width: float


FULL = Effort(block=0.001, seconds=5, least=25, most=1_500, width=0.004)
QUICK = Effort(block=0.0001, seconds=0.05, least=3, most=10, width=0.05)


@dataclass(frozen=True, slots=True)
class Pairs:
    """The outcome of all pairs, as (ours, theirs) in seconds for one call."""

    found: Sequence[tuple[float, float]]

    @property
    def ratios(self) -> list[float]:
        """How many times as long ours takes."""
        return [one / other for one, other in self.found]

    @property
    def differences(self) -> list[float]:
        """How many seconds longer ours takes."""
        return [one - other for one, other in self.found]


def compared(ours: Work, theirs: Work, effort: Effort) -> Pairs:
    """Do both in turns; each pair in the order A B B A."""
    found: list[tuple[float, float]] = []
    with _no_garbage_collection():
        ours(1)
        calls = _calls(theirs, effort.block)
        ours(calls)
        end = perf_counter() + effort.seconds
        while len(found) < effort.least or not _enough(found, effort, end):
            first, second = ours(calls), theirs(calls)
            third, fourth = theirs(calls), ours(calls)
            found.append(
                ((first + fourth) / (2 * calls), (second + third) / (2 * calls))
            )
    return Pairs(found)


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and between what it is with a probability of 95 %."""
    ordered = sorted(values)
    count = len(ordered)
    rank = max(0, int(count / 2 - 0.98 * sqrt(count)))
    return median(ordered), ordered[rank], ordered[count - 1 - rank]


def own_code(function: _Function) -> _Function:
    """``function`` with code of its own.

    The interpreter adapts code to the types that it meets: code that both sides share
    would be adapted to neither.
    """
    made = cast(FunctionType, function)
    return cast(
        _Function,
        FunctionType(
            made.__code__.replace(),
            made.__globals__,
            made.__name__,
            made.__defaults__,
            made.__closure__,
        ),
    )


def _enough(found: Sequence[tuple[float, float]], effort: Effort, end: float) -> bool:
    if len(found) >= effort.most or perf_counter() >= end:
        return True
    _, low, high = middle(Pairs(found).ratios)
    return high - low <= 2 * effort.width


def _calls(work: Work, block: float) -> int:
    """How many calls take about ``block`` seconds."""
    calls = 1
    while (taken := work(calls)) < block / 2:
        calls *= 2
    return max(1, round(calls * block / taken))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
