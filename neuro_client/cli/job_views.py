"""Render jobs: the JSON of a job, the rows of a listing, the page of one job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..jobs import JobDescription, JobTelemetry
from .output import human_duration, human_size, human_time, iso, print_pairs, print_table


def job_document(job: JobDescription) -> dict[str, Any]:
    """Return a job as JSON values; the keys are a contract, the environment is left out."""
    history, container = job.history, job.container
    return {
        "id": job.id,
        "name": job.name,
        "status": str(job.status),
        "owner": job.owner,
        "cluster": job.cluster_name,
        "org": job.org_name,
        "uri": str(job.uri),
        "image": str(container.image),
        "entrypoint": container.entrypoint,
        "command": container.command,
        "preset": job.preset_name,
        "tags": list(job.tags),
        "description": job.description,
        "created_at": iso(history.created_at),
        "started_at": iso(history.started_at),
        "finished_at": iso(history.finished_at),
        "exit_code": history.exit_code,
        "reason": history.reason,
        "reason_description": history.description,
        "restarts": history.restarts,
        "run_time": history.run_time_seconds,
        "life_span": job.life_span,
        "schedule_timeout": job.schedule_timeout,
        "restart_policy": str(job.restart_policy),
        "priority": job.priority.name.lower(),
        "http_url": str(job.http_url) or None,
        "volumes": [
            {"uri": str(v.storage_uri), "path": v.container_path, "read_only": v.read_only}
            for v in container.volumes
        ],
        "price_credits_per_hour": str(job.price_credits_per_hour),
        "total_price_credits": str(job.total_price_credits),
    }


def print_job(job: JobDescription) -> None:
    """Print all that a user wants to know of one job."""
    history, container = job.history, job.container
    volumes = [
        f"{v.storage_uri} at {v.container_path}{' (read only)' if v.read_only else ''}"
        for v in container.volumes
    ]
    why = ": ".join(text for text in (history.reason, history.description) if text)
    print_pairs(
        {
            "Job": job.id,
            "Name": job.name,
            "Status": f"{job.status}{f' ({why})' if why else ''}",
            "Exit code": history.exit_code,
            "Owner": job.owner,
            "Cluster": job.cluster_name,
            "Organisation": job.org_name,
            "Image": container.image,
            "Entrypoint": container.entrypoint,
            "Command": container.command,
            "Preset": job.preset_name,
            "Resources": _resources(job),
            "Volumes": ", ".join(volumes),
            "Tags": ", ".join(job.tags),
            "Description": job.description,
            "Created": human_time(history.created_at),
            "Started": human_time(history.started_at),
            "Finished": human_time(history.finished_at),
            "Run time": human_duration(history.run_time_seconds),
            "Restarts": history.restarts or None,
            "Restart policy": job.restart_policy,
            "Life span": human_duration(job.life_span),
            "Priority": job.priority.name.lower(),
            "URL": str(job.http_url),
            "Price": f"{job.total_price_credits} credits, {job.price_credits_per_hour} an hour",
        }
    )


def _resources(job: JobDescription) -> str:
    resources = job.container.resources
    parts = [f"{resources.cpu:g} CPU", f"{human_size(resources.memory)} memory"]
    if resources.gpu:
        parts.append(f"{resources.gpu} x {resources.gpu_model or 'GPU'}")
    return ", ".join(parts)


def print_jobs(jobs: Sequence[JobDescription]) -> None:
    """Print a listing."""
    rows = [
        (
            job.id,
            job.name,
            job.status,
            human_time(job.history.created_at),
            job.owner,
            job.preset_name,
            job.container.image,
            job.container.command,
        )
        for job in jobs
    ]
    print_table(("ID", "NAME", "STATUS", "CREATED", "OWNER", "PRESET", "IMAGE", "COMMAND"), rows)


def telemetry_document(job: JobDescription, sample: JobTelemetry) -> Mapping[str, Any]:
    """Return a sample as JSON values; memory is in bytes, ``timestamp`` in epoch seconds."""
    return {
        "id": job.id,
        "timestamp": sample.timestamp,
        "cpu": sample.cpu,
        "memory": sample.memory_bytes,
        "gpu_duty_cycle": sample.gpu_duty_cycle,
        "gpu_memory": sample.gpu_memory_bytes,
    }


def outcome(job: JobDescription) -> str:
    """Say in one line how a job ended."""
    history = job.history
    text = f"Job {job.id}{f' ({job.name})' if job.name else ''} {job.status}"
    if history.exit_code is not None:
        text += f" with exit code {history.exit_code}"
    why = ": ".join(fact for fact in (history.reason, history.description) if fact)
    return f"{text} ({why})" if why else text
