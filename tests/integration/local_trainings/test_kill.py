"""The platform is killed with -9; the next one finds the trainings again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from .conftest import TRAININGS, Api, running

ROOT = Path(__file__).parents[3]
TURNS = 5 if os.environ.get("NEURO_CLIENT_FULL") else 1


@asynccontextmanager
async def doomed(data: Path) -> AsyncIterator[tuple[Api, asyncio.subprocess.Process]]:
    """Run a platform in a process of its own and kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.local_trainings.serve", str(data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
        ready = json.loads(await asyncio.to_thread((data / "ready.json").read_text))
        async with aiohttp.ClientSession() as session:
            yield await Api(session, None, ready["trainings"]).sign_in(), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
async def test_killed_at_any_moment_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    data, marks = tmp_path / "data", tmp_path / "marks"
    await asyncio.to_thread(marks.mkdir)
    seed = random.randrange(1 << 32)
    pauses = random.Random(seed)
    accepted: list[tuple[str, str]] = []
    async with doomed(data) as (api, process):
        found = await long_lived(api)
        token = api.headers
        await submit_until_killed(api, process, pauses.random() / 4, marks, accepted)
    for _ in range(TURNS - 1):
        async with doomed(data) as (api, process):
            await submit_until_killed(api, process, pauses.random() / 4, marks, accepted)
    await asyncio.sleep(0.5)  # the short one ends while nobody looks
    async with running(data) as again:
        again.headers = token  # it is valid still
        await check_long_lived(again, found)
        for name, workload_id in accepted:
            if int(name[-1]) % 2 and (await again.workload(workload_id))["deletedAt"]:
                await again.gone(workload_id)
                continue
            assert await again.done(workload_id) == "Completed", (seed, name)
            text = await asyncio.to_thread((marks / name).read_text)
            assert text == "x\n", (seed, await again.history(workload_id))


async def long_lived(api: Api) -> dict[str, str]:
    """Make trainings that run, that wait and that are being stopped."""
    core: dict[str, Any] = {"compute": {"cpuCoreRequest": 1}}
    found = {
        "long": await api.create("long", "echo before; sleep 1.5; echo after"),
        "short": await api.create("short", "sleep 0.3; echo quick"),
        "stops": await api.create("stops", "sleep 60", **core),
    }
    for workload_id in found.values():
        await api.until(workload_id, "Running", "Completed")
    found["queued"] = await api.create("queued", **core)
    await api.until(found["queued"], "Pending")
    await api.act(found["stops"], "suspend")  # may be acted upon by the next platform only
    return found


async def check_long_lived(api: Api, found: dict[str, str]) -> None:
    """See what became of them."""
    assert await api.done(found["short"]) == "Completed"
    assert await api.log("short") == "quick\n"
    assert (await api.until(found["stops"], "Stopped"))["desiredPhase"] == "Stopped"
    assert await api.done(found["long"]) == "Completed"
    assert len(await api.pods(found["long"])) == 1
    assert await api.log("long") == "before\nafter\n"
    assert await api.done(found["queued"]) == "Completed"


async def submit_until_killed(
    api: Api,
    process: asyncio.subprocess.Process,
    pause: float,
    marks: Path,
    accepted: list[tuple[str, str]],
) -> None:
    """Make trainings, delete some of them again, and kill the platform meanwhile."""
    mount: Any = {"hostPath": [{"path": str(marks), "mountPath": "/v", "readOnly": False}]}
    turn = secrets.token_hex(3)  # an earlier turn may have made more than it was told

    async def submit() -> None:
        for number in range(5):
            name = f"t{turn}-{number}"
            workload_id = await api.create(name, f"echo x >> /v/{name}", storage=mount)
            accepted.append((name, workload_id))
            if number % 2:
                await api.call("DELETE", f"{TRAININGS}/{workload_id}", status=204)

    async with asyncio.TaskGroup() as group:
        submitting = group.create_task(_until_cut(submit()))
        await asyncio.sleep(pause)
        process.kill()
        await process.wait()
        await submitting


async def _until_cut(work: Coroutine[None, None, None]) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await work
