"""Objects like files: reading anywhere, writing piece by piece (aistore.md §16.3, §16.4)."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Self

from ...concurrency import finish
from ...errors import NotSupportedError, SourceChangedError
from .attributes import ObjectAttributes, is_of
from .multipart import ABORT_TIME, MultipartUpload, ending
from .parallel import still_there

if TYPE_CHECKING:
    from .object import Object


class ObjectFileReader:
    """Read an object from any position; a buffer of one range is kept."""

    def __init__(self, source: Object, buffer_size: int) -> None:
        if buffer_size < 1:
            raise ValueError(f"buffer_size must be positive, not {buffer_size}")
        self._object = source
        self._step = buffer_size
        self._attributes: ObjectAttributes | None = None
        self._buffer = b""
        self._start = 0
        self._position = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._head()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the buffer; nothing can be read afterwards."""
        self._closed = True
        self._buffer = b""

    @property
    def closed(self) -> bool:
        """Tell whether `close` was called."""
        return self._closed

    async def size(self) -> int:
        """Return the size of the object in bytes."""
        return (await self._head()).size

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._position

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position and return it; behind the end there is nothing to read."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += await self.size()
        elif whence != io.SEEK_SET:
            raise ValueError(f"whence is 0, 1 or 2, not {whence}")
        if offset < 0:
            raise ValueError(f"the position cannot be negative, {offset}")
        self._position = offset
        return offset

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, all that is left if negative; fewer only at the end."""
        if self._closed:
            raise ValueError("the file is closed")
        left = max(0, await self.size() - self._position)
        wanted = left if size < 0 else min(size, left)
        pieces = []
        while wanted:
            piece = self._buffered(wanted)
            if not piece:
                self._buffer = await self._fetch(max(self._step, wanted), left)
                self._start = self._position
                continue
            pieces.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _buffered(self, wanted: int) -> bytes:
        begin = self._position - self._start
        return self._buffer[begin : begin + wanted] if 0 <= begin < len(self._buffer) else b""

    async def _fetch(self, size: int, left: int) -> bytes:
        last = self._position + min(size, left) - 1
        reader = self._object.get(byte_range=f"bytes={self._position}-{last}")
        async with still_there(self._object.uri):
            data = await reader.read_all()
        expected = await self._head()
        own = self._object.bucket.has_sums_of_parts
        if not data or not await is_of(reader.attributes, expected.version_tag, own):
            raise SourceChangedError(
                f"{self._object.uri} changed while it was read; open it again",
                entry=self._object.uri,
            )
        return data

    async def _head(self) -> ObjectAttributes:
        if self._attributes is None:
            self._attributes = await self._object.props()
        return self._attributes


class ObjectFileWriter:
    """Write an object piece by piece; it appears when the file is closed, not before.

    Leaving the block by an error drops what was written. Servers before 4.0 have no parts: there
    the object is emptied first and grows when the file is closed.
    """

    def __init__(self, target: Object, buffer_size: int) -> None:
        if buffer_size < 1:
            raise ValueError(f"buffer_size must be positive, not {buffer_size}")
        self._object = target
        self._step = buffer_size
        self._buffer = bytearray()
        self._upload: MultipartUpload | None = None
        self._turn = asyncio.Lock()
        self._parts = 0
        self._handle = ""
        self._position = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.close()
        else:
            await self._drop()

    @property
    def closed(self) -> bool:
        """Tell whether the file is closed."""
        return self._closed

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._position

    async def write(self, data: bytes) -> int:
        """Write bytes and return their number."""
        if self._closed:
            raise ValueError("the file is closed")
        self._buffer += data
        self._position += len(data)
        if len(self._buffer) >= self._step:
            await self.flush()
            if self._closed:
                raise ValueError("another write failed meanwhile and dropped what was written")
        return len(data)

    async def flush(self) -> None:
        """Send what is buffered; the object does not appear yet."""
        async with self._turn:
            await self._flush()

    async def _flush(self) -> None:
        if not self._buffer:
            return
        data = bytes(self._buffer)
        self._buffer.clear()
        try:
            await self._send(data)
        except BaseException:
            # Whether it arrived is unknown, so nothing can follow it.
            await self._drop()
            raise

    async def close(self) -> None:
        """Send the rest and let the object appear; closing again does nothing."""
        async with self._turn:
            await self._close()

    async def _close(self) -> None:
        if self._closed:
            return
        if self._upload is None and not self._handle:
            self._closed = True
            await self._object.put_content(bytes(self._buffer))  # small enough for one request
            return
        await self._flush()
        self._closed = True
        if self._upload is not None:
            async with ending(self._upload):
                await self._upload.complete()
        else:
            await self._object.append_content(b"", self._handle, flush=True)

    async def _send(self, data: bytes) -> None:
        if not self._parts:
            try:
                self._upload = await self._object.multipart_upload().create()
            except NotSupportedError:
                await self._object.put_content(b"")
        self._parts += 1
        if self._upload is not None:
            await self._upload.put_part(self._parts, data)
        else:
            self._handle = await self._object.append_content(data, self._handle)

    async def _drop(self) -> None:
        self._closed = True
        self._buffer.clear()
        if self._upload is not None:
            await finish(self._upload.abort(), ABORT_TIME)
