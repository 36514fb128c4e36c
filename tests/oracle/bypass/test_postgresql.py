"""The bypass catalogue on PostgreSQL, each case tried against the filtered copy."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from kysera_dbapi import UnsupportedStatement
from tests.oracle.bypass import (
    cases_postgresql,
    cases_reads,
    cases_texts,
    cases_writes,
)
from tests.oracle.bypass.postgresql import PostgreSQL, answer, databases
from tests.oracle.bypass.tenants import shows_secret

pytestmark = pytest.mark.slow
OPTIONS: list[dict[str, Any]] = [{}, {"mode": "strict"}, {"barrier": True}]


@pytest.fixture(params=OPTIONS, ids=str)
def tenants(
    request: pytest.FixtureRequest, postgresql_url: str
) -> Iterator[PostgreSQL]:
    with databases(postgresql_url) as urls:
        made = PostgreSQL(urls, **request.param)
        yield made
        made.close()


def cases(name: str, tenants: PostgreSQL) -> Iterator[Any]:
    """The cases of that name, but for MERGE where there is none."""
    merges = tenants.full.info.server_version >= 150000
    for attack, listed in getattr(cases_postgresql, name).items():
        if merges or attack != "30 MERGE":
            yield from listed


def wrong(tenants: PostgreSQL, sql: str) -> str:
    """What is wrong with what came of a statement; or what came of it, in brackets."""
    with tenants.undone():
        got, due = answer(tenants.shim, sql), answer(tenants.copy, sql)
        if shows_secret(got, sql):
            return f"shows {got}"
        refused = isinstance(got[0], UnsupportedStatement)
        faults = tenants.faults(hidden_alone=refused)
        if faults:
            return str(faults)
        if refused:
            return "(refused)"
        if isinstance(due[0], psycopg.errors.SyntaxError):
            return "(error)"  # what is derived may stand where a table may not
        if isinstance(due[0], Exception):
            same = isinstance(got[0], type(due[0]))
            return "(error)" if same else f"got {got}, due {due[0]!r}"
        return "(same)" if got == due else f"got {got}, due {due}"


def sqlite_cases() -> list[str]:
    """Those of SQLite: most of them are SQL that PostgreSQL takes, too."""
    modules: list[Any] = [cases_reads, cases_texts, cases_writes]
    listed = [sql for m in modules for many in m.SAME.values() for sql in many]
    # which row of a set gets which number is not told
    return [s for s in listed if not (s.startswith("INSERT") and "UNION SELECT" in s)]


def test_it_gives_what_the_filtered_copy_gives(tenants: PostgreSQL) -> None:
    results = {sql: wrong(tenants, sql) for sql in cases("SAME", tenants)}
    assert {k: v for k, v in results.items() if v not in ("(same)", "(error)")} == {}
    others = [*cases("SAFE", tenants), *sqlite_cases()]
    results = {sql: wrong(tenants, sql) for sql in others}
    assert {k: v for k, v in results.items() if v[0] != "("} == {}
    tally = Counter(results.values())
    assert tally["(same)"] > 200, tally


def test_it_is_refused_or_fails_and_shows_nothing(tenants: PostgreSQL) -> None:
    results: dict[str, object] = {}
    strict = cases("STRICT", tenants) if tenants.strict else ()
    for code, sql in [*cases("REFUSED", tenants), *strict]:
        with tenants.undone():
            (got, *_) = answer(tenants.shim, sql)
            found = getattr(got, "code", got)
            if found != code or shows_secret(got, sql) or tenants.faults():
                results[sql] = got
    for class_, sql in cases("FAILS", tenants):
        with tenants.undone():
            (got, *_) = answer(tenants.shim, sql)
            names = {base.__name__ for base in type(got).__mro__}
            shown = shows_secret(got, sql)
            if class_ not in names or shown or tenants.faults():
                results[sql] = got
    assert results == {}


def test_the_cases_are_attacks(postgresql_url: str) -> None:
    """Without the plugins they show or change hidden rows."""
    with databases(postgresql_url) as urls:
        tenants = PostgreSQL(urls)
        harmless: list[str] = []
        for sql in cases("SAME", tenants):
            with tenants.undone():
                both = [answer(c, sql) for c in (tenants.full, tenants.copy)]
                if both[0] == both[1] and not tenants.faults():
                    harmless.append(sql)
                tenants.full.rollback()
        tenants.close()
    assert len(harmless) < 20, harmless
