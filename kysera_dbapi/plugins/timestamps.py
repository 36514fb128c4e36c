"""Who wrote a row, and when: on every INSERT, UPDATE and upsert."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from kysera_dbapi._blocks import scope
from kysera_dbapi._context import single
from kysera_dbapi.binding import Bind
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.plugin import Host, Plugin
from kysera_dbapi.splices import Value

if TYPE_CHECKING:
    from typing import Unpack

    from kysera_dbapi.catalogue import Catalogue
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["Clock", "Columns", "Tables", "Timestamps"]

#: Whose clock tells the time; a callable's moments have a time zone.
Clock = Literal["application", "database"] | Callable[[], datetime]
Tables = Iterable[str] | Mapping[str, Mapping[str, str | None]]


class Columns(TypedDict, total=False):
    """The names of the columns; None for one that there is not."""

    created_at: str | None
    updated_at: str | None
    created_by: str | None
    updated_by: str | None


_SETTINGS: tuple[str, ...] = ("created_at", "updated_at", "created_by", "updated_by")
_COLUMNS: dict[str, str | None] = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "created_by": None,
    "updated_by": None,
}


class Timestamps(Plugin):
    """Writes the time and the user into columns of every row that is written.

    ``tables`` is a list of names, or a map of names to the columns that differ there.
    ``created_at`` and ``created_by`` are set by an INSERT, ``updated_at`` and
    ``updated_by`` by an UPDATE, too, and by that of an upsert; the users only if their
    columns are named. A value that the statement has for a column wins. ``user`` names
    the value of the context that tells the user. With ``stamp_deletes`` a soft DELETE
    counts as an UPDATE. All rows of a statement have one time.

    Raises ``ConfigurationError``, at once or when a connection is made: missing-table,
    missing-column.
    """

    name = "timestamps"
    version = "0.1"
    priority = 100
    hides_rows = False

    def __init__(
        self,
        tables: Tables,
        *,
        user: str = ":user_id",
        clock: Clock = "application",
        stamp_deletes: bool = False,
        **columns: "Unpack[Columns]",
    ) -> None:
        named = cast("dict[str, str | None]", columns)
        self._tables = dict(_settings(tables, {**_COLUMNS, **named}))
        name: object = user
        if not isinstance(name, str) or not name.removeprefix(":").isidentifier():
            raise _wrong(f"user must name a value of the context, got {user!r}")
        if clock not in ("application", "database") and not callable(clock):
            raise _wrong(
                f"clock must be 'application', 'database' or a function, got {clock!r}"
            )
        self._user = user.removeprefix(":")
        self._clock: Clock = clock
        self._stamp_deletes = stamp_deletes

    # -- at connect ---------------------------------------------------------------

    def on_init(self, host: Host) -> None:
        """Check tables and columns against the catalogue."""
        if f"bypass:{self.name}" not in scope():
            self.on_catalogue(host)

    def on_catalogue(self, host: Host) -> None:
        """The same: a statement may not make what a connection would refuse."""
        fold = host.dialect.fold
        for name, columns in self._tables.items():
            table = host.catalogue.named(name)
            if table is None:
                raise _wrong(
                    f"there is no table {name!r}; create it or take it out of tables=",
                    code="missing-table",
                )
            if table.kind in _UNWRITTEN:
                raise _wrong(f"{name!r} is a {table.kind}, to which nothing is written")
            for setting, column in columns.items():
                known = table.column(fold(column, quoted=True)) if column else None
                if column and known is None:
                    raise _wrong(
                        f"table {name!r} has no column {column!r}; set {setting}= or "
                        "take the table out",
                        code="missing-column",
                    )
                timed = setting in ("created_at", "updated_at")
                if known and timed and not host.dialect.holds_moment(known.type):
                    raise _wrong(
                        f"column {column!r} of table {name!r} is a {known.type}, which "
                        "holds no time"
                    )

    def protected(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables of the configuration that are there."""
        tables = (catalogue.named(name) for name in self._tables)
        return [table.key for table in tables if table is not None]

    # -- at plan time -------------------------------------------------------------

    def intercept(self, statement: "Draft") -> None:
        """Set the columns of what is written."""
        statement.plugin = self.name
        columns = self._columns(statement)
        if columns is None:
            return
        now, who = self._now(statement.dialect), Value(self._who())
        values = dict(zip(_SETTINGS, (now, now, who, who), strict=True))
        if statement.kind == "insert":
            self._insert(statement, columns, values)
        elif statement.kind == "update" or self._stamps(statement):
            for setting, column in self._updated(columns):
                if not self._sets(statement, column):
                    value, reason = values[setting], _REASON[setting]
                    statement.assign(column, value, reason=reason, on_change=True)

    def _columns(self, statement: "Draft") -> Mapping[str, str | None] | None:
        if statement.target is None:
            return None
        written = statement.target.table.key
        for name, columns in self._tables.items():
            table = statement.catalogue.named(name)
            if table is not None and table.key == written:
                return columns
        return None

    def _insert(
        self,
        statement: "Draft",
        columns: Mapping[str, str | None],
        values: Mapping[str, Value],
    ) -> None:
        for setting, column in columns.items():
            if column is not None and not statement.supplies(column):
                statement.assign(column, values[setting], reason=_REASON[setting])
        if statement.upserts:
            for setting, column in self._updated(columns):
                if not self._sets(statement, column):
                    reason = _REASON[setting]
                    statement.assign_met(column, values[setting], reason=reason)

    def _stamps(self, statement: "Draft") -> bool:
        """Whether a DELETE, made an UPDATE, is to be stamped."""
        if not self._stamp_deletes or statement.deletes or statement.kind != "delete":
            return False
        if statement.returns:
            statement.refuse(
                "RETURNING could not show the columns as they were before they were "
                "stamped; leave it out"
            )
        return True

    def _updated(self, columns: Mapping[str, str | None]) -> list[tuple[str, str]]:
        found = ((name, columns[name]) for name in ("updated_at", "updated_by"))
        return [(name, column) for name, column in found if column is not None]

    def _sets(self, statement: "Draft", column: str) -> bool:
        return statement.dialect.fold(column, quoted=True) in statement.assigned

    def _now(self, dialect: "Dialect") -> Value:
        if self._clock == "database":
            return Value("CURRENT_TIMESTAMP")
        return Value(Bind("now", lambda: dialect.timestamp(self._moment())))

    def _moment(self) -> datetime:
        now: Any = self._clock() if callable(self._clock) else datetime.now(UTC)
        if not isinstance(now, datetime) or now.tzinfo is None:
            raise _wrong(f"clock must tell a datetime with a time zone, got {now!r}")
        return now

    def _who(self) -> Bind:
        return Bind(self._user, partial(single, self._user), self._user)


