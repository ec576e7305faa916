"""Render runs, experiments and datastores: tables as the seed has them, JSON (§4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..artifacts import Datastore, Experiment, GridRun, RunPhase
from .output import human_duration, human_time, iso, print_table

_NO_RUNS = "None"


def run_document(run: GridRun) -> dict[str, Any]:
    """Return a run as JSON values; the keys are a contract."""
    counts = run.counts
    return {
        "id": run.id,
        "name": run.name,
        "phase": str(run.phase),
        "cluster_id": run.cluster_id,
        "user_id": run.user_id,
        "command": run.command,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "cost": run.cost,
        "experiments": {
            "total": counts.total,
            "pending": counts.pending,
            "running": counts.running,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
        },
    }


def experiment_document(found: Experiment) -> dict[str, Any]:
    """Return an experiment as JSON values."""
    return {
        "id": found.id,
        "name": found.name,
        "run_id": found.run_id,
        "phase": str(found.phase),
        "message": found.message,
        "command": list(found.command),
        "created_at": iso(found.created_at),
        "started_at": iso(found.started_at),
        "finished_at": iso(found.finished_at),
        "cost": found.cost,
    }


def datastore_document(found: Datastore) -> dict[str, Any]:
    """Return a datastore as JSON values."""
    return {
        "id": found.id,
        "name": found.name,
        "version": found.version,
        "created_at": iso(found.created_at),
    }


def print_status(runs: Sequence[GridRun], *, everyone: bool) -> None:
    """Print the active runs."""
    heads = ["Run", "Status", "Duration", "Experiments", "Running", "Queued", "Completed"]
    heads += ["Failed", "Stopped"]
    rows: list[list[object]] = [
        [
            run.name,
            "queued" if run.counts.pending else "running",
            human_duration(_seconds(run.started_at or run.created_at, run.finished_at)),
            run.counts.total,
            run.counts.running,
            run.counts.pending,
            run.counts.succeeded,
            run.counts.failed,
            run.counts.cancelled,
        ]
        for run in runs
    ]
    _print_runs(heads, 2, rows, runs, everyone)


def print_history(runs: Sequence[GridRun], *, everyone: bool) -> None:
    """Print all runs, when they were made as their age."""
    heads = ["Run", "Created At", "Experiments", "Failed", "Stopped", "Completed"]
    rows: list[list[object]] = [
        [
            run.name,
            _age(run.created_at),
            run.counts.total,
            run.counts.failed,
            run.counts.cancelled,
            run.counts.succeeded,
        ]
        for run in runs
    ]
    _print_runs(heads, 1, rows, runs, everyone)


def _print_runs(
    heads: list[str],
    place: int,
    rows: list[list[object]],
    runs: Sequence[GridRun],
    everyone: bool,
) -> None:
    if everyone:
        heads.insert(place, "Created By")
        for row, run in zip(rows, runs, strict=True):
            row.insert(place, run.user_id)
    if not rows:
        rows = [[_NO_RUNS, *[""] * (len(heads) - 1)]]
    print_table(heads, rows)


def print_experiments(found: Sequence[Experiment]) -> None:
    """Print the experiments of a run."""
    rows = [
        (
            item.name,
            str(item.phase),
            human_duration(_seconds(item.created_at, item.started_at or item.finished_at)),
            human_duration(_seconds(item.started_at, item.finished_at)),
            " ".join(item.command),
        )
        for item in found
    ]
    print_table(("Experiment", "Status", "Queued Duration", "Run Duration", "Command"), rows)


def print_datastores(found: Sequence[Datastore]) -> None:
    """Print datastores."""
    rows = [(item.id, item.name, item.version, human_time(item.created_at)) for item in found]
    print_table(("ID", "Name", "Version", "Created At"), rows)


def is_active(run: GridRun) -> bool:
    """Tell whether a run belongs to the status, not only to the history."""
    return not (run.phase.is_finished or run.phase is RunPhase.DELETED)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None:
        return None
    return max(0.0, ((end or datetime.now(UTC)) - begin).total_seconds())


def _age(moment: datetime | None) -> str:
    seconds = _seconds(moment, None)
    if seconds is None:
        return ""
    for size in (86_400, 3_600, 60):
        if seconds >= size:
            return f"{human_duration(seconds // size * size)} ago"
    return "just now"
