"""Runs psycopg's own tests, from a checkout of it; a program of its own.

``python psycopg_suite.py VARIANT FILE URL [ARGUMENT ...]``, in the checkout's folder,
writes what each synchronous test came to into FILE, as JSON, and what would be refused.
VARIANT says what psycopg's constructors give while the tests run; the arguments are
pytest's. https://github.com/psycopg/psycopg/tree/master/tests
"""

import inspect
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.compat.sqlalchemy_suite import Outcomes, Refusals

__all__ = ["VARIANTS", "main"]

#: Without tests of typing, of what needs other packages, and of what takes time.
_ARGUMENTS = (
    "-q -p no:randomly -p no:unraisableexception --tb=short -ra "
    "-W ignore::pytest.PytestUnknownMarkWarning"
).split()
_MARKS = "not slow and not timing and not subprocess and not gevent and not dns"


def raw() -> None:
    """The driver alone."""


def bare() -> None:
    """The shim without a plugin."""
    from kysera_dbapi import install

    install("psycopg")


def protected(**options: Any) -> None:
    """The shim, protecting a table that no test has: all that is refused is refused."""
    from kysera_dbapi import Plugin, install, psycopg

    class Protecting(Plugin):
        name = "protecting"

        def protected(self, catalogue: object) -> tuple[str, ...]:
            """A table of no database."""
            return ("public.kysera_protected",)

    # every fixture of the suite reaches for libpq's connection: here it may
    setattr(psycopg, "_is_driver", bool)  # noqa: B010
    install("psycopg", plugins=[Protecting()], **options)


def reported() -> None:
    """The same, but what would be refused is logged."""
    protected(mode="report")


def broken() -> None:
    """A wrapper gone wrong: ``rollback`` does nothing."""
    import psycopg

    def rollback(self: object) -> None:
        """Forget what was asked for."""

    vars(psycopg)["Connection"].rollback = rollback


VARIANTS: dict[str, Callable[[], None]] = {
    variant.__name__: variant for variant in (raw, bare, protected, reported, broken)
}


class Synchronous(Outcomes):
    """Leaves out coroutines, and keeps what failed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep what pytest runs by itself."""
        kept = [i for i in items if not inspect.iscoroutinefunction(i.function)]
        items[:] = [item for item in kept if "aconn" not in item.fixturenames]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        super().pytest_runtest_logreport(report)
        if report.failed:
            self.texts[report.nodeid] = str(report.longrepr)


def main(variant: str, file: str, url: str, *arguments: str) -> None:
    """Set ``variant`` up, run the suite in this folder and write ``file``."""
    VARIANTS[variant]()
    # the checkout's tests have the name of ours
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    sys.path.insert(0, ".")
    seen, refusals = Synchronous(), Refusals()
    logging.getLogger("kysera_dbapi").addHandler(refusals)
    with TemporaryDirectory() as cache:
        given = [*_ARGUMENTS, "-m", _MARKS, "-o", f"cache_dir={cache}"]
        pytest.main([*given, "--test-dsn", url, *arguments], plugins=[seen])
    found = {"outcomes": seen.seen, "tracebacks": seen.texts}
    Path(file).write_text(json.dumps([found, sorted(refusals.seen)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
