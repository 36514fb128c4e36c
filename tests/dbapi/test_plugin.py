"""Plugins: what is accepted, their order, start and stop, hooks."""

import random
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.errors import (
    ConfigurationError,
    ContextMissing,
    OperationalError,
    PluginError,
)
from kysera_dbapi.plugin import (
    Host,
    Plugin,
    destroy,
    hooks,
    initialise,
    intercept,
    ordered,
)

HOST = cast("Host", object())
DRAFT = cast("Any", object())


class Sample(Plugin):
    """A plugin that notes what it is called for, and fails where it is told to."""

    def __init__(
        self,
        name: Any,
        *,
        needs: Iterable[str] = (),
        conflicts: Iterable[str] = (),
        priority: int = 0,
        log: list[str] | None = None,
    ) -> None:
        self.name = name
        self.dependencies = tuple(needs)
        self.conflicts = tuple(conflicts)
        self.priority = priority
        self.log: list[str] = [] if log is None else log
        self.failures: dict[str, BaseException] = {}

    def note(self, hook: str) -> None:
        self.log.append(f"{hook} {self.name}")
        if hook in self.failures:
            raise self.failures[hook]

    def on_init(self, host: Host) -> None:
        assert host is HOST
        self.note("init")

    def on_destroy(self, host: Host) -> None:
        assert host is HOST
        self.note("destroy")

    def intercept(self, statement: Any) -> None:
        assert statement is DRAFT
        self.note("intercept")


def samples(names: str, **failures: BaseException) -> tuple[list[Sample], list[str]]:
    """Plugins with one log; ``b_init=error`` makes ``on_init`` of b fail."""
    log: list[str] = []
    made = {name: Sample(name, log=log) for name in names}
    for key, error in failures.items():
        name, _, hook = key.partition("_")
        made[name].failures[hook] = error
    return list(made.values()), log


def refused(plugins: Any) -> tuple[str, str]:
    """The code and the text of the error for a set of plugins."""
    with pytest.raises(PluginError) as info:
        ordered(plugins)
    return info.value.code, str(info.value)


def names(plugins: Iterable[Plugin]) -> list[str]:
    return [plugin.name for plugin in plugins]


# what is accepted


def test_none_at_all() -> None:
    assert ordered([]) == ()


def test_any_iterable_of_plugins() -> None:
    one = Sample("a")
    assert ordered(iter([one])) == ordered({one}) == (one,)


@pytest.mark.parametrize(
    ("plugins", "text"),
    [
        (Sample("a"), "a list of Plugin instances"),
        (None, "a list of Plugin instances, got None"),
        ("ab", "got 'a'"),
        ([Sample], "got the class; pass an instance"),
        ([object()], "got <object"),
        ([Sample("")], "a name that is not empty"),
        ([Sample("  ")], "a name that is not empty"),
        ([Sample(None)], "a name that is not empty"),
        ([Plugin()], "a name that is not empty"),
    ],
)
def test_what_is_no_plugin(plugins: Any, text: str) -> None:
    code, message = refused(plugins)
    assert code == "plugin-type"
    assert text in message


@pytest.mark.parametrize("priority", ["high", None, [1]])
def test_a_priority_must_be_a_number(priority: Any) -> None:
    code, message = refused([Sample("a", priority=priority), Sample("b")])
    assert code == "plugin-type"
    assert "priority of plugin 'a'" in message


@pytest.mark.parametrize("attribute", ["dependencies", "conflicts"])
@pytest.mark.parametrize("value", ["audit", None, ("audit", 7), [""]])
def test_names_must_come_in_a_tuple(attribute: str, value: Any) -> None:
    plugin = Sample("a")
    setattr(plugin, attribute, value)
    code, message = refused([plugin])
    assert code == "plugin-type"
    assert f"{attribute} of plugin 'a'" in message


async def late(event: object) -> None: ...


def lazy(event: object) -> Iterable[int]:
    yield 1


def of_one(event: object) -> None: ...


def of_two(host: object, more: object) -> None: ...


BAD_HOOKS: list[tuple[str, Any]] = [
    ("before_execute", late),
    ("before_execute", lazy),
    ("intercept", None),
    ("intercept", lambda: None),
    ("on_init", of_two),
    ("on_error", of_one),
    ("protected", lambda: ()),
]


@pytest.mark.parametrize(("hook", "value"), BAD_HOOKS)
def test_a_hook_that_could_not_be_called(hook: str, value: Any) -> None:
    plugin = Sample("a")
    setattr(plugin, hook, value)
    code, message = refused([plugin])
    assert code == "plugin-hook"
    assert message.startswith(f"{hook} of plugin 'a' must ")


