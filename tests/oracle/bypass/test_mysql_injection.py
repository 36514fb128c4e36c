"""Injected texts on MySQL and MariaDB: what a careless program sends stays inside."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from tests.oracle.bypass.mysql import MySQL, answer, databases
from tests.oracle.bypass.payloads import payloads
from tests.oracle.bypass.payloads_mysql import MYSQL
from tests.oracle.bypass.tenants import shows_secret

SEED = 20_261_122
COUNT = 3_000
OPTIONS: list[dict[str, Any]] = [
    {},
    {"mode": "strict"},
    {"mode": "strict", "barrier": True},
]
REFUSALS = (UnsupportedStatement, PolicyViolation, ConfigurationError)
#: A key that a hidden row has is refused: docs/guarantees.md says so.
_DUPLICATE, _TARGET_IN_FROM = 1062, 1093


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
        if isinstance(got[0], REFUSALS):
            return "refused"
        due = answer(tenants.copy, sql)
        if isinstance(got[0], Exception) and isinstance(due[0], Exception):
            return "error"
        if isinstance(got[0], Exception) and got[0].args[:1] == (_DUPLICATE,):
            return "limit"
        if isinstance(due[0], Exception) and due[0].args[0] == _TARGET_IN_FROM:
            return "limit"  # an UPDATE may stand where a DELETE may not
        if "explain" in sql.lower() and not tenants.strict:
            return "limit"  # it tells how many rows there are
        assert not isinstance(got[0], Exception), f"{sql!r}: {got}, due {due}"
        assert tenants.same(got, due), f"{sql!r}: {got}, due {due}"
        if not sql.lower().startswith("select") or ";" in sql:
            faults = tenants.faults(several=";" in sql)
            assert not faults, f"{sql!r}: {faults}"
        return "same"
    finally:
        # what fails has changed no session: it is one statement
        tenants.undo("" if isinstance(got[0], Exception) else sql)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_payload_leads_out_of_the_tenant(
    mysql_url: str, options: dict[str, Any]
) -> None:
    """A third of them in each mode: together they are all."""
    attacked(mysql_url, options, slice(OPTIONS.index(options), None, len(OPTIONS)))


@pytest.mark.fuzz
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_none_does_in_any_mode(mysql_url: str, options: dict[str, Any]) -> None:
    answers = attacked(mysql_url, options, slice(None))
    assert all(answers[point] for point in MYSQL.points), answers


def attacked(url: str, options: dict[str, Any], part: slice) -> Counter[str]:
    """How many payloads of each place give the rows of the filtered copy."""
    counts: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    with databases(url) as urls:
        tenants = MySQL(urls, **options)
        for point, sql in list(texts())[part]:
            verdict = outcome(tenants, sql)
            counts[verdict] += 1
            answers[point] += verdict == "same"
        assert not tenants.faults()
        tenants.close()
    assert counts["same"] > counts.total() / 10, counts
    return answers


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
