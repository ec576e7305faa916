"""The client's clock jumps by a day in the middle of work: nothing breaks, nothing waits a day."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client.config import Token, store

from .bench import Bench, open_bench
from .trouble import requests_counted

pytestmark = [pytest.mark.thorough, pytest.mark.slow]

DAY = 86_400.0
LIFE = 1.0
ROOT = Path(__file__).parents[2]


async def _run(bench: Bench, work: str, seconds: float, argument: object) -> Any:
    """Do the work in a process whose clock jumps; it may take no longer than half a minute."""
    program = ["-m", "tests.adversity.clock", str(bench.config), work, str(seconds), str(argument)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        shown, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(shown)


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["forward", "back"])
async def test_work_goes_on(tmp_path: Path, seconds: float) -> None:
    data = random.Random(1).randbytes(5 * 2**20)
    async with open_bench(tmp_path) as bench:
        await asyncio.to_thread((bench.folder / "file").write_bytes, data)
        job = await bench.job("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done")
        async with asyncio.TaskGroup() as group:
            group.create_task(_run(bench, "upload", seconds, bench.folder / "file"))
            logs = group.create_task(_run(bench, "logs", seconds, job.id))
            wait = group.create_task(_run(bench, "wait", seconds, job.id))
        assert logs.result() == [str(number) for number in range(1, 9)]
        assert wait.result() == "succeeded"
        assert await bench.content(URL("storage:file")) == data
        assert await bench.names(URL("storage:")) == {"file"}


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["forward", "back"])
async def test_tokens_are_renewed(tmp_path: Path, seconds: float) -> None:
    async with open_bench(tmp_path, token_lifetime=LIFE) as bench:
        username = bench.platform.username
        access = await bench.platform.issue_token(username, expires_in=LIFE)
        refresh = await bench.platform.tokens.issue_refresh(username)
        token = Token(access, time.time() + LIFE, refresh)
        await asyncio.to_thread(store.save_token, bench.config, token)
        with requests_counted(bench) as seen:
            asked = await _run(bench, "renewal", seconds, 3 * LIFE)
    renewals = sum("/auth/token" in call for call in seen)
    assert asked >= 3
    # At least one for each life; the clock's jump may not make each request renew.
    assert 2 <= renewals <= 3 * LIFE / (0.75 * LIFE) + 3
