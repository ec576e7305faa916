"""What the control plane tells of trainings and what belongs to them (runai-trainings.md §4, §7).

Every record keeps the JSON object it was read from in ``raw``, with the fields of newer servers.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

import attrs

from ..run import RunStatus
from ..wire import structure
from .spec import TrainingSpec

Id = NewType("Id", str)
"""An id as text; servers of some generations send numbers."""


class TrainingPhase(enum.StrEnum):
    """Name what a training is doing; a phase of a newer server is UNKNOWN (§4.1)."""

    CREATING = "Creating"
    INITIALIZING = "Initializing"
    RESUMING = "Resuming"
    PENDING = "Pending"
    DELETING = "Deleting"
    RUNNING = "Running"
    UPDATING = "Updating"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    COMPLETED = "Completed"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"

    @classmethod
    def _missing_(cls, value: object) -> TrainingPhase:
        return cls.UNKNOWN

    @property
    def is_finished(self) -> bool:
        """Tell whether the training has ended for good; UNKNOWN has not."""
        return self in (TrainingPhase.COMPLETED, TrainingPhase.FAILED)

    @property
    def is_waiting(self) -> bool:
        """Tell whether its pods are still to be started."""
        return self in _WAITING

    @property
    def run_status(self) -> RunStatus:
        """Return the phase in the words that all kinds of runs share."""
        return _RUN_STATUS[self]


_WAITING = frozenset(
    {
        TrainingPhase.CREATING,
        TrainingPhase.PENDING,
        TrainingPhase.INITIALIZING,
        TrainingPhase.RESUMING,
    }
)
_RUN_STATUS: Mapping[TrainingPhase, RunStatus] = {
    **dict.fromkeys(_WAITING, RunStatus.PENDING),
    TrainingPhase.RUNNING: RunStatus.RUNNING,
    TrainingPhase.UPDATING: RunStatus.RUNNING,
    TrainingPhase.DEGRADED: RunStatus.RUNNING,
    TrainingPhase.STOPPING: RunStatus.SUSPENDED,
    TrainingPhase.STOPPED: RunStatus.SUSPENDED,
    TrainingPhase.COMPLETED: RunStatus.SUCCEEDED,
    TrainingPhase.FAILED: RunStatus.FAILED,
    TrainingPhase.DELETING: RunStatus.CANCELLED,
    TrainingPhase.TERMINATING: RunStatus.CANCELLED,
    TrainingPhase.UNKNOWN: RunStatus.UNKNOWN,
}


class DesiredPhase(enum.StrEnum):
    """Name what was last asked of a training."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    DELETED = "Deleted"
    UNKNOWN = "Unknown"

    @classmethod
    def _missing_(cls, value: object) -> DesiredPhase:
        return cls.UNKNOWN


class EventType(enum.StrEnum):
    """Tell events that need attention from the others."""

    NORMAL = "Normal"
    WARNING = "Warning"
    UNKNOWN = "Unknown"

    @classmethod
    def _missing_(cls, value: object) -> EventType:
        return cls.UNKNOWN


