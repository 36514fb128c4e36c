"""The plugin: what becomes of statements that name a protected table."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from kysera_dbapi._blocks import scope
from kysera_dbapi.binding import Bind
from kysera_dbapi.plugin import Host, Plugin, check_viewed
from kysera_dbapi.plugins.soft_delete import collision, revival, settings
from kysera_dbapi.plugins.soft_delete.cascade import Cascade, Key, Steps
from kysera_dbapi.plugins.soft_delete.mark import Mark
from kysera_dbapi.plugins.soft_delete.protection import Protection
from kysera_dbapi.plugins.soft_delete.recovery import Recovery, atomically
from kysera_dbapi.plugins.soft_delete.settings import Clock, OnDelete, Options, Tables
from kysera_dbapi.plugins.soft_delete.verification import findings
from kysera_dbapi.splices import Value

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Unpack

    from kysera_dbapi.catalogue import Catalogue, Table, Trigger
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.finding import Finding
    from kysera_dbapi.plan import Plan

__all__ = ["SoftDelete"]

_HINT = "kysera:including_deleted"


class SoftDelete(Plugin):
    """Filters deleted rows from every reference, and turns DELETE into UPDATE.

    ``tables`` is a list of names ("orders", or with its schema "main.orders"), or a map
    from a name to its settings: ``column`` (default the plugin's) and ``flag``: whether
    the column is 0 (or NULL) in live rows, and not a time that is NULL in them.
    ``foreign_keys`` says for each foreign key that refers to a protected table, as
    "child.column" or "child(column, column)", what a soft DELETE does: "cascade"
    deletes the children too, "restrict" refuses while a live child is left, "ignore"
    leaves it to the caller. ``clock`` is "application", "database" (CURRENT_TIMESTAMP)
    or a function that returns the moment, with a time zone. ``accept_triggers`` names
    DELETE triggers that may stay unfired, and triggers that may use protected tables,
    deleted rows included; UPDATE triggers of a protected table fire when it is deleted
    from. ``allow_raw_update`` lets an UPDATE set the column. ``comment_hint`` lets a
    comment ``/* kysera:including_deleted */`` include deleted rows.

    With ``revive`` a plain INSERT whose unique key a deleted row holds takes that row's
    place: the row gets the values of the INSERT, the defaults for all others, and is
    live again. A primary key that the INSERT does not supply stays (one that it gives
    as NULL is a new number). Reviving a parent revives no children. A live row in the
    way, or one of another tenant, is the database's own error, and two deleted ones are
    a ``TombstoneConflict``. INSERTs with a conflict clause, those of DEFAULT VALUES and
    those while deleted rows are included revive none. Triggers of UPDATE fire for the
    row, those of INSERT do not: ``accept_triggers`` must name them. ``lastrowid`` tells
    the row; SQL functions that tell the last one do not know it, and are refused. Where
    an upsert must name its key, other keys than those of plain columns revive none.

    Raises ``ConfigurationError``, at once or when a connection is made. Within
    ``bypass("soft_delete", ...)`` a connection can be made before the tables are: the
    first statement that is not bypassed and finds one of them is checked instead.
    """

    name = "soft_delete"
    version = "0.1"
    priority = 500

    def __init__(
        self,
        tables: Tables,
        *,
        column: str = "deleted_at",
        foreign_keys: Mapping[str, OnDelete] | None = None,
        clock: Clock = "application",
        accept_triggers: Collection[str] = (),
        **options: "Unpack[Options]",
    ) -> None:
        self._settings = settings.given_tables(tables, column)
        self._foreign_keys = settings.given_foreign_keys(foreign_keys)
        self._clock: Clock = settings.given_clock(clock)
        self._accepted = settings.given_names(accept_triggers, "accept_triggers")
        allowed = settings.given_flags(options)
        self._raw_update = allowed.get("allow_raw_update", False)
        self._hint = allowed.get("comment_hint", False)
        self._revive = allowed.get("revive", False)
        self._checked: Protection | None = None
        #: The versions of catalogues whose views have been checked.
        self._viewed: set[str] = set()

    # -- at connect ---------------------------------------------------------------

    def on_init(self, host: Host) -> None:
        """Check tables, columns, foreign keys and triggers against the catalogue."""
        if f"bypass:{self.name}" not in scope():
            self.on_catalogue(host)
            self._protection(host.catalogue, host.dialect).check_names()

    def on_catalogue(self, host: Host) -> None:
        """The same: a statement may not make what a connection would refuse."""
        protection = self._protection(host.catalogue, host.dialect)
        protection.check()
        protection.check_views(host)
        self._viewed.add(host.catalogue.version)

    def _protection(self, catalogue: "Catalogue", dialect: "Dialect") -> Protection:
        """The configuration for a catalogue, checked once for each.

        Before there is any of its tables, nothing is to be protected.
        """
        checked = self._checked
        if checked is not None and checked.catalogue is catalogue:
            return checked
        made = Protection(
            catalogue,
            dialect,
            self._settings,
            self._foreign_keys,
            self._accepted,
            self._revive,
        )
        if catalogue.known and made.marks:
            made.check()
        self._checked = made
        return made

    def protected(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables of the configuration that are there."""
        tables = (catalogue.named(name) for name in self._settings)
        return [table.key for table in tables if table is not None]

    def accepts_trigger(self, trigger: "Trigger") -> bool:
        """Those of ``accept_triggers``."""
        return trigger.name in self._accepted

    def verify(self, host: Host) -> list["Finding"]:
        """The unique keys that ignore deletion."""
        return findings(self._protection(host.catalogue, host.dialect))

    # -- at plan time -------------------------------------------------------------

    def intercept(self, statement: "Draft") -> None:
        """Filter every reference; turn a DELETE of a protected table into an UPDATE."""
        statement.plugin = self.name
        if self._revive:
            revival.check_functions(statement)
        protection = self._protection(statement.catalogue, statement.dialect)
        rows = self._rows(statement)
        for reference in statement.references:
            mark = protection.marks.get(reference.table.key)
            if mark is None:
                continue
            check_viewed(statement, reference.table, self._viewed)
            target = reference.role == "target"
            if target:
                self._write(statement, reference.table, mark, protection)
            deleting = target and statement.kind == "delete"
            if (target and statement.kind == "insert") or (
                rows == "include" and not deleting
            ):
                continue
            only = rows == "only" and not deleting
            statement.filter(
                reference,
                mark.deleted() if only else mark.live(),
                reason="only deleted rows" if only else "deleted rows are hidden",
            )

    def _rows(self, statement: "Draft") -> str:
        flags = scope()
        if "soft_delete.only" in flags:
            return "only"
        hinted = self._hint and any(map(_is_hint, statement.source.comments))
        return "include" if hinted or "soft_delete.include" in flags else ""

    def _write(
        self, statement: "Draft", table: "Table", mark: Mark, protection: Protection
    ) -> None:
        if statement.kind == "delete":
            self._replace(statement, table, mark, protection)
            return
        if revival.is_revival():
            revival.guard(statement, table, mark)
            return
        collision.guard_conflicts(statement, table, mark)
        if self._revive and not self._rows(statement):
            revival.offer(statement, table, mark)
        column = statement.dialect.fold(mark.column, quoted=True)
        if not self._raw_update and column in statement.assigned:
            statement.refuse(
                f"an UPDATE may not set {mark.column}; use DELETE, or restore()",
                code="raw-deletion-update",
            )

    def _replace(
        self, statement: "Draft", table: "Table", mark: Mark, protection: Protection
    ) -> None:
        if "soft_delete.only" in scope():
            statement.refuse("a deleted row is not deleted again; use hard_delete()")
        if mark.nullable and statement.tree.args.get("returning") is not None:
            statement.refuse(
                f"RETURNING could not tell whether {mark.column} was 0 or NULL; "
                "declare it NOT NULL"
            )
        now = Bind("now", lambda: self._now(statement.dialect))
        children = protection.children(table.key)
        value = Value(mark.on)
        if not mark.flag:
            bound = children or self._clock != "database"
            value = Value(now if bound else "CURRENT_TIMESTAMP")
        if children:
            self._check_cascade(statement, table, protection)
            companion = _Companion(Cascade(protection), table, now, self._clock)
            declared = ", ".join(f"{key.child} {action}" for key, action in children)
            statement.companion_before((), companion, reason=f"declared: {declared}")
        statement.replace_delete(
            {mark.column: (value, mark.old)}, reason="deleted rows are kept and marked"
        )

    def _check_cascade(
        self, statement: "Draft", table: "Table", protection: Protection
    ) -> None:
        """No child may be deleted that another plugin hides from the caller."""
        pending, seen = [table.key], {table.key}
        while pending:
            for key, action in protection.children(pending.pop()):
                if action != "cascade":
                    continue
                catalogue = statement.catalogue
                if any(p.reaches_hidden(key, catalogue) for p in statement.plugins):
                    statement.refuse(
                        f"cascade: a row of {key.child} may be one that the caller "
                        "does not see; let the foreign key hold the tenant, declare "
                        "it 'restrict', or delete under bypass()",
                        code="foreign-key-action",
                    )
                if key.child not in seen:
                    seen.add(key.child)
                    pending.append(key.child)

    def _now(self, dialect: "Dialect") -> object:
        return dialect.timestamp(settings.moment_of(self._clock))

    # -- verbs --------------------------------------------------------------------

    def restore(
        self, connection: Any, table: str, key: object, *, cascade: bool = False
    ) -> None:
        """Bring a deleted row back by its primary key (a value, or a tuple of them).

        With ``cascade`` also the rows that were deleted at the same moment along the
        foreign keys that are declared so. All of it or nothing, in the transaction of
        the caller. Raises ``DataError``: row-not-found, not-deleted;
        ``TombstoneConflict`` if a live row has its unique key; ``IntegrityError``
        (deleted-parent) if it refers to a row that stays deleted.
        """
        recovery = self._recovery(connection, table, "restore")
        atomically(recovery, "restore", lambda r: r.restore(key, cascade=cascade))

    def hard_delete(self, connection: Any, table: str, key: object) -> None:
        """Remove a row for good, deleted or live, with what is declared to cascade.

        Raises ``DataError`` (row-not-found), and ``IntegrityError``
        (tombstone-restrict) if a row refers to it by a foreign key declared "restrict".
        """
        recovery = self._recovery(connection, table, "hard_delete")
        atomically(recovery, "hard_delete", lambda r: r.hard_delete(key))

    def purge(
        self, connection: Any, table: str, *, older_than: "datetime | timedelta"
    ) -> int:
        """Remove for good what was deleted before a time; returns how many rows.

        ``older_than`` is a moment with a time zone, or an age. Times that are stored
        without a zone are UTC. Children go along where that is declared. Raises
        ``ConfigurationError`` for a table with a flag, ``DataError`` (unreadable-time),
        and ``IntegrityError`` (tombstone-restrict) if a row refers to one of them that
        is live, or by a foreign key declared "restrict".
        """
        recovery = self._recovery(connection, table, "purge")
        return atomically(recovery, "purge", lambda r: r.purge(older_than))

    def _recovery(self, connection: Any, table: str, verb: str) -> Recovery:
        host = getattr(connection, "plugin_host", None)
        if host is None or self not in host.plugins:
            raise settings.wrong(
                f"{verb} needs an open connection with this plugin, got {connection!r}"
            )
        protection = self._protection(host.catalogue, host.dialect)
        return Recovery.of(host, protection, table)

    # -- errors -------------------------------------------------------------------

    def explain_error(
        self, error: BaseException, plan: "Plan", host: Host
    ) -> BaseException:
        """A UNIQUE collision that a deleted row may be the cause of: the cure."""
        # without a target of its own, a write in WITH may have failed
        keys = [plan.target] if plan.target else sorted(plan.relations)
        tables = [host.catalogue.tables[k] for k in keys if k in host.catalogue.tables]
        if not tables or plan.retry_sql or f"bypass:{self.name}" in scope():
            return error  # if it was tried otherwise, no deleted row was the cause
        protection = self._protection(host.catalogue, host.dialect)
        for table in tables:
            mark = protection.marks.get(table.key)
            if mark is None:
                continue
            clearer = collision.explained(error, table, mark, host.dialect)
            if clearer is not None:
                clearer.__cause__ = error.__cause__ or error
                return clearer
        return error


class _Companion:
    """Deletes the children of the rows about to be deleted, at the same moment."""

    def __init__(
        self, cascade: Cascade, table: "Table", now: Bind, clock: Clock
    ) -> None:
        self._cascade = cascade
        self._table = table.key
        self._width = len(cascade.protection.dialect.row_key(table))
        self._now = now
        self._clock: Clock = clock

    def __call__(self, rows: list[Key], values: dict[Bind, object]) -> Steps:
        """The statements of one execution; all is checked before anything changes."""
        cascade = self._cascade
        now = values.get(self._now)
        if self._clock == "database":
            now = values[self._now] = (yield "SELECT CURRENT_TIMESTAMP", ())[0][0]
        elif self._now not in values:
            now = self._now.source()
        own = {row[: self._width] for row in rows}
        found = yield from cascade.gather(self._table, own, cascade.live)
        yield from cascade.check_restricted(found, cascade.live)
        hit = found[self._table]
        found[self._table] = dict.fromkeys(key for key in hit if key not in own)
        yield from cascade.mark(found, now)


def _is_hint(comment: str) -> bool:
    """Whether a comment says the hint, as a word of its own."""
    return _HINT in comment.removesuffix("*/").lstrip("/*-").split()
