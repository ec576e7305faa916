"""Prepare the local platform by plain requests, without the client's own code for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
from yarl import URL

from neuro_client.client import Client


@attrs.frozen
class Rest:
    """Call one service as the client's user."""

    url: URL
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str = "", body: Any = None) -> Any:
        """Send a request that must work; give the JSON, None without any."""
        url = URL(f"{self.url}{path}", encoded=True)
        async with self.session.request(method, url, json=body) as answer:
            assert answer.ok, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None


@asynccontextmanager
async def rest(client: Client, url: URL) -> AsyncIterator[Rest]:
    """Open a session for the service at an address."""
    headers = {"Authorization": f"Bearer {await client.config.token()}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Rest(url, session)
