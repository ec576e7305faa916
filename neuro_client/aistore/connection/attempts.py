"""One call about an object on its way through proxy and target (aistore.md §2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import attrs
from yarl import URL

from ...errors import (
    AuthenticationError,
    AuthorizationError,
    NotSupportedError,
    ProtocolError,
    ResourceNotFound,
    ResponseError,
    TransportError,
)
from ...transport import Answer, never_connected
from ..models import Smap
from ..objects.content import Content, Once, Unsent
from .link import Link
from .redirects import REDIRECTS, Hops, is_signed, unreachable

JSON = {"Content-Type": "application/json"}
_EMPTY = {"Content-Length": "0"}
_TRANSFORMING = 60.0

Fetch = Callable[..., Awaitable[Answer]]
"""Send one request to a node over a Transport and return what it answers.

A redirect is not followed, but its body is read: of GET it has one, and unread it would cost the
connection.
"""


@attrs.frozen(eq=False)
class ObjectCall:
    """Describe one request about an object.

    ``path`` and ``query`` are encoded. ``uname`` is the object's full name. ``action`` is a body
    that both proxy and target need, ``content`` one for the target only. ``direct`` allows to
    choose the target without the proxy.
    """

    method: str
    path: str
    query: str
    uname: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    action: bytes | None = None
    content: Content | None = None
    direct: bool = False
    idempotent: bool = True

    @property
    def silence(self) -> float:
        """Return how long an answer may take, in seconds, if an ETL works on it first."""
        return _TRANSFORMING if "etl_name=" in self.query else 0.0

    def url(self, base: str) -> URL:
        """Return the address of the object at a node."""
        query = f"?{self.query}" if self.query else ""
        return URL(f"{base}{self.path}{query}", encoded=True)


@attrs.define(eq=False)
class Route:
    """Remember what the attempts of one call have found out.

    ``unsure``: an attempt may have had its effect although it failed.
    """

    location: URL | None = None
    proxy: str = ""
    unsure: bool = False


class Attempt:
    """Take one call through its hops once."""

    def __init__(
        self,
        link: Link,
        call: ObjectCall,
        route: Route,
        fetch: Fetch,
        fetch_map: Callable[[], Coroutine[Any, Any, Smap]],
    ) -> None:
        self._link = link
        self._fetch_map = fetch_map
        self._call = call
        self._route = route
        self._fetch = fetch
        self._common = {**link.headers, **call.headers}

    async def make(self) -> Answer:
        """Return the answer of the node that has the object."""
        missing: ResponseError | None = None
        asked: str | None = None
        if self._route.location is None and self._call.direct and self._link.reads_directly:
            node = await self._link.map.owner(self._call.uname, self._fetch_map)
            if node is not None:
                asked = node.public_net.direct_url.rstrip("/")
                try:
                    return await self._read(asked)
                except ResourceNotFound as error:
                    missing = error
                except (AuthenticationError, AuthorizationError):
                    self._link.reads_directly = False
                except TransportError:
                    self._link.map.avoid(node)
        reused = self._route.location is not None
        if not reused and (answer := await self._ask()) is not None:
            return answer
        assert self._route.location is not None
        if missing is not None and asked is not None:
            if _root(self._route.location) == asked:
                raise missing  # the proxy, too, looks for it there
            self._link.map.drop()
        try:
            return await self._deliver(self._route.location)
        except ResourceNotFound:
            self._route.location = None
            if not reused or not self._may_send_again():
                raise
        # An address of an earlier attempt: the object may have moved since.
        if (answer := await self._ask()) is not None:
            return answer
        return await self._deliver(self._route.location)

    def _may_send_again(self) -> bool:
        return self._call.content is None or self._call.content.replayable

    async def _read(self, base: str) -> Answer:
        call = self._call
        answer = await self._fetch(
            self._link.targets, call.method, call.url(base), headers=self._common, decompress=False
        )
        if answer.status in REDIRECTS:
            raise ProtocolError(
                f"The target {base} redirected {call.method}; the map of the cluster names "
                "something else for a target"
            )
        return answer

    async def _ask(self) -> Answer | None:
        """Ask a proxy for the target's address; return its answer if it is one already."""
        call = self._call
        options = self._question()

        async def ask(root: str) -> tuple[str, URL, Answer]:
            url = call.url(root)
            return root, url, await self._fetch(self._link.proxies, call.method, url, **options())

        root, url, answer = await self._link.at_proxy(ask, again=call.idempotent)
        if answer.status not in REDIRECTS:
            if call.content is not None:
                raise ProtocolError(
                    f"{call.method} {root}{call.path} was answered {answer.status} without naming "
                    "a target; this is no AIStore proxy, and an empty object may be there now"
                )
            return answer
        location = Hops(call.method).next(url, answer)
        self._route.location, self._route.proxy = location, root
        self._link.map.check(call.uname, _root(location))
        if is_signed(location) and not self._link.signs:
            self._link.signs = True
            if call.content is not None and call.content.size != 0:
                # It is signed for an empty content.
                return await self._ask()
        return None

    def _question(self) -> Callable[[], dict[str, Any]]:
        call = self._call
        if call.action is not None:
            headers = {**self._common, **JSON}
            return lambda: {"headers": headers, "body": call.action}
        if call.content is None:
            empty = _EMPTY if call.method == "PUT" else {}
            return lambda: {"headers": {**self._common, **empty}, "decompress": False}
        if not self._link.signs or call.content.size == 0:
            return lambda: {"headers": {**self._link.headers, **_EMPTY}}
        if call.content.size is None:
            raise NotSupportedError(
                "This cluster signs its redirects with the length of the content; give the size "
                f"of the stream for {call.path}"
            )
        announced = {
            **self._link.headers,
            "Content-Length": str(call.content.size),
            "Expect": "100-continue",
        }
        where = f"{call.method} {call.path}"
        return lambda: {"headers": announced, "body": Unsent(where)}

    async def _deliver(self, location: URL | None) -> Answer:
        """Send the request to the target, and on where that one redirects it."""
        assert location is not None
        hops = Hops(self._call.method)
        try:
            while True:
                answer = await self._fetch(
                    self._link.targets, self._call.method, location, **self._order()
                )
                if answer.status not in REDIRECTS:
                    break
                location = hops.next(location, answer)
                if not self._may_send_again():
                    raise ProtocolError(
                        f"The target at {_root(location)} was named after a stream had been sent "
                        "elsewhere, which cannot be done twice; send bytes or a file"
                    )
        except TransportError as error:
            if not never_connected(error):
                raise
            raise unreachable(error, location, self._route.proxy) from error
        except (AuthenticationError, AuthorizationError):
            content = self._call.content
            if content is None or self._link.signs or not content.size or not content.replayable:
                raise
            # What it refused was perhaps a signature for an empty content.
            return await self._signed()
        finally:
            if self._link.signs:
                self._route.location = None  # a signature holds once
            if self._call.content is not None:
                await self._call.content.close()
        return answer

    async def _signed(self) -> Answer:
        self._link.signs = True
        self._route.location = None
        try:
            await self._ask()
            return await self._deliver(self._route.location)
        except Exception:
            self._link.signs = False
            raise

    def _order(self) -> dict[str, Any]:
        call = self._call
        if call.action is not None:
            return {"headers": {**self._common, **JSON}, "body": call.action}
        if call.content is None:
            empty = _EMPTY if call.method == "PUT" else {}
            return {"headers": {**self._common, **empty}, "decompress": False}
        size = call.content.size
        length = {} if size is None else {"Content-Length": str(size)}
        body = call.content.body()
        if isinstance(body, bytes | bytearray | memoryview) and not call.idempotent:
            body = Once(body)
        return {"headers": {**self._common, **length}, "body": body}


def _root(url: URL) -> str:
    return f"{url.scheme}://{url.raw_authority}"
