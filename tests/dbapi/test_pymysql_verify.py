"""connection.verify() on MySQL and MariaDB: findings are real, and mended are gone."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import Finding
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dialects.mysql_server import Server

LIVE = "AS (IF(deleted_at IS NULL, 1, NULL))"
GOOD = f"""
CREATE TABLE customers (
    tenant_id int, id int, email varchar(99), body text, deleted_at datetime,
    live tinyint {LIVE},
    PRIMARY KEY (tenant_id, id),
    UNIQUE KEY by_email (tenant_id, email, live)
);
CREATE TABLE orders (
    id int, tenant_id int NOT NULL, customer_id int, deleted_at datetime,
    live tinyint AS (CASE WHEN deleted_at IS NULL THEN 1 END),
    KEY by_tenant (tenant_id),
    UNIQUE KEY by_id (id, live, tenant_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE TABLE plain (id int PRIMARY KEY, name varchar(99) UNIQUE);
CREATE VIEW names AS SELECT name FROM plain;
CREATE TRIGGER t BEFORE INSERT ON plain FOR EACH ROW SET NEW.name = trim(NEW.name);
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
"""
TABLES = ("customers", "orders")


@pytest.fixture
def server(mysql_url: str) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(mysql_url, stack)


def connection(server: Server, schema: str, *more: str) -> Any:
    """Tenants and soft delete over a schema, and other tables."""
    for statement in filter(str.strip, schema.split(";\n")):
        server.run(statement)
    tables = (*TABLES, *more)
    names = {
        "orders(tenant_id, customer_id)": "FOREIGN KEY (tenant_id, customer_id)",
        "orders.customer_id": "    FOREIGN KEY (customer_id)",
        "plain.customer_id": "plain_of",
    }
    keys: Any = {name: "ignore" for name, said in names.items() if said in schema}
    plugins = [
        RowLevelSecurity(tenant_isolation("Tenant_ID", tables, "tenant")),
        SoftDelete(tables, foreign_keys=keys),
    ]
    return kysera_dbapi.wrap(server.connect(), plugins=plugins)


def found(server: Server, made: Any) -> list[Finding]:
    """In the database of the test: others have tables of tenants, too."""
    return [one for one in made.verify() if one.table.startswith(server.database + ".")]


def codes(server: Server, made: Any) -> list[tuple[str, str]]:
    listed = found(server, made)
    return [(one.table.removeprefix(server.database + "."), one.code) for one in listed]


def test_there_is_nothing_to_find(server: Server) -> None:
    assert found(server, connection(server, GOOD)) == []


#: What the DDL of a finding, or the one in its text, mends.
MENDED = {
    "no index": ("KEY by_tenant (tenant_id)", "KEY (customer_id)", "tenant-index"),
    "it comes later": (
        "by_tenant (tenant_id)",
        "by_tenant (deleted_at, tenant_id)",
        "tenant-index",
    ),
    "its name is taken": (
        "by_tenant (tenant_id)",
        "orders_tenant_id (deleted_at)",
        "tenant-index",
    ),
    "put aside": (
        "by_tenant (tenant_id)",
        "by_tenant (tenant_id) {hidden}",
        "tenant-index",
    ),
    "deleted": (
        "by_email (tenant_id, email, live)",
        "by_email (tenant_id, email)",
        "unique-ignores-deletion",
    ),
    "two deleted": (
        "by_email (tenant_id, email, live)",
        "by_email (tenant_id, email), UNIQUE KEY two (email, id, tenant_id)",
        "unique-ignores-deletion",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_the_ddl_mends_it(server: Server, name: str) -> None:
    before, after, code = MENDED[name]
    hidden = "IGNORED" if server.mariadb else "INVISIBLE"
    assert before in GOOD
    schema = GOOD.replace(before, after.format(hidden=hidden))
    if code == "tenant-index":  # a foreign key makes an index for itself
        head, _, rest = schema.partition(",\n    FOREIGN KEY")
        schema = head + rest[rest.index("\n)") :]
    made = connection(server, schema)
    assert code in {one.code for one in found(server, made)}
    for _ in range(3):
        for one in found(server, made):
            assert one.code == code
            server.run(one.ddl or one.problem.partition("; ")[2])
            break
    assert found(server, made) == []


#: What no statement mends, of which table.
REAL = {
    "unique": ("(tenant_id, email, live)", "(email, live)", "customers",
               "unique-ignores-tenant"),
    "of another column": ("(id, live, tenant_id)", "(id, live)", "orders",
                 "unique-ignores-tenant"),
    "primary": ("PRIMARY KEY (tenant_id, id)",
                "PRIMARY KEY (id), UNIQUE KEY (tenant_id, id)", "customers",
                "unique-ignores-tenant"),
    "foreign key": ("FOREIGN KEY (tenant_id, customer_id) REFERENCES customers "
                    "(tenant_id, id)",
                    "FOREIGN KEY (customer_id) REFERENCES customers (id)", "orders",
                    "foreign-key-crosses-tenants"),
    "of a plain table": ("name varchar(99) UNIQUE", "name varchar(99), customer_id "
                         "int, CONSTRAINT plain_of FOREIGN KEY (customer_id) "
                         "REFERENCES customers (id)", "plain",
                         "foreign-key-crosses-tenants"),
    "no policy": ("name varchar(99) UNIQUE", "name varchar(99), TENANT_id int", "plain",
                  "table-without-policy"),
    "view": ("SELECT name FROM plain", "SELECT id FROM orders", "names",
             "view-unfiltered"),
    "view by a function": ("CREATE VIEW names AS SELECT name FROM plain",
                           "CREATE FUNCTION n() RETURNS int READS SQL DATA RETURN "
                           "(SELECT count(*) FROM orders);\nCREATE VIEW names AS "
                           "SELECT n()", "names", "view-unfiltered"),
    "function": ("DETERMINISTIC RETURN n * 2", "READS SQL DATA RETURN "
                 "(SELECT max(id) FROM customers)", "twice", "function-unfiltered"),
    "trigger": ("SET NEW.name = trim(NEW.name)", "INSERT IGNORE orders (id) VALUES (1)",
                "plain", "trigger-unfiltered"),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_what_no_statement_mends(server: Server, name: str) -> None:
    before, after, table, code = REAL[name]
    assert before in GOOD
    schema = GOOD.replace(before, after)
    if "customers (id)" in schema:
        schema = schema.replace("KEY by_email", "KEY own (id), UNIQUE KEY by_email")
    assert (table, code) in codes(server, connection(server, schema))


def test_a_tenant_that_is_a_text(server: Server) -> None:
    """Such an index has the beginnings of its values."""
    exact = "utf8mb4_nopad_bin" if server.mariadb else "utf8mb4_0900_bin"
    more = f"CREATE TABLE docs (tenant_id {{}} COLLATE {exact}, deleted_at datetime);\n"
    made = connection(server, GOOD + more.format("text"), "docs")
    assert codes(server, made) == [("docs", "tenant-index")]
    server.run(found(server, made)[0].ddl)
    assert found(server, made) == []
    server.run("DROP TABLE docs", more.format("varchar(200)").strip(";\n"))
    server.run("CREATE INDEX starts ON docs (tenant_id(9))")
    assert found(server, made) == []


def test_another_connection_s_change_is_seen(server: Server) -> None:
    made = connection(server, GOOD)
    server.run("CREATE VIEW v AS SELECT * FROM orders")
    assert codes(server, made) == [("v", "view-unfiltered")]
    server.run("DROP VIEW v")
    assert codes(server, made) == []
