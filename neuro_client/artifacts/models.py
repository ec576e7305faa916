"""What a Grid control plane tells of runs, experiments and artifacts (grid-artifacts.md §3).

Runs and experiments keep the JSON object they were read from in ``raw``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NewType

import attrs
from yarl import URL

from ..run import RunStatus

Number = NewType("Number", int)
"""A number of 64 bits, which the wire sends as text."""

Amount = NewType("Amount", float)
"""An amount of money, as a number or as text."""


class _Phase(enum.StrEnum):
    @classmethod
    def read(cls, text: str) -> Any:
        """Return the phase of a wire name such as ``RUN_STATE_RUNNING``; UNKNOWN for a new one."""
        try:
            return cls(text.partition("_STATE_")[2].lower())
        except ValueError:
            return cls("unknown")


class RunPhase(_Phase):
    """Name what a run is doing; a phase of a newer server is UNKNOWN."""

    BUILDING = "building"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "canceled"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    @property
    def wire(self) -> str:
        """Return the name on the wire."""
        return f"RUN_STATE_{self.upper()}"

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.run_status.is_finished

    @property
    def run_status(self) -> RunStatus:
        """Return the phase in the words that all kinds of runs share."""
        return _RUN_STATUS[self]


class ExperimentPhase(_Phase):
    """Name what an experiment is doing; a phase of a newer server is UNKNOWN."""

    PENDING = "pending"
    QUEUED = "queued"
    IMAGE_BUILDING = "image_building"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    @property
    def wire(self) -> str:
        """Return the name on the wire."""
        return f"EXPERIMENT_STATE_{self.upper()}"

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.run_status.is_finished

    @property
    def run_status(self) -> RunStatus:
        """Return the phase in the words that all kinds of runs share."""
        return _EXPERIMENT_STATUS[self]


_RUN_STATUS: Mapping[RunPhase, RunStatus] = {
    RunPhase.BUILDING: RunStatus.PENDING,
    RunPhase.PENDING: RunStatus.PENDING,
    RunPhase.RUNNING: RunStatus.RUNNING,
    RunPhase.SUCCEEDED: RunStatus.SUCCEEDED,
    RunPhase.FAILED: RunStatus.FAILED,
    RunPhase.CANCELLED: RunStatus.CANCELLED,
    RunPhase.DELETED: RunStatus.CANCELLED,
    RunPhase.UNKNOWN: RunStatus.UNKNOWN,
}
_EXPERIMENT_STATUS: Mapping[ExperimentPhase, RunStatus] = {
    ExperimentPhase.PENDING: RunStatus.PENDING,
    ExperimentPhase.QUEUED: RunStatus.PENDING,
    ExperimentPhase.IMAGE_BUILDING: RunStatus.PENDING,
    ExperimentPhase.RUNNING: RunStatus.RUNNING,
    ExperimentPhase.PAUSED: RunStatus.SUSPENDED,
    ExperimentPhase.SUCCEEDED: RunStatus.SUCCEEDED,
    ExperimentPhase.FAILED: RunStatus.FAILED,
    ExperimentPhase.CANCELLED: RunStatus.CANCELLED,
    ExperimentPhase.DELETED: RunStatus.CANCELLED,
    ExperimentPhase.UNKNOWN: RunStatus.UNKNOWN,
}


@attrs.frozen
class Artifact:
    """Name a file that an experiment wrote.

    ``url`` is a link that reads it without a login and expires within 24 hours; it names nothing
    that should be stored. ``md5`` may be empty or of another form for large files.
    """

    url: URL = attrs.field(repr=False)
    filename: str
    experiment_name: str
    run_name: str
    size: int = 0
    md5: str = ""
    last_modified: datetime | None = None

    @property
    def version(self) -> str:
        """Return what changes when the content does."""
        when = self.last_modified
        return f"{self.size}-{self.md5}-{'' if when is None else when.isoformat()}"


@attrs.frozen(kw_only=True)
class ExperimentCounts:
    """Count the experiments of a run by what they are doing."""

    pending: Number = Number(0)
    running: Number = Number(0)
    succeeded: Number = Number(0)
    failed: Number = Number(0)
    cancelled: Number = Number(0)
    deleted: Number = Number(0)

    @property
    def total(self) -> int:
        """Count all but the deleted ones."""
        return self.pending + self.running + self.succeeded + self.failed + self.cancelled


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class GridRun:
    """Describe one submission with its experiments; all times are aware."""

    id: str
    name: str
    phase: RunPhase
    description: str = ""
    message: str = ""
    cluster_id: str = ""
    user_id: str = ""
    instance_type: str = ""
    command: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cost: float = 0.0
    hourly_cost: float = 0.0
    counts: ExperimentCounts = ExperimentCounts()
    experiment_ids: tuple[str, ...] = ()
    raw: Mapping[str, Any] = attrs.field(default=_NOTHING, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class Experiment:
    """Describe one execution of a script."""

    id: str
    name: str
    phase: ExperimentPhase
    run_id: str = ""
    message: str = ""
    cluster_id: str = ""
    user_id: str = ""
    command: tuple[str, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cost: float = 0.0
    hourly_cost: float = 0.0
    raw: Mapping[str, Any] = attrs.field(default=_NOTHING, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class ExperimentEvent:
    """Tell one step in the life of an experiment."""

    id: str
    phase: ExperimentPhase
    desired_state: str = ""
    message: str = ""
    timestamp: datetime | None = None


@attrs.frozen(kw_only=True)
class GridCluster:
    """Describe a cluster; ``bucket`` is known only of one that belongs to the user."""

    id: str
    name: str = ""
    type: str = ""
    bucket: str = ""

    @property
    def is_own(self) -> bool:
        """Tell whether the cluster runs in the user's own account (BYOC)."""
        return self.type == "CLUSTER_TYPE_BYOC"


@attrs.frozen
class BucketPath:
    """Say where in the user's own bucket the artifacts of an experiment are."""

    experiment_name: str
    path: str


@attrs.frozen(kw_only=True)
class Datastore:
    """Describe a set of files that runs can mount."""

    id: str
    name: str
    version: int = 0
    state: str = ""
    created_at: datetime | None = None
