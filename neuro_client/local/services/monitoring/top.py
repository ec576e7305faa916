"""The telemetry of a running job (jobs.md §7)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from ..base import Platform
from .control import monitored
from .sockets import send_all

_FIRST, _PERIOD = 0.4, 1.0


class TopHandler:
    """Answer the telemetry request."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send one message a second while the job runs; close when it is finished."""
        job = await monitored(self._platform, request, "read")
        async with aclosing(self._messages(job.id)) as messages:
            return await send_all(request, messages)

    async def _messages(self, job_id: str) -> AsyncGenerator[str, None]:
        control = self._platform.jobs
        async with self._platform.state.watch("job", job_id) as changes:
            while True:
                job = await control.get(job_id)
                if job is None or job.finished:
                    return
                if job.status != "running":
                    await anext(changes)
                    continue
                async for message in self._of_run(job_id, job.run):
                    yield message

    async def _of_run(self, job_id: str, run: int) -> AsyncGenerator[str, None]:
        """Yield messages until the run has ended."""
        control = self._platform.jobs
        loop = asyncio.get_running_loop()
        before = await control.runner.stats(job_id, run)
        measured = loop.time()
        pause = _FIRST
        while before is not None:
            await asyncio.sleep(pause)
            usage = await control.runner.stats(job_id, run)
            now = loop.time()
            if usage is None or control.current_run(job_id) != run:
                break
            cpu = max(0.0, usage.cpu_seconds - before.cpu_seconds) / (now - measured)
            yield json.dumps(
                {
                    "cpu": round(cpu, 4),
                    "memory": usage.memory >> 20,
                    "memory_bytes": usage.memory,
                    "timestamp": time.time(),
                }
            )
            before, measured, pause = usage, now, _PERIOD
        # The supervisor may be gone a moment before the job is known to be finished.
        await asyncio.sleep(0.01)
