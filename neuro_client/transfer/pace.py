"""Decide how much is on its way at a time: more while it helps, less when a store says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from ..errors import ResponseError

_FIRST = 4
_GAIN = 1.1
_LOSS = 0.75
_WINDOW = 0.05
_WIDEST = 8
_QUICK = 0.25
_SLOW = 1.0
_OVERLOADED = (429, 503)


class Tuner:
    """Choose how many parts of a file are on their way: more while the throughput grows.

    Where it grew no more, the last step is taken back; with *waits* only if it did harm: parts that
    wait for their answers, each for itself, fill each other's pauses.
    """

    def __init__(self, most: int, clock: Callable[[], float], *, waits: bool = False) -> None:
        self._waits = waits
        self.limit = min(_FIRST, most)
        self._most = most
        self._clock = clock
        self._best = 0.0
        self._since = clock()
        self._bytes = 0
        self._parts = 0
        self._settled = most == 1

    def moved(self, size: int) -> None:
        """Count a part that arrived."""
        if self._settled:
            return
        self._bytes += size
        self._parts += 1
        elapsed = self._clock() - self._since
        if self._parts < self.limit or elapsed < _WINDOW:
            return
        rate = self._bytes / elapsed
        if rate < self._best * _GAIN:
            self._settled = True
            if not self._waits or rate < self._best * _LOSS:
                self.limit = max(1, self.limit // 2)
            return
        self._best = rate
        self._settled = self.limit == self._most
        self.limit = min(self._most, 2 * self.limit)
        self._since += elapsed
        self._bytes = self._parts = 0


class Width:
    """Choose how many neighbouring parts travel as one: about a second's worth, at most eight.

    Fewer requests cost less where they are answered at once; where they take long, a kill would
    lose more than it is worth.
    """

    def __init__(self, *, fixed: bool) -> None:
        self.parts = 1
        self._fixed = fixed

    def took(self, seconds: float) -> None:
        """Learn from the time that one of them took."""
        if self._fixed:
            return
        if seconds < _QUICK:
            self.parts = min(_WIDEST, 2 * self.parts)
        elif seconds > _SLOW:
            self.parts = max(1, self.parts // 2)


class Pace:
    """Bound the calls on their way to one store once it answers 429 or 503.

    A burst of such answers halves the calls; each round of successes allows one more, until there
    are as many as before and the bound is lifted. A ``Retry-After`` of up to *patience* seconds
    holds back all calls, not only the one that was told.
    """

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        self.limit: int | None = None
        self._patience = patience
        self._clock = clock
        self._running = 0
        self._before = 0
        self._lowered_at = clock()
        self._resume_at = clock()
        self._good = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Make one call in this block, when it is its turn."""
        if self.limit is not None:
            await self._wait()
        began = self._clock()
        self._running += 1
        try:
            yield
        except ResponseError as error:
            if error.status in _OVERLOADED:
                self._lower(began, getattr(error, "retry_after", None))
            raise
        else:
            if self.limit is not None:
                self._raise()
        finally:
            self._running -= 1
            self._wake()

    async def _wait(self) -> None:
        while self.limit is not None:
            pause = self._resume_at - self._clock()
            if pause > 0:
                await asyncio.sleep(pause)
            elif self._running < self.limit:
                return
            else:
                await self._queue()

    async def _queue(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._wake()  # it may have been woken in the same step
            raise

    def _wake(self) -> None:
        free = len(self._waiters) if self.limit is None else self.limit - self._running
        while free > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1

    def _lower(self, began: float, retry_after: float | None) -> None:
        now = self._clock()
        if retry_after is not None and retry_after <= self._patience:
            self._resume_at = max(self._resume_at, now + retry_after)
        if self.limit is not None and began < self._lowered_at:
            return  # sent before the last lowering: the same burst
        self._before = max(self._before, self._running)
        self.limit = max(1, self._running // 2)
        self._lowered_at = now
        self._good = 0

    def _raise(self) -> None:
        assert self.limit is not None
        self._good += 1
        if self._good < self.limit:
            return
        self._good = 0
        self.limit += max(1, self.limit // 4)
        if self.limit > self._before:
            self.limit = None
            self._before = 0
