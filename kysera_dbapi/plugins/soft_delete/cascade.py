"""Which rows a deletion or a restoration takes with it along declared foreign keys.

All of it is done by sets: a query for each foreign key and level, however many rows.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from kysera_dbapi.errors import IntegrityError
from kysera_dbapi.plugins.soft_delete.protection import Protection
from kysera_dbapi.plugins.soft_delete.settings import wrong

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import ForeignKey, Table

__all__ = ["Cascade", "Key", "Rows", "Steps", "Which"]

#: What tells a row of its table from the others.
Key = tuple[Any, ...]
#: Keys of rows by the keys of their tables, in the order they were found.
Rows = dict[str, dict[Key, None]]
#: Yields (sql, parameters), is sent the rows, returns what it found.
Steps = Generator[tuple[str, Sequence[Any]], list[Key], Any]
#: The condition of the children that count, by their table and how it is called.
Which = Callable[["Table", str], tuple[str, Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Cascade:
    """The rows that go together."""

    protection: Protection

    # -- what is found ------------------------------------------------------------

    def gather(self, table: str, keys: Iterable[Key], which: Which) -> Steps:
        """The rows of ``table`` and, at any depth, their children by 'cascade'."""
        rows: Rows = {table: dict.fromkeys(keys)}
        pending = [(table, list(rows[table]))]
        while pending:
            parent, new = pending.pop()
            for key, action in self.protection.children(parent):
                if action != "cascade" or not new:
                    continue
                found = yield from self._children(key, new, which)
                known = rows.setdefault(key.child, {})
                fresh = [row for row in dict.fromkeys(found) if row not in known]
                known.update(dict.fromkeys(fresh))
                pending.append((key.child, fresh))
        return rows

    def check_restricted(self, rows: Rows, which: Which) -> Steps:
        """Raise ``IntegrityError`` for a child by 'restrict' that would be left."""
        for table, keys in rows.items():
            for key, action in self.protection.children(table):
                if action != "restrict" or not keys:
                    continue
                found = yield from self._children(key, list(keys), which)
                if not rows.get(key.child, {}).keys() >= set(found):
                    raise IntegrityError(
                        f"a row of {self._table(key.child).name} refers to a row to be "
                        "deleted; delete it first, or declare the foreign key "
                        "'cascade'",
                        code="tombstone-restrict",
                    )

    def live(self, table: "Table", qualifier: str) -> tuple[str, Sequence[Any]]:
        """Children that are live; in a table that is not protected all are."""
        mark = self.protection.marks.get(table.key)
        return (mark.live(qualifier) if mark else "1 IS NOT NULL"), ()

    def all(self, table: "Table", qualifier: str) -> tuple[str, Sequence[Any]]:
        """All children, live or deleted."""
        return "1 IS NOT NULL", ()

    def _children(self, key: "ForeignKey", parents: list[Key], which: Which) -> Steps:
        quote, equal = (
            self.protection.dialect.quote,
            self.protection.dialect.operator("="),
        )
        child, parent = self._table(key.child), self._table(key.parent)
        # compared by the database, as columns: collations and types are theirs
        on = " AND ".join(
            f"parent.{quote(theirs)} {equal} child.{quote(own)}"
            for theirs, own in zip(
                self.protection.parent_key(key), key.columns, strict=True
            )
        )
        condition, values = which(child, "child.")
        chosen, keys = self.among(parent, parents, "parent.")
        rows = yield (
            f"SELECT {self.listed(child, 'child.')} "
            f"FROM {self.name(parent)} AS parent JOIN {self.name(child)} AS child "
            f"ON {on} WHERE {chosen} AND {condition}{self.protection.dialect.locking}",
            (keys, *values),
        )
        return rows

    # -- what is done -------------------------------------------------------------

    def mark(self, rows: Rows, now: object) -> Steps:
        """Mark rows as deleted."""
        for key, keys in rows.items():
            mark = self.protection.marks[key]
            bound = (self.protection.dialect.mark, (now,))
            value, values = (mark.on, ()) if mark.flag else bound
            yield from self._change(key, keys, f"{mark.quoted} = {value}", values)

    def unmark(self, rows: Rows) -> Steps:
        """Make rows live."""
        for key, keys in rows.items():
            mark = self.protection.marks[key]
            yield from self._change(key, keys, f"{mark.quoted} = {mark.old}", ())

    def remove(self, rows: Rows) -> Steps:
        """Remove rows for good, those that refer before those referred to."""
        for key in self._order(rows):
            if rows[key]:
                table = self._table(key)
                chosen, keys = self.among(table, list(rows[key]))
                yield f"DELETE FROM {self.name(table)} WHERE {chosen}", (keys,)

    def _change(
        self, key: str, keys: Iterable[Key], change: str, values: Sequence[Any]
    ) -> Steps:
        listed, table = list(keys), self._table(key)
        if listed:
            chosen, bound = self.among(table, listed)
            sql = f"UPDATE {self.name(table)} SET {change} WHERE {chosen}"
            yield sql, (*values, bound)

    def _order(self, rows: Rows) -> list[str]:
        """The tables, children first; as found where they refer in a circle."""
        graph = {
            table: {key.child for key, _ in self.protection.children(table)}
            & (rows.keys() - {table})
            for table in rows
        }
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError:
            return list(rows)[::-1]

    # -- spelling -----------------------------------------------------------------

    def _table(self, key: str) -> "Table":
        return self.protection.catalogue.tables[key]

    def name(self, table: "Table") -> str:
        """The table with its schema."""
        quote = self.protection.dialect.quote
        return f"{quote(table.schema)}.{quote(table.name)}"

    def listed(self, table: "Table", qualifier: str = "") -> str:
        """The columns of a row's key, as the database holds them."""
        dialect = self.protection.dialect
        columns = [f"{qualifier}{dialect.quote(c)}" for c in self._row_key(table)]
        return ", ".join(map(dialect.unconverted, columns))

    def among(
        self, table: "Table", keys: Sequence[Key], qualifier: str = ""
    ) -> tuple[str, object]:
        """The condition of the rows with those keys, and what it binds."""
        dialect = self.protection.dialect
        key = self._row_key(table)
        columns = [f"{qualifier}{dialect.quote(c)}" for c in key]
        before, after = dialect.one_of(columns, table.types(key))
        return f"{before}{dialect.mark}{after}", dialect.listed(keys)

    def _row_key(self, table: "Table") -> Sequence[str]:
        columns = self.protection.dialect.row_key(table)
        if not columns:
            raise wrong(f"nothing tells the rows of table {table.name!r} apart")
        return columns
