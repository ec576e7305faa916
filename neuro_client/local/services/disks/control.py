"""Make and remove disks, hand them to jobs, and end those that nobody uses."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from yarl import URL

from ...runners import RunnerError
from ...scheduler import Job, JobStore
from ..base import Platform
from .folders import DiskFolders, is_image
from .models import Disk, InUseError, NameTakenError, OverLimitError, split_uri
from .store import DiskStore

_LONG = 3600.0
_AFTER_FAILURE = 1.0

log = logging.getLogger(__name__)


class DiskControl:
    """Own the disks of all clusters; it is ``platform.disks``.

    ``quota`` is how many bytes the disks of one user on one cluster may have in all; None is
    without limit.
    """

    def __init__(self, platform: Platform) -> None:
        self.quota: int | None = None
        self.store = DiskStore(platform.state)
        # Only the process runner mounts images.
        images = None if platform.settings.runner == "process" else False
        self.folders = DiskFolders(platform.data / "disks", images)
        self._platform = platform
        self._jobs = JobStore(platform.state)
        # A disk that is made or removed counts for those that come after it.
        self._changing = asyncio.Lock()
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Clear what a kill left, and watch over the disks meanwhile."""
        await asyncio.to_thread(self.folders.sweep, await self.store.all())
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(work) for work in (self._expire(), self._follow_jobs())]
            try:
                yield
            finally:
                for task in watching:
                    task.cancel()

    async def create(
        self,
        cluster: str,
        owner: str,
        org: str | None,
        name: str | None,
        storage: int,
        life_span: float | None,
    ) -> Disk:
        """Make a disk; raises ``NameTakenError`` or ``OverLimitError``."""
        # As exact as the answer shows it.
        now = round(time.time(), 6)
        disk = Disk(
            f"disk-{uuid.uuid4()}", cluster, owner, org, name, storage, now, life_span=life_span
        )
        async with self._changing:
            await self._check_quota(disk)
            await asyncio.to_thread(self.folders.make, disk)
            try:
                await self.store.insert(disk)
            except NameTakenError:
                await asyncio.to_thread(self.folders.remove, disk)
                raise
        self._wake.set()
        return disk

    async def _check_quota(self, disk: Disk) -> None:
        if self.quota is None:
            return
        used = await self.store.total(disk.cluster, disk.owner)
        if used + disk.storage > self.quota:
            raise OverLimitError(
                f"{disk.owner!r} has disks of {used} bytes in all and may have {self.quota}; "
                f"{disk.storage} more are too many"
            )

    async def delete(self, disk: Disk) -> None:
        """Remove a disk and what is on it; raises ``InUseError``."""
        async with self._changing:
            if jobs := await self._users(disk):
                raise InUseError(f"job {jobs[0].id} uses disk {disk.id}")
            # Without its record the folder is nobody's: a kill in between leaves it to the sweep.
            await self.store.delete(disk)
            await asyncio.to_thread(self.folders.remove, disk)

    async def used(self, disk: Disk) -> int | None:
        """Return how many bytes are on a disk; None if it is broken."""
        return await asyncio.to_thread(self.folders.used, disk)

    async def at(self, uri: URL) -> Disk | None:
        """Return the disk that a URI names by its id or its name."""
        cluster, home, key = split_uri(uri)
        return await self.store.at(cluster, home, key)

    async def path(self, uri: URL) -> Path | None:
        """Return what a job mounts for a URI, a folder or an image; None without such a disk.

        Raises:
            RunnerError: more is on the disk than it may hold, or what held it is gone.
        """
        disk = await self.at(uri)
        if disk is None:
            return None
        place, used = await asyncio.to_thread(
            lambda: (self.folders.of(disk), self.folders.used(disk))
        )
        if used is None:
            raise RunnerError(f"disk {uri} is broken: what was on it is gone")
        if used > disk.storage and not is_image(place):  # an image limits itself
            raise RunnerError(
                f"disk {uri} is full: {used} bytes are on it, it may hold {disk.storage}; make a "
                "larger one"
            )
        await self._touch([disk])
        return place

    async def _users(self, disk: Disk) -> list[Job]:
        """List the jobs that use a disk, or are going to."""
        return [job for job in await self._jobs.unsettled() if any(map(disk.is_at, _mounted(job)))]

    async def _touch(self, disks: list[Disk]) -> None:
        if disks:
            await self.store.touch([disk.id for disk in disks], round(time.time(), 6))
            self._wake.set()

    async def _follow_jobs(self) -> None:
        """Note the use of disks at every step of a job, so that its end is noted, too."""
        async with self._platform.state.watch("job") as changes:
            async for job_id in changes:
                try:
                    await self._note_use(job_id)
                except Exception:  # a full host must not end this for good
                    log.exception("the use of disks by %s could not be noted", job_id)

    async def _note_use(self, job_id: str) -> None:
        job = await self._platform.jobs.get(job_id)
        found = [await self.at(uri) for uri in _mounted(job)] if job else []
        await self._touch([disk for disk in found if disk is not None])

    async def _expire(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._remove_unused()
            except Exception:  # a full host must not end the disks' life spans for good
                log.exception("the disks could not be looked after; trying again")
                pause = _AFTER_FAILURE
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _remove_unused(self) -> float:
        """Remove what was unused for its life span; give the seconds until the next may be."""
        pause = _LONG
        for disk in await self.store.all():
            if disk.ends_at is None:
                continue
            left = disk.ends_at - time.time()
            if left <= 0:
                try:
                    await self.delete(disk)
                    continue
                except InUseError:
                    await self.store.touch([disk.id], round(time.time(), 6))
                    left = disk.life_span or _AFTER_FAILURE
            pause = min(pause, left)
        return max(pause, 0.001)


def _mounted(job: Job) -> list[URL]:
    volumes = job.spec.container.get("disk_volumes", ())
    return [URL(volume["src_disk_uri"]) for volume in volumes]
