"""What an import brings with it: parser and drivers come when they are wanted."""

import os
import subprocess
import sys

import pytest

CONNECT = """
import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete

raw = kysera_dbapi.connect("sqlite://").unwrap()
raw.execute("CREATE TABLE orders (id, deleted_at)")
connection = kysera_dbapi.wrap(raw, plugins=[SoftDelete(tables=["orders"])])
"""


def loaded(program: str) -> set[str]:
    """The packages that are there when a program has ended."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_import_brings_neither_parser_nor_drivers() -> None:
    heavy = {"sqlglot", "sqlparse", "wrapt", "sqlite3", "psycopg", "pymysql", "rich"}
    assert loaded("import kysera_dbapi") & heavy == set()


def test_the_parser_comes_with_the_first_statement() -> None:
    assert "sqlglot" not in loaded(CONNECT)
    assert "sqlglot" in loaded(f"{CONNECT}\nconnection.execute('SELECT 1')")


@pytest.mark.parametrize("name", ["connect", "wrap", "install", "SoftDelete"])
def test_the_heavy_parts_are_named_without_being_loaded(name: str) -> None:
    where = "kysera_dbapi.plugins" if name == "SoftDelete" else "kysera_dbapi"
    assert "sqlglot" not in loaded(f"from {where} import {name}")
