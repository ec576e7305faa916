"""Cut answers are gone on with, and whoever is cancelled leaves nothing (aistore.md §9, §16.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neuro_client.aistore import AIStore, ErrObjNotFound, Object
from neuro_client.errors import (
    ChecksumMismatchError,
    IllegalArgumentError,
    NotSupportedError,
    SourceChangedError,
    TransportError,
)
from neuro_client.retry import RetryPolicy

from ...unit.transfer.kit import content
from .nodes import SUM, Node, answer, failing, hang_up, nodes, to
from .world import World, run

FAST = RetryPolicy(attempts=3, base=0.001)
HELLO = b"hello world"


@pytest.fixture
async def stage() -> AsyncIterator[tuple[Node, Object]]:
    """Give a target behind a proxy, and an object of its."""
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(to(target))
        async with AIStore.connect(proxy.url, retry_config=FAST, direct_reads=False) as client:
            yield target, client.bucket("b1").object("o")


def rest(start: int, **other: str) -> Any:
    headers = {"Content-Range": f"bytes {start}-10/11", **SUM, **other}
    return answer(206, HELLO[start:], headers)


async def read(thing: Object, **options: Any) -> bytes:
    async with thing.get(**options) as reader:
        return b"".join([chunk async for chunk in reader])


async def test_a_cut_object_is_gone_on_with(stage: tuple[Node, Object]) -> None:
    target, thing = stage
    target.plan(hang_up(b"hello", 11), hang_up(b"", 11), hang_up(b"", 11), rest(5))
    assert await read(thing) == HELLO
    assert target.asked[0].headers.get("Range") is None
    assert target.asked[-1].headers["Range"] == "bytes=5-10"
    # A server that gives the whole again is read on from the same place.
    target.plan(hang_up(b"hello", 11), answer(body=HELLO, headers=SUM))
    assert await read(thing) == HELLO
    target.plan(hang_up(b"hello", 11), answer(body=HELLO, headers=SUM))
    assert await thing.get().read_all() == HELLO
    # A range is gone on with inside the object.
    part = {"Content-Range": "bytes 2-5/11", **SUM}

    async def cut(node: Node, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=206, headers={"Content-Length": "4", **part})
        await response.prepare(request)
        await response.write(b"ll")
        assert request.transport is not None
        request.transport.close()
        return response

    target.plan(cut, answer(206, b"o ", {"Content-Range": "bytes 4-5/11", **SUM}))
    assert await read(thing, byte_range="2-5") == b"llo "
    assert target.asked[-1].headers["Range"] == "bytes=4-5"


async def test_pieces_of_two_contents_are_not_joined(stage: tuple[Node, Object]) -> None:
    target, thing = stage
    other = {"Ais-Checksum-Value": "ffffffffffffffff"}
    target.plan(hang_up(b"hello", 11), rest(5, **other))
    with pytest.raises(SourceChangedError, match="ais://b1/o"):
        await read(thing)
    target.plan(
        answer(headers={**SUM, "Content-Length": "11"}),
        answer(206, HELLO[:6], {"Content-Range": "bytes 0-5/11", **SUM}),
        answer(206, HELLO[6:], {"Content-Range": "bytes 6-10/11", **SUM, **other}),
    )
    with pytest.raises(SourceChangedError):
        await read(thing, num_workers=2, part_size=6)
    # It may have become shorter than what was read of it.
    target.plan(hang_up(b"hello", 11), failing(416, "range"))
    with pytest.raises(SourceChangedError, match="ais://b1/o"):
        await read(thing)
    target.plan(answer(headers={**SUM, "Content-Length": "11"}), failing(416, "range"))
    with pytest.raises(SourceChangedError):
        await read(thing, num_workers=2, part_size=6)
    with pytest.raises(IllegalArgumentError):
        await read(thing, byte_range="20-")
    target.plan(hang_up(b"HELLO", 11), rest(5))
    with pytest.raises(ChecksumMismatchError):
        await read(thing)


async def test_there_is_an_end_to_it(stage: tuple[Node, Object]) -> None:
    target, thing = stage
    target.plan(hang_up(b"h", 11))
    with pytest.raises(TransportError, match="broke"):
        await read(thing, max_resume=0)
    assert len(target.asked) == 1
    target.plan(hang_up(b"h", 11), failing(404, "ais://b1/o does not exist"))
    with pytest.raises(ErrObjNotFound):
        await read(thing)
    # What is raw is what came over one connection.
    target.plan(hang_up(b"hello", 11), rest(5))
    with pytest.raises(TransportError):
        async with thing.get() as reader:
            async for _ in reader.raw():
                pass
    assert len(target.asked) == 1


async def test_a_server_that_passes_over_a_pattern_is_told(stage: tuple[Node, Object]) -> None:
    target, thing = stage
    target.plan(answer(body=HELLO, headers={"Content-Type": "application/octet-stream", **SUM}))
    for reader in (thing.get(archregx="x", archmode="prefix"), thing.get(archregx="x")):
        with pytest.raises(NotSupportedError, match="too old"):
            await reader.read_all()


async def check_a_reader_that_is_left_closes_its_connection(world: World) -> None:
    thing = world.bucket.object("o")
    await thing.put_content(content(2_000_000))
    for workers in (1, 4):
        async with thing.get(num_workers=workers, part_size=100_000) as reader:
            async for chunk in reader:
                assert chunk
                break
        async with thing.get() as reader:
            pass
    assert await thing.get().read_all() == content(2_000_000)


async def _cancelled_at(step: int, work: Any) -> bool:
    """Run *work* and cancel it when the loop has turned *step* times; tell whether that came."""
    task = asyncio.ensure_future(work)
    for _ in range(step):
        await asyncio.sleep(0)
        if task.done():
            break
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def check_whoever_is_cancelled_leaves_nothing(world: World) -> None:
    """No half an object, no task, no connection; the fixtures look for the rest."""
    bucket = world.bucket
    old, new = b"old" * 1000, content(300_000)

    async def stream() -> AsyncIterator[bytes]:
        for offset in range(0, len(new), 50_000):
            yield new[offset : offset + 50_000]

    async def parts() -> None:
        async with bucket.object("o").multipart_upload() as upload:
            await upload.put_part(1, new[:100_000])
            await upload.put_part(2, new[100_000:])

    async def listing() -> None:
        async with bucket.list_objects_iter(page_size=1) as entries:
            async for _ in entries:
                pass

    work = {
        "put": lambda: bucket.object("o").put(new),
        "stream": lambda: bucket.object("o").put(stream, len(new)),
        "parts": parts,
        "read": lambda: bucket.object("o").get().read_all(),
        "ranges": lambda: bucket.object("o").get(num_workers=3, part_size=50_000).read_all(),
        "list": listing,
    }
    await bucket.object("other").put(old)
    for name, start in work.items():
        cancelled = 0
        for step in (2, 8, 18, 32, 50):
            await bucket.object("o").put(old)
            cancelled += await _cancelled_at(step, start())
            assert await bucket.object("o").get().read_all() in (old, new), name
        assert cancelled > 1, name


async def test_leaving(tmp_path: Path) -> None:
    await run(
        [
            check_a_reader_that_is_left_closes_its_connection,
            check_whoever_is_cancelled_leaves_nothing,
        ],
        tmp_path,
    )
