"""Ways by which SQL escapes a rewriter, each tried against the filtered copy."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from kysera_dbapi import UnsupportedStatement
from tests.oracle.bypass import cases_reads, cases_texts, cases_writes
from tests.oracle.bypass.tenants import Tenants, shows_secret, typed

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="RIGHT JOIN needs SQLite 3.39"
)
MODULES = (cases_reads, cases_writes, cases_texts)
OPTIONS: list[dict[str, Any]] = [{}, {"mode": "strict"}, {"barrier": True}]


def cases(name: str) -> list[Any]:
    """The cases of that name, each with the number of its entry."""
    return [
        pytest.param(case, id=f"{entry}-{number}")
        for module in MODULES
        for entry, listed in getattr(module, name, {}).items()
        for number, case in enumerate(listed)
    ]


@pytest.fixture(params=OPTIONS, ids=str)
def tenants(request: pytest.FixtureRequest) -> Iterator[Tenants]:
    made = Tenants(**request.param)
    yield made
    made.close()


def answer(connection: Any, sql: str) -> tuple[Any, ...]:
    """The names, rows and count that a statement gives; or its error."""
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        rows: list[Any] = cursor.fetchall() if cursor.description else []
    except (sqlite3.Error, sqlite3.Warning) as error:
        return (error,)
    names = [column[0] for column in cursor.description or ()]
    return names, typed(rows), cursor.rowcount


def tables(connection: Any) -> list[tuple[Any, ...]]:
    """The tables that a statement made, and what is in them."""
    found: list[tuple[Any, ...]] = []
    for name in ("main.kept", "temp.kept"):
        try:
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()
        except sqlite3.OperationalError:
            continue
        found.append((name, typed(rows)))
    return found


@pytest.mark.parametrize("sql", cases("SAME"))
def test_it_gives_what_the_filtered_copy_gives(sql: str, tenants: Tenants) -> None:
    got, due = answer(tenants.shim, sql), answer(tenants.copy, sql)
    for error in got[:1]:
        assert not isinstance(error, UnsupportedStatement), error
        assert not isinstance(error, Exception) or not shows_secret(error, sql)
    if isinstance(due[0], Exception):
        assert isinstance(got[0], type(due[0])), got[0]
    else:
        assert got == due
    assert tables(tenants.full) == tables(tenants.copy)
    assert not tenants.faults()


@pytest.mark.parametrize("case", cases("REFUSED"))
def test_it_is_refused(case: tuple[str, str], tenants: Tenants) -> None:
    code, sql = case
    sent: list[str] = []
    tenants.full.set_trace_callback(sent.append)
    with pytest.raises((sqlite3.Error, sqlite3.Warning)) as caught:
        tenants.shim.execute(sql)
    assert getattr(caught.value, "code", "") == code, caught.value
    assert not shows_secret(caught.value, sql)
    assert not [text for text in sent if "PRAGMA" not in text and "sqlite_" not in text]
    assert not tenants.faults()


@pytest.mark.parametrize("case", cases("FAILS"))
def test_it_fails_and_shows_nothing(case: tuple[str, str], tenants: Tenants) -> None:
    class_, sql = case
    with pytest.raises(sqlite3.Error) as caught:
        tenants.shim.execute(sql).fetchall()
    names = {base.__name__ for base in type(caught.value).__mro__}
    assert class_ in names, repr(caught.value)
    assert "UnsupportedStatement" not in names
    assert not shows_secret(caught.value, sql)
    assert not tenants.faults()
