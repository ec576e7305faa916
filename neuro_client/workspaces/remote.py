"""What the bucket and the platform have of a workspace, read at once before anything is written."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping

import attrs

from ..buckets.provider import Blob
from ..concurrency import first_failure, scoped_iterator
from ..errors import AuthenticationError, NeuroError, ProtocolError, ResourceNotFound
from .models import StorageUsage, Task, UnfinishedUpload
from .naming import SHARDS, prefix_of
from .service import PAGE, PlatformService
from .shard_map import MAP_NAME, ShardMap, loads
from .storage import WorkspaceStorage

_log = logging.getLogger(__name__)


@attrs.define
class RemoteWorkspace:
    """Hold the objects below a workspace's prefix, its map, and what is unfinished there.

    ``usage`` and ``shard_map`` are None where they cannot be read. ``tasks`` are the ids of those
    that the platform has of the same name.
    """

    objects: Mapping[str, Blob] = attrs.field(factory=dict)
    shard_map: ShardMap | None = None
    unfinished: list[UnfinishedUpload] = attrs.field(factory=list)
    usage: StorageUsage | None = None
    tasks: tuple[str, ...] = ()


async def list_objects(storage: WorkspaceStorage, slug: str) -> dict[str, Blob]:
    """List what is below the prefix of a workspace, by key."""
    async with storage.list(prefix_of(slug)) as found:
        return {item.key: item async for item in found}


@scoped_iterator
async def each_task(service: PlatformService) -> AsyncIterator[Task]:
    """Iterate over all tasks, page by page, in the platform's order."""
    seen: set[str] = set()
    offset = 0
    while True:
        page = await service.jobs(offset, PAGE)
        for task in page:
            if task.id not in seen:  # one that moved to the next page meanwhile
                yield task
        known = len(seen)
        seen.update(task.id for task in page)
        # A short page need not be the last one: the platform may have limits of its own.
        if len(seen) == known:
            return
        offset += len(page)


async def tasks_named(service: PlatformService, name: str) -> list[Task]:
    """List the tasks of a name, which a platform may have trimmed."""
    async with each_task(service) as tasks:
        return [task async for task in tasks if task.name.strip() == name.strip()]


async def read_remote(
    storage: WorkspaceStorage, service: PlatformService, name: str, slug: str
) -> RemoteWorkspace:
    """Read everything that a plan needs, at the same time."""
    found = RemoteWorkspace()

    async def read_objects() -> None:
        found.objects = await list_objects(storage, slug)
        map_key = f"{prefix_of(slug)}{SHARDS}/{MAP_NAME}"
        if map_key in found.objects:
            found.shard_map = await _read_map(storage, map_key)

    async def read_unfinished() -> None:
        async with storage.list_multipart_uploads(prefix_of(slug)) as uploads:
            found.unfinished = [item async for item in uploads]

    async def read_usage() -> None:
        try:
            found.usage = await service.usage()
        except AuthenticationError:
            raise
        except NeuroError as error:  # §5: it is no reason not to submit
            _log.info("the storage usage cannot be read, so no quota is checked: %s", error)

    async def read_tasks() -> None:
        found.tasks = tuple(task.id for task in await tasks_named(service, name))

    async with first_failure() as group:
        for read in (read_objects, read_unfinished, read_usage, read_tasks):
            group.create_task(read())
    return found


async def _read_map(storage: WorkspaceStorage, key: str) -> ShardMap | None:
    try:
        return loads(await storage.get_bytes(key))
    except (ProtocolError, ResourceNotFound) as error:
        _log.info("the map of the shards is of no use, so they are compared one by one: %s", error)
        return None
