"""Trees in buckets, planted and looked at without trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import attrs
from yarl import URL

from neuro_client import Client

from .leftovers import PATIENCE


@attrs.frozen
class FarTree:
    """Be the blobs below a folder of a bucket, as a client sees them that meets no trouble."""

    client: Client
    bucket: str
    folder: str

    async def plant(self, files: Mapping[str, bytes | None]) -> None:
        """Write blobs; whatever has no content is left out."""
        async with asyncio.TaskGroup() as group:
            for path, data in files.items():
                if data is not None:
                    key = f"{self.folder}/{path}"
                    group.create_task(self.client.buckets.put_blob(self.bucket, key, data))

    async def grown(self) -> dict[str, bytes | None]:
        """Read all blobs; those that stand for folders are left out."""
        buckets = self.client.buckets
        uri = URL(f"blob:{self.bucket}/{self.folder}/")
        async with buckets.list_blobs(uri, recursive=True) as entries:
            keys = [entry.key async for entry in entries if entry.is_file()]
        found: dict[str, bytes | None] = {}
        for key in keys:
            async with buckets.fetch_blob(self.bucket, key) as chunks:
                content = b"".join([bytes(chunk) async for chunk in chunks])
            found[key.removeprefix(f"{self.folder}/")] = content
        return found


async def until_so(holds: Callable[[], Awaitable[object]], otherwise: str) -> None:
    """Wait until something holds that has to be asked for."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(otherwise) from None
