"""Row-level security: what cannot be a policy, and when that is said."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from kysera_dbapi import (
    ConfigurationError,
    PolicyViolation,
    context,
)
from kysera_dbapi.plugins import Policy, RowLevelSecurity, filter_, tenant_isolation
from tests.dbapi.test_policies import IDS, TENANTS, ids, outcome, shop, stored


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop(TENANTS)) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tenant_id =", "does not parse"),
        ("tenant_id = 1) OR (1", "does not parse"),
        ("tenant_id = 1; DROP TABLE orders", "does not parse"),
        ("nope = 1", "no column 'nope'"),
        ("orders.nope = 1", "no column 'nope'"),
        ("other.tenant_id = 1", "no column 'other.tenant_id'"),
        ("tenant_id IN (SELECT tenant_id FROM nope)", "no table 'nope'"),
        ("EXISTS (SELECT 1 FROM members, log WHERE nope = 1)", "no column 'nope'"),
        ("1 = (SELECT tenant_id FROM members m, members n)", "ambiguous"),
        ("tenant_id = ?", "no :name"),
        ("owner = '_k0.x'", "reserved"),
        ("tenant_id = @t", "no :name"),
        ("tenant_id IN :t OR tenant_id = :t", "a list and a single value"),
        ("1 = (WITH c AS (SELECT 1 AS a) SELECT a FROM c)", "WITH"),
    ],
)
def test_a_policy_is_checked_when_a_connection_is_made(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        shop(Policy("orders", using=text))
    assert caught.value.code == "policy"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Policy("nope", using="1 = 1"), "no table 'nope'"),
        (
            [Policy("orders", using="1 = 1"), Policy("everything", using="1 = 0")],
            "not those of",
        ),
        (tenant_isolation("nope", ["orders"]), "no column 'nope'"),
        (tenant_isolation("tenant_id", ["orders", "log"]), "no column 'tenant_id'"),
    ],
)
def test_a_policy_names_what_there_is(policy: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        shop(policy)


def made(**options: Any) -> Any:
    given: dict[str, Any] = {"table": "orders", "using": "1 = 1", **options}
    return Policy(**given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: made(table=""), "table must be"),
        (lambda: made(table=7), "table must be"),
        (lambda: made(command="truncate"), "unknown command 'truncate'"),
        (lambda: made(using=None), "neither using nor check"),
        (lambda: made(using=" "), "a condition must be"),
        (lambda: made(command="select", check="1 = 1"), "no check"),
        (lambda: made(command="insert"), "no using"),
        (lambda: made(roles="clerk"), "roles must be a list"),
        (lambda: made(roles=[1]), "roles must be a list"),
        (lambda: made(name=""), "name must be"),
        (lambda: tenant_isolation("", ["orders"]), "column must be"),
        (lambda: tenant_isolation("tenant_id", []), "tables is empty"),
        (lambda: tenant_isolation("tenant_id", "orders"), "tables must be a list"),
        (lambda: filter_("orders", 7), "needs a function"),  # type: ignore[arg-type]
        (lambda: RowLevelSecurity(7), "expected a Policy"),  # type: ignore[arg-type]
        (lambda: RowLevelSecurity(unlisted="deny"), "unlisted must be"),
        (lambda: RowLevelSecurity(bypass_roles="root"), "bypass_roles must be"),
        (
            lambda: RowLevelSecurity(made(name="a"), made(name="a")),
            "two policies on 'orders' have the name 'a'",
        ),
    ],
)
def test_what_cannot_be_a_policy(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_policies_without_names_have_some() -> None:
    with closing(shop(made(using="total > 15"), made(using="total < 5"))) as connection:
        assert ids(connection) == [2, 3, 4]
        error = outcome(connection, "INSERT INTO orders (id, total) VALUES (9, 10)")
        assert isinstance(error, PolicyViolation)
        assert "'orders all 1' or 'orders all 2'" in str(error)


def test_a_policy_is_checked_again_when_the_schema_changes(connection: Any) -> None:
    with context(tenant_id=7):
        raw = connection.unwrap()
        raw.execute("ALTER TABLE orders RENAME COLUMN tenant_id TO tenant")
        with pytest.raises(ConfigurationError, match="no column 'tenant_id'"):
            connection.refresh()
        with pytest.raises(ConfigurationError, match="no column 'tenant_id'"):
            connection.execute("SELECT total FROM orders")


@pytest.mark.parametrize(
    "value", [UUID(int=1), 2**63, "\ud800"], ids=["uuid", "big", "lone"]
)
def test_a_value_that_cannot_be_bound_is_named(connection: Any, value: object) -> None:
    by_id = "SELECT id FROM orders WHERE id = ?"
    with context(tenant_id=value):
        for _ in range(2):
            for sql in (IDS, "INSERT INTO orders (id) VALUES (9)"):
                with pytest.raises(
                    ConfigurationError, match="cannot bind tenant_id"
                ) as caught:
                    connection.execute(sql)
                assert caught.value.code == "context-value"
            with pytest.raises(ConfigurationError, match="cannot bind tenant_id"):
                connection.execute(by_id, (1,))
        with pytest.raises(ConfigurationError, match="cannot bind tenant_id"):
            connection.executemany("INSERT INTO orders (id) VALUES (?)", [(1,), (2,)])
    assert len(stored(connection)) == 4
