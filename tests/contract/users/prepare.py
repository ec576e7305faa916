"""What the samples of users need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from neuro_client.client import Client

from ..golden import Prepare
from ..rest import rest

DATA = "storage://alpha/acme/ada/data"


@asynccontextmanager
async def role(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Make a role that may read something, and remove all roles afterwards."""
    async with rest(client, client.config.api_url / "users") as service:
        await service.call("POST", body={"name": "ada/readers"})
        granted = [{"uri": DATA, "action": "read"}]
        await service.call("POST", "/ada:readers/permissions", granted)
        yield {}
        for name in (await service.call("GET", "/ada/subroles"))["subroles"]:
            await service.call("DELETE", f"/{name.replace('/', ':')}")


@asynccontextmanager
async def share(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Share something with another user."""
    async with rest(client, client.config.api_url / "users") as service:
        await service.call("POST", "/bob/permissions", [{"uri": DATA, "action": "write"}])
        yield {}
        left = await service.call("GET", "/ada/permissions/shared")
        for item in left:
            await service.call("DELETE", f"/{item['user']}/permissions?uri={item['uri']}")


PREPARE: Mapping[str, Prepare] = {
    "get_acl_uri": role,
    "get_shares": share,
    "get_shares_uri": share,
    "get_subroles": role,
    "revoke": share,
    "add": role,
    "remove": role,
}
