"""GET and HEAD of objects at a target (aistore.md §8.2, §8.3)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial

from aiohttp import hdrs, web
from multidict import CIMultiDict

from ..s3.sending import Span, send
from . import archives, checksums
from .cluster import Cluster, Node
from .content import Content, same_version
from .errors import AISError, bad_request, not_found, unsupported
from .messages import flag
from .models import Bucket, Object

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_OCTETS = "application/octet-stream"
_HEAD_V2 = (4, 2)
_PROPS = {
    "name",
    "size",
    "checksum",
    "atime",
    "version",
    "copies",
    "ec",
    "custom",
    "location",
    "chunked",
    "last-modified",
    "etag",
}
Transform = Callable[[web.Request, str, bytes], Awaitable[bytes]]


def object_headers(found: Object) -> CIMultiDict[str]:
    """Return what every answer with an object tells of it."""
    headers = CIMultiDict[str]()
    headers["Ais-Atime"] = str(found.accessed)
    if found.body.checksum_type != checksums.NONE:
        headers["Ais-Checksum-Type"] = found.body.checksum_type
        headers["Ais-Checksum-Value"] = found.body.checksum
    if found.version:
        headers["Ais-Version"] = found.version
    return headers


def read_range(header: str | None, size: int) -> Span:
    """Read a Range header (§22.10)."""
    if header is None:
        return Span(0, size, False)
    if "," in header:
        raise AISError(416, f"multi-range is not supported: {header!r}", "ErrUnsupp")
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        raise _outside(header, size)
    first, last = match[1][:20], match[2][:20]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
    if start >= size or end <= start:
        raise _outside(header, size)
    return Span(start, end, True)


class RangeError(AISError):
    """Refuse a range; ``size`` is that of the object."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(416, message, "ErrRangeNotSatisfiable")
        self.size = size


def _outside(header: str, size: int) -> RangeError:
    return RangeError(f"range {header!r} is not satisfiable, the size is {size}", size)


