"""The verbs of soft delete: rows brought back, or removed for good.

They are statements of the caller's: other plugins edit them, they take part in the
caller's transaction, and all of a verb happens or nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from kysera_dbapi._context import bypass
from kysera_dbapi.errors import DataError, IntegrityError, TombstoneConflict
from kysera_dbapi.plugins.soft_delete.cascade import Cascade, Key, Rows, Steps
from kysera_dbapi.plugins.soft_delete.collision import violates
from kysera_dbapi.plugins.soft_delete.protection import Protection
from kysera_dbapi.plugins.soft_delete.settings import is_moment, wrong

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.plugin import Host

__all__ = ["Recovery", "atomically"]


_Result = TypeVar("_Result")


def atomically(
    recovery: "Recovery", verb: str, work: "Callable[[Recovery], _Result]"
) -> _Result:
    """Do all of a verb's work or nothing, with all rows of protected tables there."""
    host = recovery.host
    try:
        with bypass("soft_delete", reason=verb), host.atomic():
            return work(recovery)
    except Exception as error:
        raised = host.error(error)
        try:
            if raised is error:
                raise
            raise raised from raised.__cause__
        finally:
            del raised  # the traceback holds this frame: no cycle


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the verbs do to rows of one table."""

    host: "Host"
    protection: Protection
    table: "Table"

    @classmethod
    def of(cls, host: "Host", protection: Protection, name: object) -> "Recovery":
        """For the table of a name; raises ``ConfigurationError`` for others."""
        table = host.catalogue.named(name) if isinstance(name, str) else None
        if table is None or table.key not in protection.marks:
            raise wrong(f"{name!r} is not in tables=")
        if table.kind != "table":
            raise wrong(f"{name!r} is a {table.kind}; name the table beneath it")
        return cls(host, protection, table)

    # -- the verbs ----------------------------------------------------------------

    def restore(self, key: object, *, cascade: bool) -> None:
        """Make a deleted row live, and with ``cascade`` those deleted with it."""
        mark = self.protection.marks[self.table.key]
        row = self._row(key)
        shown = self.host.dialect.unconverted(mark.quoted)
        deleted, value = self._run(
            f"SELECT {mark.deleted()}, {shown} FROM {self._name} "
            f"WHERE {self._among([row])[0]}",
            (self._among([row])[1],),
        )[0]
        if not deleted:
            raise DataError(
                f"the row of {self.table.name} is live; restore() is for deleted ones",
                code="not-deleted",
            )
        rows: Rows = {self.table.key: {row: None}}
        if cascade:
            self._check_times()
            rows = self._drive(
                self._cascade.gather(self.table.key, [row], self._deleted_at(value))
            )
        try:
            self._drive(self._cascade.unmark(rows))
        except IntegrityError as error:
            if not self._collides(error, rows):
                raise
            raise TombstoneConflict(
                f"the row of {self.table.name} cannot be restored, since a live row "
                f"has its key: {error}; change or delete that row first",
                code="tombstone-conflict",
            ) from error
        self._drive(self._check_parents(rows))

    def hard_delete(self, key: object) -> None:
        """Remove a row for good, and its children where that is declared."""
        rows = self._drive(
            self._cascade.gather(self.table.key, [self._row(key)], self._cascade.all)
        )
        self._remove(rows)

    def purge(self, older_than: datetime | timedelta) -> int:
        """Remove for good what was deleted before a time; returns how many rows."""
        mark = self.protection.marks[self.table.key]
        if mark.flag:
            raise wrong(f"{self.table.name!r} has a flag, which tells no time")
        dialect, cut = self.host.dialect, _moment(older_than)
        at = dialect.instant(mark.quoted)
        unknown = self._run(
            f"SELECT count(*) FROM {self._name} WHERE {mark.deleted()} AND {at} IS NULL"
        )[0][0]
        if unknown:
            raise DataError(
                f"purge: the times of {unknown} deleted rows of {self.table.name} "
                "cannot be read; correct them, or use hard_delete()",
                code="unreadable-time",
            )
        old = self._run(
            f"SELECT {self._cascade.listed(self.table)} FROM {self._name} "
            f"WHERE {mark.deleted()} AND {at} {dialect.operator('<')} "
            f"(SELECT {dialect.instant('cut.at')} "
            f"FROM (SELECT {dialect.mark} AS at) AS cut)",
            (dialect.timestamp(cut),),
        )
        rows = self._drive(self._cascade.gather(self.table.key, old, self._cascade.all))
        for table, keys in rows.items():
            self._check_deleted(table, list(keys))
        self._remove(rows)
        return len(old)

    # -- parts --------------------------------------------------------------------

    def _remove(self, rows: Rows) -> None:
        self._drive(self._cascade.check_restricted(rows, self._cascade.all))
        self._drive(self._cascade.remove(rows))

    def _collides(self, error: BaseException, rows: Rows) -> bool:
        tables = (self.host.catalogue.tables[key] for key in rows)
        return any(violates(error, table, self.host.dialect) for table in tables)

    def _check_deleted(self, key: str, keys: Sequence[Key]) -> None:
        table = self.host.catalogue.tables[key]
        condition, bound = self._cascade.among(table, keys)
        live = self.protection.marks[key].live()
        sql = f"SELECT 1 FROM {self._cascade.name(table)} WHERE {condition} AND {live}"
        if keys and self._run(f"{sql} LIMIT 1", (bound,)):
            raise IntegrityError(
                f"purge: a live row of {table.name} refers to a row to be removed; "
                "delete it first",
                code="tombstone-restrict",
            )

    def _check_times(self) -> None:
        """A flag does not tell which rows were deleted together."""
        seen, pending = {self.table.key}, [self.table.key]
        while pending:
            for key, action in self.protection.children(pending.pop()):
                if action == "cascade" and key.child not in seen:
                    seen.add(key.child)
                    pending.append(key.child)
        for table in sorted(seen):
            if self.protection.marks[table].flag:
                raise wrong(
                    f"restore: {table.partition('.')[2]!r} has a flag, which does not "
                    "tell what was deleted together; restore its rows one by one"
                )

    def _deleted_at(self, value: object) -> Callable[..., tuple[str, Sequence[Any]]]:
        """Children that were deleted at the same moment."""

        def which(table: "Table", qualifier: str) -> tuple[str, Sequence[Any]]:
            mark = self.protection.marks.get(table.key)
            told = f"{qualifier}{mark.quoted}" if mark else "NULL"
            dialect = self.host.dialect
            return f"{told} {dialect.operator('=')} {dialect.mark}", (value,)

        return which

    def _check_parents(self, rows: Rows) -> Steps:
        """No row may be live whose parent is deleted."""
        quote, equal = self.host.dialect.quote, self.host.dialect.operator("=")
        for key in self.host.catalogue.foreign_keys:
            mark = self.protection.marks.get(key.parent)
            if mark is None or not rows.get(key.child):
                continue
            if self.protection.action(key) in (None, "ignore"):
                continue
            child = self.host.catalogue.tables[key.child]
            parent = self.host.catalogue.tables[key.parent]
            on = " AND ".join(
                f"parent.{quote(theirs)} {equal} child.{quote(own)}"
                for theirs, own in zip(
                    self.protection.parent_key(key), key.columns, strict=True
                )
            )
            chosen, bound = self._cascade.among(child, list(rows[key.child]), "child.")
            if (
                yield (
                    f"SELECT 1 FROM {self._cascade.name(parent)} AS parent "
                    f"JOIN {self._cascade.name(child)} AS child ON {on} "
                    f"WHERE {chosen} AND {mark.deleted('parent.')} LIMIT 1",
                    (bound,),
                )
            ):
                raise IntegrityError(
                    f"restore: a row of {child.name} refers to a deleted row of "
                    f"{parent.name}; restore that first",
                    code="deleted-parent",
                )

    def _row(self, key: object) -> Key:
        """The row of a primary key: a value, or a tuple of them."""
        table, quote = self.table, self.host.dialect.quote
        values: tuple[Any, ...] = tuple(key) if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        columns = table.primary_key or tuple(self.host.dialect.row_key(table))
        if len(columns) != len(values):
            raise wrong(
                f"the key of {table.name} has {len(columns)} columns, got "
                f"{len(values)} values"
            )
        equal = f"{self.host.dialect.operator('=')} {self.host.dialect.mark}"
        where = " AND ".join(f"{quote(column)} {equal}" for column in columns)
        rows = self._run(
            f"SELECT {self._cascade.listed(table)} FROM {self._name} WHERE {where}",
            values,
        )
        if not rows:
            raise DataError(
                f"no row of {table.name} has this key", code="row-not-found"
            )
        row: Key = rows[0]
        return row

    @property
    def _cascade(self) -> Cascade:
        return Cascade(self.protection)

    @property
    def _name(self) -> str:
        return self._cascade.name(self.table)

    def _among(self, keys: Sequence[Key]) -> tuple[str, object]:
        return self._cascade.among(self.table, keys)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.host.execute_planned(sql, values)

    def _drive(self, steps: Steps) -> Any:
        rows: Any = None
        try:
            while True:
                rows = self._run(*steps.send(rows))
        except StopIteration as done:
            return done.value


def _moment(older_than: object) -> datetime:
    if isinstance(older_than, timedelta) and older_than < timedelta(0):
        raise wrong(f"purge: older_than is a negative age, got {older_than!r}")
    try:
        if isinstance(older_than, timedelta):
            return datetime.now(UTC) - older_than
        if is_moment(older_than):
            return older_than.astimezone(UTC)
    except OverflowError as error:
        raise wrong(f"purge: no time is older than {older_than!r}") from error
    raise wrong(
        "purge: older_than must be an age, or a datetime with a time zone, got "
        f"{older_than!r}"
    )
