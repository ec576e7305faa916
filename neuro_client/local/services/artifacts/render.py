"""Runs, experiments, events and clusters as the control plane tells them (§3.3, §3.4, §8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Row
from typing import Any

from .answers import timestamp
from .models import (
    DELETED,
    EXPERIMENT,
    FINISHED,
    RUN,
    Artifact,
    Event,
    Experiment,
    Run,
    counts,
    phase_of_run,
    run_word,
)

JSON = dict[str, Any]
_RUN_ONLY = (*("relativeWorkDir", "runControllerCommand", "strategy", "sweepType", "sweepOptions"),)


def run(found: Run, experiments: Sequence[Row], upload: str = "") -> JSON:
    """Give a run; ``experiments`` are the rows of `GridStore.phases`."""
    phases = [row["phase"] for row in experiments]
    phase = phase_of_run(phases)
    started = [row["started_at"] for row in experiments if row["started_at"] is not None]
    ended = [row["finished_at"] or row["phase_at"] for row in experiments]
    over = all(phase in FINISHED or phase == DELETED for phase in phases)
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "createdAt": timestamp(found.created_at),
        "updatedAt": timestamp(max([found.created_at, *(row["phase_at"] for row in experiments)])),
        "spec": {**found.spec, "desiredState": f"{RUN}{run_word(found.desired)}"},
        "status": {
            "phase": f"{RUN}{phase}",
            "message": found.message,
            "startTimestamp": timestamp(min(started, default=None)),
            "finishTimestamp": timestamp(max(ended, default=None)) if over else None,
            "deletedTimestamp": None,
            "cost": 0.0,
            "hourlyCost": 0.0,
            "uploadUrl": upload,
            "experimentIds": [row["id"] for row in experiments if row["phase"] != DELETED],
            "experimentCounts": counts(phases),
        },
    }


def experiment(found: Experiment, spec: Mapping[str, Any]) -> JSON:
    """Give an experiment; ``spec`` is that of its run."""
    shared = {name: value for name, value in spec.items() if name not in _RUN_ONLY}
    return {
        "id": found.id,
        "name": found.name,
        "description": "",
        "createdAt": timestamp(found.created_at),
        "updatedAt": timestamp(found.phase_at),
        "spec": {
            **shared,
            "runId": found.run,
            "command": list(found.command),
            "desiredState": f"{EXPERIMENT}{found.desired}",
        },
        "status": {
            "phase": f"{EXPERIMENT}{found.phase}",
            "message": found.message,
            "startTimestamp": timestamp(found.started_at),
            "finishTimestamp": timestamp(found.finished_at),
            "deletedTimestamp": None,
            "cost": 0.0,
            "hourlyCost": 0.0,
        },
    }


def event(found: Event) -> JSON:
    """Give a step of an experiment."""
    return {
        "id": str(found.id),
        "phase": f"{EXPERIMENT}{found.phase}",
        "desiredState": f"{EXPERIMENT}{found.desired}",
        "message": found.message,
        "timestamp": timestamp(found.time),
    }


def artifact(found: Artifact, md5: str, url: str) -> JSON:
    """Give an artifact with its link."""
    return {
        "filename": found.name,
        "sizeBytes": str(found.size),
        "md5Checksum": md5,
        "lastModified": timestamp(found.modified),
        "url": url,
    }


def cluster(name: str, user: str, created_at: float) -> JSON:
    """Give a cluster of this platform; all are the caller's own, with a bucket of theirs (§8)."""
    return {
        "id": name,
        "name": name,
        "createdAt": timestamp(created_at),
        "spec": {
            "clusterType": "CLUSTER_TYPE_BYOC",
            "desiredState": "CLUSTER_STATE_RUNNING",
            "userId": user,
            "driver": {"kubernetes": {"aws": {"bucketName": bucket(name), "region": "local"}}},
        },
        "status": {"phase": "CLUSTER_STATE_RUNNING"},
    }


def bucket(cluster_name: str) -> str:
    """Give the name of a cluster's bucket."""
    return f"grid-{cluster_name.lower().replace('_', '-').replace('.', '-')}"
