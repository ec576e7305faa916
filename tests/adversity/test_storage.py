"""Transfers against the local platform in bad weather: odd names, faults, cancellation, rivals."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client import Client, NeuroError, SourceChangedError, TransferOptions
from neuro_client.local import LocalPlatform

pytestmark = pytest.mark.thorough

MIB = 2**20
SMALL_PARTS = TransferOptions(part_size=MIB)
NAMES = [
    "a b",
    "100%",
    "x#y",
    "q?",
    "ünï",
    "new\nline",
    "n" * 255,
    "~tilde",
    "-dash",
    "%41",
    ".hidden",
    "back\\slash",
    'quo"te',
    "a:b",
    "tab\t",
    "empty",
]


def _content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def _write(path: Path, size: int) -> bytes:
    data = random.Random(size).randbytes(size)
    path.write_bytes(data)
    return data


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "no files here").mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(b"" if name == "empty" else name.encode() * 3)
    return folder


async def _names_below(client: Client, uri: str) -> list[str]:
    async with client.storage.list(URL(uri)) as entries:
        return [entry.name async for entry in entries]


async def test_odd_names_come_back(client: Client, odd_names: Path, tmp_path: Path) -> None:
    await client.storage.upload_dir(odd_names, URL("storage:odd"))
    await client.copy(URL("storage:odd"), URL("storage:odd again"), recursive=True)
    await client.storage.download_dir(URL("storage:odd again"), tmp_path / "back")
    assert await asyncio.to_thread(_content, tmp_path / "back") == await asyncio.to_thread(
        _content, odd_names
    )


@pytest.mark.parametrize("size", [0, 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1])
async def test_around_the_borders_of_parts(client: Client, tmp_path: Path, size: int) -> None:
    data = await asyncio.to_thread(_write, tmp_path / "file", size)
    uri = URL("storage:file")
    await client.storage.upload_file(tmp_path / "file", uri, options=SMALL_PARTS)
    await client.storage.download_file(uri, tmp_path / "back", options=SMALL_PARTS)
    assert await asyncio.to_thread((tmp_path / "back").read_bytes) == data
    assert await _names_below(client, "storage:") == ["file"]


@pytest.mark.parametrize("name", ["../x", "/abs", "a/b", "..", ".", "a\0b", ""])
async def test_a_name_cannot_leave_the_target(
    local_platform: LocalPlatform, client: Client, tmp_path: Path, name: str
) -> None:
    entry = {
        "path": name,
        "length": 1,
        "modificationTime": 1,
        "permission": "read",
        "type": "FILE",
    }
    await client.storage.mkdir(URL("storage:trap"))
    with local_platform.intercept() as seen:
        seen.answer("LISTSTATUS", json={"FileStatuses": {"FileStatus": [entry]}})
        with pytest.raises((ValueError, OSError, NeuroError)):
            await client.storage.download_dir(URL("storage:trap"), tmp_path / "deep" / "target")
        assert not any(call.query.get("op") == "OPEN" for call in seen.calls)
    found = await asyncio.to_thread(lambda: list((tmp_path / "deep").rglob("*")))
    assert [path for path in found if path.is_file()] == []


TROUBLE: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "status": lambda r: {"status": r.choice([429, 500, 502, 503]), "headers": {"Retry-After": "0"}},
    "cut": lambda r: {"cut_after": r.choice([0, 5, 100_000])},
    "refuse": lambda r: {"refuse": True},
    "delay": lambda r: {"delay": 0.05},
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_faults_on_the_way_there_and_back(
    local_platform: LocalPlatform, client: Client, tmp_path: Path, kind: str
) -> None:
    data = await asyncio.to_thread(_write, tmp_path / "file", 6 * MIB)
    luck = random.Random(kind)
    uri = URL("storage:file")
    storage = client.storage
    there = partial(storage.upload_file, tmp_path / "file", uri, options=SMALL_PARTS)
    back = partial(storage.download_file, uri, tmp_path / "back", options=SMALL_PARTS)
    for transfer in (there, back):
        faults = [local_platform.fault("/storage/", **TROUBLE[kind](luck)) for _ in range(4)]
        await transfer()
        assert sum(fault.hits for fault in faults) > 0
        for fault in faults:
            fault.remove()
    assert await asyncio.to_thread((tmp_path / "back").read_bytes) == data
    assert await _names_below(client, "storage:") == ["file"]


async def test_cancelled_uploads_leave_nothing_half_done(
    client: Client, odd_names: Path, tmp_path: Path
) -> None:
    data = await asyncio.to_thread(_write, tmp_path / "file", 6 * MIB)
    await client.storage.mkdir(URL("storage:target"))
    luck = random.Random(7)
    for number in range(40):
        if number % 2:
            uri = URL("storage:target/file")
            work = client.storage.upload_file(tmp_path / "file", uri, options=SMALL_PARTS)
        else:
            work = client.storage.upload_dir(odd_names, URL("storage:target/odd"))
        task = asyncio.create_task(work)
        await asyncio.sleep(luck.random() * 0.05)
        task.cancel()
        await asyncio.wait([task])
        assert [n for n in await _names_below(client, "storage:target") if ".part" in n] == []
    uri = URL("storage:target/file")
    await client.storage.upload_file(tmp_path / "file", uri, options=SMALL_PARTS)
    async with client.storage.open(uri) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == data


async def test_cancelled_downloads_leave_nothing_half_done(client: Client, tmp_path: Path) -> None:
    data = await asyncio.to_thread(_write, tmp_path / "file", 6 * MIB)
    uri = URL("storage:file")
    await client.storage.upload_file(tmp_path / "file", uri)
    target = tmp_path / "target"
    await asyncio.to_thread(target.mkdir)
    luck = random.Random(8)
    for _ in range(40):
        task = asyncio.create_task(
            client.storage.download_file(uri, target / "file", options=SMALL_PARTS)
        )
        await asyncio.sleep(luck.random() * 0.03)
        task.cancel()
        await asyncio.wait([task])
        found = await asyncio.to_thread(_content, target)
        assert found in ({}, {"file": data})


async def test_a_source_that_grows_is_reported(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    await asyncio.to_thread(_write, path, 24 * MIB)

    def append() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    async def grow() -> None:
        while True:
            await asyncio.to_thread(append)
            await asyncio.sleep(0.002)

    growing = asyncio.create_task(grow())
    try:
        with pytest.raises(SourceChangedError, match="changed while"):
            await client.storage.upload_file(path, URL("storage:file"), options=SMALL_PARTS)
    finally:
        growing.cancel()
        await asyncio.wait([growing])
    assert await _names_below(client, "storage:") == []


async def test_rivals_for_one_name(client: Client, tmp_path: Path) -> None:
    contents = []
    for number in range(4):
        contents.append(await asyncio.to_thread(_write, tmp_path / str(number), 3 * MIB + number))
    uri = URL("storage:file")
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(
                client.storage.upload_file(tmp_path / str(number), uri, options=SMALL_PARTS)
            )
    async with client.storage.open(uri) as chunks:
        assert b"".join([chunk async for chunk in chunks]) in contents
    assert await _names_below(client, "storage:") == ["file"]


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None,
    reason="only root can mount a small disk",
)
async def test_a_full_disk_here(client: Client, tmp_path: Path) -> None:
    await asyncio.to_thread(_write, tmp_path / "file", 4 * MIB)
    await client.storage.upload_file(tmp_path / "file", URL("storage:file"))
    disk = tmp_path / "disk"
    await asyncio.to_thread(disk.mkdir)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if (await asyncio.to_thread(subprocess.run, mount)).returncode:
        pytest.skip("this machine does not let even root mount")
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            await client.storage.download_file(URL("storage:file"), disk / "file")
        assert str(disk) in str(caught.value)
        assert await asyncio.to_thread(os.listdir, disk) == []
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(disk)])
