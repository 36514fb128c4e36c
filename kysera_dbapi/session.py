"""One wrapped connection's state, shared by its proxy and its cursors."""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any, ClassVar

from kysera_dbapi._context import scope
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import ConfigurationError, translate
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Event, Mode, Plugin, destroy, hooks, initialise
from kysera_dbapi.protocols import Parameters
from kysera_dbapi.transaction import Stack, read

__all__ = ["Session", "check_mode", "steps"]

_MODES = ("normal", "strict", "report")


def check_mode(mode: object) -> None:
    """Raise ``ConfigurationError`` (unknown-mode) for what is no mode."""
    if mode not in _MODES:
        raise ConfigurationError(
            f"unknown mode {mode!r}; known are {', '.join(_MODES)}",
            code="unknown-mode",
        )


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
        self.raw = raw
        self.driver = driver
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.mode: Mode = mode
        #: Whether SQL of ours is running that is no part of the caller's work.
        self.reading = False
        #: What is open of the caller's transaction.
        self.transaction = Stack(raw)
        self.closed = False
        self._stale = False
        self._catalogue = Catalogue(known=False)
        if self.plugins and opened:
            self._catalogue = self._read_catalogue()
        self._new_pipeline()
        self.before = hooks(self.plugins, "before_execute")
        self.after = hooks(self.plugins, "after_execute")
        self.failed = hooks(self.plugins, "on_error")
        self.hooked = bool(self.before or self.after or self.failed)
        self._started: tuple[Plugin, ...] = ()

    def start(self) -> None:
        """Let the plugins check their configuration against the database."""
        initialise(self.plugins, self)
        self._started = self.plugins

    def _new_pipeline(self) -> None:
        self.pipeline = Pipeline(self.dialect, self.plugins, self._catalogue, self.mode)
        self.plans = self.pipeline.plans.items

    @property
    def catalogue(self) -> Catalogue:
        """What the database says of its tables; read again if that has changed."""
        if self._stale:
            self.refresh()
        return self._catalogue

    def protected(self) -> frozenset[str]:
        """The tables that plugins protect, those apart that are bypassed."""
        if not self.plugins:
            return frozenset()
        flags, catalogue = scope(), self.catalogue
        active = [p for p in self.plugins if f"bypass:{p.name}" not in flags]
        return frozenset(name for p in active for name in p.protected(catalogue))

    def close(self) -> None:
        """Let the plugins go."""
        self.closed = True
        self.transaction.ended(undone=False)
        started, self._started, self.plugins = self._started, (), ()
        destroy(started, self)

    def execute(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        cursor = self.raw_class.cursor(self.raw)
        try:
            cursor.row_factory = None
            return list(cursor.execute(sql, parameters))
        finally:
            cursor.close()

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed."""
        self._stale = False
        if not self.plugins:
            self._new_pipeline()
            return False
        try:
            catalogue = self._read_catalogue()
        except BaseException:
            self.invalidate()
            raise
        changed = catalogue.version != self._catalogue.version
        if changed:
            self._catalogue = catalogue
            self._new_pipeline()
        return changed

    def invalidate(self) -> None:
        """Have the catalogue read again before the next statement is planned."""
        self._stale = True
        self._new_pipeline()

    def done(self, plan: Plan) -> None:
        """Follow a statement that has succeeded and was no plain read or write."""
        if plan.effect == "catalogue":
            self.transaction.changed()
            self._reread()
        elif plan.effect == "transaction":
            lexemes = self.pipeline.lexers[0].lex(plan.sql)
            tokens = [t.text for t in lexemes if t.kind not in ("blank", "comment")]
            control = read(tokens, self._name)
            if control is not None and self.transaction.after(control):
                self._reread()

    def ended(self, *, undone: bool) -> None:
        """The transaction has ended, but not by a statement."""
        if self.transaction.ended(undone=undone):
            self._reread()

    def _reread(self) -> None:
        """Read the catalogue now; if that fails, the next statement tries again."""
        with suppress(self.driver.Error):
            self.refresh()

    def failed_statement(self) -> None:
        """A statement has failed, and may have ended the transaction."""
        if self.transaction.failed():
            self.invalidate()

    def replaced(self) -> None:
        """The whole database may be another one now."""
        self.transaction.ended(undone=True)
        self.invalidate()

    def _name(self, token: str) -> str:
        return self.dialect.fold(self.dialect.unquote(token), quoted=True)

    def _read_catalogue(self) -> Catalogue:
        self.reading = True
        try:
            return self.dialect.read_catalogue(self.execute)
        finally:
            self.reading = False

    def plan(self, text: str, *, format_style: bool = False) -> Plan:
        """The plan for a text, by a fresh catalogue if the known one lacks a name."""
        if self._stale:
            self.refresh()
        plan = self.pipeline.plan(text, scope(), format_style=format_style)
        if (not plan.keep or plan.reads_columns) and self.refresh():
            plan = self.pipeline.plan(text, scope(), format_style=format_style)
        return plan

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


def steps(
    plan: Plan, parameters: Parameters
) -> Generator[tuple[str, Any], list[tuple[Any, ...]], tuple[str, Any]]:
    """What to execute before a plan's own statement, and at last that statement.

    Yields (sql, parameters) and is sent the rows; does no I/O itself.
    """
    values = tuple(bind.source() for bind in plan.binds)
    if plan.image is not None:
        image = plan.image.binding.bind(parameters, values)
        rows = yield plan.image_sql, image
        known = dict(zip(plan.binds, values, strict=True))
        for companion in plan.companions:
            yield from companion(rows, known)
    if plan.program is None:
        return plan.sql, parameters
    return plan.sql, plan.program.binding.bind(parameters, values)
