"""The fault proxy: bytes pass unchanged, and each trouble is what it says."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from yarl import URL

from neuro_client.testing.pipes import WINDOW
from neuro_client.testing.proxy import FaultProxy

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MIB = 2**20


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, then the word that tells the end of it was seen."""
    while data := await reader.read(MIB):
        writer.write(data)
        await writer.drain()
    writer.write(b"end")


@asynccontextmanager
async def proxy_to(serve: Serve) -> AsyncIterator[FaultProxy]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy(f"http://127.0.0.1:{port}/some/path") as proxy:
            yield proxy
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with proxy_to(echo) as found:
        yield found


@asynccontextmanager
async def connected(
    proxy: FaultProxy,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(proxy.url.host, proxy.url.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the proxy gives no events
            await asyncio.sleep(0.001)


async def talk(proxy: FaultProxy, data: bytes) -> bytes:
    """Send and receive at the same time, to the end of both directions."""
    async with asyncio.timeout(20), connected(proxy) as (reader, writer):

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            answer = await reader.read()
        return answer


async def test_bytes_and_half_close_pass(proxy: FaultProxy) -> None:
    data = os.urandom(5 * MIB)
    assert proxy.url.path == "/some/path"
    assert await talk(proxy, data) == data + b"end"
    await until(lambda: proxy.active == 0)
    assert (proxy.connections, proxy.sent, proxy.received) == (1, len(data), len(data) + 3)


async def test_a_client_that_leaves_takes_the_server_along() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0)
        finally:
            left.set()

    async with proxy_to(serve) as proxy:
        async with connected(proxy) as (reader, _):
            await reader.readexactly(10)
        async with asyncio.timeout(10):
            await left.wait()
        await until(lambda: proxy.active == 0)


@pytest.mark.parametrize("delay", [0.0, 0.01])
async def test_a_slow_reader_slows_its_writer(delay: float) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < 4 * WINDOW:
            writer.write(bytes(MIB))
            sent += MIB
            await writer.drain()

    async with proxy_to(serve) as proxy:
        proxy.delay(delay)
        async with connected(proxy):
            await until(lambda: sent > 0)
            seen = 0
            while seen < sent:
                seen = sent
                await asyncio.sleep(0.2)
            assert 0 < sent < 2 * WINDOW


async def test_a_target_that_is_not_there() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with FaultProxy(URL(f"http://127.0.0.1:{port}")) as proxy:
        async with connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert proxy.active == 0


def test_what_cannot_be_a_target() -> None:
    with pytest.raises(ValueError, match="host and a port"):
        FaultProxy("/only/a/path")
    proxy = FaultProxy("http://127.0.0.1:1")
    with pytest.raises(RuntimeError, match="async with"):
        _ = proxy.url
    with pytest.raises(ValueError, match="stall"):
        proxy.throttle(0)


@pytest.mark.parametrize("after", [0, 1, 100_000])
async def test_cut_on_the_way_down(proxy: FaultProxy, after: int) -> None:
    fault = proxy.cut(after=after)
    data = os.urandom(after + 1)
    async with connected(proxy) as (reader, writer):
        writer.write(data)
        assert await reader.read() == data[:after]
    assert fault.hits == 1
    assert await talk(proxy, data) == data + b"end"


async def test_cut_on_the_way_up() -> None:
    got = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())

    async with proxy_to(serve) as proxy:
        proxy.cut(after=1000, direction="up")
        async with connected(proxy) as (_, writer):
            writer.write(b"x" * 1000)
            await until(lambda: proxy.sent == 1000)
            assert proxy.active == 1  # the next byte is one too many, not the last that may pass
            writer.write(b"y")
            async with asyncio.timeout(10):
                assert await got == b"x" * 1000


async def test_bytes_are_counted_from_the_planning_on(proxy: FaultProxy) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(b"x" * 5000)
        await reader.readexactly(5000)
        proxy.cut(after=10)
        writer.write(b"y" * 5000)
        assert await reader.read() == b"y" * 10


async def test_times_and_clear(proxy: FaultProxy) -> None:
    twice = proxy.cut(after=1, times=2)
    for expected in (b"a", b"a", b"abcend"):
        with suppress(ConnectionError):
            assert await talk(proxy, b"abc") == expected
    assert twice.hits == 2
    always = proxy.cut(after=1, times=None)
    for _ in range(3):
        with suppress(ConnectionError):
            assert await talk(proxy, b"abc") == b"a"
    always.remove()
    assert await talk(proxy, b"abc") == b"abcend"
    proxy.cut(times=None)
    proxy.refuse(times=None)
    proxy.clear()
    assert await talk(proxy, b"abc") == b"abcend"


