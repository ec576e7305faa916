"""A bucket as an `ObjectStore`: folders made of keys, over any provider (buckets.md §9).

A folder exists while a key goes on behind its slash; an empty object whose key ends in the slash
keeps an empty one.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import attrs

from ..concurrency import first_failure, scoped_iterator
from ..errors import PreconditionFailedError, ResourceNotFound, SourceChangedError
from ..transfer import Body, Capabilities, Chunk, Entry, EntryKind, Part, Upload
from ..transfer.store import Announce
from .provider import Blob, ListsInOrder, Prefix, Provider, ReadsWhole

MAX_KEY = 1024
_DELETIONS = 16


def check_key(key: str) -> str:
    """Return a key; ``ValueError`` if no provider would take it."""
    if not key:
        raise ValueError("the key of a blob must not be empty")
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise ValueError(f"{key!r} cannot be the key of a blob: it is not valid Unicode") from None
    if size > MAX_KEY:
        raise ValueError(f"{key[:40]!r}… has {size} bytes; the key of a blob has at most {MAX_KEY}")
    return key


class BucketStore:
    """Keep objects in a bucket; keys have no leading slash, the empty one is the root."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._whole = provider if isinstance(provider, ReadsWhole) else None

    @property
    def capabilities(self) -> Capabilities:
        """Say what the provider can do, and that there are folders."""
        return attrs.evolve(self._provider.capabilities, directories=True, keeps=False)

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a folder."""
        start = f"{prefix}/" if prefix else ""
        found = not prefix
        told: set[str] = set()
        async with self._provider.list(start, folders=not recursive) as items:
            async for item in items:
                found = True
                if item.key == start:
                    continue  # its own marker
                if recursive:
                    for folder in _folders(item.key, start):
                        if folder not in told:
                            told.add(folder)
                            yield Entry(folder, EntryKind.DIRECTORY)
                    if item.key.endswith("/"):
                        continue
                yield _entry(item)
        if not found:
            await self._refuse_folder(prefix)

    async def _refuse_folder(self, key: str) -> None:
        await self._provider.head(key)  # raises if there is nothing at all
        raise NotADirectoryError(errno.ENOTDIR, f"{key!r} is a blob, not a folder")

    async def head(self, key: str) -> Entry:
        """Describe a blob, or else the folder of that name."""
        if not key:
            return Entry("", EntryKind.DIRECTORY)
        try:
            return _entry(await self._provider.head(key))
        except ResourceNotFound:
            if await self.has_folder(key):
                return Entry(key, EntryKind.DIRECTORY)
            raise

    async def has_folder(self, key: str) -> bool:
        """Tell whether a key goes on behind that of the folder."""
        async with self._provider.list(f"{key}/", limit=1) as items:
            async for _ in items:
                return True
        return False

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range, pinned to its ETag; a whole blob with its checksum."""
        if version is not None and start == 0 and end == int(version.partition(" ")[0]):
            end = None
        with _pinned(key):
            async with self._provider.get(
                key, start=start, end=end, if_match=_etag(version)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        """Read a whole short blob, pinned to its ETag and checked."""
        etag = _etag(version)
        if self._whole is not None and etag is not None:  # else it might be any size by now
            with _pinned(key):
                return await self._whole.read(key, if_match=etag)
        async with self.get(key, end=size, version=version) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole blob."""
        await self._provider.put(check_key(key), body)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open a blob for writing in parts."""
        if keep:
            raise ValueError("a blob cannot be continued; upload it as a whole")
        return await self._provider.begin(check_key(key), size, announce=announce)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part."""
        return await self._provider.put_part(upload, number, offset, body)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Tell which of the known parts have arrived."""
        return await self._provider.parts(upload, known)

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make the blob of its parts."""
        await self._provider.complete(upload, parts)

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload."""
        await self._provider.abort(upload)

    async def delete(self, key: str) -> None:
        """Remove a blob, or a folder with all below it, several blobs at a time."""
        if (await self.head(key)).is_file:
            await self._provider.delete(key)
            return
        keys: asyncio.Queue[str | None] = asyncio.Queue(2 * _DELETIONS)

        async def work() -> None:
            while (found := await keys.get()) is not None:
                try:
                    await self._provider.delete(found)
                except ResourceNotFound:
                    continue  # somebody else removed it

        async with first_failure() as group:
            for _ in range(_DELETIONS):
                group.create_task(work())
            async with self._provider.list(f"{key}/" if key else "") as items:
                async for item in items:
                    await keys.put(item.key)
            for _ in range(_DELETIONS):
                await keys.put(None)

    async def make_dir(self, key: str) -> None:
        """Write the marker of a folder that has no keys yet."""
        if not key or await self.has_folder(key):
            return
        if await self.has_object(key):
            raise NotADirectoryError(errno.ENOTDIR, f"{key!r} is a blob, not a folder")
        await self.mark(key)

    async def has_object(self, key: str) -> bool:
        """Tell whether there is a blob of this very key."""
        try:
            await self._provider.head(key)
        except ResourceNotFound:
            return False
        return True

    async def mark(self, key: str) -> None:
        """Write the marker of a folder."""
        await self._provider.put(check_key(f"{key}/"), b"")


class FlatBucketStore(BucketStore):
    """Do so over a provider whose keys can be listed from any one on."""

    def __init__(self, provider: Provider, listing: ListsInOrder) -> None:
        super().__init__(provider)
        self._listing = listing

    async def page(self, directory: str, after: str) -> tuple[Sequence[Entry], bool]:
        """Return the next blobs and markers below a folder."""
        found, more = await self._listing.page(f"{directory}/" if directory else "", after)
        return [
            Entry(item.key, EntryKind.DIRECTORY) if item.key.endswith("/") else _entry(item)
            for item in found
        ], more


def store_of(provider: Provider) -> BucketStore:
    """Return the store over a provider that costs least."""
    if isinstance(provider, ListsInOrder):
        return FlatBucketStore(provider, provider)
    return BucketStore(provider)


def _etag(version: str | None) -> str | None:
    """Return the ETag in a version, None where it has none."""
    return (version.partition(" ")[2] or None) if version is not None else None


@contextmanager
def _pinned(key: str) -> Iterator[None]:
    try:
        yield
    except PreconditionFailedError as error:
        raise SourceChangedError(
            f"{key!r} changed while it was read; copy it again when nobody writes it", entry=key
        ) from error


def _folders(key: str, start: str) -> Sequence[str]:
    """Return the folders between *start* and a key below it, outermost first."""
    found = []
    position = key.find("/", len(start))
    while position >= 0:
        found.append(key[:position])
        position = key.find("/", position + 1)
    return found


def _entry(item: Blob | Prefix) -> Entry:
    if isinstance(item, Prefix):
        key = item.key[:-1]
        if not key.rpartition("/")[2]:
            return Entry(
                item.key, EntryKind.OTHER, reason="its key has an empty part, which no path has"
            )
        return Entry(key, EntryKind.DIRECTORY)
    moment = item.modified_at or item.created_at
    return Entry(
        item.key,
        EntryKind.FILE,
        item.size,
        None if moment is None else moment.timestamp(),
        f"{item.size} {item.etag or ''}",
    )