def test_the_same_name_twice() -> None:
    code, message = refused([Sample("a"), Sample("b"), Sample("a")])
    assert (code, "'a'" in message) == ("plugin-duplicate", True)


def test_a_dependency_that_is_not_there() -> None:
    code, message = refused([Sample("a", needs=["b"])])
    assert code == "plugin-missing"
    assert "plugin 'a' needs plugin 'b'" in message


@pytest.mark.parametrize("turned", [False, True])
def test_a_conflict_declared_by_one_of_them(turned: bool) -> None:
    plugins = [Sample("a", conflicts=["b"]), Sample("b")]
    code, message = refused(plugins[::-1] if turned else plugins)
    assert code == "plugin-conflict"
    assert "'a'" in message
    assert "'b'" in message


def test_a_plugin_is_no_conflict_of_its_own() -> None:
    assert names(ordered([Sample("a", conflicts=["a"])])) == ["a"]


def test_a_conflict_with_one_that_is_not_there() -> None:
    assert names(ordered([Sample("a", conflicts=["b"])])) == ["a"]


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"a": "b", "b": "c", "c": "b", "d": "a"}, "b -> c -> b"),
        ({"a": "", "b": "ac", "c": "d", "d": "b"}, "b -> c -> d -> b"),
    ],
)
def test_a_cycle_is_shown(needs: dict[str, str], path: str) -> None:
    code, message = refused([Sample(name, needs=on) for name, on in needs.items()])
    assert code == "plugin-cycle"
    assert message.endswith(f": {path}")


# order


def test_dependencies_then_priority_then_name() -> None:
    plugins = [
        Sample("debug", priority=-100),
        Sample("audit", priority=50, needs=["debug"]),
        Sample("soft_delete", priority=500),
        Sample("rls", priority=1000, needs=["audit"]),
        Sample("also", priority=500),
    ]
    expected = ["also", "soft_delete", "debug", "audit", "rls"]
    assert names(ordered(plugins)) == expected


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool) -> list[Sample]:
    """Plugins with dependencies; none on a later one unless ``cyclic``."""
    known = list("abcdefgh"[: draw(st.integers(0, 8))])
    made: list[Sample] = []
    for index, name in enumerate(draw(st.permutations(known))):
        others = known if cyclic else names(made[:index])
        needs = draw(st.sets(st.sampled_from(others))) if others else set[str]()
        made.append(Sample(name, needs=needs, priority=draw(st.integers(-1, 1))))
    return made


@given(graphs(cyclic=False), st.randoms(use_true_random=False))
def test_the_order_is_a_law(plugins: list[Sample], chance: random.Random) -> None:
    expected: list[Plugin] = []
    waiting = list(plugins)
    while waiting:
        ready = [p for p in waiting if not {*p.dependencies} - {*names(expected)}]
        first = min(ready, key=lambda p: (-p.priority, p.name))
        expected.append(first)
        waiting.remove(first)
    chance.shuffle(plugins)
    assert ordered(plugins) == tuple(expected)


@given(graphs(cyclic=True))
def test_a_set_is_ordered_unless_it_has_a_cycle(plugins: list[Sample]) -> None:
    needs = {plugin.name: set(plugin.dependencies) for plugin in plugins}
    for middle in needs:  # what each needs, directly or not
        for name, reached in needs.items():
            if middle in reached:
                needs[name] = reached | needs[middle]
    if not any(name in reached for name, reached in needs.items()):
        assert set(ordered(plugins)) == set(plugins)
        return
    code, message = refused(plugins)
    path = message.rpartition(": ")[2].split(" -> ")
    direct = {plugin.name: plugin.dependencies for plugin in plugins}
    assert code == "plugin-cycle"
    assert path[0] == path[-1]
    assert all(b in direct[a] for a, b in pairwise(path))


# start and stop


def test_started_in_order_and_stopped_in_reverse() -> None:
    plugins, log = samples("abc")
    initialise(plugins, HOST)
    destroy(plugins, HOST)
    assert log == ["init a", "init b", "init c", "destroy c", "destroy b", "destroy a"]


def test_a_plugin_that_cannot_start_stops_those_before_it() -> None:
    reason = OperationalError("no such table: audit_log")
    plugins, log = samples("abcd", c_init=reason)
    with pytest.raises(PluginError, match=r"plugin 'c' .* no such table") as info:
        initialise(plugins, HOST)
    assert log == ["init a", "init b", "init c", "destroy b", "destroy a"]
    assert (info.value.code, info.value.__cause__) == ("plugin-init", reason)


