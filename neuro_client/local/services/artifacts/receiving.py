"""Bodies that come without a login: sources of runs and parts of datastores (§6, §8)."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import tempfile
from pathlib import Path

from aiohttp import web

from ...threads import taken
from ..s3.errors import S3Error
from ..s3.files import write_all
from .keeping import to_its_end

PIECE = 1 << 20


async def receive(request: web.Request, place: Path) -> str:
    """Write a body to a file, whole or not at all; return its MD5.

    Raises:
        S3Error: the connection broke off before the end.
    """
    handle, draft = await taken(lambda: _draft(place), _dropped)
    try:
        try:
            digest = hashlib.md5(usedforsecurity=False)
            size = 0
            async for chunk in request.content.iter_chunked(PIECE):
                size += len(chunk)
                await taken(functools.partial(_write, handle, digest, chunk), lambda _: None)
        finally:
            os.close(handle)
        if request.content_length not in (None, size):
            raise S3Error("IncompleteBody", "The body ended before its length")
        await taken(lambda: os.replace(draft, place), lambda _: None)
    except BaseException:
        await to_its_end(asyncio.to_thread(_remove, draft))
        raise
    return digest.hexdigest()


def _draft(place: Path) -> tuple[int, str]:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return tempfile.mkstemp(dir=place.parent, prefix=".draft-")


def _dropped(made: tuple[int, str]) -> None:
    os.close(made[0])
    _remove(made[1])


def _remove(draft: str) -> None:
    Path(draft).unlink(missing_ok=True)


def _write(handle: int, digest: hashlib._Hash, chunk: bytes) -> None:
    digest.update(chunk)
    write_all(handle, chunk)
