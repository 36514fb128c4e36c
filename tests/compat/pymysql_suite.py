"""Runs PyMySQL's own tests, from a checkout of it; a program of its own.

``python pymysql_suite.py VARIANT FILE URL URL [ARGUMENT ...]``, in the checkout's
folder, writes what each test came to into FILE, as JSON. The URLs are of two empty
databases of one server; VARIANT says what PyMySQL's constructors give while the tests
run; the arguments are pytest's. https://github.com/PyMySQL/PyMySQL/tree/main/pymysql
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymysql
import pytest

from tests.compat.sqlalchemy_suite import Outcomes
from tests.dialects.mysql_server import arguments

__all__ = ["VARIANTS", "main"]

#: Without those that make users and load plugins of the server's.
_ARGUMENTS = (
    "-q -p no:randomly -p no:xdist -p no:unraisableexception --tb=short -ra -k",
    "not TestAuthentication",
)


#: The sessions in the databases of the suite, the one that asks apart.
_LEFT = """
SELECT id FROM information_schema.processlist
WHERE db IN (%s, %s) AND id <> connection_id()
"""


def raw() -> None:
    """The driver alone."""


def bare() -> None:
    """The shim without a plugin."""
    from kysera_dbapi import install

    install("pymysql")


def noop() -> None:
    """The shim, with a plugin that does nothing."""
    from kysera_dbapi import Plugin, install

    class Noop(Plugin):
        name = "noop"

    install("pymysql", plugins=[Noop()])


def protected() -> None:
    """The shim, protecting a table that no test has: all that is refused is refused."""
    from kysera_dbapi import Plugin, install

    class Protecting(Plugin):
        name = "protecting"

        def protected(self, catalogue: object) -> tuple[str, ...]:
            """A table of no database."""
            return ("kysera.kysera_protected",)

    install("pymysql", plugins=[Protecting()])


def broken() -> None:
    """A wrapper gone wrong: ``rollback`` does nothing."""
    from pymysql.connections import Connection

    def rollback(self: object) -> None:
        """Forget what was asked for."""

    setattr(Connection, "rollback", rollback)  # noqa: B010


VARIANTS: dict[str, Callable[[], None]] = {
    variant.__name__: variant for variant in (raw, bare, noop, protected, broken)
}


class Failures(Outcomes):
    """Keeps what failed, too, and ends the sessions that are left of it."""

    def __init__(self, *urls: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        places = [arguments(url) for url in urls]
        self._databases = [place["database"] for place in places]
        #: Made before the variant is set up.
        self._keeper: Any = pymysql.connect(**places[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        super().pytest_runtest_logreport(report)
        if report.failed:
            self.texts[report.nodeid] = str(report.longrepr)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test has ended; one that failed may have kept its transaction and locks."""
        if nodeid in self.texts:
            run = self._keeper.cursor()
            run.execute(_LEFT, self._databases)
            for (session,) in run.fetchall():
                with suppress(pymysql.err.OperationalError):  # it has ended by itself
                    run.execute(f"KILL {session}")


def adopt_tests(urls: tuple[str, ...]) -> None:
    """Have ``pymysql.tests`` be the checkout's, on these databases."""
    folder = Path("pymysql/tests").resolve()
    spec = spec_from_file_location(
        "pymysql.tests",
        folder / "__init__.py",
        submodule_search_locations=[str(folder)],
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["pymysql.tests"] = made = module_from_spec(spec)
    spec.loader.exec_module(made)
    places = [arguments(url) for url in urls]
    for place in places:
        del place["autocommit"]  # its tests count on the driver's default
        place["init_command"] = "SET SESSION lock_wait_timeout = 20"
    places[0] |= {"use_unicode": True, "local_infile": True}
    base: Any = import_module("pymysql.tests.base")
    base.PyMySQLTestCase.databases = places


def main(variant: str, file: str, first: str, second: str, *given: str) -> None:
    """Set ``variant`` up, run the suite in this folder and write ``file``."""
    seen = Failures(first, second)
    VARIANTS[variant]()
    adopt_tests((first, second))
    with TemporaryDirectory() as cache:
        options = [*" ".join(_ARGUMENTS[:1]).split(), *_ARGUMENTS[1:]]
        options += ["-o", f"cache_dir={cache}", *(given or ["pymysql/tests"])]
        pytest.main(options, plugins=[seen])
    found = {"outcomes": seen.seen, "tracebacks": seen.texts}
    Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
