"""A proxy and targets that do what a test says, and keep what they were asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import attrs
from aiohttp import web
from yarl import URL

Handler = Callable[["Node", web.Request], Awaitable[web.StreamResponse]]

SUM = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "45ab6734b21e6968"}
"""Of ``hello world`` (aistore.md §21)."""


@attrs.frozen
class Asked:
    """Hold a request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def length(self) -> str | None:
        return self.headers.get("Content-Length")


@attrs.define(eq=False)
class Node:
    """Answer with the planned handlers in turn, the last one for ever."""

    name: str
    handlers: list[Handler] = attrs.field(factory=list)
    asked: list[Asked] = attrs.field(factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    def plan(self, *handlers: Handler) -> None:
        self.handlers = list(handlers)
        self.asked.clear()

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.asked]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        held_back = "Expect" in request.headers
        body = b"" if held_back else await request.read()
        self.asked.append(Asked(request.method, request.raw_path, request.headers, body))
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return await handler(self, request)

    async def start(self, port: int = 0) -> Self:
        app = web.Application(client_max_size=2**30)

        async def no_hundred(_: web.Request) -> None:
            """Answer an announced body without taking it (aistore.md §2.4)."""

        app.router.add_route("*", "/{path:.*}", self.handle, expect_handler=no_hundred)
        # Without this it would wait ten seconds for a body that it was announced.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, lingering_time=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@asynccontextmanager
async def nodes(*names: str) -> AsyncIterator[list[Node]]:
    """Start nodes on free ports."""
    async with AsyncExitStack() as stack:
        found = []
        for name in names:
            node = await Node(name).start()
            stack.push_async_callback(node.stop)
            found.append(node)
        yield found


def answer(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Handler:
    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return handle


def json_answer(value: Any, status: int = 200) -> Handler:
    return answer(status, json.dumps(value).encode())


def failing(status: int, message: str = "no", tcode: str = "") -> Handler:
    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        document = json.dumps({"message": message, "status": status, "tcode": tcode})
        if request.method == "HEAD":
            return web.Response(status=status, headers={"Hdr-Error": document})
        return web.Response(status=status, text=document, content_type="application/json")

    return handle


def to(target: Node | str, marks: str = "pid=OwDp8080&utm=dn093eszk73b") -> Handler:
    """Redirect as a proxy does: GET with 301 and a body, others with 307 (aistore.md §2.1)."""

    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        root = target if isinstance(target, str) else target.url
        glue = "&" if request.query_string else "?"
        location = f"{root}{request.raw_path}{glue}{marks}"
        if request.method == "GET":
            page = f'<a href="{location}">Moved Permanently</a>.\n\n'
            return web.Response(
                status=301, text=page, content_type="text/html", headers={"Location": location}
            )
        headers = {"Location": location}
        if "Expect" in request.headers:
            headers["Connection"] = "close"
        return web.Response(status=307, headers=headers)

    return handle


def location(text: str | None, status: int = 307) -> Handler:
    """Redirect to just this."""
    return answer(status, headers={} if text is None else {"Location": text})


def hang_up(after: bytes = b"", length: int = 100) -> Handler:
    """Break the connection off, after a part of the body if one is given."""

    async def handle(_: Node, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(length), **SUM})
        if after:
            await response.prepare(request)
            await response.write(after)
        assert request.transport is not None
        request.transport.close()
        return response

    return handle


def smap(proxies: list[Node], targets: list[Node]) -> dict[str, Any]:
    """Return a map of nodes; a target's digest is its number."""

    def node(found: Node, number: int, kind: str) -> dict[str, Any]:
        url = URL(found.url)
        net = {
            "node_ip_addr": url.host,
            "daemon_port": str(url.port),
            "direct_url": found.url,
        }
        return {
            "public_net": net,
            "intra_data_net": net,
            "intra_control_net": net,
            "daemon_type": kind,
            "daemon_id": found.name,
            "flags": 0,
            "id_digest": 2**63 + number,
        }

    return {
        "pmap": {one.name: node(one, 0, "proxy") for one in proxies},
        "tmap": {one.name: node(one, number, "target") for number, one in enumerate(targets)},
        "proxy_si": node(proxies[0], 0, "proxy"),
        "uuid": "u",
        "version": "4",
    }
