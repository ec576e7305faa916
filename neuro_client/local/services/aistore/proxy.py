"""The proxy: it answers what is about the cluster and buckets, and sends the rest to targets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from aiohttp import hdrs, web

from .access import admit
from .authn import RESOURCES
from .batch import Batches
from .buckets import BucketHandlers
from .cluster import Cluster
from .content import Content
from .downloads import Downloads
from .dsort import Sorting
from .errors import AISError, bad_request, not_found
from .etl_calls import EtlHandlers
from .messages import flag, read_message
from .names import Bck, object_name
from .nodes import NodeHandlers
from .queries import JobHandlers
from .redirects import Redirects

_DRAINED = 262_144
_REDIRECTED = {"rename-obj", "check-lock", "mpt-upload", "mpt-complete"}
_OBJECT_METHODS = {
    hdrs.METH_GET,
    hdrs.METH_HEAD,
    hdrs.METH_PUT,
    hdrs.METH_DELETE,
    hdrs.METH_PATCH,
    hdrs.METH_POST,
}
Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


class Proxy:
    """Answer requests to the proxy."""

    def __init__(self, cluster: Cluster, content: Content, redirects: Redirects) -> None:
        self._cluster = cluster
        self._content = content
        self._redirects = redirects
        self._nodes = NodeHandlers(cluster)
        self._buckets = BucketHandlers(content)
        self._jobs = JobHandlers(content)
        self._resources: dict[str, Handler] = {
            "buckets": self._buckets.handle,
            "objects": self._objects,
            "cluster": self._jobs.handle,
            "daemon": lambda request, _: self._nodes.daemon(request, cluster.proxy),
            "reverse": self._nodes.reverse,
            "health": lambda request, _: self._nodes.health(request),
            "etl": EtlHandlers(content).handle,
            "sort": Sorting(content).handle,
            "download": Downloads(content).handle,
            "ml": Batches(content, redirects).redirect,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        path = request.raw_path.partition("?")[0]
        words = path.split("/", 3)
        if len(words) < 3 or words[1] != "v1":
            raise not_found(f"path {request.path!r}")
        resource, rest = words[2], words[3] if len(words) > 3 else ""
        if resource in RESOURCES:
            return await self._cluster.authn.handle(request, resource, rest)
        handler = self._resources.get(resource)
        if handler is None:
            raise bad_request(f"invalid path {request.path!r}")
        if resource != "health":
            await admit(self._cluster, request)
        return await handler(request, rest)

    async def _objects(self, request: web.Request, rest: str) -> web.StreamResponse:
        try:
            response = await self._object(request, rest)
        except AISError:
            await self._end_body(request, None)
            raise
        await self._end_body(request, response)
        return response

    async def _object(self, request: web.Request, rest: str) -> web.StreamResponse:
        if request.method not in _OBJECT_METHODS:
            return web.Response(status=405, text=f"invalid method {request.method}\n")
        bucket, _, raw_name = rest.partition("/")
        bck = Bck.of_query(unquote(bucket), request.query, old=self._cluster.version < (5, 0))
        add = not flag(request.query, "dont_add_remote_bck_md")
        await self._content.bucket(bck, add=add)
        if not raw_name and request.method == hdrs.METH_POST:
            return await self._at_bucket(request, bck)
        name = object_name(unquote(raw_name, errors="surrogateescape"))
        if request.method == hdrs.METH_POST:
            message = await read_message(request)
            if message.action not in _REDIRECTED:
                raise bad_request(f'invalid action "{message.action}"')
        target = self._cluster.owner(bck, name)
        if handle := request.query.get("append_handle"):
            target = self._node_of(handle)
        return self._redirects.to(request, target)

    async def _at_bucket(self, request: web.Request, bck: Bck) -> web.StreamResponse:
        message = await read_message(request)
        if message.action == "promote":
            return await self._buckets.promote(message, bck)
        if message.action == "blob-download":
            name = object_name(message.name)
            return self._redirects.to(request, self._cluster.owner(bck, name))
        raise bad_request(f'invalid action "{message.action}"')

    def _node_of(self, handle: str) -> str:
        name = handle.partition("|")[0]
        if name not in {node.id for node in self._cluster.targets}:
            raise bad_request(f'invalid append handle "{handle[:100]}"')
        return name

    async def _end_body(self, request: web.Request, response: web.StreamResponse | None) -> None:
        """Take small bodies whole before the answer, and hang up on others (§2.4)."""
        length = request.content_length
        waits = length is None or length < _DRAINED
        if hdrs.EXPECT not in request.headers and waits:
            while await request.content.readany():
                pass
        elif response is not None:
            response.force_close()
