"""GetBatch: many objects in one answer, in the order of the request (aistore.md §16.1, §22.27)."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import tarfile
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote

import attrs
from aiohttp import hdrs, web

from . import archives
from .content import Content
from .errors import AISError, bad_request, not_found
from .jobs import Job
from .messages import number_of, read_document, text_of
from .names import Bck, object_name, object_of_uname, provider_of
from .redirects import Redirects

_SINCE = (3, 30)
_MISSING = "__404__"
_TAR = "application/x-tar"


@attrs.frozen
class Wanted:
    """Hold one entry of a request."""

    bck: Bck
    name: str
    archpath: str
    opaque: str
    start: int
    length: int

    @classmethod
    def of(cls, entry: Any, default: Bck | None) -> Wanted:
        """Read an entry."""
        if not isinstance(entry, dict):
            raise bad_request("an entry of the batch is not an object")
        name = text_of(entry, "objname")
        bck = default
        if uname := text_of(entry, "uname"):
            bck, name = object_of_uname(uname)
        elif bucket := text_of(entry, "bucket"):
            bck = Bck(bucket, provider_of(text_of(entry, "provider")) or "ais")
        if bck is None:
            raise bad_request(f'the entry "{name}" names no bucket')
        opaque = text_of(entry, "opaque")
        try:
            base64.b64decode(opaque, validate=True)
        except ValueError:
            raise bad_request('"opaque" is not base64') from None
        return cls(
            bck,
            object_name(name),
            text_of(entry, "archpath"),
            opaque,
            number_of(entry, "start"),
            number_of(entry, "length") if entry.get("length") else -1,
        )

    def member(self, *, base_only: bool) -> str:
        """Return the name of the entry in the archive."""
        name = f"{self.name}/{self.archpath}" if self.archpath else self.name
        return name if base_only else f"{self.bck.name}/{name}"


class Batches:
    """Answer batches, at the proxy with a redirect, at a target with the objects."""

    def __init__(self, content: Content, redirects: Redirects) -> None:
        self._content = content
        self._cluster = content.cluster
        self._redirects = redirects

    async def redirect(self, request: web.Request, rest: str) -> web.Response:
        """Send a request to the target that gathers; its job and request are in the path."""
        wanted, _ = await self._read(request, rest)
        job = self._cluster.jobs.new_id("get-batch")
        target = self._cluster.owner(wanted[0].bck, wanted[0].name)
        bucket = rest.removeprefix("moss").strip("/").partition("/")[0]
        path = f"/v1/ml/moss/{bucket}/{job}/{secrets.token_hex(6)}/{len(wanted)}"
        return self._redirects.to(request, target, path=path)

    async def _read(
        self, request: web.Request, rest: str
    ) -> tuple[list[Wanted], Mapping[str, Any]]:
        if self._cluster.version < _SINCE or request.method != hdrs.METH_GET:
            raise bad_request(f"invalid path {request.path!r}")
        if rest.partition("/")[0] != "moss":
            raise bad_request(f"invalid path {request.path!r}")
        document = await read_document(request)
        entries = document.get("in") if isinstance(document, dict) else None
        if not isinstance(entries, list) or not entries:
            raise bad_request("the batch is empty")
        bucket = unquote(rest.removeprefix("moss").strip("/").partition("/")[0])
        default = Bck.of_query(bucket, request.query) if bucket else None
        return [Wanted.of(entry, default) for entry in entries], document

    async def answer(self, request: web.Request, rest: str) -> web.StreamResponse:
        """Answer with the objects."""
        wanted, document = await self._read(request, rest)
        words = rest.split("/")
        job_id = words[2] if len(words) > 4 else self._cluster.jobs.new_id("get-batch")
        job = self._cluster.jobs.add(Job(job_id, "get-batch", wanted[0].bck))
        job.ended = job.started
        mime = text_of(document, "mime") or archives.TAR
        kind = archives.readable(archives.kind_of("", mime))
        base_only = bool(document.get("onob"))
        if document.get("strm"):
            return await self._stream(request, job, wanted, document, kind)
        members, told = [], []
        async for one, data, error in self._gather(job, wanted):
            if data is None and not document.get("coer"):
                raise not_found(error.removesuffix(" does not exist"))
            name = one.member(base_only=base_only)
            name = f"{_MISSING}/{name}" if data is None else name
            members.append(archives.Member(name, data or b""))
            told.append(_told(one, data, error))
        packed = await asyncio.to_thread(archives.pack, members, kind)
        return _multipart({"uuid": job.id, "out": told}, packed)

    async def _gather(
        self, job: Job, wanted: list[Wanted]
    ) -> AsyncIterator[tuple[Wanted, bytes | None, str]]:
        for one in wanted:
            try:
                data: bytes | None = await self._load(job, one)
                yield one, data, ""
            except AISError as error:
                if error.status != 404:
                    raise
                yield one, None, error.message

    async def _load(self, job: Job, one: Wanted) -> bytes:
        bucket = await self._content.bucket(one.bck)
        found = await self._content.get(bucket, one.name)
        data = await self._content.read(bucket, found)
        job.count(found.target, found.size)
        if one.archpath:
            kind = archives.kind_of(one.name)
            member = await asyncio.to_thread(archives.member, data, kind, one.archpath)
            if member is None:
                raise not_found(f'"{one.archpath}" in archive "{one.bck.uri(one.name)}"')
            data = member
        return data[one.start :] if one.length < 0 else data[one.start : one.start + one.length]

    async def _stream(
        self,
        request: web.Request,
        job: Job,
        wanted: list[Wanted],
        document: Mapping[str, Any],
        kind: str,
    ) -> web.StreamResponse:
        """Send the archive as it grows; without ``coer`` it ends before what is missing."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: _TAR})
        response.enable_chunked_encoding()
        await response.prepare(request)
        goes_on, base_only = bool(document.get("coer")), bool(document.get("onob"))
        members: list[archives.Member] = []
        async for one, data, _ in self._gather(job, wanted):
            if data is None and not goes_on:
                break
            name = one.member(base_only=base_only)
            name = f"{_MISSING}/{name}" if data is None else name
            member = archives.Member(name, data or b"")
            if kind == archives.TAR:
                await response.write(await asyncio.to_thread(_entry, member))
            else:
                members.append(member)
        if kind == archives.TAR:
            await response.write(bytes(2 * tarfile.BLOCKSIZE))
        else:
            await response.write(await asyncio.to_thread(archives.pack, members, kind))
        await response.write_eof()
        return response


