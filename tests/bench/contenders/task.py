"""One measured piece of work of one contender, in a process of its own.

The order comes as JSON on standard input, the figures go as JSON to standard output. Nothing but
the standard library of Python 3.10: the published client runs on an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


@dataclass(frozen=True)
class Order:
    """Say what to do: ``work`` with the files at ``local`` and the name ``remote`` on the storage.

    ``config`` is the folder of a login, ``base`` the URL of the user's home on the storage and
    ``token`` the credential for it, for those who have no use for a login.
    """

    work: str
    local: str
    remote: str
    config: str
    base: str
    token: str


class Stopwatch:
    """Measure a block: seconds, seconds of processor, and bytes over the memory at its start."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    def __enter__(self) -> None:
        if _CLEAR.exists():
            _CLEAR.write_text(_RESET_PEAK)
        self._memory = _memory("VmRSS")
        self._cpu = time.process_time()
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.figures = {
            "seconds": time.perf_counter() - self._start,
            "cpu": time.process_time() - self._cpu,
            "memory": _memory("VmHWM") - self._memory,
        }


def _memory(name: str) -> int:
    if not _STATUS.exists():
        return 0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def play(work: Callable[[Order, Stopwatch], Awaitable[None]]) -> None:
    """Do what standard input asks for and print the figures."""
    order = Order(**json.load(sys.stdin))
    stopwatch = Stopwatch()

    async def run() -> None:
        await work(order, stopwatch)

    asyncio.run(run())
    print(json.dumps(stopwatch.figures))
