"""A mirror in bad weather: files that are written while they are read, and servers that go away."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from neuro_client.errors import ResourceNotFound, TransferError
from neuro_client.transfer import TransferOptions

from .grid import QUICK, Grid, cut, serving
from .test_download import tree

OPTIONS = TransferOptions(retry=QUICK)


async def test_a_file_that_changes_under_the_reader_is_read_again(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"a": b"first", "b": b"b"}}, run_phase="RUN_STATE_RUNNING")
    grid.phases = {"mnist-exp0": "RUNNING"}

    async def before(request: web.Request) -> web.StreamResponse | None:
        if request.path.startswith("/links") and grid.files["mnist-exp0"]["a"] == b"first":
            grid.files["mnist-exp0"]["a"] = b"other"  # of the same size
        elif request.path.endswith("/artifacts") and grid.listed["mnist-exp0"] == 2:
            grid.run_phase = "RUN_STATE_SUCCEEDED"
            grid.phases = {}
        return None

    grid.before = before
    async with serving(grid) as artifacts:
        done = await artifacts.mirror("mnist", tmp_path / "out", interval=0.1, options=OPTIONS)
    assert tree(tmp_path / "out/mnist/mnist-exp0") == {"a": b"other", "b": b"b"}
    assert (done.files, done.bytes) == (2, 6)


@pytest.mark.thorough
async def test_outages_are_waited_out(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"a": b"a" * 1000}})
    failures = 12  # more than any one call tries again

    async def before(request: web.Request) -> web.StreamResponse | None:
        nonlocal failures
        if request.path == "/v1/core/clusters":
            return None  # it was there when the call began
        if request.path.startswith("/links") and failures % 2 and failures > 0:
            failures -= 1
            return await cut(request, b"a" * 10, {"Content-Length": "1000"})
        if failures > 0:
            failures -= 1
            return web.Response(status=503)
        return None

    grid.before = before
    async with serving(grid) as artifacts:
        await artifacts.mirror("mnist", tmp_path / "out", interval=0.1, options=OPTIONS)
    assert tree(tmp_path / "out/mnist/mnist-exp0") == {"a": b"a" * 1000}


@pytest.mark.thorough
async def test_what_cannot_be_mirrored_is_told_at_the_end(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"../up": b"x", "good": b"good", "wrong": b"wrong"}})
    grid.md5 = {"wrong": "0" * 32}
    async with serving(grid) as artifacts:
        with pytest.raises(TransferError, match="2 artifacts could not be mirrored") as caught:
            await artifacts.mirror("mnist", tmp_path / "out", interval=0.1, options=OPTIONS)
        names = {path for path, _ in caught.value.failures}
        assert names == {"mnist/mnist-exp0/../up", "mnist/mnist-exp0/wrong"}
        assert tree(tmp_path) == {"out/mnist/mnist-exp0/good": b"good"}
        with pytest.raises(ResourceNotFound):
            await artifacts.mirror("none", tmp_path / "out")
