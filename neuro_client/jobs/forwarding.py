"""TCP connections to a port of a job, each over a WebSocket of its own (jobs.md §9)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL

from ..concurrency import finish, first_failure
from ..errors import NeuroError, TransportError
from ..transport import Transport, WebSocket

_log = logging.getLogger(__name__)

_PIECE = 2**18
_CLOSE_TIME = 5.0
# After the end of what goes up, the job gets so long to say what it has left, from byte to byte.
_LINGER = 60.0
# The wire has no sign for the end of one direction. An empty message does no harm to a service
# that does not know it; the local platform ends the direction.
_END = b""


@asynccontextmanager
async def forwarded(transport: Transport, url: URL, local_port: int) -> AsyncIterator[None]:
    """Listen on *local_port* of this machine and carry every connection to *url*.

    Raises:
        OSError: the port is taken.
    """
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _connection(transport, url, reader, writer)
        except NeuroError as error:
            _log.warning("A connection to port %d could not be carried: %s", local_port, error)
        except asyncio.CancelledError:
            # The listener is being closed; the library would report this as unexpected.
            pass
        finally:
            connections.discard(task)
            await _closed(writer)

    server = await asyncio.start_server(serve, "localhost", local_port, limit=_PIECE)
    try:
        yield
    finally:
        server.close()
        left = set(connections)
        for task in left:
            task.cancel()
        if left:
            await finish(_all(left), _CLOSE_TIME)
        await finish(server.wait_closed(), _CLOSE_TIME)


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _connection(
    transport: Transport, url: URL, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async with transport.websocket(url) as socket:
        with suppress(TransportError, ConnectionError, TimeoutError):
            await _pump(socket, reader, writer)


async def _pump(
    socket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry both directions until the job ends its own, or falls silent after the end of ours."""
    loop = asyncio.get_running_loop()

    async def up() -> None:
        while data := await reader.read(_PIECE):
            await socket.send_bytes(data)
        await socket.send_bytes(_END)
        patience.reschedule(loop.time() + _LINGER)

    async with first_failure() as group, asyncio.timeout(None) as patience:
        rising = group.create_task(up())
        while isinstance(data := await socket.receive(), bytes):
            if rising.done():
                patience.reschedule(loop.time() + _LINGER)
            writer.write(data)
            await writer.drain()
        # The service closes the connection where the job does: nothing can go up any more.
        rising.cancel()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError):
        await finish(writer.wait_closed(), _CLOSE_TIME)
