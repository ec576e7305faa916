"""Upload from this machine's disk and download to it, with the seed's checks (storage.md §12)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..threads import run_blocking
from .engine import Side, copy_file, copy_tree, resync_between
from .files import describe
from .filters import FileFilter, read_ancestors
from .models import (
    SLICE,
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    TransferOptions,
    TransferResult,
)
from .places import absolute, local_side


def not_directory(what: object) -> NotADirectoryError:
    """Return the error that *what* is not a directory."""
    return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(what))


def is_directory(what: object) -> IsADirectoryError:
    """Return the error that *what* is a directory."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(what))


async def upload_file(
    src: URL | Path,
    there: Side,
    find: Callable[[], Awaitable[Entry | None]],
    stream: Callable[[Path], Awaitable[TransferResult]],
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Upload one file to *there*, where *find* tells what is and refuses what may not be.

    What is neither a file nor a directory has no size; *stream* uploads it.
    """
    path = await absolute(src)
    source = await run_blocking(describe, path, str(path))
    if source.is_dir:
        raise is_directory(path)
    existing = await find()
    if not source.is_file:
        return await stream(path)
    here = local_side(path)
    return await copy_file(
        here,
        there,
        attrs.evolve(source, key=""),
        existing=existing,
        options=options,
        resync=resync_between(here, there, options.update, options.continue_),
        progress=progress,
    )


@scoped_iterator
async def pieces(path: Path) -> AsyncIterator[bytes]:
    """Yield what a pipe or a device gives: at least one piece, an empty one if there is nothing."""
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
    src: URL | Path,
    there: Side,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    ignore_file_names: AbstractSet[str],
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Upload a directory and all below it."""
    path = await absolute(src)
    real = await run_blocking(lambda: Path(os.path.realpath(path)))
    if not (await run_blocking(describe, real, str(real))).is_dir:
        raise not_directory(path)

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
    here = local_side(real, dirs=path)
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
    there: Side,
    find: Callable[[], Awaitable[Entry]],
    dst: URL | Path,
    options: TransferOptions,
    progress: AbstractFileProgress | None,
) -> TransferResult:
    """Download one file, which *find* describes, to the path *dst*."""
    found = await find()
    path = await absolute(dst)
    if not found.is_file:
        raise is_directory(there.url(""))
    real, existing = await run_blocking(_download_target, path)
    here = local_side(real, files=path)
    return await copy_file(
        there,
        here,
        found,
        existing=existing,
        options=options,
        resync=resync_between(there, here, options.update, options.continue_),
        progress=progress,
    )


def _download_target(path: Path) -> tuple[Path, Entry | None]:
    """Return where to write, links resolved, and what is there; refuse a directory."""
    real = Path(os.path.realpath(path))
    if not stat.S_ISDIR(real.parent.stat().st_mode):
        raise not_directory(real.parent)
    try:
        existing = describe(real, str(real))
    except FileNotFoundError:
        return real, None
    if existing.is_dir:
        raise is_directory(path)
    return real, existing


async def download_dir(
    there: Side,
    dst: URL | Path,
    options: TransferOptions,
    accept: AsyncFilterFunc | None,
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Download a directory and all below it; the target is made with its parents."""
    here = local_side(await absolute(dst))
    return await copy_tree(
        there,
        here,
        options=options,
        resync=resync_between(there, here, options.update, options.continue_),
        accept=accept,
        progress=progress,
    )


def with_rules(options: TransferOptions | None, update: bool, continue_: bool) -> TransferOptions:
    """Return the options of a call, whose own two flags can only be added to them."""
    options = options or TransferOptions()
    return attrs.evolve(
        options, update=update or options.update, continue_=continue_ or options.continue_
    )