class Reading:
    """Answer GET and HEAD of objects; ``transform`` runs an ETL on bytes."""

    def __init__(
        self, cluster: Cluster, content: Content, node: Node, transform: Transform
    ) -> None:
        self._cluster = cluster
        self._content = content
        self._node = node
        self._transform = transform

    async def find(self, bucket: Bucket, name: str, *, latest: bool = False) -> Object:
        """Return an object that is this target's to give; 404 for another."""
        found = await self._content.find(bucket, name)
        if found is None or latest:
            owned = self._cluster.owner(bucket.bck, name) == self._node.id
            if bucket.bck.is_remote and owned:
                return await self._content.get(bucket, name, latest=latest)
        if found is None or found.target != self._node.id:
            raise not_found(f"{self._node.label}: {bucket.bck.uri(name)}")
        return found

    async def get(self, request: web.Request, bucket: Bucket, name: str) -> web.StreamResponse:
        """Answer a GET."""
        query = request.query
        latest = flag(query, "latest-ver") or bool(bucket.props["versioning"]["validate_warm_get"])
        found = await self.find(bucket, name, latest=latest)
        with self._content.locked(bucket.bck, name):
            if query.get("archpath") or query.get("archregx"):
                return await self._member(request, bucket, found)
            if etl := query.get("etl_name"):
                data = await self._content.read(bucket, found)
                data = await self._transform(request, etl, data)
                return web.Response(body=data, content_type=_OCTETS)
            use = partial(self._send, request, bucket)
            return await self._content.steady(bucket, found, use)

    async def _send(
        self, request: web.Request, bucket: Bucket, found: Object
    ) -> web.StreamResponse:
        span = read_range(request.headers.get(hdrs.RANGE), found.size)
        headers = object_headers(found)
        headers[hdrs.CONTENT_TYPE] = _OCTETS
        for key, value in found.custom.items():
            headers.add("Ais-Custom-Md", _in_one_line(f"{key}={value}"))
        if span.partial:
            headers[hdrs.ACCEPT_RANGES] = "bytes"
            headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.end - 1}/{found.size}"
            if bucket.props["checksum"]["enable_read_range"]:
                kind = found.body.checksum_type
                headers["Ais-Checksum-Value"] = await asyncio.to_thread(
                    self._hash_of, found, span, kind
                )
        status = 206 if span.partial else 200
        return await send(request, self._content.files, found.body.segments, span, status, headers)

    def _hash_of(self, found: Object, span: Span, kind: str) -> str:
        digest, position = checksums.new(kind), 0
        for segment in found.body.segments:
            start, end = max(span.start - position, 0), min(span.end - position, segment.size)
            if start < end:
                with open(self._content.files.path(segment.file), "rb") as file:
                    file.seek(start)
                    digest.update(file.read(end - start))
            position += segment.size
        return digest.hexdigest()

    async def _member(
        self, request: web.Request, bucket: Bucket, found: Object
    ) -> web.StreamResponse:
        query = request.query
        if hdrs.RANGE in request.headers:
            status = 400 if self._cluster.version >= (5, 0) else 501
            raise unsupported("range read of an archived file is not supported", status)
        kind = archives.kind_of(found.name, query.get("archmime", ""))
        data = await self._content.read(bucket, found)
        path, pattern = query.get("archpath", "").lstrip("/"), query.get("archregx", "")
        if path and pattern:
            raise bad_request("archpath and archregx are mutually exclusive")
        if path:
            member = await asyncio.to_thread(archives.member, data, kind, path)
            if member is None:
                raise not_found(f'"{path}" in archive "{bucket.bck.uri(found.name)}"')
            return web.Response(body=member, content_type=_OCTETS)
        mode = query.get("archmode", "")
        chosen = await asyncio.to_thread(archives.select, data, kind, pattern, mode)
        tar = await asyncio.to_thread(archives.pack, chosen, ".tar")
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "application/x-tar"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(tar)
        await response.write_eof()
        return response

    async def head(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Answer a HEAD, in full or with the properties that are asked for."""
        query = request.query
        found, present = await self._look(request, bucket, name)
        if "props" in query and self._cluster.version >= _HEAD_V2:
            headers = self._chosen(found, query["props"])
        else:
            headers = self._everything(bucket, found)
        headers["Ais-Present"] = "true" if present else "false"
        headers[hdrs.CONTENT_LENGTH] = str(found.size)
        return web.Response(headers=headers)

    async def _look(self, request: web.Request, bucket: Bucket, name: str) -> tuple[Object, bool]:
        presence = request.query.get("presence", "0")
        missing = not_found(f"{self._node.label}: {bucket.bck.uri(name)}")
        if presence not in ("0", "1", "2", "3", "4", "5"):
            raise bad_request(f"invalid presence {presence!r}")
        found = await self._content.find(bucket, name)
        if found is not None and found.target != self._node.id and presence != "4":
            raise missing
        if not bucket.bck.is_remote or presence in ("2", "3", "4"):
            if found is None:
                raise missing
            return found, True
        there = await asyncio.to_thread(self._content.remote.find, bucket.bck, name)
        if flag(request.query, "latest-ver") and found is not None:
            if there is None:
                raise AISError(410, f"{bucket.bck.uri(name)} was deleted remotely")
            if not same_version(found, there):
                raise AISError(409, f"{bucket.bck.uri(name)} has another version remotely")
        if found is not None and presence != "5":
            return found, True
        if there is None or (presence == "5" and found is not None):
            raise missing
        return self._content.outside(bucket, there), False

    def _everything(self, bucket: Bucket, found: Object) -> CIMultiDict[str]:
        headers = object_headers(found)
        bck = bucket.bck
        headers["Ais-Name"] = _in_one_line(found.name)
        headers["Ais-Bucket-Name"] = bck.name
        headers["Ais-Bucket-Provider"] = bck.provider
        if bck.uuid or bck.namespace:
            headers["Ais-Bucket-Namespace-Uuid"] = bck.uuid
            headers["Ais-Bucket-Namespace-Name"] = bck.namespace
        headers["Ais-Location"] = self._location()
        headers["Ais-Mirror-Copies"] = "1"
        headers["Ais-Mirror-Paths"] = f"[{self._mountpath()}]"
        for key, value in found.custom.items():
            headers.add("Ais-Custom-Md", _in_one_line(f"{key}={value}"))
        return headers

    def _chosen(self, found: Object, names: str) -> CIMultiDict[str]:
        everything = object_headers(found)
        headers = CIMultiDict[str]()
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        for name in wanted:
            if name not in _PROPS:
                raise bad_request(f'invalid object property "{name}"')
            for key in _TOLD.get(name, ()):
                if key in everything:
                    headers[key] = everything[key]
        if "copies" in wanted:
            headers["Ais-Mirror-Copies"] = "1"
            headers["Ais-Mirror-Paths"] = self._mountpath()
        if "location" in wanted:
            headers["Ais-Location"] = self._location()
        if "chunked" in wanted and found.body.chunks:
            headers["Ais-Chunks-Count"] = str(found.body.chunks)
            largest = max(segment.size for segment in found.body.segments)
            headers["Ais-Chunks-Max-Chunk-Size"] = str(largest)
        if "last-modified" in wanted:
            headers[hdrs.LAST_MODIFIED] = formatdate(found.modified / 1e9, usegmt=True)
        if "etag" in wanted:
            headers[hdrs.ETAG] = found.etag
        if "custom" in wanted:
            for key, value in found.custom.items():
                headers.add("Ais-Custom-Md", _in_one_line(f"{key}={value}"))
        return headers

    def _mountpath(self) -> str:
        return f"{self._cluster.folder}/{self._node.id}"

    def _location(self) -> str:
        return f"{self._node.label}:mp[{self._mountpath()}, sda, ssd]"


def _in_one_line(text: str) -> str:
    """Return what a header can carry; servers in Go write spaces for line breaks too."""
    return text.replace("\r", " ").replace("\n", " ")


_TOLD = {
    "checksum": ("Ais-Checksum-Type", "Ais-Checksum-Value"),
    "atime": ("Ais-Atime",),
    "version": ("Ais-Version",),
}
