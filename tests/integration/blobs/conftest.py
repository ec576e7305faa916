from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest
from yarl import URL

from neuro_client import Bucket, BucketEntry, Client


@attrs.frozen
class Data:
    """Hold a bucket called ``data`` of the first user's."""

    client: Client
    bucket: Bucket

    def uri(self, key: str = "") -> URL:
        """Return the short URI of a key."""
        return URL(f"blob:data/{key}" if key else "blob:data")

    async def put(self, *keys: str) -> None:
        """Write small blobs, each of which holds its key; markers are empty."""
        async with asyncio.TaskGroup() as group:
            for key in keys:
                body = b"" if key.endswith("/") else key.encode()
                group.create_task(self.client.buckets.put_blob("data", key, body))

    async def keys(self) -> list[str]:
        """Return every key there is."""
        async with self.client.buckets.list_blobs(self.uri(), recursive=True) as found:
            return [entry.key async for entry in found]

    async def read(self, key: str) -> bytes:
        """Return the content of a blob."""
        async with self.client.buckets.fetch_blob("data", key) as chunks:
            return b"".join([bytes(chunk) async for chunk in chunks])

    async def listing(self, key: str, recursive: bool = False) -> list[BucketEntry]:
        """List what begins with a key."""
        async with self.client.buckets.list_blobs(self.uri(key), recursive) as found:
            return [entry async for entry in found]

    async def glob(self, pattern: str) -> list[str]:
        """Return the keys that fit a pattern, sorted."""
        async with self.client.buckets.glob_blobs(self.uri(pattern)) as found:
            return sorted([entry.key async for entry in found])


@pytest.fixture
async def data(client: Client) -> AsyncIterator[Data]:
    yield Data(client, await client.buckets.create("data"))
