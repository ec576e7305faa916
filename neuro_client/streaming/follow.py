"""Follow a stream through broken connections: reopen where it broke off, drop what comes twice.

The stream is anything that can be opened at a position and gives lines whose keys never fall: the
log of a job by time stamps, of another system by offsets or sequence numbers. No I/O of its own:
opening, the question whether the source has ended, the retry policy and the sleep are passed in.
Memory is constant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

import attrs

from ..concurrency import scoped_iterator
from ..retry import RetryPolicy, is_transient
from .lines import Line


class Ordered(Protocol):
    """Name what a key of a line must be able to do."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Ordered)


@attrs.frozen
class Position(Generic[K]):
    """Say how far a stream was read: its greatest key and how many lines with it were seen."""

    key: K
    seen: int

    @classmethod
    def after(cls, position: Position[K] | None, line: Line[K]) -> Position[K] | None:
        """Return the position once ``line`` was read; a line without a key moves nothing."""
        if line.key is None:
            return position
        if position is None or position.key < line.key:
            return cls(line.key, 1)
        if line.key < position.key:
            return position
        return cls(position.key, position.seen + 1)


OpenAt = Callable[[Position[K] | None], AbstractAsyncContextManager[AsyncIterator[Line[K]]]]
"""Open the stream so that it gives at least every line from the position's key on.

Lines before the position may come again; they are dropped. None means from the beginning.
"""


class Repeats(Generic[K]):
    """Recognise the lines that a reopened stream gives once more.

    These are the lines before the position's key, and as many with the key as were seen: lines
    with equal keys may be equal too, so only their number tells them apart.
    """

    def __init__(self, position: Position[K] | None) -> None:
        self._position = position
        self._left = 0 if position is None else position.seen

    def drops(self, line: Line[K]) -> bool:
        """Tell whether ``line``, the next one of the reopened stream, was seen before."""
        if self._position is None or line.key is None:
            return False
        if line.key < self._position.key:
            return True
        if not self._position.key < line.key and self._left:
            self._left -= 1
            return True
        # What comes from here on is new, even where a clock was set back.
        self._position = None
        return False


@scoped_iterator
async def follow(
    open_at: OpenAt[K],
    *,
    finished: Callable[[], Awaitable[bool]] | None,
    retry: RetryPolicy,
    transient: Callable[[BaseException], bool] = is_transient,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Line[K]]:
    """Yield every line of a stream once, over as many connections as it takes.

    ``finished`` reads whether the source has ended. Only a connection that was opened after it said
    yes and then ended in order is the last one: whatever ended before may have been a restarted
    server. None declares the source ended from the start, so the first orderly end is the end.

    An incomplete last line is held back until the end, since it comes again. Failures in a row
    are counted by ``retry``; lines or an orderly answer of ``finished`` start the count anew.

    Raises:
        the last error, when it is not ``transient`` or ``retry`` gives up.
    """
    position: Position[K] | None = None
    ended = finished is None
    pauses = _Pauses(retry)
    while True:
        repeats = Repeats(position)
        try:
            async with open_at(position) as lines:
                async for line in lines:
                    if repeats.drops(line) or not (line.complete or ended):
                        continue
                    position = Position.after(position, line)
                    pauses.progressed()
                    yield line
            if finished is None or ended:
                return
            ended = await finished()
            pause = 0.0 if ended else pauses.after_end()
        except Exception as error:
            if not transient(error):
                raise
            delay = pauses.after_failure(error)
            if delay is None:
                raise
            pause = delay
        await sleep(pause)


class _Pauses:
    """Count what went wrong in a row, and say how long to wait for the next attempt."""

    def __init__(self, retry: RetryPolicy) -> None:
        self._retry = retry
        self._failures = 0
        self._ends = 0

    def progressed(self) -> None:
        self._failures = self._ends = 0

    def after_failure(self, error: Exception) -> float | None:
        self._failures += 1
        return self._retry.delay(self._failures, error)

    def after_end(self) -> float:
        """Wait longer for each end without a line between; the source lives, so never give up."""
        self._failures = 0
        self._ends = min(self._ends + 1, _MANY)
        return attrs.evolve(self._retry, attempts=_MANY + 1).delay(self._ends) or 0.0


_MANY = 30
