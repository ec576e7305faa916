"""A load that costs little itself: requests made ready before, answers hardly looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from yarl import URL

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


Request = tuple[bytes, bytes]
"""The head and the body; many requests may share one body."""


def request(method: str, url: URL, headers: Mapping[str, str], body: bytes = b"") -> Request:
    """Put a request together."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n{more}"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


class _Caller(asyncio.Protocol):
    """Send one request after the other over one connection."""

    def __init__(self, requests: Iterator[Request], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._head = b""
        found = next(self._requests, None)
        if found is not None:
            for piece in found:
                self._transport.write(piece)
        elif not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Count an answer down."""
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(_HEAD_END)
            if end < 0:
                return
            self._left = _length(self._head[:end]) - (len(self._head) - end - len(_HEAD_END))
        if self._left == 0:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell of an end that was not expected."""
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("The server closed the connection"))


def _length(head: bytes) -> int:
    status, *lines = head.split(b"\r\n")
    if status.split(b" ")[1] not in (b"200", b"201"):
        raise RuntimeError(status.decode())
    for line in lines:
        if line.lower().startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    raise RuntimeError("An answer has no length")


async def send(url: URL, requests: Iterable[Request], connections: int) -> None:
    """Send all requests, each connection taking the next one when it is free."""
    loop = asyncio.get_running_loop()
    queue = iter(requests)
    ends = [loop.create_future() for _ in range(connections)]
    callers: list[asyncio.BaseTransport] = []

    async def connect(end: asyncio.Future[None]) -> None:
        caller = _Caller(queue, end)
        transport, _ = await loop.create_connection(lambda: caller, url.host or "", url.port or 0)
        callers.append(transport)

    try:
        for end in ends:
            await connect(end)
        await asyncio.wait(ends, return_when=asyncio.FIRST_EXCEPTION)
        for end in ends:
            if end.done():
                end.result()
    finally:
        for end in ends:
            end.cancel()
        for transport in callers:
            transport.close()
