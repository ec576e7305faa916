"""The user's bucket: S3 as Garage speaks it, with content types, streamed parts, told-apart 403s.

Importing this module loads the signer of botocore; whoever needs it does so in a thread.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Protocol
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import ParseError, fromstring

import attrs
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from ..buckets import s3_checks as checks
from ..buckets.provider import CredentialSource
from ..buckets.s3 import S3Provider
from ..buckets.s3_requests import Requests
from ..buckets.s3_signing import UNSIGNED, Access
from ..concurrency import scoped_iterator
from ..errors import ChecksumMismatchError, NeuroError, ProtocolError, ResourceNotFound
from ..retry import NEVER, RetryPolicy
from ..threads import run_blocking
from ..transfer import Body, Capabilities, Chunk, Part, Upload
from ..transfer.flow import retrying
from ..transfer.models import MiB
from ..transport import Answer, ClientSession
from .errors import refine
from .models import UnfinishedUpload
from .wire import moment

_OK = (200, 204)
_BUFFERED = 8 * MiB
"""Bytes up to which a part is read once and held, which is less work than to read it twice."""
_HOP = 8

ContentType = Callable[[str], str]


class _Requests(Requests):
    """Send requests that say what is written, and tell apart what is refused with one code."""

    def __init__(
        self, credentials: CredentialSource, session: ClientSession, content_type: ContentType
    ) -> None:
        super().__init__(credentials, session)
        self._content_type = content_type
        self.etags: dict[str, str] = {}

    async def send(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        *,
        query: str = "",
        body: Sequence[Chunk] | None = None,
    ) -> Answer:
        """Send one request; what makes an object names its content type."""
        if (method, query) in (("PUT", ""), ("POST", "uploads=")):
            headers = {**headers, "Content-Type": self._content_type(key)}
        answer = await super().send(method, key, headers, query=query, body=body)
        if (method, query) == ("PUT", ""):
            self.etags[key] = answer.headers.get("ETag", "")
        return answer

    async def _answer(self, attempt: Callable[[Access], Awaitable[Answer]]) -> Answer:
        try:
            return await super()._answer(attempt)
        except NeuroError as error:
            found = refine(error)
            if found is error:
                raise
            raise found from error

    async def access(self) -> Access:
        """Return what the present credentials lead to."""
        return self._accessed(await self._credentials.current())

    async def send_part(self, key: str, query: str, body: Body) -> tuple[Answer, str]:
        """Send a part slice by slice; its checksum comes first, so it is read twice."""
        crc = _Crc32()
        sha = None if (await self.access()).address.private else hashlib.sha256()
        await _digest(body, [crc] if sha is None else [crc, sha])
        payload = UNSIGNED if sha is None else sha.hexdigest()

        async def attempt(access: Access) -> Answer:
            url = access.address.url(key, query)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(body.size),
                checks.HEADER: crc.encoded,
            }
            signed = access.sign("PUT", url, headers, payload)
            signed["Accept-Encoding"] = "identity"
            return await self.transport.send(
                "PUT",
                URL(url, encoded=True),
                headers=signed,
                body=body.open,
                ok=_OK,
                retry=None,
                redirects=False,
                decompress=False,
            )

        return await self._answer(attempt), crc.encoded


class _Digest(Protocol):
    def update(self, data: Chunk, /) -> None: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Chunk, /) -> None:
        self._value = zlib.crc32(data, self._value)

    @property
    def encoded(self) -> str:
        """Return the checksum as S3 writes it."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode("ascii")


async def _digest(body: Body, digests: Sequence[_Digest]) -> None:
    """Read a content through, several slices in one hop to a thread."""

    def update(chunks: Sequence[Chunk]) -> None:
        for digest in digests:
            for chunk in chunks:
                digest.update(chunk)

    held: list[Chunk] = []
    async for chunk in body.open():
        held.append(chunk)
        if len(held) == _HOP:
            await run_blocking(update, held)
            held = []
    await run_blocking(update, held)


