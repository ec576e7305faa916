"""What the checks of a runner work with."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any

import attrs

from neuro_client.local.runners import Exit, Runner, RunSpec, Session
from neuro_client.local.runners.records import RecordReader

MIB = 2**20


@attrs.frozen
class Bench:
    """A runner that can be opened again and again, as platforms are."""

    open: Callable[[], AbstractAsyncContextManager[Runner]]
    folder: Path
    """For what runs are shown."""
    left: Callable[[], Awaitable[object]]
    """Gives something true while anything of a run is left that ``forget`` has to remove."""
    image: str = ""

    def spec(self, script: str, **more: Any) -> RunSpec:
        """Describe a run of a script; it has little of everything."""
        given: dict[str, Any] = {
            "job_id": f"job-{uuid.uuid4()}",
            "run": 0,
            "argv": ("sh", "-c", script),
            "env": {"SEED": "42"},
            "cpu": 0.5,
            "memory": 64 * MIB,
            "grace": 0.3,
            "image": self.image,
        }
        return RunSpec(**{**given, **more})


Check = Callable[[Bench], Awaitable[None]]


def output(runner: Runner, spec: RunSpec) -> dict[int, bytes]:
    """Read what is in the log of a run, by stream; blocking."""
    reader = RecordReader(runner.log_path(spec.job_id, spec.run))
    found = {1: b"", 2: b""}
    while (items := reader.read_streams()) is not None:
        for number, data in items:
            found[number] += data
    return found


async def run(runner: Runner, spec: RunSpec) -> tuple[Exit, dict[int, bytes]]:
    """Run to the end; give how it ended and what it wrote."""
    await runner.start(spec)
    ended = await runner.wait(spec.job_id, spec.run)
    found = await asyncio.to_thread(output, runner, spec)
    await runner.forget(spec.job_id)
    return ended, found


async def written(runner: Runner, spec: RunSpec, text: bytes) -> None:
    """Wait until a run that is waited for has written a text."""
    async with asyncio.timeout(20):
        while text not in (await asyncio.to_thread(output, runner, spec))[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def all_of(session: Session) -> tuple[bytes, bytes, int]:
    """Read a session to its end: stdout, stderr, exit code."""
    found = {1: b"", 2: b""}
    async with asyncio.timeout(20), aclosing(session.output()) as items:  # type: ignore[type-var]
        async for number, data in items:
            found[number] += data
        return found[1], found[2], await session.exit_code()


async def until(session: Session, text: bytes) -> bytes:
    """Read a session until a text has come."""
    found = b""
    async with asyncio.timeout(20), aclosing(session.output()) as items:  # type: ignore[type-var]
        async for _, data in items:
            found += data
            if text in found:
                return found
    raise AssertionError(f"ended with {found!r}")
