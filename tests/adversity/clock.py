"""A program whose clock jumps in the middle of its work; run by ``test_clock``.

The platform is another process, whose clock stays right.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

_true_time = time.time
_offset = 0.0


def _false_time() -> float:
    return _true_time() + _offset


class _FalseDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _FalseDatetime:
        return cls.fromtimestamp(_false_time(), tz)


# Before anything of ours is imported, since clocks are also taken as default arguments.
time.time = _false_time
datetime.datetime = _FalseDatetime  # type: ignore[misc]

from yarl import URL  # noqa: E402

from neuro_client import (  # noqa: E402
    AbstractFileProgress,
    Client,
    StorageProgressComplete,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    get,
)

PARTS = TransferOptions(part_size=2**20)


class Jump(AbstractFileProgress):
    """Set the clock when the first bytes have been sent, or when called."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self) -> None:
        """Jump, once."""
        global _offset
        _offset, self._seconds = _offset + self._seconds, 0.0

    def start(self, data: StorageProgressStart) -> None:
        """Go on."""

    def step(self, data: StorageProgressStep) -> None:
        """Jump."""
        self()

    def complete(self, data: StorageProgressComplete) -> None:
        """Go on."""


async def upload(client: Client, jump: Jump, path: Path) -> None:
    await client.storage.upload_file(path, URL("storage:file"), options=PARTS, progress=jump)


async def logs(client: Client, jump: Jump, job: str) -> list[str]:
    found = []
    async with client.jobs.logs(job) as lines:
        async for line in lines:
            found.append(line)
            if len(found) == 3:
                jump()
    return found


async def wait(client: Client, jump: Jump, job: str) -> str:
    asyncio.get_running_loop().call_later(0.2, jump)
    return str((await client.jobs.wait(job)).status)


async def renewal(client: Client, jump: Jump, seconds: float) -> int:
    """Ask, over several lives of the token, with a jump in the middle; returns how often."""
    loop = asyncio.get_running_loop()
    begin, number = loop.time(), 0
    while loop.time() < begin + seconds:
        await client.storage.stat(URL("storage:"))
        number += 1
        if loop.time() > begin + seconds / 2:
            jump()
        await asyncio.sleep(0.05)
    return number


async def main(config: Path, work: str, seconds: float, argument: str) -> Any:
    jump = Jump(seconds)
    async with asyncio.timeout(30), get(path=config) as client:
        if work == "upload":
            return await upload(client, jump, Path(argument))
        if work == "logs":
            return await logs(client, jump, argument)
        if work == "wait":
            return await wait(client, jump, argument)
        return await renewal(client, jump, float(argument))


if __name__ == "__main__":
    result = asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]))
    sys.stdout.write(json.dumps(result) + "\n")
