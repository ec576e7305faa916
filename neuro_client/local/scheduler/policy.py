"""The decisions of the scheduler as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ..runners import Exit
from .models import (
    FAILED,
    PENDING,
    PRIORITIES,
    RESTARTING,
    RUNNING,
    SUCCEEDED,
    Job,
    StatusItem,
)

_SLACK = 1e-6


@attrs.frozen
class Timing:
    """Durations in seconds; tests shorten them."""

    minute: float = 60.0
    """Length of a minute of ``max_run_time_minutes``."""
    backoff: float = 1.0
    """Pause before the first restart; doubles with each."""
    backoff_max: float = 60.0
    quantum: float = 60.0
    """How long a ``scheduler_enabled`` job runs before it may have to make room."""
    charge: float = 60.0
    """Between two times credits are taken from a running job's owner."""
    grace: float = 5.0
    """Between SIGTERM and SIGKILL."""


@attrs.frozen
class Capacity:
    """What the machine has."""

    cpu: float
    memory: int

    def fits(self, cpu: float, memory: int) -> bool:
        """Tell whether this much is there."""
        return cpu <= self.cpu + _SLACK and memory <= self.memory

    def less(self, cpu: float, memory: int) -> Capacity:
        """Give what is left after taking this much."""
        return Capacity(self.cpu - cpu, self.memory - memory)

    def count(self, cpu: float, memory: int) -> int:
        """Count how many times this much fits."""
        return max(0, min(int((self.cpu + _SLACK) / cpu), self.memory // memory))


@attrs.frozen
class Decision:
    """Which jobs to start and which to suspend, by id."""

    start: tuple[str, ...] = ()
    suspend: tuple[str, ...] = ()


def order(job: Job) -> tuple[int, float]:
    """Give the place in the queue: by priority, then by the time of waiting since."""
    return (-PRIORITIES[job.spec.priority], job.current.time)


def decide(
    waiting: Sequence[Job],
    running: Mapping[str, tuple[Job, float]],
    free: Capacity,
    *,
    quantum: float,
) -> Decision:
    """Choose what happens next.

    ``running`` maps the jobs that may be suspended to how long they have run. A waiting job is
    never overtaken by one of lower priority; within a priority a smaller one may go first.
    """
    start: list[str] = []
    suspend: list[str] = []
    blocked: int | None = None
    victims = sorted(
        (pair for pair in running.values() if pair[1] >= quantum),
        key=lambda pair: (PRIORITIES[pair[0].spec.priority], -pair[1]),
    )
    for job in sorted(waiting, key=order):
        priority = PRIORITIES[job.spec.priority]
        if blocked is not None and priority < blocked:
            break
        if free.fits(job.cpu, job.memory):
            start.append(job.id)
            free = free.less(job.cpu, job.memory)
            continue
        if blocked is None and not start:
            suspend += _make_room(job, victims, free)
        blocked = priority
    return Decision(tuple(start), tuple(suspend))


def _make_room(job: Job, victims: Sequence[tuple[Job, float]], free: Capacity) -> list[str]:
    """Choose the fewest victims of at most the job's priority, or none if that is not enough."""
    chosen = []
    for victim, _ in victims:
        if PRIORITIES[victim.spec.priority] > PRIORITIES[job.spec.priority]:
            continue
        chosen.append(victim.id)
        free = free.less(-victim.cpu, -victim.memory)
        if free.fits(job.cpu, job.memory):
            return chosen
    return []


def outcome(job: Job, result: Exit, now: float) -> StatusItem:
    """Give the step that follows the end of a run."""
    now = max(result.finished_at or now, job.current.time)
    code, failure = result.code, result.failure
    never_ran = code is None and job.status != RUNNING
    if restarts(job.spec.restart_policy, code) and not never_ran:
        why = "OOMKilled" if result.oom else failure or f"exit code {code}"
        return StatusItem(PENDING, now, RESTARTING, f"The last run ended: {why}", code)
    if code == 0:
        return StatusItem(SUCCEEDED, now, "Completed", None, 0)
    if failure:
        lost = code is None and not never_ran
        return StatusItem(FAILED, now, "Error" if lost else "ContainerCannotRun", failure, code)
    if result.oom:
        text = f"The job used more than its {job.memory >> 20} MiB of memory"
        return StatusItem(FAILED, now, "OOMKilled", text, code)
    return StatusItem(FAILED, now, "Error", None, code)


def restarts(restart_policy: str, exit_code: int | None) -> bool:
    """Tell whether a job goes on after an end with this code."""
    return restart_policy == "always" or (restart_policy == "on-failure" and exit_code != 0)


def backoff(timing: Timing, earlier: int) -> float:
    """Give the pause before the restart that follows ``earlier`` ones."""
    return float(min(timing.backoff * 2 ** min(earlier, 30), timing.backoff_max))
