"""``ais``: work with the objects of an AIStore cluster."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import click

from ..aistore import AIStore, BucketEntry, ListObjectFlag
from ..aistore.buckets.transfers import side
from .aistore_buckets import bucket
from .aistore_jobs import job
from .aistore_session import as_url, open_aistore, read_uri
from .copy import cp
from .output import human_size, print_json, print_pairs, print_table, printable
from .reading import as_typed, write_out
from .removing import remove_each
from .session import async_command
from .settings import Settings, common_options


@click.group(short_help="Work with the objects of an AIStore cluster.")
@common_options
def ais() -> None:
    """Work with the objects of an AIStore cluster.

    URIs are ais:BUCKET/NAME, and aws:, gcp:, azure: for the buckets of a cloud behind the cluster;
    names are taken as they are typed. The cluster is that of the table [aistore] of services.toml,
    or of AIS_ENDPOINT; no login is needed.
    """


ais.add_command(cp)
ais.add_command(bucket)
ais.add_command(job)


@ais.command("ls")
@click.argument("uris", nargs=-1, metavar="[URI]...")
@click.option("-l", "--long", is_flag=True, help="Show size, version and checksum.")
@click.option("-r", "--recursive", is_flag=True, help="Show all names, not grouped into folders.")
@click.option("--cached", is_flag=True, help="Only what is in the cluster, of a cloud's bucket.")
@common_options
@async_command
async def ls(
    settings: Settings, uris: Sequence[str], long: bool, recursive: bool, cached: bool
) -> None:
    """List the names that begin with that of a URI; without one, the buckets.

    With --json one document a line.

    \b
    Examples:
      neuro-client ais ls
      neuro-client ais ls -lr ais:train/images-
    """
    async with open_aistore(settings) as store:
        if not uris:
            await _list_buckets(settings, store)
        for text in uris:
            await _list_objects(settings, store, text, long, recursive, cached)


async def _list_buckets(settings: Settings, store: AIStore) -> None:
    for found in await store.cluster().list_buckets(""):
        if settings.json:
            print_json(found.as_dict())
        else:
            click.echo(printable(f"{found.provider}:{found.name}"))


async def _list_objects(
    settings: Settings, store: AIStore, text: str, long: bool, recursive: bool, cached: bool
) -> None:
    place, key = read_uri(store, text)
    flags = [] if recursive else [ListObjectFlag.NO_RECURSION]
    if cached:
        flags.append(ListObjectFlag.CACHED)
    rows = []
    props = "name,size,version,checksum" if long or settings.json else "name"
    async with place.list_objects_iter(key, props, flags=flags) as entries:
        async for entry in entries:
            if settings.json:
                print_json(_document(entry))
            elif long:
                size = "" if entry.is_dir() else human_size(entry.size)
                rows.append((size, entry.version, entry.checksum, entry.name))
            else:
                click.echo(printable(entry.name))
    if rows:
        print_table(("SIZE", "VERSION", "CHECKSUM", "NAME"), rows, right=("SIZE",))


def _document(entry: BucketEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "type": "folder" if entry.is_dir() else "object",
        "size": entry.size,
        "version": entry.version,
        "checksum": entry.checksum,
    }


@ais.command("stat")
@click.argument("uri")
@common_options
@async_command
async def stat(settings: Settings, uri: str) -> None:
    """Describe an object."""
    async with open_aistore(settings) as store:
        place, key = read_uri(store, uri, in_bucket=True)
        with as_typed(uri):
            found = await place.object(key).props()
    if settings.json:
        print_json(
            {
                "name": key,
                "uri": str(as_url(store, uri)),
                "size": found.size,
                "version": found.obj_version,
                "checksum_type": found.checksum_type,
                "checksum": found.checksum_value,
                "custom": dict(found.custom_metadata),
            }
        )
        return
    print_pairs(
        {
            "Name": key,
            "Size": f"{human_size(found.size)} ({found.size} bytes)",
            "Version": found.obj_version,
            "Checksum": f"{found.checksum_type} {found.checksum_value}".strip(),
            "Custom": ", ".join(f"{name}={value}" for name, value in found.custom_metadata.items()),
        }
    )


@ais.command("cat")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@common_options
@async_command
async def cat(settings: Settings, uris: Sequence[str]) -> None:
    """Write objects to stdout, one behind the other."""
    async with open_aistore(settings) as store:
        for text in uris:
            place, key = read_uri(store, text, in_bucket=True)
            with as_typed(text):
                await write_out(await side(place, key), text)


@ais.command("rm")
@click.argument("uris", nargs=-1, required=True, metavar="URI...")
@click.option("-r", "--recursive", is_flag=True, help="Remove folders and all below them.")
@common_options
@async_command
async def rm(settings: Settings, uris: Sequence[str], recursive: bool) -> int:
    """Remove objects, and with -r folders.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure. A whole bucket goes with `ais bucket rm`.
    """
    async with open_aistore(settings) as store:
        for text in uris:
            read_uri(store, text, in_bucket=True)

        async def remove(text: str) -> None:
            place, key = read_uri(store, text)
            objects = (await side(place, key.rstrip("/"))).store
            with as_typed(text):
                found = await objects.head(key.rstrip("/"))
                if found.is_dir and not recursive:
                    raise IsADirectoryError(
                        errno.EISDIR, "It is a folder; remove it with --recursive", text
                    )
                await objects.delete(found.key)

        return await remove_each(settings, uris, remove)
