"""Contents of files between the socket and the disk, in constant memory.

While one piece is on its way to or from the disk the next one is on the wire.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from ...threads import taken
from .files import Root, write_all
from .operations import RangeError, Span, read_span

PIECE = 2**20


async def receive_file(request: web.Request, root: Root, parts: Sequence[str]) -> None:
    """Store the body as a file; a body that breaks off changes nothing."""
    length = request.content_length
    if length is not None and length <= PIECE:
        chunks = [chunk async for chunk in _body(request, length)]
        await _to_end(root.create, parts, b"".join(chunks))
        return
    handle, draft = await taken(root.open_draft, lambda found: _discard(*found))
    try:
        try:
            await _store(request, handle, 0, None)
        finally:
            os.close(handle)
        await _to_end(root.publish, draft, parts)
    except BaseException:
        await _to_end(Path(draft).unlink, True)
        raise


async def receive_range(
    request: web.Request, root: Root, parts: Sequence[str], offset: int, length: int
) -> None:
    """Write at most ``length`` bytes of the body into an existing file, from ``offset``."""
    handle = await taken(lambda: root.open_for_write(parts), os.close)
    try:
        await _store(request, handle, offset, length)
    finally:
        os.close(handle)


async def _store(request: web.Request, handle: int, offset: int, limit: int | None) -> None:
    """Write the body to an open file; the thread has let go of it when this returns."""
    left = limit
    writing: asyncio.Future[int] | None = None
    pending: list[bytes] = []
    size = 0
    loop = asyncio.get_running_loop()
    try:
        async for chunk in _body(request, request.content_length):
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            pending.append(chunk)
            size += len(chunk)
            if size >= PIECE:
                if writing is not None:
                    await asyncio.shield(writing)
                writing = loop.run_in_executor(None, write_all, handle, pending, offset)
                offset += size
                pending, size = [], 0
        if writing is not None:
            await asyncio.shield(writing)
        if pending:
            writing = loop.run_in_executor(None, write_all, handle, pending, offset)
            pending = []
            await asyncio.shield(writing)
    except BaseException:
        await _drain(writing)
        if limit is not None and pending and not _failed(writing):
            # What arrived before a cut stays written (storage.md §5.3).
            with suppress(OSError):
                await _to_end(write_all, handle, pending, offset)
        raise


async def _body(request: web.Request, length: int | None) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; ``ConnectionResetError`` if it ends too early."""
    received = 0
    while chunk := await request.content.readany():
        received += len(chunk)
        yield chunk
    if length is not None and received < length:
        raise ConnectionResetError("The body broke off")


async def send_file(request: web.Request, root: Root, parts: Sequence[str]) -> web.StreamResponse:
    """Answer GET and HEAD: the content, or a part of it, with the facts in headers."""
    if request.method == "HEAD":
        return await _head(root, parts)
    wanted = request.headers.get("Range")
    handle, status, small = await taken(
        lambda: _open(root, parts, wanted is None), lambda found: os.close(found[0])
    )
    try:
        headers = _headers("FILE", status.st_size, status.st_mtime)
        if small is not None:
            return web.Response(body=small, headers=headers)
        try:
            span = read_span(wanted, status.st_size)
        except RangeError:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{status.st_size}"})
        return await _send_span(request, handle, span, status.st_size, headers)
    finally:
        os.close(handle)


def _open(
    root: Root, parts: Sequence[str], whole: bool
) -> tuple[int, os.stat_result, bytes | None]:
    """Open a file, and read it too when it is small and asked for as a whole: one hop."""
    handle, status = root.open_for_read(parts)
    if not whole or status.st_size > PIECE:
        return handle, status, None
    try:
        return handle, status, os.pread(handle, status.st_size, 0)
    except BaseException:
        os.close(handle)
        raise


async def _send_span(
    request: web.Request, handle: int, span: Span, size: int, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=206 if span.partial else 200, headers=headers)
    if span.partial:
        last = span.start + span.length - 1
        response.headers["Content-Range"] = f"bytes {span.start}-{last}/{size}"
    response.content_length = span.length
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    position, end = span.start, span.start + span.length
    reading: asyncio.Future[bytes] | None = None
    try:
        while position < end:
            if reading is None:
                reading = loop.run_in_executor(
                    None, os.pread, handle, min(PIECE, end - position), position
                )
            data = await asyncio.shield(reading)
            reading = None
            if not data:
                raise ConnectionResetError("The file became shorter while it was sent")
            position += len(data)
            if position < end:
                reading = loop.run_in_executor(
                    None, os.pread, handle, min(PIECE, end - position), position
                )
            await response.write(data)
    finally:
        await _drain(reading)
    await response.write_eof()
    return response


async def _head(root: Root, parts: Sequence[str]) -> web.Response:
    info = await asyncio.to_thread(root.info, parts)
    headers = _headers(info.kind, info.length, info.modified)
    headers["Content-Length"] = str(info.length)
    return web.Response(headers=headers)


def _headers(kind: str, size: int, modified: float) -> dict[str, str]:
    headers = {
        "Last-Modified": email.utils.formatdate(int(modified), usegmt=True),
        "X-File-Type": kind,
        "X-File-Permission": "read",
    }
    if kind == "FILE":
        headers["Content-Type"] = "application/octet-stream"
        headers["X-File-Length"] = str(size)
        # The real service's header has no final s (storage.md §5.4).
        headers["Accept-Range"] = "bytes"
    return headers


async def _to_end(function: Any, *arguments: Any) -> None:
    """Run a step in a thread and wait for its end although cancelled, then pass that on."""
    work = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await _drain(work)
        raise


def _failed(work: asyncio.Future[Any] | None) -> bool:
    return work is not None and not work.cancelled() and work.exception() is not None


def _discard(handle: int, draft: str) -> None:
    os.close(handle)
    os.unlink(draft)


async def _drain(work: asyncio.Future[Any] | None) -> None:
    """Wait until a thread has let go of its descriptor, whatever became of its work."""
    while work is not None and not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            continue
    if work is not None and not work.cancelled():
        work.exception()
