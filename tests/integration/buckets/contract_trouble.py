"""What holds when connections break and callers leave, for any bucket provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from neuro_client.errors import TransportError
from neuro_client.transfer import Body, Chunk

from .bench import Bench, Check, content, listing, read, send, unit


async def check_no_connection(bench: Bench) -> None:
    """A refused connection is one kind of error, and nothing is tried again."""
    provider, proxy = bench.provider, bench.proxy
    await provider.put("key", b"data")
    part = bytes(unit(provider))
    upload = await provider.begin("key", len(part))
    await broken_off(bench)
    calls: Sequence[Callable[[], Awaitable[object]]] = (
        lambda: provider.head("key"),
        lambda: read(provider, "key"),
        lambda: provider.put("key", b"other"),
        lambda: listing(provider),
        lambda: provider.delete("key"),
        lambda: provider.put_part(upload, 1, 0, Body.of(part)),
    )
    proxy.refuse(times=None)
    for call in calls:
        before = proxy.connections
        with pytest.raises(TransportError):
            await call()
        # One more than an attempt: the HTTP library opens another connection by itself when a
        # kept one turns out to be closed.
        assert 1 <= proxy.connections - before <= 2
    proxy.clear()
    assert await read(provider, "key") == b"data"


async def broken_off(bench: Bench) -> None:
    """End the connections that are kept open, so that the next request opens one."""
    bench.proxy.reset(times=None)
    with pytest.raises(TransportError):
        for _ in range(20):
            await bench.provider.head("key")
    bench.proxy.clear()


async def check_cut_read(bench: Bench) -> None:
    """An answer that breaks off is an error, never a shorter object."""
    provider = bench.provider
    data = content(2_000_000)
    await provider.put("key", data)
    for start in (0, 10):
        fault = bench.proxy.cut(after=500_000)
        with pytest.raises(TransportError):
            await read(provider, "key", start)
        assert fault.hits == 1
    assert await read(provider, "key") == data


async def check_cut_listing(bench: Bench) -> None:
    """A listing that breaks off is an error, never a shorter listing."""
    provider = bench.provider
    for number in range(40):
        await provider.put(f"key {number:02}", b"")
    for folders in (False, True):
        fault = bench.proxy.cut(after=3_000)
        with pytest.raises(TransportError):
            await listing(provider, folders=folders)
        assert fault.hits == 1
    assert len(await listing(provider)) == 40


async def check_cut_write(bench: Bench) -> None:
    """A body that breaks off leaves the old object and the other parts."""
    provider = bench.provider
    size = max(unit(provider), 4 * 256 * 1024)
    data = content(size + 10)
    await provider.put("key", b"old")
    fault = bench.proxy.cut(after=size // 2, direction="up")
    with pytest.raises(TransportError):
        await provider.put("key", data)
    assert fault.hits == 1
    assert await read(provider, "key") == b"old"

    upload = await provider.begin("key", len(data))
    fault = bench.proxy.cut(after=size // 2, direction="up")
    with pytest.raises(TransportError):
        await provider.put_part(upload, 1, 0, Body.of(data[:size]))
    assert fault.hits == 1
    parts = await send(provider, upload, data, size)
    await provider.complete(upload, parts)
    assert await read(provider, "key") == data


async def check_left_read(bench: Bench) -> None:
    """A read that is left in the middle releases its connection."""
    provider = bench.provider
    data = content(3_000_000)
    await provider.put("key", data)
    for _ in range(3):
        async with provider.get("key") as chunks:
            async for chunk in chunks:
                assert data.startswith(chunk)
                break
    assert await read(provider, "key") == data


async def check_cancelled(bench: Bench) -> None:
    """A call that waits for bytes can be cancelled, in both directions."""
    provider, proxy = bench.provider, bench.proxy
    await provider.put("key", content(1_000_000))
    began = asyncio.Event()

    async def reading() -> None:
        async with provider.get("key") as chunks:
            async for _ in chunks:
                began.set()

    proxy.stall(after=300_000)
    await _cancel(reading(), began)
    proxy.clear()

    upload = await provider.begin("key", 20)
    began = asyncio.Event()

    async def never_ending() -> AsyncIterator[Chunk]:
        yield b"ten bytes!"
        began.set()
        await asyncio.Event().wait()

    await _cancel(provider.put_part(upload, 1, 0, Body(20, never_ending)), began)

    async def waiting() -> None:
        began.set()
        await provider.put("key", b"new")

    began = asyncio.Event()
    proxy.stall(times=None)
    await _cancel(waiting(), began)
    proxy.clear()
    await provider.abort(upload)
    await provider.put("key", b"newer")
    assert await read(provider, "key") == b"newer"


async def _cancel(work: Awaitable[object], began: asyncio.Event) -> None:
    task = asyncio.ensure_future(work)
    await began.wait()
    for _ in range(5):  # into the wait
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


TROUBLE: Sequence[Check] = (
    check_no_connection,
    check_cut_read,
    check_cut_listing,
    check_cut_write,
    check_left_read,
    check_cancelled,
)
