"""``job``: inspect, follow and end jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from ..jobs import JobDescription, JobStatus, JobTelemetry
from . import errors
from .job_views import job_document, outcome, print_job, print_jobs, telemetry_document
from .output import human_size, human_time, print_json
from .params import duration, time
from .resolve import find_job, job_id, known_job
from .session import async_command, check_cluster, open_client
from .settings import Settings, common_options

_TOP = "{:<19} {:>6} {:>8} {:>5} {:>8}"


@click.group(short_help="Inspect, follow and end jobs, reach into them.")
@common_options
def job() -> None:
    """Inspect, follow and end jobs, reach into them; JOB is an id, a name or a job: URI."""


@job.command("ls")
@click.option(
    "-s",
    "--status",
    multiple=True,
    type=click.Choice([str(item) for item in JobStatus if item is not JobStatus.UNKNOWN]),
    help="Jobs in this state; repeatable. Default: those that have not ended.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Jobs that have ended, too.")
@click.option("-o", "--owner", multiple=True, help="Jobs of this user; default: your own.")
@click.option("--all-owners", is_flag=True, help="Jobs of everybody that you may see.")
@click.option("-n", "--name", default="", help="Jobs of this name.")
@click.option("-t", "--tag", multiple=True, help="Jobs with this tag; repeated: with all of them.")
@click.option("--since", type=time, help="Created after this time, or within this duration.")
@click.option("--until", type=time, help="Created before this time, or this duration ago.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--recent-first", is_flag=True, help="Newest first; the default is oldest first.")
@click.option("--cluster", metavar="NAME", help="Default: the current cluster.")
@common_options
@async_command
async def ls(
    settings: Settings,
    status: Sequence[str],
    everything: bool,
    owner: Sequence[str],
    all_owners: bool,
    name: str,
    tag: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    recent_first: bool,
    cluster: str | None,
) -> None:
    """List jobs; with --json one document a line.

    \b
    Examples:
      neuro-client job ls
      neuro-client job ls --all --since 1d --recent-first
      neuro-client job ls -s failed --json | jq -r .id
    """
    if status:
        statuses = {JobStatus(item) for item in status}
    else:
        statuses = set() if everything else set(JobStatus.active_items())
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        listing = client.jobs.list(
            statuses=statuses,
            name=name,
            tags=tag,
            owners=() if all_owners else owner or [client.username],
            since=since,
            until=until,
            reverse=recent_first,
            limit=limit,
            cluster_name=cluster,
        )
        found: list[JobDescription] = []
        async with listing as jobs:
            async for item in jobs:
                if settings.json:
                    print_json(job_document(item))
                else:
                    found.append(item)
    if found:
        print_jobs(found)


@job.command("status")
@click.argument("job")
@common_options
@async_command
async def status(settings: Settings, job: str) -> None:
    """Show what is known of a job."""
    async with open_client(settings) as client:
        found = await find_job(settings, client, job)
    if settings.json:
        print_json(job_document(found))
    else:
        print_job(found)


@job.command("logs")
@click.argument("job")
@click.option(
    "-f/-F",
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Go on until the job has ended, or print what is there now.",
)
@click.option("--since", type=time, help="Lines after this time, or of this last duration.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="The last N lines only.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@common_options
@async_command
async def logs(
    settings: Settings,
    job: str,
    follow: bool,
    since: datetime | None,
    tail: int | None,
    timestamps: bool,
) -> None:
    """Print the log of a job, waiting for it to start if need be.

    With --json every line is a document. With --tail nothing is printed before the end of the
    log, so a running job is waited for unless --no-follow is given.

    \b
    Examples:
      neuro-client job logs train
      neuro-client job logs --no-follow --tail 20 train
    """
    async with open_client(settings) as client:
        found = await find_job(settings, client, job)
        stream = client.jobs.logs(
            found.id,
            follow=follow,
            since=since,
            tail=tail,
            timestamps=timestamps,
            cluster_name=found.cluster_name,
        )
        async with stream as lines:
            async for line in lines:
                if not settings.json:
                    click.echo(line)
                elif timestamps:
                    stamp, _, text = line.partition(" ")
                    print_json({"timestamp": stamp, "line": text})
                else:
                    print_json({"line": line})


@job.command("top")
@click.argument("job")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many samples.")
@common_options
@async_command
async def top(settings: Settings, job: str, count: int | None) -> None:
    """Print what a running job uses, a line about every second, until it ends."""
    async with open_client(settings) as client:
        found = await find_job(settings, client, job)
        if not found.status.is_running:
            raise errors.CommandFailed(
                f"Job {found.id} uses nothing: it is {found.status}", errors.FAILED
            )
        seen = 0
        async with client.jobs.top(found.id, cluster_name=found.cluster_name) as samples:
            async for sample in samples:
                if settings.json:
                    print_json(telemetry_document(found, sample))
                else:
                    if not seen:
                        click.echo(_TOP.format("TIME", "CPU", "MEMORY", "GPU", "GPU MEM"))
                    click.echo(_sample_line(sample))
                seen += 1
                if seen == count:
                    break


def _sample_line(sample: JobTelemetry) -> str:
    gpu, memory = sample.gpu_duty_cycle, sample.gpu_memory_bytes
    return _TOP.format(
        human_time(datetime.fromtimestamp(sample.timestamp, UTC)),
        f"{sample.cpu:.2f}",
        human_size(sample.memory_bytes),
        "" if gpu is None else f"{gpu}%",
        "" if memory is None else human_size(memory),
    ).rstrip()


@job.command("wait")
@click.argument("job")
@click.option("--timeout", type=duration, help="Give up after this time with exit code 124.")
@common_options
@async_command
async def wait(settings: Settings, job: str, timeout: float | None) -> int:
    """Wait until a job has ended; exit code 0 if it succeeded, 1 if not.

    The job goes on when the command is interrupted or times out. With --json the final
    description is printed in both cases of an end.
    """
    async with open_client(settings) as client:
        found = await find_job(settings, client, job)
        try:
            ended = await client.jobs.wait(
                found.id, timeout=timeout, check=False, cluster_name=found.cluster_name
            )
        except TimeoutError:
            raise errors.CommandFailed(
                f"Job {found.id} has not ended within the time given; it goes on. "
                f"End it with: {settings.command_line('job', 'kill', found.id)}",
                errors.TIMED_OUT,
            ) from None
    if settings.json:
        print_json(job_document(ended))
    if ended.status is JobStatus.SUCCEEDED:
        settings.note(outcome(ended))
        return errors.DONE
    raise errors.CommandFailed(
        f"{outcome(ended)}\nRead its log with: {settings.command_line('job', 'logs', ended.id)}",
        errors.FAILED,
    )


@job.command("kill")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@common_options
@async_command
async def kill(settings: Settings, jobs: Sequence[str]) -> int:
    """End jobs; one that has ended already stays as it is.

    A job that cannot be ended does not keep the others from it; the exit code is that of the
    first failure.
    """
    killed: list[str] = []
    failed: list[dict[str, str]] = []
    code = errors.DONE
    async with open_client(settings) as client:
        for text in jobs:
            try:
                id = await job_id(settings, client, text)
                with known_job(settings, text):
                    await client.jobs.kill(id)
            except click.UsageError:
                raise
            except Exception as error:
                errors.report(error, debug=settings.debug)
                failed.append({"job": text, "error": errors.message(error)})
                code = code or errors.exit_code(error)
            else:
                killed.append(id)
                settings.note(f"Killed {id}")
    if settings.json:
        print_json({"killed": killed, "failed": failed})
    return code
