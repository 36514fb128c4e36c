"""INSERTs at random that meet live, deleted and other tenants' rows by unique keys.

The copy holds what the tenant sees. An INSERT that is done on both makes both show the
same rows; one that fails on the copy fails; and where one fails on the full database
alone, a row is in the way whose place it may not take.
"""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.oracle.compare import ask
from tests.oracle.corpus_writes import COLLISIONS
from tests.oracle.entries import Entry
from tests.oracle.schema import PROTECTED, Row
from tests.oracle.world import World

SEED = 20_261_121
STATEMENTS = 800
MINE = 7


@dataclass(frozen=True)
class Table:
    """A table ``t`` in the middle of its definition, and what is unique in it."""

    columns: tuple[str, ...]
    ddl: str
    keys: tuple[tuple[str, ...], ...]
    live: str = "deleted_at IS NULL"
    dead: object = "before"
    #: The primary key, if an INSERT may leave it out: a revived row has its own.
    kept: str = ""
    #: Those of the columns, where they have to be said.
    types: Mapping[str, str] = field(default_factory=dict[str, str])

    def slot(self, column: str) -> str:
        """The placeholder of a value."""
        return f"%s::{self.types[column]}" if self.types else "?"


_TENANT = "tenant INTEGER{}"
TABLES = (
    Table(
        ("id", "a", "b", "n", "tenant", "deleted_at"),
        f"id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 2, n DEFAULT 'new', {_TENANT}, "
        "deleted_at, UNIQUE (b, n)",
        (("id",), ("a",), ("b", "n")),
        kept="id",
    ),
    Table(
        ("a", "b", "n", "tenant", "deleted_at"),
        f"a INTEGER, b TEXT, n DEFAULT 5, {_TENANT}, deleted_at INTEGER NOT NULL "
        "DEFAULT 0, PRIMARY KEY (b, a)) WITHOUT ROWID; CREATE UNIQUE INDEX i ON t (n "
        "DESC, tenant",
        (("b", "a"), ("n", "tenant")),
        live="deleted_at = 0",
        dead=1,
    ),
    Table(
        ("u", "a", "n", "tenant", "deleted_at"),
        f"u TEXT PRIMARY KEY, a, n TEXT DEFAULT 'x', {_TENANT}, deleted_at TEXT); "
        "CREATE UNIQUE INDEX i ON t (tenant, a) WHERE a > 2; "
        "CREATE UNIQUE INDEX j ON t (n) WHERE deleted_at IS NULL AND n > 3; "
        "CREATE UNIQUE INDEX k ON t (u, abs(a)",
        (("u",), ("tenant", "a"), ("n",)),
        kept="u",
    ),
)


#: Shared, so that plans are.
SECURITY = RowLevelSecurity(tenant_isolation("tenant", ["t"]))
TIMES = SoftDelete(["t"], revive=True)
FLAGS = SoftDelete({"t": {"flag": True}}, revive=True)


@dataclass
class Trial:
    """Both databases of one table, and the statement that is tried on them."""

    table: Table
    full: Any
    copy: Any
    shim: Any

    def close(self) -> None:
        self.shim.close()
        self.copy.close()

    def rows(self, connection: Any, where: str = "1 = 1") -> list[Row]:
        names = ", ".join(self.table.columns)
        found = connection.execute(f"SELECT {names} FROM t WHERE {where}")
        return sorted(found.fetchall(), key=repr)


def trial(table: Table, chance: random.Random, mode: Any) -> Trial:
    """A few rows of all kinds; those that are seen are in the copy, too."""
    full, copy = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    full.executescript(f"CREATE TABLE t ({table.ddl.format('')})")
    copy.executescript(f"CREATE TABLE t ({table.ddl.format(f' DEFAULT {MINE}')})")
    slots = ", ".join("?" * len(table.columns))
    for _ in range(chance.randrange(12)):
        row = [value(table, column, chance) for column in table.columns]
        row[-1] = chance.choice((row[-1], table.dead, table.dead))
        full.execute(f"INSERT OR IGNORE INTO t VALUES ({slots})", row)
    seen = f"SELECT * FROM t WHERE tenant = {MINE} AND {table.live}"
    copy.executemany(f"INSERT INTO t VALUES ({slots})", full.execute(seen).fetchall())
    plugins = [SECURITY, FLAGS if isinstance(table.dead, int) else TIMES]
    shim: Any = kysera_dbapi.wrap(full, plugins=plugins, mode=mode)
    shim.context = {"tenant": MINE}
    return Trial(table, full, copy, shim)


