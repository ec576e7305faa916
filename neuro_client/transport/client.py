"""The one request path: credentials, retry, error mapping and tracing happen here and only here."""

from __future__ import annotations

import asyncio
import enum
import json as jsonlib
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, Self, TypedDict, TypeVar, Unpack

import aiohttp
import attrs
from yarl import URL

from ..concurrency import finish, scoped_iterator
from ..errors import AuthenticationError
from ..retry import NEVER, RetryPolicy, is_transient
from ..streaming.ndjson import LineSplitter, decode_record
from ..tracing import trace_headers
from .answer import Answer, translated
from .auth import Credentials
from .mapping import MAX_ERROR_BODY, Failure, MapError, map_error
from .sending import watched
from .session import open_session, with_read_timeout
from .websocket import WebSocket, connect

T = TypeVar("T")

Buffer = bytes | bytearray | memoryview
Body = Buffer | Callable[[], AsyncIterator[Buffer]] | AsyncIterator[Buffer]
Params = Mapping[str, str] | Sequence[tuple[str, str]]

NDJSON = "application/x-ndjson"
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
# A token about to expire is renewed before a body is sent: the body may be too large to send twice.
_BODY_TTL = 60.0
_CLOSE_TIME = 5.0


class _Default(enum.Enum):
    DEFAULT = 0


_DEFAULT: Final = _Default.DEFAULT


class Options(TypedDict, total=False):
    """Name what a request may carry besides its method and URL.

    ``params`` replaces the URL's query. ``json`` or ``body`` is the content; a body given as an
    iterator is sent once and never again. ``idempotent`` defaults by method. ``retry`` None makes
    one attempt: the caller owns the retry. ``read_timeout`` is the longest pause between two reads
    in seconds, None for no limit. ``ok`` lists the success statuses, default all below 400. With
    ``decompress`` False the bytes of the answer are those that are stored, whatever their encoding.
    """

    params: Params | None
    json: object
    body: Body | None
    headers: Mapping[str, str] | None
    idempotent: bool
    retry: RetryPolicy | None
    read_timeout: float | None
    ok: Collection[int] | None
    redirects: bool
    decompress: bool


