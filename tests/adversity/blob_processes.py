"""Trees of buckets, moved to and from a platform that is killed."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import ClassVar

import attrs
from yarl import URL

from neuro_client import Bucket, get
from neuro_client.testing.proxy import FaultProxy
from tests.unit.transfer.kit import plant

from .blob_trees import FarTree
from .leftovers import kept_journals
from .processes import SIZES, Site, Tree, open_site

RATE = 16 * 2**20
"""Bytes a second of each connection: parts are larger than those of the storage."""
STRAIGHT, SLOW = "straight", "slow"
"""Two names of one bucket; what goes by the second one passes the proxy."""


@attrs.frozen
class BlobSite(Site):
    """Hold a platform in a process of its own, and the slow way to its S3 endpoint."""

    bucket: str
    """What the endpoint calls the bucket."""

    def tree(self, action: str, number: int, chance: random.Random) -> Tree:
        """Make a tree to move."""
        return BlobTree(self, action, number, chance)

    def records(self, sql: str, *parameters: str) -> list[tuple[str, str]]:
        """Look into the platform's database, whether it runs or not; blocks."""
        with closing(sqlite3.connect(self.platform.data / "state.db")) as db:
            return db.execute(sql, (self.bucket, *parameters)).fetchall()

    def content(self, segments: str) -> bytes:
        """Read an object as it lies on the disk; blocks."""
        root = self.platform.data / "s3"
        names = [name for name, _ in json.loads(segments)]
        return b"".join((root / name[:2] / name).read_bytes() for name in names)


class BlobTree(Tree):
    """Be a tree of which one end is in a bucket; its large file goes in three parts."""

    sizes: ClassVar[Mapping[str, int]] = {**SIZES, "large": 10 * 2**20 + 7}

    def __init__(self, site: BlobSite, action: str, number: int, chance: random.Random) -> None:
        super().__init__(site, action, number, chance)
        self._site = site
        self._folder = f"{action}-{number}"
        self._announced = True
        self.uri = URL(f"blob:{SLOW}/{self._folder}")

    async def plant(self) -> None:
        """Write the tree, and what is in its place."""
        upload = self.action == "upload"
        near, far = (self.data, self.old) if upload else (self.old, self.data)
        await asyncio.to_thread(plant, self.near, near)
        async with get(path=self._site.config) as client:
            await FarTree(client, STRAIGHT, self._folder).plant(far)

    def found(self) -> dict[str, bytes | None]:
        """Read the target."""
        if self.action == "download":
            return super().found()
        rows = self._site.records(
            "SELECT key, segments FROM s3_objects WHERE bucket=? AND key LIKE ?",
            f"{self._folder}/%",
        )
        return {
            key.removeprefix(f"{self._folder}/"): self._site.content(segments)
            for key, segments in rows
            if not key.endswith("/")
        }

    async def check_whole(self, acknowledged: list[str]) -> None:
        """Assert that these files have arrived, and no file is there by halves."""
        await super().check_whole(acknowledged)
        self._announced = bool(await asyncio.to_thread(kept_journals))

    async def check(self) -> None:
        """Assert that everything has arrived, by what a client is told, and nothing is left."""
        await super().check()
        unfinished = await asyncio.to_thread(
            self._site.records,
            "SELECT id, key FROM s3_uploads WHERE bucket=? AND key LIKE ?",
            f"{self._folder}/%",
        )
        # One that began while its client was being killed is in no journal.
        assert len(unfinished) <= (not self._announced), unfinished
        async with get(path=self._site.config) as client:
            assert await FarTree(client, STRAIGHT, self._folder).grown() == self.data


@asynccontextmanager
async def open_blob_site(folder: Path) -> AsyncIterator[Site]:
    """Start platform and proxies, log in, and give one bucket two names."""
    async with open_site(folder) as site, get(path=site.config) as client:
        made = await client.buckets.create(STRAIGHT)
        persistent = await client.buckets.persistent_credentials_create([made.id])
        account = dict(persistent.credentials[0].credentials)
        name = account.pop("bucket_name")
        async with FaultProxy(URL(account["endpoint_url"])) as proxy:
            account["endpoint_url"] = str(proxy.url).rstrip("/")
            await client.buckets.import_external(Bucket.Provider.MINIO, name, account, SLOW)
            proxy.throttle(RATE)
            site.proxy.throttle(None)
            yield BlobSite(site.platform, proxy, site.folder, site.config, name)
