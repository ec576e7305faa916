"""Move one file: whole when it is small, else in parts, several at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from types import AsyncGeneratorType
from typing import TypeVar, cast

from ..concurrency import ByteBudget, finish, first_failure
from ..errors import SourceChangedError
from ..retry import RetryPolicy, is_transient
from .models import MISSING, SLICE, Entry, Part, Plan, TransferOptions, Upload
from .plan import plan_parts
from .progress import FileReport
from .store import Body, Chunk, ObjectStore

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ABORT_TIMEOUT = 10.0
_GAIN = 1.1
_WINDOW = 0.05


async def retrying(policy: RetryPolicy, call: Callable[[], Awaitable[T]]) -> T:
    """Await what *call* returns, again after an error that may pass."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await call()
        except Exception as error:
            pause = policy.delay(attempt, error) if is_transient(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)


class Tuner:
    """Choose how many parts of a file are on their way: more while the throughput grows."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.limit = min(2, most)
        self._most = most
        self._clock = clock
        self._best = 0.0
        self._since = clock()
        self._bytes = 0
        self._parts = 0
        self._settled = self.limit == most

    def moved(self, size: int) -> None:
        """Count a part that arrived."""
        if self._settled:
            return
        self._bytes += size
        self._parts += 1
        elapsed = self._clock() - self._since
        if self._parts < 2 * self.limit or elapsed < _WINDOW:
            return
        rate = self._bytes / elapsed
        if rate < self._best * _GAIN:
            self._settled = True
            return
        self._best = rate
        self.limit = min(self._most, 2 * self.limit)
        self._settled = self.limit == self._most
        self._since += elapsed
        self._bytes = self._parts = 0


class _Flow:
    """Read one range of the source; after a cut go on where it broke, for the same version."""

    def __init__(
        self, store: ObjectStore, entry: Entry, part: Part, retry: RetryPolicy, report: FileReport
    ) -> None:
        self._store = store
        self._entry = entry
        self._part = part
        self._retry = retry
        self._report = report
        self._counted = 0
        self._generator: AsyncGeneratorType[Chunk, None] | None = None
        self.error: Exception | None = None

    def open(self) -> AsyncGenerator[Chunk, None]:
        """Start from the beginning of the range."""
        self._rewind()
        self._generator = cast("AsyncGeneratorType[Chunk, None]", self._chunks())
        return self._generator

    def _rewind(self) -> None:
        self._report.advance(-self._counted)
        self._counted = 0

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        attempt = 0
        end = self._part.offset + self._part.size
        while (position := self._part.offset + self._counted) < end or not self._part.size:
            try:
                async with self._store.get(
                    self._entry.key, start=position, end=end, version=self._entry.version
                ) as chunks:
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
                return
            except Exception as error:
                attempt += 1
                pause = self._retry.delay(attempt, error) if is_transient(error) else None
                if pause is None:
                    self.error = error
                    raise
            await asyncio.sleep(pause)

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
                return await send()
            except Exception as error:
                if self.error is not None and self.error is not error:
                    raise self.error from self.error.__cause__
                attempt += 1
                hopeful = self.error is None and is_transient(error)
                pause = self._retry.delay(attempt, error) if hopeful else None
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


class Mover:
    """Move files from one store to another within the limits of one transfer."""

    def __init__(
        self, source: ObjectStore, target: ObjectStore, options: TransferOptions, tuner: Tuner
    ) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._limits = target.capabilities
        self._budget = ByteBudget(options.budget)
        self._tuner = tuner

    async def move(self, entry: Entry, key: str, start: int, report: FileReport) -> None:
        """Write the content of *entry*, from byte *start* on, under *key* of the target."""
        if start:
            report.resume(start)
        if not start and entry.size <= self._options.part_size:
            await self._whole(entry, key, report)
        else:
            await self._parts(entry, key, start, report)
        report.complete()

    def _retrying(self, call: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        return retrying(self._options.retry, call)

    def _flow(self, entry: Entry, part: Part, report: FileReport) -> _Flow:
        return _Flow(self._source, entry, part, self._options.retry, report)

    async def _whole(self, entry: Entry, key: str, report: FileReport) -> None:
        flow = self._flow(entry, Part(1, 0, entry.size), report)
        async with self._budget.hold(entry.size):
            try:
                chunks = [chunk async for chunk in flow.open()]
            finally:
                await flow.close()
            first = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            data = first if isinstance(first, bytes) else bytes(first)
            await flow.deliver(lambda: self._target.put(key, data))

    async def _parts(self, entry: Entry, key: str, start: int, report: FileReport) -> None:
        upload, plan, done = await self._begin(entry, key, start)
        journal = self._options.journal
        try:
            report.advance(sum(part.size for part in done))
            parts = await self._send(entry, upload, plan, done, report)
            await self._retrying(lambda: self._target.complete(upload, parts))
        except BaseException:
            if journal is None:
                await self._abort(upload)
            raise
        if journal is not None:
            await finish(journal.closed(entry, upload))

    async def _begin(self, entry: Entry, key: str, start: int) -> tuple[Upload, Plan, list[Part]]:
        """Open an upload, or find the one that an earlier run left."""
        journal = self._options.journal
        found = await journal.find(entry, key) if journal is not None and not start else None
        if journal is not None and found is not None:
            upload, part_size = found
            plan = Plan(entry.size, part_size)
            try:
                return upload, plan, list(await self._retrying(lambda: self._target.parts(upload)))
            except MISSING:
                await journal.closed(entry, upload)
        plan = plan_parts(entry.size, self._options.part_size, self._limits, start)
        upload = await self._retrying(lambda: self._target.begin(key, entry.size, keep=start))
        if journal is not None:
            try:
                await journal.opened(entry, upload, plan.part_size)
            except BaseException:
                await self._abort(upload)
                raise
        return upload, plan, []

    async def _abort(self, upload: Upload) -> None:
        try:
            await finish(self._target.abort(upload), _ABORT_TIMEOUT)
        except Exception as error:  # what made us abort matters more
            _log.warning("could not remove the unfinished copy of %r: %s", upload.key, error)

    async def _send(
        self,
        entry: Entry,
        upload: Upload,
        plan: Plan,
        done: Sequence[Part],
        report: FileReport,
    ) -> list[Part]:
        parts = {part.number: part for part in done}
        missing = iter([plan.part(n) for n in range(1, plan.count + 1) if n not in parts])
        serial = upload.serial or not self._limits.random_parts
        lanes = 0

        async def lane(remaining: Iterator[Part]) -> None:
            nonlocal lanes
            for part in remaining:
                parts[part.number] = await self._part(entry, upload, part, report)
                self._tuner.moved(part.size)
                if not serial and lanes < self._tuner.limit:
                    lanes += 1
                    group.create_task(lane(remaining))

        async with first_failure() as group:
            for _ in range(1 if serial else self._tuner.limit):
                lanes += 1
                group.create_task(lane(missing))
        return [parts[number] for number in sorted(parts)]

    async def _part(self, entry: Entry, upload: Upload, part: Part, report: FileReport) -> Part:
        flow = self._flow(entry, part, report)
        body = Body(part.size, flow.open)
        held = part.size if self._limits.buffers_parts else min(part.size, SLICE)
        async with self._budget.hold(held):
            return await flow.deliver(
                lambda: self._target.put_part(upload, part.number, part.offset, body)
            )
