"""Samples of tar shards: the files of one base name, side by side (the layout of WebDataset)."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ..batch.tar import BrokenArchive, Stream, TarReader, tar_ending, unpacked
from .samples import BAD, Sample, SampleError, split_name, unreadable
from .window import Lane

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket


def is_member(name: str) -> bool:
    """Tell whether a file of a shard belongs to a sample.

    Hidden files, those without an extension, and ``__name__`` are something else.
    """
    base = name.rpartition("/")[2]
    stem, dot, _ = base.partition(".")
    return bool(stem and dot) and not (base.startswith("__") and base.endswith("__"))


class ShardReader:
    """Read one shard as it arrives, and put its samples into a lane."""

    def __init__(self, bucket: Bucket, name: str, lane: Lane[Sample | SampleError]) -> None:
        self._bucket = bucket
        self._name = name
        self._lane = lane
        self._key = ""
        self._members: dict[str, bytes] = {}
        self._wrong: SampleError | None = None

    async def run(self) -> None:
        """Read to the end; of what cannot be read, the reader of the lane is told."""
        try:
            ending = tar_ending(self._name)
            async with (
                self._bucket.object(self._name).get() as reader,
                aclosing(unpacked(reader.chunks(), ending)) as plain,
            ):
                await self._read(Stream(plain))
        except BAD as error:
            self._lane.put(unreadable(error, self._name))

    async def _read(self, stream: Stream) -> None:
        tar = TarReader(stream)
        while (entry := await tar.next()) is not None:
            name = entry.name.removeprefix("./")
            if is_member(name):
                await self._add(name, entry.size, tar)
        self._flush()
        await stream.drain()

    async def _add(self, name: str, size: int, tar: TarReader) -> None:
        key, extension = split_name(name)
        if key != self._key:
            self._flush()
            self._key = key
        await self._lane.reserve(size)
        content = await tar.content()
        if extension in self._members:
            error = BrokenArchive(f"it has two members {extension!r}")
            self._wrong = unreadable(error, self._name, key)
        self._members[extension] = content

    def _flush(self) -> None:
        if self._wrong is not None:
            self._lane.put(self._wrong)
        elif self._members:
            self._lane.put(Sample(self._key, self._members, self._name))
        self._members, self._wrong = {}, None
