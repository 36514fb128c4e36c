"""Row-level security: what a policy may say, whom it holds for, what it does."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, ContextMissing, PolicyViolation, context
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    filter_,
    tenant_isolation,
)

SCHEMA = """
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, tenant_id INTEGER, owner TEXT, total INTEGER DEFAULT 1);
CREATE TABLE members (user_id INTEGER, tenant_id INTEGER, deleted_at);
CREATE TABLE log (id INTEGER PRIMARY KEY, text);
CREATE VIEW everything AS SELECT * FROM orders;
INSERT INTO orders VALUES
    (1, 7, 'ada', 10), (2, 7, 'bob', 20), (3, 8, 'ada', 30), (4, NULL, 'ada', 40);
INSERT INTO members VALUES (42, 7, NULL), (42, 8, 'gone'), (43, 8, NULL);
INSERT INTO log VALUES (1, 'first');
"""
IDS = "SELECT id FROM orders ORDER BY id"
TENANTS = tenant_isolation("tenant_id", ["orders"])


def shop(*policies: Any, beside: Any = (), mode: Any = "normal", **options: Any) -> Any:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    plugins = [RowLevelSecurity(*policies, **options), *beside]
    try:
        return kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
    except BaseException:
        raw.close()
        raise


def ids(connection: Any, sql: str = IDS, values: Any = ()) -> list[Any]:
    return [row[0] for row in connection.execute(sql, values)]


def stored(connection: Any) -> list[Any]:
    return list(connection.unwrap().execute("SELECT * FROM orders ORDER BY id"))


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop(TENANTS)) as made:
        yield made


# -- whom rows are shown to


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_each_tenant_sees_its_own(mode: Any) -> None:
    with closing(shop(TENANTS, mode=mode)) as connection:
        for tenant, expected in ((7, [1, 2]), (8, [3]), (9, [])):
            for _ in range(3):  # planned, then known
                with context(tenant_id=tenant):
                    assert ids(connection) == expected
                    by_id = "SELECT id FROM orders WHERE id = ?"
                    assert ids(connection, by_id, (3,)) == [3][: 3 in expected]


@pytest.mark.parametrize("values", [{}, {"tenant_id": None}, {"tenant": 7}])
@pytest.mark.parametrize(
    "sql",
    [
        IDS,
        "SELECT id FROM orders WHERE id = ?",
        "UPDATE orders SET total = 0",
        "DELETE FROM orders",
        "INSERT INTO orders (id) VALUES (9)",
        "INSERT INTO orders (id, tenant_id) VALUES (9, 7)",
        "INSERT INTO log (text) SELECT owner FROM orders",
    ],
)
def test_no_value_never_means_no_filter(
    connection: Any, values: dict[str, Any], sql: str
) -> None:
    given = (1,) if "?" in sql else ()
    before = stored(connection)
    with context(tenant_id=7):
        connection.execute("SELECT 1 FROM orders WHERE id = ?", (1,))
    for _ in range(2):
        with context(**values), pytest.raises(ContextMissing) as caught:
            connection.execute(sql, given)
        assert isinstance(caught.value, sqlite3.ProgrammingError)
        assert stored(connection) == before


def test_a_table_without_policies_is_free(connection: Any) -> None:
    assert ids(connection, "SELECT text FROM log") == ["first"]


def test_unlisted_tables_may_be_refused() -> None:
    with closing(shop(TENANTS, unlisted="refuse")) as connection, context(tenant_id=7):
        assert ids(connection) == [1, 2]
        for sql in ("SELECT * FROM log", "INSERT INTO log (text) SELECT 1"):
            with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
                connection.execute(sql)
            assert caught.value.code == "unlisted-table"
        assert ids(connection, "SELECT name FROM sqlite_schema WHERE name = 'log'")
        assert ids(connection, "WITH c AS (SELECT 5) SELECT * FROM c") == [5]


def test_a_policy_may_ask_other_tables() -> None:
    policy = Policy(
        "orders",
        using="EXISTS (SELECT 1 FROM members WHERE user_id = :user_id "
        "AND members.tenant_id = orders.tenant_id)",
    )
    for beside, expected in (
        ((), [1, 2, 3]),
        ([SoftDelete(["members"])], [1, 2]),  # a deleted membership is none
    ):
        with (
            closing(shop(policy, beside=beside)) as connection,
            context(user_id=42),
        ):
            assert ids(connection) == expected
            with kysera_dbapi.including_deleted():
                assert ids(connection) == expected
            with kysera_dbapi.bypass("soft_delete", reason="a test"):
                assert ids(connection) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT members.id FROM orders AS members ORDER BY 1",
        "WITH members AS (SELECT 42 AS user_id, 8 AS tenant_id) {}",
        "SELECT id FROM orders AS user_id ORDER BY 1",
        "SELECT id, (SELECT 8) AS tenant_id FROM orders ORDER BY 1",
        "SELECT o.id FROM (SELECT 8 AS user_id) AS members, orders AS o ORDER BY 1",
    ],
)
def test_names_of_the_caller_do_not_capture_a_policy(sql: str) -> None:
    policy = Policy(
        "orders",
        using="tenant_id IN (SELECT tenant_id FROM members WHERE user_id = :u)",
    )
    with closing(shop(policy)) as connection, context(u=42):
        connection.unwrap().execute("UPDATE members SET tenant_id = 7 WHERE rowid = 2")
        assert ids(connection, sql.format(IDS)) == [1, 2]


def test_what_a_policy_reads_has_its_own_policies() -> None:
    of_members = Policy("members", using="user_id = :user_id")
    of_orders = Policy("orders", using="tenant_id IN (SELECT tenant_id FROM members)")
    with closing(shop(of_members, of_orders)) as connection:
        with context(user_id=43):
            assert ids(connection) == [3]
        with context(user_id=42):
            assert ids(connection) == [1, 2, 3]


def test_policies_that_read_each_other_are_refused() -> None:
    one = Policy("members", using="tenant_id IN (SELECT tenant_id FROM orders)")
    other = Policy("orders", using="tenant_id IN (SELECT tenant_id FROM members)")
    with pytest.raises(ConfigurationError, match="circle"):
        shop(one, other)


def test_lists() -> None:
    with closing(shop(Policy("orders", using="tenant_id IN :tenants"))) as connection:
        for tenants, expected in (
            ([7, 8], [1, 2, 3]),
            ([8], [3]),
            ([], []),
            ({7}, [1, 2]),
        ):
            with context(tenants=tenants):
                assert ids(connection) == expected
        with context(tenants=7), pytest.raises(ConfigurationError, match="a list"):
            ids(connection)
    with (
        closing(shop(Policy("orders", using="owner NOT IN :owners"))) as connection,
        context(owners=["o'brien 100%", "bob"]),
    ):
        assert ids(connection) == [1, 3, 4]


def test_roles_decide_which_policies_there_are() -> None:
    policies = (
        Policy("orders", using="total > 15", roles=["clerk"]),
        Policy("orders", using="owner = 'ada'", roles=["ada", "boss"]),
        Policy("orders", using="total < 40", restrictive=True, roles=["clerk"]),
    )
    expected = {
        (): [],
        ("clerk",): [2, 3],
        ("ada",): [1, 3, 4],
        ("clerk", "boss"): [1, 2, 3],
        ("root",): [1, 2, 3, 4],
    }
    with closing(shop(*policies, bypass_roles=["root"])) as connection:
        for _ in range(2):
            for roles, found in expected.items():
                with context(roles=roles):
                    assert ids(connection) == found


def test_a_bypass_is_for_one_plugin_and_ends(connection: Any) -> None:
    with kysera_dbapi.bypass("rls", reason="nightly report"):
        assert ids(connection) == [1, 2, 3, 4]
        assert kysera_dbapi.bypass_reasons() == (("rls", "nightly report"),)
    with pytest.raises(ZeroDivisionError), kysera_dbapi.bypass("rls", reason="x"):
        raise ZeroDivisionError
    with pytest.raises(ContextMissing):
        ids(connection)


def test_nothing_in_the_text_switches_it_off(connection: Any) -> None:
    with context(tenant_id=7):
        sql = f"/* kysera:bypass(rls) kysera:including_deleted */ {IDS}"
        assert ids(connection, sql) == [1, 2]


def test_a_view_over_a_protected_table_is_refused(connection: Any) -> None:
    with context(tenant_id=7), pytest.raises(kysera_dbapi.UnsupportedStatement):
        connection.execute("SELECT * FROM everything")


# -- values of the connection


def test_a_connection_may_have_values_of_its_own(connection: Any) -> None:
    connection.context = {"tenant_id": 8}
    assert connection.context == {"tenant_id": 8}
    assert ids(connection) == [3]
    with context(tenant_id=7):
        assert ids(connection) == [1, 2]
        connection.executemany("INSERT INTO orders (id) VALUES (?)", [(20,), (21,)])
    with context(tenant_id=None), pytest.raises(ContextMissing):
        ids(connection)
    connection.execute("INSERT INTO orders (id) VALUES (30)")
    assert ids(connection) == [3, 30]
    assert "tenant_id" in str(connection.explain(IDS))
    connection.context = {}
    with pytest.raises(ContextMissing):
        ids(connection)


@pytest.mark.parametrize("given", [{"tenant_id": object()}, {"roles": "clerk"}])
def test_values_of_a_connection_are_checked(
    connection: Any, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connection.context = given
    assert caught.value.code == "context-value"
    assert connection.context == {}


def test_rows_that_are_fetched_later_keep_the_context(connection: Any) -> None:
    with context(tenant_id=7):
        cursor = connection.execute(IDS)
    with context(tenant_id=8):
        assert cursor.fetchall() == [(1,), (2,)]


def test_a_thread_has_no_tenant() -> None:
    raw = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    raw.executescript(SCHEMA)
    with (
        closing(kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(TENANTS)])) as made,
        ThreadPoolExecutor(1) as other,
        context(tenant_id=7),
    ):
        assert isinstance(other.submit(ids, made).exception(), ContextMissing)


# -- what is written


def outcome(connection: Any, sql: str, values: Any = ()) -> Any:
    try:
        cursor = connection.execute(sql, values)
        return cursor.fetchall(), cursor.rowcount, cursor.description
    except sqlite3.IntegrityError as error:
        return error


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("INSERT INTO orders (id) VALUES (9)", ()),
        ("INSERT INTO orders (id) VALUES (?)", (9,)),
        ("INSERT INTO orders (id, total) VALUES (:id, :total)", {"id": 9, "total": 1}),
        ("INSERT INTO orders (id) VALUES (?1)", (9,)),
        ("INSERT INTO orders (id, 'tenant_id') VALUES (9, ?)", (7,)),
        ("INSERT INTO orders (id, [TENANT_ID]) VALUES (9, 7)", ()),
        ("INSERT INTO orders VALUES (9, 7, 'x', 1)", ()),
        ("INSERT INTO orders (id) SELECT 9 UNION SELECT 9 ORDER BY 1 LIMIT 1", ()),
        ("INSERT INTO orders (id) SELECT count(*) + 7 FROM orders", ()),
        ("INSERT INTO orders (id) SELECT DISTINCT 9 FROM orders WHERE 1", ()),
        ("INSERT INTO orders (id) WITH c(a) AS (VALUES (9)) SELECT a FROM c", ()),
        ("REPLACE INTO log (id) VALUES (1); ", ()),
    ],
)
def test_new_rows_are_the_tenants_own(connection: Any, sql: str, values: Any) -> None:
    with context(tenant_id=7):
        assert outcome(connection, sql, values) == ([], 1, None)
        assert all(row[1] == 7 for row in stored(connection) if row[0] == 9)
        assert ids(connection) == [1, 2, *([9] if "orders" in sql else [])]


def test_default_values(connection: Any) -> None:
    with context(tenant_id=8):
        connection.execute("INSERT INTO orders DEFAULT VALUES")
        assert stored(connection)[-1] == (5, 8, None, 1)


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("INSERT INTO orders (id, tenant_id) VALUES (9, 8)", 0),
        ("INSERT INTO orders (id, tenant_id) VALUES (8, 7), (9, NULL), (10, 7)", 1),
        ("INSERT INTO orders (id, tenant_id) SELECT id + 10, 8 FROM orders", 0),
        ("INSERT INTO orders (id, tenant_id) VALUES (9, 8) RETURNING id", 0),
        ("INSERT INTO orders (id, tenant_id) VALUES (9, 8) RETURNING *", 0),
        ("INSERT INTO orders (id, tenant_id) VALUES (9, 8) RETURNING tenant_id + 1", 0),
        ("INSERT INTO orders VALUES (9, 'seven', 'x', 1)", 0),
        ("UPDATE orders SET tenant_id = 8", 0),
        ("UPDATE orders SET tenant_id = NULL WHERE id = 2", 0),
        ("UPDATE orders SET (total, tenant_id) = (SELECT 1, 8) WHERE id = 1", 0),
        ("UPDATE orders SET tenant_id = tenant_id + (id = 2)", 1),
        ("UPDATE orders SET tenant_id = o.total FROM orders o WHERE o.id = 1", 0),
    ],
)
def test_no_row_goes_to_another_tenant(connection: Any, sql: str, row: int) -> None:
    before = stored(connection)
    with context(tenant_id=7):
        for begin in ("", "BEGIN"):
            if begin:
                connection.execute(begin)
            error = outcome(connection, sql)
            assert isinstance(error, PolicyViolation), error
            assert (error.table, error.policy, error.row) == (
                "orders",
                "policy 'orders tenant'",
                row,
            )
            assert error.code == "policy-violation"
            assert stored(connection) == before
        assert connection.in_transaction
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("column", ["tenant_id", "TENANT_ID", "Tenant_Id"])
def test_an_upsert_sets_no_tenant_however_it_is_spelled(column: str) -> None:
    with (
        closing(shop(tenant_isolation(column, ["ORDERS"], "t"))) as connection,
        context(t=7),
    ):
        before = stored(connection)
        for name in ("tenant_id", "TENANT_ID", "'tenant_id'", '"Tenant_ID"'):
            sql = "INSERT INTO orders (id) VALUES (1) ON CONFLICT DO UPDATE "
            error = outcome(connection, f"{sql} SET {name} = 8")
            assert isinstance(error, PolicyViolation)
            sql = f"UPDATE orders SET {name} = 8"
            assert isinstance(outcome(connection, sql), PolicyViolation)
            sql = f"INSERT INTO orders (id, {name}) VALUES (9, 8)"
            assert isinstance(outcome(connection, sql), PolicyViolation)
        assert stored(connection) == before


def test_an_update_to_the_same_tenant_is_right(connection: Any) -> None:
    with context(tenant_id=7):
        sql = "UPDATE orders SET tenant_id = ?, total = 0 WHERE id = 1"
        assert outcome(connection, sql, (7,)) == ([], 1, None)
        sql = "UPDATE orders SET tenant_id = '7' WHERE id < 5 RETURNING id, tenant_id"
        rows, count, description = outcome(connection, sql)
        assert (rows, count) == ([(1, 7), (2, 7)], 2)
        assert [column[0] for column in description] == ["id", "tenant_id"]


def test_writes_leave_other_tenants_alone(connection: Any) -> None:
    before = [row for row in stored(connection) if row[1] != 7]
    with context(tenant_id=7):
        assert connection.execute("UPDATE orders SET total = 0").rowcount == 2
        assert connection.execute("DELETE FROM orders WHERE id > 1").rowcount == 1
        assert connection.execute("DELETE FROM orders").rowcount == 1
    assert stored(connection) == before


def test_a_connection_that_is_wrapped_twice_tells_of_violations(
    connection: Any,
) -> None:
    raw = connection.unwrap()
    again: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(TENANTS)])
    with context(tenant_id=7):
        for one in (connection, again, connection):
            error = outcome(one, "INSERT INTO orders (tenant_id) VALUES (7), (8)")
            assert isinstance(error, PolicyViolation)
            assert error.row == 1


@pytest.mark.parametrize("lazy", [True, False])
def test_executemany(connection: Any, lazy: bool) -> None:
    sql = "INSERT INTO orders (id, tenant_id) VALUES (?, ?)"
    rows = [(10, 7), (11, 7), (12, 8), (13, 7)]
    before = stored(connection)
    with context(tenant_id=7):
        cursor = connection.cursor()
        with pytest.raises(PolicyViolation) as caught:
            cursor.executemany(sql, iter(rows) if lazy else rows)
        assert caught.value.row == 2
        assert stored(connection) == before
        cursor.executemany(sql, rows[:2])
        assert (cursor.rowcount, cursor.description) == (2, None)
        cursor.executemany("INSERT INTO orders (id) VALUES (?)", [(20,), (21,)])
        assert cursor.rowcount == 2
        assert ids(connection) == [1, 2, 10, 11, 20, 21]
        assert cursor.execute(IDS).fetchone() == (1,)
        assert [column[0] for column in cursor.description] == ["id"]


def test_the_rows_of_checks_are_nobodys(connection: Any) -> None:
    connection.row_factory = sqlite3.Row
    seen: list[Any] = []
    connection.create_function("seen", 1, seen.append)
    with context(tenant_id=7):
        cursor = connection.execute(
            "INSERT INTO orders (id, tenant_id) VALUES (9, 7), (10, 7)"
        )
        assert cursor.fetchone() is None
        assert list(cursor) == []
        assert (cursor.rowcount, cursor.lastrowid) == (2, 10)
        assert cursor.row_factory is sqlite3.Row
        assert isinstance(cursor.execute(IDS).fetchone(), sqlite3.Row)


def test_a_policy_without_a_say_denies() -> None:
    policies = [Policy("orders", command="select", using="tenant_id = :tenant_id")]
    with closing(shop(policies)) as connection, context(tenant_id=7):
        assert ids(connection) == [1, 2]
        assert connection.execute("UPDATE orders SET total = 0").rowcount == 0
        assert connection.execute("DELETE FROM orders").rowcount == 0
        error = outcome(connection, "INSERT INTO orders (id, tenant_id) VALUES (9, 7)")
        assert isinstance(error, PolicyViolation)
        assert len(stored(connection)) == 4


# -- functions


def test_a_policy_by_a_function() -> None:
    policy = filter_("orders", lambda ctx: {"tenant_id": ctx["t"], "owner": ctx["who"]})
    with closing(shop(policy)) as connection:
        for t, who, expected in (
            (7, "ada", [1]),
            (8, "ada", [3]),
            ([7, 8], "ada", [1, 3]),
            ([7], ["ada", "bob"], [1, 2]),
            ([], "ada", []),
        ):
            for _ in range(2):
                with context(t=t, who=who):
                    assert ids(connection) == expected
        with context(t=7), pytest.raises(ContextMissing, match="who"):
            ids(connection)
        with context(t=7, who="ada"):
            sql = "INSERT INTO orders (id, tenant_id, owner) VALUES (9, 7, 'bob')"
            assert isinstance(outcome(connection, sql), PolicyViolation)


def test_a_function_is_for_its_own_table() -> None:
    with closing(shop(filter_("orders", lambda ctx: {"owner": ctx["who"]}))) as made:
        for _ in range(2):
            assert ids(made, "SELECT id FROM log") == [1]
            with pytest.raises(ContextMissing):
                ids(made)
        with context(who="bob"):
            assert ids(made) == [2]


def test_a_function_may_speak_of_null() -> None:
    with closing(shop(filter_("orders", lambda _: {"tenant_id": None}))) as connection:
        assert ids(connection) == [4]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (ZeroDivisionError(), "ZeroDivisionError"),
        (7, "must return a map, got int"),
        ({1: 7}, "names of columns"),
        ({"nope": 7}, "no column 'nope'"),
        ({}, "named no column"),
        ({"tenant_id": object()}, "tenant_id must be"),
        ({"tenant_id": {"a": 1}}, "tenant_id must be"),
    ],
)
def test_a_function_that_fails_refuses_the_statement(
    returned: Any, message: str
) -> None:
    def function(_: object) -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    with closing(shop(filter_("orders", function))) as connection:
        for sql in (IDS, "DELETE FROM orders"):
            with pytest.raises(ConfigurationError, match=message):
                connection.execute(sql)
        assert len(stored(connection)) == 4


# -- explained


def test_explaining_needs_no_context(connection: Any) -> None:
    explained = connection.explain("SELECT o.id FROM orders AS o")
    assert explained.sql.rstrip().endswith('WHERE (o."tenant_id" = ?)')
    assert explained.plugins == ("rls",)
    with closing(shop(filter_("orders", lambda ctx: {"owner": ctx["who"]}))) as other:
        explained = other.explain(IDS)
        assert (explained.sql, explained.code) == ("", "context-missing")
        with context(who="ada"):
            assert "owner" in other.explain(IDS).sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders",
        "INSERT INTO orders (id) VALUES (1)",
        "INSERT INTO orders (id, tenant_id) VALUES (1, 2) RETURNING id",
        "UPDATE orders SET tenant_id = 1",
    ],
)
def test_explaining_needs_no_connection(sql: str) -> None:
    plugins = [RowLevelSecurity(TENANTS, Policy("orders", using="owner = :user"))]
    explained = kysera_dbapi.explain(sql, plugins=plugins)
    assert "rls" in explained.plugins
    assert "?" in explained.sql


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        (
            "INSERT INTO orders (id) VALUES (?)",
            "INSERT INTO orders (id, tenant_id) VALUES (?, ?)",
        ),
        (
            "insert into orders(id)values(?),(?)",
            "insert into orders(id, tenant_id)values(?, ?),(?, ?)",
        ),
        (
            "INSERT INTO orders (id) SELECT 1 EXCEPT SELECT id FROM log",
            "INSERT INTO orders (id, tenant_id) SELECT 1, ? "
            "EXCEPT SELECT id, ? FROM log",
        ),
        (
            "UPDATE orders SET total = 1 /* a */ WHERE id = ? OR 1",
            "UPDATE orders SET total = 1 /* a */ "
            'WHERE (orders."tenant_id" = ?) AND (id = ? OR 1)',
        ),
        ("SELECT text FROM log WHERE id = ?", "SELECT text FROM log WHERE id = ?"),
    ],
)
def test_the_text_is_the_callers_and_few_visible_edits(
    connection: Any, sql: str, sent: str
) -> None:
    assert connection.explain(sql).sql.rstrip() == sent
