"""Requests that carry a signed link: artifacts go out, sources and parts come in (§5, §6, §8)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from urllib.parse import unquote

from aiohttp import web

from ..s3 import xml
from ..s3.conditions import NotModified, check_read
from ..s3.errors import AWS, S3Error, no_key, no_upload
from ..s3.files import Files
from ..s3.models import Object, Segment
from ..s3.sending import Span, read_range, send
from .control import GridControl
from .datastores import PARTS, Datastores
from .keeping import to_its_end
from .links import Links
from .models import Artifact
from .receiving import receive
from .runs import UPLOADS
from .store import GridStore
from .troubles import Troubles

_TRIES = 5
_TICK = 0.05

Answer = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


class Serving:
    """Answer requests for what links name."""

    def __init__(
        self, control: GridControl, links: Links, datastores: Datastores, troubles: Troubles
    ) -> None:
        self._control = control
        self._store: GridStore = control.store
        self._files: Files = control.files
        self._links = links
        self._datastores = datastores
        self._troubles = troubles

    def answering(self, request: web.Request) -> Answer | None:
        """Return what answers a request whose path a link of ours may have."""
        path = _path(request)
        if path.startswith(f"{UPLOADS}/"):
            return self._upload
        if path.startswith(f"{PARTS}/"):
            return self._part
        return self._artifact if "/experiments/" in path and path.startswith("/grid-") else None

    async def handle(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Answer a request; refusals are documents as object stores send them."""
        path = _path(request)
        try:
            self._links.check(request.method, path, request.query)
            return await answer(request, path)
        except NotModified as same:
            return web.Response(status=304, headers=same.headers)
        except S3Error as error:
            refusal = xml.refusal(error, AWS, path, "local", secrets.token_hex(8))
            if error.code == "InvalidRange":
                refusal.headers["Content-Range"] = f"bytes */{error.fields['ActualObjectSize']}"
            return refusal

    async def _artifact(self, request: web.Request, path: str) -> web.StreamResponse:
        experiment, _, name = path.partition("/experiments/")[2].partition("/artifacts/")
        for _ in range(_TRIES):
            found = await self._store.artifact(experiment, name)
            if found is None:
                raise no_key(path.lstrip("/").partition("/")[2])
            try:
                async with self._files.reading([found.file]):
                    return await self._send(request, found)
            except FileNotFoundError:  # it was replaced a moment ago
                continue
        raise S3Error("SlowDown", "The file changes too fast")

    async def _send(self, request: web.Request, found: Artifact) -> web.StreamResponse:
        segments = [Segment(found.file, found.size)]
        described = Object(found.name, found.size, found.md5, found.modified, {}, {}, segments)
        check_read({name.lower(): value for name, value in request.headers.items()}, described)
        asked = request.headers.get("Range")
        condition = request.headers.get("If-Range")
        modified = formatdate(int(found.modified), usegmt=True)
        if condition is not None and condition not in (f'"{found.md5}"', modified):
            asked = None  # it is not the content that the client has the rest of
        span = read_range(asked, found.size)
        headers = {
            "ETag": f'"{found.md5}"',
            "Last-Modified": modified,
            "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
        }
        if span.partial:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{found.size}"
        status = 206 if span.partial else 200
        speed = self._troubles.speed(found.name)
        if speed is None:
            return await send(request, self._files, segments, span, status, headers)
        return await self._send_slowly(request, found, span, status, headers, speed)

    async def _send_slowly(
        self,
        request: web.Request,
        found: Artifact,
        span: Span,
        status: int,
        headers: dict[str, str],
        speed: float,
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = span.end - span.start
        await response.prepare(request)
        step = max(1, int(speed * _TICK))
        with await asyncio.to_thread(open, self._files.path(found.file), "rb") as file:
            await asyncio.to_thread(file.seek, span.start)
            for position in range(span.start, span.end, step):
                await response.write(
                    await asyncio.to_thread(file.read, min(step, span.end - position))
                )
                await asyncio.sleep(step / speed)
        await response.write_eof()
        return response

    async def _upload(self, request: web.Request, path: str) -> web.StreamResponse:
        """Take the source of a run; the same once more is no harm, another one is refused."""
        run_id = path.rpartition("/")[2]
        place = self._control.places.source(run_id)
        draft = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
        md5 = await receive(request, draft)
        try:
            await self._control.take_source(run_id, draft, md5)
        except KeyError:
            raise no_upload(run_id) from None
        except ValueError as error:
            raise S3Error("PreconditionFailed", str(error)) from None
        finally:
            await to_its_end(asyncio.to_thread(draft.unlink, missing_ok=True))
        return web.Response(headers={"ETag": f'"{md5}"'})

    async def _part(self, request: web.Request, path: str) -> web.StreamResponse:
        """Take a part of a file of a datastore."""
        place = await self._datastores.place(path)
        md5 = await receive(request, place)
        return web.Response(headers={"ETag": f'"{md5}"'})


def _path(request: web.Request) -> str:
    return unquote(request.raw_path.partition("?")[0])
