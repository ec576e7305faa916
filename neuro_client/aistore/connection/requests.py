"""The requests of a client: to proxies, and by way of their redirects to targets (aistore.md §2).

The content of an object is sent once, to the target; the proxy is asked with an empty body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from yarl import URL

from ...errors import NotSupportedError, ResponseError, TransportError
from ...retry import NEVER, RetryPolicy, is_transient
from ...transport import Answer, Transport
from .. import wire
from ..errors import ErrBadCksum, ErrGETConflict
from ..models import Smap
from ..names import query_string
from ..objects.content import Once
from .attempts import JSON, Attempt, Fetch, ObjectCall, Route
from .link import Link, Links
from .redirects import REDIRECTS, Hops
from .settings import Settings

_OUT_OF_SPACE = 507


class RequestClient:
    """Send requests to one cluster."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._links = Links(settings)
        self.checksum_types: dict[str, str] = {}
        self.sums_of_parts: set[str] = set()
        self.group_copies: dict[object, Any] = {}

    def __getstate__(self) -> Settings:
        return self.settings

    def __setstate__(self, settings: Settings) -> None:
        RequestClient.__init__(self, settings)

    @property
    def endpoint(self) -> str:
        """Return the proxy that is asked first, without ``/v1``."""
        return self.settings.endpoint

    @property
    def base_url(self) -> str:
        """Return the root of the API at that proxy."""
        return f"{self.settings.endpoint}/v1"

    async def close(self) -> None:
        """Close all connections."""
        await self._links.close()

    async def link(self) -> Link:
        """Return the open connections."""
        return await self._links.get()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
        base: str | None = None,
        silence: float = 0.0,
    ) -> Answer:
        """Send a request to a proxy, to *base* if given, and return its whole answer.

        ``path`` starts behind ``/v1/``. With *again*, by default for GET and HEAD, it is tried
        several times; anything else may start a job each time. ``silence`` is how long, in seconds,
        the server may take if that is more than usual.
        """
        link = await self._links.get()
        query = f"?{query_string(params)}" if params else ""
        body = None if json_body is None else encoded(json_body)
        again = method in ("GET", "HEAD") if again is None else again
        sent = {**link.headers, **(JSON if body else {}), **(headers or {})}
        more = self._patient(silence)
        once = bool(body) and not again
        if once:
            sent["Content-Length"] = str(len(body or b""))

        async def ask(root: str) -> Answer:
            url = URL(f"{root}/v1/{path}{query}", encoded=True)
            hops = Hops(method)
            node = link.proxies
            while True:
                data = Once(body) if once and body else body
                answer = await node.send(
                    method, url, body=data, headers=sent, retry=None, redirects=False, **more
                )
                if answer.status not in REDIRECTS:
                    return answer
                url = hops.next(url, answer)
                if path.startswith("objects/"):
                    node = link.targets  # which need no token; all else goes to another proxy

        async def attempt() -> Answer:
            return await (ask(base) if base else link.at_proxy(ask, again=again))

        return await self._retrying(attempt, self.settings.retry if again else NEVER)

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to a proxy and decode its JSON, whatever content type it claims."""
        answer = await self.request(method, path, **options)
        return wire.document(await answer.read(), f"The answer to {method} /v1/{path}")

    async def fetch_map(self) -> Smap:
        """Fetch the map of the cluster and keep it."""
        found = wire.read_smap(await self.json("GET", "daemon", params={"what": "smap"}))
        return (await self._links.get()).map.keep(found)

    async def send(
        self, call: ObjectCall, *, retry: RetryPolicy | None = None, route: Route | None = None
    ) -> Answer:
        """Send a request about an object and return its whole answer; see `Route` for *route*."""
        more = self._patient(call.silence)

        def fetch(transport: Transport, method: str, url: URL, **options: Any) -> Awaitable[Answer]:
            return transport.send(method, url, retry=None, redirects=False, **more, **options)

        return await self._run(call, route or Route(), retry, fetch)

    @asynccontextmanager
    async def open(
        self, call: ObjectCall, *, retry: RetryPolicy | None = None
    ) -> AsyncIterator[Answer]:
        """Send a request about an object and open the answer, whose body is read inside."""
        more = self._patient(call.silence)
        async with AsyncExitStack() as stack:

            async def fetch(transport: Transport, method: str, url: URL, **options: Any) -> Answer:
                answer = await stack.enter_async_context(
                    transport.request(method, url, retry=None, redirects=False, **more, **options)
                )
                if answer.status in REDIRECTS:
                    await answer.read()
                return answer

            yield await self._run(call, Route(), retry, fetch)

    def _patient(self, silence: float) -> dict[str, Any]:
        """Return the options of a request whose answer may take longer than usual."""
        usual = self.settings.read_timeout
        return {} if usual is None or usual >= silence else {"read_timeout": silence}

    async def _run(
        self, call: ObjectCall, route: Route, retry: RetryPolicy | None, fetch: Fetch
    ) -> Answer:
        link = await self._links.get()

        async def attempt() -> Answer:
            try:
                return await Attempt(link, call, route, fetch, self.fetch_map).make()
            except TransportError:
                if call.content is not None and call.content.error is not None:
                    raise call.content.error from call.content.error.__cause__
                # The target may be gone for good: ask the proxy who has its objects now.
                route.location = None
                route.unsure = True
                link.map.drop()
                raise

        def replayable() -> bool:
            return call.idempotent and (call.content is None or call.content.replayable)

        return await self._retrying(attempt, retry or self.settings.retry, replayable)

    async def _retrying(
        self,
        attempt: Callable[[], Awaitable[Answer]],
        policy: RetryPolicy,
        replayable: Callable[[], bool] = lambda: True,
    ) -> Answer:
        number = 0
        while True:
            number += 1
            try:
                return await attempt()
            except Exception as error:
                if not (_may_pass(error) and replayable()):
                    raise
                pause = policy.delay(number, error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)


def encoded(value: object) -> bytes:
    """Write a body as the servers read it."""
    return json.dumps(value, separators=(",", ":")).encode()


def _may_pass(error: Exception) -> bool:
    """Tell whether the same request may succeed later (aistore.md §3.5)."""
    if isinstance(error, ErrBadCksum | NotSupportedError):
        return False
    if isinstance(error, ResponseError) and error.status == _OUT_OF_SPACE:
        return False
    return isinstance(error, ErrGETConflict) or is_transient(error)
