"""A platform behind a proxy, a client that reaches it only so, and one that goes straight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from neuro_client import Client, get
from neuro_client.jobs import JobDescription
from neuro_client.local import LocalPlatform
from neuro_client.local.faults import Fault
from neuro_client.models import RemoteImage
from neuro_client.testing.login import login
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import DEFAULT_TIMEOUT, ClientTimeout

IMAGE = RemoteImage("ubuntu", "22.04")


@attrs.frozen
class Bench:
    """Hold what a journey needs; ``straight`` prepares and checks, and meets no trouble."""

    platform: LocalPlatform
    proxy: FaultProxy
    straight: Client
    folder: Path
    config: Path
    store_proxy: FaultProxy | None = None
    bucket: str = "data"
    """The bucket that journeys know as ``data``, by the name whose way meets no trouble."""

    @property
    def proxies(self) -> list[FaultProxy]:
        """Return the proxy of the platform, and that of its S3 endpoint where there is one."""
        return [proxy for proxy in (self.proxy, self.store_proxy) if proxy is not None]

    def proxy_of(self, request: web.Request) -> FaultProxy:
        """Return the proxy that a request came through."""
        assert request.transport is not None
        port = request.transport.get_extra_info("sockname")[1]
        return (
            self.proxy
            if self.store_proxy is None or port == self.platform.url.port
            else (self.store_proxy)
        )

    def faults(
        self, match: Callable[[web.Request], bool], trouble: Mapping[str, Any]
    ) -> list[Fault]:
        """Plan a trouble for the next request that matches, whatever server it goes to."""
        return [self.platform.fault(match, **trouble)]

    async def unfinished(self) -> int:
        """Count uploads to the bucket that nobody ended."""
        opening = await self.straight.buckets.request_tmp_credentials(self.bucket)
        usage = await self.platform.s3.usage(opening.credentials["bucket_name"])
        return int(usage.unfinished_uploads)

    @asynccontextmanager
    async def client(self, timeout: ClientTimeout = DEFAULT_TIMEOUT) -> AsyncIterator[Client]:
        """Open a client whose every request goes through the proxy."""
        async with get(path=self.config, timeout=timeout) as client:
            yield client

    async def job(self, script: str, **options: Any) -> JobDescription:
        """Start a job without trouble."""
        return await self.straight.jobs.start(
            image=IMAGE, preset_name="cpu-small", command=f"sh -c '{script}'", **options
        )

    async def content(self, uri: URL) -> bytes:
        """Read a file of the storage without trouble."""
        async with self.straight.storage.open(uri) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def names(self, uri: URL) -> set[str]:
        """List a folder of the storage without trouble."""
        async with self.straight.storage.list(uri) as entries:
            return {entry.name async for entry in entries}


@asynccontextmanager
async def open_bench(folder: Path, *, token_lifetime: float = 86_400.0) -> AsyncIterator[Bench]:
    """Start platform and proxy, and log in by both ways."""
    async with LocalPlatform(
        data=folder / "platform", port=0, token_lifetime=token_lifetime
    ) as platform:
        async with FaultProxy(platform.url) as proxy:
            await login(platform, folder / "straight")
            await login(platform, folder / "config", through=proxy.url)
            async with get(path=folder / "straight") as straight:
                work = folder / "work"
                await asyncio.to_thread(work.mkdir)
                yield Bench(platform, proxy, straight, work, folder / "config")


@asynccontextmanager
async def open_store_bench(folder: Path) -> AsyncIterator[Bench]:
    """Open a bench whose buckets are reached through a proxy too; ``data`` is one."""
    async with open_bench(folder) as bench:
        async with FaultProxy(bench.platform.s3.url) as proxy:
            # Who asks for credentials from now on is told this address.
            await bench.straight.buckets.create("data")
            await bench.straight.buckets.put_blob("data", "first", b"")
            bench.platform._urls["s3"] = proxy.url
            yield attrs.evolve(bench, store_proxy=proxy)
