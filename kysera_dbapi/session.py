"""One wrapped connection's state, shared by its proxy and its cursors."""

from collections.abc import Callable, Generator, Sequence
from time import perf_counter
from typing import Any

from kysera_dbapi._context import scope
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import ConfigurationError, translate
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Event, Mode, Plugin, destroy, hooks, initialise
from kysera_dbapi.protocols import Parameters

__all__ = ["Session", "steps"]

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
        self.catalogue = Catalogue(known=False)
        if self.plugins:
            self.catalogue = dialect.read_catalogue(self.execute)
        self._new_pipeline()
        self.before = hooks(self.plugins, "before_execute")
        self.after = hooks(self.plugins, "after_execute")
        self.failed = hooks(self.plugins, "on_error")
        self.hooked = bool(self.before or self.after or self.failed)
        initialise(self.plugins, self)

    def _new_pipeline(self) -> None:
        self.pipeline = Pipeline.shared(
            self.dialect, self.plugins, self.catalogue, self.mode
        )
        self.plans = self.pipeline.plans.items

    def close(self) -> None:
        """Let the plugins go."""
        plugins, self.plugins = self.plugins, ()
        destroy(plugins, self)

    def execute(
        self, sql: str, parameters: Parameters = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        cursor = self.driver.Cursor(self.raw)
        try:
            cursor.row_factory = None
            return list(cursor.execute(sql, parameters))
        finally:
            cursor.close()

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed."""
        if not self.plugins:
            self._new_pipeline()
            return False
        catalogue = self.dialect.read_catalogue(self.execute)
        changed = catalogue.version != self.catalogue.version
        if changed:
            self.catalogue = catalogue
            self._new_pipeline()
        return changed

    def plan(self, text: str, *, format_style: bool = False) -> Plan:
        """The plan for a text, by a fresh catalogue if the known one lacks a name."""
        known = self.pipeline.known(text, scope(), format_style=format_style)
        if known is not None:
            return known
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
