"""Read the phases of any number of trainings in one loop that all who wait for them share.

There is no task in the background: whoever waits drives the loop, and the others wait for the round
that is under way. Memory is a few words for each training that somebody waits for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import attrs

from ..concurrency import SingleFlight, first_failure
from ..errors import AuthorizationError, ProtocolError, ResourceNotFound, ResponseError
from ..retry import RetryPolicy, is_transient
from .models import Training, TrainingPhase

CREATION_GRACE = 2.0
"""Seconds for which a training that was just created may still be unknown to the server."""

PATIENCE = 300.0
"""Seconds without any good answer after which polling gives up."""

FEW = 8
"""As many are read at their own endpoint, which more tokens may do than list; more by listing."""

_BACKOFF = RetryPolicy(attempts=1_000, base=0.1, cap=5.0)
_MAX_BACKOFF = 30
_NOT_YET = 0.25
_ROUND = "round"


@attrs.frozen
class Pace:
    """Space the rounds: often at first, then in proportion to the time without a change.

    Times are in seconds. A change is noticed within a quarter of the time since the last one, and
    a round that takes long is followed by a pause as long.
    """

    fastest: float = 0.05
    slowest: float = 5.0
    share: float = 0.25
    random: Callable[[], float] = random.random

    def pause(self, quiet: float, took: float) -> float:
        """Return the pause after a round that *took* some time, *quiet* after the last change."""
        longest = max(min(max(self.fastest, quiet * self.share), self.slowest), took)
        return longest * (0.75 + 0.25 * self.random())


@attrs.frozen
class Sighting:
    """Hold what was read of a training last; ``training`` only where its endpoint was asked."""

    phase: TrainingPhase
    text: str
    message: str | None = None
    deleted: bool = False
    training: Training | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, training: Training) -> Sighting:
        """Return what a training's own endpoint says."""
        return cls(training.phase, training.phase_text, None, training.is_deleted, training)

    @classmethod
    def in_listing(cls, workload: Mapping[str, Any]) -> Sighting:
        """Return what an item of a listing says, of which only this much is read."""
        text, message = workload.get("phase") or "", workload.get("phaseMessage")
        return cls(
            TrainingPhase(text),
            str(text),
            None if message is None else str(message),
            workload.get("deletedAt") is not None,
        )

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.deleted or self.phase.is_finished


@attrs.define
class _Entry:
    since: float
    watchers: int = 0
    tried: bool = False
    sighting: Sighting | None = None
    error: Exception | None = None


ReadOne = Callable[[str], Awaitable[Training]]
ReadPages = Callable[[], AbstractAsyncContextManager[AsyncIterator[Sequence[Any]]]]


