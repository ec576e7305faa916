"""The log of a job: raw chunks of one connection, and lines that survive broken connections."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import NeuroError, TransportError
from ..retry import RetryPolicy
from ..streaming.follow import OpenAt, Position, follow
from ..streaming.lines import Line, StampedLines, datetime_to_stamp, stamp_to_datetime
from ..transport import Transport
from .models import JobDescription
from .waiting import CreationGrace, PatientRetry

_log = logging.getLogger(__name__)

_TAIL_LINES, _TAIL_TIME = 20, 2.0
_TAIL_SPAN = timedelta(seconds=30)

FOLLOW_RETRY = PatientRetry(attempts=60, base=0.1, cap=5.0)
"""Outlast a restart of the platform: about two minutes without a line or a good answer."""

FIRST_QUIET, NEXT_QUIET = 2.0, 1.0
"""Seconds of silence, before and after the first chunk, that mean the stream has caught up."""

# The close code of a server that shuts down, which is not the end of the log.
_GOING_AWAY = 1001

ReadChunks = Callable[[datetime | None], AbstractAsyncContextManager[AsyncIterator[bytes]]]


@attrs.frozen
class Reading:
    """Hold a job as it was read, and the server's clock at that moment."""

    job: JobDescription
    moment: datetime


@scoped_iterator
async def stream_log(
    transport: Transport, url: URL, job_id: str, query: list[tuple[str, str]]
) -> AsyncIterator[bytes]:
    """Yield the non-empty chunks of one connection (jobs.md §6).

    Raises:
        RuntimeError: a message is text.
        TransportError: the connection broke.
    """
    async with transport.websocket(url, params=query) as socket:
        while (message := await socket.receive()) is not None:
            if not isinstance(message, bytes):
                raise RuntimeError(
                    f"The log of job {job_id} holds a text message; "
                    "something other than the monitoring service answered"
                )
            if message:
                yield message
        if socket.close_code == _GOING_AWAY:
            raise TransportError(
                f"The monitoring service went away while it sent the log of job {job_id}"
            )


def clock_of(date: str | None) -> datetime:
    """Read a ``Date`` header, rounded up to whole seconds; this machine's clock without one."""
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        moment = datetime.now(UTC)
    return moment.astimezone(UTC) + timedelta(seconds=1)


class LogFollower:
    """Read the log of one job as lines; each method may be used once.

    ``read_chunks`` opens the log with time stamps, from a time on or from the start. ``read_job``
    makes one attempt to read the job.
    """

    def __init__(
        self,
        read_chunks: ReadChunks,
        read_job: Callable[[], Awaitable[Reading]],
        since: datetime | None,
        retry: RetryPolicy = FOLLOW_RETRY,
    ) -> None:
        self._read_chunks = read_chunks
        self._read_job = read_job
        self._since = since
        self._first_stamp = None if since is None else datetime_to_stamp(since)
        self._retry = retry
        self._grace = CreationGrace(time.monotonic)
        self._caught_up: int | None = None

    @scoped_iterator
    async def until_end(self) -> AsyncIterator[Line[int]]:
        """Yield all lines until the job was read to be in a final state."""
        async with self._follow(self._open, self._is_finished) as lines:
            async for line in lines:
                yield line

    @scoped_iterator
    async def until_now(self) -> AsyncIterator[Line[int]]:
        """Yield the lines that are there now.

        The log of a job in a final state is read to its end. That of another one has no end: it
        is read until it was silent for a second (two before the first line), or until a line was
        written after this call, by the clock of the server.
        """
        reading = await self._read_patiently()
        if reading.job.status.is_finished:
            source: OpenAt[int] = self._open
        elif reading.job.history.started_at is None and not reading.job.history.restarts:
            return
        else:
            self._caught_up = datetime_to_stamp(reading.moment)
            source = self._open_quiet
        async with self._follow(source, None) as lines:
            async for line in lines:
                yield line

    def _follow(
        self, source: OpenAt[int], finished: Callable[[], Awaitable[bool]] | None
    ) -> AbstractAsyncContextManager[AsyncIterator[Line[int]]]:
        return follow(source, finished=finished, retry=self._retry, transient=self._grace.tolerates)

    async def _is_finished(self) -> bool:
        reading = await self._read_job()
        self._grace.seen()
        return reading.job.status.is_finished

    async def _read_patiently(self) -> Reading:
        failures = 0
        while True:
            try:
                reading = await self._read_job()
            except Exception as error:
                failures += 1
                pause = self._retry.delay(failures, error)
                if pause is None or not self._grace.tolerates(error):
                    raise
            else:
                self._grace.seen()
                return reading
            await asyncio.sleep(pause)

    @scoped_iterator
    async def _open(self, position: Position[int] | None) -> AsyncIterator[Line[int]]:
        decoder = StampedLines()
        async with self._read_chunks(self._start(position)) as chunks:
            async for chunk in chunks:
                self._grace.seen()
                for line in decoder.feed(chunk):
                    if self._wanted(line):
                        yield line
        if rest := decoder.flush():
            yield rest

    @scoped_iterator
    async def _open_quiet(self, position: Position[int] | None) -> AsyncIterator[Line[int]]:
        decoder = StampedLines()
        quiet = FIRST_QUIET
        async with self._read_chunks(self._start(position)) as chunks:
            while chunk := await _next_within(chunks, quiet):
                quiet = NEXT_QUIET
                for line in decoder.feed(chunk):
                    if self._is_later(line):
                        return
                    if self._wanted(line):
                        yield line
        if rest := decoder.flush():
            yield rest

    def _start(self, position: Position[int] | None) -> datetime | None:
        return self._since if position is None else stamp_to_datetime(position.key)

    def _wanted(self, line: Line[int]) -> bool:
        return self._first_stamp is None or line.key is None or line.key >= self._first_stamp

    def _is_later(self, line: Line[int]) -> bool:
        return self._caught_up is not None and line.key is not None and line.key > self._caught_up


async def _next_within(chunks: AsyncIterator[bytes], quiet: float) -> bytes | None:
    """Return the next chunk, None at the end or when none came for ``quiet`` seconds."""
    try:
        async with asyncio.timeout(quiet) as scope:
            return await anext(chunks, None)
    except TimeoutError:
        if scope.expired():
            return None
        raise


async def last(lines: AsyncIterator[Line[int]], count: int) -> deque[Line[int]]:
    """Read all lines and keep the last ``count``."""
    kept: deque[Line[int]] = deque(maxlen=count)
    async for line in lines:
        kept.append(line)
    return kept


def render(line: Line[int], timestamps: bool) -> str:
    """Return a line's text, with the service's time stamp before it if wanted."""
    return line.prefix + line.text if timestamps else line.text


async def log_tail(read_chunks: ReadChunks, job: JobDescription) -> Sequence[str]:
    """Return the last lines of an ended job as far as they can be had in a short time."""

    async def read_job() -> Reading:
        return Reading(job, datetime.now(UTC))

    # A long log is not read as a whole when its end has enough lines.
    ended = job.history.finished_at
    starts = [None] if ended is None else [ended - _TAIL_SPAN, None]
    tail: Sequence[str] = ()
    try:
        async with asyncio.timeout(_TAIL_TIME):
            for start in starts:
                follower = LogFollower(read_chunks, read_job, start)
                async with follower.until_now() as lines:
                    tail = [line.text for line in await last(lines, _TAIL_LINES)]
                if len(tail) == _TAIL_LINES:
                    break
    except (NeuroError, OSError, RuntimeError) as error:
        _log.debug("The last lines of job %s could not be read: %r", job.id, error)
    return tail
