"""``run``: start a job, follow its log, end with its exit code."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import attrs
import click

from ..client import Client
from ..errors import NeuroError
from ..jobs import JobDescription, JobPriority, JobRestartPolicy, JobStatus
from ..models import UNSET, HTTPPort
from ..threads import run_blocking
from . import errors
from .job_views import job_document, outcome
from .output import print_json
from .params import duration, parse_duration
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options

_SHORTEST_LIFE = 60.0


class RunCommand(click.Command):
    """Take everything after the image as the command, the first ``--`` left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, then drop the separator that click keeps behind an argument."""
        rest = super().parse_args(ctx, args)
        words = ctx.params.get("command", ())
        if words and words[0] == "--":
            ctx.params["command"] = words[1:]
        return rest


@click.command(
    cls=RunCommand,
    context_settings={"allow_interspersed_args": False},
    short_help="Start a job and follow its log.",
)
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("-s", "--preset", metavar="NAME", help="Resources; default the cluster's first.")
@click.option("-n", "--name", help="Name, unique among the unfinished jobs of the user.")
@click.option(
    "-v",
    "--volume",
    multiple=True,
    metavar="MOUNT",
    help="storage:PATH:/MOUNT[:ro], disk:ID:/MOUNT[:ro] or secret:NAME:/FILE; repeatable.",
)
@click.option(
    "-e",
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="Variable; NAME alone takes the value from here; =secret:NAME a secret's. Repeatable.",
)
@click.option("--env-file", multiple=True, metavar="FILE", help="NAME=VALUE lines. Repeatable.")
@click.option("-t", "--tag", multiple=True, help="Repeatable.")
@click.option("-d", "--description", metavar="TEXT")
@click.option("--entrypoint", metavar="TEXT", help="Program in place of the image's own.")
@click.option("-w", "--workdir", metavar="PATH", help="Folder in which the command starts.")
@click.option(
    "--life-span",
    type=duration,
    help="End the job after this time, e.g. 1h30m; 0 is no limit. "
    "Default: job.life-span of user.toml.",
)
@click.option(
    "--schedule-timeout", type=duration, help="Fail if it was not started within this time."
)
@click.option(
    "--restart",
    type=click.Choice([str(policy) for policy in JobRestartPolicy]),
    default=str(JobRestartPolicy.NEVER),
    show_default=True,
    help="When to start it again.",
)
@click.option("--priority", type=click.Choice([item.name.lower() for item in JobPriority]))
@click.option("--http", "http_port", type=click.IntRange(1, 65535), help="Port served over HTTP.")
@click.option(
    "--http-auth/--no-http-auth", default=True, show_default=True, help="Ask visitors to log in."
)
@click.option(
    "--wait-for-quota",
    "--wait-for-seat",
    is_flag=True,
    help="Wait while the quota of running jobs is used up, instead of failing.",
)
@click.option("--pass-config", is_flag=True, help="Give the job this login.")
@click.option("--shm", is_flag=True, help="Give the job shared memory without the usual limit.")
@click.option("--tty", is_flag=True, help="Give the job a terminal.")
@click.option("--privileged", is_flag=True, help="Where the cluster allows it.")
@click.option("--cluster", metavar="NAME", help="Default: the current cluster.")
@click.option("--org", metavar="NAME", help="Default: the current organisation.")
@click.option(
    "--submission-id",
    metavar="ID",
    help="Start at most one job of this id, however often the command is run.",
)
@click.option("--detach", is_flag=True, help="Print the id and return at once.")
@common_options
@async_command
async def run(settings: Settings, **options: Any) -> int:
    """Start a job and follow its log until it ends.

    Ends with the job's own exit code, with 125 if the job never started. Ctrl-C leaves the job
    running, prints how to come back, and ends with 130.

    A COMMAND of one word is taken as a whole shell-like line; several words are quoted.

    \b
    Examples:
      neuro-client run python:3.11 -- python -c 'print(1)'
      neuro-client run -v storage:data:/data:ro -e EPOCHS=3 --name train python:3.11 -- \\
          python /data/train.py
      neuro-client run --detach --life-span 1d python:3.11 -- 'python train.py --fast'
    """
    async with open_client(settings) as client:
        check_cluster(settings, client, options["cluster"])
        arguments = await _arguments(client, options)
        try:
            job = await client.jobs.start(**arguments)
        except asyncio.CancelledError:
            listing = settings.command_line("job", "ls")
            click.echo(f"Interrupted; the job may have started, see `{listing}`", err=True)
            raise
        except Exception as error:
            if isinstance(error, ValueError) and not isinstance(error, NeuroError):
                raise click.UsageError(str(error)) from error
            errors.report(error, debug=settings.debug)
            return errors.NEVER_STARTED
        if options["detach"]:
            return _detached(settings, job)
        return await _Following(settings, client, job).run()


async def _arguments(client: Client, options: dict[str, Any]) -> dict[str, Any]:
    """Read what the user typed into the arguments of ``jobs.start``."""
    parse, cluster = client.parse, options["cluster"]
    with usage_errors():
        image = parse.remote_image(options["image"], cluster_name=cluster)
        volumes = parse.volumes(options["volume"], cluster)
        env = await run_blocking(parse.envs, options["env"], options["env_file"], cluster)
    config = client.config
    presets = config.presets if cluster is None else config.get_cluster(cluster).presets
    preset = options["preset"] or next(iter(presets), None)
    if preset is None:
        raise click.UsageError("The cluster has no presets; name one with --preset")
    words = options["command"]
    return {
        "image": image,
        "preset_name": preset,
        "cluster_name": cluster,
        "org_name": UNSET if options["org"] is None else options["org"],
        "entrypoint": options["entrypoint"],
        "command": _command(words),
        "working_dir": options["workdir"],
        "http": _http(options),
        "env": env.env,
        "secret_env": env.secret_env,
        "volumes": volumes.volumes,
        "secret_files": volumes.secret_files,
        "disk_volumes": volumes.disk_volumes,
        "tty": options["tty"],
        "shm": options["shm"],
        "name": options["name"],
        "tags": options["tag"],
        "description": options["description"],
        "pass_config": options["pass_config"],
        "wait_for_jobs_quota": options["wait_for_quota"],
        "schedule_timeout": options["schedule_timeout"],
        "restart_policy": JobRestartPolicy(options["restart"]),
        "life_span": await _life_span(client, options["life_span"]),
        "privileged": options["privileged"],
        "priority": JobPriority[options["priority"].upper()] if options["priority"] else None,
        "submission_id": options["submission_id"],
    }


def _command(words: tuple[str, ...]) -> str | None:
    """Join words so that a POSIX shell would split them again; one word is a line already."""
    if not words:
        return None
    return words[0] if len(words) == 1 else shlex.join(words)


def _http(options: dict[str, Any]) -> HTTPPort | None:
    port = options["http_port"]
    return None if port is None else HTTPPort(port, options["http_auth"])


async def _life_span(client: Client, given: float | None) -> float | None:
    if given is None:
        text = (await client.config.get_user_config()).get("job", {}).get("life-span")
        with usage_errors():
            given = None if text is None else parse_duration(text)
    if given and given < _SHORTEST_LIFE:
        raise click.UsageError("--life-span counts whole minutes; give at least 1m, or 0 for none")
    return given or None


def _detached(settings: Settings, job: JobDescription) -> int:
    if settings.json:
        print_json(job_document(job))
    else:
        click.echo(job.id)
    settings.note(f"Follow it with: {settings.command_line('job', 'logs', job.id)}")
    return errors.DONE


@attrs.frozen
class _Following:
    """Follow a job that was just started."""

    settings: Settings
    client: Client
    job: JobDescription

    async def run(self) -> int:
        """Print the log until the job has ended and return its exit code."""
        job = self.job
        name = f" ({job.name})" if job.name else ""
        self._event("started", f"Job {job.id}{name} is {job.status}; Ctrl-C detaches", job=job)
        if job.http_url:
            self.settings.note(f"It serves {job.http_url}")
        try:
            ended = await self._follow()
        except asyncio.CancelledError:
            self._tell_how_to_come_back("Detached")
            raise
        except Exception:
            self._tell_how_to_come_back("Lost sight of it")
            raise
        self._event("ended", outcome(ended), job=ended)
        return _code(ended)

    async def _follow(self) -> JobDescription:
        job = self.job
        async with self.client.jobs.logs(job.id, cluster_name=job.cluster_name) as lines:
            async for line in lines:
                if self.settings.json:
                    print_json({"event": "log", "line": line})
                else:
                    click.echo(line)
        return await self.client.jobs.wait(job.id, check=False, cluster_name=job.cluster_name)

    def _event(self, name: str, text: str, job: JobDescription) -> None:
        if self.settings.json:
            print_json({"event": name, "job": job_document(job)})
        else:
            self.settings.note(text)

    def _tell_how_to_come_back(self, what: str) -> None:
        line, id = self.settings.command_line, self.job.id
        click.echo(
            f"\n{what}; the job goes on. Come back with:\n"
            f"  {line('job', 'logs', id)}\n"
            f"End it with:\n"
            f"  {line('job', 'kill', id)}",
            err=True,
        )


def _code(job: JobDescription) -> int:
    """Return what ``run`` ends with: the job's own code, 125 if it never ran."""
    if job.status is JobStatus.SUCCEEDED:
        return errors.DONE
    if job.history.exit_code:
        return job.history.exit_code
    # The service gives a job that never ran a start too, that of its end.
    states = [item.status for item in job.history.transitions]
    never = states and JobStatus.RUNNING not in states
    return errors.NEVER_STARTED if never else errors.FAILED
