"""Runs SQLAlchemy's suite for third-party dialects; a program of its own.

``python sqlalchemy_suite.py VARIANT FILE``, in an empty folder, writes what each test
came to into FILE, as JSON, and what would be refused. ``cpython_suite`` has the
variants.
https://docs.sqlalchemy.org/en/21/dialects/index.html (README.dialects.rst)
"""

import json
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.compat.cpython_suite import VARIANTS

__all__ = ["main"]

_OPEN = """
check_constraint_reflection ctes ctes_with_update_delete delete_returning
foreign_key_constraint_reflection insert_returning json_type reflects_pk_names
savepoints temp_table_names temp_table_reflection temporary_tables
unique_constraint_reflection update_from update_returning views window_functions
"""
#: Those of a second schema: SQLAlchemy attaches a file for them.
_CLOSED = "array_type cross_schema_fk_reflection schema_reflection schemas"

_ARGUMENTS: str = (
    "-q -p no:cacheprovider -p no:randomly -p no:logging --tb=no -W ignore "
    "-p sqlalchemy.testing.plugin.pytestplugin --dburi sqlite:///:memory: test_suite.py"
)
_FILES = {
    "pytest.ini": "[pytest]\n",
    "setup.cfg": "[sqla_testing]\nrequirement_cls=suite_requirements:Requirements\n"
    "profile_file=profiles.txt\n",
    "suite_requirements.py": "from tests.compat.sqlalchemy_suite import requirements\n"
    "Requirements = requirements()\n",
    "test_suite.py": "from sqlalchemy.testing.suite import *\n",
}


class Outcomes:
    """A plugin that notes passed, skipped or failed, by phase where it failed."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        if report.when == "call" or report.outcome != "passed":
            phase = f" in {report.when}" if report.outcome == "failed" else ""
            self.seen[report.nodeid] = f"{report.outcome}{phase}"


class Refusals(logging.Handler):
    """Keeps what would be refused, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Something would be refused."""
        self.seen.add(record.getMessage())


def requirements() -> type:
    """What SQLite can do, as far as the suite's own defaults do not know."""
    testing: Any = import_module("sqlalchemy.testing.requirements")
    exclusions: Any = import_module("sqlalchemy.testing.exclusions")

    def answer(kind: Callable[[], Any]) -> property:
        return property(lambda _: kind())

    members: dict[str, Any] = dict.fromkeys(_OPEN.split(), answer(exclusions.open))
    members |= dict.fromkeys(_CLOSED.split(), answer(exclusions.closed))
    return type("Requirements", (testing.SuiteRequirements,), members)


def main(variant: str, file: str) -> None:
    """Set ``variant`` up, run the suite in this folder and write ``file``."""
    VARIANTS[variant]()
    for name, text in _FILES.items():
        Path(name).write_text(text)
    sys.path.insert(0, ".")
    outcomes, refusals = Outcomes(), Refusals()
    logging.getLogger("kysera_dbapi").addHandler(refusals)
    pytest.main([*map(str, _ARGUMENTS.split())], plugins=[outcomes])
    Path(file).write_text(json.dumps([outcomes.seen, sorted(refusals.seen)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
