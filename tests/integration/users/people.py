"""Two users of one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from neuro_client import Client, get, login_with_token
from neuro_client.local import LocalPlatform


@asynccontextmanager
async def as_user(platform: LocalPlatform, name: str, folder: Path) -> AsyncIterator[Client]:
    """Add a user and open a client of that user's."""
    token = await platform.add_user(name)
    await login_with_token(token, url=platform.api_url, path=folder)
    async with get(path=folder) as client:
        yield client
