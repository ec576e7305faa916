"""``workspace``: submit workspaces to an "RT" platform, follow their tasks, fetch the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import NotSupportedError, ResourceNotFound
from ..threads import run_blocking
from ..transfer import TransferOptions
from ..workspaces import Task, TaskProgress, TaskState, Workspaces
from . import errors
from .output import print_json, print_pairs
from .params import duration
from .progress import watch
from .session import async_command
from .settings import Settings, common_options
from .workspaces_session import KeyPlace, argument_errors, find_task, open_workspaces
from .workspaces_submit import shard_, submit
from .workspaces_views import (
    print_results,
    print_status,
    print_tasks,
    print_usage,
    result_document,
    status_document,
    task_document,
    usage_document,
)

_STATES = [state.value for state in TaskState if state is not TaskState.UNKNOWN]


@click.group(short_help="Train on shards in your own bucket, through an RT platform.")
@common_options
def workspace() -> None:
    """Submit workspaces and follow their tasks; TASK is an id, or a name: the newest of it.

    The platform is that of the table [workspaces] of services.toml, or of RESON_API_URL,
    RESON_API_KEY, RESON_S3_URL, RESON_ACCESS_KEY_ID and RESON_SECRET_ACCESS_KEY.
    """


workspace.add_command(submit)
workspace.add_command(shard_)

_task = click.argument("task")


@workspace.command("ls")
@click.option(
    "-s",
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES, case_sensitive=False),
    help="In this state; repeatable.",
)
@click.option("-n", "--name", help="With this text in the name.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@common_options
@async_command
async def ls(
    settings: Settings, states: Sequence[str], name: str | None, limit: int | None
) -> None:
    """List tasks; with --json one document a line.

    \b
    Examples:
      neuro-client workspace ls --state RUNNING
      neuro-client workspace ls --name mnist --json | jq -r .id
    """
    found: list[Task] = []
    async with open_workspaces(settings) as workspaces, workspaces.list() as listing:
        async for task in listing:
            if (states and task.state not in states) or (name and name not in task.name):
                continue
            found.append(task)
            if settings.json:
                print_json(task_document(task))
            if len(found) == limit:
                break
    if found and not settings.json:
        print_tasks(found)


@workspace.command("status")
@_task
@common_options
@async_command
async def status(settings: Settings, task: str) -> None:
    """Show what is known of a task, with the round it is in."""
    async with open_workspaces(settings) as workspaces:
        found = await find_task(workspaces, task)
        progress = await _progress(workspaces, found)
    if settings.json:
        print_json(status_document(found, progress))
    else:
        print_status(found, progress)


async def _progress(workspaces: Workspaces, task: Task) -> TaskProgress | None:
    """Return the round of a task, None where the platform does not tell."""
    try:
        return await workspaces.progress(task.id)
    except (ResourceNotFound, NotSupportedError):
        return None


@workspace.command("wait")
@_task
@click.option("--timeout", type=duration, help="Give up after this time with exit code 124.")
@common_options
@async_command
async def wait(settings: Settings, task: str, timeout: float | None) -> int:
    """Wait until a task has ended; exit code 0 if it finished, 1 if not.

    The task goes on when the command is interrupted or times out. With --json it is printed as it
    is then.
    """
    async with open_workspaces(settings) as workspaces:
        known = await find_task(workspaces, task)
        found = await workspaces.wait(known.id, timeout=timeout, check=False)
    if settings.json:
        print_json(task_document(found))
    text = f"Task {found.id} ({found.name}) is {found.state}"
    if found.state is TaskState.FINISHED:
        settings.note(text)
        return errors.DONE
    if found.reason:
        text += f": {found.reason}"
    log = settings.command_line("workspace", "logs", found.id)
    raise errors.CommandFailed(f"{text}\nSee what it wrote with: {log}", errors.FAILED)


@workspace.command("logs")
@_task
@click.option(
    "-f/-F",
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Go on until the task has ended, or print what is there now.",
)
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Begin with the last N lines.")
@common_options
@async_command
async def logs(settings: Settings, task: str, **options: Any) -> None:
    """Print the log of a task; with --json every line is a document.

    The local platform has logs. Other platforms put them into the results.
    """
    async with open_workspaces(settings) as workspaces:
        found = await find_task(workspaces, task)
        async with workspaces.logs(found.id, **options) as lines:
            async for line in lines:
                if settings.json:
                    print_json({"line": line})
                else:
                    click.echo(line)


@workspace.command("cancel")
@click.argument("tasks", nargs=-1, required=True, metavar="TASK...")
@common_options
@async_command
async def cancel(settings: Settings, tasks: Sequence[str]) -> int:
    """End tasks before they are through, where the platform can."""
    cancelled: list[str] = []
    failed: list[dict[str, str]] = []
    code = errors.DONE
    async with open_workspaces(settings) as workspaces:
        for text in tasks:
            try:
                found = await find_task(workspaces, text)
                await workspaces.cancel(found.id)
            except Exception as error:
                errors.report(error, debug=settings.debug)
                failed.append({"task": text, "error": errors.message(error)})
                code = code or errors.exit_code(error)
            else:
                cancelled.append(found.id)
                settings.note(f"Cancelled {found.id}")
    if settings.json:
        print_json({"cancelled": cancelled, "failed": failed})
    return code


@workspace.command("usage")
@common_options
@async_command
async def usage(settings: Settings) -> None:
    """Show how full the bucket is."""
    async with open_workspaces(settings) as workspaces:
        found = await workspaces.usage()
    if settings.json:
        print_json(usage_document(found))
    else:
        print_usage(found)


@workspace.command("results")
@_task
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--links", is_flag=True, help="Also print addresses that whoever has them can open.")
@click.option(
    "--expires", type=duration, default="1h", show_default=True, help="How long they are good."
)
@click.option("--slug", is_flag=True, help="TASK is the folder of a workspace in the bucket.")
@click.option("--progress/--no-progress", "bars", default=None, help="Default: on a terminal.")
@common_options
@async_command
async def results(
    settings: Settings,
    task: str,
    directory: Path | None,
    links: bool,
    expires: float,
    slug: bool,
    bars: bool | None,
) -> None:
    """List what a task wrote, or download it into DIRECTORY.

    A listing with --json prints one document a line.

    \b
    Examples:
      neuro-client workspace results mnist
      neuro-client workspace results mnist out
      neuro-client workspace results mnist --links --expires 10m
    """
    async with open_workspaces(settings) as workspaces:
        of = task if slug else await find_task(workspaces, task)
        with argument_errors():
            found = workspaces.results(of)
        if directory is not None:
            if links:
                raise click.UsageError("--links goes with a listing, not with a download")
            with watch(bars=bars, quiet=settings.quiet) as tally:
                await found.download(directory, options=TransferOptions(), progress=tally)
            if settings.json:
                print_json(tally.document())
            settings.note(tally.account())
            return
        files, addresses = [], []
        async with found.list() as listing:
            async for file in listing:
                link = None
                if links:
                    with argument_errors():
                        link = str(await found.link(file.path, int(expires)))
                if settings.json:
                    print_json(result_document(file, link))
                files.append(file)
                addresses += [link] if link else []
    if files and not settings.json:
        print_results(files, addresses)


@workspace.command("rotate-key")
@click.option("--print", "shown", is_flag=True, help="Print the new key, secret and all.")
@common_options
@async_command
async def rotate_key(settings: Settings, shown: bool) -> None:
    """Replace the access key of the bucket; the old one ends at once, for everybody who has it.

    The new one is put where the old one is, in services.toml. Where that has none, --print is the
    only way to learn it. A key that cannot be put there is printed as well.
    """
    kept = await run_blocking(KeyPlace.find, settings)
    if kept is None and not shown:
        raise click.UsageError(
            "The access key is not in services.toml, so the new one could not be kept there; give "
            "--print to have it printed"
        )
    async with open_workspaces(settings) as workspaces:
        key = await workspaces.rotate_key()
    try:
        if kept is not None:
            await run_blocking(kept.keep, key)
            settings.note(f"The key is {key.access_key_id} now; it is in {kept.path}")
    except BaseException:
        shown = True  # else nobody would ever have it, and the old one has ended
        raise
    finally:
        if shown:
            _show_key(settings, key.access_key_id, key.secret_access_key)


def _show_key(settings: Settings, id: str, secret: str) -> None:
    if settings.json:
        print_json({"access_key_id": id, "secret_access_key": secret})
    else:
        print_pairs({"Access key id": id, "Secret access key": secret})