def _entry(member: archives.Member) -> bytes:
    """Return a file as it stands in a tar, without the end of one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.GNU_FORMAT) as tar:
        archives.add(tar, member)
        end = buffer.tell()
    return buffer.getvalue()[:end]


def _told(one: Wanted, data: bytes | None, error: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "objname": one.name,
        "bucket": one.bck.name,
        "provider": one.bck.provider,
        "size": len(data or b""),
    }
    if one.archpath:
        told["archpath"] = one.archpath
    if one.opaque:
        told["opaque"] = one.opaque
    if error:
        told["err_msg"] = error
    return told


def _multipart(metadata: Mapping[str, Any], packed: bytes) -> web.Response:
    boundary = uuid.uuid4().hex
    lines = [
        f"--{boundary}".encode(),
        b'Content-Disposition: form-data; name="metadata"',
        b"Content-Type: application/json",
        b"",
        json.dumps(metadata).encode(),
        f"--{boundary}".encode(),
        b'Content-Disposition: form-data; name="archive"; filename="archive"',
        b"Content-Type: application/octet-stream",
        b"",
        packed,
        f"--{boundary}--".encode(),
        b"",
    ]
    kind = f"multipart/mixed; boundary={boundary}"
    return web.Response(body=b"\r\n".join(lines), headers={hdrs.CONTENT_TYPE: kind})
