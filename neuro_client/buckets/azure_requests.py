"""Single requests to an Azure container, authorized by a SAS token.

Bytes travel over our own Transport: the library would read them ahead and try again by itself.
Signatures, listings and lists of blocks are the library's, over the same connections.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar
from urllib.parse import quote, unquote

import attrs
from azure.storage.blob.aio import ContainerClient
from yarl import URL

from ..errors import AuthError, ConfigError, ProtocolError
from ..transfer import Chunk
from ..transfer.models import MiB
from ..transfer.skew import ClockSkew
from ..transport import Answer, ClientSession, Failure, Transport
from .azure_client import (
    SIGNED_FOR,
    Blocks,
    Page,
    commit,
    list_blocks,
    list_page,
    open_client,
    sign,
    translated,
)
from .azure_errors import NOT_AZURE, REQUEST_ID, answer_error
from .provider import CredentialSource

T = TypeVar("T")

_OK = (200, 201, 202, 206)
_VERSION = "2021-12-02"
"""The oldest one that lists any key and takes the largest blocks."""
_VERBS = {"HEAD": "look at", "GET": "read", "PUT": "write", "DELETE": "remove"}


@attrs.frozen
class _Access:
    """Say where a container is and by which token; ``until`` is on the monotonic clock."""

    values: Mapping[str, str] = attrs.field(repr=False)
    endpoint: str
    container: str
    sas: str = attrs.field(repr=False)
    client: ContainerClient
    until: float

    def url(self, key: str, query: str) -> URL:
        path = f"{quote(self.container, safe='')}/{quote(key, safe='/~')}"
        text = "&".join(part for part in (query, self.sas) if part)
        return URL(f"{self.endpoint}/{path}?{text}", encoded=True)


class AzureRequests:
    """Send requests to the container that *credentials* are for."""

    def __init__(self, credentials: CredentialSource, session: ClientSession) -> None:
        self.skew = ClockSkew()
        self.container = ""
        self._credentials = credentials
        self._session = session
        self._transport = Transport(map_error=_failure, session=session, trace=None)
        self._access: _Access | None = None

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
                opened = self._attempt(method, key, headers, query, body, values)
                answer = await stack.enter_async_context(opened)
            except AuthError:
                renewed = await self._credentials.renew(values)
                if renewed is values:
                    raise
                opened = self._attempt(method, key, headers, query, body, renewed)
                answer = await stack.enter_async_context(opened)
            if REQUEST_ID not in answer.headers:
                raise ProtocolError(
                    f"{_what(answer.method, answer.url)}: {NOT_AZURE.format(answer.status)}"
                )
            self.skew.observe(before, time.time(), answer.headers.get("Date"))
            yield answer

    def _attempt(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        query: str,
        body: Sequence[Chunk] | None,
        values: Mapping[str, str],
    ) -> AbstractAsyncContextManager[Answer]:
        sent = {"x-ms-version": _VERSION, "Accept-Encoding": "identity", **headers}
        if body is not None:
            sent["Content-Length"] = str(sum(len(chunk) for chunk in body))
        return self._transport.request(
            method,
            self._open(values).url(key, query),
            headers=sent,
            body=None if body is None else lambda: _each(body),
            ok=_OK,
            retry=None,
            redirects=False,
            decompress=False,
        )

    async def page(self, prefix: str, marker: str | None, size: int, *, folders: bool) -> Page:
        """List up to *size* keys from *marker* on."""
        before = time.time()

        def observe(date: str | None) -> None:
            self.skew.observe(before, time.time(), date)

        return await self._call(
            f"list {prefix!r}",
            lambda client: list_page(
                client, prefix, marker, size, folders=folders, observe=observe
            ),
        )

    async def blocks(self, key: str) -> Blocks:
        """Return the blocks of a blob, also of one that is not complete."""
        return await self._call(f"go on with {key!r}", lambda client: list_blocks(client, key))

    async def commit(self, key: str, names: Sequence[str], conditions: Mapping[str, str]) -> None:
        """Make a blob of blocks that have arrived."""
        await self._call(f"complete {key!r}", lambda client: commit(client, key, names, conditions))

    async def _call(self, what: str, work: Callable[[ContainerClient], Awaitable[T]]) -> T:
        """Make one call of the library; once more if there are new credentials."""
        values = await self._credentials.current()
        try:
            return await self._use(what, work, values)
        except AuthError:
            renewed = await self._credentials.renew(values)
            if renewed is values:
                raise
            return await self._use(what, work, renewed)

    async def _use(
        self,
        what: str,
        work: Callable[[ContainerClient], Awaitable[T]],
        values: Mapping[str, str],
    ) -> T:
        access = self._open(values)
        async with translated(f"cannot {what} in {self.container}"):
            return await work(access.client)

    def _open(self, values: Mapping[str, str]) -> _Access:
        """Return what *values* open; the client of old ones goes on with what it has begun."""
        now = time.monotonic()
        if self._access is None or self._access.values is not values or now > self._access.until:
            self._access = self._made(values, now)
            self.container = self._access.container
        return self._access

    def _made(self, values: Mapping[str, str], now: float) -> _Access:
        try:
            endpoint, container = values["storage_endpoint"].rstrip("/"), values["bucket_name"]
            token = values.get("sas_token") or values["credential"]
        except KeyError as error:
            raise ConfigError(
                f"the credentials of the bucket have no {error}; they are not those of Azure, or "
                "the bucket was imported without it"
            ) from None
        until = float("inf")
        if "sig=" not in token:
            token = sign(endpoint, container, token)
            until = now + SIGNED_FOR.total_seconds() / 2
        sas = token.lstrip("?")
        client = open_client(self._session, endpoint, container, sas)
        return _Access(values, endpoint, container, sas, client, until)


def _what(method: str, url: URL) -> str:
    return f"cannot {_VERBS.get(method, 'use')} {unquote(url.raw_path.lstrip('/'))!r}"


def _failure(failure: Failure) -> Exception:
    what = _what(failure.method, failure.url)
    return answer_error(what, failure.status, failure.headers, failure.body)


async def _each(chunks: Sequence[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        for offset in range(0, len(chunk), MiB):
            yield memoryview(chunk)[offset : offset + MiB]
