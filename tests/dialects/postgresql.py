"""A PostgreSQL database of a test's own, and its catalogue."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
from kysera_dialects import postgresql_catalogue
from kysera_dialects.postgresql import PostgreSQLDialect
from psycopg import rows

from kysera_dbapi.catalogue import Catalogue

DIALECT = PostgreSQLDialect()


class Server:
    """Connections to one new database."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self.raw = self.connect()

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """One more."""
        made = psycopg.connect(self._url, autocommit=True, **options)
        return self._stack.enter_context(made)

    def run(self, *statements: str) -> None:
        """Execute statements."""
        for statement in statements:
            self.raw.execute(statement.encode())

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        """As a session executes queries of its own."""
        cursor = self.raw.cursor(row_factory=rows.tuple_row)
        return cursor.execute(sql.encode(), params).fetchall()

    def read(self, *statements: str) -> Catalogue:
        """The catalogue after the statements."""
        self.run(*statements)
        return postgresql_catalogue.read(DIALECT, self.rows)

    def stamp(self) -> object:
        """The stamp now."""
        return postgresql_catalogue.stamp(self.rows)
