"""Kill -9 at random moments: what was acknowledged is there, and the same call ends the work."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest

from neuro_client import Client, NeuroError
from neuro_client.jobs import JobDescription, JobStatus

from .bench import IMAGE
from .luck import FULL, luck
from .mover import Acknowledged, move
from .processes import Site, Tree, mover, open_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 if FULL else 90)]

ACTIONS = ("upload", "download")
LINES = 300
SCRIPT = f"i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); sleep 0.005; done"
KILL_TIME = 60.0


async def kills(
    folder: Path,
    count: int,
    kill: Callable[[Site, int, random.Random], Awaitable[bool]],
    opening: Callable[[Path], AbstractAsyncContextManager[Site]] = open_site,
) -> None:
    """Kill so many times on one site; ``kill`` tells whether it came in the middle of the work."""
    failures, met = [], 0
    chance = luck(kill.__name__)
    async with opening(folder) as site:
        for number in range(count):
            try:
                async with asyncio.timeout(KILL_TIME):
                    met += await kill(site, number, chance)
            except Exception:
                failures.append(f"kill {number}:\n{traceback.format_exc()}")
    assert not failures, f"{len(failures)} of {count} kills:\n" + "\n".join(failures)
    assert met, "everything had been done before the kill"


async def _moment(site: Site, tree: Tree, chance: random.Random) -> None:
    """Wait for a random moment of a transfer: at a byte that is not among the last, or after it."""
    await site.passed(chance.randrange(tree.total * 3 // 4))
    await asyncio.sleep(chance.random() * 0.01)


async def _again(client: Client, tree: Tree) -> None:
    await move(client, tree.action, tree.near, tree.uri)
    await tree.check()


async def kill_client(site: Site, number: int, chance: random.Random) -> bool:
    """Kill a client that moves a tree, and make the same call again."""
    tree = site.tree(ACTIONS[number % 2], number, chance)
    await tree.plant()
    async with mover(tree.action, site.config, tree.near, tree.uri) as program:
        await program.tell()
        await _moment(site, tree, chance)
        await program.kill()
        said = await program.rest()
    assert not [line for line in said if line.startswith("failed")]
    await tree.check_whole([line.removeprefix("done ") for line in said if line != "end"])
    async with site.client() as client:
        await _again(client, tree)
    return "end" not in said


async def test_a_killed_client(tmp_path: Path) -> None:
    await kills(tmp_path, 20 if FULL else 2, kill_client)


async def kill_platform(site: Site, number: int, chance: random.Random) -> bool:
    """Kill the platform that a tree goes to or comes from, and make the same call again."""
    tree = site.tree(ACTIONS[number % 2], number, chance)
    await tree.plant()
    arrived: list[str] = []
    async with site.client() as client:
        progress = Acknowledged(tree.uri, arrived)
        moving = asyncio.create_task(move(client, tree.action, tree.near, tree.uri, progress))
        try:
            await _moment(site, tree, chance)
            met = not moving.done()
            await site.platform.kill()
            await tree.check_whole(list(arrived))
            await site.platform.start()
            with suppress(NeuroError, OSError):  # how long it goes on alone is its own choice
                await moving
        finally:
            moving.cancel()
            await asyncio.wait([moving])
        await tree.check_whole(arrived)
        await _again(client, tree)
    return met


async def test_a_killed_platform(tmp_path: Path) -> None:
    await kills(tmp_path, 20 if FULL else 2, kill_platform)


async def _start(client: Client, command: str, submission_id: str | None = None) -> JobDescription:
    return await client.jobs.start(
        image=IMAGE,
        preset_name="cpu-small",
        command=f"sh -c '{command}'",
        submission_id=submission_id,
    )


async def _read(client: Client, job_id: str, lines: list[str]) -> None:
    async with client.jobs.logs(job_id) as found:
        async for line in found:
            lines.append(line)


async def _kill_platform_of_jobs(site: Site, number: int, chance: random.Random) -> bool:
    submission, lines = f"around-the-kill-{number}", list[str]()
    async with site.client() as client:
        job = await _start(client, SCRIPT)
        reading = asyncio.create_task(_read(client, job.id, lines))
        starting: asyncio.Task[JobDescription] | None = None
        try:
            moment = chance.randrange(1, LINES)
            while len(lines) < moment:  # noqa: ASYNC110 - a log gives no events
                await asyncio.sleep(0.002)
            starting = asyncio.create_task(_start(client, "true", submission))
            await asyncio.sleep(chance.random() * 0.05)
            met = not reading.done()
            await site.platform.kill()
            await site.platform.start()
            started = await _outcome(starting)
            once = await _start(client, "true", submission)
            assert started is None or started.id == once.id
            async with client.jobs.list(tags=[f"submission:{submission}"]) as jobs:
                assert [found.id async for found in jobs] == [once.id]
            done = await client.jobs.wait(job.id)
            assert (done.status, done.history.restarts) == (JobStatus.SUCCEEDED, 0)
            assert (await client.jobs.wait(once.id)).status is JobStatus.SUCCEEDED
            await reading
        finally:
            tasks = [task for task in (reading, starting) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        expected = [f"line {n}" for n in range(LINES)]
        assert lines == expected, "the log that was open over the kill"
        lines = []
        await _read(client, job.id, lines)
        assert lines == expected, "the log read after the end"
    return met


async def _outcome(starting: asyncio.Task[JobDescription]) -> JobDescription | None:
    try:
        return await starting
    except (NeuroError, OSError):
        return None


async def test_a_killed_platform_keeps_its_jobs(tmp_path: Path) -> None:
    await kills(tmp_path, 10 if FULL else 1, _kill_platform_of_jobs)
