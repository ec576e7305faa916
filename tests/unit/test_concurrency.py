from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from neuro_client.concurrency import (
    ByteBudget,
    ScopedIterator,
    SingleFlight,
    finish,
    first_failure,
    scoped_iterator,
)


class Numbers:
    def __init__(self) -> None:
        self.started = 0
        self.closed = 0

    @scoped_iterator
    async def count(self, stop: int) -> AsyncIterator[int]:
        """Count."""
        self.started += 1
        try:
            for number in range(stop):
                yield number
                await asyncio.sleep(0)
        finally:
            self.closed += 1


async def test_scope_starts_with_the_first_step() -> None:
    numbers = Numbers()
    scope = numbers.count(3)
    assert isinstance(scope, ScopedIterator)
    async with scope as it:
        assert numbers.started == 0
        assert [n async for n in it] == [0, 1, 2]
    assert (numbers.started, numbers.closed) == (1, 1)


async def test_scope_closes_at_once_after_break() -> None:
    numbers = Numbers()
    async with numbers.count(3) as it:
        async for _ in it:
            break
        assert numbers.closed == 0
    assert numbers.closed == 1


async def test_scope_closes_when_the_consumer_is_cancelled() -> None:
    numbers = Numbers()
    inside = asyncio.Event()

    async def consume() -> None:
        async with numbers.count(3) as it:
            await anext(it)
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(consume())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert numbers.closed == 1


async def test_direct_iteration_warns_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [n async for n in Numbers().count(2)] == [0, 1]
    assert [w.category for w in caught] == [DeprecationWarning]
    assert caught[0].filename == __file__


async def test_scope_can_be_used_once_and_not_awaited() -> None:
    scope = Numbers().count(2)
    async with scope as it:
        assert await anext(it) == 0
    with pytest.raises(RuntimeError, match="once"):
        async with scope:
            pass
    with pytest.raises(TypeError):
        await cast("Any", Numbers().count(2))


def test_wrong_arguments_are_told_by_the_call() -> None:
    with pytest.raises(TypeError):
        cast("Any", Numbers().count)()


async def test_finish_outlives_two_cancellations() -> None:
    done = False

    async def clean_up() -> None:
        nonlocal done
        await asyncio.sleep(0.05)
        done = True

    task = asyncio.create_task(finish(clean_up()))
    for _ in range(2):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done


async def test_finish_gives_up_in_time() -> None:
    with pytest.raises(TimeoutError, match="clean-up"):
        await finish(asyncio.sleep(60), 0.01)


async def test_finish_passes_result_and_error_on() -> None:
    assert await finish(asyncio.sleep(0, "done")) == "done"

    async def fail() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await finish(fail())


async def test_first_failure_is_raised_unchanged_after_siblings_ended() -> None:
    first = ValueError("first")
    ended = []

    async def fail() -> None:
        raise first

    async def sibling() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
            raise OSError("caused by the end")

    with pytest.raises(ValueError, match="first") as caught:
        async with first_failure() as group:
            group.create_task(sibling())
            await asyncio.sleep(0)
            group.create_task(fail())
    assert caught.value is first
    assert ended == [True]

    with pytest.raises(ValueError, match="first"):
        async with first_failure() as group:
            group.create_task(sibling())
            await asyncio.sleep(0)
            raise first


async def test_budget_serves_in_order() -> None:
    budget = ByteBudget(10)
    order: list[str] = []

    async def take(name: str, n: int) -> None:
        async with budget.hold(n):
            order.append(name)
            await asyncio.sleep(0)

    await budget.acquire(6)
    async with asyncio.TaskGroup() as group:
        for name, n in (("large", 8), ("small", 1), ("huge", 1000)):
            group.create_task(take(name, n))
        await asyncio.sleep(0)
        assert order == []  # the small one fits but came later
        budget.release(6)
    assert order == ["large", "small", "huge"]
    assert budget.free == 10


async def test_budget_survives_cancelled_waiters() -> None:
    budget = ByteBudget(4)
    await budget.acquire(4)
    first = asyncio.create_task(budget.acquire(3))
    second = asyncio.create_task(budget.acquire(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    budget.release(4)
    await second
    third = asyncio.create_task(budget.acquire(3))
    await asyncio.sleep(0)
    budget.release(2)  # grants the third ...
    third.cancel()  # ... which is cancelled in the same step
    with pytest.raises(asyncio.CancelledError):
        await third
    assert budget.free == 4


async def test_single_flight_shares_one_run() -> None:
    flight: SingleFlight[int] = SingleFlight()
    runs = 0

    async def work() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        return runs

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(flight.run("key", work)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
    assert [t.result() for t in tasks[1:]] == [1, 1, 1, 1]
    assert await flight.run("key", work) == 2


async def test_single_flight_ends_with_its_last_caller() -> None:
    flight: SingleFlight[None] = SingleFlight()
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    tasks = [asyncio.create_task(flight.run(1, work)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert cancelled == [True]


async def test_single_flight_tells_all_callers_the_error() -> None:
    flight: SingleFlight[None] = SingleFlight()

    async def work() -> None:
        raise OSError("broken")

    tasks = [asyncio.create_task(flight.run(1, work)) for _ in range(2)]
    for task in tasks:
        with pytest.raises(OSError, match="broken"):
            await task
