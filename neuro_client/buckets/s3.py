"""S3-compatible services as bucket providers (buckets.md §6.1).

Bytes, listings and small questions are signed by botocore's signer and sent over our own Transport,
which is several times cheaper for each request than a client call; what is left of an upload in
parts is looked up and dropped through aiobotocore, over the same connections.
"""

from __future__ import annotations

import asyncio
import functools
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ..concurrency import finish, scoped_iterator, settled
from ..errors import (
    ChecksumMismatchError,
    IllegalArgumentError,
    NotSupportedError,
    PreconditionFailedError,
    ProtocolError,
    ResourceNotFound,
)
from ..retry import NEVER, RetryPolicy
from ..transfer import Body, Capabilities, Chunk, Part, Skew, Upload
from ..transfer.flow import retrying
from ..transfer.models import MiB
from ..transfer.store import Announce
from ..transport import Answer, ClientSession
from . import s3_checks as checks
from .provider import Blob, CredentialSource, Prefix
from .s3_calls import Calls
from .s3_listing import Page, query_of, read_page
from .s3_lost import nothing_lost
from .s3_requests import Requests, computed
from .s3_uploads import end_upload, open_upload

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_UNSATISFIABLE = 416
_NOT_IMPLEMENTED = 501
_CLEAN_UP = 10.0
_PAGE = 1000


@asynccontextmanager
async def open_s3(
    credentials: CredentialSource, session: ClientSession
) -> AsyncIterator[S3Provider]:
    """Open the bucket that *credentials* are for; *session* stays the caller's."""
    async with AsyncExitStack() as stack:
        yield S3Provider(credentials, session, stack)


