"""Laws of parameters: each value arrives where the caller's text wants it."""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plugins import SoftDelete
from tests.property.strategies import LAW, PAD, database

TABLES = ["orders", "customers"]
SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total, deleted_at);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, total);
INSERT INTO orders VALUES (1, 10, NULL), (2, 20, 'before'), (3, 30, NULL);
INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', 'before');
INSERT INTO log VALUES (1, 5), (2, 7);
"""
#: Each ``{}`` is a placeholder; what is bound is to be seen in the rows.
ECHOES = [
    "SELECT {}, id, {} FROM orders WHERE id <> {}",
    "SELECT {} AS a, o.id FROM orders o LEFT JOIN orders p ON p.id = {} WHERE {} <> 77",
    "SELECT (SELECT {} FROM customers), {} FROM log l, orders o WHERE o.id > {}",
    "WITH c AS (SELECT {} AS x, id FROM orders) SELECT c.*, {}, o.id FROM c "
    "JOIN orders o USING (id) WHERE o.id < {} ORDER BY {}, o.id LIMIT {}",
    "SELECT * FROM (SELECT {}, id FROM orders UNION ALL SELECT {}, id FROM log) "
    "WHERE id NOT IN ({}, {}, {})",
    "SELECT {}, count(*) FROM orders o RIGHT JOIN log USING (id) GROUP BY log.id, {}",
    PAD + "SELECT {}, id FROM orders WHERE id IN ({}, {}, {}) OR {} = 77",
    PAD + "SELECT o.id, v.* FROM orders o, (VALUES ({}, {}), ({}, 5)) v WHERE {} <> 5",
]
#: Statements that write, and to whose values one of ours is added.
WRITES = [
    "DELETE FROM orders WHERE id = {} OR total > {}",
    "DELETE FROM orders AS o WHERE {} < o.total AND id IN (SELECT id + {} FROM log)",
    PAD + "DELETE FROM orders WHERE id IN ({}, {}, {}) AND total < {}",
    "UPDATE orders SET total = total + {} WHERE id = {}",
    "INSERT INTO log (total) SELECT total + {} FROM orders WHERE total <> {}",
]
TOKENS = ("?", "?", "?1", "?2", "?3", "?5", ":a", ":b", "@a", "$a", "$b")
VALUES = (0, 1, 2, 3, 5, 20, 25, None)


class Translating(sqlite3.Cursor):
    """Takes ``%s`` and ``%(name)s``, as the cursors of Django do."""

    def execute(self, sql: str, parameters: Any = None, /) -> "Translating":
        if parameters is None:
            return super().execute(sql)
        return super().execute(translated(sql, parameters), parameters)

    def executemany(self, sql: str, rows: Any, /) -> "Translating":
        return super().executemany(translated(sql, ()), rows)


def translated(sql: str, parameters: Any) -> str:
    if isinstance(parameters, Mapping):
        names: list[str] = list(parameters)  # pyright: ignore
        return sql % {name: f":{name}" for name in names}
    return re.sub(r"(?<!%)%s", "?", sql).replace("%%", "%")


@pytest.fixture(scope="module")
def raw() -> Iterator[Any]:
    with closing(database(SHOP, TABLES, filtered=True)) as made:
        yield made


@pytest.fixture(scope="module")
def shim() -> Iterator[Any]:
    full = database(SHOP, TABLES, filtered=False)
    with closing(kysera_dbapi.wrap(full, plugins=[SoftDelete(TABLES)])) as made:
        yield made


def outcome(
    connection: Any, sql: str, given: object, factory: type = sqlite3.Cursor
) -> tuple[object, ...]:
    """The rows, or the error; and what a caller can see of the tables afterwards."""
    connection.execute("BEGIN")
    try:
        cursor = connection.cursor(factory)
        result: object = sorted(map(repr, cursor.execute(sql, given).fetchall()))
        result = (result, cursor.rowcount)
    except Exception as error:
        result = next(
            c.__name__
            for c in type(error).__mro__
            if not c.__module__.startswith("kys")
        )
    seen = [
        connection.execute(f"SELECT id, total FROM {table} ORDER BY id").fetchall()
        for table in ("orders", "log")
    ]
    connection.execute("ROLLBACK")
    return (result, *seen)


@st.composite
def filled(draw: st.DrawFn, templates: Sequence[str]) -> tuple[str, list[str]]:
    """A statement and its placeholders."""
    template = draw(st.sampled_from(templates))
    pools: list[tuple[str, ...]] = [
        TOKENS[:6],
        TOKENS[6:],
        ("?",),
        (":a", ":b", "?"),
        ("?2", "?1"),
    ]
    if template in ECHOES:
        pools.append(TOKENS)
    pool = draw(st.sampled_from(pools))
    tokens = [draw(st.sampled_from(pool)) for _ in range(template.count("{}"))]
    return template.format(*tokens), tokens


def expected(tokens: Sequence[str]) -> int:
    """How many values SQLite wants: https://www.sqlite.org/lang_expr.html#varparam"""
    names: dict[str, int] = {}
    most = 0
    for token in tokens:
        if token[0] == "?":
            most = max(most, int(token[1:] or most + 1))
        elif token not in names:
            names[token] = most = most + 1
    return most


