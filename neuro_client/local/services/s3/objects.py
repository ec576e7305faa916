"""Requests for one object: read, write, copy, remove."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from ...threads import taken
from . import checksums, xml
from .access import Call, check_key
from .bodies import PIECE, Receiver
from .conditions import check_copy, check_read, check_write
from .errors import AWS, S3Error, no_key, not_implemented
from .files import Files
from .models import Object
from .quotas import quota_reached
from .sending import (
    TRIES,
    Bytes,
    Span,
    copied,
    read_at_once,
    read_range,
    read_small,
    send,
    steady,
    too_fast,
)
from .store import Check, S3Store
from .writing import Write, Writer, made_object

_KEPT = (
    "content-type",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
)
_META = "x-amz-meta-"
_META_MOST = 2048
_UNSENDABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_DEFAULT_TYPE = "binary/octet-stream"
_OVERRIDES = {
    f"response-{name}": name
    for name in (
        "content-type",
        "content-disposition",
        "content-language",
        "content-encoding",
        "cache-control",
        "expires",
    )
}
MAX_OBJECT = 5 * 2**30
_DELETE_MOST = 1000
_DELETE_BODY = 2**21


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a write that reads give back."""
    found = {name: headers[name] for name in _KEPT if name in headers}
    encodings = [part.strip() for part in headers.get("content-encoding", "").split(",")]
    if encoding := ",".join(part for part in encodings if part and part != "aws-chunked"):
        found["content-encoding"] = encoding
    meta = {name: value for name, value in headers.items() if name.startswith(_META)}
    if sum(len(name) - len(_META) + len(value) for name, value in meta.items()) > _META_MOST:
        raise S3Error(
            "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"
        )
    return {name: sendable(value) for name, value in (found | meta).items()}


def sendable(value: str) -> str:
    """Return what can be the value of a header; ``InvalidArgument`` for anything else."""
    if not value.isprintable() and _UNSENDABLE.search(value):
        raise S3Error("InvalidArgument", "Header value cannot be represented")
    return value


def told_checksums(found: Object) -> dict[str, str]:
    """Return the headers of an object's checksums."""
    told = {f"{checksums.PREFIX}{name}": value for name, value in found.checksums.items()}
    if told:
        composite = any("-" in value for value in found.checksums.values())
        told["x-amz-checksum-type"] = "COMPOSITE" if composite else "FULL_OBJECT"
    return told


