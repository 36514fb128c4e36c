"""Other people's programs over a shop with deleted rows, with and without the shim."""

import importlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from rich.console import Console

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

pandas: Any = importlib.import_module("pandas")
sqlite_utils: Any = importlib.import_module("sqlite_utils.cli")

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, deleted_at TEXT);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER, total INTEGER, deleted_at TEXT);
INSERT INTO customers VALUES (1, 'Ada', NULL), (2, 'Grace', NULL),
    (3, 'Deleted Dan', '2026-01-01');
INSERT INTO orders VALUES (1, 1, 30, NULL), (2, 1, 99, '2026-01-02'), (3, 2, 12, NULL),
    (4, 3, 50, NULL);
"""
TOTALS = (
    "SELECT c.name, count(o.id) AS orders, sum(o.total) AS total FROM customers c "
    "LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id"
)
console = Console()


def command_line(path: Path) -> str:
    """What the sqlite-utils command prints, run in this process."""
    return str(
        CliRunner()
        .invoke(sqlite_utils.cli, ["query", str(path), TOTALS, "--table"])
        .output
    )


def frame(path: Path) -> Any:
    """What pandas reads."""
    connection = sqlite3.connect(path)
    try:
        return pandas.read_sql(TOTALS, connection)
    finally:
        connection.close()


def main() -> None:
    """Show both, and the DELETE that became an UPDATE."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        raw = sqlite3.connect(path)
        raw.executescript(SHOP)
        raw.close()
        console.rule("[bold]without the shim")
        console.print(command_line(path), frame(path))
        plugin = SoftDelete(tables=["customers", "orders"])
        kysera_dbapi.install("sqlite3", plugins=[plugin])
        console.rule("[bold green]the same programs with it")
        console.print(command_line(path), frame(path))
        kysera_dbapi.uninstall("sqlite3")
        connection = kysera_dbapi.connect(sqlite3, path, plugins=[plugin])
        cursor = connection.execute("DELETE FROM orders WHERE id = ?", (3,))
        connection.commit()
        console.rule("[bold]a DELETE that became an UPDATE")
        console.print(f"rowcount {cursor.rowcount}; the row is still there:")
        console.print(connection.unwrap().execute("SELECT * FROM orders").fetchall())
        console.rule("[bold]explain")
        console.print(connection.explain(TOTALS))
        connection.close()


if __name__ == "__main__":
    main()
