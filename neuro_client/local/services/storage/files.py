"""Files below one root, by names that cannot leave it; all functions block.

A link inside the storage, which a job may have made, is shown, but never followed out of the root,
nor to where whoever asks could not go without it.
"""

from __future__ import annotations

import copy
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import attrs


@attrs.frozen
class FileInfo:
    """Describe one entry; ``length`` in bytes, ``modified`` in whole seconds of the epoch."""

    name: str
    kind: str
    length: int
    modified: int


@attrs.frozen
class Removed:
    """Name one removed item by its path below the root."""

    path: str
    is_dir: bool


def split_path(raw_path: str) -> tuple[str, ...]:
    """Return the decoded components of a URL path; ``..`` stops at the root."""
    parts: list[str] = []
    for part in unquote(raw_path, errors="surrogateescape").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


class Root:
    """Do file operations below a folder; ``drafts`` is on the same file system, out of sight."""

    def __init__(self, folder: Path, drafts: Path) -> None:
        self._folder = os.path.realpath(folder)
        self._drafts = str(drafts)
        self._allowed: Callable[[Sequence[str]], bool] | None = None

    def seen_by(self, allowed: Callable[[Sequence[str]], bool]) -> Root:
        """Return the same root for somebody: links lead only to what is ``allowed``.

        ``allowed`` gets the parts of the path that a link leads to, in any thread.
        """
        found = copy.copy(self)
        found._allowed = allowed
        return found

    def resolve(self, parts: Sequence[str], *, follow: bool = False) -> str:
        """Return the path of an entry, whose last component is not followed unless asked for."""
        if any("\0" in part for part in parts):
            raise OSError(errno.EINVAL, "A name cannot have a NUL character")
        path = os.path.join(self._folder, *parts)
        checked = path if follow or not parts else os.path.dirname(path)
        real = os.path.realpath(checked)
        if real != checked and not self._may_follow(real):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return path

    def _may_follow(self, real: str) -> bool:
        if real != self._folder and not real.startswith(f"{self._folder}/"):
            return False
        parts = real[len(self._folder) + 1 :].split("/")
        return self._allowed is None or self._allowed(parts)

    def info(self, parts: Sequence[str]) -> FileInfo:
        """Describe an entry, a link as itself."""
        return _info(parts[-1] if parts else "", os.lstat(self.resolve(parts)))

    def list(self, parts: Sequence[str]) -> list[FileInfo]:
        """Describe what a folder holds."""
        found = []
        with os.scandir(self.resolve(parts, follow=True)) as entries:
            for entry in entries:
                try:
                    found.append(_info(entry.name, entry.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    continue
        return found

    def usage(self, parts: Sequence[str]) -> tuple[int, int, int]:
        """Return total, used and free bytes of the file system that holds an entry."""
        usage = shutil.disk_usage(self.resolve(parts, follow=True))
        return usage.total, usage.used, usage.free

    def make_dirs(self, parts: Sequence[str]) -> None:
        """Make a folder and its parents; an existing folder is fine."""
        _make_dirs(self.resolve(parts))

    def rename(self, source: Sequence[str], target: Sequence[str]) -> None:
        """Move an entry, over another one where the system allows it."""
        if not source or not target:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        os.rename(self.resolve(source), self.resolve(target))

    def open_draft(self) -> tuple[int, str]:
        """Open a new file out of sight."""
        path = os.path.join(self._drafts, uuid.uuid4().hex)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path

    def publish(self, draft: str, parts: Sequence[str]) -> None:
        """Give a draft its final name, in one step, making parents."""
        target = self._target(parts)
        try:
            os.rename(draft, target)
        except FileNotFoundError:
            _make_dirs(os.path.dirname(target))
            os.rename(draft, target)

    def create(self, parts: Sequence[str], data: bytes) -> None:
        """Write a whole small file, in one step."""
        handle, draft = self.open_draft()
        try:
            try:
                write_all(handle, [data], 0)
            finally:
                os.close(handle)
            self.publish(draft, parts)
        except BaseException:
            os.unlink(draft)
            raise

    def open_for_write(self, parts: Sequence[str]) -> int:
        """Open an existing file to change it."""
        return self._open(parts, os.O_WRONLY)[0]

    def open_for_read(self, parts: Sequence[str]) -> tuple[int, os.stat_result]:
        """Open a file; folders, links and special files are refused."""
        return self._open(parts, os.O_RDONLY)

    def _open(self, parts: Sequence[str], mode: int) -> tuple[int, os.stat_result]:
        path = self.resolve(parts)
        # Without O_NONBLOCK a pipe would wait for its other end.
        handle = os.open(path, mode | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "Not a regular file", path)
        except BaseException:
            os.close(handle)
            raise
        return handle, status

    def remove(self, parts: Sequence[str], *, recursive: bool) -> Iterator[Removed]:
        """Remove an entry, children before their folder; links are removed, not followed."""
        path = self.resolve(parts)
        is_dir = stat.S_ISDIR(os.lstat(path).st_mode)
        if is_dir and not recursive:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not parts:
            raise OSError(errno.EBUSY, "The root of the storage cannot be removed")
        yield from _remove(path, "/" + "/".join(parts), is_dir)

    def _target(self, parts: Sequence[str]) -> str:
        if not parts:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # Parents may be missing, so what exists of them is checked.
        existing = list(parts[:-1])
        while existing and not os.path.lexists(os.path.join(self._folder, *existing)):
            existing.pop()
        self.resolve(existing, follow=True)
        target = os.path.join(self._folder, *parts)
        parent = os.path.dirname(target)
        if os.path.lexists(parent) and not os.path.isdir(parent):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), parent)
        if any("\0" in part for part in parts):
            raise OSError(errno.EINVAL, "A name cannot have a NUL character")
        return target


def write_all(handle: int, chunks: Sequence[bytes], offset: int) -> int:
    """Write chunks one after another from ``offset``; return the offset after them."""
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            written = os.pwrite(handle, view, offset)
            offset += written
            view = view[written:]
    return offset


def _make_dirs(path: str) -> None:
    """Make a folder and its parents, however deep."""
    missing = [path]
    while not os.path.lexists(missing[-1]):
        missing.append(os.path.dirname(missing[-1]))
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            # A file among the parents is told about by the next step.
            if folder == path and not os.path.isdir(folder):
                raise


def _remove(path: str, name: str, is_dir: bool) -> Iterator[Removed]:
    """Remove an entry with all below it, however deep."""
    if not is_dir:
        os.unlink(path)
        yield Removed(name, False)
        return
    open_folders = [(path, name, _children(path))]
    while open_folders:
        path, name, children = open_folders[-1]
        if not children:
            os.rmdir(path)
            open_folders.pop()
            yield Removed(name, True)
            continue
        child, child_is_dir = children.pop()
        below = os.path.join(path, child)
        if child_is_dir:
            open_folders.append((below, f"{name}/{child}", _children(below)))
        else:
            os.unlink(below)
            yield Removed(f"{name}/{child}", False)


def _children(path: str) -> list[tuple[str, bool]]:
    with os.scandir(path) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def _info(name: str, status: os.stat_result) -> FileInfo:
    if stat.S_ISDIR(status.st_mode):
        kind, length = "DIRECTORY", 0
    elif stat.S_ISLNK(status.st_mode):
        kind, length = "SYMLINK", 1
    else:
        kind, length = "FILE", status.st_size
    return FileInfo(name, kind, length, int(status.st_mtime))
