"""Find the job that the user means: an id, a name or a URI (jobs.md §12)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import click

from ..client import Client
from ..errors import NeuroError, ResourceNotFound
from ..jobs import JobDescription
from ..jobs.waiting import is_unknown_job
from .session import check_cluster, usage_errors
from .settings import Settings

_ID = re.compile(r"job-[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}")
_NAME = re.compile(r"[A-Za-z0-9-]+")


@attrs.frozen
class _Name:
    name: str
    owner: str
    cluster: str
    org: str | None


async def job_id(settings: Settings, client: Client, text: str) -> str:
    """Return the id of a job.

    Raises:
        ResourceNotFound: no job of that name is to be seen.
        UsageError: it is not a name, an id or a URI.
    """
    if _ID.fullmatch(text):
        return text
    wanted = _wanted(client, text)
    if _ID.fullmatch(wanted.name):
        return wanted.name
    check_cluster(settings, client, wanted.cluster)
    listing = client.jobs.list(
        name=wanted.name, owners=[wanted.owner], cluster_name=wanted.cluster, reverse=True
    )
    async with listing as jobs:
        async for job in jobs:
            if job.owner == wanted.owner and job.org_name == wanted.org:
                return job.id
    if wanted.owner == client.username:
        return wanted.name  # the platform looks names up too, on every cluster
    raise ResourceNotFound(
        f"There is no job {wanted.name!r} of {wanted.owner} on the cluster {wanted.cluster}; "
        f"`{settings.command_line('job', 'ls', '--all')}` lists them"
    )


async def find_job(settings: Settings, client: Client, text: str) -> JobDescription:
    """Return the present description of a job; ``ResourceNotFound`` if there is none."""
    id = await job_id(settings, client, text)
    with known_job(settings, text):
        return await client.jobs.status(id)


@contextmanager
def known_job(settings: Settings, text: str) -> Iterator[None]:
    """Turn the platform's 400 for an unknown id into ``ResourceNotFound`` (jobs.md §11)."""
    try:
        yield
    except NeuroError as error:
        if not is_unknown_job(error):
            raise
        raise ResourceNotFound(
            f"There is no job {text!r}; `{settings.command_line('job', 'ls', '--all')}` lists yours"
        ) from error


def _wanted(client: Client, text: str) -> _Name:
    config = client.config
    if not text.startswith("job:"):
        if not _NAME.fullmatch(text):
            raise _not_a_job(text)
        return _Name(text, config.username, config.cluster_name, config.org_name)
    with usage_errors():
        uri = client.parse.str_to_uri(text, allowed_schemes=("job",))
    *scope, name = [part for part in uri.path.split("/") if part] or [""]
    if not _NAME.fullmatch(name) or not 1 <= len(scope) <= 2:
        raise _not_a_job(text)
    return _Name(name, scope[-1], str(uri.host), scope[0] if len(scope) == 2 else None)


def _not_a_job(text: str) -> click.UsageError:
    return click.UsageError(
        f"{text!r} does not name a job; write its id, its name, job:NAME or "
        "job://CLUSTER/OWNER/NAME"
    )
