"""Keep objects in memory: the reference implementation of `ObjectStore`, for tests and examples."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Sequence

import attrs

from ..concurrency import scoped_iterator
from ..errors import SourceChangedError
from .models import Entry, EntryKind, Part, Upload
from .store import Announce, Body, Capabilities, Chunk

_CHUNK = 64 * 1024


@attrs.frozen
class _Object:
    data: bytes
    mtime: float
    version: str


class MemoryStore:
    """Keep objects and directories in a dictionary.

    >>> import asyncio
    >>> store = MemoryStore()
    >>> asyncio.run(store.put("a/b", b"text"))
    >>> asyncio.run(store.head("a/b")).size
    4
    """

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self._capabilities = capabilities or Capabilities(keeps=True)
        self.objects: dict[str, _Object] = {}
        self.dirs: set[str] = {""}
        self.uploads: dict[str, dict[int, tuple[Part, bytes]]] = {}
        self._numbers = itertools.count(1)

    @property
    def capabilities(self) -> Capabilities:
        """Say what the store can do."""
        return self._capabilities

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a directory, in the order of the keys."""
        if prefix in self.objects:
            raise NotADirectoryError(f"{prefix!r} is not a directory")
        if prefix not in self.dirs:
            raise FileNotFoundError(f"there is no directory {prefix!r}")
        start = f"{prefix}/" if prefix else ""
        for key in sorted((self.dirs | self.objects.keys()) - {""}):
            if key.startswith(start) and (recursive or "/" not in key[len(start) :]):
                yield self._entry(key)

    async def head(self, key: str) -> Entry:
        """Describe what is under *key*."""
        return self._entry(key)

    def _entry(self, key: str) -> Entry:
        if key in self.dirs:
            return Entry(key, EntryKind.DIRECTORY)
        found = self._object(key)
        return Entry(key, EntryKind.FILE, len(found.data), found.mtime, found.version)

    def _object(self, key: str) -> _Object:
        if key in self.dirs:
            raise IsADirectoryError(f"{key!r} is a directory")
        if key not in self.objects:
            raise FileNotFoundError(f"there is no object {key!r}")
        return self.objects[key]

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range of an object."""
        found = self._object(key)
        if version is not None and version != found.version:
            raise SourceChangedError(f"{key!r} changed while it was read", entry=key)
        stop = len(found.data) if end is None else min(end, len(found.data))
        for offset in range(start, stop, _CHUNK):
            yield found.data[offset : min(offset + _CHUNK, stop)]

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        if key in self.dirs:
            raise IsADirectoryError(f"{key!r} is a directory")
        await self.make_dir(key.rpartition("/")[0])
        self.objects[key] = _Object(bytes(body), time.time(), f"v{next(self._numbers)}")

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open an object for writing in parts."""
        if key in self.dirs:
            raise IsADirectoryError(f"{key!r} is a directory")
        upload = Upload(key, f"u{next(self._numbers)}", size, serial=bool(keep))
        if announce is not None and not keep:
            await announce(upload)
        self.uploads[upload.id] = {}
        if keep:
            data = self._object(key).data[:keep]
            self.uploads[upload.id][0] = (Part(0, 0, keep), data)
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part."""
        data = await body.read()
        part = Part(number, offset, len(data), f"t{next(self._numbers)}")
        self.uploads[upload.id][number] = (part, data)
        return part

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Tell which parts have arrived."""
        if upload.id not in self.uploads:
            raise FileNotFoundError(f"there is no unfinished upload {upload.id!r}")
        stored = self.uploads[upload.id]
        return [stored[number][0] for number in sorted(stored) if number]

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Join the parts under the final key."""
        stored = self.uploads[upload.id]
        data = bytearray()
        for part, piece in sorted(stored.values(), key=lambda item: item[0].offset):
            if part.offset != len(data):
                raise ValueError(f"the parts of {upload.key!r} do not join at {part.offset}")
            data += piece
        if len(data) != upload.size:
            raise ValueError(f"{upload.key!r} has {len(data)} bytes instead of {upload.size}")
        await self.put(upload.key, bytes(data))
        del self.uploads[upload.id]

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload."""
        self.uploads.pop(upload.id, None)

    async def delete(self, key: str) -> None:
        """Remove an object, or a directory with all below it."""
        self._entry(key)
        below = f"{key}/"
        self.dirs = {name for name in self.dirs if name != key and not name.startswith(below)}
        for name in [name for name in self.objects if name == key or name.startswith(below)]:
            del self.objects[name]

    async def make_dir(self, key: str) -> None:
        """Make a directory and its parents."""
        while key:
            if key in self.objects:
                raise NotADirectoryError(f"{key!r} is not a directory")
            self.dirs.add(key)
            key = key.rpartition("/")[0]
