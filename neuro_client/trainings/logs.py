"""The log of a training: lines over the cluster API that survive broken connections (§7.8)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import (
    ConfigError,
    ProtocolError,
    ResourceNotFound,
    ResponseError,
    TransportError,
    TransportTimeoutError,
)
from ..retry import RetryPolicy, is_transient
from ..streaming.follow import Position, follow
from ..streaming.lines import Line, StampedLines, datetime_to_stamp, stamp_to_datetime
from ..transport import Transport
from .query import Pairs

FOLLOW_RETRY = RetryPolicy(attempts=60, base=0.1, cap=5.0)
"""Outlast a restart of the cluster API: about two minutes without a line or a good answer."""

KIND = ("training", "runai")
"""The segments of a path that stand for a standard training."""

# Seconds without a byte after which a log over HTTP is opened anew.
_SILENCE = 300.0
# The close code of a server that shuts down, which is not the end of the log.
_GOING_AWAY = 1001
# How a server or proxy answers that has no WebSocket there.
_NO_UPGRADE = (400, 405, 406, 415, 426, 501, 505)


@attrs.frozen
class LogOptions:
    """Choose what of a log is read; names are those of the wire in snake case."""

    pod: str | None = None
    container: str | None = None
    previous: bool = False
    since: datetime | None = None
    tail: int | None = None
    """Lines from the end; only of a log that is not followed."""

    def query(self, start: datetime | None, *, follow: bool) -> Pairs:
        """Return the parameters of one connection."""
        pairs: Pairs = [("timestamps", "true"), ("follow", "true" if follow else "false")]
        given = {
            "pod": self.pod,
            "container": self.container,
            "previous": "true" if self.previous else None,
            "tail": None if self.tail is None else str(self.tail),
            "sinceTime": None if start is None else stamp_text(start),
        }
        return pairs + [(key, value) for key, value in given.items() if value is not None]


def stamp_text(moment: datetime) -> str:
    """Format a moment to the microsecond in RFC 3339; naive = local time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def log_url(cluster_url: str | None, project: str, name: str) -> URL:
    """Return where a cluster has the log of a training.

    Raises:
        ConfigError: the address of the cluster is not known.
    """
    if not cluster_url:
        raise ConfigError(
            "Logs come from the cluster, not from the control plane, and its address is not "
            "known; give cluster_url to Trainings.connect, or set RUNAI_CLUSTER_URL"
        )
    root = URL(cluster_url.rstrip("/") + "/cluster-api/api/v1")
    return root.joinpath(project, "workloads", *KIND, name, "logs")


class LogReader:
    """Read the log at *url* as lines, over a WebSocket, or over HTTP where there is none.

    ``started`` returns when there may be a log, and whether the training has ended already;
    ``finished`` reads whether it has ended.
    """

    def __init__(
        self,
        transport: Transport,
        url: URL,
        options: LogOptions,
        *,
        started: Callable[[], Awaitable[bool]],
        finished: Callable[[], Awaitable[bool]],
        retry: RetryPolicy = FOLLOW_RETRY,
    ) -> None:
        self._transport = transport
        self._url = url
        self._options = options
        self._started = started
        self._finished = finished
        self._retry = retry
        self._upgrades = True
        self._ended = False
        since = options.since
        self._first_stamp = None if since is None else datetime_to_stamp(since)

    def without_websocket(self) -> None:
        """Read over HTTP from the begin."""
        self._upgrades = False

    @scoped_iterator
    async def until_end(self) -> AsyncIterator[Line[int]]:
        """Yield all lines until the training was read to have ended."""
        async with follow(
            self._open_followed,
            finished=self._is_finished,
            retry=self._retry,
            transient=self._may_pass,
        ) as lines:
            async for line in lines:
                yield line

    @scoped_iterator
    async def until_now(self) -> AsyncIterator[Line[int]]:
        """Yield the lines that are there now."""
        self._ended = True
        async with follow(
            self._open_present, finished=None, retry=self._retry, transient=is_transient
        ) as lines:
            async for line in lines:
                yield line

    async def _is_finished(self) -> bool:
        self._ended = await self._finished()
        return self._ended

    def _may_pass(self, error: BaseException) -> bool:
        """Tell whether to ask again; the log of a training that is stopped may be away."""
        if isinstance(error, ResourceNotFound):
            return not self._ended
        return is_transient(error)

    @scoped_iterator
    async def _open_followed(self, position: Position[int] | None) -> AsyncIterator[Line[int]]:
        if not self._ended:
            self._ended = await self._started()
        async with self._open(position, follow=not self._ended) as lines:
            async for line in lines:
                yield line

    @scoped_iterator
    async def _open_present(self, position: Position[int] | None) -> AsyncIterator[Line[int]]:
        async with self._open(position, follow=False) as lines:
            async for line in lines:
                yield line

    @scoped_iterator
    async def _open(
        self, position: Position[int] | None, *, follow: bool
    ) -> AsyncIterator[Line[int]]:
        start = self._options.since if position is None else stamp_to_datetime(position.key)
        decoder = StampedLines()
        async with self._chunks(self._options.query(start, follow=follow)) as chunks:
            async for chunk in chunks:
                for line in decoder.feed(chunk):
                    if self._wanted(line):
                        yield line
        if rest := decoder.flush():
            yield rest

    def _wanted(self, line: Line[int]) -> bool:
        return self._first_stamp is None or line.key is None or line.key >= self._first_stamp

    def _chunks(self, query: Pairs) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._over_websocket(query) if self._upgrades else self._over_http(query)

    @scoped_iterator
    async def _over_websocket(self, query: Pairs) -> AsyncIterator[bytes]:
        answered = False
        try:
            async with self._transport.websocket(self._url, params=query) as socket:
                answered = True
                while (message := await socket.receive()) is not None:
                    if message:
                        yield message.encode() if isinstance(message, str) else message
                if socket.close_code == _GOING_AWAY:
                    raise TransportError(
                        f"The cluster API went away while it sent the log at {self._url.path}"
                    )
            return
        except (ProtocolError, ResponseError) as error:
            if answered or not _means_no_upgrade(error):
                raise
        self._upgrades = False
        async with self._over_http(query) as chunks:
            async for chunk in chunks:
                yield chunk

    @scoped_iterator
    async def _over_http(self, query: Pairs) -> AsyncIterator[bytes]:
        async with self._transport.request(
            "GET", self._url, params=query, retry=None, read_timeout=_SILENCE
        ) as answer:
            try:
                async for chunk in answer.chunks():
                    yield chunk
            except TransportTimeoutError:
                # A quiet training, or a connection that died unnoticed: open it anew.
                return


def _means_no_upgrade(error: Exception) -> bool:
    if isinstance(error, ProtocolError):
        return True
    return isinstance(error, ResponseError) and error.status in _NO_UPGRADE


async def last(lines: AsyncIterator[Line[int]], count: int) -> deque[Line[int]]:
    """Read all lines and keep the last ``count``."""
    kept: deque[Line[int]] = deque(maxlen=count)
    async for line in lines:
        kept.append(line)
    return kept


async def each(lines: Iterable[Line[int]]) -> AsyncIterator[Line[int]]:
    """Yield lines that are at hand already."""
    for line in lines:
        yield line
