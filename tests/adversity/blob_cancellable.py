"""Transfers to and from a bucket that can be cancelled anywhere."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import ClassVar

from yarl import URL

from neuro_client import Client, TransferOptions
from neuro_client.transport import ClientTimeout
from tests.integration.local_s3.files import named_files, stored_files
from tests.unit.transfer.kit import grown, plant

from .bench import Bench
from .blob_trees import FarTree, until_so
from .cancellable import Cancellable
from .journeys import MIB
from .leftovers import kept_journals, parts_below, until

PARTS = TransferOptions(part_size=5 * MIB)
SIZES = {"one": 10, "below/two": 10 * MIB + 1, "below/three": 0}
OLD: dict[str, bytes | None] = {"one": b"old", "below/two": b"old content"}
BUCKET = "data"


class _BlobTree(Cancellable):
    """Move three files, one of them in three parts, over older ones."""

    up: ClassVar[bool]

    def __init__(self, bench: Bench, number: int) -> None:
        super().__init__(bench, number)
        self.near = self.folder / "near"
        self.far = FarTree(bench.straight, BUCKET, f"{self.name.replace(' ', '-')}-{number}")
        chance = random.Random(number)
        self.data: dict[str, bytes | None] = {
            path: chance.randbytes(size) for path, size in SIZES.items()
        }

    @property
    def uri(self) -> URL:
        return URL(f"blob:{BUCKET}/{self.far.folder}")

    @property
    def _platform(self) -> Path:
        return self.bench.folder.parent / "platform"

    async def prepare(self) -> None:
        near, far = (self.data, OLD) if self.up else (OLD, self.data)
        await asyncio.to_thread(plant, self.near, near)
        await self.far.plant(far)

    async def _found(self) -> dict[str, bytes | None]:
        return await (self.far.grown() if self.up else asyncio.to_thread(grown, self.near))

    async def _is_tidy(self) -> bool:
        """Tell whether no upload is unfinished, and no file of the platform unnamed."""
        buckets = self.bench.straight.buckets
        name = (await buckets.request_tmp_credentials(BUCKET)).credentials["bucket_name"]
        if (await self.bench.platform.s3.usage(name)).unfinished_uploads:
            return False
        stored = await asyncio.to_thread(stored_files, self._platform)
        return stored == await asyncio.to_thread(named_files, self._platform)

    async def check_cancelled(self) -> None:
        # What was on its way to the server arrives, or does not, after the end of the call.
        await until_so(self._is_tidy, "an upload stays unfinished, or files stay that nobody needs")
        await until(lambda: not parts_below(self.near), f"unfinished files stay in {self.near}")
        assert not kept_journals(), kept_journals()
        found = await self._found()
        assert found.keys() <= self.data.keys()
        for path, data in self.data.items():
            assert found.get(path) in (data, OLD.get(path)), path

    async def check(self, error: Exception | None) -> None:
        assert await self._found() == self.data
        assert not kept_journals(), kept_journals()
        await until_so(self._is_tidy, "an upload stays unfinished, or files stay that nobody needs")


class BlobUploadTree(_BlobTree):
    name = "upload of a tree to a bucket"
    awaits = 70
    up = True

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.buckets.upload_dir(self.near, self.uri, options=PARTS)


class BlobDownloadTree(_BlobTree):
    name = "download of a tree from a bucket"
    awaits = 90
    up = False

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.buckets.download_dir(self.uri, self.near, options=PARTS)


BLOB_CALLS: tuple[type[Cancellable], ...] = (BlobUploadTree, BlobDownloadTree)