_UNWRITTEN = ("materialized view", "sequence", "system")
_REASON = {
    "created_at": "when it was created",
    "updated_at": "when it was updated",
    "created_by": "who created it",
    "updated_by": "who updated it",
}


def _settings(
    tables: object, columns: Mapping[str, str | None]
) -> Iterable[tuple[str, dict[str, str | None]]]:
    """The columns of each table, by its name as given."""
    if isinstance(tables, str | bytes) or not isinstance(tables, Iterable):
        raise _wrong(
            f"tables must be a list of names or a map of settings, got {tables!r}"
        )
    given: dict[object, object] = (
        dict(cast("Mapping[object, object]", tables))
        if isinstance(tables, Mapping)
        else {name: {} for name in cast("Iterable[object]", tables)}
    )
    if not given:
        raise _wrong("tables is empty; name the tables to stamp")
    for name, own in given.items():
        if not isinstance(name, str) or not name.strip():
            raise _wrong(
                f"a name in tables must be a text that is not empty, got {name!r}"
            )
        if not isinstance(own, Mapping):
            raise _wrong(f"table {name!r}: the settings must be a map, got {own!r}")
        said = {**columns, **cast("Mapping[str, Any]", own)}
        for setting, column in said.items():
            if setting not in _SETTINGS:
                raise _wrong(f"table {name!r}: unknown setting {setting!r}")
            if column is not None and not (isinstance(column, str) and column.strip()):
                raise _wrong(f"table {name!r}: {setting} must name a column")
        yield name, said


def _wrong(what: str, *, code: str = "configuration") -> ConfigurationError:
    return ConfigurationError(f"timestamps: {what}", code=code)
