"""The values that policies bind: overlaid, missing, wrong; threads, tasks and jobs."""

import asyncio
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kysera_dbapi import ConfigurationError, ContextMissing
from kysera_dbapi._blocks import scope
from kysera_dbapi._context import (
    bypass,
    context,
    current_context,
    including_deleted,
    several,
    single,
    with_context,
)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each test begins and ends with nothing in force."""
    assert current_context() == {}
    yield
    assert current_context() == {}
    assert scope() == frozenset()


def test_an_inner_block_is_laid_over_the_outer() -> None:
    with context(tenant_id=7, user_id=42):
        with context(user_id=43, region="eu"):
            assert current_context() == {"tenant_id": 7, "user_id": 43, "region": "eu"}
        assert current_context() == {"tenant_id": 7, "user_id": 42}


def test_none_takes_a_value_away() -> None:
    with context(tenant_id=7), context(tenant_id=None):
        assert current_context() == {}
        with pytest.raises(ContextMissing, match="'tenant_id'"):
            single("tenant_id")
    with context(ids=[1]), context(ids=2):
        assert current_context() == {"ids": 2}


def test_blocks_of_other_kinds_leave_the_values() -> None:
    with context(tenant_id=7):
        with including_deleted(), bypass("rls", reason="a test"):
            assert single("tenant_id") == 7
            assert scope() == {"soft_delete.include", "bypass:rls"}
        assert scope() == frozenset()


def test_values_are_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), context(tenant_id=7):
        raise ZeroDivisionError
    assert current_context() == {}


def test_one_block_can_be_used_again_and_within_itself() -> None:
    block = context(tenant_id=7)
    with block:
        with context(tenant_id=8), block:
            assert single("tenant_id") == 7
        assert single("tenant_id") == 7


@pytest.mark.parametrize(
    "value",
    ["a", "", b"x", 1, True, 1.5, Decimal(2), date(2026, 1, 1), UUID(int=1)],
    ids=repr,
)
def test_single_values(value: object) -> None:
    with context(value=value):
        assert single("value") == value
        with pytest.raises(ConfigurationError) as caught:
            several("value")
        assert caught.value.code == "context-value"


@pytest.mark.parametrize("given", [[1, 2], (1, 2), {1, 2}, frozenset((1, 2))])
def test_lists(given: Any) -> None:
    with context(ids=given):
        assert sorted(map(int, map(str, several("ids")))) == [1, 2]
        with pytest.raises(ConfigurationError) as caught:
            single("ids")
        assert caught.value.code == "context-value"


def test_a_list_may_be_empty() -> None:
    with context(ids=[]):
        assert several("ids") == ()


@pytest.mark.parametrize(
    "value",
    [object(), {}, {"a": 1}, [None], [[1]], [object()], len, math.nan, [math.nan]],
)
def test_other_values_are_refused_at_once(value: object) -> None:
    with pytest.raises(ConfigurationError, match="value") as caught:
        context(value=value)
    assert caught.value.code == "context-value"


@pytest.mark.parametrize("roles", ["clerk", 1, [1], {"a": 1}])
def test_roles_are_a_list_of_names(roles: object) -> None:
    with pytest.raises(ConfigurationError, match="roles must be a list of names"):
        context(roles=roles)


def test_roles_are_values_like_others() -> None:
    with context(roles=["clerk", "boss"], tenant_id=7):
        assert several("roles") == ("clerk", "boss")
        with context(roles=["guest"]):
            assert several("roles") == ("guest",)
        with context(roles=None):
            assert current_context() == {"tenant_id": 7}


def test_nobody_changes_the_values_from_outside() -> None:
    ids = [1]
    with context(ids=ids):
        ids.append(2)
        now: Any = current_context()
        now["ids"] = (3,)
        assert several("ids") == (1,)


def test_a_thread_starts_with_nothing() -> None:
    with context(tenant_id=7), ThreadPoolExecutor() as pool:
        assert pool.submit(current_context).result() == {}


def test_tasks_inherit_and_stay_apart() -> None:
    async def task(number: int) -> object:
        assert single("tenant_id") == 7
        with context(user_id=number):
            await asyncio.sleep(0)
            return single("user_id")

    async def main() -> list[object]:
        with context(tenant_id=7):
            return await asyncio.gather(*map(task, range(50)))

    assert asyncio.run(main()) == list(range(50))


def test_a_job_has_its_values() -> None:
    @with_context(tenant_id=7, roles=["robot"])
    def job() -> object:
        assert several("roles") == ("robot",)
        return single("tenant_id")

    with ThreadPoolExecutor() as pool:
        assert pool.submit(job).result() == 7


def test_a_job_has_the_values_of_its_arguments() -> None:
    def first(tenant: int, **_: bool) -> int:
        return tenant

    @with_context(tenant_id=first, user_id="robot")
    def job(tenant: int, *, twice: bool) -> object:
        assert twice
        return current_context()

    assert job(3, twice=True) == {"tenant_id": 3, "user_id": "robot"}

    @with_context(tenant_id=first)
    async def later(tenant: int) -> object:
        await asyncio.sleep(0)
        return single("tenant_id")

    assert asyncio.run(later(4)) == 4


def test_a_job_whose_values_are_wrong_does_not_run() -> None:
    ran: list[int] = []

    @with_context(tenant_id=dict)
    def job() -> None:
        ran.append(1)

    with pytest.raises(ConfigurationError):
        job()
    with pytest.raises(ConfigurationError):
        with_context(tenant_id={}, user_id=len)
    assert not ran


def test_functions_are_for_jobs_alone() -> None:
    with pytest.raises(TypeError, match="decorator"), with_context(tenant_id=len):
        pass
    assert current_context() == {}
