"""Cancel calls at their awaits: nothing is left behind, and the same call works afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from neuro_client.artifacts import Artifacts, RunRequest
from neuro_client.errors import ResourceNotFound
from neuro_client.local import LocalPlatform
from neuro_client.transfer import TransferOptions
from neuro_client.transfer.journal import folder as journals
from tests.adversity.luck import FULL, luck
from tests.adversity.stepping import stepped

from .grid import QUICK, Grid, serving
from .test_download import BIG, tree
from .test_local_platform import opened

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600 if FULL else 120)]

SHARE = 12
"""At how many suspensions of each call it is cancelled, unless all are wanted."""
OPTIONS = TransferOptions(part_size=2**19, retry=QUICK)

Check = Callable[[bool], Awaitable[None]]


async def everywhere(name: str, act: Callable[[], Awaitable[object]], check: Check) -> None:
    """Count the suspensions of a call, then cancel it at some of them."""

    async def call() -> None:
        await act()

    steps = (await stepped(call, ())).steps
    assert steps > 5
    await check(False)
    numbers = range(1, steps + 1)
    for at in numbers if FULL else sorted(luck(name).sample(numbers, min(SHARE, steps))):
        outcome = await stepped(call, (at,))
        assert not outcome.tasks, f"tasks outlived the call: {outcome.tasks}"
        await check(outcome.cancelled)


def kept() -> list[Path]:
    """Return the journals that are left."""
    return list(journals().glob("*")) if journals().is_dir() else []


async def test_download_and_mirror(tmp_path: Path) -> None:
    grid = Grid({"mnist-exp0": {"big": BIG, "sub/small": b"small"}, "mnist-exp1": {"a": b""}})
    target = tmp_path / "out"
    whole = {
        "mnist/mnist-exp0/big": BIG,
        "mnist/mnist-exp0/sub/small": b"small",
        "mnist/mnist-exp1/a": b"",
    }

    async def check(cancelled: bool) -> None:
        found = await asyncio.to_thread(tree, target)
        assert found.items() <= whole.items()
        assert cancelled or found == whole
        assert not await asyncio.to_thread(kept)

    async with serving(grid) as artifacts:
        for call in (artifacts.download, artifacts.mirror):

            async def act(call: Callable[..., Awaitable[object]] = call) -> None:
                # What is here already, a mirror leaves alone.
                await asyncio.to_thread(shutil.rmtree, target, True)
                await call("mnist", target, options=OPTIONS)

            await everywhere("download of artifacts", act, check)


async def submitted(artifacts: Artifacts, request: RunRequest) -> None:
    """Make a run, and remove it when that worked."""
    await artifacts.submit(request)


async def test_submit(local_platform: LocalPlatform, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print('done')")
    async with opened(local_platform) as artifacts:
        number = 0

        async def act() -> None:
            nonlocal number
            number += 1
            await artifacts.submit(
                RunRequest(name=f"run-{number}", script="train.py", local_dir=folder)
            )

        async def check(cancelled: bool) -> None:
            name = f"run-{number}"
            if not cancelled:
                await artifacts.wait(name, timeout=60)
                return
            # What the answer did not tell any more, nobody could remove: it has no files, or is
            # whole.
            try:
                await artifacts.delete(name)
            except ResourceNotFound:
                return

        await everywhere("submission of a run", act, check)


async def test_datastore(local_platform: LocalPlatform, tmp_path: Path) -> None:
    source = tmp_path / "set"
    (source / "sub").mkdir(parents=True)
    content = {"big": BIG * 3, "sub/a": b"a", "sub/b": b"b"}
    for name, data in content.items():
        (source / name).write_bytes(data)
    options = TransferOptions(part_size=5 * 2**20, retry=QUICK)
    async with opened(local_platform) as artifacts:

        async def act() -> None:
            await artifacts.upload_datastore(source, "set", options=options)

        async def check(cancelled: bool) -> None:
            if cancelled:
                # Whatever was left behind, the same call completes it.
                made = await artifacts.upload_datastore(source, "set", options=options)
                place = local_platform.data / "artifacts/datastores" / made.id
                assert await asyncio.to_thread(tree, place) == content
            assert await artifacts.unfinished_datastores() == ()

        await everywhere("upload of a datastore", act, check)
