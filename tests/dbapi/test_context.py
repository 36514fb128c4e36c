"""Blocks that show deleted rows or bypass plugins: nesting, errors, threads, tasks."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kysera_dbapi._blocks import Block, scope
from kysera_dbapi._context import (
    bypass,
    bypass_reasons,
    including_deleted,
    only_deleted,
)
from kysera_dbapi.errors import ConfigurationError

INCLUDE = frozenset({"soft_delete.include"})
ONLY = frozenset({"soft_delete.only"})
NOTHING: frozenset[str] = frozenset()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each test begins and ends with nothing in force."""
    assert scope() == NOTHING
    yield
    assert scope() == NOTHING
    assert bypass_reasons() == ()


def nightly() -> Block:
    return bypass("rls", reason="nightly report")


# blocks


def test_a_block_sets_its_flag() -> None:
    with including_deleted():
        assert scope() == INCLUDE
    with only_deleted():
        assert scope() == ONLY
    with nightly():
        assert scope() == {"bypass:rls"}


def test_the_inner_block_replaces_the_outer_until_it_ends() -> None:
    with including_deleted():
        with only_deleted():
            assert scope() == ONLY
            with including_deleted():
                assert scope() == INCLUDE
            assert scope() == ONLY
        assert scope() == INCLUDE


def test_bypasses_add_up_with_their_reasons() -> None:
    with nightly(), including_deleted(), bypass("audit", reason="import"):
        assert scope() == INCLUDE | {"bypass:rls", "bypass:audit"}
        assert bypass_reasons() == (("rls", "nightly report"), ("audit", "import"))
        with bypass("rls", reason="again"):
            assert scope() == INCLUDE | {"bypass:rls", "bypass:audit"}
            assert bypass_reasons()[-1] == ("rls", "again")
        assert "bypass:rls" in scope()


def test_equal_scopes_are_equal_keys() -> None:
    with nightly(), including_deleted():
        one = scope()
    with including_deleted(), nightly():
        other = scope()
    assert hash(one) == hash(other)
    assert {one: 1}[other] == 1
    assert {one: 1}[frozenset({"bypass:rls", "soft_delete.include"})] == 1


def test_a_block_ends_on_an_error() -> None:
    with pytest.raises(ValueError, match="no"), nightly(), including_deleted():
        raise ValueError("no")
    assert scope() == NOTHING


def test_a_block_is_used_again_and_within_itself() -> None:
    block = nightly()
    for _ in range(2):
        with block:
            with block:
                assert bypass_reasons() == (("rls", "nightly report"),) * 2
            assert scope() == {"bypass:rls"}
        assert scope() == NOTHING


@pytest.mark.parametrize("plugin", ["", "  ", None, 7])
def test_a_bypass_wants_a_name(plugin: Any) -> None:
    with pytest.raises(ConfigurationError, match="bypass: plugin must be") as info:
        bypass(plugin, reason="x")
    assert info.value.code == "configuration"


@pytest.mark.parametrize("reason", ["", " \n", None, True])
def test_a_bypass_wants_a_reason(reason: Any) -> None:
    with pytest.raises(ConfigurationError, match="bypass: reason must be") as info:
        bypass("rls", reason=reason)
    assert repr(reason) in str(info.value)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_blocks_may_end_in_any_order(steps: list[tuple[int, bool]]) -> None:
    blocks = [including_deleted(), only_deleted(), nightly(), nightly()]
    active: list[Block] = []
    for index, enter in steps:
        block = blocks[index]
        if enter:
            block.__enter__()
            active.append(block)
        elif block in active:
            block.__exit__(None, None, None)
            # the innermost of its own
            del active[len(active) - 1 - active[::-1].index(block)]
        rows = [b.flag for b in active if b in blocks[:2]]
        bypassed = {"bypass:rls"} if set(active) & set(blocks[2:]) else set[str]()
        assert scope() == {*rows[-1:], *bypassed}
        assert len(bypass_reasons()) == len([b for b in active if b in blocks[2:]])
    for block in active:
        block.__exit__(None, None, None)
    assert scope() == NOTHING


# generators


def test_a_generator_that_ends_late_takes_its_own_block_alone() -> None:
    def rows() -> Iterator[int]:
        with including_deleted():
            yield 1

    generator = rows()
    next(generator)
    with only_deleted():
        assert list(generator) == []
        assert scope() == ONLY
    assert scope() == NOTHING


def test_a_generator_that_is_closed_ends_its_block() -> None:
    def rows() -> Iterator[int]:
        with nightly():
            yield 1

    generator = rows()
    next(generator)
    assert scope() == {"bypass:rls"}
    with including_deleted():
        generator.close()  # type: ignore[attr-defined]
        assert scope() == INCLUDE


