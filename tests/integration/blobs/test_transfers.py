"""Files and directories to and from buckets (buckets.md §9)."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from yarl import URL

from neuro_client import (
    AbstractDeleteProgress,
    Client,
    FileFilter,
    StorageProgressDelete,
    TransferOptions,
)
from neuro_client.local import LocalPlatform

from ...unit.transfer.kit import Diary, content, grown, plant
from .conftest import Data

pytestmark = pytest.mark.thorough

MiB = 2**20

TREE: dict[str, bytes | None] = {
    "empty": b"",
    "small": b"small",
    "large": content(17 * MiB + 5),
    "sub/deep/file": b"deep",
    "none": None,
    "two words %41 #?+&🙂": b"odd",
    "back\\slash": b"",
    "line\nbreak": b"line",
    "n" * 255: content(3000),
}


def date(root: Path, seconds: float) -> None:
    """Set the time of all files below a folder, from now."""
    for path in root.rglob("*"):
        os.utime(path, (time.time() + seconds,) * 2)


class Gone(AbstractDeleteProgress):
    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []

    def delete(self, data: StorageProgressDelete) -> None:
        self.seen.append((str(data.uri), data.is_dir))


async def test_a_tree_goes_there_and_back(data: Data, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", TREE)
    up, down = Diary(), Diary()
    buckets = data.client.buckets
    result = await buckets.upload_dir(source, data.uri("there"), progress=up)
    up.check()
    assert (result.files, result.failed) == (8, 0)
    keys = await data.keys()
    # A new folder has a marker; the names of children are exact.
    assert {"there/", "there/none/", "there/sub/", "there/sub/deep/"} < set(keys)
    assert "there/two words %41 #?+&🙂" in keys
    await buckets.download_dir(data.uri("there"), tmp_path / "back", progress=down)
    down.check()
    assert grown(tmp_path / "back") == TREE
    assert up.names("complete") and len(up.names("complete")) == len(down.names("complete"))


async def test_an_unchanged_tree_is_not_sent_again(data: Data, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"a": b"1", "d/b": b"2"})
    date(source, -60)
    buckets = data.client.buckets
    await buckets.upload_dir(source, data.uri("there"))
    again = await buckets.upload_dir(source, data.uri("there"), update=True)
    assert (again.files, again.skipped) == (0, 2)
    (source / "a").write_bytes(b"new")
    os.utime(source / "a", (time.time() + 60,) * 2)
    again = await buckets.upload_dir(source, data.uri("there"), update=True)
    assert (again.files, again.skipped) == (1, 1)
    assert await data.read("there/a") == b"new"
    # Into a missing directory, which the published client fails on (§9.2).
    found = await buckets.download_dir(data.uri("there"), tmp_path / "back", update=True)
    assert found.files == 2
    date(tmp_path / "back", 60)
    found = await buckets.download_dir(data.uri("there"), tmp_path / "back", update=True)
    assert (found.files, found.skipped) == (0, 2)


async def test_files_and_their_errors(data: Data, tmp_path: Path) -> None:
    buckets = data.client.buckets
    file = tmp_path / "file"
    file.write_bytes(b"content")
    await data.put("dir/x", "blob")
    await buckets.upload_file(file, data.uri("new/key"))
    assert await data.read("new/key") == b"content"
    assert "new/" not in await data.keys()  # no parents are made
    await buckets.download_file(data.uri("new/key"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"
    with pytest.raises(FileNotFoundError):
        await buckets.upload_file(tmp_path / "missing", data.uri("k"))
    with pytest.raises(IsADirectoryError):
        await buckets.upload_file(tmp_path, data.uri("k"))
    for target in ("dir", ""):
        with pytest.raises(IsADirectoryError):
            await buckets.upload_file(file, data.uri(target))
    with pytest.raises(FileNotFoundError):
        await buckets.download_file(data.uri("missing"), tmp_path / "x")
    with pytest.raises(IsADirectoryError):
        await buckets.download_file(data.uri("dir"), tmp_path / "x")
    with pytest.raises(IsADirectoryError):
        await buckets.download_file(data.uri("blob"), tmp_path)
    with pytest.raises(ValueError, match="continued"):
        await buckets.upload_file(file, data.uri("k"), options=TransferOptions(continue_=True))
    assert not (tmp_path / "x").exists()


async def test_directories_and_their_errors(data: Data, tmp_path: Path) -> None:
    buckets = data.client.buckets
    source = plant(tmp_path / "src", {"a": b"1"})
    await data.put("blob", "dir/x")
    with pytest.raises(FileNotFoundError):
        await buckets.upload_dir(tmp_path / "missing", data.uri("t"))
    with pytest.raises(NotADirectoryError):
        await buckets.upload_dir(source / "a", data.uri("t"))
    with pytest.raises(NotADirectoryError):
        await buckets.upload_dir(source, data.uri("blob"))
    with pytest.raises(FileNotFoundError):
        await buckets.download_dir(data.uri("missing"), tmp_path / "t")
    with pytest.raises(NotADirectoryError):
        await buckets.download_dir(data.uri("blob"), tmp_path / "t")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        await buckets.download_dir(data.uri("dir"), source / "a")
    await buckets.upload_dir(source, data.uri())
    assert await data.keys() == ["a", "blob", "dir/x"]  # the root and a folder get no marker
    await buckets.upload_dir(source, data.uri("dir"))
    assert "dir/" not in await data.keys()


async def test_filters_and_ignore_files(data: Data, tmp_path: Path) -> None:
    source = plant(
        tmp_path / "src",
        {"a.txt": b"", "b.log": b"", ".ignore": b"*.tmp\n", "sub/c.tmp": b"", "sub/d.txt": b""},
    )
    rules = FileFilter()
    rules.exclude("*.log")
    await data.client.buckets.upload_dir(
        source, data.uri("t"), filter=rules.match, ignore_file_names=frozenset({".ignore"})
    )
    keys = [key for key in await data.keys() if not key.endswith("/")]
    assert keys == ["t/.ignore", "t/a.txt", "t/sub/d.txt"]


async def test_keys_that_no_path_can_be(data: Data, tmp_path: Path) -> None:
    await data.put("d/ok", "d//double", "d/x", "d/x/below")
    diary = Diary()
    options = TransferOptions(on_error="continue")
    with pytest.raises(Exception, match="could not be moved"):
        await data.client.buckets.download_dir(
            data.uri("d"), tmp_path / "back", progress=diary, options=options
        )
    assert (tmp_path / "back/ok").read_bytes() == b"d/ok"
    assert [fail for kind, fail in diary.events if kind == "fail"]


async def test_removing(data: Data) -> None:
    buckets = data.client.buckets
    await data.put("a", "d/", "d/1", "d/e/2", "other")
    gone = Gone()
    with pytest.raises(FileNotFoundError):
        await buckets.blob_rm(data.uri("missing"), recursive=True)
    with pytest.raises(IsADirectoryError):
        await buckets.blob_rm(data.uri("d"))
    await buckets.blob_rm(data.uri("a"), recursive=True, progress=gone)  # a blob goes all the same
    base = str(data.bucket.uri)
    assert gone.seen == [(f"{base}/a", False)]
    gone = Gone()
    await buckets.blob_rm(data.uri("d"), recursive=True, progress=gone)
    assert set(gone.seen[:2]) == {(f"{base}/d/1", False), (f"{base}/d/e/2", False)}
    assert gone.seen[2:] == [(f"{base}/d/e", True), (f"{base}/d", True)]
    assert await data.keys() == ["other"]
    gone = Gone()
    await buckets.blob_rm(data.uri(), recursive=True, progress=gone)
    assert gone.seen == [(f"{base}/other", False), (f"{base}/", True)]
    assert await data.keys() == []


async def test_copies_between_the_stores(data: Data, tmp_path: Path) -> None:
    client = data.client
    source = plant(tmp_path / "src", {"a": b"1", "d/b": content(9 * MiB)})
    await client.storage.upload_dir(source, URL("storage:src"))
    await client.copy(URL("storage:src"), data.uri("one"), recursive=True)
    await client.copy(data.uri("one"), data.uri("two"), recursive=True)
    await client.copy(data.uri("two"), URL("storage:back"), recursive=True)
    await client.storage.download_dir(URL("storage:back"), tmp_path / "back")
    assert grown(tmp_path / "back") == grown(source)
    with pytest.raises(ValueError, match="into itself"):
        await client.copy(data.uri("one"), data.uri("one/more"), recursive=True)


async def test_an_outage_is_gone_through(
    data: Data, tmp_path: Path, local_platform: LocalPlatform
) -> None:
    """Every third part is refused or its answer lost; the journal is not needed for that."""
    (tmp_path / "large").write_bytes(content(40 * MiB))
    for status in (503, 500, 429):
        local_platform.fault("PUT /neuro-pl-", status=status, times=1, skip=1)
    local_platform.fault("PUT /neuro-pl-", cut_after=0, times=2, skip=4)
    options = TransferOptions(part_size=5 * MiB)
    await data.client.buckets.upload_file(tmp_path / "large", data.uri("large"), options=options)
    local_platform.fault("GET /neuro-pl-", cut_after=MiB, times=3, skip=1)
    await data.client.buckets.download_file(data.uri("large"), tmp_path / "back", options=options)
    assert (tmp_path / "back").read_bytes() == content(40 * MiB)


@pytest.mark.thorough
async def test_credentials_are_renewed_in_the_middle(
    client: Client, tmp_path: Path, local_platform: LocalPlatform
) -> None:
    local_platform.buckets.credentials_life = 1.0
    await client.buckets.create("data")
    (tmp_path / "large").write_bytes(content(30 * MiB))
    with local_platform.intercept() as seen:
        for number in range(4):
            await client.buckets.upload_file(tmp_path / "large", URL(f"blob:data/{number}"))
            await asyncio.sleep(0.5)
    asked = [item for item in seen.calls if item.path.endswith("/make_tmp_credentials")]
    assert 2 <= len(asked) <= 12
