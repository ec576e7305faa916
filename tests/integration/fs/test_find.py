"""Finding what is below a folder of a bucket takes one listing, however many folders there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client import Client, get
from neuro_client.fs import BlobFileSystem
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

ROOT = "default/user/data"
KEYS = ("a", "b/c", "b/d/e", "b/d/f", "g/h/i/j")


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        await login(platform, tmp_path / "config")
        yield platform


@pytest.fixture
async def client(platform: LocalPlatform, tmp_path: Path) -> AsyncIterator[Client]:
    """Fill a bucket."""
    async with get(path=tmp_path / "config") as client:
        await client.buckets.create("data")
        for key in (*KEYS, "b/empty/", "odd//name"):
            await client.buckets.put_blob("data", key, key.encode())
        yield client


@pytest.fixture
async def fs(client: Client, tmp_path: Path) -> AsyncIterator[BlobFileSystem]:
    fs = BlobFileSystem(config=tmp_path / "config", asynchronous=True, skip_instance_cache=True)
    try:
        yield fs
    finally:
        await fs.aclose()


async def test_one_listing(platform: LocalPlatform, fs: BlobFileSystem) -> None:
    await fs._info(f"{ROOT}/a")  # opens the bucket
    with platform.intercept() as seen:
        found = await fs._find(ROOT, detail=True)
    assert list(found) == [f"{ROOT}/{key}" for key in KEYS]
    assert {item["size"] for item in found.values()} == {len(key) for key in KEYS}
    assert [call.query["list-type"] for call in seen.calls] == ["2"]


async def test_folders_files_and_depth(fs: BlobFileSystem) -> None:
    folders = [f"{ROOT}/b/d", f"{ROOT}/b/empty"]
    inside = [f"{ROOT}/{key}" for key in KEYS[1:4]]
    assert await fs._find(f"{ROOT}/b") == inside
    assert await fs._find(f"{ROOT}/b", withdirs=True) == sorted([f"{ROOT}/b", *folders, *inside])
    assert await fs._find(f"{ROOT}/b", maxdepth=1) == [f"{ROOT}/b/c"]
    assert await fs._find(f"{ROOT}/b/c") == [f"{ROOT}/b/c"]
    assert await fs._find(f"{ROOT}/missing") == await fs._find("default/user/none/a") == []
    with pytest.raises(ValueError, match="maxdepth"):
        await fs._find(ROOT, maxdepth=0)
