"""The statements of the differential test, by seed and number.

A statement depends on its seed and number alone, so any of them can be made again.
Most of what chance writes says the same with and without the hidden rows; a candidate
is therefore tried on both databases first, and kept for sure only if they differ.
"""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.oracle.draft import GENERATOR, Draft, Params, Statement
from tests.oracle.many import many
from tests.oracle.schema import Row, Schema
from tests.oracle.selects import Selects
from tests.oracle.tenant_writes import TenantWrites
from tests.oracle.world import SHOP, VIOLATION, World
from tests.oracle.writes import Writes

_TRIES = 5
_INSENSITIVE_KEPT = {"query": 0.12, "write": 0.3}
_STEPS = 1000  # of SQLite's machine, between two looks at the budget
_BUDGET = 250  # such looks: what takes longer is not kept

SENSITIVE = (
    "sensitive"  # the shape of a statement that hidden rows make a difference to
)


def query(seed: int, number: int, world: World) -> Statement:
    """The query of that number."""
    return _kept(seed, number, world, kind="query")


def write(seed: int, number: int, world: World) -> Statement:
    """The DELETE, UPDATE or INSERT of that number."""
    return _kept(seed, number, world, kind="write")


def queries(seed: int, count: int, world: World) -> Iterator[Statement]:
    return (query(seed, number, world) for number in range(count))


def writes(seed: int, count: int, world: World) -> Iterator[Statement]:
    return (write(seed, number, world) for number in range(count))


def draft(
    rng: random.Random, kind: str, *, limits: bool, schema: Schema = SHOP
) -> Statement:
    """One candidate, whatever it is worth."""
    text = Draft(rng, schema)
    if kind == "query":
        body, ordered = Selects(text).statement()
        sql, params = text.finish(body)
        return Statement(kind, sql, params, ordered, shapes=frozenset(text.shapes))
    made = (TenantWrites if schema.tenants else Writes)(text, limits=limits).write()
    sql, params = text.finish(made.text)
    rows: tuple[Params, ...] = ()
    if made.many and params:
        rows = many(params, schema, rng)
        text.mark(rng.choice((GENERATOR, "executemany")))
    shapes = frozenset(text.shapes)
    return Statement(made.kind, sql, params, False, made.target, rows, shapes)


def _kept(seed: int, number: int, world: World, *, kind: str) -> Statement:
    limits = "ENABLE_UPDATE_DELETE_LIMIT" in world.options
    rng = random.Random(f"{seed}/{kind}/{number}")
    spare: Statement | None = None
    schema = world.schema
    candidates = (draft(rng, kind, limits=limits, schema=schema) for _ in range(_TRIES))
    for candidate in candidates:
        copy = _try(world.copy, candidate)
        full = _try(world.full, candidate)
        if kind == "write":
            world.reset()
        if copy is None or full is None:
            continue
        if copy != full:
            shapes = candidate.shapes | {SENSITIVE}
            return replace(candidate, shapes=shapes)
        if rng.random() < _INSENSITIVE_KEPT[kind]:
            return candidate
        spare = spare or candidate
    return spare or draft(rng, kind, limits=limits, schema=schema)


def _try(
    connection: sqlite3.Connection, statement: Statement
) -> tuple[Sequence[Row], int] | None:
    """The rows and the row count, or None for an error or a search without end.

    That a row may not be written is no error but an answer.
    """
    looks = iter(range(_BUDGET))
    connection.set_progress_handler(lambda: next(looks, None) is None, _STEPS)
    try:
        cursor = connection.cursor()
        statement.run(cursor)
        rows: list[Row] = cursor.fetchall()
        return sorted(rows, key=repr), cursor.rowcount
    except sqlite3.Error as error:
        return ([(VIOLATION,)], -1) if str(error) == VIOLATION else None
    finally:
        connection.set_progress_handler(None, 0)
