"""Carry a submission from the files on this machine to the one request that starts its task."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from ..buckets.provider import Blob
from ..errors import ResourceNotFound
from ..transfer import Side
from ..transport import Transport
from .connection import Connection
from .local_files import Files, LocalWorkspace, Place, collect
from .models import SubmitPlan, SubmittedTask, Task
from .naming import CONFIGS, MODEL, REQUIREMENTS, SCRIPTS, SHARDS, is_shard, prefix_of
from .options import Rules, TaskOptions
from .planning import check_quota, make_plan, task_request
from .presigned import PARTS as PRESIGNED_PARTS
from .presigned import PresignedStore, map_error
from .records import Record, locked, manifest_of
from .remote import RemoteWorkspace, list_objects, read_remote, tasks_named
from .storage import WorkspaceStorage
from .store import Turn, WorkspaceStore, options_of, side_of
from .submission import TaskRequest
from .templates import Configs
from .uploading import Uploader

_NEEDED = {
    SCRIPTS: ("model_def.py", "custom_client_executor.py", "custom_persistor.py"),
    CONFIGS: ("config_fed_client.json", "config_fed_server.json", "meta.json"),
    REQUIREMENTS: ("requirements.txt",),
}


@attrs.frozen
class Sources:
    """Hold what a workspace is made of; see ``Workspaces.submit``."""

    scripts: Files
    configs: Configs | Files | None
    requirements: Path | Sequence[str] | None
    shards: Place | Sequence[Place] | None
    checkpoint: Place | None

    async def collect(self, name: str, slug: str) -> LocalWorkspace:
        """Read and hash everything; nothing is sent."""
        if self.shards is None:
            raise ValueError("no shards: give the folder of the zips, or their paths")
        defaults = self.configs if isinstance(self.configs, Configs) else Configs(name)
        return await collect(
            slug,
            scripts=self.scripts,
            configs=defaults if self.configs is None else self.configs,
            requirements=self.requirements,
            shards=self.shards,
            checkpoint=self.checkpoint,
            defaults=defaults,
        )


class Submitter:
    """Submit workspaces over one connection."""

    def __init__(self, connection: Connection, storage: WorkspaceStorage) -> None:
        self._connection = connection
        self._storage = storage

    async def plan(
        self, name: str, slug: str, sources: Sources, options: TaskOptions, rules: Rules
    ) -> SubmitPlan:
        """Return what a submission would do; nothing is written."""
        local = await sources.collect(name, slug)
        plan, _ = await self._planned(name, slug, local, options, rules)
        return plan

    async def submit(
        self, name: str, slug: str, sources: Sources, options: TaskOptions, rules: Rules
    ) -> SubmittedTask:
        """Write what has changed, and start the task."""
        local = await sources.collect(name, slug)
        async with self._locked(slug) as record:
            plan, remote = await self._planned(name, slug, local, options, rules)
            await (await self._uploader(rules)).run(plan, local, remote)
            manifest = _manifest(local, plan.request)
            task, adopted = await self._start(
                record, name, plan.request, manifest, known=remote.tasks
            )
        return _submitted(task, slug, plan, adopted)

    async def _planned(
        self, name: str, slug: str, local: LocalWorkspace, options: TaskOptions, rules: Rules
    ) -> tuple[SubmitPlan, RemoteWorkspace]:
        remote = await read_remote(self._storage, self._connection.service, name, slug)
        plan = await make_plan(
            name,
            slug,
            local,
            remote,
            options=options,
            prune=rules.prune,
            exist_ok=rules.exist_ok,
        )
        if not rules.force:
            check_quota(plan)
        return plan, remote

    async def submit_existing(self, name: str, slug: str, options: TaskOptions) -> SubmittedTask:
        """Start the task of a workspace as it is."""
        async with self._locked(slug) as record:
            objects = await list_objects(self._storage, slug)
            shards = check_workspace(slug, objects)
            has_model = any(key.startswith(f"{prefix_of(slug)}{MODEL}/") for key in objects)
            request = task_request(name, slug, shards=shards, has_model=has_model, options=options)
            known = await tasks_named(self._connection.service, name)
            contents = [f"{key}:{item.size}:{item.etag}" for key, item in sorted(objects.items())]
            task, adopted = await self._start(
                record,
                name,
                request,
                manifest_of([*contents, json.dumps(request, sort_keys=True)]),
                known=tuple(task.id for task in known),
            )
        return _submitted(task, slug, None, adopted)

    @asynccontextmanager
    async def _locked(self, slug: str) -> AsyncIterator[Record]:
        connection = self._connection
        url, _ = connection.store_access()
        place = f"{connection.url}\n{url}\n{await connection.bucket()}\n{slug}"
        async with locked(place, prefix_of(slug)) as record:
            yield record

    async def _start(
        self,
        record: Record,
        name: str,
        request: Mapping[str, Any],
        manifest: str,
        known: tuple[str, ...],
    ) -> tuple[Task, bool]:
        service = self._connection.service

        async def find() -> list[Task]:
            return await tasks_named(service, name)

        return await TaskRequest(request, service.create, find, record, manifest, known).run()

    async def _uploader(self, rules: Rules) -> Uploader:
        connection = self._connection
        objects = await self._storage.objects()
        lanes = asyncio.Semaphore(PRESIGNED_PARTS if rules.presigned else rules.parts)
        store = WorkspaceStore(objects, lanes)
        url, _ = connection.store_access()
        bucket = await connection.bucket()
        signed = Transport(map_error=map_error, session=connection.session, trace=None)

        def direct(key: str, turn: Turn) -> Side:
            return side_of(WorkspaceStore(objects, lanes, turn), url, bucket, key)

        def presigned(key: str, turn: Turn) -> Side:
            links = PresignedStore(connection.service, signed, store, lanes, turn)
            # The links are in no journal, so there is nothing that could go on.
            return attrs.evolve(side_of(links, url, bucket, key), place="")

        large, parts = (presigned, PRESIGNED_PARTS) if rules.presigned else (direct, rules.parts)
        return Uploader(self._storage, store, large, options_of(parts), rules.progress)


def _submitted(task: Task, slug: str, plan: SubmitPlan | None, adopted: bool) -> SubmittedTask:
    facts = {field.name: getattr(task, field.name) for field in attrs.fields(Task)}
    facts["path"] = task.path or f"/{prefix_of(slug)}".rstrip("/")  # not every platform tells
    return SubmittedTask(**facts, plan=plan, adopted=adopted)


def _manifest(local: LocalWorkspace, request: Mapping[str, Any]) -> str:
    pieces = [json.dumps(dict(request), sort_keys=True)]
    for file in local.files:
        content: str | bytes | None = file.sha256 or file.data
        if content is None and file.entry is not None:
            content = file.entry.version
        pieces.append(f"{file.key}:{file.size}:{content!r}")
    return manifest_of(pieces)


def check_workspace(slug: str, objects: Mapping[str, Blob]) -> int:
    """Look for what a task needs; return the number of shards.

    Raises:
        ResourceNotFound: something is missing; names it.
    """
    prefix = prefix_of(slug)
    needed = [f"{prefix}{folder}/{name}" for folder, names in _NEEDED.items() for name in names]
    missing = [key for key in needed if key not in objects]
    shards = [key for key in objects if is_shard(slug, key)]
    if not shards:
        missing.append(f"{prefix}{SHARDS}/*.zip")
    if missing:
        raise ResourceNotFound(
            f"The workspace {prefix} cannot be started: {', '.join(missing)} is missing; submit() "
            "it with its files"
        )
    return len(shards)
