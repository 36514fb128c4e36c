"""Strict mode on SQLite: what a statement uses must be what its plan holds.

SQLite asks an authorizer when it prepares a statement, again when the schema has
changed: https://www.sqlite.org/c3ref/set_authorizer.html
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import proxy

from sqlglot import exp

from kysera_dbapi._blocks import scope
from kysera_dbapi.catalogue import Table, key_of
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.plan import Plan
from kysera_dbapi.reach import Reach
from kysera_dbapi.session import Session

__all__ = ["Authorizer"]

_VERBS = {
    sqlite3.SQLITE_INSERT: "insert into",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete from",
    sqlite3.SQLITE_READ: "read",
}
#: SQLite reads and writes them by itself, and lets nobody else write.
_SCHEMA = (
    "sqlite_master",
    "sqlite_schema",
    "sqlite_temp_master",
    "sqlite_temp_schema",
)
_EVENTS = ("INSERT", "UPDATE", "DELETE")


@dataclass(slots=True)
class _Access:
    """What one plan lets SQLite use; tables by their keys."""

    #: What the statement itself reads.
    reads: set[str] = field(default_factory=set[str])
    #: What it writes: its target, and more by foreign keys.
    writes: set[str] = field(default_factory=set[str])
    own: set[str] = field(default_factory=set[str])
    #: What views, triggers and common table expressions use, by their names.
    sources: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    #: Names that no catalogue knows: table functions.
    unknown: set[str] = field(default_factory=set[str])

    def source(self, name: str, keys: Collection[str]) -> None:
        """Let a view, trigger or common table expression use those tables."""
        self.sources.setdefault(name, set()).update(keys)


class Authorizer:
    """Set on a raw connection; the caller's own authorizer is asked after it."""

    def __init__(self, session: Session) -> None:
        # the raw connection holds this: no cycle; it is asked for while there is a plan
        self._session: Session = proxy(session)
        self._access: _Access | None = None
        self._denied = ""
        #: The caller's own authorizer.
        self.theirs: Callable[..., Any] | None = None

    def install(self) -> None:
        """Set it; SQLite prepares again what it has prepared without."""
        self._session.raw_class.set_authorizer(self._session._raw, self)

    def __call__(
        self,
        action: int,
        first: str | None,
        second: str | None,
        schema: str | None,
        source: str | None,
    ) -> Any:
        if self._access is not None and not self._denied:
            self._denied = self._wrong(action, (first, second), schema, source)
        if self._denied:
            return sqlite3.SQLITE_DENY
        if self.theirs is None:
            return sqlite3.SQLITE_OK
        return self.theirs(action, first, second, schema, source)

    @contextmanager
    def holding(self, plan: Plan | None) -> Iterator[None]:
        """A block in which SQLite may use what the plan holds; without one, all.

        Raises ``UnsupportedStatement`` (unplanned-relation) in the place of the error
        that a statement gets that would use more.
        """
        before = self._access, self._denied
        self._access = self._of(plan) if plan is not None else None
        self._denied = ""
        unheld = plan is not None and self._access is None
        try:
            yield
        except sqlite3.Error as error:
            if not self._denied:
                raise
            raise UnsupportedStatement(
                f"the database was about to {self._denied}, which the plan of the "
                "statement does not hold; try again if the schema has changed",
                code="unplanned-relation",
            ) from error
        finally:
            self._access, self._denied = before
            if unheld and scope():
                # what was prepared within bypass() is not to be run outside of it
                self.install()

    # -- what a plan lets through -------------------------------------------------

    def _of(self, plan: Plan) -> _Access | None:
        if not plan.closed or not self._session.protected():
            return None
        access = _Access(reads=set(plan.relations), unknown=set(plan.unknown))
        reach = self._session.pipeline.planner.world.reach
        tables = self._session.catalogue.tables
        for key in plan.relations:
            if key in tables:
                self._read(access, reach, tables[key])
        for name in plan.queries:
            access.source(name, access.reads)
        if plan.target in tables:
            self._write(access, reach, tables[plan.target])
        return access

    def _read(self, access: _Access, reach: Reach, table: Table) -> None:
        below = reach.reads(table)
        if table.kind == "virtual":
            # its module reads and writes them by statements of its own
            kept = reach.shadows(table)
            access.reads |= below | kept
            access.writes |= kept
        tables = self._session.catalogue.tables
        views = [table, *(tables[key] for key in below if key in tables)]
        for view in views:
            if view.kind == "view":
                parsed = reach.view(view)
                # SQLite reads a view by itself where an INSTEAD OF trigger is on it
                access.source(view.name, {view.key, *reach.reads(view)})
                for cte in parsed.tree.find_all(exp.CTE):
                    name = parsed.name_of(cte.args["alias"].this)
                    access.source(name, reach.reads(view))

    def _write(self, access: _Access, reach: Reach, target: Table) -> None:
        protected = self._session.protected()
        tables = self._session.catalogue.tables
        effects = reach.effects([(target, event) for event in _EVENTS])
        access.own.add(target.key)
        access.writes |= {target.key, *effects.cascaded}
        written = {target.key, *effects.written}
        keys = {one for key in written for one in reach.related(key)}
        access.reads |= keys
        for table, trigger in effects.triggers:
            touched = reach.touches(trigger)
            accepted = any(p.accepts_trigger(trigger) for p in self._session.plugins)
            if accepted or touched.isdisjoint(protected):
                access.source(trigger.name, {*touched, table.key, *keys})
                for key in touched & tables.keys():
                    self._read(access, reach, tables[key])

    # -- what SQLite is about to do -----------------------------------------------

    def _wrong(
        self,
        action: int,
        names: tuple[str | None, str | None],
        schema: str | None,
        source: str | None,
    ) -> str:
        """What is wrong with an action, nothing if it is right."""
        access = self._access
        assert access is not None
        if action == sqlite3.SQLITE_FUNCTION:
            return self._wrong_function(names[1] or "")
        if action not in _VERBS:
            return ""
        table = self._session.dialect.fold(names[0] or "", quoted=True)
        if table in _SCHEMA:
            return ""
        if not schema:
            # of what has no column read, SQLite tells the name in the text
            held = table in self._names(access)
        else:
            home = self._session.dialect.fold(schema, quoted=True)
            home = self._session.catalogue.aliases.get(home, home)
            held = self._holds(access, action, key_of(home, table), source)
        held = held or self._is_free(access, schema, table)
        return "" if held else f"{_VERBS[action]} {table}"

    def _names(self, access: _Access) -> set[str]:
        """The bare names of all that may be used."""
        tables = self._session.catalogue.tables
        keys = access.reads.union(*access.sources.values())
        names = {tables[key].name for key in keys if key in tables}
        return names | {*access.sources, *access.unknown}

    def _wrong_function(self, name: str) -> str:
        folded = self._session.dialect.fold(name, quoted=True)
        functions = self._session.pipeline.planner.world.functions
        dangerous = self._session.dialect.is_dangerous(folded)
        known = functions.is_known(folded) and not dangerous
        known = known or folded.startswith("_k_")  # ours; no caller can name it
        return "" if known else f"call {folded}"

    def _holds(
        self, access: _Access, action: int, key: str, source: str | None
    ) -> bool:
        if source is not None:
            name = self._session.dialect.fold(source, quoted=True)
            return key in access.sources.get(name, ())
        if action == sqlite3.SQLITE_READ:
            return key in access.reads
        kept = self._session.protected() - access.own
        removed = action == sqlite3.SQLITE_DELETE and key in kept
        return key in access.writes and not removed

    def _is_free(self, access: _Access, schema: str | None, name: str) -> bool:
        """Whether a relation shows no stored rows, or no protected ones."""
        fold = self._session.dialect.fold
        parts = [fold(schema, quoted=True), name] if schema else [name]
        table = self._session.catalogue.resolve(parts)
        if table is not None and table.kind in ("virtual", "shadow"):
            reach = self._session.pipeline.planner.world.reach
            return reach.reads(table).isdisjoint(self._session.protected())
        if table is not None or self._session.dialect.is_dangerous(name):
            return False
        functions = self._session.pipeline.planner.world.functions
        return name in access.unknown or functions.is_known(name)
