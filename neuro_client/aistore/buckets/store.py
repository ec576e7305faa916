"""A bucket as an `ObjectStore`: folders made of names (aistore.md §10, §16.2).

A folder exists while a name goes on behind its slash; there are no empty ones.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ...concurrency import first_failure, scoped_iterator
from ...errors import (
    ChecksumMismatchError,
    ResourceNotFound,
    ResponseError,
    SourceChangedError,
    TransferError,
)
from ...retry import NEVER
from ...transfer import Body, Capabilities, Chunk, Entry, EntryKind, Part, Upload
from ...transfer.store import Announce
from ..errors import AISError, ErrBckNotFound, ErrObjNotFound
from ..models import BucketEntry, BucketList, ListObjectFlag
from ..names import check_object
from ..objects import checksums
from ..objects.attributes import ObjectAttributes, is_of, moment, same_content, tag
from ..objects.multipart import MultipartUpload
from ..objects.parallel import still_there
from ..objects.reader import ByteRange
from ..versions import MULTIPART, server_version
from .listing import is_stale

if TYPE_CHECKING:
    from .bucket import Bucket

_PROPS = "name,size,checksum,version,custom,last-modified"
_WRITTEN = "LastModified:"
_DELETIONS = 16
_MAX_PARTS = 9999
_SENT = "sent"
_WHOLE = 2**62
"""More bytes than any object has: each is written by one request."""


class AISStore:
    """Keep objects in a bucket; keys have no leading slash, the empty one is the root."""

    def __init__(self, bucket: Bucket, *, parts: bool = True) -> None:
        self._bucket = bucket
        self._has_parts = parts

    @property
    def capabilities(self) -> Capabilities:
        """Say what an AIStore bucket can do."""
        return Capabilities(
            min_part=1 if self._has_parts else _WHOLE,
            max_parts=_MAX_PARTS,
            directories=False,
            checksums=frozenset(checksums.TYPES),
        )

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a folder."""
        start = f"{prefix}/" if prefix else ""
        flags = () if recursive else (ListObjectFlag.NO_RECURSION,)
        found = not prefix
        told: set[str] = set()
        async with self._bucket.list_objects_iter(start, _PROPS, flags=flags) as entries:
            async for entry in entries:
                if entry.name == start or entry.status:
                    continue  # itself, or a copy that is on its way elsewhere
                found = True
                # An old server lists all names below, whatever it is asked.
                for folder in _folders(entry, start, recursive):
                    if folder not in told:
                        told.add(folder)
                        yield Entry(folder, EntryKind.DIRECTORY)
                if not entry.is_dir() and (recursive or "/" not in entry.name[len(start) :]):
                    yield _listed(entry)
        if not found:
            await self._head(prefix)  # raises if there is nothing at all
            raise NotADirectoryError(errno.ENOTDIR, f"{prefix!r} is an object, not a folder")

    async def head(self, key: str) -> Entry:
        """Describe an object, or else the folder of that name."""
        if not key:
            return Entry("", EntryKind.DIRECTORY)
        try:
            return await self._head(key)
        except ErrObjNotFound:
            if await self._has_folder(key):
                return Entry(key, EntryKind.DIRECTORY)
            raise

    async def _head(self, key: str) -> Entry:
        thing = self._bucket.object(key)
        answer = await thing.send(thing.call("HEAD"), retry=NEVER)
        found = ObjectAttributes(answer.headers)
        written = found.last_modified
        return Entry(
            key,
            EntryKind.FILE,
            found.size,
            None if written is None else written.timestamp(),
            found.version_tag,
        )

    async def has_content(self, entry: Entry, chunks: AsyncIterator[Chunk]) -> bool:
        """Compare by the checksum of the listing, whose length tells its kind (§8.2)."""
        listed = (entry.version or "").rpartition(":")[2]
        hasher = checksums.hasher(checksums.KIND_OF_LENGTH.get(len(listed), ""))
        if hasher is None:
            return False
        async for chunk in chunks:
            hasher.update(chunk)
        return hasher.hexdigest() == listed

    async def _has_folder(self, key: str) -> bool:
        page = await self._bucket.list_objects(f"{key}/", "name", 1)
        return bool(page.entries) or bool(page.continuation_token)

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range of one version; a whole object with its checksum."""
        thing = self._bucket.object(key)
        if end is not None and end <= start:
            await self._pinned(key, version)
            return
        whole = start == 0 and end is None
        wanted = ByteRange(start, None if end is None else end - 1).header()
        call = thing.call("GET", headers={} if whole else {"Range": wanted})
        pinned = nullcontext() if version is None else still_there(key)
        async with pinned, self._bucket.requests.open(call, retry=NEVER) as answer:
            found = ObjectAttributes(answer.headers)
            await self._compare(key, version, found)
            place = found.range()
            size = found.size if place is None else place[1]
            if place is None and not whole:
                raise TransferError(f"{thing.uri}: the server gave all of it instead of a range")
            full = start == 0 and (end is None or end >= size)
            hasher = checksums.hasher(found.checksum_type) if full else None
            async for chunk in answer.chunks():
                if hasher is not None:
                    hasher.update(chunk)
                yield chunk
        if hasher is not None and found.checksum_value not in ("", hasher.hexdigest()):
            raise ChecksumMismatchError(
                f"{thing.uri} arrived with the {found.checksum_type} {hasher.hexdigest()} instead "
                f"of {found.checksum_value}; read it again"
            )

    async def _pinned(self, key: str, version: str | None) -> None:
        """Check an empty range, for which there is no request."""
        found = (await self._head(key)).version or ""
        if version is not None and not same_content(found, version):
            raise self._changed(key)

    async def _compare(self, key: str, version: str | None, found: ObjectAttributes) -> None:
        own = self._bucket.has_sums_of_parts
        if version is not None and not await is_of(found, version, own):
            raise self._changed(key)

    def _changed(self, key: str) -> SourceChangedError:
        return SourceChangedError(
            f"{key!r} changed while it was read; copy it again when nobody writes it", entry=key
        )

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        """Read a whole short object, pinned to its version and verified."""
        reader = self._bucket.object(key).get(retry=NEVER)
        data = await reader.read_all()
        await self._compare(key, version, reader.attributes)
        return data

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        await self._bucket.object(key).put(body, retry=NEVER)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open an object for writing in parts, or in one where the server knows no others."""
        if keep:
            raise ValueError("an object cannot be continued; upload it as a whole")
        if not self._has_parts:
            return Upload(key, "", size)
        upload = await self._bucket.object(key).multipart_upload().create()
        return Upload(key, upload.upload_id, size)

    def _parted(self, upload: Upload) -> MultipartUpload:
        return MultipartUpload(self._bucket.object(upload.key), upload.id)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part."""
        if not upload.id:
            await self._bucket.object(upload.key).put(body.open, body.size, retry=NEVER)
            return Part(number, offset, body.size, _SENT)
        await self._parted(upload).put_part(number, body.open, body.size, retry=NEVER)
        return Part(number, offset, body.size, _SENT)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the known parts that were acknowledged, if the upload still exists.

        The wire has no such question. A part that is missing is sent empty: the answer tells, and
        the content that comes later takes its place.
        """
        sent = [part for part in known if part.tag == _SENT]
        if sum(part.size for part in sent) < upload.size:
            numbers = {part.number for part in sent}
            missing = next(n for n in range(1, len(sent) + 2) if n not in numbers)
            try:
                await self._parted(upload).put_part(missing, b"", retry=NEVER)
            except ErrBckNotFound:
                raise
            except AISError as error:
                if error.status == 404:
                    raise ResourceNotFound(*error.args, status=404) from error
                if error.status != 400:
                    raise
        return sent

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make the object of its parts, and compare its size."""
        total = sum(part.size for part in parts)
        if total != upload.size:
            raise TransferError(
                f"{upload.key!r} has {total} of {upload.size} bytes; parts of it are missing"
            )
        if upload.id:
            await self._parted(upload).complete([part.number for part in parts])
        found = await self._head(upload.key)
        if found.size != upload.size:
            raise ChecksumMismatchError(
                f"{upload.key!r} has {found.size} bytes instead of {upload.size}; upload it again"
            )

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload; one request leaves nothing to drop."""
        if upload.id:
            await self._parted(upload).abort()

    async def delete(self, key: str) -> None:
        """Remove an object, or a folder with all below it, several objects at a time."""
        if key and (await self.head(key)).is_file:
            await self._bucket.object(key).delete(retry=NEVER)
            return
        names: asyncio.Queue[str | None] = asyncio.Queue(2 * _DELETIONS)

        async def work() -> None:
            while (name := await names.get()) is not None:
                try:
                    await self._bucket.object(name).delete(retry=NEVER)
                except ErrObjNotFound:
                    continue  # somebody else removed it

        async with first_failure() as group:
            for _ in range(_DELETIONS):
                group.create_task(work())
            prefix = f"{key}/" if key else ""
            async with self._bucket.list_objects_iter(prefix, "name") as entries:
                async for entry in entries:
                    await names.put(entry.name)
            for _ in range(_DELETIONS):
                await names.put(None)

    async def make_dir(self, key: str) -> None:
        """Do nothing: names make folders. An object of that name is refused."""
        if not key:
            return
        try:
            await self._head(check_object(key))
        except ErrObjNotFound:
            return
        raise NotADirectoryError(errno.ENOTDIR, f"{key!r} is an object, not a folder")


