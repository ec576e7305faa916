"""moto as a server of its own: an S3 endpoint that shares nothing with ours."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from neuro_client.buckets.provider import Provider
from neuro_client.buckets.s3 import open_s3
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import open_session
from tests.adversity.processes import free_port

from .bench import Bench, Source

_START = 30.0
_numbers = itertools.count(1)


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto for as long as the block and give its address; blocks until it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START
        while True:
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except (OSError, urllib.error.URLError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def values(endpoint: str, bucket: str) -> dict[str, str]:
    """Return credentials as the bucket service hands them out; moto takes any keys."""
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }


@asynccontextmanager
async def moto_bench(server: str) -> AsyncIterator[Bench]:
    """Open a provider of a new bucket of moto's, through a proxy."""
    bucket = f"bucket-{next(_numbers)}"
    async with (
        FaultProxy(server) as proxy,
        open_session() as session,
        open_session() as direct,
    ):
        async with direct.put(f"{server}/{bucket}") as answer:
            assert answer.status == 200
        endpoint = str(proxy.url).rstrip("/")
        there, nowhere = values(endpoint, bucket), values(endpoint, "no-such-bucket")

        def again() -> AbstractAsyncContextManager[Provider]:
            return open_s3(Source(values(server, bucket)), direct)

        async with (
            open_s3(Source(there), session) as provider,
            open_s3(Source(nowhere), session) as absent,
        ):
            yield Bench(provider, absent, proxy, again, frozenset("\n"))
