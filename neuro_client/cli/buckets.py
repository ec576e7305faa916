"""``bucket``: make, share and remove buckets, and the credentials for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from yarl import URL

from ..buckets import Bucket, BucketCredentials, PersistentBucketCredentials
from ..errors import ServerError
from ..threads import run_blocking
from . import errors
from .output import human_time, iso, print_json, print_pairs, print_table, printable
from .params import cluster_option
from .removing import remove_each
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options

_owner = click.option("--owner", metavar="USER", help="Whose bucket the name is; default: yours.")


@click.group(short_help="Make, share and remove buckets.")
@common_options
def bucket() -> None:
    """Make, share and remove buckets; BUCKET is an id or a name."""


@bucket.command("ls")
@cluster_option
@common_options
@async_command
async def ls(settings: Settings, cluster: str | None) -> None:
    """List the buckets that you can see; with --json one document a line."""
    rows = []
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        async with client.buckets.list(cluster) as buckets:
            async for found in buckets:
                if settings.json:
                    print_json(_document(found))
                rows.append(
                    (
                        found.name or found.id,
                        found.provider.value,
                        found.owner,
                        "public" if found.public else "",
                        human_time(found.created_at),
                        str(client.parse.normalize_uri(found.uri, short=True)),
                    )
                )
    if not settings.json:
        print_table(("NAME", "PROVIDER", "OWNER", "ACCESS", "CREATED", "URI"), rows)


def _document(found: Bucket) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "uri": str(found.uri),
        "owner": found.owner,
        "org": found.org_name,
        "cluster": found.cluster_name,
        "provider": found.provider.value,
        "created": iso(found.created_at),
        "imported": found.imported,
        "public": found.public,
    }


def _show(settings: Settings, found: Bucket) -> None:
    if settings.json:
        print_json(_document(found))
        return
    print_pairs(
        {
            "Bucket": found.id,
            "Name": found.name,
            "URI": str(found.uri),
            "Provider": found.provider.value,
            "Owner": found.owner,
            "Organisation": found.org_name,
            "Imported": "yes" if found.imported else "",
            "Public": "yes" if found.public else "",
            "Created": human_time(found.created_at),
        }
    )


@bucket.command("create")
@click.argument("name", required=False)
@cluster_option
@click.option("--org", metavar="NAME", help="Default: the current organisation.")
@common_options
@async_command
async def create(
    settings: Settings, name: str | None, cluster: str | None, org: str | None
) -> None:
    """Make a bucket; without a NAME it is called by its id."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        chosen = client.config.org_name if org is None else org
        with usage_errors():
            made = await client.buckets.create(name, cluster, chosen)
    _show(settings, made)


@bucket.command("get")
@click.argument("bucket")
@cluster_option
@_owner
@common_options
@async_command
async def get(settings: Settings, bucket: str, cluster: str | None, owner: str | None) -> None:
    """Describe a bucket."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        _show(settings, await client.buckets.get(bucket, cluster, owner))


@bucket.command("import")
@click.argument("provider", type=click.Choice([item.value for item in Bucket.Provider]))
@click.argument("provider_bucket")
@click.option("--name", help="What it is called here.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="A JSON file with what opens it; - reads stdin.",
)
@cluster_option
@common_options
@async_command
async def import_external(
    settings: Settings,
    provider: str,
    provider_bucket: str,
    name: str | None,
    credentials: Path,
    cluster: str | None,
) -> None:
    """Register a bucket that exists at a provider.

    The credentials are a JSON object: access_key_id, secret_access_key and, where they are not
    Amazon's, endpoint_url and region_name; for azure storage_endpoint and credential; for gcp
    key_data, the base64 of a service account's JSON file.
    """
    values = await run_blocking(_read_credentials, credentials)
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        with usage_errors():
            made = await client.buckets.import_external(
                Bucket.Provider(provider), provider_bucket, values, name, cluster
            )
    _show(settings, made)


def _read_credentials(path: Path) -> dict[str, str]:
    with click.open_file(str(path), encoding="utf-8") as file:
        try:
            found = json.load(file)
        except ValueError as error:
            raise click.UsageError(f"The credentials are not JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise click.UsageError("The credentials must be a JSON object of texts")
    return found


@bucket.command("rm")
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--content", is_flag=True, help="Remove what is in them first.")
@cluster_option
@_owner
@common_options
@async_command
async def rm(
    settings: Settings,
    buckets: Sequence[str],
    content: bool,
    cluster: str | None,
    owner: str | None,
) -> int:
    """Remove empty buckets; of an imported bucket only the record goes.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)

        async def remove(name: str) -> None:
            if content:
                found = await client.buckets.get(name, cluster, owner)
                await client.buckets.blob_rm(URL(f"{found.uri}/"), recursive=True)
            with _not_empty(name):
                await client.buckets.rm(name, cluster, owner)

        return await remove_each(settings, buckets, remove)


