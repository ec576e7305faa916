"""The platform's own S3 endpoint, as Amazon's and as Garage's kind of server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from neuro_client.buckets.provider import Provider
from neuro_client.buckets.s3 import open_s3
from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Grant, Key
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import open_session

from .bench import Bench, Source

_numbers = itertools.count(1)
_ALL = Grant(read=True, write=True, owner=True)


def values(platform: LocalPlatform, key: Key, bucket: str, endpoint: str) -> Mapping[str, str]:
    """Return credentials as the bucket service hands them out."""
    found = {
        "bucket_name": bucket,
        "endpoint_url": endpoint,
        "region_name": "garage" if key.access_key_id.startswith("GK") else platform.s3.region,
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
    }
    return found if key.session_token is None else {**found, "session_token": key.session_token}


@asynccontextmanager
async def own_bench(data: Path, flavour: str) -> AsyncIterator[Bench]:
    """Open a provider of a new bucket, through a proxy."""
    async with LocalPlatform(data, port=0) as platform:
        bucket = f"bucket-{next(_numbers)}"
        await platform.s3.create_bucket(bucket, flavour=flavour)
        key: Key = await platform.s3.create_key(
            {bucket: _ALL}, prefix="GK" if flavour == "garage" else "AKIA"
        )
        async with (
            FaultProxy(platform.s3.url) as proxy,
            open_session() as session,
            open_session() as direct,
        ):
            through, straight = (str(url).rstrip("/") for url in (proxy.url, platform.s3.url))
            there = Source(values(platform, key, bucket, through))
            region = {"region_name": platform.s3.region}
            nowhere = Source({**values(platform, key, "no-such-bucket", through), **region})

            def again() -> AbstractAsyncContextManager[Provider]:
                return open_s3(Source(values(platform, key, bucket, straight)), direct)

            async with open_s3(there, session) as provider, open_s3(nowhere, session) as absent:
                yield Bench(provider, absent, proxy, again)
