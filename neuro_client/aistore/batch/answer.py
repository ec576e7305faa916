"""Take the answer of a GetBatch apart: parts, archives, members in order (aistore.md §16.1)."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from email.message import Message
from typing import IO, Any, cast

from ...errors import ProtocolError
from ...threads import run_blocking
from ...transport import Answer
from .. import wire
from .tar import BrokenArchive, Stream, TarReader, cut_off, unpacked

ZIP = ".zip"
_MULTIPART = "multipart/"
_MOST_OF_A_HEAD = 2**16
_MOST_OF_METADATA = 2**26
_IN_MEMORY = 2**23

Member = tuple[str, bytes]
"""Name and content of a file of an archive."""


async def members(chunks: AsyncGenerator[bytes], ending: str) -> AsyncGenerator[Member]:
    """Yield the files of an archive in their order, a tar's as they arrive.

    Raises:
        BrokenArchive: it cannot be read, or was cut off.
    """
    if ending == ZIP:
        async for member in _zipped(chunks):
            yield member
        return
    async with aclosing(unpacked(chunks, ending)) as plain:
        stream = Stream(plain)
        reader = TarReader(stream)
        while (entry := await reader.next()) is not None:
            yield entry.name, await reader.content()
        await stream.drain()
        if not reader.complete:
            raise cut_off("a place without the mark of its end")


async def _zipped(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Member]:
    """Read a zip, whose table of contents comes last; what is large waits on the disk."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        async for chunk in chunks:
            await run_blocking(file.write, chunk)
        try:
            archive = await run_blocking(_opened, file)
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, await run_blocking(archive.read, info)
        except (zipfile.BadZipFile, EOFError) as error:
            raise BrokenArchive(f"The zip cannot be read: {error}") from error


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(file)


async def opened(
    answer: Answer, *, streamed: bool
) -> tuple[Sequence[Mapping[str, Any]], AsyncGenerator[bytes]]:
    """Return what the server says of each object, if it does, and the chunks of the archive."""
    kind = answer.headers.get("Content-Type", "")
    if streamed and not kind.startswith(_MULTIPART):
        return (), _chunks(answer)
    head = Message()
    head["Content-Type"] = kind
    boundary = head.get_boundary()
    if boundary is None:
        raise ProtocolError(f"A batch was answered with {kind or 'no content type'} and no parts")
    stream = Stream(_chunks(answer))
    stream.put_back(b"\r\n")
    parts = Parts(stream, boundary.encode())
    async with aclosing(parts.next()) as first:
        metadata = await _limited(first, _MOST_OF_METADATA, "the metadata of a batch")
    what = "the metadata of a batch"
    told = wire.items(wire.mapping(wire.document(metadata, what), what).get("out"), what)
    return [wire.mapping(one, what) for one in told], parts.next()


class Parts:
    """Read the parts of a multipart answer, one after the other."""

    def __init__(self, stream: Stream, boundary: bytes) -> None:
        self._stream = stream
        self._mark = b"\r\n--" + boundary
        self._begun = False

    async def next(self) -> AsyncGenerator[bytes]:
        """Yield the content of the next part."""
        if not self._begun:
            self._begun = True
            async with aclosing(self._until(self._mark)) as preamble:
                async for _ in preamble:
                    pass
        # Behind the mark: a line end and headers up to an empty line.
        async with aclosing(self._until(b"\r\n\r\n")) as head:
            await _limited(head, _MOST_OF_A_HEAD, "the head of a part")
        async with aclosing(self._until(self._mark)) as content:
            async for chunk in content:
                yield chunk

    async def _until(self, mark: bytes) -> AsyncGenerator[bytes]:
        tail = b""
        while chunk := await self._stream.some():
            data = tail + chunk
            at = data.find(mark)
            if at >= 0:
                self._stream.put_back(data[at + len(mark) :])
                if at:
                    yield data[:at]
                return
            keep = len(mark) - 1
            tail = data[-keep:]
            if len(data) > keep:
                yield data[:-keep]
        raise cut_off("the middle of its parts")


def _chunks(answer: Answer) -> AsyncGenerator[bytes]:
    return cast("AsyncGenerator[bytes]", answer.chunks())


async def _limited(chunks: AsyncIterator[bytes], most: int, what: str) -> bytes:
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > most:
            raise ProtocolError(f"{what} is larger than {most} bytes; this is no AIStore")
    return bytes(found)
