"""Kill -9 at the n-th request of a submission, then the same call again: all there, once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

from neuro_client.threads import run_blocking
from tests.integration.local_workspaces.files import model

from .test_weather import plant_large
from .world import CONFIGS, MiB, World, opened, settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WRITES = ("PUT", "POST", "DELETE", "PATCH")
OBJECTS = 10
"""A submission has seven texts, two shards and their map; the large shard has three requests."""
LAST = OBJECTS + 2 + 1
PRESIGNED = 2
"""The request for the task comes after all of them."""


@attrs.define
class Submitter:
    """Speak to the interpreter that forks."""

    process: asyncio.subprocess.Process

    async def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return found

    async def submit(self, order: dict[str, Any]) -> int:
        """Start a submission; return the process that does it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        return int((await self.answer())["child"])

    async def ended(self) -> int:
        """Wait for its end; return its exit code."""
        while "ended" not in (found := await self.answer()):
            assert "task" in found
        return int(found["ended"])


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.workspaces.submitter"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        found = Submitter(process)
        assert (await found.answer())["ready"]
        yield found
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


class DeadlyTransport:
    """Be a transport that kills the reader of an answer before it gets any of it."""

    def __init__(self, transport: Any, kill: Callable[[], None]) -> None:
        self._transport = transport
        self._kill = kill

    def write(self, data: bytes) -> None:
        self._kill()
        self._transport.write(data)

    def writelines(self, chunks: list[bytes]) -> None:
        self._kill()
        self._transport.writelines(chunks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@attrs.define
class Killer:
    """Kill a process at its n-th write: before it is ``served``, or once it is."""

    number: int
    served: bool
    place: str
    presigned: bool
    child: int = 0
    seen: int = 0
    last: str = ""
    """The request that was the end."""

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)

    def matches(self, request: web.Request) -> bool:
        # The tasks of earlier submissions write as well, and the platform where it signs.
        own = self.place in request.path and (request.method != "POST" or not self.presigned)
        if request.method not in WRITES or not (own or request.path.startswith("/api/")):
            return False
        self.seen += 1
        if self.seen != self.number:
            return False
        self.last = f"{request.method} {request.path_qs}"
        if self.served:
            protocol: Any = request.protocol
            protocol.transport = DeadlyTransport(protocol.transport, self.kill)
            return False
        self.kill()
        return True


async def killed_and_done_again(
    world: World, process: Submitter, number: int, *, served: bool, presigned: bool = False
) -> None:
    name = f"killed {number} {served} {presigned}".lower()
    slug = name.replace(" ", "-")
    killer = Killer(number, served, f"/jobs/{slug}/", presigned)
    fault = world.platform.fault(killer.matches, times=None, refuse=True)
    order = {
        "url": world.ready["url"],
        "settings": settings(world.ready),
        "name": name,
        "model": model(),
        "configs": {"name": CONFIGS.name, "model_class": "Net", "model_args": {"start": 1.0}},
        "shards": str(world.shards),
        "presigned": presigned,
    }
    before = set(await world.tasks())
    killer.child = await process.submit(order)
    os.kill(killer.child, signal.SIGUSR1)
    assert await process.ended() == -signal.SIGKILL, name
    fault.remove()

    configs = attrs.evolve(CONFIGS, num_rounds=5)
    with world.platform.intercept() as seen:
        task = await world.submit(name, configs=configs, presigned=presigned)
    made = set(await world.tasks()) - before
    assert made == {task.id}
    assert task.adopted == (served and killer.last == "POST /api/tasks"), killer.last
    for path in sorted(world.shards.iterdir()):
        data = await world.workspaces.storage.get_bytes(f"jobs/{slug}/shards/{path.name}")
        assert data == await run_blocking(path.read_bytes)
    assert await world.unfinished() == []
    if killer.last.startswith("POST ") and "uploadId=" in killer.last:
        # All parts were there, and the next process went on with them.
        assert not [call for call in seen.calls if "partNumber" in call.query]
    puts = [call for call in seen.calls if call.method == "PUT"]
    assert len(puts) <= OBJECTS + 1
    await world.workspaces.cancel(task.id)


async def test_a_kill_in_the_middle_and_one_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as world, submitter() as process:
        await killed_and_done_again(world, process, 9, served=False)
        # Small shards are one request each.
        await killed_and_done_again(world, process, LAST - 2, served=True)


@pytest.mark.thorough
@pytest.mark.parametrize("first", range(1, LAST + 1, 3))
async def test_a_kill_at_every_write(tmp_path: Path, first: int) -> None:
    async with opened(tmp_path) as world, submitter() as process:
        await plant_large(world.shards / "shard_0.zip", 12 * MiB)
        for number in range(first, min(first + 3, LAST + 1)):
            for served in (False, True):
                await killed_and_done_again(world, process, number, served=served)


@pytest.mark.thorough
async def test_a_kill_at_every_write_of_a_shard_through_links(tmp_path: Path) -> None:
    async with opened(tmp_path) as world, submitter() as process:
        await plant_large(world.shards / "shard_0.zip", 12 * MiB)
        # Each shard is three requests in this mode.
        for number in range(8, LAST + PRESIGNED + 1):
            await killed_and_done_again(world, process, number, served=True, presigned=True)
