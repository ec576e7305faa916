"""Read an object: the whole or chunks, resumed after a cut, verified at the end.

Facts: aistore.md §9, §16.3.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
)
from contextlib import AsyncExitStack, aclosing
from typing import BinaryIO, Self

import attrs

from ...errors import (
    ChecksumMismatchError,
    NotSupportedError,
    ProtocolError,
    SourceChangedError,
    TransportError,
)
from ...retry import RetryPolicy
from ...threads import run_blocking
from ...transport import Answer
from ..connection.attempts import ObjectCall
from ..connection.requests import RequestClient
from . import checksums
from .attributes import ObjectAttributes, is_of
from .checksums import Hasher
from .parallel import PART, in_order, still_there

CHUNK = 32768
_PARTIAL = 206
_RANGE = re.compile(r"(?:bytes=)?(\d*)-(\d*)")
_SHORT = 2**18
"""Bytes of an answer that is read in one go."""


@attrs.frozen
class ByteRange:
    """Hold a range as HTTP has it: ``first`` to ``last`` included, None for an open end."""

    first: int | None
    last: int | None

    @classmethod
    def read(cls, text: str) -> ByteRange:
        """Read ``bytes=a-b``, ``a-`` or ``-n``; ``ValueError`` for what a server would refuse."""
        match = _RANGE.fullmatch(text.strip())
        if match is None or not (match[1] or match[2]):
            raise ValueError(f"{text!r} is not one range of bytes; write 'bytes=FIRST-LAST'")
        first, last = (int(part) if part else None for part in match.groups())
        if first is not None and last is not None and last < first:
            raise ValueError(f"the range {text!r} ends before it starts")
        return cls(first, last)

    def header(self) -> str:
        """Return the header's value."""
        first, last = ("" if end is None else end for end in (self.first, self.last))
        return f"bytes={first}-{last}"


@attrs.frozen(eq=False)
class Reading:
    """Say what is read, and how.

    ``call`` makes the request with more headers. ``whole`` tells that the answer is the object
    itself, so that it can be verified and gone on with. ``sums_of_parts`` tells whether parts of it
    have checksums of their own. ``media_type`` is what it must be.
    """

    what: str
    call: Callable[[Mapping[str, str]], ObjectCall]
    head: Callable[[], ObjectCall]
    whole: bool
    sums_of_parts: Callable[[], Awaitable[bool]]
    byte_range: ByteRange | None = None
    chunk_size: int = CHUNK
    max_resume: int = 5
    workers: int = 1
    part_size: int = PART
    writer: BinaryIO | None = None
    retry: RetryPolicy | None = None
    media_type: str = ""


