"""``blob``: work with what is in buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ..buckets import BucketEntry
from ..client import Client
from ..errors import NeuroError, ServerError
from ..transfer import Side
from . import errors
from .copy import cp
from .output import human_size, human_time, iso, print_json, print_pairs, print_table, printable
from .params import duration
from .places import NO_BUCKET, Place, read_place
from .reading import as_typed, write_out
from .removing import Removed
from .session import async_command, open_client
from .settings import Settings, common_options

_LONGEST = 7 * 24 * 3600


@click.group(short_help="Work with what is in buckets.")
@common_options
def blob() -> None:
    """Work with what is in buckets.

    URIs are blob:BUCKET/KEY for your own buckets, blob:/USER/BUCKET/KEY for somebody else's, and
    blob://CLUSTER/USER/BUCKET/KEY anywhere. In a key, a space and whatever else a URI cannot hold
    is sent as its percent code.
    """


blob.add_command(cp)


async def _place(
    settings: Settings, client: Client, text: str, *, in_bucket: bool = False
) -> tuple[Place, Side]:
    """Read a URI and open its bucket; with *in_bucket* it must name what is in it."""
    place = await read_place(settings, client, text, ("blob",))
    try:
        side = await client.buckets.side(place.uri)
    except ServerError as error:
        if error.status != NO_BUCKET:
            raise
        raise errors.CommandFailed(f"{text}: {error}", errors.NOT_FOUND) from error
    if in_bucket and not side.key:
        raise click.UsageError(f"{text} is a whole bucket; name what is in it")
    return place, side


@blob.command("ls")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option("-l", "--long", is_flag=True, help="Show size and time.")
@click.option("-r", "--recursive", is_flag=True, help="Show all keys, not grouped into folders.")
@click.option("--full-uri", is_flag=True, help="Show URIs instead of keys.")
@common_options
@async_command
async def ls(
    settings: Settings, uris: Sequence[str], long: bool, recursive: bool, full_uri: bool
) -> None:
    """List the keys that begin with that of a URI; one that ends in a slash lists a folder.

    With --json one document a line.

    \b
    Examples:
      neuro-client blob ls blob:results/
      neuro-client blob ls -lr blob:results/run-
    """
    async with open_client(settings) as client:
        for text in uris:
            place, _ = await _place(settings, client, text)
            rows: list[BucketEntry] = []
            async with client.buckets.list_blobs(place.uri, recursive) as found:
                async for entry in found:
                    if settings.json:
                        print_json(_document(entry))
                    elif long:
                        rows.append(entry)
                    else:
                        click.echo(printable(_name(entry, full_uri)))
            if rows:
                print_table(
                    ("SIZE", "MODIFIED", "KEY"),
                    [
                        (
                            "" if entry.is_dir() else human_size(entry.size),
                            human_time(entry.modified_at),
                            _name(entry, full_uri),
                        )
                        for entry in rows
                    ],
                    right=("SIZE",),
                )


def _name(entry: BucketEntry, full_uri: bool) -> str:
    return str(entry.uri) if full_uri else entry.key


def _document(entry: BucketEntry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "uri": str(entry.uri),
        "type": "folder" if entry.is_dir() else "blob",
        "size": entry.size,
        "created": iso(entry.created_at),
        "modified": iso(entry.modified_at),
    }


@blob.command("stat")
@click.argument("uri")
@common_options
@async_command
async def stat(settings: Settings, uri: str) -> None:
    """Describe a blob, or a folder."""
    async with open_client(settings) as client:
        place, side = await _place(settings, client, uri)
        with as_typed(uri):
            entry = await side.store.head(side.key)
    kind = "folder" if entry.is_dir else "blob"
    if settings.json:
        print_json(
            {
                "key": entry.key,
                "uri": str(place.uri),
                "type": kind,
                "size": entry.size,
                "modified": entry.mtime,
            }
        )
        return
    print_pairs(
        {
            "Key": entry.key,
            "Type": kind,
            "Size": "" if entry.is_dir else f"{human_size(entry.size)} ({entry.size} bytes)",
            "Version": "" if entry.version is None else entry.version.partition(" ")[2],
        }
    )


@blob.command("cat")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@common_options
@async_command
async def cat(settings: Settings, uris: Sequence[str]) -> None:
    """Write blobs to stdout, one behind the other."""
    async with open_client(settings) as client:
        for text in uris:
            _, side = await _place(settings, client, text, in_bucket=True)
            with as_typed(text):
                await write_out(side, text)


@blob.command("rm")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option("-r", "--recursive", is_flag=True, help="Remove folders and all below them.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what is removed.")
@common_options
@async_command
async def rm(settings: Settings, uris: Sequence[str], recursive: bool, verbose: bool) -> int:
    """Remove blobs, and with -r folders.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure. The content of a whole bucket goes with `bucket rm --content`, not here.
    """
    removed = Removed(tell=verbose)
    code = errors.DONE
    async with open_client(settings) as client:
        places = [await _place(settings, client, text, in_bucket=True) for text in uris]
        for place, _ in places:
            try:
                await client.buckets.blob_rm(place.uri, recursive=recursive, progress=removed)
            except (NeuroError, OSError) as error:
                if isinstance(error, IsADirectoryError):
                    error = IsADirectoryError(
                        error.errno, "It is a folder; remove it with --recursive", place.text
                    )
                errors.report(error, debug=settings.debug)
                code = code or errors.exit_code(error)
    if settings.json:
        print_json({"removed": removed.uris})
    return code


@blob.command("sign")
@click.argument("uri")
@click.option(
    "--expires-in", type=duration, default="1h", show_default=True, help="At most 7 days."
)
@common_options
@async_command
async def sign(settings: Settings, uri: str, expires_in: float) -> None:
    """Print a URL that reads a blob without a login."""
    if not 1 <= expires_in <= _LONGEST:
        raise click.UsageError("--expires-in must be between a second and 7 days")
    async with open_client(settings) as client:
        place, _ = await _place(settings, client, uri, in_bucket=True)
        url = await client.buckets.make_signed_url(place.uri, int(expires_in))
    if settings.json:
        print_json({"url": str(url)})
    else:
        click.echo(str(url))


@blob.command("du")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@common_options
@async_command
async def du(settings: Settings, uris: Sequence[str]) -> None:
    """Count blobs and bytes of what begins with the key of a URI."""
    rows = []
    async with open_client(settings) as client:
        for text in uris:
            place, _ = await _place(settings, client, text)
            size = count = 0
            async with client.buckets.list_blobs(place.uri, recursive=True) as found:
                async for entry in found:
                    size, count = size + entry.size, count + 1
            if settings.json:
                print_json({"uri": str(place.uri), "bytes": size, "blobs": count})
            rows.append((human_size(size), count, text))
    if not settings.json:
        print_table(("SIZE", "BLOBS", "URI"), rows, right=("SIZE", "BLOBS"))
