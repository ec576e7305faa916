"""One answer of a server, with every error of reading it translated."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from yarl import URL

from ..errors import ProtocolError, TransportError
from .mapping import map_client_error, redact


@contextmanager
def translated(method: str, url: URL) -> Iterator[None]:
    """Turn errors of the HTTP library and of sockets into ours; let all others pass."""
    try:
        yield
    except (TransportError, ProtocolError):
        raise
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise map_client_error(error, method, url) from error


class Answer:
    """Read the head and the body of one answer; valid inside the ``async with`` that opened it."""

    def __init__(self, response: aiohttp.ClientResponse, decompressed: bool = True) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.method = response.method
        self.url = response.url
        self._length = _content_length(response, decompressed)
        self._received = 0
        self._rest = memoryview(b"")
        self._ended = False

    async def preload(self) -> None:
        """Take the whole body into memory, so that it can be read after the connection is free."""
        self._rest = memoryview(await self.read())

    async def head(self, size: int) -> bytes:
        """Return the first ``size`` bytes of the body, or what arrived before it broke off."""
        buffer = bytearray()
        try:
            async for chunk in self.chunks():
                buffer += chunk
                if len(buffer) >= size:
                    break
        except TransportError:
            pass
        return bytes(buffer[:size])

    async def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def text(self) -> str:
        """Return the rest of the body as UTF-8 text, undecodable bytes replaced."""
        return (await self.read()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """Decode the body.

        Raises:
            ProtocolError: the content type is not JSON, or the text is not (cut off, say).
        """
        body = await self.read()
        kind = self.headers.get("Content-Type", "")
        where = f"{self.method} {redact(self.url)}"
        if not kind.startswith("application/json"):
            raise ProtocolError(
                f"{where} was answered with {kind or 'no content type'} instead of "
                "application/json; check that the URL is the service's own and not a proxy's page"
            )
        try:
            return json.loads(body)
        except ValueError as error:
            raise ProtocolError(
                f"{where} was answered with JSON that cannot be read after {len(body)} bytes: "
                f"{type(error).__name__} at {getattr(error, 'pos', '?')}"
            ) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the rest of the body as it arrives.

        Raises:
            TransportError: the connection broke, or the body ended before its Content-Length.
        """
        if self._rest:
            rest, self._rest = bytes(self._rest), memoryview(b"")
            yield rest
        while chunk := await self._next():
            yield chunk

    async def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` from the rest of the body; fewer bytes than its size mean the end."""
        filled = 0
        while filled < len(buffer):
            if not self._rest:
                chunk = await self._next()
                if not chunk:
                    break
                self._rest = memoryview(chunk)
            count = min(len(self._rest), len(buffer) - filled)
            buffer[filled : filled + count] = self._rest[:count]
            self._rest = self._rest[count:]
            filled += count
        return filled

    async def _next(self) -> bytes:
        if self._ended:
            return b""
        with translated(self.method, self.url):
            chunk = await self._response.content.readany()
        self._received += len(chunk)
        self._ended = not chunk
        if not chunk and self._length is not None and self._received < self._length:
            raise TransportError(
                f"The answer to {self.method} {redact(self.url)} broke off after "
                f"{self._received} of {self._length} bytes"
            )
        return chunk


def _content_length(response: aiohttp.ClientResponse, decompressed: bool) -> int | None:
    """Return the length to check against; a compressed body is checked by its decoder."""
    if response.method == "HEAD" or (decompressed and "Content-Encoding" in response.headers):
        return None
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None
