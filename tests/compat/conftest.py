"""Fixtures of the tests that run other people's programs."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import kysera_dbapi
from kysera_dbapi import sqlite3 as shim_module
from tests.compat.shop import Driver, soft_delete


@contextmanager
def installed() -> Iterator[None]:
    """Within the block the standard ``sqlite3`` is the shim, but for memory.

    sqlite-utils has databases of its own in memory.
    """
    plugins = [soft_delete()]
    kysera_dbapi.install("sqlite3", plugins=plugins, only=bool)
    try:
        yield
    finally:
        kysera_dbapi.uninstall("sqlite3")


@pytest.fixture(params=["module", "install"])
def shim(request: pytest.FixtureRequest) -> Driver:
    """Soft delete on the shop's tables, by the drop-in module and by ``install``."""
    if request.param == "module":
        return Driver(shim_module, {"plugins": [soft_delete()]})
    return Driver(sqlite3, installed=installed)


@pytest.fixture
def shim_installed() -> Driver:
    """Soft delete on the shop's tables, for programs that connect by themselves."""
    return Driver(sqlite3, installed=installed)