def test_a_block_that_ends_in_another_context_ends_nothing_there() -> None:
    block = nightly()
    copy_context().run(block.__enter__)
    with including_deleted():
        block.__exit__(None, None, None)
        assert scope() == INCLUDE


# threads and tasks


def test_threads_have_their_own() -> None:
    barrier = Barrier(2)

    def enter(block: Block) -> tuple[frozenset[str], frozenset[str]]:
        with block:
            barrier.wait(10)
            within = scope()
            barrier.wait(10)
        return within, scope()

    with including_deleted(), ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(enter, b) for b in (only_deleted(), nightly())]
        found = [future.result(20) for future in futures]
    assert found == [(ONLY, NOTHING), (frozenset({"bypass:rls"}), NOTHING)]


def test_threads_share_a_block() -> None:
    block, barrier = nightly(), Barrier(4)

    def enter() -> list[frozenset[str]]:
        found: list[frozenset[str]] = []
        for _ in range(50):
            with block:
                barrier.wait(10)
                found.append(scope())
            found.append(scope())
        return found

    with ThreadPoolExecutor(4) as pool:
        results = [f.result(30) for f in [pool.submit(enter) for _ in range(4)]]
    assert results == [[frozenset({"bypass:rls"}), NOTHING] * 50] * 4


def test_tasks_have_their_own_and_begin_with_their_creators() -> None:
    async def enter(block: Block) -> list[frozenset[str]]:
        found = [scope()]
        with block:
            await asyncio.sleep(0)
            found.append(scope())
            await asyncio.sleep(0)
        return [*found, scope()]

    async def main() -> list[list[frozenset[str]]]:
        with nightly():
            pair = enter(including_deleted()), enter(only_deleted())
            return list(await asyncio.gather(*pair))

    outer = frozenset({"bypass:rls"})
    expected = [[outer, outer | INCLUDE, outer], [outer, outer | ONLY, outer]]
    assert asyncio.run(main()) == expected


# decorators


def test_a_function_runs_within_the_block() -> None:
    @including_deleted()
    @nightly()
    def report(name: str, *, times: int = 1) -> tuple[str, frozenset[str]]:
        """A report."""
        return name * times, scope()

    for _ in range(2):
        assert report("a", times=2) == ("aa", INCLUDE | {"bypass:rls"})
        assert scope() == NOTHING
    assert (report.__name__, report.__doc__) == ("report", "A report.")


def test_a_function_that_fails_or_calls_itself() -> None:
    @nightly()
    def count(depth: int) -> int:
        if depth < 0:
            raise ValueError("negative")
        return len(bypass_reasons()) if depth == 0 else count(depth - 1)

    assert count(2) == 3
    with pytest.raises(ValueError, match="negative"):
        count(-1)
    assert scope() == NOTHING


def test_a_method_runs_within_the_block() -> None:
    class Reports:
        @only_deleted()
        def rows(self) -> tuple[object, frozenset[str]]:
            return self, scope()

    reports = Reports()
    assert reports.rows() == (reports, ONLY)


def test_an_async_function_runs_within_the_block() -> None:
    @including_deleted()
    async def rows() -> list[frozenset[str]]:
        found = [scope()]
        await asyncio.sleep(0)
        return [*found, scope()]

    async def main() -> list[frozenset[str]]:
        return [*await rows(), scope()]

    assert inspect.iscoroutinefunction(rows)
    assert asyncio.run(main()) == [INCLUDE, INCLUDE, NOTHING]


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


async def coroutine() -> None: ...


class Report:
    def __call__(self) -> None: ...


UNREACHED: list[Any] = [
    generator,
    async_generator,
    functools.partial(generator),
    functools.partial(len, ()),
    Report,
    Report(),
    staticmethod(len),
    classmethod(type),
    property(len),
    functools.cached_property(len),
]


@pytest.mark.parametrize("target", UNREACHED)
def test_what_the_block_would_not_reach_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="cannot decorate"):
        including_deleted()(target)


async def async_rows() -> Iterator[int]:
    return generator()


@pytest.mark.parametrize("made", [generator, async_generator, coroutine])
def test_what_runs_after_the_block_is_refused(made: Callable[[], object]) -> None:
    def hidden() -> object:
        return made()

    with pytest.raises(TypeError, match="runs after the block"):
        including_deleted()(hidden)()
    assert scope() == NOTHING


def test_what_runs_after_an_async_function_is_refused() -> None:
    with pytest.raises(TypeError, match="runs after the block"):
        asyncio.run(nightly()(async_rows)())
