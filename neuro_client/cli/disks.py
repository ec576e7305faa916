"""``disk``: make, list and remove persistent disks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click

from ..disks import Disk
from .output import (
    human_duration,
    human_size,
    human_time,
    iso,
    print_json,
    print_pairs,
    print_table,
)
from .params import cluster_option, duration
from .removing import remove_each
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]?)(I?B)?", re.IGNORECASE)
_POWERS = ("", "K", "M", "G", "T", "P")

_owner = click.option("--owner", metavar="USER", help="Whose disk the name is; default: yours.")


def size(text: str) -> int:
    """Read a size: ``10G`` and ``10GiB`` are powers of 1024, ``10GB`` is one of 1000."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size; write 500M, 10G or 1.5T")
    base = 1000 if (match[3] or "").upper() == "B" and match[2] else 1024
    return int(Decimal(match[1]) * base ** _POWERS.index(match[2].upper()))


@click.group(short_help="Make, list and remove persistent disks.")
@common_options
def disk() -> None:
    """Make, list and remove disks that jobs mount; DISK is an id or a name.

    A job mounts one with `run -v disk:DISK:/PATH`.
    """


@disk.command("ls")
@cluster_option
@common_options
@async_command
async def ls(settings: Settings, cluster: str | None) -> None:
    """List the disks that you can see; with --json one document a line."""
    rows = []
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        async with client.disks.list(cluster) as disks:
            async for found in disks:
                if settings.json:
                    print_json(_document(found))
                rows.append(
                    (
                        found.id,
                        found.name,
                        found.owner,
                        found.status.value,
                        human_size(found.storage),
                        _used(found),
                        human_time(found.last_usage),
                        _unused(found),
                    )
                )
    if not settings.json:
        columns = ("ID", "NAME", "OWNER", "STATUS", "SIZE", "USED", "LAST USED", "UNUSED FOR")
        print_table(columns, rows, right=("SIZE", "USED"))


def _used(found: Disk) -> str:
    return "" if found.used_bytes is None else human_size(found.used_bytes)


def _unused(found: Disk) -> str:
    unused = found.timeout_unused
    return "" if unused is None else human_duration(unused.total_seconds())


def _document(found: Disk) -> dict[str, Any]:
    unused = found.timeout_unused
    return {
        "id": found.id,
        "name": found.name,
        "uri": str(found.uri),
        "owner": found.owner,
        "org": found.org_name,
        "status": found.status.value,
        "storage": found.storage,
        "used": found.used_bytes,
        "created": iso(found.created_at),
        "last_usage": iso(found.last_usage),
        "timeout_unused": None if unused is None else unused.total_seconds(),
    }


def _show(settings: Settings, found: Disk) -> None:
    if settings.json:
        print_json(_document(found))
        return
    print_pairs(
        {
            "Disk": found.id,
            "Name": found.name,
            "URI": str(found.uri),
            "Owner": found.owner,
            "Organisation": found.org_name,
            "Status": found.status.value,
            "Size": human_size(found.storage),
            "Used": _used(found),
            "Created": human_time(found.created_at),
            "Last used": human_time(found.last_usage),
            "Removed when unused for": _unused(found),
        }
    )


@disk.command("create")
@click.argument("storage", type=size, metavar="SIZE")
@click.option("--name", help="3 to 40 of a-z, 0-9 and single dashes; default: none.")
@click.option(
    "--timeout-unused",
    type=duration,
    help="Remove the disk when no job has used it for this time, e.g. 1d; default, and 0: never.",
)
@cluster_option
@click.option("--org", metavar="NAME", help="Default: the current organisation.")
@common_options
@async_command
async def create(
    settings: Settings,
    storage: int,
    name: str | None,
    timeout_unused: float | None,
    cluster: str | None,
    org: str | None,
) -> None:
    """Make a disk of SIZE, such as 500M or 10G.

    K, M, G and T are powers of 1024; KB, MB, GB and TB are powers of 1000.
    """
    unused = timedelta(seconds=timeout_unused) if timeout_unused else None
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        chosen = client.config.org_name if org is None else org
        with usage_errors():
            made = await client.disks.create(storage, unused, name, cluster, chosen)
    _show(settings, made)


@disk.command("get")
@click.argument("disk")
@cluster_option
@_owner
@common_options
@async_command
async def get(settings: Settings, disk: str, cluster: str | None, owner: str | None) -> None:
    """Describe a disk."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        _show(settings, await client.disks.get(disk, cluster, owner))


@disk.command("rm")
@click.argument("disks", nargs=-1, required=True, metavar="DISK...")
@cluster_option
@_owner
@common_options
@async_command
async def rm(
    settings: Settings, disks: Sequence[str], cluster: str | None, owner: str | None
) -> int:
    """Remove disks with all that is on them; one that a job uses stays.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        return await remove_each(
            settings, disks, lambda name: client.disks.rm(name, cluster, owner)
        )
