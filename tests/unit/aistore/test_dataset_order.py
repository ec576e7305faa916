"""The order of samples, the shares of processes, and how far ahead is read."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.aistore import AIStore, Dataset, Sample, SampleError
from neuro_client.aistore.dataset.order import Share, mixed, shuffled
from neuro_client.aistore.dataset.samples import split_name
from neuro_client.aistore.dataset.webdataset import is_member
from neuro_client.aistore.dataset.window import Lane, Window
from neuro_client.aistore.errors import missing_object

NAMES = [f"s{number:03}" for number in range(20)]


@given(st.integers(0, 60), st.integers(1, 5), st.integers(1, 4))
def test_shares_are_all_of_it_and_have_nothing_in_common(
    count: int, world: int, workers: int
) -> None:
    items = list(range(count))
    shares = [Share(r, world, w, workers) for r in range(world) for w in range(workers)]
    parts = [share.of(items) for share in shares]
    assert Counter(item for part in parts for item in part) == Counter(items)
    for share, part in zip(shares, parts, strict=True):
        assert [item for item in items if share.has(item)] == list(part)
    if workers == 1:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def order(names: Sequence[str], seed: int, epoch: int) -> list[str]:
    return shuffled(names, str, seed, epoch)


def test_an_order_follows_from_names_seed_and_epoch_alone() -> None:
    first = order(NAMES, 7, 0)
    # For ever, on every machine: a training that goes on elsewhere depends on it.
    assert first[:6] == ["s016", "s006", "s018", "s001", "s007", "s005"]
    assert first == order(NAMES[::-1], 7, 0)
    assert sorted(first) == NAMES
    others = [order(NAMES, 7, 1), order(NAMES, 8, 0), NAMES]
    assert all(other != first for other in others)


async def listed(items: Sequence[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def mix(items: Sequence[bytes], count: int, limit: int, seed: str = "s") -> list[bytes]:
    return [item async for item in mixed(listed(items), len, count, limit, seed)]


async def test_a_mix_is_bounded_and_always_the_same() -> None:
    items = [bytes([number]) for number in range(50)]
    found = await mix(items, 10, 100)
    assert sorted(found) == items != found
    assert found == await mix(items, 10, 100)
    assert found != await mix(items, 10, 100, "t")
    # What is held bounds how far an item comes before its turn.
    assert all(number < place + 10 for place, number in enumerate(b"".join(found)))
    narrow = await mix(items, 50, 4)
    assert all(number < place + 5 for place, number in enumerate(b"".join(narrow)))
    assert await mix(items, 50, 0) == items


# Ahead


async def fill(lane: Lane[str], unit: tuple[str, Sequence[int]]) -> None:
    name, sizes = unit
    for number, size in enumerate(sizes):
        await lane.reserve(size)
        lane.put(f"{name}{number}")


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_items_come_in_order_and_no_more_are_held_than_allowed() -> None:
    window: Window[str] = Window(3, 4, 100)
    units = [("a", [10] * 3), ("b", []), ("c", [60, 10]), ("d", [10] * 6), ("e", [500]), ("f", [1])]
    found = []
    async with aclosing(window.run(listed(units), fill)) as items:
        async for item in items:
            await settle()
            assert window.items <= 4 and window.bytes <= 100 + (500 if item > "d4" else 0)
            found.append(item)
    assert found == [f"{name}{n}" for name, sizes in units for n in range(len(sizes))]
    assert (window.items, window.bytes) == (0, 0)


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=4), max_size=8),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 40),
)
async def test_no_bound_makes_it_wait_for_ever(
    sizes: list[list[int]], lanes: int, count: int, size: int
) -> None:
    window: Window[str] = Window(lanes, count, size)
    units = [(f"{number}:", part) for number, part in enumerate(sizes)]
    async with asyncio.timeout(20):
        found = [item async for item in window.run(listed(units), fill)]
    assert found == [f"{name}{n}" for name, part in units for n in range(len(part))]
    assert (window.items, window.bytes) == (0, 0)


async def test_a_failure_comes_in_its_turn_and_ends_the_others() -> None:
    begun, ended = asyncio.Event(), []

    async def work(lane: Lane[str], unit: str) -> None:
        if unit == "bad":
            raise LookupError(unit)
        lane.put(unit)
        if unit == "last":
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(unit)
        else:
            await begun.wait()

    window: Window[str] = Window(4, 10, 10)
    found = []
    with pytest.raises(LookupError):
        async with aclosing(window.run(listed(["a", "b", "bad", "last"]), work)) as items:
            async for item in items:
                found.append(item)
    assert (found, ended) == (["a", "b"], ["last"])


async def test_leaving_early_ends_the_work() -> None:
    window: Window[str] = Window(3, 2, 100)
    async with aclosing(window.run(listed([("a", [1] * 9)] * 9), fill)) as items:
        assert await anext(items) == "a0"
        await settle()
        assert window.items == 2


async def test_a_cancelled_wait_for_room_is_forgotten() -> None:
    window: Window[str] = Window(2, 1, 1)
    async with aclosing(window.run(listed([("a", [1]), ("b", [1])]), fill)) as items:
        first = asyncio.ensure_future(anext(items))
        await settle()
        assert await first == "a0"
        second = asyncio.ensure_future(anext(items))
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second


# Names and options


@pytest.mark.parametrize(
    ("name", "key", "extension"),
    [
        ("a/b.jpg", "a/b", "jpg"),
        ("a.d/b.seg.PNG", "a.d/b", "seg.png"),
        ("b", "b", ""),
        ("a.d/b", "a.d/b", ""),
    ],
)
def test_key_and_extension_part_at_the_first_dot(name: str, key: str, extension: str) -> None:
    assert split_name(name) == (key, extension)


def test_what_belongs_to_a_sample() -> None:
    names = ["a.jpg", "d/.hidden", "d/none", "__meta__", "d/__x.y__", "d.e/a.b.c", "__a.jpg"]
    assert [is_member(name) for name in names] == [True, False, False, False, False, True, True]


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2, "world_size": 2},
        {"worker": -1},
        {"ahead": 0},
        {"ahead_bytes": 0},
        {"readers": 0},
        {"shuffle_buffer": -1},
        {"get_batch": -1},
        {"get_batch": 4, "shards": True},
        {"on_error": "hide"},
        {"names": ["a"], "prefix": "b"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        AIStore("http://127.0.0.1:1").bucket("b1").dataset(**options)


def test_a_dataset_goes_to_another_process() -> None:
    bucket = AIStore("http://127.0.0.1:1", token="t").bucket("b1", "aws")
    copy: Dataset = pickle.loads(pickle.dumps(bucket.dataset("d/", seed=3, shards=True)))
    assert (copy.prefix, copy.seed, copy.shards, copy.bucket.uri) == ("d/", 3, True, "aws://b1")
    assert copy.bucket.requests.settings == bucket.requests.settings
    detached = copy.detached(epoch=4)
    assert (detached.epoch, detached.bucket.requests is copy.bucket.requests) == (4, False)
    error: SampleError = pickle.loads(pickle.dumps(SampleError("no", "shard", "key")))
    assert (str(error), error.source, error.key) == ("no", "shard", "key")
    # Loaders send the class of an error, not the error.
    kind = type(missing_object("none"))
    assert pickle.loads(pickle.dumps(kind)) is kind
    with pytest.raises(TypeError, match="list"):
        bucket.dataset(names="abc")


def test_names_can_be_gone_through_for_every_epoch() -> None:
    dataset = AIStore("http://127.0.0.1:1").bucket("b1").dataset(names=iter(["a", "b"]))
    assert [list(dataset.names or ()) for _ in range(2)] == [["a", "b"]] * 2


def test_the_content_of_a_sample_that_has_one() -> None:
    assert Sample("a", {"jpg": b"x"}).data == b"x"
    several = Sample("a", {"jpg": b"x", "cls": b"12"})
    assert several.size == 3
    with pytest.raises(ValueError, match="cls"):
        _ = several.data
