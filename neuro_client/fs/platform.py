"""The platform's storage and buckets as file systems."""

from __future__ import annotations

from collections.abc import Sequence

from ..client import Client
from ..errors import ServerError
from ..factory import get
from ..transfer import ObjectStore
from .base import StoreFileSystem, missing
from .file import Place

_NO_BUCKET = 500
"""What the bucket service answers for a path in no bucket (buckets.md §3.4)."""


class PlatformFileSystem(StoreFileSystem[Client]):
    """Reach what a login reaches."""

    async def _open_client(self) -> Client:
        return await get(path=self._config)


class StorageFileSystem(PlatformFileSystem):
    """``storage://cluster/user/path``: files on a platform's storage."""

    protocol = "storage"

    async def _store(self, client: Client, cluster: str, path: Sequence[str]) -> Place:
        return await client.storage.at_path(cluster, path)


class BlobFileSystem(PlatformFileSystem):
    """``blob://cluster/[org/]user/bucket/key``: blobs of a platform's buckets."""

    protocol = "blob"

    async def _store(self, client: Client, cluster: str, path: Sequence[str]) -> Place:
        try:
            return await client.buckets.at_path(cluster, path)
        except ServerError as error:
            if error.status != _NO_BUCKET:
                raise
            raise missing("/".join((cluster, *path))) from error

    async def _make_dir(self, store: ObjectStore, key: str) -> None:
        await store.put(f"{key}/", b"")  # although a file in it may have been copied before
