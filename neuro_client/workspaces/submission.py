"""Start a task at most once, whatever happens to the answer (§7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from ..errors import NeuroError, ProtocolError, RateLimitError
from ..retry import RetryPolicy, is_transient
from ..threads import run_blocking
from ..transport import never_connected
from .models import Task
from .records import Asked, Record
from .service import CREATE_TIMEOUT

SUBMIT_RETRY = RetryPolicy(attempts=6, base=0.2, cap=5.0)

# What the clocks of client and server may differ by.
_SKEW = timedelta(minutes=5)

_IN_THE_MAKING = timedelta(seconds=CREATE_TIMEOUT)

Listing = Callable[[], Awaitable[Sequence[Task]]]


@attrs.frozen
class TaskRequest:
    """Hold what it takes to start one task.

    ``post`` makes one attempt, ``find`` lists the tasks of this name, of which ``known`` were there
    before; ``manifest`` is the digest of all that is asked for.
    """

    body: Mapping[str, Any]
    post: Callable[[Mapping[str, Any]], Awaitable[Task]]
    find: Listing
    record: Record
    manifest: str
    known: tuple[str, ...] = ()
    retry: RetryPolicy = SUBMIT_RETRY
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> tuple[Task, bool]:
        """Return the one task, and whether it was found instead of made just now.

        Raises:
            the error of the request, when no task of it can be found.
        """
        earlier = await run_blocking(self.record.read)
        if earlier is not None and earlier.manifest == self.manifest:
            found = await self._left(earlier)
            if found is not None:
                await run_blocking(self.record.write, None)
                return found, True
        asked = Asked(self.manifest, datetime.now(UTC), self.known)
        await run_blocking(self.record.write, asked)
        task, adopted = await self._asked(asked)
        await run_blocking(self.record.write, None)
        return task, adopted

    async def _left(self, earlier: Asked) -> Task | None:
        """Find the task that a killed process asked for; it may be in the making still."""
        attempt = 0
        while True:
            attempt += 1
            found = fresh(await self.find(), earlier)
            recent = datetime.now(UTC) - earlier.since < _IN_THE_MAKING
            pause = self.retry.delay(attempt) if found is None and recent else None
            if pause is None:
                return found
            await self.sleep(pause)

    async def _asked(self, asked: Asked) -> tuple[Task, bool]:
        """Send the request until it is known whether it took effect."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self.post(self.body), False
            except Exception as error:
                if is_ambiguous(error):
                    return await self._adopted(asked, error), True
                pause = self.retry.delay(attempt, error) if _was_not_taken(error) else None
                if pause is None:
                    await run_blocking(self.record.write, None)
                    raise
            await self.sleep(pause)

    async def _adopted(self, asked: Asked, lost: Exception) -> Task:
        """Find the task whose answer was lost; it is never asked for again."""
        attempt = 0
        while True:
            attempt += 1
            obstacle: Exception | None = None
            try:
                found = fresh(await self.find(), asked)
            except NeuroError as error:
                if not is_transient(error) and not isinstance(error, ProtocolError):
                    raise self._noted(lost) from error
                found, obstacle = None, error
            if found is not None:
                return found
            pause = self.retry.delay(attempt, obstacle or lost)
            if pause is None:
                raise self._noted(lost)
            await self.sleep(pause)

    def _noted(self, error: Exception) -> Exception:
        error.add_note(
            "The task may have been started nevertheless; make the same call again: it looks for "
            f"the task {self.body['name']!r} before it asks for another one"
        )
        return error


def fresh(tasks: Sequence[Task], asked: Asked) -> Task | None:
    """Return the oldest task that came after the request, None if there is none."""
    found = [
        task
        for task in tasks
        if task.id not in asked.known
        and (task.created_at is None or task.created_at >= asked.since - _SKEW)
    ]
    latest = datetime.max.replace(tzinfo=UTC)
    return min(found, key=lambda task: (task.created_at or latest, task.id), default=None)


def is_ambiguous(error: Exception) -> bool:
    """Tell whether a task may have been started although there is no good answer."""
    if isinstance(error, ProtocolError):
        return True
    return is_transient(error) and not _was_not_taken(error)


def _was_not_taken(error: Exception) -> bool:
    """Tell whether it is certain that nothing was started, and another attempt may do."""
    return isinstance(error, RateLimitError) or never_connected(error)
