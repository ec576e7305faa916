"""A WebSocket whose end says whether the peer closed it or the connection broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiohttp
from yarl import URL

from ..errors import ProtocolError, TransportError
from .answer import translated
from .mapping import Failure, MapError, redact

MAX_MESSAGE = 16 * 2**20 + 2**17
# A server that only writes never reads our close frame, so its answer is not waited for long.
_FAREWELL = aiohttp.ClientWSTimeout(ws_receive=None, ws_close=0.5)
# 1005 and 0 stand for a close frame without a code.
_NORMAL_CODES = (aiohttp.WSCloseCode.OK, aiohttp.WSCloseCode.GOING_AWAY, 1005, 0)


async def connect(
    session: aiohttp.ClientSession,
    url: URL,
    map_error: MapError,
    *,
    protocols: Sequence[str],
    heartbeat: float | None,
    headers: Mapping[str, str],
) -> aiohttp.ClientWebSocketResponse:
    """Upgrade a connection; a refused handshake raises by its status and ``X-Error``."""
    try:
        with translated("GET", url):
            return await session.ws_connect(
                url,
                protocols=protocols,
                heartbeat=heartbeat,
                headers=headers,
                max_msg_size=MAX_MESSAGE,
                timeout=_FAREWELL,
            )
    except ProtocolError as error:
        refused = error.__cause__
        if not isinstance(refused, aiohttp.WSServerHandshakeError) or refused.status < 400:
            raise
        facts = refused.headers if refused.headers is not None else {}
        text = facts.get("X-Error", refused.message)
        failure = Failure(
            "GET", url, refused.status, facts, text.encode("utf-8", "surrogateescape")
        )
        raise map_error(failure) from None


class WebSocket:
    """Exchange messages; valid inside the ``async with`` that opened it.

    Receiving waits for the consumer: nothing is read ahead beyond the connection's buffer.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, url: URL) -> None:
        self._socket = socket
        self._url = url
        self.close_code: int | None = None

    @property
    def protocol(self) -> str | None:
        """Return which of the offered protocols the peer has chosen, None if it chose none."""
        return self._socket.protocol

    async def receive(self) -> bytes | str | None:
        """Return the next message, None once the peer has closed the socket in order.

        Raises:
            TransportError: the connection broke, or the peer closed it with an error code
                (``close_code`` has it; 1006 stands for a cut).
        """
        with translated("GET", self._url):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.TEXT:
            text: str = message.data
            return text
        if message.type is aiohttp.WSMsgType.CLOSE:
            # Only a close frame of the peer has this type; what aiohttp makes up for a
            # connection that just ended has the type CLOSED.
            self.close_code = message.data if isinstance(message.data, int) else 1005
            if self.close_code in _NORMAL_CODES:
                return None
            reason = f": {message.extra}" if message.extra else ""
            raise TransportError(
                f"{redact(self._url)} closed the stream with code {self.close_code}{reason}"
            )
        if self.close_code in _NORMAL_CODES:
            return None
        self.close_code = self.close_code or aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        detail = self._socket.exception()
        raise TransportError(
            f"The stream from {redact(self._url)} was cut"
            + (f": {detail or type(detail).__name__}" if detail else "")
        )

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        with translated("GET", self._url):
            await self._socket.send_bytes(data)

    async def send_str(self, text: str) -> None:
        """Send one text message."""
        with translated("GET", self._url):
            await self._socket.send_str(text)

    async def close(self) -> None:
        """Close in order; waits a bounded time for the peer's answer."""
        await self._socket.close()
