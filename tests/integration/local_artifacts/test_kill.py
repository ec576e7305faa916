"""The platform is stopped, or killed with -9; the next one finds all again and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from .conftest import CORE, Api, archive, running

ROOT = Path(__file__).parents[3]
TURNS = 5 if os.environ.get("NEURO_CLIENT_FULL") else 2
LASTS = """
import os, time
print("begun", flush=True)
open("early.txt", "w").write("before")
while not os.path.exists("/tmp/scratch/go"): time.sleep(0.02)
open("late.txt", "w").write("after")
"""
QUICK = """
print("begun", flush=True)
open("out.bin", "wb").write(bytes(2_000_000))
"""
SCRATCH = [{"mountPath": "/tmp/scratch", "sizeGb": 1}]
LOG = "query ($e: ID!) { getExperimentLogs(experimentId: $e) { lines { message } } }"


async def let_go(data: Path, experiment: str) -> None:
    """Let a script of ours end."""
    await asyncio.to_thread((data / "artifacts/work" / experiment / "scratch-0/go").touch)


async def log(api: Api, experiment: str) -> list[str]:
    """Give the lines of all starts of an experiment."""
    answer = await api.query(LOG, e=experiment)
    return [line["message"] for line in answer["data"]["getExperimentLogs"]["lines"]]


@asynccontextmanager
async def doomed(data: Path) -> AsyncIterator[tuple[Api, asyncio.subprocess.Process]]:
    """Run a platform in a process of its own and kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.local_artifacts.serve", str(data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        text = await asyncio.to_thread((data / "ready.json").read_text)
        ready = json.loads(text)["artifacts"]
        async with aiohttp.ClientSession() as session:
            yield Api(session, None, ready, (ready["user_id"], ready["api_key"])), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.thorough
async def test_a_platform_that_was_stopped_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as api:
        _, [resumed] = await api.submit("resumed", LASTS, scratch=SCRATCH, autoResume=True)
        _, [ended] = await api.submit("ended", LASTS, scratch=SCRATCH)
        for experiment in (resumed, ended):
            await api.until_captured(experiment, "early.txt")
        waiting = await api.create("waits")
        played = await api.platform.artifacts.add_run("played", {"a.txt": b"a"})
        link, before = await played.experiments[0].link("a.txt"), api.ready
    async with running(data) as api:
        assert {**api.ready, "url": ""} == {**before, "url": ""}
        status = await api.done(ended)
        assert "platform was stopped" in status["message"], status
        assert status["phase"] == "EXPERIMENT_STATE_FAILED"
        assert await api.contents(ended) == {"early.txt": b"before"}
        moved = link.replace(before["url"], api.ready["url"])
        assert await api.call("GET", moved) == b"a"
        await api.until(resumed, "RUNNING")
        await let_go(data, resumed)
        assert (await api.done(resumed))["phase"] == "EXPERIMENT_STATE_SUCCEEDED"
        assert await api.contents(resumed) == {"early.txt": b"before", "late.txt": b"after"}
        link = (await api.run(waiting["id"]))["status"]["uploadUrl"]
        await api.call("PUT", link, data=archive({"train.py": "open('x', 'w')"}))
        [experiment] = waiting["status"]["experimentIds"]
        await api.done(experiment)
        assert await api.contents(experiment) == {"x": b""}


@pytest.mark.thorough
async def test_killed_at_any_moment_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    data = tmp_path / "data"
    seed = random.randrange(1 << 32)
    pauses = random.Random(seed)
    accepted: dict[str, str] = {}
    async with doomed(data) as (api, process):
        _, [long] = await api.submit("long", LASTS, scratch=SCRATCH)
        await api.until_captured(long, "early.txt")
        await submit_until_killed(api, process, pauses.random() / 2, accepted)
    for _ in range(TURNS - 1):
        async with doomed(data) as (api, process):
            await submit_until_killed(api, process, pauses.random() / 2, accepted)
    await let_go(data, long)
    async with running(data) as api:
        assert (await api.done(long))["phase"] == "EXPERIMENT_STATE_SUCCEEDED", seed
        assert await api.contents(long) == {"early.txt": b"before", "late.txt": b"after"}
        assert await log(api, long) == ["begun\n"]
        for name, experiment in accepted.items():
            status = await api.done(experiment)
            assert status["phase"] == "EXPERIMENT_STATE_SUCCEEDED", (seed, name, status)
            assert await log(api, experiment) == ["begun\n"], (seed, name)
            assert await api.contents(experiment) == {"out.bin": bytes(2_000_000)}, (seed, name)
        # The answer to one more upload may have been lost; its experiment runs all the same.
        for run in (await api.call("GET", f"{CORE}/runs"))["runs"]:
            for experiment in () if run["status"]["uploadUrl"] else run["status"]["experimentIds"]:
                await api.done(experiment)
        folder, store = data / "artifacts", api.platform.artifacts.control.store
        kept = await store.purged()
        found = await asyncio.to_thread(
            lambda: {path.name for path in (folder / "objects").glob("*/*")}
        )
        assert found == kept, seed
        assert await asyncio.to_thread(lambda: list((folder / "work").iterdir())) == []


async def submit_until_killed(
    api: Api,
    process: asyncio.subprocess.Process,
    pause: float,
    accepted: dict[str, str],
) -> None:
    """Submit runs and kill the platform meanwhile; note those whose source was taken."""
    turn = secrets.token_hex(3)

    async def submit() -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            for number in range(4):
                name = f"t{turn}-{number}"
                _, [accepted[name]] = await api.submit(name, QUICK)

    async with asyncio.TaskGroup() as group:
        submitting = group.create_task(submit())
        await asyncio.sleep(pause)
        process.kill()
        await process.wait()
        await submitting
