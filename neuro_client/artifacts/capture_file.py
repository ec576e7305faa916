"""Read a captured file piece by piece, and notice when it changes meanwhile."""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

from .capture_scan import GONE, Found, Stamp, open_inside

T = TypeVar("T")
Piece = bytes | memoryview

MiB = 2**20
LARGE = 1024 * MiB
"""Files of more bytes are large: they are read in larger pieces, and few of them at once."""
SMALL_PIECE = MiB // 4
LARGE_PIECE = 25 * MiB
"""Half of the 50 MiB of a large file: a piece is read while the one before it is stored."""


class CaptureChangedError(OSError):
    """Report that a file changed, or went away, while it was read for the capture."""


class CaptureFile:
    """Be a file on its way into the store.

    ``name`` is its path below the captured folder, with ``/`` between the parts; a byte that is no
    UTF-8 is a surrogate. ``key`` is the same with unsafe characters as ``%XX``. ``stamp`` stands
    for this state of the file: another content has another one.
    """

    __slots__ = ("_found", "changed", "key", "name", "size", "stamp")

    def __init__(self, found: Found, key: str) -> None:
        self._found = found
        self.key = key
        self.name = found.name
        self.size = found.stamp.size
        self.stamp = str(found.stamp)
        self.changed = False
        """Whether a reader has noticed that the file is not what it was."""

    @property
    def modified(self) -> datetime:
        """Return when the file was written; 1970 for a time that no calendar has."""
        try:
            return datetime.fromtimestamp(self._found.stamp.mtime_ns / 1e9, UTC)
        except (ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(0, UTC)

    @property
    def piece(self) -> int:
        """Return the size in bytes of the pieces that the file is read in."""
        return LARGE_PIECE if self.size > LARGE else SMALL_PIECE

    @asynccontextmanager
    async def chunks(self, start: int = 0, end: int | None = None) -> AsyncIterator[Chunks]:
        """Read bytes *start* to *end* (not included), again if wanted, and several ranges at once.

        A piece is bytes, of a large file a view of bytes. It stays as it is for as long as the
        store keeps it; but all that is kept counts into the memory that a capture takes. An empty
        range has no pieces. The last one comes only when the file
        is still what it was, so whoever got all of them got one state of the file.

        Raises:
            CaptureChangedError: the file changed; nothing of it may be kept.
        """
        end = self.size if end is None else end
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"There are no bytes {start} to {end} in a file of {self.size}")
        chunks = Chunks(self, self._found, start, end)
        try:
            yield chunks
        finally:
            chunks.close()


class Chunks(AsyncIterator[Piece]):
    """Iterate over the pieces of a range; see `CaptureFile.chunks`."""

    def __init__(self, file: CaptureFile, found: Found, start: int, end: int) -> None:
        self._file = file
        self._found = found
        self._position = start
        self._end = end
        self._fd = -1
        self._checked = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Piece:
        if self._checked and self._position == self._end:
            raise StopAsyncIteration
        piece = await in_thread(self._read)
        if not piece:
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        """Release the descriptor; no piece comes any more."""
        fd, self._fd = self._fd, -1
        self._position, self._checked = self._end, True
        if fd >= 0:
            os.close(fd)

    def _read(self) -> Piece:
        if self._fd < 0:
            self._open()
        want = min(self._file.piece, self._end - self._position)
        piece = _read_piece(self._fd, want)
        self._position += len(piece)
        self._check(os.fstat(self._fd))
        if len(piece) < want:
            raise self._changed("is shorter than it was")
        return piece

    def _open(self) -> None:
        try:
            self._fd = open_inside(self._found.root, self._found.below)
        except OSError as error:
            if error.errno in GONE:
                raise self._changed("is not there any more") from error
            raise
        self._check(os.fstat(self._fd))
        os.lseek(self._fd, self._position, os.SEEK_SET)

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or Stamp.of(found) != self._found.stamp:
            raise self._changed("changed while it was read")
        self._checked = True

    def _changed(self, how: str) -> CaptureChangedError:
        self._file.changed = True
        return CaptureChangedError(errno.ESTALE, f"The file {how}", self._file.name)


def _read_piece(fd: int, size: int) -> Piece:
    """Read *size* bytes, less only at the end of the file."""
    if size <= MiB:
        return os.read(fd, size)
    # The heap would keep large pieces for itself when they are gone; a mapping is given back.
    memory = memoryview(mmap.mmap(-1, size))
    got = 0
    with open(fd, "rb", buffering=0, closefd=False) as file:
        while got < size and (count := file.readinto(memory[got:])):
            got += count
    return memory[:got].toreadonly()


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run *function* in a thread; a cancelled caller waits for its end, then leaves."""
    work = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):  # the first one is raised below
                await asyncio.wait([work])
        work.exception()
        raise
