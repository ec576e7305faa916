"""``job attach``, ``exec``, ``port-forward`` and ``save``: reach into a running job."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import AsyncExitStack

import click

from ..models import TagOption
from .images import Layers, engine_errors, watch_layers
from .jobs import job
from .output import print_json
from .resolve import find_job
from .session import async_command, open_client, usage_errors
from .settings import Settings, common_options


def _pairs(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[tuple[int, int]]:
    """Read each ``LOCAL:REMOTE``, or one port for both."""
    found = []
    for value in values:
        local, colon, remote = value.partition(":")
        try:
            pair = int(local), int(remote if colon else local)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not LOCAL:REMOTE, such as 8080:80") from None
        for port in pair:
            if not 0 < port < 65536:
                raise click.BadParameter(f"{port} is no port; use 1 to 65535")
        found.append(pair)
    return found


@job.command("exec")
@click.argument("job")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-t/-T", "--tty/--no-tty", default=None, help="Default: yes on a terminal.")
@common_options
@async_command
async def execute(settings: Settings, job: str, command: Sequence[str], tty: bool | None) -> int:
    """Run a command in a job and end with its exit code.

    \b
    Examples:
      neuro-client job exec train-1 -- nvidia-smi
      neuro-client job exec train-1 -- bash
      tar c src | neuro-client job exec train-1 -- tar x -C /code
    """
    # It needs a system with terminals; the other commands do not.
    from .console import converse, is_terminal

    terminal = is_terminal()
    wanted = terminal if tty is None else tty
    async with open_client(settings) as client:
        id = (await find_job(settings, client, job)).id
        async with client.jobs.exec(
            id, shlex.join(command), tty=wanted, stdin=True, stdout=True, stderr=not wanted
        ) as stream:
            return await converse(
                stream, terminal=wanted and terminal, interactive=True, leave=False
            )


@job.command("attach")
@click.argument("job")
@common_options
@async_command
async def attach(settings: Settings, job: str) -> int:
    """Connect this terminal to a job's own process; Ctrl-P Ctrl-Q leaves it running.

    What a job without a terminal of its own writes is shown, and it gets no input.
    """
    from .console import converse, is_terminal

    async with open_client(settings) as client:
        found = await find_job(settings, client, job)
        tty = found.container.tty
        async with client.jobs.attach(
            found.id, tty=tty, stdin=tty, stdout=True, stderr=not tty
        ) as stream:
            return await converse(
                stream, terminal=tty and is_terminal(), interactive=tty, leave=True
            )


@job.command("port-forward")
@click.argument("job")
@click.argument("ports", nargs=-1, required=True, callback=_pairs, metavar="LOCAL:REMOTE...")
@common_options
@async_command
async def port_forward(settings: Settings, job: str, ports: Sequence[tuple[int, int]]) -> None:
    """Carry connections to ports of this machine to a job, until Ctrl-C.

    \b
    Example:
      neuro-client job port-forward train-1 8888:8888 6006
    """
    async with open_client(settings) as client, AsyncExitStack() as stack:
        id = (await find_job(settings, client, job)).id
        for local, remote in ports:
            await stack.enter_async_context(client.jobs.port_forward(id, local, remote))
            if settings.json:
                print_json({"job": id, "local": local, "remote": remote})
            elif not settings.quiet:
                click.echo(f"localhost:{local} is port {remote} of {id}")
        await asyncio.Event().wait()


@job.command("save")
@click.argument("job")
@click.argument("image")
@common_options
@async_command
async def save(settings: Settings, job: str, image: str) -> None:
    """Save the container of a running job as an image in the platform's registry."""
    async with open_client(settings) as client:
        id = (await find_job(settings, client, job)).id
        with usage_errors():
            target = client.parse.remote_image(image, tag_option=TagOption.DEFAULT)
        progress: Layers
        with watch_layers(settings) as progress, engine_errors(), usage_errors():
            await client.jobs.save(id, target, progress=progress)
    if settings.json:
        print_json({"job": id, "image": str(target)})
    else:
        click.echo(str(target))
