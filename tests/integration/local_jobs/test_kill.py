"""The platform is killed with -9; the next one finds the jobs again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from .conftest import Api, running, sh

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def doomed(data: Path) -> AsyncIterator[tuple[Api, asyncio.subprocess.Process]]:
    """Run a platform in a process of its own and kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.local_jobs.serve", str(data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert process.stdout is not None

        async with asyncio.timeout(20):
            url = json.loads(await process.stdout.readline())["url"]
            ready = json.loads(await asyncio.to_thread((data / "ready.json").read_text))

        class Remote:
            api_url = f"{url}/api/v1"

        async with aiohttp.ClientSession() as session:
            yield Api(session, Remote(), ready["token"]), process  # type: ignore[arg-type]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.slow
async def test_jobs_survive_the_platform(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with doomed(data) as (api, process):
        long = await api.start(sh("echo before; sleep 2.5; echo after; exit 7"), name="long")
        short = await api.start(sh("sleep 0.6; echo quick"))
        lost = await api.start("sleep 60", preset="spot")
        queued = await api.start("true", preset="half")
        for job in (long, short, lost):
            await api.until(job["id"], "running")
        late = await api.start("true", preset="half")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    supervisor = _supervisor(data / "jobs" / lost["id"] / "0" / "pids.json")
    os.kill(supervisor, signal.SIGKILL)
    await asyncio.sleep(0.5)  # the short one ends while nobody looks
    async with running(data) as again:
        assert (await again.get("long"))["status"] == "running"
        job = await again.done(short["id"])
        assert (job["status"], job["history"]["exit_code"]) == ("succeeded", 0)
        assert await again.log(short["id"]) == "quick\n"
        job = await again.done(lost["id"])
        assert (job["status"], job["history"]["reason"]) == ("failed", "Error")
        assert "gone" in job["history"]["description"]
        job = await again.done(long["id"])
        assert (job["status"], job["history"]["exit_code"]) == ("failed", 7)
        assert job["history"]["restarts"] == 0
        assert await again.log(long["id"]) == "before\nafter\n"
        for waiting in (queued, late):
            assert (await again.done(waiting["id"]))["status"] == "succeeded"


@pytest.mark.slow
async def test_killed_at_any_moment_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    data, accepted = tmp_path / "data", []
    seed = random.randrange(1 << 32)
    pauses = random.Random(seed)
    mark = {
        "src_storage_uri": "storage://default/user/marks",
        "dst_path": "/v",
        "read_only": False,
    }

    async def submit(api: Api, turn: int) -> None:
        for number in range(5):
            name = f"{turn}-{number}"
            job = await api.start(sh(f"echo x >> /v/{name}; sleep 0.05"), volumes=[mark])
            accepted.append((name, job["id"]))

    for turn in range(3):
        async with doomed(data) as (api, process), asyncio.TaskGroup() as group:
            submitting = group.create_task(_until_cut(submit(api, turn)))
            await asyncio.sleep(pauses.random() / 3)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await submitting
    async with running(data) as again:
        for name, job_id in accepted:
            job = await again.done(job_id)
            assert job["status"] == "succeeded", (seed, job["statuses"])
            path = data / "storage" / "default" / "user" / "marks" / name
            assert path.read_text() == "x\n", (seed, job["statuses"])


async def _until_cut(work: Coroutine[None, None, None]) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await work


def _supervisor(path: Path) -> int:

    return int(json.loads(path.read_text())["supervisor"][0])
