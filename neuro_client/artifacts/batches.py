"""Put questions that come up together into one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from ..concurrency import finish

Q = TypeVar("Q")
A = TypeVar("A")


class Batches(Generic[Q, A]):
    """Answer single questions by requests for many; what waits while one is sent shares the next.

    ``send`` gives an answer for each question, in their order.
    """

    def __init__(self, send: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], most: int) -> None:
        self._send = send
        self._most = most
        self._waiting: asyncio.Queue[tuple[Q, asyncio.Future[A]]] = asyncio.Queue()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer for the length of a block."""
        task = asyncio.get_running_loop().create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await finish(asyncio.wait((task,)))

    async def ask(self, question: Q) -> A:
        """Return the answer to a question, or raise what its request ended in."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((question, answer))
        return await answer

    async def _run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._most and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            open_ones = [(question, answer) for question, answer in batch if not answer.done()]
            if not open_ones:
                continue
            try:
                answers = await self._send([question for question, _ in open_ones])
            except Exception as error:
                for _, future in open_ones:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), found in zip(open_ones, answers, strict=True):
                if not future.done():
                    future.set_result(found)
