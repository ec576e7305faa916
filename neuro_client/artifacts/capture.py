"""Capture what a running program writes: stable files while it runs, the rest at its end.

Facts: grid-artifacts.md §2. The local platform captures with this too, so it needs nothing else of
this package: the standard library and attrs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

import attrs

from .capture_file import LARGE, CaptureChangedError, CaptureFile, in_thread
from .capture_scan import (
    IGNORED,
    Found,
    Inventory,
    Scan,
    Stamp,
    is_safe,
    key_of,
    resolve_roots,
    scan,
)

__all__ = [
    "IGNORED",
    "Capture",
    "CaptureChangedError",
    "CaptureFile",
    "CaptureNote",
    "CaptureReport",
    "CaptureStore",
    "Inventory",
    "take_inventory",
]

_log = logging.getLogger(__name__)

INTERVAL = 2.0
_LONGEST_PAUSE = INTERVAL
"""Seconds before the last pass tries again, at most: a long interval must not hold up the end."""
_AT_ONCE = 4
"""Files of each kind, small and large, that are stored at once."""
_ROUNDS = 3
"""Times that the last pass tries what failed or changed."""
_LONGEST_WAIT = 32
"""Scans after which a file that could not be stored is tried again, at most."""


@runtime_checkable
class CaptureStore(Protocol):
    """Keep captured files."""

    async def put(self, file: CaptureFile) -> None:
        """Store what ``file.chunks()`` gives under ``file.key``, whole or not at all.

        It replaces what was stored under that key before. Files come side by side, up to eight at
        once. Any exception leaves the old content and is reported; the file is tried again later.
        """
        ...


@attrs.frozen
class CaptureNote:
    """Say of a file, by its path below the captured folders, what there is to know of it."""

    name: str
    reason: str


@attrs.frozen
class CaptureReport:
    """Sum up a capture.

    ``uploaded`` has the keys of all artifacts, ``bytes`` what was sent for them, earlier contents
    included. ``warnings``: files under another name than their own, and what was left out.
    ``failed``: files whose last content is not in the store.
    """

    uploaded: tuple[str, ...]
    bytes: int
    warnings: tuple[CaptureNote, ...] = ()
    failed: tuple[CaptureNote, ...] = ()


async def take_inventory(
    roots: Mapping[str, Path] | Iterable[Path], *, ignore: Collection[str] = IGNORED
) -> Inventory:
    """Note what is in the folders, for a `Capture` that is entered only later, or again."""
    found = await in_thread(resolve_roots, roots)
    return Inventory.of(await in_thread(scan, found, tuple(ignore)))


class Capture:
    """Store what appears or changes below ``roots`` while the block runs, and at its end.

    Leaving the block makes the last pass, also when it is left by an error; `finish` makes it
    before that. A cancelled block ends at once: what is being stored is given up.

    ``roots`` are folders; files of one folder are named by their path below it, those of several
    begin with their folder's name, or with the key if ``roots`` is a mapping. A file is stored
    when two scans, ``interval`` seconds apart, see it in the same state, and again when it has
    changed. ``mode`` "any" takes files that are new or changed since the block began, "new-only"
    only new ones. ``ignore`` has patterns of names, with a slash at the end for folders.

    A capture that goes on after a crash takes the ``inventory`` of the first one, and ``known``:
    the stamps of the files that the store has, by key.

    Memory: four files of up to 1 GiB in pieces of 256 KiB; four larger ones in pieces of 25 MiB, of
    which each has two.

    Raises:
        ValueError: no root, two that clash, an interval that is not positive.
    """

    def __init__(
        self,
        roots: Mapping[str, Path] | Iterable[Path],
        store: CaptureStore,
        *,
        mode: Literal["any", "new-only"] = "any",
        interval: float = INTERVAL,
        ignore: Collection[str] = IGNORED,
        inventory: Inventory | None = None,
        known: Mapping[str, str] | None = None,
    ) -> None:
        if mode not in ("any", "new-only"):
            raise ValueError(f"There is no mode {mode!r}; use 'any' or 'new-only'")
        if not interval > 0:
            raise ValueError(f"The interval must be a positive number of seconds, not {interval}")
        self._given_roots = roots if isinstance(roots, Mapping) else tuple(roots)
        self._store = store
        self._new_only = mode == "new-only"
        self._interval = interval
        self._ignore = tuple(ignore)
        self._before = inventory
        self._known = dict(known or {})
        self._last = Scan({}, {})
        self._stored: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._scans = 0
        self._bytes = 0
        self._report: CaptureReport | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def inventory(self) -> Inventory:
        """Return what was there before; to be kept where the capture may have to be taken up."""
        if self._before is None:
            raise RuntimeError("The capture has not begun: use `async with`")
        return self._before

    async def __aenter__(self) -> Self:
        if self._watcher is not None:
            raise RuntimeError("A capture can be entered once")
        self._roots = await in_thread(resolve_roots, self._given_roots)
        if self._before is None:
            self._before = Inventory.of(await in_thread(scan, self._roots, self._ignore))
        self._ending = asyncio.Event()
        self._finishing = asyncio.Lock()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._watcher is not None
        try:
            if error is None or isinstance(error, Exception):
                await self.finish()
        finally:
            self._watcher.cancel()
            while not self._watcher.done():
                with suppress(asyncio.CancelledError):  # it is on its way up already
                    await asyncio.wait([self._watcher])
            if not self._watcher.cancelled():
                self._watcher.exception()  # raised by `finish`, or of no use to a cancelled block

    async def finish(self) -> CaptureReport:
        """Store all that is not in the store as it is now; return what the capture did.

        To be called when nothing writes any more. A second call returns the same report.
        """
        if self._watcher is None:
            raise RuntimeError("The capture has not begun: use `async with`")
        async with self._finishing:
            if self._report is None:
                self._ending.set()
                await asyncio.wait([self._watcher])
                if not self._watcher.cancelled():
                    self._watcher.result()
                await self._last_pass()
                self._report = self._summary()
        return self._report

    async def _watch(self) -> None:
        """Store stable files until the end is near; large ones do not hold up the others."""
        async with asyncio.TaskGroup() as group:
            lanes: dict[bool, asyncio.Task[None]] = {}
            while not await self._ends():
                before = self._last
                try:
                    await self._look()
                except Exception as error:  # say, no thread to be had: the last pass would tell
                    _log.warning("the captured folders could not be looked at: %r", error)
                    continue
                stable = [
                    found
                    for found in self._pending()
                    if before.files.get(found.name) == found and self._may_try(found.name)
                ]
                for large, some in _by_size(stable):
                    lane = lanes.get(large)
                    if some and (lane is None or lane.done()):
                        lanes[large] = group.create_task(self._put_all(some))

    async def _ends(self) -> bool:
        """Wait for the next scan; tell whether the end came first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._ending.wait()
        return self._ending.is_set()

    async def _last_pass(self) -> None:
        """Store what is left; look again until nothing is, and wait only for what went wrong."""
        failed = False
        for _ in range(_ROUNDS):
            if failed:
                await asyncio.sleep(min(self._interval, _LONGEST_PAUSE))
            await self._look()
            pending = list(self._pending())
            if not pending:
                return
            async with asyncio.TaskGroup() as group:
                for _, some in _by_size(pending):
                    group.create_task(self._put_all(some))
            failed = any(self._stored.get(found.name) != str(found.stamp) for found in pending)
        await self._look()
        for found in self._pending():
            self._failures.setdefault(found.name, "it kept changing while it was read")

    async def _look(self) -> None:
        self._last = await in_thread(scan, self._roots, self._ignore)
        self._scans += 1
        gone = [name for name in self._failures if name not in self._last.files]
        for name in gone:
            del self._failures[name]

    def _pending(self) -> Iterator[Found]:
        """Yield the artifacts that the store does not have in their present state."""
        for name, found in self._last.files.items():
            stored = self._stored.get(name)
            if stored is None and self._known:
                stored = self._known.get(key_of(name))
                if stored is not None:
                    self._stored[name] = stored
            if stored is None and not self._is_artifact(name, found.stamp):
                continue
            if stored != str(found.stamp):
                yield found

    def _is_artifact(self, name: str, stamp: Stamp) -> bool:
        before = self.inventory.stamps.get(name)
        return before is None or (before != stamp and not self._new_only)

    def _may_try(self, name: str) -> bool:
        """Tell whether a file that failed has waited long enough, longer each time."""
        attempts = self._attempts.get(name, 0)
        return not attempts or self._scans % min(2**attempts, _LONGEST_WAIT) == 0

    async def _put_all(self, files: Iterable[Found]) -> None:
        pending = iter(files)

        async def put_some() -> None:
            for found in pending:
                await self._put(found)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(put_some())

    async def _put(self, found: Found) -> None:
        file = CaptureFile(found, key_of(found.name))
        try:
            await self._store.put(file)
        except Exception as error:
            if not file.changed:
                reason = str(error) or type(error).__name__
                self._failures[found.name] = f"it could not be stored: {reason}"
                self._attempts[found.name] = self._attempts.get(found.name, 0) + 1
            return
        if file.changed:
            return
        self._stored[found.name] = file.stamp
        self._bytes += file.size
        self._failures.pop(found.name, None)
        self._attempts.pop(found.name, None)

    def _summary(self) -> CaptureReport:
        warnings = [
            CaptureNote(name, f"it is stored as {key_of(name)!r}")
            for name in self._stored
            if not is_safe(name)
        ]
        warnings += [
            CaptureNote(name, reason)
            for name, reason in self._last.skipped.items()
            if name not in self.inventory.skipped
        ]
        return CaptureReport(
            uploaded=tuple(sorted({*self._known, *map(key_of, self._stored)})),
            bytes=self._bytes,
            warnings=tuple(sorted(warnings, key=lambda note: note.name)),
            failed=tuple(CaptureNote(*item) for item in sorted(self._failures.items())),
        )


def _by_size(files: Iterable[Found]) -> Iterator[tuple[bool, list[Found]]]:
    """Yield the small files and the large ones, with whether they are large."""
    kinds: dict[bool, list[Found]] = {False: [], True: []}
    for found in files:
        kinds[found.stamp.size > LARGE].append(found)
    yield from kinds.items()
