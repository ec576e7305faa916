"""Requests of the jobs service: bodies of new jobs (jobs.md §3) and queries (§5, §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from yarl import URL

from ..config.models import Dialect
from ..models import Container, DiskVolume, HTTPPort, RemoteImage, Resources, SecretFile, Volume
from .models import JobPriority, JobRestartPolicy, JobStatus

_MINUTE = 60

NormalizeUri = Callable[[URL], URL]
"""Make a URI absolute, with the current cluster, org and user, as ``Parser.normalize_uri`` does."""


@attrs.frozen(kw_only=True)
class JobFields:
    """Hold what both ways to create a job have in common; ``org_name`` None means no org."""

    cluster_name: str
    org_name: str | None
    pass_config: bool
    name: str | None
    tags: Sequence[str]
    description: str | None
    wait_for_jobs_quota: bool
    schedule_timeout: float | None
    restart_policy: JobRestartPolicy
    life_span: float | None
    priority: JobPriority | None


@attrs.frozen(kw_only=True)
class ContainerFields:
    """Hold what a container has besides its resources."""

    image: RemoteImage
    entrypoint: str | None
    command: str | None
    working_dir: str | None
    http: HTTPPort | None
    env: Mapping[str, str] | None
    volumes: Sequence[Volume]
    secret_env: Mapping[str, URL] | None
    secret_files: Sequence[SecretFile]
    disk_volumes: Sequence[DiskVolume]
    tty: bool

    @classmethod
    def of(cls, container: Container) -> ContainerFields:
        """Take the fields of a whole container."""
        return cls(**{field.name: getattr(container, field.name) for field in attrs.fields(cls)})


def encode_start(
    job: JobFields,
    container: ContainerFields,
    normalize: NormalizeUri,
    *,
    preset_name: str,
    shm: bool,
    privileged: bool,
) -> dict[str, Any]:
    """Build the body of a job whose resources are a preset's: container fields at top level."""
    body = _encode_job(job)
    body["preset_name"] = preset_name
    if privileged:
        body["privileged"] = True
    body.update(_encode_container(container, normalize))
    if shm:
        body["resources"] = {"shm": True}
    return body


def encode_run(
    job: JobFields,
    container: Container,
    normalize: NormalizeUri,
    *,
    scheduler_enabled: bool,
    dialect: Dialect = Dialect.V22,
) -> dict[str, Any]:
    """Build the body of a job that names its resources: container fields nested."""
    nested = _encode_container(ContainerFields.of(container), normalize)
    nested["resources"] = encode_resources(container.resources, dialect)
    return {
        **_encode_job(job),
        "scheduler_enabled": scheduler_enabled,
        "container": nested,
    }


def encode_resources(resources: Resources, dialect: Dialect = Dialect.V22) -> dict[str, Any]:
    """Build the full resources object (jobs.md §3.4)."""
    encoded: dict[str, Any] = {
        "cpu": resources.cpu,
        "memory": resources.memory,
        "shm": resources.shm,
    }
    if resources.gpu:
        maker = "" if dialect is Dialect.V22 else "nvidia_"
        encoded[f"{maker}gpu"] = resources.gpu
        if resources.gpu_model:
            encoded[f"{maker}gpu_model"] = resources.gpu_model
    if resources.tpu_type:
        encoded["tpu"] = {
            "type": resources.tpu_type,
            "software_version": resources.tpu_software_version,
        }
    return encoded


