"""Tasks that are watched: waiting, logs, ends of each kind, through trouble of the platform."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from neuro_client.errors import ConflictError, NotSupportedError, ResourceNotFound, TaskFailed
from neuro_client.run import Run, RunStatus
from neuro_client.workspaces import TaskState
from tests.integration.local_workspaces.files import model

from .world import World, opened

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_tasks_are_watched_to_their_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        await one_fails(world)
        await one_is_cancelled(world)
        await what_is_not_there(world)


async def one_fails(world: World) -> None:
    script = {"model_def.py": model('raise ValueError("boom")')}
    task = await world.submit("Fails", scripts=script)
    for status in (500, 502, 503, 429):
        world.platform.fault(f"GET /dashboard/jobs/{task.id}", status=status)
    world.platform.fault(f"GET /dashboard/jobs/{task.id}", cut_after=0)
    with pytest.raises(TaskFailed, match="boom") as caught:
        await world.workspaces.wait(task.id, timeout=60)
    assert caught.value.job.state is TaskState.FAILED
    assert any("boom" in line for line in caught.value.log_tail)
    found = await world.workspaces.wait(task.id, check=False)
    assert found.finished_at is not None and found.reason


async def one_is_cancelled(world: World) -> None:
    script = {"model_def.py": model("time.sleep(600)")}
    task = await world.submit("Long", scripts=script)
    run: Run = world.workspaces.get_run(task.id)
    with pytest.raises(TimeoutError, match="has not ended after"):
        await run.wait(timeout=0.01)
    async with run.logs() as lines:
        async for line in lines:
            if "training on" in line:
                break
    assert await run.status() is RunStatus.RUNNING
    follower = asyncio.create_task(all_lines(world, task.id))
    world.platform.fault(f"GET /tasks/{task.id}/logs", status=503)
    await run.stop()
    await run.stop()  # it has ended
    with pytest.raises(TaskFailed, match="was cancelled"):
        await run.wait()
    told = await follower
    async with run.logs(follow=False) as lines:
        assert [line async for line in lines] == told
    assert await run.status() is RunStatus.CANCELLED
    with pytest.raises(ConflictError, match="CANCELLED"):
        await world.workspaces.cancel(task.id)


async def all_lines(world: World, id: str) -> list[str]:
    async with world.workspaces.logs(id) as lines:
        return [line async for line in lines]


async def what_is_not_there(world: World) -> None:
    with pytest.raises(ResourceNotFound):
        await world.workspaces.get(UNKNOWN)
    with pytest.raises(ResourceNotFound):
        await world.workspaces.cancel(UNKNOWN)
    [latest, *_] = await world.tasks()
    for call in ("cancel", "logs"):
        world.platform.fault(f"/tasks/{latest}/{call}", status=404)
    with pytest.raises(NotSupportedError, match="cancels no tasks"):
        await world.workspaces.cancel(latest)
    with pytest.raises(NotSupportedError, match="has no logs"):
        async with world.workspaces.logs(latest, follow=False) as lines:
            _ = [line async for line in lines]
    with pytest.raises(ResourceNotFound, match="no results"):
        await world.workspaces.results("never-run").download(world.folder / "out")
