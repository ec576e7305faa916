"""``workspaces.storage``: the user's bucket as it is, keys and bytes (§6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from ..buckets.provider import Blob, Prefix
from ..buckets.store import check_key
from ..concurrency import SingleFlight, scoped_iterator
from ..errors import ResourceNotFound
from ..retry import RetryPolicy
from ..transfer import (
    AbstractFileProgress,
    Entry,
    Side,
    TransferOptions,
    TransferResult,
    disk,
)
from ..transfer.flow import retrying
from .connection import Connection
from .models import UnfinishedUpload
from .store import WorkspaceStore, options_of, side_of

if TYPE_CHECKING:
    from .objects import Objects

RETRY = RetryPolicy(attempts=5, base=0.2)
"""Five attempts with growing pauses, as the published clients make them (§1)."""

LINK_LIFE = 3600
_LONGEST_LINK = 604_800


class WorkspaceStorage:
    """List, read and write the objects of the user's bucket.

    Keys have no leading slash. Every call is tried again after an error that may pass.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._objects: Objects | None = None
        self._flights: SingleFlight[Objects] = SingleFlight()

    def __repr__(self) -> str:
        return f"<WorkspaceStorage {self._connection.store.url}>"

    async def objects(self) -> Objects:
        """Return what speaks S3 for all who ask."""
        if self._objects is None:
            self._objects = await self._flights.run("", self._connection.objects)
        return self._objects

    @scoped_iterator
    async def list(self, prefix: str = "") -> AsyncIterator[Blob]:
        """Iterate over the objects whose keys begin with *prefix*, all pages, in their order."""
        async with (await self.objects()).list(prefix, retry=RETRY) as found:
            async for item in found:
                if not isinstance(item, Prefix):
                    yield item

    async def head(self, key: str) -> Blob | None:
        """Describe an object, None where there is none."""
        objects = await self.objects()
        try:
            return await retrying(RETRY, lambda: objects.head(check_key(key)))
        except ResourceNotFound:
            return None

    async def get_bytes(self, key: str) -> bytes:
        """Read a whole object into memory; ``ResourceNotFound`` where there is none."""
        objects = await self.objects()
        return await retrying(RETRY, lambda: objects.read(check_key(key)))

    async def put_bytes(self, key: str, body: bytes, content_type: str | None = None) -> None:
        """Write an object in one request; its type follows from the key where none is given.

        Raises:
            QuotaExceededError: the bucket is full.
        """
        objects = await self._typed(content_type)
        await retrying(RETRY, lambda: objects.put(check_key(key), body))

    async def upload_file(
        self,
        path: Path,
        key: str,
        content_type: str | None = None,
        *,
        options: TransferOptions | None = None,
        progress: AbstractFileProgress | None = None,
    ) -> TransferResult:
        """Upload a file, in parts of 50 MiB from 10 MiB on; a broken upload goes on.

        Raises:
            QuotaExceededError: the bucket is full.
            SourceChangedError: the file changed while it was read.
        """
        there = await self.side(check_key(key), content_type)

        async def find() -> Entry | None:
            return None  # whatever is there is replaced

        async def stream(found: Path) -> TransferResult:
            raise ValueError(f"{str(found)!r} is not a regular file")

        return await disk.upload_file(path, there, find, stream, options or options_of(), progress)

    async def download_file(
        self,
        key: str,
        path: Path,
        *,
        options: TransferOptions | None = None,
        progress: AbstractFileProgress | None = None,
    ) -> TransferResult:
        """Download an object to *path*, which appears complete or not at all."""
        there = await self.side(check_key(key))

        async def find() -> Entry:
            return await retrying(RETRY, lambda: there.store.head(key))

        return await disk.download_file(there, find, path, options or TransferOptions(), progress)

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        objects = await self.objects()
        await retrying(RETRY, lambda: objects.delete(check_key(key)))

    async def presign_get(self, key: str, expires_in: int = LINK_LIFE) -> URL:
        """Return an address that gives an object to whoever has it, for *expires_in* seconds.

        Raises:
            ValueError: the life is not from one second to seven days.
        """
        if not 1 <= expires_in <= _LONGEST_LINK:
            raise ValueError(
                f"expires_in must be from 1 to {_LONGEST_LINK} seconds, not {expires_in}"
            )
        return await (await self.objects()).presign_get(check_key(key), expires_in)

    @scoped_iterator
    async def list_multipart_uploads(self, prefix: str = "") -> AsyncIterator[UnfinishedUpload]:
        """Iterate over the unfinished uploads of keys that begin with *prefix*."""
        objects = await self.objects()
        async with objects.uploads(prefix, retry=RETRY) as found:
            async for item in found:
                yield item

    async def abort_multipart_uploads(self, prefix: str = "") -> int:
        """Drop the unfinished uploads of keys that begin with *prefix*; return how many."""
        objects = await self.objects()
        async with self.list_multipart_uploads(prefix) as found:
            uploads = [item async for item in found]
        for item in uploads:
            await self.drop(objects, item)
        return len(uploads)

    async def drop(self, objects: Objects, item: UnfinishedUpload) -> None:
        """Drop one unfinished upload."""
        await retrying(RETRY, lambda: objects.drop(item.key, item.id))

    async def side(self, key: str, content_type: str | None = None) -> Side:
        """Make a key an end of a transfer."""
        return await self.side_in(WorkspaceStore(await self._typed(content_type)), key)

    async def side_in(self, store: WorkspaceStore, key: str) -> Side:
        """Make a key of an open store an end of a transfer."""
        url, _ = self._connection.store_access()
        return side_of(store, url, await self._connection.bucket(), key)

    async def _typed(self, content_type: str | None) -> Objects:
        if content_type is None:
            return await self.objects()
        return await self._connection.objects(lambda _: content_type)
