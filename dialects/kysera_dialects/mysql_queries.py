"""What is asked of the information schema of MySQL and MariaDB.

https://dev.mysql.com/doc/refman/en/information-schema.html and
https://mariadb.com/kb/en/information-schema-tables/: both show what the user may see.
The same columns are read and, for the stamp, summed; no row of them tells of the rows
of a table, so that both are equal as long as no definition changes.
"""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = [
    "OWN_INDEXES",
    "PARTS",
    "SETTINGS",
    "STAMP",
    "SYSTEM",
    "SYSTEM_TABLES",
    "Part",
]

#: The databases that are the server's own.
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_OWN = "IN ({})".format(", ".join(f"'{name}'" for name in SYSTEM))
_OTHERS = f"NOT {_OWN}"


class Part(NamedTuple):
    """Columns of a table of the information schema, and which of its rows."""

    columns: str
    source: str

    @property
    def query(self) -> str:
        """The query that reads it."""
        return f"SELECT {self.columns} FROM {self.source}"

    @property
    def total(self) -> str:
        """A query of one value that changes when a row does."""
        # all are quoted, so that no two rows make one text
        quoted = ", ".join(f"QUOTE({one})" for one in self.columns.split(", "))
        return (
            f"SELECT CONCAT(COUNT(*), '/', COALESCE(SUM(CRC32(CONCAT({quoted}))), 0)) "
            f"FROM {self.source}"
        )


#: What is read, by the names of the parts.
PARTS: Mapping[str, Part] = {
    "tables": Part(
        "TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE",
        f"information_schema.TABLES WHERE TABLE_SCHEMA {_OTHERS}",
    ),
    "columns": Part(
        "TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, "
        "COLLATION_NAME, IS_NULLABLE, EXTRA, COLUMN_DEFAULT, GENERATION_EXPRESSION",
        f"information_schema.COLUMNS WHERE TABLE_SCHEMA {_OTHERS}",
    ),
    # not CARDINALITY: MySQL would open every table for it
    "keys": Part(
        "TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, "
        "NON_UNIQUE",
        f"information_schema.STATISTICS WHERE TABLE_SCHEMA {_OTHERS}",
    ),
    "references": Part(
        "CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_SCHEMA, TABLE_NAME, "
        "ORDINAL_POSITION, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, "
        "REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME",
        "information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL "
        f"AND TABLE_SCHEMA {_OTHERS}",
    ),
    "actions": Part(
        "CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE",
        f"information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA {_OTHERS}",
    ),
    "views": Part(
        "TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION",
        f"information_schema.VIEWS WHERE TABLE_SCHEMA {_OTHERS}",
    ),
    "triggers": Part(
        "EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME, EVENT_MANIPULATION, "
        "ACTION_TIMING, SQL_MODE, ACTION_STATEMENT",
        f"information_schema.TRIGGERS WHERE TRIGGER_SCHEMA {_OTHERS}",
    ),
    "routines": Part(
        "ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_BODY, SQL_MODE, "
        "ROUTINE_DEFINITION",
        f"information_schema.ROUTINES WHERE ROUTINE_SCHEMA {_OTHERS}",
    ),
}

#: The session's own: the current database, and what changes the meaning of the rest.
SETTINGS = (
    "SELECT DATABASE(), @@lower_case_table_names, @@foreign_key_checks, @@sql_mode, "
    "@@character_set_client, @@character_set_connection"
)
#: The server's own tables.
SYSTEM_TABLES = (
    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES "
    "WHERE TABLE_SCHEMA " + _OWN
)
#: One row, equal as long as nothing that the catalogue is read from has changed.
STAMP = f"{SETTINGS}, " + ", ".join(f"({part.total})" for part in PARTS.values())
#: The columns of the indexes of one table, and whether rows are looked for by them;
#: what tells of one that is put aside has another name on MariaDB.
OWN_INDEXES = (
    "SELECT INDEX_NAME, COLUMN_NAME, INDEX_TYPE IN ('BTREE', 'HASH') AND {used} "
    "FROM information_schema.STATISTICS "
    "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY INDEX_NAME, SEQ_IN_INDEX"
)
