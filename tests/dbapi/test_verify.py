"""connection.verify(): what is wrong with a database, and the DDL that mends it."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import Finding, Plugin
from kysera_dbapi.plugin import Host
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)

GOOD = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, tenant_id INTEGER, email TEXT, deleted_at TEXT
);
CREATE UNIQUE INDEX by_email ON customers (tenant_id, email) WHERE deleted_at IS NULL;
CREATE INDEX by_tenant ON customers (tenant_id, id);
CREATE UNIQUE INDEX whole ON customers (tenant_id, id) WHERE deleted_at IS NULL;
CREATE TABLE orders (
    tenant_id INTEGER, id INTEGER, customer_id INTEGER, deleted_at TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
) WITHOUT ROWID;
CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE VIEW names AS SELECT name FROM plain;
CREATE TRIGGER t AFTER INSERT ON plain BEGIN DELETE FROM plain WHERE name = ''; END;
"""
TABLES = ["customers", "orders"]


def connection(schema: str, *more: Plugin, tables: list[str] = TABLES) -> Any:
    """Tenants and soft delete over a schema."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    policies = tenant_isolation("Tenant_ID", tables, "tenant")
    keys = {
        "orders(tenant_id, customer_id)": "FOREIGN KEY (tenant_id, customer_id)",
        "orders.customer_id": "FOREIGN KEY (customer_id)",
        "plain.customer_id": "customer_id REFERENCES",
    }
    there: Any = {name: "ignore" for name, said in keys.items() if said in schema}
    soft = SoftDelete(tables, foreign_keys=there)
    return kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policies), soft, *more])


def codes(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.table, one.code) for one in found]


def test_there_is_nothing_to_find() -> None:
    made = connection(GOOD, Timestamps(["plain"], created_at=None, updated_at=None))
    assert made.verify() == []
    made.close()


def test_without_plugins_nothing_is_wrong() -> None:
    made = kysera_dbapi.wrap(sqlite3.connect(":memory:"))
    assert made.verify() == []
    made.close()
    with pytest.raises(sqlite3.ProgrammingError):
        made.verify()


@pytest.mark.parametrize(
    ("before", "after", "table", "code"),
    [
        ("CREATE INDEX by_tenant", "--", "main.customers", "tenant-index"),
        (
            "CREATE INDEX by_tenant ON customers (tenant_id, id);",
            "CREATE INDEX customers_tenant_id ON customers (id, tenant_id);",
            "main.customers",
            "tenant-index",
        ),
        (
            "CREATE INDEX by_tenant ON customers (tenant_id, id);",
            "CREATE INDEX by_tenant ON customers (tenant_id) WHERE email = 'x';",
            "main.customers",
            "tenant-index",
        ),
        (
            "by_email ON customers (tenant_id, email)",
            "by_email ON customers (email COLLATE NOCASE DESC)",
            "main.customers",
            "unique-ignores-tenant",
        ),
        (
            "by_email ON customers (tenant_id, email)",
            'main."by email" ON customers (lower(email), id)',
            "main.customers",
            "unique-ignores-tenant",
        ),
        (
            "(tenant_id, email) WHERE deleted_at IS NULL",
            "(tenant_id, email)",
            "main.customers",
            "unique-ignores-deletion",
        ),
        (
            "(tenant_id, email) WHERE deleted_at IS NULL",
            "(tenant_id, email) WHERE email <> 'a' AND id >= 3",
            "main.customers",
            "unique-ignores-deletion",
        ),
        (
            "(tenant_id, email) WHERE deleted_at IS NULL",
            "(email) WHERE email <> 'a'",
            "main.customers",
            "unique-ignores-tenant",
        ),
    ],
)
def test_the_ddl_mends_it(before: str, after: str, table: str, code: str) -> None:
    assert before in GOOD
    made = connection(GOOD.replace(before, after))
    found = made.verify()
    assert (table, code) in codes(found)
    for _ in range(3):
        if found:
            assert found[0].ddl
            made.executescript(found[0].ddl)
            found = made.verify()
    assert found == []
    made.close()


@pytest.mark.parametrize(
    ("before", "after", "table", "code"),
    [
        (
            "(tenant_id, email) WHERE deleted_at IS NULL",
            "(tenant_id, email) WHERE email <> 'a' OR id > 3",
            "main.customers",
            "unique-ignores-deletion",
        ),
        (
            "email TEXT,",
            "email TEXT UNIQUE,",
            "main.customers",
            "unique-ignores-tenant",
        ),
        (
            "email TEXT,",
            "email TEXT UNIQUE,",
            "main.customers",
            "unique-ignores-deletion",
        ),
        (
            "FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)",
            "FOREIGN KEY (customer_id) REFERENCES customers",
            "main.orders",
            "foreign-key-crosses-tenants",
        ),
        (
            "name TEXT UNIQUE",
            "name TEXT UNIQUE, customer_id REFERENCES customers (id)",
            "main.plain",
            "foreign-key-crosses-tenants",
        ),
        ("name TEXT UNIQUE", "TENANT_id", "main.plain", "table-without-policy"),
        ("SELECT name FROM plain", "SELECT * FROM Orders", "main.names", "view"),
        (
            "SELECT name FROM plain",
            "SELECT 1 WHERE 1 IN (SELECT id FROM main.customers)",
            "main.names",
            "view",
        ),
        ("DELETE FROM plain", "DELETE FROM orders", "main.plain", "trigger"),
        (
            "DELETE FROM plain WHERE name = ''",
            "UPDATE plain SET name = (SELECT max(id) FROM customers)",
            "main.plain",
            "trigger",
        ),
        ("CREATE VIEW names", "CREATE VIEW other AS SELECT * FROM customers; "
         "CREATE VIEW names", "main.other", "view"),
        ("CREATE VIEW names", "CREATE VIRTUAL TABLE words USING fts5(email, "
         "content='customers'); CREATE VIEW names", "main.words", "virtual"),
    ],
)  # fmt: skip
def test_what_no_statement_mends(
    before: str, after: str, table: str, code: str
) -> None:
    assert before in GOOD
    schema = GOOD.replace(before, after).replace("SELECT name", "SELECT id AS name")
    if "TENANT_id" in schema:
        schema = schema.replace("name = ''", "id = 0")
    made = connection(schema)
    if code in ("view", "trigger", "virtual"):
        code = f"{code}-unfiltered"
    found = {(one.table, one.code): one for one in made.verify()}
    assert found[table, code].ddl == ""
    made.close()


def test_a_table_of_one_policy_is_not_left_out() -> None:
    schema = GOOD + "CREATE TABLE shared (id INTEGER PRIMARY KEY, tenant_id)"
    raw = sqlite3.connect(":memory:")
    raw.executescript(schema)
    own = Policy("shared", using="tenant_id = :tenant OR tenant_id IS NULL")
    security = RowLevelSecurity(tenant_isolation("tenant_id", TABLES, "tenant"), own)
    made = kysera_dbapi.wrap(raw, plugins=[security])
    assert made.verify() == []
    made.close()


def test_a_finding_can_be_printed() -> None:
    made = connection(GOOD.replace("CREATE INDEX by_tenant", "--"))
    (found,) = made.verify()
    assert str(found) == (
        "main.customers: no index starts with tenant_id, which every statement looks "
        'for [tenant-index]\n    CREATE INDEX "main"."customers_tenant_id" ON '
        '"customers" ("tenant_id")'
    )
    assert isinstance(found, Finding)
    assert {found}
    with pytest.raises(AttributeError):
        found.ddl = ""  # type: ignore[misc]
    made.close()


def test_it_sees_what_another_connection_has_changed(tmp_path: Any) -> None:
    path = tmp_path / "shop.db"
    other = sqlite3.connect(path)
    other.executescript(GOOD)
    security = RowLevelSecurity(tenant_isolation("tenant_id", TABLES))
    made = kysera_dbapi.connect(f"sqlite:///{path}", plugins=[security])
    assert made.verify() == []
    other.execute("DROP INDEX by_tenant")
    assert codes(made.verify()) == [("main.customers", "tenant-index")]
    other.close()
    made.close()


class Complaining(Plugin):
    """Finds fault with everything."""

    name = "complaining"

    def verify(self, host: Host) -> Iterator[Finding]:
        """One finding, and then it fails."""
        return iter([Finding("main.x", "own", str(host.mode)), *self.failing()])

    def failing(self) -> list[Finding]:
        """To be replaced."""
        return []


def test_plugins_contribute() -> None:
    plugin = Complaining()
    made = kysera_dbapi.wrap(sqlite3.connect(":memory:"), plugins=[plugin])
    assert made.verify() == [Finding("main.x", "own", "normal")]

    def failing() -> list[Finding]:
        raise LookupError("no")

    plugin.failing = failing  # type: ignore[method-assign]
    with pytest.raises(LookupError) as caught:
        made.verify()
    assert caught.value.__notes__ == ["raised by verify of plugin 'complaining'"]
    made.close()
