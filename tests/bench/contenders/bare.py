"""What a careful person would write by hand with aiohttp: the same requests, and nothing around.

Sixteen small files at a time, large files in parallel parts; no retries, no temporary names on the
local side, no checks that a file did not change. Small files are read and written on the event
loop, which is the fastest way when they are in memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from .task import Order, Stopwatch, play

FILES = 16
STREAMS = 8
PART = 8 * 2**20
SLICE = 2**20
OCTETS = {"Content-Type": "application/octet-stream"}


class Bare:
    """Speak to the storage below one URL."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self._files = asyncio.Semaphore(FILES)

    async def _call(self, method: str, path: str, op: str, **options: Any) -> bytes:
        url = f"{self._base}/{quote(path)}?op={op}"
        async with self._session.request(method, url, **options) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def up_tree(self, local: Path, remote: str) -> None:
        """Upload a directory."""
        async with asyncio.TaskGroup() as group:
            await self._call("PUT", remote, "MKDIRS")
            for entry in os.scandir(local):
                if entry.is_dir():
                    group.create_task(self.up_tree(Path(entry.path), f"{remote}/{entry.name}"))
                else:
                    group.create_task(self._put(Path(entry.path), f"{remote}/{entry.name}"))

    async def _put(self, local: Path, remote: str) -> None:
        async with self._files:
            data = local.read_bytes()  # noqa: ASYNC240 - see above
            await self._call("PUT", remote, "CREATE", data=data, headers=OCTETS)

    async def _list(self, remote: str) -> list[dict[str, Any]]:
        url = f"{self._base}/{quote(remote)}?op=LISTSTATUS"
        async with self._files, self._session.get(url) as answer:
            answer.raise_for_status()
            found: list[dict[str, Any]] = (await answer.json())["FileStatuses"]["FileStatus"]
            return found

    async def sync_tree(self, local: Path, remote: str) -> None:
        """Upload what is newer than its copy."""
        there = {item["path"]: item for item in await self._list(remote)}
        async with asyncio.TaskGroup() as group:
            for entry in os.scandir(local):
                copy, path = there.get(entry.name), f"{remote}/{entry.name}"
                if entry.is_dir():
                    group.create_task(self.sync_tree(Path(entry.path), path))
                elif copy is None or entry.stat().st_mtime > copy["modificationTime"] - 1:
                    group.create_task(self._put(Path(entry.path), path))

    async def down_tree(self, local: Path, remote: str) -> None:
        """Download a directory."""
        os.makedirs(local, exist_ok=True)
        async with asyncio.TaskGroup() as group:
            for item in await self._list(remote):
                name = item["path"]
                work = self.down_tree if item["type"] == "DIRECTORY" else self._get
                group.create_task(work(local / name, f"{remote}/{name}"))

    async def _get(self, local: Path, remote: str) -> None:
        async with self._files:
            data = await self._call("GET", remote, "OPEN")
            local.write_bytes(data)  # noqa: ASYNC240 - see above

    async def up_file(self, local: Path, remote: str) -> None:
        """Upload a large file in parts, beside its final name."""
        draft = f"{remote}.part"
        await self._call("PUT", draft, "CREATE", data=b"", headers=OCTETS)
        handle = os.open(local, os.O_RDONLY)
        offsets = iter(range(0, size := os.fstat(handle).st_size, PART))

        async def slices(offset: int, end: int) -> AsyncIterator[bytes]:
            for start in range(offset, end, SLICE):
                yield await asyncio.to_thread(os.pread, handle, min(SLICE, end - start), start)

        async def stream() -> None:
            for offset in offsets:
                end = min(offset + PART, size)
                place = {"Content-Range": f"bytes {offset}-{end - 1}/*"}
                headers = {**OCTETS, **place, "Content-Length": str(end - offset)}
                await self._call("PATCH", draft, "WRITE", data=slices(offset, end), headers=headers)

        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS):
                group.create_task(stream())
        os.close(handle)
        home = self._base.partition("/api/v1/storage/")[2].partition("/")[2]
        await self._call("POST", draft, f"RENAME&destination=/{home}/{quote(remote)}")

    async def down_file(self, local: Path, remote: str) -> None:
        """Download a large file as one stream, writing while the next bytes arrive."""
        writing = None
        with open(local, "wb", buffering=0) as file:  # noqa: ASYNC230 - takes no time
            async with self._session.get(f"{self._base}/{quote(remote)}?op=OPEN") as answer:
                answer.raise_for_status()
                async for chunk in answer.content.iter_chunked(SLICE):
                    if writing is not None:
                        await writing
                    writing = asyncio.ensure_future(asyncio.to_thread(file.write, chunk))
            if writing is not None:
                await writing


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {order.token}"},
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=2**18,
    ) as session:
        method = getattr(Bare(session, order.base), order.work.replace("-", "_"))
        with stopwatch:
            await method(Path(order.local), order.remote)


if __name__ == "__main__":
    play(work)
