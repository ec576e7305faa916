"""What `blob cat` does when the connection breaks while it writes."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client import Client, get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from ...adversity.leftovers import until
from .kit import Program

DATA = random.Random(1).randbytes(3 * 2**20)


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        await login(platform, tmp_path / "config")
        yield platform


@pytest.fixture
async def client(platform: LocalPlatform, tmp_path: Path) -> AsyncIterator[Client]:
    async with get(path=tmp_path / "config") as client:
        await client.buckets.create("data")
        await client.buckets.put_blob("data", "key", DATA)
        yield client


async def _cat(tmp_path: Path) -> tuple[int | None, bytes, str]:
    program = Program(tmp_path / "home", tmp_path / "config")
    process = await asyncio.create_subprocess_exec(
        *program.command("blob", "cat", "blob:data/key"),
        env=program.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    return process.returncode, out, told.decode()


async def test_cat_goes_on_where_it_broke(
    platform: LocalPlatform, client: Client, tmp_path: Path
) -> None:
    platform.fault("GET /neuro-pl-", cut_after=2**20 + 7, times=1)
    with platform.intercept() as seen:
        assert await _cat(tmp_path) == (0, DATA, "")
    first, second = [call for call in seen.calls if call.method == "GET" and "/key" in call.path]
    assert "Range" not in first.headers
    assert 0 < int(second.headers["Range"].removeprefix("bytes=").partition("-")[0]) <= 2**20 + 7
    assert second.headers["If-Match"] == f'"{hashlib.md5(DATA).hexdigest()}"'


async def test_cat_does_not_go_on_in_another_version(
    platform: LocalPlatform, client: Client, tmp_path: Path
) -> None:
    cut = platform.fault("GET /neuro-pl-", cut_after=2**20 + 7, times=1)
    later = platform.fault("GET /neuro-pl-", status=503, headers={"Retry-After": "1"}, times=None)
    reading = asyncio.create_task(_cat(tmp_path))
    # The answer that is cut is of the old version; whoever comes again meets the new one.
    await until(lambda: cut.hits, "the blob was not read")
    await client.buckets.put_blob("data", "key", DATA[::-1])
    later.remove()
    code, out, told = await reading
    assert (code, out) == (1, DATA[: len(out)])
    assert 0 < len(out) <= 2**20 + 7
    assert "changed while it was read" in told
