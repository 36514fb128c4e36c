"""Where the time of a work goes, in Python's functions."""

import cProfile
import pstats
from io import StringIO

from benchmarks.pairs import Work

__all__ = ["profiled"]


def profiled(work: Work, times: int = 1_000) -> str:
    """The functions that take most of the time of a work done so many times."""
    work(times // 10)
    profile = cProfile.Profile()
    profile.runcall(work, times)
    out = StringIO()
    stats = pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime")
    stats.print_stats(8)
    lines = out.getvalue().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines if line.strip())
