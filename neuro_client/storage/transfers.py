"""Upload and download through the engine, with the seed's checks before it (storage.md §12-14)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ResourceNotFound
from ..threads import run_blocking
from ..transfer import (
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    FileFilter,
    NullProgress,
    Side,
    StorageProgressComplete,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    TransferResult,
    copy_file,
    copy_tree,
    resync_between,
)
from ..transfer.files import describe
from ..transfer.filters import read_ancestors
from ..transfer.models import SLICE
from ..transfer.places import absolute, local_side, path_url, under
from .service import StorageService
from .store import StorageStore


def remote_side(service: StorageService, path: str) -> Side:
    """Make a path of the storage an end of a transfer."""
    base = service.uri(path)

    def url(below: str) -> URL:
        return under(base, below)

    store = StorageStore(service)
    return Side(store, path, url, url, lambda: service.skew.bounds, place=service.place)


def _not_directory(what: object) -> NotADirectoryError:
    return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(what))


def _is_directory(what: object) -> IsADirectoryError:
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(what))


async def upload_file(
    service: StorageService,
    src: URL | Path,
    dst: str,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Upload one file to the path *dst*."""
    path = await absolute(src)
    source = await run_blocking(describe, path, str(path))
    if source.is_dir:
        raise _is_directory(path)
    existing = await _upload_target(service, dst)
    if not source.is_file:
        return await _upload_stream(service, path, dst, progress)
    here, there = local_side(path), remote_side(service, dst.rstrip("/"))
    return await copy_file(
        here,
        there,
        attrs.evolve(source, key=""),
        existing=existing,
        options=options,
        resync=resync_between(here, there, options.update, options.continue_),
        progress=progress,
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
            raise _not_directory(service.uri(parent)) from None
        return None
    if found.is_dir():
        raise _is_directory(service.uri(key))
    return StorageStore.entry(key, found)


async def _upload_stream(
    service: StorageService, path: Path, dst: str, progress: AbstractFileProgress | None
) -> TransferResult:
    """Upload what a pipe or a device gives until its end; the size is not known before."""
    sink = progress or NullProgress()
    src_url, dst_url = path_url(path), service.uri(dst)
    sink.start(StorageProgressStart(src_url, dst_url, 0))
    done = 0
    async with _pieces(path) as pieces:
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


@scoped_iterator
async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """Yield at least one piece, an empty one if there is nothing to read."""
    opened: list[int] = []
    try:
        await run_blocking(lambda: opened.append(os.open(path, os.O_RDONLY)))
        first = True
        while (piece := await run_blocking(os.read, opened[0], SLICE)) or first:
            first = False
            yield piece
            if not piece:
                return
    finally:
        for fd in opened:
            os.close(fd)


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
    path = await absolute(src)
    real = await run_blocking(lambda: Path(os.path.realpath(path)))
    if not (await run_blocking(describe, real, str(real))).is_dir:
        raise _not_directory(path)

    async def narrow(
        below: str, entries: Sequence[Entry], so_far: AsyncFilterFunc | None
    ) -> AsyncFilterFunc | None:
        found = [e.name for e in entries if e.name in ignore_file_names and e.is_file]
        if not found:
            return so_far
        rules = FileFilter(so_far) if so_far is not None else FileFilter()
        for name in found:
            prefix = f"{below}/" if below else ""
            await run_blocking(rules.read_from_file, real / below / name, prefix)
        return rules.match

    if ignore_file_names:
        above = await run_blocking(read_ancestors, real, sorted(ignore_file_names), accept)
        accept = above.match
    here, there = local_side(real, dirs=path), remote_side(service, dst.rstrip("/"))
    return await copy_tree(
        here,
        there,
        options=options,
        resync=resync_between(here, there, options.update, options.continue_),
        accept=accept,
        narrow=narrow if ignore_file_names else None,
        progress=progress,
    )


async def download_file(
    service: StorageService,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Download one file to the path *dst*."""
    found = await service.stat(src)
    path = await absolute(dst)
    if not found.is_file():
        raise _is_directory(service.uri(src))
    real, existing = await run_blocking(_download_target, path)
    here, there = local_side(real, files=path), remote_side(service, src.rstrip("/"))
    return await copy_file(
        there,
        here,
        StorageStore.entry(there.key, found),
        existing=existing,
        options=options,
        resync=resync_between(there, here, options.update, options.continue_),
        progress=progress,
    )


def _download_target(path: Path) -> tuple[Path, Entry | None]:
    """Return where to write, links resolved, and what is there; refuse a directory."""
    real = Path(os.path.realpath(path))
    if not stat.S_ISDIR(real.parent.stat().st_mode):
        raise _not_directory(real.parent)
    try:
        existing = describe(real, str(real))
    except FileNotFoundError:
        return real, None
    if existing.is_dir:
        raise _is_directory(path)
    return real, existing


async def download_dir(
    service: StorageService,
    src: str,
    dst: URL | Path,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Download a directory and all below it; the target is made with its parents."""
    here, there = local_side(await absolute(dst)), remote_side(service, src.rstrip("/"))
    return await copy_tree(
        there,
        here,
        options=options,
        resync=resync_between(there, here, options.update, options.continue_),
        accept=accept,
        progress=progress,
    )
