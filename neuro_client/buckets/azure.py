"""Azure Blob Storage as a bucket provider (buckets.md §6.2)."""

from __future__ import annotations

import base64
import hashlib
import platform
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..concurrency import scoped_iterator
from ..errors import (
    ChecksumMismatchError,
    ConfigError,
    IllegalArgumentError,
    PreconditionFailedError,
    ProtocolError,
    ResourceNotFound,
)
from ..retry import NEVER, RetryPolicy
from ..threads import run_blocking
from ..transfer import Body, Capabilities, Chunk, Part, Skew, Upload
from ..transfer.flow import retrying
from ..transfer.models import MiB
from ..transfer.store import Announce
from ..transport import Answer, ClientSession, open_session
from .provider import Blob, CredentialSource, Prefix

if TYPE_CHECKING:
    from .azure_client import Page
    from .azure_requests import AzureRequests

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_UNSATISFIABLE = 416
_INLINE = 2**18
"""Bytes up to which a checksum is computed on the loop: a hop to a thread would cost more."""
_PAGE = 5000
"""Entries of one answer to a listing, at most."""
_ID = 27
"""Letters of an upload's id; with the number of a part 32, as other programs make them.

All unfinished blocks of a blob must have names of one length.
"""


def _load() -> type[AzureRequests]:
    """Import the library; takes long enough to be felt."""
    from .azure_requests import AzureRequests

    # The library asks for it when a client is made, and the first time that starts a process.
    platform.platform()
    return AzureRequests


@asynccontextmanager
async def open_azure(
    credentials: CredentialSource, session: ClientSession | None = None
) -> AsyncIterator[AzureProvider]:
    """Open the bucket that *credentials* are for, over connections of its own without *session*."""
    try:
        requests = await run_blocking(_load)
    except ImportError as error:
        raise ConfigError(
            "this bucket is kept by Azure, for which a package is missing; install it with "
            "`pip install 'neuro_client[azure]'`"
        ) from error
    if session is not None:
        yield AzureProvider(requests(credentials, session))
        return
    async with open_session() as own:
        yield AzureProvider(requests(credentials, own))