class Objects(S3Provider):
    """Speak to one bucket and write objects whose types *content_type* tells by their keys."""

    _requests: _Requests

    def __init__(
        self,
        credentials: CredentialSource,
        session: ClientSession,
        stack: AsyncExitStack,
        content_type: ContentType,
    ) -> None:
        super().__init__(credentials, session, stack)
        self._requests = _Requests(credentials, session, content_type)

    @property
    def capabilities(self) -> Capabilities:
        """Say what uploads in parts are bound to; parts travel slice by slice."""
        return attrs.evolve(super().capabilities, buffers_parts=False)

    @property
    def etags(self) -> dict[str, str]:
        """Return the ETags of the objects that were written in one request, by key."""
        return self._requests.etags

    async def bucket(self) -> str:
        """Return the name of the bucket."""
        return (await self._requests.access()).address.bucket

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part with its checksum, compared with what the service says of it."""
        if body.size <= _BUFFERED:
            return await super().put_part(upload, number, offset, body)
        query = f"partNumber={number}&uploadId={quote(upload.id, safe='-_.~')}"
        answer, checksum = await self._requests.send_part(upload.key, query, body)
        etag = answer.headers.get("ETag")
        if not etag:
            raise ProtocolError(
                f"part {number} of {upload.key!r} was written and the answer has no ETag; s3_url "
                "is not the address of an S3 service"
            )
        told = answer.headers.get(checks.HEADER)
        same = told == checksum
        if told is None:
            expected = checks.md5_of_etag(answer.headers)
            same = expected is None or expected == await _md5(body)
        if not same:
            raise ChecksumMismatchError(
                f"cannot write part {number} of {upload.key!r}: other bytes arrived than were sent"
            )
        return Part(number, offset, body.size, checks.tag_of(etag, told))

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload, also a part that came in meanwhile."""
        for _ in range(2):
            if not await self.drop(upload.key, upload.id):
                return

    async def drop(self, key: str, id: str) -> bool:
        """Drop an upload; tell whether there was one."""
        try:
            query = f"uploadId={quote(id, safe='-_.~')}"
            await self._requests.send("DELETE", key, {}, query=query)
        except ResourceNotFound:
            return False
        return True

    @scoped_iterator
    async def uploads(
        self, prefix: str, *, retry: RetryPolicy = NEVER
    ) -> AsyncIterator[UnfinishedUpload]:
        """Iterate over the unfinished uploads of keys that begin with *prefix*."""
        marker: dict[str, str] = {}
        while True:
            query = {"encoding-type": "url", **marker, "prefix": prefix, "uploads": ""}
            text = "&".join(f"{name}={quote(query[name], safe='-_.~')}" for name in sorted(query))
            send = functools.partial(self._requests.send, "GET", "", {}, query=text)
            answer = await retrying(retry, send)
            items, marker = _read_uploads(await answer.read(), prefix)
            for item in items:
                yield item
            if not marker:
                return

    async def presign_get(self, key: str, expires_in: int) -> URL:
        """Return an address that gives an object to whoever has it; no request is made."""
        values = await self._requests.access()
        request = AWSRequest(method="GET", url=values.address.url(key))
        credentials = Credentials(
            values.values["access_key_id"], values.values["secret_access_key"]
        )
        S3SigV4QueryAuth(credentials, "s3", values.address.region, expires=expires_in).add_auth(
            request
        )
        return URL(request.url, encoded=True)


async def _md5(body: Body) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    await _digest(body, [digest])
    return digest.hexdigest()


def _read_uploads(body: bytes, prefix: str) -> tuple[list[UnfinishedUpload], dict[str, str]]:
    """Read a page of uploads; return them and where the next page begins, {} for no next one."""
    try:
        root = fromstring(body)
    except ParseError:
        root = fromstring("<nothing/>")
    if root.tag.rpartition("}")[2] != "ListMultipartUploadsResult":
        raise ProtocolError(
            f"cannot list the uploads of {prefix!r}: the answer is not that of an S3 service; "
            "check s3_url"
        )
    for item in root.iter():
        item.tag = item.tag.rpartition("}")[2]
    coded = root.findtext("EncodingType") == "url"
    found = [
        UnfinishedUpload(
            _decoded(item.findtext("Key", ""), coded),
            item.findtext("UploadId", ""),
            moment(item.findtext("Initiated")),
        )
        for item in root.iterfind("Upload")
    ]
    if root.findtext("IsTruncated") != "true":
        return found, {}
    key = _decoded(root.findtext("NextKeyMarker", ""), coded)
    return found, {"key-marker": key, "upload-id-marker": root.findtext("NextUploadIdMarker", "")}


def _decoded(text: str, coded: bool) -> str:
    return unquote_plus(text) if coded else text
