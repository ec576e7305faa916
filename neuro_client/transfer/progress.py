"""Carry progress events to the observer: ordered, coalesced, in the task that awaits.

Workers only append; the caller's task calls the observer. The queue needs no bound: observers are
plain functions on the same loop, so it never holds more than one pass of the loop has produced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, cast

from ..concurrency import first_failure
from .models import (
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    StorageProgressComplete,
    StorageProgressEnterDir,
    StorageProgressFail,
    StorageProgressLeaveDir,
    StorageProgressStart,
    StorageProgressStep,
)

if TYPE_CHECKING:
    from yarl import URL

T = TypeVar("T")

STEP_INTERVAL = 0.1
"""Seconds between two steps of one file, the first and the last one excepted."""

Event = Callable[[], None]


class FileReport:
    """Count the bytes of one file and tell the observer now and then."""

    def __init__(self, reporter: Reporter | None, src: URL | None, dst: URL | None, size: int):
        self._reporter = reporter
        self._src = src
        self._dst = dst
        self.size = size
        self._done = 0
        self._told = 0
        self._told_at = 0.0

    @property
    def done(self) -> int:
        """Return the bytes counted so far."""
        return self._done

    def advance(self, count: int) -> None:
        """Count bytes that went on their way; a negative number takes back a failed attempt."""
        self._done += count
        if self._reporter is None:
            return
        # The step that equals the size is kept for `complete`: until then a part may be resent.
        current = min(self._done, self.size - 1)
        if current <= self._told:
            return
        now = asyncio.get_running_loop().time()
        if not self._told_at or now - self._told_at >= STEP_INTERVAL:
            self._told_at = now
            self._tell(current)

    def complete(self) -> None:
        """Tell the last step and the end of the file."""
        if self._reporter is None:
            return
        if self._told < self.size:
            self._tell(self.size)
        self._reporter.completed(self._src, self._dst, self.size)

    def resume(self, position: int) -> None:
        """Tell that the first *position* bytes are there already."""
        self._done = position
        if self._reporter is not None and position:
            self._tell(position)

    def _tell(self, current: int) -> None:
        assert self._reporter is not None
        self._told = current
        self._reporter.step(self._src, self._dst, current, self.size)


class Reporter:
    """Queue the events of one transfer for the observer of the caller's task."""

    def __init__(self, sink: AbstractFileProgress) -> None:
        self._sink = sink
        self._events: deque[Event | None] = deque()
        self._ready = asyncio.Event()

    def _emit(self, event: Event | None) -> None:
        self._events.append(event)
        self._ready.set()

    def file(self, src: URL, dst: URL, size: int) -> FileReport:
        """Tell that a file begins and return its counter."""
        started = StorageProgressStart(src, dst, size)
        self._emit(lambda: self._sink.start(started))
        return FileReport(self, src, dst, size)

    def step(self, src: URL | None, dst: URL | None, current: int, size: int) -> None:
        """Tell a position in a file."""
        step = StorageProgressStep(cast("URL", src), cast("URL", dst), current, size)
        self._emit(lambda: self._sink.step(step))

    def completed(self, src: URL | None, dst: URL | None, size: int) -> None:
        """Tell that a file has been moved."""
        done = StorageProgressComplete(cast("URL", src), cast("URL", dst), size)
        self._emit(lambda: self._sink.complete(done))

    def enter(self, src: URL, dst: URL) -> None:
        """Tell that a directory begins."""
        entered = StorageProgressEnterDir(src, dst)
        self._emit(lambda: self._tree.enter(entered))

    def leave(self, src: URL, dst: URL) -> None:
        """Tell that a directory has been moved."""
        left = StorageProgressLeaveDir(src, dst)
        self._emit(lambda: self._tree.leave(left))

    def fail(self, src: URL, dst: URL, message: str) -> None:
        """Tell that an entry is passed over."""
        failed = StorageProgressFail(src, dst, message)
        self._emit(lambda: self._tree.fail(failed))

    @property
    def _tree(self) -> AbstractRecursiveFileProgress:
        return cast("AbstractRecursiveFileProgress", self._sink)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await what *work* returns and call the observer meanwhile; its errors end the work."""
        outcome: list[T] = []
        problem: list[BaseException] = []

        async def drive() -> None:
            try:
                outcome.append(await work())
            except Exception as error:
                problem.append(error)  # told after the events that led to it
            finally:
                self._emit(None)

        async with first_failure() as group:
            group.create_task(drive())
            await self._pump()
        if problem:
            raise problem[0]
        return outcome[0]

    async def _pump(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._events:
                event = self._events.popleft()
                if event is None:
                    return
                event()
