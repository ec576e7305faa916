"""``storage``: work with files on the platform's storage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from yarl import URL

from ..client import Client
from ..errors import NeuroError
from ..storage import FileStatus
from ..uris import storage_path
from . import errors
from .copy import cp, mv
from .output import human_size, human_time, print_json, print_pairs, print_table, printable
from .places import Place, read_place
from .removing import Removed
from .session import async_command, check_cluster, open_client
from .settings import Settings, common_options


@click.group(short_help="Work with files on the platform's storage.")
@common_options
def storage() -> None:
    """Work with files on the platform's storage.

    URIs are storage:PATH in your own home folder, storage:/USER/PATH in somebody else's, and
    storage://CLUSTER/USER/PATH anywhere.
    """


storage.add_command(cp)
storage.add_command(mv)


@storage.command("ls")
@click.argument("uris", nargs=-1, metavar="[URI]...")
@click.option("-l", "--long", is_flag=True, help="Show type, rights, size and time.")
@click.option("-d", "--directory", is_flag=True, help="Show directories, not what is in them.")
@common_options
@async_command
async def ls(settings: Settings, uris: Sequence[str], long: bool, directory: bool) -> None:
    """List directories, by default the home folder; files are listed as themselves.

    With --json one document a line, in the server's order.

    \b
    Examples:
      neuro-client storage ls -l storage:data
    """
    async with open_client(settings) as client:
        for position, text in enumerate(uris or ("storage:",)):
            uri = (await read_place(settings, client, text, ("storage",))).uri
            if len(uris) > 1 and not settings.json:
                click.echo(f"{chr(10) if position else ''}{printable(text)}:")
            await _list(settings, client, uri, long=long, directory=directory)


async def _list(
    settings: Settings, client: Client, uri: URL, *, long: bool, directory: bool
) -> None:
    found: list[FileStatus] = []
    try:
        if directory:
            raise NotADirectoryError
        async with client.storage.list(uri) as statuses:
            async for status in statuses:
                if settings.json:
                    print_json(_document(status))
                else:
                    found.append(status)
    except NotADirectoryError:
        status = await client.storage.stat(uri)
        if settings.json:
            print_json(_document(status))
        else:
            found.append(status)
    found.sort(key=lambda status: status.name)
    if not long:
        for status in found:
            click.echo(printable(status.name) + ("/" if status.is_dir() else ""))
    elif found:
        rows = [
            (
                status.type.value.lower(),
                status.permission.value,
                "" if status.is_dir() else human_size(status.size),
                human_time(datetime.fromtimestamp(status.modification_time, UTC)),
                status.name if status.target is None else f"{status.name} -> {status.target}",
            )
            for status in found
        ]
        print_table(("TYPE", "RIGHTS", "SIZE", "MODIFIED", "NAME"), rows, right=("SIZE",))


def _document(status: FileStatus) -> dict[str, Any]:
    """Return a status as JSON values; ``modified`` is in seconds since the epoch."""
    return {
        "name": status.name,
        "uri": str(status.uri),
        "type": status.type.value.lower(),
        "size": status.size,
        "modified": status.modification_time,
        "permission": status.permission.value,
        "target": status.target,
    }


@storage.command("mkdir")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option("-p", "--parents", is_flag=True, help="Make parents too; what exists is no error.")
@common_options
@async_command
async def mkdir(settings: Settings, uris: Sequence[str], parents: bool) -> None:
    """Make directories."""
    made = []
    async with open_client(settings) as client:
        for text in uris:
            uri = (await read_place(settings, client, text, ("storage",))).uri
            await client.storage.mkdir(uri, parents=parents, exist_ok=parents)
            made.append(str(uri))
    if settings.json:
        print_json({"made": made})


@storage.command("rm")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option("-r", "--recursive", is_flag=True, help="Remove directories and all below them.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what is removed.")
@common_options
@async_command
async def rm(settings: Settings, uris: Sequence[str], recursive: bool, verbose: bool) -> int:
    """Remove files, and with -r directories.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    removed = Removed(tell=verbose)
    code = errors.DONE
    async with open_client(settings) as client:
        places = [await read_place(settings, client, text, ("storage",)) for text in uris]
        for place in places:
            _check_not_home(client, place)
        for place in places:
            try:
                await client.storage.rm(place.uri, recursive=recursive, progress=removed)
            except (NeuroError, OSError) as error:
                if isinstance(error, IsADirectoryError):
                    error = IsADirectoryError(
                        error.errno, "It is a directory; remove it with --recursive", place.text
                    )
                errors.report(error, debug=settings.debug)
                code = code or errors.exit_code(error)
    if settings.json:
        print_json({"removed": removed.uris})
    return code


def _check_not_home(client: Client, place: Place) -> None:
    """Refuse the user's whole home folder, and what holds it: it would not come back."""
    path = f"/{storage_path(client.parse.normalize_uri(place.uri)).strip('/')}".rstrip("/")
    orgs = client.config.clusters[place.uri.host or client.cluster_name].orgs
    for org in {None, *orgs}:
        home = "".join(f"/{name}" for name in (org, client.username) if name)
        if f"{home}/".startswith(f"{path}/"):
            raise click.UsageError(
                f"{place.text} is a home folder, or holds one; name what is in it instead"
            )


@storage.command("du")
@click.argument("uri", required=False)
@click.option("--cluster", metavar="NAME", help="The home folder there; default: the current one.")
@common_options
@async_command
async def du(settings: Settings, uri: str | None, cluster: str | None) -> None:
    """Show how full the file system is that holds URI, by default the home folder."""
    if uri is not None and cluster is not None:
        raise click.UsageError("Give a URI or --cluster, not both")
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        place = None
        if uri is not None:
            place = (await read_place(settings, client, uri, ("storage",))).uri
        usage = await client.storage.disk_usage(cluster, uri=place)
    if settings.json:
        print_json(
            {
                "cluster": usage.cluster_name,
                "uri": None if usage.uri is None else str(usage.uri),
                "total": usage.total,
                "used": usage.used,
                "free": usage.free,
            }
        )
        return
    print_pairs(
        {
            "Cluster": usage.cluster_name,
            "Total": human_size(usage.total),
            "Used": f"{human_size(usage.used)} ({usage.used / max(usage.total, 1):.0%})",
            "Free": human_size(usage.free),
        }
    )


@storage.command("glob")
@click.argument("patterns", nargs=-1, required=True, metavar="PATTERN...")
@common_options
@async_command
async def glob(settings: Settings, patterns: Sequence[str]) -> None:
    """Print the URIs that fit patterns; quote them, or the shell reads them first.

    * and ? stand for characters of one name, ** for directories at any depth. With --json one
    document a line.

    \b
    Examples:
      neuro-client storage glob 'storage:runs/*/metrics.json'
    """
    async with open_client(settings) as client:
        for text in patterns:
            # In a URI a question mark begins a query; in a pattern it is a character.
            pattern = URL(text.replace("?", "%3F").replace("#", "%23"))
            check_cluster(settings, client, pattern.host)
            async with client.storage.glob(pattern) as found:
                async for uri in found:
                    if settings.json:
                        print_json({"uri": str(uri)})
                    else:
                        click.echo(printable(str(uri)))
