"""Wait for the end of a task, and say why one did not succeed (§4.1)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import attrs

from ..errors import ProtocolError, ResourceNotFound, TaskFailed
from ..retry import RetryPolicy, is_transient
from .models import Task, TaskState

CREATION_GRACE = 2.0
"""Seconds for which a task that was just created may still be unknown to the platform."""

PATIENCE = 300.0
"""Seconds without any good answer after which waiting gives up."""

TAIL = 20
"""Lines of the log that an error carries."""

_BACKOFF = RetryPolicy(attempts=1_000, base=0.1, cap=5.0)
_MOST_FAILURES = 30
_NOT_YET = 0.25


@attrs.frozen
class Pace:
    """Space the questions: often at first, then in proportion to the time without a change.

    Times are in seconds. An end is noticed within a quarter of the time since the last change.
    """

    fastest: float = 0.05
    slowest: float = 5.0
    share: float = 0.25
    random: Callable[[], float] = random.random

    def pause(self, quiet: float) -> float:
        """Return the pause, *quiet* seconds after the last change."""
        longest = max(self.fastest, min(quiet * self.share, self.slowest))
        return longest * (0.75 + 0.25 * self.random())


@attrs.define
class Watch:
    """Read the state of a task again and again; ``read`` makes one attempt."""

    read: Callable[[], Awaitable[Task]]
    pace: Pace = attrs.field(factory=Pace)
    clock: Callable[[], float] = attrs.field(factory=lambda: asyncio.get_running_loop().time)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    task: Task | None = None
    """What was read last."""
    _changed: float = attrs.field(init=False)
    _answered: float = attrs.field(init=False)
    _failures: int = 0

    def __attrs_post_init__(self) -> None:
        """Begin to count the time."""
        self._changed = self._answered = self.clock()

    async def until_finished(self) -> Task:
        """Return the task once it has ended.

        Raises:
            the last error, when it is not a passing one or no good answer came for `PATIENCE`.
        """
        while not await self.look():
            await self.rest()
        assert self.task is not None
        return self.task

    async def look(self) -> bool:
        """Read the task once; tell whether it has ended. An error that may pass is no answer."""
        try:
            found = await self.read()
        except Exception as error:
            quiet = self.clock() - self._answered
            if not self._may_pass(error, quiet) or quiet > PATIENCE:
                raise
            self._failures = min(self._failures + 1, _MOST_FAILURES)
            return False
        now = self._answered = self.clock()
        self._failures = 0
        if self.task is None or self.task.state_text != found.state_text:
            self._changed = now
        self.task = found
        return found.state.is_finished

    async def rest(self) -> None:
        """Pause before the next look."""
        if self._failures:
            pause = _BACKOFF.delay(self._failures) or 0.0
            await self.sleep(pause if self.task is not None else min(pause, _NOT_YET))
        else:
            await self.sleep(self.pace.pause(self.clock() - self._changed))

    def _may_pass(self, error: Exception, quiet: float) -> bool:
        if isinstance(error, ResourceNotFound):
            return self.task is None and quiet < CREATION_GRACE
        return is_transient(error) or isinstance(error, ProtocolError)


def failure(task: Task, log_tail: Sequence[str]) -> TaskFailed:
    """Build the error of a task that ended without success."""
    ended = "was cancelled" if task.state is TaskState.CANCELLED else f"ended {task.state_text}"
    text = f"Task {task.id} ({task.name}) {ended}"
    if task.reason:
        text += f": {task.reason}"
    if log_tail:
        text += f"\nLast line of its log: {log_tail[-1]}"
    if task.dashboard_url:
        text += f"\nSee {task.dashboard_url}"
    return TaskFailed(text, job=task, reason=task.reason, log_tail=tuple(log_tail))
