"""Write the objects of a workspace in the order of §3, changed ones only, shards in parts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs

from ..concurrency import first_failure
from ..errors import ConflictError
from ..transfer import (
    AbstractRecursiveFileProgress,
    Side,
    StorageProgressEnterDir,
    StorageProgressLeaveDir,
    copy_file,
    local_side,
)
from ..transfer.models import TransferOptions
from ..transfer.places import absolute
from .local_files import LocalFile, LocalWorkspace
from .models import SubmitPlan, UnfinishedUpload
from .naming import SHARDS, prefix_of
from .presigned import with_fresh_links
from .remote import RemoteWorkspace, list_objects
from .storage import WorkspaceStorage
from .store import Turn, WorkspaceStore, at_once

_log = logging.getLogger(__name__)

MakeSide = Callable[[str, Turn], Side]


@attrs.frozen
class Uploader:
    """Carry out a plan; ``large`` makes the ends that shards and checkpoint are sent to."""

    storage: WorkspaceStorage
    store: WorkspaceStore
    large: MakeSide
    options: TransferOptions
    progress: AbstractRecursiveFileProgress | None = None

    async def run(self, plan: SubmitPlan, local: LocalWorkspace, remote: RemoteWorkspace) -> None:
        """Write everything; the first failure ends it and is raised unchanged."""
        uploads = {file.key for file in plan.uploads}
        for planned in plan.files:
            self.store.etags.pop(planned.key, None)  # of an earlier submission
        await self._sweep(remote.unfinished, spare=uploads)
        await self._forget_map(plan, remote)
        wanted = [file for file in (*local.files, local.map_file) if file.key in uploads]
        texts = [file for file in wanted if file.source is None and file != local.map_file]
        shards = [file for file in wanted if file.sha256 is not None]
        checkpoint = [file for file in wanted if file.source and file.sha256 is None]
        for file in texts:
            await self._write(file)
        async with self._told(plan, [*shards, *checkpoint]):
            await self._send_shards(shards)
            for file in checkpoint:
                await self._send(file)
        if local.map_file in wanted:
            await self._write(local.map_file)
        await self._prune(plan)
        if uploads:
            await self._check(plan)
        if any(item.key in uploads for item in remote.unfinished):
            await self.storage.abort_multipart_uploads(f"jobs/{plan.slug}/")

    async def _sweep(self, unfinished: Sequence[UnfinishedUpload], spare: set[str]) -> None:
        """Drop what broken uploads left, except where this submission may go on with it."""
        objects = await self.storage.objects()
        for item in unfinished:
            if item.key not in spare:
                await self.storage.drop(objects, item)

    async def _forget_map(self, plan: SubmitPlan, remote: RemoteWorkspace) -> None:
        """Let no map speak of shards that are about to change."""
        *_, map_file = plan.files
        changes = any(file.replaces is not None and _is_shard(file.key) for file in plan.uploads)
        if map_file.upload and map_file.key in remote.objects and changes:
            await self.storage.delete(map_file.key)

    async def _write(self, file: LocalFile) -> None:
        assert file.data is not None
        await self.storage.put_bytes(file.key, file.data)

    @asynccontextmanager
    async def _told(self, plan: SubmitPlan, files: Sequence[LocalFile]) -> AsyncIterator[None]:
        """Tell the progress that files are sent from a folder to that of the workspace."""
        if self.progress is None or not files:
            yield
            return
        assert files[0].source is not None
        here = local_side((await absolute(files[0].source)).parent).dir_url("")
        there = self.large(prefix_of(plan.slug).rstrip("/"), at_once).dir_url("")
        self.progress.enter(StorageProgressEnterDir(here, there))
        yield
        self.progress.leave(StorageProgressLeaveDir(here, there))

    async def _send_shards(self, shards: Sequence[LocalFile]) -> None:
        """Send shards so that they appear one after another, in the order of their names.

        While the last parts of one are on their way, those of the next go into free lanes.
        """
        room = asyncio.Semaphore(self.options.parts)

        async def work(file: LocalFile, before: asyncio.Event, done: asyncio.Event) -> None:
            async with room:
                await self._send(file, before.wait)
            done.set()

        before = asyncio.Event()
        before.set()
        async with first_failure() as group:
            for file in shards:
                done = asyncio.Event()
                group.create_task(work(file, before, done))
                before = done

    async def _send(self, file: LocalFile, turn: Turn = at_once) -> None:
        assert file.source is not None
        assert file.entry is not None
        here, entry = local_side(await absolute(file.source)), file.entry
        there = self.large(file.key, turn)
        await with_fresh_links(
            lambda: copy_file(here, there, entry, options=self.options, progress=self.progress)
        )

    async def _prune(self, plan: SubmitPlan) -> None:
        if plan.orphans and not plan.prune:
            _log.warning(
                "%d shards in the bucket are none of this submission, and the platform counts each "
                "as a worker: %s; delete them with prune=True",
                len(plan.orphans),
                ", ".join(plan.orphans),
            )
        for key in plan.orphans if plan.prune else ():
            await self.storage.delete(key)

    async def _check(self, plan: SubmitPlan) -> None:
        """Look at everything once more: nobody else may have written in between."""
        there = await list_objects(self.storage, plan.slug)
        for file in plan.files:
            found = there.get(file.key)
            expected = self.store.etags.get(file.key)
            same = found is not None and found.size == file.size
            if not same or (expected and found is not None and found.etag != expected):
                raise ConflictError(
                    f"{file.key} is not what was just written: somebody else writes to this "
                    "workspace; no task was started; choose another name or slug"
                )


def _is_shard(key: str) -> bool:
    return key.split("/")[2:3] == [SHARDS]
