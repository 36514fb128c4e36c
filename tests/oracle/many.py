"""Many executions of one statement: values like the first ones, row by row."""

import random
from collections.abc import Mapping
from typing import Any

from tests.oracle.draft import Params
from tests.oracle.schema import Schema
from tests.oracle.writes import NEW


def many(params: Params, schema: Schema, rng: random.Random) -> tuple[Params, ...]:
    """The values of two to four executions, the given ones first."""
    more = range(1, rng.choice((2, 3, 4)))
    return (params, *(_varied(params, number, schema, rng) for number in more))


def _varied(params: Params, number: int, schema: Schema, rng: random.Random) -> Params:
    if isinstance(params, Mapping):
        return {k: _other(v, number, schema, rng) for k, v in params.items()}
    return tuple(_other(value, number, schema, rng) for value in params)


def _other(value: Any, number: int, schema: Schema, rng: random.Random) -> Any:
    """A new key for a new key; else, now and then, a value that is found beside it."""
    if isinstance(value, int) and value >= NEW:
        return value + 1000 * number
    pools = [pool for pool in schema.pools.values() if value in pool]
    tenants = {mine for _, mine in schema.tenants.values()}
    often = 0.05 if value in tenants else 0.5
    if not pools or rng.random() > often:
        return value
    return rng.choice(rng.choice(pools))
