"""A platform whose cluster hurries, and bare requests to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from neuro_client.local import LocalPlatform
from neuro_client.local.services.aistore.cluster import Cluster

from ..unexpected import nothing_fails as nothing_fails
from .wire import Wire, action


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    """Serve an empty cluster."""
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        platform.aistore.jobs.idle_time = 0.0
        platform.aistore.status_delay = 0.0
        yield platform


@pytest.fixture
def cluster(platform: LocalPlatform) -> Cluster:
    """Return the switches."""
    found: Cluster = platform.aistore
    return found


@pytest.fixture
async def wire(cluster: Cluster) -> AsyncIterator[Wire]:
    """Speak to the cluster, in which one bucket is made."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        wire = Wire(cluster.url, session)
        await wire.create()
        yield wire


Check = Callable[[Wire, Cluster], Awaitable[None]]


async def run(checks: Sequence[Check], wire: Wire, cluster: Cluster) -> None:
    """Run checks on one platform, each on a fresh bucket; starting one for each takes longer."""
    for check in checks:
        await _refresh(wire, cluster)
        await check(wire, cluster)


async def _refresh(wire: Wire, cluster: Cluster) -> None:
    """Turn the switches back, and leave one empty bucket."""
    cluster.version, cluster.etl, cluster.dsort = (5, 0), True, True
    cluster.require_tokens = cluster.signing = False
    cluster.jobs.idle_time = cluster.status_delay = 0.0
    cluster.etls.clear()
    buckets = (await wire.good("GET", "/v1/buckets?provider=ais", json=action("list"))).json
    for bucket in buckets:
        query = f"namespace=%40%23{bucket['namespace']['name']}"
        path = f"/v1/buckets/{bucket['name']}?{query}"
        await wire.good("DELETE", path, json=action("destroy-bck"))
    await wire.create()
