"""The requests about single jobs (jobs.md §3 and §11)."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from ...errors import refuse
from ...runners import Mount, RunnerError, RunSpec
from ...scheduler import DuplicateNameError, Job, StatusItem
from ...scheduler.launch import storage_path
from ..base import Platform
from . import fields
from .answer import describe
from .fields import Fields, invalid
from .lookup import find, username
from .request import Wanted, minutes, parse


class JobHandlers:
    """Answer the requests about single jobs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def create(self, request: web.Request) -> web.Response:
        """Take a new job; it is stored before the answer."""
        owner = username(request)
        wanted = parse(
            await fields.body(request),
            self._platform.settings,
            from_preset="from_preset" in request.query,
        )
        now = round(time.time(), 6)  # as exact as the answer shows it
        job = Job(
            id=f"job-{uuid.uuid4()}",
            owner=owner,
            cluster=wanted.cluster,
            org=wanted.org,
            spec=wanted.spec,
            statuses=(StatusItem("pending", now, "Creating"),),
            max_run_time_minutes=wanted.max_run_time_minutes,
        )
        await self._platform.access.require(owner, self._rights(job))
        self._check_size(job)
        await self._check_resources(job)
        await self._check_quota(owner, wanted)
        await self._check_volumes(job)
        try:
            await self._platform.jobs.create(job)
        except DuplicateNameError as error:
            text = f"job with name '{job.spec.name}' and owner '{owner}' already exists: '{error}'"
            raise refuse(400, text) from None
        if job.spec.pass_config:
            uri = URL(f"token://{job.cluster}/job/{job.id}")
            await self._platform.access.grant(owner, uri, "read")
        return web.json_response(describe(job, self._platform.url, now), status=202)

    async def get(self, request: web.Request) -> web.Response:
        """Describe a job."""
        job = await find(self._platform, request, "read", by_name=True)
        return web.json_response(describe(job, self._platform.url, time.time()))

    async def delete(self, request: web.Request) -> web.Response:
        """Cancel a job; nothing happens to a finished one."""
        job = await find(self._platform, request, "write", by_name=True)
        await self._platform.jobs.cancel(job.id)
        return web.Response(status=204)

    async def set_life_span(self, request: web.Request) -> web.Response:
        """Set the life span or add to it, in minutes."""
        job = await find(self._platform, request, "write", by_name=True)
        body = Fields(await fields.body(request))
        total = body.take("max_run_time_minutes", fields.optional(minutes), None)
        more = body.take("additional_max_run_time_minutes", fields.optional(minutes), None)
        body.end()
        if (total is None) == (more is None):
            raise refuse(
                400, "Give one of max_run_time_minutes and additional_max_run_time_minutes"
            )
        job = await self._platform.jobs.get(job.id) or job
        span = total if more is None else (job.max_run_time_minutes or 0) + more
        minutes(span, "max_run_time_minutes")
        await self._platform.jobs.update(attrs.evolve(job, max_run_time_minutes=span))
        return web.Response(status=204)

    async def drop(self, request: web.Request) -> web.Response:
        """Mark a finished job as one to be removed."""
        job = await find(self._platform, request, "write", by_name=True)
        if not job.finished:
            raise refuse(400, f"job {job.id} is {job.status}; only finished jobs can be dropped")
        job = await self._platform.jobs.get(job.id) or job
        await self._platform.jobs.update(attrs.evolve(job, being_dropped=True))
        return web.Response(status=204)

    async def drop_progress(self, request: web.Request) -> web.Response:
        """Note that the logs are removed; a job being dropped goes with them."""
        job = await find(self._platform, request, "write", by_name=True)
        body = Fields(await fields.body(request))
        removed = body.take("logs_removed", fields.boolean, False)
        body.end()
        job = await self._platform.jobs.get(job.id) or job
        if removed and job.being_dropped and not job.materialized:
            folder = self._platform.data / "jobs" / job.id
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await self._platform.jobs.store.delete(job.id)
        elif removed:
            await self._platform.jobs.update(attrs.evolve(job, logs_removed=True))
        return web.Response(status=204)

    def _rights(self, job: Job) -> list[tuple[URL, str]]:
        """List the rights a job needs (jobs.md §3.6)."""
        container = job.spec.container
        wanted = [(URL(job.uri_path), "write")]
        registry = self._platform.registry(job.cluster).authority
        image = platform_image(container["image"], f"{registry}/")
        if image is not None:
            wanted.append((URL(f"image://{job.cluster}/{image}"), "read"))
        for kind, name in (("volumes", "src_storage_uri"), ("disk_volumes", "src_disk_uri")):
            for volume in container.get(kind, ()):
                action = "read" if volume["read_only"] else "write"
                wanted.append((URL(volume[name]), action))
        secrets = [*container.get("secret_env", {}).values()]
        secrets += [item["src_secret_uri"] for item in container.get("secret_volumes", ())]
        return wanted + [(URL(uri), "read") for uri in secrets]

    def _check_size(self, job: Job) -> None:
        machine = self._platform.jobs.capacity
        if machine.fits(job.cpu, job.memory):
            return
        what = f"Preset {job.spec.preset_name!r}" if job.spec.preset_name else "The job"
        over = []
        if job.cpu > machine.cpu:
            over.append(f"{job.cpu:g} CPU units, but this machine has {machine.cpu:g}")
        if job.memory > machine.memory:
            has = machine.memory >> 20
            over.append(f"{job.memory >> 20} MiB of memory, but this machine has {has} MiB")
        raise refuse(400, f"{what} needs {' and '.join(over)}")

    async def _check_resources(self, job: Job) -> None:
        """Refuse secrets and disks that do not exist or cannot be used."""
        container: Mapping[str, Any] = job.spec.container
        resolvers = self._platform.jobs.resolvers
        secrets = [*container.get("secret_env", {}).values()]
        secrets += [item["src_secret_uri"] for item in container.get("secret_volumes", ())]
        try:
            for uri in secrets:
                if await resolvers.secret(URL(uri)) is None:
                    raise refuse(400, f"Secret {uri} does not exist")
            for volume in container.get("disk_volumes", ()):
                if await resolvers.disk(URL(volume["src_disk_uri"])) is None:
                    raise refuse(400, f"Disk {volume['src_disk_uri']} does not exist")
        except RunnerError as error:
            raise refuse(400, f"The job cannot run here: {error}") from None

    async def _check_quota(self, owner: str, wanted: Wanted) -> None:
        """Refuse what the limits of the user or the organisation do not allow."""
        place = (wanted.cluster, wanted.org)
        jobs = [job for job in self._platform.jobs.unfinished() if (job.cluster, job.org) == place]
        for name in [owner, None] if wanted.org else [owner]:
            who = f"user '{owner}'" if name else f"organization '{wanted.org}'"
            quota = await self._platform.quota(name, *place)
            if quota.credits is not None and quota.credits <= 0:
                raise refuse(400, f"Quota exceeded: {who} has no credits left ({quota.credits})")
            limit = quota.total_running_jobs
            used = sum(name in (None, job.owner) for job in jobs)
            if limit is not None and used >= limit and not wanted.spec.wait_for_jobs_quota:
                text = f"Quota exceeded: {who} has {used} of {limit} jobs; wait for one to end, or "
                raise refuse(400, text + "send wait_for_jobs_quota")

    async def _check_volumes(self, job: Job) -> None:
        """Make missing folders where the user may write, and see that the runner can mount all."""
        mounts = []
        for volume in job.spec.container["volumes"]:
            uri = URL(volume["src_storage_uri"])
            may = await self._platform.access.missing(job.owner, [(uri, "write")]) == []
            try:
                path = await asyncio.to_thread(_existing, self._platform, uri, make=may)
            except (RunnerError, OSError) as error:
                raise invalid("volumes", f"cannot be mounted: {error}") from None
            if path is None:
                text = f"has {uri}, which does not exist, and you may not create it"
                raise invalid("volumes", text)
            mounts.append(Mount(path, volume["dst_path"], volume["read_only"]))
        spec = RunSpec(job.id, 0, (), {}, job.cpu, job.memory, mounts=tuple(mounts))
        try:
            await asyncio.to_thread(self._platform.jobs.runner.check, spec)
        except RunnerError as error:
            raise refuse(400, f"The job cannot run here: {error}") from None


def _existing(platform: Platform, uri: URL, *, make: bool) -> Path | None:
    path = storage_path(platform, uri)
    if make and not path.exists():
        path.mkdir(parents=True, exist_ok=True)
    return path if path.exists() else None


def platform_image(reference: str, registry: str) -> str | None:
    """Give the repository of a reference to the platform's registry, None for foreign images."""
    if not reference.startswith(registry):
        return None
    repository = reference.removeprefix(registry).partition("@")[0]
    folder, separator, name = repository.rpartition("/")
    return folder + separator + name.partition(":")[0]
