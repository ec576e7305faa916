"""Bodies of requests: decoded, checked against what they promise, written to files.

A small body takes one hop to a thread for its checksums and its file. Of a large one, each MiB is
hashed and written in a thread while the next one is on the wire.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import attrs
from aiohttp import web

from ...threads import taken
from . import checksums
from .chunked import Chunked
from .errors import S3Error
from .files import Files, write_all
from .signing import UNSIGNED, Signature

PIECE = 2**20
_TRAILER = "x-amz-trailer"
_LENGTH = re.compile(r"[0-9]{1,18}")


@attrs.frozen
class Promise:
    """Hold what the headers say about the body; ``size`` is that of the decoded content."""

    size: int | None
    sha256: str | None
    md5: bytes | None
    algorithm: str | None
    checksum: str | None
    trailing: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str], payload: str) -> Promise:
        """Read headers, whose names are in lower case."""
        streamed = payload.startswith("STREAMING-") or is_chunked(headers)
        length = headers.get("x-amz-decoded-content-length" if streamed else "content-length")
        if length is not None and not _LENGTH.fullmatch(length):
            raise S3Error("InvalidArgument", "The length of the body is not a number")
        md5 = None
        if (text := headers.get("content-md5")) is not None:
            md5 = _md5(text)
        algorithm = checksum = None
        for name in checksums.ALGORITHMS:
            if (value := headers.get(f"{checksums.PREFIX}{name}")) is not None:
                if algorithm is not None:
                    raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header")
                algorithm, checksum = name, value
        trailer = headers.get(_TRAILER, "").strip().lower()
        if trailer.startswith(checksums.PREFIX):
            algorithm = trailer.removeprefix(checksums.PREFIX)
            if algorithm not in checksums.ALGORITHMS:
                raise S3Error("InvalidRequest", f"The trailer {trailer} is not known")
        wanted = headers.get("x-amz-sdk-checksum-algorithm", "").lower()
        if algorithm is None and wanted in checksums.ALGORITHMS:
            algorithm = wanted
        known = payload != UNSIGNED and not payload.startswith("STREAMING-")
        size = None if length is None else int(length)
        sha256 = payload if known else None
        return cls(size, sha256, md5, algorithm, checksum, bool(trailer))


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Tell whether the body is said to come as ``aws-chunked``."""
    encodings = headers.get("content-encoding", "").split(",")
    return any(part.strip() == "aws-chunked" for part in encodings)


