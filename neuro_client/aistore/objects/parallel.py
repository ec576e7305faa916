"""Read the ranges of one object side by side, delivered in order from a bounded window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from ...concurrency import finish
from ...errors import ResponseError, SourceChangedError

T = TypeVar("T")

PART = 8 * 2**20
_NO_SUCH_RANGE = 416


@asynccontextmanager
async def still_there(what: str) -> AsyncGenerator[None]:
    """Report a range behind the end of what was longer before as `SourceChangedError`."""
    try:
        yield
    except ResponseError as error:
        if error.status != _NO_SUCH_RANGE:
            raise
        raise SourceChangedError(
            f"{what} became shorter while it was read; read it again", entry=what
        ) from error


async def in_order(
    fetch: Callable[[int, int], Awaitable[T]], size: int, *, part: int = PART, workers: int
) -> AsyncGenerator[T]:
    """Yield what *fetch* returns for each range of *size* bytes, at most *workers* at a time.

    ``workers`` parts of ``part`` bytes, or of whatever *size* counts, are held in memory at most.
    """
    window: deque[asyncio.Task[T]] = deque()
    loop = asyncio.get_running_loop()
    offset = 0

    async def one(start: int, end: int) -> T:
        return await fetch(start, end)

    try:
        while window or offset < size:
            while offset < size and len(window) < workers:
                end = min(offset + part, size)
                window.append(loop.create_task(one(offset, end)))
                offset = end
            data = await window[0]
            window.popleft()
            yield data
    finally:
        if window:
            for task in window:
                task.cancel()
            await finish(asyncio.wait(window))
            for task in window:
                if not task.cancelled():
                    task.exception()  # what the first one failed with is on its way already
