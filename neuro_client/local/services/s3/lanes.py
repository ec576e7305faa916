"""Work of one kind in a thread of its own, which takes all that waits at once.

A hop to a pool of threads for each small request costs more than most of the work: a lock for every
one, a wake-up here and one there. Here the thread is woken when it has nothing to do, and wakes the
event loop once for several.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")
_MOST = 8
"""Pieces of work after which the loop is told, so that it is not idle meanwhile."""


class Lane(Generic[A, R]):
    """Let a thread work; *work* blocks and returns a result or an exception for each piece."""

    def __init__(self, name: str, work: Callable[[Sequence[A]], Sequence[R | Exception]]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, name)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._busy = False
        self._loop = asyncio.get_running_loop()

    async def do(self, piece: A) -> R:
        """Have one piece of work done; when cancelled meanwhile, that goes on after its end."""
        found: asyncio.Future[R] = self._loop.create_future()
        with self._lock:
            self._waiting.append((piece, found))
            idle, self._busy = not self._busy, True
        if idle:
            self._thread.submit(self._run)
        try:
            return await asyncio.shield(found)
        except asyncio.CancelledError:
            while not found.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([found])
            found.exception()
            raise

    def close(self) -> None:
        """Let the thread end; nothing waits any more."""
        self._thread.shutdown(wait=False)

    def _run(self) -> None:
        while True:
            with self._lock:
                some = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
                if not some:
                    self._busy = False
                    return
            try:
                results = self._work([piece for piece, _ in some])
            except Exception as error:  # of all of them: told to whoever waits
                results = [error] * len(some)
            self._loop.call_soon_threadsafe(_tell, [found for _, found in some], results)


def _tell(waiting: Sequence[asyncio.Future[R]], results: Sequence[R | Exception]) -> None:
    for found, result in zip(waiting, results, strict=True):
        if isinstance(result, Exception):
            found.set_exception(result)
        else:
            found.set_result(result)
