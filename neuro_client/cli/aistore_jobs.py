"""``ais job``: start, follow and stop the jobs of an AIStore cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..aistore import AIStore, Bucket, JobInfoNotFound, JobSnapshot
from ..aistore.names import AIS
from . import errors
from .aistore_session import open_aistore, read_uri
from .output import human_size, human_time, iso, print_json, print_table
from .params import duration
from .removing import remove_each
from .session import async_command, usage_errors
from .settings import Settings, common_options


@click.group(short_help="Start, follow and stop jobs.")
@common_options
def job() -> None:
    """Start, follow and stop the jobs of the cluster; JOB is an id."""


@contextmanager
def _known(job: str) -> Iterator[None]:
    """Report a job that nobody knows as other things that are missing."""
    try:
        yield
    except JobInfoNotFound as error:
        raise errors.CommandFailed(f"There is no job {job!r}: {error}", errors.NOT_FOUND) from error


@job.command("ls")
@click.option("--kind", default="", help="Of one kind, such as copy-bck.")
@common_options
@async_command
async def ls(settings: Settings, kind: str) -> None:
    """List the jobs that run, as KIND[ID]."""
    async with open_aistore(settings) as store:
        found = await store.cluster().list_running_jobs(kind)
    for name in found:
        if settings.json:
            print_json({"job": name})
        else:
            click.echo(name)


@job.command("show")
@click.argument("job")
@common_options
@async_command
async def show(settings: Settings, job: str) -> None:
    """Show what each target tells about a job; with --json one document a target."""
    async with open_aistore(settings) as store:
        with _known(job):
            found = await store.job(job).snapshots()
    if settings.json:
        for one in found:
            print_json(_document(one))
        return
    print_table(
        ("TARGET", "KIND", "STATE", "OBJECTS", "SIZE", "STARTED", "ENDED"),
        [
            (
                one.target_id,
                one.kind,
                _state(one),
                one.stats.objects,
                human_size(one.stats.bytes),
                human_time(one.start_time),
                human_time(one.end_time),
            )
            for one in found
        ],
        right=("OBJECTS", "SIZE"),
    )


def _state(one: JobSnapshot) -> str:
    if one.is_aborted:
        return "aborted"
    if one.err:
        return "failed"
    if one.is_finished:
        return "finished"
    return "idle" if one.is_idle else "running"


def _document(one: JobSnapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "target": one.target_id,
        "state": _state(one),
        "objects": one.stats.objects,
        "bytes": one.stats.bytes,
        "started": iso(one.start_time),
        "ended": iso(one.end_time),
        "error": one.err or one.abort_err,
    }


@job.command("wait")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--timeout", type=duration, help="Give up after this time, such as 5m; it goes on.")
@common_options
@async_command
async def wait(settings: Settings, jobs: Sequence[str], timeout: float | None) -> int:
    """Wait for the end of jobs; the exit code is 1 if one failed, 124 if the time was too short."""
    code = errors.DONE
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    async with open_aistore(settings) as store:
        for name in jobs:
            left = None if end is None else max(0.0, end - loop.time())
            with _known(name):
                result = await store.job(name).wait(left, verbose=False)
            if settings.json:
                print_json({"job": name, "success": result.success, "error": result.error})
            elif not result:
                settings.note(f"{name}: {result.error}")
            code = code or (errors.DONE if result else errors.FAILED)
    return code


@job.command("start")
@click.argument("kind")
@click.argument("buckets", nargs=-1, metavar="[BUCKET]...")
@click.option("--target", default="", metavar="ID", help="On one target, for resilver.")
@click.option("--force", is_flag=True, help="Although the cluster sees no need.")
@common_options
@async_command
async def start(
    settings: Settings, kind: str, buckets: Sequence[str], target: str, force: bool
) -> None:
    """Start a job and print its id; KIND is one such as lru, rebalance or resilver."""
    async with open_aistore(settings) as store:
        places = [_bucket(store, text) for text in buckets]
        with usage_errors():
            started = await store.job(job_kind=kind).start(target, force, places)
    if settings.json:
        print_json({"job": started})
    else:
        click.echo(started)


def _bucket(store: AIStore, text: str) -> Bucket:
    return read_uri(store, text if ":" in text else f"{AIS}:{text}")[0]


@job.command("stop")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@common_options
@async_command
async def stop(settings: Settings, jobs: Sequence[str]) -> int:
    """Stop jobs; one that has ended is no failure."""
    async with open_aistore(settings) as store:
        return await remove_each(
            settings, jobs, lambda name: store.job(name).stop(), done="stopped"
        )
