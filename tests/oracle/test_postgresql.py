"""Soft delete and row-level security on PostgreSQL, against the rows that are seen.

The same laws as on SQLite, by the same generator, which writes what PostgreSQL takes.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import pytest

import kysera_dbapi
from tests.oracle import generator
from tests.oracle.compare import BAD, Connection, Outcome, judge, report
from tests.oracle.corpus import CORPUS as PORTABLE
from tests.oracle.corpus_postgresql import CORPUS, SINCE, TENANTS
from tests.oracle.entries import Entry
from tests.oracle.postgresql_world import Native, PostgreSQLTenants, PostgreSQLWorld
from tests.oracle.tally import check, check_tried, tallied
from tests.oracle.tenants import CONTEXT, as_tenant, security
from tests.oracle.test_soft_delete import tells
from tests.oracle.world import soft_delete
from tests.servers import Server, database
from tests.versions import major

pytestmark = pytest.mark.slow
SEED = 20_260_401
QUERIES = 1_500
WRITES = 300
NATIVE = 200
MERGES = ("MERGE to INSERT", "MERGE to UPDATE", "MERGE to DELETE")


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
    return as_tenant(tenants.full)


def test_queries(world: PostgreSQLWorld, shim: Connection) -> None:
    tally = tallied(world, shim, generator.queries(SEED, QUERIES, world))
    check(world, shim, tally, seed=SEED)


def test_writes(
    world: PostgreSQLWorld, shim: Connection, postgresql_server: Server
) -> None:
    tally = tallied(world, shim, generator.writes(SEED, WRITES, world))
    check(world, shim, tally, seed=SEED)
    check_tried(tally, MERGES if major(postgresql_server) >= 15 else (), 10)


def test_queries_of_a_tenant(tenants: PostgreSQLTenants, secured: Connection) -> None:
    tally = tallied(tenants, secured, generator.queries(SEED, QUERIES, tenants))
    check(tenants, secured, tally, seed=SEED)


def test_writes_of_a_tenant(
    tenants: PostgreSQLTenants, secured: Connection, postgresql_server: Server
) -> None:
    tally = tallied(tenants, secured, generator.writes(SEED, WRITES, tenants))
    check(tenants, secured, tally, seed=SEED)
    check_tried(tally, MERGES if major(postgresql_server) >= 15 else (), 10)


@pytest.fixture(scope="module")
def native(postgresql_server: Server) -> Iterator[Native]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made = Native(urls)
        stack.callback(made.close)
        yield made


def test_as_row_security_of_its_own(native: Native) -> None:
    """The same rows and the same denials as by CREATE POLICY, for another role."""
    with kysera_dbapi.context(**CONTEXT):
        made: Any = kysera_dbapi.wrap(native.full, plugins=[security()])
    made.context = CONTEXT
    shim = cast(Connection, made)
    tally = tallied(native, shim, generator.queries(SEED, NATIVE, native))
    check(native, shim, tally, seed=SEED)
    tally = tallied(native, shim, generator.writes(SEED, NATIVE // 2, native))
    check(native, shim, tally, seed=SEED)


def entry_param(entry: Entry) -> Any:
    """An entry, for the versions that know it."""
    since = SINCE.get(entry.id)
    marks = [pytest.mark.postgresql_since(since)] if since else []
    return pytest.param(entry, id=entry.id, marks=marks)


@pytest.mark.parametrize("entry", [entry_param(entry) for entry in CORPUS])
def test_corpus(world: PostgreSQLWorld, shim: Connection, entry: Entry) -> None:
    statement = replace(entry.statement(), plain=not entry.params)
    verdict = judge(world, shim, statement)
    text = report(statement, verdict)
    if entry.refused:
        assert verdict.outcome is Outcome.REFUSED, f"{entry.refused}\n{text}"
    else:
        assert verdict.outcome is Outcome.EQUAL, text
        assert tells(verdict), f"the statement shows nothing\n{text}"


@pytest.mark.parametrize("entry", TENANTS, ids=lambda e: cast("Entry", e).id)
def test_corpus_of_tenants(
    tenants: PostgreSQLTenants, secured: Connection, entry: Entry
) -> None:
    statement = replace(entry.statement(), plain=not entry.params)
    verdict = judge(tenants, secured, statement)
    text = report(statement, verdict)
    assert verdict.outcome is Outcome.EQUAL, text
    assert tells(verdict), f"the statement shows nothing\n{text}"


def test_the_corpus_of_sqlite(world: PostgreSQLWorld, shim: Connection) -> None:
    """What PostgreSQL takes of it, as it is written there."""
    counts: Counter[Outcome] = Counter()
    for entry in PORTABLE:
        if entry.params or entry.refused:
            continue
        statement = replace(entry.statement(), plain=True)
        verdict = judge(world, shim, statement)
        if verdict.expected.error and not verdict.got.error:
            pytest.fail(report(statement, verdict))
        if not verdict.expected.error:
            counts[verdict.outcome] += 1
            assert verdict.outcome not in BAD, report(statement, verdict)
    assert counts[Outcome.EQUAL] > 200
    assert counts[Outcome.REFUSED] < 5
