"""Check a request for a task, and the workspace that it names (§2.2, §4)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from .answers import invalid
from .objects import Objects

SHARD_SUFFIX = ".zip"
NEEDED: Mapping[str, tuple[str, ...]] = {
    "trainingScriptsFolderPath": (
        "model_def.py",
        "custom_client_executor.py",
        "custom_persistor.py",
    ),
    "trainingConfigFolderPath": (
        "config_fed_client.json",
        "config_fed_server.json",
        "meta.json",
    ),
    "trainingRequirementsFolderPath": ("requirements.txt",),
    "shardsDirPath": (),
}
MODEL = "modelFolderPath"
_ROOT = "/jobs/"
_BOOLEANS = ("autoSelectWorkers", "onlyMineWorkers")
_MOST_NAME = 200


def check_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known fields of a request, paths without a slash at the end; raises 400."""
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("name must not be empty")
    if len(name) > _MOST_NAME:
        raise invalid(f"name must not be longer than {_MOST_NAME} characters")
    found: dict[str, Any] = {"name": name}
    for field in NEEDED:
        found[field] = _path(field, body.get(field))
    if body.get(MODEL) is not None:
        found[MODEL] = _path(MODEL, body[MODEL])
    memory = body.get("estimatedMemoryMb")
    if memory is not None and (not _whole(memory) or memory <= 0):
        raise invalid("estimatedMemoryMb must be a positive whole number")
    price = body.get("maxPricePerGpuHourCents")
    if price is not None and (not _whole(price) or price < 0):
        raise invalid("maxPricePerGpuHourCents must be a whole number")
    for field in ("workerIds", "gpuModels"):
        if body.get(field) is not None:
            found[field] = _texts(field, body[field])
    for field in _BOOLEANS:
        if body.get(field) is not None and not isinstance(body[field], bool):
            raise invalid(f"{field} must be true or false")
    simple = ("estimatedMemoryMb", "maxPricePerGpuHourCents", *_BOOLEANS)
    return found | {field: body[field] for field in simple if body.get(field) is not None}


async def check_workspace(request: Mapping[str, Any], objects: Objects) -> list[str]:
    """Return the keys of the shards of a checked request; raises 400 for what is not there."""
    shards: list[str] = []
    fields = [*NEEDED, *([MODEL] if MODEL in request else [])]
    for field in fields:
        folder = request[field]
        prefix = prefix_of(folder)
        keys = [one.key for one in await objects.list(prefix)]
        if not keys:
            raise invalid(f"{field}: there is nothing in {folder}")
        for name in NEEDED.get(field, ()):
            if prefix + name not in keys:
                raise invalid(f"{field}: {folder} has no {name}")
        if field == "shardsDirPath":
            shards = shards_of(prefix, keys)
            if not shards:
                raise invalid(f"{field}: {folder} has no {SHARD_SUFFIX} file")
    wanted = request.get("workerIds")
    if wanted and len(wanted) != len(shards):
        raise invalid(f"workerIds names {len(wanted)} workers for {len(shards)} shards")
    return shards


def prefix_of(folder: str) -> str:
    """Return the prefix of the keys in a folder of the API."""
    return folder.removeprefix("/") + "/"


def shards_of(prefix: str, keys: Sequence[str]) -> list[str]:
    """Return the keys that are shards: the zip files directly in the folder."""
    return sorted(
        key
        for key in keys
        if key.lower().endswith(SHARD_SUFFIX) and "/" not in key.removeprefix(prefix)
    )


def job_path(request: Mapping[str, Any]) -> str:
    """Return the folder of the whole workspace: what holds its scripts."""
    return posixpath.dirname(str(request["trainingScriptsFolderPath"]))


def _path(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(_ROOT):
        raise invalid(f"{field} must begin with {_ROOT}")
    path = value.removesuffix("/")
    words = path.split("/")[1:]
    if len(words) < 3 or any(word in ("", ".", "..") for word in words) or "\0" in path:
        raise invalid(f"{field} must be a folder of a job, like /jobs/<name>/scripts")
    return path


def _texts(field: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise invalid(f"{field} must be a list of texts")
    if field == "workerIds" and len(set(value)) != len(value):
        raise invalid(f"{field} names a worker twice")
    return value


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value < 2**53
