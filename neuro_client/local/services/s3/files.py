"""The bytes of objects as plain files under random names; all functions but `reading` block."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Files:
    """Keep files below a folder, spread over sub-folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._lock = threading.Lock()
        self._read: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._going: set[str] = set()

    def prepare(self) -> None:
        """Make the folder; a sub-folder is made with its first file."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    def path(self, name: str) -> str:
        """Return where a file is."""
        return os.path.join(self._folder, name[:2], name)

    def create(self) -> tuple[str, int]:
        """Make an empty file and open it."""
        name = _new_name()
        path = self.path(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return name, os.open(path, flags, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            return name, os.open(path, flags, 0o600)

    def store(self, pieces: Sequence[bytes]) -> str:
        """Write a small file at once."""
        name, handle = self.create()
        try:
            for piece in pieces:
                write_all(handle, piece)
        except BaseException:
            os.unlink(self.path(name))
            raise
        finally:
            os.close(handle)
        return name

    def link(self, name: str) -> str:
        """Give a file one more name."""
        other = _new_name()
        path = self.path(other)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.link(self.path(name), path)
        return other

    @asynccontextmanager
    async def reading(self, names: Sequence[str]) -> AsyncIterator[None]:
        """Keep files that are removed meanwhile until they are read.

        Raises:
            FileNotFoundError: they are being removed already.
        """
        with self._lock:
            if not self._going.isdisjoint(names) or not self._doomed.isdisjoint(names):
                raise FileNotFoundError("The object was replaced or removed")
            self._read.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._read.subtract(names)
                unread = [name for name in names if not self._read[name]]
                for name in unread:
                    del self._read[name]
                left = self._doomed.intersection(unread)
                self._doomed -= left
            if left:
                await asyncio.shield(asyncio.to_thread(self.remove, left))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, those that are being read afterwards; one that is gone is no error."""
        with self._lock:
            going: set[str] = set()
            for name in names:
                (self._doomed if name in self._read else going).add(name)
            self._going |= going
        for name in going:
            self._unlink(name)
        with self._lock:
            self._going -= going

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))

    def sweep(self, used: set[str]) -> int:
        """Remove what a kill left: files that nothing names. Return their number."""
        left = [name for name in self._all() if name not in used]
        self.remove(left)
        return len(left)

    def _all(self) -> Iterator[str]:
        for folder in os.scandir(self._folder):
            if folder.is_dir():
                yield from os.listdir(folder.path)


def _new_name() -> str:
    # Only the platform sees the names, so they need not be secrets, which cost a system call.
    return f"{random.getrandbits(128):032x}"


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write all bytes at the present position."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
