"""Unique keys by which deleted rows stand in the way of live ones."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import spelled
from kysera_dbapi.collision import can_name
from kysera_dbapi.finding import Finding

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table, UniqueKey
    from kysera_dbapi.plugins.soft_delete.mark import Mark
    from kysera_dbapi.plugins.soft_delete.protection import Protection

__all__ = ["findings"]


def findings(protection: "Protection") -> list[Finding]:
    """The unique keys that ignore deletion; the primary keys apart.

    But for those by which an INSERT with the values of a deleted row revives it.
    """
    found: list[Finding] = []
    for name, mark in protection.marks.items():
        table = protection.catalogue.tables[name]
        for key in table.unique_keys:
            if protection.revives and can_name(key, protection.dialect):
                continue
            if not (key.primary or mark.leaves_out(key, protection.dialect)):
                found += _unique(protection, table, key, mark)
    return found


def _unique(
    protection: "Protection", table: "Table", key: "UniqueKey", mark: "Mark"
) -> Iterator[Finding]:
    shown = ", ".join(key.columns) if all(key.columns) else "an expression"
    problem = f"the unique key of {shown} ignores deletion: the values of a deleted "
    problem += "row cannot be used again"
    ddl = _mended(protection, table, key, mark) if key.text else ""
    if not ddl:
        problem += f"; {protection.dialect.narrowed(table, key, mark.live())}"
    yield Finding(table.key, "unique-ignores-deletion", problem, ddl)


def _mended(
    protection: "Protection", table: "Table", key: "UniqueKey", mark: "Mark"
) -> str:
    """The index of live rows alone; nothing if its condition is not understood."""
    quote = protection.dialect.quote
    name = f"{quote(table.schema)}.{quote(key.name)}"
    upper = [word.upper() for word in key.words]
    words = [word for word in key.words[upper.index("ON") :] if word != ";"]
    if key.partial:
        at = len(words) - 1 - [w.upper() for w in words][::-1].index("WHERE")
        words = [*words[:at], "WHERE", "(", *words[at + 1 :], ")", "AND"]
    else:
        words.append("WHERE")
    said = ("=", mark.off) if mark.flag else ("IS", "NULL")
    made = replace(key, partial=True, words=(*words, mark.quoted, *said))
    if not mark.leaves_out(made, protection.dialect):
        return ""
    new = protection.dialect.index_name(table, key.name)
    index = f"CREATE UNIQUE INDEX {new} {spelled(words)} {mark.live()}"
    return f"DROP INDEX {name}; {index}"
