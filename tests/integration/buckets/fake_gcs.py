"""fake-gcs-server, a real emulator of Google Cloud Storage, as a process of its own."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from neuro_client.buckets.google import GoogleProvider, open_google
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import open_session
from tests.adversity.processes import free_port

from .bench import Bench, Source

NAME = "fake-gcs-server"
TOOLS = Path(__file__).parents[3] / ".tools" / "bin"
ABSENT = f"{NAME} is neither on PATH nor in .tools/bin"
_START = 30.0
_numbers = itertools.count(1)


def find() -> str | None:
    """Return the path of the emulator, None if it is not installed."""
    return shutil.which(NAME) or shutil.which(NAME, path=str(TOOLS))


@contextmanager
def fake_gcs_server(program: str) -> Iterator[str]:
    """Run it for as long as the block and give its address; blocks until it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            program,
            *("-scheme", "http", "-backend", "memory", "-log-level", "error"),
            *("-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START
        while True:
            try:
                urllib.request.urlopen(f"{url}/storage/v1/b?project=p", timeout=5).close()
                break
            except (OSError, urllib.error.URLError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def values(endpoint: str, bucket: str, token: str = "token") -> dict[str, str]:
    """Return credentials as the bucket service hands them out."""
    return {
        "bucket_name": bucket,
        "project": "project",
        "access_token": token,
        "expire_time": "2199-01-01T00:00:00+00:00",
        "endpoint_url": endpoint,
    }


@asynccontextmanager
async def google_bench(endpoint: str, bucket: str) -> AsyncIterator[Bench]:
    """Open a provider of an empty bucket through a proxy."""
    async with (
        FaultProxy(endpoint) as proxy,
        open_session() as session,
        open_session() as direct,
        open_google(Source(values(str(proxy.url), bucket)), session) as provider,
        open_google(Source(values(str(proxy.url), "no-such-bucket")), session) as absent,
    ):

        def again() -> AbstractAsyncContextManager[GoogleProvider]:
            return open_google(Source(values(endpoint, bucket)), direct)

        yield Bench(provider, absent, proxy, again)


@asynccontextmanager
async def fake_gcs_bench(server: str) -> AsyncIterator[Bench]:
    """Open a provider of a new bucket of fake-gcs-server's."""
    bucket = f"bucket-{next(_numbers)}"
    async with open_session() as session:
        url = f"{server}/storage/v1/b"
        async with session.post(url, params={"project": "p"}, json={"name": bucket}) as answer:
            assert answer.status == 200
    async with google_bench(server, bucket) as bench:
        yield bench
