"""Records of the jobs service; fields, order and defaults are public-api.md §6."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal

import attrs
from yarl import URL

from ..models import Container

_MIB = 2**20
_NO_URL = URL()


class JobStatus(enum.StrEnum):
    """Name the state of a job; ``str()`` gives the word used on the wire."""

    PENDING = "pending"
    SUSPENDED = "suspended"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A word of the server that this version does not know."""

    @property
    def is_pending(self) -> bool:
        """Tell whether the job waits to be started or resumed."""
        return self in (JobStatus.PENDING, JobStatus.SUSPENDED)

    @property
    def is_running(self) -> bool:
        """Tell whether the job runs."""
        return self is JobStatus.RUNNING

    @property
    def is_finished(self) -> bool:
        """Tell whether the job has ended for good; UNKNOWN has not."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)

    @classmethod
    def items(cls) -> AbstractSet[JobStatus]:
        """Return every state but UNKNOWN, as a new set."""
        return {item for item in cls if item is not cls.UNKNOWN}

    @classmethod
    def active_items(cls) -> AbstractSet[JobStatus]:
        """Return the states of a job that has not ended, as a new set."""
        return {item for item in cls.items() if not item.is_finished}

    @classmethod
    def finished_items(cls) -> AbstractSet[JobStatus]:
        """Return the states of a job that has ended, as a new set."""
        return {item for item in cls.items() if item.is_finished}


class JobRestartPolicy(enum.StrEnum):
    """Say when a job that ended is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"

    def __repr__(self) -> str:
        return self.value


class JobPriority(enum.IntEnum):
    """Order jobs that wait for resources; the wire has the lower-case names, not the numbers."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


@attrs.frozen
class JobStatusItem:
    """Describe one change of a job's state."""

    status: JobStatus
    transition_time: datetime
    reason: str = ""
    description: str = ""
    exit_code: int | None = None


@attrs.frozen
class JobStatusHistory:
    """Describe where a job is and how it got there; ``run_time_seconds`` sums all its runs.

    ``reason`` and ``description`` are None where the server says null.
    """

    status: JobStatus
    reason: str
    description: str
    restarts: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_time_seconds: int | None = None
    exit_code: int | None = None
    transitions: Sequence[JobStatusItem] = attrs.field(factory=list)

    @property
    def changed_at(self) -> datetime:
        """Return when the present state began; for UNKNOWN, the time of the last transition."""
        if self.status is JobStatus.PENDING:
            moment = self.created_at
        elif self.status in (JobStatus.RUNNING, JobStatus.SUSPENDED):
            moment = self.started_at
        elif self.status.is_finished:
            moment = self.finished_at
        else:
            moment = self.transitions[-1].transition_time
        assert moment is not None, f"a job that is {self.status} has a time for it"
        return moment


@attrs.frozen
class JobDescriptionInternal:
    """Describe what the platform has done with a job's traces after its end."""

    materialized: bool = False
    being_dropped: bool = False
    logs_removed: bool = False


@attrs.frozen
class JobDescription:
    """Describe a job as the server saw it at one moment.

    ``life_span`` and ``schedule_timeout`` are seconds. ``privileged`` is never filled from an
    answer (jobs.md §4). Copy with ``attrs.evolve``.
    """

    id: str
    owner: str
    cluster_name: str
    status: JobStatus
    history: JobStatusHistory
    container: Container
    scheduler_enabled: bool
    pass_config: bool
    uri: URL
    total_price_credits: Decimal
    price_credits_per_hour: Decimal
    name: str | None = None
    tags: Sequence[str] = ()
    description: str | None = None
    http_url: URL = _NO_URL
    internal_hostname: str | None = None
    internal_hostname_named: str | None = None
    restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER
    life_span: float | None = None
    schedule_timeout: float | None = None
    preset_name: str | None = None
    org_name: str | None = None
    preemptible_node: bool = False
    privileged: bool = False
    priority: JobPriority = JobPriority.NORMAL
    _internal: JobDescriptionInternal = attrs.field(
        default=JobDescriptionInternal(), alias="_internal"
    )


@attrs.frozen
class JobTelemetry:
    """Describe what a running job uses at one moment; ``timestamp`` is seconds since 1970.

    ``cpu`` counts processors, ``gpu_duty_cycle`` is a percentage.
    """

    cpu: float
    memory_bytes: int
    timestamp: float
    gpu_duty_cycle: int | None = None
    gpu_memory_bytes: int | None = None

    @property
    def memory(self) -> float:
        """Return the memory in use in MiB."""
        return self.memory_bytes / _MIB

    @property
    def gpu_memory(self) -> float | None:
        """Return the GPU memory in use in MiB, None where unknown."""
        return None if self.gpu_memory_bytes is None else self.gpu_memory_bytes / _MIB
