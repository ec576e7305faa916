"""What the samples of service accounts need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from neuro_client.client import Client

from ..golden import Prepare
from ..rest import rest


def making(*names: str | None) -> Prepare:
    """Make accounts, and remove all there are afterwards."""

    @asynccontextmanager
    async def prepare(client: Client) -> AsyncIterator[Mapping[str, str]]:
        async with rest(client, client.config.service_accounts_url) as service:
            for name in names:
                await service.call("POST", body={"name": name, "default_cluster": "alpha"})
            yield {}
            for account in await service.call("GET"):
                await service.call("DELETE", f"/{account['id']}")

    return prepare


PREPARE: Mapping[str, Prepare] = {
    "list": making("builder", None),
    "create": making(),
    "create_unnamed": making(),
    "create_taken": making("builder"),
    "get": making("builder"),
    "rm": making("builder"),
}
