"""Render trainings: the JSON of each record, the rows of a listing, the page of one training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..trainings import Event, Metrics, Training, Workload
from .output import human_duration, human_time, iso, print_pairs, print_table


def workload_document(found: Workload) -> dict[str, Any]:
    """Return a training of a listing as JSON values; the keys are a contract."""
    return {
        "id": found.id,
        "name": found.name,
        "type": found.type,
        "phase": found.phase_text,
        "phase_message": found.phase_message,
        "project_id": found.project_id,
        "project": found.project_name,
        "cluster_id": found.cluster_id,
        "submitted_by": found.submitted_by,
        "created_at": iso(found.created_at),
        "completed_at": iso(found.completed_at),
        "running_pods": found.running_pods,
        "run_time": found.total_running_time_seconds,
        "images": list(found.images),
    }


def training_document(found: Training) -> dict[str, Any]:
    """Return a training as JSON values; the spec, which may hold secrets, is left out."""
    return {
        "id": found.id,
        "name": found.name,
        "requested_name": found.requested_name,
        "phase": found.phase_text,
        "desired_phase": str(found.desired_phase),
        "project_id": found.project_id,
        "department_id": found.department_id,
        "cluster_id": found.cluster_id,
        "created_by": found.created_by,
        "created_at": iso(found.created_at),
        "deleted_at": iso(found.deleted_at),
    }


def event_document(event: Event) -> dict[str, Any]:
    """Return an event as JSON values."""
    about = event.involved_object
    return {
        "created_at": iso(event.created_at),
        "type": str(event.type),
        "reason": event.reason,
        "message": event.message,
        "object": None if about is None else {"kind": about.kind, "name": about.name},
    }


def sample_documents(metrics: Metrics) -> list[dict[str, Any]]:
    """Return every measured value as JSON values, the value as the text it was."""
    return [
        {
            "type": series.type,
            "labels": dict(series.labels),
            "timestamp": iso(sample.timestamp),
            "value": str(sample.value),
        }
        for series in metrics.measurements
        for sample in series.values
    ]


def print_workloads(found: Sequence[Workload]) -> None:
    """Print a listing."""
    rows = [
        (
            item.id,
            item.name,
            item.phase_text,
            human_time(item.created_at),
            item.project_name or item.project_id,
            item.submitted_by,
            human_duration(item.total_running_time_seconds),
            ", ".join(item.images),
        )
        for item in found
    ]
    heads = ("ID", "NAME", "PHASE", "CREATED", "PROJECT", "SUBMITTED BY", "RUN TIME", "IMAGE")
    print_table(heads, rows)


def print_training(found: Training, workload: Workload | None) -> None:
    """Print all that a user wants to know of one training."""
    spec: Mapping[str, Any] = found.raw.get("spec") or {}
    more = {} if workload is None else _more(workload)
    print_pairs(
        {
            "Training": found.id,
            "Name": found.name,
            "Phase": found.phase_text,
            "Desired": found.desired_phase,
            "Project": found.project_id,
            "Cluster": found.cluster_id,
            "Created by": found.created_by,
            "Created": human_time(found.created_at),
            "Deleted": human_time(found.deleted_at),
            "Image": spec.get("image"),
            "Command": spec.get("command"),
            "Arguments": spec.get("args"),
            **more,
        }
    )


def _more(workload: Workload) -> dict[str, object]:
    """Return what only the generic endpoint tells."""
    waits = [message.user_message or message.reason for message in _messages(workload)]
    return {
        "Message": workload.phase_message or workload.phase_reason,
        "Waits for": "; ".join(text for text in waits if text),
        "Completed": human_time(workload.completed_at),
        "Run time": human_duration(workload.total_running_time_seconds),
        "Pods running": workload.running_pods,
        "Conditions": ", ".join(f"{item.type}={item.status}" for item in workload.conditions),
    }


def _messages(workload: Workload) -> Sequence[Any]:
    return workload.pending_scheduling_messages


def print_metrics(metrics: Metrics) -> None:
    """Print measured values, a row each."""
    rows = [
        (human_time(datetime.fromisoformat(item["timestamp"])), item["type"], item["value"], label)
        for item in sample_documents(metrics)
        for label in (" ".join(f"{key}={value}" for key, value in item["labels"].items()),)
    ]
    print_table(("TIME", "TYPE", "VALUE", "LABELS"), rows, right=("VALUE",))


def event_line(event: Event) -> str:
    """Return an event as one line."""
    about = event.involved_object
    name = f" {about.kind}/{about.name}" if about is not None and about.name else ""
    reason = f" {event.reason}:" if event.reason else ""
    return f"{human_time(event.created_at)} {event.type}{name}{reason} {event.message}"
