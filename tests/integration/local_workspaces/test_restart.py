"""A platform that stops, or is killed with -9, loses no task; the next one goes on with them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from .conftest import DASHBOARD, FINAL, PATIENCE, Api, running
from .files import shard, workspace

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

ROOT = Path(__file__).parents[3]
TURNS = 6
# Each round counts, and the second waits until somebody lets it go on.
WAITS = """
    rounds = pathlib.Path("/app/rounds")
    number = len(rounds.read_text()) if rounds.exists() else 0
    rounds.write_text("x" * (number + 1))
    while number == 1 and not pathlib.Path("/shared/gate").exists():
        time.sleep(0.01)
"""


@asynccontextmanager
async def doomed(data: Path) -> AsyncIterator[tuple[Api, asyncio.subprocess.Process]]:
    """Run a platform in a process of its own and kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.local_workspaces.serve", str(data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"ready\n"
        ready = json.loads(await asyncio.to_thread((data / "ready.json").read_text))
        async with aiohttp.ClientSession() as session:
            yield Api(session, None, ready["workspaces"]), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def gated() -> dict[str, bytes]:
    return workspace("waits", WAITS, shards=[shard(1.0), shard(3.0)], rounds=3)


def open_gate(data: Path, task_id: str) -> None:
    (data / "workspaces" / task_id / "shared" / "gate").touch()


async def check_whole(api: Api, task_id: str) -> None:
    """See that every round counted, and counted once."""
    task = await api.until(task_id, "FINISHED")
    assert task["reason"] is None
    weights = json.loads(await api.read("jobs/waits/model_out/checkpoint.json"))
    assert weights["layer"] == pytest.approx([7.0, 1.0])
    metrics = json.loads(await api.read("jobs/waits/files_out/metrics.json"))
    assert [one["round"] for one in metrics] == [0, 0, 1, 1, 2, 2]


async def test_a_stopped_platform_goes_on_with_its_tasks(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as api:
        await api.put(gated())
        task_id = await api.create("waits")
        await api.logged(task_id, "round 2 of 3")
        key = api.headers
    await asyncio.to_thread(open_gate, data, task_id)
    async with running(data) as api:
        assert api.headers == key
        await check_whole(api, task_id)
        assert "going on with round 2" in await api.log(task_id)


async def test_a_killed_platform_finds_its_tasks_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as api:
        await api.put(gated())
        await api.put(workspace("quick"))
    async with doomed(data) as (api, process):
        task_id = await api.create("waits")
        await api.logged(task_id, "round 2 of 3")
        process.kill()
    await asyncio.to_thread(open_gate, data, task_id)  # it ends while nobody looks, or later
    async with running(data) as api:
        await check_whole(api, task_id)
        assert "going on" not in await api.log(task_id)  # it was never interrupted
        await api.until(await api.create("quick"), "FINISHED")


async def test_a_task_whose_programs_were_killed_too_fails_and_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as api:
        await api.put(gated())
    async with doomed(data) as (api, process):
        task_id = await api.create("waits")
        await api.logged(task_id, "round 2 of 3")
        process.kill()
        await process.wait()
        await asyncio.to_thread(kill_supervisors, data)
    async with running(data) as api:
        task = await api.until(task_id, "FAILED")
        assert "the process that supervised the job is gone" in task["reason"]
        job = await api.call("GET", f"{DASHBOARD}/jobs/{task_id}")
        assert (job["state"], job["reason"]) == ("FAILED", task["reason"])


def kill_supervisors(data: Path) -> None:
    """End what runs the programs of tasks, as a crash of the machine does."""
    for path in (data / "jobs").glob("task-*/*/pids.json"):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(json.loads(path.read_text())["supervisor"][0])
            for one in [process, *process.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()


async def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    seed = random.randrange(1 << 32)
    pauses = random.Random(seed)
    accepted: list[str] = []
    async with running(data) as api:
        await api.put(workspace("quick", shards=[shard(1.0), shard(2.0)], rounds=2))
        await api.put(workspace("fails", 'raise ValueError("boom")'))
    for _ in range(TURNS):
        async with doomed(data) as (api, process), asyncio.TaskGroup() as group:

            async def submit(api: Api = api) -> None:
                with suppress(aiohttp.ClientError, OSError):
                    for slug in ("quick", "fails"):
                        accepted.append(await api.create(slug, slug))

            submitting = group.create_task(submit())
            await asyncio.sleep(pauses.random())
            process.kill()
            await process.wait()
            await submitting
    async with running(data) as api:
        listed = await api.call("GET", f"{DASHBOARD}/jobs")
        assert {one["jobId"] for one in listed} >= set(accepted), seed
        for one in listed:
            async with asyncio.timeout(PATIENCE):
                while True:
                    task = await api.get(one["jobId"])
                    if task["status"] in FINAL:
                        break
                    await asyncio.sleep(0.05)
            if one["jobName"] == "quick":
                assert task["status"] == "FINISHED", (seed, task)
            else:
                assert (task["status"], "boom" in task["reason"]) == ("FAILED", True), (seed, task)
