"""Processes that may be anybody's children: whether they live, when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from . import limits

_POLL = 0.1


def alive(pid: int, started: str) -> bool:
    """Tell whether the very process recorded still runs; a zombie does not."""
    if sys.platform != "linux":
        return psutil.pid_exists(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return False
    return fields[0] != b"Z" and fields[19].decode() == started


async def ended(pid: int, started: str) -> None:
    """Wait for the end of any process, a child or not."""
    descriptor = -1
    if hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # an old kernel: ask again and again instead
            descriptor = -1
    if descriptor < 0:
        while await asyncio.to_thread(alive, pid, started):  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(_POLL)
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        if await asyncio.to_thread(alive, pid, started):
            await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def kill_rest(found: dict[str, Any] | None, groups: list[str]) -> None:
    """Kill what a killed supervisor left: the command, and all in its control groups."""
    pids = set()
    if found is not None and alive(*found["command"]):
        pids.add(int(found["command"][0]))
    for group in groups:
        with contextlib.suppress(OSError):
            pids |= {int(pid) for pid in Path(group, "cgroup.procs").read_text().split()}
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    for _ in range(20):  # the killed ones need a moment to be gone
        limits.remove(groups)
        if not any(os.path.exists(group) for group in groups):
            break
        time.sleep(0.02)
