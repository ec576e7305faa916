"""Checks that a block left nothing behind: tasks, sockets, descriptors and files."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..threads import run_blocking

_DESCRIPTORS = "/proc/self/fd"
# The drafts of this package (storage.md §12), and the names that `tempfile` makes.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part|tmp[a-z0-9_]{8}")


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
        lines = [_described(number, target) for number, target in sorted(left.items())]
        raise LeakError("Descriptors left open:\n" + "\n".join(lines))


def _opened_since(before: dict[int, str]) -> dict[int, str]:
    return {
        number: target
        for number, target in open_descriptors().items()
        if before.get(number) != target and not target.startswith(("/dev/", "anon_inode:"))
    }


def _described(number: int, target: str) -> str:
    """Tell a socket, with its two ends, from a pipe and from a file."""
    kind = target.partition(":")[0]
    if kind == "socket":
        return f"socket {number}: {_ends(number)}"
    return f"pipe {number}" if kind == "pipe" else f"file {number}: {target}"


def _ends(number: int) -> str:
    try:
        copy = socket.socket(fileno=os.dup(number))
    except OSError:
        return "closed meanwhile"
    with copy:
        ends = []
        for name in (copy.getsockname, copy.getpeername):
            try:
                ends.append(_address(name()))
            except OSError:
                ends.append("nobody")
    return " to ".join(ends)


def _address(name: object) -> str:
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "unnamed")


class no_leaked_files:
    """Raise ``LeakError`` if the block leaves files in ``folders`` that it did not want.

    The block gets a set and adds the files and folders it wants; what is below a wanted folder is
    wanted too, except temporary files: hidden ``.part`` files and the names of ``tempfile``.
    ``with`` reads the folders here and now, ``async with`` does so in a thread.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._before: set[Path] = set()
        self._wanted: set[Path] = set()

    def __enter__(self) -> set[Path]:
        self._before = self._found()
        return self._wanted

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._check(self._found(), kind)

    async def __aenter__(self) -> set[Path]:
        self._before = await run_blocking(self._found)
        return self._wanted

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._check(await run_blocking(self._found), kind)

    def _found(self) -> set[Path]:
        return {
            Path(place, name)
            for folder in self._folders
            for place, _, names in os.walk(folder)
            for name in names
        }

    def _check(self, found: set[Path], kind: type[BaseException] | None) -> None:
        left = sorted(path for path in found - self._before if not self._is_wanted(path))
        if left and kind is None:
            raise LeakError("Files left behind:\n" + "\n".join(map(str, left)))

    def _is_wanted(self, path: Path) -> bool:
        if path in self._wanted:
            return True
        if _TEMPORARY.fullmatch(path.name):
            return False
        return any(folder in self._wanted for folder in path.parents)
