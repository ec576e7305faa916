"""Try again what may pass: single calls, and one range of a source on its way to a target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import AsyncGeneratorType
from typing import TypeVar, cast

import attrs

from ..concurrency import finish
from ..errors import SourceChangedError, TransportError
from ..retry import RetryPolicy, is_transient
from .models import Entry, Part
from .pace import Pace
from .progress import FileReport
from .store import Chunk, ObjectStore

T = TypeVar("T")


async def retrying(
    policy: RetryPolicy, call: Callable[[], Awaitable[T]], pace: Pace | None = None
) -> T:
    """Await what *call* returns, again after an error that may pass."""
    attempt = 0
    while True:
        attempt += 1
        try:
            if pace is None:
                return await call()
            async with pace.turn():
                return await call()
        except Exception as error:
            pause = policy.delay(attempt, error) if is_transient(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)


@attrs.frozen
class End:
    """Name a store with how it is called: what is tried again, and how many calls at a time."""

    store: ObjectStore
    retry: RetryPolicy
    pace: Pace

    def call(self, call: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Await what *call* returns, in its turn, again after an error that may pass."""
        return retrying(self.retry, call, self.pace)


class Flow:
    """Read one range of the source; after a cut go on where it broke, for the same version."""

    def __init__(
        self, source: End, target: End, entry: Entry, part: Part, report: FileReport
    ) -> None:
        self._source = source
        self._target = target
        self._entry = entry
        self._part = part
        self._report = report
        self._counted = 0
        self._generator: AsyncGeneratorType[Chunk, None] | None = None
        self._exhausted = False
        self.error: Exception | None = None

    def open(self) -> AsyncGenerator[Chunk, None]:
        """Start from the beginning of the range."""
        self._rewind()
        self._exhausted = False
        self._generator = cast("AsyncGeneratorType[Chunk, None]", self._chunks())
        return self._generator

    def _rewind(self) -> None:
        self._report.advance(-self._counted)
        self._counted = 0

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        attempt = 0
        source = self._source
        end = self._part.offset + self._part.size
        while (position := self._part.offset + self._counted) < end or not self._part.size:
            try:
                async with (
                    source.pace.turn(),
                    source.store.get(
                        self._entry.key, start=position, end=end, version=self._entry.version
                    ) as chunks,
                ):
                    async for chunk in chunks:
                        attempt = 0
                        yield chunk
                        self._counted += len(chunk)
                        self._report.advance(len(chunk))
                if self._part.offset + self._counted != end:
                    raise SourceChangedError(
                        f"{self._entry.key!r} ended at byte {self._part.offset + self._counted} "
                        f"instead of {end}; it changed while it was read",
                        entry=self._entry.key,
                    )
                break
            except Exception as error:
                attempt += 1
                pause = source.retry.delay(attempt, error) if is_transient(error) else None
                if pause is None:
                    self.error = error
                    raise
            await asyncio.sleep(pause)
        self._exhausted = True

    async def close(self) -> None:
        """Close what `open` returned, also when its reader was cancelled a moment ago."""
        if self._generator is not None:
            generator, self._generator = self._generator, None
            if generator.ag_frame is not None:
                await finish(_close(generator))

    async def deliver(self, send: Callable[[], Awaitable[T]]) -> T:
        """Call *send*, which reads this flow, until it succeeds or there is no hope."""
        attempt = 0
        while True:
            try:
                async with self._target.pace.turn():
                    sent = await send()
                if not self._exhausted:
                    raise TransportError(
                        f"the target acknowledged {self._entry.key!r} before it had taken all of it"
                    )
                return sent
            except Exception as error:
                if self.error is not None and self.error is not error:
                    raise self.error from self.error.__cause__
                attempt += 1
                hopeful = self.error is None and is_transient(error)
                pause = self._target.retry.delay(attempt, error) if hopeful else None
                if pause is None:
                    raise
                self._rewind()
            finally:
                await self.close()
            await asyncio.sleep(pause)


async def _close(generator: AsyncGeneratorType[Chunk, None]) -> None:
    while generator.ag_running:  # noqa: ASYNC110 - its reader was cancelled and tells nobody
        await asyncio.sleep(0.001)
    await generator.aclose()
