"""The relations that a plan names are those that PostgreSQL itself opens.

Each that a text names is locked when the text is analysed, whether the plan comes to
need it or not: EXPLAIN in a transaction, and ``pg_locks`` tells them all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from tests.oracle import generator
from tests.oracle.corpus import CORPUS as PORTABLE
from tests.oracle.corpus_postgresql import CORPUS
from tests.oracle.draft import Statement
from tests.oracle.postgresql_world import PostgreSQLWorld
from tests.oracle.world import soft_delete
from tests.servers import Server, database

pytestmark = pytest.mark.slow
SEED = 20_260_407
LOCKED = """
SELECT n.nspname || '.' || c.relname FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'v') AND n.nspname = 'public'
"""
#: The view of the world, and what it reads.
VIEW, BENEATH = "public.regions", "public.countries"


@pytest.fixture(scope="module")
def world(postgresql_server: Server) -> Iterator[PostgreSQLWorld]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made = PostgreSQLWorld(urls)
        stack.callback(made.close)
        yield made


def statements(world: PostgreSQLWorld) -> Iterator[Statement]:
    for entry in (*CORPUS, *PORTABLE):
        if not entry.refused and (entry in CORPUS or not entry.params):
            yield Statement("", entry.sql, entry.params, plain=not entry.params)
    yield from generator.queries(SEED, 400, world)
    yield from generator.writes(SEED, 200, world)


def locked(raw: Any, statement: Statement) -> set[str] | None:
    """The relations that PostgreSQL opens; None for a text that it does not take."""
    text = f"EXPLAIN {statement.sql}"
    raw.rollback()  # what the generator has left is locked, too
    try:
        if statement.plain:
            raw.execute(text)
        else:
            raw.execute(text, statement.params)
        return {name for (name,) in raw.execute(LOCKED)}
    except psycopg.Error:
        return None
    finally:
        raw.rollback()


def test_the_relations_are_those_that_postgresql_opens(world: PostgreSQLWorld) -> None:
    wrapped: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    session = wrapped._self_session
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for statement in statements(world):
        found = locked(world.copy, statement)
        if found is None:
            counts["not taken"] += 1
            continue
        style = 0 if statement.plain else 1
        try:
            plan = session.plan(statement.sql, format_style=style)
        except kysera_dbapi.UnsupportedStatement:
            counts["refused"] += 1
            continue
        due = plan.relations | ({BENEATH} if VIEW in plan.relations else set())
        counts["equal"] += found == due
        if found != due:
            wrong.append(
                f"{statement.sql}\n  postgresql alone {found - due}, "
                f"ours alone {due - found}"
            )
    world.reset()
    print(counts)
    assert not wrong, "\n".join(wrong[:5])
    assert counts["equal"] > 900
    assert counts["refused"] < 10
