"""What tells, cheaply, that a PostgreSQL database is not as it was when it was read."""

from kysera_dbapi.dialect import Execute
from kysera_dialects.postgresql_queries import OWN, qualified

__all__ = ["STAMP", "stamp"]


def _changes(table: str, number: str = "oid") -> str:
    """How many rows of our own a catalogue has, and which transactions wrote them.

    Of as many rows, what was written later has a larger number. The age of a number is
    what can be summed quickest; the time that makes it larger is taken off again.
    """
    return (
        "(SELECT pg_catalog.concat(pg_catalog.count(*), '/', pg_catalog.count(*) * "
        "pg_catalog.age(CAST('3' AS pg_catalog.xid)) - "
        "pg_catalog.sum(pg_catalog.age(xmin))) "
        f"FROM pg_catalog.{table} WHERE {number} {OWN})"
    )


_NUMBERED = (
    *("pg_class", "pg_constraint", "pg_trigger", "pg_rewrite", "pg_proc"),
    *("pg_type", "pg_operator", "pg_cast", "pg_amproc"),
)

#: One row, equal as long as nothing that the catalogue is read from has changed.
STAMP = qualified(f"""
    SELECT CAST(pg_catalog.current_schemas(true) AS pg_catalog.text),
        CAST(current_user AS pg_catalog.text),
        (SELECT pg_catalog.string_agg(
            CAST(nspname AS pg_catalog.text), '/' ORDER BY oid)
         FROM pg_catalog.pg_namespace),
        {_changes("pg_attribute", "attrelid")}, {_changes("pg_index", "indexrelid")},
        {_changes("pg_inherits", "inhrelid")}, {", ".join(map(_changes, _NUMBERED))}""")


def stamp(execute: Execute) -> object:
    """What changes whenever what is read does, and sometimes more often."""
    return tuple(execute(STAMP)[0])
