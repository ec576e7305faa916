"""The map of shards: what it reads and writes, and how it is made of a folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from neuro_client.errors import ProtocolError, SourceChangedError
from neuro_client.transfer.files import Reader
from neuro_client.workspaces import hash_memory
from neuro_client.workspaces.shard_map import (
    ShardEntry,
    ShardMap,
    dumps,
    hash_shards,
    loads,
)

MAP = ShardMap(
    (
        ShardEntry(0, "shard_0.zip", 10, "aa", 2),
        ShardEntry(1, "shard_1.zip", 32, "bb", worker_id="w-7"),
    ),
    datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def _zip(files: int = 1, content: bytes = b"x") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.mkdir("folder")
        for number in range(files):
            archive.writestr(f"folder/{number}.txt", content)
    return made.getvalue()


def test_the_document_is_that_of_the_contract() -> None:
    """garage-workspace.md §7.1."""
    assert json.loads(dumps(MAP)) == {
        "version": 1,
        "created": "2026-03-04T05:06:07+00:00",
        "total_bytes": 42,
        "num_shards": 2,
        "shards": [
            {
                "index": 0,
                "name": "shard_0.zip",
                "size": 10,
                "sha256": "aa",
                "files": 2,
                "worker_id": None,
            },
            {
                "index": 1,
                "name": "shard_1.zip",
                "size": 32,
                "sha256": "bb",
                "files": None,
                "worker_id": "w-7",
            },
        ],
    }
    assert loads(dumps(MAP)) == MAP


def test_unknown_keys_are_ignored_and_counts_are_counted() -> None:
    found = loads(
        '{"version": 2, "note": [1], "num_shards": 99, "total_bytes": 0, "created": null,'
        ' "shards": [{"index": 0, "name": "a.zip", "size": 3, "sha256": "cc", "colour": "red"}]}'
    )
    assert found == ShardMap((ShardEntry(0, "a.zip", 3, "cc"),), version=2)
    assert (found.num_shards, found.total_bytes) == (1, 3)
    assert found.get("a.zip") is found.shards[0]
    assert found.get("b.zip") is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", r"\$"),
        (b"{}", r"\$.shards is missing"),
        (b'{"shards": [{"index": 0}]}', r"\$.shards\[0\].name is missing"),
        (
            b'{"shards": [{"index": 0, "name": "a", "size": "1", "sha256": ""}]}',
            r"\$.shards\[0\].size should be a int, not a text",
        ),
        (b'{"shards": [], "created": "yesterday"}', r"\$.created"),
    ],
)
def test_what_is_no_map_names_the_place(text: bytes, place: str) -> None:
    with pytest.raises(ProtocolError, match=place):
        loads(text)


def test_maps_are_compared_by_content() -> None:
    other = ShardMap(tuple(reversed(MAP.shards)))
    assert MAP.same_shards(other)
    assert not MAP.same_shards(ShardMap(MAP.shards[:1]))


async def test_the_zips_of_a_folder_are_hashed_by_name(tmp_path: Path) -> None:
    contents = {"b.zip": _zip(2), "a.ZIP": _zip(1), "c.zip": _zip(0)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "sharding_map.json").write_text("{}")
    (tmp_path / "folder.zip").mkdir()
    found = await hash_shards(tmp_path)
    assert [
        (entry.index, entry.name, entry.size, entry.sha256, entry.files) for entry in found.shards
    ] == [
        (index, name, len(contents[name]), hashlib.sha256(contents[name]).hexdigest(), files)
        for index, (name, files) in enumerate([("a.ZIP", 1), ("b.zip", 2), ("c.zip", 0)])
    ]
    assert found.created is not None
    assert found.created.tzinfo is not None


async def test_no_shards(tmp_path: Path) -> None:
    (tmp_path / "shard_0.tar").write_bytes(b"")
    with pytest.raises(ValueError, match="no shards"):
        await hash_shards(tmp_path)
    with pytest.raises(FileNotFoundError):
        await hash_shards(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"no zip", _zip()[:-30]])
async def test_a_shard_that_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shard_0.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"shard_0\.zip' is not a zip archive"):
        await hash_shards(tmp_path)


async def test_a_shard_that_changes_while_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shard_0.zip"
    path.write_bytes(_zip(content=bytes(3 * 2**20)))
    read = Reader.read

    def read_and_change(reader: Reader) -> bytes:
        data = read(reader)
        with path.open("ab") as file:
            file.write(b"!")
        return data

    monkeypatch.setattr(Reader, "read", read_and_change)
    with pytest.raises(SourceChangedError) as caught:
        await hash_shards(tmp_path)
    assert caught.value.entry == "shard_0.zip"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the slices that are read, and take every file for one that was written long ago."""
    seen: list[str] = []
    read = Reader.read

    def counted(reader: Reader) -> bytes:
        seen.append(reader._key)
        return read(reader)

    monkeypatch.setattr(Reader, "read", counted)
    monkeypatch.setattr(hash_memory, "_SETTLED", -(10**15))
    return seen


async def test_a_zip_that_did_not_change_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).write_bytes(_zip())
    first = await hash_shards(tmp_path)
    assert sorted(reads) == ["a.zip", "b.zip"]
    assert (await hash_shards(tmp_path)).shards == first.shards
    assert sorted(reads) == ["a.zip", "b.zip"]
    # The same size and the same time, and yet another file.
    status = os.stat(tmp_path / "a.zip")
    (tmp_path / "a.zip").write_bytes(_zip(content=b"y"))
    os.utime(tmp_path / "a.zip", ns=(status.st_atime_ns, status.st_mtime_ns))
    again = await hash_shards(tmp_path)
    assert sorted(reads) == ["a.zip", "a.zip", "b.zip"]
    assert not again.same_shards(first)


async def test_a_zip_written_just_now_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_memory, "_SETTLED", 10**15)
    (tmp_path / "a.zip").write_bytes(_zip())
    assert await hash_shards(tmp_path)
    assert await hash_shards(tmp_path)
    assert reads == ["a.zip", "a.zip"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"size": "x"}', b"[" * 100_000])
async def test_a_memory_that_cannot_be_read_is_none(
    tmp_path: Path, reads: list[str], content: bytes
) -> None:
    (tmp_path / "a.zip").write_bytes(_zip())
    place = await asyncio.to_thread(hash_memory._place, tmp_path / "a.zip")
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    first = await hash_shards(tmp_path)
    assert (await hash_shards(tmp_path)).shards == first.shards
    assert reads == ["a.zip"]
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_memory_that_nobody_touched_for_a_week_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_memory, "_SETTLED", -(10**15))
    for name in ("old", "new", "newest"):
        (tmp_path / name).write_bytes(b"zip")
    status = os.stat(tmp_path / "old")
    hash_memory.remember(tmp_path / "old", status, 3, "aa", 1)
    place = hash_memory._place(tmp_path / "old")
    os.utime(place, (1, 1))
    hash_memory.remember(tmp_path / "new", os.stat(tmp_path / "new"), 3, "bb", 1)
    assert place.exists(), "swept twice on one day"
    os.utime(place.parent / "swept", (1, 1))
    hash_memory.remember(tmp_path / "newest", os.stat(tmp_path / "newest"), 3, "cc", 1)
    assert not place.exists()
    assert hash_memory.recall(tmp_path / "old") == (status, None)
    _, known = hash_memory.recall(tmp_path / "new")
    assert known is not None
    assert (known.sha256, known.size, known.files) == ("bb", 3, 1)
