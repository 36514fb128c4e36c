"""UPDATE and DELETE of several tables, as MySQL and MariaDB take them.

The servers make the assignments in no certain order, and a row that is matched several
times is written by any of its matches: so a value is of the row itself, or of rows that
are found by their keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from tests.oracle.mysql_selects import MySQLSelects
from tests.oracle.schema import PROTECTED, Column
from tests.oracle.scope import Scope, Source
from tests.oracle.writes import DEMANDS, Write, Writes

_DELETES = {"DELETE": 9, "DELETE QUICK": 1, "DELETE LOW_PRIORITY": 1}


@dataclass
class Several(MySQLSelects, Writes):
    """Writes what writes to tables among others."""

    several: ClassVar[float] = 0.3  # how often an UPDATE or DELETE is one

    #: The tables that are written besides the first.
    beside: tuple[str, ...] = ()
    #: The tables to stand in FROM, by their places, and whether they are written.
    _placed: dict[int, tuple[str, bool]] = field(
        default_factory=dict[int, tuple[str, bool]]
    )
    _written: list[Source] = field(default_factory=list[Source])
    _outermost: Scope | None = None
    _place: int = 0

    def write(self) -> Write:
        return replace(super().write(), beside=self.beside)

    def settable(self, target: str) -> list[Column]:
        """The columns that may be set where nothing can be checked."""
        return [column for column in self.free(target) if column.name != "email"]

    def _item(self, scope: Scope, *, lateral: bool = False) -> str:
        if scope is not self._outermost:
            return super()._item(scope, lateral=lateral)
        place, self._place = self._place, self._place + 1
        if place not in self._placed:
            return super()._item(scope, lateral=lateral)
        table, written = self._placed[place]
        text = self._relation(scope, table)
        if written:
            self._written.append(scope.sources[-1])
        return text

    def _relation(self, scope: Scope, table: str) -> str:
        """A table by its name, or by an alias."""
        text, alias = self.base_name(scope, table), table
        if table.lower() in scope.taken or self.draft.chance(0.5):
            alias = self._alias(scope)
            text += self._as(alias)
        scope.sources.append(Source(alias, self.tables[table], table))
        scope.taken.add(alias.lower())
        scope.rows *= 12
        return text + self._hint(scope, scope.sources[-1])

    def _join_targets(self, targets: Sequence[str], frame: Scope) -> tuple[str, Scope]:
        """What is joined, with each of the targets somewhere in it."""
        scope = self._outermost = Scope(None, frame.ctes)
        self._written, self._place = [], 0
        tables = [(table, True) for table in targets]
        if self.draft.chance(0.1):
            self.draft.mark("target joined with itself")
            tables.append((targets[0], False))
        joins = len(tables) - 1 + self.draft.pick((0, 1, 1, 1, 2))
        places = self.draft.rng.sample(range(joins + 1), len(tables))
        self._placed = dict(zip(places, tables, strict=True))
        text = self._joined(scope, joins)
        scope.bare, self._outermost = True, None
        return text, scope

    def _targets_with(self, target: str) -> tuple[str, ...]:
        """The target, and perhaps another of its kind, if no policy reads either."""
        kept, shown = target in PROTECTED, self.draft.schema.written_with
        alike = [
            t
            for t in self.tables
            if (t in PROTECTED) == kept
            and t not in shown(target)
            and target not in shown(t)
        ]
        if not self.draft.chance(0.3):
            return (target,)
        self.draft.mark("several targets")
        return (target, self.draft.pick(alike))

    def _forbid(self, targets: Sequence[str]) -> None:
        """No sub-select reads what is written (error 1093)."""
        written_with = self.draft.schema.written_with
        self.banned = {read for table in targets for read in written_with(table)}

    # DELETE

    def _delete_of_several(self, target: str, frame: Scope) -> str:
        self.draft.mark("DELETE of several tables")
        targets = self._targets_with(target)
        self._forbid(targets)
        joined, scope = self._join_targets(targets, frame)
        where = self._where(scope)
        self.banned = set()
        self.beside = targets[1:]
        labels = ", ".join(map(self._label, self._written))
        verb = self.draft.weighted(_DELETES)
        if self.draft.chance(0.5):
            self.draft.mark("DELETE USING")
            return f"{verb} FROM {labels} USING {joined}{where}"
        return f"{verb} {labels} FROM {joined}{where}"

    def _label(self, source: Source) -> str:
        """How the list of a DELETE names a table."""
        name = self.draft.name(source.alias)
        if source.alias == source.table and self.draft.chance(0.2):
            name = self.draft.name(self.draft.schema.place, source.alias)
        return name + self.draft.pick(("", "", "", ".*"))

    # UPDATE

    def _update_of_several(self, target: str, frame: Scope) -> str:
        """Empty if nothing of the table may be set."""
        if not self.settable(target):
            return ""
        self.draft.mark("UPDATE of several tables")
        if self.draft.chance(0.4) and (text := self._update_by_keys(target, frame)):
            return text
        targets = [t for t in self._targets_with(target) if self.settable(t)]
        self._forbid(targets)
        joined, scope = self._join_targets(targets, frame)
        where = self._where(scope)
        sets = [
            self._set_of(
                source,
                Scope(None, frame.ctes, [source], bare=False),
                self._unread(source, scope, joined + where),
            )
            for source in self._written
        ]
        self.banned = set()
        listed = ", ".join(filter(None, sets))
        return f"{self._update_verb()} {joined} SET {listed}{where}" if listed else ""

    def _unread(self, source: Source, scope: Scope, text: str) -> list[Column]:
        """The columns that may be set of which nothing is said where rows are found.

        The servers change rows while they look for others.
        """
        alike = {
            column.name
            for other in scope.sources
            if other is not source and "NATURAL" in text
            for column in other.columns
        }
        return [
            column
            for column in self.settable(source.table)
            if self.draft.name(column.name) not in text and column.name not in alike
        ]

    def _update_by_keys(self, target: str, frame: Scope) -> str:
        """Values of other tables, of which one row at most fits each row."""
        scope = Scope(None, frame.ctes)
        self._forbid([target])
        text = self._relation(scope, target)
        own = scope.sources[0]
        found = self._from(scope)
        if found is None or any(
            source.table in self.banned for source in scope.sources[1:]
        ):
            self.banned = set()
            return ""
        source, tie = found[0].removeprefix(" FROM "), found[1]
        scope.bare = False
        condition = self.condition(scope)
        free = self._unread(own, scope, source + tie + condition)
        sets = self._set_of(own, scope, free)
        self.banned = set()
        if not sets:
            return ""
        verb = self._update_verb()
        form = self.draft.pick((",", "JOIN", "LEFT JOIN", "RIGHT JOIN"))
        self.draft.mark(f"UPDATE by keys {form}")
        if form == ",":
            where = f"{tie} AND ({condition})"
            return f"{verb} {text}, {source} SET {sets} WHERE {where}"
        pair = [text, f"({source})"]
        if form == "RIGHT JOIN":
            pair.reverse()
        where = f" WHERE {condition}" if self.draft.chance(0.6) else ""
        return f"{verb} {pair[0]} {form} {pair[1]} ON {tie} SET {sets}{where}"

    def _set_of(self, source: Source, scope: Scope, free: Sequence[Column]) -> str:
        """Empty if nothing may be set."""
        if not free:
            return ""
        column = self.draft.pick(free)
        parts = [self.draft.schema.place, source.alias, column.name]
        known = source.alias == source.table and self.draft.chance(0.1)
        # a member of WITH may have any column, for all that the shim knows
        named = self.draft.chance(0.9) or bool(scope.ctes)
        parts = parts if known else parts[1:] if named else parts[2:]
        name = self.draft.name(*parts)
        if self.draft.fuel > 0 and self.draft.chance(0.3):
            self.draft.mark("sub-select in SET of several tables")
            text = self.scalar(self._blocked(scope), column.domain)
        else:
            fuel, self.draft.fuel = self.draft.fuel, 0
            text = self.value(scope, column.kind, domain=column.domain)
            self.draft.fuel = fuel
        return f"{name} = {DEMANDS.get(column.name, '{}').format(text)}"

    def _blocked(self, scope: Scope) -> Scope:
        """The same columns, and no member of WITH, which may read what is written."""
        blocked = Scope(
            None, dict.fromkeys(scope.ctes), list(scope.sources), bare=False
        )
        blocked.taken = scope.taken
        return blocked
