"""The two ends of a transfer, and what one call of it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..errors import NeuroError, TransferError
from .journal import Journal
from .models import Entry, TransferOptions, TransferResult
from .mover import Mover
from .plan import Resync, Skew, slack
from .progress import FileReport, Reporter
from .store import KnowsContent, ObjectStore
from .sweep import sweep

if TYPE_CHECKING:
    from yarl import URL


@attrs.frozen
class Side:
    """Name one end of a transfer: a place in a store, and how it is called in progress events.

    ``url`` and ``dir_url`` get the path relative to ``key``, "" for ``key`` itself. ``skew`` tells
    the bounds of the store's clock, None if it is the local one. ``place`` names what the keys of
    the store belong to, whoever opens it; without it the transfer keeps no journal.
    """

    store: ObjectStore
    key: str
    url: Callable[[str], URL]
    dir_url: Callable[[str], URL]
    skew: Callable[[], Skew] | None = None
    place: str = ""

    def at(self, path: str) -> str:
        """Return the key of the relative *path*."""
        if not path or not self.key:
            return path or self.key
        return f"{self.key.rstrip('/')}/{path}"


def resync_between(source: Side, target: Side, update: bool, continue_: bool) -> Resync:
    """Make the rules of storage.md §12 for the clocks of two ends."""

    def wanted() -> float:
        return slack(
            None if source.skew is None else source.skew(),
            None if target.skew is None else target.skew(),
        )

    return Resync(update, continue_, wanted)


class Transfer:
    """Hold what one call needs: the two ends, the limits and the counts."""

    def __init__(
        self,
        source: Side,
        target: Side,
        options: TransferOptions,
        resync: Resync,
        reporter: Reporter | None,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self.source = source
        self.target = target
        self.options = options
        self.resync = resync
        self.reporter = reporter
        self._journal = _journal(source, target) if options.resume else None
        self.mover = Mover(source.store, target.store, options, self._journal, clock)
        self.files = self.bytes = self.skipped = 0
        self.failures: list[tuple[str, Exception]] = []
        self._clock = clock
        self._started = clock()

    async def move(self, entry: Entry, path: str, start: int) -> None:
        """Move one file, told under the relative *path*."""
        if self.reporter is None:
            report = FileReport(None, None, None, entry.size)
        else:
            report = self.reporter.file(self.source.url(path), self.target.url(path), entry.size)
        await self.mover.move(entry, self.target.at(path), start, report)
        self.files += 1
        self.bytes += entry.size - start

    async def move_changed(self, entry: Entry, existing: Entry, path: str) -> None:
        """Move one file, unless a checksum shows that the target has its content."""
        if await self._same_content(entry, existing):
            self.skipped += 1
        else:
            await self.move(entry, path, 0)

    def comparable(self, entry: Entry, existing: Entry | None) -> bool:
        """Tell whether the contents of two files can be compared, and are worth it."""
        return (
            existing is not None
            and self.resync.by_content(entry, existing)
            and any(isinstance(side.store, KnowsContent) for side in (self.source, self.target))
        )

    async def _same_content(self, entry: Entry, existing: Entry) -> bool:
        """Compare by reading what costs no requests where it can be chosen: the source."""
        knows, told, other, read = self.target.store, existing, self.source.store, entry
        if not isinstance(knows, KnowsContent):
            knows, told, other, read = self.source.store, entry, self.target.store, existing
        assert isinstance(knows, KnowsContent)
        try:
            async with other.get(read.key, version=read.version) as chunks:
                return await knows.has_content(told, chunks)
        except (NeuroError, OSError):  # moving it tells what is wrong
            return False

    def failed(self, path: str, error: Exception) -> None:
        """Note a failure, or raise it when the first one ends the transfer."""
        self.mover.note(error)
        if self.options.on_error == "raise":
            raise error
        self.failures.append((path, error))

    async def finish(self) -> TransferResult:
        """Return the counts and tidy up; raise `TransferError` if something failed."""
        result = self._result()
        if self._journal is not None and self._journal.used:
            await sweep(self._journal, self.target.store, self._store)
        return result

    async def close(self) -> None:
        """Release the journal; what is unfinished stays in it."""
        if self._journal is not None:
            await self._journal.close()

    def _store(self, place: str) -> ObjectStore | None:
        for side in (self.target, self.source):
            if side.place == place:
                return side.store
        return None

    def _result(self) -> TransferResult:
        if self.failures:
            path, first = self.failures[0]
            raise TransferError(
                f"{len(self.failures)} of the entries could not be moved, {self.files} files were; "
                f"first {path!r}: {first}",
                failures=self.failures,
            )
        seconds = self._clock() - self._started
        return TransferResult(self.files, self.bytes, self.skipped, len(self.failures), seconds)


def _journal(source: Side, target: Side) -> Journal | None:
    """Make the journal of a transfer between two places that have names."""
    if not (source.place and target.place):
        return None
    name = "\n".join((source.place, source.key, target.place, target.key))
    try:
        return Journal(name, target.place)
    except RuntimeError:  # a user without a home, as in some containers
        return None
