"""Render tasks, plans, results and the storage meter: as JSON, as tables, as pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..workspaces import (
    ResultFile,
    ShardMap,
    StorageUsage,
    SubmitPlan,
    Task,
    TaskProgress,
)
from .output import human_size, human_time, iso, print_pairs, print_table


def task_document(found: Task) -> dict[str, Any]:
    """Return a task as JSON values; the keys are a contract."""
    return {
        "id": found.id,
        "name": found.name,
        "slug": found.slug,
        "state": found.state.value,
        "created_at": iso(found.created_at),
        "started_at": iso(found.started_at),
        "finished_at": iso(found.finished_at),
        "reason": found.reason,
        "dashboard_url": found.dashboard_url,
    }


def status_document(found: Task, progress: TaskProgress | None) -> dict[str, Any]:
    """Return a task as JSON values, with the round it is in."""
    rounds = progress or TaskProgress()
    return {
        **task_document(found),
        "current_round": rounds.current_round,
        "num_rounds": rounds.num_rounds,
    }


def plan_document(plan: SubmitPlan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {
        "name": plan.name,
        "slug": plan.slug,
        "files": [
            {
                "key": file.key,
                "size": file.size,
                "content_type": file.content_type,
                "upload": file.upload,
                "replaces": file.replaces,
            }
            for file in plan.files
        ],
        "orphans": list(plan.orphans),
        "bytes_to_send": plan.bytes_to_send,
        "bytes_added": plan.bytes_added,
        "request": dict(plan.request),
    }


def usage_document(usage: StorageUsage) -> dict[str, Any]:
    """Return the meter as JSON values; sizes are in bytes."""
    return {
        "bucket": usage.bucket,
        "used": usage.used_bytes,
        "quota": usage.quota_bytes,
        "objects": usage.object_count,
        "object_quota": usage.object_quota,
        "unfinished": usage.unfinished_upload_bytes,
    }


def result_document(file: ResultFile, link: str | None) -> dict[str, Any]:
    """Return a file of the results as JSON values."""
    document = {"path": file.path, "size": file.size, "modified_at": iso(file.modified_at)}
    return document if link is None else {**document, "link": link}


def map_document(found: ShardMap) -> dict[str, Any]:
    """Return a map of shards as JSON values."""
    return {
        "total_bytes": found.total_bytes,
        "shards": [
            {"name": one.name, "size": one.size, "sha256": one.sha256, "files": one.files}
            for one in found.shards
        ],
    }


def print_tasks(found: Sequence[Task]) -> None:
    """Print a listing."""
    rows = [
        (task.id, task.name, task.state, human_time(task.created_at), human_time(task.finished_at))
        for task in found
    ]
    print_table(("ID", "NAME", "STATE", "CREATED", "FINISHED"), rows)


def print_status(found: Task, progress: TaskProgress | None) -> None:
    """Print all that a user wants to know of one task."""
    print_pairs(
        {
            "Task": found.id,
            "Name": found.name,
            "Workspace": f"jobs/{found.slug}",
            "State": found.state,
            "Reason": found.reason,
            "Round": _rounds(progress),
            "Created": human_time(found.created_at),
            "Started": human_time(found.started_at),
            "Finished": human_time(found.finished_at),
            "Page": found.dashboard_url,
        }
    )


def _rounds(progress: TaskProgress | None) -> str | None:
    if progress is None or progress.current_round is None:
        return None
    if progress.num_rounds is None:
        return str(progress.current_round)
    return f"{progress.current_round} of {progress.num_rounds}"


def print_plan(plan: SubmitPlan) -> None:
    """Print what a submission would do, a row for each object."""
    rows = [
        (file.key, human_size(file.size), _action(file.upload, file.replaces))
        for file in plan.files
    ]
    rows += [(key, "", "delete" if plan.prune else "orphan") for key in plan.orphans]
    print_table(("OBJECT", "SIZE", "ACTION"), rows, right=("SIZE",))


def _action(upload: bool, replaces: int | None) -> str:
    if not upload:
        return "keep"
    return "new" if replaces is None else "replace"


def print_usage(usage: StorageUsage) -> None:
    """Print the meter."""
    print_pairs(
        {
            "Bucket": usage.bucket,
            "Used": _share(usage.used_bytes, usage.quota_bytes, human_size),
            "Objects": _share(usage.object_count, usage.object_quota, str),
            "Unfinished uploads": _size(usage.unfinished_upload_bytes),
        }
    )


def _share(used: int | None, quota: int | None, show: Any) -> str | None:
    if used is None:
        return None
    return show(used) if quota is None else f"{show(used)} of {show(quota)}"


def _size(size: int | None) -> str | None:
    return None if size is None else human_size(size)


def print_results(files: Sequence[ResultFile], links: Sequence[str]) -> None:
    """Print the files of the results; links stand below, for they are long."""
    rows = [(file.path, human_size(file.size), human_time(file.modified_at)) for file in files]
    print_table(("FILE", "SIZE", "MODIFIED"), rows, right=("SIZE",))
    for link in links:
        print(link)


def print_map(found: ShardMap) -> None:
    """Print shards, a row each."""
    rows = [(one.name, human_size(one.size), one.files, one.sha256[:12]) for one in found.shards]
    print_table(("SHARD", "SIZE", "FILES", "SHA256"), rows, right=("SIZE", "FILES"))
