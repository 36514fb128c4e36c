"""Row-level security where the database or the mode sets a limit."""

import sqlite3
from contextlib import closing

import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, context
from kysera_dbapi.plugins import Policy
from tests.dbapi.test_policies import TENANTS, ids, shop


def test_what_edits_nest_too_deep_is_refused() -> None:
    """SQLite's parser has a limit that the caller's own text does not reach."""
    deep = "SELECT id FROM orders WHERE id IN (" * 12 + "1" + ")" * 12
    with closing(shop(TENANTS)) as connection, context(tenant_id=7):
        connection.unwrap().execute(deep)
        with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
            connection.execute(deep)
    assert caught.value.code == "too-deep"
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_strict_mode_knows_what_policies_read() -> None:
    policy = Policy(
        "orders",
        using="tenant_id IN (SELECT tenant_id FROM members WHERE user_id = :user_id)",
    )
    with (
        closing(shop(policy, mode="strict")) as connection,
        context(user_id=43),
    ):
        assert ids(connection) == [3]
        assert ids(connection, "SELECT count(*) FROM log, orders") == [1]
        connection.execute("INSERT INTO orders (id, tenant_id) VALUES (9, 8)")
        connection.execute("DELETE FROM orders WHERE id = 9")
        with pytest.raises(PolicyViolation):
            connection.execute("UPDATE orders SET tenant_id = 7")
