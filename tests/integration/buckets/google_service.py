"""A small Google Cloud Storage as its documentation has it, for what the emulators lack.

Those know neither tokens nor the multipart calls of the XML API, and some end a session that is
only asked about. It shares nothing with the client.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import attrs
import google_crc32c
from aiohttp import ClientPayloadError, web

QUANTUM = 256 * 1024
_OBJECT = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)")
_LIST = re.compile(r"/storage/v1/b/([^/]+)/o")
_UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
_XML = re.compile(r"/([^/]+)/([^/]+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_generations = itertools.count(1_700_000_000_000_000)


Match = Callable[[web.BaseRequest], bool]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """Carry an error answer out of a handler."""

    def __init__(self, status: int, reason: str, message: str, *, xml: bool = False) -> None:
        super().__init__(message)
        self.status, self.reason, self.xml = status, reason, xml

    def answer(self) -> web.Response:
        """Return it as Google does."""
        if self.xml:
            inner = f"<Code>{self.reason}</Code><Message>{self}</Message>"
            return _xml_answer(f"<Error>{inner}</Error>", self.status)
        details = [{"domain": "global", "reason": self.reason, "message": str(self)}]
        error = {"code": self.status, "message": str(self), "errors": details}
        return web.json_response({"error": error}, status=self.status)


def crc32c(data: bytes) -> str:
    """Return the checksum as Google writes it."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    """Return the MD5 in base64."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@attrs.define
class Stored:
    """Be an object; one made of parts has no MD5."""

    data: bytes
    composite: bool = False
    generation: str = attrs.Factory(lambda: str(next(_generations)))
    created: datetime = attrs.Factory(lambda: datetime.now(UTC))

    def record(self, name: str) -> dict[str, str]:
        """Describe it."""
        found = {
            "kind": "storage#object",
            "name": name,
            "size": str(len(self.data)),
            "generation": self.generation,
            "timeCreated": self.created.isoformat(),
            "crc32c": crc32c(self.data),
        }
        return found if self.composite else {**found, "md5Hash": md5(self.data)}


@attrs.define
class Session:
    """Be a resumable upload."""

    name: str
    query: Mapping[str, str]
    data: bytearray = attrs.Factory(bytearray)
    made: Stored | None = None


@attrs.define
class Parts:
    """Be a multipart upload."""

    name: str
    parts: dict[int, bytes] = attrs.Factory(dict)


