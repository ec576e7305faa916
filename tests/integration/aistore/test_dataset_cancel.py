"""Cancel reads of many objects at every await: nothing is left, and the same call works again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from neuro_client.aistore import AIStore
from tests.adversity.luck import FULL, luck
from tests.adversity.stepping import stepped

from .test_dataset import IMAGES, KEYS, fill, keys, read
from .world import World, run

Act = Callable[[AIStore], Coroutine[Any, Any, object]]
SHARE = 20
"""At how many suspensions each call is cancelled, but in the full run."""

pytestmark = pytest.mark.thorough


async def shards(ais: AIStore) -> object:
    dataset = ais.bucket("b1").dataset(
        "shards/", shards=True, ahead=3, readers=2, shuffle=True, shuffle_buffer=4
    )
    return sorted(keys(await read(dataset)))


async def objects(ais: AIStore) -> object:
    return keys(await read(ais.bucket("b1").dataset("img/", ahead=4, ahead_bytes=900)))


async def in_batches(ais: AIStore) -> object:
    return keys(await read(ais.bucket("b1").dataset("img/", get_batch=3)))


async def batch(ais: AIStore) -> object:
    collected = ais.batch(IMAGES, ais.bucket("b1"), streaming_get=False, output_format=".zip")
    async with collected.get() as items:
        return [item.obj.name async for item in items]


CALLS: dict[Act, object] = {
    shards: sorted(KEYS),
    objects: IMAGES,
    in_batches: IMAGES,
    batch: IMAGES,
}


async def check_each_call(world: World) -> None:
    await fill(world.bucket)
    for act, expected in CALLS.items():
        assert await act(world.ais) == expected
        steps = (await stepped(functools.partial(act, world.ais))).steps
        assert steps > 10
        numbers = range(1, steps + 1)
        chosen = numbers if FULL else luck(act.__name__).sample(numbers, min(SHARE, steps))
        for number in chosen:
            outcome = await stepped(functools.partial(act, world.ais), (number,))
            assert not outcome.tasks, (act.__name__, number)
            connector = (await world.ais.requests.link()).session.connector
            assert connector is not None and not connector._acquired, (act.__name__, number)
        assert await act(world.ais) == expected


@pytest.mark.timeout(300)
async def test_cancelled_anywhere(tmp_path: Path) -> None:
    await run([check_each_call], tmp_path)
