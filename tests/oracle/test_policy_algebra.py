"""Policies are joined as PostgreSQL joins them: its own row security is asked.

Random sets of policies and statements, on a table of PostgreSQL that has them, and
through the shim on a table of SQLite or PostgreSQL with the same rows.
"""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import Policy, RowLevelSecurity
from tests.servers import unique

SEED = 20_260_118
SETS = 120
ROWS = [(i, i % 3, i % 5) for i in range(1, 16)]
CONDITIONS = (
    "a = 1",
    "a <> 0",
    "b > 1",
    "b IN (0, 1, 4)",
    "a + b < 4",
    "id % 2 = 0",
    "a IS NULL",
    "b IN (SELECT x FROM other WHERE x > t.a)",
    "EXISTS (SELECT 1 FROM other o WHERE o.x = t.b)",
)
# Each reads a column: PostgreSQL asks for no right to SELECT where nothing is read.
STATEMENTS = (
    "SELECT id, a, b FROM t ORDER BY id",
    "SELECT count(*), sum(b) FROM t WHERE a < 2",
    "SELECT x.id, y.id FROM t x LEFT JOIN t y ON y.id = x.id + 1 ORDER BY 1, 2",
    "UPDATE t SET a = a + 1 WHERE id > {n}",
    "UPDATE t SET b = {n} WHERE b <= 3",
    "UPDATE t SET a = {m} WHERE id = {n}",
    "UPDATE t SET a = {m}, b = b WHERE id = {n} RETURNING id, a",
    "UPDATE t SET id = id + 100 WHERE id = {n}",
    "DELETE FROM t WHERE id > {n}",
    "DELETE FROM t WHERE a = {m} RETURNING id",
    "INSERT INTO t (id, a, b) VALUES (50, {m}, {n})",
    "INSERT INTO t (id, a, b) VALUES (50, {m}, 1), (51, 1, {n})",
    "INSERT INTO t (id, a, b) VALUES (50, {m}, {n}) RETURNING id, b",
    "INSERT INTO t (id, a, b) SELECT id + 100, a, b FROM t WHERE id < {n}",
    "INSERT INTO t (id, b) VALUES (50, {n})",
    "INSERT INTO t (id, a, b) VALUES ({n}, {m}, 1) "
    "ON CONFLICT (id) DO UPDATE SET a = excluded.a WHERE t.b >= 0",
)


@dataclass(frozen=True)
class Outcome:
    """What a caller sees of a statement, and the table after it."""

    rows: tuple[Any, ...] = ()
    count: int = 0
    violated: bool = False
    after: tuple[Any, ...] = ()


def policies(rng: random.Random) -> list[Policy]:
    """Some policies on t: now and then none is permissive, or none for a command."""
    found: list[Policy] = []
    for number in range(rng.randint(1, 4)):
        command = rng.choice(("all", "all", "select", "insert", "update", "delete"))
        using = check = None
        if command != "insert":
            using = rng.choice(CONDITIONS)
        if command == "insert" or (command in ("all", "update") and rng.random() < 0.4):
            check = rng.choice(CONDITIONS)
        policy = Policy(
            "t",
            name=f"p{number}",
            command=cast("Any", command),
            using=using,
            check=check,
            restrictive=rng.random() < 0.3,
        )
        found.append(policy)
    return found


def created(policy: Policy) -> str:
    """A policy as PostgreSQL is told of it."""
    kind = "RESTRICTIVE" if policy.restrictive else "PERMISSIVE"
    text = f"CREATE POLICY {policy.name} ON t AS {kind} FOR {policy.command.upper()}"
    text += f" USING ({policy.using})" if policy.using else ""
    return text + (f" WITH CHECK ({policy.check})" if policy.check else "")


SCHEMA = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER);
    CREATE TABLE other (x INTEGER);
    INSERT INTO other VALUES (0), (2), (3);
