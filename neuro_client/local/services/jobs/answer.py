"""The JSON of a job in dialect [22] (jobs.md §4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from yarl import URL

from ...scheduler import Job, StatusItem

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def job_uri(job: Job) -> URL:
    """Give the URI of a job by its id."""
    return URL(f"{job.uri_path}/{job.id}")


def named_uri(job: Job) -> URL | None:
    """Give the URI of a job by its name."""
    return None if job.spec.name is None else URL(f"{job.uri_path}/{job.spec.name}")


def named_host(job: Job) -> str | None:
    """Give ``<name>--<base owner>`` if that is a valid DNS label."""
    label = f"{job.spec.name}--{job.base_owner}"
    return label if job.spec.name and _LABEL.match(label) else None


def describe(job: Job, root: URL, now: float) -> dict[str, Any]:
    """Give the job JSON; ``root`` is where the main listener answers."""
    spec = job.spec
    optional = {
        "name": spec.name,
        "description": spec.description,
        "preset_name": spec.preset_name,
        "org_name": job.org,
        "tags": list(spec.tags) or None,
        "schedule_timeout": spec.schedule_timeout,
        "max_run_time_minutes": job.max_run_time_minutes,
        "internal_hostname": f"{job.id}.jobs.localhost",
    }
    host = named_host(job)
    if host is not None:
        optional["internal_hostname_named"] = f"{host}.jobs.localhost"
    if "http" in spec.container:
        optional["http_url"] = str(root / "jobs" / job.id / "")
        if host is not None:
            optional["http_url_named"] = str(root / "jobs" / host / "")
    return {
        "id": job.id,
        "owner": job.owner,
        "cluster_name": job.cluster,
        "status": job.status,
        "statuses": [_item(item) for item in job.statuses],
        "history": _history(job, now),
        "container": dict(spec.container),
        "uri": str(job_uri(job)),
        "scheduler_enabled": spec.scheduler_enabled,
        "preemptible_node": spec.preemptible_node,
        "is_preemptible": spec.scheduler_enabled,
        "is_preemptible_node_required": spec.preemptible_node,
        "pass_config": spec.pass_config,
        "restart_policy": spec.restart_policy,
        "privileged": spec.privileged,
        "materialized": job.materialized,
        "being_dropped": job.being_dropped,
        "logs_removed": job.logs_removed,
        "total_price_credits": str(job.price(now)),
        "price_credits_per_hour": spec.price,
        "priority": spec.priority,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _history(job: Job, now: float) -> dict[str, Any]:
    current = job.current
    found: dict[str, Any] = {
        "status": current.status,
        "reason": current.reason,
        "description": current.description,
        "created_at": _time(job.created_at),
        "run_time_seconds": job.run_time(now),
        "restarts": job.restarts,
    }
    if job.started_at is not None:
        found["started_at"] = _time(job.started_at)
    if job.finished_at is not None:
        found["finished_at"] = _time(job.finished_at)
    if current.exit_code is not None:
        found["exit_code"] = current.exit_code
    return found


def _item(item: StatusItem) -> dict[str, Any]:
    found: dict[str, Any] = {
        "status": item.status,
        "transition_time": _time(item.time),
        "reason": item.reason,
        "description": item.description,
    }
    if item.exit_code is not None:
        found["exit_code"] = item.exit_code
    return found


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
