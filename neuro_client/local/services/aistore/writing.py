"""PUT, DELETE, PATCH and POST of objects at a target (aistore.md §8.4, §8.5, §16.4, §16.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import attrs
from aiohttp import web

from . import archives, checksums
from .appends import Appends
from .bodies import Received, receive, store_bytes
from .cluster import Cluster, Node
from .content import Content
from .errors import AISError, bad_request, not_found
from .messages import Message, flag, read_message
from .models import Body, Bucket, Object
from .multipart import Multipart
from .names import object_name, object_of_uname
from .reading import Reading, Transform, object_headers

_APPEND_ONLY = "1"


class Writing:
    """Answer requests that change objects."""

    def __init__(
        self,
        cluster: Cluster,
        content: Content,
        node: Node,
        reading: Reading,
        transform: Transform,
    ) -> None:
        self._cluster = cluster
        self._content = content
        self._node = node
        self._reading = reading
        self._transform = transform
        self._multipart = Multipart(cluster, content)
        self._appends = Appends(content, node)

    async def put(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Answer a PUT of any kind."""
        query = request.query
        if "uploadId" in query:
            return await self._multipart.put_part(request, bucket, name)
        if query.get("append_type"):
            return await self._append(request, bucket, name)
        if uname := query.get("object_to"):
            return await self._copy(request, bucket, name, uname)
        if query.get("archpath"):
            return await self._put_member(request, bucket, name)
        with self._content.locked(bucket.bck, name, exclusive=True):
            return await self._put(request, bucket, name)

    async def _put(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        kind = bucket.checksum_type
        told, value = _told_checksum(request)
        received = await receive(request, self._content.files, {kind, told or kind})
        body = received.body(kind)
        if told is not None and received.checksums[told] != value:
            await self._discard(body)
            raise AISError(
                500,
                f"{self._node.label}: BAD DATA CHECKSUM: {bucket.bck.uri(name)}: "
                f"({told}[{value}] != {told}[{received.checksums[told]}])",
                "ErrBadCksum",
            )
        if told is not None:
            old = await self._content.find(bucket, name)
            if old is not None and (old.body.checksum_type, old.body.checksum) == (told, value):
                await self._discard(body)
                return web.Response()
        if etl := request.query.get("etl_name"):
            body = await self._transformed(request, etl, body, kind)
        return self._done(await self._content.write(bucket, name, body))

    async def _transformed(self, request: web.Request, etl: str, body: Body, kind: str) -> Body:
        path = self._content.files.path(body.files[0])
        try:
            data = await asyncio.to_thread(_read, path)
            data = await self._transform(request, etl, data)
        finally:
            await self._discard(body)
        return (await self._stored(data, kind)).body(kind)

    async def _stored(self, data: bytes, kind: str) -> Received:
        digests = {kind: checksums.new(kind)}
        return await asyncio.to_thread(store_bytes, self._content.files, data, digests)

    async def _discard(self, body: Body) -> None:
        await asyncio.shield(asyncio.to_thread(self._content.files.remove, body.files))

    def _done(self, found: Object) -> web.Response:
        if self._cluster.version < (4, 0):
            return web.Response()
        return web.Response(headers=object_headers(found))

    async def _copy(
        self, request: web.Request, bucket: Bucket, name: str, uname: str
    ) -> web.Response:
        bck, new_name = object_of_uname(unquote(uname) if "%" in uname else uname)
        found = await self._reading.find(bucket, name, latest=flag(request.query, "latest-ver"))
        target = await self._content.bucket(bck)
        if etl := request.query.get("etl_name"):
            data = await self._content.read(bucket, found)
            data = await self._transform(request, etl, data)
            kind = target.checksum_type
            body = (await self._stored(data, kind)).body(kind)
            await self._content.write(target, new_name, body)
        else:
            await self._content.copy(bucket, found, target, new_name)
        return web.Response()

    # Archives

    async def _put_member(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Write one file into an archive, which is written anew."""
        if request.content_length is None:
            raise bad_request("Content-Length is required to write into an archive")
        path = request.query["archpath"].lstrip("/")
        kind = archives.kind_of(name, request.query.get("archmime", ""))
        mode = request.headers.get("Ais-Pine", "")
        data = await request.content.read(-1)
        members: list[archives.Member] = []
        found = await self._content.find(bucket, name)
        if mode == _APPEND_ONLY and found is None:
            raise not_found(f"{self._node.label}: {bucket.bck.uri(name)}")
        if mode and found is not None:
            packed = await self._content.read(bucket, found)
            members = await asyncio.to_thread(archives.members, packed, kind)
        members.append(archives.Member(path, data))
        packed = await asyncio.to_thread(archives.pack, members, kind)
        checksum = bucket.checksum_type
        body = (await self._stored(packed, checksum)).body(checksum)
        return self._done(await self._content.write(bucket, name, body))

    async def _append(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        match request.query["append_type"]:
            case "append":
                handle = await self._appends.append(request, bucket, name)
                return web.Response(headers={"Ais-Append-Handle": handle})
            case "flush":
                return self._done(await self._appends.flush(request, bucket, name))
        raise bad_request(f'invalid append type "{request.query["append_type"][:20]}"')

    # The rest

    async def delete(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Answer a DELETE: the object, its presence here, or an upload."""
        message = await read_message(request) if request.can_read_body else Message("")
        if message.action == "mpt-abort":
            return await self._multipart.abort(request, bucket, name)
        if message.action not in ("", "evict-listrange"):
            raise bad_request(f'invalid action "{message.action}"')
        found = await self._content.find(bucket, name)
        mine = (found is None and bucket.bck.is_remote) or (
            found is not None and found.target == self._node.id
        )
        there: list[str] = []
        if mine and message.action:
            there = await self._content.evict(bucket, [name])
        elif mine:
            there = await self._content.delete(bucket, [name])
        if not there:
            raise AISError(404, f"{bucket.bck.uri(name)} doesn't exist")
        return web.Response()

    async def patch(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Answer a PATCH: merge or replace custom properties."""
        message = await read_message(request)
        values = custom_of(message.value)
        replace = flag(request.query, "set-new-custom")
        await self._reading.find(bucket, name)
        await self._content.store.change(
            bucket,
            name,
            lambda old: attrs.evolve(old, custom=values if replace else {**old.custom, **values}),
        )
        return web.Response()

    async def post(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Answer a POST by its action."""
        message = await read_message(request)
        match message.action:
            case "rename-obj":
                return await self._rename(bucket, name, message)
            case "check-lock":
                return await self._probe(bucket, name)
            case "mpt-upload" if self._cluster.version >= (4, 0):
                return await self._multipart.begin(bucket, name)
            case "mpt-complete" if self._cluster.version >= (4, 0):
                return await self._multipart.complete(request, bucket, name, message)
        raise bad_request(f'invalid action "{message.action}"')

    async def _rename(self, bucket: Bucket, name: str, message: Message) -> web.Response:
        if bucket.bck.is_remote:
            raise bad_request(f"cannot rename an object of {bucket.bck}")
        new = object_name(message.name)
        if new == name:
            raise bad_request(f"cannot rename {bucket.bck.uri(name)} to itself")
        await self._reading.find(bucket, name)
        owner = self._cluster.owner(bucket.bck, new)
        await self._content.store.change(
            bucket, name, lambda old: attrs.evolve(old, name=new, target=owner)
        )
        return web.Response()

    async def _probe(self, bucket: Bucket, name: str) -> web.Response:
        await self._reading.find(bucket, name)
        uname = bucket.bck.uri(name)
        if self._content.writers[uname]:
            raise AISError(423, f"{uname} is write-locked")
        return web.Response(status=202 if self._content.readers[uname] else 200)


def _told_checksum(request: web.Request) -> tuple[str | None, str]:
    kind = request.headers.get("Ais-Checksum-Type")
    value = request.headers.get("Ais-Checksum-Value", "")
    if not kind or kind == checksums.NONE or not value:
        return None, ""
    if kind not in checksums.TYPES:
        raise bad_request(f'invalid checksum type "{kind}"')
    return kind, value.lower()


def custom_of(value: Any) -> Mapping[str, str]:
    """Return custom properties that headers can carry."""
    if not isinstance(value, dict):
        raise bad_request("custom properties are not an object")
    for key, text in value.items():
        if not isinstance(text, str) or not (key + text).isprintable() or "=" in key:
            raise bad_request(f'invalid custom property "{key}"')
    return value


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
