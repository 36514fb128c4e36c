"""Tables and keys at random: no write changes a hidden row, each does what is due."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.oracle.bypass.tenants import Row, typed
from tests.oracle.draft import literal

SEEDS = range(4)
TABLES = 60  # of each seed
WRITES = 8  # to each table
PRIMARY = (
    *("id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT"),
    *("id INTEGER PRIMARY KEY DESC", "id INT", "id"),
)
KEYS = (
    *("PRIMARY KEY (id)", "PRIMARY KEY (tenant_id, id)"),
    "PRIMARY KEY (id, tenant_id COLLATE NOCASE)",
)
UNIQUE = (
    *("UNIQUE (a)", "UNIQUE (tenant_id, a)", "UNIQUE (c, tenant_id)"),
    "UNIQUE (tenant_id, b COLLATE BINARY)",
)
COMPUTED = ("lower(b)", "a + 1", "tenant_id || b", "abs(a)")
TERMS = ("a", "b", "c", "tenant_id", "lower(b)", "a % 3", "c || b")
CONDITIONS = ("", "", " WHERE a > 2", " WHERE c IS NOT NULL", " WHERE b <> 'q'")
VALUES = {
    "a": ("0", "1", "2", "3", "4"),
    "b": ("'p'", "'Q'", "'q'", "'r '"),
    "c": ("NULL", "1", "2", "'2'"),
    "id": ("1", "2", "3", "5", "20", "'5'"),
}


@dataclass(frozen=True)
class Table:
    """A table, the caller's tenant and another one."""

    ddl: str
    mine: Any
    other: Any
    deletes: bool
    rowid: bool

    @property
    def visible(self) -> str:
        live = " AND deleted_at IS NULL" if self.deletes else ""
        return f"(tenant_id = {literal(self.mine)}{live})"

    def value(self, rng: random.Random, column: str) -> str:
        tenants = ["'7'", "'07'", "7.0", "NULL", literal(self.other)]
        tenants += [literal(self.mine)] * 5
        listed = tenants if column == "tenant_id" else VALUES.get(column, VALUES["id"])
        return rng.choice(listed)

    def wrapped(self, raw: sqlite3.Connection, mode: Any) -> Any:
        plugins: list[Any] = [RowLevelSecurity(tenant_isolation("tenant_id", ["t"]))]
        plugins += [SoftDelete(["t"])] if self.deletes else []
        made: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
        made.context = {"tenant_id": self.mine}
        return made


def table(rng: random.Random) -> Table:
    type_ = rng.choice(["", "INTEGER", "REAL", "TEXT", "TEXT COLLATE NOCASE"])
    mine, other = (7, 8) if "TEXT" not in type_ else ("acme", rng.choice(["ACME", "z"]))
    columns = [rng.choice(PRIMARY), f"tenant_id {type_}", "a INTEGER"]
    columns += [f"b TEXT{rng.choice(['', ' COLLATE NOCASE'])}", "c"]
    deletes = rng.random() < 0.4
    columns += ["deleted_at"] if deletes else []
    if rng.random() < 0.5:
        columns.append(f"g AS ({rng.choice(COMPUTED)}){rng.choice(['', ' STORED'])}")
    without = ""
    if columns[0] == "id INT":
        columns.append(rng.choice(KEYS) + _on_conflict(rng))
        without = rng.choice(["", " WITHOUT ROWID"])
    if rng.random() < 0.4:
        columns.append(rng.choice(UNIQUE) + _on_conflict(rng))
    ddl = f"CREATE TABLE t ({', '.join(columns)}){without};"
    terms = (*TERMS, "g") if any(c.startswith("g AS") for c in columns) else TERMS
    for number in range(rng.randrange(3)):
        listed = [
            term + rng.choice(["", "", " COLLATE NOCASE", " COLLATE RTRIM"])
            for term in rng.sample(terms, rng.randrange(1, 3))
        ]
        live = [" WHERE deleted_at IS NULL"] * 3 if deletes else []
        where = rng.choice([*CONDITIONS, *live])
        ddl += f"CREATE UNIQUE INDEX u{number} ON t ({', '.join(listed)}){where};"
    return Table(ddl, mine, other, deletes, rowid=not without)


def _on_conflict(rng: random.Random) -> str:
    return rng.choice([*[""] * 5, " ON CONFLICT REPLACE", " ON CONFLICT IGNORE"])


