"""Tables that plugins keep for themselves: no other plugin's, and no open door."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, Plugin, UnsupportedStatement
from kysera_dbapi.errors import PluginError
from kysera_dbapi.plugin import Event, ordered
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

LOG = """CREATE TABLE audit_logs (
    id INTEGER PRIMARY KEY, tenant_id, text, created_at, updated_at, deleted_at)"""
SCHEMA = f"""
CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant_id, total, deleted_at);
CREATE INDEX by_tenant ON orders (tenant_id);
INSERT INTO orders VALUES (1, 7, 10, NULL), (2, 8, 20, NULL);
{LOG};
INSERT INTO audit_logs (tenant_id, text) VALUES (8, 'of another tenant');
"""


class Journal(Plugin):
    """Writes each statement that writes into a table of its own."""

    name = "journal"
    system_tables = ("audit_logs",)

    def before_execute(self, event: Event) -> None:
        """Past all plugins, in the transaction of the statement."""
        if event.kind in ("insert", "update", "delete"):
            sql = "INSERT INTO audit_logs (tenant_id, text) VALUES (?, ?)"
            tenant = kysera_dbapi.current_context()["tenant_id"]
            event.host.execute(sql, (tenant, event.sql))


@pytest.fixture
def raw() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(SCHEMA)
    with closing(made):
        yield made


def tenants(**options: Any) -> RowLevelSecurity:
    return RowLevelSecurity(tenant_isolation("tenant_id", ["orders"]), **options)


# -- whose they are


CONFIGURED: dict[str, Callable[[str], Plugin]] = {
    "soft_delete": lambda name: SoftDelete(["orders", name]),
    "timestamps": lambda name: Timestamps([name]),
    "rls": lambda name: RowLevelSecurity(tenant_isolation("tenant_id", [name])),
}


def of_another(made: Callable[[], Any], plugin: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made()
    assert caught.value.code == "system-table"
    assert str(caught.value) == (
        f"plugin {plugin!r} is configured for main.audit_logs, which plugin "
        "'journal' keeps for itself; take the table out"
    )


@pytest.mark.parametrize("name", ["audit_logs", "main.audit_logs", "AUDIT_Logs"])
@pytest.mark.parametrize("plugin", CONFIGURED)
def test_no_other_plugin_may_be_configured_for_one(
    raw: sqlite3.Connection, plugin: str, name: str
) -> None:
    plugins = [CONFIGURED[plugin](name), Journal()]
    of_another(lambda: kysera_dbapi.wrap(raw, plugins=plugins), plugin)


@pytest.mark.parametrize("plugin", CONFIGURED)
def test_nor_come_to_be_by_a_change_of_the_schema(
    raw: sqlite3.Connection, plugin: str
) -> None:
    """The statement that makes the table is undone."""
    raw.execute("DROP TABLE audit_logs")
    plugins = [CONFIGURED[plugin]("audit_logs"), Journal()]
    with kysera_dbapi.bypass(plugin, reason="its table is to be made"):
        connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    of_another(lambda: connection.execute(LOG), plugin)
    assert not list(
        raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_logs'")
    )


def test_a_change_by_another_connection_is_noticed(tmp_path: Any) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as other:
        plugins = [SoftDelete(["audit_logs"]), Journal()]
        with kysera_dbapi.bypass("soft_delete", reason="its table is to be made"):
            connection = kysera_dbapi.connect(f"sqlite:///{path}", plugins=plugins)
        other.execute(LOG)
        of_another(connection.refresh, "soft_delete")
        connection.close()


def test_two_plugins_cannot_keep_one_table(raw: sqlite3.Connection) -> None:
    second = Journal()
    second.name, second.system_tables = "diary", ("main.audit_logs",)
    plugins = [Journal(), second]
    with pytest.raises(ConfigurationError, match=r"'diary' .* 'journal'") as caught:
        kysera_dbapi.wrap(raw, plugins=plugins)
    assert caught.value.code == "system-table"


def test_its_own_plugin_may_be_configured_for_it(raw: sqlite3.Connection) -> None:
    class Guarding(Journal):
        def protected(self, catalogue: object) -> list[str]:
            return ["main.audit_logs"]

    kysera_dbapi.wrap(raw, plugins=[Guarding(), tenants()])


@pytest.mark.parametrize("value", ["audit_logs", None, ("audit_logs", 7), [""]])
def test_names_must_come_in_a_tuple(value: Any) -> None:
    plugin = Journal()
    plugin.system_tables = value
    with pytest.raises(PluginError, match="system_tables of plugin 'journal'"):
        ordered([plugin])


def test_a_table_that_is_not_there_yet_is_nobodys(raw: sqlite3.Connection) -> None:
    raw.execute("DROP TABLE audit_logs")
    kysera_dbapi.wrap(raw, plugins=[tenants(unlisted="refuse"), Journal()])


# -- no open door


@pytest.fixture(params=["normal", "strict"])
def guarded(raw: sqlite3.Connection, request: Any) -> Any:
    """Tenant 7, and tables without a policy are refused."""
    plugins = [tenants(unlisted="refuse"), SoftDelete(["orders"]), Journal()]
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=request.param)
    made.context = {"tenant_id": 7}
    return made


def test_the_plugin_writes_to_it(guarded: Any) -> None:
    statements = [
        "UPDATE orders SET total = 11",
        "INSERT INTO orders (total) VALUES (5)",
        "DELETE FROM orders WHERE id = 1",
    ]
    for sql in statements:
        assert guarded.execute(sql).rowcount == 1
    assert guarded.execute("SELECT id FROM orders").fetchall() == [(3,)]
    written = guarded.unwrap().execute("SELECT tenant_id, text FROM audit_logs")
    due = [(8, "of another tenant"), *((7, sql) for sql in statements)]
    assert written.fetchall() == due


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT text FROM audit_logs",
        "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM main.AUDIT_LOGS)",
        "INSERT INTO orders (total) SELECT id FROM audit_logs",
        "INSERT INTO audit_logs (text) VALUES ('forged')",
        "UPDATE audit_logs SET text = 'forged'",
        "DELETE FROM audit_logs",
    ],
)
def test_a_callers_statement_on_it_is_refused(guarded: Any, sql: str) -> None:
    with pytest.raises(UnsupportedStatement) as caught:
        guarded.execute(sql)
    assert caught.value.code == "unlisted-table"
    assert str(caught.value) == "rls: plugin 'journal' keeps audit_logs for itself"
    written = guarded.unwrap().execute("SELECT text FROM audit_logs")
    assert written.fetchall() == [("of another tenant",)]


@pytest.mark.parametrize(
    "sql",
    ["CREATE VIEW logs AS SELECT * FROM audit_logs", "SELECT text FROM seen"],
)
def test_nor_does_a_view_lead_to_it(raw: sqlite3.Connection, sql: str) -> None:
    raw.execute("CREATE VIEW seen AS SELECT text FROM audit_logs")
    plugins = [tenants(unlisted="refuse"), Journal()]
    connection: Any = kysera_dbapi.wrap(raw, plugins=plugins)
    connection.context = {"tenant_id": 7}
    with pytest.raises(UnsupportedStatement):
        connection.execute(sql)


# -- verify()


def codes(connection: Any) -> list[tuple[str, str]]:
    return [(found.table, found.code) for found in connection.verify()]


@pytest.mark.parametrize("unlisted", ["allow", "refuse"])
def test_verify_says_nothing_of_it(raw: sqlite3.Connection, unlisted: str) -> None:
    raw.execute(
        "CREATE TRIGGER t AFTER INSERT ON audit_logs BEGIN SELECT id FROM orders; END"
    )
    security = tenants(unlisted=unlisted)
    alone = kysera_dbapi.wrap(raw, plugins=[security])
    assert ("main.audit_logs", "table-without-policy") in codes(alone)
    assert ("main.audit_logs", "trigger-unfiltered") in codes(alone)
    both = kysera_dbapi.wrap(raw, plugins=[security, Journal()])
    assert codes(both) == []


def test_verify_goes_on_telling_of_others(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE other (tenant_id)")
    own = Policy("orders", using="total > 0")
    security = RowLevelSecurity(tenant_isolation("tenant_id", ["orders"]), own)
    both = kysera_dbapi.wrap(raw, plugins=[security, Journal()])
    assert codes(both) == [("main.other", "table-without-policy")]
