"""Columns, aliases and tables may be called as the words that clauses begin with.

What a database takes, bare or in quotes, gives the same through the shim and where the
deleted rows do not exist.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import psycopg
import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.dialects.mysql_server import arguments
from tests.servers import Server, database, parameters

WORDS = """
lock window conflict data no duplicate key share offset fetch returning set limit values
rows row over filter range partition using natural left full lateral recursive on for
into only temp replace matched do call if escape between
""".split()
TEXTS = """
SELECT id FROM t WHERE {0} IN (1, 2)
SELECT {0} FROM t WHERE 0 < {0}
SELECT count(*), {0} FROM t GROUP BY {0} ORDER BY {0}
SELECT DISTINCT id, {0} + 1 AS y FROM t
SELECT id FROM t WHERE CASE WHEN {0} = 1 THEN 1 ELSE 0 END = 1
SELECT t.id FROM t JOIN u ON u.{0} = t.{0}
SELECT x.id FROM t AS x LEFT JOIN u ON {0} = x.id
SELECT {0}.id FROM t AS {0}
SELECT {0}.id FROM t {0} WHERE {0}.id > 0
SELECT x.id FROM t x JOIN u AS {0} ON {0}.id = x.id
SELECT id AS {0} FROM t
SELECT id {0} FROM t
WITH {0} AS (SELECT id FROM t) SELECT * FROM {0}
SELECT id FROM t WHERE id IN (SELECT {0} FROM u WHERE {0} > 1)
SELECT * FROM (SELECT {0} FROM t) AS {0}
UPDATE t SET {0} = {0} + 1 WHERE {0} IN (1, 2)
DELETE FROM t WHERE {0} IN (2, 3)
INSERT INTO t (id, {0}) VALUES (9, 2)
""".strip().splitlines()

Run = Callable[[str], Any]


def sqlite_pair(stack: ExitStack, _: Server | None) -> list[Any]:
    made = [sqlite3.connect(":memory:", isolation_level=None) for _ in range(2)]
    return [stack.enter_context(closing(one)) for one in made]


def postgresql_pair(stack: ExitStack, server: Server | None) -> list[Any]:
    assert server is not None
    urls = [stack.enter_context(database(server)) for _ in range(2)]
    made = [psycopg.connect(url, autocommit=True) for url in urls]
    return [stack.enter_context(closing(one)) for one in made]


def mysql_pair(stack: ExitStack, server: Server | None) -> list[Any]:
    assert server is not None
    urls = [stack.enter_context(database(server)) for _ in range(2)]
    made: list[Any] = [pymysql.connect(**arguments(url)) for url in urls]
    return [stack.enter_context(closing(one)) for one in made]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((sqlite_pair, '"{}"', None), id="sqlite"),
        *(
            pytest.param((pair, quoted, one.values[0]), id=one.id, marks=one.marks)
            for family, pair, quoted in (
                ("postgresql", postgresql_pair, '"{}"'),
                ("mysql", mysql_pair, "`{}`"),
            )
            for one in parameters(family)
        ),
    ],
)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any, str]]:
    """The shim over all rows, the visible rows alone, and how a name is quoted."""
    pair, quoted, server = request.param
    columns = ", ".join(f"{quoted.format(word)} int" for word in WORDS)
    with ExitStack() as stack:
        full, copy = pair(stack, server)
        for one in (full, copy):
            run = one.cursor()
            for table in "tu":
                run.execute(
                    f"CREATE TABLE {table} (id int PRIMARY KEY, "
                    f"deleted_at varchar(40), {columns})"
                )
                for i, mark in enumerate(("NULL", "NULL", "'x'", "NULL"), 1):
                    values = f"{i}, {mark}, {', '.join([str(i)] * len(WORDS))}"
                    run.execute(f"INSERT INTO {table} VALUES ({values})")
        copy.cursor().execute("DELETE FROM t WHERE deleted_at IS NOT NULL")
        shim = kysera_dbapi.wrap(full, plugins=[SoftDelete(tables=["t"])])
        yield shim, copy, quoted


def outcome(connection: Any, sql: str) -> Any:
    """The rows, or how many were written; nothing is kept."""
    run = connection.cursor()
    run.execute("BEGIN")
    try:
        run.execute(sql)
        return sorted(run.fetchall(), key=repr) if run.description else run.rowcount
    finally:
        with suppress(Exception):
            connection.cursor().execute("ROLLBACK")


def test_words_may_be_names(place: tuple[Any, Any, str]) -> None:
    shim, copy, quoted = place
    taken, refused = 0, list[str]()
    for word in WORDS:
        for name in (word, quoted.format(word)):
            for text in TEXTS:
                sql = text.format(name)
                try:
                    expected = outcome(copy, sql)
                except Exception:  # the database does not take it
                    continue
                taken += 1
                try:
                    assert outcome(shim, sql) == expected, sql
                except kysera_dbapi.UnsupportedStatement:
                    refused.append(sql)
    assert taken > len(WORDS) * len(TEXTS)
    assert not [sql for sql in refused if quoted[0] in sql]
    # a bare word that no parser could know for a name
    assert len(refused) < taken * 0.03, refused
