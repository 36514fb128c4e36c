"""The statements of the differential test, by seed and number.

A statement depends on its seed and number alone, so any of them can be made again.
Most of what chance writes says the same with and without the hidden rows; a candidate
is therefore tried on both databases first, and kept for sure only if they differ.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from tests.oracle.draft import GENERATOR, Params, Statement
from tests.oracle.language import Language
from tests.oracle.many import many
from tests.oracle.schema import Schema
from tests.oracle.world import SHOP, SQLITE, World

_TRIES = 5
_INSENSITIVE_KEPT = {"query": 0.12, "write": 0.3}

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
    rng: random.Random,
    kind: str,
    language: Language = SQLITE,
    *,
    schema: Schema = SHOP,
) -> Statement:
    """One candidate, whatever it is worth."""
    text = language.drafts(rng, schema)
    if kind == "query":
        body, ordered = language.selects(text).statement()
        sql, params = text.finish(body)
        shapes = frozenset(text.shapes)
        return Statement(kind, sql, params, ordered, shapes=shapes, plain=text.plain)
    made = language.writes(schema)(text, limits=language.limits).write()
    sql, params = text.finish(made.text)
    rows: tuple[Params, ...] = ()
    if made.many and params:
        rows = many(params, schema, rng)
        text.mark(rng.choice((GENERATOR, "executemany")))
    shapes = frozenset(text.shapes)
    return Statement(
        made.kind,
        sql,
        params,
        target=made.target,
        beside=made.beside,
        many=rows,
        shapes=shapes,
        plain=text.plain,
    )


def _kept(seed: int, number: int, world: World, *, kind: str) -> Statement:
    rng = random.Random(f"{seed}/{kind}/{number}")
    spare: Statement | None = None
    language, schema = world.language, world.schema
    for _ in range(_TRIES):
        candidate = draft(rng, kind, language, schema=schema)
        copy = world.attempt(world.copy, candidate)
        full = copy and world.attempt(world.full, candidate)
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
    return spare or draft(rng, kind, language, schema=schema)
