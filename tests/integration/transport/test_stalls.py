"""A peer that goes silent ends in a time-out, a slow source does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestServer
from yarl import URL

from neuro_client.errors import TransportError, TransportTimeoutError
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import Transport

pytestmark = pytest.mark.thorough

SHORT = 0.4
BIG = 32 * 2**20


@asynccontextmanager
async def transport_to(url: URL) -> AsyncIterator[Transport]:
    limits = ClientTimeout(total=None, sock_connect=SHORT, sock_read=SHORT)
    async with aiohttp.ClientSession(timeout=limits) as session:
        yield Transport(url, session=session)


@pytest.fixture
async def server() -> AsyncIterator[URL]:
    async def count(request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.Response(text=str(size))

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", count)
    async with TestServer(app) as http:
        yield http.make_url("/")


def chunks(count: int, size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    async def make() -> AsyncIterator[bytes]:
        for _ in range(count):
            await asyncio.sleep(pause)
            yield bytes(size)

    return make()


async def test_a_stalled_upload_is_given_up(server: URL) -> None:
    async with FaultProxy(server) as proxy, transport_to(proxy.url) as transport:
        proxy.stall(after=2**20, direction="up")
        with pytest.raises(TransportTimeoutError):
            await transport.send("PUT", "x", body=chunks(BIG // 2**18, 2**18), retry=None)


async def test_a_stalled_answer_is_given_up(server: URL) -> None:
    async with FaultProxy(server) as proxy, transport_to(proxy.url) as transport:
        proxy.stall(after=10, direction="down")
        with pytest.raises(TransportTimeoutError):
            await transport.send("PUT", "x", body=b"x", retry=None)


@pytest.mark.thorough
async def test_a_source_may_take_its_time(server: URL) -> None:
    async with transport_to(server) as transport:
        answer = await transport.send("PUT", "x", body=chunks(3, 10, 1.5 * SHORT), retry=None)
        assert await answer.read() == b"30"


@pytest.mark.thorough
async def test_a_slow_line_is_no_stall(server: URL) -> None:
    async with FaultProxy(server) as proxy, transport_to(proxy.url) as transport:
        proxy.throttle(16 * 2**20)
        answer = await transport.send("PUT", "x", body=chunks(64, 2**18), retry=None)
        assert await answer.read() == str(16 * 2**20).encode()


async def test_a_kept_connection_that_closes_is_told(server: URL) -> None:
    """The HTTP library's own second attempt would send no bytes and wait for an answer."""
    async with FaultProxy(server) as proxy, transport_to(proxy.url) as transport:
        await transport.send("PUT", "x", body=b"warm", retry=None)
        fault = proxy.cut(after=2**18, direction="up")
        with pytest.raises(TransportError):
            await transport.send("PUT", "x", body=lambda: chunks(64, 2**18), retry=None)
        assert fault.hits == 1
        proxy.cut(after=2**18, direction="up")
        answer = await transport.send("PUT", "x", body=lambda: chunks(64, 2**18))
        assert await answer.read() == str(16 * 2**20).encode()