@attrs.frozen(kw_only=True)
class Record:
    """Be the base of what is read from JSON objects with keys in camel case."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """The whole object as it came."""


@attrs.frozen(kw_only=True)
class Training(Record):
    """Describe a training as its own endpoint does."""

    workload_id: Id
    name: str
    """The effective name: ``requested_name``, with a suffix where it was given as a prefix."""
    project_id: Id
    cluster_id: Id
    requested_name: str = ""
    department_id: Id | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    deleted_at: datetime | None = None
    desired_phase: DesiredPhase = DesiredPhase.UNKNOWN
    actual_phase: TrainingPhase = TrainingPhase.CREATING
    """Some servers do not tell it right after the creation, which is CREATING."""

    @property
    def id(self) -> str:
        """Return the id of the workload."""
        return self.workload_id

    @property
    def phase(self) -> TrainingPhase:
        """Return what the training is doing."""
        return self.actual_phase

    @property
    def phase_text(self) -> str:
        """Return the phase as the server writes it."""
        return str(self.raw.get("actualPhase") or self.actual_phase)

    @property
    def is_deleted(self) -> bool:
        """Tell whether its deletion was asked for, or is done."""
        return self.deleted_at is not None or self.desired_phase is DesiredPhase.DELETED

    @property
    def spec(self) -> TrainingSpec | None:
        """Read the spec, with what policies added; None if the server does not tell it.

        Raises:
            ProtocolError: it is no spec.
        """
        found = self.raw.get("spec")
        return None if found is None else structure(found, TrainingSpec)


@attrs.frozen(kw_only=True)
class Condition(Record):
    """Say whether something holds of a workload; ``status`` is True, False or Unknown as text."""

    type: str
    status: str
    message: str | None = None
    reason: str | None = None
    last_transition_time: datetime | None = None


@attrs.frozen(kw_only=True)
class RequestedPods(Record):
    """Count the pods that a workload asks for."""

    number: int | None = None
    min: int | None = None
    max: int | None = None
    parallelism: int | None = None
    completions: int | None = None


@attrs.frozen(kw_only=True)
class AllocatedResources(Record):
    """Hold what a workload or pod has: devices and cores; memory is a number or a quantity."""

    gpu: float | None = None
    gpu_memory: Any = None
    cpu: float | None = None
    cpu_memory: Any = None


@attrs.frozen(kw_only=True)
class SchedulingMessage(Record):
    """Say why a workload is not scheduled to a node pool."""

    node_pool: str | None = None
    phase_reason: str | None = None
    reason: str | None = None
    org_type: str | None = None
    user_message: str | None = None


@attrs.frozen(kw_only=True)
class Workload(Record):
    """Describe a workload of any kind as the generic endpoints do (§7.1)."""

    id: Id
    name: str
    type: str = ""
    phase: TrainingPhase = TrainingPhase.UNKNOWN
    source: str | None = None
    priority: int | None = None
    priority_class_name: str | None = None
    cluster_id: Id | None = None
    project_id: Id | None = None
    project_name: str | None = None
    department_id: Id | None = None
    department_name: str | None = None
    namespace: str | None = None
    submitted_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    deleted_at: datetime | None = None
    phase_updated_at: datetime | None = None
    phase_message: str | None = None
    phase_reason: str | None = None
    k8s_phase: str | None = None
    k8s_phase_updated_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    category: str | None = None
    tenant_id: int | None = None
    running_pods: int | None = None
    requested_pods: RequestedPods | None = None
    allocated_resources: AllocatedResources | None = None
    images: tuple[str, ...] = ()
    current_node_pools: tuple[str, ...] = ()
    preemptible: bool | None = None
    command: str | None = None
    arguments: str | None = None
    total_pending_time_seconds: float | None = None
    total_running_time_seconds: float | None = None
    distributed_framework: str | None = None
    pending_scheduling_messages: tuple[SchedulingMessage, ...] = ()

    @property
    def phase_text(self) -> str:
        """Return the phase as the server writes it."""
        return str(self.raw.get("phase") or self.phase)


@attrs.frozen(kw_only=True)
class InvolvedObject(Record):
    """Name what an event is about."""

    uid: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


@attrs.frozen(kw_only=True)
class Event(Record):
    """Tell something that happened to a workload (§7.2)."""

    created_at: datetime
    type: EventType
    message: str
    id: Id | None = None
    cluster_id: Id | None = None
    reason: str | None = None
    source: str | None = None
    involved_object: InvolvedObject | None = None


@attrs.frozen(kw_only=True)
class HistoryRecord(Record):
    """Hold one step of a workload's history: an event, or the phase it came to (§7.3)."""

    created_at: datetime
    event: Event | None = None
    phase: TrainingPhase | None = None
    phase_text: str | None = None
    phase_message: str | None = None


@attrs.frozen(kw_only=True)
class PodContainer(Record):
    """Name a container of a pod."""

    name: str
    image: str | None = None
    started_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Pod(Record):
    """Describe one pod of a workload (§7.4); there is no exit code."""

    id: Id
    name: str
    k8s_phase: str = ""
    workload_id: Id | None = None
    cluster_id: Id | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    k8s_phase_updated_at: datetime | None = None
    node_name: str | None = None
    ip: str | None = None
    current_node_pool: str | None = None
    priority_class_name: str | None = None
    containers: tuple[PodContainer, ...] = ()
    allocated_resources: AllocatedResources | None = None


@attrs.frozen(kw_only=True)
class Project(Record):
    """Name a project: what quotas are for, and what a training is submitted to."""

    id: Id
    name: str
    cluster_id: Id | None = None


@attrs.frozen(kw_only=True)
class TrainingCluster(Record):
    """Name a cluster of the control plane."""

    id: str
    name: str


@attrs.frozen
class BatchFailure:
    """Say why an action of ``batch`` was refused for one workload; ``code`` is a status."""

    id: str
    code: int
    message: str


@attrs.frozen
class BatchResult:
    """Hold what became of the workloads of a ``batch``."""

    succeeded: tuple[str, ...] = ()
    failed: tuple[BatchFailure, ...] = ()
    request_ids: tuple[str, ...] = ()
    """The ids of the requests, one for each hundred workloads."""


@attrs.frozen
class PhaseChange:
    """Tell that a training came to another phase.

    ``previous`` is None for the phase in which a watch found it. ``deleted`` true is its last
    change: it is gone, or its deletion was asked for.
    """

    id: str
    phase: TrainingPhase
    previous: TrainingPhase | None
    deleted: bool = False
    message: str | None = None
    phase_text: str = ""
