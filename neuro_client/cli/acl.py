"""``acl``: share what is yours, see what is shared, manage roles."""

from __future__ import annotations

import click
from yarl import URL

from ..client import Client
from ..models import Action, Permission
from ..uris import SCHEMES
from .output import print_json, print_table
from .session import async_command, open_client, usage_errors
from .settings import Settings, common_options

_user = click.option("-u", "--user", metavar="NAME", help="A user or role; default: you.")


@click.group(short_help="Share what is yours, and see what is shared.")
@common_options
def acl() -> None:
    """Share what is yours, see what is shared, manage roles.

    A right on a URI is one on all below it. A role, such as ann/readers, is given rights like a
    user.
    """


@acl.command("grant")
@click.argument("uri")
@click.argument("user")
@click.argument("action", type=click.Choice([item.value for item in Action]))
@common_options
@async_command
async def grant(settings: Settings, uri: str, user: str, action: str) -> None:
    """Let USER read, write or manage URI, in place of what was given before.

    \b
    Examples:
      neuro-client acl grant storage:data ann read
      neuro-client acl grant job:train-1 ann write
    """
    async with open_client(settings) as client:
        resource = _resource(client, uri)
        with usage_errors():
            given = await client.users.share(user, Permission(resource, Action(action)))
    if settings.json:
        print_json({"user": user, **_document(given)})
    settings.note(f"{user} may {given.action.value} {given.uri}")


@acl.command("revoke")
@click.argument("uri")
@click.argument("user")
@common_options
@async_command
async def revoke(settings: Settings, uri: str, user: str) -> None:
    """Take back what was given to USER on exactly this URI."""
    async with open_client(settings) as client:
        resource = _resource(client, uri)
        with usage_errors():
            await client.users.revoke(user, resource)
    if settings.json:
        print_json({"user": user, "uri": str(resource)})


@acl.command("ls")
@click.argument("uri", required=False)
@click.option("--shared", is_flag=True, help="What others may do with that which is yours.")
@_user
@common_options
@async_command
async def ls(settings: Settings, uri: str | None, shared: bool, user: str | None) -> None:
    """List what you may do, on URI and below it; with --json one document a line.

    URI may be just a scheme, as in storage:.
    """
    async with open_client(settings) as client:
        name = client.username if user is None else user
        scheme = None if uri is None else _scheme(uri)
        place = None if uri is None or scheme is not None else _resource(client, uri)
        documents: list[dict[str, str]] = []
        with usage_errors():
            if shared:
                for share in await client.users.get_shares(name, scheme, uri=place):
                    documents.append({"user": share.user, **_document(share.permission)})
            else:
                for permission in await client.users.get_acl(name, scheme, uri=place):
                    documents.append(_document(permission))
    if settings.json:
        for document in documents:
            print_json(document)
        return
    columns = ("URI", "ACTION", "USER") if shared else ("URI", "ACTION")
    print_table(columns, [[item[name.lower()] for name in columns] for item in documents])


@acl.command("list-roles")
@_user
@common_options
@async_command
async def list_roles(settings: Settings, user: str | None) -> None:
    """List the roles below you; with --json one document a line."""
    async with open_client(settings) as client:
        with usage_errors():
            roles = await client.users.get_subroles(client.username if user is None else user)
    for role in roles:
        if settings.json:
            print_json({"role": role})
        else:
            click.echo(role)


@acl.command("add-role")
@click.argument("role")
@common_options
@async_command
async def add_role(settings: Settings, role: str) -> None:
    """Make ROLE, such as ann/readers; it begins with your own name."""
    async with open_client(settings) as client:
        with usage_errors():
            await client.users.add(role)
    if settings.json:
        print_json({"added": role})


@acl.command("remove-role")
@click.argument("role")
@common_options
@async_command
async def remove_role(settings: Settings, role: str) -> None:
    """Remove ROLE with all that was given to it."""
    async with open_client(settings) as client:
        with usage_errors():
            await client.users.remove(role)
    if settings.json:
        print_json({"removed": role})


def _scheme(uri: str) -> str | None:
    """Return the scheme that stands alone, None for a URI that names something."""
    scheme, colon, rest = uri.partition(":")
    return scheme if colon and not rest.strip("/") and scheme in SCHEMES else None


def _resource(client: Client, uri: str) -> URL:
    with usage_errors():
        return client.parse.str_to_uri(uri, allowed_schemes=SCHEMES)


def _document(permission: Permission) -> dict[str, str]:
    return {"uri": str(permission.uri), "action": permission.action.value}
