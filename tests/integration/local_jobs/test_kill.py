"""The platform is killed with -9; the next one finds the jobs again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
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


def _supervisor(path: Path) -> int:

    return int(json.loads(path.read_text())["supervisor"][0])
