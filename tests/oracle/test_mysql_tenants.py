"""Row-level security and soft delete on MySQL and MariaDB, against a tenant's rows."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from tests.mysql_user import seeing
from tests.oracle import generator
from tests.oracle.compare import Connection
from tests.oracle.corpus_mysql import (
    MYSQL_CHANGES,
    MYSQL_TENANTS,
    REFUSED_OF_TENANTS,
    RETURNING_OF_TENANTS,
    TENANTS,
)
from tests.oracle.entries import Entry
from tests.oracle.mysql_world import MySQLTenants
from tests.oracle.tally import check, check_tried, tallied, try_many
from tests.oracle.tenants import as_tenant
from tests.oracle.test_mysql import judged
from tests.servers import Server, database, parameters

pytestmark = pytest.mark.slow
SEED = 20_260_501
QUERIES = 1_500
WRITES = 300
#: What an INSERT does about rows that are there.
CONFLICTS = ("REPLACE", "upsert DO UPDATE")


@pytest.fixture(scope="module", params=parameters("mysql"))
def server(request: pytest.FixtureRequest) -> Server:
    return cast("Server", request.param)


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[MySQLTenants]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(server)) for _ in range(3)]
        urls = stack.enter_context(seeing(urls))
        made = MySQLTenants(urls)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def shim(world: MySQLTenants) -> Connection:
    return as_tenant(world.full)


def test_queries(world: MySQLTenants, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)


def test_writes(world: MySQLTenants, shim: Connection) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, CONFLICTS, 5)


@pytest.mark.fuzz
def test_many(world: MySQLTenants, shim: Connection) -> None:
    try_many(world, shim)


@pytest.mark.parametrize(
    "entry", [*TENANTS, *REFUSED_OF_TENANTS], ids=lambda e: cast("Entry", e).id
)
def test_corpus(world: MySQLTenants, shim: Connection, entry: Entry) -> None:
    judged(world, shim, entry)


@pytest.mark.parametrize(
    "entry",
    [*MYSQL_CHANGES, *MYSQL_TENANTS, *RETURNING_OF_TENANTS],
    ids=lambda e: cast("Entry", e).id,
)
def test_corpus_of_one_server(
    world: MySQLTenants, shim: Connection, entry: Entry, server: Server
) -> None:
    if (entry in RETURNING_OF_TENANTS) != (server.kind == "mariadb"):
        pytest.skip(f"not a statement of {server.kind}")
    judged(world, shim, entry)
