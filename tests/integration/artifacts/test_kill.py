"""A download that is killed, and the same call again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web

from neuro_client.transfer import TransferOptions

from .grid import QUICK, Grid, serving
from .test_download import BIG, tree

PART = 2**18


@pytest.mark.thorough
@pytest.mark.parametrize("after", [1, 2, 3])
async def test_the_same_call_goes_on_after_a_kill(tmp_path: Path, after: int) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG, "small": b"small"}})
    served: list[str] = []
    held, over = asyncio.Event(), asyncio.Event()

    async def before(request: web.Request) -> web.StreamResponse | None:
        if "Range" in request.headers:
            if len(served) == after and not over.is_set():
                held.set()
                await over.wait()
            served.append(request.headers["Range"])
        return None

    grid.before = before
    target = tmp_path / "out"
    async with serving(grid) as artifacts:
        words = ["-m", f"{__package__}.downloading", grid.url, str(target), str(PART)]
        child = await asyncio.create_subprocess_exec(sys.executable, *words)
        try:
            await held.wait()
        finally:
            child.kill()
            await child.wait()
        over.set()
        arrived = served[:after]
        served.clear()
        assert "mnist-exp0/big" not in tree(target)
        options = TransferOptions(part_size=PART, parts=1, files=1, retry=QUICK)
        await artifacts.download("mnist-exp0", target, options=options)
    assert tree(target) == {"mnist-exp0/big": BIG, "mnist-exp0/small": b"small"}
    # The last part that arrived may not have been noted yet when the kill came.
    assert not set(arrived[:-1]) & set(served)
