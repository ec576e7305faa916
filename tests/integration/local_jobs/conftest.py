"""A platform for tests of jobs, and a plain HTTP client for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from neuro_client.local.platform import LocalPlatform
from neuro_client.local.scheduler import Capacity, Timing
from neuro_client.local.settings import PresetSettings

MIB = 1 << 20
PRESETS = (
    PresetSettings("tiny", 0.5, 64 * MIB, Decimal("1.5")),
    PresetSettings("half", 2.0, 256 * MIB, Decimal(2)),
    PresetSettings("spot", 0.5, 64 * MIB, Decimal(1), preemptible_node=True),
    PresetSettings("shared", 2.0, 64 * MIB, Decimal(1), scheduler_enabled=True),
    PresetSettings("huge", 4096.0, 64 * MIB, Decimal(9)),
)
TIMING = Timing(minute=0.4, backoff=0.05, backoff_max=0.1, quantum=0.4, grace=0.5)
FINAL = ("succeeded", "failed", "cancelled")


class Api:
    """Speak to a platform as one user, over plain aiohttp."""

    def __init__(self, session: aiohttp.ClientSession, platform: LocalPlatform, token: str) -> None:
        self.session = session
        self.platform = platform
        self.headers = {"Authorization": f"Bearer {token}"}
        self.mon = f"{platform.api_url}/monitoring/default/jobs"

    async def call(
        self, method: str, path: str, *, status: int | None = None, **options: Any
    ) -> Any:
        """Send one request; give the JSON, or the text of another answer."""
        url = path if path.startswith("http") else f"{self.platform.api_url}{path}"
        headers = {**self.headers, **options.pop("headers", {})}
        async with self.session.request(method, url, headers=headers, **options) as answer:
            text = await answer.text()
            if status is not None:
                assert answer.status == status, (answer.status, text)
            if answer.content_type == "application/json":
                return await answer.json()
            return text

    async def start(
        self, command: str = "true", *, status: int = 202, preset: str = "tiny", **body: Any
    ) -> Any:
        """Create a job from a preset."""
        wanted = {"image": "ubuntu", "preset_name": preset, "command": command, **body}
        return await self.call("POST", "/jobs?from_preset", json=wanted, status=status)

    async def get(self, job_id: str) -> Any:
        """Give the JSON of a job."""
        return await self.call("GET", f"/jobs/{job_id}", status=200)

    async def until(self, job_id: str, *statuses: str, within: float = 10.0) -> Any:
        """Wait for a status and give the job."""
        async with asyncio.timeout(within):
            while True:
                job = await self.get(job_id)
                if job["status"] in statuses:
                    return job
                assert job["status"] not in FINAL, job["history"]
                await asyncio.sleep(0.01)

    async def done(self, job_id: str) -> Any:
        """Wait for the end."""
        return await self.until(job_id, *FINAL)

    async def run(self, command: str, **body: Any) -> tuple[Any, str]:
        """Run a job to its end; give the job and its log."""
        job = await self.done((await self.start(command, **body))["id"])
        return job, await self.log(job["id"])

    async def log(self, job_id: str, query: str = "") -> str:
        """Give the whole log over HTTP, which waits for the end of the job."""
        text: str = await self.call("GET", f"{self.mon}/{job_id}/log?{query}", status=200)
        return text

    def socket(self, path: str) -> Any:
        """Open a WebSocket of the monitoring service."""
        return self.session.ws_connect(f"{self.mon}/{path}", headers=self.headers)


async def eventually(check: Callable[[], Awaitable[Any]], within: float = 5.0) -> None:
    """Wait until ``check`` gives something true."""
    async with asyncio.timeout(within):
        while not await check():  # noqa: ASYNC110 - a server is asked, nobody tells
            await asyncio.sleep(0.02)


def sh(script: str) -> str:
    """Quote a script as the command of a job."""
    return "sh -c '" + script.replace("'", "'\\''") + "'"


@contextlib.asynccontextmanager
async def running(
    data: Path, *, orgs: Sequence[str] = ("acme",), port: int = 0
) -> AsyncIterator[Api]:
    """Run a platform and give its first user's client."""
    platform = LocalPlatform(data, port=port, presets=PRESETS, orgs=orgs)
    async with platform, aiohttp.ClientSession() as session:
        platform.jobs.timing = TIMING
        platform.jobs.capacity = Capacity(2.0, 4096 * MIB)
        yield Api(session, platform, platform.token)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Give a client of a fresh platform."""
    async with running(tmp_path / "data") as found:
        yield found


@pytest.fixture
def needs_limits(api: Api) -> None:
    """Skip where control groups cannot be written."""
    missing = api.platform.jobs.runner.limited
    if not missing:
        pytest.skip("control groups are not writable here, so nothing is limited")
