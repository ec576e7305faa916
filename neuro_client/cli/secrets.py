"""``secret``: keep values that jobs get and nobody reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..models import UNSET
from ..threads import run_blocking
from .output import print_json, print_table
from .params import cluster_option
from .removing import remove_each
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options

_org = click.option("--org", metavar="NAME", help="Default: the current organisation.")


@click.group(short_help="Keep values that jobs get and nobody reads.")
@common_options
def secret() -> None:
    """Keep values that jobs get and nobody reads.

    A job gets one as a variable with `run -e NAME=secret:KEY`, as a file with
    `run -v secret:KEY:/FILE`.
    """


@secret.command("ls")
@cluster_option
@common_options
@async_command
async def ls(settings: Settings, cluster: str | None) -> None:
    """List the secrets that you can use, never their values; with --json one document a line."""
    rows = []
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        async with client.secrets.list(cluster) as secrets:
            async for found in secrets:
                uri = client.parse.normalize_uri(found.uri, short=True)
                if settings.json:
                    print_json(
                        {
                            "key": found.key,
                            "uri": str(found.uri),
                            "owner": found.owner,
                            "org": found.org_name,
                            "cluster": found.cluster_name,
                        }
                    )
                rows.append((found.key, found.owner, found.org_name, str(uri)))
    if not settings.json:
        print_table(("KEY", "OWNER", "ORGANISATION", "URI"), rows)


@secret.command("add")
@click.argument("key")
@click.argument("value")
@cluster_option
@_org
@common_options
@async_command
async def add(
    settings: Settings, key: str, value: str, cluster: str | None, org: str | None
) -> None:
    """Keep VALUE under KEY, in the place of an earlier one.

    @FILE takes what is in a file, - what comes on stdin, both as it is, with the end of the line.
    A value that is typed out can be seen by other users of this machine.

    \b
    Examples:
      neuro-client secret add wandb @wandb.key
      printf %s "$TOKEN" | neuro-client secret add token -
    """
    content = await run_blocking(_read, value)
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        with usage_errors():
            await client.secrets.add(key, content, cluster, UNSET if org is None else org)
    if settings.json:
        print_json({"added": key})


def _read(value: str) -> bytes:
    if value == "-":
        return sys.stdin.buffer.read()
    if value.startswith("@"):
        return Path(value[1:]).expanduser().read_bytes()
    return value.encode("utf-8", "surrogateescape")


@secret.command("rm")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@cluster_option
@_org
@common_options
@async_command
async def rm(settings: Settings, keys: Sequence[str], cluster: str | None, org: str | None) -> int:
    """Remove secrets of yours.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    chosen = UNSET if org is None else org
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        return await remove_each(
            settings, keys, lambda key: client.secrets.rm(key, cluster, chosen)
        )
