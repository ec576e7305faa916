"""What becomes of an upload in parts whose beginning was answered, but not heard of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client.buckets.s3 import S3Provider, open_s3
from neuro_client.buckets.s3_lost import nothing_lost
from neuro_client.errors import TransportError
from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Grant
from neuro_client.transport import open_session

from .bench import Source
from .own import values

BUCKET = "data"


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        await platform.s3.create_bucket(BUCKET)
        yield platform


@pytest.fixture
async def provider(platform: LocalPlatform) -> AsyncIterator[S3Provider]:
    key = await platform.s3.create_key({BUCKET: Grant(True, True, True)})
    opening = Source(values(platform, key, BUCKET, str(platform.s3.url).rstrip("/")))
    async with open_session() as session, open_s3(opening, session) as provider:
        yield provider


async def test_it_is_dropped_and_nothing_else(
    platform: LocalPlatform, provider: S3Provider
) -> None:
    older, other = await provider.begin("key", 10), await provider.begin("key2", 10)
    # The service's clock may tell whole seconds, and so the older one has to be older than one.
    await platform.s3._store._records.execute("UPDATE s3_uploads SET started=started-2")
    for bytes_heard in (0, 7):
        platform.fault(f"POST /{BUCKET}/key?uploads", cut_after=bytes_heard)
        with pytest.raises(TransportError):
            async with nothing_lost(provider._calls, "key", provider.skew):
                await provider.begin("key", 10)
        assert (await platform.s3.usage(BUCKET)).unfinished_uploads == 2
    assert await provider.parts(older) == await provider.parts(other) == []
    upload = await provider.begin("key", 10)
    await provider.abort(upload)
    assert (await platform.s3.usage(BUCKET)).unfinished_uploads == 2
