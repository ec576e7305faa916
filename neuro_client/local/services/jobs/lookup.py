"""Find the job a path names, with the rights it needs (jobs.md §1 and §11)."""

from __future__ import annotations

from aiohttp import web
from yarl import URL

from ...errors import not_allowed, refuse
from ...requests import username_of
from ...scheduler import Job
from ..base import Platform
from .answer import job_uri, named_uri


def username(request: web.Request) -> str:
    """Give the name of who asks."""
    return username_of(request)


async def find(
    platform: Platform, request: web.Request, action: str, *, by_name: bool = False
) -> Job:
    """Give the job of the path; 400 if there is none, 403 without the right."""
    key = request.match_info["id"]
    job = await platform.jobs.get(key)
    if job is None and by_name:
        job = await platform.jobs.store.get_named(key, username(request))
        job = job and await platform.jobs.get(job.id)
    if job is None:
        raise refuse(400, f"no such job {key}")
    await check(platform, request, job, action)
    found: Job = job
    return found


async def check(platform: Platform, request: web.Request, job: Job, action: str) -> None:
    """Refuse with 403 unless the caller has the right on the job by its id or its name."""
    missing: list[dict[str, str]] = []
    for uri in job_uris(job):
        missing = await platform.access.missing(username(request), [(uri, action)])
        if not missing:
            return
    raise not_allowed(missing)


def job_uris(job: Job) -> list[URL]:
    """List the URIs of a job, that by name first."""
    named = named_uri(job)
    return [job_uri(job)] if named is None else [named, job_uri(job)]
