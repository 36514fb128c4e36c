"""Ways round the cursor: catalogue entries 49, 57, 58 and 81 to 90."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import (
    ContextMissing,
    DataError,
    PolicyViolation,
    UnsupportedStatement,
)
from tests.oracle.bypass.tenants import TENANT, Tenants, filled, security, shows_secret

IDS = [(101,), (104,), (107,), (108,), (115,)]
SELECT = "SELECT id FROM orders ORDER BY id"


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    made = Tenants()
    yield made
    made.close()


def test_no_way_leads_to_the_raw_connection(tenants: Tenants) -> None:
    shim = tenants.shim
    for cursor in (shim.cursor(), shim.execute(SELECT), shim.cursor().execute(SELECT)):
        assert cursor.connection is shim
    with shim as entered:
        assert entered is shim
    assert not any(found is tenants.full for found in vars_of(shim))


def vars_of(shim: Any) -> Iterator[Any]:
    """All that the names of a connection lead to."""
    for name in dir(shim):
        if name != "unwrap":
            try:
                yield getattr(shim, name)
            except (AttributeError, sqlite3.Error):
                continue


def test_every_verb_is_planned(tenants: Tenants) -> None:
    shim = tenants.shim
    assert shim.execute(SELECT).fetchall() == IDS
    assert list(shim.cursor().execute(SELECT)) == IDS
    assert shim.execute(SELECT).fetchmany(99) == IDS
    shim.executemany("UPDATE orders SET total = ? WHERE id = ?", [(1, 101), (1, 103)])
    shim.executemany("DELETE FROM orders WHERE id = ?", [(104,), (103,), (102,)])
    shim.executescript(
        "UPDATE orders SET status = 'x'; DELETE FROM notes; DELETE FROM prices;"
    )
    assert not [f for f in tenants.faults() if "hidden" in f]


def test_executemany_checks_every_row(tenants: Tenants) -> None:
    rows = [(201, 7), (202, 7), (203, 8)]
    sql = "INSERT INTO orders (id, tenant_id) VALUES (?, ?)"
    with pytest.raises(PolicyViolation) as caught:
        tenants.shim.executemany(sql, rows)
    assert caught.value.row == 2
    assert not tenants.faults()


def test_a_script_stops_where_it_would_write_for_another(tenants: Tenants) -> None:
    with pytest.raises(PolicyViolation):
        tenants.shim.executescript(
            "SELECT 1; INSERT INTO orders (tenant_id) VALUES (8); DELETE FROM log;"
        )
    assert not tenants.faults()


def test_pages_and_copies(tenants: Tenants) -> None:
    shim, other = tenants.shim, sqlite3.connect(":memory:")
    calls = {
        "serialize": (),
        "backup": (other,),
        "deserialize": (b"",),
        "blobopen": ("orders", "status", 101),
    }
    for member, given in calls.items():
        with pytest.raises(UnsupportedStatement):
            getattr(shim, member)(*given)
    for row in (102, 103, 105):
        with pytest.raises(sqlite3.OperationalError, match="no such rowid"):
            shim.blobopen("orders", "status", row, readonly=True)
    other.close()
    with shim.blobopen("orders", "status", 101, readonly=True) as blob:
        assert blob.read() == b"open"


def test_a_dump_holds_what_the_tenant_sees() -> None:
    raw = filled()
    raw.executescript("DROP VIEW all_orders; DROP TRIGGER events_hit; DROP TABLE words")
    shim: Any = kysera_dbapi.wrap(raw, plugins=security())
    shim.context = {"tenant_id": TENANT}
    text = "\n".join(shim.iterdump())
    assert "first" in text
    assert not shows_secret(text)
    shim.close()


def test_an_authorizer_cannot_blind_a_policy(tenants: Tenants) -> None:
    shim = tenants.shim

    def blind(action: int, *names: Any) -> int:
        column = action == sqlite3.SQLITE_READ and "tenant_id" in names
        return sqlite3.SQLITE_IGNORE if column else sqlite3.SQLITE_OK

    shim.set_authorizer(blind)
    with pytest.raises(sqlite3.DatabaseError):
        shim.execute("SELECT id FROM orders WHERE total > 1").fetchall()


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT id FROM orders WHERE ? OR id = ?", (1, 103)),
        ("SELECT id FROM orders WHERE ?2 OR id = ?1", (103, 1)),
        ("SELECT id FROM orders WHERE :a OR id = :b", {"a": 1, "b": 103}),
        ("SELECT id FROM orders WHERE @a OR $b", {"a": 1, "b": 1}),
        ("SELECT id FROM orders WHERE :tenant_id", {"tenant_id": 8}),
        ("SELECT id FROM orders WHERE id <> ? -- ?", (0,)),
        ("SELECT id FROM orders WHERE '?' <> ? AND id > 0 /* ? */", ("",)),
        ("SELECT ?, o.id FROM orders o LEFT JOIN log l ON ? WHERE ?", (1, 2, 1)),
        ("SELECT id FROM orders WHERE id IN (?, ?, ?, ?)", (101, 102, 103, 104)),
        ("SELECT id FROM orders ORDER BY id LIMIT ? OFFSET ?", (9, 1)),
    ],
)
def test_values_keep_their_places(sql: str, values: Any, tenants: Tenants) -> None:
    got = tenants.shim.execute(sql, values).fetchall()
    assert sorted(got) == sorted(tenants.copy.execute(sql, values).fetchall())


def test_plans_are_shared_and_values_are_not(tenants: Tenants) -> None:
    found = {}
    for tenant in (7, 8, "7", "7' OR 1", None, 7.0):
        tenants.shim.context = {"tenant_id": tenant}
        try:
            found[repr(tenant)] = tenants.shim.execute(SELECT).fetchall()
        except ContextMissing:
            found[repr(tenant)] = "missing"
    others = [(103,), (106,)]
    assert found == {
        "7": IDS, "8": others, "'7'": IDS, "\"7' OR 1\"": [], "None": "missing",
        "7.0": IDS,
    }  # fmt: skip


def test_a_thread_starts_with_nothing() -> None:
    found: list[Any] = []

    def work() -> None:
        found.append(dict(kysera_dbapi.current_context()))
        made = Tenants()
        made.shim.context = {}
        try:
            made.shim.execute(SELECT)
        except ContextMissing as error:
            found.append(error.code)
        made.close()

    with kysera_dbapi.context(tenant_id=8):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [{}, "context-missing"]


def test_rows_are_those_of_the_context_of_their_execution(tenants: Tenants) -> None:
    cursor = tenants.shim.execute(SELECT)
    assert cursor.fetchone() == (101,)
    with kysera_dbapi.context(tenant_id=8):
        assert cursor.fetchone() == (104,)
        assert tenants.shim.execute(SELECT).fetchone() == (103,)
    assert cursor.fetchall() == IDS[2:]


def test_a_bypass_ends_with_its_block(tenants: Tenants) -> None:
    block = kysera_dbapi.bypass("rls", reason="test")
    with suppress(LookupError), block:
        assert len(tenants.shim.execute(SELECT).fetchall()) > len(IDS)
        raise LookupError
    assert tenants.shim.execute(SELECT).fetchall() == IDS


def test_verbs_of_soft_delete_stay_within_the_tenant(tenants: Tenants) -> None:
    """By the values of the connection, too."""
    soft: Any = tenants.shim.plugin_host.plugins[1]
    for verb in (soft.restore, soft.hard_delete):
        with pytest.raises(DataError, match="no row of orders has this key"):
            verb(tenants.shim, "orders", 103)
    assert soft.purge(tenants.shim, "customers", older_than=timedelta(0)) == 1
    left = tenants.full.execute("SELECT id FROM customers WHERE deleted_at > ''")
    assert left.fetchall() == [(5,)]  # of another tenant
    soft.restore(tenants.shim, "orders", 102)
    assert tenants.shim.execute(SELECT).fetchall() == sorted([*IDS, (102,)])


def test_a_cursor_class_of_the_callers(tenants: Tenants) -> None:
    class Own(sqlite3.Cursor):
        def execute(self, sql: str, values: Any = (), /) -> Any:
            return super().execute(f"{sql} -- own", values)

    cursor = tenants.shim.cursor(Own)
    assert cursor.execute(SELECT).fetchall() == IDS
    seen: list[Any] = []

    def factory(_: Any, row: Any) -> Any:
        seen.append(row)
        return row

    tenants.shim.row_factory = factory
    tenants.shim.execute("INSERT INTO orders (tenant_id, id) VALUES (7, 300)")
    tenants.shim.execute("UPDATE orders SET total = 5 RETURNING id, total").fetchall()
    assert not shows_secret(seen)
    assert all(len(row) == 2 for row in seen)


@pytest.mark.parametrize("text", [b"SELECT * FROM orders", bytearray(b"x"), 1, None])
def test_what_is_no_text_is_an_error(text: Any, tenants: Tenants) -> None:
    with pytest.raises(TypeError):
        tenants.shim.execute(text)
