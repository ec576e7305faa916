"""The journeys to and from a bucket, through every trouble at every step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
from yarl import URL

from neuro_client import Client, ResourceNotFound, TransferOptions
from neuro_client.transport import ClientTimeout

from .bench import Bench, open_store_bench
from .journeys import MIB, Journey, read_all
from .luck import FULL
from .test_journeys import travel

pytestmark = pytest.mark.thorough

PARTS = TransferOptions(part_size=5 * MIB)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_store_bench(tmp_path) as found:
        yield found


class BlobJourney(Journey):
    """Be a journey in the bucket ``data``."""

    size: ClassVar[int] = 10_000

    @property
    def uri(self) -> URL:
        return URL(f"blob:data/{self.name.replace(' ', '-')}-{self.number}")

    @property
    def key(self) -> str:
        """Return the key of the case's own folder."""
        return f"{self.name.replace(' ', '-')}-{self.number}"

    async def prepare(self) -> None:
        await asyncio.to_thread(self.folder.mkdir)
        self.data = random.Random(self.number).randbytes(self.size)

    async def blob(self, key: str) -> bytes | None:
        """Read a blob without trouble; None if there is none."""
        try:
            async with self.bench.straight.buckets.fetch_blob(self.bench.bucket, key) as chunks:
                return b"".join([bytes(chunk) async for chunk in chunks])
        except ResourceNotFound:
            return None


class BlobUpload(BlobJourney):
    async def prepare(self) -> None:
        await super().prepare()
        await asyncio.to_thread((self.folder / "file").write_bytes, self.data)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.buckets.upload_file(self.folder / "file", self.uri, options=PARTS)

    async def check(self, error: Exception | None) -> None:
        found = await self.blob(self.key)
        assert found == self.data or (error is not None and found is None)
        assert await self.bench.unfinished() == 0


class BlobUploadSmall(BlobUpload):
    name = "blob upload small"
    steps = 5


class BlobUploadParts(BlobUpload):
    name = "blob upload in parts"
    steps = 9
    size = 11 * MIB + 1


class BlobDownload(BlobJourney):
    async def prepare(self) -> None:
        await super().prepare()
        await self.bench.straight.buckets.put_blob(self.bench.bucket, self.key, self.data)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.buckets.download_file(self.uri, self.folder / "file", options=PARTS)

    async def check(self, error: Exception | None) -> None:
        found = await asyncio.to_thread(read_all, self.folder)
        assert found == {"file": self.data} or (error is not None and not found)


class BlobDownloadSmall(BlobDownload):
    name = "blob download small"
    steps = 4


class BlobDownloadParts(BlobDownload):
    name = "blob download in parts"
    steps = 6
    size = 11 * MIB + 1


class BlobUploadDir(BlobJourney):
    name = "blob upload of a folder"
    steps = 10

    async def prepare(self) -> None:
        await super().prepare()
        sizes = {"one": 10, "below/two": 20_000, "below/three": 0, "below/four": 4}
        self.files = {
            path: await asyncio.to_thread(self.make, self.folder / "source" / path, size)
            for path, size in sizes.items()
        }

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.buckets.upload_dir(self.folder / "source", self.uri, options=PARTS)

    async def check(self, error: Exception | None) -> None:
        found = {path: await self.blob(f"{self.key}/{path}") for path in self.files}
        assert error is not None or found == self.files
        for path, data in self.files.items():
            assert found[path] in (None, data)


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 60)
@pytest.mark.parametrize(
    "kind",
    [BlobUploadSmall, BlobUploadParts, BlobDownloadSmall, BlobDownloadParts, BlobUploadDir],
    ids=lambda kind: kind.name,
)
async def test_journey(bench: Bench, kind: type[Journey]) -> None:
    await travel(bench, kind)
