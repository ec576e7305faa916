"""Work in threads that leaves nothing behind when the one who waits for it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def taken(take: Callable[[], T], give_back: Callable[[T], object]) -> T:
    """Take something in a thread; when cancelled meanwhile, give it back before that goes on."""
    work = asyncio.get_running_loop().run_in_executor(None, take)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if work.exception() is None:
            await asyncio.to_thread(give_back, work.result())
        raise