class ObjectReader:
    """Read one object; await it to send the request, or enter it, which closes it as well.

    Iterating yields chunks, going on after a broken connection where it broke. At the end of a
    whole object its checksum is compared.
    """

    def __init__(self, client: RequestClient, reading: Reading) -> None:
        self._client = client
        self._reading = reading
        self._stack = AsyncExitStack()
        self._answer: Answer | None = None
        self._attributes: ObjectAttributes | None = None
        self._taken = False
        self._chunks: AsyncGenerator[bytes] | None = None

    def __await__(self) -> Generator[None, None, Self]:
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; what was not read is lost."""
        chunks, self._chunks = self._chunks, None
        if chunks is not None and not getattr(chunks, "ag_running", False):
            await chunks.aclose()
        self._answer = None
        await self._stack.aclose()

    @property
    def attributes(self) -> ObjectAttributes:
        """Return what the server said about the object; known once the request was sent."""
        if self._attributes is None:
            raise RuntimeError("the object has not been asked for yet; await the reader first")
        return self._attributes

    async def read_all(self) -> bytes:
        """Return the whole content."""
        await self._opened()
        answer = self._answer
        if answer is not None and not self._taken and 0 < self.attributes.size <= _SHORT:
            return await self._read_short(answer)
        return b"".join([chunk async for chunk in self._take()])

    async def raw(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come from this one connection, neither resumed nor verified."""
        await self._opened()
        answer = self._answer
        if answer is None:
            raise RuntimeError("a parallel or a finished reading has no stream of its own")
        self._taken = True
        try:
            async for chunk in answer.chunks():
                yield chunk
        finally:
            await self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._chunks = self._sized()
        return self._chunks

    def chunks(self) -> AsyncGenerator[bytes]:
        """Iterate like the reader itself, over chunks as large as they come."""
        self._chunks = self._take()
        return self._chunks

    async def _sized(self) -> AsyncGenerator[bytes]:
        size = self._reading.chunk_size
        rest = b""
        async with aclosing(self._take()) as chunks:
            async for chunk in chunks:
                data = rest + chunk if rest else chunk
                full = len(data) - len(data) % size
                for offset in range(0, full, size):
                    yield data[offset : offset + size]
                rest = data[full:]
        if rest:
            yield rest

    async def _opened(self) -> Self:
        if self._attributes is not None:
            return self
        reading = self._reading
        if reading.workers > 1:
            answer = await self._client.send(reading.head(), retry=reading.retry)
            self._attributes = ObjectAttributes(answer.headers)
        else:
            await self._connect({})
        if reading.writer is not None:
            async with aclosing(self._take()) as chunks:
                async for chunk in chunks:
                    await run_blocking(reading.writer.write, chunk)
        return self

    async def _connect(self, more: Mapping[str, str]) -> Answer:
        await self._stack.aclose()
        self._answer = await self._stack.enter_async_context(
            self._client.open(self._call(more), retry=self._reading.retry)
        )
        if self._attributes is None:
            self._attributes = self._described(self._answer)
        return self._answer

    def _described(self, answer: Answer) -> ObjectAttributes:
        wanted, found = self._reading.media_type, answer.headers.get("Content-Type", "")
        if wanted and not found.startswith(wanted):
            raise NotSupportedError(
                f"{self._reading.what}: the server sent {found or 'something'} and not {wanted}; "
                "it is too old to choose members of an archive by a pattern"
            )
        return ObjectAttributes(answer.headers)

    def _call(self, more: Mapping[str, str]) -> ObjectCall:
        given = self._reading.byte_range
        own = {} if given is None else {"Range": given.header()}
        return self._reading.call({**own, **more})

    async def _read_short(self, answer: Answer) -> bytes:
        """Read what is small without a stream; a cut is answered by reading it again."""
        self._taken = True
        try:
            data = await answer.read()
        except TransportError:
            again = await self._client.send(self._call({}), retry=self._reading.retry)
            await self._same(again)
            data = await again.read()
        finally:
            await self.close()
        hasher = self._hasher()
        if hasher is not None:
            hasher.update(data)
        self._verify(hasher)
        return data

    def _hasher(self) -> Hasher | None:
        if not self._reading.whole or self._reading.byte_range is not None:
            return None
        assert self._attributes is not None
        return checksums.hasher(self._attributes.checksum_type)

    def _verify(self, hasher: Hasher | None) -> None:
        if hasher is None or self._attributes is None:
            return
        expected, found = self._attributes.checksum_value.lower(), hasher.hexdigest()
        if expected and expected != found:
            raise ChecksumMismatchError(
                f"{self._reading.what} arrived with the {self._attributes.checksum_type} {found} "
                f"instead of {expected}; read it again, or look for a failing disk or network"
            )

    async def _take(self) -> AsyncGenerator[bytes]:
        """Yield the content once, verified at its end."""
        await self._opened()
        if self._taken:
            raise RuntimeError("the object has been read already; get it again")
        self._taken = True
        hasher = self._hasher()
        source = self._ranges() if self._reading.workers > 1 else self._resumed()
        try:
            async with aclosing(source) as chunks:
                async for chunk in chunks:
                    if hasher is not None:
                        hasher.update(chunk)
                    yield chunk
            self._verify(hasher)
        finally:
            await self.close()

    async def _resumed(self) -> AsyncGenerator[bytes]:
        assert self._answer is not None and self._attributes is not None
        begin, _ = self._attributes.range() or (0, 0)
        known = self._reading.whole and "Content-Length" in self._attributes.headers
        length, position, resumes, skip = self._attributes.size, 0, 0, 0
        answer = self._answer
        while True:
            try:
                async for received in answer.chunks():
                    chunk = received[skip:]
                    skip = max(0, skip - len(received))
                    position += len(chunk)
                    if chunk:
                        yield chunk
                return
            except TransportError as error:
                resumes += 1
                if not known or resumes > self._reading.max_resume:
                    raise
                pause = (self._reading.retry or self._client.settings.retry).delay(1, error)
            await asyncio.sleep(pause or 0.0)
            if position >= length:
                return
            wanted = f"bytes={begin + position}-{begin + length - 1}"
            async with still_there(self._reading.what):
                answer = await self._connect({"Range": wanted})
            await self._same(answer)
            skip = 0 if answer.status == _PARTIAL else begin + position

    async def _ranges(self) -> AsyncGenerator[bytes]:
        attributes = self.attributes
        reading = self._reading

        async def fetch(start: int, end: int) -> bytes:
            call = reading.call({"Range": f"bytes={start}-{end - 1}"})
            async with still_there(reading.what):
                answer = await self._client.send(call, retry=reading.retry)
            await self._same(answer)
            data = await answer.read()
            if answer.status != _PARTIAL or len(data) != end - start:
                raise ProtocolError(
                    f"{reading.what}: asked for bytes {start} to {end} and got {len(data)} with "
                    f"status {answer.status}"
                )
            return data

        parts = in_order(fetch, attributes.size, part=reading.part_size, workers=reading.workers)
        async with aclosing(parts) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _same(self, answer: Answer) -> None:
        """Refuse to join the pieces of two contents."""
        found = ObjectAttributes(answer.headers)
        assert self._attributes is not None
        if not await is_of(found, self._attributes.version_tag, self._reading.sums_of_parts):
            raise SourceChangedError(
                f"{self._reading.what} changed while it was read; read it again",
                entry=self._reading.what,
            )
