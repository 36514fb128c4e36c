"""What ``iterdump`` reads, so that a dump holds what the caller may see."""

from typing import Any

from kysera_dbapi.catalogue import Catalogue, ForeignKey, parts_of
from kysera_dbapi.dialect import Dialect

__all__ = ["Reader", "violations"]


class Reader:
    """A connection and its cursor, for ``iterdump``: a planned cursor, with one answer.

    Since Python 3.13 a dump of violated foreign keys begins by switching them off. The
    pragma that tells is about all rows; here it is about those that the caller sees.
    """

    def __init__(self, cursor: Any, check: str) -> None:
        cursor.row_factory = None
        self.row_factory = None
        self._cursor = cursor
        self._check = check

    def cursor(self) -> "Reader":
        """Itself."""
        return self

    def execute(self, sql: str, *parameters: Any) -> Any:
        """What ``iterdump`` asks for; returns the cursor with the rows."""
        if sql == "PRAGMA foreign_key_check":
            return self._cursor.execute(self._check)
        return self._cursor.execute(sql, *parameters)


def violations(catalogue: Catalogue, dialect: Dialect) -> str:
    """The SELECT that gives a row if a foreign key of the main schema is violated."""
    found = [
        _violated(key, catalogue, dialect)
        for key in catalogue.foreign_keys
        if key.child.startswith("main.")
    ]
    return f"SELECT 1 WHERE {' OR '.join(found) or '0'}"


def _violated(key: ForeignKey, catalogue: Catalogue, dialect: Dialect) -> str:
    quote = dialect.quote
    child = f"EXISTS (SELECT 1 FROM {_quoted(key.child, dialect)} AS c WHERE "
    set_ = " AND ".join(f"c.{quote(name)} IS NOT NULL" for name in key.columns)
    parent = catalogue.tables.get(key.parent)
    if parent is None:
        return f"{child}{set_})"
    names = key.parent_columns or parent.primary_key
    pairs = zip(names, key.columns, strict=True)
    equal = " AND ".join(f"p.{quote(p)} = c.{quote(c)}" for p, c in pairs)
    there = f"SELECT 1 FROM {_quoted(key.parent, dialect)} AS p WHERE {equal}"
    return f"{child}{set_} AND NOT EXISTS ({there}))"


def _quoted(key: str, dialect: Dialect) -> str:
    schema, name = parts_of(key)
    return f"{dialect.quote(schema)}.{dialect.quote(name)}"
