"""Checks that a test left nothing behind: tasks, sockets and descriptors."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_DESCRIPTORS = "/proc/self/fd"


class LeakError(AssertionError):
    """Report what was left behind, one item a line."""


def leaked_tasks() -> list[str]:
    """Describe the unfinished tasks of the running loop, except the current one."""
    current = asyncio.current_task()
    return [repr(task) for task in asyncio.all_tasks() if task is not current and not task.done()]


async def check_tasks(grace: float = 0.5) -> None:
    """Raise ``LeakError`` if tasks are left after ``grace`` seconds in which they may end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    # Tasks give no event when the last one ends.
    while (left := leaked_tasks()) and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    if left:
        raise LeakError("Tasks left behind:\n" + "\n".join(left))


def open_descriptors() -> dict[int, str]:
    """Return the open descriptors and what they point to; empty where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return {}
    found = {}
    for name in os.listdir(_DESCRIPTORS):
        try:
            found[int(name)] = os.readlink(f"{_DESCRIPTORS}/{name}")
        except OSError:
            continue
    return found


@contextmanager
def no_leaked_descriptors() -> Iterator[None]:
    """Raise ``LeakError`` if the block leaves files or sockets open."""
    before = open_descriptors()
    yield
    if _opened_since(before):
        # What only waits for the collector is not held by anybody; an object that warns about
        # having been left open does so now.
        gc.collect()
    left = _opened_since(before)
    if left:
        raise LeakError(
            "Descriptors left open:\n" + "\n".join(f"{n}: {t}" for n, t in sorted(left.items()))
        )


def _opened_since(before: dict[int, str]) -> dict[int, str]:
    return {
        number: target
        for number, target in open_descriptors().items()
        if before.get(number) != target and not target.startswith(("/dev/", "anon_inode:"))
    }