class GoogleService:
    """Answer for one bucket, ``bucket``, with what is wished to go wrong.

    ``parallel`` False is an endpoint without multipart calls. With ``damage`` the next bytes that
    arrive are changed; ``hashed`` is what the checksums of reads are of. Of a session's request
    that breaks off, whole ``quantum`` are kept; the next one may bring it to ``greed`` bytes.
    ``tells`` False leaves the checksum out of the answer that joins parts.
    """

    def __init__(self) -> None:
        self.bucket = "bucket"
        self.tokens = {"token"}
        self.parallel = True
        self.damage = False
        self.quantum = QUANTUM
        self.greed: int | None = None
        self.tells = True
        self.hashed: bytes | None = None
        self.page = 1000
        self.objects: dict[str, Stored] = {}
        self.sessions: dict[str, Session] = {}
        self.uploads: dict[str, Parts] = {}
        self.log: list[str] = []
        self.url = ""
        self._lost: Match | None = None
        self._ids = itertools.count(1)

    @contextmanager
    def losing(self, match: Match) -> Iterator[None]:
        """Do what such requests want, and break off instead of answering.

        There may be two: the HTTP library sends one again when a kept connection is closed.
        """
        self._lost = match
        try:
            yield
        finally:
            self._lost = None

    def renew(self) -> str:
        """Let the old tokens expire and return the only one that is good now."""
        self.tokens = {f"token-{next(self._ids)}"}
        return next(iter(self.tokens))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        self.log.append(f"{request.method} {request.rel_url.raw_path_qs}")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            await _read(request)
            return Refused(401, "authError", "Invalid Credentials").answer()
        try:
            answer = await self._route(request)
        except Refused as error:
            answer = error.answer()
        if self._lost is not None and self._lost(request):
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _route(self, request: web.BaseRequest) -> web.Response:
        path = request.rel_url.raw_path
        for pattern, handler in (
            (_UPLOAD, self._upload),
            (_OBJECT, self._object),
            (_LIST, self._list),
            (_XML, self._xml),
        ):
            if match := pattern.fullmatch(path):
                names = [unquote(text) for text in match.groups()]
                if names[0] != self.bucket:
                    raise Refused(404, "notFound", "The specified bucket does not exist.")
                return await handler(request, *names[1:])
        raise Refused(404, "notFound", "Not Found")

    def _taken(self, data: bytes) -> bytes:
        if self.damage and data:
            self.damage = False
            return bytes([data[0] ^ 1]) + data[1:]
        return data

    def _check(self, name: str, query: Mapping[str, str]) -> None:
        stored = self.objects.get(name)
        generation = stored.generation if stored is not None else "0"
        if query.get("ifGenerationMatch", generation) != generation:
            raise Refused(412, "conditionNotMet", "At least one condition did not hold.")
        if query.get("ifGenerationNotMatch") == generation:
            raise Refused(412, "conditionNotMet", "At least one condition did not hold.")

    def _store(self, name: str, stored: Stored, query: Mapping[str, str]) -> web.Response:
        self._check(name, query)
        self.objects[name] = stored
        return web.json_response(stored.record(name))

    # JSON

    async def _list(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        prefix, slash = query.get("prefix", ""), query.get("delimiter", "")
        found: dict[str, bool] = {}
        for name in sorted(self.objects):
            if name.startswith(prefix):
                at = name.find(slash, len(prefix)) if slash else -1
                found[name if at < 0 else name[: at + 1]] = at >= 0
        first = int(query.get("pageToken", "0"))
        last = first + min(self.page, int(query.get("maxResults", "1000")))
        shown = list(found.items())[first:last]
        page: dict[str, Any] = {"kind": "storage#objects"}
        if items := [self.objects[name].record(name) for name, folded in shown if not folded]:
            page["items"] = items
        if prefixes := [name for name, folded in shown if folded]:
            page["prefixes"] = prefixes
        if last < len(found):
            page["nextPageToken"] = str(last)
        return web.json_response(page)

    async def _object(self, request: web.BaseRequest, name: str) -> web.Response:
        stored = self.objects.get(name)
        media = request.query.get("alt") == "media"
        if stored is None:
            if media:  # plain text, as the real one
                return web.Response(status=404, text=f"No such object: {self.bucket}/{name}")
            raise Refused(404, "notFound", f"No such object: {self.bucket}/{name}")
        if request.query.get("ifGenerationNotMatch") == stored.generation:
            return web.Response(status=304)
        self._check(name, request.query)
        if request.method == "DELETE":
            del self.objects[name]
            return web.Response(status=204)
        if media:
            return _media(request, stored, stored.data if self.hashed is None else self.hashed)
        return web.json_response(stored.record(name))

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        kind, query = request.query.get("uploadType"), request.query
        if request.method == "POST" and kind == "resumable":
            self._check(query["name"], query)
            id = f"session{next(self._ids)}"
            self.sessions[id] = Session(query["name"], dict(query))
            location = f"{self.url}{request.rel_url.raw_path_qs}&upload_id={id}"
            return web.Response(headers={"Location": location})
        if request.method == "POST" and kind == "multipart":
            about, data = _related(request.headers["Content-Type"], await _read(request))
            data = self._taken(data)
            for field, value in (("crc32c", crc32c(data)), ("md5Hash", md5(data))):
                if about.get(field, value) != value:
                    raise Refused(400, "invalid", f"Provided {field} does not match calculated.")
            return self._store(query["name"], Stored(data), query)
        if kind == "resumable" and (session := self.sessions.get(query.get("upload_id", ""))):
            if request.method == "DELETE":
                del self.sessions[query["upload_id"]]
                return web.Response(status=499)
            return await self._session(request, session)
        raise Refused(404, "notFound", "No such session")

    async def _session(self, request: web.BaseRequest, session: Session) -> web.Response:
        match = _CONTENT_RANGE.fullmatch(request.headers["Content-Range"])
        assert match is not None
        if session.made is not None:
            await _read(request)
            return web.json_response(session.made.record(session.name))
        first, _, total = match.groups()
        if first is not None:
            if int(first) > len(session.data):
                raise Refused(400, "invalid", "Bytes are missing.")
            del session.data[int(first) :]
            await self._take(request, session, final=total != "*")
        if total == "*" or len(session.data) < int(total):
            done = f"bytes=0-{len(session.data) - 1}"
            return web.Response(status=308, headers={"Range": done} if session.data else {})
        made = Stored(bytes(session.data))
        answer = self._store(session.name, made, session.query)
        session.made = made
        return answer

    async def _take(self, request: web.BaseRequest, session: Session, *, final: bool) -> None:
        try:
            async for chunk in request.content.iter_any():
                session.data += chunk
        except (ClientPayloadError, OSError):
            final = False
            raise
        finally:
            if not final:
                del session.data[len(session.data) // self.quantum * self.quantum :]
        if self.greed is not None:
            del session.data[self.greed :]
            self.greed = None

    # XML

    async def _xml(self, request: web.BaseRequest, name: str) -> web.Response:
        query, method = request.query, request.method
        if not self.parallel:
            raise Refused(501, "NotImplemented", "There are no multipart uploads.", xml=True)
        if method == "POST" and "uploads" in query:
            id = f"upload{next(self._ids)}"
            self.uploads[id] = Parts(name)
            return _document("InitiateMultipartUploadResult", UploadId=id)
        upload = self.uploads.get(query.get("uploadId", ""))
        if upload is None or upload.name != name:
            raise Refused(404, "NoSuchUpload", "The upload does not exist.", xml=True)
        if method == "PUT":
            data = upload.parts[int(query["partNumber"])] = self._taken(await _read(request))
            etag = hashlib.md5(data).hexdigest()
            return web.Response(headers=[("ETag", f'"{etag}"'), *_hashes(data)])
        if method == "GET":
            return self._parts(upload, query)
        del self.uploads[query["uploadId"]]
        if method == "DELETE":
            return web.Response(status=204)
        root = ElementTree.fromstring(await _read(request))
        numbers = [int(item.findtext("PartNumber") or 0) for item in root]
        data = b"".join(upload.parts[number] for number in numbers)
        self.objects[name] = Stored(data, composite=True)
        answer = _document("CompleteMultipartUploadResult", ETag='"x-2"')
        if self.tells:
            answer.headers["x-goog-hash"] = f"crc32c={crc32c(data)}"
        return answer

    def _parts(self, upload: Parts, query: Mapping[str, str]) -> web.Response:
        after = int(query.get("part-number-marker", "0"))
        numbers = [number for number in sorted(upload.parts) if number > after]
        page = numbers[: min(self.page, int(query["max-parts"]))]
        items = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(upload.parts[number])}</Size>"
            f'<ETag>"{hashlib.md5(upload.parts[number]).hexdigest()}"</ETag></Part>'
            for number in page
        )
        more = len(page) < len(numbers)
        marker = f"<NextPartNumberMarker>{page[-1]}</NextPartNumberMarker>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml_answer(f"<ListPartsResult>{truncated}{marker}{items}</ListPartsResult>")


