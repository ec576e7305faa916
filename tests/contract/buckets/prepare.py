"""What the samples of buckets need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from neuro_client.client import Client

from ..golden import Prepare

ORG = "acme"


@attrs.frozen
class Service:
    """Call the bucket service without the client's own code for it."""

    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must work; give the JSON, None without any."""
        async with self.session.request(method, f"{self.url}{path}", json=body) as answer:
            assert answer.ok, await answer.text()
            return await answer.json() if answer.status != 204 else None

    async def create(self, name: str | None, org: str | None) -> str:
        """Make a bucket and give its id."""
        found = await self.call("POST", "/buckets", {"name": name, "org_name": org})
        return str(found["id"])

    async def clear(self) -> None:
        """Remove everything, also what a sample made."""
        for kind in ("persistent_credentials", "buckets"):
            for item in await self.call("GET", f"/{kind}"):
                await self.call("DELETE", f"/{kind}/{item['id']}")


@asynccontextmanager
async def service(client: Client) -> AsyncIterator[tuple[Service, dict[str, str]]]:
    """Give the service, and its root as a placeholder; clean up."""
    url = str(client.config.bucket_api_url)
    headers = {"Authorization": f"Bearer {await client.config.token()}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        found = Service(url, session)
        try:
            yield found, {"buckets": url}
        finally:
            await found.clear()


@asynccontextmanager
async def nothing(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Name the service and remove what the sample makes."""
    async with service(client) as (_, values):
        yield values


@asynccontextmanager
async def several(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Make buckets with and without a name, with and without an organisation."""
    async with service(client) as (buckets, values):
        await buckets.create("train-data", ORG)
        await buckets.create("more-data", None)
        await buckets.create(None, ORG)
        await buckets.create(None, None)
        yield values


@asynccontextmanager
async def bucket(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Make a bucket."""
    async with service(client) as (buckets, values):
        yield values | {"bucket": await buckets.create("train-data", ORG)}


@asynccontextmanager
async def imported(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Register a bucket made elsewhere."""
    async with service(client) as (buckets, values):
        credentials = {"access_key_id": "A", "secret_access_key": "S", "region_name": "eu-west-1"}
        body = {
            "name": "outside",
            "provider": "aws",
            "provider_bucket_name": "external",
            "credentials": credentials,
            "org_name": ORG,
        }
        found = await buckets.call("POST", "/buckets/import/external", body)
        yield values | {"bucket": found["id"]}


@asynccontextmanager
async def keys(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Make a bucket and persistent credentials for it."""
    async with service(client) as (buckets, values):
        made = await buckets.create("train-data", ORG)
        body = {"name": "keys", "bucket_ids": [made], "read_only": False}
        await buckets.call("POST", "/persistent_credentials", body)
        yield values | {"bucket": made}


PREPARE: Mapping[str, Prepare] = {
    "list": several,
    "create": nothing,
    "create_unnamed": nothing,
    "create_taken": bucket,
    "create_bad_name": nothing,
    "create_other_org": nothing,
    "import_external": nothing,
    "get": bucket,
    "get_of_owner": bucket,
    "get_unknown": nothing,
    "find_by_path": bucket,
    "find_by_path_unknown": nothing,
    "set_public_access": bucket,
    "rm": bucket,
    "rm_unknown": nothing,
    "request_tmp_credentials": bucket,
    "request_tmp_credentials_imported": imported,
    "make_signed_url": bucket,
    "make_signed_url_too_long": bucket,
    "persistent_credentials_list": keys,
    "persistent_credentials_create": bucket,
    "persistent_credentials_create_unknown": nothing,
    "persistent_credentials_create_imported": imported,
    "persistent_credentials_get": keys,
    "persistent_credentials_get_unknown": nothing,
    "persistent_credentials_rm": keys,
}
