"""Single requests of one cluster's storage service (storage.md §5, §10).

Paths are decoded, without a leading slash; "" is the root. ``once`` makes one attempt, for callers
that try again themselves.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypedDict, cast
from urllib.parse import quote

from yarl import URL

from ..concurrency import scoped_iterator
from ..streaming.ndjson import LineSplitter, decode_record
from ..transfer import Chunk
from ..transfer.places import under
from ..transfer.skew import ClockSkew
from ..transport import Answer, Body, Transport
from ..uris import child
from .models import FileStatus
from .wire import decode_status, unwrap_listing

NDJSON = "application/x-ndjson"

Content = bytes | Callable[[], AsyncIterator[Chunk]] | AsyncIterator[bytes]

_STEP = 2**20
_REMOVAL = 600.0
"""Seconds that the service may be silent while it removes a tree."""


class StorageService:
    """Speak to the storage of one cluster, whose root is *root* (``storage://cluster``)."""

    def __init__(self, transport: Transport, base: URL, root: URL) -> None:
        self._transport = transport
        self._base = str(base).rstrip("/")
        self.root = root
        self.skew = ClockSkew()

    def _url(self, path: str, op: str, **query: str) -> URL:
        place = quote(path.lstrip("/"), safe="/", errors="surrogateescape")
        more = "".join(f"&{name}={quote(value, safe='/')}" for name, value in query.items())
        return URL(f"{self._base}/{place}?op={op}{more}", encoded=True)

    @property
    def place(self) -> str:
        """Name this storage, whatever the login and the cluster are called."""
        return self._base

    def uri(self, path: str) -> URL:
        """Return the long URI of a path."""
        return under(self.root, path.strip("/"))

    @scoped_iterator
    async def list(self, path: str) -> AsyncIterator[FileStatus]:
        """Iterate over a directory, in the server's order."""
        parent = self.uri(path)
        async with self.records(path) as records:
            async for record in records:
                yield decode_status(record, lambda name: child(parent, name))

    @scoped_iterator
    async def records(self, path: str, once: bool = False) -> AsyncIterator[Any]:
        """Iterate over a directory as `list` does, each child as the JSON that was sent."""
        before = time.time()
        async with self._transport.request(
            "GET", self._url(path, "LISTSTATUS"), headers={"Accept": NDJSON}, **_retry(once)
        ) as answer:
            self.skew.observe(before, time.time(), answer.headers.get("Date"))
            if not answer.headers.get("Content-Type", "").startswith(NDJSON):
                for record in unwrap_listing(await answer.json()):
                    yield record
                return
            async for record in _records(answer):
                yield record

    async def stat(self, path: str, once: bool = False) -> FileStatus:
        """Describe what is under a path."""
        before = time.time()
        answer = await self._transport.send("GET", self._url(path, "GETFILESTATUS"), **_retry(once))
        self.skew.observe(before, time.time(), answer.headers.get("Date"))
        return decode_status(await answer.json(), self.uri)

    async def usage(self, path: str) -> Any:
        """Return the free and used bytes of the file system that holds a path."""
        before = time.time()
        answer = await self._transport.send("GET", self._url(path, "GETDISKUSAGE"))
        self.skew.observe(before, time.time(), answer.headers.get("Date"))
        return await answer.json()

    async def mkdirs(self, path: str, once: bool = False) -> None:
        """Make a directory and its parents."""
        await self._transport.send("PUT", self._url(path, "MKDIRS"), **_retry(once))

    async def create(
        self,
        path: str,
        content: Content,
        size: int | None = None,
        once: bool = False,
    ) -> None:
        """Write a whole file; *size* is that of a content that is not bytes, if known."""
        headers = {"Content-Type": "application/octet-stream"}
        await self._send("PUT", self._url(path, "CREATE"), content, size, headers, once)

    async def write(
        self,
        path: str,
        content: Content,
        offset: int,
        size: int,
        once: bool = False,
    ) -> None:
        """Write *size* bytes at *offset* of an existing file."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {offset}-{offset + size - 1}/*",
        }
        # Writing the same bytes to the same place again does no harm.
        await self._send("PATCH", self._url(path, "WRITE"), content, size, headers, once)

    async def _send(
        self,
        method: str,
        url: URL,
        content: Content,
        size: int | None,
        headers: dict[str, str],
        once: bool,
    ) -> None:
        if isinstance(content, bytes):
            size = len(content)
            if size > _STEP:
                content = _sliced(content)
        if size is not None:
            headers["Content-Length"] = str(size)
        await self._transport.send(
            method,
            url,
            body=cast("Body", content),
            headers=headers,
            idempotent=True,
            **_retry(once),
        )

    def open(
        self, path: str, range_: str | None, once: bool = False
    ) -> AbstractAsyncContextManager[Answer]:
        """Open the content, or the bytes of a ``Range`` header."""
        headers = {} if range_ is None else {"Range": range_}
        return self._transport.request(
            "GET", self._url(path, "OPEN"), headers=headers, **_retry(once)
        )

    async def rename(self, source: str, target: str) -> None:
        """Move within the cluster, in one attempt: a lost answer may mean that it was done."""
        url = self._url(source, "RENAME", destination="/" + target.lstrip("/"))
        await self._transport.send("POST", url, idempotent=False)

    @scoped_iterator
    async def delete(self, path: str, *, recursive: bool) -> AsyncIterator[Any]:
        """Remove in one attempt and iterate over the records of what was removed, if told."""
        url = self._url(path, "DELETE", recursive="true" if recursive else "false")
        async with self._transport.request(
            "DELETE", url, headers={"Accept": NDJSON}, idempotent=False, read_timeout=_REMOVAL
        ) as answer:
            if answer.headers.get("Content-Type", "").startswith(NDJSON):
                async for record in _records(answer):
                    yield record
            else:
                await answer.read()


class _Retry(TypedDict, total=False):
    retry: None


def _retry(once: bool) -> _Retry:
    return {"retry": None} if once else {}


async def _records(answer: Answer) -> AsyncIterator[Any]:
    splitter = LineSplitter()
    async for chunk in answer.chunks():
        for line in splitter.feed(chunk):
            yield decode_record(line)
    if rest := splitter.flush():
        yield decode_record(rest)


def _sliced(data: bytes) -> Callable[[], AsyncIterator[Chunk]]:
    """Send large content in steps, so that the loop is not held up by one."""

    async def steps() -> AsyncIterator[Chunk]:
        view = memoryview(data)
        for offset in range(0, len(view), _STEP):
            yield view[offset : offset + _STEP]

    return steps
