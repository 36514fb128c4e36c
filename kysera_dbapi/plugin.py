"""Plugins: what they may do, the order they work in, how they are started and stopped.

A plugin edits statements when they are planned (``intercept``) and sees them when
they run (``before_execute``, ``after_execute``, ``on_error``).
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from inspect import signature as signature_of
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from kysera_dbapi.errors import ConfigurationError, PluginError
from kysera_dbapi.mode import Mode

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue, ForeignKey, Table, Trigger
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.finding import Finding
    from kysera_dbapi.plan import Plan
    from kysera_dbapi.protocols import Parameters

__all__ = [
    "Event",
    "Hook",
    "Host",
    "Plugin",
    "check_viewed",
    "destroy",
    "hooks",
    "initialise",
    "intercept",
    "ordered",
    "owners",
    "recheck",
    "verified",
]

Hook = Literal["before_execute", "after_execute", "on_error", "on_catalogue", "flags"]


class Host(Protocol):
    """The connection, as a plugin sees it."""

    @property
    def dialect(self) -> "Dialect":
        """The rules of the connected database."""
        ...

    @property
    def catalogue(self) -> "Catalogue":
        """What the database says of its tables."""
        ...

    @property
    def mode(self) -> Mode:
        """How strictly statements are refused."""
        ...

    @property
    def plugins(self) -> "Sequence[Plugin]":
        """The plugins of the connection, in the order they work in."""
        ...

    def execute(
        self, sql: str, parameters: "Parameters" = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL of the plugin's own on the raw connection: no plugin edits it."""
        ...

    def definition(self, view: "Table") -> str:
        """The text of the statement that makes a view."""
        ...

    def execute_planned(
        self, sql: str, parameters: "Parameters" = (), /
    ) -> list[tuple[Any, ...]]:
        """Run SQL as the caller's own is run: all plugins that are in force edit it."""
        ...

    def atomic(self) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        In an open transaction it is a part of that; else the driver's way of beginning
        transactions decides whether it is committed at the end or left open.
        """
        ...

    def error(self, error: BaseException) -> BaseException:
        """The error as it leaves the connection: ours and the driver's."""
        ...


@dataclass(slots=True)
class Event:
    """One execution of a statement.

    ``sql`` is the caller's text and ``final_sql`` the one sent; ``plugins`` names
    those that edited it. ``rowcount`` and ``elapsed`` (seconds) are known afterwards.
    """

    sql: str
    final_sql: str
    parameters: Any
    kind: str
    plugins: tuple[str, ...]
    host: Host
    rowcount: int | None = None
    elapsed: float | None = None


