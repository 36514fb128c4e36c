"""The configuration of soft delete, held against a catalogue."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import folded, parts_of
from kysera_dbapi.plugins.soft_delete.mark import Mark
from kysera_dbapi.plugins.soft_delete.settings import OnDelete, Setting, wrong

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue, Column, ForeignKey, Table
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.plugin import Host

__all__ = ["Protection"]


@dataclass(frozen=True)
class Protection:
    """The protected tables of a catalogue, and what foreign keys to them do."""

    catalogue: "Catalogue"
    dialect: "Dialect"
    settings: Mapping[str, Setting]
    foreign_keys: Mapping[str, OnDelete]
    accepted: Collection[str]
    revives: bool = False
    #: The marks by the keys of the tables.
    marks: dict[str, Mark] = field(default_factory=dict[str, Mark])

    def __post_init__(self) -> None:
        for name, setting in self.settings.items():
            table = self.catalogue.named(name)
            if table is not None:
                self.marks[table.key] = Mark.of(
                    table, setting.column, self.dialect, flag=setting.flag
                )

    def action(self, key: "ForeignKey") -> OnDelete | None:
        """What a soft DELETE does to the rows that refer by a foreign key."""
        wanted = {_spaceless(name) for name in self._names(key)}
        for name, action in self.foreign_keys.items():
            if _spaceless(name) in wanted:
                return action
        return None

    def children(self, table: str) -> list[tuple["ForeignKey", OnDelete]]:
        """The foreign keys to a table that have to do with its deletions."""
        keys = self.catalogue.children.get(table, ())
        pairs: list[tuple[ForeignKey, OnDelete]] = []
        for key in keys:
            action = self.action(key)
            if action is not None and action != "ignore":
                pairs.append((key, action))
        return pairs

    def parent_key(self, key: "ForeignKey") -> tuple[str, ...]:
        """The columns that a foreign key refers to."""
        parent = self.catalogue.tables[key.parent]
        return key.parent_columns or parent.primary_key

    # -- checks -------------------------------------------------------------------

    def check(self) -> None:
        """Raise ``ConfigurationError`` for what would not be safe."""
        seen: dict[str, str] = {}
        for name, setting in self.settings.items():
            table = self.catalogue.named(name)
            if table is None:
                raise wrong(
                    f"there is no table {name!r}; create it or take it out of tables=",
                    code="missing-table",
                )
            if table.key in seen:
                raise wrong(f"{seen[table.key]!r} and {name!r} are one table")
            seen[table.key] = name
            self._check_table(table, setting)
            self._check_triggers(table)
            if self.revives and not table.is_view:
                self._check_revival(table)
            for key in self.catalogue.children.get(table.key, ()):
                self._check_foreign_key(key)

    def check_views(self, host: "Host") -> None:
        """Raise ``ConfigurationError`` for a view that does not show the mark.

        Deleted rows of a view are those of the table beneath.
        """
        for key, mark in self.marks.items():
            view = self.catalogue.tables[key]
            if not view.is_view:
                continue
            from kysera_dbapi.viewed import beneath  # it brings the parser

            column = self.dialect.fold(mark.column, quoted=True)
            table = beneath(host, view, self.marks, [column])
            if table is not None and self.marks[table.key].flag != mark.flag:
                raise wrong(f"flag= of {view.name!r} is not that of {table.name!r}")

    def check_names(self) -> None:
        """Raise ``ConfigurationError`` for a name of what does not exist.

        A foreign key may be declared before its table is made.
        """
        known = {
            _spaceless(name)
            for table in self.marks
            for key in self.catalogue.children.get(table, ())
            for name in self._names(key)
        }
        for name in self.foreign_keys:
            child = self.catalogue.named(_child(name))
            if child is not None and _spaceless(name) not in known:
                raise wrong(
                    f"foreign_keys= names {name!r}, which is no foreign key to a "
                    "protected table"
                )
        triggers = {
            t.name for one in self.catalogue.tables.values() for t in one.triggers
        }
        for name in self.accepted:
            if name not in triggers:
                raise wrong(f"accept_triggers= names {name!r}, which is no trigger")

    def _check_table(self, table: "Table", setting: Setting) -> None:
        if not (table.kind == "table" or table.is_view):
            raise wrong(
                f"{table.name!r} is no plain table but a {table.kind}; name the table "
                "that keeps its rows"
            )
        column = table.column(self.dialect.fold(setting.column, quoted=True))
        if column is None:
            raise wrong(
                f"table {table.name!r} has no column {setting.column!r}; set column= "
                "or take the table out",
                code="missing-column",
            )
        what = f"column {column.name!r} of table {table.name!r}"
        if column.generated or column.primary_key:
            kind = "generated" if column.generated else "part of the primary key"
            raise wrong(f"{what} is {kind}, so it cannot mark deleted rows")
        if not setting.flag and column.not_null:
            raise wrong(
                f"{what} is NOT NULL, so no row could be live; allow NULL, or set "
                "flag=True if it is 0 in live rows"
            )
        if setting.flag and not self.dialect.holds_flag(column.type):
            raise wrong(
                f"{what} is a {column.type}; a flag is a number, 0 in live rows"
            )
        if not (setting.flag or self.dialect.holds_moment(column.type)):
            raise wrong(
                f"{what} is a {column.type}, which holds no time of deletion; set "
                "flag=True if it is a flag"
            )
        if table.on_conflict and _is_keyed(table, column):
            raise wrong(
                f"{what} is part of a key that says what to do ON CONFLICT: a deletion "
                "could remove or skip a row; make the key an index over live rows"
            )

    def _check_triggers(self, table: "Table") -> None:
        for trigger in table.triggers:
            if trigger.event == "DELETE" and trigger.name not in self.accepted:
                raise wrong(
                    f"the DELETE trigger {trigger.name!r} of {table.name!r} would no "
                    "longer fire; name it in accept_triggers=",
                    code="delete-trigger",
                )

    def _check_revival(self, table: "Table") -> None:
        """Of an INSERT that revives a row: it becomes an UPDATE, of a row that is told.

        Triggers of UPDATE do fire, as they do for a DELETE that becomes one.
        """
        if not self.dialect.says_on_conflict:
            raise wrong(
                "revive=True is not offered here: an INSERT has no ON CONFLICT; leave "
                "it out, and restore() rows"
            )
        for trigger in table.triggers:
            if trigger.event == "INSERT" and trigger.name not in self.accepted:
                raise wrong(
                    f"the INSERT trigger {trigger.name!r} of {table.name!r} would not "
                    "fire for a row that is revived; name it in accept_triggers=",
                    code="insert-trigger",
                )
        if table.on_conflict:
            raise wrong(
                f"a key of table {table.name!r} says ON CONFLICT "
                f"{min(table.on_conflict)}; with revive=True a collision must be a "
                "plain error"
            )
        for column in table.columns:
            if column.identity == "always" and not column.primary_key:
                raise wrong(
                    f"column {column.name!r} of table {table.name!r} is GENERATED "
                    "ALWAYS AS IDENTITY, so a revived row could have no new value in "
                    "it; with revive=True it must be BY DEFAULT"
                )
        if self.dialect.tells_rows and not self.dialect.row_key(table):
            raise wrong(
                f"table {table.name!r} hides its rowid, by which a row that is revived "
                "is told"
            )

    def _check_foreign_key(self, key: "ForeignKey") -> None:
        action, name = self.action(key), self._names(key)[0]
        if action is None:
            raise wrong(
                f"{name} refers to {_bare(key.parent)}; declare it in foreign_keys= as "
                "'cascade', 'restrict' or 'ignore'",
                code="undeclared-foreign-key",
            )
        if action != "ignore" and key.temporal:
            raise wrong(
                f"{name} refers to periods, which several rows of {_bare(key.parent)} "
                "may cover together; declare it 'ignore'"
            )
        if action == "cascade" and key.child not in self.marks:
            raise wrong(
                f"{name} cannot cascade: {_bare(key.child)!r} is not in tables="
            )
        if action != "ignore" and len(self.parent_key(key)) != len(key.columns):
            raise wrong(
                f"{name} does not fit the primary key of {_bare(key.parent)}; declare "
                "it 'ignore', or mend it"
            )

    def _names(self, key: "ForeignKey") -> list[str]:
        """The names that a foreign key has in a configuration, the clearest first."""
        columns, first = ", ".join(key.columns), key.columns[0]
        children = (_bare(key.child), key.child)
        if len(key.columns) == 1:
            return [f"{child}.{first}" for child in children]
        names = [f"{child}({columns})" for child in children]
        rivals = [
            other
            for other in self.catalogue.foreign_keys
            if other.child == key.child and other.columns[0] == first
        ]
        if len(rivals) == 1:
            names += [f"{child}.{first}" for child in children]
        return names


def _is_keyed(table: "Table", mark: "Column") -> bool:
    """Whether the mark, or what may be computed from it, is part of a unique key."""
    names = table.with_computed([folded(mark.name)])
    keyed = {folded(name) for key in table.unique_keys for name in key.columns}
    return not names.isdisjoint(keyed)


def _bare(key: str) -> str:
    return parts_of(key)[1]


def _child(name: str) -> str:
    """The table of a foreign key, as the configuration names it."""
    head, parenthesis, _ = name.partition("(")
    return head.strip() if parenthesis else name.rpartition(".")[0]


def _spaceless(name: str) -> str:
    """A name of the configuration, without blanks round commas and parentheses."""
    head, parenthesis, columns = folded(name).strip().partition("(")
    if not parenthesis:
        return head
    listed = columns.rstrip().removesuffix(")").split(",")
    return f"{head.strip()}({','.join(column.strip() for column in listed)})"
