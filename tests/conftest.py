"""The report header: which copies are tested, against what."""

import sqlite3
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

pytest_plugins = ["tests.servers"]

PACKAGES = ("kysera", "kysera_dbapi", "kysera_dialects")


def pytest_report_header() -> list[str]:
    """Where each package comes from, and the versions that matter."""
    parser = find_spec("sqlglot.parser")
    compiled = parser is not None and not str(parser.origin).endswith(".py")
    build = "compiled" if compiled else "pure"
    return [
        *(f"{name}: {_folder(name)}" for name in PACKAGES),
        f"sqlglot {version('sqlglot')} ({build}), sqlite {sqlite3.sqlite_version}",
    ]


def _folder(package: str) -> str:
    spec = find_spec(package)
    return str(Path(str(spec.origin)).parent) if spec else "not importable"
