"""Blobs on their way in: whole, in chunks, or mounted from another repository."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from aiohttp import web

from .errors import RegistryError
from .files import Files
from .names import check_digest
from .store import Repositories

_PIECE = 2**20
_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})")


@attrs.define
class _Open:
    """Hold an upload that somebody has begun; one request at a time adds to it."""

    repository: str
    busy: bool = False


class Uploads:
    """Take the bytes of blobs of one cluster.

    What has arrived is on the disk, so a client goes on after a break; begun uploads themselves
    are forgotten with the process, and a client then begins anew (``BLOB_UPLOAD_UNKNOWN``).
    """

    def __init__(self, files: Files, repositories: Repositories) -> None:
        self._files = files
        self._repositories = repositories
        self._open: dict[str, _Open] = {}

    async def begin(self, repository: str) -> str:
        """Start an upload and return its id."""
        upload = secrets.token_hex(16)
        await asyncio.to_thread(self._files.begin, upload)
        self._open[upload] = _Open(repository)
        return upload

    async def mount(self, repository: str, source: str, digest: str) -> bool:
        """Make a blob of another repository belong to this one; False if it is not there."""
        if not await self._repositories.has_blob(source, digest):
            return False
        if await asyncio.to_thread(self._files.blob_size, digest) is None:
            return False
        await self._repositories.add_blob(repository, digest)
        return True

    async def size(self, repository: str, upload: str) -> int:
        """Return how many bytes have arrived."""
        self._find(repository, upload)
        size = await asyncio.to_thread(self._files.upload_size, upload)
        if size is None:
            raise _unknown(upload)
        return size

    async def append(self, repository: str, upload: str, request: web.Request) -> int:
        """Add the body of a request, which must go on where the last one ended.

        What arrived of a body that breaks off stays.
        """
        async with self._alone(repository, upload):
            size = await self.size(repository, upload)
            wanted = _start(request.headers.get("Content-Range"))
            if wanted is not None and wanted != size:
                raise RegistryError(
                    "RANGE_INVALID",
                    f"The upload goes on at {size}, not at {wanted}",
                    Range=f"0-{max(size - 1, 0)}",
                )
            return size + await self._store(upload, request)

    async def finish(self, repository: str, upload: str, digest: str, request: web.Request) -> None:
        """Add the rest and make a blob of it; ``DIGEST_INVALID`` if it is another one."""
        check_digest(digest)
        if request.body_exists:
            await self.append(repository, upload, request)
        async with self._alone(repository, upload):
            await self.size(repository, upload)
            if not await asyncio.to_thread(self._files.finish, upload, digest):
                del self._open[upload]
                raise RegistryError("DIGEST_INVALID", f"The content has not the digest {digest}")
            del self._open[upload]
        await self._repositories.add_blob(repository, digest)

    async def abandon(self, repository: str, upload: str) -> None:
        """Drop an upload."""
        async with self._alone(repository, upload):
            await asyncio.to_thread(self._files.abandon, upload)
            del self._open[upload]

    async def _store(self, upload: str, request: web.Request) -> int:
        handle = await asyncio.to_thread(self._files.open_upload, upload)
        received = held = 0
        pending: list[bytes] = []
        try:
            while chunk := await request.content.readany():
                pending.append(chunk)
                held += len(chunk)
                received += len(chunk)
                if held >= _PIECE:
                    pieces, pending, held = pending, [], 0
                    await _written(handle, pieces)
        finally:
            try:
                await _written(handle, pending)
            finally:
                os.close(handle)
        length = request.content_length
        if length is not None and received < length:
            raise ConnectionResetError("The body broke off")
        return received

    @asynccontextmanager
    async def _alone(self, repository: str, upload: str) -> AsyncIterator[None]:
        found = self._find(repository, upload)
        if found.busy:
            raise RegistryError("BLOB_UPLOAD_INVALID", "Another request adds to this upload")
        found.busy = True
        try:
            yield
        finally:
            found.busy = False

    def _find(self, repository: str, upload: str) -> _Open:
        found = self._open.get(upload)
        if found is None or found.repository != repository:
            raise _unknown(upload)
        return found


def _unknown(upload: str) -> RegistryError:
    return RegistryError("BLOB_UPLOAD_UNKNOWN", f"There is no upload {upload}; begin a new one")


def _start(header: str | None) -> int | None:
    if header is None:
        return None
    match = _RANGE.match(header.strip())
    if match is None:
        raise RegistryError("RANGE_INVALID", f"Content-Range must be like 0-99, not {header!r}")
    return int(match[1])


async def _written(handle: int, pieces: list[bytes]) -> None:
    """Write in a thread, and wait for it although cancelled: the descriptor is closed next."""
    if not pieces:
        return
    work = asyncio.get_running_loop().run_in_executor(None, _write, handle, pieces)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                continue
        raise


def _write(handle: int, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(handle, view) :]
