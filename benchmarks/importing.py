"""What ``import kysera_dbapi`` costs, in processes of its own."""

import subprocess
import sys
from statistics import median
from time import perf_counter

__all__ = ["import_seconds", "imports_sqlglot"]


def import_seconds(*, times: int) -> float:
    """Seconds beyond those that an interpreter takes to start."""
    pairs = [(_run("import kysera_dbapi"), _run("pass")) for _ in range(times)]
    return median(one - other for one, other in pairs)


def imports_sqlglot() -> bool:
    """Whether the import brings the parser with it."""
    code = "import kysera_dbapi, sys; sys.exit('sqlglot' in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 1


def _run(code: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - start
