"""Trees that are moved by the keys of a flat store: one listing for all of it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from neuro_client.concurrency import scoped_iterator
from neuro_client.errors import ResourceNotFound, TransferError
from neuro_client.transfer import Entry, EntryKind, MemoryStore, Resync, copy_tree, local_side
from neuro_client.transfer.flow import End
from neuro_client.transfer.keys import Found, Keys, before
from neuro_client.transfer.pace import Pace

from .kit import QUICK, Diary, grown, options, plant, side


class FlatMemory(MemoryStore):
    """Keep objects under keys that are nothing but text, and count what is asked for."""

    def __init__(self, *keys: str, most: int = 3) -> None:
        super().__init__()
        self.most = most
        self.asked: list[str] = []
        self.data: dict[str, tuple[bytes, float]] = {key: (b"", time.time()) for key in keys}

    async def page(self, directory: str, after: str) -> tuple[Sequence[Entry], bool]:
        self.asked.append(f"page {after}")
        start = f"{directory}/" if directory else ""
        found = sorted(key for key in self.data if key.startswith(start) and key > after)
        return [self._described(key) for key in found[: self.most]], len(found) > self.most

    def _described(self, key: str) -> Entry:
        data, mtime = self.data[key]
        if key.endswith("/"):
            return Entry(key, EntryKind.DIRECTORY)
        return Entry(key, EntryKind.FILE, len(data), mtime, "v")

    async def has_object(self, key: str) -> bool:
        self.asked.append(f"has {key}")
        return key in self.data

    async def mark(self, key: str) -> None:
        self.asked.append(f"mark {key}")
        self.data[f"{key}/"] = (b"", time.time())

    async def put(self, key: str, body: bytes) -> None:
        self.data[key] = (body, time.time())

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        return self.data[key][0]

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        if prefix in self.data:
            raise NotADirectoryError(prefix)
        if not any(key.startswith(f"{prefix}/") for key in self.data):
            raise ResourceNotFound(prefix, status=404)
        yield Entry(prefix, EntryKind.DIRECTORY)

    async def make_dir(self, key: str) -> None:
        raise AssertionError("a flat store is asked for a mark")


def keys_of(store: FlatMemory, directory: str = "") -> Keys:
    return Keys(End(store, QUICK, Pace(1.0, time.monotonic)), store, directory)


def old(root: Path) -> Path:
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 60,) * 2)
    return root


TREE: dict[str, bytes | None] = {
    "d/x": b"1",
    "d.txt": b"2",
    "d-1": b"3",
    "d0": b"4",
    "dd/deep/er": b"5",
    "none": None,
    "z/é/🙂": b"6",
    "z~": b"7",
    "large": bytes(2500),
}


async def test_there_again_and_back(tmp_path: Path) -> None:
    source = old(plant(tmp_path / "src", {k: v for k, v in TREE.items() if k != "large"}))
    flat = FlatMemory()
    diary = Diary()
    result = await copy_tree(
        local_side(source), side(flat, "there"), options=options(), progress=diary
    )
    diary.check()
    marks = {key for key in flat.data if key.endswith("/")}
    folders = ("", "d/", "dd/", "dd/deep/", "none/", "z/", "z/é/")
    assert marks == {f"there/{name}" for name in folders}
    assert (result.files, flat.asked[:2]) == (7, ["page ", "has there"])
    assert sum(what.startswith("page") for what in flat.asked) == 1  # it was empty

    flat.asked.clear()
    again = await copy_tree(
        local_side(source), side(flat, "there"), options=options(), resync=Resync(update=True)
    )
    assert (again.files, again.skipped) == (0, 7)
    assert len(flat.asked) <= -(-len(flat.data) // flat.most) + 1
    assert all(what.startswith("page") for what in flat.asked)

    diary = Diary()
    back = tmp_path / "back"
    await copy_tree(side(flat, "there"), local_side(back), options=options(), progress=diary)
    diary.check()
    assert grown(back) == grown(source)
    twin = FlatMemory("twin/d.txt")
    await copy_tree(side(flat, "there"), side(twin, "twin"), options=options())
    assert {key.removeprefix("twin/") for key in twin.data} == {
        key.removeprefix("there/") for key in flat.data if key != "there/"
    }


async def test_few_files_among_very_many_keys(tmp_path: Path) -> None:
    flat = FlatMemory(*(f"t/{number:05}" for number in range(5000)), "t/sub/x", most=10)
    source = old(plant(tmp_path / "src", {"00700": b"", "04000": b"", "sub/new": b""}))
    result = await copy_tree(
        local_side(source), side(flat, "t"), options=options(), resync=Resync(update=True)
    )
    assert (result.files, result.skipped) == (1, 2)
    assert len(flat.asked) < 10  # it is not gone through
    assert "t/sub/" not in flat.data


async def test_an_object_in_the_place_of_a_directory(tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"a/x": b"", "b": b""})
    for keys in (("t/a", "t/a.txt"), ("t",)):
        with pytest.raises(NotADirectoryError):
            await copy_tree(local_side(source), side(FlatMemory(*keys), "t"), options=options())
    flat = FlatMemory("t/a")
    with pytest.raises(TransferError) as caught:
        await copy_tree(local_side(source), side(flat, "t"), options=options(on_error="continue"))
    assert [path for path, _ in caught.value.failures] == ["a"]
    assert set(flat.data) == {"t/a", "t/b"}


async def test_what_is_not_entered_is_passed_over(tmp_path: Path) -> None:
    big = (f"t/big/{number:04}" for number in range(3000))
    flat = FlatMemory(*big, "t/big~", "t/a//b", "t/a//c", "t/a/ok", "t/file", "t/file/no", "t/out")
    diary = Diary()

    async def accept(path: str) -> bool:
        return path not in ("big/", "out")

    with pytest.raises(TransferError) as caught:
        await copy_tree(
            side(flat, "t"),
            local_side(tmp_path / "to"),
            options=options(on_error="continue"),
            accept=accept,
            progress=diary,
        )
    assert [path for path, _ in caught.value.failures] == ["file"]  # the directory of this name
    assert grown(tmp_path / "to").keys() == {"a/ok", "big~", "file"}
    assert len([event for event, _ in diary.events if event == "fail"]) == 2
    assert len(flat.asked) < 15


@pytest.mark.parametrize(("keys", "error"), [(("x",), FileNotFoundError), (("t",), OSError)])
async def test_a_source_that_is_none(
    tmp_path: Path, keys: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        await copy_tree(
            side(FlatMemory(*keys), "t"), local_side(tmp_path / "to"), options=options()
        )
    assert isinstance(caught.value, FileNotFoundError if keys == ("x",) else NotADirectoryError)
    assert not (tmp_path / "to").exists()


async def test_a_bad_name_leads_nowhere(tmp_path: Path) -> None:
    flat = FlatMemory("t/../up", "t/ok")
    with pytest.raises(TransferError, match="would leave"):
        await copy_tree(side(flat, "t"), local_side(tmp_path / "to"), options=options())
    assert not (tmp_path / "up").exists()


async def test_a_cancelled_walk_leaves_nothing_running(tmp_path: Path) -> None:
    flat = FlatMemory(*(f"t/{number}/x" for number in range(50)))
    reached = asyncio.Event()

    async def accept(path: str) -> bool:
        if path == "30/":
            reached.set()
            await asyncio.Event().wait()
        return True

    task = asyncio.create_task(
        copy_tree(side(flat, "t"), local_side(tmp_path / "to"), options=options(), accept=accept)
    )
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_finding_keys_is_as_looking_at_all_of_them() -> None:
    chance = random.Random(5)
    letters = "a-./0~é"

    def word() -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randint(1, 4)))

    for _ in range(150):
        flat = FlatMemory(*{f"t/{word()}" for _ in range(chance.randint(0, 40))})
        keys = keys_of(flat, "t")
        for name in sorted({word().strip("/") or "x" for _ in range(20)}):
            key = f"t/{name}"
            entry = await keys.find(key)
            assert (entry is not None) == (key in flat.data and not key.endswith("/"))
        keys = keys_of(flat, "t")
        folders = {f"t/{word().replace('/', '')}" for _ in range(20)} - {"t/"}
        for key in sorted(folders, key=lambda key: f"{key}/"):
            expected = Found.OBJECT if key in flat.data else Found.NOTHING
            if any(other.startswith(f"{key}/") for other in flat.data):
                expected = Found.DIRECTORY
            assert await keys.named(key) is expected


@pytest.mark.parametrize("key", ["a/b", "a/ ", "a/\x01", "a/\ue000", "a/🙂", "a/~", "a/!"])
def test_before_a_key(key: str) -> None:
    assert before(key) < key
    assert before(key).startswith("a/")
    before(key).encode()
