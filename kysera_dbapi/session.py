"""One wrapped connection's state, shared by its proxy and its cursors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from kysera_dbapi import fresh
from kysera_dbapi._blocks import above, scope, values
from kysera_dbapi._context import checked_values
from kysera_dbapi.catalogue import Catalogue, Table, UniqueKey
from kysera_dbapi.collision import violated_key
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import (
    ConfigurationError,
    Error,
    PolicyViolation,
    UnsupportedStatement,
    translate,
)
from kysera_dbapi.mode import Mode, check_mode
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Plan, steps
from kysera_dbapi.plugin import (
    Event,
    Plugin,
    destroy,
    hooks,
    initialise,
    recheck,
)
from kysera_dbapi.protocols import Parameters
from kysera_dbapi.transaction import (
    Begin,
    Control,
    Stack,
    Transactional,
    atomic,
    read,
)
from kysera_dbapi.turn import Turn
from kysera_dbapi.violation import Violations, violation

__all__ = ["Session"]

_Result = TypeVar("_Result")


class Session:
    """The raw connection, its catalogue and its plans. It holds no cursor or proxy."""

    #: The driver's own connection class; ``raw`` may be of a program's own.
    raw_class: ClassVar[Any]

    def __init__(
        self,
        raw: Any,
        driver: Any,
        dialect: Dialect,
        *,
        plugins: Sequence[Plugin],
        mode: Mode,
        opened: bool = True,
    ) -> None:
        check_mode(mode)
        self._raw = raw
        self.driver = driver
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.mode: Mode = mode
        #: Whether SQL of ours is running that is no part of the caller's work.
        self.reading = False
        #: What is open of the caller's transaction.
        self.transaction = Stack(
            self.transactional(raw), commit_may_undo=dialect.commit_may_undo
        )
        self.turn = Turn()
        self.closed = False
        #: The values that the connection has below those of the context.
        self.context: dict[str, object] = {}
        #: The number of the row revived last: the driver goes on telling that of the
        #: row inserted before.
        self.last_row: int | None = None
        self._stale = False
        #: The plugins that have found the schema wrong, and have not seen it mended.
        self._doubted: frozenset[str] = frozenset()
        self._stamped: object = None
        self._home: str | None = None
        self._declared: frozenset[str] = frozenset()
        self._catalogue = Catalogue(known=False)
        if self.plugins and opened:
            self._catalogue = self._read_catalogue()
        self._new_pipeline()
        self.before = hooks(self.plugins, "before_execute")
        self.after = hooks(self.plugins, "after_execute")
        self.failed = hooks(self.plugins, "on_error")
        #: What else than ``scope()`` decides how statements are planned.
        self._flags = hooks(self.plugins, "flags")
        self.violations = Violations()
        owning = any(plugin.system_tables for plugin in self.plugins)
        self.rechecks = owning or bool(hooks(self.plugins, "on_catalogue"))
        hooked = bool(self.before or self.after or self.failed)
        self._hooked = hooked or mode == "strict"
        #: Whether there is more to an execution than to send the text.
        self.hooked = self._hooked
        self._started: tuple[Plugin, ...] = ()

    @classmethod
    def transactional(cls, raw: Any) -> Transactional:
        """What knows whether a transaction of the raw connection is open."""
        found: Transactional = raw
        return found

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, so that the next error would be another."""
        return False

    def ends_more(self, error: BaseException) -> bool:
        """Whether an error has ended the connection, or a whole transaction."""
        return self.lost

    @property
    def goes_on(self) -> bool:
        """Whether statements can be run, after one has failed too."""
        return True

    def start(self) -> None:
        """Let the plugins check their configuration against the database."""
        initialise(self.plugins, self)
        self._started = self.plugins

    def _new_pipeline(self) -> None:
        self.pipeline = Pipeline.shared(
            self.dialect, self.plugins, self._catalogue, self.mode, self._declared
        )
        self._open()

    def _open(self) -> None:
        """Let known texts be found, unless the schema is to be looked at first."""
        closed = self._stale or self._doubted
        self.plans = {} if closed else self.pipeline.plans.items
        self._open_direct()

    def _open_direct(self) -> None:
        """The texts to send by those given, where that is all: outside of every block.

        Those without values, and those that the driver formats.
        """
        closed = self._stale or self._doubted
        apart = closed or self.context or self.last_row is not None
        found = [{} if apart else d.items for d in self.pipeline.direct]
        self.direct, self.formatted, *_ = found

    @property
    def catalogue(self) -> Catalogue:
        """What the database says of its tables; read again if that has changed."""
        self._look()
        return self._catalogue

    def set_context(self, given: Mapping[str, object]) -> None:
        """Set the values below those of the context; checked and copied."""
        self.context = checked_values(given)
        self._open_direct()

    def inserts(self, plan: Plan) -> bool:
        """Whether the driver tells of the rows that a plan inserts."""
        table = self._catalogue.tables.get(plan.target)
        known = table is None or bool(self.dialect.row_number(table))
        return plan.kind == "insert" and known

    def set_last_row(self, row: int | None) -> None:
        """Follow each execution while the driver does not know the last row."""
        self.last_row = row
        self.hooked = self._hooked or row is not None
        self._open_direct()

    def in_context(self) -> AbstractContextManager[None]:
        """A block in which the connection's own values are in force, too."""
        return above(self.context) if self.context else nullcontext()

    def scope(self) -> frozenset[str]:
        """What decides how a statement is planned now, besides its text."""
        flags = scope()
        if not self._flags:
            return flags
        return flags.union(*(hook() for hook in self._flags))

    def protected(self) -> frozenset[str]:
        """The tables that plugins hide rows of, those apart that are bypassed."""
        if not self.plugins:
            return frozenset()
        flags, catalogue = scope(), self.catalogue
        hiding = [p for p in self.plugins if p.hides_rows]
        active = [p for p in hiding if f"bypass:{p.name}" not in flags]
        return frozenset(name for p in active for name in p.protected(catalogue))

    def close(self, close_raw: Callable[[], None]) -> None:
        """Let the plugins go, and close the raw connection by ``close_raw``.

        If that fails, as it does in a wrong thread, the connection stays protected.
        """
        started, self._started = self._started, ()
        try:
            destroy(started, self)
        finally:
            close_raw()
            self.transaction.ended(undone=False)
            self.closed, self.plugins = True, ()

    def execute(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        cursor = self.raw_class.cursor(self._raw)
        try:
            cursor.row_factory = None
            return list(cursor.execute(sql, parameters))
        finally:
            cursor.close()

    def definition(self, view: Table) -> str:
        """The text of the statement that makes a view."""
        return self.dialect.definition(self.execute, view)

    def execute_planned(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL as the caller's own is run: all plugins that are in force edit it."""
        with self.in_context():
            return self._execute_planned(sql, parameters)

    def _execute_planned(self, sql: str, parameters: Parameters) -> list[Any]:
        plan = self.plan(sql, format_style=self.style(parameters))
        self.check_supplied(plan, (parameters,))
        todo = steps(plan, parameters)
        rows: Any = None
        try:
            while True:
                try:
                    rows = self.execute(*todo.send(rows))
                except StopIteration as done:
                    return self.execute(*done.value)
        except self.driver.Error as error:
            raise self.error(error) from error

    def style(self, parameters: Parameters) -> int:
        """By which of the dialect's lexers SQL of ours with such values is read."""
        return 0

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed.

        Raises what a plugin finds wrong with it. The old one stays in force then, but
        no statement is planned by it, or known, until one that comes finds it mended.
        """
        if not self.plugins:
            self._adopt(self._catalogue)
            return False
        before, stamped = self._catalogue, self._stamped
        self.invalidate()
        self._adopt(self._read_catalogue())
        changed = self._catalogue.version != before.version
        try:
            if changed or self._in_doubt():
                self._recheck()
        except BaseException:
            self._adopt(before)
            self._stamped = stamped
            self.invalidate()
            raise
        return changed

    def _recheck(self) -> None:
        """Let the plugins that are in force look at the catalogue."""
        active = [p for p in self._started if not _bypassed(p)]
        names, others = frozenset(p.name for p in active), self._doubted
        self._doubted -= names  # they may ask for plans
        try:
            recheck(active, self)
        except BaseException:
            self._doubted = others | names
            raise
        self._open()

    def _in_doubt(self) -> bool:
        """Whether a plugin that is in force has found the schema wrong."""
        doubted = [p for p in self._started if p.name in self._doubted]
        return not all(map(_bypassed, doubted))

    def _look(self) -> None:
        """Read the catalogue if it may be another one, or was found wrong."""
        if self._stale or self._in_doubt():
            self.refresh()

    def reread(self) -> bool:
        """As ``refresh``, where another connection may have changed the schema."""
        return not fresh.is_current(self) and self.refresh()

    def stands_alone(self, text: str, style: int) -> bool:
        """Whether the plan of a text stands on no catalogue."""
        return self.pipeline.stands_alone(text, style)

    def invalidate(self) -> None:
        """Have the catalogue read again before the next statement is planned."""
        self._stale = True
        self._open()

    def _adopt(self, catalogue: Catalogue) -> None:
        self._stale = False
        self._catalogue = catalogue
        self._new_pipeline()

    def done(self, plan: Plan) -> None:
        """Follow a statement that has succeeded.

        Raises what a plugin finds wrong with a schema that it changed.
        """
        if plan.effect == "catalogue":
            self.transaction.changed()
            self._reread()
        elif plan.effect == "transaction":
            lexemes = self.pipeline.lexers[0].lex(plan.sql)
            tokens = [t.text for t in lexemes if t.kind not in ("blank", "comment")]
            control = read(tokens, self._name)
            if control is not None:
                self._controlled(control)

    def _controlled(self, control: Control) -> None:
        if control.verb == "prepare":
            self.prepared()
        elif control.verb == "commit prepared":
            self.overtaken()
        elif self.transaction.after(control):
            self._undone()

    def holding(self, plan: Plan | None) -> AbstractContextManager[None]:
        """A block in which the database may use what the plan holds; in strict mode."""
        return nullcontext()

    def declare(self, function: str) -> None:
        """Let strict mode know a function of the program's own."""
        name = self.dialect.fold(function, quoted=True)
        if self.mode == "strict" and name not in self._declared:
            self._declared |= {name}
            self._new_pipeline()

    def atomic(self, *, returns: bool = False) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        In an open transaction it is a part of that; else the driver's way of beginning
        transactions decides whether it is committed at the end or left open. With
        ``returns`` the last statement has rows still to be read after the block.
        """
        raise NotImplementedError

    def shielded(self) -> AbstractContextManager[None]:
        """A block of one statement, whose error ``recovered`` undoes.

        Raises ``UnsupportedStatement`` where that cannot be.
        """
        return nullcontext()

    def recovered(self) -> AbstractContextManager[None]:
        """A block in which what failed in ``shielded`` is tried in another way.

        Without success the transaction is as that error had left it.
        """
        return nullcontext()

    def new_copy(self) -> Any:
        """A connection of the driver to an empty database, for a copy of this one."""
        raise NotImplementedError

    def copy_into(self, copy: Any) -> None:
        """Give a connection of the driver all tables, with all rows."""
        raise NotImplementedError

    def undoable(self) -> AbstractContextManager[None]:
        """A block whose change of the schema is undone by an error in it."""
        return self._together(Begin("BEGIN", kept=False, tried=True))

    @contextmanager
    def _together(self, begin: Begin, *, release: bool = True) -> Iterator[None]:
        run, undo = self.execute, self._undo
        with (
            self.turn.block(),
            atomic(self.transaction, run, undo, begin, release=release),
        ):
            yield

    def _undo(self, sql: str) -> None:
        """Go back in a transaction."""
        self._quietly(lambda: self.execute(sql))

    def ended(self, *, undone: bool) -> None:
        """The transaction has ended, but not by a statement."""
        if self.transaction.ended(undone=undone):
            self._undone()

    def _undone(self) -> None:
        """Read the catalogue: a change of it is undone.

        If it is wrong still, the next statement says so: the transaction has ended.
        """
        with suppress(Error):
            self._reread()

    def _reread(self) -> None:
        """Read the catalogue now; if that fails, the next statement tries again."""
        with suppress(self.driver.Error):
            self.refresh()

    def failed_statement(self) -> None:
        """A statement has failed, and may have ended the transaction."""
        if self.transaction.failed():
            self.invalidate()

    def prepared(self) -> None:
        """The transaction has been prepared: others may end it.

        What it has changed is locked until then, so the schema is not read now.
        """
        if self.transaction.ended(undone=True):
            self.invalidate()

    def overtaken(self) -> None:
        """What was prepared has been committed, and may have changed the schema."""
        if self.transaction.ended(undone=True) or self._stale or not self.plugins:
            self.invalidate()
            return
        self.invalidate()
        with suppress(self.driver.Error):
            if self._quietly(self._stamp) == self._stamped:
                self._adopt(self._catalogue)

    def replaced(self) -> None:
        """The whole database may be another one now."""
        self.transaction.ended(undone=True)
        self.invalidate()

    def _name(self, token: str) -> str:
        return self.dialect.fold(self.dialect.unquote(token), quoted=True)

    def _read_catalogue(self) -> Catalogue:
        def read() -> Catalogue:
            self._stamped = self._stamp()
            return self.dialect.read_catalogue(self.execute)

        found = self._quietly(read)
        if self._home is None:
            self._home = found.home
        # no statement may have the names of a configuration mean other tables
        return found.at_home(self._home)

    def _stamp(self) -> object:
        return self.dialect.schema_stamp(self.execute)

    def _table_stamps(self, *of: Any) -> Mapping[str, object] | None:
        return self.dialect.table_stamps(self.execute, *of)

    def _quietly(self, work: Callable[[], _Result]) -> _Result:
        self.reading = True
        try:
            return work()
        finally:
            self.reading = False

    def plan(self, text: str, *, format_style: int = 0) -> Plan:
        """The plan for a text that ``plans`` does not hold.

        A new shape is planned by the schema as it is now; a name that is not known
        makes the catalogue be read once more in any case.
        """
        style, now = format_style, self.scope()
        if self._stale or self._doubted:
            if self.stands_alone(text, style):
                return self.pipeline.plan(text, now, format_style=style)
            self._look()
        known = self.pipeline.known(text, now, format_style=style)
        if known is not None:
            return known
        try:
            plan = fresh.plan(self, text, now, style)
        except UnsupportedStatement as error:
            if error.code != "unchecked-view":
                raise
            # it was made, or changed, where its plugin was bypassed
            recheck([p for p in self._started if not _bypassed(p)], self)
            plan = self.pipeline.plan(text, now, format_style=style)
        if not plan.keep and self.refresh():
            plan = self.pipeline.plan(text, now, format_style=style)
        return plan

    def collided(self, error: BaseException, plan: Plan) -> UniqueKey | None:
        """The unique key of a plan's target that refused a row."""
        table = self._catalogue.tables.get(plan.target)
        if table is None:
            return None
        return violated_key(error, table, self._catalogue, self.dialect)

    def check_context(self, plan: Plan) -> None:
        """Raise ``ConfigurationError`` for a value of the context that cannot be bound.

        It is asked when a statement has failed: the driver tells a number alone.
        """
        for bind in plan.binds:
            value = values().get(bind.key)
            if bind.key and value is not None and not self.binds(value):
                raise ConfigurationError(
                    f"context: the driver cannot bind {bind.key}, of type "
                    f"{type(value).__name__}; give what the database stores",
                    code="context-value",
                )

    def check_supplied(self, plan: Plan, rows: Iterable[Parameters]) -> None:
        """Raise ``PolicyViolation`` for a value that must be ours, and is another."""
        for one in plan.supplied:
            ours = one.bind.source()
            for number, row in enumerate(rows):
                if not one.is_right(row, ours):
                    raise violation(one.label, number)

    def binds(self, value: object) -> bool:
        """Whether the driver can bind a value."""
        return True

    def error(self, error: BaseException) -> BaseException:
        """The error as both our class and the driver's."""
        if isinstance(error, self.driver.Error):
            violated = self.violated(error)
            if violated is not None:
                violated.__cause__ = error
                error = violated
        return translate(error, self.driver)

    def violated(
        self, error: BaseException, row: int | None = None
    ) -> PolicyViolation | None:
        """The violation of a check that made the driver raise its error.

        ``row`` is the number of the row, where each is a statement of its own.
        """
        return self.violations.error(row)

    def explained(self, error: BaseException, plan: Plan) -> BaseException:
        """What plugins make of the error of a statement."""
        if plan.edits and self.dialect.is_too_deep(error):
            deep = UnsupportedStatement(
                "with what the plugins add the statement is nested too deep for the "
                "database; use WITH or a temporary table",
                code="too-deep",
            )
            deep.__cause__ = error
            error = self.error(deep)
        for plugin in self.plugins:
            try:
                error = self.error(plugin.explain_error(error, plan, self))
            except Exception as another:
                error = self.error(another)
        return error

    def event(self, text: str, plan: Plan, parameters: Any) -> Event:
        """What the hooks of an execution are given."""
        names = tuple(dict.fromkeys(e.plugin for e in plan.edits))
        return Event(text, plan.sql, parameters, plan.kind, names, self)

    def watched(self, event: Event, run: Callable[[], int]) -> None:
        """Run between the hooks; ``run`` returns the rowcount."""
        for hook in self.before:
            hook(event)
        start = perf_counter()
        try:
            event.rowcount = run()
        except BaseException as error:
            event.elapsed = perf_counter() - start
            for hook in self.failed:
                hook(event, error)
            raise
        event.elapsed = perf_counter() - start
        for hook in self.after:
            hook(event)


def _bypassed(plugin: Plugin) -> bool:
    return f"bypass:{plugin.name}" in scope()
