"""What a careful person would write by hand with aiohttp: both hops, and nothing around them.

The proxy is asked without the body, the body goes to the target that it names. No retries, no
checksums, no look at what the answers say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from .objects import LARGE, WORKERS, Job, content
from .task import Order, Stopwatch, play

SLICE = 2**20


class Bare:
    """Speak to one bucket of one cluster."""

    def __init__(self, session: aiohttp.ClientSession, job: Job) -> None:
        self._session = session
        self._job = job
        self._objects = f"{job.url.rstrip('/')}/v1/objects/{job.bucket}"
        self._query = "?provider=ais"

    async def each(self) -> int:
        """Put, get or head all small objects, some at a time."""
        names = iter(self._job.names)
        data = content(self._job.size)
        found = 0

        async def work() -> None:
            nonlocal found
            for name in names:
                url = f"{self._objects}/{name}{self._query}"
                if self._job.work == "put":
                    await self._put(url, data)
                    found += len(data)
                elif self._job.work == "get":
                    async with self._session.get(url) as answer:
                        answer.raise_for_status()
                        got = await answer.read()
                        found += len(got)
                else:
                    async with self._session.head(url, allow_redirects=True) as answer:
                        answer.raise_for_status()
                        found += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
        return found

    async def _put(self, url: str, data: Any, headers: dict[str, str] | None = None) -> None:
        async with self._session.put(url, allow_redirects=False) as answer:
            answer.raise_for_status()
            place = answer.headers["Location"]
        async with self._session.put(place, data=data, headers=headers) as answer:
            answer.raise_for_status()

    async def put_large(self) -> int:
        """Send a file as one stream."""
        size = self._job.local.stat().st_size

        async def slices() -> AsyncIterator[bytes]:
            with open(self._job.local, "rb", buffering=0) as file:  # noqa: ASYNC230
                while chunk := await asyncio.to_thread(file.read, SLICE):
                    yield chunk

        url = f"{self._objects}/{LARGE}{self._query}"
        await self._put(url, slices(), {"Content-Length": str(size)})
        return size

    async def get_large(self) -> int:
        """Receive a file as one stream, writing while the next bytes arrive."""
        writing = None
        with open(self._job.local, "wb", buffering=0) as file:  # noqa: ASYNC230
            async with self._session.get(f"{self._objects}/{LARGE}{self._query}") as answer:
                answer.raise_for_status()
                async for chunk in answer.content.iter_chunked(SLICE):
                    if writing is not None:
                        await writing
                    writing = asyncio.ensure_future(asyncio.to_thread(file.write, chunk))
            if writing is not None:
                await writing
        return Path(self._job.local).stat().st_size  # noqa: ASYNC240

    async def list(self) -> int:
        """Ask for page after page, as JSON."""
        url = f"{self._job.url.rstrip('/')}/v1/buckets/{self._job.bucket}{self._query}"
        found = 0
        value = {"props": "name,size", "uuid": "", "continuation_token": "", "pagesize": 0}
        while True:
            body = json.dumps({"action": "list", "value": value})
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            async with self._session.get(url, data=body, headers=headers) as answer:
                answer.raise_for_status()
                page = await answer.json()
            found += len(page["entries"] or ())
            if not page["continuation_token"]:
                return found
            value |= {"uuid": page["uuid"], "continuation_token": page["continuation_token"]}


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    job = Job.of(order)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=2**18) as session:
        bare = Bare(session, job)
        others = {"put-large": bare.put_large, "get-large": bare.get_large, "list": bare.list}
        with stopwatch:
            found = await others.get(job.work, bare.each)()
        job.check(found)


if __name__ == "__main__":
    play(work)
