"""Training input from the local cluster: objects and shards, orders, damage, threads."""

from __future__ import annotations

import asyncio
import gzip
import io
import pickle
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from neuro_client.aistore import (
    AIStore,
    Bucket,
    Dataset,
    ErrBckNotFound,
    ErrObjNotFound,
    ObjectRange,
    Sample,
    SampleError,
    SampleThread,
)
from neuro_client.aistore.objects import checksums
from neuro_client.errors import ChecksumMismatchError, NotSupportedError, TransportError
from neuro_client.threads import run_blocking

from ...unit.transfer.kit import content
from .nodes import Handler, Node, nodes, to
from .world import FAST, Check, World, run


def shard(number: int, samples: int = 5, size: int = 700) -> bytes:
    """Make a shard of samples with two members each, and what belongs to none."""
    files = [("__meta__", b"not a sample"), (".hidden", b"neither"), ("README", b"nor this")]
    for place in range(samples):
        files.append((f"./d/{number}-{place}.IMG", content(size + place)))
        files.append((f"./d/{number}-{place}.cls", str(place).encode()))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


SHARDS, OBJECTS = 4, 8
KEYS = [f"d/{number}-{place}" for number in range(SHARDS) for place in range(5)]
IMAGES = [f"img/{number:02}.jpg" for number in range(OBJECTS)]


async def fill(bucket: Bucket) -> None:
    """Write what the checks only read."""
    for number in range(SHARDS):
        packed, ending = shard(number), "tar"
        if number == 3:
            packed, ending = await run_blocking(gzip.compress, packed), "tgz"
        await bucket.object(f"shards/{number}.{ending}").put(packed)
    await bucket.object("shards/index.json").put(b"{}")
    for number, name in enumerate(IMAGES):
        await bucket.object(name).put(content(number * 100))


async def read(dataset: Dataset, epoch: int | None = None) -> list[Sample]:
    async with dataset.samples(epoch) as samples:
        return [sample async for sample in samples]


def keys(samples: Sequence[Sample]) -> list[str]:
    return [sample.key for sample in samples]


async def check_shards_become_samples(world: World) -> None:
    async with world.bucket.dataset("shards/", shards=True) as samples:
        found = [sample async for sample in samples]
    assert keys(found) == KEYS
    assert [sample.source for sample in found][:6] == ["shards/0.tar"] * 5 + ["shards/1.tar"]
    for sample in found:
        place = int(sample.key[-1])
        assert sample.members == {"img": content(700 + place), "cls": str(place).encode()}
    # However little may be read ahead, all of it comes, and in the same order.
    for ahead, size, readers in ((1, 1, 1), (1, 1, 6), (3, 2000, 2), (100, 10**9, 10)):
        narrow = world.bucket.dataset(
            "shards/", shards=True, ahead=ahead, ahead_bytes=size, readers=readers
        )
        assert keys(await read(narrow)) == KEYS
    named = world.bucket.dataset(names=["shards/2.tar", "shards/1.tar"], shards=True)
    assert keys(await read(named)) == KEYS[10:15] + KEYS[5:10]


async def check_objects_become_samples(world: World) -> None:
    names = IMAGES
    plain = world.bucket.dataset("img/")
    for dataset in (
        plain,
        world.bucket.dataset("img/", ahead=1, ahead_bytes=1, readers=1),
        world.bucket.dataset("img/", get_batch=6),
        world.bucket.dataset(names=names, ahead_bytes=500),
    ):
        found = await read(dataset)
        assert keys(found) == names
        assert [sample.data for sample in found] == [content(n * 100) for n in range(OBJECTS)]
        assert found[0].members == {"jpg": b""}
    some = world.bucket.dataset(names=ObjectRange("img/", 1, 7, 2, 3, ".jpg"))
    assert keys(await read(some)) == ["img/01.jpg", "img/04.jpg", "img/07.jpg"]
    assert await read(world.bucket.dataset("none/")) == []


async def check_an_order_is_always_the_same(world: World) -> None:
    names = IMAGES
    shuffled = world.bucket.dataset("img/", shuffle=True, seed=5)
    first = keys(await read(shuffled))
    assert sorted(first) == names != first
    assert keys(await read(shuffled, 0)) == first
    assert keys(await read(world.bucket.dataset(names=names, shuffle=True, seed=5))) == first
    assert keys(await read(shuffled, 1)) != first
    mixed = world.bucket.dataset("shards/", shards=True, shuffle=True, shuffle_buffer=8, seed=5)
    order = keys(await read(mixed))
    assert sorted(order) == sorted(KEYS) and order == keys(await read(mixed))
    by_shard = [key.partition("-")[0] for key in order]
    assert by_shard != sorted(by_shard, key=by_shard.index)


