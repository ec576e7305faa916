"""aioboto3, as many files and parts at a time as ours."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from .blobs import FILES, PARTS, Remote, account_of, files_below, is_folder, newer, place_of
from .task import Order, Stopwatch, play

# Not installed where this file is checked.
aioboto3: Any = importlib.import_module("aioboto3")
Config: Any = importlib.import_module("botocore.config").Config
TransferConfig: Any = importlib.import_module("boto3.s3.transfer").TransferConfig


class Aioboto3:
    """Move files with the client's own calls for files."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._files = asyncio.Semaphore(FILES)
        self._config = TransferConfig(max_concurrency=PARTS)

    async def up_blobs(self, local: Path, prefix: str) -> None:
        """Upload a directory."""
        await self._each(self.up_blob, files_below(local, prefix))

    async def sync_blobs(self, local: Path, prefix: str) -> None:
        """Upload what is newer than its object."""
        await self._each(self.up_blob, newer(local, prefix, await self._there(prefix)))

    async def down_blobs(self, local: Path, prefix: str) -> None:
        """Download a directory."""
        there = await self._there(prefix)
        await self._each(self.down_blob, ((place_of(key, prefix, local), key) for key in there))

    async def up_blob(self, local: Path, key: str) -> None:
        """Upload a file."""
        async with self._files:
            await self._client.upload_file(str(local), self._bucket, key, Config=self._config)

    async def down_blob(self, local: Path, key: str) -> None:
        """Download a file."""
        async with self._files:
            await self._client.download_file(self._bucket, key, str(local), Config=self._config)

    async def _there(self, prefix: str) -> dict[str, Remote]:
        pages = self._client.get_paginator("list_objects_v2")
        return {
            item["Key"]: Remote(item["Size"], item["LastModified"])
            async for page in pages.paginate(Bucket=self._bucket, Prefix=f"{prefix}/")
            for item in page.get("Contents", ())
            if not is_folder(item["Key"])
        }

    async def _each(
        self, move: Callable[[Path, str], Awaitable[None]], files: Iterable[tuple[Path, str]]
    ) -> None:
        await asyncio.gather(*(move(path, key) for path, key in files))


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    account = account_of(order.config)
    session = aioboto3.Session(
        account.access_key_id, account.secret_access_key, region_name=account.region_name
    )
    config = Config(max_pool_connections=FILES)
    async with session.client("s3", endpoint_url=account.endpoint_url, config=config) as client:
        method = getattr(Aioboto3(client, account.bucket_name), order.work.replace("-", "_"))
        with stopwatch:
            await method(Path(order.local), order.remote)


if __name__ == "__main__":
    play(work)
