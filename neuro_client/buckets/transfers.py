"""Upload to and download from buckets through the engine (buckets.md §9)."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from yarl import URL

from ..errors import ResourceNotFound
from ..retry import RetryPolicy
from ..transfer import (
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    NullProgress,
    StorageProgressComplete,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    TransferResult,
    disk,
)
from ..transfer.flow import retrying
from ..transfer.places import path_url
from ..transfer.store import FlatStore
from .blobs import Conditions, put
from .opened import OpenBucket


async def upload_file(
    opened: OpenBucket,
    src: URL | Path,
    dst: str,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Upload one file to the key *dst*."""
    there = opened.side(dst.rstrip("/"))

    async def find() -> Entry | None:
        try:
            found = await retrying(options.retry, lambda: opened.store.head(there.key))
        except ResourceNotFound:
            return None
        if found.is_dir:
            raise disk.is_directory(there.url(""))
        return found

    async def stream(path: Path) -> TransferResult:
        sink = progress or NullProgress()
        ends = path_url(path), there.url("")
        sink.start(StorageProgressStart(*ends, 0))
        size = 0
        async with disk.pieces(path) as pieces:

            async def counted() -> AsyncIterator[bytes]:
                nonlocal size
                async for piece in pieces:
                    size += len(piece)
                    yield piece
                    if piece:
                        sink.step(StorageProgressStep(*ends, size, size))

            await put(opened.provider, there.key, counted(), Conditions(), options.retry)
        sink.complete(StorageProgressComplete(*ends, size))
        return TransferResult(files=1, bytes=size)

    return await disk.upload_file(src, there, find, stream, options, progress)


async def upload_dir(
    opened: OpenBucket,
    src: URL | Path,
    dst: str,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    ignore_file_names: AbstractSet[str],
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Upload a directory and all below it."""
    there = opened.side(dst.rstrip("/"))
    return await disk.upload_dir(src, there, options, accept, ignore_file_names, progress)


async def download_file(
    opened: OpenBucket,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Download one blob to the path *dst*."""
    there = opened.side(src.rstrip("/"))

    async def find() -> Entry:
        return await _described(opened, there.key, options.retry)

    return await disk.download_file(there, find, dst, options, progress)


async def download_dir(
    opened: OpenBucket,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Download a folder and all below it; the target is made with its parents."""
    there = opened.side(src.rstrip("/"))
    if not isinstance(opened.store, FlatStore):  # its first page tells, and is needed anyway
        found = await _described(opened, there.key, options.retry)
        if not found.is_dir:
            raise disk.not_directory(there.url(""))
    return await disk.download_dir(there, dst, options, accept, progress)


async def _described(opened: OpenBucket, key: str, retry: RetryPolicy) -> Entry:
    try:
        return await retrying(retry, lambda: opened.store.head(key))
    except ResourceNotFound as error:
        where = str(opened.side(key).url(""))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from error
