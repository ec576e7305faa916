"""A capture keeps its files in any store of the transfer engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from neuro_client.artifacts import capture_file
from neuro_client.artifacts.capture import Capture, Inventory
from neuro_client.artifacts.capture_store import CaptureInto
from neuro_client.transfer import Body, LocalStore, MemoryStore, ObjectStore, Part, Upload

from ..transfer.kit import options

BIG = bytes(range(256)) * 20


def write(root: Path) -> None:
    (root / "sub").mkdir(parents=True)
    (root / "sub/small%").write_text("small")
    (root / "sub/empty").touch()
    (root / "big").write_bytes(BIG)


def content(root: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(path, root): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


async def capture(root: Path, store: ObjectStore, prefix: str = "", interval: float = 0.01) -> int:
    target = CaptureInto(store, prefix, options=options())
    async with Capture([root], target, interval=interval, inventory=Inventory()) as running:
        report = await running.finish()
    assert report.failed == ()
    return report.bytes


class Flaky(MemoryStore):
    """Change the source with the first part, and lose the connection behind it."""

    def __init__(self, change: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._change = change
        self.sent: list[int] = []

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        self.sent.append(number)
        if len(self.sent) == 1:
            await asyncio.shield(self._change())
            raise ConnectionResetError("lost")
        return await super().put_part(upload, number, offset, body)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "work")
    return tmp_path / "work"


async def test_in_memory_and_on_disk(root: Path, tmp_path: Path) -> None:
    wanted = {"sub/small%25": b"small", "sub/empty": b"", "big": BIG}
    memory = MemoryStore()
    assert await capture(root, memory) == len(BIG) + 5
    assert {key: item.data for key, item in memory.objects.items()} == wanted
    folder = tmp_path / "kept"
    await asyncio.to_thread(folder.mkdir)
    await capture(root, LocalStore(folder), "runs/one")
    assert await asyncio.to_thread(content, folder / "runs/one") == wanted


async def test_a_file_that_changes_in_the_middle_is_never_mixed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_file, "SMALL_PIECE", 100)

    async def change() -> None:
        await asyncio.to_thread((root / "big").write_bytes, BIG[::-1] + b"more")

    store = Flaky(change)
    await capture(root, store)
    assert store.objects["big"].data == BIG[::-1] + b"more"
    assert len(store.sent) > 7
    assert store.uploads == {}


async def test_a_store_that_fails_is_reported(root: Path) -> None:
    class Full(MemoryStore):
        async def put(self, key: str, body: bytes) -> None:
            raise OSError(28, "No space left")

    target = CaptureInto(Full(), options=options())
    async with Capture([root], target, interval=0.01, inventory=Inventory()) as running:
        report = await running.finish()
    assert report.uploaded == ()
    assert [note.name for note in report.failed] == ["big", "sub/empty", "sub/small%"]
    assert "No space left" in report.failed[0].reason
