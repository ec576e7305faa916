"""Tokens that expire, or are taken back, in the middle of long work."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from neuro_client import TransferOptions
from neuro_client.config import Token, store

from .bench import Bench, open_bench
from .trouble import requests_counted

pytestmark = [pytest.mark.thorough, pytest.mark.slow]

LIFE = 1.0
MIB = 2**20
PARTS = TransferOptions(part_size=MIB)


async def _give_short_lived_token(bench: Bench) -> None:
    """Replace the login's token by one from a browser login: it expires, and can be renewed."""
    username = bench.platform.username
    access = await bench.platform.issue_token(username, expires_in=LIFE)
    refresh = await bench.platform.tokens.issue_refresh(username)
    token = Token(access, time.time() + 0.75 * LIFE, refresh)
    await asyncio.to_thread(store.save_token, bench.config, token)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path, token_lifetime=LIFE) as found:
        await _give_short_lived_token(found)
        yield found


def _renewals(calls: list[str]) -> int:
    return sum(call.startswith("POST /auth/token") for call in calls)


async def test_expiry_in_the_middle_of_an_upload(bench: Bench) -> None:
    data = random.Random(1).randbytes(6 * MIB)
    await asyncio.to_thread((bench.folder / "file").write_bytes, data)
    async with bench.client() as client:
        bench.proxy.throttle(MIB)  # of each connection: a part outlives the token
        with requests_counted(bench) as seen:
            await client.storage.upload_file(
                bench.folder / "file", URL("storage:file"), options=PARTS
            )
    assert _renewals(seen) >= 2
    assert await bench.content(URL("storage:file")) == data
    assert await bench.names(URL("storage:")) == {"file"}


async def test_expiry_in_the_middle_of_logs(bench: Bench) -> None:
    job = await bench.job("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.25; done")
    found = []
    async with bench.client() as client:
        with requests_counted(bench) as seen:
            async with client.jobs.logs(job.id) as lines:
                async for line in lines:
                    found.append(line)
                    if line in ("4", "8"):  # what comes next needs a token that is still good
                        bench.proxy.cut()
    assert found == [str(number) for number in range(1, 11)]
    assert _renewals(seen) >= 1


@pytest.mark.parametrize("part", [1, 3])
async def test_a_token_taken_back_in_the_middle_of_an_upload(bench: Bench, part: int) -> None:
    data = random.Random(2).randbytes(6 * MIB)
    await asyncio.to_thread((bench.folder / "file").write_bytes, data)
    taken_back: set[str] = set()
    parts = 0

    def is_refused(request: web.Request) -> bool:
        nonlocal parts
        parts += request.method == "PATCH"
        if parts == part and not taken_back:
            taken_back.add(request.headers["Authorization"])
        return request.headers.get("Authorization") in taken_back

    fault = bench.platform.fault(is_refused, status=401, times=None)
    async with bench.client() as client:
        with requests_counted(bench) as seen:
            await client.storage.upload_file(
                bench.folder / "file", URL("storage:file"), options=PARTS
            )
    assert fault.hits >= 1
    assert await bench.content(URL("storage:file")) == data
    # All parts that met the refusal shared one renewal; the token's own end may add another.
    assert 1 <= _renewals(seen) <= 1 + parts // 2