async def _read(request: web.BaseRequest) -> bytes:
    return b"".join([chunk async for chunk in request.content.iter_any()])


def _hashes(data: bytes) -> list[tuple[str, str]]:
    return [("X-Goog-Hash", f"crc32c={crc32c(data)}"), ("X-Goog-Hash", f"md5={md5(data)}")]


def _media(request: web.BaseRequest, stored: Stored, hashed: bytes) -> web.Response:
    data, size = stored.data, len(stored.data)
    headers = [("X-Goog-Generation", stored.generation)]
    headers += _hashes(hashed)[: 1 if stored.composite else 2]
    if (match := _RANGE.fullmatch(request.headers.get("Range", ""))) is None:
        return web.Response(body=data, headers=headers)
    first = int(match[1])
    last = min(size, int(match[2]) + 1) if match[2] else size
    if first >= size:
        raise Refused(416, "InvalidRange", "The range cannot be satisfied.", xml=True)
    headers.append(("Content-Range", f"bytes {first}-{last - 1}/{size}"))
    return web.Response(status=206, body=data[first:last], headers=headers)


def _related(kind: str, body: bytes) -> tuple[dict[str, str], bytes]:
    mark = b"--" + kind.partition("boundary=")[2].encode()
    head, rest = body[len(mark) + 2 :].split(b"\r\n" + mark, 1)
    about = json.loads(head.split(b"\r\n\r\n", 1)[1])
    data = rest.split(b"\r\n\r\n", 1)[1]
    return about, data[: data.rindex(b"\r\n" + mark)]


def _document(root: str, **fields: str) -> web.Response:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return _xml_answer(f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>')


def _xml_answer(text: str, status: int = 200) -> web.Response:
    document = f"<?xml version='1.0'?>{text}"
    return web.Response(status=status, text=document, content_type="application/xml")


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Run a handler of requests on a free port and give its address."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def google_service() -> AsyncIterator[GoogleService]:
    """Run a service for the length of a block."""
    service = GoogleService()
    async with serving(service.handle) as service.url:
        yield service
