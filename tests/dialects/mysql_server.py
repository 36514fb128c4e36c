"""A MySQL or MariaDB database of a test's own, and its catalogue."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
from kysera_dialects import mysql_catalogue
from kysera_dialects.mysql import MySQLDialect

from kysera_dbapi.catalogue import Catalogue, Table
from tests.servers import run

DIALECT = MySQLDialect()


class Server:
    """Connections to one new database, in which ``{db}`` of a text is its name."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack
        self.database = urlsplit(url).path[1:]
        self.raw = self.connect()
        self.mariadb = "MariaDB" in self.raw.get_server_info()

    def connect(self, **options: Any) -> Any:
        """One more."""
        made = pymysql.connect(**{**arguments(self.url), **options})
        self._stack.callback(made.close)
        return made

    def other(self, suffix: str) -> str:
        """One more database, dropped at the end; its name."""
        name = f"{self.database}_{suffix}"
        run(self.url, [f"CREATE DATABASE {name}"])
        self._stack.callback(run, self.url, [f"DROP DATABASE {name}"])
        return name

    def run(self, *statements: str) -> None:
        """Execute statements."""
        for statement in statements:
            self.rows(statement.replace("{db}", self.database))

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        """As a session executes queries of its own."""
        with self.raw.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall())

    def read(self, *statements: str) -> Catalogue:
        """The catalogue after the statements."""
        self.run(*statements)
        return mysql_catalogue.read(DIALECT, self.rows)

    def table(self, name: str, *statements: str) -> Table:
        """A table of the database after the statements."""
        found = self.read(*statements).resolve([name])
        assert found is not None
        return found

    def stamp(self) -> object:
        """The stamp now."""
        return mysql_catalogue.stamp(self.rows)


def arguments(url: str) -> dict[str, Any]:
    """What the driver connects with."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path[1:]),
        "autocommit": True,
    }
