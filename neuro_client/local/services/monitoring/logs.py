"""The logs of a job: the archive of earlier runs, then the present run, live (jobs.md §6)."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs
from aiohttp import web

from ...errors import refuse
from ...runners.records import RecordReader
from ...scheduler import Job
from ..base import Platform
from ..jobs.listing import boolean, moment
from .control import monitored
from .sockets import send_all

_FIRST_PAUSE, _LAST_PAUSE = 0.02, 0.25


@attrs.frozen
class Options:
    """What a reader asked for."""

    separator: bytes
    """Empty: none."""
    timestamps: bool
    since: float | None
    debug: bool


def options(request: web.Request) -> Options:
    """Read the query; raises 400."""
    query = request.query
    if "archive_delay" in query:
        try:
            fine = math.isfinite(float(query["archive_delay"]))
        except ValueError:
            fine = False
        if not fine:
            text = f"archive_delay must be a number of seconds, not {query['archive_delay']!r}"
            raise refuse(400, text)
    separator = query.get("separator")
    if separator is None:
        separator = f"=== Live logs ==={secrets.token_hex(30)}"
    if not separator.isprintable():
        # It is told in a header.
        raise refuse(400, "separator must be printable, on one line")
    return Options(
        separator=separator.encode(),
        timestamps=boolean(request, "timestamps") or False,
        since=moment(query["since"], "since") if query.get("since") else None,
        debug=boolean(request, "debug") or False,
    )


class LogHandlers:
    """Answer the requests about logs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Send the log as binary messages; close when the job is finished."""
        job = await monitored(self._platform, request, "read")
        async with aclosing(LogStream(self._platform, job, options(request)).chunks()) as chunks:
            return await send_all(request, chunks)

    async def plain(self, request: web.Request) -> web.StreamResponse:
        """Send the log as a chunked body."""
        job = await monitored(self._platform, request, "read")
        wanted = options(request)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/plain; charset=utf-8",
                "X-Separator": wanted.separator.decode(),
            }
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        async with aclosing(LogStream(self._platform, job, wanted).chunks()) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
        await response.write_eof()
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """Remove what was logged so far."""
        job = await monitored(self._platform, request, "write")

        def remove() -> None:
            for run in range(job.run + 1):
                path = self._platform.jobs.runner.log_path(job.id, run)
                if path.exists():
                    os.truncate(path, 0)

        await asyncio.to_thread(remove)
        return web.Response(status=204)


class LogStream:
    """Produce the text of one reader at the reader's own pace."""

    def __init__(self, platform: Platform, job: Job, wanted: Options) -> None:
        self._platform = platform
        self._id = job.id
        self._wanted = wanted
        self._written = False
        self._line_open = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the archive, the separator if both parts have text, and the live part."""
        control = self._platform.jobs
        async with self._platform.state.watch("job", self._id) as changes:
            job = await control.get(self._id)
            live = control.current_run(self._id)
            first_live = live if live is not None else job.run + 1
            if self._wanted.debug:
                yield b"~~~ Archived logs\n"
            for run in range(first_live):
                async for chunk in self._run(run):
                    yield chunk
            separator = self._wanted.separator if self._written else b""
            if self._wanted.debug:
                yield b"~~~ Live logs\n"
            run = first_live
            while (job := await control.get(self._id)) is not None:
                if job.run >= run:
                    async for chunk in self._run(run, separator):
                        separator = b""
                        yield chunk
                    run += 1
                elif job.finished and control.current_run(self._id) is None:
                    return
                else:
                    await anext(changes)

    async def _run(self, run: int, separator: bytes = b"") -> AsyncGenerator[bytes, None]:
        """Yield the text of one run, after ``separator``, until it has ended and all is read."""
        control = self._platform.jobs
        reader = RecordReader(
            control.runner.log_path(self._id, run), self._wanted.timestamps, self._wanted.since
        )
        pause, fresh = _FIRST_PAUSE, True
        while True:
            ended = control.current_run(self._id) != run
            text = await asyncio.to_thread(reader.read)
            if text:
                if fresh and self._line_open:  # the run before ended inside a line
                    yield b"\n"
                if fresh and separator:
                    yield separator + b"\n"
                yield text
                fresh, self._written, self._line_open = False, True, reader.line_open
                pause = _FIRST_PAUSE
            elif text is None and ended:
                return
            elif text is None:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LAST_PAUSE)