class PhasePoller:
    """Keep the last sighting of every training that somebody waits for.

    ``read_one`` reads a training, ``read_pages`` lists all workloads; both make one attempt.
    """

    def __init__(
        self,
        read_one: ReadOne,
        read_pages: ReadPages,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_one = read_one
        self._read_pages = read_pages
        self._pace = pace or Pace()
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._flights: SingleFlight[None] = SingleFlight()
        self._wake: asyncio.Event | None = None
        self._may_list = True
        self._failures = 0
        self._pause = 0.0
        self._changed = self._answered = 0.0

    @contextmanager
    def watching(self, ids: Iterable[str]) -> Iterator[View]:
        """Have trainings read for the length of a block."""
        view = View(self, ids)
        try:
            yield view
        finally:
            for id in list(view.open):
                view.drop(id)

    async def round(self) -> None:
        """Wait for the end of the round that is under way, or of a new one.

        Raises:
            the error of the round, when it is not a passing one or nothing was answered for long.
        """
        await self._flights.run(_ROUND, self._run)

    def enter(self, id: str) -> None:
        """Count one more who waits for a training."""
        now = self._clock()
        if not self._entries:
            self._changed = self._answered = now
            self._failures, self._pause = 0, 0.0
        if id not in self._entries:
            self._entries[id] = _Entry(now)
            if self._wake is not None:
                self._wake.set()
        self._entries[id].watchers += 1

    def leave(self, id: str) -> None:
        """Count one less; what nobody waits for is forgotten."""
        entry = self._entries[id]
        entry.watchers -= 1
        if not entry.watchers:
            del self._entries[id]

    def sighting(self, id: str) -> Sighting | None:
        """Return what was read last of a training that is waited for; raise what ended it."""
        entry = self._entries[id]
        if entry.error is not None:
            raise entry.error
        return entry.sighting

    async def _run(self) -> None:
        fresh = self._fresh()
        if not fresh:
            await self._rest()
            fresh = self._fresh()
        begun = self._clock()
        for id in fresh:
            self._entries[id].tried = True
        try:
            await self._read(fresh or list(self._entries))
        except Exception as error:
            self._failures = min(self._failures + 1, _MAX_BACKOFF)
            pause = _BACKOFF.delay(self._failures, error)
            if not _may_pass(error) or pause is None:
                raise
            if self._clock() - self._answered > PATIENCE:
                raise
            self._pause = pause
            return
        now = self._answered = self._clock()
        self._failures = 0
        self._pause = self._pace.pause(now - self._changed, now - begun)
        if any(entry.sighting is None for entry in self._entries.values()):
            self._pause = min(self._pause, _NOT_YET)

    def _fresh(self) -> list[str]:
        return [id for id, entry in self._entries.items() if not entry.tried]

    async def _rest(self) -> None:
        """Pause, or until somebody waits for one more."""
        self._wake = asyncio.Event()
        try:
            async with asyncio.timeout(self._pause) as scope:
                await self._wake.wait()
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._wake = None

    async def _read(self, ids: Sequence[str]) -> None:
        left = list(ids)
        if len(ids) > FEW and self._may_list:
            try:
                left = await self._read_listing(ids)
            except AuthorizationError:
                self._may_list = False
        waiting = iter(left)
        async with first_failure() as group:
            for _ in range(min(FEW, len(left))):
                group.create_task(self._read_each(waiting))

    async def _read_listing(self, ids: Sequence[str]) -> list[str]:
        """Find trainings in the listing and return those that are not in it."""
        left = dict.fromkeys(ids)
        async with self._read_pages() as pages:
            async for page in pages:
                for item in page:
                    id = str(item.get("id")) if isinstance(item, dict) else ""
                    if id in left:
                        del left[id]
                        self._see(id, Sighting.in_listing(item))
                if not left:
                    break
        return list(left)

    async def _read_each(self, ids: Iterator[str]) -> None:
        for id in ids:
            entry = self._entries.get(id)
            if entry is None:
                continue
            try:
                self._see(id, Sighting.of(await self._read_one(id)))
            except ResourceNotFound as error:
                if entry.sighting is not None:
                    self._see(id, attrs.evolve(entry.sighting, deleted=True))
                elif self._clock() - entry.since >= CREATION_GRACE:
                    entry.error = error
            except ResponseError as error:
                # It concerns this training, not those that others wait for.
                if _may_pass(error) or error.status == 401:
                    raise
                entry.error = error

    def _see(self, id: str, sighting: Sighting) -> None:
        entry = self._entries.get(id)
        if entry is None:
            return
        if entry.sighting != sighting:
            self._changed = self._clock()
        entry.sighting = sighting


class View:
    """Look at some of the trainings of a poller; ``open`` are those still waited for."""

    def __init__(self, poller: PhasePoller, ids: Iterable[str]) -> None:
        self._poller = poller
        self.open = dict.fromkeys(ids)
        for id in self.open:
            poller.enter(id)

    def sighting(self, id: str) -> Sighting | None:
        """Return what was read last, None before the first answer; raise what ended it."""
        return self._poller.sighting(id)

    def drop(self, id: str) -> None:
        """Wait for a training no longer."""
        del self.open[id]
        self._poller.leave(id)

    async def round(self) -> None:
        """Wait for news; see ``PhasePoller.round``."""
        await self._poller.round()


def _may_pass(error: Exception) -> bool:
    return is_transient(error) or isinstance(error, ProtocolError)
