"""The process runner meets the contract of runners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.local.runners import ProcessRunner, Runner, opened

from .contract import CHECKS, Bench, Check

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

PLATFORM = URL("http://127.0.0.1:1")


@asynccontextmanager
async def opened_once(folder: Path) -> AsyncIterator[Runner]:
    """Open a runner; what it leaves running is its child no more, as after the platform's death."""
    async with opened("process", folder, PLATFORM) as runner:
        yield runner
        assert isinstance(runner, ProcessRunner)
        for child in runner._children.values():
            child.returncode = 0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "jobs"

    async def left() -> list[Path]:
        """List scratch folders."""
        return await asyncio.to_thread(
            lambda: [*folder.glob("*/*/tmp"), *folder.glob("*/*/root"), *folder.glob("*/secrets")]
        )

    bench = Bench(
        open=lambda: opened_once(folder),
        folder=tmp_path,
        left=left,
    )
    await check(bench)


async def test_jobs_are_on_this_host(tmp_path: Path) -> None:
    async with opened("process", tmp_path, PLATFORM) as runner:
        assert await runner.host("job-x", 0) == "127.0.0.1"
        assert runner.inside(PLATFORM / "api") == PLATFORM / "api"


async def test_other_runners_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runner 'slurm'"):
        async with opened("slurm", tmp_path, PLATFORM):
            pass