class Plugin:
    """The base of plugins. Each hook does nothing until it is overridden.

    ``name`` is what errors, ``bypass()`` and other plugins call it. Among plugins
    that do not depend on each other, the one with the higher ``priority`` is first.
    ``system_tables`` are those that it keeps for itself, as an audit keeps its log, and
    writes to by ``Host.execute``: no other plugin may be configured for them, and
    ``verify()`` says nothing of them. They are no open door: where tables without a
    policy are refused, a caller's statement on one is refused, too.
    """

    name: str
    version: str = "0"
    priority: int = 0
    #: Names of plugins that must be there, and come before this one.
    dependencies: tuple[str, ...] = ()
    #: Names of plugins that must not be there.
    conflicts: tuple[str, ...] = ()
    #: Names of the tables that are its own: "audit_logs", or "main.audit_logs".
    system_tables: tuple[str, ...] = ()
    #: Whether rows of protected tables are hidden from some: what could show or change
    #: them unseen is refused then; else only writes that are not understood.
    hides_rows: bool = True
    #: Whether no expression of the caller's may be evaluated on a hidden row.
    bars: bool = False
    #: Whether ``flags`` is to be asked at all, if it is overridden.
    plans_vary: bool = True

    def on_init(self, host: Host) -> None:
        """Check the configuration against the database, once per connection.

        An error refuses the connection.
        """

    def on_destroy(self, host: Host) -> None:
        """Let go of what ``on_init`` took; the connection is about to close."""

    def on_catalogue(self, host: Host) -> None:
        """Check the configuration against a catalogue that has changed.

        An error undoes the statement that changed it, if it was this connection's, and
        leaves the old catalogue in force. It is not asked while it is bypassed.
        """

    def protected(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables whose statements this plugin must see, as "main.orders".

        The names are folded and have their schema, as ``Table.key``. What could read
        or change such a table unseen is refused; with none, nothing is refused.
        """
        return ()

    def configured(self, catalogue: "Catalogue") -> Collection[str]:
        """Those that the configuration names: by default all that are protected."""
        return self.protected(catalogue)

    def relied_on(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables that its conditions stand on: those protected, and those read.

        No temporary table may stand in the place of one.
        """
        return self.configured(catalogue)

    def accepts_trigger(self, trigger: "Trigger") -> bool:
        """Whether a trigger may use protected tables, though nothing filters it."""
        return False

    def reaches_hidden(self, key: "ForeignKey", catalogue: "Catalogue") -> bool:
        """Whether the action of a foreign key may change rows that are hidden.

        A statement that would set it off is refused then.
        """
        return False

    def flags(self) -> Collection[str]:
        """What of the context decides how statements are planned, as words.

        It is asked at each execution; a plan serves those with equal words.
        """
        return ()

    def intercept(self, statement: "Draft") -> None:
        """Edit or refuse a statement that is being planned.

        The plan is kept for later executions: what depends on values belongs into
        bound values, not into the edits.
        """

    def before_execute(self, event: Event) -> None:
        """See a statement before it is sent; an error stops it."""

    def after_execute(self, event: Event) -> None:
        """See a statement that succeeded."""

    def on_error(self, event: Event, error: BaseException) -> None:
        """See a statement that failed; the error is raised afterwards.

        If not, the statement is sent once more: by a fresh catalogue, or in another
        form.
        """

    def verify(self, host: Host) -> Iterable["Finding"]:
        """What is wrong with the database, that edits cannot mend."""
        return ()

    def explain_error(
        self, error: BaseException, plan: "Plan", host: Host
    ) -> BaseException:
        """What to raise for an error of a statement: the error, or a clearer one."""
        return error


# The arguments of each hook, self apart: checked when plugins are put in order.
_HOOKS = {
    "on_init": 1,
    "on_destroy": 1,
    "on_catalogue": 1,
    "protected": 1,
    "configured": 1,
    "accepts_trigger": 1,
    "reaches_hidden": 2,
    "flags": 0,
    "intercept": 1,
    "before_execute": 1,
    "after_execute": 1,
    "on_error": 2,
    "explain_error": 3,
    "verify": 1,
}


def ordered(plugins: Iterable[Plugin]) -> tuple[Plugin, ...]:
    """The plugins in the order they work in: dependencies, priority, then name.

    Raises ``PluginError``: plugin-type, plugin-hook, plugin-duplicate,
    plugin-missing, plugin-conflict or plugin-cycle.
    """
    by_name: dict[str, Plugin] = {}
    for plugin in map(_checked, _listed(plugins)):
        if plugin.name in by_name:
            raise PluginError(
                f"plugin {plugin.name!r} is there twice; pass it once",
                code="plugin-duplicate",
            )
        by_name[plugin.name] = plugin
    for _, plugin in sorted(by_name.items()):
        _check_relations(plugin, by_name)
    return _sorted(by_name)


def owners(plugins: Iterable[Plugin], catalogue: "Catalogue") -> dict[str, Plugin]:
    """The plugins that keep tables for themselves, by the keys of the tables."""
    return {
        table.key: plugin
        for plugin in plugins
        for name in plugin.system_tables
        if (table := catalogue.named(name)) is not None
    }


def initialise(plugins: Sequence[Plugin], host: Host) -> None:
    """Call every ``on_init`` in order; if one fails, undo those before it.

    Raises ``PluginError`` (plugin-init) from what the plugin raised; a
    ``ConfigurationError`` of the plugin's comes through as it is. Raises
    ``ConfigurationError`` (system-table) for a plugin that is configured for a table
    of another one's.
    """
    _check_owners(plugins, host)
    for index, plugin in enumerate(plugins):
        try:
            plugin.on_init(host)
        except BaseException as error:
            _blame(error, plugin, "on_init")
            _undo(plugins[:index], host, error)
            if isinstance(error, ConfigurationError) or not isinstance(
                error, Exception
            ):
                raise
            raise PluginError(
                f"plugin {plugin.name!r} could not be initialised: {error}",
                code="plugin-init",
            ) from error


def recheck(plugins: Sequence[Plugin], host: Host) -> None:
    """Call every ``on_catalogue`` in order; an error keeps its class, gets a note.

    Raises ``ConfigurationError`` (system-table) as ``initialise`` does.
    """
    _check_owners(plugins, host)
    for plugin in plugins:
        try:
            plugin.on_catalogue(host)
        except BaseException as error:
            _blame(error, plugin, "on_catalogue")
            raise


def verified(plugins: Sequence[Plugin], host: Host) -> Iterator["Finding"]:
    """What every ``verify`` finds; an error keeps its class, gets a note."""
    for plugin in plugins:
        try:
            yield from plugin.verify(host)
        except BaseException as error:
            _blame(error, plugin, "verify")
            raise


def destroy(plugins: Sequence[Plugin], host: Host) -> None:
    """Call every ``on_destroy`` in reverse order, whichever fail.

    Raises one ``PluginError`` (plugin-destroy) for all that failed; its cause is the
    group of their errors.
    """
    failed: dict[str, Exception] = {}
    for plugin in reversed(plugins):
        try:
            plugin.on_destroy(host)
        except Exception as error:
            _blame(error, plugin, "on_destroy")
            failed[plugin.name] = error
    if not failed:
        return
    reasons = "; ".join(f"{name!r}: {error}" for name, error in failed.items())
    raise PluginError(
        f"failed to destroy {len(failed)} plugin(s): {reasons}", code="plugin-destroy"
    ) from ExceptionGroup("on_destroy failed", list(failed.values()))


def intercept(plugins: Iterable[Plugin], statement: "Draft") -> None:
    """Let each plugin edit the statement; an error keeps its class and gets a note."""
    for plugin in plugins:
        try:
            plugin.intercept(statement)
        except BaseException as error:
            _blame(error, plugin, "intercept")
            raise


def check_viewed(statement: "Draft", table: "Table", versions: Collection[str]) -> None:
    """Refuse a statement on a view, unless it was checked by ``on_catalogue``.

    ``versions`` are those of the catalogues for which that has been done.
    """
    if table.is_view and statement.catalogue.version not in versions:
        statement.refuse(
            f"the view {table.name} was made, or changed, within bypass() and has not "
            "been checked; execute a statement on it",
            code="unchecked-view",
        )


def hooks(plugins: Iterable[Plugin], name: Hook) -> tuple[Callable[..., Any], ...]:
    """The bound methods of that name, of those plugins alone that override it."""
    unchanged = getattr(Plugin, name)
    asked = [p for p in plugins if name != "flags" or p.plans_vary]
    methods = (getattr(plugin, name) for plugin in asked)
    return tuple(m for m in methods if getattr(m, "__func__", None) is not unchanged)


def _check_owners(plugins: Sequence[Plugin], host: Host) -> None:
    """No table may be in the configuration of one plugin and belong to another."""
    if not any(plugin.system_tables for plugin in plugins):
        return
    catalogue = host.catalogue
    owned = owners(plugins, catalogue)
    for plugin in plugins:
        for key in (*plugin.configured(catalogue), *owners([plugin], catalogue)):
            if key in owned and owned[key] is not plugin:
                raise ConfigurationError(
                    f"plugin {plugin.name!r} is configured for {key}, which plugin "
                    f"{owned[key].name!r} keeps for itself; take the table out",
                    code="system-table",
                )


def _blame(error: BaseException, plugin: Plugin, hook: str) -> None:
    error.add_note(f"raised by {hook} of plugin {plugin.name!r}")


def _undo(started: Sequence[Plugin], host: Host, error: BaseException) -> None:
    try:
        destroy(started, host)
    except PluginError as second:
        error.add_note(str(second))


def _listed(plugins: object) -> list[object]:
    if isinstance(plugins, Plugin) or not isinstance(plugins, Iterable):
        raise PluginError(
            f"plugins must be a list of Plugin instances, got {plugins!r}",
            code="plugin-type",
        )
    return list(cast("Iterable[object]", plugins))


def _checked(plugin: object) -> Plugin:
    if not isinstance(plugin, Plugin):
        hint = "the class; pass an instance: " if isinstance(plugin, type) else ""
        raise PluginError(
            f"expected an instance of Plugin, got {hint}{plugin!r}", code="plugin-type"
        )
    if not _is_name(getattr(plugin, "name", None)):
        raise PluginError(
            f"plugin {plugin!r} must have a name that is not empty", code="plugin-type"
        )
    if not isinstance(cast("object", plugin.priority), int | float):
        raise PluginError(
            f"priority of plugin {plugin.name!r} must be a number, got "
            f"{plugin.priority!r}",
            code="plugin-type",
        )
    for attribute in ("dependencies", "conflicts", "system_tables"):
        names: object = getattr(plugin, attribute)
        if not isinstance(names, tuple | list | set | frozenset) or not all(
            map(_is_name, cast("Collection[object]", names))
        ):
            raise PluginError(
                f"{attribute} of plugin {plugin.name!r} must be a tuple of names, "
                f"got {names!r}",
                code="plugin-type",
            )
    for hook, arguments in _HOOKS.items():
        _check_hook(plugin, hook, arguments)
    return plugin


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_hook(plugin: Plugin, hook: str, arguments: int) -> None:
    method: object = getattr(plugin, hook)
    if not callable(method) or iscoroutinefunction(method) or _generates(method):
        raise PluginError(
            f"{hook} of plugin {plugin.name!r} must be a plain method, got {method!r}",
            code="plugin-hook",
        )
    try:
        signature_of(method).bind(*[None] * arguments)
    except TypeError as error:
        raise PluginError(
            f"{hook} of plugin {plugin.name!r} must take {arguments} argument(s): "
            f"{error}",
            code="plugin-hook",
        ) from error


def _generates(method: object) -> bool:
    return isgeneratorfunction(method) or isasyncgenfunction(method)


def _check_relations(plugin: Plugin, known: dict[str, Plugin]) -> None:
    for name in plugin.dependencies:
        if name not in known:
            raise PluginError(
                f"plugin {plugin.name!r} needs plugin {name!r}; pass it too",
                code="plugin-missing",
            )
    for name in plugin.conflicts:
        if name in known and name != plugin.name:
            raise PluginError(
                f"plugin {plugin.name!r} cannot work beside plugin {name!r}; "
                "pass one of them",
                code="plugin-conflict",
            )


def _sorted(known: dict[str, Plugin]) -> tuple[Plugin, ...]:
    """Dependencies first; among those ready, by priority and then by name."""
    waiting = {name: set(p.dependencies) for name, p in known.items()}
    ready = [(-known[n].priority, n) for n, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    found: list[Plugin] = []
    while ready:
        _, name = heapq.heappop(ready)
        found.append(known[name])
        del waiting[name]
        for other, needs in waiting.items():
            if name in needs:
                needs.discard(name)
                if not needs:
                    heapq.heappush(ready, (-known[other].priority, other))
    if waiting:
        path = " -> ".join(_cycle(waiting))
        raise PluginError(
            f"plugins depend on each other in a cycle: {path}", code="plugin-cycle"
        )
    return tuple(found)


def _cycle(waiting: dict[str, set[str]]) -> list[str]:
    name = min(waiting)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = min(waiting[name] & waiting.keys())
    return [*path[path.index(name) :], name]
