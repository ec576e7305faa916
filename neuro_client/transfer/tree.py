"""Walk a tree and keep the workers busy; each way of walking plans what they do.

Files go through a bounded queue to the workers, so a million of them cost constant memory. A
directory is left when all below it is done (storage.md §12-13).
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable, Sequence

import attrs

from ..concurrency import first_failure
from ..errors import TransferError
from .flow import End
from .models import MISSING, AsyncFilterFunc, Entry
from .moving import Transfer
from .plan import check_name, clashes
from .store import FoldsNames

Narrow = Callable[[str, Sequence[Entry], AsyncFilterFunc | None], Awaitable[AsyncFilterFunc | None]]
"""Return the filter for a directory, given its path, its entries and the filter so far."""

_PLANNERS = 8


@attrs.define(eq=False)
class Directory:
    """Count what is left to do in a directory, and hold what holds for all in it."""

    path: str
    parent: Directory | None
    accept: AsyncFilterFunc | None
    compare: bool
    pending: int = 1  # itself, while it is planned
    failed: bool = False

    def below(self, name: str) -> str:
        """Return the path of what has a name in it."""
        return f"{self.path}/{name}" if self.path else name

    def child(self, name: str) -> Directory:
        """Return a directory in it, which it then waits for."""
        self.pending += 1
        return Directory(self.below(name), self, self.accept, self.compare)


@attrs.frozen(eq=False)
class _Job:
    directory: Directory
    path: str
    work: Callable[[], Awaitable[None]]


class Tree(abc.ABC):
    """Move what a walk through the source finds."""

    def __init__(
        self, transfer: Transfer, accept: AsyncFilterFunc | None, narrow: Narrow | None
    ) -> None:
        self.transfer = transfer
        self.source = transfer.source
        self.target = transfer.target
        self.root = Directory("", None, accept, transfer.resync.compares)
        self.narrow = narrow
        self._workers = transfer.options.files
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(2 * self._workers)

    async def run(self) -> None:
        """Move everything."""
        async with first_failure() as workers:
            for _ in range(self._workers):
                workers.create_task(self._work())
            await self.plan()
            for _ in range(self._workers):
                await self._jobs.put(None)

    @abc.abstractmethod
    async def plan(self) -> None:
        """Walk through the source and give the workers what there is to do."""

    async def _work(self) -> None:
        while (job := await self._jobs.get()) is not None:
            try:
                await job.work()
            except Exception as error:
                self._refused(job.path, error)
            self.done(job.directory)

    async def give(
        self, directory: Directory, path: str, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Have something done that *directory* waits for; waits for room."""
        directory.pending += 1
        await self._jobs.put(_Job(directory, path, work))

    async def give_file(self, directory: Directory, entry: Entry, existing: Entry | None) -> None:
        """Have a file moved, unless what exists is current."""
        start = self.transfer.resync.start(entry, existing)
        if start is None:
            self.transfer.skipped += 1
            return
        path = directory.below(entry.name)
        if existing is not None and self.transfer.comparable(entry, existing):
            found = existing
            await self.give(directory, path, lambda: self.transfer.move_changed(entry, found, path))
            return
        await self.give(directory, path, lambda: self.transfer.move(entry, path, start))

    async def prepare(self, directory: Directory) -> dict[str, Entry]:
        """Make sure the target directory exists; return its files where they are compared."""
        key = self.target.at(directory.path)
        if directory.compare:
            try:
                entries = await list_all(self.transfer.mover.target, key)
                return {entry.name: entry for entry in entries if entry.is_file}
            except MISSING:
                directory.compare = False  # nothing to compare with, nor below
        await self.transfer.mover.target.call(lambda: self.target.store.make_dir(key))
        return {}

    async def accepted(self, directory: Directory, entry: Entry) -> bool:
        """Tell whether an entry is to be moved; report one that cannot be."""
        path = directory.below(entry.name)
        if directory.accept is not None and not await directory.accept(
            path + "/" if entry.is_dir else path
        ):
            return False
        if entry.is_file or entry.is_dir:
            check_name(entry.name)
            return True
        self.transfer.skipped += 1
        self._fail(path if entry.name else directory.path, entry.reason)
        return False

    async def choose(self, directory: Directory, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries to move; report those that cannot be."""
        if self.narrow is not None:
            directory.accept = await self.narrow(directory.path, entries, directory.accept)
        chosen = [entry for entry in entries if await self.accepted(directory, entry)]
        if isinstance(self.target.store, FoldsNames) and (
            pairs := clashes(entry.name for entry in chosen)
        ):
            await self.check_case(directory, *pairs[0])
        return chosen

    async def check_case(self, directory: Directory, first: str, second: str) -> None:
        """Refuse two names that differ in case only, where they would become one file."""
        store = self.target.store
        if isinstance(store, FoldsNames) and await store.folds_names(
            self.target.at(directory.path)
        ):
            raise TransferError(
                f"{first!r} and {second!r} in {directory.path or '.'!r} would become one file: the "
                "target ignores case; rename one of them or leave it out with a filter"
            )

    def done(self, directory: Directory | None) -> None:
        """Count down what is left of a directory, and of its parents."""
        while directory is not None:
            directory.pending -= 1
            if directory.pending:
                return
            if not directory.failed:
                self._tell("leave", directory.path)
            directory = directory.parent

    def entered(self, directory: Directory) -> None:
        """Tell that a directory begins."""
        self._tell("enter", directory.path)

    def failed(self, directory: Directory, error: Exception) -> None:
        """Note that a directory cannot be moved, or raise what ends the transfer."""
        directory.failed = True
        self._refused(directory.path, error)

    def _refused(self, path: str, error: Exception) -> None:
        self.transfer.failed(path, error)
        self._fail(path, str(error))

    def _tell(self, event: str, path: str) -> None:
        reporter = self.transfer.reporter
        if reporter is not None:
            getattr(reporter, event)(self.source.dir_url(path), self.target.dir_url(path))

    def _fail(self, path: str, reason: str) -> None:
        reporter = self.transfer.reporter
        if reporter is not None:
            src, dst = self.source.url(path), self.target.url(path)
            reporter.fail(src, dst, f"cannot copy {str(src)!r}: {reason}")


class ByDirectory(Tree):
    """Plan each directory in a task of its own: prepare the target, scan the source, decide.

    Its subdirectories go on a stack.
    """

    async def plan(self) -> None:
        """Plan several directories at a time."""
        # Not bounded: planners fill it themselves, and it holds directories only, deepest first.
        self._dirs: asyncio.LifoQueue[Directory | None] = asyncio.LifoQueue()
        self._dirs.put_nowait(self.root)
        async with first_failure() as planners:
            for _ in range(_PLANNERS):
                planners.create_task(self._plan_all())
            await self._dirs.join()
            for _ in range(_PLANNERS):
                self._dirs.put_nowait(None)

    async def _plan_all(self) -> None:
        while (directory := await self._dirs.get()) is not None:
            try:
                await self._plan(directory)
            except Exception as error:
                self.failed(directory, error)
            self.done(directory)
            self._dirs.task_done()

    async def _plan(self, directory: Directory) -> None:
        existing = await self.prepare(directory)
        self.entered(directory)
        entries = await list_all(self.transfer.mover.source, self.source.at(directory.path))
        chosen = await self.choose(directory, entries)
        del entries
        for entry in chosen:
            if entry.is_file:
                await self.give_file(directory, entry, existing.get(entry.name))
        for entry in reversed(chosen):  # the stack turns them round again
            if entry.is_dir:
                self._dirs.put_nowait(directory.child(entry.name))


async def list_all(end: End, key: str) -> list[Entry]:
    """Return what is in a directory."""

    async def attempt() -> list[Entry]:
        async with end.store.list(key) as listing:
            return [entry async for entry in listing]

    return await end.call(attempt)
