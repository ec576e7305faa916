"""A stand-in of an AIStore cluster: one proxy and two targets on ports of their own.

Redirects lead from one listener to another as in a cluster, objects are files, jobs run; but it is
one process on one machine: no replication, no erasure coding, no disks that fail. See
``docs/howto/aistore.md``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import hdrs, web

from ...files import read_json, write_private
from ..base import Platform, Service
from ..s3.files import Files
from ..s3.records import Records
from .cluster import PROXY, TARGETS, Cluster, Node, new_ids
from .content import Content
from .errors import AISError, answer_of
from .models import SCHEMA
from .proxy import Proxy
from .reading import RangeError
from .redirects import Redirects
from .store import Store
from .target import Target

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Endpoint:
    """Hold what is made when the platform's state is open."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._nodes: dict[str, tuple[Node, Handler]] = {}

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open the cluster's folder, sweep what a kill left, and let jobs run."""
        platform = self._platform
        folder = platform.data / "aistore"
        files = Files(folder / "objects")
        ids = await asyncio.to_thread(_prepared, folder, files)
        async with Records.open(platform.data / "state.db") as records:
            store = Store(records, files)
            await store.load()
            if left := await asyncio.to_thread(files.sweep, await store.used_files()):
                logger.info("Removed %d files that no object names", left)
            cluster = Cluster(platform, store, ids)
            content = cluster.content = Content(cluster, store)
            redirects = Redirects(cluster)
            proxy = Proxy(cluster, content, redirects)
            self._nodes[PROXY] = (cluster.proxy, proxy.handle)
            for name in TARGETS:
                node = cluster.nodes[name]
                target = Target(cluster, content, redirects, node)
                self._nodes[name] = (node, target.handle)
            platform.aistore = cluster
            async with cluster.jobs.running():
                yield

    def routes(self, listener: str) -> list[web.AbstractRouteDef]:
        """Return the routes of one node."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(listener, request)

        expect = _never_continue if listener == PROXY else None
        return [web.route("*", "/{path:(?s:.*)}", handle, expect_handler=expect)]

    async def _answer(self, listener: str, request: web.Request) -> web.StreamResponse:
        node, handle = self._nodes[listener]
        try:
            return await handle(request)
        except AISError as error:
            cluster: Cluster = self._platform.aistore
            refusal = answer_of(error, request, node.label, with_tcode=cluster.has_tcodes)
            if isinstance(error, RangeError):
                refusal.headers[hdrs.CONTENT_RANGE] = f"bytes */{error.size}"
            return refusal

    def ready(self) -> Mapping[str, str]:
        """Return the address of the proxy."""
        return {"url": str(self._platform.listener(PROXY)).rstrip("/")}


def create(platform: Platform) -> list[Service]:
    """Build the services: the proxy, which holds the cluster, and the targets."""
    endpoint = _Endpoint(platform)
    proxy = Service(
        name=PROXY,
        routes=endpoint.routes(PROXY),
        lifespan=endpoint.lifespan,
        own_listener=True,
        ready=endpoint.ready,
        schema=SCHEMA,
        public=("/",),
    )
    targets = [
        Service(name=name, routes=endpoint.routes(name), own_listener=True, public=("/",))
        for name in TARGETS
    ]
    return [proxy, *targets]


def _prepared(folder: Path, files: Files) -> dict[str, str]:
    """Make the folders; return the ids of the nodes, made at the first start."""
    files.prepare()
    path = folder / "nodes.json"
    ids = {name: str(value) for name, value in read_json(path).items()}
    if set(ids) != {PROXY, *TARGETS}:
        ids = new_ids()
        write_private(path, json.dumps(ids))
    return ids


async def _never_continue(request: web.Request) -> None:
    """Let a client that waits for leave to send an object wait for the redirect (§2.4)."""
    is_object = request.path.startswith("/v1/objects/") and request.method == hdrs.METH_PUT
    if not is_object and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
