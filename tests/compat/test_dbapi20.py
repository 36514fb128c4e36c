"""The DB-API conformance suite comes to the same, raw and through the shim."""

import sqlite3
import unittest
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kysera_dbapi import sqlite3 as shim
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.plugins import SoftDelete
from tests.compat.outcomes import Run, differences, run

dbapi20: Any = import_module("dbapi20")  # from dbapi-compliance; it has no types

PROTECTED = "CREATE TABLE kysera_protected (id INTEGER PRIMARY KEY, deleted_at TEXT)"


class Noop(Plugin):
    """Takes part in everything and does nothing."""

    name = "noop"


class Forgetful(sqlite3.Cursor):
    """A cursor whose ``fetchmany`` gives no row: a wrapper gone wrong."""

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """None of them."""
        return []


class ForgetfulConnection(sqlite3.Connection):
    """Hands out forgetful cursors."""

    def cursor(self, factory: Any = None) -> Any:
        """A forgetful one, whatever was asked for."""
        return super().cursor(Forgetful)


def outcomes(driver: Any, folder: Path, **options: Any) -> Run:
    """What the suite comes to for ``driver``, on a new database file."""

    class Conformance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
        """The suite leaves connections open; here the end of a test closes them."""

        connect_args = (str(database(folder)),)
        connect_kw_args = options

        def _connect(self) -> Any:
            parent: Any = super()
            connection: Any = parent._connect()
            self.addCleanup(connection.close)
            return connection

    Conformance.driver = driver  # in the class body the name would hide the argument
    return run(unittest.defaultTestLoader.loadTestsFromTestCase(Conformance))


def database(folder: Path) -> Path:
    """A new file with a table that the suite does not use."""
    folder.mkdir()
    path = folder / "conformance.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(PROTECTED)
    return path


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the suite comes to on the driver alone."""
    return outcomes(sqlite3, tmp_path_factory.mktemp("raw") / "db")


def test_the_driver_alone_passes_what_it_can(raw: Run) -> None:
    passed = [name for name, outcome in raw.outcomes.items() if outcome == "passed"]
    assert len(raw.outcomes) == 36
    # sqlite3 has no nextset, setoutputsize or type objects, and does not mind a second
    # close() or an early fetch
    assert len(passed) == 24, raw.tracebacks


@pytest.mark.parametrize(
    "plugins",
    [(), (Noop(),), (SoftDelete(tables=["kysera_protected"]),)],
    ids=["no plugin", "no-op plugin", "soft delete of another table"],
)
def test_the_suite_comes_to_the_same_through_the_shim(
    raw: Run, plugins: tuple[Plugin, ...], tmp_path: Path
) -> None:
    wrapped = outcomes(shim, tmp_path / "db", plugins=plugins)
    assert differences(raw, wrapped) == {}


def test_a_wrong_wrapper_would_be_seen(raw: Run, tmp_path: Path) -> None:
    names = {name: getattr(sqlite3, name) for name in dir(sqlite3)}
    driver = SimpleNamespace(**names)
    wrong = outcomes(driver, tmp_path / "db", factory=ForgetfulConnection)
    found = {name.rpartition(".")[2] for name in differences(raw, wrong)}
    # test_fetchmany fails before its first fetch that gives rows
    assert found == {"test_mixedfetch"}
