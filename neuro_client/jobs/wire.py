"""Answers of the jobs service to records (jobs.md §4); requests are in ``payloads``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import attrs
from yarl import URL

from ..models import (
    Container,
    DiskVolume,
    HTTPPort,
    RemoteImage,
    Resources,
    SecretFile,
    Volume,
)
from ..wire import structure
from .models import (
    JobDescription,
    JobDescriptionInternal,
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    JobStatusHistory,
    JobStatusItem,
    JobTelemetry,
)

INVALID_IMAGE = "INVALID-IMAGE-NAME"
_MIB = 2**20


class ParseImage(Protocol):
    """Turn an image reference into a record, as ``Parser.remote_image`` does."""

    def __call__(self, image: str, /, *, cluster_name: str | None = None) -> RemoteImage: ...


@attrs.frozen
class _Tpu:
    type: str
    software_version: str


@attrs.frozen
class _Resources:
    cpu: float
    memory: int | None = None
    memory_mb: int | None = None
    gpu: int | None = None
    gpu_model: str | None = None
    # The newer dialect names the maker; the records of the older one have one kind of GPU.
    nvidia_gpu: int | None = None
    nvidia_gpu_model: str | None = None
    shm: bool = True
    tpu: _Tpu | None = None

    def record(self) -> Resources:
        memory = self.memory if self.memory is not None else (self.memory_mb or 0) * _MIB
        return Resources(
            memory=memory,
            cpu=self.cpu,
            gpu=self.gpu if self.gpu is not None else self.nvidia_gpu,
            gpu_model=self.gpu_model or self.nvidia_gpu_model,
            shm=self.shm,
            tpu_type=self.tpu.type if self.tpu else None,
            tpu_software_version=self.tpu.software_version if self.tpu else None,
        )


@attrs.frozen
class _Http:
    port: int = -1
    requires_auth: bool = False


@attrs.frozen
class _Volume:
    src_storage_uri: URL
    dst_path: str
    read_only: bool = True


@attrs.frozen
class _SecretVolume:
    src_secret_uri: URL
    dst_path: str


@attrs.frozen
class _DiskVolume:
    src_disk_uri: URL
    dst_path: str
    read_only: bool = True


@attrs.frozen(kw_only=True)
class _Container:
    image: str
    resources: _Resources
    entrypoint: str | None = None
    command: str | None = None
    working_dir: str | None = None
    http: _Http | None = None
    env: dict[str, str] = attrs.field(factory=dict)
    volumes: list[_Volume] = attrs.field(factory=list)
    secret_env: dict[str, URL] = attrs.field(factory=dict)
    secret_volumes: list[_SecretVolume] = attrs.field(factory=list)
    disk_volumes: list[_DiskVolume] = attrs.field(factory=list)
    tty: bool = False

    def record(self, image: RemoteImage) -> Container:
        return Container(
            image=image,
            resources=self.resources.record(),
            entrypoint=self.entrypoint,
            command=self.command,
            working_dir=self.working_dir,
            http=HTTPPort(self.http.port, self.http.requires_auth) if self.http else None,
            env=self.env,
            volumes=[Volume(v.src_storage_uri, v.dst_path, v.read_only) for v in self.volumes],
            secret_env=self.secret_env,
            secret_files=[SecretFile(v.src_secret_uri, v.dst_path) for v in self.secret_volumes],
            disk_volumes=[
                DiskVolume(v.src_disk_uri, v.dst_path, v.read_only) for v in self.disk_volumes
            ],
            tty=self.tty,
        )


@attrs.frozen
class _StatusItem:
    transition_time: datetime
    status: str = JobStatus.UNKNOWN.value
    reason: str | None = ""
    description: str | None = ""
    exit_code: int | None = None

    def record(self) -> JobStatusItem:
        return JobStatusItem(
            decode_status(self.status),
            self.transition_time,
            self.reason,  # type: ignore[arg-type]  # null stays None, jobs.md §4
            self.description,  # type: ignore[arg-type]
            self.exit_code,
        )


@attrs.frozen
class _History:
    status: str = JobStatus.UNKNOWN.value
    reason: str | None = ""
    description: str | None = ""
    restarts: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_time_seconds: float | None = None
    exit_code: int | None = None

    def record(self, transitions: Iterable[_StatusItem]) -> JobStatusHistory:
        return JobStatusHistory(
            status=decode_status(self.status),
            reason=self.reason,  # type: ignore[arg-type]  # null stays None, jobs.md §4
            description=self.description,  # type: ignore[arg-type]
            restarts=self.restarts,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            run_time_seconds=self.run_time_seconds,  # type: ignore[arg-type]
            exit_code=self.exit_code,
            transitions=[item.record() for item in transitions],
        )


@attrs.frozen(kw_only=True)
class _Job:
    id: str
    owner: str
    cluster_name: str
    status: str
    statuses: list[_StatusItem] = attrs.field(factory=list)
    history: _History
    container: _Container
    uri: URL
    scheduler_enabled: bool
    preemptible_node: bool = False
    pass_config: bool
    restart_policy: str = JobRestartPolicy.NEVER.value
    materialized: bool = False
    being_dropped: bool = False
    logs_removed: bool = False
    total_price_credits: Decimal
    price_credits_per_hour: Decimal
    priority: str = JobPriority.NORMAL.name
    name: str | None = None
    description: str | None = None
    preset_name: str | None = None
    org_name: str | None = None
    tags: tuple[str, ...] = ()
    http_url: str | None = None
    http_url_named: str | None = None
    internal_hostname: str | None = None
    internal_hostname_named: str | None = None
    schedule_timeout: float | None = None
    max_run_time_minutes: int | None = None

    def record(self, parse_image: ParseImage) -> JobDescription:
        minutes = self.max_run_time_minutes
        return JobDescription(
            id=self.id,
            owner=self.owner,
            cluster_name=self.cluster_name,
            status=decode_status(self.status),
            history=self.history.record(self.statuses),
            container=self.container.record(
                _decode_image(self.container.image, self.cluster_name, parse_image)
            ),
            scheduler_enabled=self.scheduler_enabled,
            pass_config=self.pass_config,
            uri=self.uri,
            total_price_credits=self.total_price_credits,
            price_credits_per_hour=self.price_credits_per_hour,
            name=self.name,
            tags=self.tags,
            description=self.description,
            http_url=URL(self.http_url_named or self.http_url or ""),
            internal_hostname=self.internal_hostname,
            internal_hostname_named=self.internal_hostname_named,
            restart_policy=decode_restart_policy(self.restart_policy),
            life_span=None if minutes is None else minutes * 60.0,
            schedule_timeout=self.schedule_timeout,
            preset_name=self.preset_name,
            org_name=self.org_name,
            preemptible_node=self.preemptible_node,
            priority=decode_priority(self.priority),
            _internal=JobDescriptionInternal(
                self.materialized, self.being_dropped, self.logs_removed
            ),
        )


def decode_status(word: str) -> JobStatus:
    """Read a state; a word that is not known becomes UNKNOWN."""
    try:
        return JobStatus(word)
    except ValueError:
        return JobStatus.UNKNOWN


def decode_priority(word: str) -> JobPriority:
    """Read a priority name; one that is not known counts as normal."""
    return JobPriority.__members__.get(word.upper(), JobPriority.NORMAL)


def decode_restart_policy(word: str) -> JobRestartPolicy:
    """Read a restart policy; one that is not known counts as never."""
    try:
        return JobRestartPolicy(word)
    except ValueError:
        return JobRestartPolicy.NEVER


def decode_job(answer: object, parse_image: ParseImage) -> JobDescription:
    """Read one job.

    Raises:
        ProtocolError: a field is absent or unreadable; the message names its JSON path.
    """
    return structure(answer, _Job).record(parse_image)


def unwrap_jobs(document: Any) -> list[Any]:
    """Take the jobs out of a listing that is one JSON document."""
    return structure(document, _Listing).jobs


def decode_capacity(answer: object) -> Mapping[str, int]:
    """Read how many further jobs of each preset would fit."""
    return structure(answer, dict[str, int])


def decode_telemetry(answer: object) -> JobTelemetry:
    """Read one telemetry message (jobs.md §7); fields of older servers are ignored."""
    return structure(answer, JobTelemetry)


@attrs.frozen
class _Listing:
    jobs: list[Any]


def _decode_image(reference: str, cluster_name: str, parse_image: ParseImage) -> RemoteImage:
    try:
        return parse_image(reference, cluster_name=cluster_name)
    except (ValueError, RuntimeError):
        # RuntimeError: the user has left the cluster; old jobs must stay readable all the same.
        return RemoteImage.new_external_image(name=INVALID_IMAGE)
