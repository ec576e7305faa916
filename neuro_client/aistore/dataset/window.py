"""Work on many things ahead of their reader, in order, bounded by count and bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

from ...concurrency import finish

T = TypeVar("T")
U = TypeVar("U")


class Lane(Generic[T]):
    """Take what one piece of work produces, until the reader comes to it."""

    def __init__(self, window: Window[T]) -> None:
        self._window = window
        self._items: deque[tuple[T, int]] = deque()
        self._news = asyncio.Event()
        self._held = 0
        self._begun = False
        self.task: asyncio.Task[None] | None = None

    async def reserve(self, size: int) -> None:
        """Wait until so many bytes more may be held for the next item."""
        if not self._begun:
            await self._window.room(self, 1, size)
            self._begun = True
        else:
            await self._window.room(self, 0, size)
        self._held += size

    def put(self, item: T) -> None:
        """Hand over an item, with all that was reserved for it."""
        if not self._begun:  # nothing was: what needs no room may always stand here
            self._window.take(1, 0)
        self._items.append((item, self._held))
        self._held, self._begun = 0, False
        self._news.set()

    @property
    def is_empty(self) -> bool:
        """Tell whether the reader would have to wait here."""
        return not self._items

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin to work."""
        self.task = asyncio.get_running_loop().create_task(work)
        self.task.add_done_callback(lambda _: self._news.set())

    async def next(self) -> tuple[T] | None:
        """Return the next item, None behind the last; raise what ended the work."""
        assert self.task is not None
        while not self._items:
            if self.task.done():
                self.task.result()
                return None
            self._news.clear()
            await self._news.wait()
        item, held = self._items.popleft()
        self._window.release(1, held)
        return (item,)


_Request = tuple[Lane[T], int, int, asyncio.Future[None]]


class Window(Generic[T]):
    """Keep several lanes at work, of which the first is read.

    ``count`` items and ``size`` bytes are held at most. Only the first lane may go beyond, by one
    item, when its reader waits for it; so nothing waits for ever, however large an item is.
    """

    def __init__(self, lanes: int, count: int, size: int) -> None:
        self._most = lanes
        self._count, self._size = count, size
        self._lanes: deque[Lane[T]] = deque()
        self._waiting: list[_Request[T]] = []
        self.items = self.bytes = 0

    async def run(
        self, units: AsyncIterator[U], work: Callable[[Lane[T], U], Coroutine[Any, Any, None]]
    ) -> AsyncGenerator[T]:
        """Yield what *work* puts into the lane of each unit, in the order of the units."""
        try:
            while True:
                while len(self._lanes) < self._most:
                    try:
                        unit = await anext(units)
                    except StopAsyncIteration:
                        break
                    lane = Lane(self)
                    self._lanes.append(lane)
                    lane.start(work(lane, unit))
                if not self._lanes:
                    return
                found = await self._lanes[0].next()
                if found is None:
                    self._lanes.popleft()
                    self._wake()
                else:
                    yield found[0]
        finally:
            await self._stop()

    async def _stop(self) -> None:
        tasks = [lane.task for lane in self._lanes if lane.task is not None]
        self._lanes.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await finish(asyncio.wait(tasks))
        for task in tasks:
            if not task.cancelled():
                task.exception()  # nobody waits for it any more

    async def room(self, lane: Lane[T], items: int, size: int) -> None:
        """Wait until a lane may hold more, and take note of it."""
        if self._has_room(lane, items, size):
            self.take(items, size)
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((lane, items, size, granted))
        try:
            await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self.release(items, size)  # granted and cancelled in the same step
            raise

    def _has_room(self, lane: Lane[T], items: int, size: int) -> bool:
        if self._lanes and lane is self._lanes[0] and lane.is_empty:
            return True
        return self.items + items <= self._count and self.bytes + size <= self._size

    def take(self, items: int, size: int) -> None:
        """Take note of what is held."""
        self.items += items
        self.bytes += size

    def release(self, items: int, size: int) -> None:
        """Take note of what the reader has got."""
        self.items -= items
        self.bytes -= size
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            lane, items, size, granted = request
            if granted.done():
                continue
            if self._has_room(lane, items, size):
                self.take(items, size)
                granted.set_result(None)
            else:
                self._waiting.append(request)
