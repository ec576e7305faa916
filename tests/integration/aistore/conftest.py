"""A client of the local platform's cluster, and the cluster's own controls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from neuro_client.aistore import AIStore
from neuro_client.local import LocalPlatform

from .world import FAST


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    """Start a platform; its cluster is one proxy and two targets."""
    async with LocalPlatform(data=tmp_path / "platform", port=0) as platform:
        yield platform


@pytest.fixture
def cluster(platform: LocalPlatform) -> Any:
    """Return what the cluster lets tests change."""
    return platform.aistore


@pytest.fixture
async def ais(platform: LocalPlatform) -> AsyncIterator[AIStore]:
    """Open a client that does not wait long."""
    url = platform.ready["aistore"]["url"]
    async with AIStore.connect(url, retry_config=FAST, timeout=5) as client:
        yield client
