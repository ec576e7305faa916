"""Single signed requests to a bucket, sent over our Transport."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from urllib.parse import unquote

from yarl import URL

from ..errors import AuthError
from ..threads import run_blocking
from ..transfer import Chunk
from ..transfer.models import MiB
from ..transfer.skew import ClockSkew
from ..transport import Answer, Body, ClientSession, Failure, Options, Transport
from . import s3_checks as checks
from .provider import CredentialSource
from .s3_errors import read_failure
from .s3_signing import UNSIGNED, Access

T = TypeVar("T")

_OK = (200, 204, 206)
_NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_INLINE = 2**18
"""Bytes up to which a checksum is computed on the loop: a hop to a thread would cost more."""
_WHOLE = MiB
"""Bytes up to which a body is handed over in one piece."""
_VERBS = {"HEAD": "look at", "GET": "read", "PUT": "write", "DELETE": "remove"}
_VERBS_OF_QUERY = {"uploads": "begin", "uploadId": "complete"}


class Requests:
    """Send requests to the bucket that *credentials* are for.

    They are sent once more if they were refused and there are new credentials. The empty key is
    the bucket itself; a *query* is encoded, and sorted by its names.
    """

    def __init__(self, credentials: CredentialSource, session: ClientSession) -> None:
        self.transport = Transport(map_error=_failure, session=session, trace=None)
        self._credentials = credentials
        self._access: Access | None = None
        self.bucket = ""
        self.skew = ClockSkew()

    async def send(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        *,
        query: str = "",
        body: Sequence[Chunk] | None = None,
    ) -> Answer:
        """Send one request and return its answer, read to the end."""

        async def attempt(access: Access) -> Answer:
            url = access.address.url(key, query)
            options = await _options(access, method, url, headers, body)
            return await self.transport.send(method, URL(url, encoded=True), **options)

        return await self._answer(attempt)

    @asynccontextmanager
    async def stream(
        self, method: str, key: str, headers: Mapping[str, str]
    ) -> AsyncIterator[Answer]:
        """Send one request without a body; its answer is read in this block."""
        async with AsyncExitStack() as stack:

            async def attempt(access: Access) -> Answer:
                url = access.address.url(key)
                options = await _options(access, method, url, headers, None)
                opened = self.transport.request(method, URL(url, encoded=True), **options)
                return await stack.enter_async_context(opened)

            yield await self._answer(attempt)

    async def _answer(self, attempt: Callable[[Access], Awaitable[Answer]]) -> Answer:
        access = self._accessed(await self._credentials.current())
        before = time.time()
        try:
            answer = await attempt(access)
        except AuthError:
            values = await self._credentials.renew(access.values)
            if values is access.values:
                raise
            answer = await attempt(self._accessed(values))
        self.skew.observe(before, time.time(), answer.headers.get("Date"))
        return answer

    def _accessed(self, values: Mapping[str, str]) -> Access:
        """Return what credentials lead to, worked out once for them."""
        if self._access is None or self._access.values is not values:
            self._access = Access(values)
            self.bucket = self._access.address.bucket
        return self._access


async def _options(
    access: Access,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Sequence[Chunk] | None,
) -> Options:
    """Sign a request and return what sending it needs."""
    payload = _NO_BODY
    if body is not None:
        # The checksum is part of what is signed. Where others could change both, so is this.
        payload = UNSIGNED if access.address.private else await computed(checks.sha256, body)
    signed = access.sign(method, url, headers, payload)
    signed["Accept-Encoding"] = "identity"
    return {
        "headers": signed,
        "body": None if body is None else _body(body),
        "ok": _OK,
        "retry": None,
        "redirects": False,
        "decompress": False,
    }


def _body(chunks: Sequence[Chunk]) -> Body:
    if len(chunks) == 1 and len(chunks[0]) <= _WHOLE:
        return chunks[0]
    return lambda: _each(chunks)


async def computed(function: Callable[[Sequence[Chunk]], T], chunks: Sequence[Chunk]) -> T:
    """Compute a checksum, in a thread where that takes longer than the hop."""
    if sum(len(chunk) for chunk in chunks) <= _INLINE:
        return function(chunks)
    return await run_blocking(function, chunks)


def _failure(failure: Failure) -> Exception:
    place = unquote(failure.url.raw_path.lstrip("/"))
    query = failure.url.query
    verb = _VERBS.get(failure.method, "use")
    if failure.method == "POST":
        verb = next((word for name, word in _VERBS_OF_QUERY.items() if name in query), verb)
    elif "list-type" in query:
        verb, place = f"list {query.get('prefix', '')!r} in", place.rstrip("/")
    return read_failure(f"cannot {verb} {place!r}", failure)


async def _each(chunks: Sequence[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        if len(chunk) <= MiB:
            yield chunk
            continue
        for offset in range(0, len(chunk), MiB):
            yield memoryview(chunk)[offset : offset + MiB]
