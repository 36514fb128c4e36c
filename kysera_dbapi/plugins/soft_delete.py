"""Soft delete: deleted rows stay, marked, and no statement sees them."""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from kysera_dbapi._context import scope
from kysera_dbapi.catalogue import Catalogue, ForeignKey, Table, Trigger
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import (
    ConfigurationError,
    DataError,
    IntegrityError,
    TombstoneConflict,
)
from kysera_dbapi.params import Bind
from kysera_dbapi.plugin import Host, Plugin
from kysera_dbapi.splices import Value

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["Clock", "OnDelete", "SoftDelete"]

Clock = Literal["application", "database"]
OnDelete = Literal["cascade", "restrict", "ignore"]
_HINT = "kysera:including_deleted"


@dataclass(frozen=True, slots=True)
class _Mark:
    """How a table marks its deleted rows."""

    column: str
    flag: bool

    @property
    def live(self) -> str:
        return f"{self._quoted} = 0" if self.flag else f"{self._quoted} IS NULL"

    @property
    def deleted(self) -> str:
        return f"{self._quoted} <> 0" if self.flag else f"{self._quoted} IS NOT NULL"

    @property
    def old(self) -> str:
        """What a live row has in the column."""
        return "0" if self.flag else "NULL"

    @property
    def _quoted(self) -> str:
        return '"' + self.column.replace('"', '""') + '"'


