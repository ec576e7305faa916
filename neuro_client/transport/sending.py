"""Notice a peer that takes no more of a request's body.

The HTTP library limits the waiting for an answer, but starts to count when the body is sent: a
connection that stalls before, or whose peer is gone without a word, would hang for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

Whole = bytes | bytearray | memoryview

_SLOWEST = 4096
"""Bytes a second below which a body that is sent in one piece counts as stalled."""
_PIECE = 2**18
"""Bytes of a stream that have to be taken within two limits: about 2 kB/s by default."""


class _Watched(AsyncIterator[Whole]):
    """Pass chunks on; the clock runs while the peer takes one, not while the next is made."""

    def __init__(
        self, chunks: AsyncIterator[Whole], scope: asyncio.Timeout, limit: float | None
    ) -> None:
        self._chunks = chunks
        self._scope = scope
        self._limit = limit
        self._rest: memoryview | None = None
        self._begun = False
        self.open = True

    def __aiter__(self) -> Self:
        """Begin to send: once, since the HTTP library's own second attempt has no bytes left.

        It makes one when a kept connection turns out to be closed, and would wait for an answer to
        a body that it cannot send.
        """
        if self._begun:
            raise ConnectionResetError("the connection was closed while the body was sent")
        self._begun = True
        return self

    async def __anext__(self) -> Whole:
        self._set(None)
        try:
            chunk = await anext(self._chunks) if self._rest is None else self._rest
            return self._piece(chunk)
        finally:
            # After the last chunk the HTTP library's own limit begins, and ends first.
            if self._limit:
                self._set(asyncio.get_running_loop().time() + 2 * self._limit)

    def _piece(self, chunk: Whole) -> Whole:
        self._rest = None
        if len(chunk) <= _PIECE:
            return chunk
        view = memoryview(chunk)
        self._rest = view[_PIECE:]
        return view[:_PIECE]

    def _set(self, when: float | None) -> None:
        if self.open and not self._scope.expired():
            self._scope.reschedule(when)


@asynccontextmanager
async def watched(
    body: Whole | AsyncIterator[Whole] | None, limit: float | None
) -> AsyncGenerator[Whole | AsyncIterator[Whole] | None]:
    """Give the body to send in this block; ``TimeoutError`` if it makes no progress.

    *limit* is that of the session for reading; None and 0 mean none. Bytes at hand have the time
    that a very slow line needs for them.
    """
    if body is None:
        yield body
        return
    if isinstance(body, Whole):
        async with asyncio.timeout(2 * limit + len(body) / _SLOWEST if limit else None):
            yield body
        return
    async with asyncio.timeout(None) as scope:
        data = _Watched(body, scope, limit)
        try:
            yield data
        finally:
            data.open = False
