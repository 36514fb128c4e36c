"""The relations that a plan names are those that MySQL and MariaDB themselves open.

Tables that were flushed are open again once EXPLAIN has looked at a statement, whether
its plan comes to need them or not: SHOW OPEN TABLES tells them all. On MariaDB other
sessions that read the catalogue open all tables, too, but not every time.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.parsing import parse
from kysera_dbapi.source import read
from kysera_dbapi.statement import Statement as Parsed
from tests.dialects.test_relations import is_unused
from tests.oracle import corpus_mysql, generator
from tests.oracle.corpus import CORPUS as PORTABLE
from tests.oracle.draft import Statement
from tests.oracle.mysql_world import MySQLWorld
from tests.oracle.world import soft_delete
from tests.servers import Server, database, parameters

SEED = 20_260_507
TRIES = 20
#: The view of the world, and what it reads.
VIEW, BENEATH = "regions", "countries"
CORPUS = (
    *(*corpus_mysql.READS, *corpus_mysql.CHANGES, *corpus_mysql.RETURNING),
    *(*corpus_mysql.MYSQL, *corpus_mysql.MYSQL_CHANGES),
)


@pytest.fixture(scope="module", params=parameters("mysql"))
def world(request: pytest.FixtureRequest) -> Iterator[MySQLWorld]:
    server = cast("Server", request.param)
    with ExitStack() as stack:
        urls = [stack.enter_context(database(server)) for _ in range(3)]
        made = MySQLWorld(urls)
        stack.callback(made.close)
        yield made


def statements(world: MySQLWorld) -> Iterator[Statement]:
    for entry in (*CORPUS, *PORTABLE):
        if not entry.refused and (entry in CORPUS or not entry.params):
            yield Statement("", entry.sql, entry.params, plain=not entry.params)
    yield from generator.queries(SEED, 200, world)
    yield from generator.writes(SEED, 100, world)


def opened(world: MySQLWorld, statement: Statement) -> set[str] | None:
    """What the server opens; None for a text that it does not take."""
    names = [*world.schema.tables, VIEW]
    world.full.rollback()
    world.copy.rollback()
    world.execute(world.full, f"FLUSH TABLES {', '.join(map(world.quoted, names))}")
    try:
        cursor = world.full.cursor()
        text = f"EXPLAIN {statement.sql}"
        cursor.execute(text, None if statement.plain else statement.params)
        cursor.execute(f"SHOW OPEN TABLES FROM {world.quoted(world.place)}")
        return {f"{row[0]}.{row[1]}" for row in cursor.fetchall()}
    except pymysql.Error:
        return None
    finally:
        world.full.rollback()


def test_the_relations_are_those_that_the_server_opens(world: MySQLWorld) -> None:
    wrapped: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    session = wrapped._self_session
    view, beneath = f"{world.place}.{VIEW}", f"{world.place}.{BENEATH}"
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for statement in statements(world):
        found = opened(world, statement)
        if found is None:
            counts["not taken"] += 1
            continue
        style = 0 if statement.plain else 1
        try:
            plan = session.plan(statement.sql, format_style=style)
        except kysera_dbapi.UnsupportedStatement:
            counts["refused"] += 1
            continue
        due = plan.relations | ({beneath} if view in plan.relations else set())
        for _ in range(TRIES):
            if found <= due:
                break
            found &= opened(world, statement) or set()
        counts["equal"] += found == due
        if found == due:
            continue
        # MySQL leaves out what a member of WITH reads that nothing uses
        source = read(statement.sql, session.dialect, session.pipeline.lexers[style])
        parsed = parse(source, session.dialect, session.catalogue, Parsed)
        parts = (parsed, *parsed.nested)  # the targets of several are of parts
        named = [r for part in parts for r in part.references]
        used = {r.table.key for r in named if not is_unused(parsed, r)}
        used |= {beneath} if view in used else set()
        counts["unused"] += found == used
        if found != used:
            wrong.append(
                f"{statement.sql}\n  the server alone {found - due}, "
                f"ours alone {due - found}"
            )
    world.reset()
    print(counts)
    assert not wrong, "\n".join(wrong[:5])
    assert counts["equal"] + counts["unused"] > 500
    assert counts["refused"] < 20