class SoftDelete(Plugin):
    """Filters deleted rows from every reference, and turns DELETE into UPDATE.

    ``tables`` is a list of names, or a map from a name to its settings: ``column``
    (default the plugin's) and ``flag`` (whether the column is 0 or 1, not a time).
    ``foreign_keys`` says for each "child.column" that refers to a protected table what
    a soft DELETE does: "cascade", "restrict" or "ignore". ``clock`` "database" takes
    CURRENT_TIMESTAMP. ``accept_triggers`` names DELETE triggers that may stay unfired,
    and triggers that may use protected tables, deleted rows included.
    ``allow_raw_update`` lets an UPDATE set the column. ``comment_hint`` lets a comment
    ``/* kysera:including_deleted */`` include deleted rows.

    Raises ``ConfigurationError``, at once or when a connection is made.
    """

    name = "soft_delete"
    version = "0.1"
    priority = 500

    def __init__(
        self,
        tables: Iterable[str] | Mapping[str, Mapping[str, Any]],
        *,
        column: str = "deleted_at",
        foreign_keys: Mapping[str, OnDelete] | None = None,
        clock: Clock = "application",
        accept_triggers: Collection[str] = (),
        **options: bool,
    ) -> None:
        settings: Mapping[str, Mapping[str, Any]] = (
            cast("Mapping[str, Mapping[str, Any]]", tables)
            if isinstance(tables, Mapping)
            else {name: {} for name in tables}
        )
        self._marks = {
            _fold(name): _mark(name, column, given) for name, given in settings.items()
        }
        if clock not in ("application", "database"):
            raise _wrong(f"clock must be 'application' or 'database', got {clock!r}")
        unknown = set(options) - {"allow_raw_update", "comment_hint"}
        if unknown:
            raise _wrong(f"unknown option {sorted(unknown)[0]!r}")
        self._foreign_keys = {_fold(k): v for k, v in (foreign_keys or {}).items()}
        for key, action in self._foreign_keys.items():
            if action not in ("cascade", "restrict", "ignore"):
                raise _wrong(f"foreign key {key!r}: unknown action {action!r}")
        self._clock: Clock = clock
        self._accepted = {_fold(name) for name in accept_triggers}
        self._raw_update = options.get("allow_raw_update", False)
        self._hint = options.get("comment_hint", False)
        self._now = Bind("now", lambda: datetime.now(UTC).isoformat(" "))

    # -- at connect ---------------------------------------------------------------

    def on_init(self, host: Host) -> None:
        """Check tables, columns, foreign keys and triggers against the catalogue."""
        self.on_catalogue(host)

    def on_catalogue(self, host: Host) -> None:
        """The same: a statement may not make what a connection would refuse."""
        for name, mark in self._marks.items():
            table = self._resolved(host.catalogue, name)
            if table is None:
                raise ConfigurationError(
                    f"soft_delete: there is no table {name!r}; create it or take it "
                    "out of tables=",
                    code="missing-table",
                )
            if table.column(mark.column) is None:
                raise ConfigurationError(
                    f"soft_delete: table {name!r} has no column {mark.column!r}; set "
                    "column= or take the table out",
                    code="missing-column",
                )
            self._check_triggers(table)
            for key in host.catalogue.children.get(table.key, ()):
                self._check_foreign_key(key)

    def _check_triggers(self, table: Table) -> None:
        for trigger in table.triggers:
            if trigger.event == "DELETE" and trigger.name not in self._accepted:
                raise ConfigurationError(
                    f"soft_delete: the DELETE trigger {trigger.name!r} of "
                    f"{table.name!r} would no longer fire; name it in accept_triggers=",
                    code="delete-trigger",
                )

    def _check_foreign_key(self, key: ForeignKey) -> None:
        action = self._action(key)
        child = key.child.rpartition(".")[2]
        if action is None:
            raise ConfigurationError(
                f"soft_delete: {child}.{key.columns[0]} refers to "
                f"{key.parent.rpartition('.')[2]}; declare it in foreign_keys= as "
                "'cascade', 'restrict' or 'ignore'",
                code="undeclared-foreign-key",
            )
        if action == "cascade" and child not in self._marks:
            raise _wrong(f"cannot cascade to {child!r}: it is not in tables=")

    def _action(self, key: ForeignKey) -> str | None:
        child = key.child.rpartition(".")[2]
        return self._foreign_keys.get(_fold(f"{child}.{key.columns[0]}"))

    def _resolved(self, catalogue: Catalogue, name: str) -> Table | None:
        schema = catalogue.path[-1] if not catalogue.known else "main"
        return catalogue.resolve([schema, name])

    def protected(self, catalogue: Catalogue) -> Collection[str]:
        """The tables of the configuration, in the main schema."""
        found = (self._resolved(catalogue, name) for name in self._marks)
        return [table.key for table in found if table is not None]

    def accepts_trigger(self, trigger: Trigger) -> bool:
        """Those of ``accept_triggers``."""
        return trigger.name in self._accepted

    # -- at plan time -------------------------------------------------------------

    def intercept(self, statement: "Draft") -> None:
        """Filter every reference; turn a DELETE of a protected table into an UPDATE."""
        statement.plugin = self.name
        protected = set(self.protected(statement.catalogue))
        for reference in statement.references:
            if reference.table.key not in protected:
                continue
            mark = self._marks[reference.table.name]
            if reference.role == "target":
                self._write(statement, mark)
            kind = statement.kind
            if reference.role == "target" and kind == "insert":
                continue
            deleting = reference.role == "target" and kind == "delete"
            rows = "" if deleting else self._rows(statement)
            if rows == "include":
                continue
            condition = mark.deleted if rows == "only" else mark.live
            why = "only deleted rows" if rows == "only" else "deleted rows are hidden"
            statement.filter(reference, condition, reason=why)

    def _rows(self, statement: "Draft") -> str:
        flags = scope()
        if "soft_delete.only" in flags:
            return "only"
        hinted = self._hint and any(_HINT in c for c in statement.source.comments)
        return "include" if hinted or "soft_delete.include" in flags else ""

    def _write(self, statement: "Draft", mark: _Mark) -> None:
        if statement.conflict == "REPLACE":
            statement.refuse(
                "OR REPLACE would remove deleted rows for good; use ON CONFLICT, or "
                "hard_delete() first"
            )
        if statement.kind == "insert":
            conflict = statement.tree.args.get("conflict")
            if conflict is not None and conflict.expressions:
                statement.refuse("ON CONFLICT DO UPDATE could change a deleted row")
            return
        if statement.kind == "update":
            self._check_update(statement, mark)
        elif statement.kind == "delete":
            self._replace(statement, mark)

    def _check_update(self, statement: "Draft", mark: _Mark) -> None:
        if not self._raw_update and _fold(mark.column) in statement.assigned:
            statement.refuse(
                f"an UPDATE may not set {mark.column}; use DELETE, or restore()",
                code="raw-deletion-update",
            )

    def _replace(self, statement: "Draft", mark: _Mark) -> None:
        if "soft_delete.only" in scope():
            statement.refuse("a deleted row is not deleted again; use hard_delete()")
        target = statement.target
        assert target is not None
        for key in statement.catalogue.children.get(target.table.key, ()):
            self._child(statement, key)
        statement.replace_delete(
            {mark.column: (self._value(mark), mark.old)},
            reason="deleted rows are kept and marked",
        )

    def _value(self, mark: _Mark) -> Value:
        if mark.flag:
            return Value("1")
        return Value(self._now if self._clock == "application" else "CURRENT_TIMESTAMP")

    def _child(self, statement: "Draft", key: ForeignKey) -> None:
        action = self._action(key)
        target = statement.target
        if action in (None, "ignore") or target is None:
            return
        parent = key.parent_columns or target.table.primary_key
        columns = [c for c in parent]
        cascade = _Cascade(self, statement.dialect, statement.catalogue, self._now)

        def companion(
            rows: list[tuple[Any, ...]], values: Mapping[Bind, object]
        ) -> Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None]:
            at = [statement.image_columns.index(c) for c in columns]
            keys = [tuple(row[i] for i in at) for row in rows]
            now = values.get(self._now) or self._now.source()
            yield from cascade.child(key, keys, now)

        statement.companion_before(
            columns, companion, reason=f"{key.child} is declared {action}"
        )

    # -- verbs --------------------------------------------------------------------

    def restore(self, connection: Any, table: str, key: Any) -> None:
        """Bring a deleted row back by its primary key (a value, or a tuple of them).

        Raises ``DataError``: row-not-found, or not-deleted.
        """
        found, mark = self._known(connection, table)
        where, values = _by_key(connection, found, key)
        name, run = _name(connection, found), connection._self_session.execute
        rows = run(f"SELECT {mark.deleted} FROM {name} WHERE {where}", values)
        if not rows:
            raise DataError(f"{table} has no row {key!r}", code="row-not-found")
        if not rows[0][0]:
            raise DataError(f"row {key!r} of {table} is live", code="not-deleted")
        set_ = f"{connection._self_session.dialect.quote(mark.column)} = {mark.old}"
        run(f"UPDATE {name} SET {set_} WHERE {where}", values)

    def hard_delete(self, connection: Any, table: str, key: Any) -> None:
        """Remove a row for good, deleted or live. Raises ``DataError`` if none is."""
        found, _ = self._known(connection, table)
        where, values = _by_key(connection, found, key)
        name, run = _name(connection, found), connection._self_session.execute
        if not run(f"SELECT 1 FROM {name} WHERE {where}", values):
            raise DataError(f"{table} has no row {key!r}", code="row-not-found")
        run(f"DELETE FROM {name} WHERE {where}", values)

    def purge(self, connection: Any, table: str, *, older_than: datetime) -> int:
        """Remove for good what was deleted before a time; returns how many rows.

        Raises ``ConfigurationError`` for a table with a flag: it knows no time.
        """
        found, mark = self._known(connection, table)
        if mark.flag:
            raise _wrong(f"{table!r} has a flag, which tells no time of deletion")
        name, run = _name(connection, found), connection._self_session.execute
        quoted = connection._self_session.dialect.quote(mark.column)
        before = run("SELECT total_changes()")[0][0]
        moment = older_than.astimezone(UTC).isoformat(" ")
        run(f"DELETE FROM {name} WHERE {quoted} < ?", (moment,))
        return int(run("SELECT total_changes()")[0][0] - before)

    def _known(self, connection: Any, table: str) -> tuple[Table, _Mark]:
        mark = self._marks.get(_fold(table))
        found = self._resolved(connection._self_session.catalogue, _fold(table))
        if mark is None or found is None:
            raise _wrong(f"{table!r} is not in tables=")
        return found, mark

    # -- errors -------------------------------------------------------------------

    def explain_error(
        self, error: BaseException, plan: Any, host: Host
    ) -> BaseException:
        """A UNIQUE collision on a protected table that has deleted rows: the cure."""
        key = plan.target.rpartition(".")[2]
        mark = self._marks.get(key)
        if mark is None or not str(error).startswith("UNIQUE constraint failed: "):
            return error
        if isinstance(error, TombstoneConflict):
            return error
        table = self._resolved(host.catalogue, key)
        columns = [
            c.rpartition(".")[2] for c in str(error).partition(": ")[2].split(", ")
        ]
        if table is None:
            return error
        listed = ", ".join(columns)
        conflict = TombstoneConflict(
            f"{error}; if the other row is deleted, let only live rows be unique: "
            f"CREATE UNIQUE INDEX {table.name}_live ON {table.name} ({listed}) "
            f"WHERE {mark.live}",
            code="tombstone-conflict",
        )
        twin = host.error(conflict)  # type: ignore[attr-defined]
        twin.__cause__ = error
        return twin  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Cascade:
    """Deletes the children of rows about to be deleted, or finds them in the way."""

    plugin: SoftDelete
    dialect: Dialect
    catalogue: Catalogue
    now: Bind

    def child(
        self, key: ForeignKey, parents: list[tuple[Any, ...]], now: object
    ) -> Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None]:
        """The statements for one foreign key."""
        action = self.plugin._action(key)
        if action in (None, "ignore") or not parents:
            return
        table = self.catalogue.tables[key.child]
        mark = self.plugin._marks.get(table.name)
        quote = self.dialect.quote
        name = f"{quote(table.schema)}.{quote(table.name)}"
        live = f" AND {mark.live}" if mark else ""
        matches = " AND ".join(f"{quote(c)} = ?" for c in key.columns)
        for parent in parents:
            if action == "restrict":
                sql = f"SELECT 1 FROM {name} WHERE {matches}{live} LIMIT 1"
                if (yield sql, parent):
                    raise IntegrityError(
                        f"a live row of {table.name} refers to the row; delete it "
                        "first, or declare the foreign key 'cascade'",
                        code="tombstone-restrict",
                    )
                continue
            assert mark is not None
            yield from self._grandchildren(table, f"{matches}{live}", parent, now)
            value = "1" if mark.flag else "?"
            values = parent if mark.flag else (now, *parent)
            yield (
                f"UPDATE {name} SET {quote(mark.column)} = {value} "
                f"WHERE {matches}{live}",
                values,
            )

    def _grandchildren(
        self, table: Table, where: str, values: tuple[Any, ...], now: object
    ) -> Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None]:
        quote = self.dialect.quote
        for key in self.catalogue.children.get(table.key, ()):
            columns = key.parent_columns or table.primary_key
            # the sign takes the declared type off, by which sqlite3 would convert
            listed = ", ".join(f"+{quote(c)}" for c in columns)
            name = f"{quote(table.schema)}.{quote(table.name)}"
            rows = yield f"SELECT {listed} FROM {name} WHERE {where}", values
            if key.child == table.key and self.plugin._action(key) == "cascade":
                rows = [r for r in rows if r != values]
            yield from self.child(key, rows, now)


def _fold(name: str) -> str:
    return name.lower()


def _mark(name: str, column: str, given: Mapping[str, Any]) -> _Mark:
    unknown = set(given) - {"column", "flag"}
    if unknown:
        raise _wrong(f"table {name!r}: unknown setting {sorted(unknown)[0]!r}")
    return _Mark(given.get("column", column), bool(given.get("flag", False)))


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"soft_delete: {what}", code="configuration")


def _name(connection: Any, table: Table) -> str:
    quote = connection._self_session.dialect.quote
    return f"{quote(table.schema)}.{quote(table.name)}"


def _by_key(connection: Any, table: Table, key: Any) -> tuple[str, tuple[Any, ...]]:
    values: tuple[Any, ...] = (key,)
    if isinstance(key, tuple):
        values = tuple(key)  # pyright: ignore
    columns = table.primary_key
    if len(columns) != len(values):
        raise _wrong(
            f"{table.name} has a primary key of {len(columns)} columns, got "
            f"{len(values)} values"
        )
    quote = connection._self_session.dialect.quote
    return " AND ".join(f"{quote(c)} = ?" for c in columns), values
