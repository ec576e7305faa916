"""Benches whose bucket is at a real object store, or an emulator of one, outside the platform."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from yarl import URL

from neuro_client.buckets.models import BucketProvider
from neuro_client.local.faults import Fault
from neuro_client.testing.proxy import FaultProxy
from tests.integration.buckets import azurite, fake_gcs, garage
from tests.integration.buckets.google_service import google_service

from .bench import Bench, open_bench
from .gate import Gate, open_gate

Credentials = Callable[[URL], Mapping[str, str]]
"""Return what opens a bucket, at an address that leads to its store."""
_numbers = itertools.count(1)


@attrs.frozen
class Store:
    """Hold a bucket of a store; ``credentials`` tells how it is opened."""

    kind: BucketProvider
    url: URL
    credentials: Credentials


Make = Callable[[], AbstractAsyncContextManager[Store]]


@attrs.frozen
class StoreBench(Bench):
    """Be a bench whose bucket is behind a gate of its own."""

    gate: Gate = attrs.field(kw_only=True)

    def faults(
        self, match: Callable[[web.Request], bool], trouble: Mapping[str, Any]
    ) -> list[Fault]:
        return [*super().faults(match, trouble), self.gate.faults.add(match, **trouble)]

    async def unfinished(self) -> int:
        """Return nothing: only our own endpoint tells of the uploads that nobody ended."""
        return 0


@asynccontextmanager
async def open_emulator_bench(folder: Path, make: Make) -> AsyncIterator[Bench]:
    """Open a bench; ``data`` is a bucket behind gate and proxy, ``straight`` the same without."""
    async with open_bench(folder) as bench, make() as store, open_gate(store.url) as gate:
        async with FaultProxy(gate.url) as proxy:
            for name, url in (("data", proxy.url), ("straight", store.url)):
                opening = dict(store.credentials(url))
                there = opening.pop("bucket_name")
                await bench.straight.buckets.import_external(store.kind, there, opening, name)
            yield StoreBench(
                bench.platform,
                bench.proxy,
                bench.straight,
                bench.folder,
                bench.config,
                store_proxy=proxy,
                bucket="straight",
                gate=gate,
            )


@contextmanager
def garage_stores() -> Iterator[Make]:
    """Run Garage; skip where it is not built."""
    program = garage.find()
    if program is None:
        pytest.skip(garage.ABSENT)
    with garage.garage_node(program) as node:

        @asynccontextmanager
        async def make() -> AsyncIterator[Store]:
            async with aiohttp.ClientSession() as session:
                bucket = await node.make_bucket(session)

            def credentials(url: URL) -> Mapping[str, str]:
                return node.values(bucket, str(url).rstrip("/"))

            yield Store(BucketProvider.MINIO, URL(node.url), credentials)

        yield make


@contextmanager
def azure_stores() -> Iterator[Make]:
    """Run Azurite; skip where it is not installed."""
    with azurite.running_azurite() as running:

        @asynccontextmanager
        async def make() -> AsyncIterator[Store]:
            container = f"journeys-{next(_numbers)}"
            async with running.client(container) as client:
                await client.create_container()

            def credentials(url: URL) -> Mapping[str, str]:
                return azurite.values(
                    running, container, credential=running.key, storage_endpoint=str(url)
                )

            yield Store(BucketProvider.AZURE, running.url, credentials)

        yield make


def _google(url: URL, bucket: str) -> Store:
    def credentials(url: URL) -> Mapping[str, str]:
        return fake_gcs.values(str(url).rstrip("/"), bucket)

    return Store(BucketProvider.GCP, url, credentials)


@contextmanager
def google_stores() -> Iterator[Make]:
    """Run fake-gcs-server; skip where it is not installed."""
    program = fake_gcs.find()
    if program is None:
        pytest.skip(fake_gcs.ABSENT)
    with fake_gcs.fake_gcs_server(program) as server:

        @asynccontextmanager
        async def make() -> AsyncIterator[Store]:
            bucket = f"journeys-{next(_numbers)}"
            async with aiohttp.ClientSession() as session:
                url = f"{server}/storage/v1/b?project=p"
                async with session.post(url, json={"name": bucket}) as answer:
                    assert answer.status == 200
            yield _google(URL(server), bucket)

        yield make


@contextmanager
def google_sessions() -> Iterator[Make]:
    """Give the documented behaviour of Google, of which fake-gcs-server lacks a part."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        async with google_service() as service:
            yield _google(URL(service.url), service.bucket)

    yield make


STORES: Mapping[str, Callable[[], AbstractContextManager[Make]]] = {
    "garage": garage_stores,
    "azurite": azure_stores,
    "fake-gcs-server": google_stores,
    "google": google_sessions,
}