@contextmanager
def _not_empty(name: str) -> Iterator[None]:
    """Say what to do about the provider's refusal to remove a bucket that is not empty."""
    try:
        yield
    except ServerError as error:
        if "NotEmpty" not in str(error):
            raise
        raise errors.CommandFailed(
            f"Bucket {name!r} is not empty; --content removes what is in it, too", errors.FAILED
        ) from error


@bucket.command("public")
@click.argument("bucket")
@click.option("--on/--off", required=True, help="Let everybody read and list it, or nobody else.")
@cluster_option
@_owner
@common_options
@async_command
async def public(
    settings: Settings, bucket: str, on: bool, cluster: str | None, owner: str | None
) -> None:
    """Give everybody the right to read a bucket, or take it back."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        _show(settings, await client.buckets.set_public_access(bucket, on, cluster, owner))


@bucket.group("credentials", short_help="Credentials for other programs.")
@common_options
def credentials() -> None:
    """Make credentials that other programs open buckets with.

    They are secrets: `make` and `temporary` print them, `ls` does not.
    """


@credentials.command("temporary")
@click.argument("bucket")
@cluster_option
@_owner
@common_options
@async_command
async def temporary(
    settings: Settings, bucket: str, cluster: str | None, owner: str | None
) -> None:
    """Print credentials that are good for about an hour."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        found = await client.buckets.request_tmp_credentials(bucket, cluster, owner)
    _show_values(settings, [found])


@credentials.command("make")
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option("--name", help="What they are called.")
@click.option("--read-only", is_flag=True, help="They cannot change anything.")
@cluster_option
@common_options
@async_command
async def make(
    settings: Settings,
    buckets: Sequence[str],
    name: str | None,
    read_only: bool,
    cluster: str | None,
) -> None:
    """Make and print credentials that stay until they are removed."""
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        ids = [(await client.buckets.get(item, cluster)).id for item in buckets]
        made = await client.buckets.persistent_credentials_create(ids, name, cluster, read_only)
    if not settings.json:
        print_pairs({"Credentials": made.id, "Name": made.name})
    _show_values(settings, made.credentials, made)


def _show_values(
    settings: Settings,
    found: Sequence[BucketCredentials],
    kept: PersistentBucketCredentials | None = None,
) -> None:
    if settings.json:
        documents = [
            {"bucket_id": c.bucket_id, "provider": c.provider.value, **c.credentials} for c in found
        ]
        more = {} if kept is None else {"id": kept.id, "name": kept.name}
        print_json({**more, "credentials": documents})
        return
    for item in found:
        print_pairs({"Bucket": item.bucket_id, "Provider": item.provider.value, **item.credentials})


@credentials.command("ls")
@cluster_option
@common_options
@async_command
async def list_credentials(settings: Settings, cluster: str | None) -> None:
    """List your credentials, without their values; with --json one document a line."""
    rows = []
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        async with client.buckets.persistent_credentials_list(cluster) as found:
            async for item in found:
                opened = [one.bucket_id for one in item.credentials]
                if settings.json:
                    print_json(
                        {
                            "id": item.id,
                            "name": item.name,
                            "read_only": item.read_only,
                            "buckets": opened,
                        }
                    )
                rows.append(
                    (
                        item.id,
                        item.name,
                        "read" if item.read_only else "write",
                        printable(", ".join(opened), always=True),
                    )
                )
    if not settings.json:
        print_table(("ID", "NAME", "RIGHTS", "BUCKETS"), rows)


@credentials.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@cluster_option
@common_options
@async_command
async def remove_credentials(settings: Settings, names: Sequence[str], cluster: str | None) -> int:
    """Remove credentials by id or name; they open nothing any more.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    async with open_client(settings) as client:
        check_cluster(settings, client, cluster)
        return await remove_each(
            settings, names, lambda name: client.buckets.persistent_credentials_rm(name, cluster)
        )
