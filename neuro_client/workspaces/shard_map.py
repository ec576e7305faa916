"""The map of a workspace's shards, with the hash that tells whether one changed (§7.1)."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import attrs

from ..concurrency import first_failure
from ..errors import ProtocolError, SourceChangedError
from ..threads import run_blocking
from ..transfer.files import Reader, version_of
from ..wire import structure, unstructure
from .hash_memory import recall, remember

MAP_NAME = "sharding_map.json"
"""The name of the map beside the shards; it is no zip, so it does not count as a shard."""
_VERSION = 1
_HOP = 16
"""Slices of 1 MiB that are hashed in one hop to a thread."""


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@attrs.frozen
class ShardEntry:
    """Describe one shard; ``files`` is None where nobody counted what is in the zip."""

    index: int
    name: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal, of the zip as it is."""
    files: int | None = None
    worker_id: str | None = None


@attrs.frozen
class ShardMap:
    """List the shards of a workspace, by index."""

    shards: tuple[ShardEntry, ...]
    created: datetime | None = None
    version: int = _VERSION

    @property
    def num_shards(self) -> int:
        """Count the shards."""
        return len(self.shards)

    @property
    def total_bytes(self) -> int:
        """Add up the sizes of the shards."""
        return sum(shard.size for shard in self.shards)

    def get(self, name: str) -> ShardEntry | None:
        """Return the shard called *name*, None if there is no such."""
        return next((shard for shard in self.shards if shard.name == name), None)

    def same_shards(self, other: ShardMap) -> bool:
        """Tell whether both list the same names with the same content."""
        return _contents(self) == _contents(other)


def _contents(found: ShardMap) -> dict[str, tuple[int, str]]:
    return {shard.name: (shard.size, shard.sha256) for shard in found.shards}


def dumps(shard_map: ShardMap) -> bytes:
    """Write a map as JSON, the same bytes for the same map."""
    created = shard_map.created
    document = {
        "version": shard_map.version,
        "created": None if created is None else created.isoformat(),
        "total_bytes": shard_map.total_bytes,
        "num_shards": shard_map.num_shards,
        "shards": unstructure(list(shard_map.shards)),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def loads(text: bytes | str) -> ShardMap:
    """Read a map; unknown keys are ignored, and what can be counted is counted, not believed.

    Raises:
        ProtocolError: it is no such map.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8 is the former as well
        raise ProtocolError(f"{MAP_NAME} is not JSON: {error}") from None
    return structure(document, ShardMap)


async def hash_shards(folder: Path) -> ShardMap:
    """Hash the zips that lie directly in *folder*, in parallel, and return their map by name.

    Raises:
        ValueError: there is no zip, or a file with that suffix is none.
        SourceChangedError: a zip changed while it was read.
    """
    paths = await run_blocking(find_shards, folder)
    waiting = list(enumerate(paths))
    waiting.reverse()
    entries: dict[int, ShardEntry] = {}

    async def work() -> None:
        while waiting:
            index, path = waiting.pop()
            entries[index] = await hash_shard(path, index)

    async with first_failure() as group:
        for _ in range(min(max(2, os.cpu_count() or 1), len(paths))):
            group.create_task(work())
    found = tuple(entries[index] for index in range(len(paths)))
    return ShardMap(found, datetime.now(UTC).replace(microsecond=0))


async def hash_shard(path: Path, index: int) -> ShardEntry:
    """Hash one zip and count its files.

    One whose size, times and inode are those of an earlier call is not read again.

    Raises:
        ValueError: the file is no zip.
        SourceChangedError: it changed while it was read.
    """
    status, known = await run_blocking(recall, path)
    if known is not None:
        return ShardEntry(index, path.name, known.size, known.sha256, known.files)
    version, files = await run_blocking(_inspect, path)
    digest = hashlib.sha256()
    size = 0
    reader = Reader(path, path.name, 0, None, version)
    try:
        while not reader.ended:
            size += await run_blocking(_update, reader, digest)
    finally:
        reader.close()
    sha256 = digest.hexdigest()
    # A change after the first look has given it another identity, so this one is not found again.
    await run_blocking(remember, path, status, size, sha256, files)
    return ShardEntry(index, path.name, size, sha256, files)


def find_shards(folder: Path) -> list[Path]:
    """List the files directly in *folder* whose suffix is ``.zip`` in any case, by name (§3).

    It blocks; call it in a thread.

    Raises:
        ValueError: there is none.
    """
    with os.scandir(folder) as found:
        names = [item.name for item in found if item.name.lower().endswith(".zip")]
    paths = [folder / name for name in sorted(names)]
    shards = [path for path in paths if path.is_file()]
    if not shards:
        raise ValueError(
            f"no shards: {str(folder)!r} has no file whose name ends in .zip; "
            "make some with `shard(dataset, n, destination=...)`"
        )
    return shards


def _inspect(path: Path) -> tuple[str, int]:
    """Return what identifies the content of a zip, and how many files it lists."""
    before = os.stat(path)
    try:
        with zipfile.ZipFile(path) as archive:
            files = sum(not item.is_dir() for item in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        if version_of(os.stat(path)) != version_of(before):
            raise SourceChangedError(
                f"{str(path)!r} changed while it was read; wait until it is whole and try again",
                entry=path.name,
            ) from None
        raise ValueError(
            f"the shard {str(path)!r} is not a zip archive ({error}); make it again or move it away"
        ) from None
    if not stat.S_ISREG(before.st_mode):
        raise ValueError(f"the shard {str(path)!r} is not a regular file")
    return version_of(before), files


def _update(reader: Reader, digest: _Digest) -> int:
    size = 0
    for _ in range(_HOP):
        data = reader.read()
        digest.update(data)
        size += len(data)
        if reader.ended:
            break
    return size


def _register() -> None:
    # Now, because the public classes soon say that they are from the root of the package.
    attrs.resolve_types(ShardEntry)
    attrs.resolve_types(ShardMap)


_register()
