"""Read, write and look at local files; everything here blocks and runs in the disk threads."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import SourceChangedError
from .models import SLICE, Entry, EntryKind
from .store import Chunk

BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_MAX_VECTOR = 512
_seeking = threading.Lock()


def version_of(found: os.stat_result) -> str:
    """Return what identifies the content of a file: inode, size and time."""
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


def describe(path: Path, key: str) -> Entry:
    """Describe what is at *path*, links followed."""
    return _entry(key, path.stat())


def scan(path: Path, key: str) -> list[Entry]:
    """Describe what is in the directory *path*, in the order of the file system."""
    start = f"{key}/" if key and not key.endswith("/") else key
    entries = []
    with os.scandir(path) as found:
        for item in found:
            try:
                item.name.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(item.name).decode("utf-8", "backslashreplace")
                reason = "its name is not valid UTF-8"
                entries.append(Entry(start + shown, EntryKind.OTHER, reason=reason))
                continue
            entries.append(_child(item, start + item.name))
    return entries


def _child(item: os.DirEntry[str], key: str) -> Entry:
    try:
        return _entry(key, item.stat())
    except OSError as error:
        if not item.is_symlink():
            raise
        reason = "it is a link in a circle" if error.errno == errno.ELOOP else "it is a broken link"
        return Entry(key, EntryKind.OTHER, reason=reason)


def _entry(key: str, found: os.stat_result) -> Entry:
    if stat.S_ISREG(found.st_mode):
        return Entry(key, EntryKind.FILE, found.st_size, found.st_mtime, version_of(found))
    if stat.S_ISDIR(found.st_mode):
        return Entry(key, EntryKind.DIRECTORY, mtime=found.st_mtime)
    reason = "it is neither a file nor a directory"
    return Entry(key, EntryKind.OTHER, found.st_size, found.st_mtime, reason=reason)


class _Descriptor:
    """Own a file descriptor; `close` may be called again."""

    fd = -1

    def close(self) -> None:
        """Release the descriptor."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class Reader(_Descriptor):
    """Read a range of a file slice by slice and notice if it changes meanwhile.

    The first call opens the file, the last one closes it. The descriptor is kept here, where a
    cancelled caller finds it.
    """

    def __init__(
        self, path: Path | str, key: str, start: int, end: int | None, version: str | None
    ) -> None:
        self._path = path
        self._key = key
        self._position = start
        self._end = end
        self._version = version
        self.ended = False

    def read(self) -> bytes:
        """Return the next slice; set ``ended`` with the last one."""
        if self.fd < 0:
            self._open()
        assert self._end is not None
        want = min(SLICE, self._end - self._position)
        data = read_at(self.fd, want, self._position) if want else b""
        self._position += len(data)
        if len(data) < want:
            raise self._changed()
        if self._position >= self._end:
            self._check(os.fstat(self.fd))
            self.ended = True
            self.close()
        return data

    def _open(self) -> None:
        self.fd = os.open(self._path, os.O_RDONLY | BINARY)
        found = os.fstat(self.fd)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self._path))
        if self._version is None:
            self._version = version_of(found)
        self._check(found)
        self._end = found.st_size if self._end is None else min(self._end, found.st_size)
        self._position = min(self._position, self._end)

    def _check(self, found: os.stat_result) -> None:
        if version_of(found) != self._version:
            raise self._changed()

    def _changed(self) -> SourceChangedError:
        return SourceChangedError(
            f"{str(self._path)!r} changed while it was read; copy it again when nobody writes it",
            entry=self._key,
        )


class Writer(_Descriptor):
    """Write slices of a file, opened with the first one, or at once in a ``with`` block."""

    def __init__(self, path: Path | str, *, create: bool, mode: int | None = None) -> None:
        self._path = path
        self._flags = os.O_WRONLY | BINARY | (os.O_CREAT | os.O_EXCL if create else 0)
        self._mode = mode
        self._regular = True

    def open(self) -> None:
        """Open the file; a new one gets the mode of the file it is to replace."""
        self.fd = os.open(self._path, self._flags, 0o666)
        if not self._flags & os.O_CREAT:
            self._regular = stat.S_ISREG(os.fstat(self.fd).st_mode)
        self._set_mode()

    def _set_mode(self) -> None:
        if self._mode is not None and sys.platform != "win32":
            os.fchmod(self.fd, stat.S_IMODE(self._mode))

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, chunks: Sequence[Chunk], offset: int) -> None:
        """Write *chunks* one behind the other from *offset* on; errors name the file."""
        if self.fd < 0:
            self.open()
        try:
            self._write(chunks, offset)
        except OSError as error:
            if error.filename is None:
                error.filename = str(self._path)
            raise

    def _write(self, chunks: Sequence[Chunk], offset: int) -> None:
        if self._regular:
            write_at(self.fd, chunks, offset)
            return
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self.fd, view) :]

    def write_last(self, chunks: Sequence[Chunk], offset: int) -> None:
        """Do `write` and close the file."""
        self.write(chunks, offset)
        self.close()


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Read up to *size* bytes at *offset*, less only at the end of the file."""
    data = _pread(fd, size, offset)
    if len(data) in (0, size):
        return data
    pieces = [data]
    got = len(data)
    while got < size and (data := _pread(fd, size - got, offset + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


def write_at(fd: int, chunks: Sequence[Chunk], offset: int) -> None:
    """Write all *chunks* from *offset* on."""
    views = [memoryview(chunk) for chunk in chunks if len(chunk)]
    first = 0
    while first < len(views):
        count = _pwritev(fd, views[first : first + _MAX_VECTOR], offset)
        offset += count
        while first < len(views) and count >= len(views[first]):
            count -= len(views[first])
            first += 1
        if count:
            views[first] = views[first][count:]


def _pread(fd: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    with _seeking:  # Windows: a descriptor has one position
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)


def _pwritev(fd: int, views: Sequence[memoryview], offset: int) -> int:
    if hasattr(os, "pwritev"):
        return os.pwritev(fd, views, offset)
    with _seeking:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, views[0])
