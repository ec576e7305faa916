"""Wait for the end of a job: how often to ask, what to put up with, and what to raise."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import attrs

from ..errors import IllegalArgumentError, JobFailed, ResourceNotFound
from ..retry import RetryPolicy, is_transient
from .models import JobDescription, JobStatus

CREATION_GRACE = 2.0
"""Seconds for which a job that was just created may still be unknown to a server."""

PATIENCE = 300.0
"""Seconds without any good answer after which waiting gives up."""

_FASTEST, _SLOWEST, _SHARE = 0.05, 5.0, 0.25
_NOT_YET = 0.25
_MAX_BACKOFF = 30


def is_unknown_job(error: BaseException | None) -> bool:
    """Tell whether ``error`` says "no such job": 400 by the platform, 404 by others (§11)."""
    if isinstance(error, IllegalArgumentError):
        return error.status == 400
    return isinstance(error, ResourceNotFound)


@attrs.frozen
class PatientRetry(RetryPolicy):
    """Ask again soon after "no such job", which passes quickly if it passes at all."""

    def delay(self, attempt: int, error: BaseException | None = None) -> float | None:
        """Return the pause after a failed attempt, None to give up."""
        pause = super().delay(attempt, error)
        return pause if pause is None or not is_unknown_job(error) else min(pause, _NOT_YET)


_ASK_AGAIN = PatientRetry(attempts=1_000, base=0.1, cap=_SLOWEST)


class CreationGrace:
    """Put up with answers "no such job" for a short while, until the job was seen once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: float | None = clock() + CREATION_GRACE

    def seen(self) -> None:
        """Note that the job exists: from now on it must be known."""
        self._until = None

    def tolerates(self, error: BaseException) -> bool:
        """Tell whether ``error`` may pass by itself: a transient one, or a job not yet known."""
        if is_transient(error):
            return True
        if self._until is None or self._clock() >= self._until:
            return False
        return is_unknown_job(error)


@attrs.frozen
class Pace:
    """Space the questions: often at first, then in proportion to the time waited, with jitter.

    An end is noticed within a quarter of the time since the last change, at least 0.05 s and at
    most 5 s.
    """

    random: Callable[[], float] = random.random

    def pause(self, elapsed: float) -> float:
        """Return the pause in seconds, ``elapsed`` seconds after the last change."""
        longest = min(max(_FASTEST, elapsed * _SHARE), _SLOWEST)
        return longest * (0.75 + 0.25 * self.random())


async def wait_until_finished(
    read: Callable[[], Awaitable[JobDescription]],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    pace: Pace | None = None,
) -> JobDescription:
    """Ask for the job until it is in a final state; ``read`` makes one attempt.

    Raises:
        the last error, when it is not a passing one or no good answer came for ``PATIENCE``.
    """
    pace = pace or Pace()
    grace = CreationGrace(clock)
    changed = answered = clock()
    status: JobStatus | None = None
    failures = 0
    while True:
        try:
            job = await read()
        except Exception as error:
            failures = min(failures + 1, _MAX_BACKOFF)
            delay = _ASK_AGAIN.delay(failures, error)
            if not grace.tolerates(error) or delay is None or clock() - answered > PATIENCE:
                raise
            pause = delay
        else:
            grace.seen()
            if job.status.is_finished:
                return job
            answered = clock()
            failures = 0
            if job.status is not status:
                status, changed = job.status, answered
            pause = pace.pause(answered - changed)
        await sleep(pause)


def failure(job: JobDescription, log_tail: Sequence[str]) -> JobFailed:
    """Build the error for a job that ended without success."""
    history = job.history
    name = f" ({job.name})" if job.name else ""
    text = f"Job {job.id}{name} ended {job.status}"
    if history.exit_code is not None:
        text += f" with exit code {history.exit_code}"
    facts = [fact for fact in (history.reason, history.description) if fact]
    if facts:
        text += f": {': '.join(facts)}"
    if log_tail:
        text += f"\nLast line of its log: {log_tail[-1]}"
    text += f"\nRead the whole log with client.jobs.logs({job.id!r})"
    return JobFailed(
        text,
        job=job,
        exit_code=history.exit_code,
        reason=history.reason,
        description=history.description,
        log_tail=log_tail,
    )
