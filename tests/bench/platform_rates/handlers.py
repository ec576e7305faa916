"""The opponent: aiohttp handlers that read and write files, and nothing else.

No login, no rights, no paths that could lead astray. Prints its URL and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

from aiohttp import web

PIECE = 2**20
_FOLDER = web.AppKey("folder", Path)


def _path(request: web.Request) -> Path:
    return request.app[_FOLDER] / request.match_info["name"]


def _draft(path: Path) -> Path:
    return path.with_name(uuid.uuid4().hex)


def _replace(path: Path, data: bytes) -> None:
    draft = _draft(path)
    draft.write_bytes(data)
    draft.rename(path)


async def put(request: web.Request) -> web.Response:
    """Store a body under a draft's name, then rename it."""
    path = _path(request)
    length = request.content_length or 0
    if length <= PIECE:
        await asyncio.to_thread(_replace, path, await request.read())
        return web.Response(status=201)
    draft = _draft(path)
    with open(draft, "wb", buffering=0) as file:  # noqa: ASYNC230 - takes no time
        async for piece in request.content.iter_chunked(PIECE):
            await asyncio.to_thread(file.write, piece)
    await asyncio.to_thread(draft.rename, path)
    return web.Response(status=201)


async def get(request: web.Request) -> web.StreamResponse:
    """Send a file, a small one in one go."""
    path = _path(request)
    with open(path, "rb", buffering=0) as file:  # noqa: ASYNC230 - takes no time
        size = os.fstat(file.fileno()).st_size
        if size <= PIECE:
            return web.Response(body=await asyncio.to_thread(file.read))
        response = web.StreamResponse()
        response.content_length = size
        await response.prepare(request)
        while piece := await asyncio.to_thread(file.read, PIECE):
            await response.write(piece)
        await response.write_eof()
        return response


async def serve(folder: Path) -> None:
    """Serve a folder."""
    app = web.Application()
    app[_FOLDER] = folder
    app.add_routes([web.put("/{name}", put), web.get("/{name}", get)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
