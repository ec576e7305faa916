"""Copy between any two stores, chosen by the schemes of the URIs."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from yarl import URL

from .errors import TransferError
from .threads import run_blocking
from .transfer import (
    MISSING,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    Side,
    TransferOptions,
    TransferResult,
    copy_file,
    copy_tree,
    local_side,
    resync_between,
)
from .transfer.flow import retrying
from .transfer.places import absolute

Opener = Callable[[URL], Awaitable[Side]]
"""Find the store and the key that a URI of one scheme names."""


async def open_local(uri: URL) -> Side:
    """Find what a ``file:`` URL names; a link counts as what it leads to."""
    path = await absolute(uri)
    real = await run_blocking(lambda: Path(os.path.realpath(path)))
    return local_side(real, files=path, dirs=path)


async def copy(
    src: URL,
    dst: URL,
    *,
    stores: Mapping[str, Opener],
    recursive: bool = False,
    options: TransferOptions | None = None,
    filter: AsyncFilterFunc | None = None,
    progress: AbstractRecursiveFileProgress | None = None,
) -> TransferResult:
    """Copy a file, or with *recursive* a directory, to exactly *dst*.

    *stores* maps schemes to what opens their URIs. *filter* is asked as in ``upload_dir``.

    Raises:
        ValueError: a scheme is not in *stores*, or *dst* lies inside *src*.
        FileNotFoundError, ResourceNotFound: *src* is missing.
        IsADirectoryError: *src* is a directory and *recursive* is not set, or *dst* is one and
            *src* is a file.
    """
    source, target = await _open(src, stores), await _open(dst, stores)
    options = options or TransferOptions()
    resync = resync_between(source, target, options.update, options.continue_)
    entry = await retrying(options.retry, lambda: source.store.head(source.key))
    if entry.is_file:
        return await copy_file(
            source,
            target,
            entry,
            existing=await _existing(target, dst, options),
            options=options,
            resync=resync,
            progress=progress,
        )
    if not entry.is_dir:
        raise TransferError(f"cannot copy {src}: {entry.reason}")
    if not recursive:
        raise IsADirectoryError(errno.EISDIR, "a directory is copied with recursive=True", str(src))
    _check_apart(source, target)
    return await copy_tree(
        source, target, options=options, resync=resync, accept=filter, progress=progress
    )


async def _open(uri: URL, stores: Mapping[str, Opener]) -> Side:
    if uri.scheme not in stores:
        known = ", ".join(f"{scheme}:" for scheme in sorted(stores))
        raise ValueError(f"cannot copy {str(uri)!r}: the scheme must be one of {known}")
    return await stores[uri.scheme](uri)


async def _existing(target: Side, dst: URL, options: TransferOptions) -> Entry | None:
    try:
        found = await retrying(options.retry, lambda: target.store.head(target.key))
    except MISSING:
        return None
    if found.is_dir:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(dst))
    return found


def _check_apart(source: Side, target: Side) -> None:
    """Refuse a copy that would find its own output."""
    src, dst = source.url(""), target.url("")
    if (src.scheme, src.host) != (dst.scheme, dst.host):
        return
    if f"{dst.path.rstrip('/')}/".startswith(f"{src.path.rstrip('/')}/"):
        raise ValueError(f"cannot copy {src} into itself: {dst} lies inside it")
