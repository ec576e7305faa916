"""A capture that is cancelled anywhere, that sees many files, or a very large one."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from neuro_client.artifacts.capture import Capture, CaptureFile, CaptureReport, Inventory
from neuro_client.testing.leaks import open_descriptors

from .stepping import stepped

GiB = 2**30
MiB = 2**20


class Kept:
    """Keep captured files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def put(self, file: CaptureFile) -> None:
        async with file.chunks() as chunks:
            self.files[file.key] = b"".join([piece async for piece in chunks])


def _fill(root: Path, folders: int, files: int) -> None:
    for folder in range(folders):
        (root / f"{folder}").mkdir(parents=True)
        for number in range(files):
            (root / f"{folder}/{number}").write_text(f"{folder}/{number}")


async def _captured(root: Path, store: Kept) -> CaptureReport:
    async with Capture([root], store, interval=3600, inventory=Inventory()) as capture:
        return await capture.finish()


def _open_below(root: Path) -> list[str]:
    return [target for target in open_descriptors().values() if target.startswith(str(root))]


async def test_cancelled_anywhere_it_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "work"
    await asyncio.to_thread(_fill, root, 1, 3)
    whole = await stepped(lambda: _captured(root, Kept()))
    assert whole.steps >= 8
    cancelled = 0
    for step in range(1, whole.steps + 1):
        for at in ((step,), (step, step + 1), (step, step + 2)):
            store = Kept()
            async with asyncio.timeout(30):
                outcome = await stepped(lambda store=store: _captured(root, store), at)  # type: ignore[misc]
            assert not outcome.tasks, f"cancelled at {at}: {outcome.tasks}"
            assert not await asyncio.to_thread(_open_below, root), f"cancelled at {at}"
            assert all(content == key.encode() for key, content in store.files.items())
            cancelled += outcome.cancelled
    assert cancelled > whole.steps


@pytest.mark.thorough
@pytest.mark.timeout(300)
async def test_ten_thousand_files(tmp_path: Path) -> None:
    asyncio.get_running_loop().set_debug(False)  # it would take most of the time
    root = tmp_path / "work"
    await asyncio.to_thread(_fill, root, 100, 100)
    store = Kept()
    report = await _captured(root, store)
    assert len(report.uploaded) == len(store.files) == 10_000
    assert all(content == key.encode() for key, content in store.files.items())


PROGRAM = """
import asyncio, json, resource, sys
from pathlib import Path
from neuro_client.artifacts.capture import Capture, Inventory

class Counting:
    def __init__(self):
        self.counts = {}
    async def put(self, file):
        count = 0
        async with file.chunks() as chunks:
            async for piece in chunks:
                await asyncio.sleep(0)
                count += len(piece)
        self.counts[file.key] = count

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    root, store = Path(sys.argv[1]), Counting()
    await asyncio.to_thread(int)
    before = peak()
    async with Capture([root], store, inventory=Inventory()) as capture:
        await capture.finish()
    print(json.dumps({"counts": store.counts, "extra": peak() - before}))

asyncio.run(main())
"""


async def _measured(root: Path) -> dict[str, object]:
    """Capture a folder in a process of its own; return what it stored and its extra memory."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(root), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, object] = json.loads(output)
    return found


def _make_sparse(root: Path, sizes: dict[str, int]) -> None:
    root.mkdir()
    for name, size in sizes.items():
        with (root / name).open("wb") as file:
            file.truncate(size)


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("sizes", "limit"),
    [
        # Small pieces up to 1 GiB, 50 MiB for a larger file, 200 MiB for as many as there are.
        ({f"{number}": 200 * MiB for number in range(4)} | {"limit": GiB}, 24 * MiB),
        ({"large": GiB + 200 * MiB}, 50 * MiB + 16 * MiB),
        ({f"{number}": GiB + 1 for number in range(5)}, 200 * MiB + 16 * MiB),
    ],
    ids=["up to 1 GiB", "1.2 GiB", "five of more than 1 GiB"],
)
async def test_memory(tmp_path: Path, sizes: dict[str, int], limit: int) -> None:
    root = tmp_path / "work"
    await asyncio.to_thread(_make_sparse, root, sizes)
    found = await _measured(root)
    assert found["counts"] == sizes
    assert isinstance(found["extra"], int)
    assert found["extra"] <= limit
