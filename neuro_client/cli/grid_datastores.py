"""``grid datastore``: upload datastores, and go on with what was interrupted."""

from __future__ import annotations

from pathlib import Path

import click

from ..artifacts import Datastore
from ..errors import ResourceNotFound, SourceChangedError
from ..transfer.places import absolute
from .grid_session import open_artifacts
from .grid_views import datastore_document, print_datastores
from .output import print_json, print_table
from .progress import watch
from .session import async_command
from .settings import Settings, common_options


@click.group(short_help="Upload sets of files that runs can mount.")
@common_options
def datastore() -> None:
    """Upload sets of files that runs can mount, and list them."""


@datastore.command("ls")
@common_options
@async_command
async def ls(settings: Settings) -> None:
    """List the datastores that are complete; with --json one document a line."""
    async with open_artifacts(settings) as artifacts, artifacts.datastores() as listing:
        found = [item async for item in listing]
    if settings.json:
        for item in found:
            print_json(datastore_document(item))
    else:
        print_datastores(found)


@datastore.command("upload")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Default: that of the folder or file.")
@common_options
@async_command
async def upload(settings: Settings, source: Path, name: str | None) -> None:
    """Upload a folder or a file as a new version of a datastore, and print its id.

    The same command after an interruption goes on where it ended.
    """
    await _upload(settings, source, name or (await absolute(source)).name)


@datastore.command("resume")
@click.argument("name", required=False)
@common_options
@async_command
async def resume(settings: Settings, name: str | None) -> None:
    """Go on with an upload that was interrupted on this machine, or list those there are.

    When files that were sent have changed since, it asks before it sends them again.
    """
    async with open_artifacts(settings) as artifacts:
        unfinished = await artifacts.unfinished_datastores()
    if name is None:
        rows = [(item.name, item.source, item.cluster_id, item.arrived) for item in unfinished]
        if settings.json:
            for row in rows:
                keys = ("name", "source", "cluster_id", "arrived")
                print_json(dict(zip(keys, map(str, row), strict=True)))
        else:
            print_table(("Name", "Source", "Cluster", "Files sent"), rows)
        return
    named = [item for item in unfinished if item.name == name]
    if not named:
        raise ResourceNotFound(f"No upload of a datastore {name!r} was interrupted here")
    if len(named) > 1:
        listed = ", ".join(str(item.source) for item in named)
        raise click.UsageError(
            f"Several uploads of {name!r} were interrupted; upload one of {listed} again"
        )
    await _upload(settings, named[0].source, name, cluster=named[0].cluster_id)


async def _upload(
    settings: Settings, source: Path, name: str, *, cluster: str | None = None
) -> None:
    async with open_artifacts(settings, cluster) as artifacts:
        with watch(bars=None, quiet=settings.quiet) as tally:
            try:
                found = await artifacts.upload_datastore(source, name, progress=tally)
            except SourceChangedError as error:
                click.confirm(f"{error}\nSend them again?", abort=True, err=True)
                found = await artifacts.upload_datastore(source, name, force=True, progress=tally)
    _print(settings, found)
    settings.note(tally.account())


def _print(settings: Settings, found: Datastore) -> None:
    if settings.json:
        print_json(datastore_document(found))
    else:
        click.echo(found.id)