def value(table: Table, column: str, chance: random.Random) -> Any:
    if column == "tenant":
        return chance.choice((*[MINE] * 6, 8, None))
    if column == "deleted_at":
        return 0 if isinstance(table.dead, int) else None
    found = chance.choice((*range(1, 8), str(chance.randrange(8))))
    return str(found) if table.types.get(column) == "text" else found


# -- statements


@dataclass(frozen=True)
class Statement:
    """An INSERT of some rows into some columns."""

    sql: str
    rows: Sequence[Row]
    columns: tuple[str, ...]
    many: bool = False
    returning: tuple[str, ...] = ()

    def run(self, connection: Any) -> tuple[Any, list[Row]]:
        """The cursor, and the rows that it gave."""
        if self.many:
            cursor = connection.cursor()
            cursor.executemany(self.sql, self.rows)
            return cursor, []
        values = [value for row in self.rows for value in row]
        cursor = connection.execute(self.sql, values)
        return cursor, cursor.fetchall() if self.returning else []


def statement(table: Table, chance: random.Random) -> Statement:
    columns = [c for c in table.columns if chance.random() < 0.6]
    columns = columns or [table.columns[0]]
    chance.shuffle(columns)
    listed = f" ({', '.join(columns)})"
    if chance.random() < 0.2:
        columns, listed = list(table.columns), ""
    made = [
        tuple(
            MINE if column == "tenant" and chance.random() < 0.8 else value_
            for column in columns
            for value_ in [value(table, column, chance)]
        )
        for _ in range(chance.choice((1, 1, 1, 2, 3)))
    ]
    slots = f"({', '.join(map(table.slot, columns))})"
    many = chance.random() < 0.2
    if many:
        return Statement(
            f"INSERT INTO t{listed} VALUES {slots}", made, tuple(columns), many
        )
    form = chance.choice(("VALUES", "VALUES", "SELECT", "FROM"))
    source = f"VALUES {', '.join(slots for _ in made)}"
    if form == "SELECT":
        source = " UNION ALL ".join(f"SELECT {slots[1:-1]}" for _ in made)
    elif form == "FROM":
        source = f"SELECT * FROM ({source}) AS v"
    told: tuple[str, ...] = ()
    if chance.random() < 0.3:
        told = tuple(c for c in table.columns if c != table.kept)
        source += f" RETURNING {', '.join(told)}"
    return Statement(
        f"INSERT INTO t{listed} {source}", made, tuple(columns), False, told
    )


def statements(seed: int, count: int, mode: str) -> Iterator[tuple[Trial, Statement]]:
    chance = random.Random(f"{seed} {mode}")
    for _ in range(count):
        table = chance.choice(TABLES)
        made = trial(table, chance, mode)
        with closing(made):
            yield made, statement(table, chance)


# -- what is due


def is_free(tried: Trial, made: Statement, before: list[Row]) -> bool:
    """Whether a single row meets one row by the keys known here, a deleted one."""
    table, at = tried.table, tried.table.columns.index
    if len(made.rows) != 1 or not set().union(*table.keys) <= set(made.columns):
        return False
    new = dict(zip(made.columns, made.rows[0], strict=True))
    met = [
        row
        for row in before
        if any(all(_alike(row[at(c)], new[c]) for c in key) for key in table.keys)
    ]
    tenant = new.get("tenant", MINE)
    own = all(row[at("tenant")] == MINE and row[-1] == table.dead for row in met)
    return tenant == MINE and len(met) == 1 and own


def _alike(one: Any, two: Any) -> bool:
    """Whether a column may hold them to be equal."""
    return str(one) == str(two)


