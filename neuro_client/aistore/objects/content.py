"""What is sent as the content of an object: its size, its passes, its checksum on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

from ...concurrency import finish
from ...errors import ChecksumMismatchError, ProtocolError
from ...threads import run_blocking
from ...transfer import Chunk, LocalStore
from ...transfer.files import describe
from ...transfer.places import absolute
from . import checksums
from .checksums import Hasher

SLICE = 2**20
_INLINE = 2**18
"""Bytes up to which a checksum is computed on the loop: a hop to a thread would cost more."""

_SMALL = 2**18
"""Bytes of a file that are read at once before they are sent."""

Source = Chunk | AsyncIterator[Chunk] | Callable[[], AsyncIterator[Chunk]]
"""Bytes, a stream that is read once, or a function that starts such a stream anew."""


class Content:
    """Give the body of a request to each attempt, and compare checksums afterwards.

    A stream at hand can be sent once; ``begun`` tells whether that has happened. *kind* is the
    checksum to compute while a stream passes; ``error`` is what the stream itself raised.
    """

    def __init__(
        self, source: Source, size: int | None = None, *, kind: str = checksums.USUAL
    ) -> None:
        self.data: Chunk | None = None
        self._stream: AsyncIterator[Chunk] | None = None
        self._open: Callable[[], AsyncIterator[Chunk]] | None = None
        if isinstance(source, bytes | bytearray | memoryview):
            self.data = source
            actual = source.nbytes if isinstance(source, memoryview) else len(source)
            if size is not None and size != actual:
                raise ValueError(f"the content has {actual} bytes, not {size}")
            size = actual
        elif callable(source):
            self._open = source
        elif hasattr(source, "__anext__"):
            self._stream = source
        elif hasattr(source, "__aiter__"):
            self._open = source.__aiter__
        else:
            raise TypeError(
                "an object is made of bytes, an asynchronous iterator or a function that returns "
                f"one, not of {type(source).__name__}"
            )
        self.size = size
        self.begun = False
        self.error: Exception | None = None
        self._pass: AsyncGenerator[Chunk] | None = None
        self._kind = kind
        self._hasher: Hasher | None = None

    @property
    def replayable(self) -> bool:
        """Tell whether another attempt can send all of it."""
        return self._stream is None or not self.begun

    def body(self) -> Chunk | AsyncIterator[Chunk]:
        """Return what the next attempt sends."""
        self.error = None
        if self.data is not None and len(self.data) <= SLICE:
            return self.data
        data = None if self.data is None else memoryview(self.data).cast("B")
        self._pass = self._passed() if data is None else _slices(data)
        return self._pass

    async def close(self) -> None:
        """End what `body` returned, also when its reader was cancelled a moment ago."""
        generator, self._pass = self._pass, None
        if generator is not None:
            await finish(_ended(generator))

    async def _passed(self) -> AsyncGenerator[Chunk]:
        if not self.replayable:
            raise RuntimeError("the stream has been read already and cannot be sent again")
        self.begun = True
        self._hasher = checksums.hasher(self._kind)
        stream = self._open() if self._open is not None else self._stream
        assert stream is not None
        try:
            async for chunk in self._counted(stream):
                yield chunk
        except Exception as error:  # the HTTP library would call it a broken connection
            self.error = error
            raise
        finally:
            if self._open is not None and isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def _counted(self, stream: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk]:
        sent = 0
        async for chunk in stream:
            sent += len(chunk)
            if self.size is not None and sent > self.size:
                break
            if self._hasher is not None:
                if len(chunk) <= SLICE:
                    self._hasher.update(chunk)
                else:
                    await run_blocking(self._hasher.update, chunk)
            yield chunk
        if self.size is not None and sent != self.size:
            word = "more than" if sent > self.size else f"{sent} of"
            raise ValueError(f"the stream had {word} the {self.size} bytes that were announced")

    async def compare(self, kind: str, value: str, what: str) -> None:
        """Raise `ChecksumMismatchError` if the server's checksum is not that of what was sent."""
        own = await self._checksum(kind)
        if own is not None and own != value.lower():
            raise ChecksumMismatchError(
                f"{what} arrived with the {kind} {value} instead of {own}; it is damaged, write "
                "it again"
            )

    async def _checksum(self, kind: str) -> str | None:
        if self.data is not None:
            if len(self.data) <= _INLINE:
                return checksums.of(kind, self.data)
            return await run_blocking(checksums.of, kind, self.data)
        if self._hasher is not None and checksums.same_hash(kind, self._kind):
            return self._hasher.hexdigest()
        return None


async def _slices(data: memoryview) -> AsyncGenerator[Chunk]:
    for offset in range(0, len(data), SLICE):
        yield data[offset : offset + SLICE]


async def _ended(generator: AsyncGenerator[Chunk]) -> None:
    while getattr(generator, "ag_running", False):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    await generator.aclose()


class Unsent(AsyncIterator[Chunk]):
    """Stand for a body that is announced and held back; it is a mistake to ask for it."""

    def __init__(self, where: str) -> None:
        self._where = where

    async def __anext__(self) -> Chunk:
        raise ProtocolError(
            f"{self._where} wants the content itself instead of naming a target for it"
        )


class Once(AsyncIterator[Chunk]):
    """Give a body that is sent once, whatever becomes of the connection.

    The HTTP library sends bytes of a PUT or a DELETE again by itself, if a kept connection breaks
    before the answer: a job would be started twice, a piece appended twice.
    """

    def __init__(self, body: Chunk) -> None:
        self._left: Chunk | None = body

    async def __anext__(self) -> Chunk:
        body, self._left = self._left, None
        if body is None:
            raise StopAsyncIteration
        return body


async def file_content(path: Path) -> tuple[bytes | Callable[[], AsyncIterator[Chunk]], int]:
    """Return what to send of a file, and its size; a change while it is read is an error."""
    try:
        entry = await run_blocking(describe, path, str(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if not entry.is_file:
        raise ValueError(f"{path} is not a regular file")
    store = LocalStore(await absolute(path))

    async def chunks() -> AsyncIterator[Chunk]:
        async with store.get("", end=entry.size, version=entry.version) as found:
            async for chunk in found:
                yield chunk

    if entry.size > _SMALL:
        return chunks, entry.size
    return b"".join([chunk async for chunk in chunks()]), entry.size
