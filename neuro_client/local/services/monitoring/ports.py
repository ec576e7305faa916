"""TCP connections to the ports of a job, each over a WebSocket (jobs.md §9)."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import WSCloseCode, WSMsgType, web

from ...errors import refuse
from ...runners import RunnerError
from ..base import Platform
from .control import monitored
from .sockets import HEARTBEAT

_PIECE = 2**18
_CONNECT_TIME = 10.0
_MAX_MESSAGE = 2**24


class PortHandler:
    """Answer the requests that reach for a port."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Connect to the port, then carry bytes until either side ends.

        An empty message of the client ends its direction alone.
        """
        job = await monitored(self._platform, request, "write")
        port = _port(request.match_info["port"])
        run = self._platform.jobs.current_run(job.id)
        if run is None or job.status != "running":
            raise refuse(404, f"job {job.id} is not running")
        try:
            host = await self._platform.jobs.runner.host(job.id, run)
        except RunnerError as error:
            raise refuse(404, str(error)) from None
        try:
            async with asyncio.timeout(_CONNECT_TIME):
                reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise _refused(f"Cannot connect to port {port} of job {job.id}", error) from None
        try:
            return await _carry(request, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await asyncio.shield(writer.wait_closed())


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 2**16:
        return int(text)
    raise _bad({"msg": f"Port must be a number from 1 to 65535, not {text!r}"})


def _refused(message: str, error: OSError) -> web.HTTPBadRequest:
    return _bad({"msg": message, "error": str(error) or type(error).__name__})


def _bad(body: dict[str, str]) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps(body), content_type="application/json")


async def _carry(
    request: web.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=_MAX_MESSAGE)
    await socket.prepare(request)

    async def up() -> None:
        with contextlib.suppress(ConnectionError):
            async for message in socket:
                if message.type is not WSMsgType.BINARY:
                    continue
                if message.data:
                    writer.write(message.data)
                    await writer.drain()
                elif writer.can_write_eof():
                    writer.write_eof()

    async def down() -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_PIECE):
                await socket.send_bytes(data)

    try:
        async with asyncio.TaskGroup() as group:
            both = {group.create_task(up()), group.create_task(down())}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
    finally:
        await socket.close(code=WSCloseCode.OK)
    return socket
