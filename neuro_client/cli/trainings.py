"""``training``: submit, inspect, follow and stop trainings of a Run:ai control plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..errors import AuthorizationError
from ..trainings import EventType, Filter, MetricType, TrainingPhase, Trainings, Workload
from . import errors
from .output import print_json, printable
from .params import duration, time
from .session import async_command, usage_errors
from .settings import Settings, common_options
from .trainings_session import find_id, open_trainings
from .trainings_submit import submit
from .trainings_views import (
    event_document,
    event_line,
    print_metrics,
    print_training,
    print_workloads,
    sample_documents,
    training_document,
    workload_document,
)

_PHASES = [str(phase) for phase in TrainingPhase if phase is not TrainingPhase.UNKNOWN]


@click.group(short_help="Submit, follow and stop trainings of a Run:ai control plane.")
@common_options
def training() -> None:
    """Submit, follow and stop trainings; TRAINING is an id or a name.

    The control plane is that of the table [trainings] of services.toml, or of RUNAI_URL,
    RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET and RUNAI_CLUSTER_URL.
    """


training.add_command(submit)


@training.command("ls")
@click.option(
    "-s", "--phase", type=click.Choice(_PHASES, case_sensitive=False), help="In this phase."
)
@click.option("-p", "--project", metavar="NAME", help="Of the project of this name.")
@click.option("-n", "--name", help="With this text in the name.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Field, operator and value, such as createdAt>=2024-05-01; repeatable.",
)
@click.option("--search", metavar="TEXT", help="With this text anywhere.")
@click.option("--sort", "sort_by", metavar="FIELD", help="Order by a field, such as createdAt.")
@click.option("--descending", is_flag=True, help="The other way round.")
@click.option("--deleted", is_flag=True, help="Those that are deleted instead.")
@click.option("--all-types", is_flag=True, help="Workloads of every kind.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@common_options
@async_command
async def ls(
    settings: Settings,
    phase: str | None,
    project: str | None,
    name: str | None,
    filters: Sequence[str],
    search: str | None,
    all_types: bool,
    **options: Any,
) -> None:
    """List trainings; with --json one document a line.

    \b
    Examples:
      neuro-client training ls --phase Running
      neuro-client training ls --sort createdAt --descending --limit 10
      neuro-client training ls --filter 'name=^nightly' --json | jq -r .id
    """
    with usage_errors():
        wanted = [Filter.parse(text) for text in filters]
        given = (("phase", "==", phase), ("projectName", "==", project), ("name", "=@", name))
        wanted += [Filter(field, sign, value) for field, sign, value in given if value]
    if all_types:
        options["types"] = None
    found: list[Workload] = []
    async with open_trainings(settings) as trainings:
        with usage_errors():
            async with trainings.list(filters=wanted, search=search, **options) as listing:
                async for item in listing:
                    if settings.json:
                        print_json(workload_document(item))
                    else:
                        found.append(item)
    if found:
        print_workloads(found)


@training.command("get")
@click.argument("training")
@common_options
@async_command
async def get(settings: Settings, training: str) -> None:
    """Show what is known of a training."""
    async with open_trainings(settings) as trainings:
        found = await trainings.get(await find_id(trainings, training))
        try:
            more = await trainings.get_workload(found.id)
        except AuthorizationError:
            more = None  # some roles may read trainings only
    if settings.json:
        print_json(training_document(found))
    else:
        print_training(found, more)


@training.command("events")
@click.argument("training")
@click.option("--warnings", is_flag=True, help="Those that need attention only.")
@common_options
@async_command
async def events_(settings: Settings, training: str, warnings: bool) -> None:
    """Print what happened to a training, oldest first; with --json one document a line."""
    async with open_trainings(settings) as trainings:
        id = await find_id(trainings, training)
        async with trainings.events(id, descending=False) as listing:
            async for event in listing:
                if warnings and event.type is not EventType.WARNING:
                    continue
                if settings.json:
                    print_json(event_document(event))
                else:
                    click.echo(printable(event_line(event)))


@training.command("metrics")
@click.argument("training")
@click.option(
    "-t",
    "--type",
    "types",
    multiple=True,
    default=("CPU_USAGE_CORES", "CPU_MEMORY_USAGE_BYTES"),
    show_default=True,
    metavar="TYPE",
    help=f"Of {', '.join(list(MetricType)[:4])} …; repeatable.",
)
@click.option("--since", type=time, help="From this time, or of this last duration; default 1h.")
@click.option("--samples", type=click.IntRange(0, 1000), default=20, show_default=True)
@common_options
@async_command
async def metrics(
    settings: Settings,
    training: str,
    types: Sequence[str],
    since: datetime | None,
    samples: int,
) -> None:
    """Print what a training uses and has used; with --json one document a value."""
    start = since or datetime.now(UTC) - timedelta(hours=1)
    async with open_trainings(settings) as trainings:
        id = await find_id(trainings, training)
        found = await trainings.metrics(id, types, start=start, samples=samples)
    if found.partial:
        settings.note("The control plane lacks some of the data")
    if not settings.json:
        print_metrics(found)
        return
    for document in sample_documents(found):
        print_json(document)


@training.command("logs")
@click.argument("training")
@click.option(
    "-f/-F",
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Go on until the training has ended, or print what is there now.",
)
@click.option("--since", type=time, help="Lines after this time, or of this last duration.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="The last N lines only.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("--pod", metavar="NAME", help="Of this pod; default: the cluster chooses.")
@click.option("--container", metavar="NAME")
@common_options
@async_command
async def logs(settings: Settings, training: str, **options: Any) -> None:
    """Print the log of a training, waiting for it to start if need be.

    With --json every line is a document. With --tail nothing is printed before the end of the
    log, so a training that runs is waited for unless --no-follow is given.
    """
    async with open_trainings(settings) as trainings:
        id = await find_id(trainings, training)
        async with trainings.logs(id, **options) as lines:
            async for line in lines:
                if not settings.json:
                    click.echo(line)
                elif options["timestamps"]:
                    stamp, _, text = line.partition(" ")
                    print_json({"timestamp": stamp, "line": text})
                else:
                    print_json({"line": line})


@training.command("wait")
@click.argument("training")
@click.option(
    "--for",
    "phases",
    multiple=True,
    type=click.Choice(_PHASES, case_sensitive=False),
    help="Until it is in this phase; repeatable. Default: until it has ended.",
)
@click.option("--timeout", type=duration, help="Give up after this time with exit code 124.")
@common_options
@async_command
async def wait(
    settings: Settings, training: str, phases: Sequence[str], timeout: float | None
) -> int:
    """Wait until a training has ended; exit code 0 if it completed, 1 if not.

    With --for an end in another phase is a failure. The training goes on when the command is
    interrupted or times out. With --json it is printed as it is then.
    """
    until = [TrainingPhase(phase) for phase in phases] or None
    async with open_trainings(settings) as trainings:
        id = await find_id(trainings, training)
        found = await trainings.wait(id, until=until, timeout=timeout, check=False)
        wanted = until or [TrainingPhase.COMPLETED]
        if settings.json:
            print_json(training_document(found))
        text = f"Training {found.id} ({found.name}) is {found.phase_text}"
        if found.phase in wanted:
            settings.note(text)
            return errors.DONE
    events = settings.command_line("training", "events", id)
    raise errors.CommandFailed(f"{text}\nSee what happened with: {events}", errors.FAILED)


async def _act(
    settings: Settings,
    words: Sequence[str],
    action: Callable[[Trainings, str], Awaitable[None]],
    done: str,
) -> int:
    """Do the same with trainings; one that cannot be helped does not keep the others from it."""
    changed: list[str] = []
    failed: list[dict[str, str]] = []
    code = errors.DONE
    async with open_trainings(settings) as trainings:
        for text in words:
            try:
                id = await find_id(trainings, text)
                await action(trainings, id)
            except click.UsageError:
                raise
            except Exception as error:
                errors.report(error, debug=settings.debug)
                failed.append({"training": text, "error": errors.message(error)})
                code = code or errors.exit_code(error)
            else:
                changed.append(id)
                settings.note(f"{done.capitalize()} {id}")
    if settings.json:
        print_json({done: changed, "failed": failed})
    return code


_trainings = click.argument("trainings", nargs=-1, required=True, metavar="TRAINING...")


@training.command("suspend")
@_trainings
@common_options
@async_command
async def suspend(settings: Settings, trainings: Sequence[str]) -> int:
    """Stop trainings so that they can be resumed."""
    return await _act(settings, trainings, Trainings.suspend, "suspended")


@training.command("resume")
@_trainings
@common_options
@async_command
async def resume(settings: Settings, trainings: Sequence[str]) -> int:
    """Let suspended trainings run again."""
    return await _act(settings, trainings, Trainings.resume, "resumed")


@training.command("delete")
@_trainings
@common_options
@async_command
async def delete(settings: Settings, trainings: Sequence[str]) -> int:
    """Remove trainings, whatever their state."""
    return await _act(settings, trainings, Trainings.delete, "deleted")