async def check_shares_are_all_of_it(world: World) -> None:
    for shuffle in (False, True):
        shares = []
        for rank in range(2):
            for worker in range(3):
                one = world.bucket.dataset(
                    "shards/", shards=True, shuffle=shuffle, seed=1,
                    rank=rank, world_size=2, worker=worker, num_workers=3,
                )  # fmt: skip
                shares.append(keys(await read(one)))
        assert sorted(key for share in shares for key in share) == sorted(KEYS)
        assert sorted(map(len, shares)) == [0, 0, 5, 5, 5, 5]
    halves = [
        keys(await read(world.bucket.dataset("img/", rank=rank, world_size=2))) for rank in (0, 1)
    ]
    assert [half[0] for half in halves] == ["img/00.jpg", "img/01.jpg"]
    assert sorted(halves[0] + halves[1]) == IMAGES


async def check_what_cannot_be_read_is_told_or_passed_over(world: World) -> None:
    bucket = world.bucket
    whole = shard(0)
    twice = shard(1).replace(b"1-1.cls", b"1-1.img", 1)
    head = bytearray(shard(2))
    head[head.index(b"2-2.IMG") - 4] ^= 0xFF  # its name no longer fits the sum in its header
    damaged = {"a.tar": whole[:7000], "b.tar": _summed(twice), "c.tar": bytes(head), "d.tar": whole}
    for name, data in damaged.items():
        await bucket.object(name).put(data)
    heard: list[SampleError] = []
    names = ["a.tar", "missing.tar", "b.tar", "c.tar", "d.tar"]
    dataset = bucket.dataset(names=names, shards=True, on_error="skip", report=heard.append)
    found = keys(await read(dataset))
    assert found == [
        # The one in front of a damage may not be whole.
        *("d/0-0", "d/1-0", "d/1-2", "d/1-3", "d/1-4", "d/2-0"),
        *KEYS[:5],
    ]
    assert [(error.source, error.key) for error in heard] == [
        ("a.tar", ""), ("missing.tar", ""), ("b.tar", "d/1-1"), ("c.tar", ""),
    ]  # fmt: skip
    assert isinstance(heard[1].__cause__, ErrObjNotFound)
    assert "two members 'img'" in str(heard[2])
    with pytest.raises(SampleError, match=r"a\.tar"):
        await read(bucket.dataset(names=names, shards=True))
    # Objects that went meanwhile, read one by one and in batches.
    for size in (0, 3):
        heard.clear()
        objects = bucket.dataset(
            names=["none", "d.tar"], on_error="skip", report=heard.append, get_batch=size
        )
        assert keys(await read(objects)) == ["d.tar"]
        assert [(error.source, error.key) for error in heard] == [("none", "none")]
        assert isinstance(heard[0].__cause__, ErrObjNotFound)
    with pytest.raises(ErrBckNotFound):
        await read(world.ais.bucket("nobody").dataset(on_error="skip"))


