"""Single blobs and listings, with what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs

from ..concurrency import finish, first_failure, scoped_iterator
from ..errors import TransportError
from ..retry import RetryPolicy, is_transient
from ..transfer import Body, Chunk, Part
from ..transfer.flow import retrying
from ..transfer.models import MiB
from .models import BlobCommonPrefix, BlobObject, BucketEntry
from .opened import OpenBucket
from .provider import Prefix, Provider

_PART = 8 * MiB
_SAME = 1000
"""Parts after which their size doubles, so that 10,000 of them hold any object."""
_PARTS = 4
_CLEAN_UP = 10.0


@attrs.frozen
class Conditions:
    """Say in which state a blob must be for a call to succeed; None for any."""

    if_match: str | None = None
    if_none_match: str | None = None

    @property
    def set(self) -> bool:
        """Tell whether there is one."""
        return self.if_match is not None or self.if_none_match is not None


@scoped_iterator
async def entries(
    opened: OpenBucket,
    prefix: str,
    *,
    recursive: bool,
    retry: RetryPolicy,
    limit: int | None = None,
) -> AsyncIterator[BucketEntry]:
    """Yield what begins with *prefix* as records."""
    listing = opened.provider.list(prefix, folders=not recursive, limit=limit, retry=retry)
    async with listing as items:
        async for item in items:
            if isinstance(item, Prefix):
                yield BlobCommonPrefix(item.key, opened.bucket, 0)
            else:
                yield BlobObject(
                    item.key, opened.bucket, item.size, item.created_at, item.modified_at
                )


@scoped_iterator
async def fetch(
    provider: Provider,
    key: str,
    start: int,
    end: int | None,
    conditions: Conditions,
    retry: RetryPolicy,
) -> AsyncIterator[Chunk]:
    """Yield the content; the beginning is tried again, what has begun is not."""
    begun = False
    attempt = 0
    while True:
        attempt += 1
        try:
            async with provider.get(
                key,
                start=start,
                end=end,
                if_match=conditions.if_match,
                if_none_match=conditions.if_none_match,
            ) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
            return
        except Exception as error:
            pause = retry.delay(attempt, error) if not begun and is_transient(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)


async def put(
    provider: Provider,
    key: str,
    body: bytes | AsyncIterator[bytes],
    conditions: Conditions,
    retry: RetryPolicy,
) -> None:
    """Write a blob: bytes and what turns out to be short in one request, else in parts."""
    writer = _Writer(provider, key, conditions, retry)
    if isinstance(body, bytes | bytearray | memoryview):
        if len(body) <= _PART:
            await writer.whole(bytes(body))
        else:
            await writer.parts(_cut(bytes(body)))
        return
    await writer.parts(_gathered(body))


@attrs.frozen
class _Writer:
    provider: Provider
    key: str
    conditions: Conditions
    retry: RetryPolicy

    async def whole(self, data: bytes) -> None:
        """Write in one request."""
        conditions = self.conditions

        async def attempt() -> None:
            await self.provider.put(
                self.key,
                data,
                if_match=conditions.if_match,
                if_none_match=conditions.if_none_match,
            )

        # Whether a conditional write whose answer was lost has happened, nobody could tell.
        await (attempt() if conditions.set else retrying(self.retry, attempt))

    async def parts(self, pieces: AsyncIterator[bytes]) -> None:
        """Write the first piece as a whole if it is the only one, else all as parts."""
        first = await anext(pieces, b"")
        second = await anext(pieces, None)
        if second is None:
            await self.whole(first)
            return
        conditions = self.conditions
        upload = await retrying(
            self.retry,
            lambda: self.provider.begin(
                self.key,
                0,
                if_match=conditions.if_match,
                if_none_match=conditions.if_none_match,
            ),
        )
        sent: list[Part] = []
        room = asyncio.Semaphore(_PARTS if self.provider.capabilities.random_parts else 1)

        async def send(number: int, offset: int, data: bytes) -> None:
            try:
                body = Body.of(data)
                part = await retrying(
                    self.retry, lambda: self.provider.put_part(upload, number, offset, body)
                )
                sent.append(part)
            finally:
                room.release()

        try:
            async with first_failure() as group:
                offset = 0
                number = 0
                async for data in _chain(first, second, pieces):
                    number += 1
                    await room.acquire()
                    group.create_task(send(number, offset, data))
                    offset += len(data)
            sent.sort(key=lambda part: part.number)
            await retrying(
                self.retry,
                lambda: self.provider.complete(
                    upload,
                    sent,
                    if_match=conditions.if_match,
                    if_none_match=conditions.if_none_match,
                ),
            )
        except BaseException:
            await finish(self._abort(upload), _CLEAN_UP)
            raise

    async def _abort(self, upload: Any) -> None:
        try:
            await retrying(self.retry, lambda: self.provider.abort(upload))
        except TransportError:
            return  # what made us abort matters more


async def _chain(first: bytes, second: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    async for piece in rest:
        yield piece


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    for offset in range(0, len(data), _PART):
        yield data[offset : offset + _PART]


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces of the size of a part; the last one is shorter."""
    number = 0
    buffer = bytearray()
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:
            wanted = _PART << (number // _SAME)
            taken = wanted - len(buffer)
            buffer += view[:taken]
            view = view[taken:]
            if len(buffer) == wanted:
                yield bytes(buffer)
                number += 1
                buffer.clear()
    if buffer:
        yield bytes(buffer)
