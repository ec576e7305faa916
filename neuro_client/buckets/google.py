"""Google Cloud Storage as a bucket provider, over our own Transport (buckets.md §6.3).

Large objects go in parts side by side through the XML API, where the endpoint has it; else, and
for conditional writes, in one resumable session.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs

from ..concurrency import finish, scoped_iterator, settled
from ..errors import (
    ConfigError,
    IllegalArgumentError,
    NotSupportedError,
    PreconditionFailedError,
    ProtocolError,
    ResourceNotFound,
    ResponseError,
)
from ..retry import NEVER, RetryPolicy
from ..threads import run_blocking
from ..transfer import Body, Capabilities, Chunk, Part, Skew, Upload
from ..transfer.flow import retrying
from ..transfer.models import MiB
from ..transfer.store import Announce
from ..transport import Answer, ClientSession
from ..wire import structure
from . import google_checks as checks
from .google_multipart import Multiparts
from .google_requests import OCTETS, Record, Requests, conditions, endpoint_of, generation_of
from .google_sessions import Sessions
from .google_tokens import open_tokens
from .provider import Blob, CredentialSource, Prefix

_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
_PARTIAL = 206
_UNSATISFIABLE = 416
_CLEAN_UP = 10.0
_PAGE = 1000
_FIELDS = "items(name,size,generation,timeCreated),prefixes,nextPageToken"
# How endpoints answer that have no multipart uploads.
_NOT_THERE = (400, 404, 405, 501)


@attrs.frozen
class _Page:
    items: tuple[Record, ...] = ()
    prefixes: tuple[str, ...] = ()
    nextPageToken: str | None = None


@asynccontextmanager
async def open_google(
    credentials: CredentialSource, session: ClientSession
) -> AsyncIterator[GoogleProvider]:
    """Open the bucket that *credentials* are for; *session* stays the caller's.

    Raises:
        ConfigError: the credentials lack the name of the bucket, or both token and key.
    """
    values = await credentials.current()
    bucket = values.get("bucket_name")
    if not bucket:
        raise ConfigError("the credentials of the Google bucket have no 'bucket_name'")
    await run_blocking(checks.load)
    tokens = open_tokens(credentials, values, session)
    yield GoogleProvider(Requests(bucket, endpoint_of(values), tokens, session))


class GoogleProvider:
    """Speak to one bucket of Google Cloud Storage; an ETag is a generation in quotes."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._multiparts = Multiparts(requests)
        self._sessions = Sessions(requests)
        self._serial = False

    @property
    def capabilities(self) -> Capabilities:
        """Say what uploads in parts are bound to (the limits of the XML API)."""
        return Capabilities(
            min_part=5 * MiB,
            max_part=5 * 1024 * MiB,
            max_parts=10_000,
            random_parts=not self._serial,
            checksums=frozenset({checks.CRC32C, checks.MD5}),
        )

    @property
    def skew(self) -> Skew:
        """Tell the bounds of the service's clock, as its answers showed it."""
        return self._requests.skew.bounds

    # Objects

    @scoped_iterator
    async def list(
        self,
        prefix: str,
        *,
        folders: bool = False,
        limit: int | None = None,
        retry: RetryPolicy = NEVER,
    ) -> AsyncIterator[Blob | Prefix]:
        """Iterate over keys, for each page the objects first."""
        query = {"prefix": prefix, "fields": _FIELDS}
        if folders:
            query["delimiter"] = "/"
        left = limit or None

        async def ask() -> _Page:
            async with self._requests.send("GET", self._requests.objects(**query)) as answer:
                return structure(await answer.json(), _Page)

        while True:
            query["maxResults"] = str(_PAGE if left is None else min(left, _PAGE))
            page = await retrying(retry, ask)
            items: list[Blob | Prefix] = [record.blob() for record in page.items]
            items += [Prefix(key) for key in page.prefixes]
            for item in items[:left]:
                yield item
            if left is not None:
                left -= len(items)
            if not page.nextPageToken or (left is not None and left <= 0):
                return
            query["pageToken"] = page.nextPageToken

    async def head(self, key: str) -> Blob:
        """Describe an object."""
        return (await self._record(key)).blob()

    async def _record(self, key: str) -> Record:
        return await self._requests.record("GET", self._requests.object(key))

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
        whole = start == 0 and end is None
        # An object that is kept compressed comes as it is kept.
        headers = {"Accept-Encoding": "gzip"}
        if not whole:
            headers["Range"] = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
        query = conditions(if_match, if_none_match)
        url = self._requests.object(key, alt="media", **query)
        try:
            async with self._requests.send(
                "GET", url, ok=(200, _PARTIAL), headers=headers
            ) as answer:
                self._check_generation(answer, key, if_match, if_none_match)
                if not whole:
                    _check_range(answer, key, start)
                digest = checks.digest_for_read(answer.headers, _length(answer)) if whole else None
                async for chunk in answer.chunks():
                    if digest is not None:
                        digest.update(chunk)
                    yield chunk
                if digest is not None:
                    what = f"cannot read {self._requests.bucket}/{key!r}"
                    checks.compare(what, digest, checks.told_by(answer.headers), "read it again")
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise

    def _check_generation(
        self, answer: Answer, key: str, if_match: str | None, if_none_match: str | None
    ) -> None:
        """Refuse what does not fit the conditions: not every endpoint looks at them."""
        found = answer.headers.get("X-Goog-Generation")
        fits = if_match in (None, "*") or found in (None, generation_of(if_match or ""))
        if if_none_match is not None:
            fits = fits and if_none_match != "*" and found != generation_of(if_none_match)
        if not fits:
            raise PreconditionFailedError(
                f'cannot read {self._requests.bucket}/{key!r}: it has the ETag "{found}" now; '
                "look at it again"
            )

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Write a whole object in one request, which fails if other bytes arrive."""
        digest = await checks.digest_of(body)
        boundary = uuid.uuid4().hex
        field = "md5Hash" if digest.name == checks.MD5 else digest.name
        about = json.dumps({"contentType": OCTETS, field: digest.value})
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n"
            f"--{boundary}\r\nContent-Type: {OCTETS}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/related; boundary={boundary}",
            "Content-Length": str(len(head) + len(body) + len(tail)),
        }

        async def chunks() -> AsyncIterator[Chunk]:
            yield head
            for offset in range(0, len(body), MiB):
                yield memoryview(body)[offset : offset + MiB]
            yield tail

        url = self._requests.upload(key, "multipart", **conditions(if_match, if_none_match))
        record = await self._requests.record("POST", url, headers=headers, body=chunks)
        what = f"cannot write {self._requests.bucket}/{key!r}"
        checks.compare(what, digest, record.checksums, "send it again")

    async def delete(self, key: str) -> None:
        """Remove an object; a missing one is an error."""
        async with self._requests.send("DELETE", self._requests.object(key), ok=(200, 204)):
            pass

    # Uploads in parts

    async def begin(
        self,
        key: str,
        size: int,
        *,
        announce: Announce | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Upload:
        """Open an upload; a cancelled caller leaves none behind.

        Google takes conditions here and not in `complete`, where they may be repeated.
        """
        wanted = conditions(if_match, if_none_match)
        made: list[Upload] = []

        async def make() -> None:
            made.append(await self._open(key, size, wanted))

        try:
            await settled(make(), _CLEAN_UP)
            if announce is not None:
                await announce(made[0])
        except BaseException:
            for upload in made:
                await finish(self.abort(upload), _CLEAN_UP)
            raise
        return made[0]

    async def _open(self, key: str, size: int, wanted: Mapping[str, str]) -> Upload:
        if not wanted and not self._serial:
            try:
                return await self._multiparts.begin(key, size)
            except (ResponseError, ProtocolError) as error:
                if isinstance(error, ResponseError) and error.status not in _NOT_THERE:
                    raise
        upload = await self._sessions.begin(key, size, wanted)
        # Learned only here: a missing bucket, say, refuses both.
        self._serial = self._serial or not wanted
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part; its bytes are read as they go."""
        return await self._uploads(upload).put_part(upload, number, offset, body)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the *known* parts that have arrived."""
        return await self._uploads(upload).parts(upload, known)

    def _uploads(self, upload: Upload) -> Sessions | Multiparts:
        return self._sessions if upload.serial else self._multiparts

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Make the object of its parts, and compare the checksum of all.

        Raises:
            NotSupportedError: there are conditions that `begin` was not told.
        """
        total = sum(part.size for part in parts)
        if upload.size and total != upload.size:
            raise ValueError(f"the parts of {upload.key!r} have {total} bytes, not {upload.size}")
        for name, value in conditions(if_match, if_none_match).items():
            if upload.state.get(name) != value:
                raise NotSupportedError(
                    "Google takes the conditions of an upload in parts when it begins; "
                    f"put {upload.key!r} in one request, or name them then"
                )
        try:
            if upload.serial:
                told = (await self._sessions.complete(upload, total)).checksums
            else:
                told = dict(await self._multiparts.complete(upload, parts))
                if checks.CRC32C not in told:
                    told = (await self._record(upload.key)).checksums
        except ResourceNotFound:
            # Perhaps only the answer to the last attempt was lost.
            if not await self._is_there(upload.key, parts, total):
                raise
            told = {}
        self._sessions.forget(upload)
        checks.compare_whole(f"cannot write {self._requests.bucket}/{upload.key!r}", parts, told)

    async def _is_there(self, key: str, parts: Sequence[Part], size: int) -> bool:
        try:
            record = await self._record(key)
        except ResourceNotFound:
            return False
        expected = checks.joined(parts)
        if expected is None or record.size != str(size):
            return False
        return record.checksums.get(expected[0]) == expected[1]

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload; one that is gone already is no error."""
        await self._uploads(upload).abort(upload)


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _check_range(answer: Answer, key: str, start: int) -> None:
    given = answer.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(given)
    if answer.status != _PARTIAL or found is None or int(found[1]) != start:
        raise ProtocolError(
            f"{key!r} was asked for from byte {start} on and the answer was {answer.status} with "
            f"Content-Range {given!r}"
        )
