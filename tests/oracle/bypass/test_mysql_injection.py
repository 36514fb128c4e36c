"""Injected texts on MySQL and MariaDB: what a careless program sends stays inside."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pymysql.constants import CLIENT

from tests.oracle.bypass.attacks import OPTIONS, REFUSALS, attacked, third
from tests.oracle.bypass.mysql import MySQL, answer, databases
from tests.oracle.bypass.payloads import payloads
from tests.oracle.bypass.payloads_mysql import MYSQL
from tests.oracle.bypass.tenants import shows_secret

pytestmark = pytest.mark.slow
SEED = 20_261_122
COUNT = 3_000
_DUPLICATE, _TARGET_IN_FROM, _NOT_CONVERTED = 1062, 1093, 1292


def texts() -> Iterator[tuple[str, str]]:
    """What a careless program sends, with the name of the place."""
    for point, payload in payloads(MYSQL, SEED, COUNT):
        yield point, MYSQL.points[point].replace("{}", payload)


def outcome(tenants: MySQL, sql: str) -> str:
    """What came of a text: same, refused, error; raises for anything else."""
    if "insert" in sql.lower():
        tenants.rewind()
    got = answer(tenants.shim, sql)
    try:
        assert not shows_secret(got, sql), f"{sql!r} shows {got}"
        if isinstance(got[0], REFUSALS) or is_undivided(got[0]):
            return "refused"
        due = answer(tenants.copy, sql)
        if ";" in sql and due[len(got) :] == (([], Counter[Any](), 0),):
            due = due[:-1]  # MySQL answers a comment that comes last, too
        if isinstance(got[0], Exception) and isinstance(due[0], Exception):
            return "error"
        if is_limit(tenants, sql, got, due):
            assert not tenants.faults(hidden_alone=True), sql
            return "limit"
        assert not isinstance(got[0], Exception), f"{sql!r}: {got}, due {due}"
        assert tenants.same(got, due), f"{sql!r}: {got}, due {due}"
        if not sql.lower().startswith("select") or ";" in sql:
            faults = tenants.faults(several=";" in sql)
            assert not faults, f"{sql!r}: {faults}"
        return "same"
    finally:
        # what fails has changed no session: it is one statement
        tenants.undo("" if isinstance(got[0], Exception) else sql)


def is_limit(
    tenants: MySQL, sql: str, got: tuple[Any, ...], due: tuple[Any, ...]
) -> bool:
    """Whether answers may differ: docs/mysql.md and docs/guarantees.md say so."""
    if _number(got) == _DUPLICATE:  # a key that a hidden row has is refused
        return True
    if tenants.barrier and _number(due) == _TARGET_IN_FROM:
        return True  # what a derived table reads may be written to
    if tenants.barrier and tenants.mariadb and _number(due) == _NOT_CONVERTED:
        return True  # it is converted in another place of the plan
    # it tells how many rows there are
    return "explain" in sql.lower() and not tenants.strict


def _number(answered: tuple[Any, ...]) -> object:
    """That of the error, if it is one."""
    failed = isinstance(answered[0], Exception) and answered[0].args
    return failed[0] if failed else 0


def is_undivided(error: object) -> bool:
    """Whether a text was refused, as where its statements end is not sure."""
    return getattr(error, "code", "") == "multiple-statements"


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_payload_leads_out_of_the_tenant(
    mysql_url: str, options: dict[str, Any]
) -> None:
    """A third of them in each mode: together they are all."""
    tried(mysql_url, options, third(options))


@pytest.mark.fuzz
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_none_does_in_any_mode(mysql_url: str, options: dict[str, Any]) -> None:
    answers = tried(mysql_url, options, slice(None))
    assert all(answers[point] for point in MYSQL.points), answers


def tried(url: str, options: dict[str, Any], part: slice) -> Counter[str]:
    """Some of the payloads, in a mode."""
    with databases(url) as urls:
        return attacked(MySQL(urls, **options), list(texts())[part], outcome)


#: What would reach beyond the two databases if it ran on the raw connection.
_FOR_ALL = re.compile("shutdown|global|install|mysql|outfile|dumpfile", re.IGNORECASE)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_second_statement_leads_out(mysql_url: str, options: dict[str, Any]) -> None:
    """Where the driver sends several of them."""
    followed(mysql_url, options, slice(OPTIONS.index(options), None, 15))


@pytest.mark.fuzz
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_none_does_in_any_mode_by_a_second(
    mysql_url: str, options: dict[str, Any]
) -> None:
    followed(mysql_url, options, slice(None))


def followed(url: str, options: dict[str, Any], part: slice) -> None:
    """Texts of several statements, on connections that take them."""
    several = [sql for _, sql in texts() if ";" in sql and not _FOR_ALL.search(sql)]
    counts: Counter[str] = Counter()
    with databases(url) as urls:
        tenants = MySQL(urls, client_flag=CLIENT.MULTI_STATEMENTS, **options)
        for sql in several[part]:
            try:
                counts[outcome(tenants, sql)] += 1
                faults = tenants.faults(hidden_alone=True, several=True)
                assert not faults, f"{sql!r}: {faults}"
            finally:
                tenants.undo(sql)  # what came before an error has happened
        assert not tenants.faults()
        tenants.close()
    assert counts["same"] > 1, counts
    assert counts["refused"] > 1, counts


def test_the_payloads_are_attacks(mysql_url: str) -> None:
    """Without the plugins they show hidden rows."""
    shown = 0
    with databases(mysql_url) as urls:
        tenants = MySQL(urls)
        for _, sql in list(texts())[::3]:
            if sql.lower().startswith("select") and ";" not in sql:
                shown += shows_secret(answer(tenants.full, sql), sql)
                tenants.full.rollback()
        tenants.close()
    assert shown > COUNT / 210, shown
