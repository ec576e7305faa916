"""The tool that cancels at the n-th await: it counts right, and notices what it is there for."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from .stepping import stepped


async def _child(pauses: int, log: list[str]) -> None:
    try:
        for _ in range(pauses):
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise


async def test_the_awaits_of_children_count() -> None:
    async def call() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_child(3, []))
            group.create_task(_child(4, []))

    outcome = await stepped(call)
    assert (outcome.cancelled, outcome.steps, outcome.tasks) == (False, 8, ())


async def test_every_await_is_met() -> None:
    log: list[str] = []
    met = []

    async def call() -> None:
        for number in range(3):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                met.append(number)
                raise
        async with asyncio.TaskGroup() as group:
            group.create_task(_child(2, log))

    steps = (await stepped(call)).steps
    for number in range(1, steps + 1):
        assert (await stepped(call, {number})).cancelled
    assert met == [0, 1, 2]
    assert len(log) == 3  # while the group waits, and at each await of the child


async def test_a_task_that_outlives_the_call_is_told() -> None:
    async def call() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(60))
        await asyncio.sleep(0)

    outcome = await stepped(call)
    (left,) = outcome.tasks
    left.cancel()
    await asyncio.wait([left])


async def test_a_call_that_swallows_its_cancellation_is_told() -> None:
    async def call() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="took no notice"):
        await stepped(call, {1})


async def test_others_in_the_same_loop_are_not_counted() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def server() -> None:
        while not release.is_set():
            started.set()
            await asyncio.create_task(asyncio.sleep(0))

    serving = asyncio.create_task(server())
    await started.wait()
    outcome = await stepped(lambda: _child(5, []))
    release.set()
    await serving
    assert outcome.steps == 5
