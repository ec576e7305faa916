"""The storage operations as requests and answers."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from aiohttp import web
from yarl import URL

from ...access import rank
from ...errors import refuse
from ...requests import username_of
from ..base import Platform
from .bodies import receive_file, receive_range, send_file
from .files import FileInfo, Root, split_path
from .operations import operation_of, recursive_of, write_range

NDJSON = "application/x-ndjson"
DRAFTS = ".incoming"
_BATCH = 1000
_ERRNO_UNKNOWN = 0

Parts = tuple[str, ...]


class Handlers:
    """Serve the storage of every cluster."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._roots: dict[str, Root] = {}
        self._operations: dict[str, Callable[[web.Request, Root, Parts], Awaitable[Any]]] = {
            "OPEN": self._open,
            "HEAD": self._open,
            "LISTSTATUS": self._list,
            "GETFILESTATUS": self._stat,
            "GETDISKUSAGE": self._usage,
            "CREATE": self._create,
            "MKDIRS": self._make_dirs,
            "WRITE": self._write,
            "RENAME": self._rename,
            "DELETE": self._delete,
        }

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Throw away what uploads left unfinished when the last platform was killed."""
        drafts = self._platform.data / "storage" / DRAFTS
        await asyncio.to_thread(shutil.rmtree, drafts, ignore_errors=True)
        await asyncio.to_thread(drafts.mkdir, 0o700)
        for cluster in self._platform.settings.clusters:
            folder = self._platform.storage_root(cluster)
            self._roots[cluster] = await asyncio.to_thread(Root, folder, drafts)
        yield

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Serve one request; what the file system refuses becomes an error answer."""
        operation = operation_of(request)
        cluster = request.match_info["cluster"]
        if cluster not in self._roots:
            raise web.HTTPNotFound(text=f"There is no cluster {cluster!r}")
        # /api/v1/storage/{cluster}/{path}, where the cluster may be quoted too
        parts = split_path(request.rel_url.raw_path.split("/", 5)[5])
        root = await self._root(request, cluster)
        try:
            response: web.StreamResponse = await self._operations[operation](request, root, parts)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            wants_lines = operation in ("LISTSTATUS", "DELETE") and _wants_ndjson(request)
            raise _refusal(error, as_json=wants_lines) from error
        return response

    async def _root(self, request: web.Request, cluster: str) -> Root:
        """Return a cluster's root as the caller sees it."""
        action = "read" if request.method in ("GET", "HEAD") else "write"
        may = await self._platform.access.may(username_of(request), action)
        return self._roots[cluster].seen_by(lambda parts: may(_uri(request, parts)))

    async def _action(self, request: web.Request, parts: Sequence[str]) -> str:
        return await self._platform.access.action(username_of(request), _uri(request, parts))

    async def _require(self, request: web.Request, parts: Sequence[str], action: str) -> None:
        """Hide what the caller may not use: 404, never 403 (storage.md §3)."""
        if rank(await self._action(request, parts)) < rank(action):
            raise web.HTTPNotFound(text="Not found")

    async def _open(self, request: web.Request, root: Root, parts: Parts) -> web.StreamResponse:
        await self._require(request, parts, "read")
        return await send_file(request, root, parts)

    async def _create(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        await self._require(request, parts, "write")
        await receive_file(request, root, parts)
        return web.Response(status=201, text="")

    async def _write(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        offset, length = write_range(request)
        await self._require(request, parts, "write")
        await receive_range(request, root, parts, offset, length)
        return web.Response(status=200)

    async def _make_dirs(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        await self._require(request, parts, "write")
        await asyncio.to_thread(root.make_dirs, parts)
        return web.Response(status=201)

    async def _rename(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        text = request.query.get("destination")
        if not text:
            raise refuse(400, "The parameter destination is missing")
        base = "" if text.startswith("/") else "/".join(parts[:-1]) + "/"
        # The query is decoded already.
        target = tuple(p for p in _normalized(f"{base}{text}"))
        await self._require(request, parts, "write")
        await self._require(request, target, "write")
        await asyncio.to_thread(root.rename, parts, target)
        return web.Response(status=204)

    async def _usage(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        await self._require(request, parts, "read")
        total, used, free = await asyncio.to_thread(root.usage, parts)
        return web.json_response({"total": total, "used": used, "free": free})

    async def _stat(self, request: web.Request, root: Root, parts: Parts) -> web.Response:
        action = await self._action(request, parts)
        if action == "deny":
            raise web.HTTPNotFound(text="Not found")
        info = await asyncio.to_thread(root.info, parts)
        status = _status(info, action, path="/" + "/".join(parts))
        return web.json_response({"FileStatus": status})

    async def _list(self, request: web.Request, root: Root, parts: Parts) -> web.StreamResponse:
        visible = await self._visibility(request, parts)
        entries = await asyncio.to_thread(root.list, parts)
        statuses = (
            _status(entry, action)
            for entry in entries
            if (action := visible(entry.name)) is not None
        )
        if not _wants_ndjson(request):
            return web.json_response({"FileStatuses": {"FileStatus": list(statuses)}})
        lines = ({"FileStatus": status} for status in statuses)
        if len(entries) <= _BATCH:
            return web.Response(body=_encoded(lines), headers={"Content-Type": NDJSON})
        return await _stream_lines(request, _batches(lines))

    async def _visibility(self, request: web.Request, parts: Parts) -> Callable[[str], str | None]:
        """Return what says with which action an entry is shown, None if not at all."""
        username, uri = username_of(request), _uri(request, parts)
        action = await self._platform.access.action(username, uri)
        if action == "deny":
            raise web.HTTPNotFound(text="Not found")
        children = await self._platform.access.children(username, uri)
        inherited = action if rank(action) >= rank("read") else None
        return lambda name: children.get(name, inherited)

    async def _delete(self, request: web.Request, root: Root, parts: Parts) -> web.StreamResponse:
        recursive = recursive_of(request)
        await asyncio.to_thread(root.info, parts)
        await self._require(request, parts, "write")
        removed = root.remove(parts, recursive=recursive)
        lines = ({"path": item.path, "is_dir": item.is_dir} for item in removed)
        batches = _from_thread(lines)
        if not _wants_ndjson(request):
            async for _ in batches:
                pass
            return web.Response(status=204)
        # An error before the first line is an ordinary answer.
        first = await anext(batches)
        return await _stream_lines(request, _chained(first, batches))


async def _stream_lines(
    request: web.Request, batches: AsyncIterator[Sequence[Any]]
) -> web.StreamResponse:
    """Send JSON lines as they come; an error after the first line is the last line."""
    response = web.StreamResponse(headers={"Content-Type": NDJSON})
    await response.prepare(request)
    try:
        async for batch in batches:
            await response.write(_encoded(batch))
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        await response.write(json.dumps(_error_body(error)).encode())
    await response.write_eof()
    return response


async def _batches(lines: Iterator[Any]) -> AsyncIterator[Sequence[Any]]:
    while batch := list(islice(lines, _BATCH)):
        yield batch


async def _from_thread(lines: Iterator[Any]) -> AsyncIterator[Sequence[Any]]:
    """Take lines in batches in a thread; an error comes after the lines before it."""
    error: OSError | None = None
    while error is None:
        batch, error = await asyncio.to_thread(_some, lines)
        if batch:
            yield batch
        elif error is None:
            return
    raise error


def _some(lines: Iterator[Any]) -> tuple[Sequence[Any], OSError | None]:
    taken: list[Any] = []
    try:
        taken.extend(islice(lines, _BATCH))
    except OSError as error:
        return taken, error
    return taken, None


async def _chained(
    first: Sequence[Any], others: AsyncIterator[Sequence[Any]]
) -> AsyncIterator[Sequence[Any]]:
    yield first
    async for batch in others:
        yield batch


def _encoded(lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)


def _status(info: FileInfo, action: str, path: str | None = None) -> dict[str, Any]:
    return {
        "path": info.name if path is None else path,
        "length": info.length,
        "modificationTime": info.modified,
        "permission": "read" if action == "list" else action,
        "type": info.kind,
    }


def _uri(request: web.Request, parts: Sequence[str]) -> URL:
    cluster = request.match_info["cluster"]
    path = "/" + "/".join(part.encode("utf-8", "replace").decode() for part in parts)
    return URL.build(scheme="storage", host=cluster, path=path)


def _normalized(path: str) -> Iterator[str]:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return iter(parts)


def _wants_ndjson(request: web.Request) -> bool:
    return NDJSON in request.headers.get("Accept", "")


def _error_body(error: OSError) -> dict[str, Any]:
    code = error.errno or _ERRNO_UNKNOWN
    return {"error": error.strerror or str(error), "errno": errno.errorcode.get(code, code)}


def _refusal(error: OSError, *, as_json: bool) -> web.HTTPException:
    body = _error_body(error)
    if isinstance(error, FileNotFoundError):
        if as_json:
            return refuse(404, body["error"], errno="ENOENT")
        return web.HTTPNotFound(text=body["error"])
    return refuse(400, body["error"], errno=body["errno"])
