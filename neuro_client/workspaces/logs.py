"""The log of a task, an extension of the local platform: a text that grows (§4.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import IllegalArgumentError
from ..retry import NEVER, RetryPolicy, is_transient
from ..streaming.lines import LineCutter, Piece
from ..transfer.flow import retrying
from ..transport import Transport
from .waiting import Watch

_PARTIAL, _UNSATISFIABLE = 206, 416


class LogReader:
    """Read the text at *url* on from where it was read to, so that nothing is told twice.

    Of the lines that are there at first the last *tail* are kept, None keeps all.
    """

    def __init__(self, transport: Transport, url: URL, tail: int | None = None) -> None:
        self._transport = transport
        self._url = url
        self._tail = tail
        self._position = 0
        self._cutter = LineCutter()

    @scoped_iterator
    async def until_now(self) -> AsyncIterator[str]:
        """Yield the lines that are there now, an unfinished last one too."""
        lines = await self._news(RetryPolicy())
        for line in self._kept([*lines, *self._rest()]):
            yield line

    @scoped_iterator
    async def until_end(self, watch: Watch) -> AsyncIterator[str]:
        """Yield lines as they come, until the task was read to have ended before the last look."""
        while True:
            ended = await watch.look()
            for line in self._kept(await self._tolerated()):
                yield line
            if ended:
                for line in await self._news(RetryPolicy()):
                    yield line
                break
            await watch.rest()
        for line in self._rest():
            yield line

    def _kept(self, lines: list[str]) -> list[str]:
        """Return the last of the first lines; all of those that come later."""
        if not lines or self._tail is None:
            return lines
        kept, self._tail = deque(lines, maxlen=self._tail), None
        return list(kept)

    async def _tolerated(self) -> list[str]:
        """Read the news; what may pass is left to the next look, which counts it."""
        try:
            return await self._news(NEVER)
        except Exception as error:
            if not is_transient(error):
                raise
            return []

    async def _news(self, retry: RetryPolicy) -> list[str]:
        data = await retrying(retry, self._read)
        self._position += len(data)
        return [_text(piece) for piece in self._cutter.feed(data)]

    async def _read(self) -> bytes:
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        try:
            answer = await self._transport.send("GET", self._url, headers=headers, retry=None)
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise
            return b""
        data = await answer.read()
        return data if answer.status == _PARTIAL else data[self._position :]

    def _rest(self) -> list[str]:
        piece = self._cutter.flush()
        return [] if piece is None else [_text(piece)]


def _text(piece: Piece) -> str:
    return piece.data.decode("utf-8", errors="replace")
