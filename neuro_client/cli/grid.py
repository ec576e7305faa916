"""``grid``: runs of a Grid control plane and what they wrote, as the seed's commands have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click

from ..artifacts import DESTINATION, Artifacts, GridRun
from ..errors import ResourceNotFound
from ..transfer import TransferOptions
from . import errors
from .grid_datastores import datastore
from .grid_run import run
from .grid_session import check_kind, open_artifacts
from .grid_views import (
    experiment_document,
    is_active,
    print_experiments,
    print_history,
    print_status,
    run_document,
)
from .output import print_json, print_table
from .progress import watch
from .removing import remove_each
from .session import async_command, usage_errors
from .settings import Settings, common_options

_KIND = click.argument("kind", type=click.Choice(["run", "experiment"]))
_NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")
_GLOBAL = click.option(
    "--global", "everyone", is_flag=True, help="Of all users, with who made them."
)


@click.group(short_help="Bring home what Grid runs wrote; submit, follow and end them.")
@common_options
def grid() -> None:
    """Bring home what Grid runs wrote; submit, follow and end them.

    The control plane is that of the table [artifacts] of services.toml, of GRID_URL, GRID_USER_ID,
    GRID_API_KEY and GRID_CLUSTER_ID, or of the published client's files in ~/.grid.
    """


grid.add_command(run)
grid.add_command(datastore)


@grid.command("artifacts")
@click.argument("names", nargs=-1, required=True, metavar="RUN_OR_EXPERIMENT...")
@click.option(
    "--download_dir",
    "--download-dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=DESTINATION,
    show_default=True,
    help="Where they go; made if it is not there.",
)
@click.option(
    "-m",
    "--match_regex",
    "--match-regex",
    "match",
    default="",
    metavar="RE",
    help="Those only in whose path this is found.",
)
@click.option(
    "--bucket_path",
    "--bucket_paths",
    "--bucket-path",
    "bucket_path",
    is_flag=True,
    help="Print where they are in your own bucket instead.",
)
@click.option(
    "-f", "--follow", is_flag=True, help="Bring what comes and changes until the end of the run."
)
@click.option("--keep-going", is_flag=True, help="Download the rest when a file fails, then fail.")
@click.option(
    "-p/-P",
    "--progress/--no-progress",
    default=None,
    help="Show bars; default: if stderr is a terminal.",
)
@common_options
@async_command
async def artifacts_(
    settings: Settings,
    names: Sequence[str],
    folder: Path,
    match: str,
    bucket_path: bool,
    follow: bool,
    keep_going: bool,
    progress: bool | None,
) -> int:
    """Download the artifacts of runs and experiments; files that are there are replaced.

    Those of an experiment go to DIR/EXPERIMENT, those of a run to DIR/RUN/EXPERIMENT. Each file
    appears when it is complete; the same command after an interruption goes on.

    \b
    Examples:
      neuro-client grid artifacts mnist
      neuro-client grid artifacts mnist-exp0 -m '[.]ckpt$' --download_dir models
      neuro-client grid artifacts --follow mnist
    """
    async with open_artifacts(settings) as artifacts:
        known, code = await _known(settings, artifacts, names)
        if bucket_path:
            await _print_paths(settings, artifacts, known)
            return code
        options = TransferOptions(on_error="continue" if keep_going else "raise")
        with usage_errors(), watch(bars=progress, quiet=settings.quiet) as tally:
            if follow:
                for name in known:
                    await artifacts.mirror(
                        name, folder, match=match, options=options, progress=tally
                    )
            else:
                await artifacts.download(
                    known, folder, match=match, options=options, progress=tally
                )
    if settings.json:
        print_json(tally.document())
    else:
        settings.note(tally.account())
    return code


async def _known(
    settings: Settings, artifacts: Artifacts, names: Sequence[str]
) -> tuple[list[str], int]:
    """Leave out what is unknown, with a message; fail if nothing is left."""
    known: list[str] = []
    code = errors.DONE
    for name in dict.fromkeys(names):
        try:
            await artifacts.get(name)
        except ResourceNotFound as error:
            errors.report(error, debug=settings.debug)
            code = errors.NOT_FOUND
        else:
            known.append(name)
    if not known:
        raise errors.CommandFailed("Nothing to download: aborting", errors.NOT_FOUND)
    return known, code


async def _print_paths(settings: Settings, artifacts: Artifacts, names: Sequence[str]) -> None:
    found = await artifacts.bucket_paths(names)
    if settings.json:
        print_json({item.experiment_name: item.path for item in found})
    else:
        rows = [(item.experiment_name, item.path) for item in found]
        print_table(("experiment name", "bucket path to artifacts"), rows)


@grid.command("share")
@click.argument("experiment")
@click.argument("file")
@common_options
@async_command
async def share(settings: Settings, experiment: str, file: str) -> None:
    """Print a link to an artifact that works without a login for up to 24 hours."""
    async with open_artifacts(settings) as artifacts:
        link = await artifacts.share(experiment, file)
    if settings.json:
        print_json({"url": str(link)})
    else:
        click.echo(str(link))


@grid.command("status")
@click.argument("name", required=False, metavar="[RUN]")
@_GLOBAL
@common_options
@async_command
async def status(settings: Settings, name: str | None, everyone: bool) -> None:
    """List the runs that are active, or the experiments of a run.

    With --json one document a line.
    """
    async with open_artifacts(settings) as artifacts:
        if name is not None:
            await _print_run(settings, artifacts, name)
            return
        async with artifacts.history(everyone=everyone) as listing:
            runs = [run async for run in listing]
    active = [run for run in runs if is_active(run)]
    if settings.json:
        for run in active:
            print_json(run_document(run))
        return
    print_status(active, everyone=everyone)
    if len(active) < len(runs):
        history = settings.command_line("grid", "history")
        settings.note(f"{len(runs) - len(active)} runs are not active; see them with: {history}")


async def _print_run(settings: Settings, artifacts: Artifacts, name: str) -> None:
    if not isinstance(await artifacts.get(name), GridRun):
        raise click.UsageError(f"{name!r} is an experiment; give the name of a run")
    async with artifacts.experiments(name) as listing:
        found = [experiment async for experiment in listing]
    if settings.json:
        for experiment in found:
            print_json(experiment_document(experiment))
    else:
        print_experiments(found)


@grid.command("history")
@_GLOBAL
@common_options
@async_command
async def history(settings: Settings, everyone: bool) -> None:
    """List all runs, active ones too; with --json one document a line."""
    async with open_artifacts(settings) as artifacts:
        async with artifacts.history(everyone=everyone) as listing:
            runs = [run async for run in listing]
    if settings.json:
        for run in runs:
            print_json(run_document(run))
    else:
        print_history(runs, everyone=everyone)


@grid.command("logs")
@click.argument("experiment")
@click.option(
    "-l",
    "--tail-lines",
    "tail",
    type=click.IntRange(0),
    metavar="N",
    help="The last N lines only.",
)
@click.option("--show-build-logs", "build", is_flag=True, help="Begin with those of the image.")
@click.option(
    "-f/-F",
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Go on until the experiment has ended, or print what is there now.",
)
@common_options
@async_command
async def logs(
    settings: Settings, experiment: str, tail: int | None, build: bool, follow: bool
) -> None:
    """Print the log of an experiment as "[type] [time] line"; a run stands for its -exp0.

    With --json every line is a document.
    """
    async with open_artifacts(settings) as artifacts:
        if build:
            for line in await artifacts.build_logs(experiment, timestamps=True):
                _print_line(settings, "build", line)
        async with artifacts.logs(experiment, follow=follow, tail=tail, timestamps=True) as lines:
            async for line in lines:
                _print_line(settings, "experiment", line)


def _print_line(settings: Settings, kind: str, line: str) -> None:
    stamp, _, text = line.partition(" ")
    if settings.json:
        print_json({"type": kind, "timestamp": stamp, "line": text})
    else:
        click.echo(f"[{kind}] [{stamp}] {text}")


@grid.command("stop")
@_KIND
@_NAMES
@common_options
@async_command
async def stop(settings: Settings, kind: str, names: Sequence[str]) -> int:
    """End runs or experiments; what they wrote stays."""
    return await _each(settings, kind, names, Artifacts.stop, "stopped")


@grid.command("delete")
@_KIND
@_NAMES
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common_options
@async_command
async def delete(settings: Settings, kind: str, names: Sequence[str], yes: bool) -> int:
    """Remove runs or experiments for good, with their artifacts and logs."""
    if not yes:
        listed = ", ".join(names)
        click.confirm(
            f"Delete {kind} {listed} with all artifacts and logs? This cannot be undone",
            abort=True,
            err=True,
        )
    return await _each(settings, kind, names, Artifacts.delete, "deleted")


async def _each(
    settings: Settings,
    kind: str,
    names: Sequence[str],
    act: Callable[[Artifacts, str], Awaitable[None]],
    done: str,
) -> int:
    async with open_artifacts(settings) as artifacts:

        async def one(name: str) -> None:
            await check_kind(artifacts, kind, name)
            await act(artifacts, name)
            settings.note(f"{done.capitalize()} {name}")

        return await remove_each(settings, names, one, done=done)