"""


@pytest.fixture
def native(postgresql_url: str) -> Iterator[Any]:
    """A connection to a database of its own, and a role that row security holds for."""
    name = f"kysera_{unique()}"
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as owner:
        run(owner, f"CREATE ROLE {name}; {SCHEMA}")
        run(owner, f"GRANT ALL ON t, other TO {name}")
        run(owner, "ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        try:
            yield owner, name
        finally:
            run(owner, f"DROP OWNED BY {name}; DROP ROLE {name}")


def run(connection: Any, sql: str) -> Any:
    return connection.execute(cast("Any", sql))


def all_rows(connection: Any) -> tuple[Any, ...]:
    return tuple(run(connection, "SELECT id, a, b FROM t ORDER BY id").fetchall())


def given(cursor: Any, sql: str) -> tuple[Any, ...]:
    """The rows, sorted where their order is not told."""
    rows: list[Any] = cursor.fetchall() if cursor.description else []
    return tuple(rows if "ORDER BY" in sql else sorted(rows))


def on_postgresql(native: Any, sql: str) -> Outcome:
    owner, role = native
    try:
        with owner.transaction(force_rollback=True):
            run(owner, f"SET LOCAL ROLE {role}")
            cursor = run(owner, sql)
            rows = given(cursor, sql)
            run(owner, "RESET ROLE")
            count = -1 if sql.startswith("SELECT") else cursor.rowcount
            return Outcome(rows, count, False, all_rows(owner))
    except psycopg.errors.InsufficientPrivilege:
        return Outcome(violated=True, after=tuple(ROWS))


@contextmanager
def on_sqlite(found: list[Policy], _: Any) -> Iterator[Any]:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    raw.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    with closing(kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(*found)])) as made:
        yield made


@contextmanager
def on_psycopg(found: list[Policy], owner: Any) -> Iterator[Any]:
    """The owner of the tables: PostgreSQL's own policies are not for him."""
    yield kysera_dbapi.wrap(owner, plugins=[RowLevelSecurity(*found)])


@contextmanager
def undone(raw: Any) -> Iterator[None]:
    run(raw, "BEGIN")
    try:
        yield
    finally:
        run(raw, "ROLLBACK")


def on_the_shim(connection: Any, sql: str) -> Outcome:
    raw = connection.unwrap()
    with undone(raw):
        run(raw, "SAVEPOINT before")
        try:
            cursor = connection.execute(sql)
            rows = given(cursor, sql)
            count = -1 if sql.startswith("SELECT") else cursor.rowcount
            return Outcome(rows, count, False, all_rows(raw))
        except kysera_dbapi.PolicyViolation:
            run(raw, "ROLLBACK TO before")
            return Outcome(violated=True, after=all_rows(raw))


@pytest.mark.parametrize("wrapped", [on_sqlite, on_psycopg])
def test_random_policies_are_joined_as_postgresql_joins_them(
    native: Any, wrapped: Any
) -> None:
    rng = random.Random(SEED)
    outcomes: Counter[str] = Counter()
    owner, _ = native
    run(owner, "DELETE FROM t")
    values = ", ".join(map(str, ROWS))
    run(owner, f"INSERT INTO t VALUES {values}")
    for _ in range(SETS):
        found = policies(rng)
        texts = [created(policy) for policy in found]
        run(owner, "; ".join(texts))
        with wrapped(found, owner) as connection:
            for template in STATEMENTS:
                sql = template.format(n=rng.randint(0, 16), m=rng.randint(0, 3))
                try:
                    got = on_the_shim(connection, sql)
                except kysera_dbapi.UnsupportedStatement:
                    outcomes["refused"] += 1
                    assert "ON CONFLICT" in sql
                    continue
                except kysera_dbapi.IntegrityError:
                    outcomes["collision"] += 1
                    continue
                try:
                    expected = on_postgresql(native, sql)
                except psycopg.errors.UniqueViolation:
                    outcomes["collision"] += 1
                    continue
                outcomes["violated" if got.violated else "equal"] += 1
                assert (sql, got) == (sql, expected), texts
        run(owner, "; ".join(f"DROP POLICY {p.name} ON t" for p in found))
    assert outcomes["equal"] > SETS * 8
    assert outcomes["violated"] > SETS
    assert outcomes["refused"] < SETS
