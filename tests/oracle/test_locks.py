"""Rows that a query locks may be updated, as with PostgreSQL's own row security."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import Policy, RowLevelSecurity
from tests.servers import unique

SCHEMA = """
CREATE TABLE t (id integer PRIMARY KEY, a integer);
CREATE TABLE p (id integer PRIMARY KEY, a integer);
CREATE TABLE log (id integer);
INSERT INTO t SELECT i, i % 4 FROM generate_series(1, 16) i;
INSERT INTO p SELECT i, i % 4 FROM generate_series(1, 16) i;
"""
NATIVE = """
CREATE ROLE {role};
GRANT ALL ON t, p, log TO {role};
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
ALTER TABLE p ENABLE ROW LEVEL SECURITY;
CREATE POLICY s ON t FOR SELECT USING (a < 3);
CREATE POLICY u ON t FOR UPDATE USING (id > 4);
CREATE POLICY s ON p FOR SELECT USING (a > 0);
CREATE POLICY u ON p FOR UPDATE USING (id < 12);
"""
POLICIES = [
    Policy("t", command="select", using="a < 3"),
    Policy("t", command="update", using="id > 4"),
    Policy("p", command="select", using="a > 0"),
    Policy("p", command="update", using="id < 12"),
]
LOCKED = """
SELECT id FROM t FOR UPDATE
SELECT x.id FROM t x FOR SHARE
SELECT t.id FROM public.t FOR UPDATE OF t
SELECT x.id FROM t AS x (id, q) WHERE q = 1 FOR NO KEY UPDATE OF x
SELECT x.id, y.id FROM t x JOIN p y ON y.id = x.id FOR UPDATE OF y
SELECT x.id, y.id FROM t x JOIN p y ON y.id = x.id FOR UPDATE OF X FOR SHARE OF "y"
SELECT x.id, y.id FROM t x JOIN p y USING (id) FOR KEY SHARE
SELECT x.id, y.id FROM t x LEFT JOIN p y ON y.id = x.id FOR UPDATE OF x SKIP LOCKED
SELECT x.id FROM (log CROSS JOIN (t x JOIN p y ON y.id = x.id)) FOR UPDATE OF y
SELECT x.a FROM t x CROSS JOIN (p y JOIN t z USING (id)) WHERE y.a = x.a FOR SHARE OF y
SELECT * FROM (SELECT id FROM t FOR UPDATE) z
SELECT * FROM (SELECT id FROM t) z FOR UPDATE
SELECT * FROM (SELECT * FROM (SELECT id FROM t) y) z FOR UPDATE OF z
SELECT * FROM (SELECT id FROM t) z, p FOR UPDATE OF p
SELECT * FROM p, LATERAL (SELECT id FROM t WHERE t.id = p.id) z FOR UPDATE OF z
(SELECT id FROM t) FOR UPDATE
(SELECT id FROM t x) FOR UPDATE OF x
SELECT * FROM ((SELECT id FROM t x) FOR UPDATE OF x) z
TABLE t FOR UPDATE
WITH q AS (SELECT id FROM t) SELECT q.id, p.id FROM q JOIN p ON q.id = p.id FOR UPDATE
WITH q AS (SELECT id FROM t FOR UPDATE) SELECT * FROM q
SELECT id, (SELECT count(*) FROM t y WHERE y.a = x.a) FROM p x FOR UPDATE
SELECT id FROM p x WHERE id IN (SELECT id FROM t) FOR UPDATE
SELECT id FROM p x WHERE id IN (SELECT id FROM t FOR UPDATE)
INSERT INTO log SELECT id FROM t FOR UPDATE RETURNING id
UPDATE p SET a = 1 WHERE id IN (SELECT id FROM t FOR UPDATE) RETURNING id
""".strip().splitlines()


@pytest.fixture
def native(postgresql_url: str) -> Iterator[Any]:
    role = f"kysera_{unique()}"
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as raw:
        raw.execute(cast("Any", SCHEMA + NATIVE.format(role=role)))
        yield raw, role
        raw.execute(cast("Any", f"DROP OWNED BY {role}; DROP ROLE {role}"))


def found(connection: Any, sql: str) -> list[Any]:
    return sorted(connection.execute(sql).fetchall())


@pytest.mark.parametrize("barrier", [False, True])
def test_what_is_locked_may_be_updated(native: Any, barrier: bool) -> None:
    raw, role = native
    plugin = RowLevelSecurity(POLICIES, barrier=barrier)
    shim: Any = kysera_dbapi.wrap(raw, plugins=[plugin])
    for sql in LOCKED:
        with raw.transaction(force_rollback=True):
            got = found(shim, sql)
        with raw.transaction(force_rollback=True):
            raw.execute(f"SET LOCAL ROLE {role}")
            assert (sql, got) == (sql, found(raw, sql))
