"""``grid run``: submit a script with the folder it lies in (grid-artifacts.md §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from ..artifacts import DatastoreMount, RunRequest
from ..errors import ResourceNotFound
from . import errors
from .grid_session import open_artifacts
from .grid_views import run_document
from .output import print_json
from .session import async_command, usage_errors
from .settings import Settings, common_options

_MOUNT = "/datastores/{name}"


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", help="Lower-case letters, digits and '-'; default: made up.")
@click.option("--description", default="")
@click.option(
    "-l",
    "--localdir",
    "--local_dir",
    "local",
    is_flag=True,
    help="Send the folder; there is no other way, so it need not be said.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default="the working directory",
    help="Folder that is sent.",
)
@click.option(
    "--strategy",
    type=click.Choice(["grid_search", "random_search", "none"]),
    default="grid_search",
    show_default=True,
    help="What words such as [1,2] or uniform(0,1) of the arguments span.",
)
@click.option("--num_trials", "--num-trials", type=click.IntRange(1), help="Of a random search.")
@click.option("--seed", type=int, help="Of a random search.")
@click.option("--instance_type", "--instance-type", default="m5a.large", show_default=True)
@click.option("--gpus", type=click.IntRange(0), default=0, show_default=True)
@click.option("--cpus", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--memory",
    "storage_gb",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="In GiB; the wire takes it for the size of the disk, as the published client does.",
)
@click.option("--framework", default="lightning", show_default=True)
@click.option("--use_spot", "--use-spot", is_flag=True, help="Machines that may be taken back.")
@click.option("--auto_resume", "--auto-resume", is_flag=True, help="Start again on another one.")
@click.option("--scratch_size", "--scratch-size", "scratch_gb", type=int, default=100)
@click.option(
    "--scratch_mount_path",
    "--scratch-mount-path",
    "scratch_path",
    default="/tmp/scratch",
    show_default=True,
)
@click.option("-d", "--dockerfile", default="", help="Below the folder.")
@click.option("--dependency_file", "--dependency-file", default="", help="Below the folder.")
@click.option("--datastore_name", "--datastore-name", help="A datastore to mount.")
@click.option("--datastore_version", "--datastore-version", type=int, help="Default: the newest.")
@click.option(
    "--datastore_mount_dir",
    "--datastore-mount-dir",
    help=f"Where; default {_MOUNT.format(name='NAME')}.",
)
@click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="Variable; repeatable.")
@common_options
@async_command
async def run(settings: Settings, script: str, args: Sequence[str], **options: Any) -> None:
    """Submit a script with its folder and print the name of the run.

    Options stand before SCRIPT; what follows it goes to the script.

    \b
    Examples:
      neuro-client grid run --name mnist train.py --lr '[0.1,0.2]'
      neuro-client grid run --strategy random_search --num_trials 8 train.py --lr 'uniform(0,1)'
    """
    mount = (
        options.pop("datastore_name"),
        options.pop("datastore_version"),
        options.pop("datastore_mount_dir"),
    )
    name = options.pop("name")
    folder = options.pop("folder")
    del options["local"]
    with usage_errors():
        env = dict(_variable(word) for word in options.pop("env"))
        named = {} if name is None else {"name": name}
        request = RunRequest(
            script=script, args=tuple(args), local_dir=folder, env=env, **named, **options
        )
        request.check()
    async with open_artifacts(settings) as artifacts:
        if mount[0] is not None:
            async with artifacts.datastores() as listing:
                found = [
                    item
                    async for item in listing
                    if item.name == mount[0] and mount[1] in (None, item.version)
                ]
            if not found:
                raise ResourceNotFound(f"There is no datastore {mount[0]!r} of that version")
            newest = max(found, key=lambda item: item.version)
            where = mount[2] or _MOUNT.format(name=newest.name)
            request = attrs.evolve(request, datastores=[DatastoreMount(newest.id, where)])
        with usage_errors():
            made = await artifacts.submit(request)
    if settings.json:
        print_json(run_document(made))
    else:
        click.echo(made.name)
    settings.note(f"Follow it with: {settings.command_line('grid', 'logs', made.name)}")


def _variable(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise errors.CommandFailed(f"--env is NAME=VALUE, not {name!r}", errors.USAGE)
    return name, value
