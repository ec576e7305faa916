"""The buckets of an AIStore cluster as a file system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..aistore import AIStore
from ..aistore.buckets.store import open_store
from ..config import config_dir
from ..config.services import AIStoreSettings, Services
from ..threads import run_blocking
from .base import StoreFileSystem, found_at
from .file import Place


class AIStoreFileSystem(StoreFileSystem[AIStore]):
    """``ais://bucket/key``: objects of an AIStore cluster; ``ais://`` lists the buckets.

    The cluster is *endpoint*, else that of ``services.toml`` in the folder *config* or of the
    environment; a login is not needed. *provider* names the backend of the buckets. A folder is
    there while an object is below it, so ``mkdir`` makes none.
    """

    protocol = "ais"
    first_part = "BUCKET"

    def __init__(
        self,
        *args: Any,
        endpoint: str | None = None,
        provider: str = "ais",
        config: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, config=config, **kwargs)
        self._endpoint = endpoint
        self._provider = provider

    async def _open_client(self) -> AIStore:
        services = await run_blocking(Services.read, config_dir(self._config))
        return AIStore.from_settings(services.settings(AIStoreSettings, url=self._endpoint))

    async def _store(self, client: AIStore, first: str, path: Sequence[str]) -> Place:
        return await open_store(client.bucket(first, self._provider)), "/".join(path)

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if not path:
            return _folder("")
        if "/" in path:
            return await super()._info(path)
        bucket = (await self._connected()).bucket(path, self._provider)
        with found_at(path):
            await bucket.head()
        return _folder(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        if self._strip_protocol(path):
            return await super()._ls(path, detail)
        client = await self._connected()
        found = sorted(
            bucket.name for bucket in await client.cluster().list_buckets(self._provider)
        )
        return [_folder(name) for name in found] if detail else found


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory", "mtime": None, "version": None}
