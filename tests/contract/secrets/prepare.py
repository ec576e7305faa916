"""What the samples of secrets need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from neuro_client.client import Client

from ..golden import Prepare
from ..rest import rest


def keeping(*orgs: str | None) -> Prepare:
    """Keep the secret ``token`` in some places, and remove all there are afterwards."""

    @asynccontextmanager
    async def prepare(client: Client) -> AsyncIterator[Mapping[str, str]]:
        async with rest(client, client.config.secrets_url) as service:
            for org in orgs:
                body = {"key": "token", "value": "AA==", "org_name": org}
                await service.call("POST", body=body)
            yield {}
            for secret in await service.call("GET"):
                query = f"?org_name={secret['org_name']}" if secret["org_name"] else ""
                await service.call("DELETE", f"/{secret['key']}{query}")

    return prepare


PREPARE: Mapping[str, Prepare] = {
    "list": keeping("acme", None),
    "add": keeping(),
    "add_outside": keeping(),
    "rm": keeping("acme"),
    "rm_outside": keeping(None),
    "rm_unknown": keeping("acme"),
}