def attempt(made: Statement, connection: Any) -> tuple[Any, list[Row]] | None:
    """The cursor and the rows; nothing for the error of a key."""
    try:
        return made.run(connection)
    except (sqlite3.IntegrityError, psycopg.IntegrityError):
        return None


def check(tried: Trial, made: Statement) -> str:
    """Run it on both sides; what came of it."""
    before = tried.rows(tried.full)
    got, due = attempt(made, tried.shim), attempt(made, tried.copy)
    if got is None:
        assert made.many or tried.rows(tried.full) == before
        assert due is None or not is_free(tried, made, before)
        return "error" if due is None else "in the way"
    assert due is not None
    assert Counter(got[1]) == Counter(due[1])
    assert got[0].rowcount == due[0].rowcount
    others = [row for row in tried.rows(tried.full) if row[-2] != MINE]
    assert others == [row for row in before if row[-2] != MINE]
    check_rows(tried, made, (got[0], due[0]))
    added = len(tried.rows(tried.full)) - len(before)
    return "revived" if added < len(made.rows) else "inserted"


def check_rows(tried: Trial, made: Statement, cursors: tuple[Any, Any]) -> None:
    """What is seen on both sides, and where ``lastrowid`` leads."""
    table = tried.table
    kept = table.kept if table.kept not in made.columns else ""
    names = ", ".join(c for c in table.columns if c != kept)
    mine = f"SELECT {names} FROM t WHERE tenant = {MINE} AND {table.live}"
    sides = (tried.full, tried.copy)
    one, two = (Counter[Row](side.execute(mine).fetchall()) for side in sides)
    assert one == two
    if table.kept and not made.many and hasattr(cursors[0], "lastrowid"):
        last = f"{mine} AND rowid = ?"
        one, two = (
            Counter[Row](side.execute(last, (cursor.lastrowid,)).fetchall())
            for side, cursor in zip(sides, cursors, strict=True)
        )
        assert one == two


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_inserts(mode: str) -> None:
    outcomes = Counter(check(*pair) for pair in statements(SEED, STATEMENTS, mode))
    assert outcomes["revived"] > STATEMENTS * 0.1, outcomes
    assert outcomes["error"] > STATEMENTS * 0.1, outcomes
    assert outcomes["in the way"] < STATEMENTS * 0.4, outcomes


@pytest.mark.fuzz
def test_many_more_inserts() -> None:
    """As many statements as asked for, of a seed of one's own."""
    count = int(os.environ.get("KYSERA_FUZZ_QUERIES", "30000")) // 5
    seed = int(os.environ.get("KYSERA_FUZZ_SEED", "0")) or random.randrange(1, 10**9)
    print(f"KYSERA_FUZZ_SEED={seed} KYSERA_FUZZ_QUERIES={count * 5}")
    for pair in statements(seed, count, "normal"):
        check(*pair)


# -- the collisions of the corpus, which are errors without ``revive``


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize(
    "entry", [e for e in COLLISIONS if e.id.startswith("insert")], ids=lambda e: e.id
)
def test_the_corpus(world: World, entry: Entry) -> None:
    """The answers are equal, and the rows that are seen afterwards."""
    settings = {t: {"column": m.column, "flag": m.flag} for t, m in PROTECTED.items()}
    plugins = [SoftDelete(settings, revive=True)]
    shim: Any = kysera_dbapi.wrap(world.full, plugins=plugins)
    made = entry.statement()
    got, due = ask(shim, made), ask(world.copy, made)
    seen = {
        table: Counter(row for row in rows if not _is_hidden(world, table, row))
        for table, rows in world.contents(world.full).items()
    }
    copied = {t: Counter(rows) for t, rows in world.contents(world.copy).items()}
    shim.rollback()
    world.reset()
    assert not due.error
    assert (got.columns, got.rows, got.rowcount) == (due.columns, due.rows, 1)
    assert seen == copied


def _is_hidden(world: World, table: str, row: Row) -> bool:
    return table in PROTECTED and PROTECTED[table].hides(row[world.positions[table]])
