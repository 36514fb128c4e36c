"""What importing costs, in processes of its own, beyond an interpreter's start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage

from benchmarks.pairs import Effort, middle
from benchmarks.rows import Figure, Row

__all__ = ["importing", "imports"]

#: Packages that are installed are compiled: here they may be, too.
_COMPILING = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
_CONNECT = """
import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
connection = kysera_dbapi.connect("sqlite://")
connection.execute("CREATE TABLE orders (id, deleted_at)")
connection = kysera_dbapi.wrap(
    connection.unwrap(), plugins=[SoftDelete(tables=["orders"])]
)
"""
_SELECT = f"{_CONNECT}connection.execute('SELECT * FROM orders').fetchall()\n"


def importing() -> Iterator[Row]:
    """The import itself, and how far a program has come when it has a row."""
    yield _row("import kysera_dbapi", 60, "import kysera_dbapi")
    yield _row("import, connect with soft_delete", 0, _CONNECT)
    yield _row("import, connect with soft_delete, first SELECT", 0, _SELECT)


def _row(name: str, target: float, code: str) -> Row:
    def measure(effort: Effort) -> Figure:
        times = max(1, min(15, effort.most // 10))
        _seconds(code)  # compiles what was never imported
        found = [_seconds(code) - _seconds("pass") for _ in range(times)]
        value, low, high = (1e3 * second for second in middle(found))
        return Figure(value, low, high, profile=partial(_slowest, code))

    return Row(name, target, measure, "ms")


def _slowest(code: str) -> str:
    """The modules that take most of the time, in microseconds without what they bring.

    https://docs.python.org/3/using/cmdline.html#cmdoption-X
    """
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=_COMPILING
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import t")]
    head, *modules = (line.removeprefix("import time:") for line in lines)
    modules.sort(key=lambda line: -int(line.partition("|")[0]))
    return "".join(f"{line}\n" for line in (head, *modules[:8]))


def imports(name: str) -> bool:
    """Whether ``import kysera_dbapi`` brings the module of that name with it."""
    code = f"import kysera_dbapi, sys; print({name!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip() == "True"


def _seconds(code: str) -> float:
    """The processor's time of a process."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=_COMPILING)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
