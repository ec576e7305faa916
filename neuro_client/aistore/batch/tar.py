"""Read an archive as it arrives, one member in memory at a time (aistore.md §8.3, §16.1)."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

import attrs

from ...errors import NotSupportedError, ProtocolError
from ...threads import run_blocking

TAR, LZ4 = ".tar", ".tar.lz4"
PACKED = (".tgz", ".tar.gz")
TARS = (*PACKED, LZ4, TAR)
"""Endings of what can be read as it arrives."""

_BLOCK = tarfile.BLOCKSIZE
_INLINE = 2**13
"""Packed bytes that are unpacked on the loop: a hop to a thread would cost more."""
_STEP = 2**20
_GZIP = zlib.MAX_WBITS | 16
_LONG_NAME, _PAX, _PAX_GLOBAL, _LONG_LINK = b"L", b"x", b"g", b"K"
_WITHOUT_CONTENT = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
"""Links, devices, folders and pipes."""
_MOST_OF_A_NAME = 2**20


class BrokenArchive(ProtocolError):
    """Report an archive that cannot be read; ``cut`` tells that its end did not arrive."""

    cut = False


def cut_off(what: str) -> BrokenArchive:
    """Report an archive whose end did not arrive."""
    error = BrokenArchive(f"The archive ended in {what}; it was cut off, read it again")
    error.cut = True
    return error


class Stream:
    """Read chunks as a stream of bytes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    async def some(self) -> bytes:
        """Return the next bytes, as many as there are; empty at the end."""
        if self._at < len(self._chunk):
            found = self._chunk[self._at :]
            self._at = len(self._chunk)
            return found
        async for found in self._chunks:
            if found:
                return found
        return b""

    def put_back(self, data: bytes) -> None:
        """Let `some` return these bytes first."""
        self._chunk = data + self._chunk[self._at :]
        self._at = 0

    async def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        end = self._at + size
        if end <= len(self._chunk):
            found = self._chunk[self._at : end]
            self._at = end
            return found
        parts, missing = [], size
        while missing and (chunk := await self.some()):
            if len(chunk) > missing:
                self._chunk, self._at = chunk, missing
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def skip(self, size: int) -> int:
        """Pass over so many bytes; return how many there were."""
        left = size
        while left and (chunk := await self.some()):
            if len(chunk) > left:
                self._chunk, self._at = chunk, left
                return size
            left -= len(chunk)
        return size - left

    async def drain(self) -> None:
        """Read to the end."""
        while await self.some():
            pass


@attrs.frozen
class Entry:
    """Describe a regular file of an archive."""

    name: str
    size: int


class TarReader:
    """Step through the files of a tar; what is not read of one is passed over by the next step.

    Folders, links and other things that are no files are left out.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0
        self._common: dict[str, str] = {}
        self.complete = False

    async def next(self) -> Entry | None:
        """Return the next file, None behind the last; ``complete`` then tells of an end mark.

        Raises:
            BrokenArchive: it is none, or was cut off.
        """
        own = dict(self._common)
        while True:
            await self._finish()
            block = await self._stream.read(_BLOCK)
            if not block:
                return None
            if not block.strip(b"\0"):
                if len(block) < _BLOCK:
                    raise cut_off("a header")
                self.complete = True
                return None
            info = _header(block)
            self._expect(info.size if info.type not in _WITHOUT_CONTENT else 0)
            if info.type in (_LONG_NAME, _LONG_LINK):
                text = await self._text()
                if info.type == _LONG_NAME:
                    own["path"] = text.partition("\0")[0]
            elif info.type in (_PAX, _PAX_GLOBAL):
                found = _records((await self._text()).encode("utf-8", "surrogateescape"))
                own |= found
                if info.type == _PAX_GLOBAL:
                    self._common |= found
            elif info.type in tarfile.REGULAR_TYPES and not info.name.endswith("/"):
                return self._entry(info, own)
            else:
                if "size" in own and info.type not in _WITHOUT_CONTENT:
                    self._expect(_number(own["size"]))
                own = dict(self._common)

    def _entry(self, info: tarfile.TarInfo, own: dict[str, str]) -> Entry:
        if info.type == tarfile.GNUTYPE_SPARSE or "GNU.sparse.major" in own:
            raise BrokenArchive(f"{info.name!r} is stored with holes, which cannot be read here")
        size = _number(own["size"]) if "size" in own else info.size
        self._expect(size)
        return Entry(own.get("path", info.name), size)

    async def content(self) -> bytes:
        """Return the content of the current file, or what is left of it."""
        size, self._left = self._left, 0
        found = await self._stream.read(size)
        if len(found) < size:
            raise cut_off("a file")
        return found

    def _expect(self, size: int) -> None:
        self._left = size
        self._padding = -size % _BLOCK

    async def _text(self) -> str:
        if self._left > _MOST_OF_A_NAME:
            raise BrokenArchive(f"The archive has a name of {self._left} bytes; it is no tar")
        return (await self.content()).decode("utf-8", "surrogateescape")

    async def _finish(self) -> None:
        size = self._left + self._padding
        if size and await self._stream.skip(size) < size:
            raise cut_off("a file")
        self._left = self._padding = 0


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]
        raise cut_off("a header") from None
    except tarfile.HeaderError as error:
        raise BrokenArchive(f"The archive is no tar, or is damaged: {error}") from None
    if info.size < 0:
        raise BrokenArchive(f"The archive is damaged: {info.name!r} has {info.size} bytes")
    return info


def _records(data: bytes) -> dict[str, str]:
    """Read the extended header of POSIX: ``LENGTH KEY=VALUE`` and a line end, many times."""
    found, at = {}, 0
    while at < len(data):
        length, space, _ = data[at : at + 20].partition(b" ")
        end = at + int(length) if space and length.isdigit() else 0
        record = data[at + len(length) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end <= at or end > len(data) or not record.endswith(b"\n") or not equals:
            raise BrokenArchive("The archive has an extended header that cannot be read")
        found[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        at = end
    return found


def _number(text: str) -> int:
    if not text.isdigit():
        raise BrokenArchive(f"The archive has a file of {text[:20]!r} bytes")
    return int(text)


def tar_ending(name: str) -> str:
    """Return what a tar's name ends in, "" for anything else."""
    lower = name.lower()
    return next((one for one in TARS if lower.endswith(one)), "")


def unpacked(chunks: AsyncGenerator[bytes], ending: str) -> AsyncGenerator[bytes]:
    """Return the chunks of the tar itself; ``NotSupportedError`` if it is packed with lz4."""
    if ending in PACKED:
        return _inflated(chunks)
    if ending == LZ4:
        raise NotSupportedError(
            f"Archives in {LZ4} are not read here; have the cluster send or write {TAR} or .tgz"
        )
    return chunks


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    codec = zlib.decompressobj(_GZIP)
    begun = False
    try:
        async for chunk in chunks:
            data = chunk
            while data:
                if codec.eof:  # several packed streams may follow one another
                    if not data.strip(b"\0"):
                        break
                    codec = zlib.decompressobj(_GZIP)
                begun = True
                if len(data) <= _INLINE:
                    yield codec.decompress(data, _STEP)
                else:
                    yield await run_blocking(codec.decompress, data, _STEP)
                data = codec.unused_data if codec.eof else codec.unconsumed_tail
        if begun and not codec.eof:
            yield codec.flush()
    except zlib.error as error:
        raise BrokenArchive(f"The archive is not packed as its name says: {error}") from None
    if begun and not codec.eof:
        raise cut_off("the middle of its packed content")
