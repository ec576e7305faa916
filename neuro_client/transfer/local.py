"""Keep objects in a local directory: positional I/O, a temporary name, then a rename."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ..concurrency import finish, scoped_iterator
from ..errors import TransferError
from ..threads import run_blocking, run_short
from .drafts import Draft, temporary
from .files import Reader, Writer, describe, scan
from .models import SLICE, Entry, Part, Upload
from .plan import check_name, check_windows_name
from .store import Announce, Body, Capabilities, Chunk

_SMALL = 2**17
"""Bytes that a disk's cache takes or gives in less time than a hop to a thread costs."""

_check = check_windows_name if sys.platform == "win32" else check_name


class LocalStore:
    """Keep objects below the absolute path *root*; a key cannot lead out of it, links included.

    The empty key is *root* itself, which may be a file as well. All file calls run in the disk
    threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Text, not paths, where each small file passes: making a `Path` costs as much as a call.
        self._base = os.fspath(root)
        self._inside: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:
        """Say what the store can do."""
        return Capabilities(keeps=True, joins_parts=True, near=True)

    def path(self, key: str) -> Path:
        """Return the path of *key*; raise `TransferError` if it could lie outside the root."""
        if not key:
            return self._root
        for name in key.split("/"):
            _check(name)
        return self._root / key

    def _text(self, key: str) -> str:
        """Do `path` as text."""
        if not key:
            return self._base
        for name in key.split("/"):
            _check(name)
        return os.path.join(self._base, key)

    def _confine(self, directory: str) -> None:
        """Refuse a directory that a link puts outside the root; the disk threads call it."""
        root = self._base
        if directory in self._inside or directory in (root, os.path.dirname(root)):
            return  # only the root itself has its parent for a directory
        real = os.path.realpath(directory)
        if os.path.commonpath((real, base := os.path.realpath(root))) != base:
            raise TransferError(
                f"refused to write into {directory!r}: a link leads it to {real!r}, outside "
                f"{root!r}; remove the link or choose another target"
            )
        self._inside.add(directory)

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a directory in the order of the file system; links are followed."""
        pending = [prefix]
        while pending:
            current = pending.pop()
            for entry in await run_blocking(scan, self.path(current), current):
                yield entry
                if recursive and entry.is_dir:
                    pending.append(entry.key)

    async def head(self, key: str) -> Entry:
        """Describe what is under *key*; links are followed."""
        return await run_blocking(describe, self.path(key), key)

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range in slices, each in one hop; a small file takes one hop in all."""
        reader = Reader(self.path(key), key, start, end, version)
        short = end is not None and end - start <= _SMALL
        run = run_short if short else run_blocking
        try:
            while not reader.ended:
                data = await run(reader.read)
                if data:
                    yield data
        finally:
            reader.close()

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        """Read a whole short file in one hop."""
        reader = Reader(self._text(key), key, 0, size, version)
        try:
            return await (run_short if size <= _SMALL else run_blocking)(reader.read)
        finally:
            reader.close()

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole file in one hop."""
        run = run_short if len(body) <= _SMALL else run_blocking
        await run(self._put, self._text(key), body)

    def _put(self, path: str, body: bytes) -> None:
        directory = os.path.dirname(path)
        self._confine(directory)
        try:
            self._write(path, body)
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            self._write(path, body)

    @staticmethod
    def _write(path: str, body: bytes) -> None:
        mode = _replaceable(path)
        if mode is not None and not stat.S_ISREG(mode):
            with Writer(path, create=False) as writer:
                writer.write([body], 0)
            return
        with Draft(path, mode) as draft:
            draft.publish(body)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open a file beside the final name, or the file itself to go on with it."""
        path = self.path(key)
        draft = path.with_name(temporary(path.name))
        if announce is not None and not keep:
            await announce(Upload(key, draft.name, size))
        try:
            return await run_blocking(self._begin, path, draft, key, size, keep)
        except BaseException:
            await finish(_unlink(draft))
            raise

    def _begin(self, path: Path, draft: Path, key: str, size: int, keep: int) -> Upload:
        self._confine(os.fspath(path.parent))
        mode = _replaceable(os.fspath(path))
        if keep or (mode is not None and not stat.S_ISREG(mode)):
            if keep:
                os.truncate(path, keep)
            return Upload(key, "", size, serial=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Writer(draft, create=True, mode=mode):
            return Upload(key, draft.name, size)

    def _draft(self, upload: Upload) -> Path:
        path = self.path(upload.key)
        return path.with_name(_check(upload.id)) if upload.id else path

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write a part, each slice in one hop."""
        writer = Writer(self._draft(upload), create=False)
        position = offset
        pending: list[Chunk] = []
        size = 0
        try:
            async for chunk in body.open():
                pending.append(chunk)
                size += len(chunk)
                if size >= SLICE:
                    await run_blocking(writer.write, pending, position)
                    position += size
                    pending, size = [], 0
            await run_blocking(writer.write_last, pending, position)
        finally:
            writer.close()
        return Part(number, offset, position + size - offset)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Confirm what lies within the file, which does not tell which bytes were written."""
        draft = self._draft(upload)

        def look() -> os.stat_result:
            self._confine(os.fspath(draft.parent))
            return draft.stat()

        found = await run_blocking(look)
        return [part for part in known if part.offset + part.size <= found.st_size]

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Check the length and give the file its final name."""
        draft, path = self._draft(upload), self.path(upload.key)
        await run_blocking(_complete, draft, path, upload)

    async def abort(self, upload: Upload) -> None:
        """Remove the unfinished file; one that is continued in place stays."""
        if upload.id:
            await finish(_unlink(self._draft(upload)))

    async def delete(self, key: str) -> None:
        """Remove a file, or a directory with all below it; links are not followed."""
        await run_blocking(_delete, self.path(key))

    async def make_dir(self, key: str) -> None:
        """Make a directory and its parents."""
        await run_blocking(self._make_dir, self.path(key))

    def _make_dir(self, path: Path) -> None:
        self._confine(os.fspath(path))
        path.mkdir(parents=True, exist_ok=True)

    async def folds_names(self, key: str) -> bool:
        """Find out whether the file system takes upper and lower case for the same."""
        return await run_blocking(_folds, self.path(key))


def _replaceable(path: str) -> int | None:
    """Return the mode of what is to be replaced, None if nothing is; refuse a directory."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "cannot write a file over a directory", path)
    return found.st_mode


def _complete(draft: Path, path: Path, upload: Upload) -> None:
    found = draft.stat()
    if stat.S_ISREG(found.st_mode) and found.st_size != upload.size:
        raise TransferError(
            f"{str(draft)!r} has {found.st_size} bytes instead of {upload.size}; "
            "somebody else writes to it, or the disk lost data: try again"
        )
    if upload.id:
        os.replace(draft, path)


async def _unlink(path: Path) -> None:
    await run_blocking(lambda: path.unlink(missing_ok=True))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _folds(directory: Path) -> bool:
    name = f".case-{secrets.token_hex(4)}"
    probe = directory / f"{name}-a"
    probe.touch()
    try:
        return (directory / f"{name}-A").exists()
    finally:
        probe.unlink()