def _summed(packed: bytes) -> bytes:
    """Return a tar whose headers have their sums again."""
    data = bytearray(packed)
    at = data.index(b"1-1.img") - len("./d/")
    block = data[at : at + 512]
    block[148:156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(data)


async def check_batches_need_a_server_that_has_them(world: World) -> None:
    world.cluster.version = (3, 18)
    async with AIStore.connect(world.ais.endpoint) as ais:
        with pytest.raises(NotSupportedError, match=r"3\.30"):
            await read(ais.bucket("b1").dataset("img/", get_batch=4, on_error="skip"))


async def check_a_dataset_is_read_once_at_a_time(world: World) -> None:
    dataset = world.bucket.dataset("img/")
    async with dataset as samples:
        assert (await anext(samples)).key == "img/00.jpg"
        with pytest.raises(RuntimeError, match=r"samples\(\)"):
            async with dataset:
                pass
        assert len(await read(dataset)) == OBJECTS
    async with dataset as samples:
        assert (await anext(samples)).key == "img/00.jpg"


async def check_a_thread_reads_for_programs_without_a_loop(world: World) -> None:
    dataset: Dataset = pickle.loads(
        pickle.dumps(world.bucket.dataset("shards/", shards=True, readers=3))
    )
    before = threading.active_count()

    def whole() -> list[str]:
        with SampleThread(dataset) as samples:
            found = [sample.key for sample in samples]
            assert next(samples, None) is None
        samples.close()
        return found

    def part() -> list[str]:
        with SampleThread(dataset) as samples:
            return [next(samples).key, next(samples).key]

    def failing() -> None:
        with SampleThread(world.ais.bucket("nobody").dataset()) as samples:
            with pytest.raises(ErrBckNotFound):
                list(samples)
            assert next(samples, None) is None

    assert await asyncio.to_thread(whole) == KEYS
    for _ in range(5):
        assert await asyncio.to_thread(part) == KEYS[:2]
    await asyncio.to_thread(failing)
    assert not any(one.name == "neuro-samples" for one in threading.enumerate())
    assert threading.active_count() <= before + 8  # those of the disk and of to_thread stay
    unused = SampleThread(dataset)
    with pytest.raises(RuntimeError, match="with"):
        next(unused)


def all_of(*checks: Check) -> Check:
    """Return one check for what can share a filled bucket."""

    async def check(world: World) -> None:
        await fill(world.bucket)
        for one in checks:
            world.cluster.version = (5, 0)
            await one(world)

    return check


async def test_datasets(tmp_path: Path) -> None:
    checks = all_of(
        check_shards_become_samples,
        check_what_cannot_be_read_is_told_or_passed_over,
        check_a_thread_reads_for_programs_without_a_loop,
    )
    await run([checks], tmp_path)


@pytest.mark.thorough
async def test_datasets_in_every_form(tmp_path: Path) -> None:
    checks = all_of(
        check_objects_become_samples,
        check_an_order_is_always_the_same,
        check_shares_are_all_of_it,
        check_batches_need_a_server_that_has_them,
        check_a_dataset_is_read_once_at_a_time,
    )
    await run([checks], tmp_path)


# Bad weather


def serving(data: bytes, checksum: str, *, cut_at: int = 0) -> Handler:
    """Answer with a whole, or a part of it; the whole breaks off if told where."""

    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        sums = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": checksum}
        begin = int(request.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        if begin:
            place = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            return web.Response(
                status=206, body=data[begin:], headers={**sums, "Content-Range": place}
            )
        response = web.StreamResponse(headers={**sums, "Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: cut_at or len(data)])
        if cut_at:
            assert request.transport is not None
            request.transport.close()
        return response

    return handle


@pytest.mark.parametrize("cut_at", [100, 512, 7000, 9999])
async def test_a_cut_shard_goes_on_without_loss_or_repetition(cut_at: int) -> None:
    data = shard(0)
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(to(target))
        target.plan(serving(data, checksums.of("xxhash2", data) or "", cut_at=cut_at))
        async with AIStore.connect(proxy.url, retry_config=FAST, direct_reads=False) as ais:
            dataset = ais.bucket("b1").dataset(names=["0.tar"], shards=True)
            assert keys(await read(dataset)) == KEYS[:5]
        assert [one.headers.get("Range") for one in target.asked] == [
            None, f"bytes={cut_at}-{len(data) - 1}",
        ]  # fmt: skip


async def test_a_shard_that_arrives_damaged_is_told() -> None:
    data = shard(0)
    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(to(target))
        target.plan(serving(data, "0" * 16))
        async with AIStore.connect(proxy.url, retry_config=FAST, direct_reads=False) as ais:
            found = []
            with pytest.raises(SampleError) as info:
                async with ais.bucket("b1").dataset(names=["0.tar"], shards=True) as samples:
                    async for sample in samples:
                        found.append(sample.key)
    assert found == KEYS[:5]
    assert isinstance(info.value.__cause__, ChecksumMismatchError)


async def test_trouble_of_the_network_is_not_passed_over() -> None:
    async with nodes("proxy") as (proxy,):
        proxy.plan(to("http://127.0.0.1:1"))
        async with AIStore.connect(proxy.url, retry_config=FAST, direct_reads=False) as ais:
            with pytest.raises(TransportError):
                await read(ais.bucket("b1").dataset(names=["a"], on_error="skip"))


async def test_leaving_early_and_being_cancelled_leave_nothing() -> None:
    arrived, over = asyncio.Event(), asyncio.Event()
    data = shard(0)

    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[:7000])
        arrived.set()
        await over.wait()
        return response

    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(to(target))
        target.plan(handle)
        async with AIStore.connect(proxy.url, retry_config=FAST, direct_reads=False) as ais:
            names = [f"{number}.tar" for number in range(9)]
            dataset = ais.bucket("b1").dataset(names=names, shards=True)
            async with dataset as samples:
                assert (await anext(samples)).key == KEYS[0]
            arrived.clear()
            task = asyncio.create_task(read(dataset))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        over.set()
