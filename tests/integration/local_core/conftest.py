"""A platform with two clusters and one organisation, and plain HTTP access to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client.local import LocalPlatform

from .api import Api


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    """Serve clusters ``default`` and ``second`` with the organisation ``acme``."""
    async with LocalPlatform(
        tmp_path / "data", port=0, clusters=("default", "second"), orgs=("acme",)
    ) as platform:
        yield platform


@pytest.fixture
async def api(platform: LocalPlatform) -> AsyncIterator[Api]:
    """Speak as the platform's first user."""
    async with Api.open(platform, platform.token) as api:
        yield api


@pytest.fixture
async def other(platform: LocalPlatform) -> AsyncIterator[Api]:
    """Speak as a second user."""
    async with Api.open(platform, await platform.add_user("other")) as api:
        yield api


@pytest.fixture
async def anonymous(platform: LocalPlatform) -> AsyncIterator[Api]:
    """Speak as nobody."""
    async with Api.open(platform, None) as api:
        yield api
