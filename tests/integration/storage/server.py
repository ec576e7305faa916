"""A storage service on a directory, small, with the warts and faults that a test asks for."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

Hook = Callable[[web.Request, str], Awaitable[web.StreamResponse | None]]

DEFAULTS = {"GET": "OPEN", "PUT": "CREATE", "PATCH": "WRITE", "POST": "RENAME", "DELETE": "DELETE"}


class StorageServer:
    """Answer as storage.md §5 says; `calls` counts operations, `hook` may answer instead."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: Counter[str] = Counter()
        self.ndjson = True
        self.hook: Hook | None = None
        self.date: str | None = None

    def app(self) -> web.Application:
        """Return the application, mounted at ``/storage``."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/storage/{path:(?s:.*)}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        op = request.query.get("op", DEFAULTS[request.method]).upper()
        self.calls[op] += 1
        if self.hook is not None:
            instead = await self.hook(request, op)
            if instead is not None:
                return instead
        path = self.root / request.match_info["path"].strip("/")
        try:
            body = await request.read()
            answer: web.Response = getattr(self, f"_{op.lower()}")(request, path, body)
        except FileNotFoundError:
            return web.Response(status=404, text="not found")
        except OSError as error:
            code = errno.errorcode[error.errno or errno.EIO]
            return web.json_response({"error": str(error), "errno": code}, status=400)
        if self.date is not None:
            answer.headers["Date"] = self.date
        return answer

    def _create(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return web.Response(status=201)

    def _write(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        if request.content_type != "application/octet-stream":
            return web.Response(status=400, text="wrong content type")
        first, last = request.headers["Content-Range"].removeprefix("bytes ")[:-2].split("-")
        with path.open("rb+") as file:
            file.seek(int(first))
            file.write(body)
            assert file.tell() == int(last) + 1
        return web.Response()

    def _mkdirs(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        path.mkdir(parents=True, exist_ok=True)
        return web.Response(status=201)

    def _open(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        found = path.stat()
        headers = {"X-File-Type": "FILE", "X-File-Length": str(found.st_size)}
        data = path.read_bytes()
        status = 200
        if "Range" in request.headers:
            first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
            start, stop = int(first), int(last) + 1 if last else len(data)
            if start >= len(data):
                return web.Response(status=416)
            data = data[start:stop]
            total = found.st_size
            headers["Content-Range"] = f"bytes {start}-{start + len(data) - 1}/{total}"
            status = 206
        answer = web.Response(status=status, body=data, headers=headers)
        answer.last_modified = found.st_mtime
        return answer

    def _status(self, path: Path, name: str) -> dict[str, object]:
        found = path.lstat()
        kind = "SYMLINK" if path.is_symlink() else "DIRECTORY" if path.is_dir() else "FILE"
        return {
            "path": name,
            "length": found.st_size if kind == "FILE" else 0,
            "modificationTime": int(found.st_mtime),
            "permission": "write",
            "type": kind,
        }

    def _liststatus(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        records = [self._status(Path(item.path), item.name) for item in os.scandir(path)]
        if self.ndjson and "ndjson" in request.headers.get("Accept", ""):
            text = "".join(json.dumps({"FileStatus": record}) + "\r\n" for record in records)
            return web.Response(text=text, content_type="application/x-ndjson")
        return web.json_response({"FileStatuses": {"FileStatus": records}})

    def _getfilestatus(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        full = "/" + path.relative_to(self.root).as_posix()
        return web.json_response({"FileStatus": self._status(path, full)})

    def _getdiskusage(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        path.lstat()
        return web.json_response({"total": 100, "used": 30, "free": 70})

    def _rename(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        path.replace(self.root / request.query["destination"].lstrip("/"))
        return web.Response(status=204)

    def _delete(self, request: web.Request, path: Path, body: bytes) -> web.Response:
        if path.is_dir():
            if request.query["recursive"] != "true":
                raise IsADirectoryError(errno.EISDIR, "is a directory")
            gone = [(item, item.is_dir()) for item in sorted(path.rglob("*"), reverse=True)]
            gone.append((path, True))
            shutil.rmtree(path)
        else:
            path.unlink()
            gone = [(path, False)]
        if not self.ndjson:
            return web.Response(status=204)
        records = [
            {"path": f"/{item.relative_to(self.root).as_posix()}", "is_dir": is_dir}
            for item, is_dir in gone
        ]
        text = "".join(json.dumps(record) + "\r\n" for record in records)
        return web.Response(text=text, content_type="application/x-ndjson")


async def cut(request: web.Request) -> web.StreamResponse:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(0)
    return web.Response()
