"""The way from containers to the platform, which listens on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

_PIECE = 1 << 18
_BACKLOG = 128
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANY = ("0.0.0.0", "::")


class Gateway:
    """Know by which address containers reach the platform."""

    def __init__(self, platform: URL, inside: URL | None) -> None:
        self._platform = platform
        self._inside = inside

    @property
    def is_open(self) -> bool:
        """Tell whether containers reach the platform at all."""
        return self._inside is not None

    def inside(self, url: URL) -> URL:
        """Give the address for containers of what answers at ``url`` of the platform."""
        if self._inside is None or url.origin() != self._platform.origin():
            return url
        return url.with_host(self._inside.host or "").with_port(self._inside.port)


@asynccontextmanager
async def gateway(platform: URL, address: str | None) -> AsyncIterator[Gateway]:
    """Carry connections from ``address``, this host's on the containers' network, to the platform.

    The platform's port is taken there, too, so that what jobs were told outlives a restart of the
    platform; another one if it is in use.
    """
    host = platform.host or ""
    if host not in _LOOPBACK:
        seen = platform.with_host(address) if host in _ANY and address else platform
        yield Gateway(platform, seen)
        return
    bound = None if address is None else _bound(address, platform.port or 0)
    if bound is None:
        yield Gateway(platform, None)
        return
    port = bound.getsockname()[1]
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_carried(reader, writer, host, platform.port or 0))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, sock=bound, backlog=_BACKLOG)
    try:
        yield Gateway(platform, platform.with_host(address or "").with_port(port))
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _bound(address: str, port: int) -> socket.socket | None:
    """Bind a socket; None where the address is not of this host (an engine elsewhere)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number in (port, 0):
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address, number))
        except OSError:
            bound.close()
        else:
            return bound
    return None


async def _carried(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    """Connect to the platform and copy both ways until both directions have ended."""
    writers = [writer]
    try:
        with contextlib.suppress(OSError):
            there, here = await asyncio.open_connection(host, port)
            writers.append(here)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, here))
                group.create_task(_copy(there, writer))
        for open_one in writers:
            open_one.close()
            with contextlib.suppress(OSError):
                await open_one.wait_closed()
    finally:
        for open_one in writers:
            open_one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
