"""What an experiment wrote, on its way into the platform's own files (grid-artifacts.md §2)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress

import attrs

from ....artifacts.capture import CaptureFile
from ...threads import taken
from ..s3.files import Files, write_all
from .models import Artifact
from .store import GridStore

Piece = bytes | memoryview


@attrs.frozen
class Shelf:
    """Keep the artifacts of one experiment: what a `Capture` stores into."""

    store: GridStore
    files: Files
    experiment: str

    async def put(self, file: CaptureFile) -> None:
        """Store a captured file; the old content stays until the new one is whole."""
        async with file.chunks() as chunks:
            await self.keep(file.key, chunks, file.stamp)

    async def keep(self, name: str, chunks: AsyncIterator[Piece], stamp: str = "") -> Artifact:
        """Store what the chunks are under a name, whole or not at all."""
        place, handle = await taken(self.files.create, self._dropped)
        try:
            try:
                size, digest = 0, hashlib.md5(usedforsecurity=False)
                async for chunk in chunks:
                    size += len(chunk)
                    await _whole_write(handle, digest, chunk)
            finally:
                os.close(handle)
            new = Artifact(name, size, digest.hexdigest(), time.time(), place, stamp)
            old = await self.store.put_artifact(self.experiment, new)
        except BaseException:
            await to_its_end(self._undo(name, place))
            raise
        if old is not None:
            await asyncio.to_thread(self.files.remove, [old])
        return new

    async def _undo(self, name: str, place: str) -> None:
        """Remove a file, unless it was put in place before the caller was cancelled."""
        found = await self.store.artifact(self.experiment, name)
        if found is None or found.file != place:
            await asyncio.to_thread(self.files.remove, [place])

    def _dropped(self, made: tuple[str, int]) -> None:
        place, handle = made
        os.close(handle)
        self.files.remove([place])


async def _whole_write(handle: int, digest: hashlib._Hash, chunk: Piece) -> None:
    """Hash and write a chunk in a thread that has the handle to itself until it is done."""

    def write() -> None:
        digest.update(chunk)
        write_all(handle, chunk)

    await taken(write, lambda _: None)


async def to_its_end(work: Coroutine[None, None, None]) -> None:
    """Wait for clean-up although cancelled again; the caller raises what it was raising."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()
