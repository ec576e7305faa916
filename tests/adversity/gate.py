"""A server in front of another one, whose answers go wrong on request: as the platform's own do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import attrs
from aiohttp import web
from yarl import URL

from neuro_client.local.faults import Faults

_MOST = 2**26
_OF_THE_CONNECTION = ("connection", "expect", "keep-alive", "transfer-encoding")


@attrs.frozen
class Gate:
    """Pass requests on to ``target``, with the troubles that are planned in ``faults``."""

    url: URL
    faults: Faults


@asynccontextmanager
async def open_gate(target: URL) -> AsyncIterator[Gate]:
    """Stand in front of a server."""
    faults = Faults()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            return await _passed_on(request, session, target, gate.url)

        app = web.Application(client_max_size=_MOST, middlewares=[_read_first, faults.middleware])
        app.router.add_route("*", "/{path:(?s:.*)}", pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            gate = Gate(target.with_port(runner.addresses[0][1]), faults)
            yield gate
        finally:
            await runner.cleanup()


@web.middleware
async def _read_first(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Take the body before anything goes wrong, so that the connection can be used again."""
    try:
        await request.read()
        return await handler(request)
    except ConnectionError:
        return web.Response(status=502)  # to nobody: the connection is gone


async def _passed_on(
    request: web.Request, session: aiohttp.ClientSession, target: URL, own: URL
) -> web.StreamResponse:
    headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _OF_THE_CONNECTION]
    async with session.request(
        request.method,
        URL(f"{target.origin()}{request.raw_path}", encoded=True),
        headers=headers,
        data=BytesIO(await request.read()) if request.body_exists else None,
        allow_redirects=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                # An address that the server gives of itself must lead here too.
                here = value.replace(str(target.origin()), str(own.origin()))
                response.headers.add(name, here)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response
