"""Move a file or a tree between two stores: planners, a bounded queue, workers.

Each directory is planned by one task: prepare the target, scan the source, decide. Its files go
through the queue to the workers, so a million of them cost constant memory; its subdirectories go
on a stack. A directory is left when all below it is done (storage.md §12-13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs

from ..concurrency import first_failure
from ..errors import TransferError
from .flow import End
from .journal import Journal
from .models import (
    MISSING,
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    TransferOptions,
    TransferResult,
)
from .mover import Mover
from .plan import Resync, Skew, check_name, clashes, slack
from .progress import FileReport, Reporter
from .store import FoldsNames, ObjectStore
from .sweep import sweep

if TYPE_CHECKING:
    from yarl import URL

T = TypeVar("T")

Narrow = Callable[[str, Sequence[Entry], AsyncFilterFunc | None], Awaitable[AsyncFilterFunc | None]]
"""Return the filter for a directory, given its path, its entries and the filter so far."""

_PLANNERS = 8


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


@attrs.define(eq=False)
class _Directory:
    path: str
    parent: _Directory | None
    accept: AsyncFilterFunc | None
    compare: bool
    pending: int = 1  # itself, while it is planned
    failed: bool = False


@attrs.frozen(eq=False)
class _File:
    directory: _Directory
    entry: Entry
    start: int


class _Transfer:
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


class _Tree:
    """Walk the source directory by directory and keep the workers busy."""

    def __init__(
        self, transfer: _Transfer, accept: AsyncFilterFunc | None, narrow: Narrow | None
    ) -> None:
        self._transfer = transfer
        self._options = transfer.options
        self._narrow = narrow
        self._files: asyncio.Queue[_File | None] = asyncio.Queue(2 * self._options.files)
        # Not bounded: planners fill it themselves, and it holds directories only, deepest first.
        self._dirs: asyncio.LifoQueue[_Directory | None] = asyncio.LifoQueue()
        self._dirs.put_nowait(_Directory("", None, accept, transfer.resync.compares))

    async def run(self) -> None:
        """Move everything."""
        async with first_failure() as workers:
            for _ in range(self._options.files):
                workers.create_task(self._work())
            async with first_failure() as planners:
                for _ in range(_PLANNERS):
                    planners.create_task(self._plan_all())
                await self._dirs.join()
                for _ in range(_PLANNERS):
                    self._dirs.put_nowait(None)
            for _ in range(self._options.files):
                await self._files.put(None)

    async def _work(self) -> None:
        while (item := await self._files.get()) is not None:
            path = _below(item.directory, item.entry)
            try:
                await self._transfer.move(item.entry, path, item.start)
            except Exception as error:
                self._transfer.failed(path, error)
                self._fail(path, str(error))
            self._done(item.directory)

    async def _plan_all(self) -> None:
        while (directory := await self._dirs.get()) is not None:
            try:
                await self._plan(directory)
            except Exception as error:
                directory.failed = True
                self._transfer.failed(directory.path, error)
                self._fail(directory.path, str(error))
            self._done(directory)
            self._dirs.task_done()

    async def _plan(self, directory: _Directory) -> None:
        existing = await self._prepare(directory)
        self._tell("enter", directory.path)
        source = self._transfer.source
        entries = await _list(self._transfer.mover.source, source.at(directory.path))
        chosen = await self._choose(directory, entries)
        del entries
        for entry in chosen:
            if not entry.is_file:
                continue
            start = self._transfer.resync.start(entry, existing.get(entry.name))
            if start is None:
                self._transfer.skipped += 1
                continue
            directory.pending += 1
            await self._files.put(_File(directory, entry, start))
        for entry in reversed(chosen):  # the stack turns them round again
            if entry.is_dir:
                directory.pending += 1
                path = _below(directory, entry)
                self._dirs.put_nowait(
                    _Directory(path, directory, directory.accept, directory.compare)
                )

    async def _prepare(self, directory: _Directory) -> dict[str, Entry]:
        """Make sure the target directory exists; return its files where they are compared."""
        target = self._transfer.target
        if directory.compare:
            try:
                entries = await _list(self._transfer.mover.target, target.at(directory.path))
                return {entry.name: entry for entry in entries if entry.is_file}
            except MISSING:
                directory.compare = False  # nothing to compare with, nor below
        key = target.at(directory.path)
        await self._transfer.mover.target.call(lambda: target.store.make_dir(key))
        return {}

    async def _choose(self, directory: _Directory, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries to move; report those that cannot be."""
        if self._narrow is not None:
            directory.accept = await self._narrow(directory.path, entries, directory.accept)
        chosen = []
        for entry in entries:
            path = _below(directory, entry)
            asked = path + "/" if entry.is_dir else path
            if directory.accept is not None and not await directory.accept(asked):
                continue
            if entry.is_file or entry.is_dir:
                check_name(entry.name)
                chosen.append(entry)
            else:
                self._transfer.skipped += 1
                self._fail(path, entry.reason)
        await self._check_case(directory, chosen)
        return chosen

    async def _check_case(self, directory: _Directory, entries: Sequence[Entry]) -> None:
        target = self._transfer.target
        if not isinstance(target.store, FoldsNames):
            return
        pairs = clashes(entry.name for entry in entries)
        if pairs and await target.store.folds_names(target.at(directory.path)):
            first, second = pairs[0]
            raise TransferError(
                f"{first!r} and {second!r} in {directory.path or '.'!r} would become one file: the "
                "target ignores case; rename one of them or leave it out with a filter"
            )

    def _done(self, directory: _Directory | None) -> None:
        """Count down what is left of a directory, and of its parents."""
        while directory is not None:
            directory.pending -= 1
            if directory.pending:
                return
            if not directory.failed:
                self._tell("leave", directory.path)
            directory = directory.parent

    def _tell(self, event: str, path: str) -> None:
        reporter = self._transfer.reporter
        if reporter is not None:
            source, target = self._transfer.source, self._transfer.target
            getattr(reporter, event)(source.dir_url(path), target.dir_url(path))

    def _fail(self, path: str, reason: str) -> None:
        reporter = self._transfer.reporter
        if reporter is not None:
            src, dst = self._transfer.source.url(path), self._transfer.target.url(path)
            reporter.fail(src, dst, f"cannot copy {str(src)!r}: {reason}")


