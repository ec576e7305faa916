"""A target: it holds objects and answers what the proxy sends on (aistore.md §2.3)."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import hdrs, web

from .access import admit, check_object_access
from .batch import Batches
from .blobs import start_download
from .cluster import Cluster, Node
from .content import Content
from .errors import AISError, bad_request, not_found
from .messages import read_message
from .names import Bck, object_name
from .nodes import NodeHandlers
from .reading import Reading
from .redirects import Redirects
from .transforms import Transforms
from .writing import Writing


class Target:
    """Answer requests to one target."""

    def __init__(
        self, cluster: Cluster, content: Content, redirects: Redirects, node: Node
    ) -> None:
        transform = Transforms(content).inline
        self._cluster = cluster
        self._content = content
        self._redirects = redirects
        self._node = node
        self._nodes = NodeHandlers(cluster)
        self._batches = Batches(content, redirects)
        self._reading = Reading(cluster, content, node, transform)
        self._writing = Writing(cluster, content, node, self._reading, transform)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        path = request.raw_path.partition("?")[0]
        words = path.split("/", 3)
        if len(words) < 3 or words[1] != "v1":
            raise not_found(f"path {request.path!r}")
        match words[2]:
            case "objects":
                self._redirects.check(request)
                return await self._object(request, words[3] if len(words) > 3 else "")
            case "ml":
                self._redirects.check(request)
                return await self._batches.answer(request, words[3] if len(words) > 3 else "")
            case "health":
                return await self._nodes.health(request)
            case "daemon":
                await admit(self._cluster, request)
                return await self._nodes.daemon(request, self._node)
        raise bad_request(f"{request.path}: a target does not answer this")

    async def _object(self, request: web.Request, rest: str) -> web.StreamResponse:
        raw_bucket, _, raw_name = rest.partition("/")
        bck = Bck.of_query(unquote(raw_bucket), request.query, old=self._cluster.version < (5, 0))
        bucket = await self._content.bucket(bck)
        if not raw_name and request.method == hdrs.METH_POST:
            message = await read_message(request)
            return await start_download(self._content, bucket, message)
        check_object_access(bucket, request.method)
        name = object_name(unquote(raw_name, errors="surrogateescape"))
        match request.method:
            case hdrs.METH_GET:
                return await self._reading.get(request, bucket, name)
            case hdrs.METH_HEAD:
                return await self._reading.head(request, bucket, name)
            case hdrs.METH_PUT:
                return await self._writing.put(request, bucket, name)
            case hdrs.METH_DELETE:
                return await self._writing.delete(request, bucket, name)
            case hdrs.METH_PATCH:
                return await self._writing.patch(request, bucket, name)
            case hdrs.METH_POST:
                return await self._writing.post(request, bucket, name)
        raise AISError(405, f"invalid method {request.method}")
