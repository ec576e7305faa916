"""Decide what a submission writes, and refuse what must not be written (§3, §5, §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..buckets.provider import Blob
from ..errors import ConflictError, QuotaExceededError
from .local_files import LocalFile, LocalWorkspace
from .models import PlannedFile, SubmitPlan
from .naming import (
    CONFIGS,
    INPUTS,
    MODEL,
    REQUIREMENTS,
    SCRIPTS,
    SHARDS,
    folder_path,
    is_shard,
    prefix_of,
)
from .options import TaskOptions
from .remote import RemoteWorkspace
from .shard_map import MAP_NAME

_NAMED = 3


def task_request(
    name: str, slug: str, *, shards: int, has_model: bool, options: TaskOptions
) -> dict[str, Any]:
    """Return the body of ``POST /api/tasks`` (§4).

    Raises:
        ValueError: there are not as many workers as shards.
    """
    body: dict[str, Any] = {
        "name": name,
        "trainingScriptsFolderPath": folder_path(slug, SCRIPTS),
        "trainingConfigFolderPath": folder_path(slug, CONFIGS),
        "trainingRequirementsFolderPath": folder_path(slug, REQUIREMENTS),
        "shardsDirPath": folder_path(slug, SHARDS),
    }
    if has_model:
        body["modelFolderPath"] = folder_path(slug, MODEL)
    if options.estimated_memory_mb is not None:
        body["estimatedMemoryMb"] = options.estimated_memory_mb
    if options.worker_ids:
        if len(options.worker_ids) != shards:
            raise ValueError(
                f"{len(options.worker_ids)} workers for {shards} shards: each worker gets exactly "
                "one; name as many workers, or remove shards that are left over with prune=True"
            )
        body["workerIds"] = list(options.worker_ids)
    elif options.auto_select_workers:
        body["autoSelectWorkers"] = True
        if options.gpu_models:
            body["gpuModels"] = list(options.gpu_models)
        if options.max_price_per_gpu_hour_cents is not None:
            body["maxPricePerGpuHourCents"] = options.max_price_per_gpu_hour_cents
    if options.only_mine_workers:
        body["onlyMineWorkers"] = True
    return body


async def make_plan(
    name: str,
    slug: str,
    local: LocalWorkspace,
    remote: RemoteWorkspace,
    *,
    options: TaskOptions,
    prune: bool,
    exist_ok: bool,
) -> SubmitPlan:
    """Compare what is here with what is there.

    Raises:
        ConflictError: the workspace has other content than this and *exist_ok* is not given.
        ValueError: the request would be refused.
    """
    files = [await _planned(file, remote) for file in local.files]
    kept = remote.shard_map is not None and local.shard_map.same_shards(remote.shard_map)
    map_file = _file(local.map_file, remote.objects.get(local.map_file.key), upload=not kept)
    orphans = _orphans(slug, local.files, remote.objects)
    if not exist_ok:
        _refuse_clash(name, slug, [*files, map_file], remote.objects)
    counted = len(local.shard_map.shards) + (0 if prune else len(orphans))
    if local.has_checkpoint:
        orphans += _other_checkpoints(slug, local.files, remote.objects, prune=prune)
    request = task_request(
        name, slug, shards=counted, has_model=local.has_checkpoint, options=options
    )
    return SubmitPlan(
        name, slug, (*files, map_file), orphans, prune, usage=remote.usage, request=request
    )


async def _planned(file: LocalFile, remote: RemoteWorkspace) -> PlannedFile:
    there = remote.objects.get(file.key)
    same = there is not None and there.size == file.size
    if same and not _is_mapped(file, remote):
        assert there is not None
        same = await file.is_tagged(there.etag)
    return _file(file, there, upload=not same)


def _is_mapped(file: LocalFile, remote: RemoteWorkspace) -> bool:
    """Tell whether the map that came with the shards in the bucket has this very content.

    The map is written last; of a shard that is newer, from another program, it knows nothing.
    """
    if file.sha256 is None or remote.shard_map is None:
        return False
    folder, _, name = file.key.rpartition("/")
    times = [remote.objects[key].modified_at for key in (file.key, f"{folder}/{MAP_NAME}")]
    if times[0] and times[1] and times[0] > times[1]:
        return False
    found = remote.shard_map.get(name)
    return found is not None and (found.sha256, found.size) == (file.sha256, file.size)


def _file(file: LocalFile, there: Blob | None, *, upload: bool) -> PlannedFile:
    replaces = None if there is None else there.size
    return PlannedFile(
        file.key, file.size, file.content_type, upload, replaces, file.source, file.data
    )


def _orphans(slug: str, files: Sequence[LocalFile], objects: Mapping[str, Blob]) -> tuple[str, ...]:
    keys = {file.key for file in files}
    return tuple(key for key in sorted(objects) if is_shard(slug, key) and key not in keys)


def _other_checkpoints(
    slug: str, files: Sequence[LocalFile], objects: Mapping[str, Blob], *, prune: bool
) -> tuple[str, ...]:
    """Return what lies beside the checkpoint; a task might begin with that instead.

    Raises:
        ConflictError: there is such, and it is not to be deleted.
    """
    keys = {file.key for file in files}
    start = f"{prefix_of(slug)}{MODEL}/"
    others = tuple(key for key in sorted(objects) if key.startswith(start) and key not in keys)
    if others and not prune:
        raise ConflictError(
            f"Beside the checkpoint lie others ({', '.join(others[:_NAMED])}), and the task might "
            "begin with one of them; delete them with prune=True, or choose another name or slug"
        )
    return others


def _refuse_clash(
    name: str, slug: str, files: Sequence[PlannedFile], objects: Mapping[str, Blob]
) -> None:
    """Let only those through whose content is that of this submission, or a part of it (§7)."""
    map_file = files[-1]
    known = {file.key for file in files if not file.upload} | {map_file.key}
    folders = tuple(f"{prefix_of(slug)}{folder}/" for folder in INPUTS)
    others = sorted(key for key in objects if key.startswith(folders) and key not in known)
    if not others:
        return
    listed = ", ".join(others[:_NAMED]) + (" …" if len(others) > _NAMED else "")
    raise ConflictError(
        f"The workspace {prefix_of(slug)} of {name!r} has other content already ({len(others)} "
        f"objects, as {listed}); choose another name or slug, start it as it is with "
        "submit_existing(), or overwrite it with exist_ok=True"
    )


def check_quota(plan: SubmitPlan) -> None:
    """Refuse a plan that does not fit into the bucket, by what its meter says.

    Raises:
        QuotaExceededError: with the numbers; its status is None, for nothing was sent.
    """
    usage = plan.usage
    if usage is None:
        return
    limits = (
        ("bytes", usage.used_bytes, usage.quota_bytes, plan.bytes_added),
        ("objects", usage.object_count, usage.object_quota, plan.objects_added),
    )
    for what, used, limit, needed in limits:
        if used is None or limit is None or needed <= 0 or used + needed <= limit:
            continue
        raise QuotaExceededError(
            f"The workspace needs {needed} more {what}, and the bucket has {used} of {limit}; "
            "remove something, ask for a higher quota, or try nevertheless with force=True",
            used=used,
            limit=limit,
            needed=needed,
        )
