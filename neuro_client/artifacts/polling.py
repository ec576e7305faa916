"""Ask again and again, often at first, until something has ended or the server stays silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..retry import is_transient

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds without any good answer after which polling gives up."""
_FASTEST = 0.1
_SLOWEST = 5.0
_SHARE = 0.1


class Pauses:
    """Space questions in proportion to the time without news; failures in a row are counted too."""

    def __init__(self, slowest: float = _SLOWEST) -> None:
        self._clock = asyncio.get_running_loop().time
        self._slowest = slowest
        self._changed = self._answered = self._clock()

    def news(self) -> None:
        """Take note that something has changed."""
        self._changed = self._clock()

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Await an answer, again after what may pass, for at most `PATIENCE` seconds."""
        while True:
            try:
                answer = await question()
            except Exception as error:
                if not is_transient(error) or self._clock() - self._answered > PATIENCE:
                    raise
                await self.wait()
            else:
                self._answered = self._clock()
                return answer

    async def wait(self) -> None:
        """Wait until the next question."""
        quiet = self._clock() - self._changed
        longest = min(max(_FASTEST, quiet * _SHARE), self._slowest)
        await asyncio.sleep(longest * (0.75 + 0.25 * random.random()))
