"""``image``: look at the images in the registry, push and pull them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from ..client import Client
from ..image_progress import (
    AbstractDockerImageProgress,
    ImageCommitFinished,
    ImageCommitStarted,
    ImageProgressPull,
    ImageProgressPush,
    ImageProgressSave,
    ImageProgressStep,
)
from ..models import RemoteImage, TagOption
from . import errors
from .output import human_size, print_json, print_table, printable
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options


@click.group(short_help="Look at images, push and pull them.")
@common_options
def image() -> None:
    """Look at the images in the platform's registry, push and pull them.

    IMAGE is image:NAME:TAG, image:/OWNER/NAME:TAG or image://CLUSTER/OWNER/NAME:TAG; without a
    TAG it is latest.
    """


@image.command("ls")
@click.option("--cluster", metavar="NAME", help="Default: the current cluster.")
@common_options
@async_command
async def ls(settings: Settings, cluster: str | None) -> None:
    """List the images that you can see, without their tags."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        _print_images(settings, await client.images.list(cluster))


@image.command("tags")
@click.argument("image")
@common_options
@async_command
async def tags(settings: Settings, image: str) -> None:
    """List an image under each of its tags, with the size of its layers."""
    async with open_client(settings) as client:
        asked = _remote(client, image, TagOption.DENY)
        found = await client.images.tags(asked)
        sizes = [(await client.images.tag_info(one)).size or 0 for one in found]
    if settings.json:
        for one, size in zip(found, sizes, strict=True):
            print_json({"image": str(one), "tag": one.tag, "size": size})
        return
    rows = [(str(one), human_size(size)) for one, size in zip(found, sizes, strict=True)]
    print_table(("IMAGE", "SIZE"), rows, right=("SIZE",))


@image.command("size")
@click.argument("image")
@common_options
@async_command
async def size(settings: Settings, image: str) -> None:
    """Print the bytes of an image's layers."""
    async with open_client(settings) as client:
        asked = _remote(client, image)
        found = (await client.images.tag_info(asked)).size or 0
    if settings.json:
        print_json({"image": str(asked), "size": found})
    else:
        click.echo(found)


@image.command("digest")
@click.argument("image")
@common_options
@async_command
async def digest(settings: Settings, image: str) -> None:
    """Print the digest that a tag stands for."""
    async with open_client(settings) as client:
        asked = _remote(client, image)
        found = await client.images.digest(asked)
    if settings.json:
        print_json({"image": str(asked), "digest": found})
    else:
        click.echo(found)


@image.command("rm")
@click.argument("image", nargs=-1, required=True)
@common_options
@async_command
async def rm(settings: Settings, image: tuple[str, ...]) -> int:
    """Remove images; other tags of the same content go too."""
    failed = errors.DONE
    async with open_client(settings) as client:
        asked = [_remote(client, text) for text in image]
        for one in asked:
            try:
                await client.images.rm(one, await client.images.digest(one))
            except Exception as error:
                errors.report(error, debug=settings.debug)
                failed = failed or errors.exit_code(error)
            else:
                if not settings.quiet:
                    click.echo(f"Removed {one}", err=True)
    return failed


@image.command("push")
@click.argument("local")
@click.argument("image", required=False)
@common_options
@async_command
async def push(settings: Settings, local: str, image: str | None) -> None:
    """Send the image LOCAL of this machine's engine, by default under its own name."""
    async with open_client(settings) as client:
        with usage_errors():
            source = client.parse.local_image(local)
        target = None if image is None else _remote(client, image)
        with watch_layers(settings) as progress, engine_errors():
            done = await client.images.push(source, target, progress=progress)
    _tell(settings, str(done))


@image.command("pull")
@click.argument("image")
@click.argument("local", required=False)
@common_options
@async_command
async def pull(settings: Settings, image: str, local: str | None) -> None:
    """Fetch an image into this machine's engine, by default under its own name."""
    async with open_client(settings) as client:
        source = _remote(client, image)
        with usage_errors():
            target = None if local is None else client.parse.local_image(local)
        with watch_layers(settings) as progress, engine_errors():
            done = await client.images.pull(source, target, progress=progress)
    _tell(settings, str(done))


def _remote(client: Client, text: str, tags: TagOption = TagOption.DEFAULT) -> RemoteImage:
    """Read the name of an image of the platform."""
    with usage_errors():
        found = client.parse.remote_image(text, tag_option=tags)
        if not found.is_platform_image:
            raise ValueError(f"{text} is not in the platform's registry; write image:{text}")
    return found


def _print_images(settings: Settings, found: list[RemoteImage]) -> None:
    if settings.json:
        for one in found:
            print_json({"image": str(one), "docker": one.as_docker_url()})
        return
    rows = [(str(one), one.as_docker_url()) for one in found]
    print_table(("IMAGE", "NAME FOR DOCKER"), rows)


def _tell(settings: Settings, name: str) -> None:
    if settings.json:
        print_json({"image": name})
    else:
        click.echo(name)


@contextmanager
def engine_errors() -> Iterator[None]:
    """Report what the engine says as a failure, and what it does not have as not found."""
    try:
        yield
    except ValueError as error:
        if getattr(error, "status", None) is not None:
            raise
        raise errors.CommandFailed(str(error), errors.NOT_FOUND) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "aiodocker":
            raise
        text = getattr(error, "message", None) or str(error)
        denied = "denied" in text.lower()
        code = errors.REFUSED if denied else errors.FAILED
        raise errors.CommandFailed(f"The container engine said: {text}", code) from error


def watch_layers(settings: Settings) -> Layers:
    """Return what follows the layers: bars on a terminal."""
    return Layers(shown=sys.stderr.isatty() and not settings.quiet)


class Layers(AbstractDockerImageProgress):
    """Show a bar for each layer, on stderr."""

    def __init__(self, *, shown: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            console=Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        self._layers: dict[str, TaskID] = {}

    def __enter__(self) -> Layers:
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

    def step(self, data: ImageProgressStep) -> None:
        """Move the bar of a layer."""
        text = printable(f"{data.layer_id}: {data.status}")
        if data.layer_id not in self._layers:
            self._layers[data.layer_id] = self._bars.add_task(text, total=None)
        self._bars.update(
            self._layers[data.layer_id],
            description=text,
            completed=data.current,
            total=data.total,
        )

    def push(self, data: ImageProgressPush) -> None:
        """Tell what goes where."""
        self._bars.console.print(f"{data.src} -> {data.dst}", highlight=False, markup=False)

    def pull(self, data: ImageProgressPull) -> None:
        """Tell what comes from where."""
        self._bars.console.print(f"{data.src} -> {data.dst}", highlight=False, markup=False)

    def save(self, data: ImageProgressSave) -> None:
        """Tell what becomes of a job."""
        self._bars.console.print(f"{data.job} -> {data.dst}", highlight=False, markup=False)

    def commit_started(self, data: ImageCommitStarted) -> None:
        """Tell that the job's files are being collected."""
        self._bars.console.print("Collecting the files", highlight=False)

    def commit_finished(self, data: ImageCommitFinished) -> None:
        """Tell that they are."""
        self._bars.console.print("Sending the image", highlight=False)
