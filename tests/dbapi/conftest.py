"""A database of notes on PostgreSQL, MySQL and MariaDB, raw and through the shim."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, cast

import psycopg
import pymysql
import pytest

import kysera_dbapi
from tests.dbapi.notes import MYSQL, SCHEMA, plugins
from tests.dbapi.revival import PostgreSQL, SQLite
from tests.dialects.mysql_server import arguments
from tests.servers import found, run


@pytest.fixture
def raw_notes(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


@pytest.fixture
def notes(raw_notes: Any, postgresql_url: str) -> Iterator[Any]:
    made = kysera_dbapi.connect(postgresql_url, plugins=plugins(), autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        yield made


@pytest.fixture
def raw_mysql_notes(mysql_url: str) -> Iterator[Any]:
    run(mysql_url, MYSQL)
    with closing(pymysql.connect(**arguments(mysql_url))) as made:
        yield made


@pytest.fixture
def mysql_notes(raw_mysql_notes: Any, mysql_url: str) -> Iterator[Any]:
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Where the databases of a revival are."""
    if request.param == "sqlite":
        yield SQLite()
        return
    server = next(found().of("postgresql"))
    if isinstance(server, str):
        pytest.skip("there is no PostgreSQL")
    with ExitStack() as stack:
        one = request.getfixturevalue("databases")(server).one()
        yield PostgreSQL(stack.enter_context(one), stack)
