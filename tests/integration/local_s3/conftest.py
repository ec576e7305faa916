"""A platform with one bucket, requests to it, and a published client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.config import AioConfig

from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Grant, Key

from ..local_buckets.conftest import published
from ..unexpected import nothing_fails as nothing_fails
from .wire import BUCKET, Wire

ALL = Grant(read=True, write=True, owner=True)


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    """Serve no bucket."""
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        yield platform


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections that answer as they are."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
async def wire(platform: LocalPlatform, session: aiohttp.ClientSession) -> Wire:
    """Speak to a bucket of Amazon's kind."""
    await platform.s3.create_bucket(BUCKET)
    return Wire(platform, session, await platform.s3.create_key({BUCKET: ALL}))


@pytest.fixture
async def garage(platform: LocalPlatform, session: aiohttp.ClientSession) -> Wire:
    """Speak to a bucket of Garage's kind."""
    await platform.s3.create_bucket(BUCKET, flavour="garage")
    key = await platform.s3.create_key({BUCKET: ALL}, prefix="GK")
    return Wire(platform, session, key, "garage")


def s3_client(platform: LocalPlatform, key: Key, *, old: bool = False) -> Any:
    """Open a published client with the checksums of today, or with those of old ones."""
    checksums: Any = "when_required" if old else "when_supported"
    config = AioConfig(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
    )
    return published().create_client(
        "s3",
        region_name="garage" if key.access_key_id.startswith("GK") else platform.s3.region,
        endpoint_url=str(platform.s3.url).rstrip("/"),
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        aws_session_token=key.session_token,
        config=config,
    )


@pytest.fixture
async def s3(wire: Wire) -> AsyncIterator[Any]:
    """Open a published client that may do everything with the bucket."""
    assert wire.key is not None
    async with s3_client(wire.platform, wire.key) as client:
        yield client
