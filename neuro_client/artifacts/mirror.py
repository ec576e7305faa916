"""Follow the artifacts of a run into a folder until it ends (§2: they arrive while it runs)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
from yarl import URL

from ..errors import (
    ChecksumMismatchError,
    ResourceNotFound,
    SourceChangedError,
    TransferError,
)
from ..retry import is_transient
from ..transfer import AbstractRecursiveFileProgress, TransferOptions, TransferResult
from ..transfer.places import absolute
from .download import Downloader, Match, Wanted
from .lookup import Found
from .polling import Pauses
from .verified import file_md5, plain_md5

_ROUNDS_AFTER = 3
_MOVING = (SourceChangedError, ChecksumMismatchError, ResourceNotFound)
"""What happens to a file that is written again while it is read."""


class Mirror:
    """Keep a folder like the artifacts of what *find* returns, until all of it has ended."""

    def __init__(
        self,
        downloader: Downloader,
        find: Callable[[], Awaitable[Found]],
        folder: URL | Path,
        match: Match,
        options: TransferOptions,
        progress: AbstractRecursiveFileProgress | None,
    ) -> None:
        self._downloader = downloader
        self._find = find
        self._folder = folder
        self._match = match
        self._options = attrs.evolve(options, on_error="continue")
        self._progress = progress
        self._versions: dict[str, str] = {}
        self._ended: set[str] = set()
        self._failures: Sequence[tuple[str, Exception]] = ()
        self._refused: dict[str, Exception] = {}
        self._files = self._bytes = 0

    async def run(self, interval: float) -> TransferResult:
        """Go round until everything has ended and is here."""
        root = await absolute(self._folder)
        clock = asyncio.get_running_loop().time
        began = clock()
        pauses = Pauses(interval)
        rounds_after = 0
        while True:
            # The end is read first: what is listed after it is all that there will be.
            found = await pauses.ask(self._find)
            if await pauses.ask(functools.partial(self._round, found, root)):
                pauses.news()
            if _has_ended(found):
                rounds_after += 1
                if not self._failures or rounds_after > _ROUNDS_AFTER:
                    break
            await pauses.wait()
        failures = [*self._refused.items(), *self._failures]
        if failures:
            path, first = failures[0]
            raise TransferError(
                f"{len(failures)} artifacts could not be mirrored, {self._files} files were; "
                f"first {path!r}: {first}",
                failures=failures,
            )
        return TransferResult(self._files, self._bytes, seconds=clock() - began)

    async def _round(self, found: Found, root: Path) -> int:
        """Bring what is new or has changed; return how many files."""
        open_ones = tuple(item for item in found.experiments if item.id not in self._ended)
        listed = await self._downloader.wanted(
            [attrs.evolve(found, experiments=open_ones)], self._match
        )
        changed = [item for item in listed if self._versions.get(item.key) != item.artifact.version]
        missing = [item for item in changed if not await self._is_here(item, root)]
        failed = await self._fetch(missing)
        for item in changed:
            if item.key not in failed:
                self._versions[item.key] = item.artifact.version
        self._failures = tuple(failed.items())
        keep = {item.experiment_id for item in listed if item.key in failed}
        self._ended |= {item.id for item in open_ones if item.phase.is_finished} - keep
        moved = [item for item in missing if item.key not in failed | self._refused]
        self._files += len(moved)
        self._bytes += sum(item.artifact.size for item in moved)
        return len(moved)

    async def _is_here(self, item: Wanted, root: Path) -> bool:
        """Tell whether an earlier mirror has brought this version already."""
        wanted = plain_md5(item.artifact.md5)
        if item.key in self._versions or wanted is None:
            return False
        return await file_md5(root / item.key, item.artifact.size) == wanted

    async def _fetch(self, missing: Sequence[Wanted]) -> dict[str, Exception]:
        """Return what may be there the next time; what never will is remembered."""
        if not missing:
            return {}
        try:
            await self._downloader.fetch(missing, self._folder, self._options, self._progress)
        except TransferError as error:
            if not error.failures:
                raise
            failed: dict[str, Exception] = {}
            for path, problem in error.failures:
                if isinstance(problem, _MOVING) or is_transient(problem):
                    failed[path] = problem
                elif isinstance(problem, TransferError):
                    self._refused[path] = problem
                else:
                    raise problem from error
            return failed
        return {}


def _has_ended(found: Found) -> bool:
    if found.run is not None and not found.run.phase.is_finished:
        return False
    return all(item.phase.is_finished for item in found.experiments)