@functools.lru_cache
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Objects:
    """Answer requests for objects."""

    def __init__(self, store: S3Store, files: Files, writer: Writer) -> None:
        self._store = store
        self._files = files
        self._writer = writer

    async def _found(self, call: Call) -> Object:
        found = await self._store.object(call.reading().name, call.key)
        if found is None:
            raise no_key(call.key)
        check_read(call.headers, found)
        return found

    async def get(self, call: Call) -> web.StreamResponse:
        """Answer GET."""
        bucket = call.reading()
        found = self._store.known(bucket.name, call.key)
        if found is not None:
            check_read(call.headers, found)
            if (body := read_at_once(self._files, found.segments)) is not None:
                return await self._get(call, found, body)
        if found is None or found.size <= PIECE:
            # Record and bytes of a small object are one hop to a thread; a file that is open stays.
            found, body = await asyncio.get_running_loop().run_in_executor(
                None, self._small_now, bucket.name, call.key, found
            )
            if found is None:
                raise no_key(call.key)
            check_read(call.headers, found)
            if body is not None:
                return await self._get(call, found, body)
        return await steady(
            self._files, lambda: self._found(call), lambda found: self._get(call, found)
        )

    def _small_now(
        self, bucket: str, key: str, known: Object | None
    ) -> tuple[Object | None, bytes | None]:
        """Return an object, with its bytes if these are few; blocks."""
        for _ in range(TRIES):
            found = known or self._store.object_now(bucket, key)
            if found is None or found.size > PIECE:
                return found, None
            with suppress(FileNotFoundError):  # it was replaced a moment ago
                return found, read_small(self._files, found.segments, Span(0, found.size, False))
            known = None
        raise too_fast()

    async def _get(
        self, call: Call, found: Object, body: Bytes | None = None
    ) -> web.StreamResponse:
        headers = self._headers(call, found)
        number = call.integer("partNumber", 0, least=1)
        if number:
            return await self._part(call, found, headers, number)
        span = read_range(call.headers.get("range"), found.size)
        if not span.partial and call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers |= told_checksums(found)
        if span.partial:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{found.size}"
        status = 206 if span.partial else 200
        if body is not None:
            told = body[span.start : span.end] if span.partial else body
            return web.Response(status=status, body=told, headers=headers)
        return await send(call.request, self._files, found.segments, span, status, headers)

    async def _part(
        self, call: Call, found: Object, headers: dict[str, str], number: int
    ) -> web.StreamResponse:
        if number > max(1, len(found.segments)):
            raise S3Error("InvalidRange", "The requested part does not exist")
        start = sum(segment.size for segment in found.segments[: number - 1])
        end = start + (found.segments[number - 1].size if found.segments else 0)
        headers["x-amz-mp-parts-count"] = str(max(1, len(found.segments)))
        span = read_range(f"bytes={start}-{end - 1}" if end > start else None, found.size)
        headers["Content-Range"] = f"bytes {start}-{max(start, end - 1)}/{found.size}"
        return await send(call.request, self._files, found.segments, span, 206, headers)

    async def head(self, call: Call) -> web.StreamResponse:
        """Answer HEAD."""
        found = await self._found(call)
        headers = self._headers(call, found)
        if call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers |= told_checksums(found)
        span = read_range(call.headers.get("range"), found.size)
        headers["Content-Length"] = str(span.end - span.start)
        if span.partial:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{found.size}"
        return web.Response(status=206 if span.partial else 200, headers=headers)

    def _headers(self, call: Call, found: Object) -> dict[str, str]:
        headers = {"content-type": _DEFAULT_TYPE, **found.headers}
        for name, header in _OVERRIDES.items():
            if name in call.parameters:
                if not call.caller.access_key_id:
                    raise S3Error(
                        "InvalidRequest",
                        "Request specific response headers cannot be used for anonymous GET "
                        "requests.",
                    )
                headers[header] = sendable(call.parameters[name])
        headers["ETag"] = f'"{found.etag}"'
        headers["Last-Modified"] = _date(int(found.modified))
        headers["Accept-Ranges"] = "bytes"
        return headers

    async def put(self, call: Call) -> web.StreamResponse:
        """Answer PUT, of a body or of a copy."""
        bucket = call.writing()
        check_key(call.key)
        if "x-amz-copy-source" in call.headers:
            return await self._copy(call)
        full = quota_reached(bucket.flavour)
        # Garage looks at the quota once it has the body.
        room = await self._store.room(bucket, call.key) if bucket.flavour == AWS else None
        headers = kept_headers(call.headers)
        receiver = self.receiver(call, MAX_OBJECT if room is None else room, full)
        if receiver.promise.size is None:
            raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header")
        if receiver.promise.size > MAX_OBJECT:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        if "if-match" in call.headers or "if-none-match" in call.headers:
            # Refused before the body is taken, and again when it is put in place.
            check_write(call.headers, call.key, await self._store.object(bucket.name, call.key))
        if receiver.is_small:
            pieces = [piece async for piece in receiver.pieces()]
            new = await self._writer.write(
                Write(bucket, call.key, receiver, pieces, headers, _check_of(call))
            )
        else:
            new = made_object(call.key, await receiver.store(self._files), headers)
            await self._place(call, new)
        return web.Response(headers={"ETag": f'"{new.etag}"', **told_checksums(new)})

    def receiver(
        self, call: Call, most: int, full: S3Error, headers: Mapping[str, str] | None = None
    ) -> Receiver:
        """Return what takes the body of a request; *headers* say what it promises."""
        caller = call.caller
        return Receiver(
            call.request,
            call.headers if headers is None else headers,
            caller.signature,
            caller.derived_key,
            most=most,
            full=full,
        )

    async def _place(self, call: Call, new: Object) -> None:
        """Put an object in place; its files go if that is refused."""
        change = self._store.put(call.bucket, new, _check_of(call))
        await kept(change, self._files, new.files)

    async def source(self, call: Call) -> Object:
        """Return the object that a copy names."""
        text = call.headers["x-amz-copy-source"].partition("?versionId=")[0]
        text = text.encode("utf-8", "replace").decode()
        name, slash, key = unquote_plus(text).removeprefix("/").partition("/")
        if not slash or not key:
            raise S3Error("InvalidArgument", "Copy Source must mention the source bucket and key")
        bucket = await self._store.bucket(name)
        grant = call.caller.grants.get(name)
        if not (bucket.public or (grant is not None and grant.read)):
            raise S3Error("AccessDenied", "Access Denied")
        found = await self._store.object(name, key)
        if found is None:
            raise no_key(key)
        check_copy(call.headers, found)
        return found

    async def _copy(self, call: Call) -> web.StreamResponse:
        new = await steady(
            self._files, lambda: self.source(call), lambda found: self._copied(call, found)
        )
        await self._place(call, new)
        return xml.answer(
            "CopyObjectResult",
            [
                ("LastModified", xml.moment(new.modified)),
                ("ETag", f'"{new.etag}"'),
                *((f"Checksum{name.upper()}", value) for name, value in new.checksums.items()),
            ],
        )

    async def _copied(self, call: Call, found: Object) -> Object:
        replace = call.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        old = await self._store.object(call.bucket_name, call.key)
        if old is not None and old.segments == found.segments and not replace:
            raise S3Error(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata",
            )
        headers = kept_headers(call.headers) if replace else found.headers
        room = await self._store.room(call.bucket, call.key)
        if room is not None and found.size > room:
            raise quota_reached(call.bucket.flavour)
        segments = await taken(
            lambda: copied(self._files, found.segments),
            lambda made: self._files.remove(segment.file for segment in made),
        )
        return Object(
            call.key, found.size, found.etag, time.time(), headers, found.checksums, segments
        )

    async def delete(self, call: Call) -> web.StreamResponse:
        """Answer DELETE; a missing object is no error."""
        await self._remove(call, [call.key])
        return web.Response(status=204)

    async def _remove(self, call: Call, keys: list[str]) -> None:
        await kept(self._store.delete(call.writing().name, keys), self._files)

    async def delete_several(self, call: Call) -> web.StreamResponse:
        """Answer POST ?delete."""
        call.writing()
        receiver = self.receiver(call, _DELETE_BODY, S3Error("EntityTooLarge", "Too many keys"))
        root = xml.read(await receiver.read(_DELETE_BODY))
        keys = list(xml.texts(root, "Object/Key"))
        if not keys or len(keys) > _DELETE_MOST or root.tag != "Delete":
            raise S3Error("MalformedXML", "The XML must name 1 to 1000 keys")
        if root.find("Object/VersionId") is not None:
            raise not_implemented("Versioning")
        await self._remove(call, keys)
        quiet = xml.texts(root, "Quiet") == ["true"]
        return xml.answer(
            "DeleteResult", [] if quiet else [("Deleted", [("Key", key)]) for key in keys]
        )


def _check_of(call: Call) -> Check:
    """Return what refuses a write whose target is not as asked for."""
    return lambda old: check_write(call.headers, call.key, old)


async def kept(
    change: Coroutine[Any, Any, Sequence[str]], files: Files, names: Sequence[str] = ()
) -> None:
    """Make a change to its end although cancelled, and remove the files that it sets free.

    If it fails, the files go that it was to name.
    """
    task = asyncio.ensure_future(_changed(change, files, names))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def _changed(
    change: Coroutine[Any, Any, Sequence[str]], files: Files, names: Sequence[str]
) -> None:
    try:
        free = await change
    except BaseException:
        await asyncio.to_thread(files.remove, names)
        raise
    if free:
        await asyncio.to_thread(files.remove, free)
