"""Collect what makes a workspace: files of this machine, texts, defaults for the rest (§2)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from ..concurrency import first_failure
from ..threads import run_blocking
from ..transfer import Entry
from ..transfer.files import Reader, describe
from . import templates
from .naming import (
    CONFIGS,
    MODEL,
    MODEL_DEF,
    REQUIREMENTS,
    SCRIPTS,
    SHARDS,
    check_file_name,
    content_type_of,
    prefix_of,
)
from .shard_map import MAP_NAME, ShardMap, dumps, find_shards, hash_shard
from .store import PART_SIZE, THRESHOLD
from .templates import Configs

Content = bytes | str | Path
Place = Path | str
"""A path."""
Files = Place | Mapping[str, Content]
"""A folder or a file, or contents by file name: bytes, text, or the path of a file."""

_LARGEST_TEXT = 2**20 * 10
_HASHED_AT_ONCE = max(2, os.cpu_count() or 1)
_HOP = 16
_MOST_PARTS = 10_000
_FIRST = {
    SCRIPTS: ("model_def.py", "custom_client_executor.py", "custom_persistor.py"),
    CONFIGS: ("config_fed_client.json", "config_fed_server.json", "meta.json"),
    REQUIREMENTS: ("requirements.txt",),
}
_SUFFIX = {SCRIPTS: ".py", CONFIGS: ".json"}


@attrs.frozen
class LocalFile:
    """Hold one object of a workspace: its bytes, or the file *source* as *entry* describes it.

    ``sha256`` is that of a shard, whose map has it.
    """

    key: str
    size: int
    data: bytes | None = attrs.field(default=None, repr=False)
    source: Path | None = None
    entry: Entry | None = None
    sha256: str | None = None

    @property
    def content_type(self) -> str:
        """Return the content type that it gets."""
        return content_type_of(self.key)

    async def is_tagged(self, etag: str | None) -> bool:
        """Tell whether an object with this ETag has the same content (§9.1).

        Small files may have been written in one request, or as an upload of one part.
        """
        if self.data is not None:
            parts = [_md5(self.data)]
        else:
            assert self.source is not None
            assert self.entry is not None
            parts = await _part_digests(self.source, self.entry)
        tags = {f'"{_md5(b"".join(parts)).hex()}-{len(parts)}"'}
        if self.size < THRESHOLD:
            tags.add(f'"{parts[0].hex()}"')
        return etag in tags


@attrs.frozen
class LocalWorkspace:
    """Hold the objects of a workspace in the order in which they are written; the map is last."""

    files: tuple[LocalFile, ...]
    shard_map: ShardMap
    map_file: LocalFile
    has_checkpoint: bool


async def collect(
    slug: str,
    *,
    scripts: Files,
    configs: Configs | Files,
    requirements: Path | Sequence[str] | None,
    shards: Place | Sequence[Place],
    checkpoint: Place | None,
    defaults: Configs,
) -> LocalWorkspace:
    """Read what is small, hash the shards, and look at the checkpoint.

    Raises:
        ValueError: something is missing or cannot be used; names it.
        SourceChangedError: a shard changed while it was read.
    """
    prefix = prefix_of(slug)
    given = configs if isinstance(configs, Configs) else defaults
    rendered = await run_blocking(templates.render, given)
    texts = {**rendered, **await run_blocking(_given, scripts, configs, requirements)}
    if MODEL_DEF not in texts:
        raise ValueError(
            "scripts has no model_def.py, the module with the model and fl_train; name the file so"
        )
    files = [
        LocalFile(prefix + path, len(texts[path]), texts[path]) for path in sorted(texts, key=_rank)
    ]
    found, shard_map = await _shards(prefix, shards)
    files += found
    if checkpoint is not None:
        name = check_file_name(Path(checkpoint).name)
        files.append(await _described(f"{prefix}{MODEL}/{name}", Path(checkpoint)))
    written = dumps(shard_map)
    map_file = LocalFile(f"{prefix}{SHARDS}/{MAP_NAME}", len(written), written)
    return LocalWorkspace(tuple(files), shard_map, map_file, checkpoint is not None)


def _rank(path: str) -> tuple[int, int, str]:
    """Order files as they are written: folder by folder, in each the known names first (§3)."""
    folder, _, name = path.partition("/")
    known = _FIRST[folder]
    return list(_FIRST).index(folder), known.index(name) if name in known else len(known), name


def _given(
    scripts: Files, configs: Configs | Files, requirements: Path | Sequence[str] | None
) -> dict[str, bytes]:
    texts = {f"{SCRIPTS}/{name}": data for name, data in _contents(scripts, SCRIPTS).items()}
    if not isinstance(configs, Configs):
        texts.update(
            {f"{CONFIGS}/{name}": data for name, data in _contents(configs, CONFIGS).items()}
        )
    if requirements is not None:
        path = f"{REQUIREMENTS}/{_FIRST[REQUIREMENTS][0]}"
        if isinstance(requirements, Path):
            texts[path] = _small(requirements)
        elif isinstance(requirements, str):
            raise TypeError("requirements must be a Path or a list of lines, not a text")
        else:
            texts[path] = "".join(f"{line}\n" for line in requirements).encode()
    return texts


def _contents(files: Files, folder: str) -> dict[str, bytes]:
    if isinstance(files, Mapping):
        return {check_file_name(name): _bytes(item) for name, item in files.items()}
    files = Path(files)
    if files.is_file():
        return {check_file_name(files.name): _small(files)}
    if not files.is_dir():
        raise ValueError(f"{folder}: there is no folder {str(files)!r}")
    with os.scandir(files) as found:
        names = sorted(item.name for item in found if item.name.endswith(_SUFFIX[folder]))
    return {
        check_file_name(name): _small(files / name) for name in names if (files / name).is_file()
    }


def _bytes(item: Content) -> bytes:
    if isinstance(item, Path):
        return _small(item)
    if not isinstance(item, str | bytes | bytearray | memoryview):  # bytes(3) is three zeros
        raise TypeError(f"a content is a text, bytes or a Path, not {item!r}")
    return item.encode() if isinstance(item, str) else bytes(item)


def _small(path: Path) -> bytes:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ValueError(f"there is no file {str(path)!r}") from None
    if size >= _LARGEST_TEXT:
        raise ValueError(f"{str(path)!r} has {size} bytes; data belongs into the shards")
    return path.read_bytes()


async def _shards(prefix: str, shards: Place | Sequence[Place]) -> tuple[list[LocalFile], ShardMap]:
    if isinstance(shards, Path | str):
        try:
            paths = await run_blocking(find_shards, Path(shards))
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"no shards: {str(shards)!r} is not a folder; give one, or a list of the zips"
            ) from None
    else:
        paths = sorted((Path(path) for path in shards), key=lambda path: path.name)
    if not paths:
        raise ValueError("no shards: name at least one zip; `shard(dataset, n)` makes them")
    names = [check_file_name(path.name) for path in paths]
    if wrong := [name for name in names if not name.lower().endswith(".zip")]:
        raise ValueError(f"shards are zip archives, and {wrong[0]!r} is not called so")
    if len(set(names)) != len(names):
        raise ValueError(f"two shards have the same file name, one of {', '.join(names)}")
    files: list[LocalFile | None] = [None] * len(paths)
    hashed = asyncio.Semaphore(_HASHED_AT_ONCE)

    async def work(index: int, path: Path) -> None:
        async with hashed:
            file = await _described(f"{prefix}{SHARDS}/{path.name}", path)
            entry = await hash_shard(path, index)
        files[index] = attrs.evolve(file, sha256=entry.sha256)
        entries[index] = entry

    entries = dict.fromkeys(range(len(paths)))
    async with first_failure() as group:
        for index, path in enumerate(paths):
            group.create_task(work(index, path))
    listed = tuple(entry for entry in entries.values() if entry is not None)
    moment = datetime.now(UTC).replace(microsecond=0)
    return [file for file in files if file is not None], ShardMap(listed, moment)


async def _described(key: str, path: Path) -> LocalFile:
    """Describe a file that is sent later; its version tells whether it is still the same."""
    try:
        entry = await run_blocking(describe, path, "")
    except FileNotFoundError:
        raise ValueError(f"there is no file {str(path)!r}") from None
    if not entry.is_file:
        raise ValueError(f"{str(path)!r} is not a regular file")
    return LocalFile(key, entry.size, source=path, entry=entry)


async def _part_digests(path: Path, entry: Entry) -> list[bytes]:
    """Compute the MD5 of each part that a file is sent in; of a small one, that of all of it."""
    part_size = max(PART_SIZE, -(-entry.size // _MOST_PARTS))
    reader = Reader(path, path.name, 0, None, entry.version)
    digests: list[bytes] = []
    current = hashlib.md5(usedforsecurity=False)
    filled = 0

    def step() -> None:
        nonlocal current, filled
        for _ in range(_HOP):
            data = memoryview(reader.read())
            while data:
                piece = data[: part_size - filled]
                current.update(piece)
                filled += len(piece)
                data = data[len(piece) :]
                if filled == part_size:
                    digests.append(current.digest())
                    current, filled = hashlib.md5(usedforsecurity=False), 0
            if reader.ended:
                return

    try:
        while not reader.ended:
            await run_blocking(step)
    finally:
        reader.close()
    return [*digests, current.digest()] if filled or not digests else digests


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