@attrs.frozen
class Call:
    """Describe one logical call; every attempt starts from the same unchanged value."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: Body | None
    idempotent: bool
    ok: Collection[int] | None
    read_timeout: float | None | _Default
    redirects: bool
    decompress: bool

    @property
    def replayable(self) -> bool:
        """Tell whether a further attempt can send the same body again."""
        return self.body is None or isinstance(self.body, Buffer) or callable(self.body)

    def accepts(self, status: int) -> bool:
        """Tell whether ``status`` is a success."""
        return status in self.ok if self.ok is not None else status < 400


class Transport:
    """Send requests to one service and return its answers or one exception of ours.

    ``base_url`` resolves relative paths. ``map_error`` makes exceptions of error answers, so that a
    system with other error bodies brings its own. ``session`` None opens one on entering and closes
    it on leaving; a given session belongs to the caller. ``trace`` makes the tracing headers of
    each attempt, None sends none.

    Only idempotent calls with a body that can be sent again are retried, on no answer, 408, 429
    and 5xx; a 401 is answered by one renewal of the credentials and one more attempt.
    """

    def __init__(
        self,
        base_url: URL | None = None,
        credentials: Credentials | None = None,
        map_error: MapError = map_error,
        retry: RetryPolicy | None = None,
        session: aiohttp.ClientSession | None = None,
        *,
        trace: Callable[[], Mapping[str, str]] | None = trace_headers,
    ) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._map_error = map_error
        self._retry = RetryPolicy() if retry is None else retry
        self._session = session
        self._trace = trace
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._session is None:
            self._session = await self._stack.enter_async_context(open_session())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return the open session, for a Transport of another service over the same connections."""
        return self._open_session()

    @property
    def credentials(self) -> Credentials | None:
        """Return what the requests are signed in with, for services that want it in other words."""
        return self._credentials

    @asynccontextmanager
    async def request(
        self, method: str, url: URL | str, **options: Unpack[Options]
    ) -> AsyncIterator[Answer]:
        """Open an answer whose body is read inside the ``async with``.

        Retries cover everything up to the answer's head; see ``Options`` and ``send``.
        """
        call, policy = self._call(method, url, options)
        response = await self._retrying(call, policy, lambda: self._open(call))
        try:
            yield Answer(response, call.decompress)
        finally:
            # A connection whose body was not read to the end is closed by this, not reused.
            response.release()

    async def send(self, method: str, url: URL | str, **options: Unpack[Options]) -> Answer:
        """Send a request, read the whole body and return the answer; a cut body is retried too.

        Raises:
            ResponseError: an error status, as the subclass of that status.
            TransportError: no complete answer.
        """
        call, policy = self._call(method, url, options)

        async def attempt() -> Answer:
            response = await self._open(call)
            try:
                answer = Answer(response, call.decompress)
                await answer.preload()
            finally:
                response.release()
            return answer

        return await self._retrying(call, policy, attempt)

    async def json(self, method: str, url: URL | str, **options: Unpack[Options]) -> Any:
        """Send a request and decode its JSON answer; ``ProtocolError`` if it is none."""
        return await (await self.send(method, url, **options)).json()

    @scoped_iterator
    async def records(
        self,
        method: str,
        url: URL | str,
        *,
        unwrap: Callable[[Any], Iterable[Any]],
        **options: Unpack[Options],
    ) -> AsyncIterator[Any]:
        """Yield the records of a listing as they arrive, from JSON lines or from one document.

        The form is chosen by the answer's content type; ``unwrap`` takes the records out of a
        document. A record with ``error`` raises (``streaming.ndjson``).
        """
        options["headers"] = {"Accept": NDJSON, **(options.get("headers") or {})}
        async with self.request(method, url, **options) as answer:
            if not answer.headers.get("Content-Type", "").startswith(NDJSON):
                for record in unwrap(await answer.json()):
                    yield record
                return
            splitter = LineSplitter()
            async for chunk in answer.chunks():
                for line in splitter.feed(chunk):
                    yield decode_record(line)
            if rest := splitter.flush():
                yield decode_record(rest)

    @asynccontextmanager
    async def websocket(
        self,
        url: URL | str,
        *,
        params: Params | None = None,
        protocols: Sequence[str] = (),
        heartbeat: float | None = 30.0,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WebSocket]:
        """Open a WebSocket; a refused handshake raises like any other error answer.

        The error text of a refused handshake is read from ``X-Error`` (config-and-auth.md §12.2).
        Tracing headers are not sent (§1).
        """
        target = self._resolve(url, params)
        renewed = False
        while True:
            sent = await self._authorization(0.0)
            try:
                socket = await connect(
                    self._open_session(),
                    target,
                    self._map_error,
                    protocols=protocols,
                    heartbeat=heartbeat,
                    headers={**(headers or {}), **sent},
                )
                break
            except AuthenticationError:
                if renewed or not await self._renew(sent):
                    raise
                renewed = True
        try:
            yield WebSocket(socket, target)
        finally:
            # What the peer says to the farewell is nobody's concern any more.
            with suppress(TimeoutError):
                await finish(socket.close(), _CLOSE_TIME)

    async def _retrying(
        self, call: Call, policy: RetryPolicy, attempt: Callable[[], Awaitable[T]]
    ) -> T:
        number = 0
        while True:
            number += 1
            try:
                return await attempt()
            except Exception as error:
                if not (call.idempotent and call.replayable and is_transient(error)):
                    raise
                pause = policy.delay(number, error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _open(self, call: Call) -> aiohttp.ClientResponse:
        """Make one attempt; the response has a success status and is the caller's to release."""
        sent = await self._authorization(_BODY_TTL if call.body is not None else 0.0)
        response = await self._attempt(call, sent)
        if call.accepts(response.status):
            return response
        error = await self._error(call, response)
        if response.status != 401 or not call.replayable or not await self._renew(sent):
            raise error
        response = await self._attempt(call, await self._authorization(0.0))
        if call.accepts(response.status):
            return response
        raise await self._error(call, response)

    async def _attempt(self, call: Call, sent: Mapping[str, str]) -> aiohttp.ClientResponse:
        body = call.body() if callable(call.body) else call.body
        trace = self._trace() if self._trace is not None else {}
        options: dict[str, Any] = {}
        session = self._open_session()
        limit = session.timeout.sock_read
        if not isinstance(call.read_timeout, _Default):
            limit = call.read_timeout
            options["timeout"] = with_read_timeout(session.timeout, limit)
        with translated(call.method, call.url):
            async with watched(body, limit) as data:
                return await session.request(
                    call.method,
                    call.url,
                    data=data,
                    headers={**trace, **call.headers, **sent},
                    allow_redirects=call.redirects,
                    auto_decompress=call.decompress,
                    **options,
                )

    async def _error(self, call: Call, response: aiohttp.ClientResponse) -> Exception:
        try:
            body = await Answer(response).head(MAX_ERROR_BODY)
        finally:
            response.close()
        return self._map_error(
            Failure(call.method, call.url, response.status, response.headers, body)
        )

    async def _authorization(self, min_ttl: float) -> dict[str, str]:
        if self._credentials is None:
            return {}
        value = await self._credentials.authorization(min_ttl=min_ttl)
        return {"Authorization": value} if value else {}

    async def _renew(self, sent: Mapping[str, str]) -> bool:
        if self._credentials is None or not sent:
            return False
        return await self._credentials.renew(sent["Authorization"])

    def _call(self, method: str, url: URL | str, options: Options) -> tuple[Call, RetryPolicy]:
        headers = dict(options.get("headers") or {})
        body = options.get("body")
        if "json" in options:
            body = jsonlib.dumps(options["json"], separators=(",", ":")).encode()
            headers.setdefault("Content-Type", "application/json")
        call = Call(
            method=method,
            url=self._resolve(url, options.get("params")),
            headers=headers,
            body=body,
            idempotent=options.get("idempotent", method in _IDEMPOTENT),
            ok=options.get("ok"),
            read_timeout=options.get("read_timeout", _DEFAULT),
            redirects=options.get("redirects", True),
            decompress=options.get("decompress", True),
        )
        return call, options.get("retry", self._retry) or NEVER

    def _resolve(self, url: URL | str, params: Params | None) -> URL:
        target = url if isinstance(url, URL) else self._join(url)
        return target.with_query(params) if params is not None else target

    def _join(self, path: str) -> URL:
        if self._base_url is None:
            raise ValueError(f"A relative path needs a base URL: {path!r}")
        return self._base_url / path.lstrip("/") if path else self._base_url

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            raise RuntimeError("The client is closed; use it inside its `async with` block")
        return self._session