def fill(rng: random.Random, raw: sqlite3.Connection, made: Table) -> None:
    raw.executescript(made.ddl)
    for number in range(1, 9):
        tenant = made.mine if number > 5 else rng.choice([made.mine, made.other])
        row = [
            number,
            tenant,
            rng.randrange(5),
            rng.choice("pqPQr"),
            rng.choice([None, 1]),
        ]
        row += [rng.choice([None, None, "2020"])] if made.deletes else []
        names = "id, tenant_id, a, b, c" + (", deleted_at" if made.deletes else "")
        slots = ", ".join("?" * len(row))
        raw.execute(f"INSERT OR IGNORE INTO t ({names}) VALUES ({slots})", row)


def write(rng: random.Random, made: Table) -> str:
    """A write that names the tenant of all that it inserts."""
    row = rng.choice(["id", "id", "rowid", "oid"]) if made.rowid else "id"
    action = rng.choice(["", "", "OR REPLACE ", "OR IGNORE ", "OR FAIL "])
    returning = rng.choice(["", "", " RETURNING id"])
    columns = rng.sample(["a", "b", "c", row], rng.randrange(1, 4))
    if rng.random() < 0.5:
        columns += ["tenant_id"] if rng.random() < 0.3 else []
        sets = ", ".join(f"{column} = {made.value(rng, column)}" for column in columns)
        where = rng.choice(["", " WHERE a > 1", " WHERE id IN (2, 5, 6)"])
        return f"UPDATE {action}t SET {sets}{where}{returning}"
    columns.append("tenant_id")
    rows = ", ".join(
        f"({', '.join(made.value(rng, column) for column in columns)})"
        for _ in range(rng.randrange(1, 3))
    )
    upsert = rng.choice(
        [
            *[""] * 4,
            " ON CONFLICT DO NOTHING",
            " ON CONFLICT DO UPDATE SET a = excluded.a",
            f" ON CONFLICT DO UPDATE SET tenant_id = {made.value(rng, 'tenant_id')}",
            f" ON CONFLICT (id) DO UPDATE SET {row} = {made.value(rng, row)}",
        ]
    )
    return (
        f"INSERT {action}INTO t ({', '.join(columns)}) VALUES {rows}{upsert}{returning}"
    )


def copied(raw: sqlite3.Connection) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    raw.backup(made)
    return made


def hidden(raw: sqlite3.Connection, made: Table) -> Counter[Any]:
    row = "rowid, " if made.rowid else ""
    return typed(
        raw.execute(f"SELECT {row}* FROM t WHERE {made.visible} IS NOT 1").fetchall()
    )


def given(connection: Any, sql: str) -> tuple[int, Counter[Any]]:
    """The rows that were changed, and all that there are; a new id may differ."""
    cursor = connection.execute(sql)
    cursor.fetchall()
    rows: list[Row] = connection.execute("SELECT a, b, c, tenant_id FROM t").fetchall()
    return cursor.rowcount, typed(rows)


def tried(rng: random.Random, raw: sqlite3.Connection, made: Table) -> Iterator[str]:
    """What came of each write; raises for a hidden row that is changed."""
    connection = made.wrapped(raw, rng.choice(["normal", "strict"]))
    for _ in range(WRITES):
        sql, before = write(rng, made), hidden(raw, made)
        with closing(copied(raw)) as copy:
            copy.execute(f"DELETE FROM t WHERE {made.visible} IS NOT 1")
            raw.execute("BEGIN")
            try:
                got = given(connection, sql)
            except (sqlite3.Error, UnsupportedStatement) as error:
                yield "violated" if isinstance(error, PolicyViolation) else "error"
            else:
                assert got == given(copy, sql), f"{made}\n{sql}"
                yield "done"
        if raw.in_transaction:
            raw.execute("COMMIT")
        assert hidden(raw, made) == before, f"{made}\n{sql}"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_key_leads_to_a_hidden_row(seed: int) -> None:
    rng, counts = random.Random(seed), Counter[str]()
    for _ in range(TABLES):
        made = table(rng)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
            fill(rng, raw, made)
            try:
                counts.update(tried(rng, raw, made))
            except ConfigurationError:
                counts["configuration"] += 1
    assert counts["done"] > counts.total() * 0.2, counts
    assert counts["violated"] > counts.total() * 0.03, counts
