"""Words that are keywords by their places, and what the parser is shown in their stead.

Random queries of names that are such words; those that PostgreSQL takes give the same
through the shim and on the copy that holds the visible rows alone.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from tests.oracle.compare import BAD, Outcome, judge, report
from tests.oracle.draft import Statement
from tests.oracle.postgresql_world import PostgreSQLWorld
from tests.oracle.world import soft_delete
from tests.servers import Server, database

TRIED = 3_000
NAMES = (
    *"rows search cycle overriding value system operator commit depth uescape".split(),
    *('unlogged temp id total status orders o "rows" U&"rows" "table"'.split()),
)
TABLES = (
    *"orders orders public.orders customers flagged items tags".split(),
    *("ONLY orders", "ONLY (orders)", "orders *", 'U&"\\006frders"'),
)
CONSTANTS = (
    *("1", "'a'\n'b'", "U&'\\0061'", "E'\\x61'\n'b'", "U&'!0061' UESCAPE '!'"),
    *("ROW(1)", "(1)", "count(*) OVER (ROWS CURRENT ROW)"),
)
DERIVED = "(VALUES (1));(SELECT (1));(TABLE orders);(SELECT (1) AS rows)".split(";")
ORDERS = ("USING >", "USING <", "USING OPERATOR(pg_catalog.<)", "DESC")
WALK = (
    "WITH RECURSIVE t (id) AS (SELECT 10 UNION ALL SELECT c.id FROM categories c "
    "JOIN t ON c.parent_id = t.id)"
)
WALKS = (
    " SEARCH DEPTH FIRST BY id SET s",
    " CYCLE id SET s TO 'a'\n'b' DEFAULT 'c' USING p",
    " SEARCH BREADTH FIRST BY id SET s CYCLE id SET q USING p",
)


class Soup:
    """Writes queries."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.pick = self._rng.choice

    def query(self, depth: int) -> str:
        form = self._rng.randint(0, 9)
        if form == 0:
            return f"TABLE {self.pick(TABLES)}"
        if form == 1 and depth:
            name = self.pick(("x", "orders", "search"))
            return f"WITH {name} AS ({self.query(depth - 1)}) {self.query(depth - 1)}"
        if form == 2 and depth:
            operator = self.pick(("UNION", "UNION ALL", "EXCEPT"))
            return f"{self.query(depth - 1)} {operator} {self.query(depth - 1)}"
        if form == 3:
            return f"{WALK}{self.pick(WALKS)} SELECT t.id FROM t{self._more(0)}"
        return self._select(depth)

    def _select(self, depth: int) -> str:
        shown = [self._value(depth) for _ in range(self._rng.randint(1, 2))]
        text = f"SELECT {self.pick((', '.join(shown), '*', 'count(*)'))}"
        text += f" FROM {self._item(depth)}{self._more(depth)}"
        if self._rng.random() < 0.15:
            text += f" ORDER BY {self.pick(NAMES)} {self.pick(ORDERS)}"
        return text

    def _value(self, depth: int) -> str:
        value = self.pick((self.pick(NAMES), self.pick(CONSTANTS), "o.id", "rows.id"))
        if depth and self._rng.random() < 0.2:
            value = f"{self.pick(('', 'ARRAY'))}({self.query(depth - 1)})"
        return value + self.pick(("", "", f" AS {self.pick(NAMES)}", " rows"))

    def _item(self, depth: int) -> str:
        alias = self.pick(("", *(f"{a}{self.pick(NAMES)}" for a in (" ", " AS "))))
        forms = [
            *[f"{self.pick(TABLES)}{alias}"] * 4,
            f"ROWS FROM (generate_series(1, 2), unnest(ARRAY[3])){alias}",
            f"{self.pick(DERIVED)} {self.pick(NAMES)}",
        ]
        if depth:
            forms += [
                f"{self.pick(('', 'LATERAL '))}({self.query(depth - 1)}) rows",
                f"({self._item(depth - 1)}{self._join(depth - 1)})",
                f"ROWS FROM (unnest(ARRAY({self.query(depth - 1)}))){alias}",
            ]
        return self.pick(forms)

    def _more(self, depth: int) -> str:
        return self.pick(("", f", {self._item(depth)}", self._join(depth)))

    def _join(self, depth: int) -> str:
        kind = self.pick(("", " LEFT", " RIGHT", " FULL", " NATURAL FULL", " CROSS"))
        text = f"{kind} JOIN {self._item(depth)}"
        if kind in (" NATURAL FULL", " CROSS"):
            return text
        using = f" USING ({self.pick(('id', 'order_id'))})"
        return text + self.pick((using, f"{using} AS {self.pick(NAMES)}", " ON true"))


@pytest.fixture(scope="module")
def world(postgresql_server: Server) -> Iterator[PostgreSQLWorld]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made = PostgreSQLWorld(urls)
        stack.callback(made.close)
        yield made


def taken(world: PostgreSQLWorld, sql: str) -> bool:
    """Whether the server takes it at all."""
    try:
        world.copy.execute(cast("Any", f"EXPLAIN {sql}"))
    except psycopg.Error:
        return False
    finally:
        world.copy.rollback()
    return True


def test_words_that_are_names(world: PostgreSQLWorld) -> None:
    shim: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    soup, judged, refused = Soup(20_260_511), 0, 0
    for _ in range(TRIED):
        sql = soup.query(2)
        if not taken(world, sql):
            continue
        statement = Statement("query", sql, plain=True)
        verdict = judge(world, shim, statement)
        assert verdict.outcome not in BAD, report(statement, verdict)
        judged += 1
        refused += verdict.outcome is Outcome.REFUSED
    assert judged > TRIED // 8
    assert refused < judged * 0.04
