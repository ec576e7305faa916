"""Upload to and download from the storage through the engine (storage.md §12-14)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

from yarl import URL

from ..errors import ResourceNotFound
from ..transfer import (
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    NullProgress,
    Side,
    StorageProgressComplete,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    TransferResult,
    disk,
)
from ..transfer.places import path_url, under
from .service import StorageService
from .store import StorageStore


def remote_side(service: StorageService, path: str) -> Side:
    """Make a path of the storage an end of a transfer."""
    base = service.uri(path)

    def url(below: str) -> URL:
        return under(base, below)

    store = StorageStore(service)
    return Side(store, path, url, url, lambda: service.skew.bounds, place=service.place)


async def upload_file(
    service: StorageService,
    src: URL | Path,
    dst: str,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Upload one file to the path *dst*."""
    return await disk.upload_file(
        src,
        remote_side(service, dst.rstrip("/")),
        lambda: _upload_target(service, dst),
        lambda path: _upload_stream(service, path, dst, progress),
        options,
        progress,
    )


async def _upload_target(service: StorageService, dst: str) -> Entry | None:
    """Return what is at the target; refuse a directory, or a place without one."""
    key = dst.rstrip("/")
    try:
        found = await service.stat(key)
    except ResourceNotFound:
        parent = key.rpartition("/")[0]
        try:
            parent_is_dir = (await service.stat(parent)).is_dir()
        except ResourceNotFound:
            parent_is_dir = False
        if not parent_is_dir:
            raise disk.not_directory(service.uri(parent)) from None
        return None
    if found.is_dir():
        raise disk.is_directory(service.uri(key))
    return StorageStore.entry(key, found)


async def _upload_stream(
    service: StorageService, path: Path, dst: str, progress: AbstractFileProgress | None
) -> TransferResult:
    """Upload what a pipe or a device gives until its end; the size is not known before."""
    sink = progress or NullProgress()
    src_url, dst_url = path_url(path), service.uri(dst)
    sink.start(StorageProgressStart(src_url, dst_url, 0))
    done = 0
    async with disk.pieces(path) as pieces:
        async for piece in pieces:
            if not done:
                await service.create(dst, piece)
            elif piece:
                await service.write(dst, piece, done, len(piece))
            done += len(piece)
            if piece:
                sink.step(StorageProgressStep(src_url, dst_url, done, done))
    sink.complete(StorageProgressComplete(src_url, dst_url, done))
    return TransferResult(files=1, bytes=done)


async def upload_dir(
    service: StorageService,
    src: URL | Path,
    dst: str,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    ignore_file_names: AbstractSet[str],
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Upload a directory and all below it."""
    there = remote_side(service, dst.rstrip("/"))
    return await disk.upload_dir(src, there, options, accept, ignore_file_names, progress)


async def download_file(
    service: StorageService,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Download one file to the path *dst*."""
    key = src.rstrip("/")

    async def find() -> Entry:
        return StorageStore.entry(key, await service.stat(src))

    return await disk.download_file(remote_side(service, key), find, dst, options, progress)


async def download_dir(
    service: StorageService,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Download a directory and all below it; the target is made with its parents."""
    there = remote_side(service, src.rstrip("/"))
    return await disk.download_dir(there, dst, options, accept, progress)