async def test_reset_is_not_an_end() -> None:
    seen: list[type[BaseException]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await reader.readexactly(5))
            await reader.read()
        except ConnectionResetError as error:
            seen.append(type(error))

    async with proxy_to(serve) as proxy:
        proxy.reset(after=3)
        async with connected(proxy) as (reader, writer):
            writer.write(b"hello")
            got = b""
            with pytest.raises(ConnectionResetError):
                while True:
                    got += await reader.readexactly(1)
        assert b"hel".startswith(got)
        await until(lambda: seen == [ConnectionResetError])


async def test_refuse(proxy: FaultProxy) -> None:
    fault = proxy.refuse(times=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            async with connected(proxy) as (reader, _):
                if not await reader.read():
                    raise ConnectionError("closed")
    assert await talk(proxy, b"abc") == b"abcend"
    assert (fault.hits, proxy.connections) == (2, 3)


async def test_stall_until_it_is_lifted(proxy: FaultProxy) -> None:
    fault = proxy.stall(after=4, times=None)
    async with connected(proxy) as (reader, writer):
        writer.write(b"0123456789")
        assert await reader.readexactly(4) == b"0123"
        writer.write(b"more")
        await until(lambda: proxy.sent == 14)  # the other direction goes on
        assert (fault.hits, proxy.received, proxy.active) == (1, 4, 1)
        fault.remove()
        assert await reader.readexactly(10) == b"456789more"
        writer.write(b"!")
        assert await reader.readexactly(1) == b"!"


@pytest.mark.parametrize("how", ["seconds", "clear"])
async def test_stall_ends(proxy: FaultProxy, how: str) -> None:
    proxy.stall(after=1, seconds=0.05 if how == "seconds" else None)
    async with connected(proxy) as (reader, writer):
        writer.write(b"abc")
        assert await reader.readexactly(1) == b"a"
        if how == "clear":
            await until(lambda: proxy.sent == 3)
            proxy.clear()
        async with asyncio.timeout(10):
            assert await reader.readexactly(2) == b"bc"


async def test_delay_keeps_bandwidth(proxy: FaultProxy) -> None:
    proxy.delay(0.25)
    loop = asyncio.get_running_loop()
    async with connected(proxy) as (reader, writer):
        start = loop.time()
        # Were each chunk slept for, one after the other, this would take ten seconds.
        for number in range(20):
            writer.write(bytes([number]) * 1000)
            await writer.drain()
            await asyncio.sleep(0.002)
        got = await reader.readexactly(20_000)
        took = loop.time() - start
    assert got == b"".join(bytes([number]) * 1000 for number in range(20))
    assert 0.5 <= took < 5.0
    proxy.delay(0.01)
    data = os.urandom(20 * MIB)
    assert await talk(proxy, data) == data + b"end"


async def test_throttle(proxy: FaultProxy) -> None:
    proxy.throttle(100_000)
    loop = asyncio.get_running_loop()
    start = loop.time()
    data = os.urandom(20_000)
    assert await talk(proxy, data) == data + b"end"
    assert loop.time() - start >= 0.2
    proxy.throttle(10)
    async with connected(proxy) as (reader, writer):
        writer.write(b"x" * 1000)
        assert await reader.readexactly(1) == b"x"  # they come one by one, not all at the end
        proxy.clear()
        assert await reader.readexactly(999) == b"x" * 999


async def test_a_cut_comes_behind_what_is_on_its_way(proxy: FaultProxy) -> None:
    proxy.delay(0.02)
    proxy.cut(after=500_000)
    data = os.urandom(500_001)
    async with connected(proxy) as (reader, writer):
        writer.write(data)
        assert await reader.read() == data[:500_000]


async def test_leaving_ends_everything() -> None:
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.set()
        await reader.read()

    async with proxy_to(serve) as proxy:
        reader, writer = await asyncio.open_connection(proxy.url.host, proxy.url.port)
        await held.wait()
        proxy.delay(60)
        writer.write(b"never arrives")
        proxy.stall(direction="up")
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert proxy.active == 0


async def test_as_a_program() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    program = [sys.executable, "-m", "neuro_client.testing.proxy", f"http://127.0.0.1:{port}/x"]
    process = await asyncio.create_subprocess_exec(
        *program, "--delay", "0.01", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            url = URL((await process.stdout.readline()).decode().strip())
            assert url.path == "/x"
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(b"abc")
            assert await reader.readexactly(3) == b"abc"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.close()
        await server.wait_closed()
