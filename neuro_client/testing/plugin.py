"""The pytest plugin: a local platform and a client that is logged in to it, for users' own tests.

It is loaded by pytest in every environment that has the package, so everything heavy is imported
by the fixture that needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

async_fixture: Callable[..., Any]
try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # without pytest-asyncio there is nothing that could await the fixtures
    async_fixture = pytest.fixture

if TYPE_CHECKING:
    from ..client import Client
    from ..local import LocalPlatform
    from .proxy import FaultProxy


@async_fixture
async def local_platform(tmp_path: Path) -> AsyncIterator[LocalPlatform]:
    """Start a local platform of the test's own, on free ports, with its data in ``tmp_path``."""
    from ..local import LocalPlatform

    async with LocalPlatform(data=tmp_path / "platform", port=0) as platform:
        yield platform


@async_fixture
async def client(local_platform: LocalPlatform, tmp_path: Path) -> AsyncIterator[Client]:
    """Open a client that is logged in to ``local_platform``."""
    from ..factory import get
    from .login import login

    folder = tmp_path / "config"
    await login(local_platform, folder)
    async with get(path=folder) as client:
        yield client


@async_fixture
async def fault_proxy(local_platform: LocalPlatform) -> AsyncIterator[FaultProxy]:
    """Put a proxy that makes trouble on request in front of ``local_platform``."""
    from .proxy import FaultProxy

    async with FaultProxy(local_platform.url) as proxy:
        yield proxy


@async_fixture
async def faulty_client(
    local_platform: LocalPlatform, fault_proxy: FaultProxy, tmp_path: Path
) -> AsyncIterator[Client]:
    """Open a client whose every request goes through ``fault_proxy``."""
    from ..factory import get
    from .login import login

    folder = tmp_path / "faulty-config"
    await login(local_platform, folder, through=fault_proxy.url)
    async with get(path=folder) as client:
        yield client
