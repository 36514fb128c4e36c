"""PostgreSQL runs edited statements by the plans of those filtered by hand.

A plain view is a filter by hand: PostgreSQL puts its condition into the statement. So
each statement of the corpus is explained twice in one database of many rows, through
the shim, and with a view of what is seen in the place of each protected table.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import accumulate
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from tests.oracle.corpus import CORPUS as PORTABLE
from tests.oracle.corpus_plans import HAND
from tests.oracle.corpus_postgresql import CORPUS, TENANTS
from tests.oracle.draft import literal
from tests.oracle.entries import Entry
from tests.oracle.postgresql_world import PostgreSQLTenants, PostgreSQLWorld
from tests.oracle.schema import KEYS
from tests.oracle.tenants import CONTEXT, TENANT, as_tenant
from tests.oracle.world import quoted, soft_delete
from tests.servers import Server, database

ROWS = 5_000
#: What a node does to which rows; the rest is names, numbers and costs.
SHOWN = (
    "Node Type", "Operation", "Relation Name", "Index Name", "Join Type", "Strategy",
    "Parent Relationship", "Index Cond", "Recheck Cond", "Filter", "Hash Cond",
    "Merge Cond", "Join Filter", "Sort Key", "Group Key", "TID Cond", "One-Time Filter",
)  # fmt: skip


def value(table: str, column: Any) -> str:
    """An expression that gives row ``i`` what it has in a column."""
    name, kind = column.name, column.type_display
    if name in (*KEYS.get(table, ()), "email"):
        return "i" if "int" in kind else "'k' || i"
    if name == TENANT.get(table):
        of_many = "i % 40" if "int" in kind else "'o' || i % 40"
        return f"CASE i % 5 WHEN 0 THEN {literal(CONTEXT[name])} ELSE {of_many} END"
    if kind == "bool":
        return "i % 10 = 0"
    if "time" in kind or kind == "date":
        return f"CASE i % 10 WHEN 0 THEN now()::{kind} END"
    return "i % 997" if "int" in kind or kind == "numeric" else "'w' || i % 997"


def fill(world: PostgreSQLWorld) -> None:
    """Give every table many rows, and the views a schema of theirs."""
    raw = world.full
    for table in world.schema.tables:
        found = raw.execute(f"SELECT * FROM {quoted(table)}").description
        known = [c for c in found if c.name != "gross"]
        names = ", ".join(quoted(c.name) for c in known)
        values = ", ".join(value(table, c) for c in known)
        many = f"generate_series(1000, {1000 + ROWS}) AS i"
        raw.execute(
            f"INSERT INTO {quoted(table)} ({names}) SELECT {values} FROM {many}"
        )
        if TENANT.get(table, "-") in names:
            raw.execute(f"CREATE INDEX ON {quoted(table)} ({TENANT[table]})")
    if isinstance(world, PostgreSQLTenants):
        raw.execute("CREATE INDEX orders_of_7 ON orders (total) WHERE tenant_id = 7")
    raw.execute("CREATE INDEX live_orders ON orders (status) WHERE deleted_at IS NULL")
    raw.execute("CREATE SCHEMA seen; SET LOCAL search_path = seen, public")
    # what soft delete marks is no longer seen, and may be written
    check = "WITH CHECK OPTION" if world.schema.tenants else ""
    protected = sorted(world.schema.protected, key=lambda t: (t == "orders", t))
    for table in protected:
        raw.execute(
            f"CREATE VIEW {quoted(table)} AS SELECT * FROM public.{quoted(table)} "
            f"AS {quoted(table)} WHERE {world.visible(table)} {check}"
        )
    raw.commit()
    raw.execute("ANALYZE")
    raw.commit()


def by_hand(world: PostgreSQLWorld, entry: Entry) -> str:
    """The statement with its filters, or of views."""
    text = HAND.get(entry.id)
    if text is None:
        return entry.sql.replace("public.", "seen.")

    def asked(found: re.Match[str]) -> str:
        alias, table = found.groups()
        policies: list[str] = []
        if isinstance(world, PostgreSQLTenants):
            policies = world.asked(table, alias)
        return " AND ".join([f"{alias}.deleted_at IS NULL", *policies])

    return re.sub(r"\{(\w+):(\w+)\}", asked, text)


def explained(connection: Any, sql: str, params: Any) -> Any:
    """The plan of a statement, as nested dictionaries; or the error."""
    cursor = connection.cursor()
    try:
        text = f"EXPLAIN (FORMAT JSON, COSTS OFF) {sql}"
        cursor.execute(*((text, params) if params else (text,)))
        return cursor.fetchone()[0][0]["Plan"]
    except psycopg.Error as error:
        return error
    finally:
        connection.rollback()


def shape(node: Mapping[str, Any], kind: str = "") -> Any:
    """What a node does, without the names that rows have in a statement.

    A soft DELETE is an UPDATE. How a check of written rows reads another table, by its
    index for each or all at once for many, PostgreSQL chooses by where it stands.
    """
    parts = {k: normal(node[k]) for k in SHOWN if k in node}
    if kind == "delete" and node["Node Type"] == "ModifyTable":
        parts["Operation"] = "Delete"
    plans = node.get("Plans", [])
    if node["Node Type"] != "ModifyTable":
        return parts, [shape(one, kind) for one in plans]
    checks = [one for one in plans if one["Parent Relationship"] == "SubPlan"]
    below = [shape(one, kind) for one in plans if one not in checks]
    return parts, below, sorted({one.get("Relation Name", "") for one in checks})


def normal(said: Any) -> Any:
    """A condition as what is ANDed in it, without the owners of columns."""
    if isinstance(said, list):
        return [normal(one) for one in cast("list[str]", said)]
    text = re.sub(r'(?:\b\w+|"[^"]+")\.(?=[a-z"*])', "", said)
    text = re.sub(r"'(-?\d+)'::(?:smallint|integer|bigint)", r"\1", text)
    text = re.sub(r"::(?:smallint|integer|bigint)\[\]", "[]", text)
    text = re.sub(r"\$\d+|\(?(?:hashed )?SubPlan \d+\)?", "$", text)
    return sorted(conjuncts(text))


def conjuncts(text: str) -> Iterator[str]:
    """The conditions that AND joins, at any depth."""
    depths = list(accumulate((c == "(") - (c == ")") for c in text))
    if text[:1] == "(" and 0 not in depths[:-1]:
        yield from conjuncts(text[1:-1])
        return
    found = (m.start() for m in re.finditer(" AND ", text) if not depths[m.start()])
    at = next(found, None)
    if at is None:
        yield text
    else:
        yield from conjuncts(text[:at])
        yield from conjuncts(text[at + 5 :])


@pytest.fixture(
    scope="module",
    params=[PostgreSQLWorld, PostgreSQLTenants],
    ids=["marks", "tenants"],
)
def world(
    request: pytest.FixtureRequest, postgresql_server: Server
) -> Iterator[PostgreSQLWorld]:
    with ExitStack() as stack:
        urls = [stack.enter_context(database(postgresql_server)) for _ in range(3)]
        made: PostgreSQLWorld = request.param(urls)
        stack.callback(made.close)
        fill(made)
        yield made


@pytest.fixture(scope="module")
def hand(world: PostgreSQLWorld) -> Iterator[Any]:
    """A connection of its own, to which the names of tables are those of views."""
    parameters = {**world.full.info.get_parameters(), "dbname": world.full.info.dbname}
    options = f"{parameters.pop('options', '')} -c search_path=seen,public"
    with psycopg.connect(**parameters, options=options) as connection:
        yield connection


def wrapped(world: PostgreSQLWorld) -> Any:
    if not isinstance(world, PostgreSQLTenants):
        return kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    return as_tenant(world.full)


def test_the_plans_are_those_of_filters_by_hand(
    world: PostgreSQLWorld, hand: Any
) -> None:
    shim = wrapped(world)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    entries = [*CORPUS, *(e for e in PORTABLE if not e.params)]
    entries += TENANTS if world.schema.tenants else []
    for entry in entries:
        due = explained(hand, by_hand(world, entry), entry.params)
        got = explained(shim, entry.sql, entry.params)
        if isinstance(got, kysera_dbapi.UnsupportedStatement):
            counts["refused"] += 1
            continue
        if isinstance(due, Exception):
            counts["not taken"] += 1
            if not isinstance(got, Exception):
                wrong.append(f"{entry.id}: {due}")
            continue
        pair = [shape(plan, entry.kind) for plan in (got, due)]
        counts["same"] += pair[0] == pair[1]
        if pair[0] != pair[1]:
            wrong.append(f"{entry.id}: {entry.sql}\n  {pair[0]}\n  {pair[1]}")
    assert not wrong, "\n".join(wrong)
    assert counts["same"] > 330


def test_partial_indexes_serve_filters(world: PostgreSQLWorld) -> None:
    shim = wrapped(world)
    plan = explained(shim, "SELECT id FROM orders WHERE status = 'w7'", ())
    assert "live_orders" in str(plan)
    if world.schema.tenants:
        plan = explained(shim, "SELECT id FROM orders WHERE total = 5", ())
        assert "orders_of_7" in str(plan)


def test_a_lost_index_is_seen(world: PostgreSQLWorld, hand: Any) -> None:
    query = "SELECT id FROM {} o WHERE customer_id = 5"
    barred = "(SELECT * FROM orders OFFSET 0)"
    plans = [explained(hand, query.format(one), ()) for one in ("orders", barred)]
    assert "orders_customer" in str(plans[0])
    assert shape(plans[0]) != shape(plans[1])