@LAW
@given(st.data(), filled(ECHOES + WRITES), st.sampled_from([0, 0, 0, 0, 1, -1]))
def test_a_sequence_arrives_in_its_places(
    raw: Any, shim: Any, data: st.DataObject, made: tuple[str, list[str]], off: int
) -> None:
    sql, tokens = made
    count = max(expected(tokens) + off, 0)
    bound = data.draw(st.tuples(*[st.sampled_from(VALUES)] * count))
    assert outcome(shim, sql, bound) == outcome(raw, sql, bound)
    assert outcome(shim, sql, list(bound)) == outcome(raw, sql, list(bound))


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("DELETE FROM orders WHERE id = :a OR total > ?1", (0,)),
        ("DELETE FROM orders WHERE id = :a OR total > ?1", {"a": 0}),
        ("DELETE FROM orders WHERE ?1 IS NULL OR id = :a", (None, 3)),
    ],
)
def test_numbers_and_names_do_not_mix_beside_a_value_of_ours(
    shim: Any, sql: str, bound: Any
) -> None:
    with pytest.raises(UnsupportedStatement, match="mixed"):
        shim.execute(sql, bound)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("given", [3, None, {3}, iter([3]), object(), 3.5])
@pytest.mark.parametrize("where", ["", " WHERE id = ?", " WHERE id = :a"])
@pytest.mark.parametrize("table", ["orders", "log"])
def test_what_holds_no_values_is_refused(
    shim: Any, table: str, where: str, given: Any, many: bool
) -> None:
    sql = f"DELETE FROM {table}{where}"
    with pytest.raises(sqlite3.ProgrammingError) as caught:
        shim.executemany(sql, [given]) if many else shim.execute(sql, given)
    assert isinstance(caught.value, errors.ProgrammingError)
    assert "mapping" in str(caught.value) or "unsupported type" in str(caught.value)
    shim.rollback()


@LAW
@given(st.data(), filled(ECHOES + WRITES))
def test_a_mapping_arrives_by_its_names(
    raw: Any, shim: Any, data: st.DataObject, made: tuple[str, list[str]]
) -> None:
    sql, _ = made
    names = data.draw(st.sampled_from(["ab", "ba", "abc", "a"]))
    bound = {name: data.draw(st.sampled_from(VALUES)) for name in names}
    assert outcome(shim, sql, bound) == outcome(raw, sql, bound)


@LAW
@given(st.data(), st.sampled_from(ECHOES + WRITES), st.sampled_from([0, 0, 0, 1, -1]))
def test_format_parameters_arrive_below_a_translating_cursor(
    raw: Any, shim: Any, data: st.DataObject, template: str, off: int
) -> None:
    count = template.count("{}")
    sql = template.format(*["%s"] * count).replace("WHERE", "WHERE 5 %% 2 = 1 AND")
    bound = data.draw(st.tuples(*[st.sampled_from(VALUES)] * max(count + off, 0)))
    one, other = (outcome(c, sql, bound, Translating) for c in (shim, raw))
    assert one == other


@LAW
@given(st.data(), st.sampled_from(ECHOES + WRITES))
def test_pyformat_parameters_arrive_below_a_translating_cursor(
    raw: Any, shim: Any, data: st.DataObject, template: str
) -> None:
    count = template.count("{}")
    tokens = [data.draw(st.sampled_from(["%(a)s", "%(b)s"])) for _ in range(count)]
    sql = template.format(*tokens).replace("WHERE", "WHERE 5 %% 2 = 1 AND")
    bound = {name: data.draw(st.sampled_from(VALUES)) for name in "ab"}
    one, other = (outcome(c, sql, bound, Translating) for c in (shim, raw))
    assert one == other


@pytest.mark.parametrize("sql", WRITES[:1])
@pytest.mark.parametrize("factory", [sqlite3.Cursor, Translating])
def test_rows_are_taken_one_by_one(shim: Any, sql: str, factory: type) -> None:
    """executemany takes a row when the one before has been executed."""
    mark = "?" if factory is sqlite3.Cursor else "%s"
    seen: list[int] = []

    def rows() -> Iterator[tuple[int, int]]:
        for number in (1, 3, 4):
            seen.append(shim.unwrap().total_changes - before)
            yield number, 1000

    shim.execute("BEGIN")
    before = shim.unwrap().total_changes
    taken = rows()
    cursor = shim.cursor(factory)
    cursor.executemany(sql.format(mark, mark), taken)
    assert cursor.rowcount == 2
    assert seen == [0, 1, 2]
    assert next(taken, None) is None
    shim.execute("ROLLBACK")