class S3Provider:
    """Speak S3 to one bucket."""

    def __init__(
        self, credentials: CredentialSource, session: ClientSession, stack: AsyncExitStack
    ) -> None:
        self._requests = Requests(credentials, session)
        self._calls = Calls(self._requests, credentials, stack)
        self._asking = asyncio.Lock()
        self._conditional: bool | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Say what multipart uploads are bound to (the limits of S3)."""
        return Capabilities(
            min_part=5 * MiB,
            max_part=5 * 1024 * MiB,
            max_parts=10_000,
            buffers_parts=True,
            checksums=frozenset({"crc32", "md5"}),
        )

    @property
    def skew(self) -> Skew:
        """Tell the bounds of the service's clock, as its answers showed it."""
        return self._requests.skew.bounds

    # Objects

    async def head(self, key: str) -> Blob:
        """Describe an object."""
        return _blob(key, await self._requests.send("HEAD", key, {}))

    @scoped_iterator
    async def get(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> AsyncIterator[Chunk]:
        """Read a range of an object, or all of it and compare its checksum."""
        if end is not None and start >= end:
            return
        headers = _conditions(if_match, if_none_match)
        whole = start == 0 and end is None
        if whole:
            headers[checks.MODE] = "ENABLED"
        else:
            headers["Range"] = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
        try:
            async with self._requests.stream("GET", key, headers) as answer:
                if not whole:
                    _check_range(answer, key, start)
                size = _size(answer, key)
                check = checks.check_of(answer.headers, size) if whole else None
                async for chunk in answer.chunks():
                    if check is not None:
                        check.update(chunk)
                    yield chunk
                if check is not None:
                    check.finish(f"cannot read {self._requests.bucket}/{key}")
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise

    async def read(self, key: str, *, if_match: str | None = None) -> bytes:
        """Read a whole object in one request and compare its checksum."""
        headers = {checks.MODE: "ENABLED", **_conditions(if_match, None)}
        answer = await self._requests.send("GET", key, headers)
        data = await answer.read()
        check = checks.check_of(answer.headers, _size(answer, key))
        if check is not None:
            await computed(lambda chunks: check.update(chunks[0]), [data])
            check.finish(f"cannot read {self._requests.bucket}/{key}")
        return data

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Write a whole object in one request."""
        headers = _conditions(if_match, if_none_match)
        if headers:
            await self._check_conditions()
        await self._put(key, "", [body], headers)

    async def _check_conditions(self) -> None:
        """Find out once whether the service heeds conditions of writes: some pass over them."""
        async with self._asking:
            if self._conditional is None:
                self._conditional = await self._heeds_conditions()
        if not self._conditional:
            raise NotSupportedError(
                f"the object store of {self._requests.bucket} does not heed conditions of writes; "
                "write without if_match and if_none_match"
            )

    async def _heeds_conditions(self) -> bool:
        probe = f".neuro-client-{secrets.token_hex(8)}"
        try:
            await self._put(probe, "", [b""], {"If-Match": '"0"'})
        except (ResourceNotFound, PreconditionFailedError):
            return True
        except IllegalArgumentError as error:
            if error.status != _NOT_IMPLEMENTED:
                raise
            return False
        await self.delete(probe)
        return False

    async def _put(
        self, key: str, query: str, chunks: Sequence[Chunk], headers: Mapping[str, str]
    ) -> str:
        """Send bytes with their checksum; return the tag of what arrived."""
        size = sum(len(chunk) for chunk in chunks)
        checksum = await computed(checks.crc32, chunks)
        sent = {
            "Content-Type": "application/octet-stream",
            checks.HEADER: checksum,
            **headers,
            "Content-Length": str(size),
        }
        answer = await self._requests.send("PUT", key, sent, query=query, body=chunks)
        etag = answer.headers.get("ETag")
        told = answer.headers.get(checks.HEADER)
        expected = None if told is not None else checks.md5_of_etag(answer.headers)
        if not etag:
            raise ProtocolError(
                f"{self._requests.bucket}/{key} was written and the answer has no ETag; the "
                "endpoint of the bucket is not an S3 service"
            )
        found = await computed(checks.md5, chunks) if expected is not None else None
        if found != expected or told not in (None, checksum):
            raise ChecksumMismatchError(
                f"cannot write {self._requests.bucket}/{key}: other bytes arrived than were sent"
            )
        return checks.tag_of(etag, told)

    async def delete(self, key: str) -> None:
        """Remove an object; S3 does not tell whether there was one."""
        await self._requests.send("DELETE", key, {})

    # Listings and uploads in parts

    @scoped_iterator
    async def list(
        self,
        prefix: str,
        *,
        folders: bool = False,
        limit: int | None = None,
        retry: RetryPolicy = NEVER,
    ) -> AsyncIterator[Blob | Prefix]:
        """Iterate over keys, for each page the common prefixes first."""
        left = limit or None
        delimiter = "/" if folders else ""
        token: str | None = None
        while True:
            most = None if left is None else min(left, _PAGE)
            query = query_of(prefix, delimiter=delimiter, token=token, most=most)
            page = await retrying(retry, functools.partial(self._page, prefix, query))
            for item in page.items[:left]:
                yield item
            if left is not None:
                left -= len(page.items)
            if page.next is None or (left is not None and left <= 0):
                return
            token = page.next

    async def _page(self, prefix: str, query: str) -> Page:
        answer = await self._requests.send("GET", "", {}, query=query)
        return read_page(await answer.read(), f"cannot list {prefix!r} in {self._requests.bucket}")

    async def page(self, prefix: str, after: str) -> tuple[Sequence[Blob], bool]:
        """Return the next objects behind the key *after*, and whether there are more."""
        page = await self._page(prefix, query_of(prefix, after=after))
        while not page.items and page.next is not None:
            page = await self._page(prefix, query_of(prefix, token=page.next))
        return [item for item in page.items if isinstance(item, Blob)], page.next is not None

    async def begin(
        self,
        key: str,
        size: int,
        *,
        announce: Announce | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Upload:
        """Open a multipart upload; a cancelled caller leaves none behind."""
        if if_match is not None or if_none_match is not None:
            await self._check_conditions()
        made: list[Upload] = []

        async def make() -> None:
            async with nothing_lost(self._calls, key, self.skew):
                made.append(Upload(key, await open_upload(self._requests, key), size))

        try:
            await settled(make(), _CLEAN_UP)
            if announce is not None:
                await announce(made[0])
        except BaseException:
            for upload in made:
                await finish(self.abort(upload), _CLEAN_UP)
            raise
        return made[0]

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part with its checksum."""
        chunks = [chunk async for chunk in body.open()]
        query = f"partNumber={number}&{_query(upload)}"
        tag = await self._put(upload.key, query, chunks, {})
        return Part(number, offset, body.size, tag)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the *known* parts that the service lists with the same ETag and size."""
        there: dict[int, tuple[str, int]] = {}
        marker: dict[str, Any] = {}
        while True:
            page = await self._calls.call(
                f"go on with {upload.key!r}",
                "list_parts",
                Key=upload.key,
                UploadId=upload.id,
                **marker,
            )
            for item in page.get("Parts", ()):
                there[item["PartNumber"]] = (item["ETag"], item["Size"])
            if not page.get("IsTruncated"):
                break
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}
        return [
            part
            for part in known
            if there.get(part.number) == (checks.read_tag(part)[0], part.size)
        ]

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Make the object of its parts, and compare the checksum of checksums."""
        sent = sum(part.size for part in parts)
        if upload.size and sent != upload.size:
            raise ValueError(f"the parts of {upload.key!r} have {sent} bytes, not {upload.size}")
        conditions = _conditions(if_match, if_none_match)
        if conditions:
            await self._check_conditions()
        try:
            told = await end_upload(self._requests, upload.key, _query(upload), parts, conditions)
        except ResourceNotFound:
            if not await self._is_there(upload.key, parts, sent):
                raise
            return  # the answer to the last attempt was lost, but it took effect
        expected = checks.joined_crc32(parts)
        if told is not None and "-" in told and expected not in (None, told):
            raise ChecksumMismatchError(
                f"{self._requests.bucket}/{upload.key} was made of other bytes than were sent; "
                "send it again"
            )

    async def _is_there(self, key: str, parts: Sequence[Part], size: int) -> bool:
        try:
            found = await self.head(key)
        except ResourceNotFound:
            return False
        expected = checks.joined_etag(parts)
        return found.size == size and expected in (None, found.etag)

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload, also a part that came in meanwhile."""
        try:
            for _ in range(2):
                await self._calls.call(
                    f"abort {upload.key!r}",
                    "abort_multipart_upload",
                    Key=upload.key,
                    UploadId=upload.id,
                )
        except ResourceNotFound:
            return


def _conditions(if_match: str | None, if_none_match: str | None) -> dict[str, str]:
    found = {"If-Match": if_match, "If-None-Match": if_none_match}
    return {name: value for name, value in found.items() if value is not None}


def _query(upload: Upload) -> str:
    return f"uploadId={quote(upload.id, safe='-_.~')}"


def _size(answer: Answer, key: str) -> int:
    text = answer.headers.get("Content-Length", "")
    if not text.isdigit() or "ETag" not in answer.headers:
        raise ProtocolError(
            f"the answer for {key!r} has no length or no ETag; the endpoint of the bucket is not "
            "an S3 service"
        )
    return int(text)


def _blob(key: str, answer: Answer) -> Blob:
    modified = answer.headers.get("Last-Modified")
    return Blob(
        key,
        _size(answer, key),
        answer.headers["ETag"],
        None if modified is None else parsedate_to_datetime(modified),
    )


def _check_range(answer: Answer, key: str, start: int) -> None:
    given = answer.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(given)
    if answer.status != 206 or found is None or int(found[1]) != start:
        raise ProtocolError(
            f"{key!r} was asked for from byte {start} on and the answer was {answer.status} with "
            f"Content-Range {given!r}"
        )
