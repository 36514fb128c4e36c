"""The relations that a plan names are those that SQLite itself reads and writes."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlglot import exp

import kysera_dbapi
from kysera_dbapi.parsing import parse
from kysera_dbapi.source import read
from kysera_dbapi.statement import Reference, Statement
from tests.oracle import generator
from tests.oracle.corpus import CORPUS
from tests.oracle.corpus_writes import LIMITED
from tests.oracle.world import World, soft_delete

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
SEED = 20_260_207
ACTIONS = (
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
)
SCHEMA_TABLES = ("sqlite_master", "sqlite_temp_master")
#: Read by a view, whose name SQLite gives as the source of the reading.
VIEWS = ("regions",)


#: One for each reason below why the two may differ.
DIFFERING = (
    "WITH c AS (SELECT id FROM orders) SELECT id FROM customers",
    "SELECT items.* FROM items NATURAL JOIN prices",
    "WITH c AS (SELECT EXISTS (SELECT NULL FROM prices) AS n, id FROM customers, "
    "orders USING (id) ORDER BY 2) SELECT p.id FROM c AS p NATURAL LEFT JOIN flagged",
    "SELECT value FROM json_each('[1]')",
)


def texts(world: World) -> Iterator[str]:
    yield from DIFFERING
    yield from (entry.sql for entry in CORPUS if not entry.refused)
    if "ENABLE_UPDATE_DELETE_LIMIT" in world.options:
        yield from (entry.sql for entry in LIMITED)
    yield from (s.sql for s in generator.queries(SEED, 400, world))
    yield from (s.sql for s in generator.writes(SEED, 200, world))


def reported(raw: sqlite3.Connection, statement: Statement) -> set[str]:
    """The keys of what SQLite reads or writes, told when it prepares the text."""
    events: list[tuple[Any, ...]] = []

    def note(*event: Any) -> int:
        events.append(event)
        return sqlite3.SQLITE_OK

    raw.set_authorizer(note)
    try:
        raw(statement.text)
    finally:
        raw.set_authorizer(None)
    found: set[str] = set()
    ctes = {_name(statement, cte) for cte in statement.tree.find_all(exp.CTE)}
    for action, table, _, schema, source in events:
        name = str(table).lower()
        expanded = str(source).lower() in VIEWS
        if action not in ACTIONS or name in SCHEMA_TABLES or expanded:
            continue
        # where no column is read, the names are those of the text
        if schema is None and name in ctes:
            continue
        found.add(f"{(schema or 'main').lower()}.{name}")
    return found


def _name(statement: Statement, cte: exp.CTE) -> str:
    return statement.name_of(cte.args["alias"].this)


# why SQLite does not report a relation, or reports one more


def is_unused(statement: Statement, reference: Reference) -> bool:
    """It is in a common table expression that nothing uses, which is not prepared."""
    used = _used(statement)
    return any(id(cte) not in used for cte in _around(reference.node))


def is_joined_by_name(_: Statement, reference: Reference) -> bool:
    """Beside USING or NATURAL: columns that are compared for them are not reported."""
    block = reference.node.find_ancestor(exp.Select, exp.Update)
    joins = block.find_all(exp.Join) if block is not None else ()
    return any(j.args.get("using") or j.args.get("method") == "NATURAL" for j in joins)


def is_unread(_: Statement, reference: Reference) -> bool:
    """In a column of a sub-query that nobody reads, which is left out."""
    node: exp.Expr | None = reference.node
    while node is not None:
        parent = node.parent
        listed = isinstance(parent, exp.Select) and node.arg_key == "expressions"
        if listed and parent is not None and parent.parent is not None:
            return True
        node = parent
    return False


MISSING: dict[str, Callable[[Statement, Reference], bool]] = {
    "unused": is_unused,
    "joined by name": is_joined_by_name,
    "unread": is_unread,
}
#: Table functions are in no catalogue, and show what they are given.
MORE = {"main.json_each"}


def _around(node: exp.Expression | None) -> Iterator[exp.CTE]:
    while node is not None:
        node = node.find_ancestor(exp.CTE)
        if isinstance(node, exp.CTE):
            yield node


def _used(statement: Statement) -> set[int]:
    """The common table expressions that the statement comes to use, by identity."""
    parts = (statement, *statement.nested)
    tables = {id(r.node) for part in parts for r in part.references}
    uses = [
        (node, cte)
        for node in statement.tree.find_all(exp.Table, exp.In)
        if not {id(node), id(node.args.get("field"))} & tables
        and (cte := _meant(statement, node)) is not None
    ]
    found: set[int] = set()
    for _ in range(len(uses)):
        for node, cte in uses:
            if all(id(other) in found for other in _around(node)):
                found.add(id(cte))
    return found


def _meant(statement: Statement, node: exp.Expression) -> exp.CTE | None:
    """The common table expression that a name without a schema means, if any."""
    named = node.args.get("field") if isinstance(node, exp.In) else node
    owner: exp.Expr | None = node
    while owner is not None and isinstance(named, (exp.Table, exp.Column)):
        for cte in getattr(owner.args.get("with_"), "expressions", ()):
            if _name(statement, cte) == statement.name_of(named.this):
                return cte if isinstance(cte, exp.CTE) else None
        owner = owner.parent
    return None


def why(statement: Statement, key: str) -> str:
    """Why SQLite does not report a relation that the statement names."""
    named = [r for r in statement.references if r.table.key == key]
    for reason, holds in MISSING.items():
        if all(holds(statement, reference) for reference in named):
            return reason
    if all(any(h(statement, r) for h in MISSING.values()) for r in named):
        return "both"
    return ""


def test_the_relations_are_those_that_sqlite_reports() -> None:
    world = World()
    wrapped: Any = kysera_dbapi.wrap(world.full, plugins=[soft_delete()])
    session = wrapped._self_session
    reasons: Counter[str] = Counter()
    wrong: list[str] = []
    for text in texts(world):
        try:
            plan = session.plan(text)
        except kysera_dbapi.UnsupportedStatement:
            reasons["refused"] += 1
            continue
        source = read(text, session.dialect, session.pipeline.lexers[0])
        statement = parse(source, session.dialect, session.catalogue, Statement)
        found = reported(world.copy, statement)
        more, missing = found - plan.relations, plan.relations - found
        given = {key: why(statement, key) for key in missing}
        reasons.update({*given.values(), *(["more"] if more else [])})
        reasons["equal"] += not (more or missing)
        if not more <= MORE or not all(given.values()):
            wrong.append(f"{text}\n  sqlite alone {more}, ours alone {given}")
    world.close()
    print(reasons)
    assert not wrong, "\n".join(wrong[:5])
    assert reasons["equal"] > 800
    assert reasons["refused"] < 30
    if sqlite3.sqlite_version_info < (3, 41):  # others report more, or less
        unneeded = {name for name in (*MISSING, "more") if not reasons[name]}
        assert not unneeded, "exceptions that nothing needs"
