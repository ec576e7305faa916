"""The objects of one bucket, reached over S3 with presigned addresses.

The same for the local endpoint and for a real Garage. Requests are tried again after trouble that
may pass: no answer, 500, 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from io import BufferedWriter
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import attrs
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from ...threads import taken
from ..s3 import xml
from ..s3.errors import S3Error
from ..s3.signing import presigned_query
from .hosts import BucketKey

T = TypeVar("T")

PART = 50 * 2**20
LINK_LIFETIME = 3600
_PIECE = 2**20
_ATTEMPTS = 5
_FIRST_PAUSE = 0.2
_TROUBLE = (500, 502, 503, 504)
_TIMEOUT = ClientTimeout(total=600.0, sock_connect=10.0, sock_read=120.0)


class ObjectsError(Exception):
    """Report a refusal of the bucket's server; ``status`` is None without an answer."""

    def __init__(self, status: int | None, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@attrs.frozen
class Listed:
    """An object as a listing tells it."""

    key: str
    size: int


@attrs.frozen
class _Slice:
    """Be bytes of an open file that can be sent any number of times."""

    key: str
    file: IO[bytes]
    start: int
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        at, end = self.start, self.start + self.length
        while at < end:
            size = min(_PIECE, end - at)
            piece = await asyncio.to_thread(os.pread, self.file.fileno(), size, at)
            if not piece:
                raise OSError(f"{self.key} became shorter while it was read")
            at += len(piece)
            yield piece


@attrs.frozen
class Objects:
    """Reach a bucket with a key."""

    session: ClientSession
    url: URL
    region: str
    bucket: str
    key: BucketKey
    part: int = PART
    """Bytes of each part but the last of what is larger than one."""

    def link(
        self,
        method: str,
        key: str,
        expires: int = LINK_LIFETIME,
        more: Mapping[str, str] | None = None,
        moment: datetime | None = None,
    ) -> URL:
        """Return an address that lets whoever has it make one kind of request."""
        path = f"/{quote(self.bucket, safe='')}"
        if key:
            path += f"/{quote(key, safe='/-_.~')}"
        query = presigned_query(
            self.key.access_key_id,
            self.key.secret_access_key,
            self.region,
            self.url.raw_authority,
            path,
            method,
            expires,
            more,
            moment,
        )
        return URL(f"{str(self.url).rstrip('/')}{path}?{query}", encoded=True)

    async def list(self, prefix: str) -> list[Listed]:
        """Return all objects below a prefix, by key."""
        found: list[Listed] = []
        asked = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        while True:
            page = await self._document("GET", "", asked)
            for element in page.findall("Contents"):
                # The form of HTML's forms: Amazon and Garage both write a blank as "+" or "%20".
                key = unquote(element.findtext("Key", "").replace("+", "%20"))
                found.append(Listed(key, int(element.findtext("Size", "0"))))
            token = page.findtext("NextContinuationToken")
            if page.findtext("IsTruncated") != "true" or not token:
                return found
            asked["continuation-token"] = token

    async def fetch(self, key: str, path: Path) -> None:
        """Write an object into a new file."""
        await self._retried("GET", key, {}, {}, b"", lambda answer: _write(answer, path))

    async def put(self, key: str, file: IO[bytes], size: int, content_type: str) -> None:
        """Store so many bytes of an open file."""
        if size <= self.part:
            await self._send(key, file, 0, size, {}, content_type)
            return
        upload = await self.create_upload(key, content_type)
        try:
            tags = []
            for number, start in enumerate(range(0, size, self.part), 1):
                more = {"partNumber": str(number), "uploadId": upload}
                length = min(self.part, size - start)
                tags.append((number, await self._send(key, file, start, length, more, None)))
            await self.complete(key, upload, tags)
        except BaseException:
            with contextlib.suppress(ObjectsError):
                await self.abort(key, upload)
            raise

    async def create_upload(self, key: str, content_type: str) -> str:
        """Begin a multipart upload; return its id."""
        headers = {"Content-Type": content_type}
        found = await self._document("POST", key, {"uploads": ""}, headers=headers)
        return found.findtext("UploadId", "")

    async def complete(self, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make an object of parts, each a number and an ETag without quotes."""
        listed = [("Part", [("PartNumber", number), ("ETag", tag)]) for number, tag in parts]
        body = xml.document("CompleteMultipartUpload", listed).encode()
        await self._document("POST", key, {"uploadId": upload}, body=body)

    async def abort(self, key: str, upload: str) -> None:
        """Drop a multipart upload."""
        await self._empty("DELETE", key, {"uploadId": upload})

    async def _send(
        self,
        key: str,
        file: IO[bytes],
        start: int,
        length: int,
        more: Mapping[str, str],
        content_type: str | None,
    ) -> str:
        """Send bytes of a file; return the ETag without quotes."""
        headers = {"Content-Length": str(length)}
        if content_type is not None:
            headers["Content-Type"] = content_type
        body = _Slice(key, file, start, length) if length else b""
        return await self._retried("PUT", key, more, headers, body, _tag)

    async def _document(
        self,
        method: str,
        key: str,
        more: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> ElementTree.Element:
        return await self._retried(method, key, more, headers or {}, body, _read)

    async def _empty(self, method: str, key: str, more: Mapping[str, str]) -> None:
        await self._retried(method, key, more, {}, b"", _nothing)

    async def _retried(
        self,
        method: str,
        key: str,
        more: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | _Slice,
        read: Callable[[ClientResponse], Awaitable[T]],
    ) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                async with self._asked(method, key, more, headers, body) as answer:
                    return await read(answer)
            except ObjectsError as error:
                if error.status not in _TROUBLE or attempt == _ATTEMPTS - 1:
                    raise
            except (ClientError, TimeoutError, OSError) as error:
                if attempt == _ATTEMPTS - 1:
                    what = f"{method} {key or self.bucket}"
                    raise ObjectsError(None, "NoAnswer", f"{what}: {error}") from error
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        key: str,
        more: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | _Slice = b"",
    ) -> AsyncIterator[ClientResponse]:
        url = self.link(method, key, more=more)
        async with self.session.request(
            method, url, data=body or None, headers=headers, timeout=_TIMEOUT
        ) as answer:
            if not answer.ok:
                raise _refusal(answer.status, await answer.read())
            yield answer


def _refusal(status: int, body: bytes) -> ObjectsError:
    try:
        found = xml.read(body)
        return ObjectsError(status, found.findtext("Code", ""), found.findtext("Message", ""))
    except S3Error:
        return ObjectsError(status, "", f"status {status}: {body[:200]!r}")


async def _tag(answer: ClientResponse) -> str:
    return answer.headers.get("ETag", "").strip('"')


async def _read(answer: ClientResponse) -> ElementTree.Element:
    body = await answer.read()
    try:
        found = xml.read(body)
    except S3Error as error:
        raise ObjectsError(answer.status, error.code, f"no document: {body[:200]!r}") from None
    if found.tag == "Error":  # a completion may fail after its answer has begun
        raise ObjectsError(500, found.findtext("Code", ""), found.findtext("Message", ""))
    return found


async def _nothing(answer: ClientResponse) -> None:
    await answer.read()


async def _write(answer: ClientResponse, path: Path) -> None:
    file = await taken(lambda: path.open("wb"), BufferedWriter.close)
    try:
        async for piece in answer.content.iter_chunked(_PIECE):
            await asyncio.to_thread(file.write, piece)
    finally:
        await asyncio.to_thread(file.close)
