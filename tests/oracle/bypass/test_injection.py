"""A program that puts its users' words into its statements stays within its tenant."""

import sqlite3
from collections import Counter
from typing import Any

import pytest

from kysera_dbapi import PolicyViolation, UnsupportedStatement
from tests.oracle.bypass.payloads import POINTS, SQLITE, payloads
from tests.oracle.bypass.tenants import PROTECTED, Tenants, shows_secret, typed

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
SEED = 20_260_707
COUNT = 3_000


def answer(connection: Any, point: str, sql: str) -> tuple[Any, ...]:
    """What a statement gives, or its error."""
    cursor = connection.cursor()
    try:
        if point == "script":
            cursor.executescript(sql)
        else:
            cursor.execute(sql)
        rows: list[Any] = cursor.fetchall() if cursor.description else []
    except (sqlite3.Error, sqlite3.Warning) as error:
        return (error,)
    finally:
        cursor.close()
    names = [column[0] for column in cursor.description or ()]
    return names, typed(rows), cursor.rowcount


def is_refusal(error: object) -> bool:
    """Whether nothing was sent."""
    several = getattr(error, "code", "") == "multiple-statements"
    return several or isinstance(error, UnsupportedStatement)


class Attack:
    """One tenant's databases, put back after each payload that changed them."""

    def __init__(self, **options: Any) -> None:
        self.tenants = Tenants(**options)
        self.kept = [sqlite3.connect(":memory:") for _ in range(2)]
        for raw, kept in zip(self.raw, self.kept, strict=True):
            raw.backup(kept)

    @property
    def raw(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """The full database and the copy."""
        return self.tenants.full, self.tenants.copy

    def run(self, point: str, payload: str) -> str:
        """What came of a payload: same, refused, error; raises for anything else."""
        sql = POINTS[point].replace("{}", payload)
        before = [self.state(raw) for raw in self.raw]
        got = answer(self.tenants.shim, point, sql)
        due = answer(self.tenants.copy, point, sql)
        assert not shows_secret(got, sql), f"{sql!r} shows {got}"
        refused = is_refusal(got[0])
        changed = [self.state(raw) for raw in self.raw] != before
        if changed:
            # a script that is refused, or violates, has done what came before that
            stopped = refused or isinstance(got[0], PolicyViolation)
            faults = self.tenants.faults(hidden_alone=stopped)
            assert not faults, f"{sql!r}: {faults}"
        if refused and point != "script":
            assert self.state(self.raw[0]) == before[0], sql
        if changed or self.raw[0].in_transaction or self.raw[1].in_transaction:
            self.restore()
        return self.verdict(got, due, sql)

    def verdict(self, got: tuple[Any, ...], due: tuple[Any, ...], sql: str) -> str:
        if is_refusal(got[0]):
            return "refused"
        if isinstance(got[0], PolicyViolation):
            return "violation"  # the copy has no policies
        if isinstance(got[0], Exception):
            kinds = (sqlite3.OperationalError, sqlite3.IntegrityError)
            same = [isinstance(due[0], kind) for kind in kinds]
            assert isinstance(due[0], Exception), f"{sql!r}: {got}, not {due}"
            assert [isinstance(got[0], kind) for kind in kinds] == same, (sql, got, due)
            return "error"
        assert got == due, f"{sql!r}: {got}, not {due}"
        return "same"

    def state(self, raw: sqlite3.Connection) -> tuple[int, int, int]:
        """What tells whether a database was changed."""
        version = raw.execute("PRAGMA schema_version").fetchone()[0]
        return raw.total_changes, version, raw.in_transaction

    def restore(self) -> None:
        """As they were."""
        for raw, kept in zip(self.raw, self.kept, strict=True):
            raw.rollback()
            kept.backup(raw)
        self.tenants.shim.refresh()

    def close(self) -> None:
        """Close all of them."""
        self.tenants.close()
        for kept in self.kept:
            kept.close()


@pytest.mark.parametrize(
    "options", [{}, {"mode": "strict"}, {"mode": "strict", "barrier": True}], ids=str
)
def test_no_payload_leads_out_of_the_tenant(options: dict[str, Any]) -> None:
    attack = Attack(**options)
    counts: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for point, payload in payloads(SQLITE, SEED, COUNT):
        verdict = attack.run(point, payload)
        counts[verdict] += 1
        answers[point] += verdict == "same"
    hidden = {table: attack.tenants.hidden(table) for table in PROTECTED}
    assert hidden == attack.tenants.hidden_before
    attack.close()
    assert counts["same"] > COUNT / 6, counts
    assert all(answers[point] for point in POINTS), answers


def test_the_payloads_are_attacks() -> None:
    """Without the plugins many of them show hidden rows, or tell of them."""
    tenants = Tenants()
    shown = told = 0
    for point, payload in payloads(SQLITE, SEED, COUNT):
        if point not in ("script", "update", "insert", "delete"):
            sql = POINTS[point].replace("{}", payload)
            got, due = (answer(c, point, sql) for c in (tenants.full, tenants.copy))
            shown += shows_secret(got, sql)
            told += str(got) != str(due)
            tenants.full.rollback()
            tenants.copy.rollback()
    assert shown > COUNT / 25
    assert told > COUNT / 12
    tenants.close()
