"""Soft delete and row-level security on PostgreSQL, against the rows that are seen.

The same laws as on SQLite, by the same generator, which writes what PostgreSQL takes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.oracle import generator
from tests.oracle.compare import Connection
from tests.oracle.postgresql_world import PostgreSQLTenants, PostgreSQLWorld
from tests.oracle.tally import check, tallied
from tests.oracle.tenants import CONTEXT, security
from tests.oracle.world import soft_delete
from tests.servers import Server, database

SEED = 20_260_401
QUERIES = 1_500
WRITES = 300


@pytest.fixture(scope="module")
def world(postgresql_server: Server) -> Iterator[PostgreSQLWorld]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made = PostgreSQLWorld(urls)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def tenants(postgresql_server: Server) -> Iterator[PostgreSQLTenants]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made = PostgreSQLTenants(urls)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def shim(world: PostgreSQLWorld) -> Connection:
    made: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    return cast(Connection, made)


@pytest.fixture(scope="module")
def secured(tenants: PostgreSQLTenants) -> Connection:
    plugins = [soft_delete(), security()]
    with kysera_dbapi.context(**CONTEXT):
        made: Any = kysera_dbapi.wrap(tenants.full, plugins=plugins)
    made.context = CONTEXT
    return cast(Connection, made)


def test_queries(world: PostgreSQLWorld, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)


def test_writes(world: PostgreSQLWorld, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)


def test_queries_of_a_tenant(tenants: PostgreSQLTenants, secured: Connection) -> None:
    tally = tallied(tenants, secured, generator.queries(SEED, QUERIES, tenants))
    check(tenants, secured, tally, seed=SEED)


def test_writes_of_a_tenant(tenants: PostgreSQLTenants, secured: Connection) -> None:
    tally = tallied(tenants, secured, generator.writes(SEED, WRITES, tenants))
    check(tenants, secured, tally, seed=SEED)