async def _list(end: End, key: str) -> list[Entry]:
    async def attempt() -> list[Entry]:
        async with end.store.list(key) as listing:
            return [entry async for entry in listing]

    return await end.call(attempt)


def _below(directory: _Directory, entry: Entry) -> str:
    return f"{directory.path}/{entry.name}" if directory.path else entry.name


async def copy_file(
    source: Side,
    target: Side,
    entry: Entry,
    *,
    existing: Entry | None = None,
    options: TransferOptions | None = None,
    resync: Resync | None = None,
    progress: AbstractFileProgress | None = None,
) -> TransferResult:
    """Move one file, unless *existing* at the target is current by *resync*."""

    async def work(reporter: Reporter | None) -> TransferResult:
        rules = resync or Resync()
        transfer = _Transfer(source, target, options or TransferOptions(), rules, reporter)
        start = rules.start(entry, existing)
        try:
            if start is None:
                transfer.skipped += 1
            else:
                try:
                    await transfer.move(entry, "", start)
                except Exception as error:
                    transfer.failed(entry.key, error)
            return await transfer.finish()
        finally:
            await transfer.close()

    return await _reported(work, progress)


async def copy_tree(
    source: Side,
    target: Side,
    *,
    options: TransferOptions | None = None,
    resync: Resync | None = None,
    accept: AsyncFilterFunc | None = None,
    narrow: Narrow | None = None,
    progress: AbstractRecursiveFileProgress | None = None,
) -> TransferResult:
    """Move a directory and all below it that *accept* lets through."""

    async def work(reporter: Reporter | None) -> TransferResult:
        transfer = _Transfer(
            source, target, options or TransferOptions(), resync or Resync(), reporter
        )
        try:
            await _Tree(transfer, accept, narrow).run()
            return await transfer.finish()
        finally:
            await transfer.close()

    return await _reported(work, progress)


async def _reported(
    work: Callable[[Reporter | None], Awaitable[T]], progress: AbstractFileProgress | None
) -> T:
    if progress is None:
        return await work(None)
    reporter = Reporter(progress)
    return await reporter.run(lambda: work(reporter))
