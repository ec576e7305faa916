"""The body of a request that takes only the beginning of what there is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..errors import SourceChangedError
from ..transfer import Body, Chunk
from .google_checks import new_digest


class Outgoing(AsyncIterator[Chunk]):
    """Pass on *size* bytes of *lead* and *body*, and keep in ``rest`` what is behind them.

    The first *skip* bytes of the body are left out. ``digest`` covers the whole body. The last
    bytes wait until the body is read to its end, so that who gets an answer has all of it.
    """

    def __init__(self, body: Body, size: int, *, lead: bytes = b"", skip: int = 0) -> None:
        self._body = body
        self._chunks = body.open()
        self._lead = memoryview(lead)
        self._left = size
        self._skip = skip
        self._came = 0
        self.rest = bytearray()
        self.digest = new_digest()

    async def __anext__(self) -> Chunk:
        while self._left:
            chunk = self._lead or await self._next()
            self._lead = memoryview(b"")
            if chunk is None:
                raise self._short()
            taken = chunk[: self._left]
            self.rest += chunk[self._left :]
            self._left -= len(taken)
            if not self._left:
                last = bytes(taken)  # its owner may use the memory again
                await self.drain()
                return last
            if len(taken):
                return taken
        raise StopAsyncIteration

    async def drain(self) -> None:
        """Read the body to its end."""
        self.rest += self._lead
        self._lead = memoryview(b"")
        while (chunk := await self._next()) is not None:
            self.rest += chunk
        if self._came != self._body.size:
            raise self._short()

    async def _next(self) -> memoryview | None:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        self.digest.update(chunk)
        self._came += len(chunk)
        view = memoryview(chunk)
        dropped = min(self._skip, len(view))
        self._skip -= dropped
        return view[dropped:]

    def _short(self) -> Exception:
        return SourceChangedError(
            f"{self._came} bytes came instead of {self._body.size}; the source changed meanwhile"
        )