def _md5(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != 16:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified is not valid.")
    return found


class Digests:
    """Compute every checksum of a body that somebody asks for."""

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if promise.sha256 is not None else None
        self._more = checksums.new(promise.algorithm) if promise.algorithm else None

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self._md5.update(data)
        if self._sha256 is not None:
            self._sha256.update(data)
        if self._more is not None:
            self._more.update(data)

    @property
    def etag(self) -> str:
        """Return the MD5 in hexadecimal."""
        return self._md5.hexdigest()

    def check(self, trailer: Mapping[str, str]) -> dict[str, str]:
        """Compare with what was promised; return the checksum by its algorithm."""
        promise = self._promise
        if promise.md5 not in (None, self._md5.digest()):
            raise S3Error(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
        if self._sha256 is not None and self._sha256.hexdigest() != promise.sha256:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        if self._more is None or promise.algorithm is None:
            return {}
        found = checksums.encoded(self._more.digest())
        told = promise.checksum or trailer.get(f"{checksums.PREFIX}{promise.algorithm}")
        if told is None and promise.trailing:
            raise S3Error("MalformedTrailerError", "The trailer that was announced is not there")
        if told not in (None, found):
            raise S3Error(
                "BadDigest",
                f"The {promise.algorithm.upper()} you specified did not match the calculated "
                "checksum.",
            )
        return {promise.algorithm: found}


@attrs.frozen
class Stored:
    """Describe a body that lies in a file."""

    file: str
    size: int
    etag: str
    checksums: Mapping[str, str]


class Receiver:
    """Take the body of one request; ``most`` bounds its bytes, ``full`` says what is refused."""

    def __init__(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        signature: Signature | None,
        key: bytes,
        *,
        most: int | None,
        full: S3Error,
    ) -> None:
        payload = signature.payload if signature is not None else UNSIGNED
        if signature is None:
            payload = headers.get("x-amz-content-sha256", UNSIGNED)
        self._request = request
        self.promise = Promise.of(headers, payload)
        self._chunked = None
        if payload.startswith("STREAMING-"):
            self._chunked = Chunked(payload, signature, key)
        elif is_chunked(headers):
            self._chunked = Chunked("STREAMING-UNSIGNED-PAYLOAD-TRAILER", None, b"")
        self._most = most
        self._full = full
        if self.promise.size is not None:
            self._check_room(self.promise.size)

    def _check_room(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise self._full

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decoded content; ``IncompleteBody`` if it ends too early."""
        size, told = 0, self.promise.size
        stream = self._request.content
        while chunk := await stream.readany():
            decoded = [chunk] if self._chunked is None else self._chunked.feed(chunk)
            for piece in decoded:
                size += len(piece)
                self._check_room(size)
                if told is not None and size > told:
                    raise _wrong_length()
                yield piece
        if self._chunked is not None:
            self._chunked.finish()
        if told is not None and size != told:
            raise _wrong_length()

    @property
    def _trailer(self) -> Mapping[str, str]:
        return {} if self._chunked is None else self._chunked.trailer

    async def read(self, most: int) -> bytes:
        """Return a small body as a whole, checked."""
        pieces = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > most:
                raise S3Error("EntityTooLarge", f"The body has more than {most} bytes")
            pieces.append(piece)
        digests = Digests(self.promise)
        body = b"".join(pieces)
        digests.update(body)
        digests.check(self._trailer)
        return body

    @property
    def is_small(self) -> bool:
        """Tell whether the body is small enough to be gathered."""
        return self.promise.size is not None and self.promise.size <= PIECE

    async def store(self, files: Files) -> Stored:
        """Write the body to a file of its own; nothing stays of one that is refused."""
        if not self.is_small:
            return await self._store_large(files)
        pieces = [piece async for piece in self.pieces()]
        return await taken(
            lambda: self.store_now(files, pieces), lambda stored: files.remove([stored.file])
        )

    def store_now(self, files: Files, pieces: Sequence[bytes]) -> Stored:
        """Write a body that is there as a whole to a file of its own; blocks."""
        digests = Digests(self.promise)
        size = 0
        for piece in pieces:
            digests.update(piece)
            size += len(piece)
        found = digests.check(self._trailer)
        return Stored(files.store(pieces), size, digests.etag, found)

    async def _store_large(self, files: Files) -> Stored:
        name, handle = await taken(files.create, lambda made: _discard(files, *made))
        digests = Digests(self.promise)
        size = 0

        def work(batch: list[bytes]) -> None:
            for piece in batch:
                digests.update(piece)
                write_all(handle, piece)

        writing: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        try:
            batch: list[bytes] = []
            gathered = 0
            async for piece in self.pieces():
                batch.append(piece)
                gathered += len(piece)
                size += len(piece)
                if gathered >= PIECE:
                    if writing is not None:
                        await asyncio.shield(writing)
                    writing = loop.run_in_executor(None, work, batch)
                    batch, gathered = [], 0
            if writing is not None:
                await asyncio.shield(writing)
            writing = loop.run_in_executor(None, work, batch)
            await asyncio.shield(writing)
            found = digests.check(self._trailer)
        except BaseException:
            await _drain(writing)
            await asyncio.shield(asyncio.to_thread(_discard, files, name, handle))
            raise
        os.close(handle)
        return Stored(name, size, digests.etag, found)


def _wrong_length() -> S3Error:
    return S3Error("IncompleteBody", "The body has not as many bytes as its header says")


def _discard(files: Files, name: str, handle: int) -> None:
    os.close(handle)
    files.remove([name])


async def _drain(work: asyncio.Future[Any] | None) -> None:
    while work is not None and not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            continue
    if work is not None and not work.cancelled():
        work.exception()