def encode_moment(moment: datetime) -> str:
    """Write a datetime (naive = local time) as ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat()


def whole_minutes(seconds: float) -> int:
    """Cut a time in seconds down to the whole minutes that the wire has."""
    return int(seconds // _MINUTE)


def list_query(
    *,
    cluster_name: str,
    statuses: Iterable[JobStatus],
    name: str | None,
    owners: Iterable[str],
    tags: Iterable[str],
    since: datetime | None,
    until: datetime | None,
    reverse: bool,
    limit: int | None,
    materialized: bool | None,
    being_dropped: bool | None,
    logs_removed: bool | None,
) -> list[tuple[str, str]]:
    """Build the query of a listing (jobs.md §5)."""
    query = [("status", JobStatus(status).value) for status in statuses]
    if name:
        query.append(("name", name))
    query += [("owner", owner) for owner in owners]
    query += [("tag", tag) for tag in tags]
    if since is not None:
        query.append(("since", encode_moment(since)))
    if until is not None:
        query.append(("until", encode_moment(until)))
    query.append(("cluster_name", cluster_name))
    if reverse:
        query.append(("reverse", "1"))
    if limit is not None:
        query.append(("limit", str(limit)))
    flags = {
        "materialized": materialized,
        "being_dropped": being_dropped,
        "logs_removed": logs_removed,
    }
    query += [(key, str(flag)) for key, flag in flags.items() if flag is not None]
    return query


def submission_query(tag: str, cluster_name: str, owner: str) -> list[tuple[str, str]]:
    """Build the query for the jobs of a submission, in any state, dropped ones included."""
    return list_query(
        cluster_name=cluster_name,
        statuses=(),
        name=None,
        owners=(owner,),
        tags=(tag,),
        since=None,
        until=None,
        reverse=False,
        limit=None,
        materialized=None,
        being_dropped=None,
        logs_removed=None,
    )


def log_query(
    *,
    since: datetime | None = None,
    timestamps: bool = False,
    separator: str | None = None,
    debug: bool = False,
) -> list[tuple[str, str]]:
    """Build the query of a log stream (jobs.md §6.1)."""
    query = []
    if since is not None:
        query.append(("since", encode_moment(since)))
    if timestamps:
        query.append(("timestamps", "true"))
    if separator is not None:
        query.append(("separator", separator))
    if debug:
        query.append(("debug", "true"))
    return query


def _encode_job(job: JobFields) -> dict[str, Any]:
    body: dict[str, Any] = {"cluster_name": job.cluster_name, "pass_config": job.pass_config}
    optional: dict[str, Any] = {
        "org_name": job.org_name,
        "name": job.name,
        "tags": list(job.tags),
        "description": job.description,
        "schedule_timeout": job.schedule_timeout,
        "wait_for_jobs_quota": job.wait_for_jobs_quota,
    }
    body.update({key: value for key, value in optional.items() if value})
    if job.restart_policy is not JobRestartPolicy.NEVER:
        body["restart_policy"] = str(job.restart_policy)
    if job.life_span is not None:
        body["max_run_time_minutes"] = whole_minutes(job.life_span)
    if job.priority is not None:
        body["priority"] = job.priority.name.lower()
    return body


def _encode_container(container: ContainerFields, normalize: NormalizeUri) -> dict[str, Any]:
    encoded: dict[str, Any] = {"image": container.image.as_docker_url()}
    optional: dict[str, Any] = {
        "entrypoint": container.entrypoint,
        "command": container.command,
        "working_dir": container.working_dir,
        "env": dict(container.env or {}),
        "volumes": [
            {
                "src_storage_uri": str(normalize(volume.storage_uri)),
                "dst_path": volume.container_path,
                "read_only": volume.read_only,
            }
            for volume in container.volumes
        ],
        "secret_env": {
            key: str(normalize(uri)) for key, uri in (container.secret_env or {}).items()
        },
        "secret_volumes": [
            {"src_secret_uri": str(normalize(file.secret_uri)), "dst_path": file.container_path}
            for file in container.secret_files
        ],
        "disk_volumes": [
            {
                "src_disk_uri": str(normalize(disk.disk_uri)),
                "dst_path": disk.container_path,
                "read_only": disk.read_only,
            }
            for disk in container.disk_volumes
        ],
        "tty": container.tty,
    }
    encoded.update({key: value for key, value in optional.items() if value})
    if container.http is not None:
        encoded["http"] = {
            "port": container.http.port,
            "requires_auth": container.http.requires_auth,
        }
    return encoded