class FlatAISStore(AISStore):
    """Keep objects in a bucket of AIStore itself, whose listing can start behind any name."""

    def __init__(self, bucket: Bucket, *, parts: bool = True) -> None:
        super().__init__(bucket, parts=parts)
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}

    async def page(self, directory: str, after: str) -> tuple[Sequence[Entry], bool]:
        """Return the next objects below a folder; the servers order names by their bytes."""
        prefix = f"{directory}/" if directory else ""
        while True:
            page = await self._page(prefix, after)
            found = [_listed(entry) for entry in page.entries if not entry.status]
            more = bool(page.continuation_token)
            if more:
                after = page.entries[-1].name if page.entries else after
                self._tokens[prefix, after] = (page.uuid, page.continuation_token)
            if found or not more:
                return found, more

    async def _page(self, prefix: str, after: str) -> BucketList:
        uuid, token = self._tokens.pop((prefix, after), ("", ""))
        if token:
            try:
                return await self._bucket.list_objects(prefix, _PROPS, 0, uuid, token)
            except ResponseError as error:
                if not is_stale(error):
                    raise
        return await self._bucket.list_objects(prefix, _PROPS, start_after=after)

    async def has_object(self, key: str) -> bool:
        """Tell whether an object has this very name."""
        try:
            await self._head(key)
        except ErrObjNotFound:
            return False
        return True

    async def mark(self, key: str) -> None:
        """Do nothing: no name ends in a slash, so nothing can keep an empty folder."""


