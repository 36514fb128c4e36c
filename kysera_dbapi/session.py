"""One wrapped connection's state, shared by its proxy and its cursors."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, TypeVar

from kysera_dbapi._context import scope
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, translate
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import (
    Event,
    Mode,
    Plugin,
    destroy,
    hooks,
    initialise,
    recheck,
)
from kysera_dbapi.protocols import Parameters
from kysera_dbapi.transaction import Transactions

__all__ = ["Session", "steps"]

_Result = TypeVar("_Result")
_MODES = ("normal", "strict", "report")


class Session:
    """The raw connection, its catalogue and its plans. It holds no cursor or proxy."""

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
        if mode not in _MODES:
            raise ConfigurationError(
                f"unknown mode {mode!r}; known are {', '.join(_MODES)}",
                code="unknown-mode",
            )
        self.raw = raw
        self.driver = driver
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.mode: Mode = mode
        #: Whether SQL of ours is running that is no part of the caller's work.
        self.reading = False
        self._stamped: object = None
        self.catalogue = Catalogue(known=False)
        if self.plugins and opened:
            self.catalogue = self._read_catalogue()
        self._new_pipeline()
        self.before = hooks(self.plugins, "before_execute")
        self.after = hooks(self.plugins, "after_execute")
        self.failed = hooks(self.plugins, "on_error")
        self.rechecks = bool(hooks(self.plugins, "on_catalogue"))
        self.hooked = bool(self.before or self.after or self.failed)
        self.transactions = Transactions(raw)
        self._started: tuple[Plugin, ...] = ()
        if opened:
            initialise(self.plugins, self)
            self._started = self.plugins

    def _new_pipeline(self) -> None:
        self.pipeline = Pipeline.shared(
            self.dialect, self.plugins, self.catalogue, self.mode
        )
        self.plans = self.pipeline.plans.items
        #: The texts to send by those given, where that is all: outside of every block.
        self.direct = self.pipeline.direct.items

    def close(self) -> None:
        """Let the plugins go."""
        started, self._started, self.plugins = self._started, (), ()
        destroy(started, self)

    def execute(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        cursor = self.driver.Connection.cursor(self.raw)
        try:
            cursor.row_factory = None
            return list(cursor.execute(sql, parameters))
        finally:
            cursor.close()

    def execute_planned(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL as the caller's own is run: all plugins that are in force edit it."""
        todo = steps(self.plan(sql), parameters)
        rows: Any = None
        try:
            while True:
                try:
                    rows = self.execute(*todo.send(rows))
                except StopIteration as done:
                    return self.execute(*done.value)
        except self.driver.Error as error:
            raise self.error(error) from error

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed.

        Raises what a plugin finds wrong with it; the old one stays in force then.
        """
        if not self.plugins:
            self._new_pipeline()
            return False
        before, stamped = self.catalogue, self._stamped
        catalogue = self._read_catalogue()
        if catalogue.version == before.version:
            return False
        self._adopt(catalogue)
        try:
            recheck([p for p in self._started if not _bypassed(p)], self)
        except BaseException:
            self._adopt(before)
            self._stamped = stamped
            raise
        return True

    def _adopt(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._new_pipeline()

    def reread(self) -> bool:
        """As ``refresh``, where another connection may have changed the schema."""
        if not (self.plugins and self.catalogue.known):
            return False
        try:
            current = self._quietly(self._stamp)
        except self.driver.Error:  # locked: the statement will say so itself
            return False
        return current != self._stamped and self.refresh()

    def _read_catalogue(self) -> Catalogue:
        def read() -> Catalogue:
            self._stamped = self._stamp()
            return self.dialect.read_catalogue(self.execute)

        return self._quietly(read)

    def _stamp(self) -> object:
        return self.dialect.schema_stamp(self.execute)

    def _quietly(self, work: Callable[[], _Result]) -> _Result:
        self.reading = True
        try:
            return work()
        finally:
            self.reading = False

    def plan(self, text: str, *, format_style: bool = False) -> Plan:
        """The plan for a text that ``plans`` does not hold.

        A new shape is planned by the schema as it is now; a name that is not known
        makes the catalogue be read once more in any case.
        """
        style, now = format_style, scope()
        known = self.pipeline.known(text, now, format_style=style)
        if known is not None:
            return known
        self.reread()
        plan = self.pipeline.plan(text, now, format_style=style)
        if not plan.keep and self.refresh():
            plan = self.pipeline.plan(text, now, format_style=style)
        return plan

    def protected(self) -> set[str]:
        """The keys of the tables that the plugins in force protect."""
        flags = scope()
        active = [p for p in self.plugins if f"bypass:{p.name}" not in flags]
        return {key for p in active for key in p.protected(self.catalogue)}

    def follow(self, plan: Plan) -> None:
        """Take note of a statement that ran and had an effect besides its own."""
        if plan.effect == "catalogue":
            self.transactions.schema_changed()
            self.refresh()
        elif plan.effect == "transaction" and self.transactions.follow(plan.words):
            self.refresh()

    def rolled_back(self) -> None:
        """Take note of what may have rolled the transaction back."""
        try:
            undone = self.transactions.ended(undone=True)
        except self.driver.Error:  # closed
            return
        if undone:
            self.refresh()

    def atomic(self, *, returns: bool = False) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        ``returns`` says that its last statement has rows still to be read. Raises
        ``UnsupportedStatement`` if they could not be, outside of a transaction.
        """
        begin = self._begin()
        if returns and begin is None and not self.raw.in_transaction:
            raise UnsupportedStatement(
                "RETURNING of a statement with companions needs a transaction; begin "
                "one first",
                code="unsupported-construct",
            )
        # the rows that companions read must not change before the write
        return self.transactions.atomic(
            self.execute, begin=begin, alone="BEGIN IMMEDIATE", returns=returns
        )

    def _begin(self) -> str | None:
        """What the driver would begin a transaction with, if it would."""
        return None

    def error(self, error: BaseException) -> BaseException:
        """The error as both our class and the driver's."""
        return translate(error, self.driver)

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


def steps(
    plan: Plan, parameters: Parameters
) -> Generator[tuple[str, Any], list[tuple[Any, ...]], tuple[str, Any]]:
    """What to execute before a plan's own statement, and at last that statement.

    Yields (sql, parameters) and is sent the rows; does no I/O itself.
    """
    known = {bind: bind.source() for bind in plan.binds}
    if plan.image is not None:
        image = plan.image.binding.bind(parameters, tuple(known.values()))
        rows = yield plan.image_sql, image
        for companion in plan.companions:
            yield from companion(rows, known)
    if plan.program is None:
        return plan.sql, parameters
    values = tuple(known[bind] for bind in plan.binds)
    return plan.sql, plan.program.binding.bind(parameters, values)
