"""Payloads on a server, in each mode: what the tests of all servers do with them."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from kysera_dbapi import ConfigurationError, PolicyViolation, UnsupportedStatement
from tests.oracle.bypass.tenants import Tenants

OPTIONS: list[dict[str, Any]] = [
    {},
    {"mode": "strict"},
    {"mode": "strict", "barrier": True},
]
#: A table of the caller's making may have no column that a policy wants.
REFUSALS = (UnsupportedStatement, PolicyViolation, ConfigurationError)

_Tenants = TypeVar("_Tenants", bound=Tenants)


def third(options: dict[str, Any]) -> slice:
    """Those that are tried in a mode: together they are all."""
    return slice(OPTIONS.index(options), None, len(OPTIONS))


def attacked(
    tenants: _Tenants,
    texts: Iterable[tuple[str, str]],
    outcome: Callable[[_Tenants, str], str],
) -> Counter[str]:
    """How many texts of each place give the rows of the filtered copy."""
    counts: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for point, sql in texts:
        verdict = outcome(tenants, sql)
        counts[verdict] += 1
        answers[point] += verdict == "same"
    assert not tenants.faults()
    tenants.close()
    assert counts["same"] > counts.total() / 10, counts
    return answers
