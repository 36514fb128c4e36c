"""Ratios of interleaved pairs: they mean something on a busy machine too."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

__all__ = ["Ratio", "Work", "ratio", "seconds"]

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the pairs, the quartiles around it, and seconds for one call."""

    value: float
    low: float
    high: float
    ours: float
    theirs: float


def ratio(ours: Work, theirs: Work, *, pairs: int, calls: int) -> Ratio:
    """How many times as long ``ours`` takes; each pair in the order A B B A."""
    found: list[tuple[float, float]] = []
    with _no_garbage_collection():
        seconds(ours, calls)
        seconds(theirs, calls)
        for _ in range(pairs):
            first, second = seconds(ours, calls), seconds(theirs, calls)
            third, fourth = seconds(theirs, calls), seconds(ours, calls)
            found.append((first + fourth, second + third))
    ratios = [one / other for one, other in found]
    low, middle, high = quantiles(ratios, n=4)
    return Ratio(
        middle,
        low,
        high,
        median(one for one, _ in found) / (2 * calls),
        median(other for _, other in found) / (2 * calls),
    )


def seconds(work: Work, calls: int) -> float:
    """How long so many calls take."""
    start = perf_counter()
    for _ in range(calls):
        work()
    return perf_counter() - start


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