async def open_store(bucket: Bucket) -> AISStore:
    """Return the store over a bucket that costs least, fit for the servers there are."""
    found = await server_version(bucket.requests)
    parts = found is None or found >= MULTIPART
    return (AISStore if bucket.is_remote else FlatAISStore)(bucket, parts=parts)


def _folders(entry: BucketEntry, start: str, recursive: bool) -> Sequence[str]:
    """Return the folders between *start* and an entry below it, outermost first."""
    parts = entry.name[len(start) :].split("/")[:-1]
    found = [start + "/".join(parts[: count + 1]) for count in range(len(parts))]
    return found if recursive else found[:1]


def _listed(entry: BucketEntry) -> Entry:
    return Entry(
        entry.name,
        EntryKind.FILE,
        entry.size,
        _written(entry.custom_md),
        tag(entry.size, entry.version, entry.checksum),
    )


def _written(custom: str) -> float | None:
    """Return when an object was written, where a listing says so."""
    _, found, rest = custom.strip("[]").partition(_WRITTEN)
    if not found:
        return None
    # A value may have spaces: it ends where the next key begins.
    words = rest.split(" ")
    end = next((n for n, word in enumerate(words) if n and _is_key(word)), len(words))
    when = moment(" ".join(words[:end]))
    return None if when is None else when.timestamp()


def _is_key(word: str) -> bool:
    name, colon, _ = word.partition(":")
    return bool(colon) and name.replace("-", "").isalpha()
