"""Objects on their way to the socket, across the files they consist of, in constant memory."""

from __future__ import annotations

import asyncio
import functools
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import attrs
from aiohttp import web

from ...threads import taken
from .cached import read_cached
from .errors import S3Error
from .files import Files
from .models import Object, Segment

T = TypeVar("T")
Bytes = bytes | bytearray

PIECE = 2**20
_QUICK = 2**17
"""Bytes up to which a copy takes less than the hop to a thread."""
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
TRIES = 20


@attrs.frozen
class Span:
    """Name bytes of an object."""

    start: int
    end: int
    partial: bool


def read_range(header: str | None, size: int) -> Span:
    """Read a Range header; one that makes no sense, as the empty one, is ignored (§6.1)."""
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match[0] == "bytes=-":
        return Span(0, size, False)
    first, last = match[1][:20], match[2][:20]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return Span(0, size, False)
    if start >= size or end <= start:
        raise S3Error(
            "InvalidRange",
            "The requested range is not satisfiable",
            RangeRequested=match[0],
            ActualObjectSize=str(size),
        )
    return Span(start, end, True)


async def steady(
    files: Files, find: Callable[[], Awaitable[Object]], use: Callable[[Object], Awaitable[T]]
) -> T:
    """Use an object whose files stay meanwhile; one that was just replaced is looked up again."""
    for _ in range(TRIES):
        found = await find()
        try:
            async with files.reading(found.files):
                return await use(found)
        except FileNotFoundError:
            continue
    raise too_fast()


def too_fast() -> S3Error:
    """Return the error that an object was replaced again and again while it was to be read."""
    return S3Error("SlowDown", "The object changes too fast")


async def send(
    request: web.Request,
    files: Files,
    segments: Sequence[Segment],
    span: Span,
    status: int,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Answer with bytes of an object; ``FileNotFoundError`` if it has just been removed."""
    length = span.end - span.start
    if length <= PIECE:
        body = await asyncio.to_thread(read_small, files, segments, span) if length else b""
        return web.Response(status=status, body=body, headers=headers)
    pieces = list(within(segments, span))
    await asyncio.to_thread(os.stat, files.path(pieces[0][0]))
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = length
    await response.prepare(request)
    for name, start, end in pieces:
        try:
            handle = await taken(functools.partial(_open, files, name), os.close)
        except FileNotFoundError:  # by another hand: the answer breaks off
            raise ConnectionResetError("The object is gone") from None
        try:
            await _send_file(response, handle, start, end)
        finally:
            os.close(handle)
    await response.write_eof()
    return response


async def _send_file(response: web.StreamResponse, handle: int, start: int, end: int) -> None:
    """Send a part of a file; the next piece is read while one is sent."""
    loop = asyncio.get_running_loop()
    reading: asyncio.Future[bytes] | None = None
    position = start
    try:
        while position < end:
            if reading is None:
                size = min(PIECE, end - position)
                reading = loop.run_in_executor(None, os.pread, handle, size, position)
            data = await asyncio.shield(reading)
            reading = None
            position += len(data)
            if position < end:
                size = min(PIECE, end - position)
                reading = loop.run_in_executor(None, os.pread, handle, size, position)
            await response.write(data)
    finally:
        while reading is not None and not reading.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([reading])


def _open(files: Files, name: str) -> int:
    return os.open(files.path(name), os.O_RDONLY | os.O_CLOEXEC)


def read_small(files: Files, segments: Sequence[Segment], span: Span) -> bytes:
    """Read bytes that are few; blocks."""
    found = []
    for name, start, end in within(segments, span):
        handle = _open(files, name)
        try:
            found.append(os.pread(handle, end - start, start))
        finally:
            os.close(handle)
    return b"".join(found)


def read_at_once(files: Files, segments: Sequence[Segment]) -> Bytes | None:
    """Return a small object of one file, None unless that takes no wait for the disk."""
    if len(segments) != 1 or segments[0].size > _QUICK:
        return None
    return read_cached(files.path(segments[0].file), segments[0].size)


def within(segments: Sequence[Segment], span: Span) -> Iterator[tuple[str, int, int]]:
    """Yield file, start and end of each piece of a span."""
    position = 0
    for segment in segments:
        start, end = max(span.start - position, 0), min(span.end - position, segment.size)
        if start < end:
            yield segment.file, start, end
        position += segment.size


def copied(files: Files, segments: Sequence[Segment]) -> list[Segment]:
    """Give the files of an object new names too, so that the copy keeps them; blocks."""
    made: list[Segment] = []
    try:
        for segment in segments:
            name = files.link(segment.file)
            made.append(Segment(name, segment.size))
    except BaseException:
        files.remove([segment.file for segment in made])
        raise
    return made
