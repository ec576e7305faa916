"""What a training's pods mean for it, as pure functions (runai-trainings.md §4.1, §5.4)."""

from __future__ import annotations

import itertools
import time
import uuid

import attrs

from ...runners import Exit
from .models import (
    COMPLETED,
    DEGRADED,
    FAILED,
    INITIALIZING,
    PENDING,
    RUNNING,
    SUCCEEDED,
    Pod,
    Workload,
    suffix,
)


@attrs.frozen
class Ended:
    """What the end of a pod's run comes to."""

    workload: Workload
    time: float
    failed: bool
    events: tuple[tuple[str, str, bool], ...]
    """Reason, text, and whether it is a warning."""


def is_under_way(workload: Workload) -> bool:
    """Tell whether a training holds resources and is to go on."""
    wanted = workload.desired == RUNNING and not workload.finished
    return workload.admitted and wanted and workload.phase != PENDING


def ending(workload: Workload) -> tuple[str, str | None] | None:
    """Give the final phase and why, None while a training goes on."""
    if workload.succeeded >= workload.completions:
        return COMPLETED, None
    if workload.failures > workload.backoff_limit:
        failed = [pod for pod in workload.pods if pod.message and not pod.evicted]
        last = max(failed, key=lambda pod: pod.finished_at or 0.0, default=None)
        why = "its pods failed too often" if last is None else f"{last.name}: {last.message}"
        return FAILED, f"The training failed: {why}"
    return None


def new_pods(workload: Workload, now: float) -> list[Pod]:
    """Make the pods that are missing, for the lowest indexes."""
    taken = {pod.index for pod in workload.pods if not pod.finished or pod.phase == SUCCEEDED}
    active = sum(not pod.finished for pod in workload.pods)
    free = (index for index in range(workload.completions) if index not in taken)
    return [
        Pod(
            id=str(uuid.uuid4()),
            name=f"{workload.name}-{index}-{suffix()}",
            index=index,
            created_at=now,
            phase_at=now,
        )
        for index in itertools.islice(free, max(0, workload.pods_to_run - active))
    ]


def phase_of(workload: Workload) -> str:
    """Give the phase of a training that has resources, from its pods."""
    active = [pod for pod in workload.pods if not pod.finished]
    running = sum(pod.phase == RUNNING for pod in active)
    before = workload.phase
    if running >= workload.pods_to_run:
        return RUNNING
    if before not in (RUNNING, DEGRADED):
        return INITIALIZING
    tried = [pod for pod in workload.pods if not pod.evicted]
    again = {pod.index for pod in tried if pod.phase == FAILED or pod.run > 0}
    latest = {pod.index: pod for pod in tried}
    if any(latest[index].phase not in (RUNNING, SUCCEEDED) for index in again):
        return DEGRADED if running else INITIALIZING
    return before


def pod_ended(workload: Workload, pod: Pod, result: Exit, *, began: bool) -> Ended:
    """Say what the end of a run means; ``began`` is False for one that never was."""
    now = max(result.finished_at or time.time(), pod.phase_at)
    ended = attrs.evolve(
        pod, materialized=False, phase_at=now, finished_at=now, exit_code=result.code
    )
    if pod.evicted:
        ended = attrs.evolve(ended, phase=FAILED, reason="Evicted")
        return Ended(workload.with_pod(ended), now, False, ())
    if not began:
        again = attrs.evolve(pod, materialized=False, run=pod.run - 1)
        return Ended(workload.with_pod(again), now, False, ())
    policy = workload.setting("restartPolicy")
    if result.code == 0 and not result.failure:
        ended = attrs.evolve(ended, phase=SUCCEEDED, reason="Completed", message="")
        if policy == "Always":
            ended = _waiting_again(ended)
        event = ("Completed", f"Container {workload.name} has ended with exit code 0", False)
        return Ended(workload.with_pod(ended), now, policy == "Always", (event,))
    reason, message = _why(result, pod)
    # What cannot be started at all will not start at the next try either.
    hopeless = pod.phase == PENDING
    failures = max(workload.failures, workload.backoff_limit) if hopeless else workload.failures
    workload = attrs.evolve(workload, failures=failures + 1)
    ended = attrs.evolve(ended, phase=FAILED, reason=reason, message=message)
    events = [(reason, message, True)]
    if workload.failures <= workload.backoff_limit:
        if policy in ("OnFailure", "Always"):
            ended = _waiting_again(ended)
        events.append(("BackOff", f"Back-off restarting failed container {workload.name}", True))
    return Ended(workload.with_pod(ended), now, True, tuple(events))


def _waiting_again(pod: Pod) -> Pod:
    return attrs.evolve(pod, phase=PENDING, finished_at=None)


def _why(result: Exit, pod: Pod) -> tuple[str, str]:
    if result.oom:
        return "OOMKilled", "The container used more memory than its limit"
    if result.failure:
        return "Failed" if pod.phase == PENDING else "Error", result.failure
    return "Error", f"The container ended with exit code {result.code}"
