"""Move one file: whole when it is small, else in parts, several at a time."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

from ..concurrency import ByteBudget, finish, first_failure
from ..errors import SourceChangedError
from ..retry import is_transient
from .flow import End, Flow
from .journal import Journal
from .models import SLICE, Entry, MiB, Part, Plan, TransferOptions, Upload
from .pace import Pace, Tuner, Width
from .plan import Remaining, plan_parts
from .progress import FileReport
from .store import Body, ObjectStore, ReadsWhole

_log = logging.getLogger(__name__)

Read = Callable[[str, int, str | None], Awaitable[bytes]]

_ABORT_TIMEOUT = 10.0


@functools.cache
def keep_heap() -> None:
    """Let the C allocator keep what it has freed, once for the process.

    The buffers of parallel streams come and go in blocks of some 256 KiB. The allocator of glibc
    hands such blocks back to the system at once and takes them again, which costs a third of the
    time of a large download, until it has seen a larger block freed (mallopt(3), the dynamic
    threshold). This one is never touched, so it costs nothing.
    """
    bytes(4 * MiB)


class Mover:
    """Move files from one store to another within the limits of one transfer."""

    def __init__(
        self,
        source: ObjectStore,
        target: ObjectStore,
        options: TransferOptions,
        journal: Journal | None,
        clock: Callable[[], float],
    ) -> None:
        patience = options.retry.max_retry_after
        self.source = End(source, options.retry, Pace(patience, clock))
        self.target = End(target, options.retry, Pace(patience, clock))
        self._options = options
        self._read: Read | None = source.read if isinstance(source, ReadsWhole) else None
        self._limits = target.capabilities
        self._budget = ByteBudget(options.budget)
        self._tuner = Tuner(options.parts, clock, waits=self._limits.buffers_parts)
        self._journal = journal
        self._clock = clock
        self._interrupted = False

    async def move(self, entry: Entry, key: str, start: int, report: FileReport) -> None:
        """Write the content of *entry*, from byte *start* on, under *key* of the target."""
        if start:
            report.resume(start)
        try:
            if not start and entry.size <= self._options.part_size:
                await self._whole(entry, key, report)
            else:
                await self._parts(entry, key, start, report)
        except Exception as error:
            self.note(error)
            raise
        report.complete()

    def note(self, error: Exception) -> None:
        """Take note of what ends the transfer: after an outage, files keep their parts."""
        if self._options.on_error == "raise" and is_transient(error):
            self._interrupted = True

    def _flow(self, entry: Entry, part: Part, report: FileReport) -> Flow:
        return Flow(self.source, self.target, entry, part, report)

    async def _whole(self, entry: Entry, key: str, report: FileReport) -> None:
        async with self._budget.hold(entry.size):
            if self._read is not None and entry.size <= SLICE:
                await self._short(self._read, entry, key, report)
                return
            flow = self._flow(entry, Part(1, 0, entry.size), report)
            try:
                chunks = [chunk async for chunk in flow.open()]
            finally:
                await flow.close()
            first = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            data = first if isinstance(first, bytes) else bytes(first)
            await flow.deliver(lambda: self.target.store.put(key, data))

    async def _short(self, read: Read, entry: Entry, key: str, report: FileReport) -> None:
        """Read in one call and write in another, each as often as it takes."""
        data = await self.source.call(lambda: read(entry.key, entry.size, entry.version))
        if len(data) != entry.size:
            raise SourceChangedError(
                f"{entry.key!r} has {len(data)} bytes instead of {entry.size}; it changed while it "
                "was read",
                entry=entry.key,
            )
        report.advance(len(data))
        await self.target.call(lambda: self.target.store.put(key, data))

    async def _parts(self, entry: Entry, key: str, start: int, report: FileReport) -> None:
        keep_heap()
        upload, plan, done = await self._begin(entry, key, start)
        try:
            report.advance(sum(part.size for part in done))
            parts = await self._send(entry, upload, plan, done, report)
            await self.target.call(lambda: self.target.store.complete(upload, parts))
        except BaseException as error:
            await self._leave(upload, error)
            raise
        if self._journal is not None:
            try:
                await finish(self._journal.closed(upload), _ABORT_TIMEOUT)
            except TimeoutError:  # the file is there; the next run finds nothing to go on with
                _log.warning("could not note in time that %r is complete", upload.key)

    async def _begin(self, entry: Entry, key: str, start: int) -> tuple[Upload, Plan, list[Part]]:
        """Go on with the upload that an earlier run left, or open one."""
        if self._journal is not None and not start:
            found = await self._found(self._journal, entry, key)
            if found is not None:
                return found
        plan = plan_parts(entry.size, self._options.part_size, self._limits, start)
        announced: list[Upload] = []

        async def announce(upload: Upload) -> None:
            announced.append(upload)
            if self._journal is not None:
                await self._journal.opened(entry, upload, plan.part_size)

        try:
            upload = await self.target.call(
                lambda: self.target.store.begin(key, entry.size, keep=start, announce=announce)
            )
            if not announced and not start:
                await announce(upload)
        except BaseException:
            await self._forget(announced)
            raise
        await self._forget([other for other in announced if other.id != upload.id])
        return upload, plan, []

    async def _found(
        self, journal: Journal, entry: Entry, key: str
    ) -> tuple[Upload, Plan, list[Part]] | None:
        left = await journal.find(entry, key)
        if left is None:
            return None
        upload, known = left.upload, list(left.parts.values())
        try:
            done = await self.target.call(lambda: self.target.store.parts(upload, known))
        except Exception as error:
            if is_transient(error):
                raise
            await journal.closed(upload)  # it is gone, or out of reach for good
            return None
        return upload, Plan(entry.size, left.part_size), list(done)

    async def _forget(self, uploads: Sequence[Upload]) -> None:
        """Remove uploads and what is remembered of them, unless they are out of reach now."""
        for upload in uploads:
            if await self._abort(upload) and self._journal is not None:
                await finish(self._journal.closed(upload))

    async def _leave(self, upload: Upload, error: BaseException) -> None:
        """Keep an upload that an outage ended and that can go on; remove any other."""
        journal = self._journal
        outage = self._interrupted or (isinstance(error, Exception) and is_transient(error))
        if journal is not None and outage and journal.keeps(upload):
            _log.info("kept what has arrived of %r; the same transfer goes on", upload.key)
            return
        await self._forget([upload])

    async def _abort(self, upload: Upload) -> bool:
        """Remove an unfinished upload; False if that may succeed another time."""
        try:
            await finish(self.target.store.abort(upload), _ABORT_TIMEOUT)
        except Exception as error:  # what made us abort matters more
            _log.warning("could not remove the unfinished copy of %r: %s", upload.key, error)
            return not (is_transient(error) or isinstance(error, TimeoutError))
        return True

    async def _send(
        self,
        entry: Entry,
        upload: Upload,
        plan: Plan,
        done: Sequence[Part],
        report: FileReport,
    ) -> list[Part]:
        parts = {part.number: part for part in done}
        remaining = Remaining(plan, done)
        serial = upload.serial or not self._limits.random_parts
        width = Width(fixed=serial or not self._limits.joins_parts)
        lanes = 0

        async def lane() -> None:
            nonlocal lanes
            while (part := remaining.take(width.parts)) is not None:
                began = self._clock()
                parts[part.number] = sent = await self._part(entry, upload, part, report)
                width.took(self._clock() - began)
                if self._journal is not None:
                    await self._journal.sent(upload, sent)
                self._tuner.moved(part.size)
                if lanes > self._tuner.limit:
                    break
                if not serial and lanes < self._tuner.limit:
                    lanes += 1
                    group.create_task(lane())
            lanes -= 1

        async with first_failure() as group:
            for _ in range(1 if serial else self._tuner.limit):
                lanes += 1
                group.create_task(lane())
        return [parts[number] for number in sorted(parts)]

    async def _part(self, entry: Entry, upload: Upload, part: Part, report: FileReport) -> Part:
        flow = self._flow(entry, part, report)
        body = Body(part.size, flow.open)
        held = part.size if self._limits.buffers_parts else min(part.size, SLICE)
        async with self._budget.hold(held):
            return await flow.deliver(
                lambda: self.target.store.put_part(upload, part.number, part.offset, body)
            )
