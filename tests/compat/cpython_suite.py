"""Runs CPython's own tests of sqlite3; a program, since it changes the whole process.

``python cpython_suite.py VARIANT FILE [MODULE ...]`` writes what each test came to
into FILE, as JSON. VARIANT says what ``sqlite3.connect`` is while the tests run.
"""

import json
import sqlite3
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.compat.outcomes import run

if TYPE_CHECKING:
    from kysera_dbapi.mode import Mode

__all__ = ["VARIANTS", "main"]


def raw() -> None:
    """The driver alone."""


def bare() -> None:
    """The shim without a plugin."""
    from kysera_dbapi import install

    install("sqlite3")


def noop() -> None:
    """The shim, with a plugin that does nothing."""
    from kysera_dbapi import install
    from kysera_dbapi.plugin import Plugin

    class Noop(Plugin):
        name = "noop"

    install("sqlite3", plugins=[Noop()])


def hooked() -> None:
    """The shim, with a plugin that sees everything and does nothing."""
    from kysera_dbapi import install
    from kysera_dbapi.plugin import Event, Plugin

    class Hooked(Plugin):
        name = "hooked"

        def before_execute(self, event: Event) -> None:
            """See it."""

        def after_execute(self, event: Event) -> None:
            """See it."""

        def on_error(self, event: Event, error: BaseException) -> None:
            """See it."""

    install("sqlite3", plugins=[Hooked()])


def protected(mode: "Mode" = "normal") -> None:
    """The shim, protecting a table that no test has: all that is refused is refused."""
    from kysera_dbapi import install
    from kysera_dbapi.plugin import Plugin

    class Protecting(Plugin):
        name = "protecting"

        def protected(self, catalogue: object) -> tuple[str, ...]:
            """A table of no database."""
            return ("main.kysera_protected",)

    install("sqlite3", plugins=[Protecting()], mode=mode)


def reported() -> None:
    """The same, but what would be refused is logged."""
    protected("report")


def broken() -> None:
    """A wrapper gone wrong: ``rollback`` does nothing."""

    class Broken(sqlite3.Connection):
        def rollback(self) -> None:
            """Forget what was asked for."""

    connect = sqlite3.connect

    def connect_broken(*args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("factory", Broken)
        return connect(*args, **kwargs)

    sqlite3.connect = connect_broken
    vars(sqlite3)["dbapi2"].connect = connect_broken


VARIANTS: dict[str, Callable[[], None]] = {
    variant.__name__: variant
    for variant in (raw, bare, noop, hooked, protected, reported, broken)
}


def main(variant: str, file: str, *modules: str) -> None:
    """Set ``variant`` up, run the tests of ``modules`` (all) and write ``file``."""
    VARIANTS[variant]()  # before the tests import sqlite3
    names = [f"test.test_sqlite3.{module}" for module in modules]
    suite = unittest.defaultTestLoader.loadTestsFromNames(
        names or ["test.test_sqlite3"]
    )
    Path(file).write_text(json.dumps(run(suite).as_dict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
