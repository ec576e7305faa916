"""GetBatch on the local cluster, and on nodes that break off (aistore.md §16.1, §22.27)."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neuro_client.aistore import AISError, AIStore, Batch, BatchItem, ErrObjNotFound, Namespace
from neuro_client.aistore.batch.tar import BrokenArchive
from neuro_client.errors import (
    NotSupportedError,
    ProtocolError,
    RateLimitError,
    ResourceNotFound,
    TransportError,
)

from ...unit.transfer.kit import content
from .nodes import Handler, Node, failing, json_answer, nodes, to
from .world import FAST, World, run

Facts = tuple[str, str, bytes, str]


def tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


async def read(batch: Batch) -> list[BatchItem]:
    async with batch.get() as items:
        return [item async for item in items]


FORMS: tuple[dict[str, Any], ...] = (
    {},
    {"only_obj_name": True},
    {"output_format": ".tgz"},
    {"output_format": ".zip"},
    {"streaming_get": False},
    {"streaming_get": False, "output_format": ".zip", "only_obj_name": True},
    {"coloc": 1},
)


async def check_objects_come_in_the_order_of_the_request(world: World) -> None:
    ais, bucket = world.ais, world.bucket
    other = await ais.bucket("b2", namespace=Namespace("", "ns")).create()
    await other.object("d/ü + #").put(b"of the other")
    for number in range(4):
        await bucket.object(f"o{number}").put(content(number * 1000))
    await bucket.object("sh.tar").put(tar({"d/a.txt": b"inside", "b.txt": b"b"}))
    for form in FORMS:
        batch = ais.batch(["o3", "o0"], bucket, **form)
        batch.add("missing", opaque=b"\0id").add(other.object("d/ü + #"), opaque=b"id4")
        batch.add("sh.tar", "d/a.txt").add("sh.tar", "/none").add("o2", start=5, length=7)
        batch.add("o1", start=990)
        if form.get("output_format") != ".zip":  # which has each name once
            batch.add("o3")
        assert len(batch) == (8 if form.get("output_format") == ".zip" else 9)
        found = await read(batch)
        missing = [item for item in found if item.is_missing]
        assert [(item.obj.name, item.archpath) for item in missing] == [
            ("missing", ""),
            ("sh.tar", "none"),
        ], form
        assert missing[0].opaque == b"\0id" and "does not exist" in missing[0].error
        assert [item.data for item in found if not item.is_missing][:6] == [
            content(3000),
            b"",
            b"of the other",
            b"inside",
            content(2000)[5:12],
            content(1000)[990:],
        ], form
        assert found[3].obj is not None and found[3].opaque == b"id4"
        assert [item.obj.name for item in found][-1:] == [batch._wanted[-1].obj.name]
    assert await read(ais.batch()) == []
    assert [item.data for item in await read(ais.batch(bucket=bucket).add("o1", length=0))] == [b""]
    assert [item.data for item in await read(ais.batch(bucket.object("o1")))] == [content(1000)]


async def check_what_is_missing_ends_a_strict_batch(world: World) -> None:
    ais, bucket = world.ais, world.bucket
    await bucket.object("a").put(b"a")
    for streamed in (True, False):
        found = []
        batch = ais.batch(["a", "none", "a"], bucket, cont_on_err=False, streaming_get=streamed)
        with pytest.raises(ErrObjNotFound, match="none") as info:
            async with batch.get() as items:
                async for item in items:
                    found.append(item.data)
        assert isinstance(info.value, ResourceNotFound) and info.value.status_code == 404
        assert found == ([b"a"] if streamed else [])
    whole = ais.batch(["a"], bucket, cont_on_err=False)
    assert [item.data for item in await read(whole)] == [b"a"]


async def check_an_older_server_is_asked_for_nothing_it_would_misread(world: World) -> None:
    bucket = world.bucket
    await bucket.object("a").put(b"abcdef")
    await bucket.object("sh.tar").put(tar({"m": b"member"}))
    world.cluster.version = (3, 18)
    async with AIStore.connect(world.ais.endpoint, retry_config=FAST) as ais:
        with pytest.raises(NotSupportedError, match=r"3\.30.* 3\.18"):
            await read(ais.batch(["a"], bucket))
        old = ais.bucket("b1")
        batch = ais.batch(["a", "none"], old, fallback=True)
        batch.add("a", start=1, length=2).add("sh.tar", "m", start=2).add("a", length=0)
        found = await read(batch)
        assert [item.data for item in found] == [b"abcdef", b"", b"bc", b"mber", b""]
        assert [item.is_missing for item in found] == [False, True, False, False, False]
        with pytest.raises(ErrObjNotFound):
            await read(ais.batch(["none"], old, cont_on_err=False, fallback=True))


async def check_leaving_early_leaves_nothing(world: World) -> None:
    for number in range(3):
        await world.bucket.object(f"o{number}").put(content(2**20))
    async with world.ais.batch([f"o{n}" for n in range(3)], world.bucket).get() as items:
        async for item in items:
            assert item.obj.name == "o0"
            break
    with pytest.raises(AISError):
        await read(world.ais.batch(["o"], world.ais.bucket("nobody"), cont_on_err=False))


def check_what_is_refused(bucket: Any, ais: AIStore) -> None:
    for options in ({"output_format": "tar"}, {"coloc": 3}, {"max_resume": -1}):
        with pytest.raises(ValueError):
            ais.batch(["a"], bucket, **options)
    with pytest.raises(ValueError, match="which bucket"):
        ais.batch(["a"])
    for start, length in ((-1, -1), (0, -2)):
        with pytest.raises(ValueError):
            ais.batch(bucket=bucket).add("a", start=start, length=length)


async def test_batches(tmp_path: Path) -> None:
    await run(
        [
            check_objects_come_in_the_order_of_the_request,
            check_what_is_missing_ends_a_strict_batch,
            check_an_older_server_is_asked_for_nothing_it_would_misread,
            check_leaving_early_leaves_nothing,
        ],
        tmp_path,
    )
    ais = AIStore("http://127.0.0.1:1")
    check_what_is_refused(ais.bucket("b1"), ais)


# Bad weather

FILES = {f"b1/o{number}": content(700 * number + 1) for number in range(6)}
NAMES = [name.removeprefix("b1/") for name in FILES]
NEW = json_answer({"ais_version": "5.0"})


def stream(data: bytes, *, cut: bool, wanted: list[list[str]] | None = None) -> Handler:
    """Answer with a part of an archive, in chunks; with *cut* break off behind it."""

    async def handle(node: Node, request: web.Request) -> web.StreamResponse:
        if wanted is not None:
            entries = json.loads(node.asked[-1].body)["in"]
            wanted.append([entry["objname"] for entry in entries])
        response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for offset in range(0, len(data), 1000):
            await response.write(data[offset : offset + 1000])
        if cut:
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response

    return handle


async def test_a_cut_batch_goes_on_behind_what_was_read() -> None:
    whole = tar(FILES)
    rest = {name: data for name, data in FILES.items() if name > "b1/o3"}
    asked: list[list[str]] = []
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(NEW, to(target))
        target.plan(
            stream(whole[:9000], cut=True, wanted=asked),
            failing(429, "busy"),
            stream(b"", cut=False, wanted=asked),
            stream(tar(rest), cut=False, wanted=asked),
        )
        async with AIStore.connect(proxy.url, retry_config=FAST) as ais:
            found = await read(ais.batch(NAMES, ais.bucket("b1")))
    assert {f"b1/{item.obj.name}": item.data for item in found} == FILES
    # All that came before the cut is kept: names of which not all came are asked for again.
    assert asked == [NAMES, ["o4", "o5"], ["o4", "o5"]]


@pytest.mark.parametrize("cut", [True, False])
async def test_a_batch_that_is_always_cut_is_given_up(cut: bool) -> None:
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(NEW, to(target))
        target.plan(stream(tar(FILES)[:512], cut=cut))
        async with AIStore.connect(proxy.url, retry_config=FAST) as ais:
            with pytest.raises(TransportError if cut else BrokenArchive):
                await read(ais.batch(NAMES, ais.bucket("b1"), max_resume=2))
        assert len(target.asked) == 3


@pytest.mark.parametrize(
    ("files", "error", "text"),
    [
        ({"b1/o0": b"", "b1/o2": b"x"}, ProtocolError, "o2"),
        ({**FILES, "b1/more": b"x"}, ProtocolError, "nobody asked"),
        ({"__404__/b1/other": b""}, ProtocolError, "other"),
    ],
)
async def test_an_answer_to_another_question_is_told(
    files: dict[str, bytes], error: type[Exception], text: str
) -> None:
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(NEW, to(target))
        target.plan(stream(tar(files), cut=False))
        async with AIStore.connect(proxy.url, retry_config=FAST) as ais:
            with pytest.raises(error, match=text):
                await read(ais.batch(NAMES, ais.bucket("b1")))
        assert len(target.asked) == 1


async def test_other_refusals() -> None:
    async with nodes("proxy", "target") as (proxy, target):
        async with AIStore.connect(proxy.url, retry_config=FAST) as ais:
            bucket = ais.bucket("b1")
            # It does not tell its version, and does not know the path.
            proxy.plan(failing(400), failing(400, "invalid URL path /v1/ml/moss"))
            with pytest.raises(NotSupportedError, match=r"3\.30"):
                await read(ais.batch(["a"], bucket))
            with pytest.raises(AISError, match="something else"):
                proxy.plan(failing(400, "something else"))
                await read(ais.batch(["a"], bucket))
            proxy.plan(failing(429, "too busy"))
            with pytest.raises(RateLimitError):
                await read(ais.batch(["a"], bucket))
            proxy.plan(to(target))
            target.plan(stream(b"", cut=False))
            with pytest.raises(ProtocolError, match="no parts"):
                await read(ais.batch(["a"], bucket, streaming_get=False))
            # A server that gives all of an object instead of a part of it.
            target.plan(stream(tar({"b1/a": b"abc"}), cut=False))
            with pytest.raises(ProtocolError, match="parts"):
                await read(ais.batch(bucket=bucket).add("a", length=2))


async def test_a_cancelled_batch_lets_go_of_its_connection() -> None:
    arrived, over = asyncio.Event(), asyncio.Event()

    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(tar({"b1/o0": b"x"})[:1024])
        arrived.set()
        await over.wait()
        return response

    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(NEW, to(target))
        target.plan(handle)
        async with AIStore.connect(proxy.url, retry_config=FAST) as ais:
            task = asyncio.create_task(read(ais.batch(["o0", "o1"], ais.bucket("b1"))))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            over.set()
