"""Single signed requests to a bucket, sent over our Transport."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from urllib.parse import unquote

from yarl import URL

from ..errors import AuthError
from ..threads import run_blocking
from ..transfer import Chunk
from ..transfer.models import MiB
from ..transfer.skew import ClockSkew
from ..transport import Answer, ClientSession, Failure, Transport
from . import s3_checks as checks
from .provider import CredentialSource
from .s3_errors import read_failure
from .s3_signing import UNSIGNED, Address, sign

_OK = (200, 204, 206)
_NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_INLINE = 2**18
"""Bytes up to which a checksum is computed on the loop: a hop to a thread would cost more."""
_VERBS = {"HEAD": "look at", "GET": "read", "PUT": "write", "DELETE": "remove"}


class Requests:
    """Send requests to the bucket that *credentials* are for."""

    def __init__(self, credentials: CredentialSource, session: ClientSession) -> None:
        self.transport = Transport(map_error=_failure, session=session, trace=None)
        self._credentials = credentials
        self.bucket = ""
        self.skew = ClockSkew()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        *,
        query: str = "",
        body: Sequence[Chunk] | None = None,
    ) -> AsyncIterator[Answer]:
        """Send one request; once more if it was refused and there are new credentials."""
        async with AsyncExitStack() as stack:
            values = await self._credentials.current()
            before = time.time()
            try:
                opened = await self._attempt(method, key, headers, query, body, values)
                answer = await stack.enter_async_context(opened)
            except AuthError:
                renewed = await self._credentials.renew(values)
                if renewed is values:
                    raise
                opened = await self._attempt(method, key, headers, query, body, renewed)
                answer = await stack.enter_async_context(opened)
            self.skew.observe(before, time.time(), answer.headers.get("Date"))
            yield answer

    async def _attempt(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        query: str,
        body: Sequence[Chunk] | None,
        values: Mapping[str, str],
    ) -> AbstractAsyncContextManager[Answer]:
        address = Address.of(values)
        self.bucket = address.bucket
        url = address.url(key, query)
        payload = _NO_BODY
        if body is not None:
            # The checksum is part of what is signed. Where others could change both, so is this.
            payload = UNSIGNED if address.private else await computed(checks.sha256, body)
        signed = sign(method, url, headers, payload, address.region, values)
        return self.transport.request(
            method,
            URL(url, encoded=True),
            headers={"Accept-Encoding": "identity", **signed},
            body=None if body is None else lambda: _each(body),
            ok=_OK,
            retry=None,
            redirects=False,
            decompress=False,
        )


async def computed(function: Callable[[Sequence[Chunk]], str], chunks: Sequence[Chunk]) -> str:
    """Compute a checksum, in a thread where that takes longer than the hop."""
    if sum(len(chunk) for chunk in chunks) <= _INLINE:
        return function(chunks)
    return await run_blocking(function, chunks)


def _failure(failure: Failure) -> Exception:
    place = unquote(failure.url.raw_path.lstrip("/"))
    return read_failure(f"cannot {_VERBS.get(failure.method, 'use')} {place!r}", failure)


async def _each(chunks: Sequence[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        if len(chunk) <= MiB:
            yield chunk
            continue
        for offset in range(0, len(chunk), MiB):
            yield memoryview(chunk)[offset : offset + MiB]
