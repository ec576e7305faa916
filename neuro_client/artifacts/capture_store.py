"""Capture into any store that the transfer engine can write to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import SourceChangedError
from ..transfer import (
    Capabilities,
    Chunk,
    Entry,
    EntryKind,
    ObjectStore,
    Side,
    TransferOptions,
    copy_file,
)
from .capture_file import CaptureChangedError, CaptureFile

_CAPABILITIES = Capabilities(near=True)


class CaptureInto:
    """Be the store of a `Capture` that keeps the files in an ``ObjectStore``, below a folder.

    A file over one part of ``options`` is sent in parts, some of them at once; what goes wrong on
    the way is tried again as the options say.
    """

    def __init__(
        self, store: ObjectStore, prefix: str = "", *, options: TransferOptions | None = None
    ) -> None:
        self._store = store
        self._prefix = prefix.strip("/")
        self._options = options or TransferOptions()

    async def put(self, file: CaptureFile) -> None:
        """Store a file."""
        key = f"{self._prefix}/{file.key}" if self._prefix else file.key
        folder = key.rpartition("/")[0]
        if folder and self._store.capabilities.directories:
            await self._store.make_dir(folder)
        entry = Entry("", EntryKind.FILE, file.size, file.modified.timestamp(), file.stamp)
        # Of a store the engine asks nothing but the content while it copies one file from it.
        source = _side(cast("ObjectStore", _OneFile(file)), "", file.key)
        await copy_file(source, _side(self._store, key, key), entry, options=self._options)


class _OneFile:
    """Be the end that a captured file is copied from."""

    capabilities = _CAPABILITIES

    def __init__(self, file: CaptureFile) -> None:
        self._file = file

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range; the file itself takes care of its version."""
        try:
            async with self._file.chunks(start, end) as chunks:
                async for piece in chunks:
                    yield piece
        except CaptureChangedError as error:
            raise SourceChangedError(str(error), entry=self._file.key) from error


def _side(store: ObjectStore, key: str, name: str) -> Side:
    def url(path: str) -> URL:
        return URL.build(scheme="capture", path=f"/{name}/{path}".rstrip("/"))

    return Side(store, key, url, url)