class AzureProvider:
    """Speak to one container; made by `open_azure`."""

    def __init__(self, requests: AzureRequests) -> None:
        self._requests = requests

    @property
    def capabilities(self) -> Capabilities:
        """Say what lists of blocks are bound to (the limits of Azure)."""
        return Capabilities(
            max_part=4000 * MiB,
            max_parts=50_000,
            buffers_parts=True,
            checksums=frozenset({"md5"}),
        )

    @property
    def skew(self) -> Skew:
        """Tell the bounds of the service's clock."""
        return self._requests.skew.bounds

    # Objects

    async def head(self, key: str) -> Blob:
        """Describe an object."""
        async with self._look("HEAD", key, {}) as answer:
            return Blob(
                key,
                _size(answer, key),
                answer.headers["ETag"],
                _time(answer, "Last-Modified"),
                _time(answer, "x-ms-creation-time"),
            )

    def _look(
        self, method: str, key: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request about an object that is there, if its key can be one."""
        if _is_changed(key):
            raise ResourceNotFound(
                f"there is no {key!r}: Azure keeps no backslash, and no . or .. between slashes",
                status=404,
            )
        return self._requests.send(method, key, headers)

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
        """Read a range of an object, or all of it and compare its MD5 if it was stored with one."""
        if end is not None and start >= end:
            return
        headers = _conditions(if_match, if_none_match)
        whole = start == 0 and end is None
        if not whole:
            headers["Range"] = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
        try:
            async with self._look("GET", key, headers) as answer:
                _size(answer, key)
                if not whole:
                    _check_range(answer, key, start)
                told = answer.headers.get("Content-MD5") if whole else None
                found = hashlib.md5(usedforsecurity=False)
                async for chunk in answer.chunks():
                    if told is not None:
                        found.update(chunk)
                    yield chunk
                if told not in (None, _text(found.digest())):
                    raise ChecksumMismatchError(
                        f"cannot read {self._requests.container}/{key}: other bytes arrived than "
                        "are stored; read it again"
                    )
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Write a whole object in one request, in place of one that is there."""
        _check_key(key)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "Content-Type": "application/octet-stream",
            **_conditions(if_match, if_none_match),
        }
        await self._put(key, "", [body], headers)

    async def _put(
        self, key: str, query: str, chunks: Sequence[Chunk], headers: Mapping[str, str]
    ) -> None:
        """Send bytes with their MD5, which the service compares before it takes them."""
        checked = {**headers, "Content-MD5": await _md5(chunks)}
        async with self._requests.send("PUT", key, checked, query=query, body=chunks):
            pass

    async def delete(self, key: str) -> None:
        """Remove an object."""
        async with self._look("DELETE", key, {}):
            pass

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
        marker: str | None = None
        left = limit or None
        while True:
            size = _PAGE if left is None else min(left, _PAGE)

            async def ask(marker: str | None = marker, size: int = size) -> Page:
                return await self._requests.page(prefix, marker, size, folders=folders)

            page = await retrying(retry, ask)
            for item in page.items[:left]:
                yield item
            if left is not None:
                left -= len(page.items)
            if page.marker is None or (left is not None and left <= 0):
                return
            marker = page.marker

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
        """Name an upload; the service learns of it with its first part."""
        _check_key(key)
        upload = Upload(key, secrets.token_hex(_ID)[:_ID], size)
        if announce is not None:
            await announce(upload)
        return upload

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part as a block, under a name that tells upload and number."""
        chunks = [chunk async for chunk in body.open()]
        name = _block(upload, number)
        query = f"comp=block&blockid={quote(_text(name.encode()), safe='')}"
        await self._put(upload.key, query, chunks, {"Content-Type": "application/octet-stream"})
        return Part(number, offset, body.size, name)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the *known* parts that the service lists with the same size."""
        blocks = await self._requests.blocks(upload.key)
        # They are committed already where the answer to `complete` was lost.
        sizes = {**blocks.committed, **blocks.waiting}
        if not any(name.startswith(upload.id) for name in sizes):
            raise ResourceNotFound(
                f"cannot go on with {upload.key!r} in {self._requests.container}: nothing is left "
                "of what was sent; send it again"
            )
        return [part for part in known if sizes.get(_block(upload, part.number)) == part.size]

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Make the object of its parts; what others have begun to write there is dropped."""
        sent = sum(part.size for part in parts)
        if upload.size and sent != upload.size:
            raise ValueError(f"the parts of {upload.key!r} have {sent} bytes, not {upload.size}")
        names = [part.tag or "" for part in parts]
        conditions = _conditions(if_match, if_none_match)
        try:
            await self._requests.commit(upload.key, names, conditions)
        except (PreconditionFailedError, ResourceNotFound):
            if not names or not await self._consists_of(upload, names):
                raise
            # The answer to the last attempt was lost, but it took effect.

    async def _consists_of(self, upload: Upload, names: Sequence[str]) -> bool:
        try:
            return list((await self._requests.blocks(upload.key)).committed) == list(names)
        except ResourceNotFound:
            return False

    async def abort(self, upload: Upload) -> None:
        """Forget an upload; Azure has no request that drops its blocks.

        Nobody sees them. The next write to the key drops them, or a week without another part
        (the service's own rule). To drop them now would mean to write the old object anew, or an
        empty one where there is none, in sight of everybody.
        """


def _block(upload: Upload, number: int) -> str:
    return f"{upload.id}{number:05}"


async def _md5(chunks: Sequence[Chunk]) -> str:
    def compute() -> str:
        found = hashlib.md5(usedforsecurity=False)
        for chunk in chunks:
            found.update(chunk)
        return _text(found.digest())

    if sum(len(chunk) for chunk in chunks) <= _INLINE:
        return compute()
    return await run_blocking(compute)


def _is_changed(key: str) -> bool:
    """Tell whether the service, or what is before it, would take *key* for another one."""
    return "\\" in key or not {".", ".."}.isdisjoint(key.split("/"))


def _check_key(key: str) -> None:
    if _is_changed(key):
        raise IllegalArgumentError(
            f"cannot write {key!r}: Azure keeps no backslash, and no . or .. between slashes; "
            "choose another key"
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _conditions(if_match: str | None, if_none_match: str | None) -> dict[str, str]:
    found = {"If-Match": if_match, "If-None-Match": if_none_match}
    return {name: value for name, value in found.items() if value is not None}


def _size(answer: Answer, key: str) -> int:
    text = answer.headers.get("Content-Length", "")
    if not text.isdigit() or "ETag" not in answer.headers:
        raise ProtocolError(
            f"the answer for {key!r} has no length or no ETag; the endpoint of the bucket is not "
            "Azure Blob Storage"
        )
    return int(text)


def _time(answer: Answer, name: str) -> datetime | None:
    text = answer.headers.get(name)
    return None if text is None else parsedate_to_datetime(text)


def _check_range(answer: Answer, key: str, start: int) -> None:
    given = answer.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(given)
    if answer.status != 206 or found is None or int(found[1]) != start:
        raise ProtocolError(
            f"{key!r} was asked for from byte {start} on and the answer was {answer.status} with "
            f"Content-Range {given!r}"
        )
