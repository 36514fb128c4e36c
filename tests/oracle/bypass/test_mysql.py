"""The bypass catalogue on MySQL and MariaDB, each case tried against the copy."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from tests.oracle.bypass import (
    cases_mysql,
    cases_mysql_refused,
    cases_mysql_writes,
    cases_reads,
    cases_texts,
    cases_writes,
)
from tests.oracle.bypass.mysql import MySQL, answer, databases
from tests.oracle.bypass.tenants import shows_secret

pytestmark = pytest.mark.slow
MODULES: list[Any] = [cases_mysql, cases_mysql_writes, cases_mysql_refused]
OPTIONS: list[dict[str, Any]] = [{}, {"mode": "strict"}, {"barrier": True}]
#: What no database without policies says.
OWN = (PolicyViolation, ConfigurationError)
_SYNTAX = 1064


@pytest.fixture(params=OPTIONS, ids=str)
def tenants(request: pytest.FixtureRequest, mysql_url: str) -> Iterator[MySQL]:
    with databases(mysql_url) as urls:
        made = MySQL(urls, **request.param)
        yield made
        made.close()


def cases(name: str) -> Iterator[Any]:
    """The cases of that name."""
    for module in MODULES:
        for listed in getattr(module, name, {}).values():
            yield from listed


def wrong(tenants: MySQL, sql: str) -> str:
    """What is wrong with what came of a statement; or what came of it, in brackets."""
    full, copy = tenants.texts(sql)
    with tenants.undone(sql):
        got = answer(tenants.shim, full)
        if shows_secret(got, sql):
            return f"shows {got}"
        failed = isinstance(got[0], Exception)
        if isinstance(got[0], UnsupportedStatement):
            # the server never saw it, and the copy need not
            return str(tenants.faults(hidden_alone=True) or "(refused)")
        due = answer(tenants.copy, copy)
        # what becomes an UPDATE may have an alias where a DELETE may not
        taken = isinstance(due[0], Exception) and due[0].args[0] == _SYNTAX
        faults = tenants.faults(hidden_alone=failed or taken)
        if faults or taken:
            return str(faults or "(error)")
        if failed or isinstance(due[0], Exception):
            same = isinstance(got[0], (type(due[0]), *OWN))
            return "(error)" if same else f"got {got}, due {due}"
        return "(same)" if tenants.same(got, due) else f"got {got}, due {due}"


def sqlite_cases() -> list[str]:
    """Those of SQLite: many of them are SQL that MySQL takes, too."""
    modules: list[Any] = [cases_reads, cases_texts, cases_writes]
    listed = [sql for m in modules for many in m.SAME.values() for sql in many]
    # which row of a set gets which number is not told
    return [s for s in listed if not (s.startswith("INSERT") and "UNION" in s)]


def test_it_gives_what_the_filtered_copy_gives(tenants: MySQL) -> None:
    results = {sql: wrong(tenants, sql) for sql in cases("SAME")}
    right = ["(same)", "(error)"]
    if tenants.strict or tenants.barrier:  # which take less
        right.append("(refused)")
    assert {k: v for k, v in results.items() if v not in right} == {}
    tally = Counter(results.values())
    assert tally["(same)"] > 200, tally
    results = {sql: wrong(tenants, sql) for sql in [*cases("SAFE"), *sqlite_cases()]}
    assert {k: v for k, v in results.items() if v[0] != "("} == {}


def test_it_is_refused_or_fails_and_shows_nothing(tenants: MySQL) -> None:
    results: dict[str, object] = {}
    for code, sql in [*cases("REFUSED"), *(cases("STRICT") if tenants.strict else ())]:
        with tenants.undone():
            (got, *_) = answer(tenants.shim, tenants.texts(sql)[0])
            codes = code.split()
            if tenants.strict:  # which may take what follows for a function's name
                codes.append("dangerous-function")
            known = isinstance(got, UnsupportedStatement) and got.code in codes
            if not known or shows_secret(got, sql):
                results[sql] = got
    for class_, sql in cases("FAILS"):
        with tenants.undone():
            (got, *_) = answer(tenants.shim, tenants.texts(sql)[0])
            names = {base.__name__ for base in type(got).__mro__}
            if class_ not in names or shows_secret(got, sql) or tenants.faults():
                results[sql] = got
    assert results == {}
    assert not tenants.faults()
    assert not tenants.changed()


def test_the_cases_are_attacks(mysql_url: str) -> None:
    """Without the plugins they show or change hidden rows."""
    with databases(mysql_url) as urls:
        tenants = MySQL(urls)
        harmless: list[str] = []
        for sql in cases("SAME"):
            with tenants.undone(sql):
                texts = tenants.texts(sql)
                both = [
                    answer(c, text)
                    for c, text in zip((tenants.full, tenants.copy), texts, strict=True)
                ]
                failed = isinstance(both[1][0], pymysql.Error)
                if not failed and tenants.same(*both) and not tenants.faults():
                    harmless.append(sql)
        tenants.close()
    assert len(harmless) < len(list(cases("SAME"))) / 4, harmless
