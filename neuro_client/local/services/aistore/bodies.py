"""Bytes on their way into files, hashed as they come.

A small body takes one hop to a thread. Of a large one, each MiB is hashed and written in a thread
while the next one is on the wire.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from typing import BinaryIO

import attrs
from aiohttp import web

from ...threads import taken
from ..s3.files import Files, write_all
from ..s3.models import Segment
from . import checksums
from .models import Body

PIECE = 2**20


@attrs.frozen
class Received:
    """Describe a body in a file of its own, with every checksum that was asked for."""

    file: str
    size: int
    checksums: Mapping[str, str]

    def body(self, kind: str) -> Body:
        """Return it as the body of an object with that checksum."""
        return Body(self.size, kind, self.checksums[kind], [Segment(self.file, self.size)])


async def receive(request: web.Request, files: Files, kinds: Iterable[str]) -> Received:
    """Store the body of a request; nothing stays of one that breaks off."""
    digests = {kind: checksums.new(kind) for kind in kinds}
    size = request.content_length
    if size is not None and size <= PIECE:
        data = await request.content.read(-1)
        if len(data) != size:
            raise ConnectionResetError("The body broke off")
        return await taken(
            lambda: store_bytes(files, data, digests), lambda got: files.remove([got.file])
        )
    return await store_pieces(request.content.iter_any(), files, digests)


def store_bytes(files: Files, data: bytes, digests: Mapping[str, checksums.Digest]) -> Received:
    """Store bytes; blocks."""
    for digest in digests.values():
        digest.update(data)
    found = {kind: digest.hexdigest() for kind, digest in digests.items()}
    return Received(files.store([data]), len(data), found)


def store_copy(files: Files, source: BinaryIO, kind: str) -> Received:
    """Store what an open file holds, in constant memory; blocks."""
    digest, size = checksums.new(kind), 0
    name, handle = files.create()
    try:
        while piece := source.read(PIECE):
            digest.update(piece)
            write_all(handle, piece)
            size += len(piece)
    except BaseException:
        _discard(files, name, handle)
        raise
    os.close(handle)
    return Received(name, size, {kind: digest.hexdigest()})


async def store_pieces(
    pieces: AsyncIterable[bytes], files: Files, digests: Mapping[str, checksums.Digest]
) -> Received:
    """Store bytes as they come; nothing stays if they break off."""
    name, handle = await taken(files.create, lambda made: _discard(files, *made))
    size = gathered = 0
    batch: list[bytes] = []
    writing: asyncio.Future[None] | None = None

    def write(batch: list[bytes]) -> None:
        for piece in batch:
            for digest in digests.values():
                digest.update(piece)
            write_all(handle, piece)

    async def hand_over() -> asyncio.Future[None]:
        if writing is not None:
            await asyncio.shield(writing)
        return asyncio.get_running_loop().run_in_executor(None, write, batch)

    try:
        async for piece in pieces:
            batch.append(piece)
            gathered += len(piece)
            if gathered >= PIECE:
                writing = await hand_over()
                size, gathered, batch = size + gathered, 0, []
        writing = await hand_over()
        size += gathered
        await asyncio.shield(writing)
    except BaseException:
        await _ended(writing)
        await asyncio.shield(asyncio.to_thread(_discard, files, name, handle))
        raise
    os.close(handle)
    return Received(name, size, {kind: digest.hexdigest() for kind, digest in digests.items()})


async def _ended(writing: asyncio.Future[None] | None) -> None:
    while writing is not None and not writing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([writing])
    if writing is not None and not writing.cancelled():
        writing.exception()


def _discard(files: Files, name: str, handle: int) -> None:
    os.close(handle)
    files.remove([name])


def hashed(files: Files, segments: Iterable[Segment], kind: str) -> str:
    """Return the checksum of what lies in files already; blocks."""
    digest = checksums.new(kind)
    for segment in segments:
        with open(files.path(segment.file), "rb") as file:
            while data := file.read(PIECE):
                digest.update(data)
    return digest.hexdigest()
