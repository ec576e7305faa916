"""``ais bucket``: make, describe and remove the buckets of an AIStore cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..aistore import AIStore, Bucket
from ..aistore.names import AIS
from . import errors
from .aistore_session import open_aistore, read_uri
from .output import human_size, print_json, print_pairs, print_table
from .removing import remove_each
from .session import async_command, usage_errors
from .settings import Settings, common_options


@click.group(short_help="Make, describe and remove buckets.")
@common_options
def bucket() -> None:
    """Make, describe and remove buckets; BUCKET is a name or ais:NAME.

    A cloud's bucket has its provider in front, as in aws:NAME.
    """


def _named(store: AIStore, text: str) -> Bucket:
    found, key = read_uri(store, text if ":" in text else f"{AIS}:{text}")
    if key.strip("/"):
        raise click.UsageError(f"{text} names what is in a bucket; name the bucket")
    return found


def _read_props(pairs: Sequence[str]) -> Mapping[str, Any]:
    """Read NAME=VALUE with dots in the name; a value that is JSON is taken as that."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not all(name.split(".")):
            raise click.UsageError(f"{pair!r} is not NAME=VALUE, such as mirror.enabled=true")
        *parents, last = name.split(".")
        place = found
        for part in parents:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                break
        if not isinstance(place, dict) or last in place:
            raise click.UsageError(f"{name} is given twice")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return found


_props = click.option(
    "--prop",
    "props",
    multiple=True,
    metavar="NAME=VALUE",
    help="A property, such as mirror.enabled=true; repeatable.",
)


@bucket.command("ls")
@click.option("--provider", default="", help="Of one provider, such as ais or aws.")
@common_options
@async_command
async def ls(settings: Settings, provider: str) -> None:
    """List the buckets; with --json one document a line."""
    async with open_aistore(settings) as store:
        with usage_errors():
            found = await store.cluster().list_buckets(provider)
    if settings.json:
        for one in found:
            print_json(one.as_dict())
        return
    rows = [
        (one.name, one.provider, "" if one.namespace is None else one.namespace.name)
        for one in found
    ]
    print_table(("NAME", "PROVIDER", "NAMESPACE"), rows)


@bucket.command("create")
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--exist-ok", is_flag=True, help="One that is there is no failure.")
@_props
@common_options
@async_command
async def create(
    settings: Settings, buckets: Sequence[str], exist_ok: bool, props: Sequence[str]
) -> None:
    """Make buckets."""
    wanted = _read_props(props)
    async with open_aistore(settings) as store:
        for text in buckets:
            with usage_errors():
                await _named(store, text).create(exist_ok, props=wanted or None)


@bucket.command("rm")
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--content", is_flag=True, help="Although there is something in it.")
@common_options
@async_command
async def rm(settings: Settings, buckets: Sequence[str], content: bool) -> int:
    """Remove buckets; what is in them goes with --content only.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    async with open_aistore(settings) as store:

        async def remove(text: str) -> None:
            found = _named(store, text)
            page = await found.list_objects("", "name", 1)
            # A page may be empty although more follow (aistore.md §10.5).
            if not content and (page.entries or page.continuation_token):
                raise errors.CommandFailed(
                    f"Bucket {text!r} is not empty; --content removes what is in it, too",
                    errors.FAILED,
                )
            await found.delete()

        return await remove_each(settings, buckets, remove)


@bucket.command("show")
@click.argument("bucket")
@common_options
@async_command
async def show(settings: Settings, bucket: str) -> None:
    """Tell what a bucket holds; with --json its properties too."""
    async with open_aistore(settings) as store:
        found = await _named(store, bucket).info()
    summary = found.summary
    if settings.json:
        counts = {} if summary is None else _counts(summary.present_objects, summary.present_size)
        print_json({**counts, "props": dict(found.props)})
        return
    checksum = found.props.get("checksum") or {}
    pairs: dict[str, object] = {"Bucket": bucket, "Checksum": checksum.get("type")}
    if summary is not None:
        pairs |= {
            "Objects": summary.present_objects,
            "Size": human_size(summary.present_size),
            "On disk": human_size(summary.size_on_disk),
        }
    print_pairs(pairs)


def _counts(objects: int, size: int) -> dict[str, int]:
    return {"objects": objects, "bytes": size}


@bucket.command("set")
@click.argument("bucket")
@_props
@common_options
@async_command
async def set_(settings: Settings, bucket: str, props: Sequence[str]) -> None:
    """Change properties of a bucket; without --prop all go back to the cluster's own."""
    wanted = _read_props(props)
    async with open_aistore(settings) as store:
        place = _named(store, bucket)
        started = await (place.set_props(wanted) if wanted else place.reset_props())
    _tell(settings, started)


@bucket.command("copy")
@click.argument("source")
@click.argument("destination")
@click.option("--prefix", default="", help="Only names that begin with this.")
@click.option("--prepend", default="", help="Put this in front of the names.")
@common_options
@async_command
async def copy(
    settings: Settings, source: str, destination: str, prefix: str, prepend: str
) -> None:
    """Copy a bucket inside the cluster; prints the id of the job that does it."""
    async with open_aistore(settings) as store:
        target = _named(store, destination)
        _tell(settings, await _named(store, source).copy(target, prefix, prepend))


@bucket.command("rename")
@click.argument("bucket")
@click.argument("name")
@common_options
@async_command
async def rename(settings: Settings, bucket: str, name: str) -> None:
    """Rename a bucket; prints the id of the job that does it."""
    async with open_aistore(settings) as store:
        with usage_errors():
            _tell(settings, await _named(store, bucket).rename(name))


@bucket.command("evict")
@click.argument("bucket")
@click.option("--keep-props", is_flag=True, help="Keep the properties of the bucket.")
@common_options
@async_command
async def evict(settings: Settings, bucket: str, keep_props: bool) -> None:
    """Drop the cluster's copy of a cloud's bucket."""
    async with open_aistore(settings) as store:
        with usage_errors():
            await _named(store, bucket).evict(keep_props)


def _tell(settings: Settings, job: str) -> None:
    if settings.json:
        print_json({"job": job})
    elif job:
        click.echo(job)
