"""The log of a job over many broken connections: every line once, in order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.testing.proxy import FaultProxy

from .bench import open_bench
from .luck import FULL, luck

pytestmark = pytest.mark.thorough

CUTS = 200 if FULL else 25
STOP = URL("storage:scripts/stop")

# Bursts of lines, some with one time stamp, some empty, some long; no line end behind the last.
SCRIPT = """
import os, sys, time
number = 0
while number % 10 or not os.path.exists("/scripts/stop"):
    print("" if number % 17 == 3 else f"{number} " + "x" * (number * 7 % 120))
    number += 1
    if number % 10 == 0:
        sys.stdout.flush()
        time.sleep(0.02)
sys.stdout.write(f"end {number}")
"""


def line(number: int) -> str:
    """Return what the job writes."""
    return "" if number % 17 == 3 else f"{number} " + "x" * (number * 7 % 120)


async def _break(proxy: FaultProxy, found: list[str], chance: random.Random) -> None:
    """Break connections off at random bytes; two of three times not before new lines came."""
    for number in range(CUTS):
        seen = len(found)
        while number % 3 and len(found) == seen:  # noqa: ASYNC110 - the proxy gives no events
            await asyncio.sleep(0.001)
        how = chance.choice([proxy.cut, proxy.reset])
        # Some hit the handshake, or a question for the job's state; most the middle of a chunk.
        fault = how(after=chance.choice([chance.randrange(500), *[chance.randrange(4_000)] * 3]))
        while not fault.hits:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        if number % 10 == 9:
            proxy.refuse()


@pytest.mark.slow
@pytest.mark.timeout(300 if FULL else 60)
async def test_every_line_once_over_random_cuts(tmp_path: Path) -> None:
    chance = luck("logs")
    found: list[str] = []
    async with open_bench(tmp_path) as bench:
        await bench.straight.storage.mkdir(URL("storage:scripts"))
        await bench.straight.storage.create(URL("storage:scripts/write.py"), SCRIPT.encode())
        volume = bench.straight.parse.volume("storage:scripts:/scripts:ro")
        job = await bench.job("exec python3 /scripts/write.py", volumes=[volume])

        async def trouble() -> None:
            await _break(bench.proxy, found, chance)
            await bench.straight.storage.create(STOP, b"")

        async with bench.client() as client, asyncio.TaskGroup() as group:
            group.create_task(trouble())
            async with client.jobs.logs(job.id) as lines:
                async for text in lines:
                    found.append(text)
        assert bench.proxy.connections > CUTS
    total = int(found[-1].removeprefix("end "))
    assert found == [*map(line, range(total)), f"end {total}"]
