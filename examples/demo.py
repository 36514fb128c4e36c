"""Other people's programs over a shop of two tenants, with and without the shim."""

import importlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation

pandas: Any = importlib.import_module("pandas")
sqlite_utils: Any = importlib.import_module("sqlite_utils.cli")

SHOP = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, tenant_id INTEGER, name TEXT, deleted_at TEXT);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, tenant_id INTEGER, customer_id INTEGER, total INTEGER,
    deleted_at TEXT);
INSERT INTO customers VALUES (1, 7, 'Ada', NULL), (2, 7, 'Grace', NULL),
    (3, 7, 'Deleted Dan', '2026-01-01'), (4, 8, 'Alan', NULL);
INSERT INTO orders VALUES (1, 7, 1, 30, NULL), (2, 7, 1, 99, '2026-01-02'),
    (3, 7, 2, 12, NULL), (4, 7, 3, 50, NULL), (5, 8, 4, 70, NULL);
"""
TOTALS = (
    "SELECT c.name, count(o.id) AS orders, sum(o.total) AS total FROM customers c "
    "LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id"
)
#: What somebody types into a search field of a program that joins texts.
TYPED = "nobody' UNION SELECT id, tenant_id || ': ' || name FROM customers --"
TABLES = ["customers", "orders"]
console = Console()


def command_line(path: Path) -> str:
    """What the sqlite-utils command prints, run in this process."""
    return str(
        CliRunner()
        .invoke(sqlite_utils.cli, ["query", str(path), TOTALS, "--table"])
        .output
    )


def frame(path: Path) -> str:
    """What pandas reads."""
    connection = sqlite3.connect(path)
    try:
        return str(pandas.read_sql(TOTALS, connection))
    finally:
        connection.close()


def search(connection: Any, typed: str) -> list[Any]:
    """A query as it should not be written."""
    sql = f"SELECT id, name FROM customers WHERE name = '{typed}'"
    return list(connection.execute(sql))


def show(path: Path, title: str) -> Columns:
    """What both programs see, side by side."""
    return Columns(
        [
            Panel(command_line(path), title=f"sqlite-utils, {title}"),
            Panel(frame(path), title=f"pandas, {title}"),
        ]
    )


def installed(path: Path, plugins: list[kysera_dbapi.Plugin]) -> None:
    """The programs, unchanged, as each of two tenants."""
    kysera_dbapi.install("sqlite3", plugins=plugins)
    try:
        for tenant in (7, 8):
            with kysera_dbapi.context(tenant_id=tenant):
                console.print(show(path, f"tenant {tenant}"))
    finally:
        kysera_dbapi.uninstall("sqlite3")


def injected(path: Path, connection: Any) -> None:
    """The same typed text, raw and through the shim."""
    console.print(f"typed: [bold]{TYPED}")
    raw = sqlite3.connect(path)
    console.print("raw, all of them:", search(raw, TYPED))
    raw.close()
    console.print("tenant 8, its own alone:", search(connection, TYPED))


def written(connection: Any) -> None:
    """A DELETE that became an UPDATE, and an INSERT that did not go to tenant 7."""
    cursor = connection.execute("DELETE FROM orders WHERE id IN (3, 5)")
    console.print(f"DELETE of orders 3 and 5: rowcount {cursor.rowcount}")
    try:
        connection.execute("INSERT INTO orders (tenant_id, total) VALUES (7, 1)")
    except kysera_dbapi.PolicyViolation as error:
        console.print(f"INSERT for tenant 7: {error}")
    connection.commit()
    console.print(connection.unwrap().execute("SELECT * FROM orders").fetchall())


def main() -> None:
    """Show all of it."""
    plugins: list[kysera_dbapi.Plugin] = [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=TABLES)),
        SoftDelete(tables=TABLES),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        raw = sqlite3.connect(path)
        raw.executescript(SHOP)
        raw.close()
        console.rule("[bold]without the shim")
        console.print(show(path, "anybody"))
        console.rule("[bold green]the same programs with it")
        installed(path, plugins)
        connection = kysera_dbapi.connect(sqlite3, path, plugins=plugins)
        connection.context = {"tenant_id": 8}
        console.rule("[bold]an injection that stays within its tenant")
        injected(path, connection)
        console.rule("[bold]writes of tenant 8")
        written(connection)
        console.rule("[bold]explain")
        console.print(connection.explain(TOTALS))
        connection.close()


if __name__ == "__main__":
    main()
