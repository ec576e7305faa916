"""The ports of the platform: bound first, then served, closed and opened again by tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from aiohttp import web

_BACKLOG = 1024


class Listener:
    """Serve an application on a socket."""

    def __init__(
        self, runner: web.AppRunner, bound: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        self._runner = runner
        self._bound = bound
        self._context = context
        self._site: web.SockSite | None = None

    async def open(self) -> None:
        """Answer on the socket; nothing changes if it is open."""
        if self._site is None:
            self._site = web.SockSite(self._runner, self._bound, ssl_context=self._context)
            await self._site.start()

    async def shut(self) -> None:
        """Break all connections and refuse others; the port stays this process's own."""
        if self._site is None:
            return
        address = self._bound.getsockname()
        await self._site.stop()
        self._site = None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._bound.close()
        self._bound = _at(self._bound.family, address)

    def release(self) -> None:
        """Give the port back."""
        self._bound.close()


def close_all(sockets: Mapping[str, socket.socket]) -> None:
    """Close sockets."""
    for bound in sockets.values():
        bound.close()


def bound_socket(host: str, port: int, *, fixed: bool) -> socket.socket:
    """Bind a socket; a port that was not asked for by the user may be replaced by a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = _at(family, (host, port))
    except OSError:
        if fixed or not port:
            raise
        bound = _at(family, (host, 0))
    try:
        bound.listen(_BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def _at(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
