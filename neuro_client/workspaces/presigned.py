"""Uploads through addresses that the platform signs, part by part (§3.1)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TypeVar

import attrs
from yarl import URL

from ..buckets import s3_checks as checks
from ..concurrency import finish
from ..errors import (
    AuthorizationError,
    ChecksumMismatchError,
    IllegalArgumentError,
    ProtocolError,
    ResourceNotFound,
    ResponseError,
)
from ..retry import is_transient
from ..threads import run_blocking
from ..transfer import Body, Capabilities, Chunk, Entry, Part, Upload
from ..transfer.store import Announce
from ..transport import Failure, Transport, build_error
from .errors import message_of, refine
from .naming import content_type_of
from .service import PlatformService
from .store import PART_SIZE, Turn, WorkspaceStore

PARTS = 8
"""Parts that are on their way at a time."""

_ANSWER_TIME = 600.0
_EXPIRED = ("too old", "expired")
_ID = "uploadId"

T = TypeVar("T")


class LinksExpired(AuthorizationError):
    """Report that the addresses of an upload have come to their end before its bytes."""


def map_error(failure: Failure) -> Exception:
    """Return the exception of a part that was refused; the address is a secret."""
    bare = attrs.evolve(failure, url=failure.url.with_query(None))
    text = failure.body.decode("utf-8", "replace")
    plain = build_error(bare, f"a part was refused: {message_of(text) or 'no reason given'}")
    if failure.status in (400, 403) and any(word in text.lower() for word in _EXPIRED):
        return LinksExpired(
            f"The links for {bare.url.path} have expired; they live for some minutes",
            status=failure.status,
            url=plain.url,
            method=plain.method,
        )
    return refine(plain)


class PresignedStore:
    """Write objects through the platform; what is written is read from *store*, the bucket.

    Parts are sent as *lanes* get free, and each object appears in its *turn*.
    """

    def __init__(
        self,
        service: PlatformService,
        transport: Transport,
        store: WorkspaceStore,
        lanes: asyncio.Semaphore,
        turn: Turn,
    ) -> None:
        self._service = service
        self._transport = transport
        self._store = store
        self._lanes = lanes
        self._turn = turn
        self._urls: dict[str, Sequence[str]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Say that parts have one size and that an upload cannot be taken up again."""
        return Capabilities(min_part=PART_SIZE, max_parts=10_000)

    def list(
        self, prefix: str, *, recursive: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[Entry]]:
        """Iterate over a folder."""
        return self._store.list(prefix, recursive=recursive)

    async def head(self, key: str) -> Entry:
        """Describe an object."""
        return await self._store.head(key)

    def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Read a range of an object."""
        return self._store.get(key, start=start, end=end, version=version)

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole object as an upload of one part."""
        upload = await self.begin(key, len(body))
        try:
            part = await self.put_part(upload, 1, 0, Body.of(body))
            await self.complete(upload, [part])
        except BaseException:
            await finish(self.abort(upload))
            raise

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Ask for the addresses of the parts; the upload has no id that a journal could keep."""
        if keep:
            raise ValueError("an object cannot be continued; upload it as a whole")
        id, urls = await self._service.begin_upload(key, size, content_type_of(key))
        upload = Upload(key, "", size, state=MappingProxyType({_ID: id}))
        if len(urls) != max(1, -(-size // PART_SIZE)):
            await finish(self.abort(upload))
            raise ProtocolError(
                f"{len(urls)} links came for {key!r}, which has {size} bytes in parts of "
                f"{PART_SIZE}; upload it without presigned=True"
            )
        self._urls[id] = urls
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part and compare its MD5 with the tag of what arrived."""
        url = URL(self._urls[_id(upload)][number - 1], encoded=True)
        digest = hashlib.md5(usedforsecurity=False)

        async def chunks() -> AsyncIterator[Chunk]:
            nonlocal digest
            digest = hashlib.md5(usedforsecurity=False)
            async for chunk in body.open():
                await run_blocking(digest.update, chunk)
                yield chunk

        async with self._lanes:
            answer = await self._transport.send(
                "PUT",
                url,
                body=chunks,
                headers={"Content-Length": str(body.size)},
                retry=None,
                read_timeout=_ANSWER_TIME,
                redirects=False,
            )
        etag = answer.headers.get("ETag", "").strip('"')
        if not etag:
            raise ProtocolError(f"part {number} of {upload.key!r} was taken without an ETag")
        expected = checks.md5_of_etag(answer.headers)
        if expected is not None and expected != digest.hexdigest():
            raise ChecksumMismatchError(
                f"part {number} of {upload.key!r}: other bytes arrived than were sent"
            )
        return Part(number, offset, body.size, etag)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Know of no part: the addresses are gone with the process that had them."""
        raise ResourceNotFound(f"the upload of {upload.key!r} cannot be taken up again")

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Have the object made of its parts; a lost answer is looked up."""
        await self._turn()
        tags = [(part.number, part.tag or "") for part in parts]
        expected = checks.joined_etag(parts)
        try:
            await self._service.complete_upload(upload.key, _id(upload), tags)
        except (ResponseError, OSError) as error:
            if not is_transient(error) and not isinstance(error, ResourceNotFound):
                raise
            if not await self._is_there(upload, expected):
                raise
        self._urls.pop(_id(upload), None)
        if expected:
            self._store.etags[upload.key] = expected

    async def _is_there(self, upload: Upload, expected: str | None) -> bool:
        try:
            found = await self._store.head(upload.key)
        except ResourceNotFound:
            return False
        return expected is not None and found.version == f"{upload.size} {expected}"

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload."""
        self._urls.pop(_id(upload), None)
        try:
            await self._service.abort_upload(upload.key, _id(upload))
        except (ResourceNotFound, IllegalArgumentError):
            return  # it is gone already

    async def delete(self, key: str) -> None:
        """Remove an object."""
        await self._store.delete(key)

    async def make_dir(self, key: str) -> None:
        """Do nothing: folders are beginnings of keys."""


def _id(upload: Upload) -> str:
    return str(upload.state[_ID])


async def with_fresh_links(send: Callable[[], Awaitable[T]], attempts: int = 3) -> T:
    """Send a file, again with new links when those it had expired on the way."""
    for _ in range(attempts - 1):
        try:
            return await send()
        except LinksExpired:
            continue
    return await send()
