"""``service-account``: logins for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ..service_accounts import ServiceAccount
from .output import human_time, iso, print_json, print_pairs, print_table
from .removing import remove_each
from .session import async_command, check_cluster, open_client, usage_errors
from .settings import Settings, common_options


@click.group("service-account", short_help="Make and remove logins for programs.")
@common_options
def service_account() -> None:
    """Make and remove logins for programs; ACCOUNT is an id or a name.

    An account may do what its role is given: `acl grant URI ROLE read`.
    """


@service_account.command("ls")
@common_options
@async_command
async def ls(settings: Settings) -> None:
    """List your service accounts; with --json one document a line."""
    rows = []
    async with open_client(settings) as client, client.service_accounts.list() as accounts:
        async for found in accounts:
            if settings.json:
                print_json(_document(found))
            created = human_time(found.created_at)
            rows.append((found.id, found.name, found.role, found.default_cluster, created))
    if not settings.json:
        print_table(("ID", "NAME", "ROLE", "CLUSTER", "CREATED"), rows)


@service_account.command("create")
@click.option("--name", help="As the name of a host is made; default: none.")
@click.option("--default-cluster", metavar="NAME", help="Default: the current cluster.")
@common_options
@async_command
async def create(settings: Settings, name: str | None, default_cluster: str | None) -> None:
    """Make an account and print its token, which is shown this one time.

    The program logs in with `login --token - URL`, or gets the token as the variable
    NEURO_PASSED_CONFIG.
    """
    async with open_client(settings) as client:
        check_cluster(settings, client, default_cluster)
        with usage_errors():
            made, token = await client.service_accounts.create(name, default_cluster)
    if settings.json:
        print_json({**_document(made), "token": token})
        return
    _show(settings, made)
    settings.note("The token, which cannot be shown again:")
    click.echo(token)


@service_account.command("get")
@click.argument("account")
@common_options
@async_command
async def get(settings: Settings, account: str) -> None:
    """Describe an account."""
    async with open_client(settings) as client:
        _show(settings, await client.service_accounts.get(account))


@service_account.command("rm")
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
@common_options
@async_command
async def rm(settings: Settings, accounts: Sequence[str]) -> int:
    """Remove accounts; their tokens are of no use from then on.

    What cannot be removed does not keep the rest from it; the exit code is that of the first
    failure.
    """
    async with open_client(settings) as client:
        return await remove_each(settings, accounts, client.service_accounts.rm)


def _document(found: ServiceAccount) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "role": found.role,
        "owner": found.owner,
        "default_cluster": found.default_cluster,
        "created": iso(found.created_at),
    }


def _show(settings: Settings, found: ServiceAccount) -> None:
    if settings.json:
        print_json(_document(found))
        return
    print_pairs(
        {
            "Account": found.id,
            "Name": found.name,
            "Role": found.role,
            "Owner": found.owner,
            "Cluster": found.default_cluster,
            "Created": human_time(found.created_at),
        }
    )
