"""Read what the platform answers: several names for one thing, unknown keys ignored (§4, §5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from ..errors import ProtocolError
from ..transport import Answer
from ..wire import converter, structure
from .models import (
    GpuModel,
    StorageKey,
    StorageUsage,
    Task,
    TaskProgress,
    TaskState,
    WorkerModel,
    WorkerStats,
)

T = TypeVar("T")

_ID = ("jobId", "id", "taskId")
_NAME = ("jobName", "name")
_STATE = ("state", "status")
_USAGE = {
    "bucket": ("bucketAlias", "bucket"),
    "used_bytes": ("usedBytes", "used", "bytes"),
    "quota_bytes": ("quotaBytes", "quota", "maxSize"),
    "object_count": ("objectCount", "objects"),
    "object_quota": ("objectQuota", "maxObjects"),
    "unfinished_upload_bytes": ("unfinishedUploadBytes",),
}


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProtocolError(f"The answer is not {what}: $ should be an object")
    return value


async def body_of(answer: Answer) -> Any:
    """Decode a JSON answer, whatever its content type says; None for an empty one."""
    text = await answer.read()
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise ProtocolError(
            f"{answer.method} {answer.url.path} was answered with something that is not JSON; "
            "check that api_url is the platform's own"
        ) from None


def decode_task(value: Any) -> Task:
    """Read a task, in the words of the dashboard or of the tasks (§4.1).

    Raises:
        ProtocolError: it has no id.
    """
    found = _object(value, "a task")
    id = _first(found, _ID)
    if not isinstance(id, str | int) or isinstance(id, bool) or id == "":
        raise ProtocolError("The answer is not a task: $.id is missing")
    state = str(_first(found, _STATE) or "")
    reason = _first(found, ("reason", "error", "message"))
    path = _first(found, ("jobPath",))
    return Task(
        str(id),
        str(_first(found, _NAME) or ""),
        TaskState.of(state),
        state_text=state,
        created_at=moment(_first(found, ("createdAt", "created_at"))),
        started_at=moment(_first(found, ("startedAt", "started_at"))),
        finished_at=moment(_first(found, ("finishedAt", "finished_at"))),
        reason=reason if isinstance(reason, str) else None,
        path=path if isinstance(path, str) else None,
        raw=MappingProxyType(dict(found)),
    )


def moment(value: Any) -> datetime | None:
    """Read a moment that is a bonus: what is no text of ISO 8601 is passed over."""
    try:
        found: datetime = converter().structure(value, datetime)
    except (ValueError, TypeError):
        return None
    return found


def decode_tasks(value: Any) -> list[Task]:
    """Read a page of a listing, a bare array or an object that holds one."""
    if isinstance(value, Mapping):
        value = _first(value, ("jobs", "items", "data"))
    if not isinstance(value, list):
        raise ProtocolError("The answer is not a list of tasks: $ should be an array")
    return [decode_task(item) for item in value]


def decode_usage(value: Any) -> StorageUsage:
    """Read the storage meter; whatever is not a number is not known."""
    found = _object(value, "a storage usage")
    facts: dict[str, Any] = {}
    for field, names in _USAGE.items():
        wanted = _is_text if field == "bucket" else _is_count
        given = [found[name] for name in names if wanted(found.get(name))]
        if given:
            facts[field] = given[0] if field == "bucket" else int(given[0])
    return StorageUsage(**facts, raw=MappingProxyType(dict(found)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@attrs.frozen
class _Key:
    accessKeyId: str
    secretAccessKey: str = attrs.field(repr=False)


def decode_key(value: Any) -> StorageKey:
    """Read an access key that was just made."""
    found = structure(value, _Key)
    return StorageKey(found.accessKeyId, found.secretAccessKey)


@attrs.frozen
class _Bucket:
    bucketAlias: str


def decode_bucket(value: Any) -> str:
    """Read the name of the user's bucket."""
    return structure(value, _Bucket).bucketAlias


@attrs.frozen
class _Links:
    uploadId: str
    urls: tuple[str, ...] = attrs.field(repr=False)


def decode_links(value: Any) -> tuple[str, tuple[str, ...]]:
    """Read the id of a presigned upload and the address of each part."""
    found = structure(value, _Links)
    return found.uploadId, found.urls


@attrs.frozen
class _Worker:
    model: str = ""
    free_memory_mb: int = 0


@attrs.frozen
class _Workers:
    onlineCount: int = 0
    totalFreeMemoryMb: int = 0
    workers: tuple[_Worker, ...] = ()


def decode_workers(value: Any) -> WorkerStats:
    """Read what workers there are; the mixed spelling is the platform's."""
    found = structure(value, _Workers)
    models = tuple(WorkerModel(item.model, item.free_memory_mb) for item in found.workers)
    return WorkerStats(found.onlineCount, found.totalFreeMemoryMb, models)


@attrs.frozen
class _Gpu:
    id: str
    name: str | None = None
    memoryMb: int | None = None
    pricePerGpuHourCents: int | None = None


def decode_gpus(value: Any) -> tuple[GpuModel, ...]:
    """Read the catalogue of GPUs."""
    found = structure(value, tuple[_Gpu, ...])
    return tuple(
        GpuModel(item.id, item.name, item.memoryMb, item.pricePerGpuHourCents) for item in found
    )


@attrs.frozen
class _Rounds:
    current_round: int | None = None
    num_rounds: int | None = None


def decode_progress(value: Any) -> TaskProgress:
    """Read how far a task is."""
    found = structure(value, _Rounds)
    return TaskProgress(found.current_round, found.num_rounds)
