"""Trainings as the local control plane keeps them; times are epoch seconds, sizes bytes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import attrs

RUNNING, STOPPED, DELETED = "Running", "Stopped", "Deleted"
CREATING, PENDING, INITIALIZING = "Creating", "Pending", "Initializing"
STOPPING, RESUMING, DEGRADED = "Stopping", "Resuming", "Degraded"
COMPLETED, FAILED, DELETING = "Completed", "Failed", "Deleting"
FINISHED = frozenset({COMPLETED, FAILED})
SUCCEEDED = "Succeeded"
"""Of a pod; a pod's other phases are Pending, Running and Failed."""
PHASES = (
    *(CREATING, INITIALIZING, RESUMING, PENDING, DELETING, RUNNING, "Updating", STOPPED),
    *(STOPPING, DEGRADED, FAILED, COMPLETED, "Terminating", "Unknown"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@attrs.frozen(kw_only=True)
class Pod:
    """One pod: a place in the training that is run, and run again where the policy says so."""

    id: str
    name: str
    index: int
    """Which of the completions it is to bring, from 0."""
    created_at: float
    phase: str = PENDING
    phase_at: float
    run: int = -1
    """Number of the latest start of its container, -1 before the first."""
    materialized: bool = False
    """Whether processes of it may exist."""
    evicted: bool = False
    """Whether it was ended on purpose: by a suspend, a delete or a preemption."""
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""

    @property
    def finished(self) -> bool:
        """Tell whether nothing will happen to it any more."""
        return self.phase in (SUCCEEDED, FAILED)

    @property
    def run_id(self) -> str:
        """Give the name of its runs at the runner; a job's name never begins so."""
        return f"pod-{self.id}"


@attrs.frozen(kw_only=True)
class Workload:
    """A training and what became of it."""

    id: str
    name: str
    requested_name: str
    project: int
    cluster: str
    created_by: str
    created_at: float
    spec: Mapping[str, Any] | None = None
    """As it was sent."""
    desired: str = RUNNING
    phase: str = CREATING
    phase_at: float
    phase_message: str | None = None
    phase_reason: str | None = None
    deleted_at: float | None = None
    completed_at: float | None = None
    gone: bool = False
    """Whether the deletion has come to its end."""
    admitted: bool = False
    """Whether resources are set aside for it."""
    pods: tuple[Pod, ...] = ()
    failures: int = 0
    pending_seconds: float = 0.0
    """Time spent waiting in earlier phases; the present one is not counted."""
    running_seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Tell whether it has come to an end of its own."""
        return self.phase in FINISHED

    @property
    def materialized(self) -> bool:
        """Tell whether processes of it may exist."""
        return any(pod.materialized for pod in self.pods)

    @property
    def settled(self) -> bool:
        """Tell whether nothing will happen until somebody asks for it."""
        still = self.gone or (self.desired != DELETED and self.phase in (*FINISHED, STOPPED))
        return still and not self.materialized and not self.admitted

    def setting(self, *path: str) -> Any:
        """Give a value of the spec, None where a part of the way is missing."""
        value: Any = self.spec
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def entries(self, *path: str) -> list[Mapping[str, Any]]:
        """Give the objects of a list of the spec that are not excluded."""
        found = self.setting(*path)
        if not isinstance(found, list):
            return []
        return [one for one in found if isinstance(one, Mapping) and not one.get("exclude")]

    @property
    def completions(self) -> int:
        """Give how many pods have to succeed."""
        return _count(self.setting("completions"))

    @property
    def parallelism(self) -> int:
        """Give how many pods run at the same time."""
        return min(_count(self.setting("parallelism")), self.completions)

    @property
    def succeeded(self) -> int:
        """Count the pods that did."""
        return sum(pod.phase == SUCCEEDED for pod in self.pods)

    @property
    def pods_to_run(self) -> int:
        """Give how many pods should run now, were there room."""
        return min(self.parallelism, max(0, self.completions - self.succeeded))

    @property
    def backoff_limit(self) -> int:
        """Give how many failures of its pods it may have."""
        wanted = self.setting("backoffLimit")
        return wanted if _is_whole(wanted) else 6

    def pod(self, pod_id: str) -> Pod | None:
        """Look a pod up."""
        return next((pod for pod in self.pods if pod.id == pod_id), None)

    def with_pod(self, changed: Pod) -> Workload:
        """Give the training with one pod replaced."""
        pods = tuple(changed if pod.id == changed.id else pod for pod in self.pods)
        return attrs.evolve(self, pods=pods)

    def with_ended_pods(self) -> Workload:
        """Give the training with those pods ended that are to end and have no processes."""
        pods = tuple(
            attrs.evolve(pod, phase=FAILED, reason="Evicted", finished_at=pod.phase_at)
            if pod.evicted and not pod.materialized and not pod.finished
            else pod
            for pod in self.pods
        )
        return attrs.evolve(self, pods=pods)

    def moved(self, phase: str, now: float, message: str | None, reason: str | None) -> Workload:
        """Give the training in another phase, the time in the present one noted."""
        now = max(now, self.phase_at)
        changed = attrs.evolve(
            self,
            pending_seconds=self.waited(now),
            running_seconds=self.ran(now),
            phase=phase,
            phase_at=now,
            phase_message=message,
            phase_reason=reason,
        )
        if phase in FINISHED:
            changed = attrs.evolve(changed, completed_at=now)
        return changed

    def waited(self, now: float) -> float:
        """Add up the seconds spent pending."""
        return self.pending_seconds + (now - self.phase_at if self.phase == PENDING else 0.0)

    def ran(self, now: float) -> float:
        """Add up the seconds spent running."""
        runs = self.phase in (RUNNING, DEGRADED)
        return self.running_seconds + (now - self.phase_at if runs else 0.0)


@attrs.frozen(kw_only=True)
class Happening:
    """One entry of a training's history: an event, or a change of its phase."""

    workload: str
    time: float
    event: Mapping[str, Any] | None = None
    phase: Mapping[str, Any] | None = None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> int:
    return max(1, value) if _is_whole(value) else 1


def suffix() -> str:
    """Make the random end of a name."""
    return "".join(secrets.choice(_LETTERS) for _ in range(5))


def dump(workload: Workload) -> str:
    """Write a training as JSON for the database."""
    value = attrs.asdict(workload, recurse=False)
    return json.dumps({**value, "pods": [attrs.asdict(pod) for pod in workload.pods]})


def load(text: str) -> Workload:
    """Read what `dump` wrote."""
    value = json.loads(text)
    pods = tuple(Pod(**pod) for pod in value.pop("pods"))
    return Workload(**value, pods=pods)
