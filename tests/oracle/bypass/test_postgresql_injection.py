"""Injected texts on PostgreSQL: what a careless program sends stays in its tenant."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest

from tests.oracle.bypass.attacks import OPTIONS, REFUSALS, attacked, third
from tests.oracle.bypass.payloads import payloads
from tests.oracle.bypass.payloads_postgresql import POSTGRESQL
from tests.oracle.bypass.postgresql import PostgreSQL, databases, plain
from tests.oracle.bypass.tenants import shows_secret, typed

pytestmark = pytest.mark.slow
SEED = 20_261_121
COUNT = 3_000


def texts() -> Iterator[tuple[str, str]]:
    """What a careless program sends, with the name of the place."""
    for point, payload in payloads(POSTGRESQL, SEED, COUNT):
        yield point, POSTGRESQL.points[point].replace("{}", payload)


def answer(connection: Any, sql: str) -> list[Any]:
    """The names, rows and count of every result of a text; or its error."""
    cursor = connection.cursor()
    results: list[Any] = []
    try:
        cursor.execute(cast("Any", sql))
        more = True
        while more:
            rows: list[Any] = cursor.fetchall() if cursor.description else []
            names = [column[0] for column in cursor.description or ()]
            kept = typed([tuple(map(plain, row)) for row in rows])
            results.append((names, kept, cursor.rowcount))
            more = cursor.nextset()
    except (psycopg.Error, psycopg.Warning) as error:
        return [error]
    return results


def has_written(raw: Any) -> bool:
    """Whether the transaction has changed anything, or locked a row."""
    row = raw.execute("SELECT txid_current_if_assigned()").fetchone()
    return bool(row[0])


def outcome(tenants: PostgreSQL, sql: str) -> str:
    """What came of a text: same, refused, error; raises for anything else."""
    if "insert" in sql.lower():
        tenants.rewind()
    try:
        got = answer(tenants.shim, sql)
        assert not shows_secret(got, sql), f"{sql!r} shows {got}"
        if isinstance(got[0], REFUSALS):
            return "refused"
        due = answer(tenants.copy, sql)
        if isinstance(got[0], Exception) and isinstance(due[0], Exception):
            return "error"  # and nothing is left of what it did
        if isinstance(got[0], psycopg.errors.UniqueViolation):
            return "limit"  # docs/guarantees.md says so
        if "explain" in sql.lower() and not tenants.strict:
            return "limit"  # it tells how many rows there are
        assert got == due, f"{sql!r}: {got}, due {due}"
        if has_written(tenants.full) or has_written(tenants.copy):
            for raw in (tenants.full, tenants.copy):
                raw.execute("DROP TABLE IF EXISTS pg_temp.orders")
            faults = tenants.faults(several=";" in sql)
            assert not faults, f"{sql!r}: {faults}"
        return "same"
    finally:
        tenants.shim.rollback()
        tenants.copy.rollback()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_payload_leads_out_of_the_tenant(
    postgresql_url: str, options: dict[str, Any]
) -> None:
    """A third of them in each mode: together they are all."""
    tried(postgresql_url, options, third(options))


@pytest.mark.fuzz
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_none_does_in_any_mode(postgresql_url: str, options: dict[str, Any]) -> None:
    answers = tried(postgresql_url, options, slice(None))
    assert all(answers[point] for point in POSTGRESQL.points), answers


def tried(url: str, options: dict[str, Any], part: slice) -> Counter[str]:
    """Some of the payloads, in a mode."""
    with databases(url) as urls:
        return attacked(PostgreSQL(urls, **options), list(texts())[part], outcome)


def test_the_payloads_are_attacks(postgresql_url: str) -> None:
    """Without the plugins they show hidden rows."""
    shown = 0
    with databases(postgresql_url) as urls:
        tenants = PostgreSQL(urls)
        for _, sql in list(texts())[::3]:
            shown += shows_secret(answer(tenants.full, sql), sql)
            tenants.full.rollback()
        tenants.close()
    assert shown > COUNT / 210, shown
