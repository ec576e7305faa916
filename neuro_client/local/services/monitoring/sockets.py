"""WebSockets on which only the server speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, web

HEARTBEAT = 30.0


async def send_all(
    request: web.Request,
    messages: AsyncIterator[bytes | str],
    protocols: tuple[str, ...] = (),
) -> web.WebSocketResponse:
    """Send every message, then close; stop when the client goes away.

    A slow client holds up only its own ``messages``. A failure closes with code 1011.
    """
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, protocols=protocols)
    await socket.prepare(request)
    code = WSCloseCode.INTERNAL_ERROR

    async def receive() -> None:
        # Pings and the client's close are only seen by who receives.
        async for _ in socket:
            pass
        sender.cancel()

    async def send() -> None:
        nonlocal code
        with contextlib.suppress(ConnectionError):
            async for message in messages:
                if isinstance(message, str):
                    await socket.send_str(message)
                else:
                    await socket.send_bytes(message)
        code = WSCloseCode.OK
        receiver.cancel()  # so that our close can wait for the client's

    try:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(send())
            receiver = group.create_task(receive())
    finally:
        await socket.close(code=code)
    return socket
