"""Runs a program of these tests in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_script"]

_ROOT = Path(__file__).parents[2]


def run_script(script: str | None, *arguments: str, cwd: Path | None = None) -> None:
    """Run a file of this folder, which imports what this process would import."""
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(_ROOT)])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
