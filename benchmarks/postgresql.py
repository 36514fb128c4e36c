"""PostgreSQL over loopback, beside its own row security: in the clock's time.

The server is that of ``KYSERA_BENCH_POSTGRESQL``, or the one of this machine; without
one there are no rows.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat
from time import perf_counter
from typing import Any, cast
from uuid import uuid4

import kysera_dbapi
from benchmarks.pairs import Effort, Work, compared, middle, own_code
from benchmarks.rows import Figure, Row
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

__all__ = ["postgresql"]

URL = os.environ.get(
    "KYSERA_BENCH_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres"
)
SCHEMA = """
CREATE TABLE accounts (
    id integer PRIMARY KEY, tenant_id integer, balance integer,
    created_at timestamptz, updated_at timestamptz, deleted_at timestamptz);
INSERT INTO accounts SELECT i, i % 10, i FROM generate_series(1, 10000) i;
ANALYZE accounts;
"""
NATIVE = """
CREATE POLICY tenant ON accounts USING (
    tenant_id = current_setting('bench.tenant')::integer AND deleted_at IS NULL);
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
CREATE ROLE {role};
GRANT SELECT ON accounts TO {role};
SET ROLE {role};
SET bench.tenant = 1;
"""
POINT = "SELECT balance FROM accounts WHERE id = %s"
FILTERED = (
    'SELECT balance FROM accounts WHERE (accounts."tenant_id" = %s) '
    'AND accounts."deleted_at" IS NULL AND (id = %s)'
)


def postgresql() -> Iterator[Row]:
    """The rows of PostgreSQL, if there is a server."""
    if _connected(URL) is None:
        return
    name = "PostgreSQL, point SELECT"
    yield _row("PostgreSQL, raw against raw: how exact all this is", 0, _raw)
    yield _row(f"{name}, rls + soft_delete + timestamps", 1.05, _shim)
    yield _row(f"{name}, native row security", 0, _native)


def _row(name: str, target: float, made: Callable[[], Work]) -> Row:
    def measure(effort: Effort) -> Figure:
        raw, ours = _raw(), made()
        return Figure(*middle(compared(ours, raw, effort).ratios), None, ours)

    return Row(name, target, measure)


def _raw() -> Work:
    return _point(_connected(_database().info.dsn).cursor(), FILTERED, (1, 11))


def _shim() -> Work:
    plugins: list[kysera_dbapi.Plugin] = [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=["accounts"])),
        SoftDelete(tables=["accounts"]),
        Timestamps(tables=["accounts"]),
    ]
    raw = _connected(_database().info.dsn)
    return _point(kysera_dbapi.wrap(raw, plugins=plugins).cursor(), POINT, (11,))


def _native() -> Work:
    raw = _connected(_database().info.dsn)
    raw.execute(NATIVE.format(role=raw.info.dbname))
    return _point(raw.cursor(), POINT, (11,))


def _point(cursor: Any, sql: str, values: tuple[int, ...]) -> Work:
    execute = cursor.execute

    @own_code
    def work(times: int) -> float:
        start = perf_counter()
        for _ in repeat(None, times):
            execute(sql, values).fetchone()
        return perf_counter() - start

    return work


@cache
def _database() -> Any:
    """A connection to a database of our own, which goes away at the end."""
    name = f"kysera_bench_{uuid4().hex[:8]}"
    owner = _connected(URL)
    owner.execute(f"CREATE DATABASE {name}")
    # the last that is registered is the first that is done
    atexit.register(owner.execute, f"DROP ROLE IF EXISTS {name}")
    atexit.register(owner.execute, f"DROP DATABASE {name} WITH (FORCE)")
    made = _connected(URL, dbname=name)
    made.execute(SCHEMA)
    return made


def _connected(url: str, **options: Any) -> Any:
    """A raw connection, None without a server or its driver."""
    try:
        import psycopg
    except ImportError:
        return None
    try:
        made = psycopg.connect(url, autocommit=True, **options)
    except psycopg.OperationalError:
        return None
    return cast("Any", made)
