"""Remove a blob, or a folder and all below it (buckets.md §9.5)."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress

from yarl import URL

from ..concurrency import first_failure
from ..errors import ResourceNotFound
from ..retry import RetryPolicy
from ..transfer import AbstractDeleteProgress, StorageProgressDelete
from ..transfer.disk import is_directory
from ..transfer.flow import retrying
from ..transfer.places import under
from .opened import OpenBucket

_AT_A_TIME = 16


async def remove(
    opened: OpenBucket,
    key: str,
    recursive: bool,
    progress: AbstractDeleteProgress | None,
    retry: RetryPolicy,
) -> None:
    """Remove what is under *key*; "" is the content of the bucket, which itself stays."""
    removal = _Removal(opened, progress, retry)
    uri = opened.uri(key)
    try:
        entry = await retrying(retry, lambda: opened.store.head(key))
    except ResourceNotFound:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(uri)) from None
    if entry.is_file:
        await removal.blob(key, is_dir=False)
    elif not recursive:
        raise is_directory(uri)
    else:
        await removal.folder(key)


class _Removal:
    """Remove children before their folder, several at a time."""

    def __init__(
        self, opened: OpenBucket, progress: AbstractDeleteProgress | None, retry: RetryPolicy
    ) -> None:
        self._opened = opened
        self._progress = progress
        self._retry = retry
        self._room = asyncio.Semaphore(_AT_A_TIME)

    async def blob(self, key: str, *, is_dir: bool) -> None:
        """Remove one key, the marker of a folder too; one that is gone meanwhile is no error."""
        async with self._room:
            with suppress(ResourceNotFound):
                await retrying(self._retry, lambda: self._opened.provider.delete(key))
        self._tell(key.rstrip("/") if is_dir else key, is_dir)

    async def folder(self, key: str) -> None:
        """Remove what is in a folder, then its marker."""
        store = self._opened.store
        folders: list[str] = []
        async with first_failure() as group:
            pending: set[asyncio.Task[None]] = set()
            async with store.list(key, recursive=True) as entries:
                async for entry in entries:
                    if entry.is_dir:
                        folders.append(entry.key)
                        continue
                    pending.add(group.create_task(self.blob(entry.key, is_dir=False)))
                    if len(pending) >= 2 * _AT_A_TIME:
                        _, pending = await asyncio.wait(
                            pending, return_when=asyncio.FIRST_COMPLETED
                        )
        for folder in [*reversed(folders), key]:
            if folder:
                await self.blob(f"{folder}/", is_dir=True)
            else:
                self._tell("", True)

    def _tell(self, key: str, is_dir: bool) -> None:
        if self._progress is not None:
            # As the published client tells it: every character of the key quoted.
            uri = under(self._opened.bucket.uri, key)
            if not key:
                uri = URL(f"{uri}/", encoded=True)
            self._progress.delete(StorageProgressDelete(uri, is_dir))
