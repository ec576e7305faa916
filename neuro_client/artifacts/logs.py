"""The log of an experiment, by the older interface (grid-artifacts.md §8)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ProtocolError, TransportError
from ..retry import RetryPolicy
from ..streaming.follow import Position, follow
from ..streaming.lines import Line, parse_stamp
from .connection import Connection

FOLLOW_RETRY = RetryPolicy(attempts=60, base=0.1, cap=5.0)
"""Outlast a restart of the control plane: some minutes without a line or a good answer."""

TAIL = 20
"""Lines of the log that an error carries."""

# The very text that the published client sends: a server may know its queries by heart.
_LOGS = """\
query ($experimentId: ID!, $start: DateTime, $stop: DateTime) {
  getExperimentLogs(experimentId: $experimentId, start: $start, stop: $stop) {
    success
    message
    lines {
      message
      timestamp
    }
  }
}
"""
_BUILD = """\
query ($experimentId: ID!, $start: DateTime, $stop: DateTime) {
  getBuildLogs(experimentId: $experimentId, start: $start, stop: $stop) {
    message
    timestamp
  }
}
"""
_LIVE = (
    "subscription ($experimentId: ID!, $limit: Int) { getLiveExperimentLogs(experimentId: "
    "$experimentId, limit: $limit) { message timestamp } }"
)
_NEW, _OLD = "graphql-transport-ws", "graphql-ws"
"""The protocols of subscriptions; servers of this age may know the old one only."""


class LogReader:
    """Read the log of one experiment."""

    def __init__(self, connection: Connection, id: str) -> None:
        self._connection = connection
        self._id = id
        self._ended = False

    async def build(self) -> list[Line[int]]:
        """Return the lines that the build of the image wrote."""
        return list(_lines(await self._ask(_BUILD, "getBuildLogs")))

    async def now(self) -> list[Line[int]]:
        """Return the lines that are there now."""
        found = await self._ask(_LOGS, "getExperimentLogs")
        if not isinstance(found, Mapping):
            return []
        if found.get("success") is False:
            raise ProtocolError(
                f"The log of experiment {self._id} cannot be read: {found.get('message')}"
            )
        return list(_lines(found.get("lines")))

    @scoped_iterator
    async def until_end(
        self,
        started: Callable[[], Awaitable[bool]],
        finished: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[Line[int]]:
        """Yield all lines until the experiment was read to have ended.

        *started* waits until there may be a log and tells if the experiment has ended already,
        *finished* reads if it has.
        """

        async def is_finished() -> bool:
            self._ended = await finished()
            return self._ended

        @scoped_iterator
        async def open_at(_: Position[int] | None) -> AsyncIterator[Line[int]]:
            self._ended = self._ended or await started()
            if self._ended:
                for line in await self.now():
                    yield line
                return
            async with self._live() as lines:
                async for line in lines:
                    yield line

        async with follow(open_at, finished=is_finished, retry=FOLLOW_RETRY) as lines:
            async for line in lines:
                yield line

    async def _ask(self, query: str, name: str) -> Any:
        answer = await self._connection.graphql.json(
            "POST",
            URL(f"{str(self._connection.url).rstrip('/')}/graphql"),
            json={
                "query": query,
                "variables": {"experimentId": self._id, "start": None, "stop": None},
            },
            headers=self._connection.graphql_headers,
            idempotent=True,
        )
        return _data(answer, self._id).get(name)

    @scoped_iterator
    async def _live(self) -> AsyncIterator[Line[int]]:
        url = URL(f"{str(self._connection.url).rstrip('/')}/subscriptions")
        headers = self._connection.graphql_headers
        async with self._connection.graphql.websocket(
            url, protocols=(_NEW, _OLD), headers=headers
        ) as socket:
            await socket.send_str(json.dumps({"type": "connection_init", "payload": headers}))
            asked = {"query": _LIVE, "variables": {"experimentId": self._id, "limit": None}}
            word = "start" if socket.protocol == _OLD else "subscribe"
            await socket.send_str(json.dumps({"id": "1", "type": word, "payload": asked}))
            while (text := await socket.receive()) is not None:
                message = _message(text)
                kind = message.get("type")
                if kind in ("next", "data"):
                    found = _data(message.get("payload"), self._id)
                    line = found.get("getLiveExperimentLogs")
                    for item in _lines(line if isinstance(line, list) else [line]):
                        yield item
                elif kind == "ping":
                    await socket.send_str('{"type":"pong"}')
                elif kind in ("error", "connection_error"):
                    raise TransportError(f"The live log of experiment {self._id} was refused")
                elif kind == "complete":
                    return


def _message(text: bytes | str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise ProtocolError("The live log sent something that is no message of GraphQL")
    return found


def _data(answer: Any, id: str) -> Mapping[str, Any]:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if isinstance(data, Mapping):
        return data
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    told = ""
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
        told = f": {errors[0].get('message')}"
    raise ProtocolError(f"The log of experiment {id} cannot be read{told}")


def _lines(entries: Any) -> Iterable[Line[int]]:
    """Make lines of log entries; one may hold several."""
    for entry in entries or ():
        if not isinstance(entry, Mapping):
            continue
        stamp = str(entry.get("timestamp") or "")
        parsed = parse_stamp(stamp)
        key = None if parsed is None else parsed[0]
        for text in str(entry.get("message") or "").removesuffix("\n").split("\n"):
            yield Line(key, text.removesuffix("\r"), True, f"{stamp} " if stamp else "")
