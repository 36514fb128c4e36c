"""The report header; and the suite's run with a plugin that does nothing."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from kysera_dbapi import Plugin
from kysera_dbapi.plugin import Event, ordered
from tests.oracle.world import World

pytest_plugins = ["tests.servers", "tests.databases", "tests.versions"]

#: Whether every connection of the tests gets a plugin that does nothing.
NOOP = bool(os.environ.get("KYSERA_TEST_NOOP"))

PACKAGES = ("kysera", "kysera_dbapi", "kysera_dialects")

# they are run from a checkout, and are no part of the wheel that tox tests
collect_ignore = [] if find_spec("benchmarks") else ["test_benchmarks.py"]


def pytest_report_header() -> list[str]:
    """Where each package comes from, and the versions that matter."""
    parser = find_spec("sqlglot.parser")
    compiled = parser is not None and not str(parser.origin).endswith(".py")
    build = "compiled" if compiled else "pure"
    return [
        *(["with a no-op plugin on every connection"] if NOOP else []),
        *(f"{name}: {_folder(name)}" for name in PACKAGES),
        f"sqlglot {version('sqlglot')} ({build}), sqlite {sqlite3.sqlite_version}",
    ]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: then no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _folder(package: str) -> str:
    spec = find_spec(package)
    return str(Path(str(spec.origin)).parent) if spec else "not importable"


class Noop(Plugin):
    """Overrides every hook and does nothing."""

    name = "noop"
    version = "1"

    def on_init(self, host: object) -> None:
        """Check nothing."""

    def on_destroy(self, host: object) -> None:
        """Let go of nothing."""

    def protected(self, catalogue: object) -> Sequence[str]:
        """Protect nothing."""
        return ()

    def intercept(self, statement: object) -> None:
        """Edit nothing."""

    def before_execute(self, event: Event) -> None:
        """See it."""

    def after_execute(self, event: Event) -> None:
        """See it."""

    def on_error(self, event: Event, error: BaseException) -> None:
        """See it."""


#: One for all: connections of equal plugins share their plans.
_NOOP = Noop()


def with_noop(plugins: Sequence[Plugin]) -> tuple[Plugin, ...]:
    """The plugins in order, and one that does nothing among them."""
    found = ordered(plugins)
    if any(plugin.name == Noop.name for plugin in found):
        return found
    return ordered([*found, _NOOP])


@pytest.fixture(autouse=True)
def quiet_callbacks() -> None:
    """Errors of callbacks are SQLite's alone, whatever another test has switched on."""
    sqlite3.enable_callback_tracebacks(False)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A database with deleted rows, and one in which they do not exist."""
    made = World()
    yield made
    made.close()


@pytest.fixture(autouse=NOOP, scope="session")
def noop() -> Iterator[None]:
    """Have connect, wrap, install and explain put their plugins in order with it."""
    modules = ("kysera_dbapi.sqlite3", "kysera_dbapi._connect", "kysera_dbapi._install")
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(f"{module}.ordered", with_noop)
        yield