@pytest.mark.parametrize(
    "reason",
    [
        ConfigurationError("users has no deleted_at", code="missing-column"),
        PluginError("x", code="plugin-hook"),
        KeyboardInterrupt(),
    ],
)
def test_what_passes_unchanged_when_a_plugin_cannot_start(
    reason: BaseException,
) -> None:
    plugins, log = samples("ab", b_init=reason)
    with pytest.raises(type(reason)) as info:
        initialise(plugins, HOST)
    assert info.value is reason
    assert log == ["init a", "init b", "destroy a"]
    assert info.value.__notes__ == ["raised by on_init of plugin 'b'"]


def test_a_stop_that_fails_does_not_hide_why_the_start_failed() -> None:
    failures = {"c_init": ValueError("why"), "b_destroy": OSError("also")}
    plugins, log = samples("abc", **failures)
    with pytest.raises(PluginError, match=r"'c' .*: why") as info:
        initialise(plugins, HOST)
    assert info.value.__cause__ is failures["c_init"]
    assert any("also" in note for note in failures["c_init"].__notes__)
    assert log[-2:] == ["destroy b", "destroy a"]


def test_all_are_stopped_whichever_fail() -> None:
    failures = {"a_destroy": OSError("disk"), "c_destroy": ValueError("odd")}
    plugins, log = samples("abc", **failures)
    with pytest.raises(PluginError) as info:
        destroy(plugins, HOST)
    assert log == ["destroy c", "destroy b", "destroy a"]
    assert info.value.code == "plugin-destroy"
    assert "2 plugin(s): 'c': odd; 'a': disk" in str(info.value)
    cause: Any = info.value.__cause__
    assert type(cause) is ExceptionGroup
    assert cast("Any", cause).exceptions == (
        failures["c_destroy"],
        failures["a_destroy"],
    )


# hooks


def test_each_plugin_intercepts_in_order() -> None:
    plugins, log = samples("ba")
    intercept(plugins, DRAFT)
    assert log == ["intercept b", "intercept a"]


def test_an_error_of_intercept_keeps_its_class_and_names_the_plugin() -> None:
    reason = ContextMissing("no tenant")
    plugins, log = samples("abc", b_intercept=reason)
    with pytest.raises(ContextMissing) as info:
        intercept(plugins, DRAFT)
    assert info.value is reason
    assert reason.__notes__ == ["raised by intercept of plugin 'b'"]
    assert log == ["intercept a", "intercept b"]


class Watcher(Sample):
    def after_execute(self, event: Any) -> None:
        self.note("after")


def test_hooks_are_those_that_are_overridden() -> None:
    plain, one, two = Sample("plain"), Watcher("one"), Watcher("two")
    found = hooks([one, plain, two], "after_execute")
    assert found == (one.after_execute, two.after_execute)
    assert hooks([one, plain, two], "before_execute") == ()


def test_a_hook_set_on_the_instance_counts() -> None:
    plugin = Sample("a")
    seen: list[object] = []
    given: Callable[[Any], None] = seen.append
    setattr(plugin, "before_execute", given)  # noqa: B010 (type checkers)
    (hook,) = hooks(ordered([plugin]), "before_execute")
    hook(DRAFT)
    assert seen == [DRAFT]


def test_the_base_does_nothing() -> None:
    class Quiet(Plugin):
        name = "quiet"

    (plugin,) = ordered([Quiet()])
    initialise([plugin], HOST)
    intercept([plugin], DRAFT)
    destroy([plugin], HOST)
    assert tuple(plugin.protected(Catalogue())) == ()
    assert (plugin.version, plugin.priority) == ("0", 0)


HOOKS = ("intercept", "before_execute", "after_execute", "on_error", "explain_error")


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_of_a_hook_leaves_the_connection_as_both_kinds(hook: str) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.DataError("of the plugin")

    plugin = Plugin()
    plugin.name = "failing"
    setattr(plugin, hook, fail)
    fails = hook in ("on_error", "explain_error")
    with closing(kysera_dbapi.connect("sqlite://", plugins=[plugin])) as connection:
        with pytest.raises(errors.DataError, match="of the plugin") as caught:
            connection.execute("SELECT missing" if fails else "SELECT 1")
        assert isinstance(caught.value, sqlite3.DataError)
