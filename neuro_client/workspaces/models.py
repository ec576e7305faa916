"""What the platform of workspaces tells, and what a submission is about to do."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from ..run import RunStatus
from .naming import slug_of

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class TaskState(enum.StrEnum):
    """Name the state of a task; what this version does not know is UNKNOWN, which is no end."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def of(cls, text: str) -> TaskState:
        """Read what the platform says; a queued task is PENDING (§4.1)."""
        word = text.strip().upper()
        if word in ("", "QUEUED"):
            return cls.PENDING
        return cls(word) if word in cls.__members__ else cls.UNKNOWN

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen."""
        return self in (TaskState.FINISHED, TaskState.FAILED, TaskState.CANCELLED)

    @property
    def run_status(self) -> RunStatus:
        """Return the state in the words that all kinds of runs share."""
        return _RUN_STATUS[self]


_RUN_STATUS = {
    TaskState.PENDING: RunStatus.PENDING,
    TaskState.RUNNING: RunStatus.RUNNING,
    TaskState.FINISHED: RunStatus.SUCCEEDED,
    TaskState.FAILED: RunStatus.FAILED,
    TaskState.CANCELLED: RunStatus.CANCELLED,
    TaskState.UNKNOWN: RunStatus.UNKNOWN,
}


@attrs.frozen
class Task:
    """Describe one run of a workspace.

    The moments, ``reason`` and ``path`` are None where the platform does not tell; ``raw`` is all
    that it said.
    """

    id: str
    name: str
    state: TaskState
    state_text: str = attrs.field(default="", kw_only=True)
    """The state as the platform writes it."""
    created_at: datetime | None = attrs.field(default=None, kw_only=True)
    started_at: datetime | None = attrs.field(default=None, kw_only=True)
    finished_at: datetime | None = attrs.field(default=None, kw_only=True)
    reason: str | None = attrs.field(default=None, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)
    """The folder of the workspace, as in ``/jobs/my-run``."""
    dashboard_url: str | None = attrs.field(default=None, kw_only=True)
    """The page of the task, None where the address of the web interface is not known."""
    raw: Mapping[str, Any] = attrs.field(default=_NOTHING, eq=False, repr=False, kw_only=True)

    @property
    def slug(self) -> str:
        """Return the name of the workspace's folder; worked out where the platform is silent.

        Empty where it does not even tell the task's name.
        """
        parts = [part for part in (self.path or "").split("/") if part]
        if len(parts) > 1 and parts[0] == "jobs":
            return parts[1]
        return slug_of(self.name) if self.name.strip() else ""


@attrs.frozen
class StorageUsage:
    """Measure the user's bucket; what the platform does not tell is None, no quota as well."""

    bucket: str | None = None
    used_bytes: int | None = None
    quota_bytes: int | None = None
    object_count: int | None = None
    object_quota: int | None = None
    unfinished_upload_bytes: int | None = None
    raw: Mapping[str, Any] = attrs.field(default=_NOTHING, eq=False, repr=False, kw_only=True)


@attrs.frozen
class StorageKey:
    """Hold an access key of the bucket; the secret is told this once."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)


@attrs.frozen
class UnfinishedUpload:
    """Name an upload in parts that was begun and neither completed nor dropped."""

    key: str
    id: str
    initiated_at: datetime | None = None


@attrs.frozen
class ResultFile:
    """Describe a file that a run wrote; ``path`` is below the workspace, ``size`` in bytes."""

    path: str
    key: str
    size: int
    modified_at: datetime | None = None


@attrs.frozen
class PlannedFile:
    """Say what becomes of one object of a workspace; ``size`` is in bytes.

    ``upload`` is False for one that is there already with the same content. ``replaces`` is the
    size of the object that is overwritten, None if there is none. Its content is ``data``, or else
    the file ``source``.
    """

    key: str
    size: int
    content_type: str
    upload: bool = True
    replaces: int | None = None
    source: Path | None = None
    data: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class SubmitPlan:
    """Say what a submission writes and asks for, in this order; made without writing anything.

    ``orphans`` are the shards in the bucket that are none of this submission, each of which the
    platform would take for one more worker; ``prune`` tells whether they are deleted, and with them
    other checkpoints. ``request`` is the body of the one request that starts the task.
    """

    name: str
    slug: str
    files: tuple[PlannedFile, ...]
    orphans: tuple[str, ...] = ()
    prune: bool = False
    usage: StorageUsage | None = None
    request: Mapping[str, Any] = attrs.field(default=_NOTHING)

    @property
    def uploads(self) -> tuple[PlannedFile, ...]:
        """Return the files that are sent."""
        return tuple(file for file in self.files if file.upload)

    @property
    def bytes_to_send(self) -> int:
        """Return how many bytes are sent."""
        return sum(file.size for file in self.uploads)

    @property
    def bytes_added(self) -> int:
        """Return by how much the bucket grows, less than nothing where smaller files replace."""
        return sum(file.size - (file.replaces or 0) for file in self.uploads)

    @property
    def objects_added(self) -> int:
        """Return how many keys are new."""
        return sum(file.replaces is None for file in self.uploads)


@attrs.frozen
class SubmittedTask(Task):
    """Be a task that this client has submitted, with the plan that was carried out.

    ``adopted`` tells that the answer to the request was lost and the task was found by its name.
    """

    plan: SubmitPlan | None = attrs.field(default=None, repr=False, kw_only=True)
    adopted: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class WorkerModel:
    """Count for one model of worker the memory that is free, in MB."""

    model: str
    free_memory_mb: int


@attrs.frozen
class WorkerStats:
    """Count the workers that are online."""

    online_count: int
    total_free_memory_mb: int
    workers: tuple[WorkerModel, ...] = ()


@attrs.frozen
class GpuModel:
    """Describe a kind of worker that a task may ask for; what is not told is None."""

    id: str
    name: str | None = None
    memory_mb: int | None = None
    price_per_gpu_hour_cents: int | None = None


@attrs.frozen
class TaskProgress:
    """Count the rounds of a running task, None where not known yet."""

    current_round: int | None = None
    num_rounds: int | None = None
