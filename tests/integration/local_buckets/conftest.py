"""A platform with two clusters and one organisation, its bucket service, and S3 clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import attrs
import pytest
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import ClientError

from ..local_core.api import Answer, Api
from ..local_core.conftest import anonymous, api, other, platform

__all__ = ["anonymous", "api", "other", "platform"]

JSON = dict[str, Any]


@attrs.frozen
class Buckets:
    """Call the bucket service of one cluster as one user."""

    api: Api
    cluster: str = "default"

    @property
    def platform(self) -> Any:
        """Return the platform that is called."""
        return self.api.platform

    async def call(self, method: str, path: str, *, status: int, **options: Any) -> Answer:
        """Send a request and expect a status."""
        answer = await self.api.call(method, f"/api/v1/buckets/{self.cluster}{path}", **options)
        assert answer.status == status, answer.text
        return answer

    async def create(self, name: str | None = None, org: str | None = None) -> JSON:
        """Make a bucket."""
        body = {"name": name, "org_name": org}
        found: JSON = (await self.call("POST", "/buckets", json=body, status=201)).json
        return found

    async def add(self, provider: str, name: str | None = None, **credentials: str) -> JSON:
        """Register a bucket made elsewhere, there called ``external``."""
        body = {
            "name": name,
            "provider": provider,
            "provider_bucket_name": "external",
            "credentials": credentials,
            "org_name": None,
        }
        answer = await self.call("POST", "/buckets/import/external", json=body, status=201)
        found: JSON = answer.json
        return found

    async def get(self, key: str, query: str = "") -> JSON:
        """Describe a bucket."""
        found: JSON = (await self.call("GET", f"/buckets/{key}{query}", status=200)).json
        return found

    async def ids(self, query: str = "") -> list[str]:
        """List the ids of the buckets that are seen."""
        answer = await self.call("GET", f"/buckets{query}", status=200)
        return [bucket["id"] for bucket in answer.json]

    async def credentials(self, key: str, query: str = "") -> JSON:
        """Make temporary credentials."""
        path = f"/buckets/{key}/make_tmp_credentials{query}"
        found: JSON = (await self.call("POST", path, status=200)).json
        return found

    async def persist(
        self, *bucket_ids: str, name: str | None = None, read_only: bool = False
    ) -> JSON:
        """Make persistent credentials."""
        body = {"name": name, "bucket_ids": bucket_ids, "read_only": read_only}
        answer = await self.call("POST", "/persistent_credentials", json=body, status=201)
        found: JSON = answer.json
        return found

    async def share(self, user: str, path: str, action: str) -> None:
        """Give another user a right on a path of the cluster."""
        body = [{"uri": f"blob://{self.cluster}/{path}", "action": action}]
        answer = await self.api.call("POST", f"/api/v1/users/{user}/permissions", json=body)
        assert answer.status == 201, answer.text


@pytest.fixture
def mine(api: Api) -> Buckets:
    """Speak as the platform's first user."""
    return Buckets(api)


@pytest.fixture
def theirs(other: Api) -> Buckets:
    """Speak as a second user."""
    return Buckets(other)


@cache
def published() -> AioSession:
    """Return one session for all clients, so that what they read at first is read once."""
    return get_session()


@asynccontextmanager
async def s3(credentials: Mapping[str, str]) -> AsyncIterator[Any]:
    """Open a published S3 client with credentials of the service."""
    async with published().create_client(
        "s3",
        endpoint_url=credentials["endpoint_url"],
        region_name=credentials["region_name"],
        aws_access_key_id=credentials["access_key_id"],
        aws_secret_access_key=credentials["secret_access_key"],
        aws_session_token=credentials.get("session_token"),
    ) as client:
        yield client


async def put(credentials: Mapping[str, str], key: str, data: bytes = b"data") -> str:
    """Put an object; give the provider's code if it refuses, else ``ok``."""
    async with s3(credentials) as client:
        try:
            await client.put_object(Bucket=credentials["bucket_name"], Key=key, Body=data)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
    return "ok"


async def read(credentials: Mapping[str, str], key: str) -> str:
    """Read an object; give the provider's code if it refuses."""
    async with s3(credentials) as client:
        try:
            answer = await client.get_object(Bucket=credentials["bucket_name"], Key=key)
            async with answer["Body"] as body:
                return str((await body.read()).decode())
        except ClientError as error:
            return str(error.response["Error"]["Code"])
