"""The DB-API conformance suite on MySQL and MariaDB: raw and through the shim."""

import unittest
from importlib import import_module
from typing import Any

import pymysql
import pytest

from kysera_dbapi import pymysql as shim
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.plugins import SoftDelete
from tests.compat.outcomes import Run, differences, run
from tests.compat.test_dbapi20 import Noop
from tests.dialects.mysql_server import arguments
from tests.servers import run as execute

dbapi20: Any = import_module("dbapi20")  # from dbapi-compliance; it has no types


def outcomes(driver: Any, url: str, **options: Any) -> Run:
    """What the suite comes to for ``driver``."""

    class Conformance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
        """The suite leaves connections open; here the end of a test closes them."""

        connect_args = ()
        connect_kw_args = {**arguments(url), "autocommit": False, **options}  # noqa: RUF012

        def _connect(self) -> Any:
            parent: Any = super()
            connection: Any = parent._connect()
            self.addCleanup(lambda: connection.open and connection.close())
            return connection

    Conformance.driver = driver  # in the class body the name would hide the argument
    return run(unittest.defaultTestLoader.loadTestsFromTestCase(Conformance))


@pytest.mark.parametrize(
    "plugins",
    [(), (Noop(),), (SoftDelete(tables=["kysera_protected"]),)],
    ids=["no plugin", "no-op plugin", "soft delete of another table"],
)
def test_the_suite_comes_to_the_same_through_the_shim(
    mysql_url: str, plugins: tuple[Plugin, ...]
) -> None:
    execute(
        mysql_url,
        ["CREATE TABLE kysera_protected (id int PRIMARY KEY, deleted_at datetime)"],
    )
    raw = outcomes(pymysql, mysql_url)
    passed = [name for name, outcome in raw.outcomes.items() if outcome == "passed"]
    assert len(raw.outcomes) == 36
    assert len(passed) > 24, raw.tracebacks
    wrapped = outcomes(shim, mysql_url, plugins=plugins)
    assert differences(raw, wrapped) == {}
