"""One platform for all attacks; every one of them must leave it well and its surroundings alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from .target import Target


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Run the platform that all tests of the package attack."""
    with Target.start(tmp_path_factory.mktemp("attacked"), jobs=1000) as target:
        yield target


@pytest.fixture
async def target(platform: Target) -> AsyncIterator[Target]:
    """Give the platform, and check afterwards that nothing around it was touched."""
    mark = (await asyncio.to_thread(platform.log.stat)).st_size
    await asyncio.to_thread(platform.clear_home)
    before = await asyncio.to_thread(platform.around)
    yield platform
    await platform.check_well(mark)
    assert await asyncio.to_thread(platform.around) == before
