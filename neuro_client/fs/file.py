"""Open files of the fsspec file systems: read in ranges, written in parts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs
from fsspec.asyn import sync
from fsspec.spec import AbstractBufferedFile

from ..errors import NeuroError
from ..transfer import Body, ObjectStore, Part, Upload

Place = tuple[ObjectStore, str]
"""A store and a key in it."""
_DOUBLED_AFTER = 2000  # parts, so that what is written may have any length


class StoreFile(AbstractBufferedFile):  # type: ignore[misc]
    """Read a file in ranges, or write it in parts; it appears when it is closed.

    A ``with`` that ends in an exception drops what was written; but `fsspec.open` and text modes
    do not pass the exception on, and then the file appears as far as it was written.
    """

    closed: bool
    buffer: io.BytesIO

    def __exit__(self, *error: object) -> None:
        """Close the file; after an exception drop what was written."""
        if error[0] is not None and self.mode == "wb" and not self.closed:
            self.discard()
        super().__exit__(*error)

    def _fetch_range(self, start: int, end: int) -> bytes:
        version = self.details["version"]
        found: bytes = sync(self.fs.loop, self.fs._cat_file, self.path, start, end, version)
        return found

    def _initiate_upload(self) -> None:
        self._place: Place = sync(self.fs.loop, self.fs._at, self.path)
        self._upload: Upload | None = None
        self._parts: list[Part] = []
        self._whole: bytes | None = None

    def _upload_chunk(self, final: bool = False) -> bool:
        with self.buffer.getbuffer() as view:
            sent = 0
            while len(view) - sent > (size := self._part_size):
                self._send(bytes(view[sent : sent + size]))
                sent += size
            rest = bytes(view[sent:])
        if not final:
            self.buffer = io.BytesIO(rest)
            self.buffer.seek(0, io.SEEK_END)
            return False  # what is left is kept, until there is enough for a part
        if self._upload is None:
            self._whole = rest
        elif rest:
            self._send(rest)
        if self.autocommit:
            self.commit()
        return True

    @property
    def _part_size(self) -> int:
        """Return the length of the next part; it grows, as their number has a limit."""
        return int(self.blocksize) << len(self._parts) // _DOUBLED_AFTER

    def _send(self, data: bytes) -> None:
        with self._whole_or_nothing():
            sync(self.fs.loop, self._put_part, data)

    async def _put_part(self, data: bytes) -> None:
        store, key = self._place
        if self._upload is None:
            self._upload = await store.begin(key, 0)
        offset = sum(part.size for part in self._parts)
        number = len(self._parts) + 1
        part = await store.put_part(self._upload, number, offset, Body.of(data))
        self._parts.append(part)

    def commit(self) -> None:
        """Give the file its name."""
        with self._whole_or_nothing():
            sync(self.fs.loop, self._complete)

    async def _complete(self) -> None:
        store, key = self._place
        if self._whole is not None:
            await store.put(key, self._whole)
        elif self._upload is not None:
            size = sum(part.size for part in self._parts)
            await store.complete(attrs.evolve(self._upload, size=size), self._parts)
            self._upload = None

    def discard(self) -> None:
        """Drop what was written."""
        self.closed = True
        upload, self._upload = getattr(self, "_upload", None), None
        if upload is not None:
            with suppress(NeuroError, OSError):  # the error that led here is the one to report
                sync(self.fs.loop, self._place[0].abort, upload)

    @contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard()
            raise
