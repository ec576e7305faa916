"""Cancel every call at every await: no task is left, and the same call works afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import pytest

from neuro_client.trainings import Training, TrainingPhase, Trainings
from tests.adversity.luck import FULL, luck
from tests.adversity.stepping import stepped

from .server import CLUSTER, SPEC, ControlPlane, serve, trainings_at

Act = Callable[[Trainings, str], Coroutine[Any, Any, object]]
SHARE = 5
"""At how many suspensions of each call the default run cancels it."""

LINE = b"2024-05-01T10:00:00.000000001Z line\n"


async def create(trainings: Trainings, id: str) -> Training:
    return await trainings.create(
        SPEC, name="mnist", project_id=7, cluster_id=CLUSTER, submission_id="one"
    )


async def wait(trainings: Trainings, id: str) -> Training:
    return await trainings.wait(id)


async def watch(trainings: Trainings, id: str) -> object:
    async with trainings.watch(id) as changes:
        return [change async for change in changes]


async def list_all(trainings: Trainings, id: str) -> object:
    async with trainings.list(page_size=1) as listing:
        return [item async for item in listing]


async def follow(trainings: Trainings, id: str) -> object:
    async with trainings.logs(id) as lines:
        return [line async for line in lines]


@pytest.mark.parametrize(
    ("act", "least"),
    [(create, 6), (wait, 4), (watch, 2), (list_all, 3), (follow, 8)],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_cancelled_anywhere(act: Any, least: int) -> None:
    steps = await cancelled(act, ())
    assert steps >= least
    numbers = range(1, steps + 1)
    chosen = numbers if FULL else luck(act.__name__).sample(numbers, min(SHARE, steps))
    for number in chosen:
        await cancelled(act, (number,))


async def cancelled(act: Act, at: Collection[int]) -> int:
    """Make a call, cancelled at some of its suspensions, then again; return their number."""
    state = ControlPlane(posts=["html"], log_lines=[LINE])
    id = state.add("Completed")
    state.add(TrainingPhase.RUNNING)
    async with serve(state) as url, trainings_at(url) as trainings:
        outcome = await stepped(functools.partial(act, trainings, id), at)
        assert not outcome.tasks
        await act(trainings, id)
    named = [item for item in state.trainings.values() if item["name"] == "mnist"]
    assert len(named) == (act is create)
    return outcome.steps
