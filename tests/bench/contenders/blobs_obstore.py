"""obstore, the Rust object store, from asyncio: as many files at a time as ours."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from .blobs import FILES, PARTS, Remote, account_of, files_below, newer, place_of
from .task import Order, Stopwatch, play

# Not installed where this file is checked.
obstore: Any = importlib.import_module("obstore")
S3Store: Any = importlib.import_module("obstore.store").S3Store


class Obstore:
    """Move files with ``put_async`` and ``get_async``."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._files = asyncio.Semaphore(FILES)

    async def up_blobs(self, local: Path, prefix: str) -> None:
        """Upload a directory."""
        await self._each(self.up_blob, files_below(local, prefix))

    async def sync_blobs(self, local: Path, prefix: str) -> None:
        """Upload what is newer than its object."""
        await self._each(self.up_blob, newer(local, prefix, await self._there(prefix)))

    async def down_blobs(self, local: Path, prefix: str) -> None:
        """Download a directory."""
        there = await self._there(prefix)
        await self._each(self._get, ((place_of(key, prefix, local), key) for key in there))

    async def up_blob(self, local: Path, key: str) -> None:
        """Upload a file."""
        async with self._files:
            await obstore.put_async(self._store, key, local, max_concurrency=PARTS)

    async def down_blob(self, local: Path, key: str) -> None:
        """Download a file as one stream."""
        answer = await obstore.get_async(self._store, key)
        with open(local, "wb", buffering=0) as file:  # noqa: ASYNC230 - takes no time
            async for chunk in answer.stream():
                await asyncio.to_thread(file.write, chunk)

    async def _get(self, local: Path, key: str) -> None:
        async with self._files:
            data = await (await obstore.get_async(self._store, key)).bytes_async()
            local.write_bytes(data)  # noqa: ASYNC240 - the fastest for a small file

    async def _there(self, prefix: str) -> dict[str, Remote]:
        return {
            item["path"]: Remote(item["size"], item["last_modified"])
            async for items in obstore.list(self._store, prefix)
            for item in items
            if item["size"]  # it names what stands for a folder without its slash
        }

    async def _each(
        self, move: Callable[[Path, str], Awaitable[None]], files: Iterable[tuple[Path, str]]
    ) -> None:
        await asyncio.gather(*(move(path, key) for path, key in files))


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    account = account_of(order.config)
    store = S3Store(
        account.bucket_name,
        endpoint=account.endpoint_url,
        region=account.region_name,
        access_key_id=account.access_key_id,
        secret_access_key=account.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    method = getattr(Obstore(store), order.work.replace("-", "_"))
    with stopwatch:
        await method(Path(order.local), order.remote)


if __name__ == "__main__":
    play(work)
    sys.stdout.flush()
    os._exit(0)  # its threads at times abort an interpreter that ends
